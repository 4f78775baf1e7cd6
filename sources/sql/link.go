package sqlsource

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"
)

// link is one connection to the database, with its session set up.
type link struct {
	dialect dialect
	conn    *sql.Conn
	// prepared are the statements by their texts, where they are prepared.
	prepared map[string]*sql.Stmt
}

// maxPrepared bounds the prepared statements of a connection. A page and the joined queries take a few each.
const maxPrepared = 100

func newLink(ctx context.Context, db *sql.DB, d dialect, timeout time.Duration) (*link, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{dialect: d, conn: conn}
	if d.prepares() {
		l.prepared = map[string]*sql.Stmt{}
	}
	for _, statement := range d.session(timeout) {
		if err := l.exec(ctx, statement); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *link) exec(ctx context.Context, text string) error {
	if text == "" {
		return nil
	}
	_, err := l.conn.ExecContext(ctx, text)
	return err
}

func (l *link) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if l.prepared == nil {
		return l.conn.QueryContext(ctx, text, args...)
	}
	stmt := l.prepared[text]
	if stmt == nil {
		var err error
		if stmt, err = l.conn.PrepareContext(ctx, text); err != nil {
			return nil, err
		}
		if len(l.prepared) == maxPrepared {
			for text, old := range l.prepared {
				old.Close()
				delete(l.prepared, text)
			}
		}
		l.prepared[text] = stmt
	}
	return stmt.QueryContext(ctx, args...)
}

func (l *link) row(ctx context.Context, text string, args ...any) *sql.Row {
	return l.conn.QueryRowContext(ctx, text, args...)
}

// each calls f with the two texts of every row.
func each(ctx context.Context, l *link, query string, args []any, f func(a, b string)) error {
	rows, err := l.query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			return err
		}
		f(a, b)
	}
	return rows.Err()
}

// close gives the connection up, with whatever is open on it.
func (l *link) close() {
	_ = l.conn.Raw(func(any) error { return driver.ErrBadConn })
	l.conn.Close()
}
