package password

import (
	"bytes"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Digest is a compiled digest expression: how a scheme of nested message digests makes its value from password and salt. Some
// seventy schemes of this package are a table of these. A Digest may be used from any goroutine.
//
//	md5(md5(pass) . salt)
//	sha1(salt . sha1(salt . sha1(pass)))
//	hmac_sha256(salt, pass)
//	hex(loop(5000, unhex(sha512(pass . salt)), unhex(sha512(prev . pass . salt))))
//
// "." joins. Texts stand in single or double quotes. Names: pass, salt, pepper, username, key, hmac_key, secret and, inside a loop, prev. Every
// digest gives lower-case hexadecimal text, as in PHP and SQL; unhex makes bytes of it. Functions: md4, md5, sha1, sha224, sha256,
// sha384, sha512, sha512_256, sha3_224, sha3_256, sha3_384, sha3_512, ripemd160, whirlpool; hmac_ and one of those (key, message);
// hex, unhex, base64, unbase64, upper, lower, trim, utf16le, utf16be, latin1 (from UTF-8), widen (a zero after each byte), nfc, nfkc, left(text, n),
// pad(text, n) with zero bytes,// loop(count, first, next), where count is a number or one of the names iterations and stretches.
type Digest struct {
	source string
	root   node
	size   int // bytes of the digest that it gives in hexadecimal; 0: unknown
	names  []string
	rounds int // of a loop whose count is written in it
}

const (
	maxExpression      = 4 << 10
	maxExpressionDepth = 32
	maxDigestValue     = 64 << 10
)

var digestNames = []string{"pass", "salt", "pepper", "username", "key", "hmac_key", "secret", "prev"}

var countNames = []string{"iterations", "stretches"}

// CompileDigest compiles an expression; the error says where it went wrong.
func CompileDigest(source string) (*Digest, error) {
	if len(source) > maxExpression {
		return nil, &Error{Code: CodeExpression, Message: fmt.Sprintf("a digest expression of %d bytes; the limit is %d", len(source), maxExpression)}
	}
	c := compiler{source: source}
	c.next()
	root := c.concat(0)
	if c.err == nil && c.token != "" {
		c.fail("an operator \".\" or the end expected, %s found", quote(c.token))
	}
	if c.err != nil {
		return nil, c.err
	}
	d := &Digest{source: source, root: root, names: c.names, rounds: c.rounds}
	if l, ok := root.(*loop); ok {
		root = l.next
	}
	if f, ok := root.(*call); ok {
		d.size = f.function.size
		if inner, ok := f.args[0].(*loop); ok && f.function == functions["hex"] {
			d.size = rawSize(inner.next)
		}
	}
	return d, nil
}

// rawSize is the size of a digest that unhex made bytes of.
func rawSize(n node) int {
	if f, ok := n.(*call); ok && f.function == functions["unhex"] {
		if digest, ok := f.args[0].(*call); ok {
			return digest.function.size
		}
	}
	return 0
}

func mustDigest(source string) *Digest {
	d, err := CompileDigest(source)
	if err != nil {
		panic(err)
	}
	return d
}

// String gives the expression's text.
func (d *Digest) String() string { return d.source }

// Names lists what the expression reads beside the password, in order of appearance.
func (d *Digest) Names() []string { return slices.Clone(d.names) }

// environment is what an expression is evaluated in.
type environment struct {
	values map[string][]byte
	counts map[string]int
	prev   []byte
	budget int64 // bytes that may still be hashed
}

func (d *Digest) eval(env *environment) ([]byte, error) { return d.root.eval(env) }

type node interface {
	eval(*environment) ([]byte, error)
}

type (
	text  []byte
	name  string
	joint []node
	call  struct {
		function *function
		args     []node
		n        int // the length that left and pad take
	}
	loop struct {
		count     int
		countName string
		first     node
		next      node
	}
)

func (t text) eval(*environment) ([]byte, error) { return t, nil }

func (n name) eval(env *environment) ([]byte, error) {
	if n == "prev" {
		return env.prev, nil
	}
	v, ok := env.values[string(n)]
	if !ok {
		return nil, missing(string(n))
	}
	return v, nil
}

func missing(key string) *Error {
	return &Error{Code: CodeMissing, Message: "the context key " + quote(key) + " is needed"}
}

func (j joint) eval(env *environment) ([]byte, error) {
	var out []byte
	for _, part := range j {
		b, err := part.eval(env)
		if err != nil {
			return nil, err
		}
		if len(out)+len(b) > maxDigestValue {
			return nil, overLimit("the expression makes a value of more than %d bytes", maxDigestValue)
		}
		out = append(out, b...)
	}
	return out, nil
}

func (c *call) eval(env *environment) ([]byte, error) {
	first, err := c.args[0].eval(env)
	if err != nil {
		return nil, err
	}
	var second []byte
	if len(c.args) > 1 {
		if second, err = c.args[1].eval(env); err != nil {
			return nil, err
		}
	}
	if env.budget -= int64(len(first) + len(second) + 64); env.budget < 0 {
		return nil, overLimit("the expression hashes more than the limit")
	}
	if c.function.sized {
		return c.function.apply(first, make([]byte, c.n))
	}
	out, err := c.function.apply(first, second)
	if err == nil && len(out) > maxDigestValue {
		return nil, overLimit("the expression makes a value of more than %d bytes", maxDigestValue)
	}
	return out, err
}

func (l *loop) eval(env *environment) ([]byte, error) {
	count := l.count
	if l.countName != "" {
		n, ok := env.counts[l.countName]
		if !ok {
			return nil, missing(l.countName)
		}
		count = n
	}
	value, err := l.first.eval(env)
	for i := 1; i < count && err == nil; i++ {
		if env.budget -= 64; env.budget < 0 {
			return nil, overLimit("the expression hashes more than the limit")
		}
		env.prev = value
		value, err = l.next.eval(env)
	}
	return value, err
}

// function is one of the language's functions; size is that of the digest which it gives in hexadecimal.
type function struct {
	args  int
	size  int
	sized bool // the second argument is a length
	apply func(a, b []byte) ([]byte, error)
}

var functions = digestFunctions()

func digestFunctions() map[string]*function {
	out := map[string]*function{
		"left": {args: 2, sized: true, apply: func(a, b []byte) ([]byte, error) { return a[:min(len(a), len(b))], nil }},
		"pad":  {args: 2, sized: true, apply: func(a, b []byte) ([]byte, error) { return append(slices.Clip(a), b[min(len(a), len(b)):]...), nil }},
	}
	for digest, size := range digestSizes {
		newHash := hashes[digest]
		id := strings.ReplaceAll(digest, "-", "_")
		out[id] = &function{args: 1, size: size, apply: func(a, _ []byte) ([]byte, error) {
			h := newHash()
			h.Write(a)
			return hexOf(h.Sum(nil)), nil
		}}
		out["hmac_"+id] = &function{args: 2, size: size, apply: func(a, b []byte) ([]byte, error) {
			h := hmac.New(newHash, a)
			h.Write(b)
			return hexOf(h.Sum(nil)), nil
		}}
	}
	plain := func(name string, f func([]byte) ([]byte, error)) {
		out[name] = &function{args: 1, apply: func(a, _ []byte) ([]byte, error) { return f(a) }}
	}
	plain("hex", func(a []byte) ([]byte, error) { return hexOf(a), nil })
	plain("unhex", func(a []byte) ([]byte, error) {
		b, err := hex.DecodeString(string(a))
		if err != nil {
			return nil, unsupported("unhex of a value that is not hexadecimal")
		}
		return b, nil
	})
	plain("base64", func(a []byte) ([]byte, error) { return base64.StdEncoding.AppendEncode(nil, a), nil })
	plain("unbase64", func(a []byte) ([]byte, error) {
		b, err := decodeAnyBase64(string(a))
		if err != nil {
			return nil, unsupported("unbase64 of a value that is not base64")
		}
		return b, nil
	})
	plain("upper", func(a []byte) ([]byte, error) { return mapCase(a, strings.ToUpper, upperASCII), nil })
	plain("lower", func(a []byte) ([]byte, error) { return mapCase(a, strings.ToLower, lowerASCII), nil })
	// PHP's and JavaScript's common ground; also WordPress's.
	plain("trim", func(a []byte) ([]byte, error) { return bytes.Trim(a, " \t\n\r\x00\x0b"), nil })
	plain("utf16le", func(a []byte) ([]byte, error) { return toUTF16(a, false) })
	plain("utf16be", func(a []byte) ([]byte, error) { return toUTF16(a, true) })
	plain("latin1", toLatin1)
	plain("widen", func(a []byte) ([]byte, error) {
		out := make([]byte, 2*len(a))
		for i, c := range a {
			out[2*i] = c
		}
		return out, nil
	})
	plain("nfc", func(a []byte) ([]byte, error) { return norm.NFC.Bytes(a), nil })
	plain("nfkc", func(a []byte) ([]byte, error) { return norm.NFKC.Bytes(a), nil })
	return out
}

func hexOf(b []byte) []byte { return hex.AppendEncode(make([]byte, 0, 2*len(b)), b) }

// mapCase leaves bytes alone that are no UTF-8: the letters of ASCII are changed all the same.
func mapCase(b []byte, f func(string) string, ascii func(byte) byte) []byte {
	if utf8.Valid(b) {
		return []byte(f(string(b)))
	}
	out := slices.Clone(b)
	for i, c := range out {
		out[i] = ascii(c)
	}
	return out
}

func upperASCII(c byte) byte {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

func lowerASCII(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func toUTF16(b []byte, bigEndian bool) ([]byte, error) {
	if !utf8.Valid(b) {
		return nil, unsupported("UTF-16 is made from UTF-8, and the password or another value is not UTF-8")
	}
	units := utf16.Encode([]rune(string(b)))
	out := make([]byte, 0, 2*len(units))
	for _, u := range units {
		if bigEndian {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return out, nil
}

func toLatin1(b []byte) ([]byte, error) {
	out := make([]byte, 0, len(b))
	for _, r := range string(b) {
		if r > 0xff {
			return nil, unsupported("the password or another value has a character that Latin-1 lacks")
		}
		out = append(out, byte(r))
	}
	return out, nil
}

// compiler reads an expression by recursive descent.
type compiler struct {
	source string
	at     int    // after the token
	start  int    // of the token
	token  string // "" at the end
	names  []string
	rounds int
	inLoop bool
	err    *Error
}

func (c *compiler) fail(message string, args ...any) node {
	if c.err == nil {
		c.err = &Error{Code: CodeExpression, Message: fmt.Sprintf("digest expression, column %d: ", c.start+1) + fmt.Sprintf(message, args...)}
		c.token = ""
	}
	return text(nil)
}

func (c *compiler) next() {
	for c.at < len(c.source) && strings.IndexByte(" \t\r\n", c.source[c.at]) >= 0 {
		c.at++
	}
	c.start = c.at
	if c.at == len(c.source) || c.err != nil {
		c.token = ""
		return
	}
	switch ch := c.source[c.at]; {
	case ch == '\'' || ch == '"':
		end := strings.IndexByte(c.source[c.at+1:], ch)
		if end < 0 {
			c.fail("the text that begins here has no closing %c", ch)
			return
		}
		c.at += end + 2
	case isWord(ch):
		for c.at < len(c.source) && isWord(c.source[c.at]) {
			c.at++
		}
	default:
		c.at++
	}
	c.token = c.source[c.start:c.at]
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func (c *compiler) expect(token string) {
	if c.err == nil && c.token != token {
		found := "the end"
		if c.token != "" {
			found = quote(c.token)
		}
		c.fail("%s expected, %s found", quote(token), found)
	}
	c.next()
}

func (c *compiler) concat(depth int) node {
	parts := joint{c.term(depth)}
	for c.token == "." {
		c.next()
		parts = append(parts, c.term(depth))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return parts
}

func (c *compiler) term(depth int) node {
	if depth > maxExpressionDepth {
		return c.fail("nested more than %d deep", maxExpressionDepth)
	}
	token := c.token
	switch {
	case token == "":
		return c.fail("a name, a function or a text expected, the end found")
	case token == "(":
		c.next()
		n := c.concat(depth + 1)
		c.expect(")")
		return n
	case token[0] == '\'' || token[0] == '"':
		c.next()
		return text(token[1 : len(token)-1])
	case !isWord(token[0]):
		return c.fail("a name, a function or a text expected, %s found", quote(token))
	}
	if strings.HasPrefix(strings.TrimLeft(c.source[c.at:], " \t\r\n"), "(") {
		return c.call(token, depth)
	}
	if token == "password" {
		token = "pass"
	}
	if !slices.Contains(digestNames, token) {
		return c.fail("nothing is called %s; the names are %s", quote(token), strings.Join(digestNames, ", "))
	}
	if token == "prev" && !c.inLoop {
		return c.fail("prev has a meaning only in the last argument of loop")
	}
	if token != "pass" && token != "prev" {
		c.uses(token)
	}
	c.next()
	return name(token)
}

func (c *compiler) uses(name string) {
	if !slices.Contains(c.names, name) {
		c.names = append(c.names, name)
	}
}

func (c *compiler) call(id string, depth int) node {
	if id == "loop" {
		return c.loop(depth)
	}
	f := functions[strings.ToLower(id)]
	if f == nil {
		return c.fail("no function is called %s", quote(id))
	}
	c.next()
	c.expect("(")
	out := &call{function: f, args: []node{c.concat(depth + 1)}}
	if f.args == 2 {
		c.expect(",")
		if f.sized {
			out.n = c.number(maxDigestValue)
		} else {
			out.args = append(out.args, c.concat(depth+1))
		}
	}
	c.expect(")")
	return out
}

func (c *compiler) loop(depth int) node {
	if c.inLoop {
		return c.fail("a loop inside a loop")
	}
	out := &loop{}
	c.next()
	c.expect("(")
	if slices.Contains(countNames, c.token) {
		out.countName = c.token
		c.uses(c.token)
		c.next()
	} else {
		out.count = c.number(defaultLimits.CryptRounds)
		c.rounds = max(c.rounds, out.count)
	}
	c.expect(",")
	out.first = c.concat(depth + 1)
	c.expect(",")
	c.inLoop = true
	out.next = c.concat(depth + 1)
	c.inLoop = false
	c.expect(")")
	return out
}

func (c *compiler) number(limit int) int {
	n, err := strconv.Atoi(c.token)
	if err != nil || n < 1 || n > limit {
		c.fail("a number from 1 to %d expected", limit)
		return 0
	}
	c.next()
	return n
}
