// Package value holds the values that a user record is made of, exactly as its source gave them.
//
// A value is one of:
//
//	nil        null; a value that is absent is not in its Object at all
//	bool
//	int64      an integer that fits
//	float64    a number whose shortest form is the text it was read from
//	Number     any other number, by its text: 19-digit unsigned ids, decimals such as 1.10
//	string
//	[]byte     bytes that are not text
//	time.Time  an instant with its zone
//	Secret     a string that must never be printed
//	[]any      a list of values
//	*Object    named values in order
//
// Values are shared, not copied: once a value is part of a record, nobody changes it in place.
// Who needs another one builds it.
package value

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// Redacted is what every printed form of a secret shows.
const Redacted = "REDACTED"

// Number is a number by its JSON text (RFC 8259, section 6), for numbers that neither int64 nor float64
// gives back digit for digit.
type Number string

// Float64 gives the nearest float64.
func (n Number) Float64() float64 {
	f, _ := strconv.ParseFloat(string(n), 64)
	return f
}

// ParseNumber gives the value of a JSON number literal without losing a digit: int64, float64 or Number.
// The literal must be valid JSON; it is not checked again.
func ParseNumber(literal string) any {
	if !strings.ContainsAny(literal, ".eE") {
		if i, err := strconv.ParseInt(literal, 10, 64); err == nil && literal != "-0" {
			return i
		}
		return Number(strings.Clone(literal))
	}
	if f, err := strconv.ParseFloat(literal, 64); err == nil {
		var buf [32]byte
		if string(appendFloat(buf[:0], f)) == literal {
			return f
		}
	}
	return Number(strings.Clone(literal))
}

// Secret is a string that shows itself to nobody but who calls Reveal: a password hash, a token, a DSN.
// Its fmt, JSON and slog forms are all "REDACTED".
type Secret string

// Reveal gives the secret itself.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string { return Redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return Redacted }

// Format implements fmt.Formatter, so that no verb shows the secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Redacted)) }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalYAML implements the YAML packages' marshalers.
func (s Secret) MarshalYAML() (any, error) { return Redacted, nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// Kind names the kind of v as messages show it: null, boolean, number, string, bytes, time, array or object.
func Kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case int64, float64, Number:
		return "number"
	case string, Secret:
		return "string"
	case []byte:
		return "bytes"
	case time.Time:
		return "time"
	case []any:
		return "array"
	case *Object:
		return "object"
	}
	return fmt.Sprintf("%T", v)
}

// Finite reports whether every number in v, at any depth, is one: neither NaN nor an infinity, which JSON would show as null.
func Finite(v any) bool {
	switch v := v.(type) {
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0)
	case []any:
		for _, e := range v {
			if !Finite(e) {
				return false
			}
		}
	case *Object:
		for _, e := range v.All() {
			if !Finite(e) {
				return false
			}
		}
	}
	return true
}
