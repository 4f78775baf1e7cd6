package identity

import (
	"encoding/base32"
	"net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // zones are checked the same on every machine
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/usher-id/usher/identity/phone"
)

// Lengths in bytes.
const (
	maxText   = 16 << 10
	maxObject = 4 << 20
	maxEmail  = 320 // RFC 3696, section 3: 64 for the local part, 255 for the domain, and the sign between
	maxKey    = 1024

	// No user has as many roles, groups or linked identities.
	maxElements = 4096
	// maxDepth is how deeply objects may be nested: SQLite's JSON functions take no more.
	maxDepth = 1000
)

// NormalizeEmail gives the form in which an email address is stored and compared: an addr-spec (RFC 5322) alone,
// NFKC and case-folded, the domain in its ASCII form by UTS 46 alone: other than words, straße.de and strasse.de are two. The error text says what is wrong.
func NormalizeEmail(s string) (string, error) {
	s = strings.TrimSpace(s)
	if n, ok := plainEmail(s); ok {
		return n, nil
	}
	return fullEmail(s)
}

// plainEmail does what fullEmail does for the addresses that nearly all are: an ASCII dot-atom, at, host name.
func plainEmail(s string) (string, bool) {
	at := -1
	upper := false
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-':
		case c >= 'A' && c <= 'Z':
			upper = true
		case c == '_' || c == '+':
			if at >= 0 {
				return "", false
			}
		case c == '.':
			if i == 0 || s[i-1] == '.' || i == at+1 || i+1 == len(s) || s[i+1] == '@' {
				return "", false
			}
		case c == '@':
			if at >= 0 || i == 0 {
				return "", false
			}
			at = i
		default:
			return "", false
		}
	}
	if at < 1 || at > 64 || at == len(s)-1 || len(s) > maxEmail || strings.Contains(s, "--") {
		return "", false
	}
	if upper {
		s = strings.ToLower(s)
	}
	return s, true
}

func fullEmail(s string) (string, error) {
	if s == "" {
		return "", formatError("is empty")
	}
	if len(s) > maxEmail {
		return "", formatError("has " + strconv.Itoa(len(s)) + " bytes, an address has at most " + strconv.Itoa(maxEmail))
	}
	if !utf8.ValidString(s) {
		return "", formatError("is not UTF-8")
	}
	s = norm.NFKC.String(s)
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return "", formatError("is not an email address: there is no @ in it")
	}
	local, domain := fold(s[:at]), s[at+1:]
	if isASCII(domain) {
		domain = strings.ToLower(domain)
	}
	s = local + "@" + domain
	parsed, err := mail.ParseAddress(s)
	if err != nil {
		return "", formatError("is not an email address")
	}
	if parsed.Address != s && parsed.String() != "<"+s+">" {
		return "", formatError("is not an email address alone: leave out names, brackets, comments and quotes that are not needed")
	}
	for _, r := range local {
		switch {
		case r == utf8.RuneError:
			return "", formatError("has a character that was lost before (U+FFFD): state the encoding of the source")
		case unicode.IsControl(r) || unicode.IsSpace(r) && r != ' ':
			return "", formatError("has a control character or white space in it")
		}
	}
	if len(local) > 64 {
		return "", formatError("has " + strconv.Itoa(len(local)) + " bytes before the @, RFC 5321 allows 64")
	}
	if !strings.HasPrefix(domain, "[") && (!isASCII(domain) || strings.Contains(domain, "xn--")) {
		ascii, err := idna.Lookup.ToASCII(domain)
		if err != nil || strings.Contains("."+ascii+".", "..") {
			return "", formatError("has a domain that is not a host name")
		}
		domain = ascii
	}
	return local + "@" + domain, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// fold gives the form in which two spellings of an identifier are the same: Unicode's NFKC_Casefold, which leaves out what
// cannot be seen. Folding may undo the normal form, so that it is normalised again.
func fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return norm.NFKC.String(strings.Map(foldRune, cases.Fold().String(norm.NFKC.String(s))))
}

// foldRune leaves out what is ignorable, and mends what cases.Fold does to letters that fold to their capitals: it takes each for the other.
func foldRune(r rune) rune {
	switch {
	case unicode.Is(unicode.Cherokee, r):
		return unicode.ToUpper(r)
	case ignorable(r):
		return -1
	}
	return r
}

// ignorable is Unicode's Default_Ignorable_Code_Point: zero-width characters, marks of direction, fillers.
func ignorable(r rune) bool {
	switch {
	case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r):
		return true
	case r >= 0xFFF9 && r <= 0xFFFB, r >= 0x13430 && r <= 0x13440, unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return false // these are seen, or change what is seen
	}
	return unicode.Is(unicode.Cf, r)
}

type formatError string

func (e formatError) Error() string { return string(e) }

func checkUsername(s string) (string, string) {
	if len(s) > maxKey {
		return "", "has " + strconv.Itoa(len(s)) + " bytes, at most " + strconv.Itoa(maxKey) + " are taken"
	}
	if strings.TrimSpace(s) != s {
		return "", "begins or ends with white space: trim(…) takes it off"
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return "", "has a control character in it"
		}
	}
	if fold(s) == "" {
		return "", "has no visible character"
	}
	return s, ""
}

func checkURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "is not a URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "is not an absolute http or https URL"
	case u.Hostname() == "":
		return "is a URL without a host"
	case u.Port() != "":
		if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil {
			return "is a URL whose port is not below 65536"
		}
	}
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return "is a URL with white space in it"
		}
	}
	return ""
}

// checkBirthdate takes YYYY-MM-DD, 0000-MM-DD (the year withheld, OpenID Connect Core 5.1), --MM-DD (ISO 8601:2000)
// and YYYY.
func checkBirthdate(s string) string {
	const forms = "is not a date written YYYY-MM-DD, --MM-DD or YYYY"
	year, date := "0000", s
	switch {
	case len(s) == 4 && digits(s):
		if s == "0000" {
			return "is a year that does not exist"
		}
		return ""
	case len(s) == 10 && digits(s[:4]) && s[4] == '-':
		year, date = s[:4], s[5:]
	case len(s) == 7 && s[:2] == "--":
		date = s[2:]
	default:
		return forms
	}
	if len(date) != 5 || !digits(date[:2]) || date[2] != '-' || !digits(date[3:]) {
		return forms
	}
	// Year 0 is a leap year of the proleptic calendar: without a year, 29 February may be.
	y, _ := strconv.Atoi(year)
	month, _ := strconv.Atoi(date[:2])
	day, _ := strconv.Atoi(date[3:])
	t := time.Date(y, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if int(t.Month()) != month || t.Day() != day {
		return "is a day that does not exist"
	}
	return ""
}

// checkPhone gives an empty text for an E.164 number that is valid by libphonenumber's rules, else what is wrong.
func checkPhone(s string) string {
	switch {
	case phone.Valid(s):
		return ""
	case len(s) < 2 || s[0] != '+' || !digits(s[1:]):
		return "is not in E.164 form (+8613100000001): e164(user.phone, 'CN') makes it from a national one"
	}
	return "is not a phone number that can exist"
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}

// cache keeps what is costly to find out and asked for again and again. It is bounded; what does not fit is found
// out each time.
type cache struct {
	entries sync.Map
	size    atomic.Int32
}

func (c *cache) get(key string, find func(string) (string, bool)) (string, bool) {
	if v, ok := c.entries.Load(key); ok {
		return v.(string), true
	}
	v, ok := find(key)
	if ok && c.size.Add(1) <= 2048 {
		c.entries.Store(strings.Clone(key), v)
	}
	return v, ok
}

var zones, locales cache

// zoneName leaves out what is a path to a zone rather than its name, and the copies that some machines have beside the zones.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*$`)

func isZone(name string) bool {
	_, ok := zones.get(name, func(name string) (string, bool) {
		if name == "Local" || len(name) > 64 || !zoneName.MatchString(name) {
			return "", false
		}
		_, err := time.LoadLocation(name)
		return "", err == nil
	})
	return ok
}

// extendedLocale is a tag with a language of three letters after the first. Such a language has to be registered with the first
// (RFC 5646, section 2.2.2), or it is a slip: en-USA and zh-CHN are not the languages usa and chn.
var (
	extendedLocale   = regexp.MustCompile(`^[A-Za-z]{2,3}[-_][A-Za-z]{3}([-_]|$)`)
	registeredLocale = regexp.MustCompile(`(?i)^(zh[-_](cdo|cjy|cmn|cnp|cpx|csp|czh|czo|gan|hak|hnm|hsn|luh|lzh|min[-_]nan|mnp|nan|sjc|wuu|yue)|no[-_](bok|nyn))([-_]|$)`)
)

// normalizeLocale gives the canonical form of a BCP 47 tag: en_us is en-US.
func normalizeLocale(s string) (string, bool) {
	return locales.get(s, func(s string) (string, bool) {
		if len(s) > 255 || extendedLocale.MatchString(s) && !registeredLocale.MatchString(s) {
			return "", false
		}
		tag, err := language.Parse(s)
		return tag.String(), err == nil
	})
}

// normalizeTOTP gives the secret as RFC 4648 base32 in upper case without padding.
func normalizeTOTP(s string) (string, bool) {
	s = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s))
	s = strings.TrimRight(s, "=")
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(s)
	return s, err == nil && len(b) > 0 && !strings.ContainsAny(s, "\r\n")
}
