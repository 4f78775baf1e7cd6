// Package acceptance holds the tests that every connector passes: usher's own, and those of plugin authors. A
// connector's test calls Source, Transform or Sink with a case that says how to make the connector and what to
// expect of it. The tests must not run in parallel with others of the same process: they look for goroutines and files
// that were left behind.
package acceptance

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/value"
)

// patience is how long a connector may take to notice that it is called off.
const patience = 10 * time.Second

// leakPatience is how long goroutines may take to end behind what they were for.
var leakPatience = patience

// NewSource builds a source from its options as they would stand in a pipeline file, in YAML: {path: users.json}. They
// are checked as those of a pipeline file are.
func NewSource(t testing.TB, typ pipeline.SourceType, env pipeline.Env, options string) pipeline.Source {
	t.Helper()
	return build(t, env, fmt.Sprintf("source:\n  %s: %s\nsink: none\n", typ.Name, options), typ, noSink).Source
}

// NewTransform builds a transform from its options as they would stand in a pipeline file.
func NewTransform(t testing.TB, typ pipeline.TransformType, env pipeline.Env, options string) pipeline.Transform {
	t.Helper()
	return build(t, env, fmt.Sprintf("source: none\ntransforms:\n  - %s: %s\nsink: none\n", typ.Name, options), typ, noSource, noSink).Transforms[0]
}

// NewSink builds a sink from its options as they would stand in a pipeline file.
func NewSink(t testing.TB, typ pipeline.SinkType, env pipeline.Env, options string) pipeline.Sink {
	t.Helper()
	return build(t, env, fmt.Sprintf("source: none\nsink:\n  %s: %s\n", typ.Name, options), typ, noSource).Sink
}

// The other ends of the pipelines that NewSource, NewTransform and NewSink build. They are never opened.
var (
	noSource = pipeline.SourceType{Spec: pipeline.Spec{Name: "none"}, New: func(pipeline.Env, *pipeline.Config) (pipeline.Source, error) { return nil, nil }}
	noSink   = pipeline.SinkType{Spec: pipeline.Spec{Name: "none"}, New: func(pipeline.Env, *pipeline.Config) (pipeline.Sink, error) { return nil, nil }}
)

func build(t testing.TB, env pipeline.Env, text string, types ...any) *definition.Pipeline {
	t.Helper()
	p, err := definition.Parse("pipeline.yaml", []byte("name: acceptance\n"+text), pipeline.NewRegistry(types...), env)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// records makes records of JSON objects, as a source would give them.
func records(t *testing.T, texts []string) []pipeline.Record {
	t.Helper()
	list := make([]pipeline.Record, len(texts))
	for i, text := range texts {
		v, err := value.ParseJSON([]byte(text))
		o, ok := v.(*value.Object)
		if err != nil || !ok {
			t.Fatalf("record %d of the case is no JSON object: %s (%v)", i, text, err)
		}
		list[i] = pipeline.Record{Index: int64(i), Ref: pipeline.Ref{Origin: "case", Line: int64(i + 1)}, Source: o, Fields: o}
	}
	return list
}

// watch fails the test if a goroutine or a file is left when it is over.
func watch(t *testing.T) {
	t.Helper()
	before := openFiles()
	running := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		err := goleak.Find(running) // it waits for half a second
		for deadline := time.Now().Add(leakPatience); err != nil && time.Now().Before(deadline); {
			err = goleak.Find(running)
		}
		if err != nil {
			t.Errorf("goroutines are left: %v", err)
		}
		for _, name := range openFiles() {
			if i := slices.Index(before, name); i >= 0 {
				before = slices.Delete(before, i, i+1)
			} else {
				t.Errorf("%s is still open", name)
			}
		}
	})
}

// openFiles names the open files of the process, where the system tells.
func openFiles() []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if runtime.GOOS != "linux" || err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if name, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(name, "/") {
			names = append(names, name)
		}
	}
	return names
}

// noSecrets fails the test if a text shows one of the secrets.
func noSecrets(t *testing.T, secrets []string, where, text string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(text, s) {
			t.Errorf("%s shows a secret: %s", where, strings.ReplaceAll(text, s, "<<<the secret>>>"))
		}
	}
}

// checkOutcome fails the test if an outcome is not one that the engine can keep.
func checkOutcome(t *testing.T, r *pipeline.Record, secrets []string) {
	t.Helper()
	o := r.Outcome
	switch {
	case o.Decision == pipeline.Failed && len(o.Errors) == 0:
		t.Errorf("record %s failed without an error that says why", r.Ref)
	case o.Decision != pipeline.Failed && len(o.Errors) > 0:
		t.Errorf("record %s has errors but did not fail: %v", r.Ref, o.Errors)
	case o.Decision == pipeline.Skipped && o.Reason == "":
		t.Errorf("record %s is skipped without a reason", r.Ref)
	case o.Decision != pipeline.Skipped && o.Reason != "":
		t.Errorf("record %s has the reason %q, but is %s", r.Ref, o.Reason, o.Decision)
	}
	for _, p := range slices.Concat(o.Errors, o.Warnings) {
		if p.Code == "" || p.Message == "" {
			t.Errorf("record %s has a problem without code or message: %+v", r.Ref, p)
		}
		noSecrets(t, secrets, "the problem of "+r.Ref.String(), p.Code+" "+p.Field+" "+p.Message)
	}
}

// inTime fails the test if call takes longer than patience.
func inTime(t *testing.T, what string, call func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatalf("%s did not return within %s after it was called off", what, patience)
		return nil
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func asJSON(o *value.Object) string { return string(value.AppendJSON(nil, o)) }

// equal fails the test at the first difference between two lists.
func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("%s: %d are missing, the first is\n%s", what, len(want)-len(got), want[i])
		case i >= len(want):
			t.Fatalf("%s: %d too many, the first is\n%s", what, len(got)-len(want), got[i])
		case got[i] != want[i]:
			t.Fatalf("%s: number %d is\n%s\nand not\n%s", what, i, got[i], want[i])
		}
	}
}
