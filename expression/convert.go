package expression

import (
	"encoding/base64"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usher-id/usher/value"
)

// present says whether v is there and not null.
func present(v any) bool { return v != nil && v != undefined }

// truthy is JavaScript's ToBoolean.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil, undefinedType:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case int64:
		return v != 0
	case float64:
		return v != 0 && v == v
	case value.Number:
		return isLong(v) || v.Float64() != 0
	case value.Secret:
		return v != ""
	}
	return true
}

// text is JavaScript's ToString, save that null and what is missing are empty.
func (m *machine) text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil, undefinedType:
		return ""
	case bool:
		return strconv.FormatBool(v)
	case int64, float64, value.Number:
		return numberText(v)
	case value.Secret:
		return m.reveal(v)
	case time.Time:
		return timeText(v)
	case []byte:
		return m.bytesText(v)
	case []any:
		return m.joinText(v, ",")
	case *value.Object:
		return "[object Object]"
	case regexpValue:
		return v.String()
	case invalidDate:
		return "Invalid Date"
	}
	return ""
}

// bytesText reads bytes as UTF-8 text, else gives their base64 as JSON does.
func (m *machine) bytesText(b []byte) string {
	m.grow(2 * len(b))
	if utf8.Valid(b) {
		return string(b)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func (m *machine) joinText(list []any, separator string) string {
	m.enter()
	defer m.leave()
	var out strings.Builder
	for i, e := range list {
		m.step(1)
		if i > 0 {
			m.grow(len(separator))
			out.WriteString(separator)
		}
		s := m.text(e)
		m.grow(len(s))
		out.WriteString(s)
	}
	return heal(out.String())
}

// numberText writes a number as ECMA-262's Number::toString does, or with the digits that it came with.
func numberText(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		switch {
		case v != v:
			return "NaN"
		case math.IsInf(v, 1):
			return "Infinity"
		case math.IsInf(v, -1):
			return "-Infinity"
		case v == 0:
			return "0"
		}
		return string(value.AppendJSON(nil, v))
	case value.Number:
		return string(v)
	}
	return ""
}

// maxDigits is how many digits of a whole number are kept or reckoned with: time grows with their square.
const maxDigits = 1000

// isLong says whether v is a number that takes long to read; it is taken by its text where nothing counts the work.
func isLong(v any) bool {
	n, ok := v.(value.Number)
	return ok && len(n) > maxDigits
}

// maxExact is the number up to which every integer is a float64.
const maxExact = 1 << 53

// number gives a float64 as the value it is: an int64 where it is a whole number.
func number(f float64) any {
	if i := int64(f); float64(i) == f && f >= -maxExact && f <= maxExact && (i != 0 || !math.Signbit(f)) {
		return i
	}
	return f
}

// numeric is JavaScript's ToNumber: an int64, float64 or value.Number.
func (m *machine) numeric(v any) any {
	switch v := v.(type) {
	case int64, float64:
		return v
	case value.Number:
		m.step(len(v) >> 6)
		return v
	case nil:
		return int64(0)
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case string:
		return m.parseNumber(v)
	case value.Secret:
		return m.parseNumber(m.reveal(v))
	case time.Time:
		return v.UnixMilli()
	case []any, []byte:
		return m.parseNumber(m.text(v))
	}
	return math.NaN()
}

// parseNumber is JavaScript's StringToNumber, save that a whole number keeps all its digits.
func (m *machine) parseNumber(s string) any {
	m.step(len(s) >> 6)
	s = strings.TrimFunc(s, isSpace)
	if s == "" {
		return int64(0)
	}
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 {
		return math.NaN()
	}
	if len(digits) > 2 && digits[0] == '0' && len(s) == len(digits) {
		base := 0
		switch digits[1] {
		case 'x', 'X':
			base = 16
		case 'o', 'O':
			base = 8
		case 'b', 'B':
			base = 2
		}
		if base != 0 {
			return parseDigits(digits[2:], base)
		}
	}
	whole := true
	for i := 0; i < len(digits); i++ {
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
		case c == '.', c == 'e', c == 'E', c == '+', c == '-':
			whole = false
		default:
			if digits == "Infinity" {
				return math.Inf(1 - 2*btoi(s[0] == '-'))
			}
			return math.NaN()
		}
	}
	if whole {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil && (i != 0 || s[0] != '-') {
			return i
		}
		if digits = strings.TrimLeft(digits, "0"); digits != "" && len(digits) <= maxDigits {
			if s[0] == '-' {
				digits = "-" + digits
			}
			return value.Number(digits)
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return math.NaN()
	}
	return number(f)
}

// parseDigits reads digits of a base, NaN where one is none.
func parseDigits(s string, base int) any {
	if i, err := strconv.ParseInt(s, base, 64); err == nil && s[0] != '+' && s[0] != '-' {
		return i
	}
	f := 0.0
	for _, c := range []byte(s) {
		d := digit(c)
		if d >= base {
			return math.NaN()
		}
		f = f*float64(base) + float64(d)
	}
	return number(f)
}

// digit gives the value of a digit of any base, or one above every base.
func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 10
	}
	return 99
}

// float gives v as a float64.
func (m *machine) float(v any) float64 { return asFloat(m.numeric(v)) }

func asFloat(n any) float64 {
	switch n := n.(type) {
	case int64:
		return float64(n)
	case float64:
		return n
	case value.Number:
		return n.Float64()
	}
	return math.NaN()
}

// integer is JavaScript's ToIntegerOrInfinity, held within ±2^53.
func (m *machine) integer(v any) int {
	switch n := m.numeric(v).(type) {
	case int64:
		return int(max(-maxExact, min(maxExact, n)))
	default:
		f := asFloat(n)
		if f != f {
			return 0
		}
		return int(max(-maxExact, min(maxExact, math.Trunc(f))))
	}
}

// integerOr is integer, or what stands for an argument that is missing.
func (m *machine) integerOr(v any, missing int) int {
	if v == undefined {
		return missing
	}
	return m.integer(v)
}

// bits is JavaScript's ToInt32.
func (m *machine) bits(v any) int32 {
	switch n := m.numeric(v).(type) {
	case int64:
		return int32(n)
	default:
		f := asFloat(n)
		if f != f || math.IsInf(f, 0) {
			return 0
		}
		f = math.Mod(math.Trunc(f), 1<<32)
		return int32(int64(f))
	}
}

// bigInt gives a number of digits only as the integer it is.
func bigInt(n any) (*big.Int, bool) {
	switch n := n.(type) {
	case int64:
		return big.NewInt(n), true
	case value.Number:
		if len(n) <= maxDigits && !strings.ContainsAny(string(n), ".eE") {
			return new(big.Int).SetString(string(n), 10)
		}
	case float64:
		if math.Trunc(n) == n && !math.IsInf(n, 0) {
			i, _ := big.NewFloat(n).Int(nil)
			return i, true
		}
	}
	return nil, false
}

// compareNumbers orders two numbers; ok is false where one is NaN.
func compareNumbers(a, b any) (order int, ok bool) {
	if x, isInt := a.(int64); isInt {
		if y, isInt := b.(int64); isInt {
			switch {
			case x < y:
				return -1, true
			case x > y:
				return 1, true
			}
			return 0, true
		}
	}
	x, y := asFloat(a), asFloat(b)
	switch {
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	case x != y:
		return 0, false
	}
	if math.Abs(x) >= maxExact && !math.IsInf(x, 0) {
		p, isInt := bigInt(a)
		q, isInt2 := bigInt(b)
		if isInt && isInt2 {
			return p.Cmp(q), true
		}
	}
	return 0, true
}

// finish makes of what an evaluation gave a value that can leave the language. It counts what it walks: a small
// expression can build lists that hold the same list many times over.
func (m *machine) finish(v any) any {
	m.enter()
	defer m.leave()
	switch v := v.(type) {
	case string:
		return scrub(v)
	case value.Secret:
		return value.Secret(scrub(v.Reveal()))
	case float64:
		if v == 0 {
			return int64(0)
		}
	case undefinedType:
		return nil
	case invalidDate:
		fail("expression.date", "the result is not a date")
	case regexpValue:
		return v.String()
	case []any:
		var list []any // a copy, once an element differs
		for i, e := range v {
			f := m.finish(e)
			if list == nil && !same(e, f) {
				list = append(make([]any, 0, len(v)), v[:i]...)
			}
			if list != nil {
				list = append(list, f)
			}
		}
		if list != nil {
			return list
		}
	case *value.Object:
		var o *value.Object
		for i := range v.Len() {
			member := v.At(i)
			name, f := scrub(member.Name), m.finish(member.Value)
			if o == nil && (name != member.Name || !same(member.Value, f)) {
				o = value.NewObject(v.Len())
				for j := range i {
					o.Append(v.At(j).Name, v.At(j).Value)
				}
			}
			if o != nil && member.Value != undefined {
				o.Set(name, f)
			}
		}
		if o != nil {
			return o
		}
	}
	return v
}

// same says whether two values are one, arrays and objects by identity.
func same(a, b any) bool {
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		return ok && len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0])
	case []byte:
		y, ok := b.([]byte)
		return ok && string(x) == string(y)
	}
	switch b.(type) {
	case []any, []byte:
		return false
	}
	return a == b
}
