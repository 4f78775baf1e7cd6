package pipeline

import "testing"

func TestThreshold(t *testing.T) {
	for _, tt := range []struct {
		text     string
		n, total int64
		want     bool
	}{
		{"2", 2, 0, false},
		{"2", 3, 100, true},
		{"0", 1, 100, true},
		{"2%", 2, 100, false},
		{"2%", 3, 100, true},
		{"50%", 1, 0, true},
		{"0%", 1, 100, true},
		{"100%", 100, 100, false},
		{"100%", 1, 0, false}, // of a store that was empty at the start
	} {
		threshold, err := ParseThreshold(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := threshold.Exceeded(tt.n, tt.total); got != tt.want {
			t.Errorf("%s: %d of %d: got %v", tt.text, tt.n, tt.total, got)
		}
	}
}
