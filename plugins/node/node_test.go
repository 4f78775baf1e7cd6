package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/node"
)

func start(t *testing.T, script string) (*node.Process, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Acme Legacy.js")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := node.Start(context.Background(), path)
	if err == nil {
		t.Cleanup(p.Close)
	}
	return p, err
}

const salted = `
const crypto = require('crypto')
const digest = (salt, password) => salt + '$' + crypto.createHash('sha256').update(salt + password).digest('hex')
`

// The shapes in which people have written their pair.
var pairs = map[string]string{
	"declared":  salted + `function encrypt(password) { return digest('ab', password) }; function validate(password, encrypted) { return encrypted === digest(encrypted.split('$')[0], password) }`,
	"exported":  salted + `module.exports = { encrypt: async (password) => digest('ab', password), validate: async (password, encrypted) => encrypted === digest(encrypted.split('$')[0], password) }`,
	"Authing's": salted + `console.log('loaded'); const encryptPassword = (password) => digest('ab', password); async function comparePassword(password, encrypted) { console.log(password.length); return encrypted === digest(encrypted.split('$')[0], password) }`,
	"handlers": salted + `
module.exports.encrypt = function (request, response, context) {
  const { password } = request.queries
  if (!password) { response.setStatusCode(500); response.send(JSON.stringify({ message: 'no password' })); return }
  response.setHeader('content-type', 'application/json')
  response.send(JSON.stringify({ password: digest('ab', password) }))
}
module.exports.validate = function (request, response, context) {
  const { password, encryptedPassword } = request.queries
  response.send(JSON.stringify({ isValid: encryptedPassword === digest(encryptedPassword.split('$')[0], password) }))
}`,
	"encrypt alone": salted + `function encrypt(password) { return digest('ab', password) }`,
}

func TestPairs(t *testing.T) {
	ctx := context.Background()
	for name, script := range pairs {
		t.Run(name, func(t *testing.T) {
			p, err := start(t, script)
			if err != nil {
				t.Fatal(err)
			}
			typ, err := p.Type(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if typ.Name != "acme-legacy" {
				t.Error(typ.Name)
			}
			h := p.Hasher()
			encoded, err := h.(password.Maker).Hash(ctx, []byte("päss wörd\n\"'"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if r := h.Verify(ctx, encoded, []byte("päss wörd\n\"'"), nil); r.Outcome != password.Match {
				t.Errorf("%+v", r)
			}
			if r := h.Verify(ctx, encoded, []byte("other"), nil); r.Outcome != password.Mismatch {
				t.Errorf("%+v", r)
			}
			if r := h.Verify(ctx, encoded, []byte("\xff"), nil); r.Outcome != password.Unsupported {
				t.Errorf("%+v", r)
			}
			if r := h.Verify(ctx, typ.Samples[0].Encoded, typ.Samples[0].Password, nil); r.Outcome != password.Match {
				t.Errorf("the sample: %+v", r)
			}
		})
	}
}

func TestScriptsThatCannotBeUsed(t *testing.T) {
	for name, c := range map[string]struct{ script, code, says string }{
		"syntax":       {"function encrypt( {", "node.bad_script", "Unexpected token"},
		"throws":       {"throw new Error('no config')", "node.bad_script", "no config"},
		"no functions": {"module.exports = { hash() {} }", "node.bad_script", "neither a function encryptPassword or encrypt"},
		"ends":         {"process.exit(0)", "node.bad_script", "ended"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := start(t, c.script)
			var e *pipeline.Error
			if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Message+e.Hint, c.says) {
				t.Errorf("%+v", err)
			}
		})
	}
	if _, err := node.Start(context.Background(), filepath.Join(t.TempDir(), "none.js")); err == nil {
		t.Error("there is no such file")
	}
}

// What a function throws may hold the password, and what it answers may be nothing that can be used.
func TestFunctionsThatFail(t *testing.T) {
	ctx := context.Background()
	p, err := start(t, `
function encrypt(password) { if (password === 'nothing') return undefined; throw new TypeError('bad ' + password) }
function validate(password, encrypted) { if (password === 'exit') process.exit(3); return 'yes' }`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Type(ctx); err == nil {
		t.Error("there is no sample")
	}
	h := p.Hasher()
	_, err = h.(password.Maker).Hash(ctx, []byte("hunter2"), nil)
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "TypeError") {
		t.Error(err)
	}
	if _, err := h.(password.Maker).Hash(ctx, []byte("nothing"), nil); err == nil {
		t.Error("no string is no hash")
	}
	if r := h.Verify(ctx, "x", []byte("hunter2"), nil); r.Outcome != password.Unsupported {
		t.Errorf("%+v", r)
	}
	alone, err := start(t, `function encrypt(password) { return password === 'nothing' ? undefined : password }`)
	if err != nil {
		t.Fatal(err)
	}
	if r := alone.Hasher().Verify(ctx, "undefined", []byte("nothing"), nil); r.Outcome != password.Unsupported {
		t.Errorf("no hash to compare with: %+v", r)
	}
	if r := alone.Hasher().Verify(ctx, "longer", []byte("long"), nil); r.Outcome != password.Mismatch {
		t.Errorf("hashes of other lengths: %+v", r)
	}
	if r := h.Verify(ctx, "x", []byte("exit"), nil); r.Outcome != password.Unsupported || !strings.Contains(r.Reason, "ended") {
		t.Errorf("%+v", r)
	}
}

// A script that dies between two requests is missed at once, and what it was given is not written anywhere.
func TestScriptsThatDieLater(t *testing.T) {
	written, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer written.Close()
	stderr := os.Stderr
	os.Stderr = written
	t.Cleanup(func() { os.Stderr = stderr })
	for _, how := range []string{"throw new RangeError('about ' + password)", "process.exit(3)", "Promise.reject(new Error(password))"} {
		p, err := start(t, `
function encrypt(password) { return 'x' }
function validate(password) { setTimeout(() => { `+how+` }, 50); return new Promise(() => {}) }`)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		r := p.Hasher().Verify(ctx, "x", []byte("hunter2"), nil)
		cancel()
		if r.Outcome != password.Unsupported || !strings.Contains(r.Reason, "ended") {
			t.Errorf("%s: %+v", how, r)
		}
	}
	b, err := os.ReadFile(written.Name())
	if err != nil {
		t.Fatal(err)
	}
	if text := string(b); strings.Contains(text, "hunter2") || !strings.Contains(text, "RangeError") || !strings.Contains(text, "Acme Legacy.js:3") {
		t.Errorf("standard error: %s", text)
	}
}
