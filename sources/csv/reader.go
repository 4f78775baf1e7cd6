package csvsource

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/usher-id/usher/sources/files"
)

// dialect is how values are divided and quoted.
type dialect struct {
	delimiter byte
	quote     byte // 0 for none
	lineEnd   byte // a line feed, before which a carriage return may stand, or a carriage return
	backslash bool // in quotes, a backslash stands before a quote, a backslash or a line end
}

// reader cuts a stream into rows and rows into values (RFC 4180, with any dialect). encoding/csv is not used because it
// holds a value without a bound, forgets the text of a row that it cannot read and does not tell "" from nothing.
type reader struct {
	w *files.Window
	dialect
	columns int // values of a whole row, 0 while that is not known

	// The row that was read last. Its text is valid until the next call.
	text   []byte
	line   int64
	fields []string
	quoted []bool // fields that stood in quotes; nil where none did

	scratch []byte
	ends    []int
	flags   []bool
}

// What can be wrong with one row. The stream goes on behind it.
var (
	errBadQuote = errors.New("a quote where none may be")
	errUnclosed = errors.New("a quote that nothing closes")
	errTooLarge = errors.New("a row larger than the bound")
	errNotUTF8  = errors.New("bytes that are not UTF-8")
	errNUL      = errors.New("a NUL byte")
)

// read reads the next row that is not blank. The error is io.EOF, one of the above, which are about the row in text and
// line, or the stream's own. With errNotUTF8 and errNUL the fields are there, too.
func (r *reader) read() error {
	line, err := r.peekLine()
	if err != nil {
		return err
	}
	r.line = r.w.Lines() + 1
	r.quoted = nil
	if r.quote != 0 && bytes.IndexByte(line, r.quote) >= 0 {
		return r.readQuoted()
	}
	r.pass(len(line))
	line = trimReturn(line)
	r.text = line
	// One string for the row; its values share it.
	s := string(line)
	r.fields = r.fields[:0]
	for {
		i := strings.IndexByte(s, r.delimiter)
		if i < 0 {
			r.fields = append(r.fields, s)
			return check(line)
		}
		r.fields = append(r.fields, s[:i])
		s = s[i+1:]
	}
}

func check(text []byte) error {
	if !utf8.Valid(text) {
		return errNotUTF8
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return errNUL
	}
	return nil
}

// trimReturn takes off the carriage return of a line end. Two stand there where a program has put one to every line feed
// of a file that had them already.
func trimReturn(line []byte) []byte {
	for range 2 {
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
	}
	return line
}

// peekLine gives the line that begins here, without its line feed, past blank ones.
func (r *reader) peekLine() ([]byte, error) {
	scanned := 0
	for {
		b := r.w.Bytes()
		end := bytes.IndexByte(b[scanned:], r.lineEnd)
		if end < 0 {
			scanned = len(b)
			switch err := r.w.More(); {
			case err == nil:
				continue
			case err == files.ErrTooLong:
				if r.quote != 0 && bytes.IndexByte(b, r.quote) >= 0 {
					return b, nil
				}
				r.line = r.w.Lines() + 1
				return nil, r.passLongLine()
			case err != io.EOF || len(trimReturn(b)) == 0:
				return nil, err
			}
			return b, nil
		}
		line := b[:scanned+end]
		if len(trimReturn(line)) > 0 {
			return line, nil
		}
		r.w.AdvanceLines(len(line)+1, 1)
		scanned = 0
	}
}

// pass passes over n bytes and the line feed behind them.
func (r *reader) pass(n int) {
	if n < len(r.w.Bytes()) {
		n++
	}
	r.w.Advance(n)
}

// passLongLine passes over a line that is too long to be held.
func (r *reader) passLongLine() error {
	r.text = nil
	for {
		b := r.w.Bytes()
		if end := bytes.IndexByte(b, r.lineEnd); end >= 0 {
			r.w.AdvanceLines(end+1, 1)
			return errTooLarge
		}
		r.w.AdvanceLines(len(b), 0)
		if err := r.w.More(); err == io.EOF {
			return errTooLarge
		} else if err != nil {
			return err
		}
	}
}

// The states of a row with quotes in it.
const (
	atStart = iota
	inPlain
	inQuotes
	behindQuotes
)

// readQuoted reads a row that has a quote in its first line.
func (r *reader) readQuoted() error {
	r.scratch, r.ends, r.flags = r.scratch[:0], r.ends[:0], r.flags[:0]
	state, pos := atStart, 0
	endField := func() {
		r.ends = append(r.ends, len(r.scratch))
		r.flags = append(r.flags, state == behindQuotes)
		state = atStart
	}
	endLine := func() {
		if state == inPlain {
			from := 0
			if n := len(r.ends); n > 0 {
				from = r.ends[n-1]
			}
			r.scratch = r.scratch[:from+len(trimReturn(r.scratch[from:]))]
		}
		endField()
	}
	for {
		b := r.w.Bytes()
		for pos < len(b) {
			c := b[pos]
			if state == inQuotes {
				end := bytes.IndexByte(b[pos:], r.quote)
				if r.backslash {
					rest := b[pos:]
					if end >= 0 {
						rest = rest[:end]
					}
					if at := bytes.IndexByte(rest, '\\'); at >= 0 {
						if pos+at+1 == len(b) {
							if err := r.w.More(); err == nil {
								b = r.w.Bytes()
								continue
							} else if err != io.EOF {
								return r.stop(err, pos)
							}
							return r.recover(errUnclosed, pos)
						}
						r.scratch = append(r.scratch, rest[:at]...)
						if next := b[pos+at+1]; next != r.quote && next != '\\' && next != '\n' && next != '\r' {
							r.scratch = append(r.scratch, '\\')
						}
						r.scratch = append(r.scratch, b[pos+at+1])
						pos += at + 2
						continue
					}
				}
				if end < 0 {
					r.scratch = append(r.scratch, b[pos:]...)
					pos = len(b)
					break
				}
				r.scratch = append(r.scratch, b[pos:pos+end]...)
				pos += end + 1
				state = behindQuotes
				continue
			}
			switch {
			case c == r.lineEnd:
				endLine()
				return r.finish(pos)
			case c == r.delimiter:
				endField()
			case c == r.quote && state == atStart:
				state = inQuotes
			case c == r.quote && state == behindQuotes:
				r.scratch = append(r.scratch, c)
				state = inQuotes
			case c == '\r' && state == behindQuotes && pos+1 == len(b):
				// Whether it belongs to the line end shows with the next byte.
				if err := r.w.More(); err == nil {
					b = r.w.Bytes()
					continue
				} else if err != io.EOF {
					return r.stop(err, pos)
				}
			case c == '\r' && state == behindQuotes && (b[pos+1] == r.lineEnd || b[pos+1] == c):
			case c == r.quote || state == behindQuotes:
				return r.recover(errBadQuote, pos)
			default:
				from := pos
				for pos < len(b) && b[pos] != r.delimiter && b[pos] != r.lineEnd && b[pos] != r.quote {
					pos++
				}
				r.scratch = append(r.scratch, b[from:pos]...)
				state = inPlain
				continue
			}
			pos++
		}
		if err := r.w.More(); err == io.EOF {
			if state == inQuotes {
				return r.recover(errUnclosed, pos)
			}
			endLine()
			return r.finish(pos)
		} else if err != nil {
			return r.stop(err, pos)
		}
	}
}

// stop ends a row whose end could not be reached.
func (r *reader) stop(err error, pos int) error {
	if err == files.ErrTooLong {
		return r.recover(errUnclosed, pos)
	}
	return err
}

// finish makes the values of a row that is n bytes long.
func (r *reader) finish(n int) error {
	text := r.w.Bytes()[:n]
	r.pass(n)
	r.text = trimReturn(text)
	s := string(r.scratch)
	r.fields = r.fields[:0]
	from := 0
	for _, end := range r.ends {
		r.fields = append(r.fields, s[from:end])
		from = end
	}
	r.quoted = r.flags
	return check(text)
}

// recover finds where the row with an error at byte pos ends, as far as that can be told. A quote that should not be
// there, early in a row, swallows the rows behind it: if the row's second line is a whole row by itself, the first line
// alone is at fault. Otherwise a value has line ends in it, and the row ends with the line of the error.
func (r *reader) recover(fault error, pos int) error {
	first, err := r.endOfLine(0)
	if err == files.ErrTooLong {
		return r.passLongLine()
	} else if err != nil {
		return err
	}
	end := first
	if fault == errBadQuote && pos > first {
		if last, err := r.endOfLine(pos); err == nil && !r.whole(r.w.Bytes()[first+1:]) {
			end = last
		} else if err != nil && err != files.ErrTooLong {
			return err
		}
	}
	b := r.w.Bytes()
	r.text = trimReturn(b[:end])
	r.pass(end)
	return fault
}

// endOfLine gives the place of the first line end from pos on, or of the end of the stream.
func (r *reader) endOfLine(pos int) (int, error) {
	for {
		b := r.w.Bytes()
		if i := bytes.IndexByte(b[pos:], r.lineEnd); i >= 0 {
			return pos + i, nil
		}
		pos = len(b)
		if err := r.w.More(); err == io.EOF {
			return pos, nil
		} else if err != nil {
			return 0, err
		}
	}
}

// whole reports whether the line at the beginning of b is a row with the right number of values.
func (r *reader) whole(b []byte) bool {
	if end := bytes.IndexByte(b, r.lineEnd); end >= 0 {
		b = b[:end]
	}
	one := reader{w: files.NewWindow(int64(len(b)) + 1), dialect: r.dialect}
	one.w.LineEnd(r.lineEnd)
	one.w.Reset(bytes.NewReader(b), 0, 0)
	return one.read() == nil && (r.columns == 0 || len(one.fields) == r.columns)
}
