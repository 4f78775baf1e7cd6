package password

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// A layout is the shape of an encoded hash: literal text and fields in angle brackets, "$SHA$<salt>$<hash:hex:64>".
// A field is <name:kind:length>; the length counts encoded characters and 0 means any. A field without a length ends
// at the first occurrence of the literal after it; the last one takes the rest.
//
// Kinds: text (as it stands), hex, b64 (RFC 4648 with padding), b64raw (without), ab64 (either, "." or "+"), b64url, int (decimal), h64
// (the crypt alphabet, kept as text), bcrypt64 and cisco64 (decoded).
type layout struct {
	source string
	parts  []segment
}

type segment struct {
	literal string
	name    string
	kind    string
	length  int
}

const maxFields = 8

type fields struct {
	layout *layout
	raw    [maxFields]string // by the index of the segment's field
}

// mustLayout is for the tables of this package, which are written by hand and read at start.
func mustLayout(source string) *layout {
	l := &layout{source: source}
	for rest := source; rest != ""; {
		i := strings.IndexByte(rest, '<')
		if i < 0 {
			l.parts = append(l.parts, segment{literal: rest})
			break
		}
		if i > 0 {
			l.parts = append(l.parts, segment{literal: rest[:i]})
		}
		j := strings.IndexByte(rest, '>')
		field := strings.Split(rest[i+1:j], ":")
		s := segment{name: field[0], kind: "text"}
		if len(field) > 1 {
			s.kind = field[1]
		}
		if len(field) > 2 {
			s.length, _ = strconv.Atoi(field[2])
		}
		l.parts = append(l.parts, s)
		rest = rest[j+1:]
	}
	return l
}

// prefix is the literal that every hash of the layout begins with.
func (l *layout) prefix() string {
	if len(l.parts) > 0 {
		return l.parts[0].literal
	}
	return ""
}

func (l *layout) match(s string) (fields, *Error) {
	f := fields{layout: l}
	n := 0
	for i := range l.parts {
		p := &l.parts[i]
		if p.name == "" {
			if !strings.HasPrefix(s, p.literal) {
				if i == 0 {
					return f, malformed("it does not begin with %q", p.literal)
				}
				return f, malformed("%q expected after the %s", p.literal, l.parts[i-1].name)
			}
			s = s[len(p.literal):]
			continue
		}
		var raw string
		switch {
		case p.length > 0:
			if len(s) < p.length {
				return f, malformed("the %s has %d characters, %d expected: the hash was cut off", p.name, len(s), p.length)
			}
			raw, s = s[:p.length], s[p.length:]
		case i+1 < len(l.parts):
			j := strings.Index(s, l.parts[i+1].literal)
			if j < 0 {
				return f, malformed("no %q after the %s: the hash was cut off", l.parts[i+1].literal, p.name)
			}
			raw, s = s[:j], s[j:]
		default:
			raw, s = s, ""
		}
		if (p.kind == "hex" && !isHex(raw)) || (p.kind == "h64" && !inAlphabet(raw, h64Values)) {
			return f, malformed("the %s is not %s", p.name, kindNames[p.kind])
		}
		f.raw[n] = raw
		n++
	}
	if s != "" {
		return f, malformed("%d characters too many at the end", len(s))
	}
	return f, nil
}

func (f *fields) lookup(name string) (*segment, string) {
	n := 0
	for i := range f.layout.parts {
		p := &f.layout.parts[i]
		if p.name == name {
			return p, f.raw[n]
		}
		if p.name != "" {
			n++
		}
	}
	return nil, ""
}

func (f *fields) text(name string) string {
	_, raw := f.lookup(name)
	return raw
}

func (f *fields) bytes(name string) ([]byte, *Error) {
	p, raw := f.lookup(name)
	return decodeAs(p.kind, raw, name)
}

var kindNames = map[string]string{
	"hex": "hexadecimal", "b64": "base64", "b64raw": "base64 without padding", "ab64": "base64", "b64url": "base64url",
	"h64": "of the crypt alphabet", "bcrypt64": "of bcrypt's alphabet", "cisco64": "of the crypt alphabet",
}

var errLineBreak = errors.New("line break inside base64")

func decodeAs(kind, raw, name string) ([]byte, *Error) {
	var b []byte
	var err error
	switch kind {
	case "hex":
		b, err = hex.DecodeString(raw)
	case "b64":
		b, err = b64.DecodeString(raw)
	case "b64raw":
		b, err = b64raw.DecodeString(raw)
	case "ab64":
		b, err = decodeAnyBase64(raw)
	case "b64url":
		b, err = b64url.DecodeString(raw)
	case "bcrypt64":
		b, err = bcrypt64.DecodeString(raw)
	case "cisco64":
		b, err = cisco64.DecodeString(raw)
	default:
		b = []byte(raw)
	}
	if err == nil && b != nil && kind != "text" && kind != "h64" && strings.ContainsAny(raw, "\r\n") {
		err = errLineBreak // encoding/base64 would skip it
	}
	if err != nil {
		return nil, malformed("the %s is not %s", name, kindNames[kind])
	}
	return b, nil
}

func (f *fields) int(name string) (int, *Error) {
	return parseInt(name, f.text(name))
}

// parseInt reads a decimal number of at most ten digits without sign.
func parseInt(name, s string) (int, *Error) {
	if s == "" || len(s) > 10 {
		return 0, malformed("the %s is not a number", name)
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, malformed("the %s is not a number", name)
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, nil
}
