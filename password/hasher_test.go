package password

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// shout is a hasher for tests: the password in capitals, with a salt before it.
type shout struct {
	UnimplementedHasher
	seen Context
}

func (h *shout) Verify(_ context.Context, encoded string, password []byte, values Context) Result {
	h.seen = values
	if encoded == "$shout$panic" {
		panic("no")
	}
	pepper, _ := values["pepper"].([]byte)
	if shoutOf(password, string(pepper)) == encoded {
		return Result{Outcome: Match}
	}
	return Result{Outcome: Mismatch}
}

func (*shout) Hash(_ context.Context, password []byte, _ Context) (string, error) {
	return shoutOf(password, ""), nil
}

func (*shout) NeedsRehash(encoded string) (bool, string) { return len(encoded) < 20, "short" }

func (*shout) Convert(_ context.Context, target, encoded string, _ Context) (string, error) {
	switch target {
	case "auth0":
		return `{"algorithm":"shout"}`, nil
	case "kratos":
		return "{SHOUT}x", nil
	}
	return "", errors.New("only auth0 and kratos")
}

func shoutOf(password []byte, pepper string) string {
	sum := sha1.Sum([]byte(pepper + strings.ToUpper(string(password))))
	return "$shout$" + hex.EncodeToString(sum[:])
}

func registerShout(t *testing.T) *shout {
	h := &shout{}
	if err := Register(HasherSpec{Name: "shout", Layout: "$shout$<hash>", Pattern: `\$shout\$([0-9a-f]{40}|panic)`, Context: []string{"pepper?"}, MaxPassword: 20}, h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { others.Store(nil) })
	return h
}

func TestHasherVerifies(t *testing.T) {
	h := registerShout(t)
	ctx := context.Background()
	encoded := shoutOf([]byte("secret"), "p")
	tests := []struct {
		encoded, password string
		values            Context
		want              Outcome
	}{
		{encoded, "SeCret", Context{"pepper": "p", "other": "x"}, Match},
		{encoded, "SeCret", Context{"pepper_hex": "70"}, Match},
		{encoded, "SeCret", nil, Mismatch},
		{encoded, " secret ", Context{"pepper": "p", "trim": "true"}, Match},
		{encoded[:20], "secret", nil, Malformed},
		{encoded, "a\x00", nil, Unsupported},
		{encoded, strings.Repeat("a", 21), nil, Unsupported},
		{"$shout$panic", "secret", nil, Unsupported},
	}
	for _, tt := range tests {
		if got := Verify(ctx, "shout", tt.encoded, []byte(tt.password), tt.values); got.Outcome != tt.want || got.Format != "shout" {
			t.Errorf("%q: %+v, want %s", tt.password, got, tt.want)
		}
		if _, ok := h.seen["other"]; ok {
			t.Error("a value that it did not ask for was handed over")
		}
	}
}

func TestHasherIsAFormat(t *testing.T) {
	registerShout(t)
	ctx := context.Background()
	stored, err := Create(ctx, "shout", []byte("secret"), Params{})
	if err != nil || !strings.HasPrefix(stored, "$usher$shout$$shout$") {
		t.Fatalf("%q, %v", stored, err)
	}
	h, err := ParseStored(stored)
	if err != nil || Verify(ctx, h.Format, h.Encoded.Reveal(), []byte("secret"), h.Context).Outcome != Match {
		t.Fatalf("%+v, %v", h, err)
	}
	if name, err := Recognise(h.Encoded.Reveal()); name != "shout" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	if c := Identify(h.Encoded.Reveal()); len(c) != 1 || c[0].Format != "shout" || c[0].Confidence != Certain {
		t.Errorf("%+v", c)
	}
	if weaker, _, err := NeedsRehash(h, "shout", Params{}); weaker || err != nil {
		t.Error("its own hash is weaker", err)
	}
	if weaker, _, err := NeedsRehash(h, "argon2id", Params{}); !weaker || err != nil {
		t.Error("another hasher's hash is not weaker", err)
	}
	if c, err := Convert(h, "auth0"); err != nil || !c.JSON || c.Field != "custom_password_hash" {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := Convert(h, "kratos"); err != nil || c.JSON || c.Field != "credentials.password.config.hashed_password" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Convert(h, "okta"); err == nil {
		t.Error("converted to okta")
	}
}

func TestRegisterRefuses(t *testing.T) {
	t.Cleanup(func() { others.Store(nil) })
	for _, spec := range []HasherSpec{{Name: "bcrypt"}, {Name: ""}, {Name: "A"}, {Name: "auto"}, {Name: "x", Pattern: "("}} {
		if err := Register(spec, &shout{}); err == nil {
			t.Errorf("%+v was registered", spec)
		}
	}
}
