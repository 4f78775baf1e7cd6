package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"go.uber.org/goleak"

	"github.com/usher-id/usher/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func set(t *testing.T, env pipeline.Env, patterns ...string) *Set {
	t.Helper()
	s := NewSet(env, patterns)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// all reads a whole set: name and content of each file.
func all(t *testing.T, s *Set) (list []string, err error) {
	t.Helper()
	if err := s.Open(ctx); err != nil {
		return nil, err
	}
	for {
		f, err := s.Next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		text, err := io.ReadAll(f)
		if err != nil {
			return list, err
		}
		list = append(list, f.Origin+"="+string(text))
	}
}

func code(err error) string {
	var e *pipeline.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestOrder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.json", "a.json", "c.json", "sub/a.json", "odd[1].json", "._a.json", ".h/b.json"} {
		write(t, filepath.Join(dir, name), name)
	}
	write(t, filepath.Join(dir, "z.json"), packed(t, "z.json"))
	if err := os.Mkdir(filepath.Join(dir, "folder.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ patterns, want []string }{
		{[]string{"c.json", "a.json"}, []string{"c.json=c.json", "a.json=a.json"}},
		{[]string{"[abc].json"}, []string{"a.json=a.json", "b.json=b.json", "c.json=c.json"}},
		{[]string{"c.json", "?.json"}, []string{"c.json=c.json", "a.json=a.json", "b.json=b.json", "z.json=z.json"}},
		{[]string{"a.json", "sub/../a.json"}, []string{"a.json=a.json"}},
		{[]string{"odd[1].json"}, []string{"odd[1].json=odd[1].json"}},
		{[]string{"a.json", "*/a.json"}, []string{dir + "/a.json=a.json", dir + "/sub/a.json=sub/a.json"}},
		{[]string{".*.json", "*/[ab].json", ".*/b.json"}, []string{"._a.json=._a.json", "a.json=sub/a.json", "b.json=.h/b.json"}},
		{[]string{"f*.json", "o*"}, []string{"odd[1].json=odd[1].json"}},
	} {
		patterns := slices.Clone(tt.patterns)
		for i := range patterns {
			patterns[i] = dir + "/" + patterns[i]
		}
		s := set(t, pipeline.Env{}, patterns...)
		got, err := all(t, s)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, %v, want %q", tt.patterns, got, err, tt.want)
		}
		if done, total := s.Progress(); done != total || total == 0 {
			t.Errorf("%q: at the end the progress is %d of %d", tt.patterns, done, total)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sub/f"), "x")
	write(t, filepath.Join(dir, "sub/.f"), "x")
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink(dir+"/nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]string{
		dir + "/no":       "file.not_found",
		dir + "/no*":      "file.not_found",
		dir:               "file.is_directory",
		dir + "/s*":       "file.not_found",
		dir + "/s*/?f":    "file.not_found",
		dir + "/[sl]*/f":  "file.unreadable", // one file is found, but the loop cannot be looked into
		dir + "/[":        "file.bad_pattern",
		dir + "/**/f":     "file.bad_pattern",
		loop:              "file.unreadable",
		dangling:          "file.not_found",
		dir + "/sub/f/g":  "file.unreadable",
		dir + "/sub/no/f": "file.not_found",
	} {
		s := set(t, pipeline.Env{}, pattern)
		err := s.Open(ctx)
		if code(err) != want || !pipeline.IsUnreachable(err) {
			t.Errorf("%s: got %v, want %s", pattern, err, want)
		}
		if again := s.Check(ctx); code(again) != want {
			t.Errorf("%s: Check gave %v", pattern, again)
		}
	}
}

func TestGzip(t *testing.T) {
	dir := t.TempDir()
	whole := packed(t, strings.Repeat("some text ", 100_000))
	two := packed(t, "a") + packed(t, "b")
	for name, tt := range map[string]struct{ stored, want, code string }{
		"whole":       {whole, strings.Repeat("some text ", 100_000), ""},
		"two members": {two, "ab", ""},
		"cut off":     {whole[:len(whole)-100], "", "file.damaged"},
		"header only": {whole[:5], "", "file.damaged"},
		"magic only":  {whole[:2], "", "file.damaged"},
		"changed":     {whole[:500] + "x" + whole[501:], "", "file.damaged"},
		"one byte":    {whole[:1], whole[:1], ""},
	} {
		got, err := all(t, set(t, pipeline.Env{}, write(t, filepath.Join(dir, "f"), tt.stored)))
		if code(err) != tt.code || err == nil && got[0] != "f="+tt.want {
			t.Errorf("%s: %.50q, %v", name, got, err)
		}
	}
}

func TestStandardInput(t *testing.T) {
	for _, text := range []string{"some text", packed(t, "some text")} {
		s := set(t, pipeline.Env{Stdin: strings.NewReader(text)}, "-")
		if got, err := all(t, s); err != nil || !slices.Equal(got, []string{"stdin=some text"}) {
			t.Errorf("%q, %v", got, err)
		}
		if _, total := s.Progress(); total != 0 {
			t.Errorf("the size of the standard input is not known, but said to be %d", total)
		}
	}
	if got, err := all(t, set(t, pipeline.Env{}, "-")); err != nil || !slices.Equal(got, []string{"stdin="}) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestStuckInput reads from pipes that nobody writes to.
func TestStuckInput(t *testing.T) {
	r, w := io.Pipe()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path  string
		stuck bool // in the opening, rather than in the reading
	}{{"-", false}, {fifo, true}, {fifo, false}} {
		s := NewSet(pipeline.Env{Stdin: r}, []string{tt.path})
		cancellable, cancel := context.WithCancel(ctx)
		if err := s.Open(cancellable); err != nil {
			t.Fatal(err)
		}
		var writer *os.File
		if tt.path == fifo && !tt.stuck {
			var err error
			if writer, err = os.OpenFile(fifo, os.O_RDWR, 0); err != nil {
				t.Fatal(err)
			}
		}
		time.AfterFunc(50*time.Millisecond, cancel)
		f, err := s.Next()
		if err == nil {
			_, err = f.Read(make([]byte, 10))
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", tt.path, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if writer != nil {
			_ = writer.Close()
		}
		if tt.stuck {
			// The opening that was called off ends with the first writer.
			if writer, err := os.OpenFile(fifo, os.O_WRONLY, 0); err == nil {
				_ = writer.Close()
			}
		}
	}
	_ = w.Close()
}

func TestPipeIsReadOnce(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(strings.Repeat("x", 1<<20))
			_ = f.Close()
		}
		written <- err
	}()
	got, err := all(t, set(t, pipeline.Env{}, fifo))
	if err != nil || len(got) != 1 || len(got[0]) != len("fifo=")+1<<20 {
		t.Errorf("%.20q, %v", got, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestFileChangesWhileItIsRead(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "f"), strings.Repeat("x", 1<<20))
	begin := func() *File {
		s := set(t, pipeline.Env{}, path)
		if err := s.Open(ctx); err != nil {
			t.Fatal(err)
		}
		f, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(f, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := begin()
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	write(t, path, "another")
	if rest, err := io.ReadAll(f); err != nil || len(rest) != 1<<20-1000 {
		t.Errorf("a renamed file gave %d bytes more, %v", len(rest), err)
	}

	path += ".old"
	f = begin()
	if err := os.Truncate(path, 500_000); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(f); code(err) != "file.truncated" || len(rest) != 500_000-1000 {
		t.Errorf("a truncated file gave %d bytes more, %v", len(rest), err)
	}

	// The second file of a set is removed while the first is read.
	second := write(t, filepath.Join(dir, "second"), "x")
	s := set(t, pipeline.Env{}, path, second)
	if err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); code(err) != "file.not_found" {
		t.Errorf("got %v", err)
	}
}

func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	a, b := write(t, filepath.Join(dir, "a"), "one"), write(t, filepath.Join(dir, "b"), "two")
	seen := map[string]string{}
	note := func(what string, env pipeline.Env, patterns ...string) {
		t.Helper()
		s := set(t, env, patterns...)
		if err := s.Open(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		now, err := s.Fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		if same, ok := seen[now]; ok {
			t.Errorf("%s and %s look the same", what, same)
		}
		seen[now] = what
	}
	note("a", pipeline.Env{}, a)
	note("b", pipeline.Env{}, b)
	note("a, b", pipeline.Env{}, a, b)
	note("b, a", pipeline.Env{}, b, a)
	info, _ := os.Stat(a)
	write(t, a, "eno")
	if err := os.Chtimes(a, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	note("a with another content", pipeline.Env{}, a)
	if err := os.Chtimes(a, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	note("a of another time", pipeline.Env{}, a)
	write(t, a, "one and more")
	note("a grown", pipeline.Env{}, a)
	note("stdin", pipeline.Env{Stdin: strings.NewReader("one")}, "-")
	note("another stdin", pipeline.Env{Stdin: strings.NewReader("two")}, "-")
}

func TestSkip(t *testing.T) {
	text := strings.Repeat("0123456789", 100_000)
	dir := t.TempDir()
	for name, path := range map[string]string{"plain": write(t, filepath.Join(dir, "plain"), text), "gzip": write(t, filepath.Join(dir, "gzip"), packed(t, text)), "stdin": "-"} {
		for _, at := range []int64{0, 1, 10, 4095, 4096, 4097, 999_999, 1_000_000} {
			s := set(t, pipeline.Env{Stdin: strings.NewReader(text)}, path)
			if err := s.Open(ctx); err != nil {
				t.Fatal(err)
			}
			f, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			w := NewWindow(1 << 20)
			w.Reset(f, 0, 0)
			if err := w.More(); err != nil {
				t.Fatal(err)
			}
			if err := w.SkipTo(at, 7); err != nil {
				t.Fatal(err)
			}
			for w.More() == nil {
			}
			if got := string(w.Bytes()); got != text[at:] || w.Offset() != at || w.Lines() != 7 {
				t.Errorf("%s: behind %d are %d bytes, %.20q…", name, at, len(got), got)
			}
			if err := w.SkipTo(1_000_001, 0); err == nil {
				t.Errorf("%s: the end was passed", name)
			}
		}
	}
}

func TestWindow(t *testing.T) {
	w := NewWindow(300 << 10)
	text := strings.Repeat("line\n", 1<<20/5)
	w.Reset(strings.NewReader(text), 0, 0)
	for len(w.Bytes()) < 300<<10 {
		if err := w.More(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.More(); err != ErrTooLong {
		t.Fatalf("got %v", err)
	}
	if string(w.Bytes()) != text[:300<<10] {
		t.Error("the window lost bytes")
	}
	w.Advance(250_000)
	if w.Offset() != 250_000 || w.Lines() != 50_000 {
		t.Errorf("offset %d, %d lines", w.Offset(), w.Lines())
	}
	var rest []byte
	for {
		rest = append(rest, w.Bytes()...)
		w.Advance(len(w.Bytes()))
		if err := w.More(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if string(rest) != text[250_000:] {
		t.Error("the window lost bytes")
	}
	if len(w.buf) > windowSize {
		t.Errorf("the window still takes %d bytes", len(w.buf))
	}
}
