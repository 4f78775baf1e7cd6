package value

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Parser builds values from JSON text. It remembers member names between calls: use one per goroutine. The values
// do not share memory with the text that was given, but may with one another: who keeps a small one for long, clones it.
// The zero Parser is ready to use.
type Parser struct {
	names names

	// What has been read of objects and lists that are not at their end.
	members  []Member
	elements []any

	// What is allocated and not used yet, how many the text at hand has used, and the text before.
	free                        []Member
	objects                     []Object
	membersSoFar, membersBefore int
	objectsSoFar, objectsBefore int
}

// Read gives the value that text begins with, and where it ends in text. It must be strict RFC 8259 by the defaults of
// jsontext, at most 10 000 levels deep; errors are jsontext's own, which SyntaxReason puts into words, and io.EOF where there is nothing.
func (p *Parser) Read(text []byte) (v any, end int, err error) {
	p.renew()
	q := quick{Parser: p, s: string(text)}
	if v, ok := q.value(&p.names.top, 0); ok {
		return v, q.i, nil
	}
	clear(p.members)
	clear(p.elements)
	p.members, p.elements = p.members[:0], p.elements[:0]
	d := jsontext.NewDecoder(bytes.NewBuffer(text))
	v, err = p.next(d)
	return v, int(d.InputOffset()), err
}

// next gives the next value of d, or io.EOF at the end of the input.
func (p *Parser) next(d *jsontext.Decoder) (any, error) {
	switch d.PeekKind() {
	case '{':
		if _, err := d.ReadToken(); err != nil {
			return nil, err
		}
		o := NewObject(12)
		for {
			if k := d.PeekKind(); k != '"' {
				_, err := d.ReadToken()
				return o, err
			}
			quoted, err := d.ReadValue()
			if err != nil {
				return nil, err
			}
			name := p.name(quoted)
			v, err := p.next(d)
			if err != nil {
				return nil, inside(err)
			}
			o.Append(name, v)
		}
	case '[':
		if _, err := d.ReadToken(); err != nil {
			return nil, err
		}
		list := []any{}
		for {
			if d.PeekKind() == ']' {
				_, err := d.ReadToken()
				return list, err
			}
			v, err := p.next(d)
			if err != nil {
				return nil, inside(err)
			}
			list = append(list, v)
		}
	case '0':
		literal, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		return ParseNumber(string(literal)), nil
	}
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case '"':
		return t.String(), nil
	case 't':
		return true, nil
	case 'f':
		return false, nil
	}
	return nil, nil
}

// inside makes the end of the input an error where a value has begun.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (p *Parser) name(quoted []byte) string {
	if n, ok := p.names.known[string(quoted)]; ok {
		return n.text
	}
	// The decoder has validated the text: it cannot fail to unquote.
	unquoted, _ := jsontext.AppendUnquote(nil, quoted)
	return string(unquoted)
}

var parsers = sync.Pool{New: func() any { return new(Parser) }}

// ParseJSON gives the value of one strict JSON text (RFC 8259, UTF-8, no duplicate names). Errors say the byte
// offset and never show the text.
func ParseJSON(text []byte) (any, error) {
	p := parsers.Get().(*Parser)
	v, end, err := p.Read(text)
	p.membersSoFar, p.objectsSoFar = 0, 0 // the next text is somebody else's
	p.renew()
	parsers.Put(p)
	if err == nil {
		if end += len(text[end:]) - len(bytes.TrimLeft(text[end:], " \t\r\n")); end == len(text) {
			return v, nil
		}
		return nil, fmt.Errorf("something follows the JSON value at byte %d", end)
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return nil, fmt.Errorf("%s at byte %d", SyntaxReason(err), syntactic.ByteOffset)
	}
	return nil, errors.New(SyntaxReason(err))
}

// SyntaxReason puts an error of jsontext into words, without its place and without showing the text.
func SyntaxReason(err error) string {
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "the same name twice in one object"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the text ends in the middle of a value"
	case errors.Is(err, io.EOF):
		return "there is no value"
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) && syntactic.Err != nil {
		return strings.TrimPrefix(syntactic.Err.Error(), "jsontext: ")
	}
	return strings.TrimPrefix(err.Error(), "jsontext: ")
}
