package expression

import (
	"math"
	"strconv"
	"strings"

	"github.com/tdewolff/parse/v2/js"
	"github.com/usher-id/usher/value"
)

// jsWalker builds an expression out of a JavaScript tree.
type jsWalker struct {
	*builder
	source *jsSource
}

// javaScript builds the tree's expression, or tells where a pipe stands in it.
func (b *builder) javaScript(source *jsSource, tree *js.AST) (o operand, found *pipe) {
	depth, names := b.depth, len(b.names)
	defer func() {
		if r := recover(); r != nil {
			p, ok := r.(*pipe)
			if !ok {
				panic(r)
			}
			b.depth, b.names, b.paths = depth, b.names[:names], map[string]bool{}
			o, found = operand{}, p
		}
	}()
	w := &jsWalker{b, source}
	return w.statements(tree.List, span{0, len(b.text)}), nil
}

// statements builds declarations and the expression, or return, that ends them.
func (w *jsWalker) statements(list []js.IStmt, at span) operand {
	var lets []binding
	for i, s := range list {
		switch s := s.(type) {
		case *js.EmptyStmt:
			continue
		case *js.VarDecl:
			for _, e := range s.List {
				var init operand
				if e.Default != nil {
					init = w.walk(e.Default)
				} else {
					init = w.constant(at, undefined)
				}
				w.bind(e.Binding, init, &lets)
			}
			continue
		case *js.ExprStmt:
			if rest(list[i+1:]) {
				return w.lets(lets, w.walk(s.Value))
			}
		case *js.ReturnStmt:
			if rest(list[i+1:]) && s.Value != nil {
				return w.lets(lets, w.walk(s.Value))
			}
		}
		break
	}
	w.refuse(at, "expression.unsupported", "", "only const and let may stand before the one expression that is the result")
	return operand{}
}

// rest says whether nothing follows.
func rest(list []js.IStmt) bool {
	for _, s := range list {
		if _, ok := s.(*js.EmptyStmt); !ok {
			return false
		}
	}
	return true
}

// binding is a slot and what it is set to.
type binding struct {
	slot int
	init operand
}

func (w *jsWalker) lets(list []binding, body operand) operand {
	for i := len(list) - 1; i >= 0; i-- {
		body = w.let(body.at, list[i].slot, list[i].init, body)
	}
	return body
}

// bind declares the names of a pattern and adds what they are set to.
func (w *jsWalker) bind(target js.IBinding, init operand, lets *[]binding) {
	if v, ok := target.(*js.Var); ok {
		*lets = append(*lets, binding{w.declare(string(v.Data)), init})
		return
	}
	// The value is taken once, its parts are taken from it.
	slot := w.declare("")
	*lets = append(*lets, binding{slot, init})
	w.unpack(target, w.variable(init.at, slot), lets)
}

// unpack declares the names of a pattern that is not a mere name.
func (w *jsWalker) unpack(target js.IBinding, v operand, lets *[]binding) {
	at := v.at
	switch p := target.(type) {
	case *js.BindingArray:
		for i, e := range p.List {
			if e.Binding != nil {
				w.element(e, w.member(at, v, strconv.Itoa(i)), lets)
			}
		}
		if p.Rest != nil {
			from := len(p.List)
			w.bind(p.Rest, w.native(at, func(m *machine, args []any) any {
				list := m.iterate(args[0])
				return list[min(from, len(list)):]
			}, v), lets)
		}
	case *js.BindingObject:
		var taken []string
		for _, item := range p.List {
			name := item.Key
			if name == nil || name.IsComputed() {
				w.refuse(at, "expression.unsupported", "", "a pattern cannot have computed names")
			}
			key := w.propertyName(name)
			taken = append(taken, key)
			w.element(item.Value, w.member(at, v, key), lets)
		}
		if p.Rest != nil {
			w.bind(p.Rest, w.native(at, func(m *machine, args []any) any { return m.without(args[0], taken) }, v), lets)
		}
	default:
		w.refuse(at, "expression.unsupported", "", "this pattern is not supported")
	}
}

// element binds a part of a pattern, with its default.
func (w *jsWalker) element(e js.BindingElement, v operand, lets *[]binding) {
	if e.Default == nil {
		w.bind(e.Binding, v, lets)
		return
	}
	missing := w.compare(v.at, identical, v, w.constant(v.at, undefined))
	w.bind(e.Binding, w.cond(v.at, missing, w.walk(e.Default), v), lets)
}

func (w *jsWalker) walk(e js.IExpr) operand {
	defer w.nest(span{0, len(w.text)})()
	switch e := e.(type) {
	case *js.Var:
		o := w.name(w.source.at(e.Data), string(e.Name()))
		if e.Uses > 1 {
			// The parser knows where a name stands first, not where it stands here.
			o.at = span{}
		}
		return o
	case *js.LiteralExpr:
		return w.literal(e)
	case *js.GroupExpr:
		return w.walk(e.X)
	case *js.ArrayExpr:
		return w.arrayLiteral(e)
	case *js.ObjectExpr:
		return w.objectLiteral(e)
	case *js.TemplateExpr:
		return w.template(e)
	case *js.DotExpr:
		return w.dot(e)
	case *js.IndexExpr:
		x, y := w.walk(e.X), w.walk(e.Y)
		return w.index(x.at.join(y.at), x, y)
	case *js.CallExpr:
		return w.callExpr(e)
	case *js.NewExpr:
		return w.newExpr(e)
	case *js.UnaryExpr:
		return w.unary(e)
	case *js.BinaryExpr:
		return w.binary(e)
	case *js.CondExpr:
		test, x, y := w.walk(e.Cond), w.walk(e.X), w.walk(e.Y)
		return w.cond(test.at.join(y.at), test, x, y)
	case *js.ArrowFunc:
		return w.arrowFunc(e)
	case *js.CommaExpr:
		w.unsupported(w.place(e.List[0]), "the comma operator", "")
	case *js.FuncDecl:
		w.unsupported(span{}, "function", "write an arrow function: x => …")
	}
	w.unsupported(span{}, "this syntax", "")
	return operand{}
}

func (w *jsWalker) unsupported(at span, what, hint string) {
	if at.to == 0 {
		at = span{0, len(w.text)}
	}
	w.refuse(at, "expression.unsupported", hint, "%s is not part of expressions", what)
}

// place finds roughly where an expression stands, without building it.
func (w *jsWalker) place(e js.IExpr) span {
	switch e := e.(type) {
	case *js.Var:
		return w.source.at(e.Data)
	case *js.LiteralExpr:
		return w.source.at(e.Data)
	case *js.GroupExpr:
		return w.place(e.X)
	case *js.DotExpr:
		at := w.source.at(dotName(e))
		if v, ok := e.X.(*js.Var); ok && at.to > 0 {
			return w.before(at, string(v.Name())).join(at)
		}
		return w.place(e.X).join(at)
	case *js.IndexExpr:
		return w.place(e.X).join(w.place(e.Y))
	case *js.CallExpr:
		return w.place(e.X)
	case *js.UnaryExpr:
		return w.place(e.X)
	case *js.BinaryExpr:
		return w.place(e.X).join(w.place(e.Y))
	}
	return span{}
}

// dotName gives what stands after the dot.
func dotName(e *js.DotExpr) []byte {
	switch y := e.Y.(type) {
	case js.LiteralExpr:
		return y.Data
	case *js.LiteralExpr:
		return y.Data
	case *js.Var:
		return y.Data
	}
	return nil
}

func (w *jsWalker) literal(e *js.LiteralExpr) operand {
	at := w.source.at(e.Data)
	switch e.TokenType {
	case js.NullToken:
		return w.constant(at, nil)
	case js.TrueToken:
		return w.constant(at, true)
	case js.FalseToken:
		return w.constant(at, false)
	case js.StringToken:
		return w.constant(at, w.unquote(at, string(e.Data[1:len(e.Data)-1])))
	case js.RegExpToken:
		end := strings.LastIndexByte(string(e.Data), '/')
		r, err := newRegexp(string(e.Data[1:end]), string(e.Data[end+1:]))
		if err != nil {
			w.refuse(at, "expression.regexp", "", "%s", err)
		}
		return w.opaque(at, r)
	case js.ThisToken:
		w.unsupported(at, "this", "")
	}
	if js.IsNumeric(e.TokenType) {
		return w.constant(at, w.number(at, string(e.Data)))
	}
	w.unsupported(at, string(e.Data), "")
	return operand{}
}

// number reads a numeric literal; whole numbers keep every digit.
func (w *jsWalker) number(at span, literal string) any {
	if strings.HasSuffix(literal, "n") {
		w.unsupported(at, "a BigInt", "whole numbers are exact without the n")
	}
	literal = strings.ReplaceAll(literal, "_", "")
	var m machine
	n := m.parseNumber(literal)
	if f, ok := n.(float64); ok && math.IsNaN(f) {
		w.refuse(at, "expression.syntax", "", "this is not a number")
	}
	return n
}

// unquote resolves the escapes of a string or template literal.
func (w *jsWalker) unquote(at span, s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'v':
			out = append(out, '\v')
		case '\n':
		case '\r':
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
		case 'x', 'u':
			r, size := escaped(s[i:])
			if size == 0 {
				w.refuse(at, "expression.syntax", "", "the text has a wrong \\%c escape", c)
			}
			out = encode(out, r)
			i += size - 1
		default:
			if c == '0' && (i+1 == len(s) || s[i+1] < '0' || s[i+1] > '9') {
				out = append(out, 0)
			} else if c >= '0' && c <= '9' {
				w.refuse(at, "expression.syntax", "", "octal escapes are not allowed")
			} else if strings.HasPrefix(s[i:], "\u2028") || strings.HasPrefix(s[i:], "\u2029") {
				i += 2
			} else {
				out = append(out, c)
			}
		}
	}
	return heal(string(out))
}

// escaped reads xHH, uHHHH or u{H…} and gives its size, 0 where it is none of them.
func escaped(s string) (rune, int) {
	digits, size := "", 0
	switch {
	case s[0] == 'x' && len(s) >= 3:
		digits, size = s[1:3], 3
	case strings.HasPrefix(s, "u{"):
		end := strings.IndexByte(s, '}')
		if end < 0 {
			return 0, 0
		}
		digits, size = s[2:end], end+1
	case s[0] == 'u' && len(s) >= 5:
		digits, size = s[1:5], 5
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || n > 0x10FFFF {
		return 0, 0
	}
	return rune(n), size
}

func (w *jsWalker) template(e *js.TemplateExpr) operand {
	if e.Tag != nil {
		w.unsupported(w.place(e.Tag), "a tagged template", "")
	}
	var parts []operand
	at := w.source.at(e.Tail)
	text := func(token []byte, end int) {
		at = w.source.at(token).join(at)
		s := strings.ReplaceAll(strings.ReplaceAll(string(token[1:len(token)-end]), "\r\n", "\n"), "\r", "\n")
		if s != "" || len(e.List) == 0 {
			parts = append(parts, w.constant(w.source.at(token), w.unquote(w.source.at(token), s)))
		}
	}
	for _, part := range e.List {
		text(part.Value, 2)
		parts = append(parts, w.walk(part.Expr))
	}
	text(e.Tail, 1)
	if len(e.List) == 0 {
		return parts[0]
	}
	return w.native(at, join, parts...)
}

func (w *jsWalker) arrayLiteral(e *js.ArrayExpr) operand {
	var at span
	elements := make([]operand, 0, len(e.List))
	spreads := false
	for _, item := range e.List {
		if item.Value == nil {
			elements = append(elements, w.constant(at, undefined))
			continue
		}
		o := w.walk(item.Value)
		at = at.join(o.at)
		spreads = spreads || item.Spread
		elements = append(elements, o)
	}
	if !spreads {
		return w.array(at, elements)
	}
	pairs := make([]operand, 0, 2*len(elements))
	for i, o := range elements {
		pairs = append(pairs, w.mark(o.at, e.List[i].Spread), o)
	}
	return w.native(at, newArray, pairs...)
}

// mark is the constant that stands before a value that is spread, or is not.
func (w *jsWalker) mark(at span, spreads bool) operand {
	if spreads {
		return w.opaque(at, spread{})
	}
	return w.constant(at, nil)
}

func (w *jsWalker) objectLiteral(e *js.ObjectExpr) operand {
	var at span
	pairs := make([]operand, 0, 2*len(e.List))
	for _, p := range e.List {
		if _, ok := p.Value.(*js.MethodDecl); ok || p.Init != nil {
			w.unsupported(at, "a method in an object", "")
		}
		o := w.walk(p.Value)
		at = at.join(o.at)
		switch {
		case p.Spread:
			pairs = append(pairs, w.mark(o.at, true), o)
		case p.Name == nil:
			w.unsupported(at, "this kind of member", "")
		case p.Name.IsComputed():
			pairs = append(pairs, w.walk(p.Name.Computed), o)
		default:
			pairs = append(pairs, w.constant(o.at, w.propertyName(p.Name)), o)
		}
	}
	return w.native(at, newObject, pairs...)
}

func (w *jsWalker) propertyName(name *js.PropertyName) string {
	data := string(name.Literal.Data)
	at := w.source.at(name.Literal.Data)
	switch {
	case name.Literal.TokenType == js.StringToken:
		return w.unquote(at, data[1:len(data)-1])
	case js.IsNumeric(name.Literal.TokenType):
		return numberText(w.number(at, data))
	}
	return data
}

func (w *jsWalker) dot(e *js.DotExpr) operand {
	name := dotName(e)
	at := w.source.at(name)
	if space, ok := w.namespace(e.X); ok {
		return w.static(w.place(e.X).join(at), space+"."+string(name))
	}
	if strings.HasPrefix(string(name), "#") {
		w.unsupported(at, "a private name", "")
	}
	x := w.walk(e.X)
	if v, ok := e.X.(*js.Var); ok && at.to > 0 {
		x.at = w.before(at, string(v.Name()))
	}
	return w.member(x.at.join(at), x, string(name))
}

// before finds the name that stands before .member.
func (w *jsWalker) before(member span, name string) span {
	left := strings.TrimRightFunc(w.text[:member.from], isSpace)
	left, dot := strings.CutSuffix(left, ".")
	left = strings.TrimRightFunc(strings.TrimSuffix(left, "?"), isSpace)
	if !dot || !strings.HasSuffix(left, name) {
		return span{}
	}
	return span{len(left) - len(name), len(left)}
}

// namespace gives the name of a built-in object such as Math, where e is nothing but that.
func (w *jsWalker) namespace(e js.IExpr) (string, bool) {
	v, ok := e.(*js.Var)
	if !ok {
		return "", false
	}
	name := string(v.Name())
	if _, declared := w.resolve(name); declared || !namespaces[name] {
		return "", false
	}
	return name, true
}

func (w *jsWalker) callExpr(e *js.CallExpr) operand {
	callee := e.X
	for {
		g, ok := callee.(*js.GroupExpr)
		if !ok {
			break
		}
		callee = g.X
	}
	switch callee := callee.(type) {
	case *js.Var:
		at := w.source.at(callee.Data)
		return w.apply(at, string(callee.Name()), e.Args)
	case *js.DotExpr:
		at := w.source.at(dotName(callee))
		if space, ok := w.namespace(callee.X); ok {
			return w.apply(w.place(callee.X).join(at), space+"."+string(dotName(callee)), e.Args)
		}
		x := w.walk(callee.X)
		args, spreads := w.arguments(e.Args)
		return w.method(at, x, string(dotName(callee)), args, spreads)
	}
	w.refuse(w.place(callee), "expression.unsupported", "", "this is not the name of a function or method")
	return operand{}
}

// apply calls a function by its name.
func (w *jsWalker) apply(at span, name string, list js.Args) operand {
	f := w.function(at, name)
	args, spreads := w.arguments(list)
	return w.callFunction(at, f, args, spreads)
}

// arguments builds the arguments of a call; where one of them is spread they are one array.
func (w *jsWalker) arguments(list js.Args) (args []operand, spreads bool) {
	for _, a := range list.List {
		spreads = spreads || a.Rest
		args = append(args, w.walk(a.Value))
	}
	if !spreads {
		return args, false
	}
	var at span
	pairs := make([]operand, 0, 2*len(args))
	for i, o := range args {
		at = at.join(o.at)
		pairs = append(pairs, w.mark(o.at, list.List[i].Rest), o)
	}
	return []operand{w.native(at, newArray, pairs...)}, true
}

func (w *jsWalker) newExpr(e *js.NewExpr) operand {
	v, ok := e.X.(*js.Var)
	if !ok {
		w.unsupported(w.place(e.X), "new of this", "")
	}
	at := w.source.at(v.Data)
	name := string(v.Name())
	if functions["new "+name] == nil {
		w.unsupported(at, "new "+name, "")
	}
	var list js.Args
	if e.Args != nil {
		list = *e.Args
	}
	return w.apply(at, "new "+name, list)
}

func (w *jsWalker) unary(e *js.UnaryExpr) operand {
	switch e.Op {
	case js.NotToken, js.NegToken, js.PosToken, js.BitNotToken, js.TypeofToken, js.VoidToken:
	default:
		w.unsupported(w.place(e.X), e.Op.String(), "expressions change nothing")
	}
	x := w.walk(e.X)
	switch e.Op {
	case js.NotToken:
		return w.test(x.at, not, x)
	case js.NegToken:
		return w.negative(x)
	case js.PosToken:
		return w.native(x.at, plus, x)
	case js.BitNotToken:
		return w.native(x.at, bitNot, x)
	case js.TypeofToken:
		return w.native(x.at, typeOf, x)
	}
	return w.constant(x.at, undefined)
}

// negative is -x, at once where x is a literal.
func (b *builder) negative(x operand) operand {
	switch n, _ := x.literal(); n.(type) {
	case int64, float64, value.Number:
		return b.constant(x.at, negate(nil, []any{n}))
	}
	return b.native(x.at, negate, x)
}

var jsOperators = map[js.TokenType]native{
	js.AddToken:    add,
	js.SubToken:    subtract,
	js.MulToken:    multiply,
	js.DivToken:    divide,
	js.ModToken:    remainder,
	js.ExpToken:    power,
	js.BitAndToken: bitAnd,
	js.BitOrToken:  bitOr,
	js.BitXorToken: bitXor,
	js.LtLtToken:   shiftLeft,
	js.GtGtToken:   shiftRight,
	js.GtGtGtToken: shiftRightUnsigned,
	js.LtToken:     isLess,
	js.GtToken:     isMore,
	js.LtEqToken:   isAtMost,
	js.GtEqToken:   isAtLeast,
	js.EqEqToken:   isEqual,
	js.NotEqToken:  unequal,
	js.InToken:     isIn,
}

func (w *jsWalker) binary(e *js.BinaryExpr) operand {
	if e.Op == js.BitOrToken {
		w.findPipe(e)
	}
	switch e.Op {
	case js.InstanceofToken:
		w.unsupported(w.place(e), "instanceof", "Array.isArray(x) and typeof x tell kinds")
	case js.EqToken:
		w.unsupported(w.place(e), "an assignment", "== compares")
	}
	x, y := w.walk(e.X), w.walk(e.Y)
	o := w.operator(e.Op, x, y)
	o.term = newTerm(e.Op.String(), x, y)
	return o
}

func (w *jsWalker) operator(op js.TokenType, x, y operand) operand {
	at := x.at.join(y.at)
	switch op {
	case js.OrToken:
		return w.choice(plainOr, x, y)
	case js.AndToken:
		return w.choice(plainAnd, x, y)
	case js.NullishToken:
		return w.choice(plainCoalesce, x, y)
	case js.EqEqEqToken:
		return w.compare(at, identical, x, y)
	case js.NotEqEqToken:
		return w.compare(at, different, x, y)
	}
	if fn := jsOperators[op]; fn != nil {
		return w.native(at, fn, x, y)
	}
	w.unsupported(at, op.String(), "expressions change nothing")
	return operand{}
}

// findPipe gives up on the JavaScript reading of x | f(y), where f is not one of JavaScript's own functions.
func (w *jsWalker) findPipe(e *js.BinaryExpr) {
	for y := e.Y; ; {
		switch next := y.(type) {
		case *js.BinaryExpr:
			y = next.X
		case *js.CondExpr:
			y = next.Cond
		case *js.DotExpr:
			y = next.X
		case *js.IndexExpr:
			y = next.X
		case *js.CallExpr:
			if v, ok := next.X.(*js.Var); ok {
				if f := functions[string(v.Name())]; f != nil && f.group != groupJavaScript {
					panic(&pipe{w.place(e.X).join(w.place(next))})
				}
				return
			}
			y = next.X
		default:
			return
		}
	}
}

func (w *jsWalker) arrowFunc(e *js.ArrowFunc) operand {
	if e.Async {
		w.unsupported(span{}, "async", "")
	}
	w.open()
	defer w.close()
	var lets []binding
	params := make([]int, 0, len(e.Params.List))
	type pattern struct {
		element js.BindingElement
		slot    int
	}
	var patterns []pattern
	at := span{}
	for _, p := range e.Params.List {
		if v, ok := p.Binding.(*js.Var); ok && p.Default == nil {
			at = at.join(w.source.at(v.Data))
			params = append(params, w.declare(string(v.Data)))
			continue
		}
		slot := w.declare("")
		params = append(params, slot)
		patterns = append(patterns, pattern{p, slot})
	}
	last := -1
	if e.Params.Rest != nil {
		last = w.declare("")
		patterns = append(patterns, pattern{js.BindingElement{Binding: e.Params.Rest}, last})
	}
	for _, p := range patterns {
		v := w.variable(at, p.slot)
		switch p.element.Binding.(type) {
		case *js.BindingArray, *js.BindingObject:
			if p.element.Default == nil {
				w.unpack(p.element.Binding, v, &lets)
				continue
			}
		}
		w.element(p.element, v, &lets)
	}
	body := w.lets(lets, w.statements(e.Body.List, at))
	return w.arrow(at.join(body.at), params, last, body)
}
