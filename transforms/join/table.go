package join

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/maphash"
	"io"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/internal/shelf"
	"github.com/usher-id/usher/pipeline"
)

// table holds the records of the second source to be found by their keys.
//
// A record lies in data as its length, its number, its key and itself; one without a key only to be told of at the end.
// The index leads from the hash of a key to where its records begin, in their order. The seed is random, so that nobody can
// make keys collide on purpose; whether the keys are the same says their whole text.
type table struct {
	memory int64
	seed   maphash.Seed
	data   blob
	index  index
	count  uint64
	// asked has a bit for every record, which is set where it is the first of a key that was asked for.
	asked []uint64
	// kinds are those of the keys.
	kinds map[byte]bool
	sum   hash.Hash

	scratch, buf []byte
}

func newTable(memory int64) *table {
	return &table{memory: memory, seed: maphash.MakeSeed(), kinds: map[byte]bool{}, sum: sha256.New(),
		index: index{most: int(max(memory/2/entrySize, leastRun))}}
}

// fill reads the whole of a source.
func (t *table) fill(ctx context.Context, source pipeline.Source, by *expression.Program) error {
	var key []byte
	for {
		b, err := source.Next(ctx, readBatch)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		for i := range b.Records {
			r := &b.Records[i]
			r.Raw = nil
			key = key[:0]
			if r.Open() && r.Source != nil {
				key = keyOf(key, by, r)
			}
			if err := t.add(key, r); err != nil {
				return temporary(err)
			}
		}
	}
	t.asked = make([]uint64, (t.count+63)/64)
	if err := t.data.finish(); err != nil {
		return temporary(err)
	}
	return temporary(t.index.finish())
}

// keyOf gives the key of a joined record; one that has none fails, for the report.
func keyOf(dst []byte, by *expression.Program, r *pipeline.Record) []byte {
	v, err := by.Eval(r.Source)
	if err != nil {
		r.Fail(pipeline.EvalProblem("", "join: ", err))
		return dst[:0]
	}
	key, why := appendKey(dst, v)
	if why != "" {
		r.Fail(pipeline.Problem{Code: "join.no_key", Message: "its key " + why + ": `" + by.Text() + "`"})
		return dst[:0]
	}
	return key
}

func temporary(err error) error {
	if err == nil {
		return nil
	}
	return &pipeline.Error{Code: "join.temporary_file", Message: "the joined source cannot be kept in temporary files: " + err.Error(),
		Hint: "make room in the folder that TMPDIR names, or name another; then resume the run", Err: err}
}

func (t *table) add(key []byte, r *pipeline.Record) (err error) {
	rest := binary.AppendUvarint(t.scratch[:0], t.count)
	rest = append(binary.AppendUvarint(rest, uint64(len(key))), key...)
	if rest, err = shelf.AppendRecord(rest, r); err != nil {
		return err
	}
	t.scratch = rest
	t.count++
	t.sum.Write(rest)
	at := t.data.size
	var length [binary.MaxVarintLen64]byte
	if err := t.data.write(binary.AppendUvarint(length[:0], uint64(len(rest)))); err != nil {
		return err
	}
	if err := t.data.write(rest); err != nil {
		return err
	}
	if len(key) > 0 {
		t.kinds[key[0]] = true
		if err := t.index.add(entry{maphash.Bytes(t.seed, key), at}); err != nil {
			return err
		}
	}
	if t.data.held()+t.index.held() > t.memory {
		return t.data.spill()
	}
	return nil
}

// found is a record that lies in the table.
type found struct {
	number uint64
	record string
}

// find gives the first records of a key, at most so many, in their order.
func (t *table) find(key []byte, most int) (list []found, err error) {
	hash := maphash.Bytes(t.seed, key)
	n, err := t.index.first(hash)
	for err == nil && len(list) < most {
		var e entry
		var ok bool
		if e, ok, err = t.index.look(n); err != nil || !ok || e.hash != hash {
			break
		}
		n++
		var rest []byte
		if rest, err = t.read(e.at); err != nil {
			break
		}
		number, k, record, ok := split(rest)
		if !ok {
			err = io.ErrUnexpectedEOF
		} else if bytes.Equal(k, key) {
			list = append(list, found{number, string(record)})
		}
	}
	return list, temporary(err)
}

// ask is find, and notes that the key was asked for.
func (t *table) ask(key []byte, most int) ([]found, error) {
	list, err := t.find(key, most)
	if len(list) > 0 {
		t.asked[list[0].number/64] |= 1 << (list[0].number % 64)
	}
	return list, err
}

func (t *table) wasAsked(number uint64) bool { return t.asked[number/64]&(1<<(number%64)) != 0 }

// usualSize is how much of a record is read before its length is known.
const usualSize = 1 << 10

func (t *table) read(at int64) (rest []byte, err error) {
	if t.buf == nil {
		t.buf = make([]byte, usualSize)
	}
	n, err := t.data.ReadAt(t.buf, at)
	if err != nil && err != io.EOF {
		return nil, err
	}
	length, head := binary.Uvarint(t.buf[:n])
	if head <= 0 || length > uint64(t.data.size) {
		return nil, io.ErrUnexpectedEOF
	}
	whole := head + int(length)
	if whole > len(t.buf) {
		t.buf = append(t.buf, make([]byte, whole-len(t.buf))...)
	}
	if whole > n {
		if _, err := t.data.ReadAt(t.buf[n:whole], at+int64(n)); err != nil && err != io.EOF {
			return nil, err
		}
	}
	return t.buf[head:whole], nil
}

func split(rest []byte) (number uint64, key, record []byte, ok bool) {
	number, n := binary.Uvarint(rest)
	if n <= 0 {
		return 0, nil, nil, false
	}
	rest = rest[n:]
	length, n := binary.Uvarint(rest)
	if n <= 0 || length > uint64(len(rest)-n) {
		return 0, nil, nil, false
	}
	rest = rest[n:]
	return number, rest[:length], rest[length:], true
}

// unasked calls each for every record whose key nobody asked for, in their order.
func (t *table) unasked(each func(ref pipeline.Ref, problems []pipeline.Problem) error) error {
	r := bufio.NewReaderSize(io.NewSectionReader(&t.data, 0, t.data.size), chunkSize)
	var rest []byte
	for range t.count {
		length, err := binary.ReadUvarint(r)
		if err != nil {
			return temporary(err)
		}
		rest = append(rest[:0], make([]byte, length)...)
		if _, err := io.ReadFull(r, rest); err != nil {
			return temporary(err)
		}
		number, key, text, ok := split(rest)
		if !ok {
			return temporary(io.ErrUnexpectedEOF)
		}
		if t.wasAsked(number) {
			continue
		}
		if len(key) > 0 { // another may be the first of this key
			list, err := t.find(key, 1)
			if err != nil {
				return err
			}
			if len(list) > 0 && t.wasAsked(list[0].number) {
				continue
			}
		}
		record, err := shelf.Record(string(text))
		if err != nil {
			return temporary(err)
		}
		if err := each(record.Ref, record.Outcome.Errors); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) close() {
	t.data.close()
	t.index.close()
}
