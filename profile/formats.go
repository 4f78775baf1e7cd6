package profile

import (
	"cmp"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/language"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/identity/phone"
	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/value"
)

// The formats that are looked for, beside those of dates.
const (
	formatEmail    = "email"
	formatE164     = "phone_e164"
	formatNational = "phone_national"
	formatBool     = "boolean_code"
	formatURL      = "url"
	formatUUID     = "uuid"
	formatInteger  = "integer"
	formatZeros    = "leading_zeros" // digits whose zeros a number would lose
	formatIP       = "ip_address"
	formatZone     = "time_zone"
	formatLocale   = "locale"
)

// counts orders by count, then name.
func counts(m map[string]int64) []Count {
	list := make([]Count, 0, len(m))
	for name, n := range m {
		list = append(list, Count{name, n})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return list
}

func sorted(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }

// look finds out what the values that were kept look like.
func (f *collected) look() {
	found := map[string]int64{}
	hashes := map[string]*Hash{}
	normal := normalised(f.path[len(f.path)-1])
	phoneName := isPhone(normal)
	localeName := slices.Contains(targetNames["locale"], normal)
	if kind := f.kind(); kind == "string" || kind == "bytes" {
		// Names that are not known to be secret everywhere, such as those in Chinese.
		f.Secret = f.Secret || nameScore(normal, saltNames) > 0 || isPassword(normal)
	}
	var national []string
	for _, text := range f.kept {
		if text[0] == '!' {
			f.locked++
		}
		for _, format := range formatsOf(text) {
			found[format]++
		}
		if phoneName && !phone.Valid(text) {
			national = append(national, text)
		}
		if localeName {
			if _, err := language.Parse(text); err == nil {
				found[formatLocale]++
			}
		}
		candidates := password.Identify(text)
		certain := 0
		for _, candidate := range candidates {
			if candidate.Confidence == password.Certain || candidate.Shared {
				certain++
			}
		}
		if certain > 0 && candidates[0].Problem == "" {
			f.named++
		}
		_, unambiguous := password.Unambiguous(candidates)
		for i, candidate := range candidates {
			h := hashes[candidate.Format]
			if h == nil {
				h = &Hash{Format: candidate.Format, Needs: []string{}}
				hashes[candidate.Format] = h
			}
			h.Count++
			if candidate.Problem != "" {
				h.Damaged++
			}
			// A hash that is damaged names its format all the same.
			if i == 0 && (candidate.Confidence == password.Certain || candidate.Shared) && certain == 1 {
				h.Certain = true
				h.declare = h.declare || !unambiguous && candidate.Problem == ""
			}
			h.Needs = append(h.Needs[:0], candidate.Needs...)
		}
	}
	f.hashes(hashes, normal)
	f.lookTexts()
	if !f.Secret {
		f.lookPhones(national, found)
		f.dates = findDates(f.kept, normal)
		for _, layout := range f.dates.layouts {
			found["date:"+layout.name()] = int64(f.dates.fit)
		}
	}
	f.Formats = counts(found)
	if f.Secret {
		f.Formats = []Count{} // what a password in plain text looks like is nobody's business
	}
	f.Personal = f.personal(normal)
}

// hashes takes over what the values may be hashes of. Digits in hexadecimal are found everywhere: they count where the name
// speaks of a password.
func (f *collected) hashes(found map[string]*Hash, normal string) {
	f.Hashes = []Hash{}
	named := isPassword(normal)
	for _, h := range found {
		if h.Certain || named && h.Count*2 > int64(f.Looked) {
			f.Hashes = append(f.Hashes, *h)
		}
	}
	// Behind a format that all values name, those that only share its shape say nothing.
	for _, h := range f.Hashes {
		if h.Certain {
			f.Hashes = slices.DeleteFunc(f.Hashes, func(h Hash) bool { return !h.Certain })
			break
		}
	}
	rank := map[string]int{}
	if len(f.kept) > 0 {
		for i, candidate := range password.Identify(f.kept[0]) {
			rank[candidate.Format] = i + 1
		}
	}
	slices.SortFunc(f.Hashes, func(a, b Hash) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(rank[a.Format], rank[b.Format]), cmp.Compare(a.Format, b.Format))
	})
	if len(f.Hashes) > 0 {
		f.Secret = true
	}
}

// formatsOf gives the formats that a value has by itself.
func formatsOf(text string) []string {
	var list []string
	if strings.Contains(text, "@") {
		if _, err := identity.NormalizeEmail(text); err == nil {
			list = append(list, formatEmail)
		}
	}
	if text[0] == '+' && phone.Valid(text) {
		list = append(list, formatE164)
	}
	if isBoolCode(text) {
		list = append(list, formatBool)
	}
	if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			list = append(list, formatURL)
		}
	}
	if len(text) == 36 {
		if _, err := uuid.Parse(text); err == nil {
			list = append(list, formatUUID)
		}
	}
	number := strings.TrimPrefix(text, "-")
	if number != "" && strings.Trim(number, "0123456789") == "" {
		if len(number) > 1 && number[0] == '0' {
			list = append(list, formatZeros)
		} else {
			list = append(list, formatInteger)
		}
	}
	if strings.Count(text, ".") == 3 || strings.Count(text, ":") > 1 {
		if _, err := netip.ParseAddr(text); err == nil {
			list = append(list, formatIP)
		}
	}
	if text == "UTC" || strings.Contains(text, "/") && text[0] >= 'A' && text[0] <= 'Z' {
		if _, err := time.LoadLocation(text); err == nil {
			list = append(list, formatZone)
		}
	}
	return list
}

// isBoolCode reports what the function bool of the expressions takes.
func isBoolCode(text string) bool {
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "y", "n", "on", "off", "1", "0", "是", "否":
		return true
	}
	return false
}

// regions are tried for phone numbers without a country, the more frequent in exports first.
var regions = []string{"CN", "US", "GB", "DE", "FR", "ES", "IT", "JP", "IN", "BR", "KR", "TW", "HK", "SG", "AU", "NL", "PL", "MX", "TR", "RU", "SE", "CH", "AT", "ID", "VN", "TH", "MY", "PH"}

// lookPhones finds the region in which most of the numbers exist.
func (f *collected) lookPhones(numbers []string, found map[string]int64) {
	hints := map[string]int{}
	for _, text := range f.kept[:min(len(f.kept), 100)] {
		if text[0] != '+' {
			continue
		}
		if n, err := phonenumbers.Parse(text, "ZZ"); err == nil {
			hints[phonenumbers.GetRegionCodeForNumber(n)]++
		}
	}
	numbers = numbers[:min(len(numbers), 100)]
	if len(numbers) == 0 {
		return
	}
	mostValid, mostLikely := 0, 0
	for _, region := range regions {
		valid, likely := 0, hints[region]
		for _, text := range numbers {
			n, err := phonenumbers.Parse(text, region)
			if err != nil || !phonenumbers.IsValidNumber(n) {
				continue
			}
			valid++
			// Numbers that exist in several countries: people give mobile numbers, and write them as one does there.
			switch phonenumbers.GetNumberType(n) {
			case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE:
				if digits(phonenumbers.Format(n, phonenumbers.NATIONAL)) == digits(text) {
					likely++
				}
			}
		}
		if valid > 0 && (likely > mostLikely || likely == mostLikely && valid > mostValid) {
			mostValid, mostLikely, f.region = valid, likely, region
		}
	}
	if mostValid > 0 {
		f.national = len(numbers)
		// As many of all as there are in the part that was tried.
		all := int64(f.Looked) - found[formatE164]
		found[formatNational+":"+f.region] = all * int64(mostValid) / int64(len(numbers))
	}
}

// digits gives the digits of a text.
func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
}

// dateLayout is a way to write dates: the argument of the expressions' date(), empty where it needs none.
type dateLayout struct {
	layout  string
	program *expression.Program
}

func (l dateLayout) name() string {
	if l.layout == "" {
		return "unambiguous"
	}
	return l.layout
}

var dateLayouts = func() []dateLayout {
	var list []dateLayout
	for _, layout := range []string{"", "unix", "unixms",
		"DD.MM.YYYY HH:mm:ss", "DD.MM.YYYY HH:mm", "D.M.YYYY",
		"D/M/YYYY H:mm:ss", "D/M/YYYY H:mm", "D/M/YYYY", "M/D/YYYY H:mm:ss", "M/D/YYYY H:mm", "M/D/YYYY",
		"D-M-YYYY H:mm:ss", "D-M-YYYY", "M-D-YYYY H:mm:ss", "M-D-YYYY",
		"YYYY.MM.DD HH:mm:ss", "YYYY.MM.DD", "YYYY年M月D日 HH:mm:ss", "YYYY年M月D日", "YYYYMMDDHHmmss", "YYYYMMDD"} {
		text := "date(v)"
		if layout != "" {
			text = "date(v, '" + layout + "')"
		}
		program, err := expression.Compile(text, expression.Options{Variables: []string{"v"}})
		if err != nil {
			panic("profile: " + layout + ": " + err.Error())
		}
		list = append(list, dateLayout{layout, program})
	}
	return list
}()

// Times that an export holds, in seconds: 1985 to 2100.
const firstTime, lastTime = 473385600, 4102444800

// dates is what is known of a field's dates.
type dates struct {
	// layouts fit as many of the values as any other does: two where day and month cannot be told apart.
	layouts []dateLayout
	fit     int
	// zoned says that every value is RFC 3339 with its zone, day that none has a time.
	zoned, day bool
}

// findDates finds the layouts that fit most of the texts, and at least nine in ten.
func findDates(texts []string, normal string) dates {
	d := dates{zoned: true, day: true}
	if len(texts) == 0 {
		return d
	}
	for _, text := range texts {
		if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
			d.zoned = false
		}
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			d.day = false
		}
	}
	for _, layout := range dateLayouts {
		fit := 0
		for i, text := range texts {
			if layout.fits(text, normal) {
				fit++
			} else if (i+1-fit)*10 > len(texts) {
				break // one in ten does not
			}
		}
		switch {
		case fit*10 < len(texts)*9 || fit < d.fit || fit == 0:
		case fit > d.fit:
			d.fit, d.layouts = fit, []dateLayout{layout}
		default:
			d.layouts = append(d.layouts, layout)
		}
	}
	return d
}

func (l dateLayout) fits(text, normal string) bool {
	if len(text) < 6 || len(text) > 40 || !strings.ContainsAny(text, "0123456789") {
		return false
	}
	number := strings.Trim(text, "0123456789") == ""
	switch l.layout {
	case "unix", "unixms":
		// Ids and phone numbers have ten digits, too: the name has to speak of a time.
		n, err := strconv.ParseInt(text, 10, 64)
		if l.layout == "unixms" {
			n /= 1000
		}
		return number && err == nil && n >= firstTime && n < lastTime && isTime(normal)
	case "YYYYMMDD", "YYYYMMDDHHmmss":
		if !number || text < "19" || text > "21" {
			return false
		}
	default:
		if number {
			return false
		}
	}
	_, err := l.program.Eval(text)
	return err == nil
}

// normalised takes case, white space and punctuation out of a name.
func normalised(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// lookElements finds out what lists hold.
func (f *collected) lookElements() {
	f.listOfText, f.linked = len(f.elements) > 0, len(f.elements) > 0
	for _, e := range f.elements {
		if _, ok := e.(string); !ok {
			f.listOfText = false
		}
		o, _ := e.(*value.Object)
		provider, _ := o.Get("provider")
		id, _ := o.Get("user_id")
		f.linked = f.linked && provider != nil && id != nil
	}
	f.elements = nil
}

// springEncoder gives the name before a hash, as DelegatingPasswordEncoder of Spring Security writes it: {bcrypt}$2a$….
func springEncoder(text string) string {
	name, _, closed := strings.Cut(strings.TrimPrefix(text, "{"), "}")
	if !closed || text[0] != '{' {
		return ""
	}
	if _, err := password.Lookup("spring-" + name); err != nil {
		return ""
	}
	return name
}

// lookTexts finds what all texts begin with, and what divides them into parts.
func (f *collected) lookTexts() {
	every := func(fits func(text string) bool) bool {
		return len(f.kept) > 0 && !slices.ContainsFunc(f.kept, func(text string) bool { return !fits(text) })
	}
	encoders := map[string]bool{}
	f.spring = every(func(text string) bool {
		id := springEncoder(text)
		encoders[id] = true
		return id != ""
	}) && len(encoders) > 1
	// Auth0 puts the name of its database connections before ids, and again on import.
	if every(func(text string) bool { return strings.HasPrefix(text, auth0Prefix) }) {
		f.prefix = auth0Prefix
	}
	for _, by := range []string{",", ";", "|"} {
		if slices.ContainsFunc(f.kept, func(text string) bool { return strings.Contains(text, by) }) {
			f.divided = by
			return
		}
	}
}

const auth0Prefix = "auth0|"
