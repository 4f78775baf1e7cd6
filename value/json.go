package value

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the JSON form of v (RFC 8259): members in order, every digit of a number, bytes as base64,
// times as RFC 3339, secrets as "REDACTED". Text that is not UTF-8 has its bad bytes replaced by U+FFFD.
func AppendJSON(dst []byte, v any) []byte { return appendJSON(dst, v, nil) }

// AppendRedacted appends the JSON form of v in which every member that secret reports, at any depth, shows
// "REDACTED" unless it is null.
func AppendRedacted(dst []byte, v any, secret func(name string, v any) bool) []byte {
	return appendJSON(dst, v, secret)
}

func appendJSON(dst []byte, v any, secret func(string, any) bool) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case float64:
		return appendFloat(dst, v)
	case Number:
		return append(dst, v...)
	case string:
		return AppendString(dst, v)
	case Secret:
		return append(dst, `"`+Redacted+`"`...)
	case []byte:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v)
		return append(dst, '"')
	case time.Time:
		dst = append(dst, '"')
		dst = AppendTime(dst, v)
		return append(dst, '"')
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, e, secret)
		}
		return append(dst, ']')
	case *Object:
		dst = append(dst, '{')
		if v != nil {
			for i := range v.members {
				m := &v.members[i]
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = AppendString(dst, m.Name)
				dst = append(dst, ':')
				if secret != nil && m.Value != nil && secret(m.Name, m.Value) {
					dst = append(dst, `"`+Redacted+`"`...)
				} else {
					dst = appendJSON(dst, m.Value, secret)
				}
			}
		}
		return append(dst, '}')
	}
	return AppendString(dst, Kind(v))
}

// AppendTime appends an instant as RFC 3339 writes it with its zone, or in UTC where the zone's offset has seconds, as local times
// before 1900 have it: RFC 3339 cannot write those.
func AppendTime(dst []byte, t time.Time) []byte {
	if _, offset := t.Zone(); offset%60 != 0 {
		t = t.UTC()
	}
	return t.AppendFormat(dst, time.RFC3339Nano)
}

// appendFloat writes a float as ECMAScript does (ECMA-262, Number::toString), and null for NaN and infinities,
// which JSON cannot say.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if f == 0 {
		return append(dst, '0') // also for -0
	}
	if abs := math.Abs(f); abs < 1e-6 || abs >= 1e21 {
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		// ECMAScript writes 1e-7 where strconv writes 1e-07.
		if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-2] == '0' {
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

const hex = "0123456789abcdef"

// skipPlain gives the place of the first byte from i on that is not ASCII or has to be escaped in a JSON string, or the length of s. It looks
// at eight bytes at a time: (x - 0x01…) &^ x has the high bit of a byte set if that is the first one that is zero
// (https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord), and so does x - 0x20… for one below a space.
func skipPlain(s string, i int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		quote, backslash := x^ones*'"', x^ones*'\\'
		if (x|(x-ones*' ')|(quote-ones)&^quote|(backslash-ones)&^backslash)&high != 0 {
			break
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; ; {
		if i = skipPlain(s, i); i == len(s) {
			break
		}
		b := s[i]
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
