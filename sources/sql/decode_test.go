package sqlsource

import (
	"testing"
	"time"
)

// FuzzQuickTime wants what the standard library reads, or nothing.
func FuzzQuickTime(f *testing.F) {
	for _, text := range []string{"2024-01-31 13:45:00", "2024-02-28 23:59:59", "2024-02-31 00:00:00", "0000-00-00 00:00:00", "2024-13-01 00:00:00",
		"2024-01-01 24:00:00", "2024-01-01T00:00:00", "2024-01-01 00:00:00.5", "2024-03-31 02:30:00", "0001-01-01 00:00:00", "2024-1-1 0:0:0", "0001-01-01  0:00:00", "2024-0a-01 00:00:00"} {
		f.Add([]byte(text))
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, location := range []*time.Location{time.UTC, berlin} {
			got, ok := quickTime(text, location)
			want, err := time.ParseInLocation(time.DateTime, string(text), location)
			if ok && (err != nil || !got.Equal(want) || got.Location() != want.Location()) {
				t.Errorf("%q is %v, want %v, %v", text, got, want, err)
			}
			// The library takes blanks for leading zeros; no server writes them.
			if !ok && err == nil && want.Day() <= 28 && want.Format(time.DateTime) == string(text) && want.Year() > 0 {
				t.Errorf("%q takes the slow way", text)
			}
		}
	})
}
