package expression

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// toFixed is Number.prototype.toFixed: of two nearest the larger in magnitude, computed exactly.
func toFixed(m *machine, n any, args []any) any {
	digits := m.integer(arg(args, 0))
	if digits < 0 || digits > 100 {
		fail("expression.argument", "toFixed takes 0 to 100 digits")
	}
	m.step(40)
	exact, isInt := bigInt(n)
	f := asFloat(n)
	if f != f || math.Abs(f) >= 1e21 {
		return numberText(n)
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	sign := ""
	if isInt {
		if exact.Sign() < 0 {
			sign = "-"
		}
		exact.Abs(exact).Mul(exact, scale)
	} else {
		if f < 0 {
			sign = "-"
		}
		r := new(big.Rat).SetFloat64(math.Abs(f))
		r.Mul(r, new(big.Rat).SetInt(scale)).Add(r, big.NewRat(1, 2))
		exact = new(big.Int).Quo(r.Num(), r.Denom())
	}
	text := exact.String()
	if digits > 0 {
		if len(text) <= digits {
			text = strings.Repeat("0", digits+1-len(text)) + text
		}
		text = text[:len(text)-digits] + "." + text[len(text)-digits:]
	}
	return sign + text
}

// toPrecision is Number.prototype.toPrecision.
func toPrecision(m *machine, n any, args []any) any {
	if arg(args, 0) == undefined {
		return numberText(n)
	}
	digits := m.integer(args[0])
	f := asFloat(n)
	if f != f || math.IsInf(f, 0) {
		return numberText(n)
	}
	if digits < 1 || digits > 100 {
		fail("expression.argument", "toPrecision takes 1 to 100 digits")
	}
	m.step(300)
	sign := ""
	if f < 0 {
		sign = "-"
	}
	mantissa, e := roundDigits(math.Abs(f), digits)
	switch {
	case e < -6 || e >= digits:
		text := mantissa[:1]
		if digits > 1 {
			text += "." + mantissa[1:]
		}
		if e < 0 {
			return sign + text + "e-" + strconv.Itoa(-e)
		}
		return sign + text + "e+" + strconv.Itoa(e)
	case e < 0:
		return sign + "0." + strings.Repeat("0", -e-1) + mantissa
	case e+1 < digits:
		return sign + mantissa[:e+1] + "." + mantissa[e+1:]
	}
	return sign + mantissa
}

// roundDigits gives the first n digits of a number and the exponent of the first, a half rounded up. No float64 has
// more than 767 digits.
func roundDigits(f float64, n int) (digits string, exponent int) {
	exact := strconv.FormatFloat(f, 'e', 767, 64)
	mantissa, e, _ := strings.Cut(exact, "e")
	exponent, _ = strconv.Atoi(e)
	mantissa = mantissa[:1] + mantissa[2:]
	up := mantissa[n] >= '5'
	kept := []byte(mantissa[:n])
	for i := n - 1; up && i >= 0; i-- {
		if up = kept[i] == '9'; up {
			kept[i] = '0'
		} else {
			kept[i]++
		}
	}
	if up {
		return "1" + string(kept[:n-1]), exponent + 1
	}
	return string(kept), exponent
}

// inBase writes a whole number in a base from 2 to 36.
func inBase(n any, base int) any {
	if base < 2 || base > 36 {
		fail("expression.argument", "toString takes a base from 2 to 36")
	}
	if base == 10 {
		return numberText(n)
	}
	i, ok := bigInt(n)
	if !ok {
		if f, isFloat := n.(float64); isFloat && !finite(f) {
			return numberText(n)
		}
		fail("expression.argument", "only whole numbers, of up to %d digits, are written in another base", maxDigits)
	}
	return i.Text(base)
}

// parseInt is JavaScript's parseInt; digits beyond 2^53 are kept.
func parseInt(m *machine, args []any) any {
	s := strings.TrimLeftFunc(m.text(args[0]), isSpace)
	m.step(len(s) >> 6)
	base := int(m.bits(arg(args, 1)))
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	if (base == 0 || base == 16) && (strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X")) {
		s, base = s[2:], 16
	}
	if base == 0 {
		base = 10
	}
	if base < 2 || base > 36 {
		return math.NaN()
	}
	n := 0
	for n < len(s) && digit(s[n]) < base {
		n++
	}
	if n == 0 {
		return math.NaN()
	}
	var v any
	if base == 10 {
		v = m.parseNumber(s[:n])
	} else {
		v = parseDigits(s[:n], base)
	}
	if negative {
		return negate(m, []any{v})
	}
	return v
}

// parseFloat is JavaScript's parseFloat.
func parseFloat(m *machine, args []any) any {
	s := strings.TrimLeftFunc(m.text(args[0]), isSpace)
	m.step(len(s) >> 6)
	i := 0
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	if strings.HasPrefix(s[i:], "Infinity") {
		return m.parseNumber(s[:i+len("Infinity")])
	}
	digits := func() bool {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > from
	}
	whole := digits()
	if i < len(s) && s[i] == '.' {
		i++
		if !digits() && !whole {
			return math.NaN()
		}
	} else if !whole {
		return math.NaN()
	}
	end := i
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if digits() {
			end = i
		}
	}
	return m.parseNumber(s[:end])
}

// rounding makes a function of Math that leaves whole numbers as they are.
func rounding(f func(float64) float64) native {
	return func(m *machine, args []any) any {
		n := m.numeric(arg(args, 0))
		if i, ok := n.(int64); ok {
			return i
		}
		return number(f(asFloat(n)))
	}
}

// roundHalfUp is Math.round, which rounds halves towards positive infinity.
func roundHalfUp(f float64) float64 {
	floor := math.Floor(f)
	if f-floor >= 0.5 {
		return math.Copysign(floor+1, f)
	}
	return floor
}

// real makes a function of Math of one of Go's.
func real(f func(float64) float64) native {
	return func(m *machine, args []any) any { return number(f(m.float(arg(args, 0)))) }
}

func absolute(m *machine, args []any) any {
	n := m.numeric(arg(args, 0))
	if order, ok := compareNumbers(n, int64(0)); ok && order < 0 {
		return negate(m, []any{n})
	}
	if asFloat(n) == 0 {
		return int64(0)
	}
	return n
}

func sign(m *machine, args []any) any {
	n := m.numeric(arg(args, 0))
	if order, ok := compareNumbers(n, int64(0)); ok && order != 0 {
		return int64(order)
	}
	return n
}

// extreme is Math.min and Math.max.
func extreme(want int) native {
	return func(m *machine, args []any) any {
		m.step(len(args))
		var best any = math.Inf(-want)
		for _, a := range args {
			n := m.numeric(a)
			order, ok := compareNumbers(n, best)
			if !ok {
				return math.NaN()
			}
			if order == want {
				best = n
			}
		}
		return best
	}
}

func hypot(m *machine, args []any) any {
	h := 0.0
	for _, a := range args {
		h = math.Hypot(h, m.float(a))
	}
	return number(h)
}
