package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/password"
)

// Suggestion is a mapping that fits a Profile.
type Suggestion struct {
	// Mapping is in the order of the canonical user, custom attributes behind.
	Mapping []Assignment `json:"mapping"`
	// Identifier is the attribute by which the sink is to find users; empty if no field can be one.
	Identifier string `json:"identifier"`
	// Why says on what grounds it was chosen.
	Why string `json:"why"`
	// Notes say what a person has to decide.
	Notes []string `json:"notes"`
}

// Assignment is one line of the mapping.
type Assignment struct {
	Target string `json:"target"`
	// Expression is over user, or a word such as bcrypt where the target takes one.
	Expression string `json:"expression"`
	// Field is the dotted name of the field it comes from.
	Field string `json:"field"`
	// Comment says what was seen; empty if there is nothing to say.
	Comment string `json:"comment"`
	// Off keeps it out of the mapping until a person has decided: it stands in the file as a comment.
	Off bool `json:"off"`

	path []string // of the field
}

// Share of values that must have the format of an attribute for a field to become it. Of the identifiers it is small:
// what is wrong in them is to be seen as failed records, not to be moved aside.
const enough = 0.5

// match is a field that may become an attribute.
type match struct {
	target string
	field  *Field
	score  int
}

// Suggest suggests a mapping: the names of fields and what their values are both count.
func Suggest(p *Profile) Suggestion {
	s := suggester{Suggestion: Suggestion{Mapping: []Assignment{}, Notes: []string{}}, profile: p, used: map[*Field]bool{}}
	var matches []match
	for _, f := range p.Fields {
		if f.Filled == 0 || f.Secret || s.opaque(f) {
			continue
		}
		for target := range targetNames {
			if score := f.score(target); score > 0 {
				matches = append(matches, match{target, f, score})
			}
		}
	}
	slices.SortStableFunc(matches, func(a, b match) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.target, b.target))
	})
	taken := map[string]*Field{}
	for _, m := range matches {
		if taken[m.target] == nil && !s.used[m.field] {
			taken[m.target] = m.field
			s.used[m.field] = true
		}
	}
	if f := taken["preferred_username"]; f != nil && taken["email"] == nil && f.share(formatEmail) > enough {
		taken["email"] = f // who logs in with an email address has both
	}
	for _, target := range targetOrder {
		if f := taken[target]; f != nil {
			s.add(Assignment{Target: target, Expression: f.expression(target), Field: f.Name, Comment: f.comment(target), path: f.path})
		}
	}
	s.password()
	s.rest()
	s.identifier(taken)
	return s.Suggestion
}

// Deleted gives, as a commented option of a source, the expression of a field that seems to say that a user is gone; false
// if there is none.
func Deleted(p *Profile) (Option, bool) {
	for _, f := range p.Fields {
		if len(f.path) > 1 || f.Filled == 0 || nameScore(normalised(f.path[0]), deletedNames) == 0 || !f.scalar() {
			continue
		}
		if f.kind() == "boolean" || f.kind() == "time" || f.allDates() || f.share(formatBool) == 1 {
			return Option{Name: "deleted", Value: f.reference(), Off: true,
				Comment: "if it says who is gone, the sink's on_delete says what becomes of them"}, true
		}
	}
	return Option{}, false
}

// targetOrder is the order of the mapping: what identifies first.
var targetOrder = func() []string {
	first := []string{"external_id", "email", "email_verified", "phone_number", "phone_number_verified", "preferred_username"}
	var rest []string
	for _, name := range identity.AttributeNames() {
		if name == "address" {
			rest = append(rest, "address.formatted", "address.street_address", "address.locality", "address.region", "address.postal_code", "address.country")
		} else if !slices.Contains(first, name) {
			rest = append(rest, name)
		}
	}
	return append(first, rest...)
}()

type suggester struct {
	Suggestion
	profile *Profile
	used    map[*Field]bool
}

func (s *suggester) add(a Assignment) { s.Mapping = append(s.Mapping, a) }

// opaque reports whether the field is part of an object that is taken over as a whole.
func (s *suggester) opaque(f *Field) bool {
	switch normalised(f.path[0]) {
	case "usermetadata", "appmetadata", "customattributes":
		return len(f.path) > 1
	}
	return false
}

// score says how well a field fits an attribute, 0 for not at all.
func (f *Field) score(target string) int {
	normal := normalised(f.path[len(f.path)-1])
	score := nameScore(normal, targetNames[target])
	if parent := len(f.path) - 2; score > 0 && parent >= 0 {
		// The name of a company in an object is no name of the person.
		above := normalised(f.path[parent])
		switch {
		case strings.HasPrefix(target, "address.") && strings.Contains(above, "address"):
			score += 5
		case slices.Contains(commonStart, above) || above == "attributes" || above == "personal" || above == "id" && normal == "oid":
			score -= 5
		case target == "name" || target == "external_id" || strings.HasPrefix(target, "address.") || strings.HasSuffix(target, "_at"):
			return 0
		default:
			score -= 20
		}
	}
	if normal == "name" && len(f.path) > 1 && target == "name" {
		score -= 10
	}
	fit, sure := f.fits(target, normal)
	switch {
	case !fit:
		return 0
	case score <= 0 && sure && (target == "email" || target == "phone_number") && len(f.path) == 1:
		return 20 // whatever the name is
	case score <= 0:
		return 0
	case sure:
		score += 20
	}
	return score
}

// fits reports whether the values can be those of an attribute, and whether they speak for it.
func (f *Field) fits(target, normal string) (fit, sure bool) {
	text := f.scalar() && f.kind() != "boolean"
	switch target {
	case "email":
		sure = f.share(formatEmail) > enough
		return sure, sure
	case "phone_number":
		share := f.share(formatE164)
		if f.region != "" {
			share += f.share(formatNational + ":" + f.region)
		}
		return text && share > enough, share > enough
	case "email_verified", "phone_number_verified", "disabled":
		if strings.HasSuffix(normal, "at") {
			return target == "email_verified" && len(f.dates.layouts) > 0 || f.kind() == "time", false
		}
		fit = f.kind() == "boolean" || f.Looked > 0 && f.share(formatBool) == 1
		return fit, fit
	case "external_id":
		return text && !f.repeated, f.Identifier
	case "preferred_username":
		return text && !f.repeated && f.kind() == "string", false
	case "birthdate":
		return text && (f.kind() == "time" || f.allDates()), true
	case "created_at", "updated_at", "last_login":
		return text && (f.kind() == "time" || f.allDates()), true
	case "picture", "website", "profile":
		return f.share(formatURL) == 1, true
	case "zoneinfo":
		return f.share(formatZone) == 1, true
	case "locale":
		return f.share(formatLocale) == 1, true
	case "logins_count":
		return f.kind() != "" && f.share(formatInteger) == 1, true
	case "roles", "groups":
		return f.listOfText || f.kind() == "string" && f.Looked > 0, f.listOfText
	case "identities":
		return f.linked, true
	case "user_metadata", "app_metadata", "custom_attributes":
		return f.kind() == "object", true
	case "gender":
		return f.kind() == "string" && f.Distinct <= maxCodes, false
	}
	return f.kind() == "string", false
}

// allDates reports whether every value looked at is a date in one layout.
func (f *Field) allDates() bool { return len(f.dates.layouts) > 0 && f.dates.fit == f.Looked }

// reference is the field in an expression: user.mail, user['Given Name'].
func (f *Field) reference() string {
	var b strings.Builder
	b.WriteString("user")
	for _, name := range f.path {
		if isName(name) {
			b.WriteString("." + name)
			continue
		}
		b.WriteString("['")
		for _, r := range name {
			switch {
			case r == '\'' || r == '\\':
				b.WriteByte('\\')
				b.WriteRune(r)
			case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
				fmt.Fprintf(&b, `\u%04x`, r)
			default:
				b.WriteRune(r)
			}
		}
		b.WriteString("']")
	}
	return b.String()
}

// isName reports whether a member of that name can stand behind a dot.
func isName(name string) bool {
	for i, r := range name {
		if !unicode.IsLetter(r) && r != '_' && r != '$' && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return name != ""
}

// several reports whether some values are lists and others are not, as of LDAP where an attribute may have several.
func (f *Field) several() bool { return f.kind() == "" && f.hasType("array") && !f.hasType("object") }

// text is the field without what is around it: white space, and the apostrophe of spreadsheets. Of a list it is the first element.
func (f *Field) text() string {
	at := f.reference()
	if f.several() {
		at = "[].concat(" + at + ")[0]"
	}
	if f.quoted*2 > f.Filled {
		at = "trimPrefix(" + at + `, "'")`
	}
	if f.apart > 0 {
		at = "trim(" + at + ")"
	}
	return at
}

// orNull gives null for an empty text, which attributes do not take.
func (f *Field) orNull(expression string) string {
	if f.Empty > 0 {
		return expression + " || null"
	}
	return expression
}

// argument is the field as the argument of a function of which null stays null.
func (f *Field) argument() string { return f.orNull(f.text()) }

// expression gives an attribute its value from the field.
func (f *Field) expression(target string) string {
	text := f.text()
	switch target {
	case "email":
		if f.apart == 0 {
			text = "trim(" + text + ")"
		}
		return f.orNull("lower(" + text + ")")
	case "phone_number":
		if f.national == 0 {
			return f.orNull(text)
		}
		return "e164(" + f.argument() + ", '" + f.region + "')"
	case "email_verified", "phone_number_verified", "disabled":
		not := ""
		if target == "disabled" && inverted[normalised(f.path[len(f.path)-1])] {
			not = "!"
		}
		switch {
		case len(f.dates.layouts) > 0 || f.kind() == "time":
			return "!!" + f.reference()
		case f.kind() == "boolean":
			return f.unlessNull(not, f.reference())
		}
		return f.unlessNull(not, "bool("+f.argument()+")")
	case "birthdate":
		if f.dates.day && f.kind() == "string" {
			return f.orNull(text)
		}
		return f.date() + ".slice(0, 10)"
	case "created_at", "updated_at", "last_login":
		if f.dates.zoned && f.kind() == "string" {
			return f.orNull(text)
		}
		return f.date()
	case "logins_count":
		if f.kind() == "number" {
			return f.reference()
		}
		return f.reference() + " ? Number(" + text + ") : null"
	case "roles", "groups":
		if f.listOfText {
			return f.reference()
		}
		if f.divided == "" {
			return text + " ? [" + text + "] : []"
		}
		return text + " ? split(" + text + ", '" + f.divided + "').map(x => x.trim()).filter(x => x) : []"
	case "identities":
		return f.reference() + ".map(i => ({ provider: i.provider, subject: i.user_id }))"
	case "user_metadata", "app_metadata", "custom_attributes":
		return f.reference()
	case "external_id":
		if f.prefix != "" {
			return f.orNull("trimPrefix(" + text + ", '" + f.prefix + "')")
		}
		if f.kind() == "string" {
			return f.orNull(text)
		}
		return f.reference()
	}
	return f.orNull(text)
}

// unlessNull puts a negation before an expression that is null where there is no value: the negation of null is true.
func (f *Field) unlessNull(not, expression string) string {
	switch {
	case not == "":
		return expression
	case f.Nulls+f.Missing+f.Empty > 0:
		return "(" + expression + ") == null ? null : !" + expression
	}
	return not + expression
}

// date reads the field as a date.
func (f *Field) date() string {
	if len(f.dates.layouts) == 0 || f.dates.layouts[0].layout == "" {
		return "date(" + f.argument() + ")"
	}
	return "date(" + f.argument() + ", '" + f.dates.layouts[0].layout + "')"
}

// comment says what was seen of a field that becomes an attribute.
func (f *Field) comment(target string) string {
	var parts []string
	if lacking := f.Missing + f.Nulls + f.Empty; lacking > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d have none", lacking, lacking+f.Filled))
	}
	bad := func(format string, share float64) {
		if n := int64(float64(f.Looked)*(1-share) + 0.5); n > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d looked at are no %s and will fail", n, f.Looked, format))
		}
	}
	switch target {
	case "email":
		if f.several() {
			parts = append(parts, "the first, where there are several")
		}
		bad("email address", f.share(formatEmail))
	case "phone_number":
		share := f.share(formatE164)
		if f.region != "" {
			share += f.share(formatNational + ":" + f.region)
			parts = append(parts, fmt.Sprintf("numbers without a country are taken for %s", f.region))
		}
		bad("phone number", share)
	case "external_id":
		if f.prefix != "" {
			parts = append(parts, "without the "+f.prefix+" of Auth0")
		}
	case "created_at", "updated_at", "last_login", "birthdate":
		if len(f.dates.layouts) > 1 {
			parts = append(parts, "day and month cannot be told apart: the layout may be "+f.dates.layouts[1].layout)
		}
		if target != "birthdate" && !f.dates.zoned && f.kind() == "string" && !strings.HasPrefix(f.dates.layouts[0].layout, "unix") {
			parts = append(parts, "without a zone it is UTC")
		}
	}
	if f.repeated && (target == "email" || target == "phone_number") {
		parts = append(parts, fmt.Sprintf("%d come again", f.Filled-f.Distinct))
	}
	return strings.Join(parts, "; ")
}

// password suggests what to do with the best of the fields that hold password hashes.
func (s *suggester) password() {
	var best, salt *Field
	for _, f := range s.profile.Fields {
		if f.Filled == 0 || !f.scalar() || s.opaque(f) {
			continue
		}
		normal := normalised(f.path[len(f.path)-1])
		if nameScore(normal, saltNames) > 0 && salt == nil {
			salt = f
			continue
		}
		if f.passwordScore() > 0 && (best == nil || f.passwordScore() > best.passwordScore()) {
			best = f
		}
	}
	if best == nil {
		return
	}
	s.used[best] = true
	hash := Assignment{Target: "password.hash", Expression: best.orNull(best.reference()), Field: best.Name}
	if best.locked > 0 && len(best.Hashes) > 0 {
		at := best.reference()
		hash.Expression = at + ".startsWith('!') ? undefined : " + hash.Expression
	}
	var certain []Hash
	for _, h := range best.Hashes {
		if h.Certain {
			certain = append(certain, h)
		}
	}
	switch {
	case len(best.Hashes) == 0:
		hash.Target, hash.Off = "password.plain", true
		hash.Comment = "no hash format was recognised: it may be the password itself, or a format of your own"
		s.Notes = append(s.Notes, fmt.Sprintf("%s holds no password hashes that are known; see the commented lines of password", best.Name))
		s.add(hash)
		return
	case best.spring:
		s.add(hash)
		at := best.reference()
		s.add(Assignment{Target: "password.hasher", Expression: "'spring-' + " + at + ".slice(1, " + at + ".indexOf('}'))", Field: best.Name,
			Comment: "the format stands in braces before each hash"})
		return
	case len(certain) == 0:
		formats := make([]string, 0, len(best.Hashes))
		for _, h := range best.Hashes {
			formats = append(formats, h.Format)
		}
		chosen := best.Hashes[0]
		if salt != nil {
			for _, h := range best.Hashes {
				if strings.HasPrefix(h.Format, "salted-") {
					chosen = h
					break
				}
			}
		}
		hash.Off = true
		hash.Comment = "the values have the shape of " + listed(formats, 8) + ", and nothing in them says which it is: verify one with a password that you know, then take the comment signs off"
		s.Notes = append(s.Notes, fmt.Sprintf("%s: the format of the password hashes cannot be told from them; see the commented lines of password", best.Name))
		s.add(hash)
		s.context(chosen, salt, true)
		s.add(Assignment{Target: "password.hasher", Expression: chosen.Format, Field: best.Name, Off: true})
		return
	case len(certain) > 1:
		formats := make([]string, 0, len(certain))
		bad, damaged := int64(best.Looked-best.locked-best.named), int64(0)
		for _, h := range certain {
			formats = append(formats, h.Format)
			damaged += h.Damaged
			if h.declare {
				s.Notes = append(s.Notes, fmt.Sprintf("%s: others write hashes as %s does; give password.hasher an expression that says which is which", best.Name, h.Format))
			}
		}
		hash.Comment = "each hash names its own format: " + listed(formats, 8)
		if bad > 0 {
			hash.Comment = fmt.Sprintf("%s, named by each hash; %d of %d looked at name no format or are damaged, and will fail", listed(formats, 8), bad, best.Looked-best.locked)
		}
		if bad > damaged {
			s.Notes = append(s.Notes, fmt.Sprintf("%s: some hashes name no format; give password.format an expression that says it where they do not, and 'auto' where they do", best.Name))
		}
		s.add(hash)
		return
	}
	if bad := int64(best.Looked-best.locked) - certain[0].Count + certain[0].Damaged; bad > 0 {
		hash.Comment = fmt.Sprintf("%d of %d looked at are no %s, or damaged, and will fail", bad, best.Looked, certain[0].Format)
	}
	hash.Off = !s.has(certain[0].Needs, salt)
	if hash.Off {
		hash.Comment = certain[0].Format + " cannot be verified without " + strings.Join(certain[0].Needs, ", ")
		s.Notes = append(s.Notes, best.Name+": "+hash.Comment)
	}
	s.add(hash)
	s.context(certain[0], salt, hash.Off)
	s.add(Assignment{Target: "password.hasher", Expression: certain[0].Format, Field: best.Name, Off: hash.Off})
}

// reads reports whether verifying a hash of the format takes a value of that name from beside it.
func reads(format, name string) bool {
	f, err := password.Lookup(format)
	return err == nil && slices.ContainsFunc(f.Context, func(key string) bool { return strings.TrimSuffix(key, "?") == name })
}

func (s *suggester) has(needs []string, salt *Field) bool {
	return len(needs) == 0 || slices.Equal(needs, []string{"salt"}) && salt != nil
}

// context adds what verifying a hash needs beside it.
func (s *suggester) context(h Hash, salt *Field, off bool) {
	needs := h.Needs
	if salt != nil && !h.Certain && reads(h.Format, "salt") && !slices.Contains(needs, "salt") {
		needs = append([]string{"salt"}, needs...)
	}
	for _, need := range needs {
		a := Assignment{Target: "password." + need, Expression: "user." + need, Off: true}
		if need == "salt" && salt != nil {
			a.Expression, a.Field, a.Off = salt.reference(), salt.Name, off
			s.used[salt] = true
		}
		s.add(a)
	}
}

// passwordScore says how much speaks for a field being the password.
func (f *Field) passwordScore() int {
	normal := normalised(f.path[len(f.path)-1])
	score := nameScore(normal, passwordNames)
	if len(f.Hashes) > 0 {
		score += 50
		if f.Hashes[0].Certain {
			score += 100
		}
	} else if f.kind() != "string" {
		return 0
	}
	return score
}

func listed(names []string, most int) string {
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// rest keeps what has no attribute of its own as custom attributes.
func (s *suggester) rest() {
	names := map[string]bool{}
	for _, f := range s.profile.Fields {
		if len(f.path) == 2 && normalised(f.path[0]) == "customattributes" {
			names[f.path[1]] = true // nothing else may take its place
		}
	}
	for _, f := range s.profile.Fields {
		if len(f.path) == 1 {
			s.custom(f, names)
		}
	}
}

func (s *suggester) custom(f *Field, names map[string]bool) {
	if s.used[f] {
		return
	}
	inner := s.members(f)
	if len(inner) > 0 && f.kind() == "object" && slices.ContainsFunc(inner, func(m *Field) bool { return s.used[m] || m.Secret }) {
		for _, m := range inner {
			if len(m.path) == len(f.path)+1 {
				s.custom(m, names)
			}
		}
		return
	}
	key := attributeName(f.path)
	for n := 2; names[key]; n++ {
		key = fmt.Sprintf("%s_%d", attributeName(f.path), n)
	}
	names[key] = true
	a := Assignment{Target: "custom_attributes." + key, Expression: f.reference(), Field: f.Name}
	if f.quoted*2 > f.Filled && f.kind() == "string" {
		a.Expression = f.text()
	}
	switch {
	case f.Secret:
		a.Off, a.Comment = true, "it may be a secret: decide whether it is to travel"
	case f.Filled == 0:
		a.Off, a.Comment = true, "no record of the sample has a value"
	default:
		a.Comment = s.left(f)
	}
	s.add(a)
}

// left says why a field that is named like an attribute did not become it.
func (s *suggester) left(f *Field) string {
	normal := normalised(f.path[len(f.path)-1])
	for _, target := range targetOrder {
		if len(f.path) > 1 || nameScore(normal, targetNames[target]) == 0 || slices.ContainsFunc(s.Mapping, func(a Assignment) bool { return a.Target == target }) {
			continue
		}
		if f.repeated && (target == "preferred_username" || target == "external_id") {
			return fmt.Sprintf("no %s: some values come more than once", target)
		}
		return fmt.Sprintf("no %s: not all values are fit for it", target)
	}
	return ""
}

// members gives the fields inside a field that is an object.
func (s *suggester) members(f *Field) []*Field {
	var list []*Field
	for _, m := range s.profile.Fields {
		if len(m.path) > len(f.path) && slices.Equal(m.path[:len(f.path)], f.path) {
			list = append(list, m)
		}
	}
	return list
}

// attributeName makes a name for a custom attribute: small letters, digits and underscores, in any script.
func attributeName(path []string) string {
	var b strings.Builder
	for i, part := range path {
		if i > 0 {
			b.WriteByte('_')
		}
		was := '_'
		for _, r := range part {
			switch {
			case !unicode.IsLetter(r) && !unicode.IsDigit(r):
				r = '_'
				if was == '_' {
					continue
				}
			case unicode.IsUpper(r) && unicode.IsLower(was):
				b.WriteByte('_')
			}
			was = r
			b.WriteRune(unicode.ToLower(r))
		}
	}
	if name := strings.Trim(b.String(), "_"); name != "" {
		return name
	}
	return "field"
}

// identifier chooses the attribute by which users are found: the first that every record has and no two share, else the
// one that most have.
func (s *suggester) identifier(taken map[string]*Field) {
	var best *Field
	for _, target := range []string{"email", "phone_number", "preferred_username", "external_id"} {
		f := taken[target]
		switch {
		case f == nil || !slices.Contains(identity.Identifiers(), target):
		case f.Identifier:
			s.Identifier, s.Why = target, fmt.Sprintf("every record of the sample has one in %s, and no two the same", f.Name)
			return
		case best == nil || f.Filled > best.Filled:
			best = f
			s.Identifier, s.Why = target, fmt.Sprintf("%d of %d records of the sample have one in %s", f.Filled, s.profile.Records, f.Name)
		}
	}
	if best == nil {
		s.Why = "no field has a value in every record that tells users apart"
		s.Notes = append(s.Notes, "no field identifies users: map one to email, phone_number, preferred_username or external_id")
	} else {
		s.Notes = append(s.Notes, fmt.Sprintf("no field identifies every user; the records without %s will fail", s.Identifier))
	}
}
