package password

import (
	"strconv"
	"strings"

	"golang.org/x/crypto/blowfish" //nolint:staticcheck // what bcrypt is made of
)

const bcryptLength = 60

// checkBcrypt is the whole test of a bcrypt string, without an allocation: imports run it for every record.
func checkBcrypt(s string, l *Limits) *Error {
	if len(s) < 4 || s[0] != '$' || s[1] != '2' {
		return malformed("it does not begin with $2a$, $2b$, $2y$ or $2x$")
	}
	if s[2] == '$' {
		return unsupported("$2$ of 1997 hashes the password without its end mark; ask the user for a new password")
	}
	switch s[2] {
	case 'a', 'b', 'x', 'y':
	default:
		return malformed("no bcrypt variant $2%s$ is known", quoteChar(s[2]))
	}
	if s[3] != '$' {
		return malformed("it does not begin with $2a$, $2b$, $2y$ or $2x$")
	}
	if len(s) != bcryptLength {
		if len(s) < bcryptLength {
			return malformed("%d characters, %d expected: the hash was cut off", len(s), bcryptLength)
		}
		return malformed("%d characters, %d expected: something is left over at the end", len(s), bcryptLength)
	}
	if s[4] < '0' || s[4] > '9' || s[5] < '0' || s[5] > '9' || s[6] != '$' {
		return malformed("the cost is not two digits")
	}
	if err := withinBcrypt(int(s[4]-'0')*10+int(s[5]-'0'), l); err != nil {
		return err
	}
	for i := 7; i < bcryptLength; i++ {
		if bcryptValues[s[i]] == notInAlphabet {
			return malformed("character %d is not of bcrypt's alphabet", i+1)
		}
	}
	return nil
}

// parseBcrypt takes the standard 60 characters.
func parseBcrypt(s string, l *Limits) (*parsed, *Error) {
	if err := checkBcrypt(s, l); err != nil {
		return nil, err
	}
	cost, _ := strconv.Atoi(s[4:6])
	return newBcrypt(s[2:3], cost, s[7:29], s[29:])
}

// newBcrypt takes salt and digest as bcrypt writes them, 22 and 31 characters.
func newBcrypt(variant string, cost int, salt, digest string) (*parsed, *Error) {
	p := &parsed{kind: kindBcrypt, run: runBcrypt}
	p.Params = Params{Algorithm: "bcrypt", Variant: "2" + variant, Cost: cost, SaltBytes: 16, KeyBytes: 23}
	var err error
	if p.salt, err = bcrypt64.DecodeString(salt); err != nil || len(p.salt) != 16 {
		return nil, malformed("the salt is not 22 characters of bcrypt's alphabet")
	}
	if p.want, err = bcrypt64.DecodeString(digest); err != nil || len(p.want) != 23 {
		return nil, malformed("the digest is not 31 characters of bcrypt's alphabet")
	}
	return p, nil
}

func runBcrypt(p *parsed, password []byte) ([]byte, error) {
	// The key is the password with its end mark, of which bcrypt sees 72 bytes (Provos and Mazières, 1999).
	key := make([]byte, 0, len(password)+1)
	key = append(append(key, password...), 0)
	if p.Variant == "2x" {
		key = signExtendedKey(key)
	} else if len(key) > 72 {
		key = key[:72]
	}
	defer clear(key)
	c, err := blowfish.NewSaltedCipher(key, p.salt)
	if err != nil {
		return nil, err
	}
	for range 1 << p.Cost {
		blowfish.ExpandKey(key, c)
		blowfish.ExpandKey(p.salt, c)
	}
	out := []byte("OrpheanBeholderScryDoubt")
	for i := 0; i < len(out); i += blowfish.BlockSize {
		for range 64 {
			c.Encrypt(out[i:], out[i:])
		}
	}
	return out[:23], nil
}

// signExtendedKey gives the key that crypt_blowfish before 1.1 saw: it read the password as signed characters, so that each one
// above 127 overwrote what was to the left of it in the word. Such hashes are marked $2x$.
func signExtendedKey(key []byte) []byte {
	out := make([]byte, 72)
	j := 0
	for i := 0; i < len(out); i += 4 {
		var w uint32
		for range 4 {
			w = w<<8 | uint32(int32(int8(key[j])))
			j = (j + 1) % len(key)
		}
		out[i], out[i+1], out[i+2], out[i+3] = byte(w>>24), byte(w>>16), byte(w>>8), byte(w)
	}
	return out
}

// bcryptScheme is bcrypt behind a prefix, of a password that the application changed first. The sixty characters are the same
// for all of them: only a declaration tells which it is.
type bcryptScheme struct {
	name      string
	aliases   []string
	family    string
	prefix    string // before the standard 60 characters
	suffix    string // after them
	pre       string // digest expression that makes bcrypt's input
	fallbacks map[string]string
	certainty Confidence
}

const (
	whyBcrypt = "the same 60 characters as plain bcrypt; the application changes the password before it hashes it"
	sha256Hex = "sha256(pass)"
)

var bcryptSchemes = []bcryptScheme{
	{name: "bcrypt(md5hex)", family: "digest", pre: "md5(pass)"},
	{name: "bcrypt(sha1hex)", family: "digest", pre: "sha1(pass)"},
	{name: "bcrypt(sha256hex)", family: "digest", pre: sha256Hex},
	{name: "bcrypt(sha512hex)", family: "digest", pre: "sha512(pass)"},
	{name: "vbulletin5-bcrypt-md5", aliases: []string{"vbulletin5"}, family: "cms", pre: "md5(pass)"},
	{name: "wordpress-6.8", aliases: []string{"wordpress"}, family: "cms", prefix: "$wp", pre: "base64(unhex(hmac_sha384('wp-sha384', trim(pass))))", certainty: Certain},
	{name: "xenforo-core12", family: "cms", prefix: `a:1:{s:4:"hash";s:60:"`, suffix: `";}`, certainty: Certain},
	{name: "django-bcrypt", family: "framework", prefix: "bcrypt$", certainty: Certain},
	{name: "django-bcrypt_sha256", family: "framework", prefix: "bcrypt_sha256$", pre: sha256Hex, certainty: Certain},
	{name: "spring-bcrypt", family: "framework", prefix: "{bcrypt}", certainty: Certain},
	{name: "jenkins-jbcrypt", family: "framework", prefix: "#jbcrypt:", certainty: Certain},
	{name: "meteor-bcrypt-sha256hex", aliases: []string{"meteor"}, family: "framework", pre: sha256Hex},
	{name: "flask-bcrypt-sha256hex", family: "framework", pre: sha256Hex},
	{name: "flask-security-hmac512-bcrypt", aliases: []string{"flask-security"}, family: "framework", pre: "base64(unhex(hmac_sha512(hmac_key, pass)))"},
	{name: "devise-bcrypt-pepper", aliases: []string{"devise"}, family: "framework", pre: "pass . pepper", fallbacks: map[string]string{"pepper": ""}},
	{
		name: "synapse-bcrypt-nfkc", aliases: []string{"synapse"}, family: "framework", pre: "nfkc(pass) . pepper",
		fallbacks: map[string]string{"pepper": ""},
	},
	{name: "authgear-bcrypt-sha512", aliases: []string{"authgear"}, family: "provider", prefix: "$bcrypt-sha512$", pre: "unhex(sha512(pass))", certainty: Certain},
}

func (s *bcryptScheme) format() Format {
	f := Format{
		Name: s.name, Aliases: s.aliases, Family: s.family, Layout: s.prefix + "<bcrypt:60>" + s.suffix, Scheme: "bcrypt of " + s.pre,
		prefix: s.prefix, certainty: s.certainty,
	}
	if s.prefix == "" {
		f.prefix, f.why = "$2", whyBcrypt
	}
	var pre *Digest
	if s.pre == "" {
		f.Scheme = "bcrypt"
	} else {
		pre = mustDigest(s.pre)
		// Joining a pepper leaves the password as it is; everything else here digests it.
		_, joined := pre.root.(joint)
		f.nul = !joined
		for _, key := range pre.names {
			if _, ok := s.fallbacks[key]; ok {
				key += "?"
			}
			f.Context = append(f.Context, key)
		}
	}
	f.parse = func(in *input) (*parsed, *Error) {
		rest, ok := strings.CutPrefix(in.encoded, s.prefix)
		if !ok {
			return nil, malformed("it does not begin with %s", s.prefix)
		}
		if rest, ok = strings.CutSuffix(rest, s.suffix); !ok {
			return nil, malformed("it does not end with %s: the hash was cut off", s.suffix)
		}
		p, err := parseBcrypt(rest, in.limits)
		if err != nil || pre == nil {
			return p, err
		}
		values := map[string][]byte{}
		for _, key := range pre.names {
			b, ok, err := in.ctx.bytes(key)
			if err != nil {
				return nil, err
			}
			if !ok {
				value, ok := s.fallbacks[key]
				if !ok {
					return nil, missing(key)
				}
				b = []byte(value)
			}
			values[key] = b
		}
		p.prehash(pre, values)
		return p, nil
	}
	return f
}

// prehash has the password go through an expression before the primitive sees it.
func (p *parsed) prehash(d *Digest, values map[string][]byte) {
	p.Prehash = d.source
	p.pre = d
	p.preEnv = &environment{values: values, budget: defaultLimits.HashedBytes}
}

// passlib's two generations: v2 keys an HMAC with the 22 characters of the salt as text.
var (
	passlibV1     = mustLayout("$bcrypt-sha256$<variant>,<cost:int>$<salt:text:22>$<hash:text:31>")
	passlibV2     = mustLayout("$bcrypt-sha256$v=2,t=<variant>,r=<cost:int>$<salt:text:22>$<hash:text:31>")
	passlibV1Pre  = mustDigest("base64(unhex(sha256(pass)))")
	passlibV2Pre  = mustDigest("base64(unhex(hmac_sha256(salt, pass)))")
	pepperedPre   = mustDigest("pass . pepper")
	pepperedParts = mustLayout("<hash:text:60>$<pepper>")
)

func parsePasslibBcrypt(l *layout, pre *Digest) func(*input) (*parsed, *Error) {
	return func(in *input) (*parsed, *Error) {
		f, err := l.match(in.encoded)
		if err != nil {
			return nil, err
		}
		cost, err := f.int("cost")
		if err != nil {
			return nil, err
		}
		variant := f.text("variant")
		if variant != "2a" && variant != "2b" && variant != "2y" {
			return nil, malformed("bcrypt variant %s; 2a, 2b and 2y are possible", shown(variant))
		}
		salt := f.text("salt")
		p, err := newBcrypt(variant[1:], cost, salt, f.text("hash"))
		if err != nil {
			return nil, err
		}
		p.prehash(pre, map[string][]byte{"salt": []byte(salt)})
		return p, nil
	}
}

func bcryptFormats() []Format {
	out := []Format{
		{
			Name: "bcrypt", Family: "crypt", Layout: "$2b$<cost:2>$<salt:22><digest:31>", Scheme: "bcrypt, variants 2a, 2b, 2y and 2x",
			prefix: "$2", certainty: Certain,
			parse: func(in *input) (*parsed, *Error) { return parseBcrypt(in.encoded, in.limits) },
		},
		{
			Name: "passlib-bcrypt-sha256-v1", Family: "framework", Layout: passlibV1.source, Scheme: "bcrypt of " + passlibV1Pre.source,
			prefix: "$bcrypt-sha256$", certainty: Certain, nul: true, parse: parsePasslibBcrypt(passlibV1, passlibV1Pre),
		},
		{
			Name: "passlib-bcrypt-sha256-v2", Family: "framework", Layout: passlibV2.source, Scheme: "bcrypt of " + passlibV2Pre.source,
			prefix: "$bcrypt-sha256$v=2,", certainty: Certain, nul: true, parse: parsePasslibBcrypt(passlibV2, passlibV2Pre),
		},
		{
			Name: "clerk-bcrypt_peppered", Family: "provider", Layout: "<bcrypt:60>$<pepper>", Scheme: "bcrypt of " + pepperedPre.source,
			prefix: "$2", certainty: Likely, why: "bcrypt with something behind it, as Clerk writes a pepper",
			parse: func(in *input) (*parsed, *Error) {
				f, err := pepperedParts.match(in.encoded)
				if err != nil {
					return nil, err
				}
				p, err := parseBcrypt(f.text("hash"), in.limits)
				if err == nil {
					p.prehash(pepperedPre, map[string][]byte{"pepper": []byte(f.text("pepper"))})
				}
				return p, err
			},
		},
	}
	for i := range bcryptSchemes {
		out = append(out, bcryptSchemes[i].format())
	}
	return out
}
