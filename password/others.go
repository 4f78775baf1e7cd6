package password

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// parseAnyCrypt takes whatever crypt(3) writes.
func parseAnyCrypt(in *input) (*parsed, *Error) {
	if strings.HasPrefix(in.encoded, "$2") {
		return parseBcrypt(in.encoded, in.limits)
	}
	for _, one := range byPrefix {
		if one.Family == "crypt" && strings.HasPrefix(in.encoded, one.prefix) {
			return one.parse(in)
		}
	}
	if phpass := byName["phpass"]; strings.HasPrefix(in.encoded, "$P$") || strings.HasPrefix(in.encoded, "$H$") {
		return phpass.parse(in)
	}
	return parseDESCrypt(in)
}

func parseLDAPCrypt(in *input) (*parsed, *Error) {
	if !hasPrefixFold(in.encoded, "{CRYPT}") {
		return nil, malformed("it does not begin with {CRYPT}")
	}
	inner := *in
	inner.encoded = in.encoded[len("{CRYPT}"):]
	return parseAnyCrypt(&inner)
}

// dovecotSchemes are Dovecot's names for what has a format of its own here. Its own digest schemes are LDAP's.
var dovecotSchemes = map[string]func(*input) (*parsed, *Error){
	"BLF-CRYPT": parseAnyCrypt, "SHA512-CRYPT": parseAnyCrypt, "SHA256-CRYPT": parseAnyCrypt, "MD5-CRYPT": parseAnyCrypt,
	"DES-CRYPT": parseAnyCrypt,
	"ARGON2ID":  func(in *input) (*parsed, *Error) { return parsePHCArgon2(in.encoded) },
	"ARGON2I":   func(in *input) (*parsed, *Error) { return parsePHCArgon2(in.encoded) },
}

func parseDovecot(in *input) (*parsed, *Error) {
	scheme, rest, found := strings.Cut(strings.TrimPrefix(in.encoded, "{"), "}")
	if !found || in.encoded[0] != '{' {
		return nil, malformed("it does not begin with a scheme in braces")
	}
	parse := dovecotSchemes[strings.ToUpper(scheme)]
	if parse == nil {
		return nil, foreign("the scheme is none of Dovecot's own")
	}
	inner := *in
	inner.encoded = rest
	return parse(&inner)
}

var (
	dovecotCRAMLayout = mustLayout("{CRAM-MD5}<outer:hex:32><inner:hex:32>")
	mysqlSHA2Layout   = mustLayout("$A$<rounds:hex:3>$<salt:text:20><hash:h64:43>")
)

// parseDovecotCRAM takes the two states of MD5 after the key blocks of HMAC, outer first. The outer one is compared: the inner one is
// of the same key.
func parseDovecotCRAM(in *input) (*parsed, *Error) {
	f, err := dovecotCRAMLayout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	want, err := f.bytes("outer")
	if err != nil {
		return nil, err
	}
	p := &parsed{want: want}
	p.Params = Params{Algorithm: "cram-md5", KeyBytes: 16}
	p.run = func(_ *parsed, password []byte) ([]byte, error) {
		if len(password) > md5.BlockSize {
			sum := md5.Sum(password)
			password = sum[:]
		}
		key := make([]byte, md5.BlockSize)
		copy(key, password)
		for i := range key {
			key[i] ^= 0x5c
		}
		h := md5.New()
		h.Write(key)
		state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return nil, err
		}
		// The library's state begins with a mark of four bytes and is big-endian.
		out := make([]byte, 0, 16)
		for i := 4; i < 20; i += 4 {
			out = binary.LittleEndian.AppendUint32(out, binary.BigEndian.Uint32(state[i:]))
		}
		return out, nil
	}
	return p, nil
}

// parseMySQLSHA2 takes caching_sha2_password's authentication_string: as 0x and hexadecimal, because its salt is binary, or as it stands.
func parseMySQLSHA2(in *input) (*parsed, *Error) {
	s := in.encoded
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		b, err := decodeAs("hex", rest, "value")
		if err != nil {
			return nil, err
		}
		s = string(b)
	}
	f, err := mysqlSHA2Layout.match(s)
	if err != nil {
		return nil, err
	}
	thousands, bad := strconv.ParseUint(f.text("rounds"), 16, 16)
	if bad != nil || thousands == 0 {
		return nil, malformed("the rounds are not a hexadecimal number")
	}
	p := &parsed{kind: kindRounds, salt: []byte(f.text("salt")), want: []byte(f.text("hash"))}
	p.Params = Params{Algorithm: "mysql-sha2", Iterations: int(thousands) * 1000, SaltBytes: 20, KeyBytes: 32}
	p.run = func(p *parsed, password []byte) ([]byte, error) {
		return permuted(shaCrypt(sha256.New, password, p.salt, p.Iterations), sha256Order, 43), nil
	}
	return p, nil
}

// hexValue decodes a value of size bytes.
func hexValue(s string, size int) ([]byte, *Error) {
	if len(s) != 2*size {
		return nil, wrongLength("value", len(s), 2*size)
	}
	return decodeAs("hex", s, "value")
}

// parseMySQL323 takes the sixteen digits of MySQL's OLD_PASSWORD().
func parseMySQL323(in *input) (*parsed, *Error) {
	want, err := hexValue(in.encoded, 8)
	if err != nil {
		return nil, err
	}
	p := &parsed{want: want}
	p.Params = Params{Algorithm: "mysql323", KeyBytes: 8}
	p.run = func(_ *parsed, password []byte) ([]byte, error) {
		a, b, add := uint32(1345345333), uint32(0x12345671), uint32(7)
		for _, c := range password {
			if c == ' ' || c == '\t' {
				continue
			}
			a ^= (a&63+add)*uint32(c) + a<<8
			b += b<<8 ^ a
			add += uint32(c)
		}
		out := binary.BigEndian.AppendUint32(nil, a&0x7fffffff)
		return binary.BigEndian.AppendUint32(out, b&0x7fffffff), nil
	}
	return p, nil
}

// lmHalf encrypts LAN Manager's constant under seven characters in upper case.
func lmHalf(password []byte) []byte {
	var seven [7]byte
	copy(seven[:], password)
	var wide uint64
	for _, c := range seven {
		wide = wide<<8 | uint64(c)
	}
	key := make([]byte, 8)
	for i := range key {
		key[i] = byte(wide>>(49-7*i)) << 1
	}
	c, _ := des.NewCipher(key) // the key has eight bytes
	out := []byte("KGS!@#$%")
	c.Encrypt(out, out)
	return out
}

// parseLM takes one half of a LAN Manager hash, or both.
func parseLM(halves int) func(*input) (*parsed, *Error) {
	return func(in *input) (*parsed, *Error) {
		want, err := hexValue(in.encoded, 8*halves)
		if err != nil {
			return nil, err
		}
		p := &parsed{want: want}
		p.Params = Params{Algorithm: "lm", KeyBytes: len(want)}
		p.run = func(_ *parsed, password []byte) ([]byte, error) {
			if len(password) > 7*halves {
				return nil, unsupported("LAN Manager takes %d characters", 7*halves)
			}
			if slices.ContainsFunc(password, func(c byte) bool { return c >= 0x80 }) {
				return nil, unsupported("LAN Manager hashes other letters than those of ASCII in the code page of the machine, which is not known here")
			}
			upper := make([]byte, 7*halves)
			copy(upper, bytes.ToUpper(password))
			out := lmHalf(upper)
			if halves == 2 {
				out = append(out, lmHalf(upper[7:])...)
			}
			return out, nil
		}
		return p, nil
	}
}

// parseOracle7 takes the sixteen digits of SYS.USER$.PASSWORD: the last block of DES-CBC over user and password, twice.
func parseOracle7(in *input) (*parsed, *Error) {
	want, err := hexValue(in.encoded, 8)
	if err != nil {
		return nil, err
	}
	user, err := in.ctx.need("username")
	if err != nil {
		return nil, err
	}
	p := &parsed{want: want}
	p.Params = Params{Algorithm: "oracle7", KeyBytes: 8}
	p.run = func(_ *parsed, password []byte) ([]byte, error) {
		both := append(mapCase(user, strings.ToUpper, upperASCII), mapCase(password, strings.ToUpper, upperASCII)...)
		text, err := toUTF16(both, true)
		if err != nil {
			return nil, err
		}
		for len(text)%des.BlockSize != 0 || len(text) == 0 {
			text = append(text, 0)
		}
		key := []byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
		for range 2 {
			c, err := des.NewCipher(key)
			if err != nil {
				return nil, err
			}
			out := make([]byte, len(text))
			cipher.NewCBCEncrypter(c, make([]byte, des.BlockSize)).CryptBlocks(out, text)
			key = out[len(out)-des.BlockSize:]
		}
		return key, nil
	}
	return p, nil
}

// parseFSHP takes {FSHP<variant>|<salt length>|<rounds>}base64(salt ‖ digest): PBKDF1 with salt before password.
func parseFSHP(in *input) (*parsed, *Error) {
	f, err := fshpLayout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	var n [3]int
	for i, name := range []string{"variant", "saltlength", "rounds"} {
		if n[i], err = f.int(name); err != nil {
			return nil, err
		}
	}
	if n[0] > 3 {
		return nil, malformed("variant %d; 0 to 3 are possible", n[0])
	}
	blob, err := f.bytes("blob")
	if err != nil {
		return nil, err
	}
	d := fshpDigests[n[0]]
	if len(blob) != n[1]+d.size {
		return nil, malformed("%d bytes, %d expected", len(blob), n[1]+d.size)
	}
	return newIterated(d, map[string][]byte{"salt": blob[:n[1]]}, n[2], blob[n[1]:])
}

var (
	fshpLayout  = mustLayout("{FSHP<variant:int>|<saltlength:int>|<rounds:int>}<blob:b64>")
	fshpDigests = func() (out [4]*Digest) {
		for i, f := range []string{"sha1", "sha256", "sha384", "sha512"} {
			out[i] = mustDigest("hex(loop(iterations, unhex(" + f + "(salt . pass)), unhex(" + f + "(prev))))")
		}
		return out
	}()
)

// springDigests is Spring Security's MessageDigestPasswordEncoder; the salt is hashed with its braces.
var springDigests = map[string]*Digest{
	"MD5": mustDigest("md5(pass . salt)"), "SHA-1": mustDigest("sha1(pass . salt)"), "SHA-256": mustDigest("sha256(pass . salt)"),
	"SHA-384": mustDigest("sha384(pass . salt)"), "SHA-512": mustDigest("sha512(pass . salt)"),
}

func parseSpringDigest(in *input) (*parsed, *Error) {
	id, rest, found := strings.Cut(strings.TrimPrefix(in.encoded, "{"), "}")
	d := springDigests[id]
	if !found || d == nil || in.encoded[0] != '{' {
		return nil, foreign("it does not begin with {MD5}, {SHA-1}, {SHA-256}, {SHA-384} or {SHA-512}")
	}
	end := strings.LastIndexByte(rest, '}')
	if end < 0 && (id == "MD5" && !isHex(rest)) {
		return nil, foreign("no salt in braces behind {MD5}")
	}
	want, err := hexValue(rest[end+1:], d.size)
	if err != nil {
		return nil, err
	}
	return newDigest(d, map[string][]byte{"salt": []byte(rest[:end+1])}, want), nil
}

// parseMagento2 takes <hash>:<salt>:<version>[:<version>…]: each version hashes the salt and what the one before it gave.
func parseMagento2(in *input) (*parsed, *Error) {
	parts := strings.Split(in.encoded, ":")
	if len(parts) < 3 || len(parts) > 8 {
		return nil, malformed("hash, salt and version expected between colons")
	}
	want, err := decodeAs("hex", parts[0], "hash")
	if err != nil {
		return nil, err
	}
	salt := parts[1]
	if salt == "" {
		return nil, malformed("the salt is empty")
	}
	p := &parsed{salt: []byte(salt), want: want}
	p.Params = Params{Algorithm: "magento2", Variant: strings.Join(parts[2:], ":"), SaltBytes: len(salt), KeyBytes: len(want)}
	var steps []func(string) (string, error)
	size := 0
	for _, version := range parts[2:] {
		switch version {
		case "0", "1":
			d := saltedDigests[saltedKey{map[string]string{"0": "md5", "1": "sha256"}[version], "prefix"}]
			size = d.size
			steps = append(steps, func(data string) (string, error) {
				env := &environment{values: map[string][]byte{"pass": []byte(data), "salt": []byte(salt)}, budget: defaultLimits.HashedBytes}
				out, err := d.eval(env)
				return string(out), err
			})
			continue
		}
		length, passes, memory := 32, 2, 64<<20 // libsodium's interactive costs
		if version != "2" {
			var layoutErr *Error
			if length, passes, memory, layoutErr = magentoArgon2(version); layoutErr != nil {
				return nil, layoutErr
			}
		}
		if p.kind == kindArgon2 {
			return nil, unsupported("argon2 twice over")
		}
		p.kind = kindArgon2
		p.Version, p.Time, p.Memory, p.Parallelism = 19, passes, memory>>10, 1
		size = length
		repeated := []byte(strings.Repeat(salt, 16/len(salt)+1))[:16]
		steps = append(steps, func(data string) (string, error) {
			return hex.EncodeToString(argon2.IDKey([]byte(data), repeated, uint32(passes), uint32(memory>>10), 1, uint32(length))), nil
		})
	}
	if size != len(want) {
		return nil, malformed("a digest of %d bytes, %d expected", len(want), size)
	}
	p.run = func(_ *parsed, password []byte) ([]byte, error) {
		data := string(password)
		for _, step := range steps {
			var err error
			if data, err = step(data); err != nil {
				return nil, err
			}
		}
		return hex.DecodeString(data)
	}
	return p, nil
}

func magentoArgon2(version string) (length, passes, memory int, err *Error) {
	f, err := magentoLayout.match(version)
	if err != nil {
		return 0, 0, 0, unsupported("Magento's hash version %s", shown(version))
	}
	if length, err = f.int("length"); err != nil {
		return
	}
	if passes, err = f.int("passes"); err != nil {
		return
	}
	memory, err = f.int("memory")
	return
}

var magentoLayout = mustLayout("3_<length:int>_<passes:int>_<memory:int>")

// parseNextcloud takes <version>|<hash>.
func parseNextcloud(in *input) (*parsed, *Error) {
	version, rest, _ := strings.Cut(in.encoded, "|")
	switch version {
	case "1":
		return parseBcrypt(rest, in.limits)
	case "2", "3":
		return parsePHCArgon2(rest)
	}
	return nil, malformed("it does not begin with 1|, 2| or 3|")
}

// rawDigest is a bare digest, or one with a salt from another column: the context says which, on which side (position: prefix or suffix)
// and how the value is written (encoding: hex or base64).
func rawDigest(digest string) Format {
	size := digestSizes[digest]
	return Format{
		Name: "hex-" + digest, Aliases: []string{digest}, Family: "digest", Layout: bareHex, Scheme: digest + "(pass), or with a salt in front or behind",
		Context: []string{"salt?", "position?", "encoding?"}, why: fmt.Sprintf("%d hexadecimal digits have no name", 2*size), nul: true,
		parse: func(in *input) (*parsed, *Error) {
			encoding, err := in.ctx.text("encoding", "hex")
			if err != nil {
				return nil, err
			}
			var want []byte
			switch encoding {
			case "hex":
				want, err = hexValue(in.encoded, size)
			case "base64":
				want, err = decodeAs("ab64", in.encoded, "value")
			default:
				err = malformed("the encoding %s is neither hex nor base64", shown(encoding))
			}
			if err != nil {
				return nil, err
			}
			salt, salted, err := in.ctx.bytes("salt")
			if err != nil {
				return nil, err
			}
			if !salted {
				return newSaltedDigest(digest, "", nil, want)
			}
			position, err := in.ctx.need("position")
			if err != nil {
				return nil, err
			}
			return newSaltedDigest(digest, string(position), salt, want)
		},
	}
}

func otherFormats() []Format {
	out := []Format{
		{Name: "ldap-crypt", Family: "ldap", Layout: "{CRYPT}<any crypt(3) string>", Scheme: "crypt(3)", prefix: "{CRYPT}", certainty: Certain, parse: parseLDAPCrypt},
		{Name: "dovecot", Family: "ldap", Layout: "{BLF-CRYPT}…, {SHA512-CRYPT}…, {ARGON2ID}…", Scheme: "crypt(3) and argon2 under Dovecot's names", prefix: "{BLF-CRYPT}", prefixes: []string{"{SHA512-CRYPT}", "{SHA256-CRYPT}", "{MD5-CRYPT}", "{DES-CRYPT}", "{ARGON2ID}", "{ARGON2I}"}, certainty: Certain, parse: parseDovecot},
		{Name: "dovecot-cram-md5", Family: "ldap", Layout: dovecotCRAMLayout.source, Scheme: "states of HMAC-MD5", prefix: "{CRAM-MD5}", certainty: Certain, nul: true, parse: parseDovecotCRAM},
		{Name: "fshp", Family: "ldap", Layout: fshpLayout.source, Scheme: "PBKDF1 with SHA-1, 256, 384 or 512", prefix: "{FSHP", certainty: Certain, nul: true, parse: parseFSHP},
		{Name: "spring-messagedigest", Family: "framework", Layout: "{MD5}{<salt>}<hash:hex>, {SHA-256}…", Scheme: "digest(pass . '{' . salt . '}')", prefix: "{MD5}{", prefixes: []string{"{SHA-1}", "{SHA-256}", "{SHA-384}", "{SHA-512}"}, certainty: Certain, nul: true, parse: parseSpringDigest},
		{Name: "mysql-caching-sha2", Aliases: []string{"mysql8"}, Family: "database", Layout: "0x and hexadecimal of " + mysqlSHA2Layout.source, Scheme: "sha256crypt with a binary salt of 20 bytes", prefix: "$A$", prefixes: []string{"0x2441"}, certainty: Certain, parse: parseMySQLSHA2},
		{Name: "mysql323", Family: "database", Layout: "<hash:hex:16>", Scheme: "62 bits of MySQL's OLD_PASSWORD()", why: whyShape, nul: true, parse: parseMySQL323},
		{Name: "oracle7-des", Family: "database", Layout: "<hash:hex:16>", Scheme: "DES-CBC over user name and password in upper case", Context: []string{"username"}, why: whyShape, nul: true, parse: parseOracle7},
		{Name: "lm-half", Family: "enterprise", Layout: "<hash:hex:16>", Scheme: "DES under seven characters in upper case", why: whyShape, parse: parseLM(1)},
		{Name: "lm", Family: "enterprise", Layout: "<hash:hex:32>", Scheme: "LAN Manager: two halves of lm-half", why: whyShape, parse: parseLM(2)},
		{Name: "magento2", Family: "cms", Layout: "<hash:hex>:<salt>:<version>[:<version>…]", Scheme: "md5, sha256 and argon2id, one over the other", certainty: Likely, why: "hash, salt and known versions between colons", nul: true, parse: parseMagento2},
		{Name: "nextcloud", Family: "cms", Layout: "1|<bcrypt>, 2|<argon2i>, 3|<argon2id>", Scheme: "bcrypt or argon2", prefix: "1|", prefixes: []string{"2|", "3|"}, certainty: Certain, parse: parseNextcloud},
	}
	for digest := range digestSizes {
		out = append(out, rawDigest(digest))
	}
	return out
}
