package host_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/internal/testplugin"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/pipeline/engine"
	"github.com/usher-id/usher/pipeline/journal"
	"github.com/usher-id/usher/plugins/host"
)

const records = 5000

// run is a run of records through a source, a transform and a sink of the test plugin.
type run struct {
	types
	dir, out string
	journal  *journal.Journal
}

func newRun(t *testing.T, p types) *run {
	t.Helper()
	dir := t.TempDir()
	j, err := journal.Open(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	return &run{types: p, dir: dir, out: filepath.Join(dir, "out.ndjson"), journal: j}
}

func (r *run) start(t *testing.T, doc journal.Document, more ...pipeline.Transform) (journal.Document, error) {
	t.Helper()
	env := pipeline.Env{Log: testLog(t)}
	return engine.Run(context.Background(), r.journal, doc, engine.Pipeline{
		Name: "p", Source: acceptance.NewSource(t, r.count, env, fmt.Sprint("{records: ", records, "}")),
		Transforms: append([]pipeline.Transform{acceptance.NewTransform(t, r.mark, env, "{field: seen}")}, more...),
		Sink:       acceptance.NewSink(t, r.lines, env, fmt.Sprintf("{path: %q}", r.out)),
	}, engine.Options{})
}

// whole fails the test unless every record was written, once and in order.
func (r *run) whole(t *testing.T, doc journal.Document) {
	t.Helper()
	if s := doc.Summary; s.Total != records || s.Inserted != records || !s.Balanced() {
		t.Errorf("the ledger is %+v", s)
	}
	lines := readLines(t, r.out)
	for i, line := range lines {
		if want := fmt.Sprintf(`{"n":%d,"name":"user %d","seen":true}`, i, i); line != want {
			t.Fatalf("line %d is %s", i, line)
		}
	}
	if len(lines) != records {
		t.Errorf("%d of %d records were written", len(lines), records)
	}
}

// TestDeathInMidRun has the plugin die, hang and stop over a record, once, in each of its parts.
func TestDeathInMidRun(t *testing.T) {
	for _, mode := range []string{"die:source", "die:transform", "die:sink", "hang:source", "hang:sink", "stop:transform"} {
		t.Run(mode, func(t *testing.T) {
			left := leftovers(t)
			once := filepath.Join(t.TempDir(), "once")
			timeout := time.Minute
			if !strings.HasPrefix(mode, "die") {
				timeout = 2 * time.Second
			}
			p := loadWith(t, mode+":2345:"+once, timeout)
			r := newRun(t, p)
			doc, err := r.start(t, journal.Document{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(once); err != nil {
				t.Error("nothing happened")
			}
			r.whole(t, doc)
			p.host.Close()
			left.none(t)
		})
	}
}

// TestGivenUp has the plugin die over the same record again and again. The run stops, and goes on when the plugin is mended.
func TestGivenUp(t *testing.T) {
	defer host.SetFirstPause(host.SetFirstPause(time.Millisecond))
	for _, part := range []string{"source", "transform", "sink"} {
		t.Run(part, func(t *testing.T) {
			left := leftovers(t)
			p := loadWith(t, fmt.Sprintf("die:%s:%d", part, 3456), time.Minute)
			r := newRun(t, p)
			doc, err := r.start(t, journal.Document{})
			wantError(t, err, "plugin.died", fmt.Sprintf("the last that it wrote:\n  dying at %s 3456", part))
			if doc.Summary.Total != doc.Checkpoint.Next {
				t.Errorf("the checkpoint is %+v, the ledger %+v", doc.Checkpoint, doc.Summary)
			}
			p.host.Close()
			left.none(t)
			t.Setenv(testplugin.ModeVariable, "")
			r.types = loadWith(t, "", time.Minute)
			if doc, err = r.start(t, doc); err != nil {
				t.Fatal(err)
			}
			r.whole(t, doc)
		})
	}
}

// TestAnErrorIsNoDeath has parts fail once: an error stops the run, and is not lost over the end of the conversation that follows it.
func TestAnErrorIsNoDeath(t *testing.T) {
	for _, part := range []string{"source", "transform", "sink"} {
		t.Run(part, func(t *testing.T) {
			p := loadWith(t, fmt.Sprintf("panic:%s:%d:%s", part, 2345, filepath.Join(t.TempDir(), "once")), time.Minute)
			_, err := newRun(t, p).start(t, journal.Document{})
			wantError(t, err, "plugin.panic", "nobody expected this")
		})
	}
}

// TestTheReasonOfDeath has the plugin be given up for different reasons.
func TestTheReasonOfDeath(t *testing.T) {
	defer host.SetFirstPause(host.SetFirstPause(time.Millisecond))
	for _, tt := range []struct {
		mode    string
		timeout time.Duration
		reason  string
	}{
		{"die:source:0", time.Minute, "in the end it ended with exit code 3"},
		{"hang:source:0", 300 * time.Millisecond, "in the end it did not answer within 300ms"},
	} {
		p := loadWith(t, tt.mode, tt.timeout)
		_, err := newRun(t, p).start(t, journal.Document{})
		wantError(t, err, "plugin.died", tt.reason)
	}
}

// TestMemoryDies has a transform die that remembers: the run stops at once.
func TestMemoryDies(t *testing.T) {
	p := loadWith(t, "die:transform:2345:"+filepath.Join(t.TempDir(), "once"), time.Minute)
	env := pipeline.Env{Log: testLog(t)}
	r := newRun(t, p)
	doc, err := engine.Run(context.Background(), r.journal, journal.Document{}, engine.Pipeline{
		Name: "p", Source: acceptance.NewSource(t, p.count, env, "{records: 5000}"), Sink: acceptance.NewSink(t, p.lines, env, fmt.Sprintf("{path: %q}", r.out)),
		Transforms: []pipeline.Transform{acceptance.NewTransform(t, p.number, env, "{}")},
	}, engine.Options{})
	wantError(t, err, "plugin.died", "what its transform remembered")
	if doc.Status != journal.FailedStatus {
		t.Errorf("the status is %s", doc.Status)
	}
}

// TestNothingIsLeft ends plugins that do what they can against it.
func TestNothingIsLeft(t *testing.T) {
	for _, mode := range []string{"", "deaf", "fork", "daemon", "flood", "chatter", "deaf,fork,daemon,flood"} {
		t.Run(mode, func(t *testing.T) {
			left := leftovers(t)
			p := loadWith(t, mode, time.Minute)
			r := newRun(t, p)
			doc, err := r.start(t, journal.Document{})
			if err != nil {
				t.Fatal(err)
			}
			r.whole(t, doc)
			p.host.Close()
			left.none(t)
		})
	}
}

const hostVariable = "USHER_TEST_HOST"

// beHost is a usher in the middle of a run, until it is killed.
func beHost() {
	h := host.New("")
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	p := pipeline.Plugin{Name: "testplugin", Path: self, Env: []string{testplugin.ModeVariable}}
	if p.SHA256, err = host.Checksum(p); err != nil {
		panic(err)
	}
	if _, err := h.Load(pipeline.Env{Log: testLogger}, p); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	select {}
}

// TestHostIsKilled kills a usher, which cannot see to its plugins any more.
func TestHostIsKilled(t *testing.T) {
	for _, mode := range []string{"", "deaf,fork,daemon", "flood", "stop:host:0"} {
		t.Run(mode, func(t *testing.T) {
			left := leftovers(t)
			declare(t, mode)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), hostVariable+"=1")
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
				t.Fatalf("%q, %v", line, err)
			}
			if left.count() < 2 {
				t.Error("there is neither a plugin nor a supervisor")
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			left.none(t)
		})
	}
}

func loadWith(t testing.TB, mode string, timeout time.Duration) types {
	t.Helper()
	p := declare(t, mode)
	p.Timeout = timeout
	return loadPlugin(t, p)
}

// left finds what a plugin leaves behind: processes by a mark in their environment, files in the folder for temporary ones.
type left struct{ dir string }

func leftovers(t *testing.T) left {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("processes are looked for in /proc")
	}
	dir, err := os.MkdirTemp("/tmp", "usher-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	return left{dir}
}

func (l left) count() (n int) {
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environments {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), "TMPDIR="+l.dir+"/plugin-dir") {
			n++
		}
	}
	return n
}

func (l left) none(t *testing.T) {
	t.Helper()
	var entries []string
	var n int
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		entries, _ = filepath.Glob(filepath.Join(l.dir, "plugin*"))
		if n = l.count(); n == 0 && len(entries) == 0 {
			return
		}
	}
	t.Errorf("%d processes and the files %v are left", n, entries)
}
