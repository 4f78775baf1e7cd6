package sqlsource

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/usher-id/usher/value"
)

// Keys are kept as the driver takes them back: int64, uint64, float64, bool, string, []byte or time.Time.

// keyJSON gives the JSON form of a key that parseKeyJSON reads: bytes and times are objects that say so.
func keyJSON(v any) any {
	switch v := v.(type) {
	case uint64:
		return value.Number(strconv.FormatUint(v, 10))
	case []byte:
		return value.ObjectOf(value.Member{Name: "bytes", Value: v})
	case time.Time:
		return value.ObjectOf(value.Member{Name: "time", Value: v})
	}
	return v
}

func parseKeyJSON(v any) (any, bool) {
	switch v := v.(type) {
	case value.Number:
		u, err := strconv.ParseUint(string(v), 10, 64)
		return u, err == nil
	case *value.Object:
		if text, ok := v.Get("bytes"); ok {
			s, _ := text.(string)
			b, err := base64.StdEncoding.DecodeString(s)
			return b, err == nil
		}
		text, _ := v.Get("time")
		s, _ := text.(string)
		t, err := time.Parse(time.RFC3339Nano, s)
		return t, err == nil
	case int64, float64, bool, string:
		return v, true
	}
	return nil, false
}

// keyText shows a key as a person would look for it.
func keyText(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case string:
		return v
	case []byte:
		return hex.EncodeToString(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return ""
}

// matchText is the form in which keys of two queries are compared: 42 and "42" are the same.
func matchText(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return keyText(v)
}

// fold takes out of a text what a database may pass over when it compares: case, accents, spaces at the end.
func fold(s string) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if !ascii {
		s = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFKD.String(s))
	}
	return strings.ToLower(strings.TrimRight(s, " "))
}

// newCoarse gives a function that puts texts into a form which is one for all that some collation takes for the same, and for more: ß is
// s to one and ss to another, kana are one letter, and all that is beyond the basic plane.
func newCoarse() func(string) string {
	var buffer collate.Buffer
	collator := collate.New(language.Und, collate.Loose)
	spellings := strings.NewReplacer("ß", "s", "ss", "s", "ı", "i")
	return func(s string) string {
		s = strings.Map(func(r rune) rune {
			if r > 0xFFFF {
				return unicode.ReplacementChar
			}
			return r
		}, spellings.Replace(fold(s)))
		buffer.Reset()
		return string(collator.KeyFromString(&buffer, s))
	}
}

// sameKey reports whether a database might take two keys for the same.
func sameKey(a, b []any) bool {
	for i := range a {
		s, isText := a[i].(string)
		t, bothText := b[i].(string)
		switch {
		case isText && bothText:
			if s != t && fold(s) != fold(t) {
				return false
			}
		case matchText(a[i]) != matchText(b[i]):
			return false
		}
	}
	return true
}

// sameBytes reports whether two keys are written the same.
func sameBytes(a, b []any) bool {
	return slices.EqualFunc(a, b, func(x, y any) bool { return matchText(x) == matchText(y) })
}
