package files

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/pipeline"
)

// old writes a file that was changed so many hours ago.
func old(t *testing.T, path, text string, hours int) string {
	t.Helper()
	write(t, path, text)
	at := time.Now().Add(-time.Duration(hours) * time.Hour)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
	return path
}

// watching gives a set that watches, and its log.
func watching(t *testing.T, dir string, patterns ...string) (*Set, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	env := pipeline.Env{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))}
	s := set(t, env, patterns...)
	s.archives, s.limits = true, generous
	s.watch = newWatch(env, 30*time.Minute)
	return s, &log
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	inbox := filepath.Join(dir, "inbox")
	var cursor []byte
	// take has a run take what is new, and checks what it took and what it said.
	take := func(want, said string) {
		t.Helper()
		s, log := watching(t, dir, inbox)
		s.SetCursor(cursor)
		if err := s.Check(ctx); err != nil {
			t.Fatal(err)
		}
		got, err := all(t, s)
		if err != nil || strings.Join(got, " ") != want {
			t.Fatalf("took %q, %v, want %s", got, err, want)
		}
		if said == "" && log.Len() > 0 || !strings.Contains(log.String(), said) {
			t.Errorf("said %q, want %q", log, said)
		}
		if mark := s.Cursor(); mark != nil {
			cursor = mark
		} else if want != "" {
			t.Error("nothing is to be kept")
		}
	}
	if s, _ := watching(t, dir, inbox); code(s.Open(ctx)) != "file.not_found" {
		t.Error("a folder that is not there was opened")
	}
	if s, _ := watching(t, dir, inbox+"/*.csv"); code(s.Open(ctx)) != "file.not_found" {
		t.Error("a folder that is not there was taken for an empty one")
	}
	if err := os.Symlink(filepath.Join(dir, "unmounted"), inbox); err != nil {
		t.Fatal(err)
	}
	if s, _ := watching(t, dir, inbox); code(s.Open(ctx)) != "file.not_found" {
		t.Error("a link to no folder was taken for an empty one")
	}
	if err := os.Remove(inbox); err != nil {
		t.Fatal(err)
	}
	old(t, filepath.Join(inbox, "b.csv"), "B", 3)
	old(t, filepath.Join(inbox, "a.csv"), "A", 2)
	old(t, filepath.Join(inbox, ".hidden"), "x", 2)
	old(t, filepath.Join(inbox, "d.csv.part"), "x", 2)
	old(t, filepath.Join(inbox, "sub/e.csv"), "x", 2)
	take("a.csv=A b.csv=B", "")
	if text := string(cursor); strings.Count(text, "\n") != 1 || !strings.Contains(text, " 1 inbox/a.csv\n") || !strings.HasSuffix(text, " 1 inbox/b.csv") {
		t.Errorf("the cursor is %s", text)
	}
	take("", "")

	fresh := write(t, filepath.Join(inbox, "c.csv"), "C")
	old(t, filepath.Join(inbox, "d.zip"), zipped(t, "2", "D2", "1", "D1"), 1)
	take("d.zip!1=D1 d.zip!2=D2", "still being written")
	old(t, fresh, "C, whole", 1)
	take("c.csv=C, whole", "")

	// What has changed is taken again; what is gone is forgotten with the next that comes, but not before.
	old(t, filepath.Join(inbox, "b.csv"), "BB", 3)
	if err := os.Remove(filepath.Join(inbox, "a.csv")); err != nil {
		t.Fatal(err)
	}
	if s, _ := watching(t, dir, inbox+"/*.csv"); s != nil { // another pattern names the same files
		s.SetCursor(cursor)
		if got, err := all(t, s); err != nil || !slices.Equal(got, []string{"b.csv=BB"}) {
			t.Errorf("%q, %v", got, err)
		}
	}
	take("b.csv=BB", "changed since it was taken")
	if strings.Contains(string(cursor), "a.csv") {
		t.Errorf("the cursor is %s", cursor)
	}
	if err := os.Rename(inbox, inbox+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(inbox, 0o700); err != nil {
		t.Fatal(err)
	}
	take("", "")
	if err := os.Remove(inbox); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(inbox+".away", inbox); err != nil {
		t.Fatal(err)
	}
	take("", "")
	cursor = nil
	take("b.csv=BB c.csv=C, whole d.zip!1=D1 d.zip!2=D2", "")

	s, _ := watching(t, dir, inbox+"/no*")
	if got, err := all(t, s); err != nil || len(got) > 0 || s.Cursor() != nil {
		t.Errorf("%q, %v", got, err)
	}
	s.SetCursor([]byte("what is this"))
	if err := s.Open(ctx); code(err) != "file.bad_cursor" {
		t.Errorf("got %v", err)
	}
}

// A run that is resumed reads what it began with, whatever came meanwhile.
func TestWatchedScope(t *testing.T) {
	dir := t.TempDir()
	old(t, filepath.Join(dir, "b.csv"), "B", 2)
	s, _ := watching(t, dir, dir)
	if err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	scope := s.Scope()
	fingerprint, err := s.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	old(t, filepath.Join(dir, "a.csv"), "A", 2)
	again, _ := watching(t, dir, dir)
	again.SetCursor(nil)
	again.SetScope(scope)
	if got, err := all(t, again); err != nil || !slices.Equal(got, []string{"b.csv=B"}) {
		t.Errorf("%q, %v", got, err)
	}
	if now, err := again.Fingerprint(); err != nil || now != fingerprint {
		t.Errorf("the fingerprint is another one, %v", err)
	}
	if !bytes.Equal(again.Cursor(), s.Cursor()) {
		t.Errorf("%q is not %q", again.Cursor(), s.Cursor())
	}
	// What another run has taken meanwhile stays taken.
	other, _ := watching(t, dir, dir)
	if err := other.Open(ctx); err != nil {
		t.Fatal(err)
	}
	again.SetCursor(other.Cursor())
	if err := again.Open(ctx); err != nil || !bytes.Equal(again.Cursor(), other.Cursor()) {
		t.Errorf("%q is not %q, %v", again.Cursor(), other.Cursor(), err)
	}
	// Nor does a run of nothing take anything when it is resumed.
	other.SetCursor(other.Cursor())
	if err := other.Open(ctx); err != nil {
		t.Fatal(err)
	}
	nothing, _ := watching(t, dir, dir)
	nothing.SetScope(other.Scope())
	if got, err := all(t, nothing); err != nil || len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
	old(t, filepath.Join(dir, "b.csv"), "BB", 2)
	changed, _ := watching(t, dir, dir)
	changed.SetScope(scope)
	if got, err := all(t, changed); err != nil || len(got) > 0 {
		t.Errorf("a file that changed is still the run's: %q, %v", got, err)
	}
	if now, _ := changed.Fingerprint(); now == fingerprint {
		t.Error("the fingerprint is the same")
	}
}

func FuzzRemembered(f *testing.F) {
	f.Add([]byte("2026-11-21T14:00:00.5Z 12 inbox/a.csv\n2026-11-21T14:00:00Z 0 \"odd\\nname\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		stamps, err := remembered(text)
		if err != nil {
			return
		}
		again, err := remembered(memory(stamps))
		if err != nil || len(again) != len(stamps) {
			t.Fatalf("%q gave %v, %v", text, again, err)
		}
		for name, s := range stamps {
			if again[name] != s {
				t.Fatalf("%q: %q was %v and is %v", text, name, s, again[name])
			}
		}
	})
}
