package engine_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/engine"
	"github.com/usher-id/usher/pipeline/journal"
)

// reconciling is a sink that misses two users.
type reconciling struct {
	memory
	calls, failed int64
	saw           int // records that came to Write, decided or not
	result        error
	skipped       string
	finish        error
}

func (s *reconciling) Reconciles() bool { return true }

func (s *reconciling) Write(ctx context.Context, b *pipeline.Batch) error {
	s.saw += len(b.Records)
	return s.memory.Write(ctx, b)
}

func (s *reconciling) Reconcile(_ context.Context, failed int64, found func([]pipeline.Missing) error) (string, error) {
	s.calls++
	s.failed = failed
	if s.skipped != "" {
		return s.skipped, nil
	}
	outcome := pipeline.MissingDeleted
	if s.result != nil {
		outcome = pipeline.MissingKept
	}
	return "", errors.Join(found([]pipeline.Missing{{UserID: "1", Identifier: "a", Outcome: outcome}, {UserID: "2", Identifier: "b", Outcome: pipeline.MissingUnchanged}}), s.result)
}

func (s *reconciling) Finish(context.Context) error { return s.finish }

func TestReconcile(t *testing.T) {
	dir := t.TempDir()
	sink := &reconciling{memory: memory{dieAt: -1}, finish: errors.New("the disk is full")}
	p := engine.Pipeline{Name: "p", Source: &numbers{n: 30, bad: func(n int) bool { return n >= 20 }}, Sink: sink, BatchSize: 10}
	doc, err := run(t, dir, p, journal.Document{}, engine.Options{})
	if err == nil || doc.Status != journal.FailedStatus || sink.calls != 1 || sink.failed != 10 || sink.saw != 30 {
		t.Fatalf("%v, %s, %d calls, %d failed, saw %d", err, doc.Status, sink.calls, sink.failed, sink.saw)
	}
	want := journal.Reconciled{Status: journal.ReconcileDone, Missing: 2, Deleted: 1, Unchanged: 1}
	want.Users = doc.Reconciled.Users
	if *doc.Reconciled != want {
		t.Errorf("%+v", doc.Reconciled)
	}
	text, err := os.ReadFile(want.Users)
	if err != nil || string(text) != `{"user_id":"1","identifier":"a","outcome":"deleted"}`+"\n"+`{"user_id":"2","identifier":"b","outcome":"unchanged"}`+"\n" {
		t.Errorf("%v %s", err, text)
	}
	// What was done is not done again by the process that comes to the end.
	sink.finish = nil
	doc, err = run(t, dir, p, doc, engine.Options{})
	if err != nil || doc.Status != journal.CompletedWithFailures || sink.calls != 1 || *doc.Reconciled != want || doc.Summary.Total != 30 {
		t.Errorf("%v, %s, %d calls, %+v", err, doc.Status, sink.calls, doc.Reconciled)
	}
}

func TestReconcileRefused(t *testing.T) {
	dir := t.TempDir()
	sink := &reconciling{memory: memory{dieAt: -1}, result: &pipeline.Error{Code: pipeline.TooManyMissing, Message: "too many"}}
	p := engine.Pipeline{Name: "p", Source: &numbers{n: 30}, Sink: sink}
	doc, err := run(t, dir, p, journal.Document{}, engine.Options{})
	if err == nil || doc.Status != journal.FailedStatus || doc.Summary.Inserted != 30 || doc.Reconciled.Status != journal.ReconcileRefused || doc.Reconciled.Kept != 1 || doc.Reconciled.Users == "" {
		t.Fatalf("%v, %+v", err, doc.Reconciled)
	}
	sink.result = nil
	doc, err = run(t, dir, p, doc, engine.Options{})
	if err != nil || doc.Status != journal.Completed || sink.calls != 2 || doc.Reconciled.Status != journal.ReconcileDone || doc.Reconciled.Missing != 2 {
		t.Errorf("%v, %s, %d calls, %+v", err, doc.Status, sink.calls, doc.Reconciled)
	}
}

func TestReconcileOnlyWhatWasReadWhole(t *testing.T) {
	only, err := expression.Compile("user.n > 3", expression.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		doc     journal.Document
		source  pipeline.Source
		skipped string
		reason  string
	}{
		"limit":  {doc: journal.Document{Selection: journal.Selection{Limit: 5}}, reason: "a part of the records"},
		"offset": {doc: journal.Document{Selection: journal.Selection{Offset: 5}}, reason: "a part of the records"},
		"only":   {doc: journal.Document{Selection: journal.Selection{Only: "user.n > 3"}}, reason: "a part of the records"},
		"retry":  {doc: journal.Document{RetryOf: "x"}, reason: "the rejects of another run"},
		"sink":   {skipped: "nobody knows", reason: "nobody knows"},
	} {
		sink := &reconciling{memory: memory{dieAt: -1}, skipped: test.skipped}
		o := engine.Options{}
		if name == "only" {
			o.Only = only
		}
		doc, err := run(t, t.TempDir(), engine.Pipeline{Name: "p", Source: &numbers{n: 10}, Sink: sink}, test.doc, o)
		if err != nil || doc.Reconciled == nil || doc.Reconciled.Status != journal.ReconcileSkipped || !strings.Contains(doc.Reconciled.Reason, test.reason) || (sink.calls > 0) != (test.skipped != "") {
			t.Errorf("%s: %v, %+v", name, err, doc.Reconciled)
		}
	}
	// Since the cursor is not all; everything is.
	dir := t.TempDir()
	for i, want := range []string{journal.ReconcileDone, journal.ReconcileSkipped, journal.ReconcileDone} {
		doc, err := run(t, dir, engine.Pipeline{Name: "p", Source: &since{numbers: numbers{n: 10}}, Sink: &reconciling{memory: memory{dieAt: -1}}}, journal.Document{Full: i == 2}, engine.Options{})
		if err != nil || doc.Reconciled.Status != want {
			t.Errorf("run %d: %v, %+v", i, err, doc.Reconciled)
		}
	}
}

// A sink that does not know of it is given nobody who is gone.
func TestGoneAreKeptFromOtherSinks(t *testing.T) {
	gone, err := expression.Compile("user.n % 3 == 0 && (user.n < 9 || date('x'))", expression.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sink := &memory{dieAt: -1}
	doc, err := run(t, t.TempDir(), engine.Pipeline{Name: "p", Source: &numbers{n: 10}, Sink: sink, Deleted: []*expression.Program{gone}}, journal.Document{}, engine.Options{})
	if err != nil || doc.Summary != (journal.Summary{Total: 10, Inserted: 6, Skipped: 3, Failed: 1}) || doc.Skips.Gone != 3 || sink.committed[0] {
		t.Errorf("%v, %+v, %+v", err, doc.Summary, doc.Skips)
	}
}
