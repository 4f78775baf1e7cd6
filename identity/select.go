package identity

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/usher-id/usher/value"
)

// Selection says which users are wanted, and in which order. The zero Selection wants all, in the order of their
// insertion.
type Selection struct {
	// After wants only users whose Place is greater.
	After int64
	// IDs, if it is not nil, wants only users with one of these ids.
	IDs []string
	// Where wants only users of whom this is true.
	Where Condition
	// Order sorts the users. Those who are alike in it stay in the order of their insertion.
	Order []Order
	// Public leaves passwords, second factors and raw records empty: they need not be read then.
	Public bool
}

// Order is one key to sort by. Texts are compared by code points, times as instants, false comes before true, and who
// does not have the attribute comes last, also with Desc.
type Order struct {
	Attribute string
	Desc      bool
}

// pageSize is how many users are read at a time.
const pageSize = 500

// Users walks all users in the order of their insertion, as Select does.
func (s *Store) Users(ctx context.Context) iter.Seq2[*User, error] { return s.Select(ctx, Selection{}) }

// Select walks the users of Pages one by one.
func (s *Store) Select(ctx context.Context, want Selection) iter.Seq2[*User, error] {
	return func(yield func(*User, error) bool) {
		for page, err := range s.Pages(ctx, want) {
			for i := range page {
				if u := page[i]; !yield(&u, nil) {
					return
				}
			}
			if err != nil && !yield(nil, err) {
				return
			}
		}
	}
}

// Pages walks users in the order of their insertion, some at a time, in a slice that is used again for the next; Order is for Sort. It holds no
// transaction between pages, so that a store in use may change under it: a user inserted meanwhile may come, none comes twice.
func (s *Store) Pages(ctx context.Context, want Selection) iter.Seq2[[]User, error] {
	query := selectSet(want) + "u.seq FROM users AS u" + want.tables() + " WHERE " + want.condition() + " AND +u.seq > ?1 ORDER BY u.seq LIMIT ?2"
	if want.IDs == nil {
		query = strings.Replace(query, "+u.seq >", "u.seq >", 1)
	}
	return s.pages(ctx, want, query)
}

// Sorted is a Selection that was put into order: the users that there were when Sort was called, as they are when they are read.
type Sorted struct {
	store *Store
	want  Selection
	// Len is how many users there are, Fingerprint the same for the same users in the same order.
	Len         int64
	Fingerprint string
}

// Sort puts the users of a selection into their order. A store sorts one selection at a time.
func (s *Store) Sort(ctx context.Context, want Selection) (*Sorted, error) {
	sorted := &Sorted{store: s, want: want}
	l := s.layer()
	if l == nil {
		return sorted, nil
	}
	l.conn.SetInterrupt(ctx.Done())
	defer l.conn.SetInterrupt(nil)
	err := l.sort(want)
	if err == nil {
		err = sorted.count(l)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if isFull(err) {
		return nil, &Error{Code: "store.temporary_file", Message: "there is no room to sort the users of the store " + s.path + ": the disk with the temporary files is full or a limit is reached",
			Hint: "make room in the folder for temporary files, or name another one by TMPDIR; then begin again", Err: err}
	}
	return sorted, s.describe("sorting", err)
}

// After walks the users behind a place, as Pages does.
func (o *Sorted) After(ctx context.Context, place int64) iter.Seq2[[]User, error] {
	o.want.After = place
	query := selectSet(o.want) + "p.place FROM temp.places AS p CROSS JOIN users AS u ON u.seq = p.seq" + o.want.tables() + " WHERE p.place > ?1 ORDER BY p.place LIMIT ?2"
	return o.store.pages(ctx, Selection{After: place, Public: o.want.Public}, query)
}

func (o *Sorted) count(l *layer) error {
	s, err := l.conn.Prepare("SELECT seq FROM temp.places ORDER BY place")
	if err != nil {
		return err
	}
	sum := sha256.New()
	buf := make([]byte, 0, 4<<10)
	for {
		more, err := s.Step()
		if err != nil || !more {
			resetErr := s.Reset()
			if err == nil {
				err = resetErr
			}
			sum.Write(buf)
			o.Fingerprint = hex.EncodeToString(sum.Sum(nil)[:16])
			return err
		}
		o.Len++
		if buf = binary.BigEndian.AppendUint64(buf, uint64(s.ColumnInt64(0))); len(buf) == cap(buf) {
			sum.Write(buf)
			buf = buf[:0]
		}
	}
}

// pages walks what a query gives for the places behind ?1, at most ?2 at a time.
func (s *Store) pages(ctx context.Context, want Selection, query string) iter.Seq2[[]User, error] {
	l := s.layer()
	return func(yield func([]User, error) bool) {
		if l == nil {
			return
		}
		users := make([]User, pageSize)
		for after := want.After; ; {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			n, err := l.page(query, want, after, users)
			if err != nil {
				yield(nil, s.describe("reading", err))
				return
			}
			if n > 0 && !yield(users[:n], nil) || n < pageSize {
				return
			}
			after = users[n-1].Place
		}
	}
}

// LastSeq gives the Seq of the user that was inserted last, 0 where there is none.
func (s *Store) LastSeq() (int64, error) {
	l := s.layer()
	if l == nil {
		return 0, nil
	}
	seq, err := l.integer("SELECT coalesce(max(seq), 0) FROM users")
	return seq, s.describe("reading", err)
}

// selectSet begins the query for whole users; the place comes behind it.
func selectSet(want Selection) string {
	set := "SELECT u.seq, u.id" + columns("u", userCells)
	if !want.Public {
		set += ", r.record" + columns("c", credentialCells)
	}
	return set + ", "
}

func (want *Selection) tables() string {
	if want.Public {
		return ""
	}
	return " LEFT JOIN credentials AS c ON c.user_seq = u.seq LEFT JOIN raw_records AS r ON r.user_seq = u.seq"
}

// condition is what IDs and Where ask for; the ids are ?3.
func (want *Selection) condition() string {
	condition := "1"
	if !want.Where.Empty() {
		condition = want.Where.numbered()
	}
	if want.IDs != nil {
		condition = "u.id IN (SELECT value FROM json_each(?3)) AND " + condition
	}
	return condition
}

func (want *Selection) bind(s *sqlite.Stmt) {
	if want.IDs != nil {
		list := make([]any, len(want.IDs))
		for i, id := range want.IDs {
			list[i] = id
		}
		s.BindText(3, string(value.AppendJSON(nil, list)))
	}
	for i, v := range want.Where.values {
		switch v := v.(type) {
		case string:
			s.BindText(firstValue+i, v)
		case int64:
			s.BindInt64(firstValue+i, v)
		}
	}
}

// page reads users and tells how many there were.
func (l *layer) page(query string, want Selection, after int64, users []User) (n int, err error) {
	s, err := l.conn.Prepare(query)
	if err != nil {
		return 0, err
	}
	s.BindInt64(1, after)
	s.BindInt64(2, int64(len(users)))
	want.bind(s)
	var u row // used again for every user
	for {
		more, err := s.Step()
		if err != nil || !more {
			resetErr := s.Reset()
			if err == nil {
				err = resetErr
			}
			return n, err
		}
		u.seq, u.id = s.ColumnInt64(0), s.ColumnText(1)
		next := readCells(s, 2, &u, userCells)
		if !want.Public {
			u.raw = s.ColumnText(next)
			next = readCells(s, next+1, &u, credentialCells)
		}
		u.damaged = 0
		u.fill(&users[n])
		if u.damaged != 0 {
			_ = s.Reset()
			return n, u.damagedError()
		}
		users[n].Place = s.ColumnInt64(next)
		n++
	}
}

// sort fills the table temp.places: which user comes when. It is in a file of SQLite's own, which has no name, so that memory does not grow
// with the store.
func (l *layer) sort(want Selection) error {
	if err := l.conn.CreateFunction("usher_instant", &sqlite.FunctionImpl{NArgs: 1, Deterministic: true, Scalar: instantKey}); err != nil {
		return err
	}
	var order strings.Builder
	for _, o := range want.Order {
		column := columnOf(o.Attribute)
		order.WriteString(column.key())
		if o.Desc {
			order.WriteString(" DESC")
		}
		order.WriteString(" NULLS LAST, ")
	}
	for _, query := range []string{
		"PRAGMA temp_store = file",
		"DROP TABLE IF EXISTS temp.places",
		"CREATE TEMP TABLE places (place INTEGER PRIMARY KEY, seq INTEGER NOT NULL)",
	} {
		if err := l.exec(query); err != nil {
			return err
		}
	}
	s, err := l.conn.Prepare("INSERT INTO temp.places(seq) SELECT u.seq FROM users AS u WHERE " + want.condition() + " ORDER BY " + order.String() + "u.seq")
	if err != nil {
		return err
	}
	want.bind(s)
	return step(s)
}

// instantKey is a time as bytes whose order is that of the instants, NULL for none.
func instantKey(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
	t := parseTime(args[0].Text())
	if t.IsZero() {
		return sqlite.Value{}, nil
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 12), uint64(t.Unix())-math.MaxInt64-1)
	return sqlite.BlobValue(binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))), nil
}

// column is an attribute whose values the database knows as they are: NULL where the user does not have it.
type column struct {
	sql  string
	kind kind
	time bool
}

// key is what to sort by.
func (c column) key() string {
	if c.time {
		return "usher_instant(" + c.sql + ")"
	}
	return c.sql
}

// columnOf gives the column of an attribute, one without SQL where there is none.
func columnOf(name string) column {
	if name == "user_id" || name == "sub" {
		return column{sql: "u.id"}
	}
	a, ok := topLevel[name]
	if !ok || a >= firstCredential {
		return column{}
	}
	c := column{sql: "u." + attributes[a].column, kind: attributes[a].kind}
	switch a {
	case aEmailVerified:
		c.sql = "iif(nullif(u.email, '') IS NULL, NULL, u.email_verified <> 0)"
	case aPhoneVerified:
		c.sql = "iif(nullif(u.phone_number, '') IS NULL, NULL, u.phone_number_verified <> 0)"
	case aDisabled:
		c.sql = "(u.disabled <> 0)"
	case aLastLogin, aCreatedAt, aUpdatedAt:
		c.time = true
	default:
		switch c.kind {
		case kindText:
			c.sql = "nullif(" + c.sql + ", '')"
		case kindInt:
		default:
			return column{}
		}
	}
	return c
}

// Sortable reports whether an attribute can stand in an Order.
func Sortable(attribute string) bool { return columnOf(attribute).sql != "" }

// Condition is what the database can tell of a user exactly. The zero Condition is true of all.
type Condition struct {
	sql    string
	values []any // strings and int64s, one for each ? in sql
}

// firstValue is the number of the first parameter of a condition in a query.
const firstValue = 4

// Is is true of users whose attribute has the value, a string, a bool or an int64, and false of those who do not have it. ok is false where the database
// cannot tell.
func Is(attribute string, v any) (c Condition, ok bool) {
	column := columnOf(attribute)
	if column.sql == "" || column.time {
		return c, false
	}
	switch v := v.(type) {
	case string:
		// SQLite would end a text at a NUL.
		return compared(column, "IS", v), column.kind == kindText && !strings.Contains(v, "\x00")
	case bool:
		word := "FALSE"
		if v {
			word = "TRUE"
		}
		return Condition{sql: "(" + column.sql + " IS " + word + ")"}, column.kind == kindBool
	case int64:
		return compared(column, "IS", v), column.kind == kindInt
	}
	return c, false
}

// Compares is Is for numbers that are <, <=, > or >= than n.
func Compares(attribute, operator string, n int64) (c Condition, ok bool) {
	column := columnOf(attribute)
	if column.kind != kindInt || !slices.Contains([]string{"<", "<=", ">", ">="}, operator) {
		return c, false
	}
	c = compared(column, operator, n)
	c.sql = "coalesce(" + c.sql + ", 0)"
	return c, true
}

func compared(c column, operator string, v any) Condition {
	return Condition{"(" + c.sql + " " + operator + " ?)", []any{v}}
}

// Has is true of users who have the attribute.
func Has(attribute string) (c Condition, ok bool) {
	column := columnOf(attribute)
	if column.sql == "" {
		return c, false
	}
	return Condition{sql: "(" + column.key() + " IS NOT NULL)"}, !column.time
}

// Not is true where c is not.
func (c Condition) Not() Condition { return Condition{"(NOT " + c.sql + ")", c.values} }

// And is true where both are, Or where one of them is.
func (c Condition) And(d Condition) Condition { return c.join("AND", d) }

// Or is true where one of both is.
func (c Condition) Or(d Condition) Condition { return c.join("OR", d) }

func (c Condition) join(operator string, d Condition) Condition {
	return Condition{"(" + c.sql + " " + operator + " " + d.sql + ")", append(slices.Clip(c.values), d.values...)}
}

// Empty reports whether the condition is the zero one.
func (c Condition) Empty() bool { return c.sql == "" }

// numbered gives the parameters their numbers, since a condition does not know what stands before it.
func (c Condition) numbered() string {
	parts := strings.Split(c.sql, "?")
	var b strings.Builder
	for i, part := range parts {
		b.WriteString(part)
		if i < len(parts)-1 {
			b.WriteString("?" + strconv.Itoa(firstValue+i))
		}
	}
	return b.String()
}
