package jsonsource

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sources/files"
)

// format is how the records stand in a file.
type format uint8

const (
	array format = iota
	ndjson
	concatenated
	wrapped // an object that leads to an array
)

var formatNames = [...]string{"array", "ndjson", "concatenated", "wrapped"}

func (f format) String() string { return formatNames[f] }

// cutter cuts a stream into the texts of its records, without looking further into them than to find their end. So
// one that is no JSON spoils no other, and its text is at hand. It holds one record at a time.
type cutter struct {
	w      *files.Window
	origin string
	format format
	at     []string
	skips  bool // records that are too large are passed over; else they end the run

	inside bool  // the array that holds the records
	first  bool  // no element of it was cut yet
	count  int64 // records so far in the file
	// Where the record that was cut last begins.
	offset, line int64
}

// errRecordTooLarge is the answer for a record that is larger than the window may grow.
var errRecordTooLarge = fmt.Errorf("a record %w", files.ErrTooLong)

// next gives the text of the next record, valid until the call after it; io.EOF at the end.
func (c *cutter) next() ([]byte, error) {
	if c.format == ndjson {
		return c.nextLine()
	}
	for {
		first, err := c.space()
		if err == io.EOF && !c.inside {
			return nil, io.EOF
		}
		if err != nil {
			return nil, c.truncated(err)
		}
		switch {
		case c.inside:
			if first == ']' {
				c.w.Advance(1)
				c.inside = false
				if c.format == wrapped {
					if err := c.leave(); err != nil {
						return nil, err
					}
				}
				continue
			}
			if !c.first {
				if first != ',' {
					return nil, c.syntax(`an element must be followed by "," or "]"`)
				}
				c.w.Advance(1)
				if first, err = c.space(); err != nil {
					return nil, c.truncated(err)
				}
				if first == ']' {
					return nil, c.syntax(`there is a "," without an element behind it`)
				}
			}
			c.first = false
			return c.value(first)
		case c.format == concatenated:
			return c.value(first)
		case c.format == wrapped:
			if err := c.enter(first); err != nil {
				return nil, err
			}
		case first != '[':
			return nil, c.syntax("an array must begin here")
		default:
			c.w.Advance(1)
		}
		c.inside, c.first = true, true
	}
}

// nextLine gives the next line that is not blank.
func (c *cutter) nextLine() ([]byte, error) {
	scanned := 0
	for {
		b := c.w.Bytes()
		end := bytes.IndexByte(b[scanned:], '\n')
		if end < 0 {
			scanned = len(b)
			switch err := c.w.More(); err {
			case nil:
				continue
			case io.EOF:
				if len(b) == 0 {
					return nil, io.EOF
				}
				end = len(b) - scanned
			case files.ErrTooLong:
				c.offset, c.line = c.w.Offset(), c.w.Lines()+1
				c.count++
				return nil, c.skipLine()
			default:
				return nil, err
			}
		}
		end += scanned
		scanned = 0
		c.offset, c.line = c.w.Offset(), c.w.Lines()+1
		if end < len(b) {
			c.w.AdvanceLines(end+1, 1)
		} else {
			c.w.AdvanceLines(end, 0)
		}
		if line := trimSpace(b[:end]); len(line) > 0 {
			c.count++
			return line, nil
		}
	}
}

// skipLine passes over the rest of a line that is too long and says so.
func (c *cutter) skipLine() error {
	for c.skips {
		b := c.w.Bytes()
		if end := bytes.IndexByte(b, '\n'); end >= 0 {
			c.w.AdvanceLines(end+1, 1)
			return errRecordTooLarge
		}
		c.w.AdvanceLines(len(b), 0)
		if err := c.w.More(); err == io.EOF {
			return errRecordTooLarge
		} else if err != nil {
			return err
		}
	}
	return errRecordTooLarge
}

// trimSpace takes the white space off the end, and gives nil if nothing else is there.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	for _, c := range b {
		if !isSpace(c) {
			return b
		}
	}
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// space passes over white space and gives the byte behind it.
func (c *cutter) space() (byte, error) {
	for {
		for i, ch := range c.w.Bytes() {
			if !isSpace(ch) {
				c.w.Advance(i)
				return ch, nil
			}
		}
		c.w.Advance(len(c.w.Bytes()))
		if err := c.w.More(); err != nil {
			return 0, err
		}
	}
}

// value cuts the value that begins here.
func (c *cutter) value(first byte) ([]byte, error) {
	c.offset, c.line = c.w.Offset(), c.w.Lines()+1
	c.count++
	s := newScan(first)
	for {
		b := c.w.Bytes()
		end := s.end(b)
		if end < 0 {
			switch err := c.w.More(); {
			case err == nil:
				continue
			case err == files.ErrTooLong:
				if c.skips {
					if err := c.skip(&s); err != nil {
						return nil, err
					}
				}
				return nil, errRecordTooLarge
			case err == io.EOF && s.scalar && !c.inside:
				end = len(b)
			default:
				return nil, c.truncated(err)
			}
		}
		if end == 0 { // such as a comma where a value must be: there is nothing to cut, and nothing to go on from
			return nil, c.syntax("a value must begin here")
		}
		c.w.Advance(end)
		return b[:end], nil
	}
}

// skip passes over what is left of a value, however large.
func (c *cutter) skip(s *scan) error {
	for {
		b := c.w.Bytes()
		if end := s.end(b); end >= 0 {
			c.w.Advance(end)
			return nil
		}
		c.w.Advance(s.discard(b))
		if err := c.w.More(); err == io.EOF && s.scalar && !c.inside {
			return nil
		} else if err != nil {
			return c.truncated(err)
		}
	}
}

// enter goes down to the array that c.at leads to, and into it.
func (c *cutter) enter(first byte) error {
	for depth, name := range c.at {
		where := strings.Join(c.at[:depth], ".")
		if where == "" {
			where = "the file"
		}
		if first != '{' {
			return c.error("json.at_not_found", where+" is no object, so there is no "+strings.Join(c.at, ".")+" in it",
				"leave `at` out if the file is an array already; where a preset brings it, write `at:` without a value")
		}
		c.w.Advance(1)
		if err := c.find(name, where); err != nil {
			return err
		}
		var err error
		if first, err = c.space(); err != nil {
			return c.truncated(err)
		}
	}
	if first != '[' {
		return c.error("json.at_not_array", strings.Join(c.at, ".")+" is no array", "let `at` lead to the array that holds the records")
	}
	c.w.Advance(1)
	return nil
}

// leave passes over what is left of the objects that the array is in. A second array of that name would be lost.
func (c *cutter) leave() error {
	for depth := len(c.at) - 1; depth >= 0; depth-- {
		name := c.at[depth]
		found, _, err := c.member(name, true)
		if err != nil {
			return err
		}
		if found {
			return c.error("json.duplicate_name", fmt.Sprintf("there is a second %q in the same object", name), "its records are not read: mend the file, so that they stand in one array")
		}
		c.w.Advance(1)
	}
	return nil
}

// find passes over the members of an object up to the value of the named one.
func (c *cutter) find(name, where string) error {
	found, seen, err := c.member(name, false)
	if err != nil || found {
		return err
	}
	hint := "it is empty"
	if len(seen) > 0 {
		hint = "it has " + strings.Join(seen, ", ")
	}
	return c.error("json.at_not_found", fmt.Sprintf("there is no %q in %s", name, where), hint)
}

// member passes over the members of an object up to the value of the named one, or to the brace that ends the object; more
// says that it stands behind a member. It gives the names of the first ones.
func (c *cutter) member(name string, more bool) (found bool, seen []string, err error) {
	for {
		first, err := c.space()
		if err == nil && first == ',' && more {
			c.w.Advance(1)
			first, err = c.space()
		} else if err == nil && first != '}' && more {
			return false, nil, c.syntax(`a member must be followed by "," or "}"`)
		}
		if err != nil {
			return false, nil, c.truncated(err)
		}
		if first == '}' {
			return false, seen, nil
		}
		if first != '"' {
			return false, nil, c.syntax("a name must begin here")
		}
		quoted, err := c.name()
		if err != nil {
			return false, nil, err
		}
		unquoted, err := jsontext.AppendUnquote(nil, quoted)
		if err != nil {
			return false, nil, c.syntax("this is no name")
		}
		if first, err = c.space(); err != nil {
			return false, nil, c.truncated(err)
		}
		if first != ':' {
			return false, nil, c.syntax(`a name must be followed by ":"`)
		}
		c.w.Advance(1)
		if string(unquoted) == name {
			return true, nil, nil
		}
		if len(seen) < 10 {
			seen = append(seen, string(unquoted))
		}
		if first, err = c.space(); err != nil {
			return false, nil, c.truncated(err)
		}
		s := newScan(first)
		if err := c.skip(&s); err != nil {
			return false, nil, err
		}
		more = true
	}
}

func (c *cutter) name() ([]byte, error) {
	s := newScan('"')
	for {
		b := c.w.Bytes()
		if end := s.end(b); end >= 0 {
			c.w.Advance(end)
			return b[:end], nil
		}
		if err := c.w.More(); err != nil {
			return nil, c.truncated(err)
		}
	}
}

// truncated makes the end of the file an error, where it is too early.
func (c *cutter) truncated(err error) error {
	if err != io.EOF {
		return err
	}
	what := "before its end"
	if c.inside {
		what = fmt.Sprintf("in or behind record %d", c.count)
	}
	return c.error("json.truncated", "the file ends "+what, "fetch the file again: it is not whole")
}

func (c *cutter) syntax(message string) error { return c.error("json.syntax", message, "") }

// error is about the place where the window begins.
func (c *cutter) error(code, message, hint string) error {
	return &pipeline.Error{Code: code, Hint: hint, Message: fmt.Sprintf("%s: line %d, byte %d: %s", c.origin, c.w.Lines()+1, c.w.Offset(), message)}
}

// scan finds the end of a value in bytes that come piece by piece.
type scan struct {
	pos      int // looked at so far
	depth    int
	inString bool
	text     int // where the string's text begins
	scalar   bool
}

// newScan begins a value with its first byte, which is still to be looked at.
func newScan(first byte) scan {
	return scan{scalar: first != '{' && first != '[' && first != '"'}
}

// end gives the length of the value at the beginning of b, of which more may have been looked at before, or -1 if it is
// not all there.
func (s *scan) end(b []byte) int {
	i := s.pos
	if s.scalar {
		for ; i < len(b); i++ {
			if c := b[i]; isSpace(c) || c == ',' || c == ']' || c == '}' {
				return i
			}
		}
		s.pos = i
		return -1
	}
	for i < len(b) {
		if s.inString {
			quote := bytes.IndexByte(b[i:], '"')
			if quote < 0 {
				break
			}
			i += quote + 1
			if escapes(b[s.text:i-1])%2 == 1 {
				continue
			}
			s.inString = false
			if s.depth == 0 {
				return i
			}
			continue
		}
		switch b[i] {
		case '"':
			s.inString, s.text = true, i+1
		case '{', '[':
			s.depth++
		case '}', ']':
			if s.depth--; s.depth == 0 {
				return i + 1
			}
		}
		i++
	}
	s.pos = len(b)
	return -1
}

// escapes counts the backslashes at the end of b.
func escapes(b []byte) int {
	n := 0
	for n < len(b) && b[len(b)-1-n] == '\\' {
		n++
	}
	return n
}

// discard says how much of b, all of which was looked at, is not needed any more.
func (s *scan) discard(b []byte) int {
	n := len(b)
	if s.inString {
		n -= escapes(b[s.text:]) % 2
	}
	s.pos = len(b) - n
	s.text = 0
	return n
}
