package sqlsource

import (
	"bufio"
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// mySQL is MySQL and MariaDB.
type mySQL struct {
	dsn      string
	config   *mysql.Config
	location *time.Location
	mariadb  bool
}

func newMySQL(dsn string, isURL bool, location *time.Location) (dialect, error) {
	own := dsn
	if isURL {
		u, err := url.Parse(dsn)
		if err != nil || u.Host == "" {
			return nil, errors.New("not a URL")
		}
		own = fmt.Sprintf("tcp(%s)/%s?%s", u.Host, url.PathEscape(strings.TrimPrefix(u.Path, "/")), u.RawQuery)
	}
	config, err := mysql.ParseDSN(own)
	if err != nil {
		return nil, err
	}
	if isURL {
		u, _ := url.Parse(dsn)
		config.User = u.User.Username()
		config.Passwd, _ = u.User.Password()
	}
	if config.Loc != nil && config.Loc != time.UTC && location == time.UTC {
		location = config.Loc
	}
	// Times are read by this package from the text: exactly, with zero dates. Text comes as UTF-8 whatever a DSN made
	// for another program says.
	config.ParseTime, config.Loc = false, time.UTC
	config.Collation = ""
	if err := config.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	config.MultiStatements, config.AllowAllFiles, config.InterpolateParams, config.ColumnsWithAlias = false, false, false, false
	config.Logger = log.New(io.Discard, "", 0) // it would name the host
	config.DialFunc = dialBuffered
	if config.Params == nil {
		config.Params = map[string]string{}
	}
	config.Params["time_zone"] = "'+00:00'"
	return &mySQL{dsn: dsn, config: config, location: location}, nil
}

// readBuffer is how much of what the server sends is read at once. The driver asks for 4 KB, which is a dozen rows.
const readBuffer = 64 << 10

// buffered is a connection that is read by large pieces.
type buffered struct {
	net.Conn
	reader *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.reader.Read(p) }

func dialBuffered(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return buffered{conn, bufio.NewReaderSize(conn, readBuffer)}, nil
}

func (d *mySQL) open(ctx context.Context) (*sql.DB, error) {
	connector, err := mysql.NewConnector(d.config.Clone())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		db.Close()
		return nil, err
	}
	d.mariadb = strings.Contains(version, "MariaDB")
	return db, nil
}

func (d *mySQL) zone() *time.Location { return d.location }

func (d *mySQL) secrets() []string {
	host, _, _ := net.SplitHostPort(d.config.Addr)
	return append(urlSecrets(d.dsn), d.config.FormatDSN(), d.config.Passwd, d.config.User, d.config.Addr, host)
}

func (d *mySQL) backslash() bool          { return true }
func (d *mySQL) placeholder(int) string   { return "?" }
func (d *mySQL) quote(name string) string { return quoteWith(name, "`", "`") }
func (d *mySQL) text(expression string) string {
	return "CAST(" + expression + " AS CHAR)"
}
func (d *mySQL) page(query, order string, n int) string { return limitClause(query, order, n) }
func (d *mySQL) nullsLast() bool                        { return false }

// argument gives integers as such: compared with text they would become floats.
func (d *mySQL) argument(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n
	}
	return text
}

func (d *mySQL) session(timeout time.Duration) []string {
	statements := []string{"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"}
	switch {
	case timeout == 0:
	case d.mariadb:
		statements = append(statements, fmt.Sprintf("SET SESSION max_statement_time = %.3f", timeout.Seconds()))
	default:
		statements = append(statements, fmt.Sprintf("SET SESSION max_execution_time = %d", timeout.Milliseconds()))
	}
	return statements
}

// begin has nothing to do in a session that is read only: each statement is a transaction.
func (d *mySQL) begin(snapshot bool, _ time.Duration) string {
	if snapshot {
		return "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
	}
	return ""
}

func (d *mySQL) end(snapshot bool) string {
	if snapshot {
		return "COMMIT"
	}
	return ""
}
func (d *mySQL) enforces() bool { return true }

// prepares is for FLOAT columns: as text they have only six digits.
func (d *mySQL) prepares() bool { return true }

// catalogue looks the types up by name, because the protocol does not tell TINYINT(1) from TINYINT, nor MariaDB's JSON
// from text.
func (d *mySQL) catalogue(ctx context.Context, l *link, tables []string, whole bool) (catalogue, error) {
	c := catalogue{types: map[string][]string{}}
	if len(tables) == 0 {
		return c, nil
	}
	in, args := "?"+strings.Repeat(", ?", len(tables)-1), []any{}
	schemas := "DATABASE()"
	for i, table := range tables {
		if schema, name, ok := strings.Cut(table, "."); ok && whole {
			schemas, tables[i] = "?", name
			args = append(args, schema)
		}
	}
	for _, table := range tables {
		args = append(args, table)
	}
	where := fmt.Sprintf(" WHERE TABLE_SCHEMA = %s AND TABLE_NAME IN (%s)", schemas, in)
	err := each(ctx, l, "SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS"+where, args, func(name, declared string) {
		c.types[strings.ToLower(name)] = append(c.types[strings.ToLower(name)], strings.ToLower(declared))
	})
	if err != nil {
		return c, err
	}
	if d.mariadb {
		checks := strings.ReplaceAll(where, "TABLE_SCHEMA", "CONSTRAINT_SCHEMA")
		err := each(ctx, l, "SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS"+checks, args, func(name, clause string) {
			if strings.HasPrefix(strings.ToLower(clause), "json_valid(") {
				c.types[strings.ToLower(name)] = []string{"json"}
			}
		})
		if err != nil && ctx.Err() != nil { // older servers do not have the table
			return c, err
		}
	}
	if !whole {
		return c, nil
	}
	err = each(ctx, l, "SELECT COLUMN_NAME, '' FROM information_schema.STATISTICS"+where+" AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX", args,
		func(name, _ string) { c.key = append(c.key, name) })
	if err != nil {
		return c, err
	}
	return c, each(ctx, l, "SELECT COALESCE(TABLE_ROWS, 0), '' FROM information_schema.TABLES"+where, args,
		func(rows, _ string) { c.rows, _ = strconv.ParseInt(rows, 10, 64) })
}

// all reports whether every declared type has the prefix; there must be one.
func all(declared []string, prefix string) bool {
	for _, t := range declared {
		if !strings.HasPrefix(t, prefix) {
			return false
		}
	}
	return len(declared) > 0
}

func (d *mySQL) column(typeName string, declared []string) column {
	switch typeName {
	case "TINYINT", "UNSIGNED TINYINT":
		if all(declared, "tinyint(1)") {
			return column{decode: decodeFlag, key: keyInteger}
		}
		return column{decode: decodeNumber, key: keyInteger}
	case "SMALLINT", "UNSIGNED SMALLINT", "MEDIUMINT", "UNSIGNED MEDIUMINT", "INT", "UNSIGNED INT", "BIGINT", "UNSIGNED BIGINT", "YEAR":
		return column{decode: decodeNumber, key: keyInteger}
	case "FLOAT", "DOUBLE", "DECIMAL":
		return column{decode: decodeNumber, key: nil} // compared with a parameter they become floats
	case "BIT":
		return column{decode: decodeBits(len(declared) == 0 || all(declared, "bit(1)")), key: keyBits}
	case "DATE":
		return column{decode: decodeMySQLDate, key: keyString}
	case "DATETIME":
		return column{decode: decodeMySQLTime(d.location), key: keyString}
	case "TIMESTAMP":
		return column{decode: decodeMySQLTime(time.UTC), key: keyString}
	case "JSON":
		return column{decode: decodeJSON, key: nil}
	case "SET":
		return column{decode: decodeSet, key: nil}
	case "ENUM":
		return column{decode: decodeText, key: nil} // ordered by number, compared by text
	case "BINARY":
		return column{decode: decodeFixedBinary, key: keyBytes}
	case "VARBINARY", "BLOB", "MEDIUMBLOB", "LONGBLOB", "TINYBLOB":
		return column{decode: decodeBinary, key: keyBytes}
	case "GEOMETRY", "VECTOR":
		return column{decode: decodeBytes, key: nil}
	}
	if all(declared, "json") {
		return column{decode: decodeJSON, key: nil}
	}
	return column{decode: decodeText, key: keyString, text: true}
}

func (d *mySQL) classify(err error) failure {
	var e *mysql.MySQLError
	switch {
	case errors.As(err, &e):
		f := failure{text: fmt.Sprintf("%s (%d)", e.Message, e.Number)}
		switch e.Number {
		case 1045, 1044, 1698, 1130, 1820, 1862:
			f.hint, f.text = loginHint, "the server refuses the user or password"
		case 1049:
			f.hint, f.text = loginHint, "the server has no such database"
		case 1040, 1203, 1226:
			f.lost, f.text = true, "the server takes no more connections"
		case 1053, 1077, 1079, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 3169, 4031:
			f.lost, f.text = true, "the server ended the connection"
		case 1969, 3024:
			f.timeout = true
		case 1205, 1213:
			f.retry = true
		}
		return f
	case errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, mysql.ErrPktSync), errors.Is(err, mysql.ErrPktSyncMul):
		return failure{lost: true, text: "the connection was lost"}
	}
	if f, ok := network(err); ok {
		return f
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) || errors.Is(err, mysql.ErrNoTLS) {
		return failure{hint: tlsHint, text: "the server does not speak TLS"}
	}
	return failure{text: err.Error()}
}
