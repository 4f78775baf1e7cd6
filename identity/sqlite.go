package identity

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"math/bits"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver that migrations run on
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/usher-id/usher/value"
)

// Everything that is SQL, or SQLite's alone, is in this file.

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// schemaVersion is PRAGMA user_version, which the last migration sets.
	schemaVersion = 4
	// applicationID is "ushr" (https://www.sqlite.org/fileformat.html#application_id).
	applicationID = 0x75736872

	// cacheKiB counts pages as SQLite does; they take nearly twice as much, since they are allocated in powers of two. 64 MiB
	// were no faster with a million users.
	cacheKiB = 32 << 10
	// readCacheKiB is that of a store that is only read.
	readCacheKiB = 8 << 10
	busyTimeout  = 10 * time.Second
	// rowsPerInsert is how many rows go into one statement: more gained nothing, and each statement is held prepared.
	rowsPerInsert = 50
	// checkpointPages is how long the write-ahead log grows before it is worked into the database: each page that
	// many users share is then written once.
	checkpointPages = 16 << 10
)

// migrate brings the database at path to schemaVersion.
func migrate(ctx context.Context, path string) error {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// layer is one database: the store, or what a plan lays over it.
type layer struct {
	conn *sqlite.Conn
	// shapes counts the statements that were made for the columns at hand; they are given up when there are many.
	shapes  map[string]bool
	updates map[updateShape]string
}

func openLayer(path string, flags sqlite.OpenFlags) (*layer, error) {
	conn, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(busyTimeout)
	for _, p := range []string{"cache_size = -" + strconv.Itoa(cacheKiB), "temp_store = memory", "cell_size_check = on"} {
		if err := sqlitex.ExecuteTransient(conn, "PRAGMA "+p, nil); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return &layer{conn: conn, shapes: map[string]bool{}, updates: map[updateShape]string{}}, nil
}

func (l *layer) exec(query string) error {
	s, err := l.conn.Prepare(query)
	if err != nil {
		return err
	}
	_, err = s.Step()
	if resetErr := s.Reset(); err == nil {
		err = resetErr
	}
	return err
}

func (l *layer) integer(query string) (int64, error) {
	s, _, err := l.conn.PrepareTransient(query)
	if err != nil {
		return 0, err
	}
	defer func() { _ = s.Finalize() }()
	if _, err := s.Step(); err != nil {
		return 0, err
	}
	return s.ColumnInt64(0), nil
}

// version gives the schema version, 0 for a database in which there is nothing, and whether it is usher's at all.
func (l *layer) version() (version int64, ours bool, err error) {
	app, err := l.integer("PRAGMA application_id")
	if err != nil {
		return 0, false, err
	}
	if version, err = l.integer("PRAGMA user_version"); err != nil {
		return 0, false, err
	}
	if app == applicationID {
		return version, true, nil
	}
	tables, err := l.integer("SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'goose_db_version%' AND name NOT LIKE 'sqlite_%'")
	return version, version == 0 && tables == 0, err
}

// rows runs a query with one text parameter, a JSON array.
func (l *layer) rows(query, array string, row func(*sqlite.Stmt)) error {
	return l.query(query, row, array)
}

// holders tells for each key that the layer knows, by its place in keys, whose it is; 0 is a key that a plan freed.
func (l *layer) holders(keys []string, found func(i int, seq int64)) error {
	return l.rows("SELECT j.key, k.user_seq FROM json_each(?) AS j CROSS JOIN keys AS k ON k.key = j.value", keyArray(keys),
		func(s *sqlite.Stmt) { found(s.ColumnInt(0), s.ColumnInt64(1)) })
}

func (l *layer) eachKey(f func(string)) error {
	return l.query("SELECT key FROM keys", func(s *sqlite.Stmt) { f(s.ColumnText(0)) })
}

// owners tells for each key that the store knows, by its place in keys, whose it is, with the user's id and mark. A user who
// is not there has no id.
func (l *layer) owners(keys []string, found func(i int, seq int64, id string, m mark)) error {
	return l.rows("SELECT j.key, k.user_seq, u.id, u.mark FROM json_each(?) AS j CROSS JOIN keys AS k ON k.key = j.value"+
		" LEFT JOIN users AS u ON u.seq = k.user_seq", keyArray(keys),
		func(s *sqlite.Stmt) { found(s.ColumnInt(0), s.ColumnInt64(1), s.ColumnText(2), columnMark(s, 3)) })
}

// between gives seq, id, mark and the identifier of the users between two seqs; text is the column of the identifier.
func (l *layer) between(identifier attr, from, to int64, found func(s *sqlite.Stmt, text int)) error {
	return l.query("SELECT seq, id, mark, "+attributes[identifier].column+" FROM users WHERE seq BETWEEN ? AND ?",
		func(s *sqlite.Stmt) { found(s, 3) }, from, to)
}

// appendKey appends the key of the identifier in a column.
func appendKey(b []byte, identifier attr, s *sqlite.Stmt, column int) []byte {
	if identifier == aUsername {
		return append(b, key(identifier, s.ColumnText(column))...)
	}
	b = append(b, key(identifier, "")...)
	n := len(b)
	b = append(b, make([]byte, s.ColumnLen(column))...)
	s.ColumnBytes(column, b[n:])
	return b
}

func keyArray(keys []string) string {
	size := 2
	for _, k := range keys {
		size += len(k) + 4
	}
	b := append(make([]byte, 0, size), '[')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = value.AppendString(b, k)
	}
	return string(append(b, ']'))
}

func intArray(seqs []int64) string {
	b := append(make([]byte, 0, 12*len(seqs)), '[')
	for i, n := range seqs {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return string(append(b, ']'))
}

// heads gives id and mark of each user that the layer has.
func (l *layer) heads(seqs []int64, found func(seq int64, id string, m mark)) error {
	return l.rows("SELECT u.seq, u.id, u.mark FROM json_each(?) AS j CROSS JOIN users AS u ON u.seq = j.value", intArray(seqs),
		func(s *sqlite.Stmt) { found(s.ColumnInt64(0), s.ColumnText(1), columnMark(s, 2)) })
}

func columnMark(s *sqlite.Stmt, col int) mark {
	var m mark
	var b [fingerprintSize + 1]byte
	if s.ColumnLen(col) == len(b) {
		s.ColumnBytes(col, b[:])
		copy(m.fingerprint[:], b[:])
		m.notes, m.valid = b[fingerprintSize], true
	}
	return m
}

// The cells of the two tables that hold them.
const (
	userCells       = 1<<firstCredential - 1
	credentialCells = 1<<numAttrs - 1 - userCells
)

// columns lists the columns of cells, each with a comma before it.
func columns(table string, cells uint64) string {
	var list strings.Builder
	for a := range numAttrs {
		if cells&bit(a) != 0 {
			list.WriteString(", " + table + "." + attributes[a].column)
		}
	}
	return list.String()
}

// users reads cells of users, credentials those of their credentials. Nothing else of the rows changes.
func (l *layer) users(seqs []int64, cells uint64, found func(seq int64) *row) error {
	return l.cells("users", "seq", seqs, cells&userCells, found)
}

func (l *layer) credentials(seqs []int64, cells uint64, found func(seq int64) *row) error {
	return l.cells("credentials", "user_seq", seqs, cells&credentialCells, found)
}

func (l *layer) cells(table, key string, seqs []int64, cells uint64, found func(seq int64) *row) error {
	query := "SELECT t." + key + columns("t", cells) + " FROM json_each(?) AS j CROSS JOIN " + table + " AS t ON t." + key + " = j.value"
	if _, err := l.shape(query); err != nil {
		return err
	}
	return l.rows(query, intArray(seqs), func(s *sqlite.Stmt) {
		readCells(s, 1, found(s.ColumnInt64(0)), cells)
	})
}

// readCells reads cells from the columns that begin with first, and gives the column behind them.
func readCells(s *sqlite.Stmt, first int, u *row, cells uint64) int {
	for a := range numAttrs {
		if cells&bit(a) != 0 {
			u.cells[a] = columnCell(s, first, a)
			first++
		}
	}
	return first
}

func columnCell(s *sqlite.Stmt, col int, a attr) string {
	if attributes[a].kind == kindBool {
		if s.ColumnInt64(col) != 0 {
			return "1"
		}
		return ""
	}
	if s.ColumnLen(col) == 0 {
		return "" // most are NULL
	}
	return s.ColumnText(col)
}

// shape prepares a statement whose text depends on the columns at hand. There are few shapes in a run; a source
// whose every batch has another one must not fill the memory with statements.
func (l *layer) shape(query string) (*sqlite.Stmt, error) {
	if !l.shapes[query] {
		if len(l.shapes) >= 64 {
			for q := range l.shapes {
				if err := l.conn.Prep(q).Finalize(); err != nil {
					return nil, err
				}
			}
			clear(l.shapes)
			clear(l.updates)
		}
		l.shapes[query] = true
	}
	return l.conn.Prepare(query)
}

func step(s *sqlite.Stmt) error {
	_, err := s.Step()
	if resetErr := s.Reset(); err == nil {
		err = resetErr
	}
	return err
}

// bind binds a cell; an empty one is NULL, or false.
func bind(s *sqlite.Stmt, param int, a attr, text string) {
	switch kind := attributes[a].kind; {
	case kind == kindBool:
		s.BindBool(param, text != "")
	case text == "":
		s.BindNull(param)
	case kind == kindInt:
		n, _ := strconv.ParseInt(text, 10, 64)
		s.BindInt64(param, n)
	default:
		s.BindText(param, text)
	}
}

// insert writes rows that the layer does not have into one of the tables of cells, naming only the columns that some
// row has a value for.
func (l *layer) insert(table string, from, to attr, rows []*row) error {
	lead := []string{"seq", "id", "mark"}
	if from == firstCredential {
		lead = []string{"user_seq"}
	}
	var shape string
	var shapeMask uint64
	for len(rows) > 0 {
		n := rowsPerInsert
		if len(rows) < n {
			n = 1 << (bits.Len(uint(len(rows))) - 1)
		}
		var mask uint64
		for _, u := range rows[:n] {
			for a := from; a < to; a++ {
				if u.cells[a] != "" {
					mask |= bit(a)
				}
			}
		}
		width := len(lead) + bits.OnesCount64(mask)
		if shape == "" || mask != shapeMask || n != rowsPerInsert {
			shape, shapeMask = insertShape(table, lead, mask, from, to, n, width), mask
		}
		s, err := l.shape(shape)
		if err != nil {
			return err
		}
		p := 1
		for _, u := range rows[:n] {
			s.BindInt64(p, u.seq)
			if from != firstCredential {
				s.BindText(p+1, u.id)
				bindMark(s, p+2, &u.mark)
			}
			p += len(lead)
			for a := from; a < to; a++ {
				if mask&bit(a) != 0 {
					bind(s, p, a, u.cells[a])
					p++
				}
			}
		}
		if err := step(s); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func insertShape(table string, lead []string, mask uint64, from, to attr, n, width int) string {
	var q strings.Builder
	q.WriteString("INSERT INTO " + table + "(" + strings.Join(lead, ","))
	for a := from; a < to; a++ {
		if mask&bit(a) != 0 {
			q.WriteString("," + attributes[a].column)
		}
	}
	q.WriteString(") VALUES ")
	writeTuples(&q, n, width)
	return q.String()
}

func writeTuples(q *strings.Builder, rows, width int) {
	tuple := "(" + strings.Repeat("?,", width-1) + "?)"
	for i := range rows {
		if i > 0 {
			q.WriteByte(',')
		}
		q.WriteString(tuple)
	}
}

func bindMark(s *sqlite.Stmt, param int, m *mark) {
	if !m.valid {
		s.BindNull(param)
		return
	}
	var b [fingerprintSize + 1]byte
	copy(b[:], m.fingerprint[:])
	b[fingerprintSize] = m.notes
	s.BindBytes(param, b[:])
}

// update writes the cells of a row that changed into one of the tables of cells.
func (l *layer) update(table string, from, to attr, u *row) error {
	mask := u.changed & (bit(to) - bit(from))
	query := updateShape{table, mask}
	text := l.updates[query]
	if text == "" {
		text = query.text(from, to)
		l.updates[query] = text
	}
	s, err := l.shape(text)
	if err != nil {
		return err
	}
	p := 1
	if from != firstCredential {
		bindMark(s, 1, &u.mark)
		p++
	}
	for a := from; a < to; a++ {
		if mask&bit(a) != 0 {
			bind(s, p, a, u.cells[a])
			p++
		}
	}
	s.BindInt64(p, u.seq)
	return step(s)
}

// updateShape is an UPDATE of some cells of a table.
type updateShape struct {
	table string
	cells uint64
}

func (u updateShape) text(from, to attr) string {
	var set []string
	key := "user_seq"
	if from != firstCredential {
		key = "seq"
		set = append(set, "mark=?")
	}
	for a := from; a < to; a++ {
		if u.cells&bit(a) != 0 {
			set = append(set, attributes[a].column+"=?")
		}
	}
	return "UPDATE " + u.table + " SET " + strings.Join(set, ",") + " WHERE " + key + "=?"
}

// putRaw keeps the source record of a user, in place of the one before.
func (l *layer) putRaw(u *row) error {
	s, err := l.conn.Prepare("INSERT INTO raw_records(user_seq, record) VALUES (?, ?) ON CONFLICT(user_seq) DO UPDATE SET record = excluded.record")
	if err != nil {
		return err
	}
	s.BindInt64(1, u.seq)
	s.BindText(2, u.raw)
	return step(s)
}

// deleteUsers removes users and what belongs to them, but for their keys.
func (l *layer) deleteUsers(seqs []int64) error {
	for _, query := range [...]string{
		"DELETE FROM users WHERE seq IN (SELECT value FROM json_each(?))",
		"DELETE FROM credentials WHERE user_seq IN (SELECT value FROM json_each(?))",
		"DELETE FROM raw_records WHERE user_seq IN (SELECT value FROM json_each(?))",
	} {
		if err := l.rows(query, intArray(seqs), nil); err != nil {
			return err
		}
	}
	return nil
}

// keyChange gives a key to a user, or frees it where seq is 0.
type keyChange struct {
	key string
	seq int64
}

// putKeys writes changes that are sorted by key, so that the index is walked once and in order. tombstones keeps freed keys as
// freed instead of deleting them: a plan lays them over a store that still has them.
func (l *layer) putKeys(changes []keyChange, tombstones bool) error {
	if !tombstones {
		kept := changes[:0]
		for _, c := range changes {
			if c.seq != 0 {
				kept = append(kept, c)
				continue
			}
			s, err := l.conn.Prepare("DELETE FROM keys WHERE key = ?")
			if err != nil {
				return err
			}
			s.BindText(1, c.key)
			if err := step(s); err != nil {
				return err
			}
		}
		changes = kept
	}
	for len(changes) > 0 {
		n := rowsPerInsert
		if len(changes) < n {
			n = 1 << (bits.Len(uint(len(changes))) - 1)
		}
		var q strings.Builder
		q.WriteString("INSERT OR REPLACE INTO keys(key, user_seq) VALUES ")
		writeTuples(&q, n, 2)
		s, err := l.conn.Prepare(q.String())
		if err != nil {
			return err
		}
		for i, c := range changes[:n] {
			s.BindText(2*i+1, c.key)
			s.BindInt64(2*i+2, c.seq)
		}
		if err := step(s); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

// known gives those of the names that a table of names has.
func (l *layer) known(table string, names []any, found func(name string)) error {
	return l.rows("SELECT n.name FROM json_each(?) AS j CROSS JOIN "+table+" AS n ON n.name = j.value",
		string(value.AppendJSON(nil, names)), func(s *sqlite.Stmt) { found(s.ColumnText(0)) })
}

func (l *layer) putNames(table string, names []any) error {
	s, err := l.conn.Prepare("INSERT OR IGNORE INTO " + table + "(name) SELECT value FROM json_each(?)")
	if err != nil {
		return err
	}
	s.BindText(1, string(value.AppendJSON(nil, names)))
	return step(s)
}

func (l *layer) putReceipt(runID string, first int64, outcomes []byte) error {
	s, err := l.conn.Prepare("INSERT INTO receipts(run_id, first_index, outcomes) VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	s.BindText(1, runID)
	s.BindInt64(2, first)
	s.BindBytes(3, outcomes)
	return step(s)
}

// dropReceipts forgets the receipts of a run that begin before an index.
func (l *layer) dropReceipts(runID string, before int64) error {
	s, err := l.conn.Prepare("DELETE FROM receipts WHERE run_id = ? AND first_index < ?")
	if err != nil {
		return err
	}
	s.BindText(1, runID)
	s.BindInt64(2, before)
	return step(s)
}

func (l *layer) receipts(runID string, each func(first int64, outcomes []byte)) error {
	return l.query("SELECT first_index, outcomes FROM receipts WHERE run_id = ? ORDER BY first_index", func(s *sqlite.Stmt) {
		b := make([]byte, s.ColumnLen(1))
		s.ColumnBytes(1, b)
		each(s.ColumnInt64(0), b)
	}, runID)
}

// query runs a statement with values for its parameters.
func (l *layer) query(text string, row func(*sqlite.Stmt), values ...any) error {
	s, err := l.conn.Prepare(text)
	if err != nil {
		return err
	}
	for i, v := range values {
		switch v := v.(type) {
		case string:
			s.BindText(i+1, v)
		case int64:
			s.BindInt64(i+1, v)
		case *block:
			s.BindBytes(i+1, v[:])
		}
	}
	for {
		more, err := s.Step()
		if err != nil {
			_ = s.Reset() // it gives the error of the step again
			return err
		}
		if !more {
			return s.Reset()
		}
		row(s)
	}
}

func columnBlock(s *sqlite.Stmt, col int) *block {
	b := new(block)
	s.ColumnBytes(col, b[:])
	return b
}

// seenBits gives a block of what a run has seen, nil where there is none.
func (l *layer) seenBits(pipeline, runID string, n int64) (b *block, err error) {
	err = l.query("SELECT bits FROM seen WHERE pipeline = ? AND run_id = ? AND block = ?", func(s *sqlite.Stmt) { b = columnBlock(s, 0) }, pipeline, runID, n)
	return b, err
}

func (l *layer) putSeen(pipeline, runID string, n int64, b *block) error {
	return l.query("INSERT OR REPLACE INTO seen(pipeline, run_id, block, bits) VALUES (?, ?, ?, ?)", nil, pipeline, runID, n, b)
}

// dropSeen forgets what the runs of a pipeline have seen.
func (l *layer) dropSeen(pipeline string) error {
	return l.query("DELETE FROM seen WHERE pipeline = ?", nil, pipeline)
}

// memberBits gives a block of the users that a pipeline brought, nil where there is none.
func (l *layer) memberBits(pipeline string, n int64) (b *block, err error) {
	err = l.query("SELECT bits FROM members WHERE pipeline = ? AND block = ?", func(s *sqlite.Stmt) { b = columnBlock(s, 0) }, pipeline, n)
	return b, err
}

func (l *layer) putMembers(pipeline string, n int64, b *block) error {
	if *b == (block{}) {
		return l.query("DELETE FROM members WHERE pipeline = ? AND block = ?", nil, pipeline, n)
	}
	return l.query("INSERT OR REPLACE INTO members(pipeline, block, bits) VALUES (?, ?, ?)", nil, pipeline, n, b)
}

func (l *layer) memberBlocks(pipeline string, found func(n int64)) error {
	return l.query("SELECT block FROM members WHERE pipeline = ?", func(s *sqlite.Stmt) { found(s.ColumnInt64(0)) }, pipeline)
}

func (l *layer) memberPipelines(found func(name string)) error {
	return l.query("SELECT DISTINCT pipeline FROM members", func(s *sqlite.Stmt) { found(s.ColumnText(0)) })
}

// lastMembers gives the last block of every pipeline that has one as high as any.
func (l *layer) lastMembers(found func(n int64, b *block)) error {
	return l.query("SELECT block, bits FROM members WHERE block = (SELECT max(block) FROM members)", func(s *sqlite.Stmt) {
		found(s.ColumnInt64(0), columnBlock(s, 1))
	})
}

// eachUser gives the seqs of the users in a block.
func (l *layer) eachUser(n int64, found func(seq int64)) error {
	return l.query("SELECT seq FROM users WHERE seq BETWEEN ? AND ?", func(s *sqlite.Stmt) { found(s.ColumnInt64(0)) }, n*blockUsers, (n+1)*blockUsers-1)
}

// isConstraint reports whether the database refused a row, rather than failed.
func isConstraint(err error) bool {
	return sqlite.ErrCode(err).ToPrimary() == sqlite.ResultConstraint
}

// isFull reports whether the database found no room for what it was to write.
func isFull(err error) bool {
	code := sqlite.ErrCode(err)
	return code.ToPrimary() == sqlite.ResultFull || code == sqlite.ResultIOErrWrite
}

// describe turns an error of the database into one that a person can act on. path is the database file.
func describe(path, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ours := (*Error)(nil); errors.As(err, &ours) {
		return err
	}
	e := &Error{Err: err}
	code := sqlite.ErrCode(err)
	// Migrations run on another driver.
	if other := (interface{ Code() int })(nil); errors.As(err, &other) {
		code = sqlite.ResultCode(other.Code())
	}
	switch code.ToPrimary() {
	case sqlite.ResultFull, sqlite.ResultIOErr:
		e.Code, e.Hint = "store.io", "check the disk and what the process may write; nothing before the last checkpoint is lost: resume the run"
		e.Message = "the store " + path + " could not be written or read (" + code.Message() + ")"
		if code.ToPrimary() == sqlite.ResultFull || code == sqlite.ResultIOErrWrite {
			e.Code, e.Hint = "store.full", "free some space, or lift the limit on file sizes, and resume the run: nothing before the last checkpoint is lost"
			e.Message = "the store " + path + " cannot grow: the disk is full or a limit is reached"
		}
	case sqlite.ResultReadOnly:
		e.Code, e.Message, e.Hint = "store.read_only", "the store "+path+" cannot be written", "give the process write permission for the file and its folder"
	case sqlite.ResultCantOpen, sqlite.ResultPerm, sqlite.ResultAuth:
		e.Code, e.Message, e.Hint, e.Unreachable = "store.cannot_open", "the store "+path+" cannot be opened", "check that the folder exists and that the process may read and write in it", true
	case sqlite.ResultCorrupt:
		e.Code, e.Message, e.Hint = "store.corrupt", "the store "+path+" is damaged", "look for errors of the disk first; then restore it from a copy, or save what can be saved with the sqlite3 program's .recover"
	case sqlite.ResultNotADB:
		e.Code, e.Message, e.Hint = "store.not_a_database", path+" is not an SQLite database", "give the path of a store, or of a file that does not exist yet"
	case sqlite.ResultBusy, sqlite.ResultLocked:
		e.Code, e.Message, e.Hint = "store.busy", "another program keeps the store "+path+" locked", "end its transaction and try again"
	default:
		e.Code, e.Message, e.Hint = "store.failed", doing+" the store "+path+" failed ("+code.Message()+")", "this is unexpected; please report it"
	}
	return e
}
