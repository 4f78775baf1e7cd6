package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/password"
)

// logins are passwords of users in the examples of identity exports, one for each format of hash that is in them. The
// hashes were made by other programs: see the README of the example.
var logins = []struct {
	example, login, password string
}{
	{"keycloak", "ann.lee", "Blue-Harbour-42"},        // PBKDF2-SHA256
	{"keycloak", "bruno", "correcto caballo"},         // PBKDF2-SHA512
	{"keycloak", "chidi", "Nine*Lanterns"},            // argon2id
	{"keycloak", "dagmar", "alt und bewährt"},         // PBKDF2-SHA1
	{"keycloak", "eve@example.com", "seven seas"},     // as versions before 4 wrote it
	{"firebase", "ann@example.com", "harbour lights"}, // the signer key is apart
	{"firebase", "bruno@example.com", "Fünf Äpfel"},
	{"firebase-csv", "bruno@example.com", "Fünf Äpfel"},  // the signer key is in the hash
	{"ldap", "ann", "harbour lights"},                    // {SSHA}
	{"ldap", "bruno@example.com", "Fünf Äpfel"},          // {SSHA512}
	{"ldap", "chidi", "Nine*Lanterns"},                   // {CRYPT}$6$
	{"ldap", "dagmar", "alt und bewährt"},                // {PBKDF2-SHA256}
	{"ldap", "eve", "last summer"},                       // plain, hashed by the store
	{"okta", "chidi@example.com", "Nine*Lanterns"},       // salted SHA-512
	{"authing", "wang@example.com", "八仙过海"},              // bcrypt
	{"auth0-users", "ann@example.com", "harbour lights"}, // bcrypt
	{"auth0-export", "ann@example.com", "copper kettle"}, // from the file that is joined
	{"auth0-export", "chidi@example.com", "Seven-Larks"},
	{"auth0-users", "chidi", "Nine*Lanterns"}, // PBKDF2, as custom_password_hash
}

// TestPresetsKeepPasswords imports the examples of identity exports and logs users in.
func TestPresetsKeepPasswords(t *testing.T) {
	signer, err := os.ReadFile("../../examples/firebase-csv/signer.key")
	if err != nil {
		t.Fatal(err)
	}
	secrets := password.Context{"base64_signer_key": strings.TrimSpace(string(signer))}
	stores := map[string]*identity.Store{}
	for _, l := range logins {
		store := stores[l.example]
		if store == nil {
			store = imported(t, l.example)
			store.SetHashing(identity.Hashing{Secrets: secrets})
			stores[l.example] = store
		}
		for password, want := range map[string]string{l.password: "match", l.password + "x": "mismatch"} {
			login, err := store.VerifyPassword(context.Background(), l.login, []byte(password))
			if err != nil || login.Result.Outcome.String() != want {
				t.Errorf("%s: %s with %q: %v %s (%v), want %s", l.example, l.login, password, login.Result.Outcome, login.Result.Reason, err, want)
			}
		}
	}
}

// imported gives the store into which an example was imported.
func imported(t *testing.T, example string) *identity.Store {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("../../examples", example))); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := usher([]string{"run", filepath.Join(dir, "pipeline.yaml"), "--quiet", "--state", filepath.Join(dir, ".usher")}, strings.NewReader(""), &out, &out); code != exitWell && code != exitRecords {
		t.Fatalf("run: exit code %d\n%s", code, &out)
	}
	store, err := identity.Open(context.Background(), "sqlite:users.db", dir, "", identity.Read)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}
