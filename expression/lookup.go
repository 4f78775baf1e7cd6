package expression

import (
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/usher-id/usher/value"
)

// opaque is a constant that is no literal of the language.
func (b *builder) opaque(at span, v any) operand {
	return operand{at: at, node: locate(&ast.ConstantNode{Value: v}, at)}
}

// name is a variable, a constant or a function by its bare name.
func (b *builder) name(at span, name string) operand {
	if slot, ok := b.resolve(name); ok && name != "" {
		return b.variable(at, slot)
	}
	switch name {
	case "undefined":
		return b.constant(at, undefined)
	case "nil":
		return b.constant(at, nil)
	case "NaN":
		return b.constant(at, math.NaN())
	case "Infinity":
		return b.constant(at, math.Inf(1))
	}
	if f := functions[name]; f != nil {
		return b.reference(at, f)
	}
	var known []string
	for _, scope := range b.names {
		for name := range scope {
			known = append(known, name)
		}
	}
	hint := "a field is read as " + b.opts.Variables[0] + "." + name
	if near := nearest(name, known); near != "" {
		hint = "did you mean " + near + "?"
	} else if namespaces[name] {
		hint = "write " + name + "." + " and the name of a function"
	}
	b.refuse(at, "expression.unknown_name", hint, "there is no variable %s", name)
	return operand{}
}

// reference is a function as the argument of another. JavaScript's own get all that a callback is given, the others
// the first argument.
func (b *builder) reference(at span, f *function) operand {
	most := 1
	if f.group == groupJavaScript {
		most = f.max
	}
	if most >= 0 && f.min > most || f.callback != 0 && !f.optional {
		hint := "write an arrow function: x => " + f.name + "(x, …)"
		b.refuse(at, "expression.arguments", hint, "%s needs more than the one argument that it would be given", f.name)
	}
	return operand{at: at, call: &closure{rest: -1, native: func(m *machine, args []any) any {
		if most >= 0 && len(args) > most {
			args = args[:most]
		}
		return f.call(m, args)
	}}}
}

// static is a member of a built-in object, such as Math.PI or, as an argument, Math.round.
func (b *builder) static(at span, name string) operand {
	if v, ok := constants[name]; ok {
		return b.constant(at, v)
	}
	return b.reference(at, b.function(at, name))
}

// function finds a function.
func (b *builder) function(at span, name string) *function {
	if f := functions[name]; f != nil {
		return f
	}
	var known []string
	for name := range functions {
		known = append(known, name)
	}
	hint := ""
	if near := nearest(name, known); near != "" {
		hint = "did you mean " + near + "?"
	} else if methods[name] != nil {
		hint = name + " is a method: x." + name + "(…)"
	}
	b.refuse(at, "expression.unknown_function", hint, "there is no function %s", name)
	return nil
}

// callFunction calls a function; where arguments are spread, args is one array.
func (b *builder) callFunction(at span, f *function, args []operand, spreads bool) operand {
	if spreads {
		if f.callback != 0 || f.prepare != nil {
			b.refuse(at, "expression.unsupported", "", "%s takes no spread arguments", f.name)
		}
		return b.native(at, func(m *machine, args []any) any {
			list, _ := args[0].([]any)
			f.check(f.name, len(list))
			return f.call(m, list)
		}, args...)
	}
	b.checkArguments(at, f.name, f.arity, args)
	call := f.call
	if f.prepare != nil {
		if prepared := f.prepare(b, at, args); prepared != nil {
			call = prepared
		}
	}
	return b.nativeCall(at, call, args)
}

// method calls a method of x.
func (b *builder) method(at span, x operand, name string, args []operand, spreads bool) operand {
	f := methods[name]
	if f == nil {
		var known []string
		for name := range methods {
			known = append(known, name)
		}
		hint := ""
		if mutators[name] {
			hint = "expressions change nothing; concat, slice and filter make new arrays"
		} else if near := nearest(name, known); near != "" {
			hint = "did you mean " + near + "?"
		} else if functions[name] != nil {
			hint = name + " is a function: " + name + "(x)"
		}
		b.refuse(at, "expression.unknown_method", hint, "there is no method %s", name)
	}
	at = x.at.join(at)
	if spreads {
		if f.callback != 0 {
			b.refuse(at, "expression.unsupported", "", "%s takes no spread arguments", name)
		}
		return b.native(at, func(m *machine, args []any) any {
			list, _ := args[1].([]any)
			f.check(name, len(list))
			return f.call(m, name, args[0], list)
		}, x, args[0])
	}
	b.checkArguments(at, name, f.arity, args)
	if x.call != nil {
		b.use(x)
	}
	call := func(x operand) operand {
		return b.nativeCall(at, func(m *machine, args []any) any {
			return f.call(m, name, args[0], args[1:])
		}, append([]operand{x}, args...))
	}
	if !slices.ContainsFunc(args, operand.mayFail) {
		return call(x)
	}
	// Arguments that may fail are not touched where there is nothing to call the method of.
	return b.bound(at, x, func(x operand) ast.Node {
		return &ast.ConditionalNode{Cond: b.invoke(at, present, b.use(x)), Exp1: call(x).node, Exp2: b.constant(at, undefined).node}
	})
}

func (b *builder) checkArguments(at span, name string, a arity, args []operand) {
	if len(args) < a.min {
		b.refuse(at, "expression.arguments", "", "%s takes at least %d %s", name, a.min, plural(a.min, "argument"))
	}
	if a.max >= 0 && len(args) > a.max {
		b.refuse(args[a.max].at, "expression.arguments", "", "%s takes at most %d %s", name, a.max, plural(a.max, "argument"))
	}
	for i, o := range args {
		if o.call != nil && a.callback != i+1 {
			b.refuse(o.at, "expression.arguments", "", "argument %d of %s cannot be a function", i+1, name)
		}
		if o.call == nil && a.callback == i+1 && !a.optional {
			b.refuse(o.at, "expression.arguments", "", "argument %d of %s has to be a function, such as x => x.name", i+1, name)
		}
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// nearest gives the known name that a wrong one was most likely meant to be, or nothing.
func nearest(wrong string, known []string) string {
	best, least := "", max(1, len(wrong)/3)+1
	sort.Strings(known)
	for _, name := range known {
		if name == "" || strings.HasPrefix(name, "#") || strings.HasPrefix(name, "new ") {
			continue
		}
		if strings.EqualFold(name, wrong) {
			return name
		}
		if d := distance(wrong, name, least); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with their neighbour; limit where it is more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+btoi(a[i-1] != b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// arity says what arguments a function or method takes.
type arity struct {
	min, max int  // max is -1 where there is no end
	callback int  // the argument that is a function, counted from 1
	optional bool // whether that may also be something else
}

// check refuses a number of arguments that is only known when they are spread.
func (a arity) check(name string, n int) {
	if n < a.min || a.max >= 0 && n > a.max {
		fail("expression.argument", "%s does not take %d %s", name, n, plural(n, "argument"))
	}
}

// without gives an object with some members left out.
func (m *machine) without(v any, names []string) any {
	o, ok := v.(*value.Object)
	if !ok {
		return undefined
	}
	m.grow(memberSize * o.Len())
	c := o.Clone()
	for _, name := range names {
		c.Delete(name)
	}
	return c
}
