// Command double-sha1 is a plugin of usher with one hasher: the scheme of a shop whose passwords are SHA-1 over a pepper, a salt and the
// SHA-1 of the password, written ds1$<salt>$<40 hexadecimal digits>.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/sdk"
)

func main() { sdk.Serve(sdk.Hasher(Type)) }

// Type is the hasher.
var Type = sdk.HasherType{
	HasherSpec: password.HasherSpec{
		Name:    "double-sha1",
		Summary: "SHA-1 over a pepper, a salt and the SHA-1 of the password.",
		Layout:  "ds1$<salt>$<hash:hex:40>",
		Pattern: `ds1\$[0-9A-Za-z]{4,32}\$[0-9a-f]{40}`,
		Context: []string{"pepper?"},
		NUL:     true,
		// Without a pepper of its own in the context, a sample would only hold for one shop.
		Samples: []password.Sample{{
			Encoded:  "ds1$Zx81kq$f89973770f706c6ca987978a5f385054bf748062",
			Password: []byte("correct horse"),
			Context:  password.Context{"pepper": "black"},
		}},
	},
	Options: []pipeline.Option{
		{Name: "pepper", Type: pipeline.String, Secret: true, Doc: "What the shop hashes before everything else. None by default.", Example: "${PEPPER}"},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (password.Hasher, error) {
		return &hasher{pepper: []byte(c.String("pepper"))}, nil
	},
}

type hasher struct {
	password.UnimplementedHasher
	pepper []byte
}

// Verify implements password.Hasher. What it is given fits the pattern.
func (h *hasher) Verify(_ context.Context, encoded string, plain []byte, values password.Context) password.Result {
	parts := strings.Split(encoded, "$")
	want, err := hex.DecodeString(parts[2])
	if err != nil {
		return password.Result{Outcome: password.Malformed, Reason: "the hash is not hexadecimal"}
	}
	pepper := h.pepper
	if own, ok := values["pepper"].([]byte); ok {
		pepper = own
	}
	if subtle.ConstantTimeCompare(digest(pepper, parts[1], plain), want) == 1 {
		return password.Result{Outcome: password.Match}
	}
	return password.Result{Outcome: password.Mismatch}
}

// Hash implements password.Maker.
//
//nolint:unparam // that is its shape
func (h *hasher) Hash(_ context.Context, plain []byte, _ password.Context) (string, error) {
	salt := strings.ToLower(rand.Text())
	return "ds1$" + salt + "$" + hex.EncodeToString(digest(h.pepper, salt, plain)), nil
}

func digest(pepper []byte, salt string, plain []byte) []byte {
	inner := sha1.Sum(plain)
	outer := sha1.New()
	outer.Write(pepper)
	outer.Write([]byte(salt))
	outer.Write([]byte(hex.EncodeToString(inner[:])))
	return outer.Sum(nil)
}
