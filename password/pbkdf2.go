package password

import (
	"crypto/pbkdf2"
	"encoding/binary"
	"strings"
)

// digestSizes holds the digests that PBKDF2 is computed with here.
var digestSizes = map[string]int{
	"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64,
	"sha512-256": 32, "sha3-224": 28, "sha3-256": 32, "sha3-384": 48, "sha3-512": 64, "ripemd160": 20, "whirlpool": 64, "md4": 16,
}

func newPBKDF2(digest string, iterations int, salt, want []byte) *parsed {
	p := &parsed{kind: kindPBKDF2, run: runPBKDF2, salt: salt, want: want}
	p.Params = Params{Algorithm: "pbkdf2", Digest: digest, Iterations: iterations, SaltBytes: len(salt), KeyBytes: len(want)}
	return p
}

func runPBKDF2(p *parsed, password []byte) ([]byte, error) {
	return pbkdf2.Key(hashes[p.Digest], string(password), p.salt, p.Iterations, p.KeyBytes)
}

// parsePHCPBKDF2 takes $pbkdf2-sha256$i=100000,l=32$<salt>$<digest> as Auth0 and Kratos write it.
func parsePHCPBKDF2(in *input) (*parsed, *Error) {
	f, err := phcPBKDF2Layout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	digest := f.text("digest")
	if digestSizes[digest] == 0 {
		return nil, unsupported("PBKDF2 with digest %s", shown(digest))
	}
	if !strings.HasPrefix(f.text("parameters"), "i=") && !strings.HasPrefix(f.text("parameters"), "l=") {
		return nil, foreign("no i= after the digest's name")
	}
	iterations, length := 0, -1
	for one := range strings.SplitSeq(f.text("parameters"), ",") {
		key, number, _ := strings.Cut(one, "=")
		n, err := parseInt("parameter "+shown(key), number)
		if err != nil {
			return nil, err
		}
		switch key {
		case "i":
			iterations = n
		case "l":
			length = n
		default:
			return nil, malformed("parameter %s is neither i nor l", shown(key))
		}
	}
	salt, want, err := f.pair()
	if err != nil {
		return nil, err
	}
	if length >= 0 && length != len(want) {
		return nil, malformed("l=%d, but the digest has %d bytes", length, len(want))
	}
	return newPBKDF2(digest, iterations, salt, want), nil
}

var phcPBKDF2Layout = mustLayout("$pbkdf2-<digest>$<parameters>$<salt:ab64>$<hash:ab64>")

// pair decodes the two fields that nearly every salted layout has.
func (f *fields) pair() (salt, hash []byte, err *Error) {
	if salt, err = f.bytes("salt"); err != nil {
		return nil, nil, err
	}
	if hash, err = f.bytes("hash"); err != nil {
		return nil, nil, err
	}
	if len(hash) == 0 {
		return nil, nil, malformed("the digest is empty: the hash was cut off")
	}
	return salt, hash, nil
}

// layoutPBKDF2 reads a layout with the fields iterations, salt and hash.
func layoutPBKDF2(digest, source string) func(*input) (*parsed, *Error) {
	l := mustLayout(source)
	return func(in *input) (*parsed, *Error) {
		f, err := l.match(in.encoded)
		if err != nil {
			return nil, err
		}
		n, err := f.int("iterations")
		if err != nil {
			err.foreign = strings.Contains(f.text("iterations"), "=")
			return nil, err
		}
		salt, want, err := f.pair()
		if err != nil {
			return nil, err
		}
		return newPBKDF2(digest, n, salt, want), nil
	}
}

func pbkdf2Format(name, family, digest, layout string, aliases ...string) Format {
	return Format{
		Name: name, Aliases: aliases, Family: family, Layout: layout, Scheme: "PBKDF2-HMAC-" + strings.ToUpper(digest),
		prefix: mustLayout(layout).prefix(), certainty: Certain, nul: true, parse: layoutPBKDF2(digest, layout),
	}
}

func (f Format) uncertain(why string) Format {
	f.certainty, f.why = Likely, why
	return f
}

var pbkdf2Formats = []Format{
	{
		Name: "phc-pbkdf2", Aliases: []string{"pbkdf2"}, Family: "phc", Layout: phcPBKDF2Layout.source, Scheme: "PBKDF2 with any digest (the PHC spelling of Auth0 and Kratos)",
		prefix: "$pbkdf2-", certainty: Certain, nul: true, parse: parsePHCPBKDF2,
	},
	kratosSHA3("kratos-pbkdf2-sha3-224", "$pbkdf2-sha224$", "sha3-224"),
	kratosSHA3("kratos-pbkdf2-sha3-384", "$pbkdf2-sha384$", "sha3-384"),
	pbkdf2Format("passlib-pbkdf2-sha1", "framework", "sha1", "$pbkdf2$<iterations:int>$<salt:ab64>$<hash:ab64>"),
	pbkdf2Format("passlib-pbkdf2-sha256", "framework", "sha256", "$pbkdf2-sha256$<iterations:int>$<salt:ab64>$<hash:ab64>", "passlib-pbkdf2-sha256-stdb64"),
	pbkdf2Format("passlib-pbkdf2-sha512", "framework", "sha512", "$pbkdf2-sha512$<iterations:int>$<salt:ab64>$<hash:ab64>"),
	pbkdf2Format("ldap-pbkdf2-sha1", "ldap", "sha1", "{PBKDF2}<iterations:int>$<salt:ab64>$<hash:ab64>"),
	pbkdf2Format("ldap-pbkdf2-sha256", "ldap", "sha256", "{PBKDF2-SHA256}<iterations:int>$<salt:ab64>$<hash:ab64>"),
	pbkdf2Format("ldap-pbkdf2-sha512", "ldap", "sha512", "{PBKDF2-SHA512}<iterations:int>$<salt:ab64>$<hash:ab64>"),
	pbkdf2Format("django-pbkdf2_sha256", "framework", "sha256", "pbkdf2_sha256$<iterations:int>$<salt>$<hash:b64>"),
	pbkdf2Format("django-pbkdf2_sha1", "framework", "sha1", "pbkdf2_sha1$<iterations:int>$<salt>$<hash:b64>"),
	pbkdf2Format("clerk-pbkdf2_sha256", "provider", "sha256", "pbkdf2_sha256$<iterations:int>$<salt:b64>$<hash:b64>").
		uncertain("Django writes text salts with the same prefix; Clerk decodes the salt from base64"),
	{
		Name: "clerk-pbkdf2_sha1", Family: "provider", Layout: "pbkdf2_sha1$<iterations>$<salt>$<hash>[$<length>]", Scheme: "PBKDF2-HMAC-SHA1, salt and digest in hexadecimal",
		prefix: "pbkdf2_sha1$", certainty: Likely, why: "Django writes the same prefix", nul: true, parse: parseClerkPBKDF2,
	},
	{
		Name: "werkzeug-pbkdf2", Family: "framework", Layout: werkzeugLayout.source, Scheme: "PBKDF2", prefix: "pbkdf2:", certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) { return namedPBKDF2(werkzeugLayout, in.encoded) },
	},
	{
		Name: "web2py-pbkdf2", Family: "framework", Layout: web2pyLayout.source, Scheme: "PBKDF2", prefix: "pbkdf2(", certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) { return namedPBKDF2(web2pyLayout, in.encoded) },
	},
	{
		Name: "mediawiki-pbkdf2", Family: "cms", Layout: mediawikiLayout.source, Scheme: "PBKDF2", prefix: ":pbkdf2:", certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) { return namedPBKDF2(mediawikiLayout, in.encoded) },
	},
	pbkdf2Format("grub2-pbkdf2-sha512", "enterprise", "sha512", "grub.pbkdf2.sha512.<iterations:int>.<salt:hex>.<hash:hex>"),
	pbkdf2Format("hashcat-pbkdf2-md5", "digest", "md5", "md5:<iterations:int>:<salt:b64>:<hash:b64>"),
	pbkdf2Format("hashcat-pbkdf2-sha1", "digest", "sha1", "sha1:<iterations:int>:<salt:b64>:<hash:b64>"),
	pbkdf2Format("hashcat-pbkdf2-sha256", "digest", "sha256", "sha256:<iterations:int>:<salt:b64>:<hash:b64>"),
	pbkdf2Format("hashcat-pbkdf2-sha512", "digest", "sha512", "sha512:<iterations:int>:<salt:b64>:<hash:b64>"),
	pbkdf2Format("macos-pbkdf2-ml", "enterprise", "sha512", "$ml$<iterations:int>$<salt:hex>$<hash:hex>"),
	fixedPBKDF2("cisco8", "enterprise", "sha256", 20000, "$8$<salt>$<hash:cisco64:43>"),
	{
		Name: "atlassian-pkcs5s2", Family: "ldap", Layout: "{PKCS5S2}<base64 of 16 bytes salt, 32 bytes digest>", Scheme: "PBKDF2-HMAC-SHA1, 10000 iterations",
		prefix: "{PKCS5S2}", certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) {
			blob, err := prefixedBlob(in.encoded, "{PKCS5S2}", 48)
			if err != nil {
				return nil, err
			}
			return newPBKDF2("sha1", 10000, blob[:16], blob[16:]), nil
		},
	},
	{
		Name: "ldap-389ds-pbkdf2", Aliases: []string{"freeipa"}, Family: "ldap", Scheme: "PBKDF2-HMAC-SHA256",
		Layout: "{PBKDF2_SHA256}<base64 of 4 bytes iterations, 64 bytes salt, 256 bytes digest>",
		prefix: "{PBKDF2_SHA256}", certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) {
			blob, err := prefixedBlob(in.encoded, "{PBKDF2_SHA256}", 324)
			if err != nil {
				return nil, err
			}
			return newPBKDF2("sha256", int(binary.BigEndian.Uint32(blob)), blob[4:68], blob[68:]), nil
		},
	},
	{
		Name: "aspnet-identity-v2", Family: "framework", Layout: "base64 of 00, 16 bytes salt, 32 bytes digest", Scheme: "PBKDF2-HMAC-SHA1, 1000 iterations",
		certainty: Likely, why: "49 bytes that begin with a zero", nul: true,
		parse: func(in *input) (*parsed, *Error) {
			blob, err := prefixedBlob(in.encoded, "", 49)
			if err != nil {
				return nil, err
			}
			if blob[0] != 0 {
				return nil, malformed("the first byte is %d, 0 expected", blob[0])
			}
			return newPBKDF2("sha1", 1000, blob[1:17], blob[17:]), nil
		},
	},
	{
		Name: "aspnet-identity-v3", Family: "framework", Layout: "base64 of 01, 4 bytes each of digest, iterations and salt length, salt, digest", Scheme: "PBKDF2",
		certainty: Likely, why: "its thirteen bytes of parameters are consistent", nul: true, parse: parseASPNETv3,
	},
	{
		Name: "azuread-pph1-md4", Family: "enterprise", Layout: azureLayout.source, Scheme: "PBKDF2-HMAC-SHA256 of " + azurePre.source,
		prefix: "v1;PPH1_MD4,", certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) {
			p, err := azureParse(in)
			if err == nil {
				p.prehash(azurePre, nil)
			}
			return p, err
		},
	},
	{
		Name: "msdcc2", Aliases: []string{"mscache2"}, Family: "enterprise", Layout: "$DCC2$<iterations>#<username>#<hash:hex:32>", Scheme: "PBKDF2-HMAC-SHA1 of " + dcc1.source,
		prefix: "$DCC2$", certainty: Certain, nul: true, parse: parseDCC2,
	},
	{
		Name: "raw-pbkdf2-hmac-sha1", Family: "digest", Layout: bareHex, Scheme: "PBKDF2-HMAC-SHA1", why: whyShape, nul: true,
		Context: []string{"salt", "iterations", "keylen?"}, parse: rawPBKDF2("sha1"),
	},
	{
		Name: "raw-pbkdf2-hmac-sha256", Family: "digest", Layout: bareHex, Scheme: "PBKDF2-HMAC-SHA256", why: whyShape, nul: true,
		Context: []string{"salt", "iterations", "keylen?"}, parse: rawPBKDF2("sha256"),
	},
	{
		Name: "raw-pbkdf2-hmac-sha512", Family: "digest", Layout: bareHex, Scheme: "PBKDF2-HMAC-SHA512", why: whyShape, nul: true,
		Context: []string{"salt", "iterations", "keylen?"}, parse: rawPBKDF2("sha512"),
	},
	{
		Name: "passlib-cta-pbkdf2-sha1", Family: "framework", Layout: "$p5k2$<iterations in hexadecimal>$<salt:b64url>$<hash:b64url>", Scheme: "PBKDF2-HMAC-SHA1",
		prefix: "$p5k2$", certainty: Certain, nul: true, parse: parseCTA,
	},
	{
		Name: "passlib-dlitz-pbkdf2-sha1", Family: "framework", Layout: "$p5k2$<iterations in hexadecimal>$<salt>$<hash:ab64>", Scheme: "PBKDF2-HMAC-SHA1, salted with the whole configuration",
		prefix: "$p5k2$", certainty: Certain, nul: true, parse: parseDlitz,
	},
	{
		Name: "spring-pbkdf2", Family: "framework", Layout: "{pbkdf2}<hexadecimal of salt and digest>, {pbkdf2@SpringSecurity_v5_8}…", Scheme: "PBKDF2",
		prefix: "{pbkdf2", certainty: Likely, why: "iterations, digest and secret are the application's configuration; Spring's defaults are assumed", nul: true,
		Context: []string{"iterations?", "hash?", "saltlen?", "secret?"}, parse: parseSpringPBKDF2,
	},
	{
		Name: "oracle12-t", Family: "database", Layout: "[T:]<hash:hex:128><salt:hex:32>", Scheme: "sha512(PBKDF2-HMAC-SHA512(pass, salt . 'AUTH_PBKDF2_SPEEDY_KEY', 4096) . salt)",
		certainty: Likely, why: "160 hexadecimal digits", nul: true, parse: parseOracle12,
	},
	{
		Name: "postgres-scram-sha-256", Family: "database", Layout: postgresSCRAM.source, Scheme: "SCRAM-SHA-256 (RFC 7677), password after SASLprep",
		prefix: "SCRAM-SHA-256$", certainty: Certain, parse: parsePostgresSCRAM,
	},
	{
		Name: "mongodb-scram-sha1", Family: "database", Layout: mongoSHA1.source, Scheme: "SCRAM-SHA-1 of " + mongoPre.source,
		prefix: "$mongodb-scram$*0*", certainty: Certain, parse: parseMongoSCRAM(mongoSHA1, "sha1"),
	},
	{
		Name: "mongodb-scram-sha256", Family: "database", Layout: mongoSHA256.source, Scheme: "SCRAM-SHA-256, password after SASLprep",
		prefix: "$mongodb-scram$*1*", certainty: Certain, parse: parseMongoSCRAM(mongoSHA256, "sha256"),
	},
}
