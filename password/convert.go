package password

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/usher-id/usher/value"
)

// Converted is a hash in the form that a target system takes.
type Converted struct {
	Target string
	Field  string       // of the target's user that it goes to
	Value  value.Secret // the field's value: text, or JSON if JSON is true
	JSON   bool
	// Settings is JSON that has to be given once for a whole import, empty if there is none. Users with different settings need different
	// imports. It may hold a key.
	Settings value.Secret
	Warnings []string
}

// Targets lists the systems that [Convert] knows.
func Targets() []string {
	out := make([]string, len(targets))
	for i := range targets {
		out[i] = targets[i].name
	}
	return out
}

// target is a system that users move to.
type target struct {
	name    string
	field   string
	own     []string // formats that are its own envelope
	convert func(h *travelling) (Converted, *Error)
}

// travelling is a hash on its way to a target.
type travelling struct {
	*parsed
	format  *Format
	encoded string
	simple  *simpleDigest // one digest with a salt on one side, if it is one
	changed string        // how the source changed passwords, empty if it did not
}

var targets = []target{
	{name: "auth0", field: "custom_password_hash", own: []string{"auth0-custom_password_hash"}, convert: toAuth0},
	{name: "authgear", field: "password", convert: toAuthgear},
	{name: "authing", field: "password", convert: toAuthing},
	{name: "clerk", field: "password_digest", convert: toClerk},
	{name: "cognito", convert: func(*travelling) (Converted, *Error) {
		return cannot("Amazon Cognito takes no hashes: only a migration Lambda, which sees the password at the first login")
	}},
	{name: "firebase", field: "passwordHash", convert: toFirebase},
	{name: "fusionauth", field: "user", own: []string{"fusionauth-import"}, convert: toFusionAuth},
	{name: "keycloak", field: "credentials", own: []string{"keycloak-credential"}, convert: toKeycloak},
	{name: "kratos", field: "credentials.password.config.hashed_password", convert: toKratos},
	{name: "logto", field: "passwordDigest", convert: toLogto},
	{name: "okta", field: "credentials.password.hash", own: []string{"okta-hash-json"}, convert: toOkta},
	{name: "supabase", field: "password_hash", convert: toSupabase},
	{name: "supertokens", field: "passwordHash", convert: toSuperTokens},
	{name: "workos", field: "password_hash", convert: toWorkOS},
	{name: "zitadel", field: "hashedPassword.hash", convert: toZitadel},
}

func findTarget(name string) (*target, error) {
	if i := slices.IndexFunc(targets, func(t target) bool { return t.name == strings.ToLower(name) }); i >= 0 {
		return &targets[i], nil
	}
	return nil, &Error{Code: CodeNoTarget, Message: "no target system is called " + quote(name) + "; there are " + strings.Join(Targets(), ", ")}
}

// Convert spells a hash as target wants it, without the password. An error with [CodeCannot] says why it cannot travel; every other one is about
// the hash itself.
func Convert(hash Hash, target string) (Converted, error) {
	t, err := findTarget(target)
	if err != nil {
		return Converted{}, err
	}
	f, err := Lookup(hash.Format)
	if err != nil {
		return Converted{}, err
	}
	encoded := hash.Encoded.Reveal()
	// What the target can hold is its own affair: our limits are about what we derive.
	p, e := openVerifier.open(f, encoded, hash.Context)
	if e != nil {
		return Converted{}, e
	}
	if f.Name == WrapFormat {
		return Converted{}, &Error{Code: CodeCannot, Format: f.Name, Message: "a wrapped hash is verified by usher's own store only"}
	}
	changed, e := preparation(hash.Context)
	if e != nil {
		return Converted{}, e
	}
	if encoding := auth0Encodings[changed]; t.name == "auth0" && encoding != nil && p.pre == nil && p.kind != kindBcrypt && f.Name != "auth0-custom_password_hash" {
		p.pre, changed = encoding, ""
	}
	if strings.Contains(changed, "utf16") && t.name != "authing" { // which changes every password
		return Converted{}, &Error{Code: CodeCannot, Format: f.Name, Message: "the source changed passwords before it hashed them (" + changed + "), which the target cannot do"}
	}
	var out Converted
	switch {
	case f.hasher != nil:
		if out, err = f.spell(t.name, encoded, hash.Context); err != nil {
			return Converted{}, err
		}
	case slices.Contains(t.own, f.Name) && strings.HasPrefix(strings.TrimSpace(encoded), "{"):
		out = Converted{Value: value.Secret(encoded), JSON: true}
	default:
		h := &travelling{parsed: p, format: f, encoded: encoded, simple: simplify(p), changed: changed}
		if out, e = t.convert(h); e != nil {
			e.Format = f.Name
			return Converted{}, e
		}
	}
	if changed != "" && t.name != "authing" {
		out.Warnings = append(out.Warnings, "the source changed passwords before it hashed them ("+changed+"), which the target does not do: who has one that this changes cannot log in there")
	}
	out.Target = t.name
	if out.Field == "" {
		out.Field = t.field
	}
	return out, nil
}

var openVerifier = NewVerifier(func() Limits {
	l := DefaultLimits()
	l.BcryptCost, l.Memory, l.Argon2Passes, l.Parallelism = 31, 4<<30, 1<<16, 1<<10
	l.Iterations, l.CryptRounds, l.PhpassRounds = 1<<31-1, 1<<31-1, 1<<30
	return l
}())

// Travel says how a format gets to a target.
type Travel uint8

const (
	No             Travel = iota // it cannot: the user needs a new password there, or a hasher that the target runs
	AfterConverted               // in another spelling of the same hash
	AsIs                         // as it stands
)

func (t Travel) String() string { return [...]string{"no", "after conversion", "as is"}[t] }

// Accepts says whether target takes hashes of the format, and why not. It is judged by the format's example; the costs and the variant of a
// single hash can still change the answer, which [Convert] gives.
func Accepts(target, format string) (Travel, string, error) {
	f, err := Lookup(format)
	if err != nil {
		return No, "", err
	}
	example, ok := examples()[f.Name]
	if !ok {
		return No, "", &Error{Code: CodeNoFormat, Message: "the format " + f.Name + " has no example"}
	}
	out, err := Convert(Hash{Format: f.Name, Encoded: value.Secret(example.Encoded), Context: example.Context}, target)
	var e *Error
	switch {
	case errors.As(err, &e) && e.Code == CodeCannot:
		return No, e.Message, nil
	case err != nil:
		return No, "", err
	case out.Value.Reveal() == example.Encoded:
		return AsIs, strings.Join(out.Warnings, "; "), nil
	}
	return AfterConverted, strings.Join(out.Warnings, "; "), nil
}

func cannot(message string, args ...any) (Converted, *Error) {
	return Converted{}, newError(CodeCannot, message, args)
}

func plain(s string, warnings ...string) (Converted, *Error) {
	return Converted{Value: value.Secret(s), Warnings: warnings}, nil
}

func object(v any, warnings ...string) (Converted, *Error) {
	return Converted{Value: value.Secret(encodeJSON(v)), JSON: true, Warnings: warnings}, nil
}

// encodeJSON is for values made of text and numbers, which always encode.
func encodeJSON(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// simpleDigest is one digest or HMAC over the password, with fixed bytes in front of it or behind it.
type simpleDigest struct {
	digest   string
	hmac     bool
	key      []byte // of the HMAC
	ownKey   bool   // the key is the user's salt
	salt     []byte
	position string // prefix, suffix or empty
	encoding string // of the password: utf16le, latin1 or empty
}

// simplify reads a digest expression as a simple digest, or gives nil.
func simplify(p *parsed) *simpleDigest {
	if p.digest == nil || p.asText {
		return nil
	}
	c, ok := p.digest.root.(*call)
	if !ok || c.function.size == 0 {
		return nil
	}
	s := &simpleDigest{}
	s.digest, s.hmac = strings.CutPrefix(functionNames[c.function], "hmac_")
	s.digest = strings.ReplaceAll(s.digest, "_", "-")
	message := c.args[0]
	if s.hmac {
		key, err := fixed(c.args[0], p.env)
		if err != nil {
			return nil
		}
		s.key, message = key, c.args[1]
		s.ownKey = c.args[0] == node(name("salt"))
	}
	parts, ok := message.(joint)
	if !ok {
		parts = joint{message}
	}
	for i, part := range parts {
		encoding, ok := passwordNode(part)
		if !ok {
			continue
		}
		s.encoding = encoding
		before, err1 := fixed(parts[:i], p.env)
		after, err2 := fixed(parts[i+1:], p.env)
		switch {
		case err1 != nil || err2 != nil || len(before) > 0 && len(after) > 0:
			return nil
		case len(before) > 0:
			s.position, s.salt = "prefix", before
		case len(after) > 0:
			s.position, s.salt = "suffix", after
		}
		return s
	}
	return nil
}

// passwordNode says whether a node is the password, perhaps in another encoding.
func passwordNode(n node) (encoding string, ok bool) {
	if n == node(name("pass")) {
		return "", true
	}
	if c, isCall := n.(*call); isCall && c.args[0] == node(name("pass")) {
		for _, encoding := range []string{"utf16le", "latin1"} {
			if c.function == functions[encoding] {
				return encoding, true
			}
		}
	}
	return "", false
}

// fixed evaluates what does not depend on the password.
func fixed(n node, env *environment) ([]byte, error) {
	inner := environment{values: env.values, counts: env.counts, budget: 1 << 20}
	return n.eval(&inner)
}

// unchanged refuses what goes through something before its primitive.
func (h *travelling) unchanged() *Error {
	if h.pre != nil {
		return newError(CodeCannot, "the password goes through %s first, which the target cannot do", []any{h.pre.source})
	}
	return nil
}

// bcryptText gives the standard 60 characters, for targets that have no $2x$.
func (h *travelling) bcryptText() (string, *Error) {
	if err := h.unchanged(); err != nil {
		return "", err
	}
	if h.Variant == "2x" {
		return "", newError(CodeCannot, "$2x$ marks the sign-extension defect of 2011, which no target reproduces", nil)
	}
	if strings.HasPrefix(h.encoded, "$2") && len(h.encoded) == bcryptLength {
		return h.encoded, nil
	}
	return spellBcrypt(h.parsed), nil
}

// ldapText gives an LDAP digest with the scheme in capitals and padded base64: not everybody reads it otherwise.
func (h *travelling) ldapText() string {
	return h.format.prefix + std64(append(slices.Clone(h.want), h.salt...))
}

func (h *travelling) isArgon2() bool { return strings.HasPrefix(h.Algorithm, "argon2") }

// argon2Text gives the PHC string for targets that verify versions and variants as golang.org/x/crypto does.
func (h *travelling) argon2Text() (string, *Error) {
	if err := h.unchanged(); err != nil {
		return "", err
	}
	switch {
	case h.Algorithm == "argon2d":
		return "", newError(CodeCannot, "it takes argon2id and argon2i, not argon2d", nil)
	case h.Version != 19:
		return "", newError(CodeCannot, "it takes argon2 of version 19, not of version %d", []any{h.Version})
	case len(h.secret) > 0 || len(h.associated) > 0:
		return "", newError(CodeCannot, "it takes no argon2 with a secret or associated data", nil)
	}
	return spellArgon2(h.parsed), nil
}

// noHome is the answer for what no target's list has.
func (h *travelling) noHome(system string) (Converted, *Error) {
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	what := h.Algorithm
	switch {
	case h.simple != nil && h.simple.hmac:
		what = "HMAC with " + h.simple.digest
	case h.simple != nil:
		what = h.simple.digest + " with this salt and encoding"
	case h.Expression != "":
		what = h.Expression
	case h.Algorithm == "pbkdf2":
		what = "PBKDF2 with " + h.Digest
	}
	return cannot("%s has no form for %s", system, what)
}

func std64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// passlibText gives PBKDF2 as passlib writes it.
func passlibText(p *parsed) string {
	id := "pbkdf2-" + p.Digest
	if p.Digest == "sha1" {
		id = "pbkdf2"
	}
	return "$" + id + "$" + strconv.Itoa(p.Iterations) + "$" + encodeAB64(p.salt) + "$" + encodeAB64(p.want)
}

// printable says whether bytes can stand as text in a "$"-separated string.
func printable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, c := range b {
		if c < 0x21 || c == 0x7f || c == '$' {
			return false
		}
	}
	return true
}

type auth0Value struct {
	Value    string      `json:"value"`
	Encoding string      `json:"encoding,omitempty"`
	Position string      `json:"position,omitempty"`
	Digest   string      `json:"digest,omitempty"`
	Key      *auth0Value `json:"key,omitempty"`
}

type auth0Hash struct {
	Algorithm       string            `json:"algorithm"`
	Hash            auth0Value        `json:"hash"`
	Salt            *auth0Value       `json:"salt,omitempty"`
	Password        map[string]string `json:"password,omitempty"`
	KeyLen          int               `json:"keylen,omitempty"`
	Cost            int               `json:"cost,omitempty"`
	BlockSize       int               `json:"blockSize,omitempty"`
	Parallelization int               `json:"parallelization,omitempty"`
}

const auth0Once = "Auth0 takes a new custom_password_hash only until the user's first login"

func toAuth0(h *travelling) (Converted, *Error) {
	out := auth0Hash{}
	warnings := []string{auth0Once}
	if h.pre != nil {
		encoding := ""
		for name, pre := range auth0Encodings {
			if pre != nil && pre.source == h.pre.source && (encoding == "" || name < encoding) {
				encoding = name
			}
		}
		if encoding == "" {
			return h.noHome("Auth0")
		}
		out.Password = map[string]string{"encoding": encoding}
	}
	switch {
	case h.Algorithm == "bcrypt" && h.pre == nil:
		text, err := h.bcryptText()
		if err != nil {
			return Converted{}, err
		}
		out.Algorithm, out.Hash = "bcrypt", auth0Value{Value: text, Encoding: "utf8"}
	case h.isArgon2():
		if h.Version != 19 || len(h.secret) > 0 || len(h.associated) > 0 {
			return cannot("Auth0 takes argon2 of version 19 without secret and associated data")
		}
		if h.Algorithm != "argon2id" || h.Parallelism > 1 {
			warnings = append(warnings, "only argon2id with p=1 is known to work: try one account first")
		}
		out.Algorithm, out.Hash = "argon2", auth0Value{Value: spellArgon2(h.parsed), Encoding: "utf8"}
	case h.Algorithm == "pbkdf2":
		if strings.HasPrefix(h.Digest, "sha3") || h.Digest == "sha512-256" {
			return h.noHome("Auth0")
		}
		out.Algorithm, out.Hash = "pbkdf2", auth0Value{Value: spellPBKDF2(h.parsed), Encoding: "utf8"}
	case h.Algorithm == "scrypt":
		out.Algorithm, out.Hash = "scrypt", auth0Value{Value: hexBytes(h.want), Encoding: "hex"}
		out.Salt = auth0Salt(h.salt, "")
		out.KeyLen, out.Cost, out.BlockSize, out.Parallelization = len(h.want), h.N, h.BlockSize, h.Parallelism
	case h.simple != nil && h.format.Family == "ldap" && h.simple.digest != "md4":
		out.Algorithm, out.Hash = "ldap", auth0Value{Value: h.ldapText(), Encoding: "utf8"}
	case h.simple != nil && h.simple.hmac && h.simple.position == "" && slices.Contains(auth0HMACs, h.simple.digest):
		out.Algorithm = "hmac"
		out.Hash = auth0Value{Value: hexBytes(h.want), Encoding: "hex", Digest: h.simple.digest, Key: auth0Salt(h.simple.key, "")}
	case h.simple != nil && !h.simple.hmac && slices.Contains([]string{"md4", "md5", "sha1", "sha256", "sha512"}, h.simple.digest):
		out.Algorithm, out.Hash = h.simple.digest, auth0Value{Value: hexBytes(h.want), Encoding: "hex"}
		if h.simple.position != "" {
			out.Salt = auth0Salt(h.simple.salt, h.simple.position)
		}
	default:
		return h.noHome("Auth0")
	}
	if h.simple != nil && h.simple.encoding != "" {
		if h.pre != nil {
			return h.noHome("Auth0")
		}
		out.Password = map[string]string{"encoding": h.simple.encoding}
	}
	return object(out, warnings...)
}

var auth0HMACs = []string{"md4", "md5", "ripemd160", "sha1", "sha224", "sha256", "sha384", "sha512", "whirlpool"}

func auth0Salt(b []byte, position string) *auth0Value {
	if printable(b) {
		return &auth0Value{Value: string(b), Encoding: "utf8", Position: position}
	}
	return &auth0Value{Value: hexBytes(b), Encoding: "hex", Position: position}
}

func toAuthgear(h *travelling) (Converted, *Error) {
	type authgearPassword struct {
		Type string `json:"type"`
		Hash string `json:"password_hash"`
	}
	if h.format.Name == "authgear-bcrypt-sha512" {
		return object(authgearPassword{"bcrypt", h.encoded}, "Authgear takes its own $bcrypt-sha512$ without documenting it")
	}
	if h.Algorithm != "bcrypt" {
		if err := h.unchanged(); err != nil {
			return Converted{}, err
		}
		return cannot("Authgear's import takes bcrypt and nothing else")
	}
	text, err := h.bcryptText()
	if err != nil {
		return Converted{}, err
	}
	return object(authgearPassword{"bcrypt", text})
}

// authingPlaintext is the most that the RSA envelope of Authing's SDKs can carry with a 1024-bit key.
const authingPlaintext = 117

func toAuthing(h *travelling) (Converted, *Error) {
	text := h.encoded
	if len(h.format.Context) > 0 && strings.HasPrefix(h.format.Layout, "<hash") {
		// The pool's function sees the stored text and the password only.
		salt := h.salt
		if len(salt) > 0 && !strings.Contains(text, ":") {
			if !printable(salt) {
				salt = []byte(hexBytes(salt))
			}
			text += ":" + string(salt)
		}
	}
	for _, key := range h.format.Context {
		if key != "salt?" && key != "salt" && !strings.HasSuffix(key, "?") {
			return cannot("Authing's password function is given no %s beside the stored text", key)
		}
	}
	name := h.format.Name
	if strings.HasPrefix(name, "hex-") && len(h.salt) > 0 {
		name = DigestPrefix + h.Expression // which side the salt is on is not in the text
	}
	function := ""
	switch {
	case h.changed != "":
		function = " of what the source made of the password (" + h.changed + ")"
	case scripted()[h.format.Name]:
		function = fmt.Sprintf(" (usher hash export-script %q writes it)", name)
	}
	warnings := []string{"the pool's custom password function must verify " + name + function + "; one pool has one function, so every user's hash must be of a format that it knows"}
	if len(text) > authingPlaintext {
		warnings = append(warnings, fmt.Sprintf("more than the %d bytes that Authing's RSA transport carries: use the v3 API with passwordEncryptType none", authingPlaintext))
	}
	return plain(text, warnings...)
}

func toKeycloak(h *travelling) (Converted, *Error) {
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	type data struct {
		Iterations int                 `json:"hashIterations"`
		Algorithm  string              `json:"algorithm"`
		Additional map[string][]string `json:"additionalParameters"`
	}
	type secret struct {
		Value      string              `json:"value"`
		Salt       string              `json:"salt"`
		Additional map[string][]string `json:"additionalParameters"`
	}
	d := data{Additional: map[string][]string{}}
	switch {
	case h.Algorithm == "pbkdf2" && (h.Digest == "sha1" || h.Digest == "sha256" || h.Digest == "sha512"):
		d.Iterations, d.Algorithm = h.Iterations, "pbkdf2-"+h.Digest
		if h.Digest == "sha1" {
			d.Algorithm = "pbkdf2"
		}
	case h.isArgon2():
		if len(h.secret) > 0 || len(h.associated) > 0 {
			return cannot("Keycloak takes no argon2 with a secret or associated data")
		}
		d.Iterations, d.Algorithm = h.Time, "argon2"
		d.Additional = map[string][]string{
			"type": {strings.TrimPrefix(h.Algorithm, "argon2")}, "version": {map[int]string{16: "1.0", 19: "1.3"}[h.Version]},
			"hashLength": {strconv.Itoa(len(h.want))}, "memory": {strconv.Itoa(h.Memory)}, "parallelism": {strconv.Itoa(h.Parallelism)},
		}
	default:
		return cannot("Keycloak has PBKDF2 with SHA-1, SHA-256 or SHA-512 and argon2; anything else needs a PasswordHashProvider there")
	}
	return object(struct {
		Type   string `json:"type"`
		Data   string `json:"credentialData"`
		Secret string `json:"secretData"`
	}{"password", encodeJSON(d), encodeJSON(secret{std64(h.want), std64(h.salt), map[string][]string{}})})
}

const signerInRow = "the project's signer key is written into every row"

func toKratos(h *travelling) (Converted, *Error) {
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	switch {
	case h.Algorithm == "bcrypt":
		text, err := h.bcryptText()
		if err != nil {
			return Converted{}, err
		}
		if h.Cost > 15 {
			return cannot("Kratos takes bcrypt up to cost 15, this is %d", h.Cost)
		}
		return plain(text)
	case h.isArgon2():
		text, err := h.argon2Text()
		if err != nil {
			return Converted{}, err
		}
		if h.Memory > 1<<20 || h.Time > 10 || h.Parallelism > 16 {
			return cannot("Kratos takes argon2 up to 1 GiB, t=10, p=16")
		}
		return plain(text)
	case h.Algorithm == "pbkdf2":
		digest := map[string]string{"sha1": "sha1", "sha256": "sha256", "sha512": "sha512", "sha3-224": "sha224", "sha3-384": "sha384"}[h.Digest]
		switch {
		case digest == "":
			return cannot("Kratos has PBKDF2 with SHA-1, SHA-256 and SHA-512; by sha224 and sha384 it means SHA-3")
		case h.Iterations > 10_000_000:
			return cannot("Kratos takes up to 10 million iterations, these are %d", h.Iterations)
		}
		p := *h.parsed
		p.Digest = digest
		return plain(spellPBKDF2(&p))
	case h.Algorithm == "scrypt":
		if h.N > 1<<17 || h.BlockSize > 8 || h.Parallelism > 10 {
			return cannot("Kratos takes scrypt up to N=131072, r=8, p=10")
		}
		return plain(fmt.Sprintf("$scrypt$ln=%d,r=%d,p=%d$%s$%s", h.N, h.BlockSize, h.Parallelism, std64(h.salt), std64(h.want)))
	case h.firebase != nil:
		f := h.firebase
		if h.Cost > 17 {
			return cannot("Kratos takes a memory cost of 17, this is %d", h.Cost)
		}
		return plain(fmt.Sprintf("$firescrypt$ln=%d,r=%d,p=1$%s$%s$%s$%s", h.Cost, h.BlockSize, std64(f.salt), std64(h.want), std64(f.separator), std64(f.signer)), signerInRow)
	case h.Algorithm == "md5crypt":
		return plain("$md5-crypt$" + string(h.salt) + "$" + string(h.want))
	case h.Algorithm == "sha256crypt", h.Algorithm == "sha512crypt":
		return plain(fmt.Sprintf("$%s-crypt$rounds=%d$%s$%s", strings.TrimSuffix(h.Algorithm, "crypt"), h.Iterations, h.salt, h.want))
	case h.simple == nil || h.simple.encoding != "":
	case h.simple.hmac:
		if h.simple.position == "" && slices.Contains([]string{"md4", "md5", "sha1", "sha224", "sha256", "sha384", "sha512"}, h.simple.digest) {
			return plain("$hmac-" + h.simple.digest + "$" + std64([]byte(hexBytes(h.want))) + "$" + std64(h.simple.key))
		}
	case slices.Contains([]string{"ldap-ssha", "ldap-ssha256", "ldap-ssha512"}, h.format.Name):
		return plain(h.ldapText())
	case h.simple.digest == "md5" && h.simple.position == "":
		return plain("$md5$" + std64(h.want))
	case slices.Contains([]string{"md5", "sha1", "sha256", "sha512"}, h.simple.digest):
		template := map[string]string{"": "{PASSWORD}", "prefix": "{SALT}{PASSWORD}", "suffix": "{PASSWORD}{SALT}"}[h.simple.position]
		return plain("$" + h.simple.digest + "$pf=" + std64([]byte(template)) + "$" + std64(h.simple.salt) + "$" + std64(h.want))
	}
	return h.noHome("Kratos")
}

func toZitadel(h *travelling) (Converted, *Error) {
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	const switchOn = "the verifier must be switched on in Zitadel's configuration"
	switch {
	case h.Algorithm == "bcrypt":
		text, err := h.bcryptText()
		if err != nil {
			return Converted{}, err
		}
		return plain(text)
	case h.isArgon2():
		text, err := h.argon2Text()
		if err != nil {
			return Converted{}, err
		}
		warnings := []string{switchOn}
		if h.Memory < 8<<10 || h.Memory > 512<<10 {
			warnings = append(warnings, "outside the 8 to 512 MiB that Zitadel allows by default")
		}
		return plain(text, warnings...)
	case h.Algorithm == "pbkdf2" && slices.Contains([]string{"sha1", "sha224", "sha256", "sha384", "sha512"}, h.Digest):
		return plain(passlibText(h.parsed), switchOn)
	case h.Algorithm == "scrypt":
		warnings := []string{switchOn}
		if h.N < 1<<14 || h.N > 1<<20 {
			warnings = append(warnings, "outside the N of 2^14 to 2^20 that Zitadel allows by default")
		}
		return plain(spellScrypt(h.parsed), warnings...)
	case h.Algorithm == "md5crypt":
		return plain("$1$"+string(h.salt)+"$"+string(h.want), switchOn)
	case h.Algorithm == "sha256crypt":
		return plain(fmt.Sprintf("$5$rounds=%d$%s$%s", h.Iterations, h.salt, h.want), switchOn)
	case h.Algorithm == "sha512crypt":
		return plain(fmt.Sprintf("$6$rounds=%d$%s$%s", h.Iterations, h.salt, h.want), switchOn)
	case h.Algorithm == "phpass":
		return plain(spellPhpass(h.parsed), switchOn)
	case h.simple == nil || h.simple.hmac || h.simple.encoding != "" || h.simple.digest != "md5":
	case h.simple.position == "":
		return plain(hexBytes(h.want), switchOn)
	case printable(h.simple.salt):
		return plain("$md5salted-"+h.simple.position+"$"+string(h.simple.salt)+"$"+std64(h.want), switchOn)
	default:
		return cannot("Zitadel's salted MD5 takes a salt of printable text")
	}
	return h.noHome("Zitadel")
}

// spellPhpass gives $P$ or $H$ with MD5 and $S$ with SHA-512.
func spellPhpass(p *parsed) string {
	return "$" + p.Variant + "$" + h64Alphabet[p.Cost:p.Cost+1] + string(p.salt) + string(p.want)
}

type firebaseSettings struct {
	Algorithm        string `json:"algorithm"`
	Key              string `json:"key,omitempty"`
	SaltSeparator    string `json:"saltSeparator,omitempty"`
	Rounds           *int   `json:"rounds,omitempty"`
	MemoryCost       int    `json:"memoryCost,omitempty"`
	Parallelization  int    `json:"parallelization,omitempty"`
	BlockSize        int    `json:"blockSize,omitempty"`
	DerivedKeyLength int    `json:"derivedKeyLength,omitempty"`
	InputOrder       string `json:"inputOrder,omitempty"`
}

// toFirebase gives {"passwordHash","passwordSalt"} in base64url, and the hash options of the import, in which every user must agree.
func toFirebase(h *travelling) (Converted, *Error) {
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	url := base64.URLEncoding.EncodeToString
	s := firebaseSettings{}
	hash, salt := h.want, h.salt
	warnings := []string{"the settings are one import's: group users that share them"}
	switch {
	case h.Algorithm == "bcrypt":
		text, err := h.bcryptText()
		if err != nil {
			return Converted{}, err
		}
		s.Algorithm, hash, salt = "BCRYPT", []byte(text), nil
	case h.firebase != nil:
		if h.BlockSize > 8 || h.Cost > 14 {
			return cannot("Firebase takes up to 8 rounds and a memory cost of 14")
		}
		rounds := h.BlockSize
		s = firebaseSettings{Algorithm: "SCRYPT", Key: url(h.firebase.signer), SaltSeparator: url(h.firebase.separator), Rounds: &rounds, MemoryCost: h.Cost}
		salt = h.firebase.salt
	case h.Algorithm == "scrypt":
		s = firebaseSettings{Algorithm: "STANDARD_SCRYPT", MemoryCost: h.N, Parallelization: h.Parallelism, BlockSize: h.BlockSize, DerivedKeyLength: len(h.want)}
	case h.Algorithm == "pbkdf2" && (h.Digest == "sha1" || h.Digest == "sha256"):
		if h.Iterations > 120_000 {
			return cannot("Firebase takes up to 120000 iterations, these are %d", h.Iterations)
		}
		s.Algorithm, s.Rounds = map[string]string{"sha1": "PBKDF_SHA1", "sha256": "PBKDF2_SHA256"}[h.Digest], &h.Iterations
	case h.simple == nil || h.simple.encoding != "" || !slices.Contains([]string{"md5", "sha1", "sha256", "sha512"}, h.simple.digest):
		return h.noHome("Firebase")
	default:
		s.Algorithm = strings.ToUpper(h.simple.digest)
		salt = h.simple.salt
		if h.simple.position != "" {
			s.InputOrder = map[string]string{"prefix": "SALT_FIRST", "suffix": "PASSWORD_FIRST"}[h.simple.position]
		}
		if h.simple.hmac {
			if h.simple.ownKey {
				return cannot("Firebase takes one HMAC key an import, and here every user has another")
			}
			s.Algorithm, s.Key = "HMAC_"+s.Algorithm, url(h.simple.key)
			break
		}
		rounds := 1
		if h.simple.digest == "md5" {
			rounds = 0
		}
		s.Rounds = &rounds
	}
	out, err := object(struct {
		Hash string `json:"passwordHash"`
		Salt string `json:"passwordSalt,omitempty"`
	}{url(hash), url(salt)}, warnings...)
	out.Settings = value.Secret(encodeJSON(s))
	return out, err
}

func toOkta(h *travelling) (Converted, *Error) {
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	type okta struct {
		Algorithm       string `json:"algorithm"`
		WorkFactor      int    `json:"workFactor,omitempty"`
		Salt            string `json:"salt,omitempty"`
		SaltOrder       string `json:"saltOrder,omitempty"`
		DigestAlgorithm string `json:"digestAlgorithm,omitempty"`
		IterationCount  int    `json:"iterationCount,omitempty"`
		KeySize         int    `json:"keySize,omitempty"`
		Value           string `json:"value"`
	}
	const staged = "Okta changes an imported hash only while the user is STAGED"
	switch {
	case h.Algorithm == "bcrypt":
		text, err := h.bcryptText()
		if err != nil {
			return Converted{}, err
		}
		if h.Cost > 20 {
			return cannot("Okta takes bcrypt up to cost 20, this is %d", h.Cost)
		}
		return object(okta{Algorithm: "BCRYPT", WorkFactor: h.Cost, Salt: text[7:29], Value: text[29:]}, staged)
	case h.Algorithm == "pbkdf2" && (h.Digest == "sha256" || h.Digest == "sha512"):
		if h.Iterations < 4096 {
			return cannot("Okta takes PBKDF2 from 4096 iterations on, these are %d", h.Iterations)
		}
		return object(okta{
			Algorithm: "PBKDF2", Salt: std64(h.salt), DigestAlgorithm: strings.ToUpper(h.Digest) + "_HMAC", IterationCount: h.Iterations, KeySize: len(h.want), Value: std64(h.want),
		}, staged)
	case h.simple == nil || h.simple.hmac || h.simple.encoding != "":
	default:
		algorithm := map[string]string{"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512"}[h.simple.digest]
		if algorithm == "" {
			break
		}
		out := okta{Algorithm: algorithm, Value: std64(h.want)}
		if h.simple.position != "" {
			out.Salt = std64(h.simple.salt)
			out.SaltOrder = map[string]string{"prefix": "PREFIX", "suffix": "POSTFIX"}[h.simple.position]
		}
		return object(out, staged)
	}
	return h.noHome("Okta")
}

func toFusionAuth(h *travelling) (Converted, *Error) {
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	type fusion struct {
		Scheme   string `json:"encryptionScheme"`
		Factor   int    `json:"factor"`
		Salt     string `json:"salt"`
		Password string `json:"password"`
	}
	switch {
	case h.Algorithm == "bcrypt":
		text, err := h.bcryptText()
		if err != nil {
			return Converted{}, err
		}
		return object(fusion{"bcrypt", h.Cost, text[7:29], text[29:]})
	case h.Algorithm == "pbkdf2":
		scheme := map[string]string{"sha256/32": "salted-pbkdf2-hmac-sha256", "sha256/64": "salted-pbkdf2-hmac-sha256-512", "sha512/64": "salted-pbkdf2-hmac-sha512-512"}[fmt.Sprintf("%s/%d", h.Digest, len(h.want))]
		if scheme == "" {
			return cannot("FusionAuth has PBKDF2 with SHA-256 (32 or 64 bytes) and SHA-512 (64 bytes), this is %s with %d bytes", h.Digest, len(h.want))
		}
		return object(fusion{scheme, h.Iterations, std64(h.salt), std64(h.want)})
	case h.Algorithm == "phpass" && h.Digest == "md5":
		return object(fusion{"phpass-md5", h.Iterations, string(h.salt), string(h.want)}, "the parts of phpass for FusionAuth are not confirmed by its documentation: try one account first")
	case h.digest == fusionMD5, h.digest == fusionSHA256:
		scheme := map[*Digest]string{fusionMD5: "salted-md5", fusionSHA256: "salted-sha256"}[h.digest]
		return object(fusion{scheme, h.Iterations, std64(h.salt), std64(h.want)})
	case h.simple == nil || h.simple.encoding != "":
	case h.simple.hmac && h.simple.digest == "sha256" && h.simple.position == "":
		return object(fusion{"salted-hmac-sha256", 1, std64(h.simple.key), std64(h.want)})
	case !h.simple.hmac && h.simple.position == "suffix" && (h.simple.digest == "md5" || h.simple.digest == "sha256"):
		return object(fusion{"salted-" + h.simple.digest, 1, std64(h.simple.salt), std64(h.want)})
	case !h.simple.hmac && h.simple.position == "prefix":
		return cannot("FusionAuth's salted digests take the salt behind the password, here it is in front")
	}
	return h.noHome("FusionAuth")
}

// toClerk gives {"password_hasher","password_digest"}.
func toClerk(h *travelling) (Converted, *Error) {
	clerk := func(hasher, digest string, warnings ...string) (Converted, *Error) {
		return object(struct {
			Hasher string `json:"password_hasher"`
			Digest string `json:"password_digest"`
		}{hasher, digest}, warnings...)
	}
	switch {
	case h.format.Name == "django-bcrypt_sha256":
		return clerk("bcrypt_sha256_django", h.encoded)
	case h.Algorithm == "bcrypt" && h.pre != nil && h.pre.source == "pass . pepper":
		pepper := h.preEnv.values["pepper"]
		if h.Variant == "2x" || !printable(pepper) {
			return cannot("Clerk writes the pepper behind the hash, and this one is not printable text")
		}
		if len(pepper) == 0 {
			return clerk("bcrypt", spellBcrypt(h.parsed))
		}
		return clerk("bcrypt_peppered", spellBcrypt(h.parsed)+"$"+string(pepper), "the pepper is written into every row")
	}
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	switch {
	case h.Algorithm == "bcrypt":
		text, err := h.bcryptText()
		if err != nil {
			return Converted{}, err
		}
		return clerk("bcrypt", text)
	case h.isArgon2():
		text, err := h.argon2Text()
		if err != nil {
			return Converted{}, err
		}
		return clerk(h.Algorithm, text)
	case h.format.Name == "django-pbkdf2_sha256":
		return clerk("pbkdf2_sha256_django", h.encoded)
	case h.Algorithm == "pbkdf2" && h.Digest == "sha256":
		return clerk("pbkdf2_sha256", fmt.Sprintf("pbkdf2_sha256$%d$%s$%s", h.Iterations, std64(h.salt), std64(h.want)))
	case h.Algorithm == "pbkdf2" && h.Digest == "sha1":
		return clerk("pbkdf2_sha1", fmt.Sprintf("pbkdf2_sha1$%d$%s$%s$%d", h.Iterations, hexBytes(h.salt), hexBytes(h.want), len(h.want)))
	case h.Algorithm == "pbkdf2" && h.Digest == "sha512":
		return clerk("pbkdf2_sha512", fmt.Sprintf("pbkdf2_sha512$%d$%s$%s", h.Iterations, std64(h.salt), std64(h.want)), "the layout of pbkdf2_sha512 is not confirmed by Clerk's documentation: try one account first")
	case h.Algorithm == "scrypt":
		if !printable(h.salt) || len(h.want) != 64 {
			return cannot("Clerk's scrypt_werkzeug takes a salt of printable text and a digest of 64 bytes")
		}
		return clerk("scrypt_werkzeug", fmt.Sprintf("scrypt:%d:%d:%d$%s$%s", h.N, h.BlockSize, h.Parallelism, h.salt, hexBytes(h.want)))
	case h.firebase != nil:
		f := h.firebase
		return clerk("scrypt_firebase", fmt.Sprintf("%s$%s$%s$%s$%d$%d", std64(h.want), std64(f.salt), std64(f.signer), std64(f.separator), h.BlockSize, h.Cost), signerInRow)
	case h.Algorithm == "phpass" && h.Digest == "md5":
		return clerk("phpass", spellPhpass(h.parsed))
	case h.simple == nil || h.simple.hmac || h.simple.encoding != "":
	case h.simple.position == "" && (h.simple.digest == "md5" || h.simple.digest == "sha256"):
		return clerk(h.simple.digest, hexBytes(h.want), "Clerk hashes it anew with bcrypt at the first login")
	case h.simple.position == "suffix" && h.simple.digest == "sha1":
		return clerk("ldap_ssha", "{SSHA}"+std64(append(slices.Clone(h.want), h.simple.salt...)))
	}
	return h.noHome("Clerk")
}

func toSupabase(h *travelling) (Converted, *Error) {
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	switch {
	case h.Algorithm == "bcrypt":
		text, err := h.bcryptText()
		if err != nil {
			return Converted{}, err
		}
		return plain(text)
	case h.isArgon2():
		text, err := h.argon2Text()
		if err != nil {
			return Converted{}, err
		}
		if h.Memory > 1<<20 || h.Time > 20 || h.Parallelism > 16 {
			return cannot("Supabase takes argon2 up to 1 GiB, t=20, p=16")
		}
		return plain(text)
	case h.firebase != nil:
		f := h.firebase
		return plain(fmt.Sprintf("$fbscrypt$v=1,n=%d,r=%d,p=1,ss=%s,sk=%s$%s$%s", h.Cost, h.BlockSize, std64(f.separator), std64(f.signer), std64(f.salt), std64(h.want)), signerInRow)
	}
	return cannot("Supabase takes bcrypt, argon2id, argon2i and Firebase's scrypt")
}

// toWorkOS gives {"password_hash_type","password_hash"}.
func toWorkOS(h *travelling) (Converted, *Error) {
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	workos := func(kind, hash string, warnings ...string) (Converted, *Error) {
		return object(struct {
			Type string `json:"password_hash_type"`
			Hash string `json:"password_hash"`
		}{kind, hash}, warnings...)
	}
	switch {
	case h.Algorithm == "bcrypt":
		text, err := h.bcryptText()
		if err != nil {
			return Converted{}, err
		}
		return workos("bcrypt", text)
	case h.isArgon2():
		text, err := h.argon2Text()
		if err != nil {
			return Converted{}, err
		}
		return workos("argon2", text)
	case h.firebase != nil:
		f := h.firebase
		return workos("firebase-scrypt", fmt.Sprintf("$firebase-scrypt$hash=%s$salt=%s$sk=%s$ss=%s$r=%d$m=%d",
			std64(h.want), std64(f.salt), std64(f.signer), std64(f.separator), h.BlockSize, h.Cost), signerInRow)
	case h.Algorithm == "scrypt", h.Algorithm == "pbkdf2":
		return cannot("WorkOS takes %s, but how it wants it spelled is not confirmed", h.Algorithm)
	case h.simple == nil || h.simple.hmac || h.simple.encoding != "" || h.simple.position != "suffix":
	case h.simple.digest == "sha1":
		return workos("ssha", "{SSHA}"+std64(append(slices.Clone(h.want), h.simple.salt...)))
	case h.simple.digest == "sha256":
		return workos("ssha256", "{SSHA256}"+std64(append(slices.Clone(h.want), h.simple.salt...)))
	}
	return h.noHome("WorkOS")
}

// toLogto gives {"passwordAlgorithm","passwordDigest"}; what has a salt is written as its Legacy list, whose salt is text.
func toLogto(h *travelling) (Converted, *Error) {
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	logto := func(algorithm, digest string) (Converted, *Error) {
		return object(struct {
			Algorithm string `json:"passwordAlgorithm"`
			Digest    string `json:"passwordDigest"`
		}{algorithm, digest})
	}
	legacy := func(algorithm string, args ...string) (Converted, *Error) {
		return logto("Legacy", encodeJSON([]any{algorithm, args, hexBytes(h.want)}))
	}
	s := h.simple
	switch {
	case h.Algorithm == "bcrypt":
		text, err := h.bcryptText()
		if err != nil {
			return Converted{}, err
		}
		return logto("Bcrypt", text)
	case h.isArgon2():
		text, err := h.argon2Text()
		if err != nil {
			return Converted{}, err
		}
		return logto(map[string]string{"argon2i": "Argon2i", "argon2id": "Argon2id"}[h.Algorithm], text)
	case h.Algorithm == "pbkdf2" && slices.Contains(scriptDigests, h.Digest):
		if !utf8.Valid(h.salt) || string(h.salt) == "@" {
			return cannot("Logto's salts are text, and this one is not")
		}
		return legacy("pbkdf2", string(h.salt), strconv.Itoa(h.Iterations), strconv.Itoa(len(h.want)), h.Digest, "@")
	case s == nil || s.hmac || s.encoding != "" || !slices.Contains(scriptDigests, s.digest):
		return h.noHome("Logto")
	case len(s.salt) == 0:
		if name := map[string]string{"md5": "MD5", "sha1": "SHA1", "sha256": "SHA256"}[s.digest]; name != "" {
			return logto(name, hexBytes(h.want))
		}
		return legacy(s.digest, "@")
	case !utf8.Valid(s.salt) || string(s.salt) == "@":
		return cannot("Logto's salts are text, and this one is not")
	case s.position == "prefix":
		return legacy(s.digest, string(s.salt), "@")
	}
	return legacy(s.digest, "@", string(s.salt))
}

// toSuperTokens gives the passwordHash of its import; the signer key of Firebase's scrypt is the core's configuration.
func toSuperTokens(h *travelling) (Converted, *Error) {
	if err := h.unchanged(); err != nil {
		return Converted{}, err
	}
	switch {
	case h.Algorithm == "bcrypt":
		text, err := h.bcryptText()
		if err != nil {
			return Converted{}, err
		}
		return plain(text)
	case h.isArgon2():
		text, err := h.argon2Text()
		if err != nil {
			return Converted{}, err
		}
		return plain(text)
	case h.firebase != nil:
		f := h.firebase
		out, err := plain(fmt.Sprintf("$f_scrypt$%s$%s$m=%d$r=%d$s=%s", std64(h.want), std64(f.salt), h.Cost, h.BlockSize, std64(f.separator)),
			"the settings are the signer key, for the core's configuration", "SuperTokens verifies Firebase's scrypt for ASCII passwords only")
		out.Settings = value.Secret(encodeJSON(std64(f.signer)))
		return out, err
	}
	return cannot("SuperTokens takes bcrypt, argon2id, argon2i and Firebase's scrypt")
}
