package password

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

var (
	werkzeugLayout  = mustLayout("pbkdf2:<digest>:<iterations:int>$<salt>$<hash:hex>")
	web2pyLayout    = mustLayout("pbkdf2(<iterations:int>,<length:int>,<digest>)$<salt>$<hash:hex>")
	mediawikiLayout = mustLayout(":pbkdf2:<digest>:<iterations:int>:<length:int>:<salt:b64>:<hash:b64>")
)

// namedPBKDF2 reads a layout that names its digest and may give the digest's length.
func namedPBKDF2(l *layout, s string) (*parsed, *Error) {
	f, err := l.match(s)
	if err != nil {
		return nil, err
	}
	digest := f.text("digest")
	if digestSizes[digest] == 0 {
		return nil, unsupported("PBKDF2 with digest %s", shown(digest))
	}
	n, err := f.int("iterations")
	if err != nil {
		return nil, err
	}
	salt, want, err := f.pair()
	if err != nil {
		return nil, err
	}
	if field, _ := f.lookup("length"); field != nil {
		length, err := f.int("length")
		if err != nil {
			return nil, err
		}
		if length != len(want) {
			return nil, malformed("a length of %d is named, but the digest has %d bytes", length, len(want))
		}
	}
	return newPBKDF2(digest, n, salt, want), nil
}

// kratosSHA3 is Ory Kratos's reading of two names: they stand for SHA-3 there, and for SHA-2 everywhere else.
func kratosSHA3(name, prefix, digest string) Format {
	return Format{
		Name: name, Family: "provider", Layout: prefix + "i=<n>,l=<n>$<salt>$<hash>", Scheme: "PBKDF2-HMAC-" + strings.ToUpper(digest),
		prefix: prefix, certainty: Likely, why: "Kratos means SHA-3 by the name that others use for SHA-2", nul: true,
		parse: func(in *input) (*parsed, *Error) {
			if !strings.HasPrefix(in.encoded, prefix) {
				return nil, malformed("it does not begin with %s", prefix)
			}
			p, err := parsePHCPBKDF2(in)
			if err == nil {
				p.Digest = digest
			}
			return p, err
		},
	}
}

// fixedPBKDF2 is a layout without a count of iterations.
func fixedPBKDF2(name, family, digest string, iterations int, source string) Format {
	l := mustLayout(source)
	return Format{
		Name: name, Family: family, Layout: source, Scheme: "PBKDF2-HMAC-" + strings.ToUpper(digest) + ", " + strconv.Itoa(iterations) + " iterations",
		prefix: l.prefix(), certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) {
			f, err := l.match(in.encoded)
			if err != nil {
				return nil, err
			}
			salt, want, err := f.pair()
			if err != nil {
				return nil, err
			}
			return newPBKDF2(digest, iterations, salt, want), nil
		},
	}
}

// prefixedBlob decodes base64 of exactly size bytes.
func prefixedBlob(s, prefix string, size int) ([]byte, *Error) {
	if prefix != "" && !hasPrefixFold(s, prefix) {
		return nil, malformed("it does not begin with %s", prefix)
	}
	blob, err := decodeAs("ab64", s[len(prefix):], "value")
	if err != nil {
		return nil, err
	}
	if len(blob) != size {
		return nil, malformed("%d bytes, %d expected", len(blob), size)
	}
	return blob, nil
}

// parseASPNETv3 takes ASP.NET Core Identity's third version; like the product, it wants salt and digest of at least 16 bytes.
func parseASPNETv3(in *input) (*parsed, *Error) {
	blob, err := decodeAs("b64", in.encoded, "value")
	if err != nil {
		return nil, err
	}
	if len(blob) < 13 || blob[0] != 1 {
		return nil, malformed("it is not thirteen bytes of parameters that begin with 1")
	}
	prf, iterations, saltSize := binary.BigEndian.Uint32(blob[1:]), binary.BigEndian.Uint32(blob[5:]), binary.BigEndian.Uint32(blob[9:])
	digests := []string{"sha1", "sha256", "sha512"}
	if prf >= uint32(len(digests)) {
		return nil, malformed("pseudo-random function %d; 0 to 2 are possible", prf)
	}
	rest := blob[13:]
	if saltSize < 16 || uint64(saltSize) > uint64(len(rest)) || len(rest)-int(saltSize) < 16 {
		return nil, malformed("salt and digest must have at least 16 bytes each: the hash was cut off")
	}
	return newPBKDF2(digests[prf], int(iterations), rest[:saltSize], rest[saltSize:]), nil
}

var (
	azureLayout = mustLayout("v1;PPH1_MD4,<salt:hex>,<iterations:int>,<hash:hex>")
	azureParse  = layoutPBKDF2("sha256", azureLayout.source)
	// Azure AD Connect sends the NT hash's hexadecimal digits through PBKDF2, each digit two bytes.
	azurePre = mustDigest("utf16le(upper(md4(utf16le(pass))))")

	dcc2Layout = mustLayout("$DCC2$<iterations:int>#<username>#<hash:hex:32>")
	dcc1       = mustDigest("unhex(md4(unhex(md4(utf16le(pass))) . utf16le(lower(username))))")
)

// parseDCC2 takes Windows's cached domain credentials, version 2.
func parseDCC2(in *input) (*parsed, *Error) {
	f, err := dcc2Layout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	n, err := f.int("iterations")
	if err != nil {
		return nil, err
	}
	want, err := f.bytes("hash")
	if err != nil {
		return nil, err
	}
	user := []byte(f.text("username"))
	salt, bad := toUTF16(mapCase(user, strings.ToLower, lowerASCII), false)
	if bad != nil {
		return nil, malformed("the user name is not UTF-8")
	}
	p := newPBKDF2("sha1", n, salt, want)
	p.prehash(dcc1, map[string][]byte{"username": user})
	return p, nil
}

func rawPBKDF2(digest string) func(*input) (*parsed, *Error) {
	return func(in *input) (*parsed, *Error) {
		want, err := decodeAs("hex", in.encoded, "digest")
		if err != nil {
			return nil, err
		}
		n, err := in.ctx.int("iterations", -1)
		if err != nil {
			return nil, err
		}
		salt, err := in.ctx.need("salt")
		if err != nil {
			return nil, err
		}
		return newPBKDF2(digest, n, salt, want), sameLength(in.ctx, len(want))
	}
}

func hexIterations(s string) (int, *Error) {
	n, err := strconv.ParseUint(s, 16, 31)
	if err != nil {
		return 0, malformed("the iterations are not a hexadecimal number")
	}
	return int(n), nil
}

var p5k2Layout = mustLayout("$p5k2$<iterations>$<salt>$<hash>")

// parseCTA takes the dialect of $p5k2$ that the Cryptacular package writes: salt and digest in base64url with padding.
func parseCTA(in *input) (*parsed, *Error) {
	f, err := p5k2Layout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	n, err := hexIterations(f.text("iterations"))
	if err != nil {
		return nil, err
	}
	var parts [2][]byte
	for i, name := range []string{"salt", "hash"} {
		s := f.text(name)
		b, bad := base64.URLEncoding.Strict().DecodeString(s)
		if bad != nil || strings.ContainsAny(s, "\r\n") {
			return nil, malformed("the %s is not base64url with padding", name)
		}
		parts[i] = b
	}
	if len(parts[1]) != 20 {
		return nil, malformed("a digest of %d bytes, 20 expected", len(parts[1]))
	}
	return newPBKDF2("sha1", n, parts[0], parts[1]), nil
}

// parseDlitz takes Dwayne Litzenberger's dialect, whose salt is everything before the digest and whose empty count means 400.
func parseDlitz(in *input) (*parsed, *Error) {
	f, err := p5k2Layout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	n := 400
	if s := f.text("iterations"); s != "" {
		if n, err = hexIterations(s); err != nil {
			return nil, err
		}
	}
	want, err := decodeAs("ab64", f.text("hash"), "hash")
	if err != nil {
		return nil, err
	}
	if len(want) != 24 {
		return nil, malformed("a digest of %d bytes, 24 expected", len(want))
	}
	config := in.encoded[:strings.LastIndexByte(in.encoded, '$')]
	return newPBKDF2("sha1", n, []byte(config), want), nil
}

var clerkSHA1Layout = mustLayout("pbkdf2_sha1$<iterations:int>$<salt>$<rest>")

// parseClerkPBKDF2 takes Clerk's spelling: the salt is decoded if it reads as hexadecimal, and is text if not.
func parseClerkPBKDF2(in *input) (*parsed, *Error) {
	f, err := clerkSHA1Layout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	n, err := f.int("iterations")
	if err != nil {
		return nil, err
	}
	digest, length, has := strings.Cut(f.text("rest"), "$")
	want, err := decodeAs("hex", digest, "hash")
	if err != nil {
		return nil, err
	}
	size := 32
	if has {
		if size, err = parseInt("key length", length); err != nil {
			return nil, err
		}
	}
	if size != len(want) {
		return nil, malformed("a digest of %d bytes, %d expected", len(want), size)
	}
	salt, bad := hex.DecodeString(f.text("salt"))
	if bad != nil {
		salt = []byte(f.text("salt"))
	}
	return newPBKDF2("sha1", n, salt, want), nil
}

// parseSpringPBKDF2 takes Pbkdf2PasswordEncoder's value. Its parameters are configuration; the defaults are Spring's own, of before
// 5.8 and since.
func parseSpringPBKDF2(in *input) (*parsed, *Error) {
	iterations, digest, saltSize := 185000, "sha1", 8
	rest, ok := strings.CutPrefix(in.encoded, "{pbkdf2@SpringSecurity_v5_8}")
	if ok {
		iterations, digest, saltSize = 310000, "sha256", 16
	} else if rest, ok = strings.CutPrefix(in.encoded, "{pbkdf2}"); !ok {
		return nil, malformed("it does not begin with {pbkdf2}")
	}
	blob, err := decodeAs("hex", rest, "value")
	if err != nil {
		return nil, err
	}
	if iterations, err = in.ctx.int("iterations", iterations); err != nil {
		return nil, err
	}
	if digest, err = in.ctx.text("hash", digest); err != nil {
		return nil, err
	}
	if saltSize, err = in.ctx.int("saltlen", saltSize); err != nil {
		return nil, err
	}
	secret, _, err := in.ctx.bytes("secret")
	if err != nil {
		return nil, err
	}
	if len(blob) <= saltSize {
		return nil, malformed("%d bytes, more than %d expected: the hash was cut off", len(blob), saltSize)
	}
	salt := append(blob[:saltSize:saltSize], secret...)
	return newPBKDF2(digest, iterations, salt, blob[saltSize:]), nil
}

// parseOracle12 takes the T: verifier of SYS.USER$.SPARE4.
func parseOracle12(in *input) (*parsed, *Error) {
	blob, err := decodeAs("hex", strings.TrimPrefix(in.encoded, "T:"), "value")
	if err != nil {
		return nil, err
	}
	if len(blob) != 80 {
		return nil, malformed("%d bytes, 80 expected", len(blob))
	}
	verifier := blob[64:]
	p := newPBKDF2("sha512", 4096, append(verifier[:16:16], "AUTH_PBKDF2_SPEEDY_KEY"...), blob[:64])
	p.Algorithm = "oracle12"
	p.run = func(p *parsed, password []byte) ([]byte, error) {
		key, err := runPBKDF2(p, password)
		if err != nil {
			return nil, err
		}
		sum := sha512.Sum512(append(key, verifier...))
		return sum[:], nil
	}
	return p, nil
}

var (
	postgresSCRAM = mustLayout("SCRAM-SHA-256$<iterations:int>:<salt:b64>$<stored:b64>:<hash:b64>")
	mongoSHA1     = mustLayout("$mongodb-scram$*0*<username:b64>*<iterations:int>*<salt:b64>*<hash:b64>")
	mongoSHA256   = mustLayout("$mongodb-scram$*1*<username:b64>*<iterations:int>*<salt:b64>*<hash:b64>")
	mongoPre      = mustDigest("md5(username . ':mongo:' . pass)")
)

// newSCRAM compares the server key of RFC 5802: HMAC(SaltedPassword, "Server Key").
func newSCRAM(digest string, f *fields) (*parsed, *Error) {
	n, err := f.int("iterations")
	if err != nil {
		return nil, err
	}
	salt, want, err := f.pair()
	if err != nil {
		return nil, err
	}
	if len(want) != digestSizes[digest] {
		return nil, malformed("a server key of %d bytes, %d expected", len(want), digestSizes[digest])
	}
	p := newPBKDF2(digest, n, salt, want)
	p.Algorithm = "scram"
	p.run = func(p *parsed, password []byte) ([]byte, error) {
		if p.pre == nil {
			password = saslPrep(password)
		}
		salted, err := runPBKDF2(p, password)
		if err != nil {
			return nil, err
		}
		h := hmac.New(hashes[digest], salted)
		h.Write([]byte("Server Key"))
		return h.Sum(nil), nil
	}
	return p, nil
}

func parsePostgresSCRAM(in *input) (*parsed, *Error) {
	f, err := postgresSCRAM.match(in.encoded)
	if err != nil {
		return nil, err
	}
	if stored, err := f.bytes("stored"); err != nil || len(stored) != 32 {
		return nil, malformed("the stored key is not 32 bytes of base64")
	}
	return newSCRAM("sha256", &f)
}

func parseMongoSCRAM(l *layout, digest string) func(*input) (*parsed, *Error) {
	return func(in *input) (*parsed, *Error) {
		f, err := l.match(in.encoded)
		if err != nil {
			return nil, err
		}
		user, err := f.bytes("username")
		if err != nil {
			return nil, err
		}
		p, err := newSCRAM(digest, &f)
		if err == nil && digest == "sha1" {
			p.prehash(mongoPre, map[string][]byte{"username": user})
		}
		return p, err
	}
}
