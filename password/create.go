package password

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/openwall/yescrypt-go"
)

// DefaultHasher is what new passwords are hashed with.
const DefaultHasher = "argon2id"

// hasher makes new hashes of one kind.
type hasher struct {
	name     string
	defaults Params
	salt     int // bytes
	make     func(p *parsed) error
	spell    func(p *parsed) string
	nul      bool
	max      int // longest password in bytes; 0: the verifier's limit
	costs    func(p *Params) []*int
	names    []string // of the costs
	format   *Format  // of a hasher that is not built in
}

// hashers offers what is fit for new passwords. The defaults take 40 to 300 ms of one core (OWASP's advice of 2025).
var hashers = []hasher{
	{
		name: "argon2id", salt: 16, nul: true, spell: spellArgon2, make: makeArgon2,
		defaults: Params{Algorithm: "argon2id", Version: 19, Memory: 19456, Time: 2, Parallelism: 1, KeyBytes: 32},
		costs:    func(p *Params) []*int { return []*int{&p.Memory, &p.Time, &p.Parallelism, &p.KeyBytes} },
		names:    []string{"memory", "number of passes", "parallelism", "digest length"},
	},
	{
		name: "argon2i", salt: 16, nul: true, spell: spellArgon2, make: makeArgon2,
		defaults: Params{Algorithm: "argon2i", Version: 19, Memory: 19456, Time: 3, Parallelism: 1, KeyBytes: 32},
		costs:    func(p *Params) []*int { return []*int{&p.Memory, &p.Time, &p.Parallelism, &p.KeyBytes} },
		names:    []string{"memory", "number of passes", "parallelism", "digest length"},
	},
	{
		name: "bcrypt", salt: 16, max: 72, spell: spellBcrypt,
		make:     func(p *parsed) error { p.kind, p.run = kindBcrypt, runBcrypt; return nil },
		defaults: Params{Algorithm: "bcrypt", Variant: "2b", Cost: 12, KeyBytes: 23},
		costs:    func(p *Params) []*int { return []*int{&p.Cost} },
		names:    []string{"cost"},
	},
	{
		name: "scrypt", salt: 16, nul: true, spell: spellScrypt,
		make:     func(p *parsed) error { p.kind, p.run = kindScrypt, runScrypt; return nil },
		defaults: Params{Algorithm: "scrypt", N: 1 << 16, BlockSize: 8, Parallelism: 2, KeyBytes: 32},
		costs:    func(p *Params) []*int { return []*int{&p.N, &p.BlockSize, &p.Parallelism, &p.KeyBytes} },
		names:    []string{"N", "r", "p", "digest length"},
	},
	pbkdf2Hasher("pbkdf2-sha256", "sha256", 600_000),
	pbkdf2Hasher("pbkdf2-sha512", "sha512", 210_000),
	shaCryptHasher("sha256crypt", 256),
	shaCryptHasher("sha512crypt", 512),
	{
		name: "yescrypt", salt: 16, spell: func(p *parsed) string { return string(p.want) },
		make: func(p *parsed) error {
			p.kind = kindScrypt
			p.run = func(p *parsed, password []byte) ([]byte, error) {
				return yescrypt.Hash(password, []byte("$y$j9T$"+h64Encode(p.salt)))
			}
			return nil
		},
		// The parameters are those that j9T stands for.
		defaults: Params{Algorithm: "yescrypt", N: 4096, BlockSize: 32, Parallelism: 1, KeyBytes: 32},
		costs:    func(*Params) []*int { return nil },
	},
}

func makeArgon2(p *parsed) error {
	p.kind, p.run = kindArgon2, runArgon2
	return nil
}

func pbkdf2Hasher(name, digest string, iterations int) hasher {
	return hasher{
		name: name, salt: 16, nul: true, spell: spellPBKDF2,
		make:     func(p *parsed) error { p.kind, p.run = kindPBKDF2, runPBKDF2; return nil },
		defaults: Params{Algorithm: "pbkdf2", Digest: digest, Iterations: iterations, KeyBytes: digestSizes[digest]},
		costs:    func(p *Params) []*int { return []*int{&p.Iterations, &p.KeyBytes} },
		names:    []string{"iteration count", "digest length"},
	}
}

func shaCryptHasher(name string, bits int) hasher {
	id := map[int]string{256: "$5$", 512: "$6$"}[bits]
	return hasher{
		name: name, salt: 12,
		make: func(p *parsed) error {
			if p.Iterations < 1000 {
				return &Error{Code: CodeBadParams, Format: name, Message: "fewer than the 1000 rounds that the scheme allows"}
			}
			salt := h64Encode(p.salt)
			shape := strings.Repeat(".", map[int]int{256: 43, 512: 86}[bits])
			inner, err := parseSHACrypt("rounds="+strconv.Itoa(p.Iterations)+"$"+salt+"$"+shape, bits)
			if err != nil {
				return err
			}
			p.kind, p.run, p.salt = inner.kind, inner.run, inner.salt
			return nil
		},
		spell: func(p *parsed) string {
			return id + "rounds=" + strconv.Itoa(p.Iterations) + "$" + string(p.salt) + "$" + string(p.want)
		},
		defaults: Params{Algorithm: name, Iterations: 500_000, KeyBytes: bits / 8},
		costs:    func(p *Params) []*int { return []*int{&p.Iterations} },
		names:    []string{"count of rounds"},
	}
}

// Hashers lists the names that [Create] takes.
func Hashers() []string {
	out := make([]string, len(hashers))
	for i := range hashers {
		out[i] = hashers[i].name
	}
	for _, f := range added().list {
		if _, ok := f.hasher.(Maker); ok {
			out = append(out, f.Name)
		}
	}
	return out
}

// findHasher takes the name of a hasher; the empty name is the default's.
func findHasher(name string) (*hasher, error) {
	if name == "" {
		name = DefaultHasher
	}
	if i := slices.IndexFunc(hashers, func(h hasher) bool { return h.name == name }); i >= 0 {
		return &hashers[i], nil
	}
	if f := added().byName[name]; f != nil {
		if _, ok := f.hasher.(Maker); ok {
			return &hasher{name: name, format: f, defaults: Params{Algorithm: name}, costs: func(*Params) []*int { return nil }}, nil
		}
	}
	return nil, &Error{Code: CodeNoFormat, Message: "no hasher for new passwords is called " + quote(name) + "; there are " + strings.Join(Hashers(), ", ")}
}

// resolve fills the costs that params leaves at zero with the defaults.
func (h *hasher) resolve(params Params) Params {
	out := h.defaults
	given, to := h.costs(&params), h.costs(&out)
	for i, n := range given {
		if *n != 0 {
			*to[i] = *n
		}
	}
	return out
}

// Create hashes password with the default limits. See [Verifier.Create].
func Create(ctx context.Context, hasher string, password []byte, params Params) (string, error) {
	return defaultVerifier.Create(ctx, hasher, password, params)
}

// Create makes a new hash, in PHC or modular crypt form, with a random salt. That of a hasher which is not built in comes as [Hash.Stored] gives it. The empty hasher is [DefaultHasher]; costs that are zero in params
// are the hasher's defaults, and the other fields of params are not read. bcrypt refuses more than 72 bytes, which it would not read.
func (v *Verifier) Create(ctx context.Context, hasher string, password []byte, params Params) (string, error) {
	h, err := findHasher(hasher)
	if err != nil {
		return "", err
	}
	if h.format != nil {
		return v.makeHash(ctx, h.format, password)
	}
	fail := func(e *Error) (string, error) {
		e.Format = h.name
		return "", e
	}
	if h.max > 0 && len(password) > h.max {
		return fail(newError(CodeBadPassword, "the password has %d bytes and only %d would count: choose argon2id", []any{len(password), h.max}))
	}
	p := &parsed{Params: h.resolve(params), salt: make([]byte, h.salt)}
	p.SaltBytes = h.salt
	if _, err := rand.Read(p.salt); err != nil {
		return "", fmt.Errorf("password: no random salt: %w", err)
	}
	if err := h.make(p); err != nil {
		return "", err
	}
	if p.KeyBytes < minDerivedBytes || p.KeyBytes > maxDigestBytes {
		return fail(newError(CodeBadParams, "a digest of %d bytes; %d to %d are possible", []any{p.KeyBytes, minDerivedBytes, maxDigestBytes}))
	}
	if e := p.within(&v.limits); e != nil {
		e.Code = CodeBadParams
		return fail(e)
	}
	if e := v.admit(&Format{nul: h.nul}, p, password); e != nil {
		e.Code = CodeBadPassword
		return fail(e)
	}
	out, e := v.derive(ctx, p, password)
	if e != nil {
		return fail(e)
	}
	p.want = out
	return h.spell(p), nil
}

// NeedsRehash says whether a hash is weaker than what [Create] would make now with hasher and params, and why. Call it after a
// password has matched: only then is the password at hand. Nothing is derived.
func NeedsRehash(hash Hash, hasher string, params Params) (bool, string, error) {
	h, err := findHasher(hasher)
	if err != nil {
		return false, "", err
	}
	if h.format != nil && hash.Format == h.name {
		if r, ok := h.format.hasher.(Rehasher); ok {
			weaker, reason := r.NeedsRehash(hash.Encoded.Reveal())
			return weaker, reason, nil
		}
		return false, "", nil
	}
	current := hash.Params
	if current.Algorithm == "" {
		parsed, err := Parse(hash.Format, hash.Encoded.Reveal(), hash.Context)
		if err != nil {
			return true, "it cannot be read", nil //nolint:nilerr // that is the answer, not a failure
		}
		current = parsed.Params
	}
	want := h.resolve(params)
	if current.Prehash != "" || current.Algorithm != want.Algorithm || current.Digest != want.Digest {
		return true, "it is not of " + h.name, nil
	}
	if current.Version != want.Version || current.Variant == "2x" {
		return true, "it is of an old version", nil
	}
	have, need := h.costs(&current), h.costs(&want)
	for i := range have {
		if *have[i] < *need[i] {
			return true, fmt.Sprintf("its %s is %d, and %d is wanted", h.names[i], *have[i], *need[i]), nil
		}
	}
	return false, "", nil
}

// Renew gives what to store in place of hash for a password that has matched it: hashed with hasher and params, as [Create] does. What the source did to passwords
// before it hashed them, but for their charset, is done to it and kept with the new hash, so that people may go on to type it as they do.
func Renew(ctx context.Context, hash Hash, hasher string, password []byte, params Params) (string, error) {
	kept := Context{}
	for _, key := range []string{"trim", "normalization"} {
		if v, ok := hash.Context[key]; ok {
			kept[key] = v
		}
	}
	password, bad := prepare(password, kept)
	if bad != nil {
		return "", bad
	}
	encoded, err := Create(ctx, hasher, password, params)
	if err != nil || len(kept) == 0 {
		return encoded, err
	}
	h, err := ParseStored(encoded)
	if err != nil {
		return "", err
	}
	maps.Copy(kept, h.Context)
	h.Context = kept
	return h.Stored()
}

// The spellings that other systems read.

func spellArgon2(p *parsed) string {
	version := "v=" + strconv.Itoa(p.Version) + "$"
	if p.Version == 16 {
		version = ""
	}
	return fmt.Sprintf("$%s$%sm=%d,t=%d,p=%d$%s$%s", p.Algorithm, version, p.Memory, p.Time, p.Parallelism,
		base64.RawStdEncoding.EncodeToString(p.salt), base64.RawStdEncoding.EncodeToString(p.want))
}

func spellBcrypt(p *parsed) string {
	return fmt.Sprintf("$%s$%02d$%s%s", p.Variant, p.Cost, bcrypt64.EncodeToString(p.salt), bcrypt64.EncodeToString(p.want))
}

func spellScrypt(p *parsed) string {
	ln := 0
	for p.N>>ln > 1 {
		ln++
	}
	return fmt.Sprintf("$scrypt$ln=%d,r=%d,p=%d$%s$%s", ln, p.BlockSize, p.Parallelism,
		base64.RawStdEncoding.EncodeToString(p.salt), base64.RawStdEncoding.EncodeToString(p.want))
}

func spellPBKDF2(p *parsed) string {
	return fmt.Sprintf("$pbkdf2-%s$i=%d,l=%d$%s$%s", p.Digest, p.Iterations, len(p.want),
		base64.RawStdEncoding.EncodeToString(p.salt), base64.RawStdEncoding.EncodeToString(p.want))
}
