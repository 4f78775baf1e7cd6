package sqlsource

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/usher-id/usher/pipeline"
)

// reader reads one opening's rows in a goroutine of its own, ahead of who asks for them.
type reader struct {
	*source
	catalogue catalogue
	key       []string // of the pages; empty for one query without a way to go on
	// unique says that the key is known to be different for every row.
	unique bool
	// size is the rows of a page, 0 for one query.
	size      int
	last      []any // the key of the last row that was handed over, nil at the beginning
	ahead     []any // the key behind it, where it was seen already
	line      int64 // rows handed over, for records without a key
	watermark string
	// link reads; side serves joined queries while a stream is open on link. They are nil until they are needed, and
	// after they were lost.
	link, side *link
	// opened says that the snapshot is there; another one would not be the same.
	opened bool
	stream *stream // where size is 0, between two chunks
}

// stream is a query that is being read.
type stream struct {
	rows   *sql.Rows
	shape  *shape
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// open reaches the database and finds out what is needed to read.
func (r *reader) open(ctx context.Context, p *position) (err error) {
	if r.db, err = r.dialect.open(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return r.unreachableError(err)
	}
	// One connection reads; another one serves joined queries while a stream is open.
	r.db.SetMaxOpenConns(2)
	r.size, r.key = r.source.size, r.pageKey
	if p != nil {
		r.last, r.watermark = p.key, p.cursor
	}
	err = r.retrying(ctx, func(ctx context.Context) error {
		return r.reading(ctx, &r.link, func(ctx context.Context, l *link) error { return r.prepare(ctx, l, p == nil) })
	})
	if err != nil {
		return err
	}
	if r.snapshot && r.size == 0 && len(r.sides) > 0 {
		return &pipeline.Error{Code: "sql.no_key", Message: fmt.Sprintf("%s has no primary key, and joined queries in a snapshot need pages", r.origin),
			Hint: "give page: { key: … } with the columns that identify a row"}
	}
	if p != nil && p.key != nil && len(r.key) != len(p.key) {
		return &pipeline.Error{Code: "sql.bad_position", Message: "the checkpoint was written with another key", Hint: "run the pipeline again from the start"}
	}
	for i := range r.sides {
		if r.sides[i].key == "" {
			if len(r.key) == 0 {
				return &pipeline.Error{Code: "sql.no_key", Message: fmt.Sprintf("the table %s has no primary key for the joined query %s to refer to", r.table, r.sides[i].name),
					Hint: "give with." + r.sides[i].name + ".key"}
			}
			r.sides[i].key = r.key[0]
		}
	}
	return nil
}

// prepare reads the catalogue and the cursor's watermark.
func (r *reader) prepare(ctx context.Context, l *link, fresh bool) (err error) {
	tables := []string{r.table}
	if r.table == "" {
		tables = r.query.words(r.dialect.backslash())
	}
	if r.catalogue, err = r.dialect.catalogue(ctx, l, tables, r.table != ""); err != nil {
		return err
	}
	if len(r.key) == 0 && r.table != "" {
		r.key = r.catalogue.key
	}
	if r.ofGone {
		name, err := r.firstColumn(ctx, l)
		if err != nil {
			return err
		}
		r.key = []string{name}
	}
	r.unique = r.table != "" && len(r.catalogue.key) > 0 && !slices.ContainsFunc(r.catalogue.key, func(name string) bool { return !slices.Contains(r.key, name) })
	if len(r.key) == 0 {
		r.size = 0
	}
	if r.cursor == nil {
		r.total.Store(r.catalogue.rows)
		return nil
	}
	if !fresh {
		return nil
	}
	if err := r.checkCursor(ctx, l); err != nil {
		return err
	}
	if err := r.checkForms(ctx, l); err != nil {
		return err
	}
	return r.findWatermark(ctx, l)
}

// run reads until the end or the first error that stays, which is in the last chunk.
func (r *reader) run(ctx context.Context, chunks chan<- chunk) {
	defer close(chunks)
	defer func() {
		r.disconnect()
	}()
	for {
		var c chunk
		err := r.retrying(ctx, func(ctx context.Context) (err error) {
			c, err = r.read(ctx)
			return err
		})
		if err != nil {
			c = chunk{err: err}
		}
		if n := len(c.records); n > 0 {
			r.last, r.ahead = c.keys(n-1), c.ahead
			r.line += int64(n)
		}
		select {
		case chunks <- c:
		case <-ctx.Done():
			return
		}
		if c.err != nil {
			return
		}
	}
}

// retrying does something until it succeeds, fails for good, or the database has been away for too long.
func (r *reader) retrying(ctx context.Context, do func(context.Context) error) error {
	var since time.Time
	delay := 50 * time.Millisecond
	for {
		err := do(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.disconnect()
		f := r.classify(err)
		switch {
		case !f.lost && !f.retry:
			return r.readError(err)
		case r.opened:
			return &pipeline.Error{Code: "sql.snapshot_lost", Unreachable: f.lost, Message: fmt.Sprintf("reading %s: %s, and the snapshot with it", r.origin, f.text),
				Hint: "run again from the start, or resume without snapshot"}
		case len(r.key) == 0 && r.line > 0:
			return &pipeline.Error{Code: "sql.connection_lost", Unreachable: true, Message: fmt.Sprintf("reading %s: %s after %d rows, and nothing tells where to go on", r.origin, f.text, r.line),
				Hint: "give page: { key: … } with the columns that identify a row"}
		}
		if since.IsZero() {
			since = time.Now()
			if r.env.Log != nil {
				r.env.Log.Warn("the database is away; trying again", slog.String("source", r.origin), slog.String("reason", f.text))
			}
		}
		if time.Since(since) > r.reconnect {
			return r.readError(err)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return ctx.Err()
		}
		delay = min(2*delay, 2*time.Second)
	}
}

// disconnect gives up what is open on the connections; they are made again when they are needed.
func (r *reader) disconnect() {
	if s := r.stream; s != nil {
		r.stream = nil
		s.cancel(nil)
		if s.rows != nil {
			s.rows.Close()
		}
	}
	for _, l := range []**link{&r.link, &r.side} {
		if *l != nil {
			(*l).close()
			*l = nil
		}
	}
}

// read gives the next page, or the next part of the stream; with the last rows it says io.EOF.
func (r *reader) read(ctx context.Context) (c chunk, err error) {
	if r.size == 0 {
		return r.readStream(ctx)
	}
	err = r.reading(ctx, &r.link, func(ctx context.Context, l *link) error {
		c, err = r.readPage(ctx, l)
		return err
	})
	return c, err
}

// reading runs do on a connection, in a read-only transaction that may not take longer than the timeout.
func (r *reader) reading(ctx context.Context, at **link, do func(context.Context, *link) error) error {
	return r.within(ctx, func(ctx context.Context) (err error) {
		fresh := *at == nil
		if fresh {
			if *at, err = newLink(ctx, r.db, r.dialect, r.limit()); err != nil {
				return err
			}
		}
		l := *at
		if !r.snapshot || fresh {
			if err := l.exec(ctx, r.dialect.begin(r.snapshot, r.limit())); err != nil {
				return err
			}
			r.opened = r.snapshot
		}
		if err := do(ctx, l); err != nil || r.snapshot {
			return err
		}
		return l.exec(ctx, r.dialect.end(false))
	})
}

// limit is what the server is told to end statements after. In a snapshot a stream may share the connection, which must
// not end.
func (r *reader) limit() time.Duration {
	if r.snapshot {
		return 0
	}
	return r.timeout
}

// within gives do a context that ends when it takes too long.
func (r *reader) within(ctx context.Context, do func(context.Context) error) error {
	if r.timeout == 0 {
		return do(ctx)
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer r.watch(cancel, r.limit() > 0 && r.dialect.enforces())()
	return causeOf(ctx, limited, do(limited))
}

// watch cancels after the timeout. A server that ends statements itself (enforced) is given a little more: if it has
// not answered by then, it is gone.
func (r *reader) watch(cancel context.CancelCauseFunc, enforced bool) (stop func() bool) {
	if enforced {
		return time.AfterFunc(r.timeout+10*time.Second, func() { cancel(errHung) }).Stop
	}
	return time.AfterFunc(r.timeout, func() { cancel(errTimeout) }).Stop
}

// causeOf gives the reason why limited ended instead of the error that followed from it.
func causeOf(ctx, limited context.Context, err error) error {
	if cause := context.Cause(limited); err != nil && cause != nil && ctx.Err() == nil {
		return cause
	}
	return err
}

// readPage reads the rows behind the last key, and what is joined to them.
func (r *reader) readPage(ctx context.Context, l *link) (chunk, error) {
	n := r.size
	if !r.unique {
		n++ // one more row shows whether the key tells the last one from it
	}
	text, args, err := r.statement(n)
	if err != nil {
		return chunk{}, err
	}
	rows, err := l.query(ctx, text, args...)
	if err != nil {
		return chunk{}, err
	}
	defer rows.Close()
	shape, err := r.newShape(rows)
	if err != nil {
		return chunk{}, err
	}
	c, err := r.scan(rows, shape, n)
	if err != nil {
		return chunk{}, err
	}
	if err := rows.Close(); err != nil {
		return chunk{}, err
	}
	if r.last != nil && !r.unique && (r.ahead == nil || len(c.records) == 0 || !sameBytes(r.ahead, c.keys(0))) {
		if err := r.checkLast(ctx, l); err != nil {
			return chunk{}, err
		}
	}
	switch {
	case len(c.records) < n:
		c.err = io.EOF
		if err := r.checkNullKeys(ctx, l); err != nil {
			return chunk{}, err
		}
	case n > r.size:
		c.ahead = c.keys(r.size)
		c.records, c.raw = c.records[:r.size], c.raw[:r.size*c.width]
	}
	return c, r.join(ctx, l, &c)
}

// readStream gives the next rows of the one query.
func (r *reader) readStream(ctx context.Context) (chunk, error) {
	if r.stream == nil {
		s := &stream{}
		s.ctx, s.cancel = context.WithCancelCause(ctx)
		r.stream = s
	}
	s := r.stream
	c, err := r.streamed(s)
	if err != nil {
		return chunk{}, causeOf(ctx, s.ctx, err)
	}
	if len(c.records) == streamRows && len(r.sides) == 0 {
		return c, nil
	}
	err = r.reading(ctx, &r.side, func(ctx context.Context, l *link) error {
		if len(c.records) < streamRows {
			c.err = io.EOF
			if err := r.checkNullKeys(ctx, l); err != nil {
				return err
			}
		}
		return r.join(ctx, l, &c)
	})
	return c, err
}

// streamed reads on, and begins the query where it has not begun. The server sets it no limit, for it may take as
// long as all that becomes of the rows; only the next rows must come in time.
func (r *reader) streamed(s *stream) (chunk, error) {
	if r.timeout > 0 {
		defer r.watch(s.cancel, false)()
	}
	if s.rows == nil {
		text, args, err := r.statement(0)
		if err != nil {
			return chunk{}, err
		}
		if !r.snapshot { // that of the beginning had a limit
			if r.link != nil {
				r.link.close()
			}
			if r.link, err = newLink(s.ctx, r.db, r.dialect, 0); err != nil {
				return chunk{}, err
			}
			if err := r.link.exec(s.ctx, r.dialect.begin(false, 0)); err != nil {
				return chunk{}, err
			}
		}
		if r.last != nil && !r.unique {
			if err := r.checkLast(s.ctx, r.link); err != nil {
				return chunk{}, err
			}
		}
		if s.rows, err = r.link.query(s.ctx, text, args...); err != nil {
			return chunk{}, err
		}
		if s.shape, err = r.newShape(s.rows); err != nil {
			return chunk{}, err
		}
	}
	return r.scan(s.rows, s.shape, streamRows)
}
