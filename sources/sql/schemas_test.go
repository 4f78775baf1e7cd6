package sqlsource

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/pipeline/engine"
	"github.com/usher-id/usher/pipeline/journal"
	"github.com/usher-id/usher/sinks/store"
	mapping "github.com/usher-id/usher/transforms/map"
	"github.com/usher-id/usher/value"
)

// Each folder of testdata is an application's tables (schema.sql, with data made up for the test), a pipeline that
// reads them, and the users that it gives (expected.ndjson).
func TestSchemas(t *testing.T) {
	for name, server := range map[string]func(testing.TB) target{
		"wordpress": mariaDB, "drupal": mariaDB, "laravel": mariaDB,
		"django": postgres, "discourse": postgres, "keycloak": postgres,
		"spring-security": sqliteFile,
	} {
		t.Run(name, func(t *testing.T) {
			d := server(t)
			d.load(t, filepath.Join("testdata", name, "schema.sql"))
			t.Setenv("LEGACY_DSN", d.dsn)

			p := parse(t, name)
			if err := p.Source.Open(context.Background()); err != nil {
				t.Fatal(err)
			}
			records := drain(t, p.Source)
			if err := p.Source.Close(); err != nil {
				t.Error(err)
			}
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
			want, err := os.ReadFile(filepath.Join("testdata", name, "expected.ndjson"))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got, strings.TrimSpace(string(want)))

			// The store takes them all: values and password hashes are what it wants.
			p = parse(t, name)
			j, err := journal.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			doc, err := engine.Run(context.Background(), j, journal.Document{}, engine.Pipeline{Name: name, Source: p.Source, Transforms: p.Transforms, Sink: p.Sink}, engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if n := int64(bytes.Count(want, []byte("\n"))); doc.Summary.Inserted != n || doc.Summary.Total != n {
				outcomes, _ := os.ReadFile(doc.Outcomes)
				t.Errorf("the run ends with %+v, want %d inserted\n%s", doc.Summary, n, outcomes)
			}
		})
	}
}

// parse reads a pipeline as if it stood in a folder of its own.
func parse(t *testing.T, name string) *definition.Pipeline {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name, "pipeline.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := definition.Parse(filepath.Join(t.TempDir(), "pipeline.yaml"), text, pipeline.NewRegistry(Type, mapping.Type, store.Type), pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// load runs a file of statements.
func (d target) load(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.db.Conn(context.Background()) // one, for the sake of SET
	if err != nil {
		t.Fatal(err)
	}
	defer func(conn *sql.Conn) { conn.Close() }(conn)
	for _, statement := range strings.Split(string(text), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := conn.ExecContext(context.Background(), statement); err != nil {
			t.Fatalf("%v\n%.300s", err, statement)
		}
	}
}
