package password

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/usher-id/usher/value"
)

var update = flag.Bool("update", false, "write docs/reference/password-formats.md anew")

const referencePath = "../docs/reference/password-formats.md"

// leftOut is what people may look for and not find.
var leftOut = []struct{ what, why string }{
	{"`$2$` of 1997", "hashes the password without its end mark; no sample of it is known to be in use"},
	{"yescrypt with p, t, g or a ROM", "the yescrypt package computes the default flavour only; no distribution writes another"},
	{"`{SCRAM-SHA-1}` and passlib's `$scram$`", "no known answer from another implementation at hand"},
	{"SAP BCODE, PASSCODE and iterated variants B, F, G", "own character tables, no documentation; write a hasher plugin"},
	{"RACF, AS/400, Kerberos keys, Oracle Identity blobs", "keys of other protocols or undocumented blobs"},
	{"Liferay, AEM, Mattermost and GitLab's PBKDF2 strings", "layouts not confirmed by a sample; most are one `digest` expression or `raw-pbkdf2-hmac-*` with context"},
	{"Clerk's `sha512_symfony`, `pbkdf2_sha512_hex`, `md5_phpass`", "their digest layout is not documented"},
	{"WorkOS from scrypt and PBKDF2", "WorkOS takes them, how they are spelled is not confirmed"},
	{"FusionAuth's `phppass-sha512` as a target", "the documented id is doubtful; as a source it is read"},
	{"Stytch, Descope, Casdoor, Authelia as targets", "how their imports spell the parameters is not confirmed by a sample; Authelia's user file takes bcrypt, argon2 and sha512crypt as they " +
		"stand. As sources, Casdoor's formats are read"},
	{"Amazon Cognito as a target", "takes no hashes at all: only a migration Lambda that sees the password"},
	{"BSD `$2a$` of passwords over 255 bytes", "written by a defect that wraps the length; correct code cannot verify them"},
	{"Unusable passwords (Django's `!…`, `*` in shadow files)", "they are no hashes; map them to no password"},
}

// reference makes the page from the registry.
func reference(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("<!-- Generated from the code: go test ./password -run TestReferenceIsCurrent -update -->")
	p("# Password hash formats\n")
	p("%d formats. Every one of them is verified in the tests against known answers, nearly all of them made by other implementations", len(formats))
	p("(`password/testdata/password-hashes.json` says by which, entry by entry).\n")
	p("- The name is what `format:` and `--format` take; aliases in brackets.")
	p("- *Detected*: **certain** means that the string names its format and `format: auto` will do; **likely** and **possible** must be declared.")
	p("- *Context*: what verification needs beyond the string; `?` marks what may be left out. A salt in another column is `salt`, with `position: prefix` or `suffix` for")
	p("  the bare digests. Bytes that are no text are given as `salt_hex` or `salt_b64`.")
	p("- With any format, `trim: true`, `normalization: NFC` (NFD, NFKC, NFKD) and `charset: latin1` (utf16le, utf16be) say what the source did to a password before it")
	p("  hashed it. Nothing of the kind is done unasked.")
	p("- A store keeps a hash that names its format as it is, any other as `$usher$<format>$<hash>`, or `$usher$<format>,<base64url of the context>$<hash>`.")
	p("- `digest:` and an expression is a format too: see below.")
	p("- In layouts, `<name:kind:length>` is a field.\n")
	families := []struct{ id, title string }{
		{"phc", "PHC strings"}, {"crypt", "crypt(3)"}, {"ldap", "LDAP and mail servers"}, {"cms", "Content management, forums, shops"},
		{"framework", "Frameworks and languages"}, {"provider", "Identity providers"}, {"database", "Databases"},
		{"enterprise", "Windows, enterprise, devices"}, {"digest", "Plain, salted and nested digests"},
	}
	listed := 0
	for _, family := range families {
		p("## %s\n", family.title)
		p("| format | layout | what is computed | context | detected |")
		p("|---|---|---|---|---|")
		for _, f := range formats {
			if f.Family != family.id {
				continue
			}
			listed++
			name := "`" + f.Name + "`"
			if len(f.Aliases) > 0 {
				name += " (`" + strings.Join(f.Aliases, "`, `") + "`)"
			}
			p("| %s | `%s` | %s | %s | %s |", name, escapeCell(strings.ReplaceAll(f.Layout, "  ", "` or `")), escapeCell(f.Scheme), strings.Join(f.Context, ", "), f.certainty)
		}
		p("")
	}
	if listed != len(formats) {
		t.Errorf("%d formats of %d are in a family with a title", listed, len(formats))
	}
	p("## What each target takes\n")
	p("`=` as it stands · `→` after conversion (the same hash, spelled anew; no password needed) · empty: it cannot travel. Judged by one example of each format; costs and")
	p("variants of a single hash can change the answer, and `usher hash convert` gives it with the reason. **store** is usher's own, which verifies every format: `w` marks those")
	p("that `weak_hashes: wrap` puts under argon2id, where their costs are low. **node**: `usher hash export-script` writes JavaScript for it.\n")
	names := Targets()
	p("| format | store | node | %s |", strings.Join(names, " | "))
	p("|---|---|---|%s", strings.Repeat("---|", len(names)))
	warnings := map[string][]string{}
	for _, f := range formats {
		cells := make([]string, len(names))
		for i, target := range names {
			travel, why, err := Accepts(target, f.Name)
			if err != nil {
				t.Errorf("%s, %s: %v", target, f.Name, err)
			}
			cells[i] = map[Travel]string{No: "", AfterConverted: "→", AsIs: "="}[travel]
			if travel == No {
				continue
			}
			for warning := range strings.SplitSeq(why, "; ") {
				if warning != "" && target != "authing" && !strings.Contains(strings.Join(warnings[target], "\n"), warning) {
					warnings[target] = append(warnings[target], warning)
				}
			}
		}
		store := "="
		if CanWrap(exampleHash(f)) == nil {
			store = "= w"
		}
		script := ""
		if _, err := Script(f.Name); err == nil {
			script = "js"
		}
		p("| `%s` | %s | %s | %s |", f.Name, store, script, strings.Join(cells, " | "))
	}
	p("\nWhat to know of each target:\n")
	for _, target := range targets {
		notes := warnings[target.name]
		if target.name == "authing" {
			notes = []string{"one function pair per user pool verifies every hash, and is given only the stored text: all users of a pool must share a format that the function knows"}
		}
		if target.field == "" {
			_, why, _ := Accepts(target.name, "bcrypt")
			p("- **%s**: %s", target.name, why)
			continue
		}
		p("- **%s**, field `%s`%s", target.name, target.field, strings.Join(append([]string{""}, notes...), "; "))
	}
	p("\n## Hashers for new passwords\n")
	p("| hasher | defaults |")
	p("|---|---|")
	for _, h := range hashers {
		p("| `%s` | %s |", h.name, describeCosts(&h))
	}
	l := DefaultLimits()
	p("\n## Limits\n")
	p("Checked before anything is derived, at import and at login; a hash beyond them is `over_limit`, never a mismatch.\n")
	p("| what | at most |")
	p("|---|---|")
	p("| bcrypt cost | %d (at least 4) |", l.BcryptCost)
	p("| memory of argon2, scrypt, yescrypt | %d MiB |", l.Memory>>20)
	p("| argon2 passes; lanes of argon2 and scrypt | %d; %d |", l.Argon2Passes, l.Parallelism)
	p("| PBKDF2 iterations, a block | %d |", l.Iterations)
	p("| rounds of crypt(3) and iterated digests | %d |", l.CryptRounds)
	p("| rounds of phpass and Drupal 7 | %d |", l.PhpassRounds)
	p("| bytes that rounds over the password hash in all | %d MiB |", l.HashedBytes>>20)
	p("| encoded hash; password; salt | %d; %d; %d bytes |", l.EncodedBytes, l.PasswordBytes, l.SaltBytes)
	p("\nA NUL byte in a password is refused by the formats whose implementations stop reading there (bcrypt, crypt(3), phpass). bcrypt reads 72 bytes: a longer password is")
	p("verified as its other implementations do, by the first 72, and is refused when a new hash is made.\n")
	p("## Digest expressions\n")
	p("A home-made scheme of digests needs no code: `format: { digest: \"sha1(salt . sha1(pass))\" }`. The schemes above are written in the same language.\n")
	p("- `.` joins; texts stand in quotes. Names: %s.", "`"+strings.Join(digestNames, "`, `")+"`")
	p("- A digest gives lower-case hexadecimal text, as in PHP and SQL; `unhex(…)` makes bytes of it.")
	p("- `md5`, `sha1`, `sha256`, …; `hmac_sha256(key, message)`; `hex`, `unhex`, `base64`, `unbase64`, `upper`, `lower`, `trim`, `utf16le`, `utf16be`, `latin1`, `widen`, `nfc`,")
	p("  `nfkc`, `left(text, n)`, `pad(text, n)`; `loop(count, first, next)`, where `prev` in `next` is the value before and `count` a number or `iterations` or `stretches`.\n")
	p("## What is left out\n")
	p("| what | why |")
	p("|---|---|")
	for _, one := range leftOut {
		p("| %s | %s |", one.what, one.why)
	}
	return b.String()
}

func exampleHash(f *Format) Hash {
	e := f.Example()
	return Hash{Format: f.Name, Encoded: value.Secret(e.Encoded), Context: e.Context}
}

func escapeCell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

func describeCosts(h *hasher) string {
	var out []string
	for i, n := range h.costs(&h.defaults) {
		out = append(out, fmt.Sprintf("%s %d", h.names[i], *n))
	}
	if len(out) == 0 {
		return "N 4096, r 32 (fixed)"
	}
	return strings.Join(out, ", ")
}

func TestReferenceIsCurrent(t *testing.T) {
	want := reference(t)
	if *update {
		if err := os.WriteFile(referencePath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/reference/password-formats.md is stale: go test ./password -run TestReferenceIsCurrent -update")
	}
}
