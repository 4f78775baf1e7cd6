package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/internal/testserver"
)

var update = flag.Bool("update", false, "write the expected results of the examples anew")

// outcome is what an example's expected.ndjson says of a record: all but what differs from run to run.
type outcome struct {
	Ref     string    `json:"ref"`
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason,omitempty"`
	Errors  []problem `json:"errors,omitempty"`
}

type problem struct {
	Code  string `json:"code"`
	Field string `json:"field"`
}

// TestExamples runs every example in a copy of its folder and compares the outcome of each record with its
// expected.ndjson, and what found no partner in a join with its expected.unmatched.….ndjson. A folder without one is for examples that need more than usher itself. The statements of a setup.….sql make
// a database that the pipeline reaches by ${LEGACY_DSN}.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/expected.ndjson")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, expected := range files {
		folder := filepath.Dir(expected)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
				t.Fatal(err)
			}
			for _, leftover := range []string{".usher", "users.db", "users.db-wal", "users.db-shm"} {
				_ = os.RemoveAll(filepath.Join(dir, leftover)) // of a run by hand
			}
			if setup, _ := filepath.Glob(filepath.Join(dir, "setup.*.sql")); len(setup) > 0 {
				dsn, _ := testserver.Fixture(t, setup[0])
				t.Setenv("LEGACY_DSN", dsn)
			}
			pipeline := filepath.Join(dir, "pipeline.yaml")
			for _, command := range []string{"validate", "test"} {
				var out bytes.Buffer
				if code := usher([]string{command, pipeline}, strings.NewReader(""), &out, &out); code != exitWell {
					t.Fatalf("%s: exit code %d\n%s", command, code, &out)
				}
			}
			var stdout, stderr bytes.Buffer
			code := usher([]string{"run", pipeline, "--json", "--quiet", "--state", filepath.Join(dir, ".usher")}, strings.NewReader(""), &stdout, &stderr)
			if code != exitWell && code != exitRecords {
				t.Fatalf("run: exit code %d\n%s%s", code, &stdout, &stderr)
			}
			var r result
			if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			compareExpected(t, expected, summarised(t, r.Outcomes))
			for _, path := range []string{r.UnmatchedLeft, r.UnmatchedRight} {
				if path != "" {
					text, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					compareExpected(t, filepath.Join(folder, "expected."+filepath.Base(path)), string(text))
				}
			}
		})
	}
}

func compareExpected(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", filepath.Base(path), diff)
	}
}

// summarised gives the lines of an outcomes file as expected.ndjson has them.
func summarised(t *testing.T, path string) string {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	err := eachLine(path, func(line []byte) (bool, error) {
		var o outcome
		if err := json.Unmarshal(line, &o); err != nil {
			return false, err
		}
		return true, encoder.Encode(o)
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
