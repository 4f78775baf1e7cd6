package files

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/usher-id/usher/pipeline"
)

func TestUnreadableFile(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "f"), "x")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(path); err == nil {
		_ = f.Close()
		if os.Geteuid() != 0 {
			t.Skip("the file system has no permissions")
		}
		// The superuser may read anything: try as nobody, for this thread of the process.
		asNobody(t, func() { unreadable(t, path) })
		return
	}
	unreadable(t, path)
}

func unreadable(t *testing.T, path string) {
	if err := set(t, pipeline.Env{}, path).Open(ctx); code(err) != "file.unreadable" || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

// A file that was read to its end has been read, whatever the system says when it is closed.
func TestCloseFails(t *testing.T) {
	dir := t.TempDir()
	s := set(t, pipeline.Env{}, write(t, filepath.Join(dir, "a"), "A"), write(t, filepath.Join(dir, "b"), "B"))
	if err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Close(int(f.file.Fd())); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// asNobody has call run as the user nobody, as far as files go.
func asNobody(t *testing.T, call func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nobody = 65534
	_ = syscall.Setfsuid(nobody)
	defer func() { _ = syscall.Setfsuid(0) }()
	call()
}
