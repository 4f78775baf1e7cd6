package expression

import "slices"

// Term is a part of an expression that is so simple that others can work it out exactly, such as a database: a path, a
// literal, an array, or an operator over such parts. What its operators mean is what they mean in expressions.
type Term struct {
	// Op is "" for a path, "literal", "[]" for an array, "!", or an operator of two operands such as "&&", "===" or "<".
	Op string
	// Path is the way to a member of the first variable.
	Path []string
	// Literal is null, a boolean, a number or a text.
	Literal any
	Args    []*Term
}

// Term gives the whole expression where it is that simple, else nil.
func (p *Program) Term() *Term { return p.term }

// All gives the operands of a chain of && from left to right, or the term itself.
func (t *Term) All() []*Term {
	if t.Op != "&&" {
		return []*Term{t}
	}
	return append(t.Args[0].All(), t.Args[1].All()...)
}

// termSpellings are the other words for operators.
var termSpellings = map[string]string{"or": "||", "and": "&&"}

// termOperators are the operators of terms.
var termOperators = []string{"!", "[]", "||", "&&", "??", "==", "!=", "===", "!==", "<", "<=", ">", ">="}

// newTerm gives the term of an operator, nil where an operand has none.
func newTerm(op string, operands ...operand) *Term {
	if other := termSpellings[op]; other != "" {
		op = other
	}
	if !slices.Contains(termOperators, op) {
		return nil
	}
	t := &Term{Op: op, Args: make([]*Term, len(operands))}
	for i, o := range operands {
		if o.term == nil {
			return nil
		}
		t.Args[i] = o.term
	}
	return t
}

func literalTerm(v any) *Term {
	if v == undefined {
		return nil
	}
	return &Term{Op: "literal", Literal: v}
}

// maxTermPath is how many members a path of a term has at most.
const maxTermPath = 8

// member is a member of what a path leads to.
func (t *Term) member(name string) *Term {
	if t == nil || len(t.Path) == maxTermPath {
		return nil
	}
	return &Term{Path: append(slices.Clip(t.Path), name)}
}
