package password

import (
	"context"
	"encoding/hex"
	"slices"
	"testing"
)

// TestVectors verifies every known answer, and that a wrong password and a must-not-match entry fail.
func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			password, err := hex.DecodeString(v.PasswordHex)
			if err != nil {
				t.Fatal(err)
			}
			got := Verify(context.Background(), v.Format, v.Encoded, password, v.Extra)
			if !v.Match {
				if got.Outcome == Match {
					t.Errorf("%s: matches, and must not", v.Format)
				}
				return
			}
			if got.Outcome != Match {
				t.Fatalf("%s: %s: %s", v.Format, got.Outcome, got.Reason)
			}
			wrong := append([]byte("x"), password...)
			if got := Verify(context.Background(), v.Format, v.Encoded, wrong, v.Extra); got.Outcome == Match || got.Outcome == Malformed {
				t.Errorf("%s: wrong password: %s: %s", v.Format, got.Outcome, got.Reason)
			}
			if err := Check(v.Format, v.Encoded); err != nil {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

func TestVectorsCoverEveryNameOfTheFile(t *testing.T) {
	var unknown []string
	for _, v := range vectors(t) {
		if _, err := Lookup(v.Format); err != nil && !slices.Contains(unknown, v.Format) {
			unknown = append(unknown, v.Format)
		}
	}
	if len(unknown) > 0 {
		t.Errorf("%d format names are not known: %q", len(unknown), unknown)
	}
}
