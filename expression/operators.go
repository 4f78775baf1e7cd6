package expression

import (
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/usher-id/usher/value"
)

// primitive is JavaScript's ToPrimitive: arrays, objects, bytes and times become text.
func (m *machine) primitive(v any) any {
	switch v.(type) {
	case []any, *value.Object, []byte, time.Time, invalidDate, regexpValue:
		return m.text(v)
	}
	return v
}

func isText(v any) bool {
	switch v.(type) {
	case string, value.Secret:
		return true
	}
	return false
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64, value.Number:
		return true
	}
	return false
}

// add is x + y: joined where one is text, else the sum.
func add(m *machine, args []any) any {
	x, y := m.primitive(args[0]), m.primitive(args[1])
	if isText(x) || isText(y) {
		a, b := m.text(x), m.text(y)
		m.grow(len(a) + len(b))
		return heal(a + b)
	}
	return sum(m.numeric(x), m.numeric(y))
}

func sum(x, y any) any {
	if a, ok := x.(int64); ok {
		if b, ok := y.(int64); ok {
			if c := a + b; (c > a) == (b > 0) {
				return c
			}
		}
	}
	return number(asFloat(x) + asFloat(y))
}

func subtract(m *machine, args []any) any {
	x, y := m.numeric(args[0]), m.numeric(args[1])
	if a, ok := x.(int64); ok {
		if b, ok := y.(int64); ok {
			if c := a - b; (c < a) == (b > 0) {
				return c
			}
		}
	}
	return number(asFloat(x) - asFloat(y))
}

func multiply(m *machine, args []any) any {
	x, y := m.numeric(args[0]), m.numeric(args[1])
	if a, ok := x.(int64); ok {
		if b, ok := y.(int64); ok {
			if a == 0 || b == 0 {
				return number(float64(a) * float64(b))
			}
			if c := a * b; c/b == a && (a != -1 || b != math.MinInt64) && (b != -1 || a != math.MinInt64) {
				return c
			}
		}
	}
	return number(asFloat(x) * asFloat(y))
}

func divide(m *machine, args []any) any {
	x, y := m.numeric(args[0]), m.numeric(args[1])
	if a, ok := x.(int64); ok {
		if b, ok := y.(int64); ok && a != 0 && b != 0 && a%b == 0 && (a != math.MinInt64 || b != -1) {
			return a / b
		}
	}
	return number(asFloat(x) / asFloat(y))
}

func remainder(m *machine, args []any) any {
	x, y := m.numeric(args[0]), m.numeric(args[1])
	if a, ok := x.(int64); ok {
		if b, ok := y.(int64); ok && b != 0 && b != -1 {
			if r := a % b; r != 0 || a >= 0 {
				return r
			}
			return math.Copysign(0, -1)
		}
	}
	return number(math.Mod(asFloat(x), asFloat(y)))
}

func power(m *machine, args []any) any {
	x, y := m.numeric(args[0]), m.numeric(args[1])
	if a, ok := x.(int64); ok {
		if b, ok := y.(int64); ok && b >= 0 && b < 64 {
			m.step(5)
			if c := new(big.Int).Exp(big.NewInt(a), big.NewInt(b), nil); c.IsInt64() {
				return c.Int64()
			}
		}
	}
	return pow(asFloat(x), asFloat(y))
}

// pow is ECMA-262's Number::exponentiate, which knows no 1 to the power of an unknown.
func pow(x, y float64) any {
	if y != y || math.Abs(x) == 1 && math.IsInf(y, 0) {
		return math.NaN()
	}
	return number(math.Pow(x, y))
}

func negate(m *machine, args []any) any {
	switch n := m.numeric(args[0]).(type) {
	case int64:
		if n != 0 && n != math.MinInt64 {
			return -n
		}
		return number(-float64(n))
	case value.Number:
		if digits, ok := strings.CutPrefix(string(n), "-"); ok {
			return value.ParseNumber(digits)
		}
		return value.ParseNumber("-" + string(n))
	default:
		return number(-asFloat(n))
	}
}

func plus(m *machine, args []any) any { return m.numeric(args[0]) }

func bitAnd(m *machine, args []any) any { return int64(m.bits(args[0]) & m.bits(args[1])) }
func bitOr(m *machine, args []any) any  { return int64(m.bits(args[0]) | m.bits(args[1])) }
func bitXor(m *machine, args []any) any { return int64(m.bits(args[0]) ^ m.bits(args[1])) }
func bitNot(m *machine, args []any) any { return int64(^m.bits(args[0])) }

func shiftLeft(m *machine, args []any) any {
	return int64(m.bits(args[0]) << (uint32(m.bits(args[1])) & 31))
}

func shiftRight(m *machine, args []any) any {
	return int64(m.bits(args[0]) >> (uint32(m.bits(args[1])) & 31))
}

func shiftRightUnsigned(m *machine, args []any) any {
	return int64(uint32(m.bits(args[0])) >> (uint32(m.bits(args[1])) & 31))
}

func not(v any) bool { return !truthy(v) }

// secretless gives the text of a secret for a comparison, which tells nothing more than yes or no.
func secretless(v any) any {
	if s, ok := v.(value.Secret); ok {
		return s.Reveal()
	}
	return v
}

// identical is x === y. Two times are identical where they are the same instant.
func identical(x, y any) bool {
	switch a := x.(type) {
	case string:
		if b, ok := y.(string); ok {
			return a == b
		}
	case int64, float64, value.Number:
		if !isNumber(y) {
			return false
		}
		if isLong(x) || isLong(y) {
			return x == y
		}
		order, ok := compareNumbers(a, y)
		return ok && order == 0
	case time.Time:
		b, ok := y.(time.Time)
		return ok && a.Equal(b)
	}
	return same(secretless(x), secretless(y))
}

func different(x, y any) bool { return !identical(x, y) }

// equal is x == y.
func equal(m *machine, x, y any) bool {
	x, y = secretless(x), secretless(y)
	if !present(x) || !present(y) {
		return present(x) == present(y)
	}
	if kind(x) == kind(y) {
		return identical(x, y)
	}
	if kind(x) == "object" {
		x = m.primitive(x)
	}
	if kind(y) == "object" {
		y = m.primitive(y)
	}
	if isText(x) && isText(y) {
		return identical(secretless(x), secretless(y))
	}
	return identical(m.numeric(x), m.numeric(y))
}

// compare orders x and y as < does: texts by their code units, all else as numbers.
func compare(m *machine, x, y any) (order int, ok bool) {
	x, y = orderable(m, x), orderable(m, y)
	if a, isText := x.(string); isText {
		if b, isText := y.(string); isText {
			return compareText(a, b), true
		}
	}
	return compareNumbers(m.numeric(x), m.numeric(y))
}

func orderable(m *machine, v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UnixMilli()
	case value.Secret:
		return v.Reveal()
	case []any, *value.Object, []byte:
		return m.text(v)
	}
	return v
}

func isEqual(m *machine, args []any) any { return equal(m, args[0], args[1]) }
func unequal(m *machine, args []any) any { return !equal(m, args[0], args[1]) }

func isLess(m *machine, args []any) any {
	order, ok := compare(m, args[0], args[1])
	return ok && order < 0
}

func isMore(m *machine, args []any) any {
	order, ok := compare(m, args[0], args[1])
	return ok && order > 0
}

func isAtMost(m *machine, args []any) any {
	order, ok := compare(m, args[0], args[1])
	return ok && order <= 0
}

func isAtLeast(m *machine, args []any) any {
	order, ok := compare(m, args[0], args[1])
	return ok && order >= 0
}

// kind is typeof.
func kind(v any) string {
	switch v.(type) {
	case undefinedType:
		return "undefined"
	case bool:
		return "boolean"
	case int64, float64, value.Number:
		return "number"
	case string, value.Secret:
		return "string"
	case callback:
		return "function"
	}
	return "object"
}

func typeOf(_ *machine, args []any) any { return kind(args[0]) }

// isIn is x in y: an element of an array, the name of a member of an object, a part of a text.
func isIn(m *machine, args []any) any {
	switch y := args[1].(type) {
	case nil, undefinedType:
		return false
	case []any:
		m.step(len(y))
		for _, e := range y {
			if equal(m, args[0], e) {
				return true
			}
		}
		return false
	case *value.Object:
		_, ok := y.Get(m.text(args[0]))
		return ok
	case string, value.Secret:
		m.step(1)
		return present(args[0]) && strings.Contains(m.text(y), m.text(args[0]))
	}
	fail("expression.type", "in looks into arrays, objects and texts, not into %s", named(args[1]))
	return nil
}

// join makes one text of the parts of a template.
func join(m *machine, args []any) any { return m.joinText(args, "") }

// newObject makes an object of names and values in turn.
func newObject(m *machine, args []any) any {
	m.grow(memberSize / 2 * len(args))
	o := value.NewObject(len(args) / 2)
	for i := 0; i+1 < len(args); i += 2 {
		if _, ok := args[i].(spread); ok {
			assign(m, o, args[i+1])
		} else {
			o.Set(m.text(args[i]), args[i+1])
		}
	}
	return o
}

// spread stands before a value that is spread into an array or object literal.
type spread struct{}

// assign sets the members of v, as Object.assign does.
func assign(m *machine, o *value.Object, v any) { m.members(v, o.Set) }

// newList makes an array of its elements.
func newList(m *machine, args []any) any { return append(m.list(len(args)), args...) }

// newArray makes an array of pairs: what spread says of a value, and the value.
func newArray(m *machine, args []any) any {
	list := m.list(len(args) / 2)
	for i := 0; i+1 < len(args); i += 2 {
		if _, ok := args[i].(spread); ok {
			list = append(list, m.iterate(args[i+1])...)
		} else {
			list = append(list, args[i+1])
		}
	}
	return list
}

// iterate gives the elements of an array, or the characters of a text; of null or nothing there are none.
func (m *machine) iterate(v any) []any {
	switch v := v.(type) {
	case []any:
		m.grow(16 * len(v))
		return v
	case string, value.Secret:
		s := m.text(v)
		list := m.list(len(s))
		for i := 0; i < len(s); {
			_, size := decode(s[i:])
			list = append(list, s[i:i+size])
			i += size
		}
		return list
	case nil, undefinedType:
		return nil
	}
	fail("expression.type", "%s cannot be spread into an array", named(v))
	return nil
}

// describe names the kind of a value for a message.
func describe(v any) string {
	switch v.(type) {
	case undefinedType:
		return "missing value"
	case callback:
		return "function"
	case regexpValue:
		return "regular expression"
	case invalidDate:
		return "invalid date"
	}
	return value.Kind(v)
}

// named is describe with its article.
func named(v any) string {
	switch kind := describe(v); kind[0] {
	case 'a', 'i', 'o':
		return "an " + kind
	default:
		return "a " + kind
	}
}

// spanOf is expr's a..b: the whole numbers from a to b.
func spanOf(m *machine, args []any) any {
	from, to := m.integer(args[0]), m.integer(args[1])
	list := m.list(max(0, to-from+1))
	for i := from; i <= to; i++ {
		list = append(list, int64(i))
	}
	return list
}
