package excelsource

import (
	"strconv"
	"strings"
)

// precision is the number of digits that Excel keeps of a number.
const precision = 15

// decimal is a number by its digits: digits[:point] . digits[point:], with zeros where point lies outside.
type decimal struct {
	negative bool
	digits   string // from the first that is not zero; empty for zero
	point    int
	// lost says that digits at the end were likely other ones before Excel rounded them: a whole number of more digits
	// than Excel keeps, with zeros behind.
	lost bool
}

// maxPoint bounds how far a decimal is written out without an exponent.
const maxPoint = 40

// parseDecimal reads a number as it stands in a cell (xsd:double), by its digits. Excel writes 17 digits where the
// binary number is not exactly the decimal one: 1.1000000000000001 is 1.1.
func parseDecimal(raw string) (decimal, bool) {
	d, plain, ok := cutDecimal(raw)
	if !ok {
		return d, false
	}
	significant := len(strings.TrimRight(d.digits, "0"))
	if significant > precision && (!plain || d.point < len(d.digits)) {
		f, err := strconv.ParseFloat(raw, 64)
		if err != nil {
			return d, false
		}
		short, _, _ := cutDecimal(strconv.FormatFloat(f, 'e', -1, 64))
		if n := len(strings.TrimRight(short.digits, "0")); n <= precision {
			d, significant = short, n
		}
	}
	d.lost = d.point > precision && (significant <= precision || !plain)
	return d, true
}

// cutDecimal divides the text of a number; plain says that it has no exponent.
func cutDecimal(raw string) (d decimal, plain, ok bool) {
	rest := raw
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		d.negative, rest = rest[0] == '-', rest[1:]
	}
	mantissa, exponent := rest, 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(rest[i+1:]); err != nil || exponent < -400 || exponent > 400 {
			return d, false, false
		}
		mantissa = rest[:i]
	} else {
		plain = true
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole == "" && fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return d, false, false
	}
	d.digits = whole + fraction
	d.point = len(whole) + exponent
	trimmed := strings.TrimLeft(d.digits, "0")
	d.point -= len(d.digits) - len(trimmed)
	d.digits = trimmed
	if trimmed == "" {
		d.point = 0
		if plain && len(fraction) > 0 {
			d.point = -len(fraction) // 0.00 keeps its zeros
		}
		d.negative = false
	}
	if !plain {
		d.digits = strings.TrimRight(d.digits, "0")
	}
	return d, plain, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// String gives the number as JSON and people write it, with an exponent only where it would have very many zeros.
func (d decimal) String() string {
	var b strings.Builder
	if d.negative {
		b.WriteByte('-')
	}
	switch {
	case d.digits == "" && d.point == 0:
		b.WriteByte('0')
	case d.digits == "":
		b.WriteString("0.")
		zeros(&b, min(-d.point, maxPoint))
	case d.point > maxPoint || d.point < -maxPoint:
		b.WriteString(d.digits[:1])
		if len(d.digits) > 1 {
			b.WriteByte('.')
			b.WriteString(d.digits[1:])
		}
		b.WriteByte('e')
		b.WriteString(strconv.Itoa(d.point - 1))
	case d.point <= 0:
		b.WriteString("0.")
		zeros(&b, -d.point)
		b.WriteString(d.digits)
	case d.point >= len(d.digits):
		b.WriteString(d.digits)
		zeros(&b, d.point-len(d.digits))
	default:
		b.WriteString(d.digits[:d.point])
		b.WriteByte('.')
		b.WriteString(d.digits[d.point:])
	}
	return b.String()
}

func zeros(b *strings.Builder, n int) {
	for range n {
		b.WriteByte('0')
	}
}

// whole gives the digits of a whole number without sign, and whether it is one.
func (d decimal) whole() (string, bool) {
	if d.digits == "" && d.point == 0 {
		return "0", true
	}
	if d.digits == "" || d.point < len(d.digits) || d.point > maxPoint {
		return "", false
	}
	return d.digits + strings.Repeat("0", d.point-len(d.digits)), true
}

// scientific reads text such as 1.31E+10, which is what is left of a long number that went through a text file made by
// Excel. whole is false where digits are missing.
func scientific(s string) (digits string, whole, ok bool) {
	mantissa, exponent, found := strings.Cut(s, "E+")
	if !found || len(exponent) < 2 || !allDigits(exponent) || len(mantissa) == 0 {
		return "", false, false
	}
	first, fraction, dotted := strings.Cut(mantissa, ".")
	if len(first) != 1 || !allDigits(first) || !allDigits(fraction) || dotted && fraction == "" {
		return "", false, false
	}
	n, err := strconv.Atoi(exponent)
	if err != nil || n > maxPoint || len(fraction) != n {
		return "", false, true
	}
	return first + fraction, true, true
}
