package pipeline

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Threshold is a number, or a share of some total.
type Threshold struct {
	Count int64
	// Share is from 0 to 1, and is meant where IsShare is set.
	Share   float64
	IsShare bool
}

// ParseThreshold reads 100, or 2%.
func ParseThreshold(text string) (*Threshold, error) {
	if share, ok := strings.CutSuffix(text, "%"); ok {
		f, err := strconv.ParseFloat(strings.TrimSpace(share), 64)
		if err != nil || !(f >= 0 && f <= 100) {
			return nil, errors.New("a share is from 0% to 100%")
		}
		return &Threshold{Share: f / 100, IsShare: true}, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return nil, errors.New("neither a number nor a share")
	}
	return &Threshold{Count: n}, nil
}

// Exceeded reports whether n of total are more. A nil Threshold never is.
func (t *Threshold) Exceeded(n, total int64) bool {
	switch {
	case t == nil:
		return false
	case t.IsShare:
		return t.Share < 1 && float64(n) > t.Share*float64(total) // all of them may be more than there were
	}
	return n > t.Count
}

func (t *Threshold) String() string {
	if t.IsShare {
		return fmt.Sprintf("%g%%", t.Share*100)
	}
	return fmt.Sprint(t.Count)
}
