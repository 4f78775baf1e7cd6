package excelsource

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"strconv"
)

// sharedStrings is the table of texts that cells refer to by number. Up to a limit it is kept in memory, beyond it in a
// file, of which some pages are held.
type sharedStrings struct {
	list  []string
	size  int64
	count int64
	// long are the numbers of texts that are longer than a cell may be; they are kept cut.
	long map[int64]bool
	file *spilled
}

// perString is what a string costs in memory beside its bytes.
const perString = 24

// readStrings reads a part of the kind sharedStrings.
func readStrings(ctx context.Context, part io.Reader, limit int64, maxCell int) (*sharedStrings, error) {
	t := &sharedStrings{long: map[int64]bool{}}
	var s scanner
	s.reset(part)
	var text []byte
	var inside, inText, cut bool
	done := func() error {
		text = meant(text)
		if cut {
			t.long[t.count] = true
		}
		err := t.add(text, limit)
		text, cut, inside, inText = text[:0], false, false, false
		return err
	}
	for {
		k, err := s.next()
		if err == nil && t.count&1023 == 0 {
			err = ctx.Err()
		}
		if err == nil {
			switch k {
			case startTag:
				switch string(s.name) {
				case "si":
					inside = !s.empty
					if s.empty {
						err = done()
					}
				case "t":
					inText = inside && !s.empty
				case "rPh": // how the text is pronounced
					err = s.skip()
				}
			case textPiece:
				if inText {
					if len(text)+len(s.text) > maxCell {
						cut = true
					} else {
						text = s.appendText(text)
					}
				}
			case endTag:
				switch string(s.name) {
				case "t":
					inText = false
				case "si":
					if inside {
						err = done()
					}
				case "sst":
					return t, t.flush()
				}
			case endOfPart:
				err = io.ErrUnexpectedEOF
			}
		}
		if err != nil {
			t.close()
			return nil, err
		}
	}
}

func (t *sharedStrings) add(text []byte, limit int64) error {
	t.count++
	if t.file == nil {
		t.size += int64(len(text)) + perString
		if t.size <= limit {
			t.list = append(t.list, string(text))
			return nil
		}
		var err error
		if t.file, err = newSpilled(); err != nil {
			return err
		}
		for _, s := range t.list {
			if err := t.file.add([]byte(s)); err != nil {
				return err
			}
		}
		t.list = nil
	}
	return t.file.add(text)
}

func (t *sharedStrings) flush() error {
	if t.file == nil {
		return nil
	}
	return t.file.flush()
}

// get gives a text, and whether there is one of this number.
func (t *sharedStrings) get(i int64) (string, bool, error) {
	switch {
	case t == nil || i < 0 || i >= t.count:
		return "", false, nil
	case t.file == nil:
		return t.list[i], true, nil
	}
	s, err := t.file.get(i)
	return s, true, err
}

func (t *sharedStrings) close() {
	if t != nil && t.file != nil {
		t.file.close()
	}
}

// spilled is a list of strings in two files: the texts one after the other, and where each of them ends.
type spilled struct {
	texts, ends paged
	end         int64
}

func newSpilled() (*spilled, error) {
	var s spilled
	for _, p := range []*paged{&s.texts, &s.ends} {
		f, err := os.CreateTemp("", "usher-strings-*")
		if err != nil {
			s.close()
			return nil, err
		}
		// The name is given back at once: the file is gone when this process is, however it ends.
		_ = os.Remove(f.Name())
		p.f = f
	}
	return &s, nil
}

func (s *spilled) add(text []byte) error {
	s.end += int64(len(text))
	var end [8]byte
	binary.LittleEndian.PutUint64(end[:], uint64(s.end))
	if err := s.texts.append(text); err != nil {
		return err
	}
	return s.ends.append(end[:])
}

func (s *spilled) flush() error {
	if err := s.texts.flush(); err != nil {
		return err
	}
	return s.ends.flush()
}

func (s *spilled) get(i int64) (string, error) {
	var ends [16]byte
	if i == 0 {
		if err := s.ends.read(ends[8:], 0); err != nil {
			return "", err
		}
	} else if err := s.ends.read(ends[:], (i-1)*8); err != nil {
		return "", err
	}
	from, to := binary.LittleEndian.Uint64(ends[:8]), binary.LittleEndian.Uint64(ends[8:])
	text := make([]byte, to-from)
	if err := s.texts.read(text, int64(from)); err != nil {
		return "", err
	}
	return string(text), nil
}

func (s *spilled) close() {
	for _, p := range []*paged{&s.texts, &s.ends} {
		if p.f != nil {
			_ = p.f.Close()
			_ = os.Remove(p.f.Name()) // where an open file cannot be removed
		}
	}
}

const (
	pageSize  = 32 << 10
	pageCount = 64
)

// paged is a file that is written once from its start to its end and then read here and there.
type paged struct {
	f     *os.File
	tail  []byte // what is not written yet
	pages [pageCount]struct {
		number int64 // from 1; 0 is none
		bytes  []byte
	}
}

func (p *paged) append(b []byte) error {
	p.tail = append(p.tail, b...)
	if len(p.tail) < pageSize {
		return nil
	}
	return p.flush()
}

func (p *paged) flush() error {
	_, err := p.f.Write(p.tail)
	p.tail = p.tail[:0]
	return err
}

func (p *paged) read(dst []byte, at int64) error {
	for len(dst) > 0 {
		number := at / pageSize
		page := &p.pages[number%pageCount]
		if page.number != number+1 {
			if page.bytes == nil {
				page.bytes = make([]byte, pageSize)
			}
			page.number = 0
			n, err := p.f.ReadAt(page.bytes[:pageSize], number*pageSize)
			if err != nil && err != io.EOF {
				return err
			}
			page.number, page.bytes = number+1, page.bytes[:n]
		}
		from := int(at % pageSize)
		if from >= len(page.bytes) {
			return io.ErrUnexpectedEOF
		}
		n := copy(dst, page.bytes[from:])
		dst, at = dst[n:], at+int64(n)
	}
	return nil
}

// isLong reports whether the text of this number was longer than a cell may be.
func (t *sharedStrings) isLong(raw string) bool {
	if len(t.long) == 0 {
		return false
	}
	i, err := strconv.ParseInt(raw, 10, 64)
	return err == nil && t.long[i]
}
