package identity

import (
	"crypto/sha256"
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

	fields      []field
	keys        []string // of all identifiers that the record has; the first is that of Rules.Identifier
	fingerprint [fingerprintSize]byte
	// unmarked says that the fingerprint does not tell all: only looking at the user does.
	unmarked bool
	seen     sighting
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

const fingerprintSize = 16

// Reader reads records into Changes. It has room of its own: use one per goroutine.
type Reader struct {
	rules   *Rules
	changes []Change
	fields  []field
	keys    []string
	buf     []byte
}

// NewReader gives a Reader for about n records.
func (r *Rules) NewReader(n int) *Reader {
	return &Reader{rules: r, changes: make([]Change, 0, n), fields: make([]field, 0, 14*n), keys: make([]string, 0, 3*n)}
}

// Read checks one record. The Change belongs to the caller and shares values with the record.
func (r *Reader) Read(record *value.Object) *Change {
	if len(r.changes) == cap(r.changes) {
		r.changes = make([]Change, 0, 64)
	}
	r.changes = append(r.changes, Change{})
	c := &r.changes[len(r.changes)-1]
	first := len(r.fields)
	rd := reading{Reader: r, Change: c}
	for name, v := range record.All() {
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
	if len(c.Violations) == 0 {
		rd.hash()
	}
	return c
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
	s, ok := r.text(name, v)
	if !ok {
		return
	}
	code, wrong := "", ""
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
	return t.Format(time.RFC3339Nano), true
}

func (r *reading) object(a attr, v any) {
	o, ok := v.(*value.Object)
	if !ok {
		r.wrongType(attributes[a].name, "an object", v)
		return
	}
	text := value.AppendJSON(nil, o)
	if len(text) > maxObject {
		r.violate(CodeTooLong, attributes[a].name, "has "+strconv.Itoa(len(text))+" bytes as JSON, at most "+strconv.Itoa(maxObject)+" are taken")
		return
	}
	r.Reader.fields = append(r.Reader.fields, field{attr: a, text: string(text), object: o})
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
	list, ok := v.([]any)
	if !ok {
		r.wrongType(attributes[a].name, "an array of strings", v)
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

func (r *reading) list(a attr, list []any) {
	r.Reader.fields = append(r.Reader.fields, field{attr: a, text: listText(list), list: list})
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
	list, ok := v.([]any)
	if !ok {
		r.wrongType("identities", "an array of objects", v)
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
	key := identityKey(o)
	for i, e := range list {
		if identityKey(e.(*value.Object)) == key {
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

// identifiers collects the keys, that of the identifier first.
func (r *reading) identifiers() {
	first := len(r.Reader.keys)
	id := r.find(r.rules.identifier)
	name := attributes[r.rules.identifier].name
	switch {
	case id != nil && !id.null:
		r.Reader.keys = append(r.Reader.keys, key(id.attr, id.text))
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

func (r *reading) hash() {
	b := append(r.buf[:0], r.rules.seed[:]...)
	for i := range r.Change.fields {
		f := &r.Change.fields[i]
		b = append(b, byte(f.attr))
		if f.null {
			b = append(b, 0)
			continue
		}
		if f.plain {
			// A fingerprint is quick to compute: with the password in it, it would be the way to guess that. So would it be with a weak hash.
			b = append(b, 2)
			r.unmarked = r.unmarked || r.rules.behaviours[f.attr] != Ignore
			continue
		}
		b = append(b, 1)
		n := len(f.text)
		b = append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		b = append(b, f.text...)
	}
	sum := sha256.Sum256(b)
	copy(r.fingerprint[:], sum[:])
	if cap(b) > 64<<10 {
		b = nil
	}
	r.buf = b
}
