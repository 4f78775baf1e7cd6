//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoRoomForFiles runs the real process under a limit on the size of files, as a full disk would have it: it stops with
// an error that says what to do, its ledger balances, and with more room it goes on to the same end.
func TestNoRoomForFiles(t *testing.T) {
	usher := buildUsher(t)
	for _, sink := range []string{`json: { path: out.json }`, `csv: { path: out.csv }`, `store: { dsn: "sqlite:users.db", upsert: true }`} {
		t.Run(strings.SplitN(sink, ":", 2)[0], func(t *testing.T) {
			const n = 5000
			dir := t.TempDir()
			writeCrashUsers(t, filepath.Join(dir, "users.ndjson"), n)
			file := filepath.Join(dir, "pipeline.yaml")
			text := strings.Replace(crashPipeline, `store: { dsn: "sqlite:users.db", upsert: true }`, sink, 1)
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			limited := exec.Command("sh", "-c", `ulimit -f 400 && exec "$0" run --json --quiet "$1"`, usher, file) // 400 blocks of 512 bytes
			var stdout, stderr bytes.Buffer
			limited.Stdout, limited.Stderr = &stdout, &stderr
			_ = limited.Run()
			if code := limited.ProcessState.ExitCode(); code != exitFailed && code != exitUnreachable {
				t.Fatalf("exit code %d\n%s%s", code, &stdout, &stderr)
			}
			var stopped struct {
				RunID   string                                                    `json:"run_id"`
				Status  string                                                    `json:"status"`
				Summary struct{ Total, Inserted, Updated, Skipped, Failed int64 } `json:"summary"`
				Error   struct{ Code, Message, Hint string }                      `json:"error"`
			}
			if err := json.Unmarshal(stdout.Bytes(), &stopped); err != nil {
				t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
			}
			s := stopped.Summary
			if stopped.Status != "failed" || s.Total != s.Inserted+s.Updated+s.Skipped+s.Failed || s.Total >= n || stopped.Error.Code == "" || stopped.Error.Hint == "" {
				t.Fatalf("%+v\n%s", stopped, &stderr)
			}
			t.Logf("%s: %s; %s", stopped.Error.Code, stopped.Error.Message, stopped.Error.Hint)
			doc := runJSON(t, usher, dir, "resume", "--json", "--quiet", "--state", filepath.Join(dir, ".usher"), stopped.RunID)
			if summary := fmt.Sprint(doc["summary"]); !strings.Contains(summary, "total:5000") {
				t.Errorf("resumed: %s", summary)
			}
		})
	}
}
