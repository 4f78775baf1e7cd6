package identity

import (
	"context"
	"crypto/md5"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/usher-id/usher/password"
)

const bcryptOfPassword = "$2b$05$JS5vHfXZ77dP.W.3F6.4guVV6X9Js1U6.Fp9/92T67pcJJkjzJTEq"

// storeOf makes a store with a user a record.
func storeOf(t *testing.T, dir string, records ...string) *Store {
	t.Helper()
	ctx := context.Background()
	s, err := Open(ctx, "sqlite:users.db", dir, "test", Write)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r := rules(t, Options{})
	im, err := s.Import(r, Run{ID: "r", StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	var items []Item
	reader := r.NewReader()
	for i, text := range records {
		items = append(items, Item{Index: int64(i), Change: reader.Read(parse(t, text))})
	}
	results, err := im.Write(ctx, items)
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		if result.Outcome != Inserted {
			t.Fatalf("%s: %v", records[i], result.Errors)
		}
	}
	if err := im.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVerifyPassword(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := storeOf(t, dir,
		`{"email":"ann@x.com","phone_number":"+8613100000001","preferred_username":"Ann","password":{"hash":"301286b3bfc75c2f449106244075a7a3","format":"md5","salt":"ab","position":"suffix"}}`,
		`{"email":"bob@x.com","disabled":true,"password":{"hash":"`+bcryptOfPassword+`"}}`,
		`{"email":"none@x.com"}`,
		`{"email":"acme@x.com","password":{"hash":"anything","hasher":"acme-v2"}}`,
		`{"email":"pepper@x.com","password":{"hash":"301286b3bfc75c2f449106244075a7a3","format":{"digest":"md5(pass . pepper)"}}}`,
	)
	s.SetHashing(Hashing{Hasher: "bcrypt", Params: password.Params{Cost: 5}})
	login := func(identifier, plain string) Login {
		t.Helper()
		l, err := s.VerifyPassword(ctx, identifier, []byte(plain))
		if err != nil {
			t.Fatalf("%s: %v", identifier, err)
		}
		return l
	}
	for _, tt := range []struct {
		identifier, plain string
		want              password.Outcome
		code              string
		rehashed, user    bool
	}{
		{"ann@x.com", "wrong", password.Mismatch, "", false, true},
		{" ANN@X.com", "password", password.Match, "", true, true},
		{"ann@x.com", "password", password.Match, "", false, true},
		{"+8613100000001", "password", password.Match, "", false, true},
		{"ann", "password", password.Match, "", false, true},
		{"ann", "Password", password.Mismatch, "", false, true},
		{"bob@x.com", "password", password.Match, "", false, true},
		{"none@x.com", "password", password.Unsupported, CodeNoPassword, false, true},
		{"nobody@x.com", "password", password.Mismatch, "", false, false},
		{"", "password", password.Mismatch, "", false, false},
		{"acme@x.com", "password", password.Unsupported, password.CodeNoFormat, false, true},
		{"pepper@x.com", "password", password.Unsupported, password.CodeMissing, false, true},
	} {
		got := login(tt.identifier, tt.plain)
		if got.Result.Outcome != tt.want || got.Result.Code != tt.code || got.Rehashed != tt.rehashed || (got.UserID != "") != tt.user {
			t.Errorf("%s, %s: %+v", tt.identifier, tt.plain, got)
		}
	}
	if !login("bob@x.com", "password").Disabled {
		t.Error("a disabled user is not said to be")
	}
	for u, err := range s.Users(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if u.Email == "ann@x.com" && !strings.HasPrefix(u.Password.Hash.Reveal(), "$2b$05$") {
			t.Error("the password was not hashed anew")
		}
	}

	formats, err := s.PasswordFormats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := []FormatCount{{"bcrypt", 2, 0, 0}, {"acme-v2", 1, 0, 1}, {"digest:md5(pass . pepper)", 1, 1, 0}}
	if diff := cmp.Diff(want, formats); diff != "" {
		t.Error(diff)
	}
	s.SetHashing(Hashing{})
	if formats, err = s.PasswordFormats(ctx); err != nil || formats[0] != (FormatCount{"bcrypt", 2, 2, 0}) {
		t.Errorf("%v, %v", formats, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// A store that is open for reading answers and changes nothing.
	if s, err = Open(ctx, "sqlite:users.db", dir, "", Read); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := login("ann", "password"); got.Result.Outcome != password.Match || got.Rehashed {
		t.Errorf("%+v", got)
	}
}

func TestVerifyPasswordWithASecret(t *testing.T) {
	s := storeOf(t, t.TempDir(), `{"email":"a@x.com","password":{"hash":"301286b3bfc75c2f449106244075a7a3","format":{"digest":"md5(pass . pepper)"}}}`)
	s.SetHashing(Hashing{Secrets: password.Context{"pepper": "ab"}})
	l, err := s.VerifyPassword(context.Background(), "a@x.com", []byte("password"))
	if err != nil || l.Result.Outcome != password.Match || !l.Rehashed {
		t.Errorf("%+v, %v", l, err)
	}
	s.SetHashing(Hashing{})
	if l, err = s.VerifyPassword(context.Background(), "a@x.com", []byte("password")); err != nil || l.Result.Outcome != password.Match {
		t.Errorf("after the new hash: %+v, %v", l, err)
	}
}

// What the old system did to passwords is not forgotten with its hash.
func TestVerifyPasswordAsItIsTyped(t *testing.T) {
	sum := md5.Sum([]byte("p\u00e4ssword"))
	s := storeOf(t, t.TempDir(), fmt.Sprintf(`{"email":"a@x.com","password":{"hash":"%x","format":"md5","trim":true,"normalization":"NFC"}}`, sum))
	for i, typed := range []string{" p\u00e4ssword", "pa\u0308ssword\n", "p\u00e4ssword"} {
		l, err := s.VerifyPassword(t.Context(), "a@x.com", []byte(typed))
		if err != nil || l.Result.Outcome != password.Match || l.Rehashed != (i == 0) {
			t.Errorf("%q: %+v, %v", typed, l, err)
		}
	}
	if l, err := s.VerifyPassword(t.Context(), "a@x.com", []byte("passwort")); err != nil || l.Result.Outcome != password.Mismatch {
		t.Errorf("another password: %+v, %v", l, err)
	}
}

// TestVerifyPasswordSideBySide has many logins of the same few users at a time: each is right, and each user's password is hashed anew once.
func TestVerifyPasswordSideBySide(t *testing.T) {
	var records []string
	for i := range 4 {
		records = append(records, fmt.Sprintf(`{"email":"u%d@x.com","password":{"hash":"5f4dcc3b5aa765d61d8327deb882cf99","format":"md5"}}`, i))
	}
	s := storeOf(t, t.TempDir(), records...)
	s.SetHashing(Hashing{Hasher: "bcrypt", Params: password.Params{Cost: 4}})
	var group errgroup.Group
	var rehashed atomic.Int32
	for i := range 64 {
		group.Go(func() error {
			plain, want := "password", password.Match
			if i%3 == 0 {
				plain, want = "wrong", password.Mismatch
			}
			l, err := s.VerifyPassword(context.Background(), fmt.Sprintf("u%d@x.com", i%4), []byte(plain))
			if err != nil || l.Result.Outcome != want {
				return fmt.Errorf("%d: %+v, %w", i, l, err)
			}
			if l.Rehashed {
				rehashed.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if n := rehashed.Load(); n != 4 {
		t.Errorf("%d passwords were hashed anew", n)
	}
	formats, err := s.PasswordFormats(context.Background())
	if diff := cmp.Diff([]FormatCount{{"bcrypt", 4, 0, 0}}, formats); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// reversed is a hasher that is not built in: the password backwards.
type reversed struct{ password.UnimplementedHasher }

func (reversed) Verify(_ context.Context, encoded string, plain []byte, _ password.Context) password.Result {
	back := slices.Clone(plain)
	slices.Reverse(back)
	if encoded == "rev$"+string(back) {
		return password.Result{Outcome: password.Match}
	}
	return password.Result{Outcome: password.Mismatch}
}

// TestVerifyPasswordByAHasherOfAPlugin logs a user in whose hash only a plugin knows, and has the hash replaced.
func TestVerifyPasswordByAHasherOfAPlugin(t *testing.T) {
	ctx := context.Background()
	if err := password.Register(password.HasherSpec{Name: "test-reversed", Layout: "rev$<password>", Pattern: `rev\$.+`}, reversed{}); err != nil {
		t.Fatal(err)
	}
	s := storeOf(t, t.TempDir(), `{"email":"ann@x.com","password":{"hash":"rev$olleh","hasher":"test-reversed"}}`)
	s.SetHashing(Hashing{Hasher: "bcrypt", Params: password.Params{Cost: 4}})
	formats, err := s.PasswordFormats(ctx)
	if err != nil || len(formats) != 1 || formats[0].Format != "test-reversed" || formats[0].Weaker != 1 {
		t.Errorf("%+v, %v", formats, err)
	}
	for _, tt := range []struct {
		plain    string
		want     password.Outcome
		rehashed bool
	}{{"olleh", password.Mismatch, false}, {"hello", password.Match, true}, {"hello", password.Match, false}} {
		login, err := s.VerifyPassword(ctx, "ann@x.com", []byte(tt.plain))
		if err != nil || login.Result.Outcome != tt.want || login.Rehashed != tt.rehashed {
			t.Errorf("%s: %+v, %v", tt.plain, login, err)
		}
	}
}
