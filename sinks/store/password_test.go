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

func TestWeakHashesAreWrapped(t *testing.T) {
	dir := t.TempDir()
	set := map[string]any{"upsert": true, "weak_hashes": "wrap", "on_update": pipeline.NewConfig(map[string]any{"password": "set"})}
	const md5 = "301286b3bfc75c2f449106244075a7a3" // of password and ab
	weak := `{"email":"a@x.com","name":"A","password":{"hash":"` + md5 + `","format":"md5","salt":"ab","position":"suffix"}}`
	strong := `{"email":"b@x.com","password":{"hash":"$2b$05$JS5vHfXZ77dP.W.3F6.4guVV6X9Js1U6.Fp9/92T67pcJJkjzJTEq"}}`
	do(t, dir, set, pipeline.Run{}, []string{weak, strong})
	hash := stored(t, dir, "a@x.com")
	if !strings.HasPrefix(hash, "$usher$wrap,") || fits(t, hash, "password") != password.Match || fits(t, hash, "other") != password.Mismatch {
		t.Fatalf("stored %.12s…", hash)
	}
	if other := stored(t, dir, "b@x.com"); !strings.HasPrefix(other, "$2b$05$") {
		t.Errorf("a strong hash became %.12s…", other)
	}
	for _, f := range []string{"users.db", "users.db-wal"} {
		if b, err := os.ReadFile(filepath.Join(dir, f)); err == nil && strings.Contains(string(b), md5) {
			t.Errorf("%s holds the digest", f)
		}
	}
	// The same again changes nothing, another does, and a plan says the same.
	if b := outcomes(t, dir, set, pipeline.Run{}, []string{weak}); b[0].Reason != pipeline.Unchanged {
		t.Errorf("the same record: %+v", b[0])
	}
	next := strings.Replace(weak, md5, "5f4dcc3b5aa765d61d8327deb882cf99", 1)
	for _, plan := range []bool{true, false} {
		b := outcomes(t, dir, set, pipeline.Run{Plan: plan}, []string{next, next})
		if !slices.Equal(b[0].Changed, []string{"password"}) || b[1].Reason != pipeline.Unchanged {
			t.Errorf("plan %v: %+v, %+v", plan, b[0], b[1])
		}
	}
	do(t, dir, set, pipeline.Run{}, []string{weak})

	// The first login makes a plain argon2id of it, which the same record leaves alone.
	s, err := identity.Open(context.Background(), "sqlite:users.db", dir, "test", identity.Write)
	if err != nil {
		t.Fatal(err)
	}
	formats, err := s.PasswordFormats(context.Background())
	if err != nil || formats[1].Format != "wrap of hex-md5" || formats[1].Weaker != 1 {
		t.Errorf("%+v, %v", formats, err)
	}
	l, err := s.VerifyPassword(context.Background(), "a@x.com", []byte("password"))
	if err != nil || l.Result.Outcome != password.Match || !l.Rehashed {
		t.Errorf("%+v, %v", l, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if hash := stored(t, dir, "a@x.com"); !strings.HasPrefix(hash, "$argon2id$") {
		t.Errorf("stored %.12s…", hash)
	}
	if b := outcomes(t, dir, set, pipeline.Run{}, []string{weak}); b[0].Reason != pipeline.Unchanged {
		t.Errorf("after the login: %+v", b[0])
	}
	// A legacy hash after a password in plain text is another one, though neither tells what it is.
	plain := `{"email":"d@x.com","password":{"plain":"first"}}`
	legacy := `{"email":"d@x.com","password":{"hash":"` + md5 + `","format":"md5","salt":"ab","position":"suffix"}}`
	for _, plan := range []bool{true, false} {
		want(t, do(t, dir, set, pipeline.Run{Plan: plan}, []string{plain}, []string{legacy}, []string{legacy}, []string{plain}),
			"inserted", "updated password", "skipped unchanged", "updated password")
	}
	// What is weak and cannot be wrapped is kept, with a warning.
	b := outcomes(t, dir, set, pipeline.Run{}, []string{`{"email":"c@x.com","password":{"hash":"(GDJ0nDZI8l8RJzlRbemg)","format":"domino6"}}`})
	if w := b[0].Warnings; len(w) != 1 || w[0].Code != identity.CodeNotWrapped {
		t.Errorf("%+v", b[0])
	}
}

// logIn checks a password as a login does.
func logIn(t *testing.T, dir, email, plain string) identity.Login {
	t.Helper()
	s, err := identity.Open(context.Background(), "sqlite:users.db", dir, "test", identity.Write)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := s.VerifyPassword(context.Background(), email, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// After a login has put a new hash in place of a wrapped one, the legacy hash is still told from another.
func TestLegacyHashesThatChangeAfterALogin(t *testing.T) {
	dir := t.TempDir()
	set := map[string]any{"upsert": true, "weak_hashes": "wrap", "on_update": pipeline.NewConfig(map[string]any{"password": "set"})}
	record := func(name, digest string) string {
		return `{"email":"a@x.com","name":"` + name + `","password":{"hash":"` + digest + `","format":"md5"}}`
	}
	const first, second = "5f4dcc3b5aa765d61d8327deb882cf99", "7c6a180b36896a0a8c02787eeafb0e4c" // of password and password1
	both := func(record string, outcome string) {
		t.Helper()
		for _, plan := range []bool{true, false} {
			want(t, do(t, dir, set, pipeline.Run{Plan: plan}, []string{record}), outcome)
		}
	}
	do(t, dir, set, pipeline.Run{}, []string{record("A", first)})
	if l := logIn(t, dir, "a@x.com", "password"); !l.Rehashed {
		t.Fatalf("%+v", l)
	}
	hash := stored(t, dir, "a@x.com")
	both(record("A", first), "skipped unchanged")
	both(record("B", first), "updated name")
	if stored(t, dir, "a@x.com") != hash {
		t.Error("the legacy hash came back")
	}
	both(record("B", second), "updated password")
	if hash := stored(t, dir, "a@x.com"); fits(t, hash, "password1") != password.Match || fits(t, hash, "password") != password.Mismatch {
		t.Error("the change did not come through")
	}
	// What was replaced before is not remembered any more.
	logIn(t, dir, "a@x.com", "password1")
	both(record("B", second), "skipped unchanged")
	both(record("B", first), "updated password")
	do(t, dir, set, pipeline.Run{}, []string{`{"email":"a@x.com","password":null}`})
	both(record("B", first), "updated password")
}

// A plan says what a run does, however the records fall into batches.
func TestPasswordsOfOneUserInManyBatches(t *testing.T) {
	weak := func(digest string) string {
		return `{"email":"a@x.com","password":{"hash":"` + digest + `","format":"md5"}}`
	}
	const digest = "5f4dcc3b5aa765d61d8327deb882cf99" // of password
	plain, other, text := `{"email":"a@x.com","password":{"plain":"password"}}`, `{"email":"a@x.com","password":{"plain":"other"}}`, `{"email":"a@x.com","password":{"plain":"`+digest+`"}}`
	salted := `{"email":"a@x.com","password":{"hash":"` + digest + `","format":"md5","salt":"s"}}`
	for _, tt := range []struct{ records, outcomes []string }{
		{[]string{weak(digest), plain, other}, []string{"inserted", "skipped unchanged", "updated password"}},
		{[]string{plain, weak(digest), plain}, []string{"inserted", "updated password", "skipped unchanged"}},
		{[]string{weak(digest), weak(strings.ToUpper(digest)), text}, []string{"inserted", "skipped unchanged", "updated password"}},
		{[]string{text, weak(digest), text}, []string{"inserted", "updated password", "updated password"}},
		{[]string{weak(digest), salted, weak(digest)}, []string{"inserted", "updated password", "updated password"}},
	} {
		for _, cuts := range []int{0b00, 0b11} { // a bit for each record after the first that begins a batch
			var batches [][]string
			for i, r := range tt.records {
				if i == 0 || cuts>>(i-1)&1 != 0 {
					batches = append(batches, nil)
				}
				batches[len(batches)-1] = append(batches[len(batches)-1], r)
			}
			dir := t.TempDir()
			set := map[string]any{"upsert": true, "weak_hashes": "wrap", "on_update": pipeline.NewConfig(map[string]any{"password": "set"})}
			for _, plan := range []bool{true, false} {
				got := do(t, dir, set, pipeline.Run{Plan: plan}, batches...)
				if !slices.Equal(got, tt.outcomes) {
					t.Errorf("plan %v, %d batches of %q:\n%q, want\n%q", plan, len(batches), tt.records, got, tt.outcomes)
				}
			}
		}
	}
}
