// Package sqlsource reads users from SQL databases: MySQL and MariaDB, PostgreSQL, SQLite and SQL Server.
package sqlsource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Type is the sql source.
var Type = pipeline.SourceType{
	Spec: pipeline.Spec{
		Name:    "sql",
		Summary: "Reads a table or a query of a MySQL, MariaDB, PostgreSQL, SQLite or SQL Server database.",
		Doc:     doc,
		Options: []pipeline.Option{
			{Name: "driver", Type: pipeline.String, Enum: []string{"mysql", "postgres", "sqlite", "sqlserver"},
				Doc: "The kind of database; mysql is MariaDB too. Not needed where the DSN begins with mysql://, mariadb://, postgres://, sqlserver:// or sqlite:."},
			{Name: "dsn", Type: pipeline.String, Required: true, Secret: true,
				Doc: "Where the database is and how to log in: a URL, or the driver's own form.", Example: "${LEGACY_DSN}"},
			{Name: "table", Type: pipeline.String, Doc: "The table to read, with its schema if need be. Either this or query.", Example: "users"},
			{Name: "columns", Type: pipeline.String, List: true, Doc: "The columns of the table to read; all by default.", Example: "[id, email, password]"},
			{Name: "query", Type: pipeline.String, Doc: "The query to read, one SELECT. Parameters are written :name; their values stand in params.",
				Example: "SELECT id, email FROM users WHERE realm = :realm"},
			{Name: "params", Type: pipeline.String, Map: true, Doc: "Values for the parameters of the queries. They are sent as text.", Example: "{ realm: customers }"},
			{Name: "page", Type: pipeline.Object, Doc: "How to read piece by piece, and to go on after the connection was lost. By default the table's primary key; a query without it is read in one go, and a lost connection ends the run.",
				Example: "{ key: id, size: 5000 }",
				Fields: []pipeline.Option{
					{Name: "key", Type: pipeline.String, List: true, Required: true, Doc: "The columns whose values tell every row from every other. An index on them makes it fast.", Example: "id"},
					{Name: "size", Type: pipeline.Int, Default: "2500", Doc: "Rows a query. 0 reads all rows by one query in the order of the key."},
				}},
			{Name: "snapshot", Type: pipeline.Bool, Default: "false",
				Doc: "Read everything in one transaction that sees the data of one moment. A lost connection then ends the run."},
			{Name: "statement_timeout", Type: pipeline.Duration, Default: "5m", Doc: "The longest that one query (or, in one go, the next 1000 rows) may take; 0s is no limit."},
			{Name: "reconnect", Type: pipeline.Duration, Default: "1m", Doc: "How long to try to reach the database again when the connection was lost."},
			{Name: "time_zone", Type: pipeline.String, Default: "UTC", Doc: "The time zone of dates with time that have none of their own (DATETIME, timestamp without time zone), as an IANA name.", Example: "Europe/Berlin"},
			{Name: "types", Type: pipeline.String, Map: true, Enum: typeNames,
				Doc:     "What columns hold where their type in the database does not tell: text, number, bool, time, date, json, uuid and hex (binary ids), bytes. A column of a joined query is named with.column.",
				Example: "{ id: uuid, active: bool }"},
			{Name: "with", Type: pipeline.Object, Map: true, Doc: "More queries whose rows are put into the records, one query for many records.",
				Example: "{ roles: { query: \"SELECT user_id, role FROM user_roles\", on: user_id } }",
				Fields: []pipeline.Option{
					{Name: "query", Type: pipeline.String, Required: true, Doc: "The query. Where it says IN (:keys), the keys of the records are put there; else the query is wrapped."},
					{Name: "on", Type: pipeline.String, Required: true, Doc: "The column of this query that holds the record's key. A row belongs to every record whose key the database takes for the same, by its collation."},
					{Name: "key", Type: pipeline.String, Doc: "The column of the record that it refers to; by default the first column of page.key or of the primary key."},
					{Name: "as", Type: pipeline.String, Enum: []string{"list", "map", "object"}, Default: "list",
						Doc: "list: all rows, as values where one column is left, else as objects. map: an object made of rows of a name and a value; a name that comes again collects a list. object: the first row, null without one."},
				}},
			{Name: "cursor", Type: pipeline.Object, Doc: "Read only what changed since the last completed run.",
				Example: "{ field: updated_at, overlap: 10m }",
				Fields: []pipeline.Option{
					{Name: "field", Type: pipeline.String, Required: true, Doc: "The column that grows with every change: a time or a number."},
					{Name: "initial", Type: pipeline.String, Doc: "Where the first run begins; without it, it reads all rows."},
					{Name: "overlap", Type: pipeline.String, Doc: "How far before the last value to begin, for rows that were committed late: a duration for a time (1m by default), a number for a number (1 by default).",
						Example: "10m"},
				}},
			{Name: "deleted_query", Type: pipeline.String, Example: "SELECT id, email FROM deleted_users WHERE deleted_at > :cursor",
				Doc: "A query of who is gone, one SELECT: its rows become records that are marked as gone, before the others. Its first column is their key, which no two rows share. It needs " +
					"what the transforms make the identifier of, by the same names. `:cursor` is where the run begins, as in query."},
		},
	},
	New: func(env pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
		s, err := newSource(env, c)
		if err != nil || !c.Has("deleted_query") {
			return s, err
		}
		return newWithGone(s), nil
	},
}

const doc = `Reading is safe: every transaction is read only, and rows are read in pages by the key, so that no statement runs
for long. Where the connection is lost, the source connects again and goes on behind the last row, without losing or
repeating one. SQL Server has no read-only transactions: give usher an account that can only read. SQL Server is
supported by its driver but not tested against a server.

Values are exact. Integers and decimals keep every digit, text is UTF-8 whatever the column's character set,
a DATE is text, a time with its zone is an instant, a zero date of MySQL (0000-00-00) is null, JSON columns are objects, SET is a list.
TINYINT(1) and BIT(1) are true or false. Bytes that are printable ASCII are text (password hashes), except where
they are 16 long (binary ids): give those a type, uuid or hex.

With a cursor in a query, write ` + "`WHERE updated_at > :cursor`" + ` or leave it out: then the query is wrapped. Rows whose cursor field is null
are read every time.`

const (
	// pageSize is how many rows a page has where the options do not say.
	pageSize = 2500
	// streamRows is how many rows of a single query are handed over, and joined to, at once.
	streamRows = 1000
)

// A side is a joined query.
type side struct {
	name, on, key, as string
	template          template
}

type source struct {
	pipeline.UnimplementedSource
	env      pipeline.Env
	dialect  dialect
	scrubber scrubber

	table     string
	columns   []string
	query     template
	params    map[string]any
	pageKey   []string
	size      int
	snapshot  bool
	timeout   time.Duration
	reconnect time.Duration
	types     map[string]string
	sides     []side
	cursor    *cursor
	origin    string
	// deletedQuery is that of who is gone, where there is one. ofGone says that the source reads it: its key is the first
	// column, and types are those of the users' columns.
	deletedQuery template
	ofGone       bool

	// The rest belongs to one opening.
	db     *sql.DB
	reader *reader
	stop   context.CancelFunc
	chunks chan chunk
	chunk  chunk
	done   atomic.Int64
	total  atomic.Int64
	passed hash.Hash // of the records without a key that were handed over
	// scratch is that of passed.
	scratch []byte
}

var (
	_ pipeline.Resumer     = (*source)(nil)
	_ pipeline.Measurer    = (*source)(nil)
	_ pipeline.Incremental = (*source)(nil)
)

func newSource(env pipeline.Env, c *pipeline.Config) (*source, error) {
	location, err := time.LoadLocation(c.String("time_zone"))
	if err != nil {
		return nil, &pipeline.OptionError{Option: "time_zone", Message: "no time zone has this name", Hint: "write an IANA name such as UTC or Europe/Berlin"}
	}
	s := &source{env: env, table: c.String("table"), columns: c.Strings("columns"), snapshot: c.Bool("snapshot"), size: pageSize,
		timeout: c.Duration("statement_timeout"), reconnect: c.Duration("reconnect"), types: c.StringMap("types"), params: map[string]any{}}
	if s.dialect, err = newDialect(c.String("driver"), c.String("dsn"), env.Dir, location); err != nil {
		return nil, err
	}
	s.scrubber = newScrubber(s.dialect.secrets())
	for name, v := range c.StringMap("params") {
		s.params[name] = v
		s.scrubber.add(v)
	}
	switch {
	case s.table != "" && c.Has("query"):
		return nil, &pipeline.OptionError{Option: "query", Message: "table and query exclude each other", Hint: "give one of them"}
	case s.table == "" && !c.Has("query"):
		return nil, &pipeline.OptionError{Option: "table", Message: "neither a table nor a query is given", Hint: "give one of them"}
	case len(s.columns) > 0 && s.table == "":
		return nil, &pipeline.OptionError{Option: "columns", Message: "columns belong to a table", Hint: "name the columns in the query"}
	}
	s.origin = s.table
	if s.table == "" {
		s.query = parseTemplate(c.String("query"), s.dialect.backslash())
		s.origin = originOf(s.query)
	}
	if page := c.Object("page"); page != nil {
		s.pageKey, s.size = page.Strings("key"), int(page.Int("size"))
		if s.size < 0 || s.size > 1_000_000 {
			return nil, &pipeline.OptionError{Option: "page.size", Message: "a page has 1 to 1000000 rows", Hint: "leave it out for 2500, or write 0 for one query"}
		}
	}
	if object := c.Object("cursor"); object != nil {
		if s.cursor, err = newCursor(object, s.dialect.zone()); err != nil {
			return nil, err
		}
	}
	if c.Has("deleted_query") {
		s.deletedQuery = parseTemplate(c.String("deleted_query"), s.dialect.backslash())
	}
	if err := s.newSides(c.ObjectMap("with")); err != nil {
		return nil, err
	}
	return s, s.checkParams()
}

func (s *source) newSides(with map[string]*pipeline.Config) error {
	for name, c := range with {
		s.sides = append(s.sides, side{name: name, on: c.String("on"), key: c.String("key"), as: c.String("as"),
			template: parseTemplate(c.String("query"), s.dialect.backslash())})
	}
	slices.SortFunc(s.sides, func(a, b side) int { return strings.Compare(a.name, b.name) })
	if len(s.sides) > 0 && s.snapshot && s.size == 0 {
		return &pipeline.OptionError{Option: "snapshot", Message: "joined queries in a snapshot need pages", Hint: "give page.size, such as 5000"}
	}
	for i := range s.sides {
		if s.sides[i].key != "" {
			continue
		}
		if len(s.pageKey) > 0 {
			s.sides[i].key = s.pageKey[0]
		} else if s.table == "" {
			return &pipeline.OptionError{Option: "with." + s.sides[i].name + ".key", Message: "the column of the record is not given",
				Hint: "name the column that " + s.sides[i].on + " refers to, or give page.key"}
		}
	}
	return nil
}

// checkParams reports parameters that have no value.
func (s *source) checkParams() error {
	check := func(option string, t template, own string) error {
		for _, name := range t.names {
			if name == own || name == "cursor" && s.cursor != nil && (option == "query" || option == "deleted_query") {
				continue
			}
			if _, ok := s.params[name]; !ok {
				hint := "give it in params"
				if name == "cursor" {
					hint = "give the cursor option, such as cursor: { field: updated_at, initial: \"1970-01-01\" }"
				}
				return &pipeline.OptionError{Option: option, Message: "the parameter :" + name + " has no value", Hint: hint}
			}
		}
		return nil
	}
	if s.cursor != nil && (s.query.uses("cursor") || s.deletedQuery.uses("cursor")) && s.cursor.initial == "" {
		return &pipeline.OptionError{Option: "cursor.initial", Message: "the query needs :cursor in the first run too", Hint: "give a value before all others, such as \"1970-01-01\""}
	}
	if err := check("query", s.query, ""); err != nil {
		return err
	}
	if err := check("deleted_query", s.deletedQuery, ""); err != nil {
		return err
	}
	for _, w := range s.sides {
		if err := check("with."+w.name+".query", w.template, "keys"); err != nil {
			return err
		}
	}
	return nil
}

var fromTable = regexp.MustCompile("(?i)\\bfrom\\s+([\\pL\\pN_.\"`\\[\\]]+)")

// originOf names a query by its first table.
func originOf(t template) string {
	if m := fromTable.FindStringSubmatch(strings.Join(t.literals, "?")); m != nil {
		if name := strings.Trim(m[1], ".\"`[]"); name != "" {
			return name
		}
	}
	return "query"
}

func (s *source) Open(ctx context.Context) error { return s.open(ctx, nil) }

// Check implements pipeline.Checker: it reads the first rows, since only they show whether the queries are right.
func (s *source) Check(ctx context.Context) (err error) {
	defer func() {
		if closeErr := s.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := s.Open(ctx); err != nil {
		return err
	}
	if _, err := s.Next(ctx, 1); err != nil && err != io.EOF {
		return err
	}
	return nil
}

// OpenAt implements pipeline.Resumer.
func (s *source) OpenAt(ctx context.Context, after []byte) error {
	p, err := parsePosition(after)
	if err != nil {
		return badPosition()
	}
	if err := s.open(ctx, p); err != nil || p.key != nil {
		return err
	}
	return s.pass(ctx, p)
}

// pass reads again what came before a position without a key. Another order, or one row more or less, would have it go on
// behind rows that nobody has read.
func (s *source) pass(ctx context.Context, p *position) error {
	if len(s.reader.key) > 0 {
		return badPosition()
	}
	for s.done.Load() < p.passed {
		if _, err := s.Next(ctx, int(min(streamRows, p.passed-s.done.Load()))); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if !bytes.Equal(s.passed.Sum(nil), p.sum) {
		return &pipeline.Error{Code: "run.source_changed", Message: fmt.Sprintf("the rows of %s are not what they were when the run began, and they have no key to go on from", s.origin),
			Hint: "run the pipeline again from the start: what is done already will be unchanged; with page: { key: … } a run can go on"}
	}
	return nil
}

func badPosition() error {
	return &pipeline.Error{Code: "sql.bad_position", Message: "the checkpoint's position in the database cannot be read", Hint: "run the pipeline again from the start"}
}

func (s *source) open(ctx context.Context, p *position) error {
	if err := s.reach(ctx, p); err != nil {
		return err
	}
	s.readAhead(ctx)
	return nil
}

// reach connects to the database and finds out what is needed to read.
func (s *source) reach(ctx context.Context, p *position) error {
	s.done.Store(0)
	s.total.Store(0)
	s.chunk, s.passed = chunk{}, sha256.New()
	r := &reader{source: s}
	s.reader = r
	return r.open(ctx, p)
}

// readAhead has the reader begin.
func (s *source) readAhead(ctx context.Context) {
	// The reader goes on between calls, so it lives until Close.
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.chunks = stop, make(chan chunk)
	go s.reader.run(reading, s.chunks)
}

func (s *source) Next(ctx context.Context, limit int) (*pipeline.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for len(s.chunk.records) == 0 {
		if s.chunk.err != nil {
			if s.chunk.err == io.EOF {
				s.total.Store(s.done.Load())
			}
			return nil, s.chunk.err
		}
		select {
		case s.chunk = <-s.chunks:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	n := min(limit, len(s.chunk.records))
	// A batch of its own memory: what becomes of its records is not kept until the last of the page is read.
	b := &pipeline.Batch{Records: slices.Clone(s.chunk.records[:n])}
	clear(s.chunk.records[:n])
	p := position{key: s.chunk.keys(n - 1), cursor: s.reader.watermark}
	if p.key == nil {
		for i := range b.Records {
			s.scratch = append(value.AppendJSON(s.scratch[:0], b.Records[i].Source), '\n')
			s.passed.Write(s.scratch)
		}
		p.passed, p.sum = s.done.Load()+int64(n), s.passed.Sum(nil)
	}
	b.After = p.text()
	s.chunk.drop(n)
	s.done.Add(int64(n))
	return b, nil
}

func (s *source) Close() error {
	if s.stop != nil {
		s.stop()
		for c := range s.chunks { // until the reader has ended
			if c.err != nil && !errors.Is(c.err, io.EOF) {
				continue
			}
		}
		s.stop = nil
	} else if s.reader != nil {
		s.reader.disconnect()
	}
	if s.db != nil {
		err := s.db.Close()
		s.db = nil
		if err != nil {
			return &pipeline.Error{Code: "sql.close_failed", Message: "close the database: " + s.reason(err)}
		}
	}
	return nil
}

// Progress implements pipeline.Measurer: rows, the total as the database estimates it.
func (s *source) Progress() (done, total int64) {
	done, total = s.done.Load(), s.total.Load()
	if total > 0 {
		total = max(done, total)
	}
	return done, total
}

// SetCursor implements pipeline.Cursored.
func (s *source) SetCursor(stored []byte) {
	if s.cursor != nil {
		s.cursor.stored = string(stored)
	}
}

// Cursor implements pipeline.Cursored.
func (s *source) Cursor() []byte {
	if s.cursor == nil || s.reader == nil || s.reader.watermark == "" {
		return nil
	}
	return []byte(s.reader.watermark)
}

// Incremental implements pipeline.Incremental.
func (s *source) Incremental() bool { return s.cursor != nil }

// chunk is what the reader hands over: records, the raw values of the columns that are kept for each, or what ended
// the reading.
type chunk struct {
	records []pipeline.Record
	raw     []any // width for each record; the first keyed of them are the key
	width   int
	keyed   int
	ahead   []any // the key of the row behind them, where that was read
	err     error
}

func (c *chunk) keys(i int) []any {
	if c.keyed == 0 {
		return nil
	}
	return c.raw[i*c.width : i*c.width+c.keyed]
}

func (c *chunk) drop(n int) {
	c.records = c.records[n:]
	if c.width > 0 {
		c.raw = c.raw[n*c.width:]
	}
}

// position is where a batch ended: the key of its last row, and what the cursor will be when the run is complete. Where
// rows have no key, it is how many were passed, and a sum of what they were. With another cursor it is another position: a run
// that reads from the start again would pass over what has changed since.
type position struct {
	key    []any
	passed int64
	sum    []byte
	cursor string
}

func (p position) text() []byte {
	if p.key == nil {
		return value.AppendJSON(nil, value.ObjectOf(value.Member{Name: "passed", Value: p.passed}, value.Member{Name: "sum", Value: hex.EncodeToString(p.sum)},
			value.Member{Name: "cursor", Value: p.cursor}))
	}
	list := make([]any, len(p.key))
	for i, v := range p.key {
		list[i] = keyJSON(v)
	}
	return value.AppendJSON(nil, value.ObjectOf(value.Member{Name: "key", Value: list}, value.Member{Name: "cursor", Value: p.cursor}))
}

func parsePosition(text []byte) (*position, error) {
	v, err := value.ParseJSON(text)
	if err != nil {
		return nil, err
	}
	o, _ := v.(*value.Object)
	key, _ := o.Get("key")
	mark, _ := o.Get("cursor")
	list, ok := key.([]any)
	p := &position{}
	p.cursor, _ = mark.(string)
	if passed, there := o.Get("passed"); there {
		sum, _ := o.Get("sum")
		text, _ := sum.(string)
		p.passed, ok = passed.(int64)
		if p.sum, err = hex.DecodeString(text); !ok || err != nil {
			return nil, errors.New("not a position")
		}
		return p, nil
	}
	for _, v := range list {
		raw, good := parseKeyJSON(v)
		ok = ok && good
		p.key = append(p.key, raw)
	}
	if !ok || len(p.key) == 0 {
		return nil, errors.New("not a position")
	}
	return p, nil
}
