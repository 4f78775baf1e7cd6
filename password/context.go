package password

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/usher-id/usher/value"
)

// Context holds what verification needs beyond the encoded string, by name: username, salt, pepper, … ([Format.Context] says which
// a format reads). A value is a string, bytes, a number or a boolean; bytes may also be given as text under the
// name with _hex or _b64 appended (salt_hex). Its printed forms are redacted.
type Context map[string]any

func (c Context) String() string { return value.Redacted }

// GoString implements fmt.GoStringer.
func (c Context) GoString() string { return value.Redacted }

// LogValue implements slog.LogValuer.
func (c Context) LogValue() slog.Value { return slog.StringValue(value.Redacted) }

// MarshalJSON implements json.Marshaler.
func (c Context) MarshalJSON() ([]byte, error) { return []byte(`"` + value.Redacted + `"`), nil }

// bytes gives the value of a key, and whether there is one.
func (c Context) bytes(key string) ([]byte, bool, *Error) {
	switch v := c[key].(type) {
	case nil:
	case string:
		return []byte(v), true, nil
	case value.Secret:
		return []byte(v.Reveal()), true, nil
	case []byte:
		return v, true, nil
	case bool, int, int64, float64, value.Number, json.Number:
		return []byte(fmt.Sprint(v)), true, nil
	default:
		return nil, false, malformed("the context key %s is neither text nor a number", quote(key))
	}
	for suffix, decode := range map[string]func(string) ([]byte, error){"_hex": hex.DecodeString, "_b64": base64.StdEncoding.DecodeString} {
		v, ok := c[key+suffix]
		if !ok {
			continue
		}
		s := fmt.Sprint(v)
		if secret, ok := v.(value.Secret); ok {
			s = secret.Reveal()
		}
		b, err := decode(s)
		if err != nil {
			return nil, false, malformed("the context key %s cannot be decoded", quote(key+suffix))
		}
		return b, true, nil
	}
	return nil, false, nil
}

// need gives the value of a key that a format cannot do without.
func (c Context) need(key string) ([]byte, *Error) {
	b, ok, err := c.bytes(key)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, missing(key)
	}
	return b, nil
}

// text gives the value of an optional key, or fallback.
func (c Context) text(key, fallback string) (string, *Error) {
	b, ok, err := c.bytes(key)
	if err != nil || !ok {
		return fallback, err
	}
	return string(b), nil
}

// int gives a number. A fallback below zero means that the key must be there.
func (c Context) int(key string, fallback int) (int, *Error) {
	b, ok, err := c.bytes(key)
	if err != nil {
		return 0, err
	}
	if !ok {
		if fallback < 0 {
			return 0, missing(key)
		}
		return fallback, nil
	}
	n, bad := strconv.Atoi(string(b))
	if bad != nil || n < 0 {
		return 0, malformed("the context key %s is not a whole number", quote(key))
	}
	return n, nil
}
