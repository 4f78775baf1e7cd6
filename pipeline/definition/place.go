package definition

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// locate gives the line and column in the file of a byte of a scalar's value, through its quotes, escapes, folds
// and indentation.
func (l *loader) locate(n *yaml.Node, offset int) (line, column int) {
	s := newScanner(l.lines, n.Line, n.Column)
	s.skipProperties()
	switch {
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		s.next()
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		s = newScanner(l.lines, s.line+1, 1) // the text begins under the | or >
	}
	s.align(n.Value, offset, n.Style)
	if s.line > len(l.lines) {
		return n.Line, n.Column
	}
	return s.line, s.column
}

// scanner walks the characters of the file; a line's end is a '\n'.
type scanner struct {
	lines        []string
	line, column int
	rest         string // of the line
}

const end = utf8.MaxRune + 1

func newScanner(lines []string, line, column int) *scanner {
	s := &scanner{lines: lines, line: line, column: 1}
	if line <= len(lines) {
		s.rest = lines[line-1]
	}
	for s.column < column && s.rest != "" {
		s.next()
	}
	return s
}

func (s *scanner) peek() rune {
	switch {
	case s.line > len(s.lines):
		return end
	case s.rest == "":
		return '\n'
	}
	r, _ := utf8.DecodeRuneInString(s.rest)
	return r
}

func (s *scanner) next() rune {
	r := s.peek()
	switch r {
	case end:
	case '\n':
		s.line, s.column = s.line+1, 1
		if s.line <= len(s.lines) {
			s.rest = s.lines[s.line-1]
		}
	default:
		s.column++
		s.rest = s.rest[utf8.RuneLen(r):]
	}
	return r
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }

func (s *scanner) skipSpace() {
	for isSpace(s.peek()) {
		s.next()
	}
}

// skipProperties passes over an anchor and a tag before the scalar.
func (s *scanner) skipProperties() {
	for r := s.peek(); r == '&' || r == '!'; r = s.peek() {
		for r := s.peek(); r != end && !isSpace(r); r = s.peek() {
			s.next()
		}
		s.skipSpace()
	}
}

// align walks the value and the file side by side until the byte of the value.
func (s *scanner) align(text string, offset int, style yaml.Style) {
	for i := 0; i < len(text) || i < offset; {
		if i >= len(text) {
			return
		}
		want, size := utf8.DecodeRuneInString(text[i:])
		have := s.peek()
		if have != want && isSpace(have) && !isSpace(want) { // indentation, or a line that is folded away
			s.skipSpace()
			have = s.peek()
		}
		switch {
		case have == '\\' && style&yaml.DoubleQuotedStyle != 0:
			start := *s
			meant := s.escaped()
			if i+len(meant) > offset {
				*s = start
				return
			}
			i += len(meant)
		case i >= offset || have == end:
			return
		case have == '\'' && style&yaml.SingleQuotedStyle != 0: // doubled in the file
			s.next()
			s.next()
			i += size
		case have == want:
			s.next()
			i += size
		case isSpace(have):
			s.skipSpace()
			for i < offset && i < len(text) && isSpace(rune(text[i])) {
				i++
			}
		default: // not the text that was parsed: the nearest place must do
			s.next()
			i += size
		}
	}
}

var escapes = map[rune]string{
	'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", '\t': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r", 'e': "\x1b",
	' ': " ", '"': `"`, '/': "/", '\\': `\`, 'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029",
}

// escaped passes over one escape of a double-quoted scalar (YAML 1.2, section 5.7) and gives what it stands for.
func (s *scanner) escaped() string {
	s.next()
	kind := s.next()
	if kind == '\n' { // an escaped line end stands for nothing
		for r := s.peek(); r == ' ' || r == '\t'; r = s.peek() {
			s.next()
		}
		return ""
	}
	var code rune
	for range map[rune]int{'x': 2, 'u': 4, 'U': 8}[kind] {
		code = code<<4 | rune(max(0, strings.IndexRune("0123456789abcdef", s.next()|0x20)))
	}
	if code != 0 || escapes[kind] == "" {
		return string(code)
	}
	return escapes[kind]
}
