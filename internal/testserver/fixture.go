package testserver

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the driver
)

// Fixture makes a database for the statements of a file, which is named after the kind of database: setup.mariadb.sql,
// setup.postgres.sql or setup.sqlite.sql. Each statement ends with a semicolon at the end of its line.
func Fixture(t testing.TB, path string) (dsn string, db *sql.DB) {
	t.Helper()
	switch name := filepath.Base(path); name {
	case "setup.mariadb.sql":
		server := MariaDB(t)
		name, db = server.Database(t)
		dsn = server.URL(name)
	case "setup.postgres.sql":
		server := Postgres(t)
		name, db = server.Database(t)
		dsn = server.URL(name)
	case "setup.sqlite.sql":
		file := filepath.Join(t.TempDir(), "legacy.db")
		var err error
		if db, err = sql.Open("sqlite", file); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		dsn = "sqlite:" + file
	default:
		t.Fatalf("%s does not name a kind of database", path)
	}
	if err := load(db, path); err != nil {
		t.Fatal(err)
	}
	return dsn, db
}

func load(db *sql.DB, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	ctx := context.Background()
	conn, err := db.Conn(ctx) // one, for the sake of SET
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, statement := range strings.Split(string(text), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w\n%.300s", path, err, statement)
		}
	}
	return nil
}
