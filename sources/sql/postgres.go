package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

type postgreSQL struct {
	dsn      string
	config   *pgx.ConnConfig
	location *time.Location
}

func newPostgres(dsn string, location *time.Location) (dialect, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 30 * time.Second
	}
	config.RuntimeParams["client_encoding"] = "UTF8"
	config.RuntimeParams["TimeZone"] = "UTC"
	config.RuntimeParams["application_name"] = "usher"
	return &postgreSQL{dsn, config, location}, nil
}

func (d *postgreSQL) open(ctx context.Context) (*sql.DB, error) {
	db := stdlib.OpenDB(*d.config)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func (d *postgreSQL) zone() *time.Location { return d.location }

func (d *postgreSQL) secrets() []string {
	return append(urlSecrets(d.dsn), d.config.Password, d.config.User, d.config.Host)
}

func (d *postgreSQL) backslash() bool                        { return false }
func (d *postgreSQL) placeholder(n int) string               { return "$" + itoa(n) }
func (d *postgreSQL) quote(name string) string               { return quoteWith(name, `"`, `"`) }
func (d *postgreSQL) text(expression string) string          { return "(" + expression + ")::text" }
func (d *postgreSQL) argument(text string) any               { return text } // the server knows the type
func (d *postgreSQL) page(query, order string, n int) string { return limitClause(query, order, n) }
func (d *postgreSQL) nullsLast() bool                        { return true }

func (d *postgreSQL) session(time.Duration) []string {
	// Behind a pool of connections a session's settings would meet others: they are set in each transaction.
	return nil
}

func (d *postgreSQL) begin(snapshot bool, timeout time.Duration) string {
	text := "BEGIN READ ONLY"
	if snapshot {
		text = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	}
	if timeout > 0 {
		text += "; SET LOCAL statement_timeout = " + strconv.FormatInt(timeout.Milliseconds(), 10)
	}
	return text
}

func (d *postgreSQL) end(bool) string { return "COMMIT" }
func (d *postgreSQL) enforces() bool  { return true }
func (d *postgreSQL) prepares() bool  { return false }

func (d *postgreSQL) catalogue(ctx context.Context, l *link, tables []string, whole bool) (catalogue, error) {
	var c catalogue
	if !whole {
		return c, nil
	}
	table := d.quote(tables[0])
	err := each(ctx, l, `SELECT a.attname, '' FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
		WHERE i.indrelid = to_regclass($1) AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum)`, []any{table},
		func(name, _ string) { c.key = append(c.key, name) })
	if err != nil {
		return c, err
	}
	return c, each(ctx, l, `SELECT greatest(reltuples, 0)::bigint::text, '' FROM pg_class WHERE oid = to_regclass($1)`, []any{table},
		func(rows, _ string) { c.rows, _ = strconv.ParseInt(rows, 10, 64) })
}

func (d *postgreSQL) column(typeName string, _ []string) column {
	if element, ok := strings.CutPrefix(typeName, "_"); ok {
		if element == "BOOL" {
			return column{decode: decodeArray(decodeBoolText), key: nil}
		}
		return column{decode: decodeArray(d.column(element, nil).decode), key: nil}
	}
	switch typeName {
	case "NUMERIC":
		return column{decode: decodeNumber, key: keyString}
	case "FLOAT4":
		return column{decode: decodeFloat32, key: keyPlain}
	case "BYTEA":
		return column{decode: decodeBinary, key: keyBytes}
	case "JSON", "JSONB":
		return column{decode: decodeJSON, key: nil}
	case "DATE":
		return column{decode: decodeDay, key: keyPlain}
	case "TIMESTAMP":
		return column{decode: decodeWallClock(d.location), key: keyPlain}
	case "TIMESTAMPTZ":
		return column{decode: decodeInstant, key: keyPlain}
	case "BIT":
		return column{decode: decodeBitText, key: nil}
	case "BOOL":
		return column{decode: decodePlainBool, key: keyPlain}
	case "INT2", "INT4", "INT8", "FLOAT8", "OID":
		return column{decode: decodeNumber, key: keyPlain}
	}
	return column{decode: decodeText, key: keyString}
}

func (d *postgreSQL) classify(err error) failure {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		f := failure{text: fmt.Sprintf("%s (SQLSTATE %s)", e.Message, e.Code)}
		switch {
		case strings.HasPrefix(e.Code, "28"):
			f.hint, f.text = loginHint, "the server refuses the user or password"
		case e.Code == "3D000":
			f.hint, f.text = loginHint, "the server has no such database"
		case e.Code == "53300":
			f.lost, f.text = true, "the server takes no more connections"
		case strings.HasPrefix(e.Code, "57P"), strings.HasPrefix(e.Code, "08"):
			f.lost, f.text = true, "the server ended the connection"
		case e.Code == "57014":
			f.timeout = true
		case strings.HasPrefix(e.Code, "40"):
			f.retry = true
		}
		return f
	}
	if f, ok := network(err); ok {
		return f
	}
	if strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "closed pool") {
		return failure{lost: true, text: "the connection was lost"}
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		if strings.Contains(err.Error(), "refused TLS") {
			return failure{hint: tlsHint, text: "the server does not speak TLS"}
		}
		return failure{text: "no connection could be made"} // its text is most of the DSN
	}
	return failure{text: err.Error()}
}
