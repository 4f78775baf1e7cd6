// Package expression compiles and evaluates the expressions of a pipeline, such as
//
//	user.user_metadata.name || user.name
//	lower(user.mail)
//	user.tags.map(t => t.trim()).filter(t => t !== '')
//
// The surface is JavaScript's expression syntax, or that of expr-lang/expr where the text is not JavaScript; either is
// translated into expr's syntax tree with one meaning of operators, members and functions, and run by expr's virtual
// machine. Values are those of package value. docs/reference/expressions.md is the language's reference.
package expression

import (
	"errors"
	"sort"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// Bounds on every expression and every evaluation.
const (
	MaxText   = 16 << 10 // bytes of an expression
	MaxDepth  = 500      // levels of nesting of an expression
	MaxSteps  = 2_000_000
	MaxMemory = 32 << 20 // bytes of text, arrays and objects built by one evaluation
)

// Options say what an expression can see beside its own text. The zero Options are ready to use.
type Options struct {
	// Variables are the names of the values given to Eval, in its order. None means one variable, user.
	Variables []string
	// Env gives the environment variables that env() may read, and false for every other. Nil allows none.
	Env func(name string) (string, bool)
}

// Program is a compiled expression. It is safe for concurrent use.
type Program struct {
	text  string
	paths []string
	slots int
	plain *plain // set where the virtual machine is not needed
	cuts  bool   // plain may take half a character out of a text
	code  *vm.Program
	term  *Term
}

// Compile compiles an expression. The error is a *SyntaxError.
func Compile(text string, opts Options) (*Program, error) { return compile(text, opts, true) }

// Text gives the text that the program was compiled from.
func (p *Program) Text() string { return p.text }

// Eval evaluates the expression, each variable of Options bound to the value in its place; variables without a value
// are absent. The result is a value of package value, nil where it is null or absent; NaN and infinities are float64.
// The error is an *EvalError. Values are shared with the result, never changed.
func (p *Program) Eval(values ...any) (any, error) {
	v, _, err := p.Lookup(values...)
	return v, err
}

// Lookup is Eval that tells an absent result, such as that of a member which is not there, from null: present is
// false for the first.
func (p *Program) Lookup(values ...any) (v any, present bool, err error) {
	if p.plain != nil {
		if v = p.plain.eval(values); v == undefined {
			return nil, false, nil
		}
		if s, ok := v.(string); ok && p.cuts {
			v = scrub(s)
		}
		return v, true, nil
	}
	return p.run(values)
}

// Paths gives the dotted paths under the first variable that the expression reads, in order, such as mail or
// user_metadata.name; "*" stands among them where it reads the variable as a whole.
func (p *Program) Paths() []string { return p.paths }

func (p *Program) run(values []any) (v any, present bool, err error) {
	m := machines.Get().(*machine)
	defer func() {
		if r := recover(); r != nil {
			v, present, err = nil, false, p.error(r)
		}
		m.reset()
		machines.Put(m)
	}()
	m.bind(values, p.slots)
	v, err = m.execute(p.code)
	if err != nil {
		return nil, false, p.error(err)
	}
	if v == undefined {
		return nil, false, nil
	}
	return m.finish(v), true, nil
}

// error makes the EvalError of a failed evaluation from what it returned or panicked with.
func (p *Program) error(cause any) error {
	e := &EvalError{Code: "expression.internal", Message: "the expression could not be evaluated", Expression: p.text}
	err, _ := cause.(error)
	// Inside a callback that failed is the place itself.
	for place := (*file.Error)(nil); errors.As(err, &place); err = place.Prev {
		e.Offset, e.Length = place.From, place.To-place.From
		if place.Prev == nil {
			break
		}
	}
	var f *fault
	if errors.As(err, &f) {
		e.Code, e.Message = f.code, f.message
	}
	return e
}

// sorted gives the members of a set in order.
func sorted(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for s := range set {
		list = append(list, s)
	}
	sort.Strings(list)
	return list
}

// Truthy reports whether a value counts as true, as JavaScript has it: all do but null, false, 0, NaN and "".
func Truthy(v any) bool { return truthy(v) }
