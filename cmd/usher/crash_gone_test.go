package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const gonePipeline = `
name: gone
source: { json: { path: users.ndjson, deleted: user.left } }
transforms:
  - map: { email: user.mail, nickname: user.nick, phone_number: user.phone }
sink: { store: { dsn: "sqlite:users.db", upsert: true, on_delete: delete, reconcile: pipeline, max_deletes: 50% } }
`

// TestKilledRunRemovesTheSame kills the real process while it deletes users, those that records name and those that no record
// is about, and resumes it each time.
func TestKilledRunRemovesTheSame(t *testing.T) {
	people, kills := 40_000, 12
	if testing.Short() {
		people, kills = 8_000, 4
	}
	usher := buildUsher(t)
	dir := t.TempDir()
	lives := []string{filepath.Join(dir, "undisturbed"), filepath.Join(dir, "killed")}
	for _, life := range lives {
		if err := os.Mkdir(life, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(life, "pipeline.yaml"), []byte(gonePipeline), 0o644); err != nil {
			t.Fatal(err)
		}
		writeGone(t, filepath.Join(life, "users.ndjson"), people, true)
		runJSON(t, usher, life, "run", "--json", "--quiet", "--state", "first", "pipeline.yaml")
		writeGone(t, filepath.Join(life, "users.ndjson"), people, false)
	}
	plan := runJSON(t, usher, lives[0], "plan", "--json", "--quiet", "--state", "planned", "pipeline.yaml")
	began := time.Now()
	want := runJSON(t, usher, lives[0], "run", "--json", "--quiet", "pipeline.yaml")
	wholeRun := time.Since(began)

	seed := rand.Uint64()
	t.Logf("seed %d, undisturbed %v", seed, wholeRun)
	random := rand.New(rand.NewPCG(seed, 0))
	got, killed := runAndKill(t, usher, lives[1], kills, 3, func(int, int64) time.Duration {
		return time.Duration(random.Float64() * 2 * float64(wholeRun) / float64(kills))
	})
	t.Logf("killed %d times", killed)
	for _, field := range []string{"status", "summary", "gone", "skipped_reasons"} {
		p, g, w := fmt.Sprint(plan[field]), fmt.Sprint(got[field]), fmt.Sprint(want[field])
		if g != w || p != w {
			t.Errorf("%s: %s after kills, %s planned, want %s", field, g, p, w)
		}
	}
	compareOutcomes(t, want["outcomes"].(string), got["outcomes"].(string), int(want["summary"].(map[string]any)["total"].(float64)))
	wantMissing, gotMissing, planned := missingOf(t, want), missingOf(t, got), missingOf(t, plan)
	if fmt.Sprint(gotMissing) != fmt.Sprint(wantMissing) || fmt.Sprint(planned) != fmt.Sprint(wantMissing) || len(wantMissing) < people/10 {
		t.Errorf("%d are missing after kills, %d planned, want %d", len(gotMissing), len(planned), len(wantMissing))
	}
	a, b := dump(t, filepath.Join(lives[0], "users.db")), dump(t, filepath.Join(lives[1], "users.db"))
	if len(a) != len(b) || len(a) < people/2 {
		t.Fatalf("%d rows, want %d", len(b), len(a))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("row %d:\n%s\nwant\n%s", i, b[i], a[i])
		}
	}
}

// writeGone writes who is there at first, and later: one in five is left out, one is said to have left, one has another name;
// some of those who are there cannot be written, and some are new.
func writeGone(t *testing.T, path string, people int, first bool) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range people {
		nick, rest := "a", ""
		if !first {
			switch {
			case i%5 == 0:
				continue
			case i%5 == 1:
				rest = `,"left":true`
			case i%5 == 2:
				nick = "b"
			case i%100 == 3:
				rest = `,"phone":"?"`
			case i%100 == 4:
				fmt.Fprintf(w, `{"mail":"new%d@example.com","nick":"n"}`+"\n", i)
			}
		}
		fmt.Fprintf(w, `{"mail":"u%d@example.com","nick":%q%s}`+"\n", i*7919%people, nick, rest)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// missingOf gives who the result says is missing.
func missingOf(t *testing.T, result map[string]any) (lines []string) {
	t.Helper()
	reconciled := result["reconciled"].(map[string]any)
	if reconciled["status"] != "done" || reconciled["deleted"] != reconciled["missing"] {
		t.Errorf("%v", reconciled)
	}
	text, err := os.ReadFile(reconciled["users"].(string))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		rest, _ := withoutID(string(line))
		lines = append(lines, rest)
	}
	if float64(len(lines)) != reconciled["missing"] {
		t.Errorf("%d lines for %v", len(lines), reconciled["missing"])
	}
	return lines
}
