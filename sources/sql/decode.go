package sqlsource

import (
	"bytes"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/usher-id/usher/value"
)

// decoder turns what a driver gives into a value; src is never nil, and bytes are the driver's. A note says what is
// odd about it.
type decoder func(src any) (any, *note)

// note is a warning about a value, or the reason why its record fails.
type note struct {
	code, message string
	fails         bool
}

func textOf(src any) (string, bool) {
	switch src := src.(type) {
	case string:
		return src, true
	case []byte:
		return string(src), true
	}
	return "", false
}

// decodeText gives text; what is not UTF-8 stays bytes.
func decodeText(src any) (any, *note) {
	switch src := src.(type) {
	case []byte:
		if !utf8.Valid(src) {
			return append([]byte(nil), src...), nil
		}
		return string(src), nil
	case string:
		if !utf8.ValidString(src) {
			return []byte(src), nil
		}
		return src, nil
	}
	return decodeAny(src)
}

// decodeAny goes by what the driver gives.
func decodeAny(src any) (any, *note) {
	switch src := src.(type) {
	case int64, bool, time.Time:
		return src, nil
	case float64:
		return finite(src), nil
	case float32:
		return decodeFloat32(src)
	case uint64:
		return decodeNumber(src)
	case []byte:
		return decodeBinary(src)
	case string:
		return decodeText(src)
	}
	return nil, &note{code: "sql.unknown_type", message: "the driver gives a type of value that is not known; cast the column to text in the query", fails: true}
}

// finite gives floats that JSON has no form for as text.
func finite(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return f
}

// decodeNumber keeps every digit.
func decodeNumber(src any) (any, *note) {
	switch src := src.(type) {
	case int64, bool:
		return src, nil
	case float64:
		return finite(src), nil
	case float32:
		return decodeFloat32(src)
	case uint64:
		if src <= math.MaxInt64 {
			return int64(src), nil
		}
		return value.Number(strconv.FormatUint(src, 10)), nil
	}
	text, ok := textOf(src)
	if !ok {
		return decodeAny(src)
	}
	if isNumber(text) {
		return value.ParseNumber(text), nil
	}
	return text, nil // NaN and Infinity of PostgreSQL, ZEROFILL of MySQL
}

// isNumber reports a number in JSON's form (RFC 8259, section 6).
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	digits := func() int {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n
	}
	n := digits()
	if n == 0 || n > 1 && s[0] == '0' {
		return false
	}
	s = s[n:]
	if strings.HasPrefix(s, ".") {
		s = s[1:]
		if n = digits(); n == 0 {
			return false
		}
		s = s[n:]
	}
	if s != "" && s[0]|0x20 == 'e' {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if n = digits(); n == 0 {
			return false
		}
		s = s[n:]
	}
	return s == ""
}

// decodeFloat32 gives a single-precision number by its own shortest digits: 0.1, not 0.10000000149.
func decodeFloat32(src any) (any, *note) {
	var f float64
	switch src := src.(type) {
	case float32:
		f = float64(src)
	case float64:
		f = src
	default:
		return decodeNumber(src)
	}
	short, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
	return finite(short), nil
}

// decodeFlag reads a column that is declared as one for booleans. A value that is none stays as it is.
func decodeFlag(src any) (any, *note) {
	if flag, ok := flagOf(src); ok {
		return flag, nil
	}
	v, _ := decodeAny(src)
	return v, &note{code: "sql.not_boolean", message: "the column is declared as a boolean but holds something else; give it a type: number or text in types"}
}

// flagOf gives the boolean that a driver's value is, by itself or as 0 or 1.
func flagOf(src any) (flag, ok bool) {
	switch v := src.(type) {
	case bool:
		return v, true
	case int64:
		return v == 1, v == 0 || v == 1
	}
	return false, false
}

func decodePlainBool(src any) (any, *note) {
	if b, ok := src.(bool); ok {
		return b, nil
	}
	return decodeText(src)
}

// decodeBits reads MySQL's BIT: big-endian bytes.
func decodeBits(one bool) decoder {
	return func(src any) (any, *note) {
		b, ok := src.([]byte)
		if !ok || len(b) > 8 {
			return decodeAny(src)
		}
		n := bitNumber(b)
		if one && n <= 1 {
			return n == 1, nil
		}
		return decodeNumber(n)
	}
}

func bitNumber(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// decodeBitText reads PostgreSQL's BIT: the digits 0 and 1.
func decodeBitText(src any) (any, *note) {
	if text, ok := textOf(src); ok && (text == "0" || text == "1") {
		return text == "1", nil
	}
	return decodeText(src)
}

func decodeSet(src any) (any, *note) {
	text, ok := textOf(src)
	if !ok {
		return decodeAny(src)
	}
	list := []any{}
	if text != "" {
		for _, s := range strings.Split(text, ",") {
			list = append(list, s)
		}
	}
	return list, nil
}

func decodeJSON(src any) (any, *note) {
	var text []byte
	switch src := src.(type) {
	case []byte:
		text = src
	case string:
		text = []byte(src)
	default:
		return decodeAny(src)
	}
	v, err := value.ParseJSON(text)
	if err != nil {
		v, _ = decodeText(src)
		return v, &note{code: "sql.bad_json", message: "the column does not hold JSON, so it stays text: " + err.Error()}
	}
	return v, nil
}

// idLength is the size of a binary UUID or MD5. By chance one in ten million of them is printable.
const idLength = 16

// decodeBinary gives bytes, or text where they are printable ASCII, as password hashes are.
func decodeBinary(src any) (any, *note) {
	b, ok := src.([]byte)
	switch {
	case !ok:
		return decodeAny(src)
	case len(b) != idLength && printable(b):
		return string(b), nil
	}
	return decodeBytes(b)
}

// decodeFixedBinary is decodeBinary of a column whose values are filled up with NULs.
func decodeFixedBinary(src any) (any, *note) {
	if b, ok := src.([]byte); ok && len(b) != idLength {
		if text := bytes.TrimRight(b, "\x00"); printable(text) {
			return string(text), nil
		}
	}
	return decodeBinary(src)
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func decodeBytes(src any) (any, *note) {
	switch src := src.(type) {
	case []byte:
		return append([]byte{}, src...), nil
	case string:
		return []byte(src), nil
	}
	return decodeAny(src)
}

// decodeMySQLDate gives a date as text, and null for MySQL's 0000-00-00.
func decodeMySQLDate(src any) (any, *note) {
	text, ok := textOf(src)
	switch {
	case !ok:
		return decodeAny(src)
	case text == "0000-00-00":
		return nil, nil
	}
	return text, nil
}

// decodeMySQLTime reads YYYY-MM-DD HH:MM:SS[.ffffff].
func decodeMySQLTime(location *time.Location) decoder {
	return func(src any) (any, *note) {
		if b, ok := src.([]byte); ok {
			if t, ok := quickTime(b, location); ok {
				return t, nil
			}
		}
		text, ok := textOf(src)
		if !ok {
			return decodeAny(src)
		}
		if strings.HasPrefix(text, "0000-00-00") {
			return nil, nil
		}
		t, err := time.ParseInLocation(time.DateTime, text, location)
		if err != nil {
			return text, &note{code: "sql.bad_time", message: "the database holds a time that does not exist, so it stays text"}
		}
		return t, nil
	}
}

// quickTime reads YYYY-MM-DD HH:MM:SS of a day that there is.
func quickTime(b []byte, location *time.Location) (t time.Time, ok bool) {
	const form = "0000-00-00 00:00:00"
	if len(b) != len(form) {
		return t, false
	}
	var n [6]int // year, month, day, hour, minute, second
	field := 0
	for i, c := range b {
		switch {
		case form[i] == '0' && c >= '0' && c <= '9':
			n[field] = n[field]*10 + int(c-'0')
		case form[i] != '0' && c == form[i]:
			field++
		default:
			return t, false
		}
	}
	if n[0] == 0 || n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 28 || n[3] > 23 || n[4] > 59 || n[5] > 59 {
		return t, false // or it is late in its month
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, location), true
}

// decodeDay gives a date as text. It has no zone and is no instant.
func decodeDay(src any) (any, *note) {
	switch src := src.(type) {
	case time.Time:
		return src.Format(time.DateOnly), nil
	case string:
		if strings.HasPrefix(src, "0000-00-00") {
			return nil, nil
		}
	}
	return decodeText(src)
}

func decodeTimeOfDay(src any) (any, *note) {
	if t, ok := src.(time.Time); ok {
		return t.Format("15:04:05.999999999"), nil
	}
	return decodeText(src)
}

// decodeWallClock reads a time that the driver gives in UTC although it has no zone.
func decodeWallClock(location *time.Location) decoder {
	return func(src any) (any, *note) {
		t, ok := src.(time.Time)
		if !ok {
			return decodeText(src)
		}
		if location == time.UTC {
			return t.UTC(), nil
		}
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), location), nil
	}
}

// decodeInstant reads a time with its zone. Drivers that know none give the machine's.
func decodeInstant(src any) (any, *note) {
	switch src := src.(type) {
	case time.Time:
		if src.Location() == time.Local {
			return src.UTC(), nil
		}
		return src, nil
	case string:
		if strings.HasPrefix(src, "0000-00-00") {
			return nil, nil
		}
	}
	return decodeText(src)
}

// decodeArray reads PostgreSQL's array text, {a,"b c",NULL,{nested}}.
func decodeArray(element decoder) decoder {
	return func(src any) (any, *note) {
		text, ok := textOf(src)
		if !ok {
			return decodeAny(src)
		}
		// Arrays that do not begin at 1 say so: [0:1]={a,b}.
		if strings.HasPrefix(text, "[") {
			if _, after, found := strings.Cut(text, "="); found {
				text = after
			}
		}
		list, rest, ok := arrayElements(text, element)
		if !ok || rest != "" {
			return text, nil
		}
		return list, nil
	}
}

func arrayElements(s string, element decoder) (list []any, rest string, ok bool) {
	if !strings.HasPrefix(s, "{") {
		return nil, s, false
	}
	s = s[1:]
	list = []any{}
	if strings.HasPrefix(s, "}") {
		return list, s[1:], true
	}
	for s != "" {
		switch s[0] {
		case '{':
			var inner []any
			if inner, s, ok = arrayElements(s, element); !ok {
				return nil, s, false
			}
			list = append(list, inner)
		case '"':
			var text strings.Builder
			i := 1
			for ; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' && i+1 < len(s) {
					i++
				}
				text.WriteByte(s[i])
			}
			if i >= len(s) {
				return nil, s, false
			}
			v, _ := element(text.String())
			list, s = append(list, v), s[i+1:]
		default:
			i := strings.IndexAny(s, ",}")
			if i < 0 {
				return nil, s, false
			}
			if strings.EqualFold(s[:i], "NULL") {
				list = append(list, nil)
			} else {
				v, _ := element(s[:i])
				list = append(list, v)
			}
			s = s[i:]
		}
		switch {
		case strings.HasPrefix(s, ","):
			s = s[1:]
		case strings.HasPrefix(s, "}"):
			return list, s[1:], true
		default:
			return nil, s, false
		}
	}
	return nil, s, false
}

// decodeBoolText reads a boolean as PostgreSQL writes it in arrays.
func decodeBoolText(src any) (any, *note) {
	text, _ := textOf(src)
	return text == "t", nil
}

// typeNames are what the types option takes.
var typeNames = []string{"text", "number", "bool", "time", "date", "json", "uuid", "hex", "bytes"}

func mismatch(want string) *note {
	return &note{code: "sql.bad_value", message: "the column does not hold what types says: " + want, fails: true}
}

// typed gives the decoder of a type that the options state; usual is the column's own.
func typed(name string, usual decoder, location *time.Location) decoder {
	switch name {
	case "text":
		return func(src any) (any, *note) {
			switch src := src.(type) {
			case int64, float64, uint64, bool:
				return keyText(src), nil
			case time.Time:
				return src.Format(time.RFC3339Nano), nil
			case []byte:
				return decodeText(strings.TrimRight(string(src), "\x00"))
			}
			return decodeText(src)
		}
	case "number":
		return func(src any) (any, *note) {
			v, _ := decodeNumber(src)
			switch v.(type) {
			case int64, float64, value.Number:
				return v, nil
			}
			return nil, mismatch("a number")
		}
	case "bool":
		return func(src any) (any, *note) {
			if flag, ok := flagOf(src); ok {
				return flag, nil
			}
			text, _ := textOf(src)
			switch strings.ToLower(text) {
			case "1", "t", "true", "y", "yes", "\x01":
				return true, nil
			case "0", "f", "false", "n", "no", "\x00":
				return false, nil
			}
			return nil, mismatch("a boolean: 1 or 0, true or false, t or f, y or n")
		}
	case "time":
		return func(src any) (any, *note) {
			switch n := src.(type) {
			case time.Time:
				return usual(src)
			case int64:
				// Seconds until the year 5138; more are milliseconds.
				if n > -1e11 && n < 1e11 {
					return time.Unix(n, 0).UTC(), nil
				}
				return time.UnixMilli(n).UTC(), nil
			}
			text, _ := textOf(src)
			if text == "" || strings.HasPrefix(text, "0000-00-00") {
				return nil, nil
			}
			for _, layout := range cursorLayouts {
				if t, err := time.ParseInLocation(layout, text, location); err == nil {
					return t, nil
				}
			}
			return nil, mismatch("a time such as 2024-01-31 13:45:00, or seconds since 1970")
		}
	case "date":
		return func(src any) (any, *note) {
			v, n := typed("time", usual, location)(src)
			if t, ok := v.(time.Time); ok {
				return t.Format(time.DateOnly), n
			}
			return v, n
		}
	case "json":
		return func(src any) (any, *note) {
			v, n := decodeJSON(src)
			if n != nil {
				return nil, mismatch("JSON")
			}
			return v, nil
		}
	case "uuid":
		return func(src any) (any, *note) {
			text, _ := textOf(src)
			id, err := uuid.FromBytes([]byte(text))
			if err != nil {
				if id, err = uuid.Parse(text); err != nil {
					return nil, mismatch("a UUID: 16 bytes or its text")
				}
			}
			return id.String(), nil
		}
	case "hex":
		return func(src any) (any, *note) {
			text, ok := textOf(src)
			if !ok {
				return nil, mismatch("bytes")
			}
			return hex.EncodeToString([]byte(text)), nil
		}
	}
	return decodeBytes
}

// The forms in which drivers take keys back.

func keyPlain(src any) any {
	if b, ok := src.([]byte); ok {
		return append([]byte{}, b...)
	}
	return src
}

func keyBytes(src any) any {
	if s, ok := src.(string); ok {
		return []byte(s)
	}
	return keyPlain(src)
}

// keyBits gives MySQL's BIT as a number: compared with bytes it would be greater than any of them.
func keyBits(src any) any {
	b, ok := src.([]byte)
	if !ok || len(b) > 8 {
		return keyPlain(src)
	}
	return keyInteger(bitNumber(b))
}

func keyString(src any) any {
	if text, ok := textOf(src); ok {
		return text
	}
	return src
}

func keyInteger(src any) any {
	switch n := src.(type) {
	case uint64:
		if n <= math.MaxInt64 {
			return int64(n)
		}
		return n
	case int64:
		return src
	}
	text, _ := textOf(src)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n
	}
	return text
}
