package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-id/usher/internal/testserver"
)

// TestInitSchemas lets init write a pipeline for the tables of every application among the examples. Nothing is changed in
// it, and none of its records fails.
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
			for _, command := range [][]string{{"init", dsn, "-o", pipeline}, {"validate", pipeline}, {"test", pipeline}, {"check", pipeline}, {"plan", pipeline}} {
				var out bytes.Buffer
				if code := usher(command, strings.NewReader(""), &out, &out); code != exitWell {
					t.Fatalf("%s: exit code %d\n%s", command[0], code, &out)
				}
				if strings.Contains(out.String(), testserver.Password) {
					t.Errorf("%s prints the password\n%s", command[0], &out)
				}
			}
		})
	}
}
