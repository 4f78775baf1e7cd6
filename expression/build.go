package expression

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	exprcompiler "github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
	"github.com/usher-id/usher/value"
)

// span is a part of the expression's text, in bytes.
type span struct{ from, to int }

func (s span) join(o span) span {
	if s.to == 0 {
		return o
	}
	if o.to == 0 {
		return s
	}
	return span{min(s.from, o.from), max(s.to, o.to)}
}

// operand is a part of the expression that is being built: a tree for expr's compiler and, where it is that simple,
// its plain form.
type operand struct {
	at    span
	node  ast.Node // nil for a path until it is used
	plain *plain
	term  *Term    // set where it is that simple
	call  *closure // an arrow function or the name of a function: good for an argument only
}

// isPath says whether o is a variable with members after it.
func (o operand) isPath() bool { return o.plain != nil && o.plain.kind == plainPath }

// mayFail says whether o is more than literals, paths and a function to be called later.
func (o operand) mayFail() bool {
	_, isConstant := o.node.(*ast.ConstantNode)
	return o.plain == nil && o.call == nil && !isConstant
}

// literal gives the value of a literal.
func (o operand) literal() (any, bool) {
	if o.plain != nil && o.plain.kind == plainLiteral {
		return o.plain.literal, true
	}
	return nil, false
}

// builder makes expr's syntax tree out of what either parser found. Its methods panic with a *SyntaxError.
type builder struct {
	text    string
	opts    Options
	names   []map[string]int // scopes, innermost last: name → slot
	slots   int
	temps   int
	paths   map[string]bool
	depth   int
	noPlain bool
}

func compile(text string, opts Options, fast bool) (p *Program, err error) {
	if len(opts.Variables) == 0 {
		opts.Variables = []string{"user"}
	}
	b := &builder{text: text, opts: opts, paths: map[string]bool{}, noPlain: !fast}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*SyntaxError)
			if !ok {
				e = &SyntaxError{Code: "expression.syntax", Message: "the expression could not be read", Length: len(text)}
			}
			p, err = nil, e
		}
	}()
	if len(text) > MaxText {
		b.refuse(span{MaxText, len(text)}, "expression.too_long", "", "the expression is longer than %d bytes", MaxText)
	}
	b.open(opts.Variables...)
	root := b.parse()
	p = &Program{text: text, term: root.term}
	p.plain, p.code = b.finish(root)
	p.slots, p.paths = b.slots, sorted(b.paths)
	p.cuts = p.plain != nil && p.plain.settle()
	return p, nil
}

// refuse gives up on the expression.
func (b *builder) refuse(at span, code, hint, format string, args ...any) {
	panic(&SyntaxError{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint, Offset: at.from, Length: at.to - at.from})
}

// nest guards the recursion of the tree walkers; call what it returns on the way back.
func (b *builder) nest(at span) func() {
	if b.depth++; b.depth > MaxDepth {
		b.refuse(at, "expression.too_deep", "", "the expression is nested more than %d levels deep", MaxDepth)
	}
	return func() { b.depth-- }
}

// open begins a scope of names, each with a slot of its own.
func (b *builder) open(names ...string) {
	scope := make(map[string]int, len(names))
	b.names = append(b.names, scope)
	for _, name := range names {
		b.declare(name)
	}
}

func (b *builder) close() { b.names = b.names[:len(b.names)-1] }

func (b *builder) declare(name string) int {
	slot := b.slots
	b.slots++
	b.names[len(b.names)-1][name] = slot
	return slot
}

// resolve finds the slot of a name.
func (b *builder) resolve(name string) (int, bool) {
	for i := len(b.names) - 1; i >= 0; i-- {
		if slot, ok := b.names[i][name]; ok {
			return slot, true
		}
	}
	return 0, false
}

// finish compiles what was built.
func (b *builder) finish(o operand) (*plain, *vm.Program) {
	node := b.use(o)
	if o.plain != nil && !b.noPlain {
		return o.plain, nil
	}
	config := conf.CreateNew()
	config.Optimize = false
	tree := &parser.Tree{Node: node, Source: file.NewSource("")}
	if _, err := checker.Check(tree, config); err != nil {
		b.refuse(o.at, "expression.syntax", "", "the expression does not fit together: %v", err)
	}
	code, err := exprcompiler.Compile(tree, config)
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		b.refuse(o.at, "expression.syntax", "", "the expression cannot be compiled: %s", first)
	}
	return nil, code
}

func locate[N ast.Node](n N, at span) N {
	n.SetLocation(file.Location{From: at.from, To: at.to})
	return n
}

// use gives the tree of an operand, and counts its path as read.
func (b *builder) use(o operand) ast.Node {
	if o.call != nil {
		b.refuse(o.at, "expression.unsupported", "", "a function can only be an argument of a function or method that calls it")
	}
	if !o.isPath() {
		return o.node
	}
	if o.plain.slot == 0 {
		b.read(o.plain.steps)
	}
	path := o.plain
	return b.invoke(o.at, func(env any) any { return path.eval(env.(*machine).slots) }, env(o.at))
}

// read notes that a path under the first variable is read.
func (b *builder) read(steps []step) {
	var names []string
	for _, s := range steps {
		names = append(names, s.name)
	}
	if len(names) == 0 {
		b.paths["*"] = true
		return
	}
	b.paths[strings.Join(names, ".")] = true
}

func env(at span) ast.Node { return locate(&ast.IdentifierNode{Value: "$env"}, at) }

// invoke calls a Go function: func(any) any, func(any) bool, func(any, any) any and func(any, any) bool are called
// without allocation, func(...any) any with one for the whole evaluation.
func (b *builder) invoke(at span, fn any, args ...ast.Node) ast.Node {
	return locate(&ast.CallNode{Callee: locate(&ast.ConstantNode{Value: fn}, at), Arguments: args}, at)
}

func (b *builder) constant(at span, v any) operand {
	var node ast.Node
	switch v := v.(type) {
	case nil:
		node = &ast.NilNode{}
	case bool:
		node = &ast.BoolNode{Value: v}
	default:
		node = &ast.ConstantNode{Value: v}
	}
	return operand{at: at, node: locate(node, at), plain: &plain{kind: plainLiteral, literal: v}, term: literalTerm(v)}
}

func (b *builder) variable(at span, slot int) operand {
	o := operand{at: at, plain: &plain{kind: plainPath, slot: slot}}
	if slot == 0 {
		o.term = &Term{}
	}
	return o
}

// member is x.name.
func (b *builder) member(at span, x operand, name string) operand {
	s := newStep(name)
	if s.isLong() {
		return b.native(at, func(m *machine, args []any) any { return m.member(args[0], &s) }, x)
	}
	if x.isPath() {
		steps := append(x.plain.steps[:len(x.plain.steps):len(x.plain.steps)], s)
		return operand{at: at, plain: &plain{kind: plainPath, slot: x.plain.slot, steps: steps}, term: x.term.member(name)}
	}
	return operand{at: at, node: b.invoke(at, func(v any) any { return s.member(v) }, b.use(x))}
}

// index is x[y].
func (b *builder) index(at span, x, y operand) operand {
	switch key, _ := y.literal(); key := key.(type) {
	case string:
		return b.member(at, x, key)
	case int64:
		return b.member(at, x, strconv.FormatInt(key, 10))
	}
	return b.native(at, func(m *machine, args []any) any {
		s := newStep(m.text(args[1]))
		return m.member(args[0], &s)
	}, x, y)
}

// member gives a member and counts the way to it.
func (m *machine) member(v any, s *step) any {
	switch v := v.(type) {
	case string:
		m.step(len(v) >> 6)
	case value.Secret:
		m.step(len(v) >> 6)
	}
	return s.member(v)
}

// native calls a function of the language.
func (b *builder) native(at span, fn native, operands ...operand) operand {
	for _, o := range operands {
		if o.call != nil {
			b.use(o)
		}
	}
	return b.nativeCall(at, fn, operands)
}

// nativeCall calls a function of the language some of whose arguments may be functions.
func (b *builder) nativeCall(at span, fn native, operands []operand) operand {
	args := make([]ast.Node, 0, len(operands)+1)
	args = append(args, env(at))
	for _, o := range operands {
		if o.call != nil {
			args = append(args, locate(&ast.ConstantNode{Value: callback{o.call}}, o.at))
		} else {
			args = append(args, b.use(o))
		}
	}
	return operand{at: at, node: b.invoke(at, func(args ...any) any {
		return args[0].(*machine).call(fn, args[1:])
	}, args...)}
}

// choice is what ||, && and ?? have in common: the left operand where keep says so, else the right one.
func (b *builder) choice(kind plainKind, x, y operand) operand {
	at := x.at.join(y.at)
	o := operand{at: at}
	if x.plain != nil && y.plain != nil {
		o.plain = &plain{kind: kind, left: x.plain, right: y.plain}
	}
	test := truthy
	if kind == plainCoalesce {
		test = present
	}
	o.node = b.bound(at, x, func(x operand) ast.Node {
		pick := &ast.ConditionalNode{Cond: b.invoke(at, test, b.use(x)), Exp1: b.use(x), Exp2: b.use(y)}
		if kind == plainAnd {
			pick.Exp1, pick.Exp2 = pick.Exp2, pick.Exp1
		}
		return pick
	}).node
	return o
}

// bound evaluates x once for a tree that uses it more than once.
func (b *builder) bound(at span, x operand, tree func(x operand) ast.Node) operand {
	value := b.use(x)
	b.temps++
	name := "$" + strconv.Itoa(b.temps)
	load := operand{at: x.at, node: locate(&ast.IdentifierNode{Value: name}, at)}
	return operand{at: at, node: locate(&ast.VariableDeclaratorNode{Name: name, Value: value, Expr: locate(tree(load), at)}, at)}
}

// cond is test ? x : y.
func (b *builder) cond(at span, test, x, y operand) operand {
	return operand{at: at, node: locate(&ast.ConditionalNode{
		Cond: b.invoke(at, truthy, b.use(test)), Exp1: b.use(x), Exp2: b.use(y),
	}, at)}
}

// test is a function of one operand that gives a boolean.
func (b *builder) test(at span, fn func(any) bool, x operand) operand {
	return operand{at: at, node: b.invoke(at, fn, b.use(x)), term: newTerm("!", x)}
}

// compare is a function of two operands that gives a boolean.
func (b *builder) compare(at span, fn func(x, y any) bool, x, y operand) operand {
	return operand{at: at, node: b.invoke(at, fn, b.use(x), b.use(y))}
}

// let gives a slot a value, then is the body.
func (b *builder) let(at span, slot int, v, body operand) operand {
	set := func(env, v any) any {
		env.(*machine).slots[slot] = v
		return nil
	}
	return operand{at: at, node: locate(&ast.SequenceNode{
		Nodes: []ast.Node{b.invoke(v.at, set, env(v.at), b.use(v)), b.use(body)},
	}, at)}
}

// array is [x, y, z].
func (b *builder) array(at span, elements []operand) operand {
	o := b.native(at, newList, elements...)
	o.term = newTerm("[]", elements...)
	return o
}

// arrow is a function whose parameters have the given slots.
func (b *builder) arrow(at span, params []int, rest int, body operand) operand {
	c := &closure{params: params, rest: rest}
	c.plain, c.code = b.finish(body)
	return operand{at: at, call: c}
}
