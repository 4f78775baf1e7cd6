package password

import (
	"strconv"
	"strings"

	"golang.org/x/crypto/scrypt"
)

func newScrypt(n, r, p int, salt, want []byte) *parsed {
	out := &parsed{kind: kindScrypt, run: runScrypt, salt: salt, want: want}
	out.Params = Params{Algorithm: "scrypt", N: n, BlockSize: r, Parallelism: p, SaltBytes: len(salt), KeyBytes: len(want)}
	return out
}

func runScrypt(p *parsed, password []byte) ([]byte, error) {
	return scrypt.Key(password, p.salt, p.N, p.BlockSize, p.Parallelism, p.KeyBytes)
}

// scryptParameters reads "ln=14,r=8,p=1" and the like.
func scryptParameters(s string) (ln, r, p int, err *Error) {
	for one := range strings.SplitSeq(s, ",") {
		key, number, _ := strings.Cut(one, "=")
		n, err := parseInt("parameter "+shown(key), number)
		if err != nil {
			return 0, 0, 0, err
		}
		switch key {
		case "ln":
			ln = n
		case "r":
			r = n
		case "p":
			p = n
		default:
			return 0, 0, 0, malformed("parameter %s is not one of ln, r and p", shown(key))
		}
	}
	return ln, r, p, nil
}

// powerOfTwo gives 2^ln, refusing what no limit could allow before the shift overflows.
func powerOfTwo(ln int) (int, *Error) {
	if ln < 1 || ln > 63 {
		return 0, malformed("log2 of N is %d; 1 to 63 are possible", ln)
	}
	if ln > 30 {
		return 0, overLimit("log2 of N is %d; it needs more memory than the limit", ln)
	}
	return 1 << ln, nil
}

var phcScryptLayout = mustLayout("$scrypt$<parameters>$<salt:b64raw>$<hash:b64raw>")

func parsePHCScrypt(in *input) (*parsed, *Error) {
	f, err := phcScryptLayout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	ln, r, p, err := scryptParameters(f.text("parameters"))
	if err != nil {
		return nil, err
	}
	if ln > 63 {
		return nil, foreign("ln=%d is no logarithm; Kratos writes N itself there (format kratos-scrypt)", ln)
	}
	n, err := powerOfTwo(ln)
	if err != nil {
		return nil, err
	}
	salt, want, err := f.pair()
	if err != nil {
		return nil, err
	}
	return newScrypt(n, r, p, salt, want), nil
}

// layoutScrypt reads a layout with the fields n, r, p, salt and hash.
func layoutScrypt(name, family, source string, certainty Confidence) Format {
	l := mustLayout(source)
	return Format{
		Name: name, Family: family, Layout: source, Scheme: "scrypt", prefix: l.prefix(), certainty: certainty, nul: true,
		parse: func(in *input) (*parsed, *Error) {
			f, err := l.match(in.encoded)
			if err != nil {
				return nil, err
			}
			return scryptFields(&f)
		},
	}
}

func scryptFields(f *fields) (*parsed, *Error) {
	var numbers [3]int
	for i, name := range []string{"n", "r", "p"} {
		n, err := f.int(name)
		if err != nil {
			return nil, err
		}
		numbers[i] = n
	}
	salt, want, err := f.pair()
	if err != nil {
		return nil, err
	}
	return newScrypt(numbers[0], numbers[1], numbers[2], salt, want), nil
}

var kratosScryptLayout = mustLayout("$scrypt$ln=<n:int>,r=<r:int>,p=<p:int>$<salt:b64>$<hash:b64>")

// parseKratosScrypt takes Ory Kratos's spelling, in which ln holds N itself.
func parseKratosScrypt(in *input) (*parsed, *Error) {
	f, err := kratosScryptLayout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	if n, err := f.int("n"); err == nil && n < 64 {
		return nil, foreign("ln=%d is a logarithm; Kratos writes N itself there", n)
	}
	return scryptFields(&f)
}

var (
	springScryptLayout = mustLayout("{scrypt}$<parameters:hex>$<salt:b64>$<hash:b64>")
	cisco9Layout       = mustLayout("$9$<salt>$<hash:cisco64:43>")
)

// parseSpringScrypt takes Spring Security's spelling: one hexadecimal number holds log2 of N, r and p.
func parseSpringScrypt(in *input) (*parsed, *Error) {
	f, err := springScryptLayout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	number, bad := strconv.ParseUint(f.text("parameters"), 16, 32)
	if bad != nil {
		return nil, malformed("the parameters are not a hexadecimal number")
	}
	n, err := powerOfTwo(int(number >> 16))
	if err != nil {
		return nil, err
	}
	salt, want, err := f.pair()
	if err != nil {
		return nil, err
	}
	return newScrypt(n, int(number>>8&0xff), int(number&0xff), salt, want), nil
}

func parseCisco9(in *input) (*parsed, *Error) {
	f, err := cisco9Layout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	salt, want, err := f.pair()
	if err != nil {
		return nil, err
	}
	return newScrypt(16384, 1, 1, salt, want), nil
}

// parseRawScrypt takes a bare hexadecimal digest whose parameters are all in the context.
func parseRawScrypt(in *input) (*parsed, *Error) {
	want, err := decodeAs("hex", in.encoded, "digest")
	if err != nil {
		return nil, err
	}
	var numbers [3]int
	for i, key := range []string{"N", "r", "p"} {
		if numbers[i], err = in.ctx.int(key, -1); err != nil {
			return nil, err
		}
	}
	salt, err := in.ctx.need("salt")
	if err != nil {
		return nil, err
	}
	return newScrypt(numbers[0], numbers[1], numbers[2], salt, want), sameLength(in.ctx, len(want))
}

// parseScrypt7 takes $7$<log2 N:1><r:5><p:5><salt>$<digest:43>; the salt is hashed as text.
func parseScrypt7(s string) (*parsed, *Error) {
	if len(s) < 11 || !inAlphabet(s[:11], h64Values) {
		return nil, malformed("no eleven characters of parameters after $7$: the hash was cut off")
	}
	ln := h64Uint(s[:1])
	r := h64Uint(s[1:6])
	lanes := h64Uint(s[6:11])
	n, err := powerOfTwo(ln)
	if err != nil {
		return nil, err
	}
	salt, digest, found := strings.Cut(s[11:], "$")
	if !found || len(digest) != 43 {
		return nil, wrongLength("digest", len(digest), 43)
	}
	want, ok := h64Decode(digest, 32)
	if !ok {
		return nil, malformed("the digest is not of the crypt alphabet")
	}
	return newScrypt(n, r, lanes, []byte(salt), want), nil
}

var scryptFormats = []Format{
	{
		Name: "phc-scrypt", Aliases: []string{"scrypt"}, Family: "phc", Layout: phcScryptLayout.source, Scheme: "scrypt (RFC 7914); ln is log2 of N",
		prefix: "$scrypt$", certainty: Certain, nul: true, parse: parsePHCScrypt,
	},
	{
		Name: "kratos-scrypt", Family: "provider", Layout: kratosScryptLayout.source, Scheme: "scrypt; ln is N itself",
		prefix: "$scrypt$ln=", certainty: Certain, nul: true, parse: parseKratosScrypt,
	},
	layoutScrypt("django-scrypt", "framework", "scrypt$<n:int>$<salt>$<r:int>$<p:int>$<hash:b64>", Certain),
	layoutScrypt("werkzeug-scrypt", "framework", "scrypt:<n:int>:<r:int>:<p:int>$<salt>$<hash:hex>", Certain),
	layoutScrypt("hashcat-scrypt", "digest", "SCRYPT:<n:int>:<r:int>:<p:int>:<salt:b64>:<hash:b64>", Certain),
	{
		Name: "spring-scrypt", Family: "framework", Layout: springScryptLayout.source, Scheme: "scrypt; parameters are log2 N << 16 | r << 8 | p",
		prefix: "{scrypt}$", certainty: Certain, nul: true, parse: parseSpringScrypt,
	},
	{
		Name: "cisco9", Family: "enterprise", Layout: cisco9Layout.source, Scheme: "scrypt, N=16384, r=1, p=1",
		prefix: "$9$", certainty: Certain, nul: true, parse: parseCisco9,
	},
	{
		Name: "raw-scrypt", Family: "digest", Layout: bareHex, Scheme: "scrypt", why: whyShape, nul: true,
		Context: []string{"salt", "N", "r", "p", "keylen?"}, parse: parseRawScrypt,
	},
	cryptFormat("scrypt-7", "$7$<log2 N:1><r:5><p:5><salt>$<digest:43>", "scrypt of libxcrypt", "$7$", parseScrypt7),
}
