package profile_test

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/connectors"
	"github.com/usher-id/usher/internal/testserver"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/pipeline/engine"
	"github.com/usher-id/usher/pipeline/journal"
	"github.com/usher-id/usher/profile"
)

// records reads a source to its end.
func records(t *testing.T, options map[string]string) []pipeline.Record {
	t.Helper()
	source, err := definition.NewSource(connectors.Default(), env(), "sql", options)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if err := source.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	var list []pipeline.Record
	for {
		batch, err := source.Next(context.Background(), 100)
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, batch.Records...)
	}
}

// TestSchemas suggests pipelines for the tables of applications, and plans them into a store: no record fails.
func TestSchemas(t *testing.T) {
	for _, test := range []struct {
		name, dialect string
		table         string
		targets       string // beside custom attributes
	}{
		{"wordpress", "mysql", "wp_users", "external_id email preferred_username name nickname website created_at password.hash"},
		{"drupal", "mysql", "users_field_data", "external_id email name zoneinfo created_at password.hash"},
		{"laravel", "mysql", "users", "external_id email email_verified name locale created_at updated_at password.hash password.hasher"},
		{"django", "postgres", "auth_user", "external_id email preferred_username given_name family_name disabled last_login created_at password.hash password.hasher"},
		{"discourse", "postgres", "users", "external_id preferred_username name locale disabled last_login created_at updated_at"},
		{"keycloak", "postgres", "user_entity", "external_id email email_verified preferred_username given_name family_name disabled created_at"},
		{"spring-security", "sqlite", "users", "email preferred_username disabled password.hash password.hasher"},
	} {
		t.Run(test.name, func(t *testing.T) {
			setup, _ := filepath.Glob(filepath.Join("../examples/sql-"+test.name, "setup.*.sql"))
			if len(setup) == 0 {
				t.Fatal("no setup.….sql")
			}
			dsn, _ := testserver.Fixture(t, setup[0])
			t.Setenv("LEGACY_DSN", dsn)

			tables := profile.Tables(objects(records(t, map[string]string{"dsn": dsn, "query": profile.CatalogueQuery(test.dialect)})))
			users := profile.UserTable(tables)
			if users.Name != test.table {
				t.Fatalf("table %s, want %s", users.Name, test.table)
			}
			c := profile.New()
			for _, r := range records(t, map[string]string{"dsn": dsn, "table": users.Name}) {
				c.Add(&r)
			}
			s := profile.Suggest(c.Profile())
			targets := map[string]bool{}
			var got []string
			for _, a := range s.Mapping {
				if !a.Off && !strings.HasPrefix(a.Target, "custom_attributes.") && !targets[a.Target] {
					targets[a.Target] = true
					got = append(got, a.Target)
				}
			}
			if diff := cmp.Diff(strings.Fields(test.targets), got); diff != "" {
				t.Errorf("targets (-want +got), of %v\n%s", slices.Sorted(maps.Keys(targets)), diff)
			}
			d := profile.Draft{Name: test.name, Source: "sql", Suggestion: s, Store: "sqlite:users.db",
				Options: []profile.Option{{Name: "dsn", Value: "${LEGACY_DSN}", Plain: true}, {Name: "table", Value: users.Name}}}
			dir := t.TempDir()
			p, err := definition.Parse(filepath.Join(dir, "pipeline.yaml"), d.YAML(), connectors.Default(), env())
			if err != nil {
				t.Fatalf("%v\n%s", err, d.YAML())
			}
			j, err := journal.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := engine.Run(context.Background(), j, journal.Document{PipelineFile: p.File, PipelineHash: p.Hash, Plan: true},
				engine.Pipeline{Name: p.Name, Source: p.Source, Transforms: p.Transforms, Sink: p.Sink}, engine.Options{})
			if err != nil || doc.Summary.Failed > 0 || doc.Summary.Inserted == 0 {
				reasons, _ := os.ReadFile(doc.Reasons)
				t.Errorf("%v, %+v\n%s\n%s", err, doc.Summary, reasons, d.YAML())
			}
		})
	}
}
