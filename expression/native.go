package expression

import (
	"fmt"

	"github.com/expr-lang/expr/ast"
)

// exprWalker builds an expression out of a tree of expr's own parser, with JavaScript's meaning of the operators that
// both have.
type exprWalker struct {
	*builder
	pointers []pointers
}

// pointers are the slots of what #, #index and #acc mean inside a predicate; acc is -1 where it means nothing.
type pointers struct{ item, index, acc int }

func (w *exprWalker) at(n ast.Node) span {
	l := n.Location()
	return span{byteOffset(w.text, l.From), byteOffset(w.text, l.To)}
}

var exprOperators = map[string]native{
	"+": add, "-": subtract, "*": multiply, "/": divide, "%": remainder, "**": power,
	"<": isLess, ">": isMore, "<=": isAtMost, ">=": isAtLeast, "==": isEqual, "!=": unequal,
	"in": isIn, "..": spanOf,
	"contains": contains, "startsWith": hasPrefix, "endsWith": hasSuffix,
}

func (w *exprWalker) walk(n ast.Node) operand {
	at := w.at(n)
	defer w.nest(at)()
	switch n := n.(type) {
	case *ast.NilNode:
		return w.constant(at, nil)
	case *ast.IdentifierNode:
		return w.name(at, n.Value)
	case *ast.IntegerNode:
		return w.constant(at, int64(n.Value))
	case *ast.FloatNode:
		return w.constant(at, number(n.Value))
	case *ast.BoolNode:
		return w.constant(at, n.Value)
	case *ast.StringNode:
		return w.constant(at, n.Value)
	case *ast.BytesNode:
		return w.constant(at, n.Value)
	case *ast.UnaryNode:
		x := w.walk(n.Node)
		switch n.Operator {
		case "-":
			return w.negative(x)
		case "+":
			return w.native(at, plus, x)
		}
		return w.test(at, not, x)
	case *ast.BinaryNode:
		return w.binary(at, n)
	case *ast.ChainNode:
		return w.walk(n.Node)
	case *ast.MemberNode:
		x, y := w.walk(n.Node), w.walk(n.Property)
		return w.index(x.at.join(y.at), x, y)
	case *ast.SliceNode:
		args := []operand{w.constant(at, int64(0))}
		if n.From != nil {
			args[0] = w.walk(n.From)
		}
		if n.To != nil {
			args = append(args, w.walk(n.To))
		}
		return w.method(at, w.walk(n.Node), "slice", args, false)
	case *ast.CallNode:
		return w.callNode(at, n)
	case *ast.BuiltinNode:
		return w.builtin(at, n)
	case *ast.PointerNode:
		return w.pointer(at, n.Name)
	case *ast.ConditionalNode:
		return w.cond(at, w.walk(n.Cond), w.walk(n.Exp1), w.walk(n.Exp2))
	case *ast.VariableDeclaratorNode:
		v := w.walk(n.Value)
		w.open()
		defer w.close()
		return w.let(at, w.declare(n.Name), v, w.walk(n.Expr))
	case *ast.SequenceNode:
		// What stands before the last has no effect, but has to be right.
		var last operand
		for _, e := range n.Nodes {
			last = w.walk(e)
		}
		return last
	case *ast.ArrayNode:
		elements := make([]operand, len(n.Nodes))
		for i, e := range n.Nodes {
			elements[i] = w.walk(e)
		}
		return w.array(at, elements)
	case *ast.MapNode:
		var pairs []operand
		for _, p := range n.Pairs {
			pair := p.(*ast.PairNode)
			pairs = append(pairs, w.walk(pair.Key), w.walk(pair.Value))
		}
		return w.native(at, newObject, pairs...)
	}
	w.refuse(at, "expression.unsupported", "", "this syntax is not part of expressions")
	return operand{}
}

func (w *exprWalker) binary(at span, n *ast.BinaryNode) operand {
	if n.Operator == "^" {
		w.refuse(at, "expression.unsupported", "** is the power of a number", "^ means one thing in JavaScript and another in expr")
	}
	x, y := w.walk(n.Left), w.walk(n.Right)
	o := w.operator(at, n.Operator, x, y)
	o.term = newTerm(n.Operator, x, y)
	return o
}

func (w *exprWalker) operator(at span, op string, x, y operand) operand {
	switch op {
	case "||", "or":
		return w.choice(plainOr, x, y)
	case "&&", "and":
		return w.choice(plainAnd, x, y)
	case "??":
		return w.choice(plainCoalesce, x, y)
	case "matches":
		if pattern, ok := y.literal(); ok {
			if s, ok := pattern.(string); ok {
				r, err := compilePattern(s)
				if err != nil {
					w.refuse(y.at, "expression.regexp", "", "%s", err)
				}
				return w.native(at, func(m *machine, args []any) any { return r.match(m, args[0]) }, x)
			}
		}
		return w.native(at, matches, x, y)
	}
	fn := exprOperators[op]
	if fn == nil {
		w.refuse(at, "expression.unsupported", "", "the operator %s is not part of expressions", op)
	}
	return w.native(at, fn, x, y)
}

func (w *exprWalker) callNode(at span, n *ast.CallNode) operand {
	switch callee := n.Callee.(type) {
	case *ast.IdentifierNode:
		f := w.function(w.at(callee), callee.Value)
		return w.callFunction(at, f, w.walkAll(n.Arguments), false)
	case *ast.MemberNode:
		name, ok := callee.Property.(*ast.StringNode)
		if !ok {
			break
		}
		if space, ok := callee.Node.(*ast.IdentifierNode); ok && namespaces[space.Value] {
			if _, declared := w.resolve(space.Value); !declared {
				f := w.function(at, space.Value+"."+name.Value)
				return w.callFunction(at, f, w.walkAll(n.Arguments), false)
			}
		}
		return w.method(at, w.walk(callee.Node), name.Value, w.walkAll(n.Arguments), false)
	}
	w.refuse(at, "expression.unsupported", "", "this is not the name of a function or method")
	return operand{}
}

func (w *exprWalker) walkAll(nodes []ast.Node) []operand {
	list := make([]operand, len(nodes))
	for i, n := range nodes {
		list[i] = w.walk(n)
	}
	return list
}

func (w *exprWalker) builtin(at span, n *ast.BuiltinNode) operand {
	f := w.function(at, n.Name)
	args := make([]operand, len(n.Arguments))
	for i, a := range n.Arguments {
		if p, ok := a.(*ast.PredicateNode); ok {
			args[i] = w.predicate(p, n.Name == "reduce")
		} else {
			args[i] = w.walk(a)
		}
	}
	return w.callFunction(at, f, args, false)
}

// predicate is an arrow function whose parameters are pointers.
func (w *exprWalker) predicate(n *ast.PredicateNode, reduces bool) operand {
	w.open()
	defer w.close()
	p := pointers{acc: -1}
	var params []int
	if reduces {
		p.acc = w.declare("#acc")
		params = append(params, p.acc)
	}
	p.item, p.index = w.declare("#"), w.declare("#index")
	w.pointers = append(w.pointers, p)
	body := w.walk(n.Node)
	w.pointers = w.pointers[:len(w.pointers)-1]
	return w.arrow(w.at(n), append(params, p.item, p.index), -1, body)
}

func (w *exprWalker) pointer(at span, name string) operand {
	if len(w.pointers) > 0 {
		p := w.pointers[len(w.pointers)-1]
		switch {
		case name == "":
			return w.variable(at, p.item)
		case name == "index":
			return w.variable(at, p.index)
		case name == "acc" && p.acc >= 0:
			return w.variable(at, p.acc)
		}
	}
	w.refuse(at, "expression.unknown_name", "", "%s means nothing here", fmt.Sprintf("#%s", name))
	return operand{}
}
