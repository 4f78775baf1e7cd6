package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestKilledExportGoesOn kills exports at random moments and gives the same command again: the file is the same in the end, its checksum in the
// history too, and nothing half done lies about.
func TestKilledExportGoesOn(t *testing.T) {
	const users = 8_000
	usher := buildUsher(t)
	dir := t.TempDir()
	writeCrashUsers(t, filepath.Join(dir, "users.ndjson"), users)
	if err := os.WriteFile(filepath.Join(dir, "pipeline.yaml"), []byte(crashPipeline), 0o644); err != nil {
		t.Fatal(err)
	}
	fill := exec.Command(usher, "run", "--quiet", "pipeline.yaml")
	fill.Dir = dir
	if out, err := fill.CombinedOutput(); err != nil && fill.ProcessState.ExitCode() != exitRecords {
		t.Fatalf("%v\n%s", err, out)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for name, args := range map[string][]string{
		"in order":        {"--store", "sqlite:users.db", "-o", "all.ndjson"},
		"sorted by store": {"--store", "sqlite:users.db", "--sort", "nickname", "-o", "sorted.ndjson"},
		"columns":         {"--store", "sqlite:users.db", "--field", "Mail=user.email", "--field", "City=user.user_metadata.city", "-o", "columns.csv"},
		"from a pipeline": {"--from", "pipeline.yaml", "--sort", "user.nickname", "--field", "Mail=user.email", "-o", "from.ndjson"},
		"workbook":        {"--store", "sqlite:users.db", "--field", "Mail=user.email", "-o", "columns.xlsx"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, args[len(args)-1])
			export := func(state string, most time.Duration) (document exported, took time.Duration, ended bool) {
				cmd := exec.Command(usher, append([]string{"export", "--json", "--quiet", "--state", filepath.Join(dir, state), "--resume"}, args...)...)
				cmd.Dir = dir
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				began := time.Now()
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				over := make(chan error, 1)
				go func() { over <- cmd.Wait() }()
				select {
				case <-time.After(most):
					_ = cmd.Process.Kill()
					<-over
					return document, 0, false
				case err := <-over:
					if code := cmd.ProcessState.ExitCode(); code != exitWell && code != exitRecords {
						t.Fatalf("%v\n%s%s", err, stdout.Bytes(), stderr.Bytes())
					}
				}
				if err := json.Unmarshal(stdout.Bytes(), &document); err != nil {
					t.Fatal(err)
				}
				return document, time.Since(began), true
			}
			first, whole, _ := export("undisturbed", time.Hour)
			want, err := os.ReadFile(file)
			if err != nil || os.Remove(file) != nil {
				t.Fatal(err)
			}
			var second exported
			for kills := 0; ; kills++ {
				most := time.Hour
				if kills < 4 {
					most = time.Duration(random.Float64() * float64(whole))
				}
				ended := false
				if second, _, ended = export("killed", most); ended {
					break
				}
				if _, err := os.Stat(file); err == nil && kills == 0 {
					t.Log("killed behind the end")
				}
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			// A workbook notes in itself when it was made.
			if filepath.Ext(file) != ".xlsx" && !bytes.Equal(want, got) {
				t.Errorf("%d bytes, undisturbed %d", len(got), len(want))
			}
			if sum := fmt.Sprintf("%x", sha256.Sum256(got)); second.File == nil || second.File.SHA256 != sum || second.File.Bytes != int64(len(got)) {
				t.Errorf("the history has %+v, the file %d bytes and %s", second.File, len(got), sum)
			}
			if first.Summary != second.Summary || first.Rows != second.Rows {
				t.Errorf("%+v, undisturbed %+v", second.Summary, first.Summary)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".*.partial")); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}
