package expression

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/bits"
	"net/url"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usher-id/usher/value"
)

// The groups of functions, as the reference shows them.
const (
	groupHelpers    = "For user records"
	groupText       = "Text"
	groupLists      = "Lists and objects"
	groupNumbers    = "Numbers and kinds"
	groupJavaScript = "JavaScript"
	groupMethods    = "Methods"
)

// function is one function of the language: what Compile knows of it and what the reference says.
type function struct {
	arity
	name, signature, doc string
	example, result      string // an expression, and the JSON of its result
	group                string
	call                 native
	// prepare checks arguments that are literals when the expression is compiled, and may give what to call instead.
	prepare func(b *builder, at span, args []operand) native
}

// FunctionDoc describes a function or method of the language.
type FunctionDoc struct {
	Name      string
	Signature string
	Doc       string // empty where it is JavaScript's own and means what it means there
	Example   string // an expression, or empty
	Result    string // the JSON of what the example gives
	Group     string
}

// Functions lists the functions and methods of the language in the order of the reference.
func Functions() []FunctionDoc {
	docs := make([]FunctionDoc, 0, len(functionList)+len(methods))
	for _, f := range functionList {
		docs = append(docs, FunctionDoc{strings.TrimPrefix(f.name, "new "), f.signature, f.doc, f.example, f.result, f.group})
	}
	n := len(docs)
	for name, f := range methods {
		docs = append(docs, FunctionDoc{Name: name, Signature: f.signature, Doc: f.doc, Group: groupMethods})
	}
	sort.Slice(docs[n:], func(i, j int) bool { return docs[n+i].Signature < docs[n+j].Signature })
	return docs
}

var (
	functionList []*function
	functions    map[string]*function
	// namespaces are the built-in objects whose members are functions.
	namespaces = map[string]bool{}
	constants  = map[string]any{
		"Math.PI": math.Pi, "Math.E": math.E, "Math.LN2": math.Ln2, "Math.LN10": math.Ln10, "Math.LOG2E": math.Log2E,
		"Math.LOG10E": math.Log10E, "Math.SQRT2": math.Sqrt2, "Math.SQRT1_2": math.Sqrt2 / 2,
		"Number.MAX_SAFE_INTEGER": int64(maxExact - 1), "Number.MIN_SAFE_INTEGER": int64(1 - maxExact),
		"Number.MAX_VALUE": math.MaxFloat64, "Number.MIN_VALUE": 5e-324, "Number.EPSILON": 0x1p-52,
		"Number.POSITIVE_INFINITY": math.Inf(1), "Number.NEGATIVE_INFINITY": math.Inf(-1), "Number.NaN": math.NaN(),
	}
)

func init() {
	for _, part := range [][]*function{helperFunctions(), textFunctions(), listFunctions(), numberFunctions(), scriptFunctions()} {
		functionList = append(functionList, part...)
	}
	functions = make(map[string]*function, len(functionList))
	for _, f := range functionList {
		functions[f.name] = f
		if space, _, ok := strings.Cut(f.name, "."); ok {
			namespaces[space] = true
		}
	}
}

func exactly(n int) arity           { return arity{min: n, max: n} }
func between(least, most int) arity { return arity{min: least, max: most} }

// onText is a function of a text that leaves null and what is missing as they are.
func onText(f func(m *machine, s string, args []any) any) native {
	return func(m *machine, args []any) any {
		if !present(args[0]) {
			return args[0]
		}
		s := m.text(args[0])
		m.step(len(s) >> 6)
		return f(m, s, args[1:])
	}
}

// viaMethod is a function f(x, …) that is the method x.name(…).
func viaMethod(name string) native {
	return func(m *machine, args []any) any { return methods[name].call(m, name, args[0], args[1:]) }
}

// onList is a function of an array; null and what is missing count as an empty one.
func onList(name string, f func(m *machine, list []any, args []any) any) native {
	return func(m *machine, args []any) any { return f(m, m.elements(name, args[0]), args[1:]) }
}

func (m *machine) elements(name string, v any) []any {
	switch v := v.(type) {
	case []any:
		m.step(len(v))
		return v
	case nil, undefinedType:
		return nil
	}
	fail("expression.type", "%s takes an array, not %s", name, named(v))
	return nil
}

// byLambda is the arity of a function of an array and a function.
var byLambda = arity{min: 2, max: 2, callback: 2}

func textFunctions() []*function {
	list := []*function{
		{name: "lower", arity: exactly(1), signature: "lower(text)", doc: "The text in small letters. Null stays null.",
			example: "lower('Ann@X.com')", result: `"ann@x.com"`,
			call: onText(func(m *machine, s string, _ []any) any { return m.lower(s) })},
		{name: "upper", arity: exactly(1), signature: "upper(text)", doc: "The text in capitals. Null stays null.",
			example: "upper('de')", result: `"DE"`,
			call: onText(func(m *machine, s string, _ []any) any { return m.upper(s) })},
		{name: "trim", arity: between(1, 2), signature: "trim(text, characters)", doc: "The text without white space, or those characters, at its ends. Null stays null.",
			example: "trim('  Ann ')", result: `"Ann"`,
			call: onText(func(m *machine, s string, args []any) any {
				if len(args) == 0 {
					return strings.TrimFunc(s, isSpace)
				}
				return strings.Trim(s, m.text(args[0]))
			})},
		{name: "trimPrefix", arity: exactly(2), signature: "trimPrefix(text, start)", doc: "The text without that start, where it has it.",
			example: "trimPrefix('auth0|5f7c', 'auth0|')", result: `"5f7c"`,
			call: onText(func(m *machine, s string, args []any) any { return strings.TrimPrefix(s, m.text(args[0])) })},
		{name: "trimSuffix", arity: exactly(2), signature: "trimSuffix(text, end)", doc: "The text without that end, where it has it.",
			example: "trimSuffix('a.b.', '.')", result: `"a.b"`,
			call: onText(func(m *machine, s string, args []any) any { return strings.TrimSuffix(s, m.text(args[0])) })},
		{name: "split", arity: between(2, 3), signature: "split(text, separator, limit)", doc: "The parts of a text.",
			example: "split('a,b', ',')", result: `["a","b"]`, call: viaMethod("split")},
		{name: "splitAfter", arity: exactly(2), signature: "splitAfter(text, separator)", doc: "The parts of a text, each with the separator after it.",
			example: "splitAfter('a,b', ',')", result: `["a,","b"]`,
			call: onText(func(m *machine, s string, args []any) any {
				by := m.text(args[0])
				out := m.list(strings.Count(s, by) + 1)
				for _, part := range strings.SplitAfter(s, by) {
					out = append(out, part)
				}
				return out
			})},
		{name: "replace", arity: arity{min: 3, max: 3, callback: 3, optional: true}, signature: "replace(text, old, new)",
			doc:     "The text with every old part replaced; of a regular expression the first match, or with the flag g every one.",
			example: "replace('a-b-c', '-', '')", result: `"abc"`,
			call: onText(func(m *machine, s string, args []any) any {
				_, isPattern := args[0].(regexpValue)
				return replace(m, s, args, !isPattern)
			})},
		{name: "repeat", arity: exactly(2), signature: "repeat(text, count)", doc: "The text that many times.",
			example: "repeat('ab', 2)", result: `"abab"`, call: viaMethod("repeat")},
		{name: "indexOf", arity: exactly(2), signature: "indexOf(text, part)", doc: "Where the part begins, -1 where it is not there. Also of an element in an array.",
			example: "indexOf('abc', 'c')", result: `2`, call: viaMethod("indexOf")},
		{name: "lastIndexOf", arity: exactly(2), signature: "lastIndexOf(text, part)", doc: "Where the last such part begins, or -1.",
			example: "lastIndexOf('abcbc', 'b')", result: `3`, call: viaMethod("lastIndexOf")},
		{name: "hasPrefix", arity: exactly(2), signature: "hasPrefix(text, start)", doc: "Whether the text begins so. Also `text startsWith start`.",
			example: "hasPrefix('auth0|5f7c', 'auth0|')", result: `true`, call: hasPrefix},
		{name: "hasSuffix", arity: exactly(2), signature: "hasSuffix(text, end)", doc: "Whether the text ends so. Also `text endsWith end`.",
			example: "hasSuffix('a@x.com', '@x.com')", result: `true`, call: hasSuffix},
		{name: "toBase64", arity: exactly(1), signature: "toBase64(text)", doc: "The text, or bytes, in base64 (RFC 4648, section 4).",
			example: "toBase64('hello')", result: `"aGVsbG8="`, call: toBase64},
		{name: "fromBase64", arity: exactly(1), signature: "fromBase64(text)", doc: "The text that was written in base64; bytes where it is no text.",
			example: "fromBase64('aGVsbG8=')", result: `"hello"`,
			call: onText(func(m *machine, s string, _ []any) any {
				m.grow(len(s))
				raw, err := base64.StdEncoding.DecodeString(s)
				if err != nil {
					if raw, err = base64.RawURLEncoding.DecodeString(s); err != nil {
						fail("expression.argument", "fromBase64 was given a text that is not base64")
					}
				}
				if utf8.Valid(raw) {
					return string(raw)
				}
				return raw
			})},
	}
	return inGroup(groupText, list)
}

func inGroup(group string, list []*function) []*function {
	for _, f := range list {
		f.group = group
	}
	return list
}

func contains(m *machine, args []any) any {
	if !present(args[0]) || !present(args[1]) {
		return false
	}
	return strings.Contains(m.text(args[0]), m.text(args[1]))
}

func hasPrefix(m *machine, args []any) any {
	if !present(args[0]) || !present(args[1]) {
		return false
	}
	return strings.HasPrefix(m.text(args[0]), m.text(args[1]))
}

func hasSuffix(m *machine, args []any) any {
	if !present(args[0]) || !present(args[1]) {
		return false
	}
	return strings.HasSuffix(m.text(args[0]), m.text(args[1]))
}

func toBase64(m *machine, args []any) any {
	raw, isBytes := args[0].([]byte)
	if !isBytes {
		if !present(args[0]) {
			return args[0]
		}
		raw = []byte(scrub(m.text(args[0])))
	}
	m.grow(2 * len(raw))
	return base64.StdEncoding.EncodeToString(raw)
}

func listFunctions() []*function {
	list := []*function{
		{name: "len", arity: exactly(1), signature: "len(x)", doc: "The length of a text in UTF-16 code units, the number of elements or members; 0 of null.",
			example: "len('abc')", result: `3`, call: length},
		{name: "map", arity: byLambda, signature: "map(list, x => …)", doc: "What the function gives for each element. Also `map(list, #.name)`.",
			example: "map([1, 2], x => x * 2)", result: `[2,4]`, call: onList("map", mapList)},
		{name: "filter", arity: byLambda, signature: "filter(list, x => …)", doc: "The elements for which the function is true.",
			example: "filter([1, 2, 3], x => x > 1)", result: `[2,3]`, call: onList("filter", filter)},
		{name: "find", arity: byLambda, signature: "find(list, x => …)", doc: "The first element for which the function is true.",
			example: "find([1, 2, 3], x => x > 1)", result: `2`, call: onList("find", find)},
		{name: "findIndex", arity: byLambda, signature: "findIndex(list, x => …)", doc: "Its index, or -1.",
			example: "findIndex([1, 2, 3], x => x > 1)", result: `1`, call: onList("findIndex", findIndex)},
		{name: "findLast", arity: byLambda, signature: "findLast(list, x => …)", doc: "The last element for which the function is true.",
			example: "findLast([1, 2, 3], x => x > 1)", result: `3`, call: onList("findLast", findLast)},
		{name: "findLastIndex", arity: byLambda, signature: "findLastIndex(list, x => …)", doc: "Its index, or -1.",
			example: "findLastIndex([1, 2, 3], x => x > 1)", result: `2`, call: onList("findLastIndex", findLastIndex)},
		{name: "all", arity: byLambda, signature: "all(list, x => …)", doc: "Whether the function is true for every element.",
			example: "all([1, 2], x => x > 0)", result: `true`, call: onList("all", every)},
		{name: "any", arity: byLambda, signature: "any(list, x => …)", doc: "Whether it is true for one.",
			example: "any([1, 2], x => x > 1)", result: `true`, call: onList("any", some)},
		{name: "none", arity: byLambda, signature: "none(list, x => …)", doc: "Whether it is true for none.",
			example: "none([1, 2], x => x > 2)", result: `true`, call: onList("none", func(m *machine, list, args []any) any {
				return countIf(m, list, callbackOf(args)) == 0
			})},
		{name: "one", arity: byLambda, signature: "one(list, x => …)", doc: "Whether it is true for exactly one.",
			example: "one([1, 2], x => x > 1)", result: `true`, call: onList("one", func(m *machine, list, args []any) any {
				return countIf(m, list, callbackOf(args)) == 1
			})},
		{name: "count", arity: arity{min: 1, max: 2, callback: 2}, signature: "count(list, x => …)", doc: "For how many it is true; without a function, how many are truthy.",
			example: "count([1, 2, 3], x => x > 1)", result: `2`, call: onList("count", func(m *machine, list, args []any) any {
				if len(args) == 0 {
					n := 0
					for _, e := range list {
						n += btoi(truthy(e))
					}
					return int64(n)
				}
				return int64(countIf(m, list, callbackOf(args)))
			})},
		{name: "reduce", arity: arity{min: 2, max: 3, callback: 2}, signature: "reduce(list, (sum, x) => …, start)", doc: "What remains of a list folded from its start. Also `reduce(list, #acc + #, 0)`.",
			example: "reduce([1, 2, 3], (sum, x) => sum + x, 0)", result: `6`, call: onList("reduce", func(m *machine, list, args []any) any {
				if len(args) < 2 && len(list) == 0 {
					return undefined
				}
				return reduce(m, list, args, false)
			})},
		{name: "groupBy", arity: byLambda, signature: "groupBy(list, x => …)", doc: "An object of the lists of elements for which the function gives the same.",
			example: "groupBy(['ab', 'ac', 'b'], x => x[0])", result: `{"a":["ab","ac"],"b":["b"]}`, call: onList("groupBy", groupBy)},
		{name: "sortBy", arity: arity{min: 2, max: 3, callback: 2}, signature: "sortBy(list, x => …, 'desc')", doc: "The elements in the order of what the function gives.",
			example: "sortBy([{n: 2}, {n: 1}], x => x.n)", result: `[{"n":1},{"n":2}]`, call: onList("sortBy", sortBy)},
		{name: "sort", arity: between(1, 2), signature: "sort(list, 'desc')", doc: "The elements in order: numbers as numbers, texts as texts.",
			example: "sort([10, 9, 1])", result: `[1,9,10]`, call: onList("sort", func(m *machine, list, args []any) any {
				return m.order(list, list, args, 0)
			})},
		{name: "reverse", arity: exactly(1), signature: "reverse(list)", doc: "The elements from the last to the first.",
			example: "reverse([1, 2])", result: `[2,1]`, call: onList("reverse", func(m *machine, list, _ []any) any { return reverse(m, list) })},
		{name: "uniq", arity: exactly(1), signature: "uniq(list)", doc: "The elements without repetitions.",
			example: "uniq([1, 2, 1])", result: `[1,2]`, call: onList("uniq", func(m *machine, list, _ []any) any { return distinct(m, list) })},
		{name: "first", arity: exactly(1), signature: "first(list)", doc: "The first element.", example: "first([1, 2])", result: `1`,
			call: onList("first", func(_ *machine, list, _ []any) any { return arg(list, 0) })},
		{name: "last", arity: exactly(1), signature: "last(list)", doc: "The last element.", example: "last([1, 2])", result: `2`,
			call: onList("last", func(_ *machine, list, _ []any) any { return elementAt(list, len(list)-1) })},
		{name: "take", arity: exactly(2), signature: "take(list, n)", doc: "The first n elements.", example: "take([1, 2, 3], 2)", result: `[1,2]`,
			call: onList("take", func(m *machine, list, args []any) any {
				n := min(max(m.integer(args[0]), 0), len(list))
				return list[:n:n]
			})},
		{name: "concat", arity: arity{min: 1, max: -1}, signature: "concat(list, …)", doc: "The elements of several lists as one.",
			example: "concat([1], [2, 3])", result: `[1,2,3]`, call: concat},
		{name: "flatten", arity: exactly(1), signature: "flatten(list)", doc: "The elements, and those of lists among them, as one list.",
			example: "flatten([1, [2, [3]]])", result: `[1,2,3]`, call: onList("flatten", func(m *machine, list, _ []any) any {
				return flatten(m, list, maxLevels)
			})},
		{name: "join", arity: between(1, 2), signature: "join(list, separator)", doc: "One text of the elements.",
			example: "join(['a', 'b'], '-')", result: `"a-b"`, call: onList("join", func(m *machine, list, args []any) any {
				return m.joinText(list, m.text(arg(args, 0)))
			})},
		{name: "keys", arity: exactly(1), signature: "keys(object)", doc: "The names of the members.", example: "keys({a: 1})", result: `["a"]`, call: keys},
		{name: "values", arity: exactly(1), signature: "values(object)", doc: "The values of the members.", example: "values({a: 1})", result: `[1]`, call: memberValues},
		{name: "toPairs", arity: exactly(1), signature: "toPairs(object)", doc: "The members as lists of name and value.",
			example: "toPairs({a: 1})", result: `[["a",1]]`, call: entries},
		{name: "fromPairs", arity: exactly(1), signature: "fromPairs(list)", doc: "An object of lists of name and value.",
			example: "fromPairs([['a', 1]])", result: `{"a":1}`, call: fromEntries},
		{name: "get", arity: exactly(2), signature: "get(x, name)", doc: "The member or element; x[name].", example: "get({a: 1}, 'a')", result: `1`,
			call: func(m *machine, args []any) any {
				s := newStep(m.text(args[1]))
				return m.member(args[0], &s)
			}},
	}
	return inGroup(groupLists, list)
}

func length(m *machine, args []any) any {
	switch v := args[0].(type) {
	case nil, undefinedType:
		return int64(0)
	case string, value.Secret:
		s := newStep("length")
		return m.member(v, &s)
	case []byte:
		return int64(len(v))
	case []any:
		return int64(len(v))
	case *value.Object:
		return int64(v.Len())
	}
	fail("expression.type", "%s has no length", named(args[0]))
	return nil
}

func groupBy(m *machine, list, args []any) any {
	c := callbackOf(args)
	o := value.NewObject(8)
	for i, e := range list {
		m.grow(memberSize)
		key := m.text(m.invoke(c, e, int64(i), list))
		group, _ := o.Get(key)
		members, _ := group.([]any)
		o.Set(key, append(members, e))
	}
	return o
}

func sortBy(m *machine, list, args []any) any {
	c := callbackOf(args)
	by := m.list(len(list))
	for i, e := range list {
		by = append(by, m.invoke(c, e, int64(i), list))
	}
	return m.order(list, by, args, 1)
}

// order gives the elements in the order of their keys, stable; missing keys come last.
func (m *machine) order(list, by, args []any, at int) any {
	descending := false
	if v := arg(args, at); v != undefined {
		switch m.text(v) {
		case "asc":
		case "desc":
			descending = true
		default:
			fail("expression.argument", "the order is 'asc' or 'desc'")
		}
	}
	places := make([]int, len(list))
	m.grow(24 * len(list))
	for i := range places {
		places[i] = i
	}
	sort.SliceStable(places, func(i, j int) bool {
		m.step(1)
		a, b := by[places[i]], by[places[j]]
		if !present(a) || !present(b) {
			return present(a) && !present(b)
		}
		order, _ := compare(m, a, b)
		if descending {
			return order > 0
		}
		return order < 0
	})
	out := m.list(len(list))
	for _, i := range places {
		out = append(out, list[i])
	}
	return out
}

// distinct gives the elements without those that came before.
func distinct(m *machine, list []any) []any {
	out := []any{}
	seen := make(map[any]bool)
next:
	for _, e := range list {
		m.grow(48)
		switch e.(type) {
		case string, int64, bool, nil, undefinedType:
			if seen[e] {
				continue
			}
			seen[e] = true
		default:
			m.step(len(out))
			for _, known := range out {
				if sameZero(known, e) {
					continue next
				}
			}
		}
		out = append(out, e)
	}
	return out
}

func concat(m *machine, args []any) any {
	out := []any{}
	for _, a := range args {
		if list, ok := a.([]any); ok {
			m.grow(16 * len(list))
			out = append(out, list...)
		} else {
			m.grow(16)
			out = append(out, a)
		}
	}
	return out
}

// members visits the members of an object, or the elements of an array or text by their index.
func (m *machine) members(v any, visit func(name string, v any)) {
	switch v := v.(type) {
	case *value.Object:
		m.grow(memberSize * v.Len())
		for name, e := range v.All() {
			visit(name, e)
		}
	case []any:
		m.grow(memberSize * len(v))
		for i, e := range v {
			visit(numberText(int64(i)), e)
		}
	case string, value.Secret:
		m.members(split(m, m.text(v), []any{""}), visit)
	}
}

func keys(m *machine, args []any) any {
	out := []any{}
	m.members(args[0], func(name string, _ any) { out = append(out, name) })
	return out
}

func memberValues(m *machine, args []any) any {
	out := []any{}
	m.members(args[0], func(_ string, v any) { out = append(out, v) })
	return out
}

func entries(m *machine, args []any) any {
	out := []any{}
	m.members(args[0], func(name string, v any) { out = append(out, []any{name, v}) })
	return out
}

func fromEntries(m *machine, args []any) any {
	o := value.NewObject(8)
	for _, e := range m.elements("fromEntries", args[0]) {
		m.grow(memberSize)
		pair, ok := e.([]any)
		if !ok {
			fail("expression.type", "the entries of an object are arrays of name and value, not %s", named(e))
		}
		v := arg(pair, 1)
		o.Set(m.text(arg(pair, 0)), v)
	}
	return o
}

func numberFunctions() []*function {
	list := []*function{
		{name: "int", arity: exactly(1), signature: "int(x)", doc: "The whole number that a number, a text or a boolean says; an error where it says none. Null stays null.",
			example: "int('42')", result: `42`, call: toInt},
		{name: "float", arity: exactly(1), signature: "float(x)", doc: "The number that a text says; an error where it says none. Null stays null.",
			example: "float('1.5')", result: `1.5`, call: toFloat},
		{name: "string", arity: exactly(1), signature: "string(x)", doc: "The text of a value; JSON of lists and objects. Null stays null.",
			example: "string([1, 2])", result: `"[1,2]"`, call: func(m *machine, args []any) any {
				switch v := args[0].(type) {
				case nil, undefinedType:
					return v
				case []any, *value.Object:
					return m.json(v, "")
				}
				return m.text(args[0])
			}},
		{name: "type", arity: exactly(1), signature: "type(x)", doc: "The kind of a value: nil, bool, int, float, string, bytes, time, array or map.",
			example: "type([1])", result: `"array"`, call: exprType},
		{name: "abs", arity: exactly(1), signature: "abs(n)", doc: "The number without its sign.", example: "abs(-1)", result: `1`, call: absolute},
		{name: "ceil", arity: exactly(1), signature: "ceil(n)", doc: "The least whole number that is not less.", example: "ceil(1.2)", result: `2`, call: rounding(math.Ceil)},
		{name: "floor", arity: exactly(1), signature: "floor(n)", doc: "The greatest whole number that is not more.", example: "floor(1.8)", result: `1`, call: rounding(math.Floor)},
		{name: "round", arity: exactly(1), signature: "round(n)", doc: "The nearest whole number, of two the greater.", example: "round(1.5)", result: `2`, call: rounding(roundHalfUp)},
		{name: "max", arity: arity{min: 1, max: -1}, signature: "max(n, …)", doc: "The greatest of numbers or of a list of them.", example: "max([1, 3])", result: `3`, call: spreading(extreme(1))},
		{name: "min", arity: arity{min: 1, max: -1}, signature: "min(n, …)", doc: "The least of numbers or of a list of them.", example: "min(1, 3)", result: `1`, call: spreading(extreme(-1))},
		{name: "sum", arity: arity{min: 1, max: 2, callback: 2}, signature: "sum(list, x => …)", doc: "The sum of a list, or of what the function gives for its elements.",
			example: "sum([1, 2])", result: `3`, call: onList("sum", func(m *machine, list, args []any) any {
				var total any = int64(0)
				for i, e := range list {
					if len(args) > 0 {
						e = m.invoke(callbackOf(args), e, int64(i), list)
					}
					total = sum(total, m.numeric(e))
				}
				return total
			})},
		{name: "mean", arity: exactly(1), signature: "mean(list)", doc: "The mean of a list of numbers.", example: "mean([1, 2])", result: `1.5`,
			call: onList("mean", func(m *machine, list, _ []any) any {
				if len(list) == 0 {
					return undefined
				}
				total := 0.0
				for _, e := range list {
					total += m.float(e)
				}
				return number(total / float64(len(list)))
			})},
		{name: "median", arity: exactly(1), signature: "median(list)", doc: "The median of a list of numbers.", example: "median([1, 9, 2])", result: `2`,
			call: onList("median", func(m *machine, list, _ []any) any {
				if len(list) == 0 {
					return undefined
				}
				m.grow(8 * len(list))
				all := make([]float64, len(list))
				for i, e := range list {
					all[i] = m.float(e)
				}
				sort.Float64s(all)
				return number((all[(len(all)-1)/2] + all[len(all)/2]) / 2)
			})},
		{name: "bitand", arity: exactly(2), signature: "bitand(a, b)", doc: "a & b of 32 bits.", example: "bitand(6, 3)", result: `2`, call: bitAnd},
		{name: "bitor", arity: exactly(2), signature: "bitor(a, b)", doc: "a | b of 32 bits.", example: "bitor(6, 3)", result: `7`, call: bitOr},
		{name: "bitxor", arity: exactly(2), signature: "bitxor(a, b)", doc: "a ^ b of 32 bits.", example: "bitxor(6, 3)", result: `5`, call: bitXor},
		{name: "bitnot", arity: exactly(1), signature: "bitnot(a)", doc: "~a of 32 bits.", example: "bitnot(0)", result: `-1`, call: bitNot},
		{name: "bitshl", arity: exactly(2), signature: "bitshl(a, n)", doc: "a << n of 32 bits.", example: "bitshl(1, 3)", result: `8`, call: shiftLeft},
		{name: "bitshr", arity: exactly(2), signature: "bitshr(a, n)", doc: "a >> n of 32 bits.", example: "bitshr(8, 3)", result: `1`, call: shiftRight},
		{name: "bitushr", arity: exactly(2), signature: "bitushr(a, n)", doc: "a >>> n of 32 bits.", example: "bitushr(-1, 28)", result: `15`, call: shiftRightUnsigned},
		{name: "toJSON", arity: exactly(1), signature: "toJSON(x)", doc: "The JSON of a value, on lines of its own.", example: "toJSON([])", result: `"[]"`,
			call: func(m *machine, args []any) any { return m.json(args[0], "  ") }},
		{name: "fromJSON", arity: exactly(1), signature: "fromJSON(text)", doc: "The value of a JSON text.", example: `fromJSON('{"a":1}')`, result: `{"a":1}`, call: parseJSON},
		{name: "now", arity: exactly(0), signature: "now()", doc: "The time of the evaluation, UTC.", call: newDate},
		{name: "duration", arity: exactly(1), signature: "duration(text)", doc: "Milliseconds of a duration such as 1h30m, to add to a time's number.",
			example: "duration('1h30m')", result: `5400000`, call: onText(func(_ *machine, s string, _ []any) any {
				d, err := time.ParseDuration(s)
				if err != nil {
					fail("expression.argument", "duration takes a text such as 1h30m")
				}
				return number(float64(d) / 1e6)
			})},
	}
	return inGroup(groupNumbers, list)
}

// spreading lets a function of numbers take one list of them.
func spreading(f native) native {
	return func(m *machine, args []any) any {
		if list, ok := args[0].([]any); ok && len(args) == 1 {
			return f(m, list)
		}
		return f(m, args)
	}
}

func toFloat(m *machine, args []any) any {
	v := args[0]
	if !present(v) {
		return v
	}
	n := m.numeric(v)
	if f := asFloat(n); f != f || isText(v) && strings.TrimFunc(m.text(v), isSpace) == "" {
		fail("expression.argument", "this %s is not a number", describe(v))
	}
	return n
}

func toInt(m *machine, args []any) any {
	n := toFloat(m, args)
	if _, isFloat := n.(float64); !isFloat {
		if _, isWhole := bigInt(n); isWhole || !present(n) {
			return n
		}
	}
	f := asFloat(n)
	if math.IsInf(f, 0) {
		fail("expression.argument", "infinity is not a whole number")
	}
	return number(math.Trunc(f))
}

func exprType(_ *machine, args []any) any {
	switch v := args[0].(type) {
	case nil, undefinedType:
		return "nil"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case value.Number:
		if _, ok := bigInt(v); ok {
			return "int"
		}
		return "float"
	case *value.Object:
		return "map"
	default:
		return describe(v)
	}
}

// json writes the JSON of a value as JSON.stringify does.
func (m *machine) json(v any, indent string) string {
	w := jsonWriter{m: m, indent: indent}
	w.write(v, 0)
	return string(w.out)
}

type jsonWriter struct {
	m      *machine
	out    []byte
	indent string
}

func (w *jsonWriter) write(v any, depth int) {
	w.m.enter()
	defer w.m.leave()
	before := len(w.out)
	switch v := v.(type) {
	case string:
		w.out = appendQuoted(w.out, v)
	case value.Secret:
		w.out = appendQuoted(w.out, w.m.reveal(v))
	case time.Time:
		w.out = value.AppendString(w.out, timeText(v))
	case regexpValue:
		w.out = append(w.out, "{}"...)
	case undefinedType, invalidDate:
		w.out = append(w.out, "null"...)
	case float64:
		if v == 0 {
			v = 0 // not -0
		}
		w.out = value.AppendJSON(w.out, v)
	case []any:
		w.m.grow(2 + len(v))
		w.out = append(w.out, '[')
		for i, e := range v {
			w.next(i, depth)
			w.write(e, depth+1)
		}
		w.close(']', len(v), depth)
		return
	case *value.Object:
		n := 0
		w.out = append(w.out, '{')
		for name, e := range v.All() {
			if e == undefined {
				continue
			}
			w.next(n, depth)
			n++
			w.out = appendQuoted(w.out, name)
			w.out = append(w.out, ':')
			if w.indent != "" {
				w.out = append(w.out, ' ')
			}
			w.m.grow(len(name) + 4)
			w.write(e, depth+1)
		}
		w.close('}', n, depth)
		return
	default:
		w.out = value.AppendJSON(w.out, v)
	}
	w.m.grow(len(w.out) - before + 1)
}

func (w *jsonWriter) next(i, depth int) {
	if i > 0 {
		w.out = append(w.out, ',')
	}
	w.line(depth + 1)
}

func (w *jsonWriter) close(c byte, n, depth int) {
	if n > 0 {
		w.line(depth)
	}
	w.out = append(w.out, c)
}

func (w *jsonWriter) line(depth int) {
	if w.indent == "" {
		return
	}
	w.m.grow(1 + depth*len(w.indent))
	w.out = append(w.out, '\n')
	for range depth {
		w.out = append(w.out, w.indent...)
	}
}

// appendQuoted appends a JSON string in which half a character is escaped (ECMA-262, QuoteJSONString).
func appendQuoted(dst []byte, s string) []byte {
	if halfAt(s, 0) < 0 {
		return value.AppendString(dst, s)
	}
	dst = append(dst, '"')
	for s != "" {
		i := halfAt(s, 0)
		if i < 0 {
			i = len(s)
		}
		quoted := value.AppendString(nil, s[:i])
		dst = append(dst, quoted[1:len(quoted)-1]...)
		if s = s[i:]; s != "" {
			r, size := decode(s)
			dst = fmt.Appendf(dst, `\u%04x`, r)
			s = s[size:]
		}
	}
	return append(dst, '"')
}

func parseJSON(m *machine, args []any) any {
	if !present(args[0]) {
		return args[0]
	}
	text := m.text(args[0])
	// A value takes up to some 16 times its text.
	m.grow(16 * len(text))
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		fail("expression.json", "this text is not JSON: %s", err)
	}
	return v
}

func stringify(m *machine, args []any) any {
	if args[0] == undefined {
		return undefined
	}
	if present(arg(args, 1)) {
		fail("expression.argument", "JSON.stringify takes no replacer here: write null")
	}
	indent := ""
	switch v := arg(args, 2).(type) {
	case string:
		indent = unitSlice(v, 0, min(unitLen(v), 10))
	case int64, float64:
		indent = strings.Repeat(" ", min(max(m.integer(v), 0), 10))
	}
	return m.json(args[0], indent)
}

func scriptFunctions() []*function {
	list := []*function{
		{name: "Number", arity: between(0, 1), signature: "Number(x)", example: "Number('1.50')", result: `1.5`, call: func(m *machine, args []any) any {
			if len(args) == 0 {
				return int64(0)
			}
			return m.numeric(args[0])
		}},
		{name: "String", arity: between(0, 1), signature: "String(x)", example: "String(1.5)", result: `"1.5"`, call: func(m *machine, args []any) any { return m.text(arg(args, 0)) }},
		{name: "Boolean", arity: between(0, 1), signature: "Boolean(x)", example: "Boolean('')", result: `false`, call: func(_ *machine, args []any) any { return truthy(arg(args, 0)) }},
		{name: "parseInt", arity: between(1, 2), signature: "parseInt(text, base)", example: "parseInt('42px')", result: `42`, call: parseInt},
		{name: "parseFloat", arity: exactly(1), signature: "parseFloat(text)", example: "parseFloat('1.5em')", result: `1.5`, call: parseFloat},
		{name: "isNaN", arity: exactly(1), signature: "isNaN(x)", example: "isNaN('a')", result: `true`, call: func(m *machine, args []any) any { f := m.float(args[0]); return f != f }},
		{name: "isFinite", arity: exactly(1), signature: "isFinite(x)", example: "isFinite('1')", result: `true`, call: func(m *machine, args []any) any { return finite(m.float(args[0])) }},
		{name: "Number.isInteger", arity: exactly(1), signature: "Number.isInteger(x)", example: "Number.isInteger(1.5)", result: `false`, call: isInteger},
		{name: "Number.isSafeInteger", arity: exactly(1), signature: "Number.isSafeInteger(x)", example: "Number.isSafeInteger(1)", result: `true`, call: func(m *machine, args []any) any {
			return isInteger(m, args) == true && math.Abs(asFloat(args[0])) < maxExact
		}},
		{name: "Number.isFinite", arity: exactly(1), signature: "Number.isFinite(x)", example: "Number.isFinite('1')", result: `false`, call: func(_ *machine, args []any) any {
			return isNumber(args[0]) && finite(asFloat(args[0]))
		}},
		{name: "Number.isNaN", arity: exactly(1), signature: "Number.isNaN(x)", example: "Number.isNaN('a')", result: `false`, call: func(_ *machine, args []any) any {
			f, ok := args[0].(float64)
			return ok && f != f
		}},
		{name: "Number.parseInt", arity: between(1, 2), signature: "Number.parseInt(text, base)", example: "Number.parseInt('ff', 16)", result: `255`, call: parseInt},
		{name: "Number.parseFloat", arity: exactly(1), signature: "Number.parseFloat(text)", example: "Number.parseFloat('.5')", result: `0.5`, call: parseFloat},
		{name: "String.fromCharCode", arity: arity{max: -1}, signature: "String.fromCharCode(code, …)", example: "String.fromCharCode(65, 66)", result: `"AB"`, call: func(m *machine, args []any) any {
			var out []byte
			for _, a := range args {
				m.grow(3)
				out = encode(out, rune(uint16(m.bits(a))))
			}
			return heal(string(out))
		}},
		{name: "String.fromCodePoint", arity: arity{max: -1}, signature: "String.fromCodePoint(code, …)", example: "String.fromCodePoint(128512)", result: `"😀"`, call: func(m *machine, args []any) any {
			var out []byte
			for _, a := range args {
				m.grow(4)
				r := m.integer(a)
				if r < 0 || r > utf8.MaxRune {
					fail("expression.argument", "there is no such code point")
				}
				out = encode(out, rune(r))
			}
			return heal(string(out))
		}},
		{name: "Object.keys", arity: exactly(1), signature: "Object.keys(object)", example: "Object.keys({a: 1})", result: `["a"]`, call: keys},
		{name: "Object.values", arity: exactly(1), signature: "Object.values(object)", example: "Object.values({a: 1})", result: `[1]`, call: memberValues},
		{name: "Object.entries", arity: exactly(1), signature: "Object.entries(object)", example: "Object.entries({a: 1})", result: `[["a",1]]`, call: entries},
		{name: "Object.fromEntries", arity: exactly(1), signature: "Object.fromEntries(list)", example: "Object.fromEntries([['a', 1]])", result: `{"a":1}`, call: fromEntries},
		{name: "Object.assign", arity: arity{min: 1, max: -1}, signature: "Object.assign(object, …)", doc: "A new object: expressions change nothing.",
			example: "Object.assign({}, {a: 1})", result: `{"a":1}`, call: func(m *machine, args []any) any {
				o := value.NewObject(8)
				for _, a := range args {
					assign(m, o, a)
				}
				return o
			}},
		{name: "Object.hasOwn", arity: exactly(2), signature: "Object.hasOwn(object, name)", example: "Object.hasOwn({a: 1}, 'a')", result: `true`, call: func(m *machine, args []any) any {
			name := m.text(args[1])
			if o, ok := args[0].(*value.Object); ok {
				_, ok = o.Get(name)
				return ok
			}
			s := newStep(name)
			return m.member(args[0], &s) != undefined
		}},
		{name: "Array.isArray", arity: exactly(1), signature: "Array.isArray(x)", example: "Array.isArray([])", result: `true`, call: func(_ *machine, args []any) any {
			_, ok := args[0].([]any)
			return ok
		}},
		{name: "Array.from", arity: arity{min: 1, max: 2, callback: 2}, signature: "Array.from(list, x => …)", example: "Array.from('ab')", result: `["a","b"]`, call: func(m *machine, args []any) any {
			list := m.iterate(args[0])
			if len(args) > 1 {
				return mapList(m, list, args[1:])
			}
			return append(m.list(len(list)), list...)
		}},
		{name: "Array.of", arity: arity{max: -1}, signature: "Array.of(x, …)", example: "Array.of(1, 2)", result: `[1,2]`, call: func(m *machine, args []any) any {
			return append(m.list(len(args)), args...)
		}},
		{name: "JSON.stringify", arity: between(1, 3), signature: "JSON.stringify(x, null, indent)", example: "JSON.stringify({a: 1})", result: `"{\"a\":1}"`, call: stringify},
		{name: "JSON.parse", arity: exactly(1), signature: "JSON.parse(text)", doc: "Numbers keep every digit.", example: `JSON.parse('{"a":1}')`, result: `{"a":1}`, call: parseJSON},
		{name: "new Date", arity: between(0, 7), signature: "new Date(x)", doc: "A time of a text that leaves no doubt, of milliseconds, of year, month from 0, day and so on in UTC, or of now.",
			example: "new Date('2020-01-02').toISOString()", result: `"2020-01-02T00:00:00.000Z"`, call: newDate},
		{name: "Date.now", arity: exactly(0), signature: "Date.now()", call: func(*machine, []any) any { return time.Now().UnixMilli() }},
		{name: "Date.parse", arity: exactly(1), signature: "Date.parse(text)", example: "Date.parse('1970-01-01T00:00:01Z')", result: `1000`, call: func(m *machine, args []any) any {
			if t, ok := parseDate(m.text(args[0])); ok {
				return t.UnixMilli()
			}
			return math.NaN()
		}},
		{name: "Date.UTC", arity: between(1, 7), signature: "Date.UTC(year, month, …)", example: "Date.UTC(1970, 0, 2)", result: `86400000`, call: func(m *machine, args []any) any {
			ms := m.dateUTC(args)
			if !(math.Abs(ms) <= maxTime) {
				return math.NaN()
			}
			return number(ms)
		}},
		{name: "RegExp", arity: between(1, 2), signature: "RegExp(source, flags)", example: "RegExp('^a', 'i').test('Ab')", result: `true`, call: constructRegexp, prepare: prepareRegexp},
		{name: "new RegExp", arity: between(1, 2), signature: "new RegExp(source, flags)", example: "new RegExp('b').test('abc')", result: `true`, call: constructRegexp, prepare: prepareRegexp},
		{name: "new Set", arity: between(0, 1), signature: "new Set(list)", doc: "A list without repetitions, which has the method `has`.",
			example: "[...new Set([1, 1, 2])]", result: `[1,2]`, call: func(m *machine, args []any) any { return distinct(m, m.iterate(arg(args, 0))) }},
		{name: "encodeURIComponent", arity: exactly(1), signature: "encodeURIComponent(text)", example: "encodeURIComponent('a b&c')", result: `"a%20b%26c"`, call: encodeWith("-_.!~*'()")},
		{name: "decodeURIComponent", arity: exactly(1), signature: "decodeURIComponent(text)", example: "decodeURIComponent('a%20b')", result: `"a b"`, call: decodeComponent},
		{name: "encodeURI", arity: exactly(1), signature: "encodeURI(text)", example: "encodeURI('https://x.y/a b')", result: `"https://x.y/a%20b"`, call: encodeWith("-_.!~*'();/?:@&=+$,#")},
		{name: "decodeURI", arity: exactly(1), signature: "decodeURI(text)", example: "decodeURI('a%20b%2F')", result: `"a b%2F"`, call: decodeURI},
	}
	number1 := func(name string, f native, example, result string) {
		list = append(list, &function{name: "Math." + name, arity: exactly(1), signature: "Math." + name + "(n)", call: f, example: example, result: result})
	}
	number1("abs", absolute, "Math.abs(-1)", "1")
	number1("sign", sign, "Math.sign(-3)", "-1")
	number1("ceil", rounding(math.Ceil), "Math.ceil(1.2)", "2")
	number1("floor", rounding(math.Floor), "Math.floor(1.8)", "1")
	number1("round", rounding(roundHalfUp), "Math.round(-1.5)", "-1")
	number1("trunc", rounding(math.Trunc), "Math.trunc(-1.8)", "-1")
	number1("sqrt", real(math.Sqrt), "Math.sqrt(9)", "3")
	number1("cbrt", real(math.Cbrt), "Math.cbrt(27)", "3")
	number1("exp", real(math.Exp), "Math.exp(0)", "1")
	number1("expm1", real(math.Expm1), "Math.expm1(0)", "0")
	number1("log", real(math.Log), "Math.log(1)", "0")
	number1("log2", real(math.Log2), "Math.log2(8)", "3")
	number1("log10", real(math.Log10), "Math.log10(1000)", "3")
	number1("log1p", real(math.Log1p), "Math.log1p(0)", "0")
	number1("sin", real(math.Sin), "Math.sin(0)", "0")
	number1("cos", real(math.Cos), "Math.cos(0)", "1")
	number1("tan", real(math.Tan), "Math.tan(0)", "0")
	number1("asin", real(math.Asin), "Math.asin(0)", "0")
	number1("acos", real(math.Acos), "Math.acos(1)", "0")
	number1("atan", real(math.Atan), "Math.atan(0)", "0")
	number1("sinh", real(math.Sinh), "Math.sinh(0)", "0")
	number1("cosh", real(math.Cosh), "Math.cosh(0)", "1")
	number1("tanh", real(math.Tanh), "Math.tanh(0)", "0")
	number1("asinh", real(math.Asinh), "Math.asinh(0)", "0")
	number1("acosh", real(math.Acosh), "Math.acosh(1)", "0")
	number1("atanh", real(math.Atanh), "Math.atanh(0)", "0")
	number1("fround", real(func(f float64) float64 { return float64(float32(f)) }), "Math.fround(0.5)", "0.5")
	number1("clz32", func(m *machine, args []any) any { return int64(bits.LeadingZeros32(uint32(m.bits(args[0])))) }, "Math.clz32(1)", "31")
	list = append(list,
		&function{name: "Math.atan2", arity: exactly(2), signature: "Math.atan2(y, x)", example: "Math.atan2(0, 1)", result: "0", call: func(m *machine, args []any) any {
			return number(math.Atan2(m.float(args[0]), m.float(args[1])))
		}},
		&function{name: "Math.imul", arity: exactly(2), signature: "Math.imul(x, y)", example: "Math.imul(3, 4)", result: "12", call: func(m *machine, args []any) any {
			return int64(m.bits(args[0]) * m.bits(args[1]))
		}},
		&function{name: "Math.pow", arity: exactly(2), signature: "Math.pow(x, y)", example: "Math.pow(2, 10)", result: "1024", call: power},
		&function{name: "Math.min", arity: arity{max: -1}, signature: "Math.min(n, …)", example: "Math.min(1, 2)", result: "1", call: extreme(-1)},
		&function{name: "Math.max", arity: arity{max: -1}, signature: "Math.max(n, …)", example: "Math.max(...[1, 2])", result: "2", call: extreme(1)},
		&function{name: "Math.hypot", arity: arity{max: -1}, signature: "Math.hypot(n, …)", example: "Math.hypot(3, 4)", result: "5", call: hypot},
	)
	return inGroup(groupJavaScript, list)
}

func finite(f float64) bool { return f == f && !math.IsInf(f, 0) }

func isInteger(_ *machine, args []any) any {
	if !isNumber(args[0]) {
		return false
	}
	f := asFloat(args[0])
	return finite(f) && math.Trunc(f) == f
}

func constructRegexp(m *machine, args []any) any {
	source, flags := "", ""
	if r, ok := args[0].(regexpValue); ok {
		source, flags = r.source, r.flags
	} else {
		source = m.text(args[0])
	}
	if v := arg(args, 1); v != undefined {
		flags = m.text(v)
	}
	r, err := m.compile(source, flags)
	if err != nil {
		fail("expression.regexp", "%s", err)
	}
	return r
}

// prepareRegexp compiles a pattern of literals once.
func prepareRegexp(b *builder, at span, args []operand) native {
	var parts [2]string
	for i, o := range args {
		v, ok := o.literal()
		s, isText := v.(string)
		if !ok || !isText {
			return nil
		}
		parts[i] = s
	}
	r, err := newRegexp(parts[0], parts[1])
	if err != nil {
		b.refuse(at, "expression.regexp", "", "%s", err)
	}
	return func(*machine, []any) any { return r }
}

// encodeWith is encodeURI or encodeURIComponent, by the characters that stay beside letters and digits.
func encodeWith(keep string) native {
	return func(m *machine, args []any) any {
		s := m.text(args[0])
		if halfAt(s, 0) >= 0 {
			fail("expression.uri", "half a character cannot be encoded")
		}
		m.grow(3 * len(s))
		var out strings.Builder
		for i := 0; i < len(s); i++ {
			if c := s[i]; digit(c) < 36 || strings.IndexByte(keep, c) >= 0 {
				out.WriteByte(c)
			} else {
				fmt.Fprintf(&out, "%%%02X", c)
			}
		}
		return out.String()
	}
}

func decodeComponent(m *machine, args []any) any {
	s := m.text(args[0])
	m.grow(len(s))
	decoded, err := url.PathUnescape(s)
	if err != nil || !utf8.ValidString(decoded) {
		fail("expression.uri", "this text is not an encoded URI")
	}
	return decoded
}

func decodeURI(m *machine, args []any) any {
	s := m.text(args[0])
	m.grow(2 * len(s))
	// What stands for a character that means something in a URI stays as it is.
	var kept strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && digit(s[i+1]) < 16 && digit(s[i+2]) < 16 &&
			strings.IndexByte(";/?:@&=+$,#", byte(digit(s[i+1])<<4|digit(s[i+2]))) >= 0 {
			kept.WriteString("%25")
			continue
		}
		kept.WriteByte(s[i])
	}
	return decodeComponent(m, []any{kept.String()})
}
