package sqlsource

import (
	"context"
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usher-id/usher/internal/testserver"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/value"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m)) }

// target is one of the databases that tests run against.
type target struct {
	name string
	dsn  string
	db   *sql.DB
	// server is nil for SQLite.
	server *testserver.Server
}

func mariaDB(t testing.TB) target {
	t.Helper()
	server := testserver.MariaDB(t)
	name, db := server.Database(t)
	return target{"MariaDB", server.URL(name), db, server}
}

func postgres(t testing.TB) target {
	t.Helper()
	server := testserver.Postgres(t)
	name, db := server.Database(t)
	return target{"PostgreSQL", server.URL(name), db, server}
}

func sqliteFile(t testing.TB) target {
	t.Helper()
	path := filepath.Join(t.TempDir(), "legacy.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return target{"SQLite", "sqlite:" + path, db, nil}
}

// everywhere runs a test against every database.
func everywhere(t *testing.T, test func(*testing.T, target)) {
	t.Run("SQLite", func(t *testing.T) { test(t, sqliteFile(t)) })
	t.Run("MariaDB", func(t *testing.T) { test(t, mariaDB(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, postgres(t)) })
}

func (d target) exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := d.db.Exec(s); err != nil {
			t.Fatalf("%s: %v\n%.300s", d.name, err, s)
		}
	}
}

// source builds a source from options in YAML flow form.
func (d target) source(t testing.TB, options string) pipeline.Source {
	t.Helper()
	return acceptance.NewSource(t, Type, pipeline.Env{}, "{dsn: '"+d.dsn+"', "+options+"}")
}

func open(t testing.TB, s pipeline.Source) pipeline.Source {
	t.Helper()
	t.Cleanup(func() { s.Close() })
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

// drain reads to the end.
func drain(t testing.TB, s pipeline.Source) []pipeline.Record {
	t.Helper()
	var all []pipeline.Record
	for {
		b, err := s.Next(context.Background(), 1000)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b.Records...)
	}
}

// read gives the records of a source as JSON, with what is wrong with them behind.
func (d target) read(t testing.TB, options string) []string {
	t.Helper()
	s := open(t, d.source(t, options))
	var lines []string
	for _, r := range drain(t, s) {
		line := string(value.AppendJSON(nil, r.Source))
		for _, p := range append(r.Outcome.Warnings, r.Outcome.Errors...) {
			line += " " + p.Code + "(" + p.Field + ")"
		}
		lines = append(lines, line)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return lines
}

func equal(t testing.TB, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

func TestTableAndQuery(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(80), realm VARCHAR(20), note TEXT)`,
			`INSERT INTO users VALUES (42, 'ann@x.org', 'a', NULL), (7, 'bob@x.org', 'b', ''), (1000, 'ümit@x.org', 'a', 'x:y')`)
		equal(t, d.read(t, "table: users"),
			`{"id":7,"email":"bob@x.org","realm":"b","note":""}`,
			`{"id":42,"email":"ann@x.org","realm":"a","note":null}`,
			`{"id":1000,"email":"ümit@x.org","realm":"a","note":"x:y"}`)
		equal(t, d.read(t, "table: users, columns: [email, realm], page: {key: id, size: 1}"),
			`{"email":"bob@x.org","realm":"b"}`, `{"email":"ann@x.org","realm":"a"}`, `{"email":"ümit@x.org","realm":"a"}`)
		// What looks like a parameter inside quotes and comments is none.
		query := `"SELECT id, ':realm' AS t FROM users /* :x */ WHERE realm = :realm -- :y\n ORDER BY id DESC;"`
		equal(t, d.read(t, `query: `+query+`, params: {realm: a}`), `{"id":1000,"t":":realm"}`, `{"id":42,"t":":realm"}`)
		for _, size := range []string{"0", "1", "2", "3"} {
			equal(t, d.read(t, `query: `+query+`, params: {realm: a}, page: {key: id, size: `+size+`}`), `{"id":42,"t":":realm"}`, `{"id":1000,"t":":realm"}`)
		}
		s := open(t, d.source(t, "table: users"))
		if ref := drain(t, s)[1].Ref.String(); ref != "users[key=42]" {
			t.Errorf("ref %s", ref)
		}
		s = open(t, d.source(t, "query: SELECT email FROM users ORDER BY id"))
		if ref := drain(t, s)[1].Ref.String(); ref != "users:2" {
			t.Errorf("ref without a key %s", ref)
		}
	})
}

func TestAcceptance(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (realm VARCHAR(20), name VARCHAR(20), n INT, PRIMARY KEY (realm, name))`)
		var want []string
		for _, realm := range []string{"a", "b", "c"} {
			for _, name := range []string{"ann", "bob", "cid", "dan", "eva"} {
				d.exec(t, `INSERT INTO users VALUES ('`+realm+`', '`+name+`', 1)`)
				want = append(want, `{"realm":"`+realm+`","name":"`+name+`","n":1,"roles":["r"]}`)
			}
		}
		d.exec(t, `CREATE TABLE leavers (n INT)`, `INSERT INTO leavers VALUES (1), (2), (3)`)
		gone := []string{`{"n":1}`, `{"n":2}`, `{"n":3}`}
		d.exec(t, `CREATE TABLE roles (name VARCHAR(20), role VARCHAR(20))`, `INSERT INTO roles SELECT DISTINCT name, 'r' FROM users`)
		with := `with: {roles: {query: "SELECT name, role FROM roles", on: name, key: name}}`
		for name, options := range map[string]string{
			"pages":    "table: users, page: {key: [realm, name], size: 4}, " + with,
			"stream":   "table: users, page: {key: [realm, name], size: 0}, " + with,
			"snapshot": "table: users, snapshot: true, " + with,
			"no key":   "query: 'SELECT realm, name, n FROM users ORDER BY realm, name', " + with,
			"gone":     "table: users, page: {key: [realm, name], size: 2}, deleted_query: SELECT n FROM leavers, " + with,
		} {
			want := want
			if name == "gone" {
				want = slices.Concat(gone, want)
			}
			t.Run(name, func(t *testing.T) {
				acceptance.Source(t, acceptance.SourceCase{
					New:  func(t *testing.T) pipeline.Source { return d.source(t, options) },
					Want: want,
					Unopenable: func(t *testing.T) pipeline.Source {
						return acceptance.NewSource(t, Type, pipeline.Env{}, "{dsn: '"+strings.ReplaceAll(strings.ReplaceAll(d.dsn, "test_", "nothing_"), "legacy.db", "nothing.db")+"', "+options+"}")
					},
					Secrets: []string{d.dsn, testserver.Password, "127.0.0.1", testserver.User + "@"},
				})
			})
		}
	})
}

// Without a key a run goes on behind as many rows, if they are the same.
func TestGoesOnWithoutAKey(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (name VARCHAR(20), changed INT)`, `INSERT INTO users VALUES ('ann', 1), ('bob', 2), ('cid', 3), ('dan', 4)`)
		const options = "query: 'SELECT name, changed FROM users', cursor: {field: changed}"
		s := open(t, d.source(t, options))
		b, err := s.Next(context.Background(), 2)
		if err != nil {
			t.Fatal(err)
		}
		s.Close() // an SQLite file that is being read takes no changes
		d.exec(t, `INSERT INTO users VALUES ('eva', 9)`)
		again := d.source(t, options)
		if err := again.(pipeline.Resumer).OpenAt(context.Background(), b.After); err != nil {
			t.Fatal(err)
		}
		equal(t, lines(drain(t, again)), `users:3 {"name":"cid","changed":3}`, `users:4 {"name":"dan","changed":4}`, `users:5 {"name":"eva","changed":9}`)
		if mark := string(again.(pipeline.Cursored).Cursor()); mark != "4" { // that of the beginning
			t.Errorf("the cursor is %s", mark)
		}
		again.Close()
		for _, change := range []string{`DELETE FROM users WHERE name = 'ann'`, `INSERT INTO users VALUES ('ann', 1), ('abe', 5)`, `DELETE FROM users`} {
			d.exec(t, change)
			again := d.source(t, options)
			checkError(t, again.(pipeline.Resumer).OpenAt(context.Background(), b.After), "run.source_changed", false)
			again.Close()
		}
	})
}
