package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/usher-id/usher/pipeline"
)

var removing = map[string]any{"upsert": true, "on_delete": "delete", "reconcile": "pipeline", "max_deletes": "100%"}

func person(name string) string { return fmt.Sprintf(`{"email":"%s@x.com"}`, name) }

// life is a process of the run "r" that has written people from an index on, and dies unless it finishes.
func life(t *testing.T, dir string, resumed bool, from int64, people ...string) pipeline.Sink {
	t.Helper()
	s := newSink(t, dir, removing)
	ctx := context.Background()
	if err := s.Open(ctx, pipeline.Run{ID: "r", Pipeline: "p", StartedAt: started, Resumed: resumed, From: from, Secret: pipeline.SecretFunc()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := &pipeline.Batch{}
	for i, name := range people {
		b.Records = append(b.Records, record(t, from+int64(i), person(name)))
	}
	if err := s.Write(ctx, b); err != nil {
		t.Fatal(err)
	}
	return s
}

func commit(t *testing.T, s pipeline.Sink) {
	t.Helper()
	if _, err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func finish(t *testing.T, s pipeline.Sink) {
	t.Helper()
	if err := errors.Join(s.Finish(context.Background()), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// A run that dies anywhere and is resumed finds the same people missing, once.
func TestReconcileAfterADeath(t *testing.T) {
	want := []string{"b@x.com deleted", "d@x.com deleted"}
	deaths := map[string]func(*testing.T, string){
		"before the commit": func(t *testing.T, dir string) { life(t, dir, false, 0, "a", "c").Close() },
		"before reconciling": func(t *testing.T, dir string) {
			s := life(t, dir, false, 0, "a", "c")
			commit(t, s)
			s.Close()
		},
		"between two commits": func(t *testing.T, dir string) {
			s := life(t, dir, false, 0, "a")
			commit(t, s)
			s.Close()
		},
		"while reconciling": func(t *testing.T, dir string) {
			s := life(t, dir, false, 0, "a", "c")
			commit(t, s)
			full := errors.New("the disk is full")
			if _, err := s.(pipeline.Reconciler).Reconcile(context.Background(), 0, func([]pipeline.Missing) error { return full }); !errors.Is(err, full) {
				t.Errorf("%v", err)
			}
			s.Close()
		},
		"behind reconciling": func(t *testing.T, dir string) {
			s := life(t, dir, false, 0, "a", "c")
			commit(t, s)
			if got := reconcile(t, s.(pipeline.Reconciler), nil); !slices.Equal(got, want) {
				t.Errorf("%q", got)
			}
			s.Close()
		},
	}
	for name, die := range deaths {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			do(t, dir, removing, pipeline.Run{Pipeline: "p"}, []string{person("a"), person("b"), person("c"), person("d")})
			die(t, dir)
			var s pipeline.Sink
			switch name {
			case "before the commit":
				s = life(t, dir, true, 0, "a", "c")
			case "between two commits":
				s = life(t, dir, true, 1, "c")
			default:
				s = life(t, dir, true, 2)
			}
			commit(t, s)
			if got := reconcile(t, s.(pipeline.Reconciler), nil); !slices.Equal(got, want) {
				t.Errorf("%q", got)
			}
			finish(t, s)
			if left := users(t, dir); len(left) != 2 {
				t.Errorf("%d users are left", len(left))
			}
			checkIntegrity(t, dir)
		})
	}
}

// Who came since then was not seen by the run that is resumed, but is there.
func TestReconcileForgetsWhatAnotherRunPassed(t *testing.T) {
	dir := t.TempDir()
	s := life(t, dir, false, 0, "a")
	commit(t, s)
	s.Close()
	do(t, dir, removing, pipeline.Run{Pipeline: "p"}, []string{person("a"), person("new"), person("b")})
	s = life(t, dir, true, 1, "b")
	commit(t, s)
	if got := reconcile(t, s.(pipeline.Reconciler), nil); !slices.Equal(got, []string{"skipped"}) {
		t.Errorf("%q", got)
	}
	finish(t, s)
	if left := users(t, dir); len(left) != 3 {
		t.Errorf("%d users are left", len(left))
	}
}

// A process may die before it came to the store at all: who resumes its run sees everything.
func TestReconcileAfterADeathBeforeTheStore(t *testing.T) {
	dir := t.TempDir()
	do(t, dir, removing, pipeline.Run{Pipeline: "p"}, []string{person("a"), person("b")})
	s := life(t, dir, true, 0, "a")
	commit(t, s)
	if got := reconcile(t, s.(pipeline.Reconciler), nil); !slices.Equal(got, []string{"b@x.com deleted"}) {
		t.Errorf("%q", got)
	}
	finish(t, s)
}

// The place of a user that one pipeline brought and another one deleted is not given to somebody else: the first would
// take them for its own.
func TestReconcileKnowsItsOwn(t *testing.T) {
	dir := t.TempDir()
	do(t, dir, removing, pipeline.Run{Pipeline: "p"}, []string{person("a"), person("b")})
	do(t, dir, map[string]any{"on_delete": "delete"}, pipeline.Run{Pipeline: "q"}, []string{gone + person("b")})
	do(t, dir, map[string]any{}, pipeline.Run{Pipeline: "q"}, []string{person("stranger")})
	if _, missing := whole(t, dir, removing, pipeline.Run{Pipeline: "p"}, []string{person("a")}); len(missing) != 0 {
		t.Errorf("%q", missing)
	}
	if left := users(t, dir); len(left) != 2 {
		t.Errorf("%d users are left", len(left))
	}
}

// A user that two pipelines bring goes with the last of them.
func TestReconcileLeavesWhoComesByAnotherPipeline(t *testing.T) {
	dir := t.TempDir()
	do(t, dir, removing, pipeline.Run{Pipeline: "p"}, []string{person("a"), person("b"), person("c")})
	do(t, dir, removing, pipeline.Run{Pipeline: "q"}, []string{person("b"), person("d")})
	for _, plan := range []bool{true, false} {
		if _, missing := whole(t, dir, removing, pipeline.Run{Pipeline: "p", Plan: plan}, []string{person("a")}); !slices.Equal(missing, []string{"b@x.com kept", "c@x.com deleted"}) {
			t.Errorf("plan %v: %q", plan, missing)
		}
	}
	// It is not this pipeline's any more, so that the other one can remove it.
	if _, missing := whole(t, dir, removing, pipeline.Run{Pipeline: "p"}, []string{person("a")}); len(missing) != 0 {
		t.Errorf("%q", missing)
	}
	if _, missing := whole(t, dir, removing, pipeline.Run{Pipeline: "q"}, []string{person("d")}); !slices.Equal(missing, []string{"b@x.com deleted"}) {
		t.Errorf("%q", missing)
	}
	// Nobody is removed, but somebody is left to the other.
	do(t, dir, removing, pipeline.Run{Pipeline: "q"}, []string{person("a"), person("d")})
	if _, missing := whole(t, dir, removing, pipeline.Run{Pipeline: "p"}, []string{person("e")}); !slices.Equal(missing, []string{"a@x.com kept"}) {
		t.Errorf("%q", missing)
	}
	if left := users(t, dir); len(left) != 3 {
		t.Errorf("%d users are left", len(left))
	}
}

// Who comes by another pipeline is kept by that, disabled before or not, whatever becomes of the others.
func TestReconcileKeepsWhoWasDisabledForAnotherPipeline(t *testing.T) {
	dir := t.TempDir()
	disabling := map[string]any{"upsert": true, "on_delete": "disable", "reconcile": "pipeline", "max_deletes": "1"}
	do(t, dir, disabling, pipeline.Run{Pipeline: "p"}, []string{person("a"), person("b"), person("c"), person("d")})
	do(t, dir, disabling, pipeline.Run{Pipeline: "q"}, []string{person("b"), gone + person("b")})
	for _, tt := range []struct{ seen, missing []string }{
		{[]string{person("a")}, []string{"b@x.com kept", "c@x.com kept", "d@x.com kept", "run.too_many_deletes"}},
		{[]string{person("a"), person("c")}, []string{"b@x.com kept", "d@x.com disabled"}},
	} {
		if _, missing := whole(t, dir, disabling, pipeline.Run{Pipeline: "p"}, tt.seen); !slices.Equal(missing, tt.missing) {
			t.Errorf("%q, want %q", missing, tt.missing)
		}
	}
}

// Records that failed before they came to the sink keep their users.
func TestReconcileKeepsWhoFailed(t *testing.T) {
	dir := t.TempDir()
	do(t, dir, removing, pipeline.Run{Pipeline: "p"}, []string{person("a"), person("b"), person("c")})
	for name, test := range map[string]struct {
		failed pipeline.Record
		want   []string
	}{
		"known":      {record(t, 1, person("b")), []string{"c@x.com deleted"}},
		"nobody's":   {record(t, 1, person("z")), []string{"skipped"}},
		"unreadable": {pipeline.Record{Index: 1}, []string{"skipped"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			s := newSink(t, dir, removing)
			if err := s.Open(ctx, pipeline.Run{ID: name, Pipeline: "p", StartedAt: started, Plan: true, Secret: pipeline.SecretFunc()}); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			test.failed.Fail(pipeline.Problem{Code: "test.failed"})
			b := &pipeline.Batch{Records: []pipeline.Record{record(t, 0, person("a")), test.failed}}
			if err := s.Write(ctx, b); err != nil {
				t.Fatal(err)
			}
			again := &pipeline.Batch{Records: b.Records[1:]} // as the engine does after it split a batch
			if err := s.Write(ctx, again); err != nil {
				t.Fatal(err)
			}
			commit(t, s)
			if got := reconcile(t, s.(pipeline.Reconciler), []pipeline.Outcome{test.failed.Outcome}); !slices.Equal(got, test.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

// Blocks of users are gone through one by one.
func TestReconcileManyUsers(t *testing.T) {
	dir := t.TempDir()
	var batches [][]string
	for first := 0; first < 10_000; first += 1000 {
		var batch []string
		for i := range 1000 {
			batch = append(batch, person(fmt.Sprint("u", first+i)))
		}
		batches = append(batches, batch)
	}
	do(t, dir, removing, pipeline.Run{Pipeline: "p"}, batches...)
	for _, run := range []pipeline.Run{{Pipeline: "p", Plan: true}, {Pipeline: "p"}} {
		_, missing := whole(t, dir, removing, run, batches[0], batches[5], batches[9])
		if len(missing) != 7000 || missing[0] != "u1000@x.com deleted" || missing[6999] != "u8999@x.com deleted" {
			t.Errorf("plan %v: %d are missing", run.Plan, len(missing))
		}
	}
	if left := users(t, dir); len(left) != 3000 {
		t.Errorf("%d users are left", len(left))
	}
	checkIntegrity(t, dir)
}
