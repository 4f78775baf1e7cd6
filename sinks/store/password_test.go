package store_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
)

// stored gives the hash that the store keeps for the user with that email address.
func stored(t *testing.T, dir, email string) string {
	t.Helper()
	s, err := identity.Open(context.Background(), "sqlite:users.db", dir, "", identity.Read)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for u, err := range s.Users(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if u.Email == email {
			return u.Password.Hash.Reveal()
		}
	}
	t.Fatalf("no user %s", email)
	return ""
}

func fits(t *testing.T, hash, plain string) password.Outcome {
	t.Helper()
	h, err := password.ParseStored(hash)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return password.Verify(context.Background(), h.Format, h.Encoded.Reveal(), []byte(plain), h.Context).Outcome
}

func TestPlainPasswordsAreHashed(t *testing.T) {
	dir := t.TempDir()
	set := map[string]any{"upsert": true, "hasher": "argon2i", "on_update": pipeline.NewConfig(map[string]any{"password": "set"})}
	first := `{"email":"a@x.com","name":"A","password":{"plain":"open sesame"}}`
	do(t, dir, set, pipeline.Run{}, []string{first, `{"email":"b@x.com","password":{"plain":"other","hash":null}}`})
	hash := stored(t, dir, "a@x.com")
	if !strings.HasPrefix(hash, "$argon2i$") || fits(t, hash, "open sesame") != password.Match || fits(t, hash, "other") != password.Mismatch {
		t.Fatalf("stored %.8s…", hash)
	}
	if fits(t, stored(t, dir, "b@x.com"), "other") != password.Match {
		t.Error("the second password was not stored")
	}
	for _, f := range []string{"users.db", "users.db-wal"} {
		if b, err := os.ReadFile(filepath.Join(dir, f)); err == nil && strings.Contains(string(b), "open sesame") {
			t.Errorf("%s holds the password", f)
		}
	}

	// The same password is no change, another one is; within a batch, too.
	want := []string{"unchanged", "unchanged", "updated password", "unchanged", "updated password"}
	second := []string{first, first, `{"email":"a@x.com","name":"A","password":{"plain":"new"}}`, `{"email":"a@x.com","name":"A","password":{"plain":"new"}}`,
		`{"email":"b@x.com","password":{"hash":"5f4dcc3b5aa765d61d8327deb882cf99","format":"md5"}}`}
	for _, plan := range []bool{true, false} {
		got := do(t, dir, set, pipeline.Run{Plan: plan}, second)
		for i := range got {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("plan %v, record %d: %s, want %s", plan, i, got[i], want[i])
			}
		}
		if plan && stored(t, dir, "a@x.com") != hash {
			t.Error("the plan wrote a hash")
		}
	}
	if fits(t, stored(t, dir, "a@x.com"), "new") != password.Match || fits(t, stored(t, dir, "b@x.com"), "password") != password.Match {
		t.Error("the update did not come through")
	}

	// By default an update leaves the password alone.
	do(t, dir, map[string]any{"upsert": true}, pipeline.Run{}, []string{first})
	if fits(t, stored(t, dir, "a@x.com"), "new") != password.Match {
		t.Error("an update took the password")
	}
}

func TestPlainPasswordsThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ record, want string }{
		{`{"email":"a@x.com","password":{"plain":"p","format":"md5"}}`, "password.conflicting"},
		{`{"email":"a@x.com","password":{"plain":"p","hash":"5f4dcc3b5aa765d61d8327deb882cf99"}}`, "password.conflicting"},
		{`{"email":"a@x.com","password":{"plain":"p","salt":"s"}}`, "password.conflicting"},
		{`{"email":"a@x.com","password":{"plain":""}}`, "user.empty"},
		{`{"email":"a@x.com","password":{"plain":7}}`, "user.wrong_type"},
		{`{"email":"a@x.com","password":{"plain":"` + strings.Repeat("p", 73) + `"}}`, "password.refused"},
		{`{"email":"a@x.com","password":{"hash":"5f4dcc3b5aa765d61d8327deb882cf99","format":"md5","hasher":"sha1"}}`, "password.conflicting"},
		{`{"email":"a@x.com","password":{"hash":"x","format":{"digest":"nothing("}}}`, "password.bad_expression"},
	} {
		got := outcomes(t, t.TempDir(), map[string]any{"hasher": "bcrypt"}, pipeline.Run{}, []string{tt.record})
		if !slices.ContainsFunc(got[0].Errors, func(p pipeline.Problem) bool { return p.Code == tt.want }) {
			t.Errorf("%s: %+v, want %s", tt.record, got[0], tt.want)
		}
	}
}

func TestHashesOfAnyFormatVerifyFromTheStore(t *testing.T) {
	for _, tt := range []struct{ name, password string }{
		{"auto", `{"hash":"$2b$05$JS5vHfXZ77dP.W.3F6.4guVV6X9Js1U6.Fp9/92T67pcJJkjzJTEq","format":"auto"}`},
		{"salt column", `{"hash":"301286b3bfc75c2f449106244075a7a3","format":"md5","salt":"ab","position":"suffix","encoding":"hex"}`},
		{"expression", `{"hash":"301286b3bfc75c2f449106244075a7a3","format":{"digest":"md5(pass . salt)"},"salt":"ab"}`},
		{"hasher", `{"hash":"5f4dcc3b5aa765d61d8327deb882cf99","hasher":"md5"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			do(t, dir, nil, pipeline.Run{}, []string{`{"email":"a@x.com","password":` + tt.password + `}`})
			hash := stored(t, dir, "a@x.com")
			if got := fits(t, hash, "password"); got != password.Match {
				t.Errorf("%v", got)
			}
			if got := fits(t, hash, "Password"); got != password.Mismatch {
				t.Errorf("another password: %v", got)
			}
		})
	}
}
