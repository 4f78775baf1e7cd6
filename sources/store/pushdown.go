package storesource

import (
	"slices"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/identity"
)

// What the database can tell exactly as the expression would is left to it: an order by attributes of the user, and conditions on them.

// OrderBy implements pipeline.Orderer.
func (s *Source) OrderBy(key *expression.Program, desc bool) bool {
	// A user for whom where fails is a failed record, which an order puts last: the database would not know of it.
	if s.where != nil || s.order != nil {
		return false
	}
	t := key.Term()
	if t == nil {
		return false
	}
	paths := []*expression.Term{t}
	if t.Op == "[]" {
		paths = t.Args
	}
	order := make([]identity.Order, 0, len(paths))
	for _, p := range paths {
		name, ok := attributeOf(p)
		if !ok || !identity.Sortable(name) {
			return false
		}
		order = append(order, identity.Order{Attribute: name, Desc: desc})
	}
	s.order = order
	return len(order) > 0
}

// attributeOf gives the attribute that a term is.
func attributeOf(t *expression.Term) (string, bool) {
	if t.Op != "" || len(t.Path) != 1 {
		return "", false
	}
	return t.Path[0], true
}

// conditionOf gives what the database can tell of an expression, from its first condition on: an earlier one that it cannot tell might fail,
// which has to be seen. whole says that this is all of it.
func conditionOf(where *expression.Program) (c identity.Condition, whole bool) {
	t := where.Term()
	if t == nil {
		return c, false
	}
	for i, part := range t.All() {
		told, ok := truth(part)
		switch {
		case !ok:
			return c, false
		case i == 0:
			c = told
		default:
			c = c.And(told)
		}
	}
	return c, true
}

// truth gives the condition that is true where a term is truthy.
func truth(t *expression.Term) (c identity.Condition, ok bool) {
	switch t.Op {
	case "":
		return truthOfAttribute(t)
	case "!":
		c, ok = truth(t.Args[0])
		return c.Not(), ok
	case "||", "&&":
		left, ok := truth(t.Args[0])
		if !ok {
			return c, false
		}
		right, ok := truth(t.Args[1])
		if t.Op == "||" {
			return left.Or(right), ok
		}
		return left.And(right), ok
	}
	name, operator, literal, ok := comparison(t)
	if !ok {
		return c, false
	}
	switch operator {
	case "==", "===", "!=", "!==":
		if literal == nil {
			// An attribute that is not there is undefined, which is == null and not === null.
			c, ok = identity.Has(name)
			if operator == "==" {
				c = c.Not()
			}
			return c, ok && (operator == "==" || operator == "!=")
		}
		c, ok = identity.Is(name, literal)
		if operator == "!=" || operator == "!==" {
			c = c.Not()
		}
		return c, ok
	}
	n, isWhole := literal.(int64)
	if !isWhole {
		return c, false
	}
	return identity.Compares(name, operator, n)
}

func truthOfAttribute(t *expression.Term) (c identity.Condition, ok bool) {
	name, ok := attributeOf(t)
	if !ok {
		return c, false
	}
	if c, ok := identity.Is(name, true); ok {
		return c, true
	}
	c, ok = identity.Has(name)
	if zero, isNumber := identity.Is(name, int64(0)); isNumber {
		c = c.And(zero.Not())
	}
	return c, ok // a text that is there is not empty
}

// mirrored are the operators with their operands exchanged.
var mirrored = map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<="}

// comparison takes a comparison of an attribute with a literal apart.
func comparison(t *expression.Term) (name, operator string, literal any, ok bool) {
	if len(t.Args) != 2 || !slices.Contains([]string{"==", "!=", "===", "!==", "<", "<=", ">", ">="}, t.Op) {
		return "", "", nil, false
	}
	x, y, operator := t.Args[0], t.Args[1], t.Op
	if x.Op == "literal" {
		x, y = y, x
		if other := mirrored[operator]; other != "" {
			operator = other
		}
	}
	if y.Op != "literal" {
		return "", "", nil, false
	}
	name, ok = attributeOf(x)
	return name, operator, y.Literal, ok
}
