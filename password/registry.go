package password

import (
	"slices"
	"strings"
)

// Format is one way of writing a password hash. Formats may be used from any goroutine, and must not be changed.
type Format struct {
	Name    string
	Aliases []string
	Family  string   // crypt, phc, ldap, digest, cms, framework, provider, database, enterprise
	Layout  string   // the shape of the encoded hash
	Scheme  string   // what is computed
	Context []string // the context keys it reads; a "?" after the name means optional

	parse     func(in *input) (*parsed, *Error)
	prefix    string     // literal that such a hash begins with; empty: told by its shape
	prefixes  []string   // further ones
	certainty Confidence // of a string that parses
	why       string     // why it is not certain
	nul       bool       // passwords may contain NUL

	// Of a format that is not built in:
	hasher Hasher
	memory int64
	most   int // bytes of the longest password
}

type kind uint8

const (
	kindDigest kind = iota // one pass, no cost to speak of
	kindBcrypt
	kindArgon2
	kindScrypt
	kindPBKDF2
	kindRounds
	kindPhpass
)

// Params are the costs and sizes of a hash; nothing in it is secret.
type Params struct {
	Algorithm   string `json:"algorithm"`             // bcrypt, argon2id, scrypt, pbkdf2, …
	Variant     string `json:"variant,omitempty"`     // bcrypt's letter
	Digest      string `json:"digest,omitempty"`      // sha256, …
	Expression  string `json:"expression,omitempty"`  // of a digest scheme
	Prehash     string `json:"prehash,omitempty"`     // what the password goes through first
	Version     int    `json:"version,omitempty"`     // argon2: 16 or 19
	Cost        int    `json:"cost,omitempty"`        // bcrypt: log2 of the rounds
	Time        int    `json:"time,omitempty"`        // argon2: passes
	Memory      int    `json:"memory,omitempty"`      // argon2: KiB
	N           int    `json:"n,omitempty"`           // scrypt
	BlockSize   int    `json:"block_size,omitempty"`  // scrypt: r
	Parallelism int    `json:"parallelism,omitempty"` // argon2, scrypt: p
	Iterations  int    `json:"iterations,omitempty"`  // PBKDF2, crypt(3) rounds
	SaltBytes   int    `json:"salt_bytes,omitempty"`
	KeyBytes    int    `json:"key_bytes,omitempty"` // length of the digest
}

// parsed is one hash taken apart.
type parsed struct {
	Params
	kind       kind
	salt, want []byte
	secret     []byte // argon2
	associated []byte // argon2
	firebase   *firebaseParts
	asText     bool // want is compared as text, and may have any length
	short      bool // want is less of a derivation than minDerivedBytes, as the format has it
	digest     *Digest
	env        *environment // of digest
	pre        *Digest      // what the password goes through first
	preEnv     *environment
	run        func(p *parsed, password []byte) ([]byte, error)
}

// input is what a parser is given.
type input struct {
	encoded string
	ctx     Context
	limits  *Limits
}

var (
	formats  []*Format
	byName   = map[string]*Format{}
	byPrefix []prefixed // of self-describing formats, longest first
	rivals   []prefixed // of formats that share another's prefix
)

type prefixed struct {
	prefix string
	*Format
}

func register(list ...Format) {
	for i := range list {
		f := &list[i]
		formats = append(formats, f)
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			if byName[name] != nil {
				panic("password: two formats are called " + name)
			}
			byName[name] = f
		}
	}
}

func init() {
	register(bcryptFormats()...)
	register(argon2Formats...)
	register(pbkdf2Formats...)
	register(scryptFormats...)
	register(cryptFormats...)
	register(ldapFormats...)
	register(digestFormats()...)
	register(firebaseFormats...)
	register(envelopeFormats...)
	register(kratosFormats...)
	register(otherFormats()...)
	register(dominoFormats...)
	register(wrapFormats...)
	slices.SortFunc(formats, func(a, b *Format) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range formats {
		for _, prefix := range append([]string{f.prefix}, f.prefixes...) {
			switch {
			case prefix == "":
			case f.certainty == Certain:
				byPrefix = append(byPrefix, prefixed{prefix, f})
			case f.certainty == Likely:
				rivals = append(rivals, prefixed{prefix, f})
			}
		}
	}
	slices.SortStableFunc(byPrefix, func(a, b prefixed) int { return len(b.prefix) - len(a.prefix) })
}

// Formats lists every format: those that are built in by name, and behind them those of [Register].
func Formats() []*Format { return slices.Concat(formats, added().list) }

// DigestPrefix before a digest expression makes a format's name of it: "digest:sha1(salt . sha1(pass))".
const DigestPrefix = "digest:"

// Lookup finds a format by its name or an alias, or makes one of [DigestPrefix] and an expression; case does not count.
func Lookup(name string) (*Format, error) {
	if f := byName[name]; f != nil {
		return f, nil
	}
	if f := byName[strings.ToLower(name)]; f != nil {
		return f, nil
	}
	if f := added().byName[name]; f != nil {
		return f, nil
	}
	if expression, ok := strings.CutPrefix(name, DigestPrefix); ok {
		return NewDigestFormat(name, expression)
	}
	return nil, &Error{Code: CodeNoFormat, Message: "no hash format is called " + quote(name) + nearest(name)}
}
