package password

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/usher-id/usher/value"
)

// TestWrap wraps every known answer that can be, stores it, reads it back and verifies: the right password matches, another does not, and the
// digest is no longer there.
func TestWrap(t *testing.T) {
	wrapped := map[string]bool{}
	for _, v := range vectors(t) {
		plain, err := hex.DecodeString(v.PasswordHex)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Lookup(v.Format)
		if err != nil || !v.Match || wrapped[f.Name] {
			continue
		}
		legacy := Hash{Format: f.Name, Encoded: value.Secret(v.Encoded), Context: v.Extra}
		if err := CanWrap(legacy); err != nil {
			continue
		}
		wrapped[f.Name] = true
		t.Run(v.ID, func(t *testing.T) {
			h, err := wrap(context.Background(), legacy, Params{Memory: 64, Time: 1})
			if err != nil {
				t.Fatal(err)
			}
			stored, err := h.Stored()
			if err != nil || !strings.HasPrefix(stored, "$usher$wrap,") {
				t.Fatalf("%q, %v", stored, err)
			}
			back, err := ParseStored(stored)
			if err != nil {
				t.Fatal(err)
			}
			if got := Verify(context.Background(), back.Format, back.Encoded.Reveal(), plain, back.Context); got.Outcome != Match {
				t.Errorf("%s: %s", got.Outcome, got.Reason)
			}
			if got := Verify(context.Background(), back.Format, back.Encoded.Reveal(), append([]byte("x"), plain...), back.Context); got.Outcome == Match {
				t.Error("a wrong password matches")
			}
			if !Wraps(context.Background(), back, legacy) || Wraps(context.Background(), h, h) {
				t.Error("Wraps does not know it again")
			}
			if again, _, _ := NeedsRehash(back, "", Params{}); !again {
				t.Error("it would stay wrapped after a login")
			}
			inner, _, _ := openHash(legacy)
			all := append([]byte(stored), back.Context[keyShell].(string)...)
			for _, secret := range []string{string(inner.want), hex.EncodeToString(inner.want), base64.RawStdEncoding.EncodeToString(inner.want)} {
				if len(secret) > 6 && bytes.Contains(bytes.ToLower(all), bytes.ToLower([]byte(secret))) {
					t.Error("the digest is still there")
				}
			}
			for _, target := range Targets() {
				if _, err := Convert(back, target); err == nil {
					t.Errorf("it is said to travel to %s", target)
				}
			}
		})
	}
	for _, name := range []string{"hex-md5", "hex-sha1", "vbulletin-md5", "ldap-ssha", "ldap-sha256", "phpass", "md5crypt", "django-sha1", "nt", "mysql41", "aspnet-identity-v2", "drupal7", "spring-noop", "descrypt"} {
		if !wrapped[name] {
			t.Errorf("%s was not wrapped", name)
		}
	}
	for _, name := range append([]string{"bcrypt", "argon2-phc", "phc-scrypt", "wrap"}, twofold...) {
		if wrapped[name] {
			t.Errorf("%s was wrapped", name)
		}
	}
}
