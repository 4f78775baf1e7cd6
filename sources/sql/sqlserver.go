package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
)

// sqlServer is Microsoft SQL Server. It was written after its driver's documentation and has not run against a server.
type sqlServer struct {
	dsn      string
	config   msdsn.Config
	location *time.Location
}

func newSQLServer(dsn string, location *time.Location) (dialect, error) {
	config, err := msdsn.Parse(dsn)
	if err != nil {
		return nil, err
	}
	config.ReadOnlyIntent = config.Database != ""
	return &sqlServer{dsn, config, location}, nil
}

func (d *sqlServer) open(ctx context.Context) (*sql.DB, error) {
	db := sql.OpenDB(mssql.NewConnectorConfig(d.config))
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func (d *sqlServer) zone() *time.Location { return d.location }

func (d *sqlServer) secrets() []string {
	return append(urlSecrets(d.dsn), d.config.Password, d.config.User, d.config.Host)
}

func (d *sqlServer) backslash() bool          { return false }
func (d *sqlServer) placeholder(n int) string { return "@p" + itoa(n) }
func (d *sqlServer) quote(name string) string { return quoteWith(name, "[", "]") }
func (d *sqlServer) nullsLast() bool          { return false }

func (d *sqlServer) text(expression string) string {
	return "CONVERT(nvarchar(64), " + expression + ", 121)"
}

func (d *sqlServer) argument(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return text
}

func (d *sqlServer) page(query, order string, n int) string {
	text := "SELECT "
	if n > 0 {
		text += "TOP (" + itoa(n) + ") "
	}
	text += query
	if order != "" {
		text += " ORDER BY " + order
	}
	return text
}

func (d *sqlServer) session(time.Duration) []string {
	return nil
}

func (d *sqlServer) begin(snapshot bool, _ time.Duration) string {
	if snapshot {
		return "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION"
	}
	return ""
}

func (d *sqlServer) end(snapshot bool) string {
	if snapshot {
		return "COMMIT"
	}
	return ""
}
func (d *sqlServer) enforces() bool { return false }
func (d *sqlServer) prepares() bool { return false }

func (d *sqlServer) catalogue(ctx context.Context, l *link, tables []string, whole bool) (catalogue, error) {
	var c catalogue
	if !whole {
		return c, nil
	}
	err := each(ctx, l, `SELECT c.name, '' FROM sys.indexes i
		JOIN sys.index_columns x ON x.object_id = i.object_id AND x.index_id = i.index_id
		JOIN sys.columns c ON c.object_id = x.object_id AND c.column_id = x.column_id
		WHERE i.object_id = OBJECT_ID(@p1) AND i.is_primary_key = 1 ORDER BY x.key_ordinal`, []any{d.quote(tables[0])},
		func(name, _ string) { c.key = append(c.key, name) })
	if err != nil {
		return c, err
	}
	return c, each(ctx, l, `SELECT CONVERT(nvarchar(20), COALESCE(SUM(rows), 0)), '' FROM sys.partitions WHERE object_id = OBJECT_ID(@p1) AND index_id < 2`,
		[]any{d.quote(tables[0])}, func(rows, _ string) { c.rows, _ = strconv.ParseInt(rows, 10, 64) })
}

func (d *sqlServer) column(typeName string, _ []string) column {
	switch strings.ToUpper(typeName) {
	case "DECIMAL", "NUMERIC", "MONEY", "SMALLMONEY", "FLOAT":
		return column{decode: decodeNumber, key: nil}
	case "TINYINT", "SMALLINT", "INT", "BIGINT":
		return column{decode: decodeNumber, key: keyPlain}
	case "REAL":
		return column{decode: decodeFloat32, key: nil}
	case "BIT":
		return column{decode: decodePlainBool, key: keyPlain}
	case "UNIQUEIDENTIFIER":
		return column{decode: decodeUniqueIdentifier, key: keyUniqueIdentifier}
	case "DATE":
		return column{decode: decodeDay, key: keyPlain}
	case "TIME":
		return column{decode: decodeTimeOfDay, key: nil}
	case "DATETIME", "DATETIME2", "SMALLDATETIME":
		return column{decode: decodeWallClock(d.location), key: nil}
	case "DATETIMEOFFSET":
		return column{decode: decodeInstant, key: nil}
	case "BINARY":
		return column{decode: decodeFixedBinary, key: keyBytes}
	case "VARBINARY", "IMAGE":
		return column{decode: decodeBinary, key: keyBytes}
	}
	return column{decode: decodeText, key: keyString}
}

// decodeUniqueIdentifier turns the wire's mixed byte order into the usual text.
func decodeUniqueIdentifier(src any) (any, *note) {
	var id mssql.UniqueIdentifier
	if b, ok := src.([]byte); ok && id.Scan(b) == nil {
		return strings.ToLower(id.String()), nil
	}
	return decodeText(src)
}

func keyUniqueIdentifier(src any) any {
	v, _ := decodeUniqueIdentifier(src)
	return v
}

func (d *sqlServer) classify(err error) failure {
	var e mssql.Error
	if errors.As(err, &e) {
		f := failure{text: fmt.Sprintf("%s (%d)", e.Message, e.Number)}
		switch e.Number {
		case 18456, 18452, 18470:
			f.hint, f.text = loginHint, "the server refuses the user or password"
		case 4060, 911:
			f.hint, f.text = loginHint, "the server has no such database"
		case 596, 6005, 10053, 10054, 10060, 40197, 40501, 40613:
			f.lost, f.text = true, "the server ended the connection"
		case 1205, 3960:
			f.retry = true
		}
		return f
	}
	if f, ok := network(err); ok {
		return f
	}
	return failure{text: err.Error()}
}
