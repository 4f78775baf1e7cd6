package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sinks/store"
	"github.com/usher-id/usher/value"
)

// runs numbers the runs: no two have the same id.
var runs atomic.Int64

var started = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// options gives the sink's options: the defaults, as the reader of pipeline files fills them in, and those given.
func options(given map[string]any) *pipeline.Config {
	values := map[string]any{"dsn": "sqlite:users.db"}
	for _, o := range store.Type.Options {
		switch {
		case o.Default == "":
		case o.Type == pipeline.Bool:
			values[o.Name] = o.Default == "true"
		default:
			values[o.Name] = o.Default
		}
	}
	for name, v := range given {
		values[name] = v
	}
	return pipeline.NewConfig(values)
}

func newSink(t testing.TB, dir string, given map[string]any) pipeline.Sink {
	t.Helper()
	s, err := newSinkOrError(dir, given)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newSinkOrError(dir string, given map[string]any) (pipeline.Sink, error) {
	return store.Type.New(pipeline.Env{Dir: dir}, options(given))
}

func record(t testing.TB, index int64, text string) pipeline.Record {
	t.Helper()
	r, err := parseRecord(index, text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// gone begins the text of a record whose user is gone.
const gone = "gone "

func parseRecord(index int64, text string) (pipeline.Record, error) {
	text, gone := strings.CutPrefix(text, gone)
	v, err := value.ParseJSON([]byte(text))
	o, _ := v.(*value.Object)
	return pipeline.Record{Index: index, Ref: pipeline.Ref{Origin: "t", Line: index + 1}, Source: o, Fields: o, Gone: gone}, err
}

// do runs one run over the batches and gives the outcomes, shortened, in order.
func do(t testing.TB, dir string, given map[string]any, run pipeline.Run, batches ...[]string) []string {
	t.Helper()
	var lines []string
	for _, o := range outcomes(t, dir, given, run, batches...) {
		lines = append(lines, short(o))
	}
	return lines
}

func outcomes(t testing.TB, dir string, given map[string]any, run pipeline.Run, batches ...[]string) []pipeline.Outcome {
	t.Helper()
	out, _ := whole(t, dir, given, run, batches...)
	return out
}

// whole runs one run and gives also who is missing, each with what becomes of them, or why that is not told.
func whole(t testing.TB, dir string, given map[string]any, run pipeline.Run, batches ...[]string) (out []pipeline.Outcome, missing []string) {
	t.Helper()
	if run.ID == "" {
		run.ID = fmt.Sprint("run", runs.Add(1))
	}
	if run.StartedAt.IsZero() {
		run.StartedAt = started
	}
	run.Secret = pipeline.SecretFunc()
	s := newSink(t, dir, given)
	ctx := context.Background()
	defer s.Close()
	if err := s.Open(ctx, run); err != nil {
		t.Fatal(err)
	}
	index := run.From
	for i, texts := range batches {
		if i%2 == 1 {
			if _, err := s.Commit(ctx); err != nil {
				t.Fatal(err)
			}
		}
		b := &pipeline.Batch{}
		for _, text := range texts {
			b.Records = append(b.Records, record(t, index, text))
			index++
		}
		if err := s.(pipeline.Preparer).Prepare(ctx, b); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(ctx, b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			out = append(out, b.Records[i].Outcome)
		}
	}
	if _, err := s.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if r := s.(pipeline.Reconciler); r.Reconciles() {
		missing = reconcile(t, r, out)
	}
	if err := s.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out, missing
}

func reconcile(t testing.TB, r pipeline.Reconciler, out []pipeline.Outcome) (missing []string) {
	t.Helper()
	failed := int64(0)
	for _, o := range out {
		if o.Decision == pipeline.Failed {
			failed++
		}
	}
	skipped, err := r.Reconcile(context.Background(), failed, func(users []pipeline.Missing) error {
		for _, u := range users {
			missing = append(missing, u.Identifier+" "+u.Outcome)
		}
		return nil
	})
	var known *pipeline.Error
	switch {
	case errors.As(err, &known) && known.Code == pipeline.TooManyMissing:
		missing = append(missing, known.Code)
	case err != nil:
		t.Fatal(err)
	case skipped != "":
		missing = append(missing, "skipped")
	}
	return missing
}

// short writes an outcome as "updated name,email", "skipped unchanged", "failed user.bad_email@email".
func short(o pipeline.Outcome) string {
	s := o.Decision.String()
	if o.Reason != "" {
		s += " " + o.Reason
	}
	if len(o.Changed) > 0 {
		s += " " + strings.Join(o.Changed, ",")
	}
	for _, e := range o.Errors {
		s += " " + e.Code + "@" + e.Field
	}
	for _, w := range o.Warnings {
		s += " (" + w.Code + "@" + w.Field + ")"
	}
	return s
}

func users(t testing.TB, dir string) []*identity.User {
	t.Helper()
	s, err := identity.Open(context.Background(), "sqlite:users.db", dir, "", identity.Read)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var list []*identity.User
	for u, err := range s.Users(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, u)
	}
	return list
}

var upsert = map[string]any{"upsert": true}

func TestInsertUpdateSkip(t *testing.T) {
	dir := t.TempDir()
	batch := []string{`{"email":"Ann@Example.com","name":"Ann"}`, `{"email":"bob@example.com","name":"Bob"}`, `{"email":"no address"}`}
	want(t, do(t, dir, upsert, pipeline.Run{}, batch), "inserted", "inserted", "failed user.bad_email@email")
	want(t, do(t, dir, upsert, pipeline.Run{}, batch), "skipped unchanged", "skipped unchanged", "failed user.bad_email@email")
	want(t, do(t, dir, upsert, pipeline.Run{}, []string{`{"email":"ann@example.com","name":"Anne"}`, batch[1]}), "updated name", "skipped unchanged")
	want(t, do(t, dir, nil, pipeline.Run{}, []string{`{"email":"ann@example.com","name":"Other"}`, `{"email":"c@example.com"}`}), "skipped exists", "inserted")
	list := users(t, dir)
	if len(list) != 3 || list[0].Email != "ann@example.com" || list[0].Name != "Anne" || list[2].Email != "c@example.com" {
		t.Errorf("%+v", list)
	}
	for _, name := range []string{"users.db", "users.db.lock"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
}

func want(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestSameUserTwice(t *testing.T) {
	records := []string{`{"email":"a@x.com","name":"A"}`, `{"email":"A@X.com","name":"B"}`, `{"email":"a@x.com","name":"B"}`}
	for name, batches := range map[string][][]string{"one batch": {records}, "three batches": {records[:1], records[1:2], records[2:]}} {
		t.Run(name, func(t *testing.T) {
			want(t, do(t, t.TempDir(), upsert, pipeline.Run{}, batches...), "inserted", "updated name", "skipped unchanged")
			want(t, do(t, t.TempDir(), nil, pipeline.Run{}, batches...), "inserted", "skipped exists", "skipped exists")
		})
	}
}

// A resumed run has the users from before its checkpoint in the store, or does not go on: they would be told as inserted and be nowhere.
func TestResumeOnAnotherStore(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	write := func(s pipeline.Sink, index int64, text string) error {
		return s.Write(ctx, &pipeline.Batch{Records: []pipeline.Record{record(t, index, text)}})
	}
	run := pipeline.Run{ID: "r", StartedAt: time.Now()}
	s := newSink(t, dir, nil)
	if err := errors.Join(s.Open(ctx, run), write(s, 0, `{"email":"a@example.com"}`)); err != nil {
		t.Fatal(err)
	}
	position, err := s.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	run.Resumed, run.From, run.Position = true, 1, position

	s = newSink(t, t.TempDir(), nil)
	var e *pipeline.Error
	if err := s.Open(ctx, run); !errors.As(err, &e) || e.Code != "store.behind" {
		t.Error(err)
	}
	s.Close()
	for range 2 { // the second time as if the process died when all was finished but the end of the run not yet noted
		s = newSink(t, dir, nil)
		if err := s.Open(ctx, run); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Finish(ctx), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// What a run has updated is told by no new user.
func TestResumeOnAnOlderCopy(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	do(t, dir, upsert, pipeline.Run{}, []string{`{"email":"a@example.com","name":"A"}`})
	older, err := os.ReadFile(filepath.Join(dir, "users.db"))
	if err != nil {
		t.Fatal(err)
	}
	run := pipeline.Run{ID: "r", StartedAt: time.Now()}
	s := newSink(t, dir, upsert)
	if err := errors.Join(s.Open(ctx, run), s.Write(ctx, &pipeline.Batch{Records: []pipeline.Record{record(t, 0, `{"email":"a@example.com","name":"B"}`)}})); err != nil {
		t.Fatal(err)
	}
	position, err := s.Commit(ctx)
	if err := errors.Join(err, s.Close(), os.WriteFile(filepath.Join(dir, "users.db"), older, 0o600)); err != nil {
		t.Fatal(err)
	}
	run.Resumed, run.From, run.Position = true, 1, position
	s = newSink(t, dir, upsert)
	var e *pipeline.Error
	if err := s.Open(ctx, run); !errors.As(err, &e) || e.Code != "store.behind" {
		t.Errorf("resumed on the older copy: %v", err)
	}
	s.Close()
}

func TestConflictNamesTheHolder(t *testing.T) {
	dir := t.TempDir()
	byID := map[string]any{"upsert": true, "identifier": "external_id"}
	out := outcomes(t, dir, byID, pipeline.Run{},
		[]string{`{"external_id":"1","email":"a@x.com","identities":[{"provider":"g","subject":"1"}]}`},
		[]string{`{"external_id":"2","email":"A@x.com","phone_number":"+8613100000001","identities":[{"provider":"g","subject":1}]}`,
			`{"external_id":"2","phone_number":"+8613100000001"}`, `{"external_id":"1","phone_number":"+8613100000001"}`})
	got := make([]string, len(out))
	for i := range out {
		got[i] = short(out[i])
	}
	want(t, got, "inserted", "failed store.identity_conflict@email store.identity_conflict@identities", "inserted",
		"failed store.identity_conflict@phone_number")
	if holder := out[0].UserID; holder == "" || !strings.Contains(out[1].Errors[0].Message, holder) || !strings.Contains(out[3].Errors[0].Message, out[2].UserID) {
		t.Errorf("the holder is not named: %v", out)
	}
	if m := out[1].Errors[1].Message; !strings.HasPrefix(m, `["g","1"] belongs to user `) {
		t.Errorf("it is not told which linked identity it is: %s", m)
	}
	// One gives its address up, then the other may take it; the reverse order fails.
	want(t, do(t, dir, byID, pipeline.Run{}, []string{
		`{"external_id":"2","email":"a@x.com"}`, `{"external_id":"1","email":null}`, `{"external_id":"2","email":"a@x.com"}`}),
		"failed store.identity_conflict@email", "updated email", "updated email")
}

func TestPlanWritesNothingAndTellsTheRun(t *testing.T) {
	dir := t.TempDir()
	do(t, dir, upsert, pipeline.Run{}, []string{`{"email":"a@x.com","name":"A","roles":["r"],"password":{"hash":"$2b$12$abcdefghijklmnopqrstuuXyXyXyXyXyXyXyXyXyXyXyXyXyXyXyX"}}`,
		`{"email":"b@x.com","phone_number":"+8613100000001"}`})
	batches := [][]string{
		{`{"email":"a@x.com","name":"A2"}`, `{"email":"c@x.com","phone_number":"+8613100000001"}`, `{"email":"d@x.com"}`},
		{`{"email":"b@x.com","phone_number":null}`, `{"email":"c@x.com","phone_number":"+8613100000001"}`, `{"email":"a@x.com","name":"A2"}`},
		{`{"email":"d@x.com","name":"D","password":{"hash":"$2b$12$abcdefghijklmnopqrstuuXyXyXyXyXyXyXyXyXyXyXyXyXyXyXyX"}}`, `{"email":"a@x.com","name":"A3"}`, `{"email":"b@x.com"}`},
	}
	for _, at := range []string{"filled", "empty"} {
		t.Run(at, func(t *testing.T) {
			if at == "empty" {
				dir = t.TempDir()
			}
			before := snapshot(t, dir)
			planned := do(t, dir, upsert, pipeline.Run{Plan: true}, batches...)
			if after := snapshot(t, dir); before != after {
				t.Errorf("the plan wrote: %s became %s", before, after)
			}
			want(t, planned, do(t, dir, upsert, pipeline.Run{}, batches...)...)
		})
	}
}

// snapshot is the names and contents of all files of a folder.
func snapshot(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %d %x\n", e.Name(), len(content), sha256.Sum256(content))
	}
	return b.String()
}
