package password

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usher-id/usher/value"
)

// WrapFormat is the name of a legacy hash under argon2id: argon2id(digest of the legacy scheme), so that the digest itself, which is quick to guess,
// is no longer stored. Encoded is the PHC string over the digest; the context names the legacy format (inner) and has the legacy string with its
// digest blanked out (shell), and what the legacy format itself needs.
const WrapFormat = "wrap"

const (
	keyInner = "inner"
	keyShell = "shell"
)

// twofold are the formats whose strings hold more than one value made of the password.
var twofold = []string{"dovecot-cram-md5", "mssql2000", "postgres-scram-sha-256"}

// slowIterations is from where on PBKDF2 and crypt(3) rounds are slow enough to be left as they are.
const slowIterations = 100_000

// Weak says whether the passwords behind a hash are quick to guess for who has it: a digest, a short chain of them, PBKDF2 or crypt(3) of fewer
// than 100 000 rounds. bcrypt, argon2, scrypt and yescrypt are not. A hash that cannot be read, or that a plugin reads, is not weak either, as far as can be told.
func Weak(hash Hash) bool {
	p, f, err := openHash(hash)
	return err == nil && f.hasher == nil && p.weak()
}

func (p *parsed) weak() bool {
	switch p.kind {
	case kindBcrypt, kindArgon2, kindScrypt:
		return false
	case kindPBKDF2, kindRounds:
		return p.Iterations < slowIterations
	}
	return true
}

func openHash(hash Hash) (*parsed, *Format, error) {
	f, err := Lookup(hash.Format)
	if err != nil {
		return nil, nil, err
	}
	p, e := defaultVerifier.open(f, hash.Encoded.Reveal(), hash.Context)
	if e != nil {
		return nil, nil, e
	}
	return p, f, nil
}

// CanWrap says why a hash cannot be wrapped, nil if it can. Nothing is derived.
func CanWrap(hash Hash) error {
	_, _, err := wrapParts(hash)
	return err
}

// Wrap puts argon2id with its default costs and a new salt over the digest of a legacy hash. It takes as long as creating a hash.
func Wrap(ctx context.Context, hash Hash) (Hash, error) { return wrap(ctx, hash, Params{}) }

func wrap(ctx context.Context, hash Hash, costs Params) (Hash, error) {
	inner, shell, err := wrapParts(hash)
	if err != nil {
		return Hash{}, err
	}
	h, err := findHasher(DefaultHasher)
	if err != nil {
		return Hash{}, err
	}
	p := &parsed{Params: h.resolve(costs), salt: make([]byte, h.salt)}
	if _, err := rand.Read(p.salt); err != nil {
		return Hash{}, fmt.Errorf("password: no random salt: %w", err)
	}
	if err := h.make(p); err != nil {
		return Hash{}, err
	}
	var e *Error
	if p.want, e = defaultVerifier.derive(ctx, p, inner.want); e != nil {
		return Hash{}, e
	}
	values := maps.Clone(hash.Context)
	if values == nil {
		values = Context{}
	}
	values[keyInner], values[keyShell] = hash.Format, value.Secret(shell)
	return Hash{Format: WrapFormat, Encoded: value.Secret(h.spell(p)), Params: p.Params, Context: values}, nil
}

// Wraps reports whether wrapped is what Wrap made of legacy. It takes as long as a verification, if there is anything to compute.
func Wraps(ctx context.Context, wrapped, legacy Hash) bool {
	if wrapped.Format != WrapFormat {
		return false
	}
	inner, shell, err := wrapParts(legacy)
	if err != nil {
		return false
	}
	format, _ := wrapped.Context.text(keyInner, "")
	kept, _ := wrapped.Context.text(keyShell, "")
	if format != legacy.Format || kept != shell || !sameContext(wrapped.Context, legacy.Context) {
		return false
	}
	p, e := defaultVerifier.open(&Format{Name: WrapFormat, parse: func(in *input) (*parsed, *Error) { return parsePHCArgon2(in.encoded) }}, wrapped.Encoded.Reveal(), nil)
	if e != nil {
		return false
	}
	got, e := defaultVerifier.derive(ctx, p, inner.want)
	return e == nil && bytes.Equal(got, p.want)
}

// SameDigest reports whether two hashes that can be wrapped are the same one, however their digests are spelled.
func SameDigest(a, b Hash) bool {
	x, shell, err := wrapParts(a)
	if err != nil {
		return false
	}
	y, other, err := wrapParts(b)
	return err == nil && a.Format == b.Format && shell == other && sameContext(a.Context, b.Context) && bytes.Equal(x.want, y.want)
}

// sameContext reports whether two contexts say the same about a hash, apart from what a wrap adds.
func sameContext(a, b Context) bool {
	var texts [2]string
	for i, c := range []Context{a, b} {
		c = maps.Clone(c)
		delete(c, keyInner)
		delete(c, keyShell)
		text, err := c.clear()
		if err != nil {
			return false
		}
		texts[i] = string(text)
	}
	return texts[0] == texts[1]
}

// wrapParts gives what is under the wrap, and the legacy string without its digest.
func wrapParts(hash Hash) (inner *parsed, shell string, err error) {
	inner, f, err := openHash(hash)
	switch {
	case err != nil:
		return nil, "", err
	case f.Name == WrapFormat:
		return nil, "", &Error{Code: CodeCannot, Format: f.Name, Message: "it is wrapped already"}
	case f.hasher != nil:
		return nil, "", &Error{Code: CodeCannot, Format: f.Name, Message: "only the plugin knows its digest"}
	case slices.Contains(twofold, f.Name):
		return nil, "", &Error{Code: CodeCannot, Format: f.Name, Message: "the string holds a second value made of the password, which would stay readable"}
	case !inner.weak():
		return nil, "", &Error{Code: CodeCannot, Format: f.Name, Message: "it is slow to guess as it is"}
	}
	encoded := hash.Encoded.Reveal()
	for _, shell := range shells(encoded, inner) {
		p, e := defaultVerifier.open(f, shell, hash.Context)
		// What is left must be read as the same computation with another result.
		if e == nil && p.without() == inner.without() && bytes.Equal(p.salt, inner.salt) && !bytes.Equal(p.want, inner.want) && sameValues(p, inner) {
			return inner, shell, nil
		}
	}
	return nil, "", &Error{Code: CodeCannot, Format: f.Name, Message: "the digest cannot be taken out of the string"}
}

// without gives the parameters but for the length of the digest, which blanking out a plain text changes.
func (p Params) without() Params {
	p.KeyBytes = 0
	return p
}

func sameValues(a, b *parsed) bool {
	for _, pair := range [][2]*environment{{a.env, b.env}, {a.preEnv, b.preEnv}} {
		if (pair[0] == nil) != (pair[1] == nil) || pair[0] != nil && !maps.EqualFunc(pair[0].values, pair[1].values, bytes.Equal) {
			return false
		}
	}
	return true
}

// shells gives the string with the digest blanked out, in the ways that it may be written.
func shells(encoded string, p *parsed) (out []string) {
	want := p.want
	if strings.Count(encoded, string(want)) == 1 { // text, or of the crypt alphabet
		for _, blank := range []string{".", strings.Repeat(".", len(want))} {
			out = append(out, strings.Replace(encoded, string(want), blank, 1))
		}
	}
	digits := func(c byte) bool { return isHex(string(c)) }
	letters := func(c byte) bool {
		return isWord(c) && c != '_' || strings.IndexByte("+/.-_=", c) >= 0
	}
	for _, w := range []struct {
		in     func(byte) bool
		decode func(string) ([]byte, error)
		encode func([]byte) string
	}{
		{digits, hex.DecodeString, hex.EncodeToString},
		{letters, base64.StdEncoding.DecodeString, base64.StdEncoding.EncodeToString},
		{letters, base64.RawStdEncoding.DecodeString, base64.RawStdEncoding.EncodeToString},
		{letters, base64.URLEncoding.DecodeString, base64.URLEncoding.EncodeToString},
		{letters, base64.RawURLEncoding.DecodeString, base64.RawURLEncoding.EncodeToString},
		{letters, dotted64.DecodeString, dotted64.EncodeToString},
		{letters, cisco64.DecodeString, cisco64.EncodeToString},
	} {
		for start := 0; start < len(encoded); start++ {
			if !w.in(encoded[start]) || start > 0 && w.in(encoded[start-1]) {
				continue
			}
			end := start
			for end < len(encoded) && w.in(encoded[end]) {
				end++
			}
			// A run may begin with letters of the prefix: ":A:", "0x", "md5".
			for from := start; from < end && from < start+16; from++ {
				blob, err := w.decode(encoded[from:end])
				if err != nil || bytes.Count(blob, want) != 1 {
					continue
				}
				blob = bytes.Replace(blob, want, make([]byte, len(want)), 1)
				out = append(out, encoded[:from]+w.encode(blob)+encoded[end:])
			}
		}
	}
	return out
}

// dotted64 is passlib's ab64.
var dotted64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding)

// parseWrap takes what Wrap has made.
func parseWrap(in *input) (*parsed, *Error) {
	format, err := in.ctx.text(keyInner, "")
	if err != nil {
		return nil, err
	}
	if format == "" {
		return nil, malformed("the context names no format of the hash that is wrapped")
	}
	shell, err := in.ctx.text(keyShell, "")
	if err != nil {
		return nil, err
	}
	f, bad := Lookup(format)
	if bad != nil {
		return nil, asError(bad)
	}
	if f.Name == WrapFormat || f.hasher != nil {
		return nil, malformed("a hash of this format is not wrapped")
	}
	inner, err := f.parsed(&input{encoded: shell, ctx: in.ctx, limits: in.limits})
	if err != nil {
		return nil, err
	}
	if inner.kind == kindArgon2 || inner.kind == kindScrypt || inner.kind == kindBcrypt {
		return nil, malformed("a hash of this format is not wrapped")
	}
	p, err := parsePHCArgon2(in.encoded)
	if err != nil {
		return nil, err
	}
	p.Prehash = f.Name
	limits := in.limits
	p.run = func(p *parsed, password []byte) ([]byte, error) {
		if e := (&Verifier{limits: *limits}).admit(f, inner, password); e != nil {
			return nil, e
		}
		digest, e := run(inner, password)
		if e != nil {
			return nil, e
		}
		return runArgon2(p, digest)
	}
	return p, nil
}

var wrapFormats = []Format{{
	Name: WrapFormat, Family: "digest", Layout: "$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<digest>",
	Scheme:  "argon2id of the digest that a legacy format gives, made by an import with `weak_hashes: wrap`",
	Context: []string{keyInner, keyShell}, why: "made by usher only", nul: true,
	parse: parseWrap,
}}
