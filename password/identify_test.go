package password

import (
	"slices"
	"strings"
	"testing"
)

func TestIdentifyFindsTheFormatOfEveryVector(t *testing.T) {
	for _, v := range vectors(t) {
		if !v.Match {
			continue
		}
		f, err := Lookup(v.Format)
		if err != nil {
			t.Fatal(err)
		}
		candidates := Identify(v.Encoded)
		if !slices.ContainsFunc(candidates, func(c Candidate) bool { return c.Format == f.Name }) {
			t.Errorf("%s: %s is not among the candidates", v.ID, f.Name)
		}
		for _, c := range candidates {
			if c.Reason == "" {
				t.Errorf("%s: candidate %s has no reason", v.ID, c.Format)
			}
		}
		// A choice made without asking must be right. Bcrypt's relatives are the documented exception.
		if chosen, ok := Unambiguous(candidates); ok && chosen != f.Name && !(chosen == "bcrypt" && strings.HasPrefix(v.Encoded, "$2")) {
			t.Errorf("%s: chosen without doubt: %s, it is %s", v.ID, chosen, f.Name)
		}
		if chosen, err := Recognise(v.Encoded); err == nil && chosen != f.Name && !(chosen == "bcrypt" && strings.HasPrefix(v.Encoded, "$2")) {
			t.Errorf("%s: recognised as %s, it is %s", v.ID, chosen, f.Name)
		}
	}
}

func TestIdentifyRanks(t *testing.T) {
	for _, tt := range []struct {
		name, encoded, first, chosen string
	}{
		{"bcrypt", goodBcrypt, "bcrypt", "bcrypt"},
		{"32 hexadecimal digits", "5f4dcc3b5aa765d61d8327deb882cf99", "hex-md5", ""},
		{"libxcrypt or FreeBSD", "$3$$340ebcf63f7580486206fd0bdc57f499", "bsd-nthash", ""},
		{"Django or Werkzeug", "md5$abcdefgh$094c28e22b7194b2621596be323bdf63", "django-md5", ""},
		{"PHC or Kratos's SHA-3", "$pbkdf2-sha224$i=100000,l=32$A2nzbFd+wwzPSb+TqkF5Pw$9M4GM2yOYw/fZvsvQbF/0Ec8JO2u9O1MYRTfrDimX6o", "phc-pbkdf2", ""},
		{"cut off", goodBcrypt[:50], "bcrypt", ""},
		{"too costly", strings.Replace(goodBcrypt, "$10$", "$20$", 1), "bcrypt", ""},
	} {
		got := Identify(tt.encoded)
		if len(got) == 0 || got[0].Format != tt.first {
			t.Errorf("%s: candidates %v", tt.name, got)
		}
		if chosen, _ := Unambiguous(got); chosen != tt.chosen {
			t.Errorf("%s: chosen %q, want %q", tt.name, chosen, tt.chosen)
		}
	}
	if got := Identify("hunter2"); len(got) != 0 {
		t.Errorf("a plain password is identified as %v", got)
	}
}

// TestCertainIsWhatNeedsNoDeclaration holds what identify says against what format: auto takes.
func TestCertainIsWhatNeedsNoDeclaration(t *testing.T) {
	for _, v := range vectors(t) {
		got := Identify(v.Encoded)
		if len(got) == 0 || got[0].Confidence != Certain || got[0].Problem != "" {
			continue
		}
		if _, err := Recognise(v.Encoded); err != nil {
			t.Errorf("%s: certain is %s, and it cannot be chosen: %v", v.ID, got[0].Format, err)
		}
	}
}
