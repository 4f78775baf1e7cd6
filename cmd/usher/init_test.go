package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/usher-id/usher/internal/testserver"
)

var sideTable = regexp.MustCompile(`(?m)^    # (  \w+: \{ query)`)

// TestInitSchemas lets init write a pipeline for the tables of every application among the examples. Nothing is changed in
// it, and none of its records fails. Then the tables that it suggests to take in are.
func TestInitSchemas(t *testing.T) {
	files, err := filepath.Glob("../../examples/sql-*/setup.*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, setup := range files {
		t.Run(filepath.Base(filepath.Dir(setup)), func(t *testing.T) {
			dsn, _ := testserver.Fixture(t, setup)
			t.Setenv("LEGACY_DSN", dsn)
			pipeline := filepath.Join(t.TempDir(), "pipeline.yaml")
			run := func(command ...string) {
				t.Helper()
				var out bytes.Buffer
				if code := usher(command, strings.NewReader(""), &out, &out); code != exitWell {
					t.Fatalf("%s: exit code %d\n%s", command[0], code, &out)
				}
				if strings.Contains(out.String(), testserver.Password) {
					t.Errorf("%s prints the password\n%s", command[0], &out)
				}
			}
			run("init", dsn, "-o", pipeline)
			for _, command := range []string{"validate", "test", "check", "plan"} {
				run(command, pipeline)
			}
			text, err := os.ReadFile(pipeline)
			if err != nil {
				t.Fatal(err)
			}
			taken := sideTable.ReplaceAll(bytes.Replace(text, []byte("    # with:"), []byte("    with:"), 1), []byte("    $1"))
			if err := os.WriteFile(pipeline, taken, 0o600); err != nil {
				t.Fatal(err)
			}
			run("validate", pipeline)
			run("check", pipeline)
		})
	}
}
