package value

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxNames bounds the member names a Parser remembers, so that data with names as keys cannot grow it.
	maxNames = 1024
	// quickDepth is how deep the quick way goes.
	quickDepth = 64
	// maxAhead is how many members or objects are allocated at most because the text before had as many.
	maxAhead = 256
)

// name is a member name that was seen before. next is the name that came after it the last time, and inner the first
// name of the object that was its value: most objects of a file have the same names in the same order.
type name struct {
	text        string
	quoted      string
	id          int
	next, inner *name
}

// names are those that a Parser remembers.
type names struct {
	known map[string]*name
	full  bool
	top   name
}

func (n *names) find(quoted string) *name {
	if known, ok := n.known[quoted]; ok {
		return known
	}
	if len(n.known) == maxNames {
		n.full = true
		return nil
	}
	if n.known == nil {
		n.known = make(map[string]*name, 32)
	}
	quoted = strings.Clone(quoted)
	added := &name{text: quoted[1 : len(quoted)-1], quoted: quoted, id: len(n.known)}
	n.known[quoted] = added
	return added
}

// quick is the quick way through a text. It takes only what is right and easy: where it does not get through, the
// text is read again by jsontext, which finds what is wrong or reads what is rare.
type quick struct {
	*Parser
	s string
	i int
}

// space passes over white space and gives the byte behind it, 0 at the end.
func (q *quick) space() byte {
	for q.i < len(q.s) {
		switch c := q.s[q.i]; c {
		case ' ', '\n', '\t', '\r':
			q.i++
		default:
			return c
		}
	}
	return 0
}

// value reads a value that is at depth, as the member of a name.
func (q *quick) value(of *name, depth int) (any, bool) {
	switch c := q.space(); c {
	case '"':
		return q.text()
	case '{':
		return q.object(of, depth)
	case '[':
		return q.list(of, depth)
	case 't':
		return true, q.literal("true")
	case 'f':
		return false, q.literal("false")
	case 'n':
		return nil, q.literal("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return q.number()
	}
	return nil, false
}

func (q *quick) literal(word string) bool {
	if !strings.HasPrefix(q.s[q.i:], word) {
		return false
	}
	q.i += len(word)
	return true
}

// quoted passes over a string and says whether it is as it reads: without escapes.
func (q *quick) quoted() (quoted string, plain, ok bool) {
	start := q.i
	plain = true
	ascii := true
	for i := start + 1; i < len(q.s); i++ {
		switch c := q.s[i]; {
		case c == '"':
			q.i = i + 1
			quoted = q.s[start:q.i]
			return quoted, plain, ascii || utf8.ValidString(quoted)
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return "", false, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return "", false, false
}

func (q *quick) text() (any, bool) {
	quoted, plain, ok := q.quoted()
	if !ok {
		return nil, false
	}
	if plain {
		return quoted[1 : len(quoted)-1], true
	}
	b, err := jsontext.AppendUnquote(nil, quoted)
	return string(b), err == nil
}

func (q *quick) digits() bool {
	start := q.i
	for q.i < len(q.s) && q.s[q.i]-'0' <= 9 {
		q.i++
	}
	return q.i > start
}

func (q *quick) number() (any, bool) {
	start := q.i
	if q.s[q.i] == '-' {
		q.i++
	}
	first := q.i
	if !q.digits() || q.s[first] == '0' && q.i > first+1 {
		return nil, false
	}
	whole := q.i
	if q.i < len(q.s) && q.s[q.i] == '.' {
		q.i++
		if !q.digits() {
			return nil, false
		}
	}
	if q.i < len(q.s) && q.s[q.i]|0x20 == 'e' {
		q.i++
		if q.i < len(q.s) && (q.s[q.i] == '+' || q.s[q.i] == '-') {
			q.i++
		}
		if !q.digits() {
			return nil, false
		}
	}
	literal := q.s[start:q.i]
	if q.i == whole && first == start && len(literal) <= 18 {
		n, _ := strconv.ParseInt(literal, 10, 64)
		return n, true
	}
	return ParseNumber(literal), true
}

func (q *quick) object(of *name, depth int) (any, bool) {
	if depth == quickDepth {
		return nil, false
	}
	q.i++
	var seen [maxNames / 64]uint64
	base := len(q.members)
	expected := &of.inner
	for c := q.space(); c != '}'; {
		if c != '"' {
			return nil, false
		}
		n := *expected
		if n != nil && strings.HasPrefix(q.s[q.i:], n.quoted) {
			q.i += len(n.quoted)
		} else {
			quoted, plain, ok := q.quoted()
			if !ok || !plain {
				return nil, false // a name with an escape may be another spelling of one that is there
			}
			if n = q.names.find(quoted); n == nil {
				return nil, false
			}
			*expected = n
		}
		expected = &n.next
		bit := uint64(1) << (n.id % 64)
		if seen[n.id/64]&bit != 0 {
			return nil, false
		}
		seen[n.id/64] |= bit
		if q.space() != ':' {
			return nil, false
		}
		q.i++
		v, ok := q.value(n, depth+1)
		if !ok {
			return nil, false
		}
		q.members = append(q.members, Member{n.text, v})
		switch c = q.space(); c {
		case ',':
			q.i++
			if c = q.space(); c == '}' {
				return nil, false
			}
		case '}':
		default:
			return nil, false
		}
	}
	q.i++
	o := q.newObject()
	o.members = q.keep(q.members[base:])
	clear(q.members[base:])
	q.members = q.members[:base]
	if len(o.members) >= indexFrom {
		o.reindex()
	}
	return o, true
}

func (q *quick) list(of *name, depth int) (any, bool) {
	if depth == quickDepth {
		return nil, false
	}
	q.i++
	base := len(q.elements)
	for c := q.space(); c != ']'; {
		v, ok := q.value(of, depth+1)
		if !ok {
			return nil, false
		}
		q.elements = append(q.elements, v)
		switch c = q.space(); c {
		case ',':
			q.i++
			if c = q.space(); c == ']' {
				return nil, false
			}
		case ']':
		default:
			return nil, false
		}
	}
	q.i++
	list := append(make([]any, 0, len(q.elements)-base), q.elements[base:]...)
	clear(q.elements[base:])
	q.elements = q.elements[:base]
	return list, true
}

// newObject and keep allocate what a text is expected to need at once, by the text before it. Texts share nothing: one
// that is kept would keep others.

func (p *Parser) newObject() *Object {
	if len(p.objects) == 0 {
		p.objects = make([]Object, max(p.objectsBefore-p.objectsSoFar, 1))
	}
	o := &p.objects[0]
	p.objects = p.objects[1:]
	p.objectsSoFar++
	return o
}

func (p *Parser) keep(members []Member) []Member {
	n := len(members)
	if len(p.free) < n {
		p.free = make([]Member, max(p.membersBefore-p.membersSoFar, n))
	}
	copy(p.free, members)
	kept := p.free[:n:n]
	p.free = p.free[n:]
	p.membersSoFar += n
	return kept
}

// renew makes ready for another text.
func (p *Parser) renew() {
	p.free, p.objects = nil, nil
	p.membersBefore, p.membersSoFar = min(p.membersSoFar, maxAhead), 0
	p.objectsBefore, p.objectsSoFar = min(p.objectsSoFar, maxAhead), 0
	if p.names.full {
		p.names = names{}
	}
}
