package pipeline

import (
	"fmt"
	"testing"
)

func TestSecretFuncRemembersRightly(t *testing.T) {
	secret := SecretFunc("geheim")
	names := []string{"email", "geheim", "password", "name", "pwd_hash", "name", "raw"}
	ask := func() {
		t.Helper()
		for _, name := range names {
			want := name == "geheim" || IsSecret(name, "x")
			if got := secret(name, "x"); got != want {
				t.Errorf("secret(%q) = %t", name, got)
			}
			if secret(name, true) {
				t.Errorf("secret(%q, true): whether there is a secret is none", name)
			}
		}
		if !secret("note", "$2b$12$J3.jzmUf8.Im5hvsGEaLqu1zplIC4raVKz/W6EFhw/2cUx4yj2ON.") {
			t.Error("a hash is shown because of its name")
		}
	}
	ask()
	ask()
	for i := range 2 * maxKnownNames {
		if secret(fmt.Sprint("n", i), "x") || !secret(fmt.Sprint("token", i), "x") {
			t.Fatalf("after %d names it is wrong", i)
		}
	}
	ask()
}
