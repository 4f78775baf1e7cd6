package password

import (
	"encoding/hex"
	"slices"
	"strings"
)

// digestScheme is a format that a digest expression describes. A hash field of a text kind is compared as it stands, any
// other one as the bytes that the expression's hexadecimal result stands for.
type digestScheme struct {
	name      string
	aliases   []string
	family    string
	layout    string // alternatives are separated by "  "
	expr      string
	certainty Confidence
	why       string
	defaults  map[string]int    // counts that neither the string nor the context needs to give
	fallbacks map[string]string // values likewise
}

const (
	bareHex  = "<hash:hex>"
	hexSalt  = "<hash:hex>:<salt>"
	whyShape = "many schemes write hexadecimal digits like this"
)

// digestSchemes is the zoo as data.
var digestSchemes = []digestScheme{
	// Generic.
	{name: "salted-md5-pass.salt", family: "digest", layout: hexSalt, expr: "md5(pass . salt)", why: whyShape},
	{name: "salted-md5-salt.pass", family: "digest", layout: hexSalt, expr: "md5(salt . pass)", why: whyShape},
	{name: "salted-md5-utf16le(pass).salt", family: "digest", layout: hexSalt, expr: "md5(utf16le(pass) . salt)", why: whyShape},
	{name: "salted-md5-salt.utf16le(pass)", family: "digest", layout: hexSalt, expr: "md5(salt . utf16le(pass))", why: whyShape},
	{name: "salted-sha1-pass.salt", family: "digest", layout: hexSalt, expr: "sha1(pass . salt)", why: whyShape},
	{name: "salted-sha1-salt.pass", family: "digest", layout: hexSalt, expr: "sha1(salt . pass)", why: whyShape},
	{name: "salted-sha256-pass.salt", family: "digest", layout: hexSalt, expr: "sha256(pass . salt)", why: whyShape},
	{name: "salted-sha256-salt.pass", family: "digest", layout: hexSalt, expr: "sha256(salt . pass)", why: whyShape},
	{name: "salted-sha256-utf16le(pass).salt", family: "digest", layout: hexSalt, expr: "sha256(utf16le(pass) . salt)", why: whyShape},
	{name: "salted-sha512-pass.salt", family: "digest", layout: hexSalt, expr: "sha512(pass . salt)", why: whyShape},
	{name: "salted-sha512-salt.pass", family: "digest", layout: hexSalt, expr: "sha512(salt . pass)", why: whyShape},
	{name: "hmac-md5-key=pass", family: "digest", layout: hexSalt, expr: "hmac_md5(pass, salt)", why: whyShape},
	{name: "hmac-md5-key=salt", family: "digest", layout: hexSalt, expr: "hmac_md5(salt, pass)", why: whyShape},
	{name: "hmac-sha1-key=pass", family: "digest", layout: hexSalt, expr: "hmac_sha1(pass, salt)", why: whyShape},
	{name: "hmac-sha1-key=salt", family: "digest", layout: hexSalt, expr: "hmac_sha1(salt, pass)", why: whyShape},
	{name: "hmac-sha256-key=pass", family: "digest", layout: hexSalt, expr: "hmac_sha256(pass, salt)", why: whyShape},
	{name: "hmac-sha256-key=salt", family: "digest", layout: hexSalt, expr: "hmac_sha256(salt, pass)", why: whyShape},
	{name: "hmac-sha512-key=pass", family: "digest", layout: hexSalt, expr: "hmac_sha512(pass, salt)", why: whyShape},
	{name: "hmac-sha512-key=salt", family: "digest", layout: hexSalt, expr: "hmac_sha512(salt, pass)", why: whyShape},
	{name: "md5(md5hex)", family: "digest", layout: bareHex, expr: "md5(md5(pass))", why: whyShape},
	{name: "md5(upper(md5hex))", family: "digest", layout: bareHex, expr: "md5(upper(md5(pass)))", why: whyShape},
	{name: "md5(sha1hex)", family: "digest", layout: bareHex, expr: "md5(sha1(pass))", why: whyShape},
	{name: "md5(salt.md5(pass))", family: "digest", layout: hexSalt, expr: "md5(salt . md5(pass))", why: whyShape},
	{name: "sha1(sha1hex)", family: "digest", layout: bareHex, expr: "sha1(sha1(pass))", why: whyShape},
	{name: "sha1(md5hex)", family: "digest", layout: bareHex, expr: "sha1(md5(pass))", why: whyShape},
	{name: "sha1(salt.sha1(pass))", family: "digest", layout: hexSalt, expr: "sha1(salt . sha1(pass))", why: whyShape},
	{name: "sha256(salt.sha256(pass))", family: "digest", layout: hexSalt, expr: "sha256(salt . sha256(pass))", why: whyShape},
	{name: "sha256(sha256(pass).salt)", family: "digest", layout: hexSalt, expr: "sha256(sha256(pass) . salt)", why: whyShape},

	// Content management, forums, shops.
	{name: "joomla-md5", family: "cms", layout: hexSalt, expr: "md5(pass . salt)", why: whyShape},
	{name: "mediawiki-A", family: "cms", layout: ":A:<hash:hex>", expr: "md5(pass)", certainty: Certain},
	{name: "mediawiki-B", family: "cms", layout: ":B:<salt>:<hash:hex>", expr: "md5(salt . '-' . md5(pass))", certainty: Certain},
	{name: "magento1-md5", family: "cms", layout: hexSalt, expr: "md5(salt . pass)", why: whyShape},
	{name: "oscommerce-md5", family: "cms", layout: hexSalt, expr: "md5(salt . pass)", why: whyShape},
	{name: "prestashop-md5", family: "cms", layout: "<hash:hex>:<key>", expr: "md5(key . pass)", why: whyShape},
	{name: "vbulletin-md5", family: "cms", layout: hexSalt, expr: "md5(md5(pass) . salt)", why: whyShape},
	{name: "mybb-ipb-md5", aliases: []string{"mybb", "ipb"}, family: "cms", layout: hexSalt, expr: "md5(md5(salt) . md5(pass))", why: whyShape},
	{name: "smf-sha1", family: "cms", layout: bareHex, expr: "sha1(lower(username) . pass)", why: whyShape},
	{name: "punbb-sha1", family: "cms", layout: hexSalt, expr: "sha1(salt . sha1(pass))", why: whyShape},
	{name: "redmine-sha1", family: "framework", layout: hexSalt, expr: "sha1(salt . sha1(pass))", why: whyShape},
	{name: "wbb3-sha1", family: "cms", layout: hexSalt, expr: "sha1(salt . sha1(salt . sha1(pass)))", why: whyShape},
	{name: "opencart-sha1", family: "cms", layout: hexSalt, expr: "sha1(salt . sha1(salt . sha1(pass)))", why: whyShape},
	{name: "authme-sha256", family: "cms", layout: "$SHA$<salt>$<hash:hex>", expr: "sha256(sha256(pass) . salt)", certainty: Certain},
	{
		name: "xenforo-core", family: "cms", expr: "sha256(sha256(pass) . salt)", certainty: Certain,
		layout: `a:3:{s:4:"hash";s:64:"<hash:hex>";s:4:"salt";s:<saltlength:int>:"<salt>";s:8:"hashFunc";s:6:"sha256";}`,
	},

	// Frameworks.
	{name: "django-md5", family: "framework", layout: "md5$<salt>$<hash:hex>", expr: "md5(salt . pass)", certainty: Likely, why: "Werkzeug writes HMAC-MD5 like this"},
	{name: "django-sha1", family: "framework", layout: "sha1$<salt>$<hash:hex>", expr: "sha1(salt . pass)", certainty: Likely, why: "Werkzeug writes HMAC-SHA1 like this"},
	{name: "django-unsalted-md5", family: "framework", layout: bareHex, expr: "md5(pass)", why: whyShape},
	{name: "django-unsalted-sha1", family: "framework", layout: "sha1$$<hash:hex>", expr: "sha1(pass)", certainty: Certain},
	{name: "werkzeug-hmac-md5", family: "framework", layout: "md5$<salt>$<hash:hex>", expr: "hmac_md5(salt, pass)", certainty: Likely, why: "Django writes salted MD5 like this"},
	{name: "werkzeug-hmac-sha1", family: "framework", layout: "sha1$<salt>$<hash:hex>", expr: "hmac_sha1(salt, pass)", certainty: Likely, why: "Django writes salted SHA-1 like this"},
	{name: "werkzeug-hmac-sha256", family: "framework", layout: "sha256$<salt>$<hash:hex>", expr: "hmac_sha256(salt, pass)", certainty: Certain},
	{
		name: "authlogic-sha512", family: "framework", layout: bareHex, expr: "loop(stretches, sha512(pass . salt), sha512(prev))",
		why: whyShape, defaults: map[string]int{"stretches": 20},
	},
	{
		name: "restful-auth-sha1", family: "framework", layout: "<hash:hex>:<salt>:<key>", why: whyShape,
		expr: "loop(10, sha1(key . '--' . salt . '--' . pass . '--' . key), sha1(prev . '--' . salt . '--' . pass . '--' . key))",
	},
	{name: "restful-auth-sha1-1", family: "framework", layout: hexSalt, expr: "sha1('--' . salt . '--' . pass . '--')", why: whyShape},
	{
		name: "symfony-messagedigest-sha512", aliases: []string{"symfony-sha512"}, family: "framework", layout: "<hash:b64>  <hash:hex>", why: "64 bytes of base64 or hexadecimal",
		expr:     "hex(loop(iterations, unhex(sha512(pass . '{' . salt . '}')), unhex(sha512(prev . pass . '{' . salt . '}'))))",
		defaults: map[string]int{"iterations": 5000},
	},
	{
		name: "spring-sha256", family: "framework", layout: "{sha256}<salt:hex:16><hash:hex>", certainty: Certain,
		expr: "hex(loop(1024, unhex(sha256(salt . secret . pass)), unhex(sha256(prev))))", fallbacks: map[string]string{"secret": ""},
	},
	{name: "spring-noop", family: "framework", layout: "{noop}<hash>", expr: "pass", certainty: Certain},
	{name: "roundup", family: "framework", layout: "{plaintext}<hash>", expr: "pass", certainty: Certain},
	{
		name: "shiro1", family: "framework", layout: "$shiro1$SHA-256$<iterations:int>$<salt:b64>$<hash:b64>", certainty: Certain,
		expr: "hex(loop(iterations, unhex(sha256(salt . pass)), unhex(sha256(prev))))",
	},
	{
		name: "shiro1-sha512", family: "framework", layout: "$shiro1$SHA-512$<iterations:int>$<salt:b64>$<hash:b64>", certainty: Certain,
		expr: "hex(loop(iterations, unhex(sha512(salt . pass)), unhex(sha512(prev))))",
	},
	{name: "umbraco-hmac-sha1", family: "framework", layout: "<hash:b64>", expr: "hmac_sha1(utf16le(pass), utf16le(pass))", why: "20 bytes of base64 have no name"},
	{
		name: "episerver-aspnetmembership-sha1", aliases: []string{"aspnet-membership-sha1"}, family: "framework",
		layout: "$episerver$*0*<salt:ab64>*<hash:ab64>  <hash:ab64>", expr: "sha1(salt . utf16le(pass))", certainty: Certain,
	},
	{
		name: "episerver-aspnetmembership-sha256", aliases: []string{"aspnet-membership-sha256"}, family: "framework",
		layout: "$episerver$*1*<salt:ab64>*<hash:ab64>  <hash:ab64>", expr: "sha256(salt . utf16le(pass))", certainty: Certain,
	},

	// Databases.
	{name: "mysql41", aliases: []string{"mysql"}, family: "database", layout: "*<hash:hex>", expr: "sha1(unhex(sha1(pass)))", certainty: Certain},
	{name: "postgres-md5", family: "database", layout: "md5<hash:hex>", expr: "md5(pass . username)", certainty: Certain},
	{
		name: "mssql2000", family: "database", layout: "0x0100<salt:hex:8><exact:hex:40><hash:hex>", certainty: Certain,
		// The digest of the password as typed comes first, but the server compares without case.
		expr: "sha1(utf16le(upper(pass)) . salt)",
	},
	{name: "mssql2005", family: "database", layout: "0x0100<salt:hex:8><hash:hex>", expr: "sha1(utf16le(pass) . salt)", certainty: Certain},
	{name: "mssql2012", family: "database", layout: "0x0200<salt:hex:8><hash:hex>", expr: "sha512(utf16le(pass) . salt)", certainty: Certain},
	{name: "oracle11-s", family: "database", layout: "<hash:hex>:<salt:hex>", expr: "sha1(pass . salt)", why: whyShape},
	{name: "oracle11-s-passlib", family: "database", layout: "S:<hash:hex><salt:hex:20>", expr: "sha1(pass . salt)", certainty: Certain},
	{name: "sybase-ase", family: "database", layout: "0xc007<salt:hex:16><hash:hex>", expr: "sha256(pad(utf16be(pass), 510) . salt)", certainty: Certain},

	// Windows, enterprise, devices.
	{name: "nt", aliases: []string{"ntlm"}, family: "enterprise", layout: bareHex, expr: "md4(utf16le(pass))", why: whyShape},
	{name: "nt-crypt3", family: "crypt", layout: "$3$$<hash:hex>", expr: "md4(widen(pass))", certainty: Likely, why: "libxcrypt widens bytes where FreeBSD decodes UTF-8; the strings look the same"},
	{name: "bsd-nthash", family: "crypt", layout: "$3$$<hash:hex>", expr: "md4(utf16le(pass))", certainty: Likely, why: "FreeBSD decodes UTF-8 where libxcrypt widens bytes; the strings look the same"},
	{
		name: "msdcc1", family: "enterprise", layout: "<hash:hex>:<username>  <hash:hex>", why: whyShape,
		expr: "md4(unhex(md4(utf16le(pass))) . utf16le(lower(username)))",
	},
	{name: "coldfusion10", family: "enterprise", layout: hexSalt, expr: "sha256(salt . upper(sha1(pass)))", why: whyShape},
	{name: "filezilla-sha512", family: "enterprise", layout: hexSalt, expr: "sha512(pass . salt)", why: whyShape},
	{name: "peoplesoft-sha1-utf16le", aliases: []string{"peoplesoft"}, family: "enterprise", layout: "<hash:b64>", expr: "sha1(utf16le(pass))", why: "20 bytes of base64 have no name"},
	{
		name: "otm-sha256", family: "enterprise", layout: "otm_sha256:<iterations:int>:<salt>:<hash:b64>", certainty: Certain,
		expr: "hex(loop(iterations, unhex(sha256(salt . pass)), unhex(sha256(prev))))",
	},
	{
		name: "sap-codvn-h", family: "enterprise", layout: "{x-issha, <iterations:int>}<hash+salt:b64>", certainty: Certain,
		expr: "hex(loop(iterations, unhex(sha1(pass . salt)), unhex(sha1(pass . prev))))",
	},
	{name: "macos-sha1-salted", family: "enterprise", layout: "<salt:hex:8><hash:hex>", expr: "sha1(salt . pass)", why: whyShape},
	{name: "macos-sha512-salted", family: "enterprise", layout: "<salt:hex:8><hash:hex>", expr: "sha512(salt . pass)", why: whyShape},
	{name: "cisco4", family: "enterprise", layout: "<hash:cisco64>", expr: "sha256(pass)", why: "43 characters of the crypt alphabet have no name"},
}

// format makes a Format of the scheme.
func (s *digestScheme) format() (Format, error) {
	d, err := CompileDigest(s.expr)
	if err != nil {
		return Format{}, err
	}
	f := Format{Name: s.name, Aliases: s.aliases, Family: s.family, Layout: s.layout, Scheme: s.expr, certainty: s.certainty, why: s.why, nul: true}
	var layouts []*layout
	for source := range strings.SplitSeq(s.layout, "  ") {
		l := mustLayout(source)
		l.fixHash(d.size)
		layouts = append(layouts, l)
		// A salt column beside a bare digest is as good as the salt behind a colon.
		if source == hexSalt {
			bare := mustLayout(bareHex)
			bare.fixHash(d.size)
			layouts = append(layouts, bare)
		}
	}
	if strings.Contains(s.layout, hexSalt) {
		f.Context = append(f.Context, "salt?")
	}
	f.prefix = layouts[0].prefix()
	for _, key := range d.names {
		if s.layoutHas(key) {
			continue
		}
		if _, ok := s.defaults[key]; ok {
			key += "?"
		} else if _, ok := s.fallbacks[key]; ok {
			key += "?"
		}
		f.Context = append(f.Context, key)
	}
	f.parse = func(in *input) (*parsed, *Error) {
		var first, fitting *Error
		for _, l := range layouts {
			m, err := l.match(in.encoded)
			if err != nil {
				if first == nil {
					first = err
				}
				continue
			}
			p, err := s.parse(d, m, in)
			if err == nil || err.Code != CodeMalformed { // what is read as base64 may be hexadecimal of the next layout
				return p, err
			}
			if fitting == nil {
				fitting = err
			}
		}
		if fitting != nil {
			return nil, fitting
		}
		return nil, first
	}
	return f, nil
}

func (s *digestScheme) layoutHas(key string) bool {
	return strings.Contains(s.layout, "<"+key+">") || strings.Contains(s.layout, "<"+key+":") || key == "salt" && strings.Contains(s.layout, "+salt")
}

// fixHash gives the field of a hexadecimal digest the length that its digest has.
func (l *layout) fixHash(size int) {
	for i := range l.parts {
		p := &l.parts[i]
		if p.name == "hash" && p.kind == "hex" && p.length == 0 {
			p.length = 2 * size
		}
	}
}

func (s *digestScheme) parse(d *Digest, m fields, in *input) (*parsed, *Error) {
	p := &parsed{}
	p.Params = Params{Algorithm: "digest", Expression: d.source}
	env := &environment{values: map[string][]byte{}, counts: map[string]int{}, budget: in.limits.HashedBytes}
	for _, part := range m.layout.parts {
		switch part.name {
		case "", "exact", "saltlength":
		case "hash+salt":
			b, err := m.bytes(part.name)
			if err != nil {
				return nil, err
			}
			if len(b) <= d.size {
				return nil, malformed("%d bytes; more than %d expected: the hash was cut off", len(b), d.size)
			}
			p.want, env.values["salt"] = b[:d.size], b[d.size:]
		case "hash":
			b, err := m.bytes("hash")
			if err != nil {
				return nil, err
			}
			if d.size > 0 && len(b) != d.size {
				return nil, malformed("a digest of %d bytes; %d expected", len(b), d.size)
			}
			p.want = b
			p.asText = part.kind == "text"
		case "iterations":
			n, err := m.int("iterations")
			if err != nil {
				return nil, err
			}
			env.counts["iterations"] = n
		default:
			b, err := m.bytes(part.name)
			if err != nil {
				return nil, err
			}
			env.values[part.name] = b
		}
	}
	p.KeyBytes = len(p.want)
	if err := s.complete(d, env, in.ctx); err != nil {
		return nil, err
	}
	if d.rounds > 0 {
		p.kind, p.Iterations = kindRounds, d.rounds
	}
	for _, n := range env.counts {
		if n < 1 {
			return nil, malformed("the iteration count is zero")
		}
		p.kind, p.Iterations = kindRounds, n
	}
	p.salt = env.values["salt"]
	p.SaltBytes = len(p.salt)
	p.digest, p.env = d, env
	p.run = runDigest
	return p, nil
}

// complete takes from the context what the string did not say.
func (s *digestScheme) complete(d *Digest, env *environment, ctx Context) *Error {
	for _, key := range d.names {
		if _, ok := env.values[key]; ok {
			continue
		}
		if _, ok := env.counts[key]; ok {
			continue
		}
		if key == "iterations" || key == "stretches" {
			fallback, ok := s.defaults[key]
			if !ok {
				fallback = -1
			}
			n, err := ctx.int(key, fallback)
			if err != nil {
				return err
			}
			env.counts[key] = n
			continue
		}
		b, ok, err := ctx.bytes(key)
		if err != nil {
			return err
		}
		if !ok && key == "username" {
			if b, ok, err = ctx.bytes("username_lower"); err != nil {
				return err
			}
		}
		if !ok {
			var value string
			if value, ok = s.fallbacks[key]; !ok {
				return missing(key)
			}
			b = []byte(value)
		}
		env.values[key] = b
	}
	return nil
}

func runDigest(p *parsed, password []byte) ([]byte, error) {
	env := *p.env
	env.values = map[string][]byte{"pass": password}
	for k, v := range p.env.values {
		env.values[k] = v
	}
	out, err := p.digest.eval(&env)
	if err != nil || p.asText {
		return out, err
	}
	raw := make([]byte, hex.DecodedLen(len(out)))
	if _, err := hex.Decode(raw, out); err != nil {
		return nil, unsupported("the expression gives no hexadecimal value")
	}
	return raw, nil
}

// NewDigestFormat makes a format of a digest expression, for [Verifier.VerifyFormat]. Its hashes are the digest in hexadecimal or base64,
// alone or, in hexadecimal, with ":" and the salt behind it; everything else that the expression reads comes from the context.
func NewDigestFormat(name, expression string) (*Format, error) {
	d, err := CompileDigest(expression)
	if err != nil {
		return nil, err
	}
	if d.size == 0 {
		return nil, &Error{Code: CodeExpression, Message: "a digest expression must end in a digest: its outermost function is one, or hex of a loop over one"}
	}
	s := digestScheme{name: name, family: "digest", layout: bareHex + "  <hash:ab64>", expr: expression, why: whyShape}
	if slices.Contains(d.names, "salt") {
		s.layout = hexSalt + "  " + s.layout
	}
	f, err := s.format()
	if err != nil {
		return nil, err
	}
	parse := f.parse
	f.parse = func(in *input) (*parsed, *Error) {
		p, err := parse(in)
		if err != nil && err.Code == CodeMalformed {
			hash, _, _ := strings.Cut(in.encoded, ":")
			_, bad := decodeAnyBase64(hash)
			switch {
			case isHex(hash) && len(hash) != 2*d.size:
				return nil, wrongLength("hexadecimal digest", len(hash), 2*d.size)
			case isHex(hash):
			case len(hash) == 2*d.size, bad == nil && hash != in.encoded:
				return nil, malformed("the digest is not hexadecimal")
			case bad != nil:
				return nil, malformed("it is neither hexadecimal nor base64")
			}
		}
		return p, err
	}
	return &f, nil
}

func digestFormats() []Format {
	var out []Format
	for i := range digestSchemes {
		f, err := digestSchemes[i].format()
		if err != nil {
			panic(err)
		}
		out = append(out, f)
	}
	return out
}
