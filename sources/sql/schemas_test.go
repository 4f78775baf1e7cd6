package sqlsource

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-id/usher/internal/testserver"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/sinks/store"
	mapping "github.com/usher-id/usher/transforms/map"
	"github.com/usher-id/usher/value"
)

// Each folder examples/sql-… has an application's tables (setup.….sql, with data made up for the test), a pipeline that reads
// them, and the users that it gives (users.ndjson). That the store takes them is a test of cmd/usher.
func TestSchemas(t *testing.T) {
	files, err := filepath.Glob("../../examples/sql-*/setup.*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, setup := range files {
		folder := filepath.Dir(setup)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			dsn, _ := testserver.Fixture(t, setup)
			t.Setenv("LEGACY_DSN", dsn)
			text, err := os.ReadFile(filepath.Join(folder, "pipeline.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			p, err := definition.Parse(filepath.Join(t.TempDir(), "pipeline.yaml"), text, pipeline.NewRegistry(Type, mapping.Type, store.Type), pipeline.Env{})
			if err != nil {
				t.Fatal(err)
			}
			records := drain(t, open(t, p.Source))
			for i := range records {
				records[i].Fields = records[i].Source
			}
			if err := p.Transforms[0].Apply(context.Background(), &pipeline.Batch{Records: records}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range records {
				got = append(got, string(value.AppendJSON(nil, r.Fields)))
				for _, problem := range append(r.Outcome.Warnings, r.Outcome.Errors...) {
					t.Errorf("%s: %s", r.Ref, problem)
				}
			}
			want, err := os.ReadFile(filepath.Join(folder, "users.ndjson"))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got, strings.TrimSpace(string(want)))
		})
	}
}
