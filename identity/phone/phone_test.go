package phone

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestValid(t *testing.T) {
	for s, want := range map[string]bool{
		"+8613100000001":    true,
		"+12015550123":      true,
		"+14155552671":      true,
		"+442071838750":     true,
		"+390612345678":     true, // an Italian number keeps its zero
		"+5491123456789":    true,
		"+80012345678":      true, // of no country
		"+447911123456":     true,
		"+4407911123456":    false, // the trunk zero does not belong there
		"+11005550123":      false,
		"+86131000000012":   false,
		"+8613100":          false,
		"+":                 false,
		"+1":                false,
		"+999123456789":     false,
		"+86 131 0000 0001": false,
		"8613100000001":     false,
		"+861310000000١":    false,
		"":                  false,
	} {
		if got := Valid(s); got != want {
			t.Errorf("Valid(%q) = %v", s, got)
		}
	}
}

// The library itself is the reference: numbers of every plan, real ones with digits changed, dropped and added.
func TestSameAsTheLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	valid, fast := 0, 0
	check := func(s string) {
		want := slowValid(s)
		if got := Valid(s); got != want {
			t.Errorf("Valid(%q) = %v, the library says %v", s, got, want)
		}
		if !want {
			return
		}
		valid++
		for n := 1; n <= 3 && n < len(s)-1; n++ {
			if c := plans()[s[1:1+n]]; c != nil && c.valid(s[1+n:]) {
				fast++
			}
		}
	}
	perRegion := 6
	if testing.Short() {
		perRegion = 1
	}
	for region := range phonenumbers.GetSupportedRegions() {
		for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.VOICEMAIL; kind++ {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			s := phonenumbers.Format(example, phonenumbers.E164)
			check(s)
			for range perRegion {
				b := []byte(s)
				for range 1 + random.IntN(4) {
					b[1+random.IntN(len(b)-1)] = byte('0' + random.IntN(10))
				}
				switch random.IntN(6) {
				case 0:
					b = b[:len(b)-1]
				case 1:
					b = append(b, byte('0'+random.IntN(10)))
				}
				check(string(b))
			}
		}
	}
	if valid < 500 || fast < valid*9/10 {
		t.Errorf("of %d valid numbers %d took the fast way", valid, fast)
	}
	t.Logf("%d valid numbers, %d by the fast way", valid, fast)
}

func TestNoPlanIsLeftToTheLibrary(t *testing.T) {
	for code, p := range plans() {
		p.once.Do(p.load)
		if len(p.regions) == 0 {
			t.Errorf("+%s has a pattern that was not understood", code)
		}
	}
}

func FuzzValid(f *testing.F) {
	f.Add("+8613100000001")
	f.Add("+4407911123456")
	f.Fuzz(func(t *testing.T, s string) {
		digits := s != "" && s[0] == '+'
		for i := 1; i < len(s); i++ {
			digits = digits && s[i] >= '0' && s[i] <= '9'
		}
		if got := Valid(s); got != (digits && slowValid(s)) {
			t.Errorf("Valid(%s) = %v", strconv.Quote(s), got)
		}
	})
}

func BenchmarkValid(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if !Valid("+8613100000001") {
			b.Fatal()
		}
	}
}

func BenchmarkValidNorthAmerica(b *testing.B) {
	for b.Loop() {
		if !Valid("+12015550123") {
			b.Fatal()
		}
	}
}
