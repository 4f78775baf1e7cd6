package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

type sqLite struct {
	path, uri string
	location  *time.Location
}

func newSQLite(dsn string, hasScheme bool, dir string, location *time.Location) (dialect, error) {
	path := dsn
	if hasScheme {
		_, path, _ = strings.Cut(dsn, ":")
		path = strings.TrimPrefix(path, "//")
	}
	path, query, _ := strings.Cut(path, "?")
	if path == "" {
		return nil, errors.New("no path")
	}
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	parameters.Set("mode", "ro")
	parameters.Set("_dqs", "0") // a misspelt column in quotes is an error, not a text
	parameters.Add("_pragma", "busy_timeout(10000)")
	if location != time.UTC {
		parameters.Set("_timezone", location.String())
	}
	uri := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: parameters.Encode()}
	return &sqLite{path, uri.String(), location}, nil
}

func (d *sqLite) open(ctx context.Context) (*sql.DB, error) {
	db, err := sql.Open("sqlite", d.uri)
	if err != nil {
		return nil, err
	}
	// A ping does not read the file.
	if _, err := db.ExecContext(ctx, "PRAGMA schema_version"); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func (d *sqLite) zone() *time.Location { return d.location }

func (d *sqLite) secrets() []string                      { return []string{d.uri, d.path} }
func (d *sqLite) backslash() bool                        { return false }
func (d *sqLite) placeholder(int) string                 { return "?" }
func (d *sqLite) quote(name string) string               { return quoteWith(name, `"`, `"`) }
func (d *sqLite) text(expression string) string          { return "CAST(" + expression + " AS TEXT)" }
func (d *sqLite) page(query, order string, n int) string { return limitClause(query, order, n) }
func (d *sqLite) nullsLast() bool                        { return false }

func (d *sqLite) argument(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && (n == 0 || text[0] != '0') {
		return n
	}
	if text == "Inf" {
		return math.Inf(1)
	}
	return text
}

// mixed implements loose: numbers come before texts, and times are compared as texts.
func (d *sqLite) mixed(field, highest string) (condition, hint string) {
	const date = "'[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'"
	hint = "have a query give one form, such as strftime('%Y-%m-%d %H:%M:%f', " + field + ", 'auto') AS " + field
	_, number := wholeNumber(highest)
	switch {
	case dated.MatchString(highest):
		separator, zone := timeForm(highest)
		zones := []string{zone}
		if zone == "" {
			zones = universal
		}
		condition = fmt.Sprintf("(typeof(%[1]s) <> 'text' OR %[1]s NOT GLOB %[2]s OR substr(%[1]s, 11, 1) <> %[3]s OR ltrim(substr(%[1]s, 20), '.0123456789') NOT IN (%[4]s))",
			field, date, literal(separator), literal(zones...))
	case number:
		whole, _, _ := strings.Cut(highest, ".")
		condition = fmt.Sprintf("typeof(%[1]s) = 'text' AND instr(%[1]s || '.', '.') <> %[2]d", field, len(whole)+1)
		hint = "have a query give numbers: CAST(" + field + " AS INTEGER) AS " + field
	default:
		condition = fmt.Sprintf("(typeof(%[1]s) IN ('integer', 'real') OR %[1]s GLOB %[2]s)", field, date)
	}
	return field + " IS NOT NULL AND " + condition, hint
}

// literal writes texts for a statement.
func literal(texts ...string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return strings.Join(quoted, ", ")
}

func (d *sqLite) session(time.Duration) []string {
	return nil
}

func (d *sqLite) begin(bool, time.Duration) string {
	return "BEGIN"
}

func (d *sqLite) end(bool) string { return "COMMIT" }
func (d *sqLite) enforces() bool  { return false }
func (d *sqLite) prepares() bool  { return false }

func (d *sqLite) catalogue(ctx context.Context, l *link, tables []string, whole bool) (catalogue, error) {
	var c catalogue
	if !whole {
		return c, nil
	}
	schema, table, ok := strings.Cut(tables[0], ".")
	if !ok {
		schema, table = "main", tables[0]
	}
	err := each(ctx, l, "SELECT name, '' FROM pragma_table_info(?, ?) WHERE pk > 0 ORDER BY pk", []any{table, schema},
		func(name, _ string) { c.key = append(c.key, name) })
	if err != nil {
		return c, err
	}
	// A table that is not there is the first query's error to tell.
	_ = l.row(ctx, "SELECT COUNT(*) FROM "+d.quote(tables[0])).Scan(&c.rows)
	return c, nil
}

// column goes by the declared type only where the values do not say what they are: SQLite takes any value in any
// column.
func (d *sqLite) column(typeName string, _ []string) column {
	typeName = strings.ToUpper(typeName)
	switch {
	case typeName == "DATE":
		return column{decode: decodeDay, key: nil}
	case typeName == "DATETIME", typeName == "TIMESTAMP":
		return column{decode: decodeInstant, key: nil} // the driver does not give the text that is compared
	case strings.HasPrefix(typeName, "BOOL"), typeName == "TINYINT(1)", typeName == "BIT", typeName == "BIT(1)":
		return column{decode: decodeFlag, key: keyPlain}
	case strings.HasPrefix(typeName, "JSON"):
		return column{decode: decodeJSON, key: nil}
	case strings.HasPrefix(typeName, "DECIMAL"), strings.HasPrefix(typeName, "NUMERIC"):
		return column{decode: decodeNumber, key: keyPlain}
	}
	return column{decode: decodeAny, key: keyPlain}
}

func (d *sqLite) classify(err error) failure {
	if f, ok := network(err); ok {
		return f
	}
	var e *sqlite.Error
	if errors.As(err, &e) {
		f := failure{text: e.Error(), hint: "check the path of the DSN; it begins at the folder of the pipeline file"}
		switch e.Code() & 0xff {
		case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
			f.retry = true
		case lib.SQLITE_CANTOPEN, lib.SQLITE_IOERR:
			f.text = "the database file is not there or cannot be read"
		case lib.SQLITE_NOTADB:
			f.text = "the file is not an SQLite database"
		}
		return f
	}
	return failure{text: err.Error()}
}
