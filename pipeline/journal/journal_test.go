package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/journal"
)

func open(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// start begins a run and leaves it as a process that died does.
func start(t *testing.T, j *journal.Journal, doc journal.Document) journal.Document {
	t.Helper()
	doc.Pipeline = "p"
	r, err := j.Start(doc, nil, func(string, any) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	return r.Document()
}

func TestRunOfADeadProcessIsInterruptedWhileAnotherGoesOn(t *testing.T) {
	j := open(t, t.TempDir())
	dead, living := start(t, j, journal.Document{RunID: "r1"}), start(t, j, journal.Document{RunID: "r2"})
	release, err := j.Lock("p", living.RunID)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for id, want := range map[string]string{dead.RunID: journal.Interrupted, living.RunID: journal.Running} {
		if doc, err := j.Load(id); err != nil || doc.Status != want {
			t.Errorf("%s: %v %s, want %s", id, err, doc.Status, want)
		}
	}
}

func TestPlanGoesOnBesideARun(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	dead, living := start(t, j, journal.Document{RunID: "r1", Plan: true}), start(t, j, journal.Document{RunID: "r2", Plan: true})
	run, err := j.Lock("p", "r3")
	if err != nil {
		t.Fatal(err)
	}
	defer run()
	release, err := j.LockRun(living)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{dead.RunID: journal.Interrupted, living.RunID: journal.Running} {
		if doc, err := j.Load(id); err != nil || doc.Status != want {
			t.Errorf("%s: %v %s, want %s", id, err, doc.Status, want)
		}
	}
	if _, err := j.LockRun(living); err == nil {
		t.Error("one plan goes on twice")
	}
	release()
	if left, err := os.ReadDir(filepath.Join(dir, "locks")); err != nil || len(left) != 1 {
		t.Errorf("%v %v", err, left)
	}
}

// Somebody who lists the runs holds the lock for a moment.
func TestProcessThatDiedBeforeItBeganIsNoRun(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	run := start(t, j, journal.Document{RunID: "20260101-000000-aaaaaa"})
	if err := os.Mkdir(filepath.Join(dir, "runs", "20260101-000000-bbbbbb"), 0o700); err != nil {
		t.Fatal(err)
	}
	if doc, err := j.Load("20260101"); err != nil || doc.RunID != run.RunID {
		t.Errorf("%v %s", err, doc.RunID)
	}
}

func TestLockIsWaitedForAMoment(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	release, err := j.Lock("p", "r1")
	if err != nil {
		t.Fatal(err)
	}
	release()
	look := flock.New(filepath.Join(dir, "locks", "p.lock"))
	if got, err := look.TryRLock(); !got {
		t.Fatal(err)
	}
	time.AfterFunc(500*time.Millisecond, func() { _ = look.Close() })
	release, err = j.Lock("p", "r2")
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestAttemptsWhereTheClockWasSetBack(t *testing.T) {
	j := open(t, t.TempDir())
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	start(t, j, journal.Document{RunID: "r1", StartedAt: noon})
	start(t, j, journal.Document{RunID: "r2", StartedAt: noon.Add(-time.Minute), Attempt: 2, RetryOf: "r1"})
	start(t, j, journal.Document{RunID: "r3", StartedAt: noon.Add(-time.Hour), Attempt: 3, RetryOf: "r2"})
	attempts, _, err := j.Attempts("r1")
	var ids []string
	for _, doc := range attempts {
		ids = append(ids, doc.RunID)
	}
	if err != nil || !slices.Equal(ids, []string{"r1", "r2", "r3"}) {
		t.Errorf("%v %v", err, ids)
	}
}

// codeOf gives the code of an error, or what it is.
func codeOf(err error) string {
	if e := (*pipeline.Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

func TestDamagedDocumentIsNotTakenForAnother(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	whole := start(t, j, journal.Document{RunID: "r1"})
	whole.Status = journal.Interrupted
	path := filepath.Join(dir, "runs", "r1", "run.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		bit := byte(1) << (i % 7)
		text[i] ^= bit
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		text[i] ^= bit
		doc, err := j.Load("r1")
		if err == nil && !reflect.DeepEqual(doc, whole) || err != nil && codeOf(err) != "state.corrupted" {
			t.Fatalf("byte %d: %v %+v", i, err, doc)
		}
	}
}

func TestDocumentOfAnotherRunOrNone(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	start(t, j, journal.Document{RunID: "r1"})
	start(t, j, journal.Document{RunID: "r2"})
	mine, other := filepath.Join(dir, "runs", "r1"), filepath.Join(dir, "runs", "r2", "run.json")
	text, err := os.ReadFile(other)
	if err == nil {
		err = os.WriteFile(filepath.Join(mine, "run.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Load("r1"); codeOf(err) != "state.corrupted" {
		t.Errorf("the document of another run: %v", err)
	}
	if err := os.Remove(filepath.Join(mine, "run.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Load("r1"); codeOf(err) != "state.unknown_run" {
		t.Errorf("a run that never began: %v", err)
	}
	if err := os.WriteFile(filepath.Join(mine, "outcomes.ndjson"), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Load("r1"); codeOf(err) != "state.corrupted" {
		t.Errorf("no document: %v", err)
	}
	if _, damaged, err := j.List(false); err != nil || len(damaged) != 1 {
		t.Errorf("no document: %v %v", damaged, err)
	}
	if err := os.Mkdir(filepath.Join(mine, "run.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Load("r1"); codeOf(err) != "state.unusable" {
		t.Errorf("a folder: %v", err)
	}
}

func TestFilesThatWereChangedSinceTheCheckpoint(t *testing.T) {
	for _, name := range []string{"outcomes.ndjson", "rejects.ndjson", "rejects.reasons.ndjson"} {
		dir := t.TempDir()
		j := open(t, dir)
		secret := func(string, any) bool { return false }
		r, err := j.Start(journal.Document{RunID: "r1", Pipeline: "p"}, nil, secret)
		if err != nil {
			t.Fatal(err)
		}
		records := []pipeline.Record{{Raw: []byte(`{"a":1}`)}, {Index: 1}}
		records[0].Fail(pipeline.Problem{Code: "x.y"})
		records[1].Skip(pipeline.Filtered)
		if err := r.Append(records); err != nil {
			t.Fatal(err)
		}
		if err := r.Checkpoint(2, nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := r.Append(records); err != nil { // which is cut off
			t.Fatal(err)
		}
		if err := r.End(journal.Interrupted, nil); err != nil {
			t.Fatal(err)
		}
		r.Close()
		r, err = j.Resume(r.Document(), nil, secret)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r.Close()
		path := filepath.Join(dir, "runs", "r1", name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text[3] ^= 1
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Resume(r.Document(), nil, secret); codeOf(err) != "state.corrupted" {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Resume(r.Document(), nil, secret); codeOf(err) != "state.corrupted" {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

// A run whose reasons cannot be written ends with an error, and its document says so.
func TestRejectsWithoutReasons(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	r, err := j.Start(journal.Document{RunID: "r1", Pipeline: "p"}, nil, func(string, any) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Mkdir(filepath.Join(dir, "runs", "r1", "rejects.reasons.ndjson"), 0o700); err != nil {
		t.Fatal(err)
	}
	record := pipeline.Record{Raw: []byte(`{}`)}
	record.Fail(pipeline.Problem{Code: "x.y"})
	cause := r.Append([]pipeline.Record{record})
	if codeOf(cause) != "state.unwritable" {
		t.Fatal(cause)
	}
	if err := r.End(journal.FailedStatus, cause); err != nil {
		t.Fatal(err)
	}
	if doc := r.Document(); doc.Summary != (journal.Summary{}) || doc.Rejects != "" || doc.Failure == nil {
		t.Errorf("%+v", doc)
	}
}

func TestDamagedCursorIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	for _, cursor := range []string{"", "2026-01-02T03:04:05Z", "a\n00000000\n"} {
		if err := j.SetCursor("p", []byte(cursor)); err != nil {
			t.Fatal(err)
		}
		if got, err := j.Cursor("p"); err != nil || got == nil || string(got) != cursor {
			t.Errorf("%q: %q %v", cursor, got, err)
		}
		path := filepath.Join(dir, "cursors", "p")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var damaged [][]byte
		for i := range text {
			flipped := slices.Clone(text)
			flipped[i] ^= 1
			damaged = append(damaged, text[:i], flipped)
		}
		for _, text := range damaged {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := j.Cursor("p"); codeOf(err) != "state.corrupted" {
				t.Errorf("%q of %q: %q %v", text, cursor, got, err)
			}
		}
	}
}
