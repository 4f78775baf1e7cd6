package password

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// envelope is a hash whose parts stand in a JSON object, as several identity providers export and import them. A part that the object lacks
// is taken from the context, so that columns of a table do as well as an object.
type envelope struct {
	values map[string]any
	ctx    Context
}

// openEnvelope reads the object. A string that is none is the value of the main key.
func openEnvelope(in *input, main string) (*envelope, *Error) {
	e := &envelope{ctx: in.ctx}
	if !strings.HasPrefix(strings.TrimLeft(in.encoded, " \t\r\n"), "{") {
		if in.ctx == nil {
			return nil, malformed("it is not a JSON object")
		}
		e.values = map[string]any{main: in.encoded}
		return e, nil
	}
	var err *Error
	if e.values, err = decodeObject(in.encoded); err == nil && e.values[main] == nil {
		err = malformed("the object has no %s", main)
	}
	return e, err
}

func decodeObject(s string) (map[string]any, *Error) {
	var out map[string]any
	return out, decodeJSON(s, &out)
}

func decodeJSON(s string, to any) *Error {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return malformed("it is not valid JSON: was the hash cut off?")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed("something is left over behind the JSON")
	}
	return nil
}

// text gives a text or a number.
func (e *envelope) text(key string) (string, *Error) {
	switch v := e.values[key].(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case nil:
		b, err := e.ctx.need(key)
		return string(b), err
	}
	return "", malformed("the value of %s is no text", shown(key))
}

func (e *envelope) optional(key, fallback string) string {
	s, err := e.text(key)
	if err != nil {
		return fallback
	}
	return s
}

func (e *envelope) int(key string) (int, *Error) {
	s, err := e.text(key)
	if err != nil {
		return 0, err
	}
	return parseInt(key, s)
}

func (e *envelope) optionalInt(key string, fallback int) (int, *Error) {
	if e.values[key] == nil && e.ctx[key] == nil {
		return fallback, nil
	}
	return e.int(key)
}

func (e *envelope) bytes(key, kind string) ([]byte, *Error) {
	s, err := e.text(key)
	if err != nil {
		return nil, err
	}
	return decodeAs(kind, s, key)
}

// object gives an object inside this one; where there is none, its keys are looked for in the context.
func (e *envelope) object(key string) (*envelope, *Error) {
	switch v := e.values[key].(type) {
	case map[string]any:
		return &envelope{values: v, ctx: e.ctx}, nil
	case nil:
		return &envelope{ctx: e.ctx}, nil
	}
	return nil, malformed("the value of %s is no object", shown(key))
}

// parseKeycloak takes a credential of Keycloak: two of its fields are text that holds JSON.
func parseKeycloak(in *input) (*parsed, *Error) {
	e, err := openEnvelope(in, "secretData")
	if err != nil {
		return nil, err
	}
	var inner [2]*envelope
	for i, key := range []string{"credentialData", "secretData"} {
		s, err := e.text(key)
		if err != nil {
			return nil, err
		}
		values, err := decodeObject(s)
		if err != nil {
			return nil, err
		}
		inner[i] = &envelope{values: values}
	}
	data, secret := inner[0], inner[1]
	value, err := secret.bytes("value", "b64")
	if err != nil {
		return nil, err
	}
	salt, err := secret.bytes("salt", "b64")
	if err != nil {
		return nil, err
	}
	n, err := data.int("hashIterations")
	if err != nil {
		return nil, err
	}
	algorithm, err := data.text("algorithm")
	if err != nil {
		return nil, err
	}
	switch algorithm {
	case "pbkdf2":
		return newPBKDF2("sha1", n, salt, value), nil
	case "pbkdf2-sha256", "pbkdf2-sha512":
		return newPBKDF2(strings.TrimPrefix(algorithm, "pbkdf2-"), n, salt, value), nil
	case "argon2":
		return keycloakArgon2(data, n, salt, value)
	}
	return nil, unsupported("Keycloak's algorithm %s: it is a provider of that server", shown(algorithm))
}

func keycloakArgon2(data *envelope, passes int, salt, value []byte) (*parsed, *Error) {
	additional, err := data.object("additionalParameters")
	if err != nil {
		return nil, err
	}
	one := func(key string) string {
		list, _ := additional.values[key].([]any)
		if len(list) != 1 {
			return ""
		}
		s, _ := list[0].(string)
		return s
	}
	p := &parsed{kind: kindArgon2, run: runArgon2, salt: salt, want: value}
	p.Params = Params{Algorithm: "argon2" + one("type"), Time: passes, SaltBytes: len(salt), KeyBytes: len(value)}
	switch p.Algorithm {
	case "argon2d", "argon2i", "argon2id":
	default:
		return nil, malformed("the argon2 type %s is not d, i or id", shown(one("type")))
	}
	switch one("version") {
	case "1.3":
		p.Version = 19
	case "1.0":
		p.Version = 16
	default:
		return nil, malformed("the argon2 version %s is neither 1.3 nor 1.0", shown(one("version")))
	}
	if p.Memory, err = parseInt("memory", one("memory")); err != nil {
		return nil, err
	}
	if p.Parallelism, err = parseInt("parallelism", one("parallelism")); err != nil {
		return nil, err
	}
	return p, nil
}

// parseOkta takes the hash object of Okta's users API.
func parseOkta(in *input) (*parsed, *Error) {
	e, err := openEnvelope(in, "value")
	if err != nil {
		return nil, err
	}
	algorithm, err := e.text("algorithm")
	if err != nil {
		return nil, err
	}
	value, err := e.text("value")
	if err != nil {
		return nil, err
	}
	if algorithm == "BCRYPT" {
		cost, err := e.int("workFactor")
		if err != nil {
			return nil, err
		}
		salt, err := e.text("salt")
		if err != nil {
			return nil, err
		}
		return newBcrypt("a", cost, salt, value)
	}
	want, err := decodeAs("b64", value, "value")
	if err != nil {
		return nil, err
	}
	if algorithm == "PBKDF2" {
		digest, err := e.text("digestAlgorithm")
		if err != nil {
			return nil, err
		}
		n, err := e.int("iterationCount")
		if err != nil {
			return nil, err
		}
		salt, err := e.bytes("salt", "b64")
		if err != nil {
			return nil, err
		}
		size, err := e.optionalInt("keySize", len(want))
		if err != nil {
			return nil, err
		}
		if size != len(want) {
			return nil, malformed("a keySize of %d, but the value has %d bytes", size, len(want))
		}
		switch digest {
		case "SHA256_HMAC":
			return newPBKDF2("sha256", n, salt, want), nil
		case "SHA512_HMAC":
			return newPBKDF2("sha512", n, salt, want), nil
		}
		return nil, malformed("the digest algorithm %s is neither SHA256_HMAC nor SHA512_HMAC", shown(digest))
	}
	digest := map[string]string{"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}[algorithm]
	if digest == "" {
		return nil, malformed("the algorithm %s is none of Okta's", shown(algorithm))
	}
	if e.values["salt"] == nil {
		return newSaltedDigest(digest, "", nil, want)
	}
	salt, err := e.bytes("salt", "b64")
	if err != nil {
		return nil, err
	}
	return newSaltedDigest(digest, map[string]string{"PREFIX": "prefix", "POSTFIX": "suffix"}[e.optional("saltOrder", "PREFIX")], salt, want)
}

// newSaltedDigest is one digest over the password and a salt before ("prefix") or behind it ("suffix").
func newSaltedDigest(digest, position string, salt, want []byte) (*parsed, *Error) {
	d, ok := saltedDigests[saltedKey{digest, position}]
	if !ok {
		return nil, malformed("the salt's position %s is neither prefix nor suffix", shown(position))
	}
	if len(want) != d.size {
		return nil, malformed("a digest of %d bytes, %d expected", len(want), d.size)
	}
	return newDigest(d, map[string][]byte{"salt": salt}, want), nil
}

type saltedKey struct{ digest, position string }

var saltedDigests = func() map[saltedKey]*Digest {
	out := map[saltedKey]*Digest{}
	for digest := range digestSizes {
		f := strings.ReplaceAll(digest, "-", "_")
		out[saltedKey{digest, ""}] = mustDigest(f + "(pass)")
		out[saltedKey{digest, "prefix"}] = mustDigest(f + "(salt . pass)")
		out[saltedKey{digest, "suffix"}] = mustDigest(f + "(pass . salt)")
	}
	return out
}()

// newDigest is a digest expression with all of its values.
func newDigest(d *Digest, values map[string][]byte, want []byte) *parsed {
	p := &parsed{run: runDigest, digest: d, want: want, salt: values["salt"]}
	p.env = &environment{values: values, budget: defaultLimits.HashedBytes}
	p.Params = Params{Algorithm: "digest", Expression: d.source, SaltBytes: len(p.salt), KeyBytes: len(want)}
	return p
}

// newIterated is the same with a count of iterations.
func newIterated(d *Digest, values map[string][]byte, iterations int, want []byte) (*parsed, *Error) {
	if iterations < 1 {
		return nil, malformed("the iteration count is zero")
	}
	p := newDigest(d, values, want)
	p.kind, p.Iterations = kindRounds, iterations
	p.env.counts = map[string]int{"iterations": iterations}
	return p, nil
}

// parseAuth0 takes the custom_password_hash object of Auth0's import.
func parseAuth0(in *input) (*parsed, *Error) {
	e, err := openEnvelope(in, "hash")
	if err != nil {
		return nil, err
	}
	algorithm, err := e.text("algorithm")
	if err != nil {
		return nil, err
	}
	hash, err := e.object("hash")
	if err != nil {
		return nil, err
	}
	salt, err := e.object("salt")
	if err != nil {
		return nil, err
	}
	passwordObject, err := e.object("password")
	if err != nil {
		return nil, err
	}
	p, err := parseAuth0Algorithm(in, e, algorithm, hash, salt)
	if err != nil {
		return nil, err
	}
	encoding := passwordObject.optional("encoding", "utf8")
	pre, ok := auth0Encodings[encoding]
	if !ok {
		return nil, malformed("the password's encoding %s is none of Auth0's", shown(encoding))
	}
	if pre != nil {
		p.prehash(pre, nil)
	}
	return p, nil
}

var auth0Encodings = map[string]*Digest{
	"utf8": nil, "ascii": nil, "binary": mustDigest("latin1(pass)"), "latin1": mustDigest("latin1(pass)"),
	"utf16le": mustDigest("utf16le(pass)"), "ucs2": mustDigest("utf16le(pass)"),
}

// auth0Bytes decodes {"value","encoding"}.
func auth0Bytes(e *envelope, what, encoding string) ([]byte, *Error) {
	s, err := e.text("value")
	if err != nil {
		return nil, err
	}
	switch encoding = e.optional("encoding", encoding); encoding {
	case "utf8":
		return []byte(s), nil
	case "hex":
		return decodeAs("hex", s, what)
	case "base64":
		return decodeAs("ab64", strings.NewReplacer("-", "+", "_", "/").Replace(s), what)
	}
	return nil, malformed("the encoding %s of the %s is not hex, base64 or utf8", shown(encoding), what)
}

func parseAuth0Algorithm(in *input, e *envelope, algorithm string, hash, salt *envelope) (*parsed, *Error) {
	switch algorithm {
	case "argon2", "bcrypt", "pbkdf2", "ldap":
		value, err := hash.text("value")
		if err != nil {
			return nil, err
		}
		inner := &input{encoded: value, limits: in.limits}
		switch algorithm {
		case "argon2":
			return parsePHCArgon2(value)
		case "pbkdf2":
			return parsePHCPBKDF2(inner)
		case "bcrypt":
			if salt.values != nil {
				return nil, unsupported("bcrypt with another salt beside its own")
			}
			return parseBcrypt(value, in.limits)
		}
		return parseLDAP(inner)
	}
	value, err := auth0Bytes(hash, "digest", "hex")
	if err != nil {
		return nil, err
	}
	if algorithm == "hmac" {
		digest := hash.optional("digest", "")
		key, err := hash.object("key")
		if err != nil {
			return nil, err
		}
		b, err := auth0Bytes(key, "key", "utf8")
		if err != nil {
			return nil, err
		}
		d := hmacDigests[digest]
		if d == nil {
			return nil, malformed("the digest %s is not known", shown(digest))
		}
		if len(value) != d.size {
			return nil, malformed("a digest of %d bytes, %d expected", len(value), d.size)
		}
		return newDigest(d, map[string][]byte{"key": b}, value), nil
	}
	var saltBytes []byte
	if salt.values != nil {
		if saltBytes, err = auth0Bytes(salt, "salt", "utf8"); err != nil {
			return nil, err
		}
	}
	if algorithm == "scrypt" {
		var n [4]int
		for i, one := range []struct {
			key      string
			fallback int
		}{{"cost", 16384}, {"blockSize", 8}, {"parallelization", 1}, {"keylen", 0}} {
			if n[i], err = e.optionalInt(one.key, one.fallback); err != nil {
				return nil, err
			}
		}
		if n[3] != len(value) {
			return nil, malformed("a keylen of %d, but the digest has %d bytes", n[3], len(value))
		}
		return newScrypt(n[0], n[1], n[2], saltBytes, value), nil
	}
	if _, ok := digestSizes[algorithm]; !ok {
		return nil, unsupported("Auth0's algorithm %s", shown(algorithm))
	}
	if salt.values == nil {
		return newSaltedDigest(algorithm, "", nil, value)
	}
	return newSaltedDigest(algorithm, salt.optional("position", "prefix"), saltBytes, value)
}

var hmacDigests = func() map[string]*Digest {
	out := map[string]*Digest{}
	for digest := range digestSizes {
		out[digest] = mustDigest("hmac_" + strings.ReplaceAll(digest, "-", "_") + "(key, pass)")
	}
	return out
}()

// parseLDAP takes any of RFC 2307's digest schemes.
func parseLDAP(in *input) (*parsed, *Error) {
	for i := range ldapFormats {
		if f := &ldapFormats[i]; hasPrefixFold(in.encoded, f.prefix) {
			return f.parse(in)
		}
	}
	return nil, malformed("it begins with none of the LDAP schemes")
}

// parseFusionAuth takes the four fields of FusionAuth's import.
func parseFusionAuth(in *input) (*parsed, *Error) {
	e, err := openEnvelope(in, "password")
	if err != nil {
		return nil, err
	}
	scheme, err := e.text("encryptionScheme")
	if err != nil {
		return nil, err
	}
	value, err := e.text("password")
	if err != nil {
		return nil, err
	}
	factor, err := e.optionalInt("factor", 1)
	if err != nil {
		return nil, err
	}
	salt, err := e.text("salt")
	if err != nil {
		return nil, err
	}
	switch scheme {
	case "bcrypt":
		return newBcrypt("a", factor, salt, value)
	case "phpass-md5", "phppass-sha512":
		digest, prefix, chars := "md5", "$P$", 22
		if scheme == "phppass-sha512" {
			digest, prefix, chars = "sha512", "$S$", 43
		}
		if factor < 1 || factor > 1<<30 || factor&(factor-1) != 0 {
			return nil, malformed("a factor of %d; phpass's are powers of two", factor)
		}
		cost := 0
		for factor>>cost > 1 {
			cost++
		}
		return parsePhpass(prefix+h64Alphabet[cost:cost+1]+salt+value, prefix, digest, chars)
	}
	want, err := decodeAs("b64", value, "password")
	if err != nil {
		return nil, err
	}
	saltBytes, err := decodeAs("b64", salt, "salt")
	if err != nil {
		return nil, err
	}
	size, digest := 0, ""
	switch scheme {
	case "salted-pbkdf2-hmac-sha256":
		size, digest = 32, "sha256"
	case "salted-pbkdf2-hmac-sha256-512":
		size, digest = 64, "sha256"
	case "salted-pbkdf2-hmac-sha512-512":
		size, digest = 64, "sha512"
	case "salted-md5":
		return fusionAuthDigest(fusionMD5, saltBytes, factor, want)
	case "salted-sha256":
		return fusionAuthDigest(fusionSHA256, saltBytes, factor, want)
	case "salted-hmac-sha256":
		return fusionAuthDigest(fusionHMAC, saltBytes, 1, want)
	default:
		return nil, unsupported("FusionAuth's scheme %s: it is a plugin of that server", shown(scheme))
	}
	if len(want) != size {
		return nil, malformed("a digest of %d bytes, %d expected", len(want), size)
	}
	return newPBKDF2(digest, factor, saltBytes, want), nil
}

var (
	fusionMD5    = mustDigest("hex(loop(iterations, unhex(md5(pass . salt)), unhex(md5(prev))))")
	fusionSHA256 = mustDigest("hex(loop(iterations, unhex(sha256(pass . salt)), unhex(sha256(prev))))")
	fusionHMAC   = mustDigest("hmac_sha256(salt, pass)")
)

func fusionAuthDigest(d *Digest, salt []byte, factor int, want []byte) (*parsed, *Error) {
	if len(want) != d.size {
		return nil, malformed("a digest of %d bytes, %d expected", len(want), d.size)
	}
	return newIterated(d, map[string][]byte{"salt": salt}, factor, want)
}

// parseCasdoor takes the three columns of a Casdoor user.
func parseCasdoor(fixed string) func(*input) (*parsed, *Error) {
	return func(in *input) (*parsed, *Error) {
		e, err := openEnvelope(in, "password")
		if err != nil {
			return nil, err
		}
		if kind := e.optional("passwordType", fixed); kind != fixed {
			return nil, malformed("the type %s, %s expected", shown(kind), shown(fixed))
		}
		salt, err := e.text("passwordSalt")
		if err != nil {
			return nil, err
		}
		if fixed == "pbkdf2-salt" {
			want, err := e.bytes("password", "b64")
			if err != nil {
				return nil, err
			}
			b, err := decodeAs("b64", salt, "salt")
			if err != nil {
				return nil, err
			}
			return newPBKDF2("sha256", 27500, b, want), nil
		}
		want, err := e.bytes("password", "hex")
		if err != nil {
			return nil, err
		}
		d := casdoorDigests[fixed]
		if len(want) != d.size {
			return nil, malformed("a digest of %d bytes, %d expected", len(want), d.size)
		}
		return newDigest(d, map[string][]byte{"salt": []byte(salt)}, want), nil
	}
}

var casdoorDigests = map[string]*Digest{
	"md5-salt": mustDigest("md5(md5(pass) . salt)"), "salt": mustDigest("sha256(sha256(pass) . salt)"), "sha512-salt": mustDigest("sha512(sha512(pass) . salt)"),
}

// parseDiscourse takes the columns password_hash, salt and password_algorithm.
func parseDiscourse(in *input) (*parsed, *Error) {
	e, err := openEnvelope(in, "password_hash")
	if err != nil {
		return nil, err
	}
	want, err := e.bytes("password_hash", "hex")
	if err != nil {
		return nil, err
	}
	salt, err := e.text("salt")
	if err != nil {
		return nil, err
	}
	f, err := discourseLayout.match(e.optional("password_algorithm", "$pbkdf2-sha256$i=64000,l=32$"))
	if err != nil {
		return nil, err
	}
	n, err := f.int("iterations")
	if err != nil {
		return nil, err
	}
	return newPBKDF2("sha256", n, []byte(salt), want), nil
}

var (
	discourseLayout = mustLayout("$pbkdf2-sha256$i=<iterations:int>,l=32$")
	giteaLayout     = mustLayout("pbkdf2$<iterations:int>$50")
)

// parseGitea takes the columns passwd, salt and passwd_hash_algo. Rows of before 1.19 have no count in theirs and use the salt's text.
func parseGitea(in *input) (*parsed, *Error) {
	e, err := openEnvelope(in, "passwd")
	if err != nil {
		return nil, err
	}
	want, err := e.bytes("passwd", "hex")
	if err != nil {
		return nil, err
	}
	salt, err := e.text("salt")
	if err != nil {
		return nil, err
	}
	algorithm, err := e.text("passwd_hash_algo")
	if err != nil {
		return nil, err
	}
	if algorithm == "pbkdf2" {
		return newPBKDF2("sha256", 10000, []byte(salt), want), nil
	}
	f, err := giteaLayout.match(algorithm)
	if err != nil {
		return nil, unsupported("Gitea's algorithm %s", shown(algorithm))
	}
	n, err := f.int("iterations")
	if err != nil {
		return nil, err
	}
	b, err := decodeAs("hex", salt, "salt")
	if err != nil {
		return nil, err
	}
	return newPBKDF2("sha256", n, b, want), nil
}

// parsePassportMongoose takes the fields hash and salt; the salt's hexadecimal text is what is hashed.
func parsePassportMongoose(in *input) (*parsed, *Error) {
	e, err := openEnvelope(in, "hash")
	if err != nil {
		return nil, err
	}
	want, err := e.bytes("hash", "hex")
	if err != nil {
		return nil, err
	}
	salt, err := e.text("salt")
	if err != nil {
		return nil, err
	}
	n, err := e.optionalInt("iterations", 25000)
	if err != nil {
		return nil, err
	}
	return newPBKDF2(e.optional("digestAlgorithm", "sha256"), n, []byte(salt), want), nil
}

// parseLogto takes Logto's Legacy list: [digest, [arguments, "@" for the password], hexadecimal value].
func parseLogto(in *input) (*parsed, *Error) {
	var list []any
	if err := decodeJSON(in.encoded, &list); err != nil {
		return nil, err
	}
	if len(list) != 3 {
		return nil, malformed("a list of %d values, 3 expected", len(list))
	}
	algorithm, ok1 := list[0].(string)
	values, ok2 := list[1].([]any)
	text, ok3 := list[2].(string)
	if !ok1 || !ok2 || !ok3 || len(values) > 16 {
		return nil, malformed("the list is not of a name, a list of arguments and a text")
	}
	args := make([]string, len(values))
	for i, v := range values {
		s, ok := v.(string)
		if !ok {
			return nil, malformed("argument %d is no text", i+1)
		}
		args[i] = s
	}
	want, err := decodeAs("hex", text, "digest")
	if err != nil {
		return nil, err
	}
	if algorithm == "pbkdf2" {
		if len(args) != 5 || args[4] != "@" {
			return nil, malformed("the arguments of pbkdf2 are salt, iterations, length, digest and \"@\"")
		}
		n, err := parseInt("iterations", args[1])
		if err != nil {
			return nil, err
		}
		if args[2] != strconv.Itoa(len(want)) {
			return nil, malformed("a length of %s, but the digest has %d bytes", shown(args[2]), len(want))
		}
		return newPBKDF2(args[3], n, []byte(args[0]), want), nil
	}
	f := functions[strings.ReplaceAll(algorithm, "-", "_")] // Node's names have hyphens
	if f == nil || f.size == 0 || strings.HasPrefix(algorithm, "hmac_") {
		return nil, unsupported("the digest %s", shown(algorithm))
	}
	var pieces []piece
	for _, a := range args {
		if a == "@" {
			pieces = append(pieces, piece{password: true})
		} else {
			pieces = append(pieces, piece{literal: []byte(a)})
		}
	}
	return templateDigest(strings.ReplaceAll(algorithm, "_", "-"), pieces, want)
}

// piece is a part of what a digest is taken of: the password or bytes that the hash holds.
type piece struct {
	password bool
	literal  []byte
}

// templateDigest is one digest over pieces. Password beside one salt is the common case, and is what other systems can take over.
func templateDigest(digest string, pieces []piece, want []byte) (*parsed, *Error) {
	var merged []piece
	passwords := 0
	for _, one := range pieces {
		if n := len(merged); !one.password && n > 0 && !merged[n-1].password {
			merged[n-1].literal = append(merged[n-1].literal[:len(merged[n-1].literal):len(merged[n-1].literal)], one.literal...)
			continue
		}
		if one.password {
			passwords++
		} else if len(one.literal) == 0 {
			continue
		}
		merged = append(merged, one)
	}
	switch {
	case passwords == 0:
		return nil, malformed("it has no place for the password")
	case passwords == 1 && len(merged) == 1:
		return newSaltedDigest(digest, "", nil, want)
	case passwords == 1 && len(merged) == 2 && merged[1].password:
		return newSaltedDigest(digest, "prefix", merged[0].literal, want)
	case passwords == 1 && len(merged) == 2:
		return newSaltedDigest(digest, "suffix", merged[1].literal, want)
	}
	var parts joint
	var shown []string
	for _, one := range merged {
		if one.password {
			parts, shown = append(parts, name("pass")), append(shown, "pass")
		} else {
			parts, shown = append(parts, text(one.literal)), append(shown, "text")
		}
	}
	id := strings.ReplaceAll(digest, "-", "_")
	f := functions[id]
	if f == nil || len(want) != f.size {
		return nil, malformed("a digest of %d bytes, which is not %s's length", len(want), digest)
	}
	d := &Digest{source: id + "(" + strings.Join(shown, " . ") + ")", root: &call{function: f, args: []node{parts}}, size: f.size}
	return newDigest(d, nil, want), nil
}

func providerFormat(name, layout, scheme string, parse func(*input) (*parsed, *Error), context ...string) Format {
	return Format{Name: name, Family: "provider", Layout: layout, Scheme: scheme, Context: context, certainty: Certain, nul: true, parse: parse}
}

var envelopeFormats = []Format{
	providerFormat("keycloak-credential", `{"credentialData","secretData"}, both JSON in text`, "PBKDF2 or argon2", parseKeycloak, "credentialData?"),
	providerFormat("okta-hash-json", `{"algorithm","value","salt","saltOrder"|"workFactor"|"digestAlgorithm","iterationCount","keySize"}`, "bcrypt, salted digest or PBKDF2", parseOkta),
	{
		Name: "auth0-custom_password_hash", Aliases: []string{"auth0-custom_password_hash-md5", "auth0"}, Family: "provider", Scheme: "any of Auth0's algorithms",
		Layout: `{"algorithm","hash":{"value","encoding"},"salt":{"value","position"},"password":{"encoding"},…}`, certainty: Certain, nul: true, parse: parseAuth0,
	},
	providerFormat("fusionauth-import", `{"encryptionScheme","factor","salt","password"}`, "PBKDF2, bcrypt, phpass or iterated digest", parseFusionAuth, "encryptionScheme?", "factor?", "salt?"),
	providerFormat("logto-legacy", `[<digest>,[<argument or "@">…],<hex>]`, "digest over joined arguments, or PBKDF2", parseLogto),
	providerFormat("casdoor-salt", `{"passwordType":"salt","passwordSalt","password"}`, "sha256(sha256(pass) . salt)", parseCasdoor("salt"), "passwordSalt?"),
	providerFormat("casdoor-md5-salt", `{"passwordType":"md5-salt","passwordSalt","password"}`, "md5(md5(pass) . salt)", parseCasdoor("md5-salt"), "passwordSalt?"),
	providerFormat("casdoor-sha512-salt", `{"passwordType":"sha512-salt","passwordSalt","password"}`, "sha512(sha512(pass) . salt)", parseCasdoor("sha512-salt"), "passwordSalt?"),
	providerFormat("casdoor-pbkdf2-salt", `{"passwordType":"pbkdf2-salt","passwordSalt","password"}`, "PBKDF2-HMAC-SHA256, 27500 iterations", parseCasdoor("pbkdf2-salt"), "passwordSalt?"),
	providerFormat("discourse", `{"password_hash","salt","password_algorithm"}`, "PBKDF2-HMAC-SHA256, salt as text", parseDiscourse, "salt?", "password_algorithm?"),
	providerFormat("gitea-pbkdf2", `{"passwd","salt","passwd_hash_algo"}`, "PBKDF2-HMAC-SHA256", parseGitea, "salt?", "passwd_hash_algo?"),
	providerFormat("passport-local-mongoose", `{"salt","hash"}`, "PBKDF2-HMAC-SHA256, 25000 iterations, the salt's hexadecimal text", parsePassportMongoose, "salt?", "iterations?", "digestAlgorithm?"),
}
