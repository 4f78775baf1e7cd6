package password

import "strings"

// parsePHCArgon2 takes $argon2id$v=19$m=65536,t=3,p=4$<salt>$<digest> (the PHC string format). A string without "v=" is of
// version 16, as the reference implementation has it, and not 19.
func parsePHCArgon2(s string) (*parsed, *Error) {
	p := &parsed{kind: kindArgon2, run: runArgon2}
	rest, ok := strings.CutPrefix(s, "$argon2")
	if !ok {
		return nil, malformed("it does not begin with $argon2id$, $argon2i$ or $argon2d$")
	}
	name, rest, _ := strings.Cut(rest, "$")
	switch name {
	case "id", "i", "d":
		p.Algorithm = "argon2" + name
	default:
		return nil, malformed("it does not begin with $argon2id$, $argon2i$ or $argon2d$")
	}
	p.Version = 16
	if v, ok := strings.CutPrefix(rest, "v="); ok {
		v, after, found := strings.Cut(v, "$")
		n, err := parseInt("version", v)
		if err != nil || !found {
			return nil, malformed("the version is not a number: the hash was cut off")
		}
		if n != 16 && n != 19 {
			return nil, unsupported("argon2 version %d; 16 and 19 are known", n)
		}
		p.Version, rest = n, after
	}
	params, rest, found := strings.Cut(rest, "$")
	if !found {
		return nil, malformed("no salt after the parameters: the hash was cut off")
	}
	for params != "" {
		var one string
		one, params, _ = strings.Cut(params, ",")
		key, number, _ := strings.Cut(one, "=")
		if key == "keyid" || key == "data" {
			return nil, unsupported("argon2 with %s", key)
		}
		n, err := parseInt("parameter "+shown(key), number)
		if err != nil {
			return nil, err
		}
		switch key {
		case "m":
			p.Memory = n
		case "t":
			p.Time = n
		case "p":
			p.Parallelism = n
		default:
			return nil, malformed("parameter %s is not one of m, t and p", shown(key))
		}
	}
	salt, digest, found := strings.Cut(rest, "$")
	if !found || digest == "" {
		return nil, malformed("no digest after the salt: the hash was cut off")
	}
	var err *Error
	if p.salt, err = decodeAs("b64raw", salt, "salt"); err != nil {
		return nil, err
	}
	if p.want, err = decodeAs("b64raw", digest, "digest"); err != nil {
		return nil, err
	}
	if len(p.salt) == 0 {
		return nil, malformed("the salt is empty")
	}
	p.SaltBytes, p.KeyBytes = len(p.salt), len(p.want)
	return p, nil
}

// prefixedArgon2 is a PHC string behind another system's prefix.
func prefixedArgon2(name, family, prefix string) Format {
	return Format{
		Name: name, Family: family, Layout: prefix + "$argon2id$…", Scheme: "argon2", prefix: prefix + "$argon2", certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) {
			if !hasPrefixFold(in.encoded, prefix) {
				return nil, malformed("it does not begin with %s", prefix)
			}
			return parsePHCArgon2(in.encoded[len(prefix):])
		},
	}
}

// rawArgon2 is a bare hexadecimal digest whose parameters are all in the context.
func rawArgon2(name, algorithm string) Format {
	return Format{
		Name: name, Family: "digest", Layout: bareHex, Scheme: algorithm + ", version 19", why: whyShape, nul: true,
		Context: []string{"salt", "t", "m", "p", "secret?", "ad?", "keylen?"},
		parse: func(in *input) (*parsed, *Error) {
			want, err := decodeAs("hex", in.encoded, "digest")
			if err != nil {
				return nil, err
			}
			p := &parsed{kind: kindArgon2, run: runArgon2, want: want}
			p.Params = Params{Algorithm: algorithm, Version: 19, KeyBytes: len(want)}
			if p.salt, err = in.ctx.need("salt"); err != nil {
				return nil, err
			}
			p.SaltBytes = len(p.salt)
			for _, one := range []struct {
				key string
				to  *int
			}{{"t", &p.Time}, {"m", &p.Memory}, {"p", &p.Parallelism}} {
				if *one.to, err = in.ctx.int(one.key, -1); err != nil {
					return nil, err
				}
			}
			for _, one := range []struct {
				key string
				to  *[]byte
			}{{"secret", &p.secret}, {"ad", &p.associated}} {
				if *one.to, _, err = in.ctx.bytes(one.key); err != nil {
					return nil, err
				}
			}
			return p, sameLength(in.ctx, len(want))
		},
	}
}

// sameLength checks the digest against the context's keylen, if there is one.
func sameLength(ctx Context, got int) *Error {
	n, err := ctx.int("keylen", got)
	if err == nil && n != got {
		err = wrongLength("digest", 2*got, 2*n)
	}
	return err
}

var argon2Formats = []Format{
	{
		Name: "argon2-phc", Aliases: []string{"argon2", "argon2id", "argon2i", "argon2d"}, Family: "phc",
		Layout: "$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<digest>", Scheme: "argon2id, argon2i and argon2d, versions 19 and 16 (RFC 9106)",
		prefix: "$argon2", certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) { return parsePHCArgon2(in.encoded) },
	},
	prefixedArgon2("ldap-argon2", "ldap", "{ARGON2}"),
	prefixedArgon2("spring-argon2", "framework", "{argon2}"),
	prefixedArgon2("django-argon2", "framework", "argon2"),
	rawArgon2("raw-argon2id", "argon2id"),
	rawArgon2("raw-argon2i", "argon2i"),
	rawArgon2("raw-argon2d", "argon2d"),
}

func runArgon2(p *parsed, password []byte) ([]byte, error) {
	return deriveArgon2(password, p)
}
