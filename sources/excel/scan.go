package excelsource

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// scanner cuts a part of a workbook into XML tags and text. It knows as much of XML 1.0 as SpreadsheetML uses
// (ECMA-376-1, annex on XML): no document type, hence no entities but the five of XML itself and numbers. Its memory is
// one buffer, whatever the part holds.
type scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int
	err      error // of r
	cdata    bool  // inside <![CDATA[

	name  []byte // of the last tag, without its prefix
	attrs []byte // of the last start tag
	empty bool   // the last start tag was <x/>: no end tag follows
	text  []byte // the last piece of text, as it stands in the part
	plain bool   // the last piece of text came from a CDATA section: & means itself
}

type token uint8

const (
	startTag token = iota
	endTag
	textPiece
	endOfPart
)

// scanBuffer is also the size that a tag can have.
const scanBuffer = 64 << 10

var (
	errDocumentType = errors.New("it has a document type definition, which workbooks never have")
	errLongTag      = errors.New("it has a tag of more than 64 KB")
	errXML          = errors.New("it is no well-formed XML")
)

func (s *scanner) reset(r io.Reader) {
	buf := s.buf
	if buf == nil {
		buf = make([]byte, scanBuffer)
	}
	*s = scanner{r: r, buf: buf}
}

// fill reads behind what is in the buffer. It reports false where there is nothing more, or no room.
func (s *scanner) fill() bool {
	if s.err != nil {
		return false
	}
	if s.pos > 0 {
		s.end = copy(s.buf, s.buf[s.pos:s.end])
		s.pos = 0
	}
	if s.end == len(s.buf) {
		return false
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		s.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// next gives the next tag or piece of text. What it gives is valid until the next call.
func (s *scanner) next() (token, error) {
	for {
		if s.cdata {
			if t, err := s.section(); err != nil || s.cdata {
				return t, err
			}
			if len(s.text) > 0 {
				return textPiece, nil
			}
			continue
		}
		b := s.buf[s.pos:s.end]
		i := bytes.IndexByte(b, '<')
		if i < 0 {
			if s.fill() {
				continue
			}
			b = s.buf[s.pos:s.end]
			if s.err != nil && !errors.Is(s.err, io.EOF) {
				return 0, s.err
			}
			if len(b) == 0 {
				return endOfPart, nil
			}
			cut := len(b)
			if k := bytes.LastIndexByte(b, '&'); k > len(b)-entitySize && s.err == nil && bytes.IndexByte(b[k:], ';') < 0 {
				cut = k // an entity is not to be divided
			}
			s.text, s.plain = b[:cut], false
			s.pos += cut
			return textPiece, nil
		}
		if i > 0 {
			s.text, s.plain = b[:i], false
			s.pos += i
			return textPiece, nil
		}
		if len(b) < 2 {
			if s.fill() {
				continue
			}
			return 0, s.broken()
		}
		switch b[1] {
		case '/':
			j, err := s.find('>')
			if err != nil {
				return 0, err
			}
			s.name = local(s.buf[s.pos+2 : s.pos+j])
			if n := len(s.name); n > 0 && s.name[n-1] <= ' ' {
				s.name = bytes.TrimRight(s.name, " \t\r\n")
			}
			s.pos += j + 1
			return endTag, nil
		case '?':
			if err := s.skipPast("?>"); err != nil {
				return 0, err
			}
		case '!':
			if err := s.declaration(); err != nil {
				return 0, err
			}
		default:
			return startTag, s.start()
		}
	}
}

// broken is the reason why a tag has no end.
func (s *scanner) broken() error {
	switch {
	case s.err == nil:
		return errLongTag
	case errors.Is(s.err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return s.err
}

// find gives the place of c, from the start of the tag at hand.
func (s *scanner) find(c byte) (int, error) {
	for {
		if j := bytes.IndexByte(s.buf[s.pos:s.end], c); j >= 0 {
			return j, nil
		}
		if !s.fill() {
			return 0, s.broken()
		}
	}
}

// skipPast passes over everything up to and with the end of a comment or instruction, of any length.
func (s *scanner) skipPast(end string) error {
	for {
		b := s.buf[s.pos:s.end]
		if j := bytes.Index(b, []byte(end)); j >= 0 {
			s.pos += j + len(end)
			return nil
		}
		s.pos += max(0, len(b)-len(end)+1)
		if !s.fill() {
			return s.broken()
		}
	}
}

func (s *scanner) declaration() error {
	const cdata = "<![CDATA["
	for s.end-s.pos < len(cdata) {
		if !s.fill() {
			return s.broken()
		}
	}
	b := s.buf[s.pos:s.end]
	switch {
	case bytes.HasPrefix(b, []byte("<!--")):
		s.pos += len("<!--")
		return s.skipPast("-->")
	case bytes.HasPrefix(b, []byte(cdata)):
		s.pos += len(cdata)
		s.cdata = true
		return nil
	}
	return errDocumentType
}

// section gives a piece of a CDATA section.
func (s *scanner) section() (token, error) {
	for {
		b := s.buf[s.pos:s.end]
		s.plain = true
		if j := bytes.Index(b, []byte("]]>")); j >= 0 {
			s.text, s.cdata = b[:j], false
			s.pos += j + 3
			return textPiece, nil
		}
		if len(b) == len(s.buf) {
			s.text = b[:len(b)-2]
			s.pos += len(b) - 2
			return textPiece, nil
		}
		if !s.fill() {
			return 0, s.broken()
		}
	}
}

func (s *scanner) start() error {
	var j int
	for {
		if j = tagEnd(s.buf[s.pos:s.end]); j >= 0 {
			break
		}
		if !s.fill() {
			return s.broken()
		}
	}
	tag := s.buf[s.pos+1 : s.pos+j]
	s.pos += j + 1
	if s.empty = len(tag) > 0 && tag[len(tag)-1] == '/'; s.empty {
		tag = tag[:len(tag)-1]
	}
	s.attrs = nil
	for i, c := range tag {
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			tag, s.attrs = tag[:i], tag[i+1:]
			break
		}
	}
	if len(tag) == 0 {
		return errXML
	}
	s.name = local(tag)
	return nil
}

// tagEnd gives the place of the > that ends a tag, or -1. A > inside quotes does not.
func tagEnd(b []byte) int {
	j := bytes.IndexByte(b, '>')
	if j < 0 {
		return -1
	}
	if bytes.IndexByte(b[:j], '\'') < 0 && bytes.Count(b[:j], quote)&1 == 0 {
		return j
	}
	var in byte
	for i, c := range b {
		switch {
		case in != 0:
			if c == in {
				in = 0
			}
		case c == '"' || c == '\'':
			in = c
		case c == '>':
			return i
		}
	}
	return -1
}

var quote = []byte{'"'}

// local takes the namespace prefix off a name: some programs write x:row.
func local(name []byte) []byte {
	return name[bytes.IndexByte(name, ':')+1:]
}

// attribute cuts the first attribute off attrs; ok is false at the end and where there is none.
func attribute(attrs []byte) (name, val, rest []byte, ok bool) {
	for len(attrs) > 0 && attrs[0] <= ' ' {
		attrs = attrs[1:]
	}
	eq := bytes.IndexByte(attrs, '=')
	if eq <= 0 {
		return nil, nil, nil, false
	}
	name, attrs = attrs[:eq], attrs[eq+1:]
	if name[eq-1] <= ' ' {
		name = bytes.TrimRight(name, " \t\r\n")
	}
	for len(attrs) > 0 && attrs[0] <= ' ' {
		attrs = attrs[1:]
	}
	if len(attrs) == 0 || attrs[0] != '"' && attrs[0] != '\'' {
		return nil, nil, nil, false
	}
	end := bytes.IndexByte(attrs[1:], attrs[0])
	if end < 0 {
		return nil, nil, nil, false
	}
	return name, attrs[1 : end+1], attrs[end+2:], true
}

// attr gives an attribute of the last start tag by its local name, unescaped, or "".
func (s *scanner) attr(want string) string {
	for rest := s.attrs; ; {
		name, val, more, ok := attribute(rest)
		if !ok {
			return ""
		}
		if string(local(name)) == want {
			return string(unescape(nil, val))
		}
		rest = more
	}
}

// skip passes over the element whose start tag was the last.
func (s *scanner) skip() error {
	if s.empty {
		return nil
	}
	for depth := 1; depth > 0; {
		t, err := s.next()
		if err != nil {
			return err
		}
		switch t {
		case startTag:
			if !s.empty {
				depth++
			}
		case endTag:
			depth--
		case endOfPart:
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}

// appendText appends the last piece of text.
func (s *scanner) appendText(dst []byte) []byte {
	if s.plain {
		return append(dst, s.text...)
	}
	return unescape(dst, s.text)
}

// entitySize bounds the length of an entity: &#x10FFFF; with some leading zeros.
const entitySize = 16

// unescape appends text with its entities replaced. One that XML does not define stays as it is.
func unescape(dst, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '&')
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		text = text[i:]
		end := bytes.IndexByte(text[:min(len(text), entitySize)], ';')
		if end < 0 {
			dst, text = append(dst, '&'), text[1:]
			continue
		}
		if r := entity(text[1:end]); r >= 0 {
			dst = utf8.AppendRune(dst, r)
		} else {
			dst = append(dst, text[:end+1]...)
		}
		text = text[end+1:]
	}
}

func entity(name []byte) rune {
	switch string(name) {
	case "amp":
		return '&'
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "quot":
		return '"'
	case "apos":
		return '\''
	}
	if len(name) < 2 || name[0] != '#' {
		return -1
	}
	base, digits := rune(10), name[1:]
	if digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	if len(digits) == 0 {
		return -1
	}
	var r rune
	for _, c := range digits {
		d := hexDigit(c)
		if d < 0 || d >= base {
			return -1
		}
		if r = r*base + d; r > utf8.MaxRune {
			return -1
		}
	}
	if !utf8.ValidRune(r) {
		return -1
	}
	return r
}

func hexDigit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// meant undoes, in place, what programs do to text that XML cannot hold: _x000D_ for a carriage return (ECMA-376-1,
// 22.9.2.19), and gives line ends as \n.
func meant(b []byte) []byte {
	if bytes.IndexByte(b, '\r') < 0 && !bytes.Contains(b, []byte("_x")) {
		return b
	}
	out := b[:0]
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '\r':
			if i+1 >= len(b) || b[i+1] != '\n' {
				out = append(out, '\n')
			}
			i++
		case c == '_' && i+7 <= len(b) && b[i+1] == 'x' && b[i+6] == '_':
			r := rune(0)
			for _, h := range b[i+2 : i+6] {
				d := hexDigit(h)
				if d < 0 {
					r = -1
					break
				}
				r = r<<4 | d
			}
			if r <= 0 || !utf8.ValidRune(r) {
				out = append(out, c)
				i++
				continue
			}
			// The rune takes at most 3 bytes, its escape 7: out stays behind i.
			if r == '\r' {
				if !bytes.HasPrefix(b[i+7:], []byte("\n")) {
					out = append(out, '\n')
				}
			} else {
				out = utf8.AppendRune(out, r)
			}
			i += 7
		default:
			out = append(out, c)
			i++
		}
	}
	return out
}
