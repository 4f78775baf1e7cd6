package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const (
	batchSize     = 1000
	perCommit     = 50_000
	rowsPerInsert = 50
)

// load puts users into a store: a second goroutine decodes and maps while this one looks up and writes.
func load(in io.Reader, path, outcomes, schema string) (summary, error) {
	l, err := open(path, outcomes, schema)
	if err != nil {
		return summary{}, err
	}
	defer l.conn.Close()
	batches, free := make(chan []user, 2), make(chan []user, 4)
	var group errgroup.Group
	stop := make(chan struct{})
	group.Go(func() error {
		defer close(batches)
		return readUsers(in, batches, free, stop)
	})
	for batch := range batches {
		if err = l.batch(batch); err != nil {
			close(stop)
			break
		}
		select {
		case free <- batch[:0]:
		default:
		}
	}
	if readErr := group.Wait(); err == nil {
		err = readErr
	}
	if err == nil {
		err = l.commit()
	}
	if err == nil {
		err = l.outcomes.Close()
	}
	return l.sum, err
}

func readUsers(in io.Reader, batches chan<- []user, free <-chan []user, stop <-chan struct{}) error {
	var m mapper
	b := newBlocks(in, 1)
	batch := make([]user, 0, batchSize)
	for n := 0; ; {
		block, err := b.next()
		if err == io.EOF {
			if len(batch) > 0 {
				select {
				case batches <- batch:
				case <-stop:
				}
			}
			return nil
		}
		if err != nil {
			return err
		}
		err = eachLine(block, func(line []byte) error {
			batch = append(batch, user{})
			u := &batch[len(batch)-1]
			if err := m.read(line, u); err != nil {
				return fmt.Errorf("record %d: %w", n, err)
			}
			m.mark(u)
			n++
			if len(batch) == batchSize {
				select {
				case batches <- batch:
				case <-stop:
					return errors.New("stopped")
				}
				select {
				case batch = <-free:
				default:
					batch = make([]user, 0, batchSize)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		b.give(block)
	}
}

// head is what a look-up tells of a user.
type head struct {
	seq  int64
	id   string
	mark [fingerprintSize]byte
}

type keyOf struct {
	key string
	seq int64
}

type loader struct {
	conn     *sqlite.Conn
	outcomes *os.File
	lines    *bufio.Writer
	line     []byte
	sum      summary
	now      string
	ms       uint64
	nextSeq  int64
	inTx     int

	// known are the users of this transaction by their email key: their keys come into the index at its end, all in order,
	// which touches each page of it once.
	known map[string]head
	keys  []keyOf

	heads  map[string]head
	array  []byte
	emails []string
	// added and changed are the users of the batch in hand to be written.
	added, changed []write
}

// write is a user with its place in the store.
type write struct {
	*user
	seq int64
	id  string
	// line is the place of the outcome in the batch.
	line int
}

func open(path, outcomes, schema string) (*loader, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	l := &loader{conn: conn, known: map[string]head{}, heads: map[string]head{}, now: time.Now().UTC().Format(time.RFC3339Nano), ms: uint64(time.Now().UnixMilli())}
	if err := l.prepare(schema); err != nil {
		conn.Close()
		return nil, err
	}
	if l.outcomes, err = os.Create(outcomes); err != nil {
		conn.Close()
		return nil, err
	}
	l.lines = bufio.NewWriterSize(l.outcomes, 256<<10)
	return l, nil
}

// prepare sets what identity sets, and makes the tables where there are none.
func (l *loader) prepare(schema string) error {
	for _, pragma := range []string{"journal_mode = wal", "synchronous = full", "cache_size = -32768", "temp_store = memory",
		"wal_autocheckpoint = 16384", "journal_size_limit = 67108864", "cell_size_check = on"} {
		if err := sqlitex.ExecuteTransient(l.conn, "PRAGMA "+pragma, nil); err != nil {
			return err
		}
	}
	version, err := sqlitex.ResultInt(l.conn.Prep("PRAGMA user_version"))
	if err != nil {
		return err
	}
	if version == 0 {
		files, err := filepath.Glob(filepath.Join(schema, "*.sql"))
		if err != nil || len(files) == 0 {
			return errors.New("there is no schema in " + schema)
		}
		for _, file := range files {
			script, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := sqlitex.ExecuteScript(l.conn, string(script), nil); err != nil {
				return err
			}
		}
	}
	last, err := sqlitex.ResultInt64(l.conn.Prep("SELECT coalesce(max(seq), 0) FROM users"))
	l.nextSeq = last + 1
	return err
}

func (l *loader) exec(query string) error { return step(l.conn.Prep(query)) }

func step(s *sqlite.Stmt) error {
	if _, err := s.Step(); err != nil {
		return err
	}
	return s.Reset()
}

func (l *loader) batch(users []user) error {
	if l.inTx == 0 {
		if err := l.exec("BEGIN IMMEDIATE"); err != nil {
			return err
		}
	}
	if err := l.lookUp(users); err != nil {
		return err
	}
	outcomes := make([]outcome, len(users))
	for i := range users {
		u := &users[i]
		h, found := l.known[u.emailKey]
		if !found {
			h, found = l.heads[u.emailKey]
		}
		switch {
		case !found:
			h = head{l.nextSeq, newID(l.ms, l.sum.Total+int64(i)), u.fingerprint}
			l.nextSeq++
			l.known[u.emailKey] = h
			l.keys = append(l.keys, keyOf{u.emailKey, h.seq}, keyOf{u.phoneKey, h.seq}, keyOf{u.usernameKey, h.seq})
			l.added = append(l.added, write{u, h.seq, h.id, i})
			l.sum.Inserted++
			outcomes[i] = outcome{what: "inserted", id: h.id}
		case h.mark == u.fingerprint:
			l.sum.Unchanged++
			outcomes[i] = outcome{what: "unchanged", id: h.id}
		default:
			h.mark = u.fingerprint
			l.known[u.emailKey] = h
			l.changed = append(l.changed, write{u, h.seq, h.id, i})
			l.sum.Updated++
			outcomes[i] = outcome{what: "updated", id: h.id}
		}
	}
	if err := l.insert(); err != nil {
		return err
	}
	if err := l.update(outcomes); err != nil {
		return err
	}
	for i := range outcomes {
		if err := l.tell(&outcomes[i], l.sum.Total+int64(i)); err != nil {
			return err
		}
	}
	l.sum.Total += int64(len(users))
	l.inTx += len(users)
	if l.inTx >= perCommit {
		return l.commit()
	}
	return nil
}

type outcome struct {
	what, id string
	changed  []string
}

// tell writes the line of one outcome. It says less than usher's, which shows the record too.
func (l *loader) tell(o *outcome, index int64) error {
	b := append(l.line[:0], `{"index":`...)
	b = strconv.AppendInt(b, index, 10)
	b = append(append(b, `,"outcome":"`...), o.what...)
	b = append(append(b, `","user_id":"`...), o.id...)
	b = append(b, '"')
	for i, name := range o.changed {
		if i == 0 {
			b = append(b, `,"changed":["`...)
		} else {
			b = append(b, `","`...)
		}
		b = append(b, name...)
	}
	if len(o.changed) > 0 {
		b = append(b, `"]`...)
	}
	b = append(b, "}\n"...)
	l.line = b
	_, err := l.lines.Write(b)
	return err
}

// lookUp finds the users of a batch by their emails, in the order of the index.
func (l *loader) lookUp(users []user) error {
	clear(l.heads)
	l.emails = l.emails[:0]
	for i := range users {
		l.emails = append(l.emails, users[i].emailKey)
	}
	slices.Sort(l.emails)
	l.array = append(l.array[:0], '[')
	for i, e := range l.emails {
		if i > 0 {
			l.array = append(l.array, ',')
		}
		// An email that was taken has nothing in it that JSON escapes.
		l.array = append(append(append(l.array, '"'), e...), '"')
	}
	l.array = append(l.array, ']')
	s := l.conn.Prep("SELECT j.key, u.seq, u.id, u.mark FROM json_each(?) AS j CROSS JOIN keys AS k ON k.key = j.value CROSS JOIN users AS u ON u.seq = k.user_seq")
	s.BindText(1, string(l.array))
	for {
		more, err := s.Step()
		if err != nil || !more {
			return err
		}
		h := head{seq: s.ColumnInt64(1), id: s.ColumnText(2)}
		s.ColumnBytes(3, h.mark[:])
		l.heads[l.emails[s.ColumnInt(0)]] = h
	}
}

func (l *loader) insert() error {
	for rest := l.added; len(rest) > 0; {
		n := min(len(rest), rowsPerInsert)
		users, credentials := l.conn.Prep(insertUsers(n)), l.conn.Prep(insertCredentials(n))
		p := 1
		for i := range rest[:n] {
			u := &rest[i]
			users.BindInt64(p, u.seq)
			users.BindText(p+1, u.id)
			users.BindBytes(p+2, u.fingerprint[:])
			p = u.bind(users, p+3, l.now)
			users.BindText(p, u.createdAt)
			p++
			credentials.BindInt64(2*i+1, u.seq)
			credentials.BindText(2*i+2, u.password)
		}
		if err := step(users); err != nil {
			return err
		}
		if err := step(credentials); err != nil {
			return err
		}
		rest = rest[n:]
	}
	l.added = l.added[:0]
	return nil
}

// columns are those that bind binds, in its order.
var columns = []string{"email", "phone_number", "preferred_username", "nickname", "locale", "custom_attributes", "user_metadata",
	"app_metadata", "logins_count", "email_verified", "updated_at"}

func (u *user) bind(s *sqlite.Stmt, p int, now string) int {
	for _, text := range [...]string{u.email(), u.phone(), u.username(), u.nickname, u.locale, u.customAttributes, u.userMetadata, u.appMetadata} {
		s.BindText(p, text)
		p++
	}
	s.BindInt64(p, u.loginsCount)
	s.BindBool(p+1, u.emailVerified)
	s.BindText(p+2, now)
	return p + 3
}

var (
	insertUsers = tuples("INSERT INTO users(seq, id, mark, "+strings.Join(columns, ", ")+", created_at) VALUES ", len(columns)+4)
	// A password is taken when a user is inserted and stays when one is updated.
	insertCredentials = tuples("INSERT INTO credentials(user_seq, password) VALUES ", 2)
	insertKeys        = tuples("INSERT INTO keys(key, user_seq) VALUES ", 2)
	updateUser        = "UPDATE users SET mark = ?, " + strings.Join(columns, " = ?, ") + " = ? WHERE seq = ?"
	selectUsers       = "SELECT j.key, u." + strings.Join(columns, ", u.") + " FROM json_each(?) AS j CROSS JOIN users AS u ON u.seq = j.value"
)

// tuples gives the function that makes the statement for n rows.
func tuples(insert string, width int) func(n int) string {
	tuple := ",(" + strings.Repeat("?,", width-1) + "?)"
	full := insert + strings.Repeat(tuple, rowsPerInsert)[1:]
	return func(n int) string {
		if n == rowsPerInsert {
			return full
		}
		return insert + strings.Repeat(tuple, n)[1:]
	}
}

// update finds out what is different about the users that are, and writes them.
func (l *loader) update(outcomes []outcome) error {
	if len(l.changed) == 0 {
		return nil
	}
	l.array = append(l.array[:0], '[')
	for i := range l.changed {
		if i > 0 {
			l.array = append(l.array, ',')
		}
		l.array = strconv.AppendInt(l.array, l.changed[i].seq, 10)
	}
	l.array = append(l.array, ']')
	s := l.conn.Prep(selectUsers)
	s.BindText(1, string(l.array))
	var buf []byte
	for {
		more, err := s.Step()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		u := &l.changed[s.ColumnInt(0)]
		var names []string
		for c, text := range [...]string{u.email(), u.phone(), u.username(), u.nickname, u.locale, u.customAttributes, u.userMetadata, u.appMetadata} {
			buf = slices.Grow(buf[:0], s.ColumnLen(c+1))[:s.ColumnLen(c+1)]
			s.ColumnBytes(c+1, buf)
			if string(buf) != text {
				names = append(names, columns[c])
				if c < 3 {
					l.keys = append(l.keys, keyOf{[...]string{u.emailKey, u.phoneKey, u.usernameKey}[c], u.seq})
					if err := l.free([...]string{"email:", "phone:", "username:"}[c] + string(buf)); err != nil {
						return err
					}
				}
			}
		}
		if s.ColumnInt64(9) != u.loginsCount {
			names = append(names, columns[8])
		}
		if s.ColumnBool(10) != u.emailVerified {
			names = append(names, columns[9])
		}
		outcomes[u.line].changed = names
	}
	s = l.conn.Prep(updateUser)
	for i := range l.changed {
		u := &l.changed[i]
		s.BindBytes(1, u.fingerprint[:])
		s.BindInt64(u.bind(s, 2, l.now), u.seq)
		if err := step(s); err != nil {
			return err
		}
	}
	l.changed = l.changed[:0]
	return nil
}

func (l *loader) free(key string) error {
	s := l.conn.Prep("DELETE FROM keys WHERE key = ?")
	s.BindText(1, key)
	return step(s)
}

// commit writes the keys and makes the transaction durable, then its outcomes.
func (l *loader) commit() error {
	if l.inTx == 0 {
		return nil
	}
	slices.SortFunc(l.keys, func(a, b keyOf) int { return strings.Compare(a.key, b.key) })
	for rest := l.keys; len(rest) > 0; {
		n := min(len(rest), rowsPerInsert)
		s := l.conn.Prep(insertKeys(n))
		for i, k := range rest[:n] {
			s.BindText(2*i+1, k.key)
			s.BindInt64(2*i+2, k.seq)
		}
		if err := step(s); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if err := l.exec("COMMIT"); err != nil {
		return err
	}
	if err := l.lines.Flush(); err != nil {
		return err
	}
	clear(l.known)
	clear(l.keys)
	l.keys = l.keys[:0]
	l.inTx = 0
	return l.outcomes.Sync()
}

// newID makes a UUID of version 7 whose order is that of the records.
func newID(ms uint64, index int64) string {
	var b [16]byte
	n := uint64(index)
	binary.BigEndian.PutUint64(b[:8], ms<<16|0x7000|n>>28&0xfff)
	binary.BigEndian.PutUint64(b[8:], 0b10<<62|n&(1<<28-1)<<34|rand.Uint64()>>30)
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
