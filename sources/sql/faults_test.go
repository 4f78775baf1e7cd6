package sqlsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/internal/testserver"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/value"
)

// fill makes a table of n users with a role each.
func (d target) fill(t testing.TB, n int) {
	t.Helper()
	d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(80) NOT NULL, filler VARCHAR(200))`,
		`CREATE TABLE user_roles (user_id INT, role VARCHAR(20))`, `CREATE INDEX user_roles_user ON user_roles (user_id)`)
	for from := 0; from < n; from += 1000 {
		var users, roles strings.Builder
		for i := from; i < min(n, from+1000); i++ {
			if i > from {
				users.WriteString(", ")
				roles.WriteString(", ")
			}
			fmt.Fprintf(&users, "(%d, 'u%d@x.org', '%s')", i*3, i, strings.Repeat("x", 180))
			fmt.Fprintf(&roles, "(%d, 'r%d')", i*3, i)
		}
		d.exec(t, "INSERT INTO users VALUES "+users.String(), "INSERT INTO user_roles VALUES "+roles.String())
	}
}

// killOthers ends every connection to the database but the test's own.
func (d target) killOthers(t testing.TB) {
	t.Helper()
	if d.name == "PostgreSQL" {
		d.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		return
	}
	rows, err := d.server.Admin().Query(`SELECT ID FROM information_schema.PROCESSLIST WHERE DB = ? AND ID <> CONNECTION_ID()`, d.database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		_, _ = d.server.Admin().Exec(fmt.Sprintf("KILL %d", id)) // it may have ended by itself
	}
}

func (d target) database(t testing.TB) (name string) {
	t.Helper()
	if err := d.db.QueryRow(`SELECT DATABASE()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}

// disturbed reads everything while something happens between batches, and checks that nothing is lost or repeated.
func (d target) disturbed(t *testing.T, options string, n int, disturb func(batch int)) {
	t.Helper()
	var log bytes.Buffer
	s := open(t, acceptance.NewSource(t, Type, pipeline.Env{Log: slog.New(slog.NewTextHandler(&log, nil))}, "{dsn: '"+d.dsn+"', "+options+"}"))
	next := 0
	for batch := 0; ; batch++ {
		b, err := s.Next(context.Background(), 700)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d records: %v", next, err)
		}
		for _, r := range b.Records {
			want := fmt.Sprintf(`{"id":%d,"email":"u%d@x.org","roles":["r%[2]d"]}`, next*3, next)
			got := r.Source.Clone()
			got.Delete("filler")
			if text := string(value.AppendJSON(nil, got)); text != want {
				t.Fatalf("record %d is %s, want %s", next, text, want)
			}
			next++
		}
		disturb(batch)
	}
	if next != n {
		t.Errorf("%d records, want %d", next, n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "away") {
		t.Error("the connection was never lost")
	}
	if strings.Contains(log.String(), testserver.Password) || strings.Contains(log.String(), d.server.Addr()) {
		t.Errorf("the log shows a secret: %s", log.String())
	}
}

const roles = `with: {roles: {query: "SELECT user_id, role FROM user_roles", on: user_id}}`

var modes = map[string]string{
	"pages":  `table: users, page: {key: id, size: 900}, ` + roles,
	"stream": `table: users, page: {key: id, size: 0}, ` + roles,
}

func TestConnectionKilled(t *testing.T) {
	for _, server := range []func(testing.TB) target{mariaDB, postgres} {
		d := server(t)
		d.fill(t, 30_000)
		for mode, options := range modes {
			t.Run(d.name+" "+mode, func(t *testing.T) {
				d.disturbed(t, options, 30_000, func(batch int) {
					if batch%5 == 2 {
						d.killOthers(t)
					}
				})
			})
		}
	}
}

func TestServerRestarted(t *testing.T) {
	for _, server := range []func(testing.TB) target{mariaDB, postgres} {
		d := server(t)
		d.fill(t, 20_000)
		for mode, options := range modes {
			t.Run(d.name+" "+mode, func(t *testing.T) {
				d.disturbed(t, options, 20_000, func(batch int) {
					if batch != 3 && batch != 11 {
						return
					}
					d.server.Kill()
					started := make(chan error, 1)
					go func() {
						time.Sleep(300 * time.Millisecond)
						started <- d.server.Start()
					}()
					t.Cleanup(func() {
						if err := <-started; err != nil {
							t.Error(err)
						}
					})
				})
			})
		}
	}
}

func TestServerStaysAway(t *testing.T) {
	d := mariaDB(t)
	d.fill(t, 20_000)
	s := open(t, d.source(t, "reconnect: 300ms, "+modes["pages"]))
	if _, err := s.Next(context.Background(), 10); err != nil {
		t.Fatal(err)
	}
	d.server.Kill()
	var err error
	for err == nil {
		_, err = s.Next(context.Background(), 1000)
	}
	checkError(t, err, "sql.connection_lost", true)
}

// Without a key, or in a snapshot, going on would lose or repeat rows.
func TestLostForGood(t *testing.T) {
	for _, server := range []func(testing.TB) target{mariaDB, postgres} {
		d := server(t)
		d.fill(t, 50_000)
		for code, options := range map[string]string{
			"sql.connection_lost": "query: SELECT * FROM users",
			"sql.snapshot_lost":   "table: users, snapshot: true, page: {key: id, size: 500}",
		} {
			s := open(t, d.source(t, options))
			if _, err := s.Next(context.Background(), 10); err != nil {
				t.Fatal(err)
			}
			d.killOthers(t)
			var err error
			for err == nil {
				_, err = s.Next(context.Background(), 1000)
			}
			checkError(t, err, code, true)
			s.Close()
		}
	}
}

func checkError(t testing.TB, err error, code string, unreachable bool) {
	t.Helper()
	var e *pipeline.Error
	if !errors.As(err, &e) || e.Code != code || e.Unreachable != unreachable || e.Message == "" || e.Hint == "" {
		t.Errorf("the error is %v (%+v), want %s", err, e, code)
		return
	}
	for _, secret := range []string{testserver.Password, testserver.User, "127.0.0.1", "tcp("} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, errors.Unwrap(e)), secret) {
			t.Errorf("the error shows %q: %v", secret, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	maria, pg := testserver.MariaDB(t), testserver.Postgres(t)
	for name, dsn := range map[string]string{
		"MariaDB, wrong password":    "mysql://usher:wrong@" + maria.Addr() + "/mysql",
		"MariaDB, no database":       maria.URL("nothing"),
		"MariaDB, nobody listens":    "mysql://usher:legacy-Pa55word@127.0.0.1:1/x",
		"MariaDB, no such host":      "mysql://usher:legacy-Pa55word@no-such-host.invalid/x",
		"MariaDB, no TLS there":      maria.URL("mysql") + "?tls=true",
		"MariaDB, another server":    "mysql://usher:legacy-Pa55word@" + pg.Addr() + "/x?timeout=2s&readTimeout=2s",
		"PostgreSQL, wrong password": "postgres://usher:wrong@" + pg.Addr() + "/postgres?sslmode=disable",
		"PostgreSQL, no database":    pg.URL("nothing"),
		"PostgreSQL, nobody listens": "postgres://usher:legacy-Pa55word@127.0.0.1:1/x",
		"PostgreSQL, no such host":   "postgres://usher:legacy-Pa55word@no-such-host.invalid/x",
		"PostgreSQL, no TLS there":   "postgres://usher:legacy-Pa55word@" + pg.Addr() + "/postgres?sslmode=require",
		"SQLite, no file":            "sqlite:/nowhere/users.db",
		"SQLite, a folder":           "sqlite:" + t.TempDir(),
		"SQL Server, nobody listens": "sqlserver://usher:legacy-Pa55word@127.0.0.1:1?database=x&dial+timeout=1",
	} {
		t.Run(name, func(t *testing.T) {
			s := acceptance.NewSource(t, Type, pipeline.Env{}, "{dsn: '"+dsn+"', table: users}")
			err := s.Open(context.Background())
			if err == nil {
				t.Fatal("it opens")
			}
			t.Log(err)
			checkError(t, err, "sql.unreachable", true)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFailingReads(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE t (id INT, name VARCHAR(20), team VARCHAR(20))`,
			`INSERT INTO t VALUES (1, 'ann', 'x'), (1, 'bob', 'x'), (2, 'Ann', NULL)`)
		for options, code := range map[string]string{
			"table: nothing":                                                          "sql.query_failed",
			"table: t, columns: [nothing]":                                            "sql.query_failed",
			"query: SELECT FROM WHERE":                                                "sql.query_failed",
			"query: DELETE FROM t":                                                    "sql.query_failed",
			"table: t, page: {key: id, size: 1}":                                      "sql.key_not_unique",
			"table: t, page: {key: id, size: 10}":                                     "sql.key_not_unique",
			"table: t, page: {key: id, size: 0}":                                      "sql.key_not_unique",
			"table: t, page: {key: team, size: 10}":                                   "sql.null_key|sql.key_not_unique",
			"table: t, page: {key: [name, team], size: 1}":                            "sql.null_key",
			"table: t, page: {key: [name, team], size: 0}":                            "sql.null_key",
			"table: t, page: {key: nothing}":                                          "sql.query_failed|sql.unknown_column",
			"query: 'SELECT id FROM t', page: {key: name}":                            "sql.query_failed",
			"query: 'SELECT id, name AS id FROM t'":                                   "sql.duplicate_column",
			"table: t, types: {nothing: bool}":                                        "sql.unknown_column",
			"table: t, with: {x: {query: 'SELECT 1 AS a, 2 AS b', on: c, key: name}}": "sql.query_failed",
			"table: t, with: {x: {query: 'SELECT id AS a, 2 AS b FROM t WHERE id IN (:keys)', on: c, key: id}}": "sql.unknown_column",
			"table: t, with: {x: {query: 'SELECT id, name FROM t', on: id, key: id, as: map}}":                  "sql.bad_map",
			"table: t, with: {name: {query: 'SELECT id, name FROM t', on: id, key: id}}":                        "sql.duplicate_column",
			"table: t, with: {x: {query: 'SELECT id, name FROM t', on: id}}":                                    "sql.no_key",
		} {
			s := d.source(t, options)
			err := s.Open(context.Background())
			for err == nil {
				_, err = s.Next(context.Background(), 100)
			}
			if err == io.EOF {
				t.Errorf("%s: no error", options)
			} else {
				var e *pipeline.Error
				if errors.As(err, &e) && strings.Contains(code, e.Code) {
					code = e.Code
				}
				checkError(t, err, code, false)
			}
			s.Close()
		}
		var n int
		if err := d.db.QueryRow(`SELECT COUNT(*) FROM t`).Scan(&n); err != nil || n != 3 {
			t.Errorf("%d rows are left, %v", n, err)
		}
	})
}

func TestStatementTimeout(t *testing.T) {
	for server, sleep := range map[string]string{"MariaDB": "SELECT id, SLEEP(30) AS s FROM t", "PostgreSQL": "SELECT id, pg_sleep(30)::text AS s FROM t"} {
		for _, page := range []string{"", ", page: {key: id}"} {
			t.Run(server+page, func(t *testing.T) {
				d := mariaDB
				if server == "PostgreSQL" {
					d = postgres
				}
				db := d(t)
				db.exec(t, `CREATE TABLE t (id INT PRIMARY KEY)`, `INSERT INTO t VALUES (1), (2), (3), (4), (5)`)
				s := open(t, db.source(t, "statement_timeout: 200ms, query: '"+sleep+"'"+page))
				start := time.Now()
				_, err := s.Next(context.Background(), 10)
				checkError(t, err, "sql.timeout", false)
				if time.Since(start) > 25*time.Second { // before the first row
					t.Errorf("after %v", time.Since(start))
				}
			})
		}
	}
}

// A snapshot sees nothing of what is written while it is read.
func TestSnapshot(t *testing.T) {
	for _, server := range []func(testing.TB) target{mariaDB, postgres} {
		d := server(t)
		d.fill(t, 3000)
		for _, snapshot := range []bool{true, false} {
			s := open(t, d.source(t, fmt.Sprintf("table: users, columns: [email], page: {key: id, size: 100}, snapshot: %t", snapshot)))
			if _, err := s.Next(context.Background(), 10); err != nil {
				t.Fatal(err)
			}
			d.exec(t, fmt.Sprintf(`UPDATE users SET email = 'changed-%t' WHERE id = 8997`, snapshot))
			all := drain(t, s)
			if got, _ := all[len(all)-1].Source.Get("email"); (got == "changed-false") == snapshot || got == "changed-true" && snapshot {
				t.Errorf("%s: snapshot %t gives %v", d.name, snapshot, got)
			}
			s.Close()
		}
	}
}

// Only the database knows which keys it takes for the same.
func TestKeysThatAreTheSameToTheDatabase(t *testing.T) {
	d := mariaDB(t)
	d.exec(t, `CREATE TABLE t (team INT, name VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci)`,
		`INSERT INTO t VALUES (1, 'anna'), (1, 'strasse'), (1, 'straße'), (1, 'x🍣'), (1, 'x😀'), (1, 'zoe')`)
	for _, key := range []string{"name", "[team, name]"} {
		for _, size := range []string{"1", "2", "4"} {
			options := "table: t, page: {key: " + key + ", size: " + size + "}"
			s := open(t, d.source(t, options))
			var err error
			for err == nil {
				_, err = s.Next(context.Background(), 10)
			}
			checkError(t, err, "sql.key_not_unique", false)
		}
		for size, taken := range map[string]int{"0": 2, "6": 4} {
			options := "table: t, page: {key: " + key + ", size: " + size + "}"
			s := open(t, d.source(t, options))
			b, err := s.Next(context.Background(), taken)
			if err != nil {
				t.Fatal(err)
			}
			again := d.source(t, options)
			t.Cleanup(func() { again.Close() })
			if err = again.(pipeline.Resumer).OpenAt(context.Background(), b.After); err == nil {
				_, err = again.Next(context.Background(), 10)
			}
			checkError(t, err, "sql.key_not_unique", false)
		}
	}
	// A row that has gone since the page before it was read is no error.
	d.exec(t, `DELETE FROM t WHERE name > 'b'`)
	for range 9 {
		d.exec(t, `INSERT INTO t VALUES (1, LEFT(UUID(), 8))`)
	}
	s := open(t, d.source(t, "table: t, page: {key: name, size: 1}"))
	if _, err := s.Next(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	d.exec(t, `DELETE FROM t ORDER BY name LIMIT 5`)
	drain(t, s)
}

// A page behind a key must not begin at the start again.
func TestPagesByBits(t *testing.T) {
	d := mariaDB(t)
	d.exec(t, `CREATE TABLE t (k BIT(64) PRIMARY KEY)`, `INSERT INTO t VALUES (1), (2), (300), (18446744073709551615)`)
	s := open(t, d.source(t, "table: t, page: {key: k, size: 1}"))
	var got []string
	for range 5 {
		b, err := s.Next(context.Background(), 1)
		if err != nil {
			break
		}
		got = append(got, b.Records[0].Ref.String()+" "+string(b.After))
	}
	equal(t, got, `t[key=1] {"key":[1],"cursor":""}`, `t[key=2] {"key":[2],"cursor":""}`, `t[key=300] {"key":[300],"cursor":""}`,
		`t[key=18446744073709551615] {"key":[18446744073709551615],"cursor":""}`)
}
