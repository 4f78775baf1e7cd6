package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	zsqlite "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/usher-id/usher/bench/users"
	"github.com/usher-id/usher/pipeline/journal"
)

// crashPipeline has every kind of outcome: the filter leaves some out, an impossible phone number fails, an address that
// comes again is an update.
const crashPipeline = `
name: crash
source: { json: { path: users.ndjson } }
transforms:
  - filter: user.loginsCount != 7
  - map:
      external_id: String(user.uid)
      email: lower(user.mail)
      nickname: user.nickname
      phone_number: "user.loginsCount == 8 ? '+123' : user.phone"
      logins_count: user.loginsCount
      user_metadata.city: user.user_metadata.city
      password: { hash: user.password, hasher: bcrypt }
sink: { store: { dsn: "sqlite:users.db", upsert: true } }
`

// TestKilledRunEndsAsIfNothingHadHappened kills the real process at random moments of one run and resumes it each time.
func TestKilledRunEndsAsIfNothingHadHappened(t *testing.T) {
	records, kills := 200_000, 30
	if testing.Short() {
		records, kills = 20_000, 5
	}
	usher := buildUsher(t)
	dir := t.TempDir()
	writeCrashUsers(t, filepath.Join(dir, "users.ndjson"), records)

	killAndCompare(t, usher, crashLives(t, dir), records, kills)
}

// TestKilledUpdateEndsAsIfNothingHadHappened does so where users are there already: for long stretches nobody has changed, so that whole
// transactions write nothing, then everybody has.
func TestKilledUpdateEndsAsIfNothingHadHappened(t *testing.T) {
	records, kills := 120_000, 15
	if testing.Short() {
		records, kills = 20_000, 5
	}
	usher := buildUsher(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "users.ndjson")
	writeCrashUsers(t, path, records)
	lives := crashLives(t, dir)
	for _, life := range lives {
		runJSON(t, usher, life, "run", "--json", "--quiet", "--state", "before", "pipeline.yaml")
	}
	writeLines(t, path, records, func(maker, changed *users.Maker, line []byte, i int) []byte {
		if i/(records/10)%3 == 1 {
			return changed.JSON(line, i)
		}
		return maker.JSON(line, i)
	})
	killAndCompare(t, usher, lives, records, kills)
}

// crashLives makes a folder for the run that is left alone and one for the run that is killed.
func crashLives(t *testing.T, dir string) map[string]string {
	t.Helper()
	lives := map[string]string{"undisturbed": filepath.Join(dir, "undisturbed"), "killed": filepath.Join(dir, "killed")}
	for _, life := range lives {
		if err := os.Mkdir(life, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(dir, "users.ndjson"), filepath.Join(life, "users.ndjson")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(life, "pipeline.yaml"), []byte(crashPipeline), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return lives
}

// killAndCompare runs the pipeline of one folder in one go, that of the other with kills, and holds all that is left of them
// against each other.
func killAndCompare(t *testing.T, usher string, lives map[string]string, records, kills int) {
	t.Helper()
	began := time.Now()
	want := runJSON(t, usher, lives["undisturbed"], "run", "--json", "--quiet", "pipeline.yaml")
	whole := time.Since(began)

	seed := rand.Uint64()
	t.Logf("seed %d, undisturbed %v", seed, whole)
	random := rand.New(rand.NewPCG(seed, 0))
	got, killed := runAndKill(t, usher, lives["killed"], kills, 3, func(left int, done int64) time.Duration {
		// A part of what is left that leaves some of it to do for every kill, and now and then hits the start.
		rest := float64(whole) * (1 - float64(done)/float64(records))
		return time.Duration(random.Float64() * 1.6 * rest / float64(left))
	})
	t.Logf("killed %d times", killed)
	if killed < kills/2 {
		t.Errorf("killed %d times only", killed)
	}
	if g, w := fmt.Sprint(got["summary"]), fmt.Sprint(want["summary"]); g != w {
		t.Errorf("summary %s, want %s", g, w)
	}
	if got["status"] != want["status"] {
		t.Errorf("status %v, want %v", got["status"], want["status"])
	}
	compareOutcomes(t, want["outcomes"].(string), got["outcomes"].(string), records)
	for _, name := range []string{"rejects.ndjson", "rejects.reasons.ndjson"} {
		a, errA := os.ReadFile(filepath.Join(filepath.Dir(want["outcomes"].(string)), name))
		b, errB := os.ReadFile(filepath.Join(filepath.Dir(got["outcomes"].(string)), name))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs: %v %v", name, errA, errB)
		}
	}
	a := dump(t, filepath.Join(lives["undisturbed"], "users.db"))
	b := dump(t, filepath.Join(lives["killed"], "users.db"))
	if len(a) < records/2 || len(a) != len(b) {
		t.Fatalf("%d rows, want %d", len(b), len(a))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("row %d:\n%s\nwant\n%s", i, b[i], a[i])
		}
	}
}

func writeCrashUsers(t *testing.T, path string, n int) {
	t.Helper()
	writeLines(t, path, n, func(maker, changed *users.Maker, line []byte, i int) []byte {
		if i%10 == 9 {
			return changed.JSON(line, i/2) // somebody who came before, with another nickname
		}
		return maker.JSON(line, i)
	})
}

// writeLines writes n lines, of users as they are or as they have changed.
func writeLines(t *testing.T, path string, n int, lineOf func(maker, changed *users.Maker, line []byte, i int) []byte) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	maker, changed := users.Maker{Seed: 1}, users.Maker{Seed: 1, ChangedShare: 1}
	var line []byte
	for i := range n {
		line = lineOf(&maker, &changed, line[:0], i)
		_, _ = w.Write(append(line, '\n'))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// buildUsher builds the program as it is shipped.
func buildUsher(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "usher")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// runAndKill runs the pipeline of a folder, kills it as often as it is told to and resumes it each time, until it comes to its end with the
// given exit code. It gives the result, and how often it killed. The moment of each kill is given for how many are left and how many records
// the checkpoint covers.
func runAndKill(t *testing.T, usher, dir string, kills, code int, moment func(left int, done int64) time.Duration) (result map[string]any, killed int) {
	t.Helper()
	args := []string{"run", "--json", "--quiet", "pipeline.yaml"}
	for {
		cmd := exec.Command(usher, args...)
		cmd.Dir = dir
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		most := time.Hour
		if killed < kills {
			most = moment(kills-killed, onlyRunDocument(t, dir).Checkpoint.Next)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-time.After(most):
			_ = cmd.Process.Kill()
			<-ended
			killed++
			integrity(t, filepath.Join(dir, "users.db"))
		case err := <-ended:
			if cmd.ProcessState.ExitCode() != code {
				t.Fatalf("after %d kills: %v\n%s%s", killed, err, stdout.String(), stderr.String())
			}
			if err := json.Unmarshal(stdout.Bytes(), &result); err != nil {
				t.Fatal(err, stdout.String())
			}
			return result, killed
		}
		doc := onlyRunDocument(t, dir)
		if doc.Status == journal.Completed || doc.Status == journal.CompletedWithFailures { // it was killed when there was nothing left but to say so
			return runJSON(t, usher, dir, "runs", "--json", "--state", ".usher", doc.RunID), killed
		}
		if id := onlyRun(t, usher, dir); id != "" {
			args = []string{"resume", "--json", "--quiet", "--state", ".usher", id}
		}
	}
}

func runJSON(t *testing.T, usher, dir string, args ...string) map[string]any {
	t.Helper()
	cmd := exec.Command(usher, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	var doc map[string]any
	if err := json.Unmarshal(stdout.Bytes(), &doc); err != nil {
		t.Fatalf("usher %v: %v\n%s%s", args, err, stdout.String(), stderr.String())
	}
	return doc
}

// onlyRun gives the id of the one run there is, or nothing where the process died before it began.
func onlyRun(t *testing.T, usher, dir string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, ".usher")); err != nil {
		return ""
	}
	out, err := exec.Command(usher, "runs", "--json", "--state", filepath.Join(dir, ".usher")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var docs []struct {
		RunID string `json:"run_id"`
	}
	if err := json.Unmarshal(out, &docs); err != nil {
		t.Fatal(err, string(out))
	}
	if len(docs) > 1 {
		t.Fatalf("%d runs", len(docs))
	}
	if len(docs) == 0 {
		return ""
	}
	return docs[0].RunID
}

// compareOutcomes holds two outcome files against each other; only the ids of users may differ, one for one.
func compareOutcomes(t *testing.T, wantPath, gotPath string, n int) {
	t.Helper()
	want, got := outcomeScanner(t, wantPath), outcomeScanner(t, gotPath)
	ids := map[string]string{}
	back := map[string]string{}
	for i := range n {
		if !want.Scan() || !got.Scan() {
			t.Fatalf("outcomes end at %d of %d", i, n)
		}
		w, wantID := withoutID(want.Text())
		g, gotID := withoutID(got.Text())
		if w != g || (wantID == "") != (gotID == "") {
			t.Fatalf("outcome %d:\n%s\nwant\n%s", i, got.Text(), want.Text())
		}
		if known, ok := ids[wantID]; ok && known != gotID {
			t.Fatalf("outcome %d: user %s was %s before", i, gotID, known)
		}
		if known, ok := back[gotID]; ok && known != wantID {
			t.Fatalf("outcome %d: one id for two users", i)
		}
		ids[wantID], back[gotID] = gotID, wantID
	}
	if want.Scan() || got.Scan() {
		t.Fatalf("more than %d outcomes", n)
	}
}

func outcomeScanner(t *testing.T, path string) *bufio.Scanner {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return bufio.NewScanner(f)
}

func withoutID(line string) (rest, id string) {
	before, after, ok := strings.Cut(line, `"user_id":"`)
	if !ok {
		return line, ""
	}
	id, after, _ = strings.Cut(after, `"`)
	return before + after, id
}

func integrity(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		return
	}
	conn, err := zsqlite.OpenConn(path, zsqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = sqlitex.ExecuteTransient(conn, "PRAGMA quick_check", &sqlitex.ExecOptions{ResultFunc: func(s *zsqlite.Stmt) error {
		if s.ColumnText(0) != "ok" {
			t.Fatal(s.ColumnText(0))
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// dump gives every row of the users with their passwords, without what tells one run from another: ids and its start.
func dump(t *testing.T, path string) []string {
	t.Helper()
	conn, err := zsqlite.OpenConn(path, zsqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var rows []string
	for _, query := range []string{
		"SELECT * FROM users JOIN credentials ON user_seq = seq ORDER BY seq",
		"SELECT * FROM keys ORDER BY key",
	} {
		err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{ResultFunc: func(s *zsqlite.Stmt) error {
			var row strings.Builder
			for i := range s.ColumnCount() {
				if name := s.ColumnName(i); name != "id" && name != "created_at" && name != "updated_at" {
					fmt.Fprintf(&row, "%s=%q ", name, s.ColumnText(i))
				}
			}
			rows = append(rows, row.String())
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

// TestSignals interrupts the real process: the batch in hand is finished and the run can be resumed.
func TestSignals(t *testing.T) {
	usher := buildUsher(t)
	dir := t.TempDir()
	writeCrashUsers(t, filepath.Join(dir, "users.ndjson"), 100_000)
	if err := os.WriteFile(filepath.Join(dir, "pipeline.yaml"), []byte(crashPipeline), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "--json", "--quiet", "pipeline.yaml"}
	var id string
	for _, signal := range []struct {
		sent  []syscall.Signal
		code  int
		grace bool
	}{
		{[]syscall.Signal{syscall.SIGINT}, 130, true},
		{[]syscall.Signal{syscall.SIGTERM}, 143, true},
		{[]syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 130, false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		cmd := exec.CommandContext(ctx, usher, args...)
		cmd.Dir = dir
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		before := onlyRunDocument(t, dir).Checkpoint.Next
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// From its first checkpoint on it is sure to be in the middle of the run.
		for onlyRunDocument(t, dir).Checkpoint.Next == before && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		for _, s := range signal.sent {
			_ = cmd.Process.Signal(s)
		}
		_ = cmd.Wait()
		cancel()
		if code := cmd.ProcessState.ExitCode(); code != signal.code {
			t.Fatalf("%v: exit %d\n%s%s", signal.sent, code, stdout.String(), stderr.String())
		}
		if signal.grace {
			var doc struct {
				RunID   string `json:"run_id"`
				Status  string `json:"status"`
				Summary struct {
					Total, Inserted, Updated, Skipped, Failed int64
				} `json:"summary"`
			}
			if err := json.Unmarshal(stdout.Bytes(), &doc); err != nil {
				t.Fatal(err, stdout.String(), stderr.String())
			}
			s := doc.Summary
			if doc.Status != "interrupted" || s.Total == 0 || s.Total != s.Inserted+s.Updated+s.Skipped+s.Failed {
				t.Errorf("%+v", doc)
			}
			id = doc.RunID
		}
		args = []string{"resume", "--json", "--quiet", "--state", filepath.Join(dir, ".usher"), id}
	}
	doc := runJSON(t, usher, dir, args...)
	if summary := fmt.Sprint(doc["summary"]); !strings.Contains(summary, "total:100000") {
		t.Errorf("%s", summary)
	}
}
