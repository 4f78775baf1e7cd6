// Package phone tells whether a number in E.164 form can exist, by libphonenumber's rules, fast enough for each record of
// an import: the library's patterns are run as automata over digits instead of as regular expressions.
package phone

import (
	"slices"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// Valid reports whether s is an E.164 number (a plus sign and digits, the country calling code first) that is valid by
// the metadata of libphonenumber. It says yes to exactly those that the library parses, finds valid and formats as s. It
// is safe for concurrent use.
func Valid(s string) bool {
	if len(s) < 3 || len(s) > 21 || s[0] != '+' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	for n := 1; n <= 3 && n < len(s)-1; n++ {
		if c := plans()[s[1:1+n]]; c != nil {
			if c.valid(s[1+n:]) {
				return true
			}
			break
		}
	}
	// Rare: a number that cannot exist, or one that the library may read in another way than by its digits.
	return slowValid(s)
}

func slowValid(s string) bool {
	n, err := phonenumbers.Parse(s, "ZZ")
	return err == nil && phonenumbers.IsValidNumber(n) && phonenumbers.Format(n, phonenumbers.E164) == s
}

// plan is the numbering plan of one calling code.
type plan struct {
	code    int
	once    sync.Once
	regions []region
}

// region is one of the regions that share a calling code; the first is the main one, whose prefixes count.
type region struct {
	national *automaton // prefixes that are dialled within the country; nil for none
	leading  *automaton // tells the region by the first digits; nil where its numbers tell
	general  pattern
	types    []pattern
}

// pattern is one kind of numbers: those of certain lengths that an automaton takes as a whole.
type pattern struct {
	lengths []int32
	*automaton
}

func (p pattern) matches(number string) bool {
	if len(p.lengths) > 0 && !slices.Contains(p.lengths, int32(len(number))) {
		return false
	}
	whole, _ := p.run(number)
	return whole
}

func (r *region) valid(number string) bool {
	if !r.general.matches(number) {
		return false
	}
	for _, t := range r.types {
		if t.matches(number) {
			return true
		}
	}
	return false
}

// valid is the library's rule for a number of which nothing is taken off as a national prefix. A no means only that
// the library has to be asked.
func (p *plan) valid(number string) bool {
	p.once.Do(p.load)
	if len(p.regions) == 0 || number[0] == '0' {
		return false
	}
	if national := p.regions[0].national; national != nil {
		if _, prefix := national.run(number); prefix {
			return false
		}
	}
	if len(p.regions) == 1 {
		return p.regions[0].valid(number)
	}
	for i := range p.regions {
		r := &p.regions[i]
		if r.leading == nil {
			if r.valid(number) {
				return true
			}
		} else if _, prefix := r.leading.run(number); prefix {
			return r.valid(number)
		}
	}
	return false
}

// plans finds a numbering plan by the digits of its calling code. The plans load themselves when they are used.
var plans = sync.OnceValue(func() map[string]*plan {
	m := map[string]*plan{}
	for code := 1; code <= 999; code++ {
		if len(phonenumbers.GetRegionCodesForCountryCode(code)) > 0 {
			m[itoa(code)] = &plan{code: code}
		}
	}
	return m
})

func itoa(n int) string {
	var b [3]byte
	i := len(b)
	for ; n > 0; n /= 10 {
		i--
		b[i] = byte('0' + n%10)
	}
	return string(b[i:])
}

var metadata = sync.OnceValue(func() []*phonenumbers.PhoneMetadata {
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		return nil
	}
	return all.GetMetadata()
})

// load builds the automata. Where something of the metadata is not understood, the plan stays empty and the library is
// asked for each number.
func (p *plan) load() {
	var regions []region
	for _, id := range phonenumbers.GetRegionCodesForCountryCode(p.code) {
		i := slices.IndexFunc(metadata(), func(m *phonenumbers.PhoneMetadata) bool {
			return m.GetId() == id && int(m.GetCountryCode()) == p.code
		})
		if i < 0 {
			return
		}
		m := metadata()[i]
		r := region{}
		ok := true
		compile := func(text string) *automaton {
			if text == "" || !ok {
				return nil
			}
			var a *automaton
			a, ok = newAutomaton(text)
			return a
		}
		add := func(d *phonenumbers.PhoneNumberDesc) {
			if a := compile(d.GetNationalNumberPattern()); a != nil {
				r.types = append(r.types, pattern{d.GetPossibleLength(), a})
			}
		}
		r.national, r.leading = compile(m.GetNationalPrefixForParsing()), compile(m.GetLeadingDigits())
		r.general = pattern{m.GetGeneralDesc().GetPossibleLength(), compile(m.GetGeneralDesc().GetNationalNumberPattern())}
		for _, d := range []*phonenumbers.PhoneNumberDesc{m.GetMobile(), m.GetFixedLine(), m.GetTollFree(), m.GetPremiumRate(),
			m.GetSharedCost(), m.GetVoip(), m.GetPersonalNumber(), m.GetPager(), m.GetUan(), m.GetVoicemail()} {
			add(d)
		}
		if !ok || r.general.automaton == nil {
			return
		}
		regions = append(regions, r)
	}
	p.regions = regions
}
