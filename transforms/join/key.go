package join

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/usher-id/usher/value"
)

// The first byte of a key says of which kind it is.
const (
	kindBool   = 'b'
	kindNumber = 'n'
	kindText   = 's'
	kindBytes  = 'x'
	kindTime   = 't'
	kindList   = 'l'
)

var kindNames = map[byte]string{
	kindBool: "true or false", kindNumber: "numbers", kindText: "text", kindBytes: "bytes", kindTime: "times", kindList: "lists",
}

// appendKey appends what is the same for two keys if, and only if, they are the same; or it says why v is no key.
func appendKey(dst []byte, v any) (key []byte, why string) {
	switch v := v.(type) {
	case nil:
		return dst, "is null or absent"
	case bool:
		if v {
			return append(dst, kindBool, 1), ""
		}
		return append(dst, kindBool, 0), ""
	case float64:
		if math.IsNaN(v) {
			return dst, "is NaN"
		}
		return appendNumber(dst, v), ""
	case int, int64, value.Number:
		return appendNumber(dst, v), ""
	case string:
		return appendText(dst, v)
	case value.Secret:
		return appendText(dst, v.Reveal())
	case []byte:
		if len(v) == 0 {
			return dst, "is empty"
		}
		return value.AppendText(append(dst, kindBytes), string(v)), ""
	case time.Time:
		dst = binary.AppendVarint(append(dst, kindTime), v.Unix())
		return binary.AppendUvarint(dst, uint64(v.Nanosecond())), ""
	case []any:
		if len(v) == 0 {
			return dst, "is an empty list"
		}
		dst = binary.AppendUvarint(append(dst, kindList), uint64(len(v)))
		for _, e := range v {
			if dst, why = appendKey(dst, e); why != "" {
				return dst, "has a part that " + why
			}
		}
		return dst, ""
	}
	return dst, "is an object"
}

func appendText(dst []byte, s string) (key []byte, why string) {
	if s == "" {
		return dst, "is an empty text"
	}
	return value.AppendText(append(dst, kindText), s), ""
}

func appendNumber(dst []byte, v any) []byte {
	d := value.DecimalOf(v)
	dst = binary.AppendVarint(append(dst, kindNumber, byte(d.Sign)), d.Exponent)
	return value.AppendText(dst, d.Digits)
}
