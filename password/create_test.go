package password

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/usher-id/usher/value"
)

// cheap are costs that let the tests run quickly.
var cheap = map[string]Params{
	"argon2id": {Memory: 64, Time: 1}, "argon2i": {Memory: 64, Time: 1}, "bcrypt": {Cost: 4}, "scrypt": {N: 16, BlockSize: 1, Parallelism: 1},
	"pbkdf2-sha256": {Iterations: 10}, "pbkdf2-sha512": {Iterations: 10}, "sha256crypt": {Iterations: 1000}, "sha512crypt": {Iterations: 1000},
}

func TestWhatIsCreatedVerifiesAndNamesItself(t *testing.T) {
	for _, hasher := range Hashers() {
		encoded, err := Create(context.Background(), hasher, []byte("pässwörd"), cheap[hasher])
		if err != nil {
			t.Errorf("%s: %v", hasher, err)
			continue
		}
		format, err := Recognise(encoded)
		if err != nil {
			t.Errorf("%s: not recognised: %v", hasher, err)
			continue
		}
		if got := Verify(context.Background(), format, encoded, []byte("pässwörd"), nil); got.Outcome != Match {
			t.Errorf("%s: %v %s", hasher, got.Outcome, got.Reason)
		}
		if got := Verify(context.Background(), format, encoded, []byte("passwort"), nil); got.Outcome != Mismatch {
			t.Errorf("%s: wrong password: %v %s", hasher, got.Outcome, got.Reason)
		}
		if again, err := Create(context.Background(), hasher, []byte("pässwörd"), cheap[hasher]); err != nil || again == encoded {
			t.Errorf("%s: the salt is not random (%v)", hasher, err)
		}
		h := Hash{Format: format, Encoded: value.Secret(encoded)}
		if needs, why, err := NeedsRehash(h, hasher, cheap[hasher]); needs || err != nil {
			t.Errorf("%s: needs a re-hash: %s, %v", hasher, why, err)
		}
		if needs, _, err := NeedsRehash(h, hasher, Params{}); err != nil || !needs && hasher != "yescrypt" {
			t.Errorf("%s: no re-hash at costs far below the defaults (%v)", hasher, err)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	long := []byte(strings.Repeat("x", 73))
	for _, tt := range []struct {
		name, hasher, code string
		password           []byte
		params             Params
	}{
		{"73 bytes for bcrypt", "bcrypt", CodeBadPassword, long, cheap["bcrypt"]},
		{"NUL for bcrypt", "bcrypt", CodeBadPassword, []byte("a\x00b"), cheap["bcrypt"]},
		{"bcrypt cost 3", "bcrypt", CodeBadParams, []byte("x"), Params{Cost: 3}},
		{"4 TiB", "argon2id", CodeBadParams, []byte("x"), Params{Memory: 1 << 32}},
		{"N no power of two", "scrypt", CodeBadParams, []byte("x"), Params{N: 1000}},
		{"10 rounds", "sha512crypt", CodeBadParams, []byte("x"), Params{Iterations: 10}},
		{"no such hasher", "md5", CodeNoFormat, []byte("x"), Params{}},
	} {
		_, err := Create(context.Background(), tt.hasher, tt.password, tt.params)
		var e *Error
		if !errors.As(err, &e) || e.Code != tt.code {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestNeedsRehashSaysWhy(t *testing.T) {
	for _, tt := range []struct {
		encoded, format, hasher string
		params                  Params
		why                     string
	}{
		{goodBcrypt, "bcrypt", "argon2id", Params{}, "it is not of argon2id"},
		{goodBcrypt, "bcrypt", "bcrypt", Params{Cost: 12}, "its cost is 10, and 12 is wanted"},
		{goodBcrypt, "bcrypt", "bcrypt", Params{Cost: 10}, ""},
		{goodBcrypt, "meteor", "bcrypt", Params{Cost: 10}, "it is not of bcrypt"},
	} {
		needs, why, err := NeedsRehash(Hash{Format: tt.format, Encoded: value.Secret(tt.encoded)}, tt.hasher, tt.params)
		if err != nil || why != tt.why || needs != (tt.why != "") {
			t.Errorf("%s to %s: %v, %q, %v", tt.format, tt.hasher, needs, why, err)
		}
	}
}
