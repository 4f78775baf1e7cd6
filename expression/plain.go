package expression

import (
	"strconv"

	"github.com/usher-id/usher/value"
)

// undefinedType is the kind of what is not there, beside nil for null.
type undefinedType struct{}

var undefined any = undefinedType{}

// step is one member access of a path.
type step struct {
	name  string
	index int // what name says as an index of an array, or -1
}

func newStep(name string) step {
	s := step{name, -1}
	if i, err := strconv.Atoi(name); err == nil && i >= 0 && strconv.Itoa(i) == name {
		s.index = i
	}
	return s
}

// member gives a member of v, undefined where there is none.
func (s *step) member(v any) any {
	switch v := v.(type) {
	case *value.Object:
		if e, ok := v.Get(s.name); ok {
			return e
		}
	case []any:
		if s.index >= 0 && s.index < len(v) {
			return v[s.index]
		}
		if s.name == "length" {
			return int64(len(v))
		}
	case string:
		return s.memberOfText(v)
	case value.Secret:
		if e, ok := s.memberOfText(v.Reveal()).(string); ok {
			return value.Secret(e)
		}
		return s.memberOfText(v.Reveal())
	case []byte:
		if s.name == "length" {
			return int64(len(v))
		}
	}
	return undefined
}

func (s *step) memberOfText(text string) any {
	if s.name == "length" {
		return int64(unitLen(text))
	}
	if s.index < 0 {
		return undefined
	}
	from, half := unitOffset(text, s.index)
	if from == len(text) {
		return undefined
	}
	r, size := decode(text[from:])
	if r < 0x10000 {
		return text[from : from+size]
	}
	high, low := halves(r)
	if half {
		return string(encode(nil, low))
	}
	return string(encode(nil, high))
}

// isLong says whether the step may have to walk a long text.
func (s *step) isLong() bool { return s.name == "length" || s.index > 1000 }

type plainKind uint8

const (
	plainPath plainKind = iota
	plainLiteral
	plainOr
	plainAnd
	plainCoalesce
)

// plain is an expression of paths, literals, ||, && and ??, evaluated without the virtual machine. It means exactly
// what the virtual machine would make of it.
type plain struct {
	kind        plainKind
	slot        int
	steps       []step
	literal     any
	left, right *plain
}

func (p *plain) eval(slots []any) any {
	switch p.kind {
	case plainLiteral:
		return p.literal
	case plainOr:
		if v := p.left.eval(slots); truthy(v) {
			return v
		}
		return p.right.eval(slots)
	case plainAnd:
		if v := p.left.eval(slots); !truthy(v) {
			return v
		}
		return p.right.eval(slots)
	case plainCoalesce:
		if v := p.left.eval(slots); present(v) {
			return v
		}
		return p.right.eval(slots)
	}
	if p.slot >= len(slots) {
		return undefined
	}
	v := slots[p.slot]
	for i := range p.steps {
		v = p.steps[i].member(v)
	}
	return v
}

// settle makes the literals of a whole expression ones that can leave the language, and says whether a path may cut
// half a character out of a text.
func (p *plain) settle() (cuts bool) {
	switch p.kind {
	case plainPath:
		return len(p.steps) > 0 && p.steps[len(p.steps)-1].index >= 0
	case plainLiteral:
		if p.literal != undefined {
			p.literal = new(machine).finish(p.literal)
		}
		return false
	}
	left := p.left.settle()
	return p.right.settle() || left
}
