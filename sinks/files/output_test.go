package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/usher-id/usher/pipeline"
)

var ctx = context.Background()

func open(t *testing.T, path string, run pipeline.Run) *Output {
	t.Helper()
	o := NewOutput(pipeline.Env{}, path)
	t.Cleanup(func() { _ = o.Close() })
	if err := o.Open(ctx, run); err != nil {
		t.Fatal(err)
	}
	return o
}

func write(t *testing.T, o *Output, text string) {
	t.Helper()
	if err := o.Write(append(o.Buffer(), text...)); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestTargetIsReplacedAtTheEndOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := open(t, path, pipeline.Run{ID: "r1"})
	write(t, o, "new")
	if position, err := o.Commit(); err != nil || !strings.HasPrefix(string(position), "3 ") {
		t.Fatal(string(position), err)
	}
	if text, _ := os.ReadFile(path); string(text) != "old" {
		t.Errorf("the target is %q before the end", text)
	}
	if got := names(t, dir); !slices.Equal(got, []string{".f.r1.partial", "f"}) {
		t.Error(got)
	}
	if err := o.Finish([]byte("!")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if text, _ := os.ReadFile(path); err != nil || string(text) != "new!" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, %v, %v", text, info, err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"f"}) {
		t.Error(got)
	}
}

func TestSymbolicLinkStays(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.WriteFile(real, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	o := open(t, link, pipeline.Run{ID: "r"})
	write(t, o, "x")
	if err := o.Finish(nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	if text, _ := os.ReadFile(real); string(text) != "x" {
		t.Errorf("%q", text)
	}
}

// So does one to a file that is not there yet.
func TestSymbolicLinkToNothingStays(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("f", link); err != nil {
		t.Fatal(err)
	}
	o := open(t, link, pipeline.Run{ID: "r"})
	write(t, o, "new")
	if err := o.Finish(nil); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != "f" {
		t.Errorf("the link is gone: %q, %v", to, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "f")); string(text) != "new" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestDeviceIsNotReplaced(t *testing.T) {
	o := open(t, os.DevNull, pipeline.Run{ID: "r"})
	write(t, o, "x")
	if err := o.Finish(nil); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode()&os.ModeDevice == 0 {
		t.Fatalf("%v, %v", info, err)
	}
}

func TestDatabaseIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	store, link := filepath.Join(dir, "users.db"), filepath.Join(dir, "users.csv")
	if err := os.WriteFile(store, []byte("SQLite format 3\x00and more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(store, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{store, link} {
		var e *pipeline.Error
		if err := NewOutput(pipeline.Env{}, path).Open(ctx, pipeline.Run{ID: "r1"}); !errors.As(err, &e) || e.Code != "file.is_database" {
			t.Errorf("%s: %v", path, err)
		}
	}
	if list := names(t, dir); len(list) != 2 {
		t.Errorf("there is %v", list)
	}
}

func TestResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	run := pipeline.Run{ID: "r"}
	o := open(t, path, run)
	write(t, o, "one")
	position, err := o.Commit()
	if err != nil {
		t.Fatal(err)
	}
	write(t, o, strings.Repeat("lost", flushSize/4+1))
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	run.Resumed, run.Position = true, position
	o = open(t, path, run)
	var before bytes.Buffer
	if _, err := before.ReadFrom(o.Resumed()); err != nil || before.String() != "one" || !o.Begun() {
		t.Errorf("%q, %v", before.String(), err)
	}
	write(t, o, "two")
	if err := o.Finish(nil); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "onetwo" {
		t.Errorf("%q", text)
	}

	// The run died between giving the file its name and saying so.
	run.Position = []byte("6")
	o = open(t, path, run)
	if err := o.Finish([]byte("again")); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "onetwo" {
		t.Errorf("%q", text)
	}
	write(t, o, "more")
	if _, err := o.Commit(); code(err) != "file.finished" {
		t.Error(err)
	}
}

func TestDamagedPartialFileIsNotPublished(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	run := pipeline.Run{ID: "r"}
	o := open(t, path, run)
	write(t, o, "one")
	position, err := o.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	run.Resumed, run.Position = true, position
	partial := filepath.Join(dir, ".f.r.partial")
	for _, damaged := range []string{"on", "onf"} {
		if err := os.WriteFile(partial, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := NewOutput(pipeline.Env{}, path).Open(t.Context(), run); code(err) != "file.partial_damaged" {
			t.Error(err)
		}
	}
	// What stood there before is not what the run had written.
	if err := os.Rename(partial, path); err != nil {
		t.Fatal(err)
	}
	if err := NewOutput(pipeline.Env{}, path).Open(t.Context(), run); code(err) != "file.partial_missing" {
		t.Error(err)
	}
}

func code(err error) string {
	var e *pipeline.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	resumed := pipeline.Run{ID: "r", Resumed: true, Position: []byte("5")}
	for _, tt := range []struct {
		path string
		run  pipeline.Run
		code string
	}{
		{dir, pipeline.Run{}, "file.is_directory"},
		{filepath.Join(dir, "no", "f"), pipeline.Run{}, "file.not_found"},
		{filepath.Join(file, "f"), pipeline.Run{}, "file.unwritable"},
		{filepath.Join(dir, "f"), resumed, "file.partial_missing"},
		{file, resumed, "file.partial_missing"},
		{filepath.Join(dir, "f"), pipeline.Run{ID: "r", Resumed: true, Position: []byte("x")}, "file.bad_position"},
	} {
		for _, plan := range []bool{false, true} {
			tt.run.Plan = plan
			o := NewOutput(pipeline.Env{}, tt.path)
			if err := o.Open(ctx, tt.run); code(err) != tt.code && !(plan && tt.run.Resumed) {
				t.Errorf("%s: got %v, want %s", tt.path, err, tt.code)
			}
			if err := o.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Error(got)
	}
}

// TestFullDisk writes until a file may not become larger, in a process of its own, since the limit is the process's.
func TestFullDisk(t *testing.T) {
	const limit = 1 << 20
	if path := os.Getenv("OUTPUT_TEST_PATH"); path != "" {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			t.Fatal(err)
		}
		o := open(t, path, pipeline.Run{ID: "r"})
		write(t, o, "durable")
		if _, err := o.Commit(); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := o.Write(append(o.Buffer(), make([]byte, flushSize)...)); err != nil {
				fmt.Println("code:", code(err), "message:", err)
				return
			}
		}
		t.Fatal("there was no error")
	}
	path := filepath.Join(t.TempDir(), "f")
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$")
	cmd.Env = append(os.Environ(), "OUTPUT_TEST_PATH="+path)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "code: file.too_large") {
		t.Fatalf("%v\n%s", err, out)
	}
	// What was committed can be gone on with.
	o := open(t, path, pipeline.Run{ID: "r", Resumed: true, Position: []byte("7")})
	write(t, o, "!")
	if err := o.Finish(nil); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "durable!" {
		t.Errorf("%d bytes", len(text))
	}
}

func TestFullDevice(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	o := open(t, "/dev/full", pipeline.Run{ID: "r"})
	write(t, o, "x")
	if _, err := o.Commit(); code(err) != "file.disk_full" {
		t.Error(err)
	}
}

func TestRetryWritesBesideWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "users.json")
	for attempt, text := range []string{"first", "second", "third"} {
		o := open(t, path, pipeline.Run{ID: fmt.Sprint("r", attempt), Attempt: attempt + 1})
		write(t, o, text)
		if err := o.Finish(nil); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"users.json": "first", "users.attempt-2.json": "second", "users.attempt-3.json": "third"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// A folder may be there and take no file all the same.
func TestCheckTriesTheFolder(t *testing.T) {
	const folder = "/proc/self" // of Linux: nobody makes files in it, root neither
	if _, err := os.Stat(folder); err != nil {
		t.Skip("there is no such folder here")
	}
	o := NewOutput(pipeline.Env{}, folder+"/users.csv")
	var e *pipeline.Error
	if err := o.Check(ctx); !errors.As(err, &e) || e.Code != "file.unwritable" || !e.Unreachable {
		t.Errorf("%v", err)
	}
	if err := NewOutput(pipeline.Env{}, "/dev/null").Check(ctx); err != nil {
		t.Error(err)
	}
	dir := t.TempDir()
	if err := NewOutput(pipeline.Env{}, filepath.Join(dir, "users.csv")).Check(ctx); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v is left", err, left)
	}
}
