package excelsink

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"

	"github.com/usher-id/usher/pipeline"
)

// cell is a value as the workbook will have it.
type cell struct {
	kind   kind
	text   string
	number float64 // of a float, a moment: days since 1899-12-30
	whole  int64
}

type kind uint8

// The kinds of cells; the numbers stand in spill files.
const (
	none   kind = iota // the row has nothing for the column
	null               // nothing is written, but the column is there
	text               // text
	whole              // a whole number that Excel keeps
	float              // any other number
	no                 // false
	yes                // true
	moment             // a date with a time
	millis             // the same with milliseconds
)

// The spill holds the rows until the workbook can be written: a workbook is a zip file, which cannot be gone on with by
// a resumed run, and its columns must be known before its first row. It is a list of entries that are only appended:
//
//	0, length, bytes              a column; they are numbered from 0
//	1, length, cells              a row: cells are column, kind, value, all lengths and numbers as varints
const (
	entryColumn = iota
	entryRow
)

// spill is the file. Only what was flushed is known to it.
type spill struct {
	path string
	file *os.File
	buf  []byte
	row  []byte
	size int64
	sum  uint32 // CRC-32C of that much
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const flushSize = 256 << 10

func (s *spill) write() error {
	if len(s.buf) == 0 {
		return nil
	}
	n, err := s.file.Write(s.buf)
	s.size += int64(n)
	s.sum = crc32.Update(s.sum, castagnoli, s.buf[:n])
	s.buf = append(s.buf[:0], s.buf[n:]...)
	return err
}

func (s *spill) column(name string) {
	s.buf = append(s.buf, entryColumn)
	s.buf = binary.AppendUvarint(s.buf, uint64(len(name)))
	s.buf = append(s.buf, name...)
}

// add appends a row, whose cells are by column.
func (s *spill) add(cells []cell) error {
	r := s.row[:0]
	for i := range cells {
		c := &cells[i]
		if c.kind == none {
			continue
		}
		r = binary.AppendUvarint(r, uint64(i))
		r = append(r, byte(c.kind))
		switch c.kind {
		case text:
			r = binary.AppendUvarint(r, uint64(len(c.text)))
			r = append(r, c.text...)
		case whole:
			r = binary.AppendVarint(r, c.whole)
		case float, moment, millis:
			r = binary.LittleEndian.AppendUint64(r, math.Float64bits(c.number))
		}
	}
	s.row = r
	s.buf = append(s.buf, entryRow)
	s.buf = binary.AppendUvarint(s.buf, uint64(len(r)))
	s.buf = append(s.buf, r...)
	if len(s.buf) < flushSize {
		return nil
	}
	return s.write()
}

var errSpill = errors.New("the temporary file of the run is damaged")

// read goes through all that was flushed: column is called for every column, row for every row. cells is by column, and is
// used again.
func (s *spill) read(column func(name string) error, row func(cells []cell) error) error {
	content := crc32.New(castagnoli)
	in := bufio.NewReaderSize(io.TeeReader(io.NewSectionReader(s.file, 0, s.size), content), flushSize)
	var cells []cell
	var payload []byte
	for {
		entry, err := in.ReadByte()
		if err == io.EOF {
			if s.sum != content.Sum32() {
				return errSpill
			}
			return nil
		}
		if err != nil {
			return err
		}
		n, err := binary.ReadUvarint(in)
		if err != nil || n > uint64(s.size) {
			return errSpill
		}
		if uint64(cap(payload)) < n {
			payload = make([]byte, n)
		}
		payload = payload[:n]
		if _, err := io.ReadFull(in, payload); err != nil {
			return errSpill
		}
		switch entry {
		case entryColumn:
			cells = append(cells, cell{})
			err = column(string(payload))
		case entryRow:
			clear(cells)
			if !decode(payload, cells) {
				return errSpill
			}
			err = row(cells)
		default:
			return errSpill
		}
		if err != nil {
			return err
		}
	}
}

func decode(b []byte, cells []cell) bool {
	for len(b) > 0 {
		i, n := binary.Uvarint(b)
		if n <= 0 || i >= uint64(len(cells)) || len(b) == n {
			return false
		}
		c := cell{kind: kind(b[n])}
		b = b[n+1:]
		switch c.kind {
		case text:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return false
			}
			c.text = string(b[n : n+int(size)])
			b = b[n+int(size):]
		case whole:
			v, n := binary.Varint(b)
			if n <= 0 {
				return false
			}
			c.whole, b = v, b[n:]
		case float, moment, millis:
			if len(b) < 8 {
				return false
			}
			c.number, b = math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:]
		case null, no, yes:
		default:
			return false
		}
		cells[i] = c
	}
	return true
}

func (s *spill) close() error {
	f := s.file
	s.file, s.buf = nil, nil
	if f == nil {
		return nil
	}
	return f.Close()
}

// remove takes the file away: nothing needs it any more.
func (s *spill) remove() error {
	if s.file == nil {
		return nil
	}
	path := s.file.Name()
	err := s.close()
	if removeErr := os.Remove(path); !errors.Is(removeErr, fs.ErrNotExist) {
		err = errors.Join(err, removeErr)
	}
	return err
}

func badPosition(err error) error {
	return &pipeline.Error{Code: "excel.bad_position", Message: "the place to go on from cannot be read", Hint: "run the pipeline again from the start", Err: err}
}
