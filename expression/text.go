package expression

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// JavaScript counts text in UTF-16 code units, and can cut a character outside the basic plane into halves. Here text
// is UTF-8; while an expression runs, a half stands in it as the three bytes that UTF-8 would give its surrogate
// (WTF-8). Joining two halves makes the character again, and a half in the result becomes U+FFFD.

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// decode gives the first rune of s, a surrogate included.
func decode(s string) (rune, int) {
	if len(s) >= 3 && s[0] == 0xED && s[1] >= 0xA0 && s[1] < 0xC0 && s[2]&0xC0 == 0x80 {
		return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), 3
	}
	return utf8.DecodeRuneInString(s)
}

func encode(dst []byte, r rune) []byte {
	if r >= 0xD800 && r < 0xE000 {
		return append(dst, 0xED, 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(dst, r)
}

// units gives the number of UTF-16 code units of a rune.
func units(r rune) int {
	if r >= 0x10000 {
		return 2
	}
	return 1
}

// halves gives the surrogates of a rune outside the basic plane.
func halves(r rune) (high, low rune) {
	r -= 0x10000
	return 0xD800 + r>>10, 0xDC00 + r&0x3FF
}

// unitLen gives the length of s in UTF-16 code units.
func unitLen(s string) int {
	n := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			n++
			continue
		}
		r, size := decode(s[i:])
		i += size
		n += units(r)
	}
	return n
}

// unitOffset gives the byte at which the unit-th code unit of s begins, and whether that is in the middle of a
// character; then the byte is the character's first.
func unitOffset(s string, unit int) (offset int, half bool) {
	n := 0
	for i := 0; i < len(s); {
		if n == unit {
			return i, false
		}
		r, size := decode(s[i:])
		if n += units(r); n > unit {
			return i, true
		}
		i += size
	}
	return len(s), false
}

// unitSlice gives the code units from from up to to; both are within the text and in order.
func unitSlice(s string, from, to int) string {
	if from >= to {
		return ""
	}
	if isASCII(s) {
		return s[from:to]
	}
	start, cutStart := unitOffset(s, from)
	end, cutEnd := unitOffset(s[start:], to-from+btoi(cutStart))
	end += start
	if !cutStart && !cutEnd {
		return s[start:end]
	}
	var out []byte
	if cutStart {
		r, size := decode(s[start:])
		_, low := halves(r)
		out = encode(out, low)
		start += size
	}
	if start < end {
		out = append(out, s[start:end]...)
	}
	if cutEnd {
		r, _ := decode(s[end:])
		high, _ := halves(r)
		out = encode(out, high)
	}
	return string(out)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// unitAt gives the code unit at a place within the text.
func unitAt(s string, unit int) rune {
	offset, half := unitOffset(s, unit)
	r, _ := decode(s[offset:])
	if r < 0x10000 {
		return r
	}
	high, low := halves(r)
	if half {
		return low
	}
	return high
}

// heal joins halves that came to stand side by side.
func heal(s string) string {
	i := halfAt(s, 0)
	if i < 0 {
		return s
	}
	var out []byte
	last := 0
	for ; i >= 0; i = halfAt(s, i) {
		high, _ := decode(s[i:])
		low, size := decode(s[i+3:])
		if high >= 0xDC00 || size != 3 || low < 0xDC00 || low > 0xDFFF {
			i += 3
			continue
		}
		out = append(out, s[last:i]...)
		out = utf8.AppendRune(out, 0x10000+(high-0xD800)<<10+(low-0xDC00))
		i += 6
		last = i
	}
	return string(append(out, s[last:]...))
}

// halfAt gives the place of the first half at or after a byte, or -1.
func halfAt(s string, from int) int {
	for i := from; i < len(s); {
		j := strings.IndexByte(s[i:], 0xED)
		if j < 0 {
			return -1
		}
		i += j
		if r, size := decode(s[i:]); size == 3 && r >= 0xD800 && r < 0xE000 {
			return i
		}
		i++
	}
	return -1
}

// scrub makes U+FFFD of every half.
func scrub(s string) string {
	i := halfAt(s, 0)
	if i < 0 {
		return s
	}
	var out []byte
	last := 0
	for ; i >= 0; i = halfAt(s, last) {
		out = append(out, s[last:i]...)
		out = append(out, "\ufffd"...)
		last = i + 3
	}
	return string(append(out, s[last:]...))
}

// compareText orders texts by their UTF-16 code units, as JavaScript does.
func compareText(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return len(a) - len(b)
	}
	for i > 0 && (a[i]&0xC0 == 0x80 || b[i]&0xC0 == 0x80) {
		i--
	}
	x, _ := decode(a[i:])
	y, _ := decode(b[i:])
	switch {
	case x >= 0x10000 && y < 0x10000:
		high, low := halves(x)
		if high == y {
			return compareText(string(encode(nil, low)), b[i+3:])
		}
		x = high
	case y >= 0x10000 && x < 0x10000:
		return -compareText(b, a)
	}
	return int(x) - int(y)
}

// isSpace says whether trim takes the rune away (ECMA-262, WhiteSpace and LineTerminator).
func isSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', ' ', 0xA0, 0xFEFF, 0x2028, 0x2029:
		return true
	}
	return r >= 0x1680 && unicode.Is(unicode.Zs, r)
}

// lower and upper map by Unicode's full rules, so that ß in capitals is SS.
func (m *machine) lower(s string) string {
	m.grow(len(s))
	if isASCII(s) {
		return strings.ToLower(s)
	}
	m.grow(2 * len(s))
	if m.toLower == nil {
		c := cases.Lower(language.Und)
		m.toLower = &c
	}
	return m.toLower.String(s)
}

func (m *machine) upper(s string) string {
	m.grow(len(s))
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	m.grow(3 * len(s))
	if m.toUpper == nil {
		c := cases.Upper(language.Und)
		m.toUpper = &c
	}
	return m.toUpper.String(s)
}
