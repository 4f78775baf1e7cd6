package password

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/usher-id/usher/value"
)

func md5Hex(s string) string { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) }

func utf16leText(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		b.WriteByte(byte(u))
		b.WriteByte(byte(u >> 8))
	}
	return b.String()
}

func TestDiagnose(t *testing.T) {
	sha := sha1.Sum([]byte("s9secret"))
	hexSaltSum := md5.Sum(append([]byte{0xa1, 0xb2}, "secret"...))
	for _, c := range []struct {
		name, format, encoded string
		values                Context
		password              string
		want                  string
	}{
		{"the other side", "md5", md5Hex("s9secret"), Context{"salt": "s9", "position": "suffix"}, "secret", "md5(salt . pass) matches: set position: prefix"},
		{"base64 for hex", "sha1", base64.StdEncoding.EncodeToString(sha[:]), Context{"salt": "s9", "position": "prefix"}, "secret", "sha1(salt . pass) matches: set encoding: base64"},
		{"a salt in hexadecimal", "md5", hex.EncodeToString(hexSaltSum[:]), Context{"salt": "a1b2", "position": "prefix"}, "secret",
			"md5(salt . pass) matches: the salt is hexadecimal: write salt_hex in place of salt"},
		{"both", "md5", hex.EncodeToString(hexSaltSum[:]), Context{"salt": "a1b2", "position": "suffix"}, "secret",
			"md5(salt . pass) matches: the salt is hexadecimal: write salt_hex in place of salt and position: prefix"},
		{"utf-16", "md5", md5Hex(utf16leText("secret") + "s9"), Context{"salt": "s9", "position": "suffix"}, "secret", "md5(pass . salt) matches: set charset: utf16le"},
		{"case", "md5", md5Hex("secret"), nil, "SECRET", "md5(pass) matches: the password was hashed in lower case: write a digest expression with lower(pass)"},
		{"another scheme", "md5", md5Hex(md5Hex("secret")), nil, "secret", `md5(md5(pass)) matches: set format: "md5(md5hex)"`},
		{"a named scheme", "md5", md5Hex(md5Hex("secret") + "s9"), Context{"salt": "s9", "position": "suffix"}, "secret", "md5(md5(pass) . salt) matches: set format: vbulletin-md5"},
		{"one of their own", "vbulletin-md5", md5Hex("s9:" + md5Hex("secret")), Context{"salt": "s9"}, "secret",
			`md5(salt . ':' . md5(pass)) matches: set format: { digest: "md5(salt . ':' . md5(pass))" }`},
		{"behind a colon", "vbulletin-md5", md5Hex("s9-secret") + ":s9", nil, "secret",
			`md5(salt . '-' . pass) matches: set format: { digest: "md5(salt . '-' . pass)" }`},
		{"another digest", "md5", "5ebe2294ecd0e0f08eab7690d2a6ee69", Context{"salt": "unused", "position": "prefix"}, "secret", "md5(pass) matches"},
		{"wrong password", "md5", md5Hex("s9secret"), Context{"salt": "s9", "position": "suffix"}, "open sesame", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := Diagnose(context.Background(), Hash{Format: c.format, Encoded: value.Secret(c.encoded), Context: c.values}, []byte(c.password))
			switch {
			case c.want == "" && len(found) == 0:
			case c.want == "" || len(found) == 0 || !strings.HasPrefix(found[0], c.want):
				t.Errorf("%q, want %q", found, c.want)
			}
			for _, f := range found {
				if strings.Contains(f, c.password) || c.values["salt"] != nil && strings.Contains(f, c.values["salt"].(string)) || strings.Contains(f, c.encoded) {
					t.Errorf("shows a secret: %s", f)
				}
			}
		})
	}
}

// TestDiagnoseFindsTheVectors gives the known answers that are written like others to the wrong format.
func TestDiagnoseFindsTheVectors(t *testing.T) {
	tried := map[string]bool{}
	for _, v := range vectors(t) {
		plain, err := hex.DecodeString(v.PasswordHex)
		if err != nil || !v.Match || tried[v.Format] || len(plain) == 0 {
			continue
		}
		wrong := ""
		switch {
		case strings.HasPrefix(v.Encoded, "$2") && !strings.Contains(v.Format, "2x") && v.Format != "bcrypt" && !strings.Contains(v.Encoded, "$1"):
			wrong = "bcrypt"
		case isHex(v.Encoded) && len(v.Encoded) == 32 && v.Format != "hex-md5":
			wrong = "md5"
		case isHex(v.Encoded) && len(v.Encoded) == 40 && v.Format != "hex-sha1":
			wrong = "sha1"
		}
		if f, err := Lookup(v.Format); wrong == "" || err != nil || f.Name == wrong || f.Name == "hex-"+wrong {
			continue
		}
		if r := Verify(context.Background(), wrong, v.Encoded, plain, v.Extra); r.Outcome == Match {
			continue
		}
		tried[v.Format] = true
		if found := Diagnose(context.Background(), Hash{Format: wrong, Encoded: value.Secret(v.Encoded), Context: v.Extra}, plain); len(found) == 0 {
			t.Errorf("%s, read as %s: nothing found", v.Format, wrong)
		}
	}
	if len(tried) < 10 {
		t.Errorf("only %d formats tried", len(tried))
	}
}
