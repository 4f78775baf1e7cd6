package password

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"
)

// permuted spells a digest in h64 after the algorithm's own byte order: groups of three, the first of a group the most significant.
// A missing byte of the last group is -1.
func permuted(digest []byte, order []int8, chars int) []byte {
	out := make([]byte, 0, chars)
	for i := 0; i < len(order); i += 3 {
		var w uint32
		for _, j := range order[i : i+3] {
			w <<= 8
			if j >= 0 {
				w |= uint32(digest[j])
			}
		}
		for range 4 {
			if len(out) < chars {
				out = append(out, h64Alphabet[w&63])
				w >>= 6
			}
		}
	}
	return out
}

var (
	md5Order    = []int8{0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 5, -1, -1, 11}
	sha256Order = []int8{
		0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14, 15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28, 8, 9, 19, 29, -1, 31, 30,
	}
	sha512Order = []int8{
		0, 21, 42, 22, 43, 1, 44, 2, 23, 3, 24, 45, 25, 46, 4, 47, 5, 26, 6, 27, 48, 28, 49, 7, 50, 8, 29, 9, 30, 51, 31, 52, 10,
		53, 11, 32, 12, 33, 54, 34, 55, 13, 56, 14, 35, 15, 36, 57, 37, 58, 16, 59, 17, 38, 18, 39, 60, 40, 61, 19, 62, 20, 41, -1, -1, 63,
	}
)

// md5Crypt is Poul-Henning Kamp's scheme of FreeBSD 2.0; magic is "$1$", Apache's "$apr1$" or, on AIX, nothing.
func md5Crypt(password []byte, salt, magic string) []byte {
	alt := md5.New()
	alt.Write(password)
	alt.Write([]byte(salt))
	alt.Write(password)
	mixin := alt.Sum(nil)

	h := md5.New()
	h.Write(password)
	h.Write([]byte(magic))
	h.Write([]byte(salt))
	writeRepeated(h, mixin, len(password))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			h.Write([]byte{0})
		} else {
			h.Write(password[:1])
		}
	}
	sum := h.Sum(nil)
	for i := range 1000 {
		h.Reset()
		if i&1 != 0 {
			h.Write(password)
		} else {
			h.Write(sum)
		}
		if i%3 != 0 {
			h.Write([]byte(salt))
		}
		if i%7 != 0 {
			h.Write(password)
		}
		if i&1 != 0 {
			h.Write(sum)
		} else {
			h.Write(password)
		}
		sum = h.Sum(sum[:0])
	}
	return permuted(sum, md5Order, 22)
}

// shaCrypt is Ulrich Drepper's SHA-crypt, with SHA-256 or SHA-512.
func shaCrypt(newHash func() hash.Hash, password, salt []byte, rounds int) []byte {
	h := newHash()
	h.Write(password)
	h.Write(salt)
	h.Write(password)
	alt := h.Sum(nil)

	h.Reset()
	h.Write(password)
	h.Write(salt)
	writeRepeated(h, alt, len(password))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			h.Write(alt)
		} else {
			h.Write(password)
		}
	}
	sum := h.Sum(nil)

	h.Reset()
	for range password {
		h.Write(password)
	}
	p := repeatTo(h.Sum(nil), len(password))
	h.Reset()
	for range 16 + int(sum[0]) {
		h.Write(salt)
	}
	s := repeatTo(h.Sum(nil), len(salt))

	for i := range rounds {
		h.Reset()
		if i&1 != 0 {
			h.Write(p)
		} else {
			h.Write(sum)
		}
		if i%3 != 0 {
			h.Write(s)
		}
		if i%7 != 0 {
			h.Write(p)
		}
		if i&1 != 0 {
			h.Write(sum)
		} else {
			h.Write(p)
		}
		sum = h.Sum(sum[:0])
	}
	return sum
}

func writeRepeated(h hash.Hash, block []byte, n int) {
	for ; n > len(block); n -= len(block) {
		h.Write(block)
	}
	h.Write(block[:n])
}

func repeatTo(block []byte, n int) []byte {
	out := make([]byte, 0, n)
	for len(out) < n {
		out = append(out, block[:min(len(block), n-len(out))]...)
	}
	return out
}

// parseMD5Crypt takes what follows the magic string: salt of up to 8 characters, "$", 22 characters.
func parseMD5Crypt(s, magic string) (*parsed, *Error) {
	salt, digest, found := strings.Cut(s, "$")
	switch {
	case !found:
		return nil, malformed("no digest after the salt: the hash was cut off")
	case len(salt) > 8:
		return nil, malformed("a salt of %d characters; at most 8 are possible", len(salt))
	case len(digest) != 22:
		return nil, wrongLength("digest", len(digest), 22)
	case !inAlphabet(digest, h64Values):
		return nil, malformed("the digest is not of the crypt alphabet")
	}
	p := &parsed{kind: kindRounds, salt: []byte(salt), want: []byte(digest)}
	p.Params = Params{Algorithm: map[string]string{"$1$": "md5crypt", "$apr1$": "apr1", "": "aix-smd5"}[magic], Iterations: 1000, SaltBytes: len(salt), KeyBytes: 16}
	p.run = func(_ *parsed, password []byte) ([]byte, error) { return md5Crypt(password, salt, magic), nil }
	return p, nil
}

// parseSHACrypt takes what follows $5$ or $6$.
func parseSHACrypt(s string, bits int) (*parsed, *Error) {
	p := &parsed{kind: kindRounds}
	p.Params = Params{Algorithm: "sha256crypt", Iterations: 5000, KeyBytes: 32}
	newHash, order, chars := sha256.New, sha256Order, 43
	if bits == 512 {
		p.Algorithm, p.KeyBytes = "sha512crypt", 64
		newHash, order, chars = sha512.New, sha512Order, 86
	}
	rounds := 5000
	if rest, ok := strings.CutPrefix(s, "rounds="); ok {
		number, after, found := strings.Cut(rest, "$")
		if !found {
			return nil, malformed("no salt after the rounds: the hash was cut off")
		}
		n, err := parseInt("count of rounds", number)
		if err != nil {
			return nil, err
		}
		// The specification has counts outside of this range taken as its ends.
		rounds, s = min(max(n, 1000), 999_999_999), after
	}
	salt, digest, found := strings.Cut(s, "$")
	switch {
	case !found:
		return nil, malformed("no digest after the salt: the hash was cut off")
	case len(salt) > 16:
		return nil, malformed("a salt of %d characters; at most 16 are possible", len(salt))
	case len(digest) != chars:
		return nil, wrongLength("digest", len(digest), chars)
	case !inAlphabet(digest, h64Values):
		return nil, malformed("the digest is not of the crypt alphabet")
	}
	p.Iterations, p.SaltBytes = rounds, len(salt)
	p.salt, p.want = []byte(salt), []byte(digest)
	p.run = func(p *parsed, password []byte) ([]byte, error) {
		return permuted(shaCrypt(newHash, password, p.salt, p.Iterations), order, chars), nil
	}
	return p, nil
}

func wrongLength(what string, got, want int) *Error {
	if got < want {
		return malformed("the %s has %d characters, %d expected: the hash was cut off", what, got, want)
	}
	return malformed("the %s has %d characters, %d expected: something is left over at the end", what, got, want)
}

const minPhpassCost = 7

// parsePhpass takes <cost:1><salt:8><digest:22> after $P$ or $H$, and Drupal 7's longer digest after $S$.
func parsePhpass(s, prefix, digest string, chars int) (*parsed, *Error) {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return nil, malformed("it does not begin with %s", prefix)
	}
	if len(rest) != 9+chars {
		return nil, wrongLength("hash", len(s), len(prefix)+9+chars)
	}
	if !inAlphabet(rest[9:], h64Values) {
		return nil, malformed("the digest is not of the crypt alphabet")
	}
	cost := h64Values[rest[0]]
	if cost == notInAlphabet || cost < minPhpassCost || cost > 30 {
		return nil, malformed("cost character %s; %d to 30 are possible", quoteChar(rest[0]), minPhpassCost)
	}
	p := &parsed{kind: kindPhpass, salt: []byte(rest[1:9]), want: []byte(rest[9:])}
	p.Params = Params{Algorithm: "phpass", Variant: strings.Trim(prefix, "$"), Digest: digest, Cost: int(cost), Iterations: 1 << cost, SaltBytes: 8, KeyBytes: chars * 6 / 8}
	p.run = runPhpass
	return p, nil
}

// runPhpass is Solar Designer's portable scheme: one digest over salt and password, then 2^cost over the last digest and password.
func runPhpass(p *parsed, password []byte) ([]byte, error) {
	h := hashes[p.Digest]()
	h.Write(p.salt)
	h.Write(password)
	sum := h.Sum(nil)
	for range p.Iterations {
		h.Reset()
		h.Write(sum)
		h.Write(password)
		sum = h.Sum(sum[:0])
	}
	return []byte(h64Encode(sum)[:len(p.want)]), nil
}

func cryptFormat(name, layout, scheme, prefix string, parse func(rest string) (*parsed, *Error), aliases ...string) Format {
	return Format{
		Name: name, Aliases: aliases, Family: "crypt", Layout: layout, Scheme: scheme, prefix: prefix, certainty: Certain,
		parse: func(in *input) (*parsed, *Error) {
			rest, ok := strings.CutPrefix(in.encoded, prefix)
			if !ok {
				return nil, malformed("it does not begin with %s", prefix)
			}
			return parse(rest)
		},
	}
}

var cryptFormats = []Format{
	cryptFormat("md5crypt", "$1$<salt:0-8>$<digest:22>", "1000 rounds of MD5", "$1$", func(s string) (*parsed, *Error) { return parseMD5Crypt(s, "$1$") }),
	cryptFormat("apr1", "$apr1$<salt:0-8>$<digest:22>", "md5crypt of Apache's htpasswd", "$apr1$", func(s string) (*parsed, *Error) { return parseMD5Crypt(s, "$apr1$") }),
	cryptFormat("sha256crypt", "$5$[rounds=<n>$]<salt:0-16>$<digest:43>", "SHA-crypt", "$5$", func(s string) (*parsed, *Error) { return parseSHACrypt(s, 256) }, "sha256-crypt"),
	cryptFormat("sha512crypt", "$6$[rounds=<n>$]<salt:0-16>$<digest:86>", "SHA-crypt", "$6$", func(s string) (*parsed, *Error) { return parseSHACrypt(s, 512) }, "sha512-crypt"),
	{
		Name: "descrypt", Aliases: []string{"des-crypt"}, Family: "crypt", Layout: "<salt:2><digest:11>", Scheme: "25 times DES with a salted expansion; eight characters count",
		certainty: Likely, why: "13 characters of the crypt alphabet", parse: parseDESCrypt,
	},
	cryptFormat("bsdicrypt", "_<count:4><salt:4><digest:11>", "DES of BSDi, of passwords of any length", "_", parseBSDiCrypt, "bsdi-crypt"),
	cryptFormat("sha1crypt", "$sha1$<rounds>$<salt>$<digest:28>", "HMAC-SHA1 chain of NetBSD", "$sha1$", parseSHA1Crypt, "sha1-crypt"),
	{
		Name: "sunmd5", Aliases: []string{"sun-md5"}, Family: "crypt", Layout: "$md5[,rounds=<n>]$<salt>$[$]<digest:22>", Scheme: "MD5 of Solaris, 4096 rounds and more",
		prefix: "$md5$", prefixes: []string{"$md5,"}, certainty: Certain, parse: parseSunMD5,
	},
	{
		Name: "yescrypt", Family: "crypt", Layout: "$y$<parameters>$<salt>$<digest:43>", Scheme: "yescrypt: Debian, Fedora, Arch",
		prefix: "$y$", certainty: Certain, parse: func(in *input) (*parsed, *Error) { return parseYescrypt(in.encoded) },
	},
	cryptFormat("gost-yescrypt", "$gy$<parameters>$<salt>$<digest:43>", "yescrypt under HMAC-Streebog", "$gy$", parseGOSTYescrypt),
	cryptFormat("aix-smd5", "{smd5}<salt>$<digest:22>", "md5crypt without its magic string", "{smd5}", func(s string) (*parsed, *Error) { return parseMD5Crypt(s, "") }),
	cryptFormat("aix-ssha1", "{ssha1}<log2 iterations:2>$<salt>$<digest:27>", "PBKDF2-HMAC-SHA1", "{ssha1}", parseAIX("sha1")),
	cryptFormat("aix-ssha256", "{ssha256}<log2 iterations:2>$<salt>$<digest:43>", "PBKDF2-HMAC-SHA256", "{ssha256}", parseAIX("sha256")),
	cryptFormat("aix-ssha512", "{ssha512}<log2 iterations:2>$<salt>$<digest:86>", "PBKDF2-HMAC-SHA512", "{ssha512}", parseAIX("sha512")),
	{
		Name: "phpass", Family: "cms", Layout: "$P$<cost:1><salt:8><digest:22>, $H$…", Scheme: "phpass, portable hashes: WordPress before 6.8, phpBB 3, Typo3, old Joomla",
		prefix: "$P$", prefixes: []string{"$H$"}, certainty: Certain,
		parse: func(in *input) (*parsed, *Error) {
			if strings.HasPrefix(in.encoded, "$H$") {
				return parsePhpass(in.encoded, "$H$", "md5", 22)
			}
			return parsePhpass(in.encoded, "$P$", "md5", 22)
		},
	},
	{
		Name: "drupal7", Family: "cms", Layout: "$S$<cost:1><salt:8><digest:43>", Scheme: "phpass with SHA-512, digest cut to 43 characters",
		prefix: "$S$", certainty: Certain,
		parse: func(in *input) (*parsed, *Error) { return parsePhpass(in.encoded, "$S$", "sha512", 43) },
	},
	{
		Name: "drupal7-u", Family: "cms", Layout: "U$S$<cost:1><salt:8><digest:43>", Scheme: "drupal7 of md5(pass): hashes of Drupal 6, upgraded",
		prefix: "U$S$", certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) {
			p, err := parsePhpass(in.encoded, "U$S$", "sha512", 43)
			if err == nil {
				p.prehash(md5Pre, nil)
			}
			return p, err
		},
	},
}

var md5Pre = mustDigest("md5(pass)")
