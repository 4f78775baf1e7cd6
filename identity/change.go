package identity

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usher-id/usher/value"
)

// Change is what one record says about a user, read by Rules: normalised, checked and hashed.
type Change struct {
	// Violations are all that is wrong with the record; it can then only fail. Warnings may come along with anything.
	Violations, Warnings []Violation

	record *value.Object
	// finished says that all of the record was read, rather than whose it is alone.
	finished bool

	fields []field
	keys   []string // of all identifiers that the record has; the first is that of Rules.Identifier
	// fingerprint is of the record as it came; of a guessable one it is computed when all of it was read. unmarked says that it
	// does not tell all: only looking at the user does.
	fingerprint         [fingerprintSize]byte
	guessable, unmarked bool
	seen                sighting
	// gone says that the user is: nothing but the identifier was read.
	gone bool
}

// field is one cell that a record speaks of: null, or a value. Objects that may be merged are kept as they came.
type field struct {
	attr   attr
	null   bool
	plain  bool // text is a password that has to be hashed before it is stored, or with wrap a hash that has to be wrapped
	wrap   bool
	text   string
	object *value.Object
	list   []any
}

// Reader reads records into Changes. It has room of its own: use one per goroutine, for many records.
type Reader struct {
	rules   *Rules
	changes []Change
	fields  []field
	keys    []string
	buf     []byte
}

// NewReader gives a Reader.
func (r *Rules) NewReader() *Reader { return &Reader{rules: r} }

// Read checks one record. The Change belongs to the caller and shares values with the record.
func (r *Reader) Read(record *value.Object) *Change {
	c := r.Identify(record)
	r.finish(c)
	return c
}

// Identify reads of a record whose it is, and computes its fingerprint: enough to tell that it came before. Import reads the rest
// where that has to be known.
func (r *Reader) Identify(record *value.Object) *Change {
	r.makeRoom()
	r.changes = append(r.changes, Change{record: record, guessable: r.guessable(record)})
	c := &r.changes[len(r.changes)-1]
	if !c.guessable {
		r.mark(c)
	}
	if known := r.identify(c); !known || c.guessable {
		r.finish(c)
	}
	return c
}

// identify reads the identifier. It reports false, and leaves everything as it was, if there is something wrong with it.
func (r *Reader) identify(c *Change) bool {
	v, _ := c.record.Get(attributes[r.rules.identifier].name)
	if v == nil {
		return false
	}
	first := len(r.fields)
	rd := reading{Reader: r, Change: c}
	rd.attribute(r.rules.identifier, v)
	if len(c.Violations) == 0 {
		r.keys = append(r.keys, key(r.rules.identifier, r.fields[first].text))
		c.keys = r.keys[len(r.keys)-1 : len(r.keys) : len(r.keys)]
	}
	r.fields, c.Violations = r.fields[:first], nil
	return c.keys != nil
}

// makeRoom makes room for the Change of a record, and for the fields and keys that most have. What is full belongs to its Changes.
func (r *Reader) makeRoom() {
	if len(r.changes) == cap(r.changes) {
		r.changes = make([]Change, 0, 128)
	}
	if cap(r.fields)-len(r.fields) < int(numAttrs)/2 {
		r.fields = make([]field, 0, 512)
	}
	if cap(r.keys)-len(r.keys) < 4 {
		r.keys = make([]string, 0, 256)
	}
}

// finish reads the rest of a record.
func (r *Reader) finish(c *Change) {
	if c.finished {
		return
	}
	c.finished = true
	r.makeRoom()
	first := len(r.fields)
	rd := reading{Reader: r, Change: c}
	for name, v := range c.record.All() {
		a, known := topLevel[name]
		switch {
		case !known:
			rd.unknown(name)
		case a == aPassword:
			rd.password(aPassword, aPasswordExpiry, v)
		case a == aMFAEmail:
			rd.mfa(v)
		case v == nil:
			r.fields = append(r.fields, field{attr: a, null: true})
		default:
			rd.attribute(a, v)
		}
	}
	c.fields = r.fields[first:len(r.fields):len(r.fields)]
	rd.identifiers()
	rd.verified(aEmail, aEmailVerified)
	rd.verified(aPhone, aPhoneVerified)
	if c.guessable {
		r.mark(c)
	}
}

type reading struct {
	*Reader
	*Change
}

func (r *reading) violate(code, field, message string) {
	r.Violations = append(r.Violations, Violation{code, field, message})
}

func (r *reading) unknown(name string) {
	switch name {
	case "raw":
		r.violate(CodeUnknownAttribute, name, "the source record is kept by the sink's option raw: true, not by a field")
	case "sub":
		r.violate(CodeUnknownAttribute, name, "the store gives users their own ids; keep the old one as external_id")
	default:
		shown := name
		if len(shown) > 64 {
			shown = shown[:64] + "…"
		}
		r.violate(CodeUnknownAttribute, shown, "users have no such attribute"+didYouMean(name, AttributeNames())+" Put what is your own under custom_attributes")
	}
}

// wrongType says what was expected and what came; the value itself may be a secret and is not shown.
func (r *reading) wrongType(name, want string, v any) {
	message := "must be " + want + ", but is " + article(value.Kind(v))
	switch {
	case want == "true or false":
		message += ": bool(…) makes one"
	case want == "a string" && value.Kind(v) == "number":
		message += ": String(…) makes one"
	}
	r.violate(CodeWrongType, name, message)
}

func article(kind string) string {
	switch kind {
	case "null", "bytes":
		return kind
	case "array", "object":
		return "an " + kind
	}
	return "a " + kind
}

// text checks what is common to all strings.
func (r *reading) text(name string, v any) (string, bool) {
	s, ok := v.(string)
	if secret, isSecret := v.(value.Secret); isSecret {
		s, ok = secret.Reveal(), true
	}
	switch {
	case !ok:
		r.wrongType(name, "a string", v)
	case s == "":
		r.violate(CodeEmpty, name, "is an empty string: use null to remove it, or leave it out")
	case len(s) > maxText:
		r.violate(CodeTooLong, name, "has "+strconv.Itoa(len(s))+" bytes, at most "+strconv.Itoa(maxText)+" are taken")
	case strings.IndexByte(s, 0) >= 0:
		r.violate(CodeBadText, name, "has a NUL byte in it")
	case !utf8.ValidString(s):
		r.violate(CodeBadText, name, "is not UTF-8: state the encoding of the source")
	default:
		return s, true
	}
	return "", false
}

// opaque is text, or an integer by its digits: ids come as either.
func (r *reading) opaque(name string, v any) (string, bool) {
	switch n := v.(type) {
	case int64:
		return strconv.FormatInt(n, 10), true
	case value.Number:
		if !strings.ContainsAny(string(n), ".eE") {
			return string(n), true
		}
	}
	s, ok := r.text(name, v)
	if ok && len(s) > maxKey {
		r.violate(CodeTooLong, name, "has "+strconv.Itoa(len(s))+" bytes, at most "+strconv.Itoa(maxKey)+" are taken")
		return "", false
	}
	return s, ok
}

func (r *reading) set(a attr, text string) {
	r.Reader.fields = append(r.Reader.fields, field{attr: a, text: text})
}

func (r *reading) attribute(a attr, v any) {
	name := attributes[a].name
	switch a {
	case aCustom, aUserMetadata, aAppMetadata:
		r.object(a, v)
		return
	case aAddress:
		r.address(v)
		return
	case aRoles, aGroups:
		r.names(a, v)
		return
	case aIdentities:
		r.identities(v)
		return
	case aEmailVerified, aPhoneVerified, aDisabled:
		b, ok := v.(bool)
		if !ok {
			r.wrongType(name, "true or false", v)
		} else if b {
			r.set(a, "1")
		} else {
			r.set(a, "")
		}
		return
	case aLoginsCount:
		if n, ok := wholeNumber(v); !ok {
			r.violate(CodeBadNumber, name, "must be a whole number from 0 to 9223372036854775807")
		} else {
			r.set(a, strconv.FormatInt(n, 10))
		}
		return
	case aLastLogin, aCreatedAt, aUpdatedAt:
		if s, ok := r.instant(name, v); ok {
			r.set(a, s)
		}
		return
	case aExternalID:
		if s, ok := r.opaque(name, v); ok {
			r.set(a, s)
		}
		return
	}
	text, ok := r.text(name, v)
	if !ok {
		return
	}
	s, code, wrong := text, "", ""
	switch a {
	case aEmail, aMFAEmail:
		code = CodeBadEmail
		normal, err := NormalizeEmail(s)
		if err != nil {
			wrong = err.Error()
		}
		s = normal
	case aPhone, aMFAPhone:
		code, wrong = CodeBadPhone, checkPhone(s)
	case aUsername:
		code = CodeBadUsername
		s, wrong = checkUsername(s)
	case aProfile, aPicture, aWebsite:
		code, wrong = CodeBadURL, checkURL(s)
	case aBirthdate:
		code, wrong = CodeBadBirthdate, checkBirthdate(s)
	case aZoneinfo:
		if !isZone(s) {
			code, wrong = CodeBadZone, "is not a time zone of the IANA database, such as Asia/Shanghai"
		}
	case aLocale:
		tag, ok := normalizeLocale(s)
		if !ok {
			code, wrong = CodeBadLocale, "is not a language tag of BCP 47, such as zh-Hant-HK"
		}
		s = tag
	}
	if wrong != "" {
		if code != CodeBadEmail && strings.TrimSpace(text) != text {
			wrong = "begins or ends with white space: trim(…) takes it off"
		}
		r.violate(code, name, wrong)
		return
	}
	r.set(a, s)
}

func wholeNumber(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, n >= 0
	case float64:
		return int64(n), n >= 0 && n < 1<<53 && n == math.Trunc(n)
	case value.Number:
		f := n.Float64()
		return int64(f), f >= 0 && f < 1<<53 && f == math.Trunc(f)
	}
	return 0, false
}

// instant gives an RFC 3339 instant with the zone that it came in.
func (r *reading) instant(name string, v any) (string, bool) {
	t, ok := v.(time.Time)
	if !ok {
		s, isText := r.text(name, v)
		if !isText {
			return "", false
		}
		var err error
		if t, err = time.Parse(time.RFC3339, s); err != nil {
			r.violate(CodeBadTime, name, "is not an instant of RFC 3339 (2026-01-02T03:04:05Z): date(…) makes one")
			return "", false
		}
	}
	if y := t.Year(); y < 0 || y > 9999 {
		r.violate(CodeBadTime, name, "is in a year that RFC 3339 cannot write")
		return "", false
	}
	return string(value.AppendTime(nil, t)), true
}

func (r *reading) object(a attr, v any) {
	o, ok := v.(*value.Object)
	if !ok {
		r.wrongType(attributes[a].name, "an object", v)
		return
	}
	text := string(value.AppendJSON(nil, o))
	if r.storable(attributes[a].name, o, text) {
		r.Reader.fields = append(r.Reader.fields, field{attr: a, text: text, object: o})
	}
}

// storable reports whether a value can be kept as the JSON text that it makes, and read again as what it is.
func (r *reading) storable(name string, v any, text string) bool {
	switch {
	case len(text) > maxObject:
		r.violate(CodeTooLong, name, "has "+strconv.Itoa(len(text))+" bytes as JSON, at most "+strconv.Itoa(maxObject)+" are taken")
	case len(text) > 2*maxDepth && deeper(v, maxDepth):
		r.violate(CodeTooDeep, name, "is nested more than "+strconv.Itoa(maxDepth)+" levels deep")
	case strings.Contains(text, value.Redacted) && within(v, isSecret): // JSON has it in place of secrets
		r.violate(CodeWrongType, name, "has a secret in it: secrets are kept under password and mfa only")
	case strings.Contains(text, "\ufffd") && within(v, isBadText): // and this in place of what is not UTF-8
		r.violate(CodeBadText, name, "has text in it that is not UTF-8: state the encoding of the source")
	default:
		return true
	}
	return false
}

// deeper reports whether a value is nested more than limit levels deep.
func deeper(v any, limit int) bool {
	switch v := v.(type) {
	case *value.Object:
		for _, e := range v.All() {
			if deeper(e, limit-1) {
				return true
			}
		}
		return limit <= 0
	case []any:
		for _, e := range v {
			if deeper(e, limit-1) {
				return true
			}
		}
		return limit <= 0
	}
	return false
}

// within reports whether something is true of a value, or of a value or a name in it.
func within(v any, is func(any) bool) bool {
	switch v := v.(type) {
	case *value.Object:
		for name, e := range v.All() {
			if is(name) || within(e, is) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if within(e, is) {
				return true
			}
		}
	}
	return is(v)
}

func isBadText(v any) bool {
	s, ok := v.(string)
	return ok && !utf8.ValidString(s)
}

func isSecret(v any) bool {
	_, ok := v.(value.Secret)
	return ok
}

func (r *reading) address(v any) {
	o, ok := v.(*value.Object)
	if !ok {
		r.wrongType("address", "an object", v)
		return
	}
	kept := value.NewObject(o.Len())
	for name, v := range o.All() {
		if v == nil {
			if r.rules.behaviours[aAddress] == Merge {
				kept.Append(name, nil)
			}
			continue
		}
		switch name {
		case "formatted", "street_address", "locality", "region", "postal_code", "country":
			if _, ok := r.text("address."+name, v); !ok {
				continue
			}
		}
		kept.Append(name, v)
	}
	r.object(aAddress, kept)
}

// names reads a list of role or group names, each once, in the order given.
func (r *reading) names(a attr, v any) {
	list, ok := r.elements(attributes[a].name, "an array of strings", v)
	if !ok {
		return
	}
	kept := make([]any, 0, len(list))
	for i, e := range list {
		s, ok := r.text(attributes[a].name+"."+strconv.Itoa(i), e)
		if !ok {
			continue
		}
		if indexOf(kept, s) < 0 {
			kept = append(kept, s)
		}
	}
	r.list(a, kept)
}

// elements gives those of a list that is not too long to look for each among the others.
func (r *reading) elements(name, want string, v any) ([]any, bool) {
	list, ok := v.([]any)
	switch {
	case !ok:
		r.wrongType(name, want, v)
	case len(list) > maxElements:
		r.violate(CodeTooLong, name, "has "+strconv.Itoa(len(list))+" elements, at most "+strconv.Itoa(maxElements)+" are taken")
		ok = false
	}
	return list, ok
}

func (r *reading) list(a attr, list []any) {
	text := listText(list)
	if r.storable(attributes[a].name, list, text) {
		r.Reader.fields = append(r.Reader.fields, field{attr: a, text: text, list: list})
	}
}

// listText is the cell of a list: none at all where it is empty.
func listText(list []any) string {
	if len(list) == 0 {
		return ""
	}
	return string(value.AppendJSON(nil, list))
}

func indexOf(list []any, s string) int {
	for i, e := range list {
		if e == s {
			return i
		}
	}
	return -1
}

// identities reads a list of linked identities: provider, subject, and whatever else is known of them.
func (r *reading) identities(v any) {
	list, ok := r.elements("identities", "an array of objects", v)
	if !ok {
		return
	}
	kept := make([]any, 0, len(list))
	for i, e := range list {
		place := "identities." + strconv.Itoa(i)
		o, ok := e.(*value.Object)
		if !ok {
			r.wrongType(place, "an object with provider and subject", e)
			continue
		}
		linked := value.NewObject(o.Len())
		whole := true
		for _, name := range []string{"provider", "subject"} {
			v, _ := o.Get(name)
			if v == nil {
				r.violate(CodeMissingMember, place+"."+name, "a linked identity needs provider and subject")
				whole = false
				continue
			}
			s, ok := r.opaque(place+"."+name, v)
			whole = whole && ok
			linked.Append(name, s)
		}
		if !whole {
			continue
		}
		for name, v := range o.All() {
			if name != "provider" && name != "subject" {
				linked.Append(name, v)
			}
		}
		if j := indexOfIdentity(kept, linked); j >= 0 {
			kept[j] = linked
		} else {
			kept = append(kept, linked)
		}
	}
	r.list(aIdentities, kept)
}

func indexOfIdentity(list []any, o *value.Object) int {
	provider, _ := o.Get("provider")
	subject, _ := o.Get("subject")
	for i, e := range list {
		p, _ := e.(*value.Object).Get("provider")
		if s, _ := e.(*value.Object).Get("subject"); s == subject && p == provider {
			return i
		}
	}
	return -1
}

// The key of an identifier is what is unique over all users: its kind, and its value in the form that is compared.
func key(a attr, text string) string {
	switch a {
	case aEmail:
		return "email:" + text
	case aPhone:
		return "phone:" + text
	case aUsername:
		return "username:" + fold(text)
	case aExternalID:
		return "external:" + text
	}
	panic("identity: no identifier")
}

func identityKey(o *value.Object) string {
	provider, _ := o.Get("provider")
	subject, _ := o.Get("subject")
	return string(value.AppendJSON([]byte("linked:"), []any{provider, subject}))
}

// keyField gives the attribute that a key is of.
func keyField(key string) string {
	kind, _, _ := strings.Cut(key, ":")
	switch kind {
	case "phone":
		return "phone_number"
	case "username":
		return "preferred_username"
	case "external":
		return "external_id"
	case "linked":
		return "identities"
	}
	return kind
}

// identifiers collects the keys, that of the identifier first, which is known by now if there is nothing wrong with it.
func (r *reading) identifiers() {
	first := len(r.Reader.keys)
	id := r.find(r.rules.identifier)
	name := attributes[r.rules.identifier].name
	switch {
	case r.Change.keys != nil:
		r.Reader.keys = append(r.Reader.keys, r.Change.keys[0])
	case id != nil:
		r.violate(CodeMissingIdentifier, name, "is null, but is the identifier by which users are found")
		return
	default:
		for _, v := range r.Violations {
			if v.Field == name {
				return // it is there, but wrong
			}
		}
		r.violate(CodeMissingIdentifier, name, "is missing, but is the identifier by which users are found")
		return
	}
	for i := range r.Change.fields {
		f := &r.Change.fields[i]
		switch {
		case f.null || f.attr == r.rules.identifier:
		case f.attr == aEmail || f.attr == aPhone || f.attr == aUsername || f.attr == aExternalID:
			r.Reader.keys = append(r.Reader.keys, key(f.attr, f.text))
		case f.attr == aIdentities:
			for _, e := range f.list {
				r.Reader.keys = append(r.Reader.keys, identityKey(e.(*value.Object)))
			}
		}
	}
	r.Change.keys = r.Reader.keys[first:len(r.Reader.keys):len(r.Reader.keys)]
}

func (c *Change) find(a attr) *field {
	for i := range c.fields {
		if c.fields[i].attr == a {
			return &c.fields[i]
		}
	}
	return nil
}

// verified warns of a verified mark without the value that is verified.
func (r *reading) verified(of, mark attr) {
	m := r.find(mark)
	if m == nil || m.null {
		return
	}
	if v := r.find(of); v == nil || v.null {
		for _, violation := range r.Violations {
			if violation.Field == attributes[of].name {
				return
			}
		}
		r.Warnings = append(r.Warnings, Violation{CodeNoEffect, attributes[mark].name,
			"has no effect without " + attributes[of].name + " in the same record"})
	}
}
