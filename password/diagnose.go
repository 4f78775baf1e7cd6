package password

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usher-id/usher/value"
)

// Diagnose says what would make a password that is known to be right match a hash that it does not match: another side of the salt, another
// encoding of it, another charset, another scheme. Each finding is a sentence with what to write in a pipeline file, the simplest first;
// none where nothing was found. It tries hundreds of readings, is meant for one hash of a migration and not for a login, and ends with ctx.
// Nothing in a finding is secret.
func Diagnose(ctx context.Context, hash Hash, password []byte) []string {
	d := diagnosis{ctx: ctx, hash: hash, encoded: hash.Encoded.Reveal(), password: password, seen: map[string]bool{}}
	if f, err := Lookup(hash.Format); err == nil {
		hash.Format = f.Name
		d.hash.Format = f.Name
	}
	variants := d.variants()
	// What was declared, with one thing otherwise.
	for _, v := range variants {
		d.try(hash.Format, v)
	}
	if len(d.found) > 0 {
		return d.found
	}
	// Other schemes that are written like this; those that cost next to nothing also with one thing otherwise.
	for _, name := range d.candidates() {
		d.try(name, variant{values: hash.Context})
	}
	if len(d.found) > 0 {
		return d.found
	}
	d.guess()
	if len(d.found) > 0 {
		return d.found
	}
	for _, name := range append([]string{hash.Format}, d.candidates()...) {
		for _, v := range variants {
			if d.cheap(name, v) {
				d.try(name, v)
			}
		}
	}
	return d.found
}

// maxFindings is how many readings are named: more would not help anybody.
const maxFindings = 3

type diagnosis struct {
	ctx      context.Context
	hash     Hash
	encoded  string
	password []byte
	seen     map[string]bool // what was computed, so that two names of one scheme are found once
	found    []string
}

// variant is one thing that is otherwise than declared.
type variant struct {
	values   Context
	password []byte // nil: as given
	says     string
}

func (d *diagnosis) with(says string, change func(Context)) variant {
	values := maps.Clone(d.hash.Context)
	if values == nil {
		values = Context{}
	}
	change(values)
	return variant{values: values, says: says}
}

func (d *diagnosis) variants() []variant {
	var out []variant
	set := func(says, key string, v any) { out = append(out, d.with(says, func(c Context) { c[key] = v })) }
	for _, position := range []string{"prefix", "suffix"} {
		set("set position: "+position, "position", position)
	}
	if salt, ok, err := d.hash.Context.bytes("salt"); ok && err == nil {
		other := func(says string, b []byte, bad error) {
			if bad == nil && !bytes.Equal(b, salt) {
				replaced := func(c Context) {
					delete(c, "salt_hex")
					delete(c, "salt_b64")
					c["salt"] = b
				}
				out = append(out, d.with(says, replaced))
				for _, position := range []string{"prefix", "suffix"} {
					out = append(out, d.with(says+" and position: "+position, func(c Context) { replaced(c); c["position"] = position }))
				}
			}
		}
		_, isText := d.hash.Context["salt"]
		if isText {
			b, e := decodeAs("hex", string(salt), "salt")
			other("the salt is hexadecimal: write salt_hex in place of salt", b, nilError(e))
			b, bad := decodeAnyBase64(string(salt))
			other("the salt is base64: write salt_b64 in place of salt", b, bad)
			other("the salt has white space around it: use trim(…) on it", bytes.TrimSpace(salt), nil)
			for _, word := range cases {
				other("the salt is hashed in "+word.name+" case: use "+word.name+"(…) on it", word.of(salt), nil)
			}
		} else {
			other("the salt is hashed as text: write salt in place of salt_hex or salt_b64, with the text as it stands", d.saltText(), nil)
		}
	}
	if user, ok, err := d.hash.Context.bytes("username"); ok && err == nil {
		for _, word := range cases {
			if b := word.of(user); !bytes.Equal(b, user) {
				set("the user name is hashed in "+word.name+" case: use "+word.name+"(…) on it", "username", b)
			}
		}
	}
	for _, encoding := range []string{"hex", "base64"} {
		set("set encoding: "+encoding, "encoding", encoding)
	}
	for _, charset := range []string{"utf8", "latin1", "utf16le", "utf16be"} {
		set("set charset: "+charset, "charset", charset)
	}
	for _, form := range []string{"NFC", "NFD", "NFKC", "NFKD"} {
		set("set normalization: "+form, "normalization", form)
	}
	set("set trim: true", "trim", true)
	for _, word := range cases {
		if p := word.of(d.password); !bytes.Equal(p, d.password) {
			out = append(out, variant{values: d.hash.Context, password: p, says: "the password was hashed in " + word.name + " case: write a digest expression with " + word.name + "(pass)"})
		}
	}
	return out
}

var cases = []struct {
	name string
	of   func([]byte) []byte
}{{"lower", bytes.ToLower}, {"upper", bytes.ToUpper}}

// saltText gives the text of a salt that was given as hexadecimal or base64.
func (d *diagnosis) saltText() []byte {
	for _, key := range []string{"salt_hex", "salt_b64"} {
		switch v := d.hash.Context[key].(type) {
		case string:
			return []byte(v)
		case value.Secret:
			return []byte(v.Reveal())
		}
	}
	return nil
}

func nilError(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}

// candidates are the other formats that read the string, the cheap ones first.
func (d *diagnosis) candidates() []string {
	var cheap, dear []string
	for _, f := range formats {
		if f.Name == d.hash.Format {
			continue
		}
		p, err := defaultVerifier.open(f, d.encoded, d.hash.Context)
		switch {
		case err != nil:
		case p.kind == kindDigest:
			cheap = append(cheap, f.Name)
		default:
			dear = append(dear, f.Name)
		}
	}
	common := func(a, b string) int { return commonness(a) - commonness(b) }
	slices.SortStableFunc(cheap, common)
	return append(cheap, dear...)
}

func (d *diagnosis) cheap(format string, v variant) bool {
	f, err := Lookup(format)
	if err != nil {
		return false
	}
	p, e := defaultVerifier.open(f, d.encoded, v.values)
	return e == nil && p.kind == kindDigest
}

// try verifies one reading.
func (d *diagnosis) try(format string, v variant) {
	if len(d.found) == maxFindings || d.ctx.Err() != nil {
		return
	}
	f, err := Lookup(format)
	if err != nil {
		return
	}
	password := v.password
	if password == nil {
		password = d.password
	}
	p, e := defaultVerifier.open(f, d.encoded, v.values)
	if e != nil || defaultVerifier.admit(f, p, password) != nil {
		return
	}
	prepared, e := prepare(password, v.values)
	if e != nil {
		return
	}
	// The same computation under another name says nothing new.
	what := fmt.Sprintf("%q %q %q %+v", p.salt, p.want, prepared, p.Params)
	if p.kind != kindDigest && d.seen[what] {
		return
	}
	d.seen[what] = true
	out, e := defaultVerifier.derive(d.ctx, p, prepared)
	if e != nil || subtle.ConstantTimeCompare(out, p.want) != 1 {
		return
	}
	scheme := p.Expression
	if scheme == "" {
		scheme = f.Name
	}
	var says []string
	if format != d.hash.Format {
		says = append(says, "set format: "+yamlName(format))
	}
	if v.says != "" {
		says = append(says, v.says)
	}
	d.report(scheme + " matches: " + strings.Join(says, " and "))
}

func yamlName(format string) string {
	if expression, ok := strings.CutPrefix(format, DigestPrefix); ok {
		return fmt.Sprintf("{ digest: %q }", expression)
	}
	if strings.ContainsAny(format, "():,=") {
		return fmt.Sprintf("%q", format)
	}
	return format
}

// report keeps a finding.
func (d *diagnosis) report(finding string) {
	if len(d.found) < maxFindings && !slices.Contains(d.found, finding) {
		d.found = append(d.found, finding)
	}
}

// guess builds digest expressions of password, salt, user name and pepper, and tries those that give as many bytes as the hash has.
func (d *diagnosis) guess() {
	encoded, values := d.encoded, map[string][]byte{}
	for _, key := range []string{"salt", "username", "pepper", "key", "secret"} {
		if b, ok, err := d.hash.Context.bytes(key); ok && err == nil {
			values[key] = b
		}
	}
	if hash, salt, ok := strings.Cut(encoded, ":"); ok && values["salt"] == nil && isHex(hash) {
		encoded, values["salt"] = hash, []byte(salt)
	}
	want, e := decodeAs("hex", encoded, "value")
	if e != nil {
		var err error
		if want, err = decodeAnyBase64(encoded); err != nil {
			return
		}
	}
	if len(want) < minDigestBytes {
		return
	}
	for _, outer := range guessed {
		if digestSizes[outer] != len(want) {
			continue
		}
		for _, expression := range guesses(outer, values) {
			if d.ctx.Err() != nil || len(d.found) > 0 {
				return
			}
			compiled, err := CompileDigest(expression)
			if err != nil {
				continue
			}
			env := &environment{values: maps.Clone(values), budget: 1 << 20}
			env.values["pass"] = d.password
			out, err := compiled.eval(env)
			if err == nil && bytes.EqualFold(out, hexOf(want)) {
				d.report(expression + " matches: set format: " + yamlName(DigestPrefix+expression))
			}
		}
	}
}

// guessed are the digests that people nest in schemes of their own.
var guessed = []string{"md5", "sha1", "sha256", "sha512", "sha224", "sha384", "sha3-256", "sha3-512", "md4", "ripemd160", "whirlpool"}

// guesses lists expressions whose outermost function is the digest, the simple ones first.
func guesses(digest string, values map[string][]byte) []string {
	h := strings.ReplaceAll(digest, "-", "_")
	passwords := []string{"pass"}
	for _, inner := range []string{"md5", "sha1", "sha256", "sha512"} {
		passwords = append(passwords, inner+"(pass)", "upper("+inner+"(pass))", "unhex("+inner+"(pass))")
	}
	passwords = append(passwords, "utf16le(pass)", "lower(pass)", "upper(pass)", "trim(pass)", "latin1(pass)", "md5(md5(pass))", "base64(pass)")
	salts := []string{}
	for _, name := range []string{"salt", "username", "pepper", "key", "secret"} {
		if values[name] == nil {
			continue
		}
		salts = append(salts, name, "md5("+name+")", "sha1("+name+")", "lower("+name+")", "upper("+name+")", "unhex("+name+")", "unbase64("+name+")")
	}
	inner := slices.Clone(passwords)
	for _, s := range salts {
		for _, p := range passwords {
			inner = append(inner, s+" . "+p, p+" . "+s)
		}
	}
	for _, s := range salts {
		for _, p := range passwords {
			for _, between := range []string{"':'", "'-'", "'|'", "'$'", "'.'", "'_'", "' '"} {
				inner = append(inner, s+" . "+between+" . "+p, p+" . "+between+" . "+s)
			}
			inner = append(inner, s+" . "+p+" . "+s, p+" . '{' . "+s+" . '}'", s+" . "+h+"("+s+" . "+p+")", h+"("+p+" . "+s+") . "+s, "'--' . "+s+" . '--' . "+p+" . '--'")
		}
	}
	for i, a := range salts {
		for j, b := range salts {
			if i/7 == j/7 { // two forms of one value
				continue
			}
			for _, p := range passwords[:5] {
				inner = append(inner, a+" . "+p+" . "+b, a+" . "+b+" . "+p, p+" . "+a+" . "+b)
			}
		}
	}
	out := make([]string, 0, 2*len(inner))
	for _, i := range inner {
		out = append(out, h+"("+i+")")
	}
	for _, s := range salts {
		for _, p := range passwords {
			out = append(out, "hmac_"+h+"("+s+", "+p+")", "hmac_"+h+"("+p+", "+s+")")
		}
	}
	for _, i := range inner {
		out = append(out, h+"("+h+"("+i+"))", h+"(unhex("+h+"("+i+")))")
	}
	return out
}
