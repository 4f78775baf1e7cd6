package password

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// scriptDriver asks each script what its vectors say, and for a new hash.
const scriptDriver = `
const path = require('path');
for (const q of JSON.parse(require('fs').readFileSync(process.argv[2]))) {
  const answer = { id: q.id };
  try {
    const pair = require(path.join(process.argv[3], q.script));
    if (q.encoded === undefined) answer.made = pair.encrypt(q.password);
    else {
      answer.right = pair.validate(q.password, q.encoded);
      answer.wrong = q.wrong && pair.validate('x' + q.password, q.encoded);
    }
  } catch (e) { answer.error = String(e.stack); }
  console.log(JSON.stringify(answer));
}
`

func findNode(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("there is no node on this machine: .ci/setup installs it")
	}
	return path
}

// slow is what a new hash costs: as many iterations prove nothing more.
var slow = regexp.MustCompile(`(iterations: )\d{5,}`)

// TestScript runs the script of each format that has one in Node: every known answer verifies, wrong passwords do not, and what encrypt makes is
// verified by this package.
func TestScript(t *testing.T) {
	program, dir := findNode(t), t.TempDir()
	scripts := map[string]string{}
	for _, f := range Formats() {
		text, err := Script(f.Name)
		if err != nil {
			if err.(*Error).Code != CodeNoScript { //nolint:errorlint // Script gives no other
				t.Errorf("%s: %v", f.Name, err)
			}
			continue
		}
		text = slow.ReplaceAllString(text, "${1}1000")
		scripts[f.Name] = "s" + strconv.Itoa(len(scripts)) + ".js"
		if err := os.WriteFile(filepath.Join(dir, scripts[f.Name]), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var questions []scriptQuestion
	match, formatOf, asked := map[string]bool{}, map[string]string{}, map[string]bool{}
	for _, v := range vectors(t) {
		f, err := Lookup(v.Format)
		plain, bad := hex.DecodeString(v.PasswordHex)
		if err != nil || bad != nil || scripts[f.Name] == "" || !utf8.Valid(plain) { // JavaScript's strings hold no other bytes
			continue
		}
		encoded := v.Encoded
		if salt, ok := v.Extra["salt"].(string); ok && !strings.Contains(encoded, ":") && strings.HasPrefix(f.Layout, "<hash") {
			encoded += ":" + salt // as a conversion for Authing puts it
		}
		if len(v.Extra) > 0 && encoded == v.Encoded && v.Extra["salt"] == nil && v.Extra["position"] == nil {
			continue // with settings of its own
		}
		questions = append(questions, scriptQuestion{v.ID, scripts[f.Name], string(plain), &encoded, !asked[f.Name]})
		match[v.ID], formatOf[v.ID], asked[f.Name] = v.Match, f.Name, true
	}
	for name, script := range scripts {
		if !asked[name] && !strings.HasPrefix(name, "hex-") {
			e := byName[name].Example()
			if len(e.Context) == 0 {
				questions = append(questions, scriptQuestion{"example " + name, script, e.Password, &e.Encoded, true})
				match["example "+name], asked[name] = true, true
			}
		}
		questions = append(questions, scriptQuestion{ID: "made " + name, Script: script, Password: "pässwörd"})
		formatOf["made "+name] = name
	}
	for _, a := range askScripts(t, program, dir, questions) {
		name, made := strings.CutPrefix(a.ID, "made ")
		switch {
		case a.Error != "":
			t.Errorf("%s (%s): %s", a.ID, formatOf[a.ID], a.Error)
		case !made && (a.Right != match[a.ID] || a.Wrong):
			t.Errorf("%s (%s): the right password %v, a wrong one %v", a.ID, formatOf[a.ID], a.Right, a.Wrong)
		case made:
			if r := Verify(context.Background(), name, a.Made, []byte("pässwörd"), nil); r.Outcome != Match {
				if hash, salt, ok := strings.Cut(a.Made, ":"); ok && r.Outcome != Mismatch {
					r = Verify(context.Background(), name, hash, []byte("pässwörd"), Context{"salt": salt})
				}
				if r.Outcome != Match {
					t.Errorf("%s: encrypt makes %s: %s %s", name, a.Made, r.Outcome, r.Reason)
				}
			}
		}
	}
	if len(scripts) < 80 || len(asked) < 75 {
		t.Errorf("%d formats have a script, %d were asked about vectors", len(scripts), len(asked))
	}
	t.Logf("%d scripts, %d with known answers, %d questions", len(scripts), len(asked), len(questions))
}

func TestScriptAsAuthingCallsIt(t *testing.T) {
	dir := t.TempDir()
	text, err := Script("digest:sha1(salt . sha1(pass))")
	if err != nil {
		t.Fatal(err)
	}
	const ask = `
const pair = require('./pair.js');
const answer = (call, queries) => {
  const said = [];
  call({ queries }, { setStatusCode: (c) => said.push(c), setHeader: () => {}, send: (b) => said.push(JSON.parse(b)) }, {});
  return said;
};
const [, made] = answer(pair.encrypt, { password: 'open sesame' });
console.log(JSON.stringify([
  answer(pair.validate, { password: 'open sesame', encryptedPassword: made.password }), answer(pair.validate, { password: 'x', encryptedPassword: made.password }),
  answer(pair.validate, { password: 'x' })[0], answer(pair.encrypt, {})[0], made.password.length,
]));`
	for name, text := range map[string]string{"pair.js": text, "ask.js": ask} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(findNode(t), "ask.js")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if want := `[[200,{"isValid":true}],[200,{"isValid":false}],500,500,57]`; err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("%s, want %s, %v", out, want, err)
	}
}

func TestScriptSaysWhyNot(t *testing.T) {
	for format, want := range map[string]string{
		"bcrypt": "bcryptjs", "argon2": "24.7", "nt": "md4", "smf-sha1": "username", "prestashop-md5": "key", "mssql2000": "two digests", "sha512crypt": "no script is written",
		"keycloak-credential": "object of several fields", "raw-pbkdf2-hmac-sha256": "given no salt", "digest:md5(": "digest expression", "nonesuch": "no hash format",
	} {
		if _, err := Script(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", format, err, want)
		}
	}
}

// TestScriptOfExpressions compares what an expression gives here with what its script says in Node, where the two languages differ.
func TestScriptOfExpressions(t *testing.T) {
	program, dir := findNode(t), t.TempDir()
	var questions []scriptQuestion
	for i, expression := range []string{
		"sha1(\n  'a\n\"' .\r\n  pass)", "sha1('\u2028' . pass)", "md5('\a\x00\u00e9' . pass)", "md5('\xff' . pass)", "sha256(upper(pass))", "sha256(lower(pass))",
	} {
		format := DigestPrefix + expression
		text, err := Script(format)
		if err != nil {
			t.Fatal(err)
		}
		script := "s" + strconv.Itoa(i) + ".js"
		if err := os.WriteFile(filepath.Join(dir, script), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := CompileDigest(expression)
		if err != nil {
			t.Fatal(err)
		}
		for _, plain := range []string{"secret", "ﬁ İ ß ŉ ΑΣ ς ǅ"} {
			out, err := d.eval(&environment{values: map[string][]byte{"pass": []byte(plain)}, budget: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			encoded := string(out)
			questions = append(questions, scriptQuestion{strconv.Quote(expression), script, plain, &encoded, true})
		}
	}
	for _, a := range askScripts(t, program, dir, questions) {
		if !a.Right || a.Wrong || a.Error != "" {
			t.Errorf("%s: right %v, wrong %v %.200s", a.ID, a.Right, a.Wrong, a.Error)
		}
	}
}

// TestScriptBounds asks scripts about texts that are well formed and ask for more than this package computes, or hold less of a digest than it takes:
// they answer at once, and say no. At the bound itself they still compute.
func TestScriptBounds(t *testing.T) {
	program, dir := findNode(t), t.TempDir()
	salt, digest := strings.Repeat("A", 24), strings.Repeat("A", 43)
	blob := func(head ...byte) string { return b64.EncodeToString(append(head, make([]byte, 48)...)) }
	var questions []scriptQuestion
	scripts := map[string]bool{}
	ask := func(format, encoded, plain string) {
		script := format + ".js"
		if !scripts[script] {
			scripts[script] = true
			text, err := Script(format)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, script), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		questions = append(questions, scriptQuestion{encoded[:min(len(encoded), 60)], script, plain, &encoded, false})
	}
	for _, tt := range []struct{ format, encoded string }{
		{"django-pbkdf2_sha256", "pbkdf2_sha256$5000001$salt$" + digest + "="},
		{"django-pbkdf2_sha256", "pbkdf2_sha256$2147483647$salt$" + digest + "="},
		{"django-pbkdf2_sha256", "pbkdf2_sha256$0$salt$" + digest + "="},
		{"django-pbkdf2_sha256", "pbkdf2_sha256$4000000$salt$" + strings.Repeat("A", 128)}, // three blocks
		{"django-pbkdf2_sha256", "pbkdf2_sha256$1$salt$QUFB"},
		{"phc-pbkdf2", "$pbkdf2-sha512$i=5000001,l=32$" + salt + "$" + digest},
		{"phc-pbkdf2", "$pbkdf2-nonesuch$i=1,l=32$" + salt + "$" + digest},
		{"phc-pbkdf2", "$pbkdf2-constructor$i=1,l=32$" + salt + "$" + digest},
		{"phc-scrypt", "$scrypt$ln=20,r=8,p=1$" + salt + "$" + digest},
		{"phc-scrypt", "$scrypt$ln=2147483647,r=8,p=1$" + salt + "$" + digest},
		{"phc-scrypt", "$scrypt$ln=0,r=8,p=1$" + salt + "$" + digest},
		{"phc-scrypt", "$scrypt$ln=10,r=8,p=17$" + salt + "$" + digest},
		{"phc-scrypt", "$scrypt$ln=18,r=8,p=9$" + salt + "$" + digest},
		{"django-scrypt", "scrypt$1000$salt$8$1$" + digest + "="},
		{"phpass", "$P$H12345678" + strings.Repeat("a", 22)},
		{"phpass", "$P$z12345678" + strings.Repeat("a", 22)},
		{"phpass", "$P$412345678" + strings.Repeat("a", 22)},
		{"aspnet-identity-v3", blob(1, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 16)},
		{"ldap-389ds-pbkdf2", "{PBKDF2_SHA256}" + b64.EncodeToString(append([]byte{0, 0x1e, 0x84, 0x80}, make([]byte, 320)...))},
		{"hex-md5", strings.Repeat("0", 9000)},
	} {
		if r := Verify(t.Context(), tt.format, tt.encoded, []byte("x"), nil); r.Outcome == Match || r.Outcome == Mismatch {
			t.Errorf("%s, %s: %s here", tt.format, tt.encoded, r.Outcome)
		}
		ask(tt.format, tt.encoded, "x")
	}
	ask("hex-md5", "00000000000000000000000000000000", strings.Repeat("x", 5000))
	for _, e := range []struct{ format, encoded string }{
		{"phpass", "$P$G12345678" + runToText(t, "phpass", "$P$G12345678"+strings.Repeat("a", 22))},
		{"phc-scrypt", "$scrypt$ln=1,r=1,p=16$" + salt + "$" + runToText(t, "phc-scrypt", "$scrypt$ln=1,r=1,p=16$"+salt+"$"+digest)},
		{"django-pbkdf2_sha256", "pbkdf2_sha256$1$salt$" + runToText(t, "django-pbkdf2_sha256", "pbkdf2_sha256$1$salt$"+digest+"=") + "="},
	} {
		ask(e.format, e.encoded, "x")
		questions[len(questions)-1].ID = "right"
	}
	for _, a := range askScripts(t, program, dir, questions) {
		if a.Right != (a.ID == "right") || a.Error != "" {
			t.Errorf("%s: %v %.200s", a.ID, a.Right, a.Error)
		}
	}
}

// scriptQuestion is what scriptDriver asks a script.
type scriptQuestion struct {
	ID       string  `json:"id"`
	Script   string  `json:"script"`
	Password string  `json:"password"`
	Encoded  *string `json:"encoded,omitempty"`
	Wrong    bool    `json:"wrong"` // try a wrong password, too
}

// scriptAnswer is what it says.
type scriptAnswer struct {
	ID, Made, Error string
	Right, Wrong    bool
}

// askScripts runs the scripts in dir under Node, and gives an answer to each question.
func askScripts(t *testing.T, program, dir string, questions []scriptQuestion) []scriptAnswer {
	t.Helper()
	asked, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	in, driver := filepath.Join(dir, "questions.json"), filepath.Join(dir, "driver.js")
	for path, text := range map[string][]byte{in: asked, driver: []byte(scriptDriver)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, driver, in, dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var answers []scriptAnswer
	for line := range strings.Lines(string(out)) {
		var a scriptAnswer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}
	return answers
}

// runToText gives the digest that stands at the end of a text for the password x.
func runToText(t *testing.T, format, encoded string) string {
	t.Helper()
	p, e := defaultVerifier.open(byName[format], encoded, nil)
	if e != nil {
		t.Fatal(e)
	}
	got, e := run(p, []byte("x"))
	if e != nil {
		t.Fatal(e)
	}
	if p.kind == kindPhpass {
		return string(got)
	}
	return b64raw.EncodeToString(got)
}
