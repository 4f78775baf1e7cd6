package dedupe

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/usher-id/usher/pipeline"
)

// spill keeps keys in a temporary database, which the system deletes with the process. Before it stands a Bloom filter,
// so that a new key is hardly ever looked for on disk.
type spill struct {
	db     *sqlite.Conn
	insert *sqlite.Stmt
	find   *sqlite.Stmt
	filter []uint64
}

// filterBits is 8 MB. With 10 million keys one new key in 25 is looked for in vain, with 30 million every second one.
const filterBits = 1 << 26

func openSpill() (*spill, error) {
	// A database without a name is a temporary file.
	db, err := sqlite.OpenConn("", sqlite.OpenReadWrite, sqlite.OpenCreate)
	if err != nil {
		return nil, spillError(err)
	}
	s := &spill{db: db, filter: make([]uint64, filterBits/64)}
	// Nothing of it outlives the run, so that nothing need be safe.
	for _, statement := range []string{"PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -8192",
		"CREATE TABLE seen (key BLOB PRIMARY KEY, line INTEGER, origin INTEGER) WITHOUT ROWID"} {
		if err == nil {
			err = sqlitex.ExecuteTransient(db, statement, nil)
		}
	}
	if err == nil {
		s.insert, err = db.Prepare("INSERT INTO seen VALUES (?, ?, ?)")
	}
	if err == nil {
		s.find, err = db.Prepare("SELECT line, origin FROM seen WHERE key = ?")
	}
	if err != nil {
		_ = db.Close()
		return nil, spillError(err)
	}
	return s, nil
}

func spillError(err error) error {
	return &pipeline.Error{Code: "dedupe.temporary_file", Message: "keys cannot be kept in a temporary file: " + err.Error(),
		Hint: "make room in the folder for temporary files, or name another one by TMPDIR; then resume the run", Err: err}
}

// add takes the keys over. In the order of the index they touch as few pages as can be.
func (s *spill) add(keys map[key]place) (err error) {
	defer func() {
		if err != nil {
			err = spillError(err)
		}
	}()
	defer sqlitex.Transaction(s.db)(&err)
	for _, k := range slices.SortedFunc(maps.Keys(keys), func(a, b key) int { return bytes.Compare(a[:], b[:]) }) {
		for _, bit := range bits(k) {
			s.filter[bit/64] |= 1 << (bit % 64)
		}
		p := keys[k]
		s.insert.BindBytes(1, k[:])
		s.insert.BindInt64(2, p.line)
		s.insert.BindInt64(3, int64(p.origin))
		if _, err := s.insert.Step(); err != nil {
			return err
		}
		if err := s.insert.Reset(); err != nil {
			return err
		}
	}
	return nil
}

func bits(k key) [4]uint32 {
	a, b := binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])
	return [4]uint32{uint32(a) % filterBits, uint32(a>>32) % filterBits, uint32(b) % filterBits, uint32(b>>32) % filterBits}
}

func (s *spill) get(k key) (p place, known bool, err error) {
	for _, bit := range bits(k) {
		if s.filter[bit/64]&(1<<(bit%64)) == 0 {
			return place{}, false, nil
		}
	}
	s.find.BindBytes(1, k[:])
	known, err = s.find.Step()
	if known {
		p = place{s.find.ColumnInt64(0), int32(s.find.ColumnInt64(1))}
	}
	if resetErr := s.find.Reset(); err == nil {
		err = resetErr
	}
	if err != nil {
		err = spillError(err)
	}
	return p, known, err
}

func (s *spill) close() error {
	if err := s.db.Close(); err != nil {
		return spillError(err)
	}
	return nil
}
