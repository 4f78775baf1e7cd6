package password

import (
	"fmt"
	"maps"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// recipe says how a format is computed in JavaScript with nothing but Node's crypto.
type recipe struct {
	layouts []string
	fold    bool   // the literals are read without case
	digest  string // an expression that gives the digest's bytes, or its text where the hash field is text; pass, v and size are its names
	size    int    // bytes of a new digest
	values  map[string]string
	saltLen int // bytes of a new salt that is not text
	// bounds is a condition on v: what a stored text may ask for. It is empty where the text says nothing of costs.
	bounds string
	// check, split and join take apart and put together a field "blob".
	check, split, join string
}

// scriptSalt is how many characters or bytes a new salt has.
const scriptSalt = 16

// scriptDigests are the digests that Node's crypto has.
var scriptDigests = []string{"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-256", "sha3-224", "sha3-256", "sha3-384", "sha3-512", "ripemd160"}

// scriptIterations is what a new PBKDF2 hash has (OWASP's advice of 2025).
var scriptIterations = map[string]int{"sha1": 1_300_000, "sha256": 600_000, "sha512": 210_000}

// Script gives the pair of JavaScript functions encrypt(password) and validate(password, encrypted) for a format, as Authing's custom password
// function wants them: the stored text is all that they are given. An error with [CodeNoScript] says why a format cannot be written so.
func Script(format string) (string, error) {
	f, err := Lookup(format)
	if err != nil {
		return "", err
	}
	r, e := recipeOf(f)
	if e != nil {
		e.Format = f.Name
		return "", e
	}
	return r.script(f)
}

// scripted names the formats that have a script.
var scripted = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for _, f := range formats {
		_, err := recipeOf(f)
		out[f.Name] = err == nil
	}
	return out
})

func noScript(message string, args ...any) *Error { return newError(CodeNoScript, message, args) }

func recipeOf(f *Format) (*recipe, *Error) {
	if f.hasher != nil {
		return nil, noScript("it is a plugin's, and only that knows how it is computed")
	}
	if expression, ok := strings.CutPrefix(f.Name, DigestPrefix); ok {
		s := &digestScheme{expr: expression, layout: bareHex}
		if strings.Contains(f.Layout, hexSalt) {
			s.layout = hexSalt
		}
		return digestRecipe(s)
	}
	if i := slices.IndexFunc(digestSchemes, func(s digestScheme) bool { return s.name == f.Name }); i >= 0 {
		return digestRecipe(&digestSchemes[i])
	}
	if digest, ok := strings.CutPrefix(f.Name, "hex-"); ok {
		return digestRecipe(&digestScheme{expr: strings.ReplaceAll(digest, "-", "_") + "(pass)", layout: bareHex})
	}
	if f.Family == "ldap" && strings.HasSuffix(f.Scheme, "(pass)") {
		r, err := digestRecipe(&digestScheme{expr: f.Scheme, layout: f.prefix + "<hash:b64>"})
		return r.folded(), err
	}
	if f.Family == "ldap" && strings.HasSuffix(f.Scheme, "(pass . salt)") {
		r, err := digestRecipe(&digestScheme{expr: f.Scheme, layout: f.prefix + "<hash+salt:b64>"})
		return r.folded(), err
	}
	if r := scriptRecipes[f.Name]; r != nil {
		return r, nil
	}
	if name, ok := strings.CutPrefix(f.Scheme, "PBKDF2-HMAC-"); ok && slices.Contains(scriptDigests, strings.ToLower(name)) && strings.Contains(f.Layout, "<iterations:int>") && strings.Contains(f.Layout, "<salt") && strings.Contains(f.Layout, "<hash:") {
		return pbkdf2Recipe(strings.ToLower(name), f.Layout), nil
	}
	return nil, unscripted(f)
}

func (r *recipe) folded() *recipe {
	if r != nil {
		r.fold = true
	}
	return r
}

// unscripted says why a format cannot be written with Node's crypto.
func unscripted(f *Format) *Error {
	e := f.Example()
	if p, err := defaultVerifier.open(f, e.Encoded, e.Context); err == nil {
		switch {
		case p.kind == kindBcrypt:
			return noScript("Node's crypto has no bcrypt: upload a .zip with the package bcryptjs in node_modules, and call its hashSync and compareSync")
		case p.kind == kindArgon2:
			return noScript("Node's crypto has argon2 only from version 24.7 on: upload a .zip with a package that has it")
		case strings.HasPrefix(e.Encoded, "{\""):
			return noScript("its stored form is an object of several fields, and the functions are given one text: convert it first")
		}
	}
	for _, key := range f.Context {
		if !strings.HasSuffix(key, "?") {
			return noScript("the functions are given no %s beside the stored text", key)
		}
	}
	return noScript("no script is written for it: it is made of more than digests, HMAC, PBKDF2 and scrypt, or stored in a form of its own")
}

func pbkdf2Recipe(digest string, layouts ...string) *recipe {
	iterations := scriptIterations[digest]
	if iterations == 0 {
		iterations = scriptIterations["sha256"]
	}
	return &recipe{
		layouts: layouts, digest: fmt.Sprintf("crypto.pbkdf2Sync(pass, v.salt, v.iterations, size, %q)", digest), size: digestSizes[digest],
		values: map[string]string{"iterations": strconv.Itoa(iterations)}, saltLen: scriptSalt, bounds: pbkdf2Bounds(strconv.Itoa(digestSizes[digest])),
	}
}

// derivedBounds are those of the length of a digest that has as many bytes as are asked for.
var derivedBounds = fmt.Sprintf("v.hash.length >= %d && v.hash.length <= %d", minDerivedBytes, maxDigestBytes)

// The bounds are those of parsed.within, of the default limits. size is JavaScript that gives the bytes of PBKDF2's digest.
func pbkdf2Bounds(size string) string {
	return fmt.Sprintf("%s && v.iterations >= 1 && v.iterations <= %d\n    && v.iterations * Math.ceil(v.hash.length / %s) <= %d",
		derivedBounds, defaultLimits.Iterations, size, 2*defaultLimits.Iterations)
}

// scryptBounds takes n as JavaScript that gives the parameter N.
func scryptBounds(n string) string {
	blocks := defaultLimits.Memory / 128
	return fmt.Sprintf("%s && %s > 1 && Number.isInteger(Math.log2(%s)) && v.r >= 1 && v.p >= 1 && v.p <= %d\n    && %s * v.r <= %d && %s * v.r * v.p <= %d",
		derivedBounds, n, n, defaultLimits.Parallelism, n, blocks, n, scryptWork*blocks)
}

func scryptRecipe(layouts ...string) *recipe {
	return &recipe{
		layouts: layouts, digest: "crypto.scryptSync(pass, v.salt, size, { N: v.n, r: v.r, p: v.p, maxmem: 512 << 20 })", size: 64,
		values: map[string]string{"n": "2 ** 15", "r": "8", "p": "1"}, saltLen: scriptSalt, bounds: scryptBounds("v.n"),
	}
}

func namedPBKDF2Recipe(layouts ...string) *recipe {
	r := pbkdf2Recipe("sha256", layouts...)
	r.digest = "crypto.pbkdf2Sync(pass, v.salt, v.iterations, size, v.digest.toString())"
	r.values["digest"], r.values["length"] = "Buffer.from('sha256')", "32"
	sizes := make([]string, len(scriptDigests))
	for i, digest := range scriptDigests {
		sizes[i] = fmt.Sprintf("'%s': %d", digest, digestSizes[digest])
	}
	r.bounds = pbkdf2Bounds("{ " + strings.Join(sizes, ", ") + " }[v.digest]")
	return r
}

func phpassRecipe(digest, pass string, chars int, cost string, layouts ...string) *recipe {
	return &recipe{
		layouts: layouts, digest: fmt.Sprintf("phpass(%q, %s, v).subarray(0, %d)", digest, pass, chars), size: chars,
		values: map[string]string{"cost": "Buffer.from('" + cost + "')", "salt": "Buffer.from(crypto.randomBytes(4).toString('hex'))"},
		bounds: fmt.Sprintf("'%s'.includes(v.cost)", h64Alphabet[minPhpassCost:bits.Len(uint(defaultLimits.PhpassRounds))]),
	}
}

// scriptRecipes are the formats that are neither a digest expression nor a plain layout of PBKDF2.
var scriptRecipes = map[string]*recipe{
	"phc-pbkdf2": namedPBKDF2Recipe("$pbkdf2-<digest>$i=<iterations:int>,l=<length:int>$<salt:b64raw>$<hash:b64raw>",
		"$pbkdf2-<digest>$i=<iterations:int>$<salt:b64raw>$<hash:b64raw>"),
	"werkzeug-pbkdf2":  namedPBKDF2Recipe(werkzeugLayout.source),
	"web2py-pbkdf2":    namedPBKDF2Recipe(web2pyLayout.source),
	"mediawiki-pbkdf2": namedPBKDF2Recipe(mediawikiLayout.source),
	"phc-scrypt": {
		layouts: []string{"$scrypt$ln=<ln:int>,r=<r:int>,p=<p:int>$<salt:b64raw>$<hash:b64raw>"},
		digest:  "crypto.scryptSync(pass, v.salt, size, { N: 2 ** v.ln, r: v.r, p: v.p, maxmem: 512 << 20 })", size: 32,
		values: map[string]string{"ln": "16", "r": "8", "p": "2"}, saltLen: scriptSalt, bounds: scryptBounds("2 ** v.ln"),
	},
	"kratos-scrypt":   scryptRecipe(kratosScryptLayout.source),
	"django-scrypt":   scryptRecipe("scrypt$<n:int>$<salt>$<r:int>$<p:int>$<hash:b64>"),
	"werkzeug-scrypt": scryptRecipe("scrypt:<n:int>:<r:int>:<p:int>$<salt>$<hash:hex>"),
	"hashcat-scrypt":  scryptRecipe("SCRYPT:<n:int>:<r:int>:<p:int>:<salt:b64>:<hash:b64>"),
	"phpass":          phpassRecipe("md5", "pass", 22, "B", "$P$<cost:text:1><salt:text:8><hash:text:22>", "$H$<cost:text:1><salt:text:8><hash:text:22>"),
	"drupal7":         phpassRecipe("sha512", "pass", 43, "D", "$S$<cost:text:1><salt:text:8><hash:text:43>"),
	"drupal7-u":       phpassRecipe("sha512", "hash('md5', pass)", 43, "D", "U$S$<cost:text:1><salt:text:8><hash:text:43>"),
	"atlassian-pkcs5s2": {
		layouts: []string{"{PKCS5S2}<blob:b64>"}, digest: "crypto.pbkdf2Sync(pass, v.salt, 10000, size, 'sha1')", size: 32, saltLen: 16,
		check: "b.length === 48", split: "{ salt: b.subarray(0, 16), hash: b.subarray(16) }", join: "[v.salt, v.hash]",
	},
	"aspnet-identity-v2": {
		layouts: []string{"<blob:b64>"}, digest: "crypto.pbkdf2Sync(pass, v.salt, 1000, size, 'sha1')", size: 32, saltLen: 16,
		check: "b.length === 49 && b[0] === 0", split: "{ salt: b.subarray(1, 17), hash: b.subarray(17) }", join: "[Buffer.from([0]), v.salt, v.hash]",
	},
	"aspnet-identity-v3": {
		layouts: []string{"<blob:b64>"}, digest: "crypto.pbkdf2Sync(pass, v.salt, v.iterations, size, ['sha1', 'sha256', 'sha512'][v.prf])", size: 32, saltLen: 16,
		values: map[string]string{"iterations": "600000", "prf": "1"}, bounds: pbkdf2Bounds("[20, 32, 64][v.prf]"),
		check: "b.length >= 13 + 32 && b[0] === 1 && b.readUInt32BE(1) < 3 && b.readUInt32BE(9) >= 16 && b.length >= 13 + b.readUInt32BE(9) + 16",
		split: "{ prf: b.readUInt32BE(1), iterations: b.readUInt32BE(5), salt: b.subarray(13, 13 + b.readUInt32BE(9)), hash: b.subarray(13 + b.readUInt32BE(9)) }",
		join:  "[Buffer.from([1]), uint32(v.prf), uint32(v.iterations), uint32(v.salt.length), v.salt, v.hash]",
	},
	"ldap-389ds-pbkdf2": {
		layouts: []string{"{PBKDF2_SHA256}<blob:b64>"}, digest: "crypto.pbkdf2Sync(pass, v.salt, v.iterations, size, 'sha256')", size: 256, saltLen: 64,
		values: map[string]string{"iterations": "100000"}, bounds: pbkdf2Bounds("32"),
		check: "b.length === 324", split: "{ iterations: b.readUInt32BE(0), salt: b.subarray(4, 68), hash: b.subarray(68) }", join: "[uint32(v.iterations), v.salt, v.hash]",
	},
}

// digestRecipe writes a digest expression in JavaScript.
func digestRecipe(s *digestScheme) (*recipe, *Error) {
	d, err := CompileDigest(s.expr)
	if err != nil {
		return nil, asError(err)
	}
	r := &recipe{size: d.size, values: map[string]string{}, saltLen: scriptSalt}
	var c jsWriter
	r.digest = c.write(d.root)
	if c.lacks != "" {
		return nil, noScript("Node's crypto has no %s", c.lacks)
	}
	for source := range strings.SplitSeq(s.layout, "  ") {
		switch {
		case strings.Contains(source, "<exact"):
			return nil, noScript("the stored text holds two digests")
		case strings.Contains(source, "cisco64"):
			return nil, noScript("its base64 has an alphabet of its own")
		case strings.Contains(source, "<username"), strings.Contains(source, "<key"):
			return nil, noScript("encrypt is given nothing but the password: it cannot write the user name or the key that stands in the text")
		}
		l := mustLayout(source)
		if strings.Contains(source, "<hash>") {
			r.layouts = append(r.layouts, source)
			continue
		}
		l.fixHash(d.size)
		out := ""
		for _, p := range l.parts {
			switch {
			case p.name == "":
				out += p.literal
			case p.name == "hash" && p.kind == "hex":
				out += fmt.Sprintf("<hash:hex:%d>", 2*d.size)
			case p.length > 0:
				out += fmt.Sprintf("<%s:%s:%d>", p.name, p.kind, p.length)
				if p.name == "salt" && p.kind == "hex" {
					r.saltLen = p.length / 2
				}
			default:
				out += "<" + p.name + ":" + p.kind + ">"
			}
		}
		if strings.Contains(out, "<hash+salt:b64>") {
			out = strings.Replace(out, "<hash+salt:b64>", "<blob:b64>", 1)
			r.check = fmt.Sprintf("b.length > %d", d.size)
			r.split = fmt.Sprintf("{ hash: b.subarray(0, %d), salt: b.subarray(%d) }", d.size, d.size)
			r.join = "[v.hash, v.salt]"
		} else if slices.Contains(d.names, "salt") && !strings.Contains(out, "<salt") {
			out += ":<salt:text>" // where a conversion for Authing puts the salt of another column
		}
		r.layouts = append(r.layouts, out)
	}
	if !strings.Contains(s.layout, "<hash>") {
		r.digest = unhexed(r.digest)
	}
	for _, name := range d.names {
		switch {
		case name == "salt" || strings.Contains(s.layout, "<"+name+":int>"):
			if name == "iterations" {
				r.values[name] = "10000"
				r.bounds = fmt.Sprintf("v.iterations >= 1 && v.iterations <= %d", defaultLimits.CryptRounds)
			}
		case s.defaults[name] > 0:
			r.values["fixed "+name] = strconv.Itoa(s.defaults[name])
		case hasKey(s.fallbacks, name):
			r.values["fixed "+name] = fmt.Sprintf("Buffer.from(%q)", s.fallbacks[name])
		default:
			return nil, noScript("the functions are given no %s beside the stored text", name)
		}
	}
	return r, nil
}

func hasKey(m map[string]string, key string) bool { _, ok := m[key]; return ok }

// unhexed gives the bytes of what an expression gives in hexadecimal.
func unhexed(js string) string {
	if inner, ok := strings.CutPrefix(js, "hex("); ok && strings.HasSuffix(inner, ")") {
		return inner[:len(inner)-1]
	}
	return "unhex(" + js + ")"
}

// jsWriter writes the nodes of a digest expression.
type jsWriter struct{ lacks string }

var functionNames = func() map[*function]string {
	out := make(map[*function]string, len(functions))
	for name, f := range functions {
		out[f] = name
	}
	return out
}()

func (w *jsWriter) write(n node) string {
	switch n := n.(type) {
	case text:
		if !utf8.Valid(n) {
			return fmt.Sprintf("Buffer.from('%x', 'hex')", []byte(n))
		}
		return "Buffer.from(" + encodeJSON(string(n)) + ")"
	case name:
		if n == "pass" || n == "prev" {
			return string(n)
		}
		return "v." + string(n)
	case joint:
		parts := make([]string, len(n))
		for i, part := range n {
			parts[i] = w.write(part)
		}
		return "join(" + strings.Join(parts, ", ") + ")"
	case *loop:
		count := strconv.Itoa(n.count)
		if n.countName != "" {
			count = "v." + n.countName
		}
		return "loop(" + count + ", " + w.write(n.first) + ", (prev) => " + w.write(n.next) + ")"
	case *call:
		args := make([]string, len(n.args))
		for i, arg := range n.args {
			args[i] = w.write(arg)
		}
		id := functionNames[n.function]
		if n.function.sized {
			return fmt.Sprintf("%s(%s, %d)", id, args[0], n.n)
		}
		if n.function.size == 0 {
			return id + "(" + args[0] + ")"
		}
		digest, keyed := strings.CutPrefix(id, "hmac_")
		digest = strings.ReplaceAll(digest, "_", "-")
		if !slices.Contains(scriptDigests, digest) {
			w.lacks = digest
		}
		if keyed {
			return fmt.Sprintf("hmac(%q, %s, %s)", digest, args[0], args[1])
		}
		return fmt.Sprintf("hash(%q, %s)", digest, args[0])
	}
	panic("password: an expression without JavaScript")
}

// scriptHelpers are the functions that a script may call, each written only where it is.
var scriptHelpers = []struct{ name, text string }{
	{"hash", "const hash = (name, data) => Buffer.from(crypto.createHash(name).update(data).digest('hex'));"},
	{"hmac", "const hmac = (name, key, data) => Buffer.from(crypto.createHmac(name, key).update(data).digest('hex'));"},
	{"join", "const join = (...parts) => Buffer.concat(parts);"},
	{"hex", "const hex = (data) => Buffer.from(data.toString('hex'));"},
	{"unhex", "const unhex = (text) => Buffer.from(text.toString(), 'hex');"},
	{"base64", "const base64 = (data) => Buffer.from(data.toString('base64'));"},
	{"unbase64", "const unbase64 = (text) => Buffer.from(text.toString().replace(/\\./g, '+'), 'base64');"},
	{"upper", "const upper = (text) => Buffer.from([...text.toString()].map((c) => ([...c.toUpperCase()].length > 1 ? c : c.toUpperCase())).join(''));"},
	{"lower", "const lower = (text) => Buffer.from([...text.toString()].map((c) => [...c.toLowerCase()][0]).join(''));"},
	{"trim", "const trim = (text) => Buffer.from(text.toString().replace(/^[ \\t\\n\\r\\0\\x0b]+|[ \\t\\n\\r\\0\\x0b]+$/g, ''));"},
	{"utf16le", "const utf16le = (text) => Buffer.from(text.toString(), 'utf16le');"},
	{"utf16be", "const utf16be = (text) => Buffer.from(text.toString(), 'utf16le').swap16();"},
	{"latin1", "const latin1 = (text) => Buffer.from(text.toString(), 'latin1');"},
	{"widen", "const widen = (data) => Buffer.concat([...data].map((c) => Buffer.from([c, 0])));"},
	{"nfc", "const nfc = (text) => Buffer.from(text.toString().normalize('NFC'));"},
	{"nfkc", "const nfkc = (text) => Buffer.from(text.toString().normalize('NFKC'));"},
	{"left", "const left = (data, n) => data.subarray(0, n);"},
	{"pad", "const pad = (data, n) => Buffer.concat([data, Buffer.alloc(Math.max(0, n - data.length))]);"},
	{"uint32", "const uint32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };"},
	{"loop", `const loop = (count, first, next) => {
  let value = first;
  for (let i = 1; i < count; i++) value = next(value);
  return value;
};`},
	{"phpass", `const phpass = (name, pass, v) => {
  const letters = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  const digest = (...parts) => crypto.createHash(name).update(Buffer.concat(parts)).digest();
  let sum = digest(v.salt, pass);
  for (let n = 2 ** letters.indexOf(v.cost.toString()); n > 0; n--) sum = digest(sum, pass);
  let out = '';
  for (let i = 0; i < sum.length; i += 3) {
    const rest = Math.min(3, sum.length - i);
    let group = sum.readUIntLE(i, rest);
    for (let n = 0; n <= rest; n++, group >>= 6) out += letters[group & 63];
  }
  return Buffer.from(out);
};`},
}

var jsCall = regexp.MustCompile(`\b([a-z0-9]+)\(`)

// fieldPatterns are the kinds of layout fields as a class of characters and how many there may be.
var fieldPatterns = map[string][2]string{
	"text": {"[^]", "*?"}, "hex": {"[0-9a-fA-F]", "*"}, "int": {"[0-9]", "{1,10}"}, "b64": {"[A-Za-z0-9+/]", "*=*"}, "b64raw": {"[A-Za-z0-9+/]", "*"},
	"ab64": {"[A-Za-z0-9+/.]", "*=*"},
}

var fieldReaders = map[string]string{
	"text": "Buffer.from(%s)", "hex": "Buffer.from(%s, 'hex')", "int": "Number(%s)", "b64": "Buffer.from(%s, 'base64')", "b64raw": "Buffer.from(%s, 'base64')",
	"ab64": "Buffer.from(%s.replace(/\\./g, '+'), 'base64')",
}

var fieldWriters = map[string]string{
	"text": "%s.toString()", "hex": "%s.toString('hex')", "int": "%s", "b64": "%s.toString('base64')", "b64raw": "%s.toString('base64').replace(/=/g, '')",
	"ab64": "%s.toString('base64').replace(/=/g, '').replace(/\\+/g, '.')",
}

func (r *recipe) script(f *Format) (string, error) {
	var body strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&body, format+"\n", args...) }
	p("// layouts are the ways in which a hash is written, the first one for new hashes.")
	p("const layouts = [")
	var first []segment
	for _, source := range r.layouts {
		l := mustLayout(source)
		if first == nil {
			first = l.parts
		}
		pattern, reads := "", []string{}
		for _, part := range l.parts {
			if part.name == "" {
				pattern += jsLiteral(part.literal)
				continue
			}
			class, known := fieldPatterns[part.kind]
			if !known {
				return "", &Error{Code: CodeNoScript, Format: f.Name, Message: "its stored form has letters that Node's crypto does not read"}
			}
			many := class[1]
			if part.length > 0 {
				many = fmt.Sprintf("{%d}", part.length)
			}
			pattern += fmt.Sprintf("(?<%s>%s%s)", part.name, class[0], many)
			reads = append(reads, part.name+": "+fmt.Sprintf(fieldReaders[part.kind], "m."+part.name))
		}
		flags := ""
		if r.fold {
			flags = "i"
		}
		p("  { pattern: /^%s$/%s, read: (m) => ({ %s }) },", pattern, flags, strings.Join(reads, ", "))
	}
	p("];")
	fixed := []string{}
	for _, key := range slices.Sorted(maps.Keys(r.values)) {
		if name, ok := strings.CutPrefix(key, "fixed "); ok {
			fixed = append(fixed, name+": "+r.values[key])
		}
	}
	if len(fixed) > 0 {
		p("\n// settings are the application's own: change them if yours are others.")
		p("const settings = { %s };", strings.Join(fixed, ", "))
	}
	p("\n// digest computes the hash of a password; v holds what stands beside it in the stored text.")
	p("function digest(pass, v, size) {\n  return %s;\n}", r.digest)
	p("\nfunction open(layout, encrypted) {\n  const m = layout.pattern.exec(encrypted);\n  if (!m) return null;")
	given := "layout.read(m.groups)"
	if len(fixed) > 0 {
		given = "{ ...settings, ..." + given + " }"
	}
	if r.split == "" {
		p("  return %s;\n}", given)
	} else {
		p("  const v = %s;\n  const b = v.blob;\n  return %s ? Object.assign(v, %s) : null;\n}", given, r.check, r.split)
	}
	unbounded := ""
	if r.bounds != "" {
		p("\n// bounded tells whether a stored text asks for no more than can be computed at a login.")
		p("function bounded(v) {\n  return %s;\n}", r.bounds)
		unbounded = " || !bounded(v)"
	}
	p("\nfunction validate(password, encrypted) {\n  if (Buffer.byteLength(password) > %d || encrypted.length > %d) return false;", defaultLimits.PasswordBytes, defaultLimits.EncodedBytes)
	p("  return layouts.some((layout) => {\n    const v = open(layout, encrypted);")
	p("    if (!v || v.hash.length === 0%s) return false;\n    const got = digest(Buffer.from(password), v, v.hash.length);\n    return got.length === v.hash.length && crypto.timingSafeEqual(got, v.hash);\n  });\n}", unbounded)

	p("\nfunction encrypt(password) {\n  const v = {")
	saltText := slices.ContainsFunc(first, func(s segment) bool { return s.name == "salt" && s.kind == "text" })
	hasSalt := saltText || r.saltLen > 0 && (strings.Contains(r.digest, "v.salt") || r.split != "")
	switch {
	case r.values["salt"] != "":
	case saltText:
		p("    salt: Buffer.from(crypto.randomBytes(%d).toString('hex')),", scriptSalt/2)
	case hasSalt:
		p("    salt: crypto.randomBytes(%d),", r.saltLen)
	}
	for _, key := range slices.Sorted(maps.Keys(r.values)) {
		if !strings.HasPrefix(key, "fixed ") {
			p("    %s: %s,", key, r.values[key])
		}
	}
	if len(fixed) > 0 {
		p("    ...settings,")
	}
	p("  };")
	if slices.ContainsFunc(first, func(s segment) bool { return s.name == "saltlength" }) {
		p("  v.saltlength = v.salt.length;")
	}
	p("  v.hash = digest(Buffer.from(password), v, %d);", r.size)
	if r.join != "" {
		p("  v.blob = Buffer.concat(%s);", r.join)
	}
	written := ""
	for _, part := range first {
		if part.name == "" {
			written += strings.NewReplacer("\\", "\\\\", "`", "\\`", "$", "\\$").Replace(part.literal)
		} else {
			written += "${" + fmt.Sprintf(fieldWriters[part.kind], "v."+part.name) + "}"
		}
	}
	p("  return `%s`;\n}", written)

	var out strings.Builder
	fmt.Fprintf(&out, "// Passwords as %s: %s\n", oneLine.Replace(f.Name), oneLine.Replace(f.Scheme))
	out.WriteString("// Written by `usher hash export-script`. It needs nothing but Node's crypto.\n'use strict';\n\nconst crypto = require('crypto');\n\n")
	called := map[string]bool{}
	for _, m := range jsCall.FindAllStringSubmatch(body.String(), -1) {
		called[m[1]] = true
	}
	for _, h := range scriptHelpers {
		if called[h.name] {
			out.WriteString(h.text + "\n")
		}
	}
	out.WriteString("\n" + body.String() + scriptTail)
	return out.String(), nil
}

// oneLine keeps an expression of several lines inside a comment.
var oneLine = strings.NewReplacer("\n", " ", "\r", " ", "\u2028", " ", "\u2029", " ")

// scriptTail lets the pair be called as functions, and as Authing calls it: with a request that has the values in its query.
const scriptTail = `
// Authing calls the exports with a request and a response; anything else calls them as the functions that they are.
function exported(call, name) {
  return (first, second) => {
    if (typeof first === 'string') return call(first, second);
    const { password, encryptedPassword } = first.queries || {};
    const missing = !password || (call === validate && !encryptedPassword);
    second.setStatusCode(missing ? 500 : 200);
    second.setHeader('content-type', 'application/json');
    second.send(JSON.stringify(missing ? { message: 'password or encryptedPassword is missing' } : { [name]: call(password, encryptedPassword) }));
  };
}

module.exports = { encrypt: exported(encrypt, 'password'), validate: exported(validate, 'isValid') };
`

func jsLiteral(s string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(s), "/", `\/`)
}
