package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/usher-id/usher/pipeline/journal"
)

// Two users of three have a partner; the second source lies in files, of which none may stay behind.
const joinPipeline = `
name: crash
source: { json: { path: users.ndjson } }
transforms:
  - join:
      source: { json: { path: hashes.ndjson } }
      on: { left: user.uid, right: user.id }
      as: login
      memory: 1
  - map:
      external_id: String(user.uid)
      email: user.mail
      password: { hash: user.login.hash, hasher: bcrypt }
sink: { store: { dsn: "sqlite:users.db", upsert: true } }
`

// TestKilledJoin kills a run that joins and resumes it each time: it ends as one that was never killed, also in what it says of
// partners on both sides.
func TestKilledJoin(t *testing.T) {
	const records, kills = 20_000, 5
	usher := buildUsher(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		writeJoinFiles(t, dir, records)
	}
	began := time.Now()
	want := runJSON(t, usher, dirs[0], "run", "--json", "--quiet", "pipeline.yaml")
	whole := time.Since(began)

	seed := rand.Uint64()
	t.Logf("seed %d, undisturbed %v", seed, whole)
	random := rand.New(rand.NewPCG(seed, 0))
	midway := 0
	got, _ := runAndKill(t, usher, dirs[1], kills, 0, func(_ int, done int64) time.Duration {
		if done > 0 {
			midway++
		}
		return time.Duration((0.3 + 0.7*random.Float64()) * float64(whole))
	})
	t.Logf("killed between two checkpoints %d times", midway)
	for _, name := range []string{"summary", "status", "warnings", "joins"} {
		if g, w := fmt.Sprint(got[name]), fmt.Sprint(want[name]); g != w {
			t.Errorf("%s: %s, want %s", name, g, w)
		}
	}
	compareOutcomes(t, want["outcomes"].(string), got["outcomes"].(string), records)
	for _, name := range []string{"unmatched_left", "unmatched_right"} {
		a, errA := os.ReadFile(want[name].(string))
		b, errB := os.ReadFile(got[name].(string))
		if errA != nil || errB != nil || len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s differs: %v %v, %d and %d bytes", name, errA, errB, len(a), len(b))
		}
	}
	a, b := dump(t, filepath.Join(dirs[0], "users.db")), dump(t, filepath.Join(dirs[1], "users.db"))
	if len(a) < records || len(a) != len(b) {
		t.Fatalf("%d rows, want %d", len(b), len(a))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("row %d:\n%s\nwant\n%s", i, b[i], a[i])
		}
	}
	if left, err := filepath.Glob(filepath.Join(temp, "usher-join-*")); err != nil || len(left) > 0 {
		t.Errorf("%v was left behind (%v)", left, err)
	}
}

func onlyRunDocument(t *testing.T, dir string) (doc journal.Document) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, ".usher", "runs", "*", "run.json"))
	if err != nil || len(list) == 0 {
		return doc
	}
	text, err := os.ReadFile(list[0])
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func writeJoinFiles(t *testing.T, dir string, n int) {
	t.Helper()
	var users, hashes bytes.Buffer
	for i := range n {
		fmt.Fprintf(&users, `{"uid":%d,"mail":"user%d@example.com"}`+"\n", 9007199254740993+i, i)
		if j := (i*7919 + 5) % n; j%3 != 0 {
			fmt.Fprintf(&hashes, `{"id":%d,"hash":"$2b$10$wHq3TnV0cYb1mE8sKj5uLemnihwAZkYAbg.bxpvTRSZa4rPxV9p%02d"}`+"\n", 9007199254740993+j, j%100)
		} else {
			fmt.Fprintf(&hashes, `{"id":"%d","hash":null}`+"\n", 9007199254740993+j)
		}
	}
	for name, text := range map[string][]byte{"users.ndjson": users.Bytes(), "hashes.ndjson": hashes.Bytes(), "pipeline.yaml": []byte(joinPipeline)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
