package value

import (
	"math"
	"strconv"
	"strings"
)

// Decimal is a number by all its digits: Sign × 0.Digits × 10^Exponent. Digits neither begin nor end with 0. All of zero is 0.
type Decimal struct {
	Sign     int
	Digits   string
	Exponent int64
}

// DecimalOf gives a number other than NaN as a Decimal. A float stands for the shortest text that gives it.
func DecimalOf(v any) Decimal {
	if f, ok := v.(float64); ok && math.IsInf(f, 0) {
		return Decimal{int(math.Copysign(1, f)), "", math.MaxInt64}
	}
	d := Decimal{Sign: 1}
	s := ""
	if n, ok := v.(Number); ok {
		s = string(n)
	} else {
		s = string(AppendJSON(nil, v))
	}
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		d.Sign, s = -1, rest
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.ParseInt(s[i+1:], 10, 64)
		if err != nil || e > math.MaxInt64/4 || e < math.MinInt64/4 {
			// Too long to be told: at the end of what can be.
			e = math.MaxInt64 / 4
			if s[i+1] == '-' {
				e = -e
			}
		}
		d.Exponent, s = e, s[:i]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	d.Exponent += int64(len(whole))
	digits := whole + fraction
	trimmed := strings.TrimLeft(digits, "0")
	d.Exponent -= int64(len(digits) - len(trimmed))
	if d.Digits = strings.TrimRight(trimmed, "0"); d.Digits == "" {
		return Decimal{}
	}
	return d
}
