package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// conditions joins the conditions of a statement.
type conditions struct{ any bool }

func (c *conditions) next() string {
	if c.any {
		return " AND "
	}
	c.any = true
	return " WHERE "
}

// statement builds the query for the first n rows behind the last key, or for all of them where n is 0.
func (r *reader) statement(n int) (string, []any, error) {
	st := &statement{dialect: r.dialect}
	if len(r.key) == 0 && r.table == "" && (r.cursor == nil || r.query.uses("cursor")) {
		err := st.template(r.query, r.values())
		return st.text.String(), st.args, err
	}
	st.write(r.selected())
	if err := r.writeFrom(st); err != nil {
		return "", nil, err
	}
	where := r.cursorCondition(st)
	if r.last != nil {
		// (a, b) > (x, y) in a form whose first part every database looks up in the index.
		st.write(where.next(), r.dialect.quote(r.key[0]))
		if len(r.key) == 1 {
			st.write(" > ")
			st.arg(r.last[0])
		} else {
			st.write(" >= ")
			st.arg(r.last[0])
			st.write(" AND (")
			for i := range r.key {
				if i > 0 {
					st.write(" OR ")
				}
				st.write("(")
				for j := range i {
					st.write(r.dialect.quote(r.key[j]), " = ")
					st.arg(r.last[j])
					st.write(" AND ")
				}
				st.write(r.dialect.quote(r.key[i]), " > ")
				st.arg(r.last[i])
				st.write(")")
			}
			st.write(")")
		}
	}
	order := make([]string, len(r.key))
	for i, name := range r.key {
		order[i] = r.dialect.quote(name)
	}
	return r.dialect.page(st.text.String(), strings.Join(order, ", "), n), st.args, nil
}

// selected lists the columns: those asked for, and behind them those needed for something else.
func (r *reader) selected() string {
	if len(r.columns) == 0 {
		return "*"
	}
	names := slices.Clone(r.columns)
	for _, name := range r.needed() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i, name := range names {
		names[i] = r.dialect.quote(name)
	}
	return strings.Join(names, ", ")
}

// needed are the columns whose raw values are kept: the key, then what joined queries refer to.
func (r *reader) needed() []string {
	names := slices.Clone(r.key)
	for _, w := range r.sides {
		if !slices.Contains(names, w.key) {
			names = append(names, w.key)
		}
	}
	return names
}

func (r *reader) values() map[string]any {
	if r.cursor == nil {
		return r.params
	}
	values := map[string]any{}
	for name, v := range r.params {
		values[name] = v
	}
	if from, ok := r.cursor.from(); ok {
		values["cursor"] = r.dialect.argument(from)
	}
	return values
}

func (r *reader) writeFrom(st *statement) error {
	if r.table != "" {
		st.write(" FROM ", r.dialect.quote(r.table))
		return nil
	}
	st.write(" FROM (")
	if err := st.template(r.query, r.values()); err != nil {
		return err
	}
	st.write("\n) AS u") // on a line of its own, for the query may end with a comment
	return nil
}

// cursorCondition leaves out what did not change. A row whose cursor field is null is never left out.
func (r *reader) cursorCondition(st *statement) *conditions {
	where := &conditions{}
	if r.cursor == nil || r.table == "" && r.query.uses("cursor") {
		return where
	}
	if from, ok := r.cursor.from(); ok {
		field := r.dialect.quote(r.cursor.field)
		st.write(where.next(), "(", field, " >= ")
		st.arg(r.dialect.argument(from))
		st.write(" OR ", field, " IS NULL)")
	}
	return where
}

// checkNullKeys reports rows without a key where the database puts them last: no page reaches them.
func (r *reader) checkNullKeys(ctx context.Context, l *link) error {
	if r.unique || len(r.key) == 0 || !r.dialect.nullsLast() {
		return nil
	}
	st := &statement{dialect: r.dialect}
	st.write("1")
	if err := r.writeFrom(st); err != nil {
		return err
	}
	st.write(r.cursorCondition(st).next(), "(")
	for i, name := range r.key {
		if i > 0 {
			st.write(" OR ")
		}
		st.write(r.dialect.quote(name), " IS NULL")
	}
	st.write(")")
	var one int
	err := l.row(ctx, r.dialect.page(st.text.String(), "", 1), st.args...).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return r.nullKey()
}

// checkLast makes sure that no other row has the key of the last one, which may be so where the database takes keys for the
// same that are written differently: what lies behind that key would leave it out.
func (r *reader) checkLast(ctx context.Context, l *link) error {
	st := &statement{dialect: r.dialect}
	st.write("1")
	if err := r.writeFrom(st); err != nil {
		return err
	}
	where := r.cursorCondition(st)
	for i, name := range r.key {
		st.write(where.next(), r.dialect.quote(name), " = ")
		st.arg(r.last[i])
	}
	rows, err := l.query(ctx, r.dialect.page(st.text.String(), "", 2), st.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if n > 1 {
		return r.notUnique(r.last)
	}
	return rows.Err()
}

func (r *reader) notUnique(key []any) error {
	parts := make([]string, len(key))
	for i, v := range key {
		parts[i] = keyText(v)
	}
	return &pipeline.Error{Code: "sql.key_not_unique", Message: fmt.Sprintf("reading %s: several rows have the key %s", r.origin, strings.Join(parts, ",")),
		Hint: r.keyHint()}
}

func (r *reader) keyHint() string {
	if r.ofGone {
		return "have deleted_query name everybody once, and begin with what tells one from the other (GROUP BY)"
	}
	return "add a column to page.key so that every row has a key of its own"
}

func (r *reader) nullKey() error {
	return &pipeline.Error{Code: "sql.null_key", Message: fmt.Sprintf("reading %s: there are rows whose key (%s) is null", r.origin, strings.Join(r.key, ", ")),
		Hint: "page by columns that are never null, or leave those rows out in the query"}
}

// cell takes one column of the row that is being scanned.
type cell struct {
	column
	name string
	keep bool // the raw value too
	out  any
	raw  any
	note *note
	// shape is that of the row; from and to are where its texts have that of this cell, where pending says so.
	shape    *shape
	from, to int
	pending  bool
}

// Scan implements sql.Scanner.
func (c *cell) Scan(src any) error {
	c.note = nil
	if src == nil {
		c.out, c.raw = nil, nil
		return nil
	}
	if b, ok := src.([]byte); ok && c.text && len(b) > 0 && utf8.Valid(b) {
		c.from = len(c.shape.texts)
		c.shape.texts = append(c.shape.texts, b...)
		c.to, c.pending = len(c.shape.texts), true
	} else {
		c.out, c.note = c.decode(src)
	}
	if c.keep {
		c.raw = c.key(src)
	}
	return nil
}

// shape is what the rows of a query look like.
type shape struct {
	cells   []cell
	dests   []any
	visible int     // cells that are in the record; hidden ones come after them
	kept    []*cell // those of reader.needed, in its order
	keyed   int     // how many of kept are the key
	// texts are the texts of the row, which become one string.
	texts []byte
}

// scan reads the row into the cells.
func (s *shape) scan(rows *sql.Rows) error {
	s.texts = s.texts[:0]
	if err := rows.Scan(s.dests...); err != nil {
		return err
	}
	if len(s.texts) == 0 {
		return nil
	}
	row := string(s.texts)
	for i := range s.cells {
		if c := &s.cells[i]; c.pending {
			c.out, c.pending = row[c.from:c.to], false
		}
	}
	return nil
}

// newCells makes a cell for every column of the rows. prefix is what the types option calls them by.
func (r *reader) newCells(rows *sql.Rows, prefix string) (*shape, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	s := &shape{cells: make([]cell, len(types)), dests: make([]any, len(types)), visible: len(types)}
	for i, t := range types {
		c := &s.cells[i]
		c.name, c.shape = t.Name(), s
		c.column = r.dialect.column(t.DatabaseTypeName(), r.catalogue.types[strings.ToLower(c.name)])
		if name, ok := r.types[prefix+c.name]; ok {
			c.decode, c.text = typed(name, c.decode, r.dialect.zone()), false
		}
		s.dests[i] = c
		for _, other := range s.cells[:i] {
			if other.name == c.name {
				return nil, &pipeline.Error{Code: "sql.duplicate_column", Message: fmt.Sprintf("reading %s: two columns are named %s%s", r.origin, prefix, c.name),
					Hint: "name the columns of the query, with AS where they are the same"}
			}
		}
	}
	return s, nil
}

func (s *shape) find(name string) *cell {
	for i := range s.cells {
		if s.cells[i].name == name {
			return &s.cells[i]
		}
	}
	for i := range s.cells {
		if strings.EqualFold(s.cells[i].name, name) {
			return &s.cells[i]
		}
	}
	return nil
}

func (r *reader) newShape(rows *sql.Rows) (*shape, error) {
	s, err := r.newCells(rows, "")
	if err != nil {
		return nil, err
	}
	if len(r.columns) > 0 {
		s.visible = len(r.columns)
	}
	for _, name := range r.needed() {
		c := s.find(name)
		if c == nil {
			return nil, &pipeline.Error{Code: "sql.unknown_column", Message: fmt.Sprintf("reading %s: there is no column %s", r.origin, name),
				Hint: "add it to the query, or name another one in page.key or with"}
		}
		if c.key == nil {
			return nil, &pipeline.Error{Code: "sql.bad_key", Message: fmt.Sprintf("reading %s: rows cannot be told apart by a column of the type of %s", r.origin, name),
				Hint: "use a column of whole numbers, text or bytes"}
		}
		c.keep = true
		s.kept = append(s.kept, c)
	}
	s.keyed = len(r.key)
	for name := range r.types {
		if prefix, _, ok := strings.Cut(name, "."); ok && slices.ContainsFunc(r.sides, func(w side) bool { return w.name == prefix }) {
			continue
		}
		if c := s.find(name); !r.ofGone && (c == nil || c.name != name) {
			return nil, &pipeline.Error{Code: "sql.unknown_column", Message: fmt.Sprintf("types names the column %s, which %s does not have", name, r.origin),
				Hint: "write the column as the database names it"}
		}
	}
	for _, w := range r.sides {
		if slices.ContainsFunc(s.cells[:s.visible], func(c cell) bool { return c.name == w.name }) {
			return nil, &pipeline.Error{Code: "sql.duplicate_column", Message: fmt.Sprintf("reading %s: the joined query %s is named like a column", r.origin, w.name),
				Hint: "name it otherwise"}
		}
	}
	return s, nil
}

// objectsAtOnce is how many records' objects are made together. None of them is free before the last.
const objectsAtOnce = 32

// scan makes records of up to n rows.
func (r *reader) scan(rows *sql.Rows, s *shape, n int) (chunk, error) {
	c := chunk{records: make([]pipeline.Record, 0, min(n, pageSize+1)), width: len(s.kept), keyed: s.keyed}
	c.raw = make([]any, 0, min(n, pageSize+1)*c.width)
	before := r.last
	var objects []value.Object
	for len(c.records) < n && rows.Next() {
		if err := s.scan(rows); err != nil {
			return c, err
		}
		for _, k := range s.kept {
			c.raw = append(c.raw, k.raw)
		}
		c.records = append(c.records, pipeline.Record{})
		record := &c.records[len(c.records)-1]
		record.Ref.Origin = r.origin
		if s.keyed == 0 {
			record.Ref.Line = r.line + int64(len(c.records))
		} else {
			key := c.keys(len(c.records) - 1)
			if slices.Contains(key, nil) {
				return c, r.nullKey()
			}
			if !r.unique && before != nil && sameKey(before, key) {
				return c, r.notUnique(key)
			}
			before = key
			record.Ref.Key = s.keyText()
		}
		if len(objects) == 0 {
			objects = value.NewObjects(objectsAtOnce, s.visible+len(r.sides))
		}
		o := &objects[0]
		objects = objects[1:]
		record.Source = o
		for i := range s.cells[:s.visible] {
			cell := &s.cells[i]
			o.Append(cell.name, cell.out)
			if cell.note != nil {
				cell.note.tell(record, cell.name)
			}
		}
	}
	return c, rows.Err()
}

func (n *note) tell(record *pipeline.Record, field string) {
	problem := pipeline.Problem{Code: n.code, Field: field, Message: n.message}
	if n.fails {
		record.Fail(problem)
	} else {
		record.Warn(problem)
	}
}

// keyText gives the key of the row as the record shows it.
func (s *shape) keyText() string {
	text := func(c *cell) string {
		if out, ok := c.out.(string); ok {
			return out
		}
		return keyText(c.raw)
	}
	if s.keyed == 1 {
		return text(s.kept[0])
	}
	parts := make([]string, s.keyed)
	for i := range parts {
		parts[i] = text(s.kept[i])
	}
	return strings.Join(parts, ",")
}
