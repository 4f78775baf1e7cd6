package ldifsource

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// entryReader reads the text of one block at a time.
type entryReader struct {
	line     int64 // of the dn
	entry    *value.Object
	problems []pipeline.Problem
	// nothing says that the block is no entry and means nothing: comments, the version, what ldapsearch adds.
	nothing bool
	// change says that the block is a change, of which no more is to be read.
	change bool
	// cutShort is the result of a search that did not come to its end.
	cutShort string

	logical []byte         // a line without its folds
	places  map[string]int // of attributes in entry, by their names in small letters
}

func (e *entryReader) fail(line int64, code, field, format string, arguments ...any) {
	const most = 20 // a file that is no LDIF has as many problems as lines
	if len(e.problems) < most {
		e.problems = append(e.problems, pipeline.Problem{Code: code, Field: field, Message: fmt.Sprintf("line %d: ", line) + fmt.Sprintf(format, arguments...)})
	}
}

// read reads a block whose first line has that number.
func (e *entryReader) read(text []byte, line int64) {
	*e = entryReader{line: line, entry: value.NewObject(16), logical: e.logical[:0], places: e.places}
	if e.places == nil {
		e.places = map[string]int{}
	}
	clear(e.places)
	begun, comment := int64(0), false // the line where the logical one begins
	flush := func() {
		if begun > 0 && !comment {
			e.take(e.logical, begun)
		}
		e.logical = e.logical[:0]
	}
	for len(text) > 0 {
		one := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			one, text = text[:end], text[end+1:]
		} else {
			text = nil
		}
		one = bytes.TrimSuffix(one, []byte{'\r'})
		switch {
		case len(one) > 0 && one[0] == ' ' && begun > 0:
			e.logical = append(e.logical, one[1:]...)
		default:
			flush()
			begun, comment = line, len(one) > 0 && one[0] == '#'
			e.logical = append(e.logical, one...)
		}
		line++
	}
	flush()
	switch {
	case len(e.problems) > 0 || e.cutShort != "":
	case e.entry.Len() == 0:
		e.nothing = true
	case e.entry.Len() == 1 && e.entry.At(0).Name == "dn":
		e.fail(e.line, "ldif.no_attributes", "", "the entry has a name and nothing else")
	}
}

// take takes one line without its folds.
func (e *entryReader) take(text []byte, line int64) {
	if e.nothing || e.change || e.cutShort != "" {
		return
	}
	colon := bytes.IndexByte(text, ':')
	if colon <= 0 || !isAttribute(text[:colon]) {
		e.fail(line, "ldif.bad_line", "", "it has no attribute, colon and value; a line that goes on begins with a space")
		return
	}
	name, rest := string(text[:colon]), text[colon+1:]
	kind := byte(' ')
	if len(rest) > 0 && (rest[0] == ':' || rest[0] == '<') {
		kind, rest = rest[0], rest[1:]
	}
	rest = bytes.TrimLeft(rest, " ")
	if e.entry.Len() == 0 && len(e.problems) == 0 && e.before(name, rest, line) {
		return
	}
	switch {
	case strings.EqualFold(name, "changetype") && e.entry.Len() == 1:
		if change := strings.TrimSpace(string(rest)); change != "add" {
			e.change = true
			e.fail(line, "ldif.change", "", "this is a change (%.20q), not an entry: export the entries themselves", change)
		}
		return
	case strings.EqualFold(name, "dn") && e.entry.Len() > 0:
		// The two would be one user.
		e.fail(line, "ldif.second_dn", "", "another entry begins here, without an empty line before it; put one there")
		return
	case strings.EqualFold(name, "control") && e.entry.Len() == 1:
		e.change = true
		e.fail(line, "ldif.change", "", "this is a change with a control, not an entry: export the entries themselves")
		return
	}
	v, ok := e.value(name, kind, rest, line)
	if ok {
		e.add(name, v)
	}
}

// before handles what may stand before the first attribute of an entry, and reports whether it did.
func (e *entryReader) before(name string, rest []byte, line int64) bool {
	text := strings.TrimSpace(string(rest))
	switch strings.ToLower(name) {
	case "dn":
		e.line = line
		return false
	case "version":
		if text != "1" {
			e.fail(line, "ldif.bad_version", "", "LDIF of version %.20q; there is only version 1", text)
		}
	case "search", "ref":
		// What ldapsearch says around the entries: "search: 2" and a result, and references to other directories.
		e.line = line
		e.places["search"] = 0
	case "result":
		if _, search := e.places["search"]; !search {
			e.fail(line, "ldif.no_dn", "", "an entry begins with its dn, not with %q", name)
		} else if e.nothing = strings.HasPrefix(text, "0 "); !e.nothing {
			e.cutShort = text
		}
	default:
		if _, search := e.places["search"]; search {
			return true
		}
		e.line = line
		e.fail(line, "ldif.no_dn", "", "an entry begins with its dn, not with %q", name)
	}
	return true
}

// value gives the value of an attribute.
func (e *entryReader) value(name string, kind byte, text []byte, line int64) (any, bool) {
	switch kind {
	case '<':
		e.fail(line, "ldif.url_value", name, "the value stands in another file; no file is read because data names it: export the value itself")
		return nil, false
	case ':':
		text = bytes.TrimRight(text, " ")
		decoded := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		n, err := base64.StdEncoding.Decode(decoded, text)
		if err != nil {
			e.fail(line, "ldif.bad_base64", name, "the value is not base64: was the file cut, or a line of it folded anew?")
			return nil, false
		}
		if decoded = decoded[:n]; isBinary(name) || !utf8.Valid(decoded) || bytes.IndexByte(decoded, 0) >= 0 {
			return decoded, true
		}
		return string(decoded), true
	}
	switch {
	case !utf8.Valid(text):
		e.fail(line, "ldif.invalid_utf8", name, "there are bytes that are not UTF-8; is the file in another encoding?")
		return nil, false
	case bytes.IndexByte(text, 0) >= 0:
		e.fail(line, "ldif.nul_byte", name, "there is a NUL byte")
		return nil, false
	case isBinary(name):
		return bytes.Clone(text), true
	}
	return string(text), true
}

// add adds a value to its attribute: the second makes a list.
func (e *entryReader) add(name string, v any) {
	key := strings.ToLower(name)
	i, known := e.places[key]
	if !known {
		e.places[key] = e.entry.Len()
		e.entry.Append(name, v)
		return
	}
	member := e.entry.At(i)
	list, isList := member.Value.([]any)
	if !isList {
		list = []any{member.Value}
	}
	e.entry.Set(member.Name, append(list, v))
}

// isAttribute reports whether a text is an attribute with its options: a name or an OID (RFC 2849).
func isAttribute(text []byte) bool {
	for _, c := range text {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != ';' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// isBinary reports whether the values of an attribute are no texts, whatever they look like.
func isBinary(name string) bool {
	base, options, _ := strings.Cut(strings.ToLower(name), ";")
	switch base {
	case "objectguid", "objectsid", "jpegphoto", "thumbnailphoto", "usercertificate":
		return true
	}
	return strings.Contains(";"+options+";", ";binary;")
}
