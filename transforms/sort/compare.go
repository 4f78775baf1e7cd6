package sorting

import (
	"bytes"
	"cmp"
	"math"
	"strings"
	"time"

	"github.com/usher-id/usher/value"
)

// rank is the place of a kind of key among the kinds; missing is the last.
type rank uint8

const (
	booleans rank = iota
	numbers
	times
	texts
	byteStrings
	arrays
	objects
	missing
)

func rankOf(v any) rank {
	switch v := v.(type) {
	case bool:
		return booleans
	case float64:
		if math.IsNaN(v) {
			return missing
		}
		return numbers
	case int64, int, value.Number:
		return numbers
	case time.Time:
		return times
	case string, value.Secret:
		return texts
	case []byte:
		return byteStrings
	case []any:
		return arrays
	case *value.Object:
		return objects
	}
	return missing
}

// compare gives the order of two keys; with desc the greater comes first, but what is missing still last.
func compare(a, b any, desc bool) int {
	ra, rb := rankOf(a), rankOf(b)
	if ra == missing || rb == missing {
		return cmp.Compare(ra/missing, rb/missing)
	}
	if ra == arrays && rb == arrays {
		return compareArrays(a.([]any), b.([]any), desc)
	}
	c := cmp.Compare(ra, rb)
	if c == 0 {
		c = compareAlike(ra, a, b)
	}
	if desc {
		return -c
	}
	return c
}

func compareArrays(a, b []any, desc bool) int {
	for i := range min(len(a), len(b)) {
		if c := compare(a[i], b[i], desc); c != 0 {
			return c
		}
	}
	c := cmp.Compare(len(a), len(b))
	if desc {
		return -c
	}
	return c
}

func compareAlike(r rank, a, b any) int {
	switch r {
	case booleans:
		switch {
		case a.(bool) == b.(bool):
			return 0
		case b.(bool):
			return -1
		}
		return 1
	case numbers:
		if x, ok := a.(int64); ok {
			if y, ok := b.(int64); ok {
				return cmp.Compare(x, y)
			}
		}
		return compareNumbers(a, b)
	case times:
		return a.(time.Time).Compare(b.(time.Time))
	case texts:
		return strings.Compare(plain(a), plain(b))
	case byteStrings:
		return bytes.Compare(a.([]byte), b.([]byte))
	}
	return strings.Compare(text(a), text(b))
}

func plain(v any) string {
	if s, ok := v.(value.Secret); ok {
		return s.Reveal()
	}
	return v.(string)
}

// compareNumbers compares by all digits. A float stands for the shortest text that gives it.
func compareNumbers(a, b any) int {
	x, y := value.DecimalOf(a), value.DecimalOf(b)
	if x.Sign != y.Sign {
		return cmp.Compare(x.Sign, y.Sign)
	}
	c := cmp.Compare(x.Exponent, y.Exponent)
	if c == 0 {
		c = strings.Compare(x.Digits, y.Digits)
	}
	return c * x.Sign
}
