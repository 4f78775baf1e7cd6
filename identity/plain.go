package identity

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/usher-id/usher/password"
)

// fits reports whether a password in plain text is the one that the user has, or will have with the next write.
func (u *row) fits(a attr, plain string) bool {
	stored := u.cells[a]
	if due, wrap := u.due(a); wrap {
		stored = due
	} else if due != "" {
		return due == plain
	}
	if stored == "" {
		return false
	}
	h, err := password.ParseStored(stored)
	return err == nil && password.Verify(context.Background(), h.Format, h.Encoded.Reveal(), []byte(plain), h.Context).Outcome == password.Match
}

// fitsWrapped reports whether a legacy hash is the one that the user has under a wrap, or will have with the next write, or had before a
// login replaced it.
func (u *row) fitsWrapped(a attr, legacy string) bool {
	due, wrap := u.due(a)
	if due != "" && !wrap {
		return false
	}
	is, err := password.ParseStored(legacy)
	if err != nil {
		return false
	}
	if wrap {
		h, err := password.ParseStored(due)
		return err == nil && password.SameDigest(h, is)
	}
	stored := []string{u.cells[a]}
	if a == aPassword {
		stored = append(stored, u.cells[aPasswordReplaced])
	}
	for _, s := range stored {
		if h, err := password.ParseStored(s); err == nil && h.Format == password.WrapFormat {
			return password.Wraps(context.Background(), h, is)
		}
	}
	return false
}

// due gives the password in plain text, or with wrap the legacy hash, that has not become a hash yet: with the next write it will, or in
// a plan it never does. It is empty for none.
func (u *row) due(a attr) (text string, wrap bool) {
	if i := plainIndex(a); u.plain[i] != "" {
		return u.plain[i], u.wrap[i]
	}
	return unplanned(u.cells[a])
}

// wrapped gives what is stored of a legacy hash that is to be wrapped.
func wrapped(ctx context.Context, legacy string) (string, error) {
	h, err := password.ParseStored(legacy)
	if err != nil {
		return "", err
	}
	if h, err = password.Wrap(ctx, h); err != nil {
		return "", err
	}
	return h.Stored()
}

// plannedPrefix begins what a plan has in place of a hash: hashing takes long, and nobody will log in with it. What would be hashed is
// encrypted behind it, since a later record may have to be compared with it.
const plannedPrefix = "$planned$"

// planCipher has a key that never leaves the process, so that a plan's temporary files tell nothing of the passwords.
var planCipher = sync.OnceValue(func() cipher.AEAD {
	key := make([]byte, 32)
	_, _ = rand.Read(key)          // it never fails
	block, _ := aes.NewCipher(key) // nor does this with 32 bytes
	aead, _ := cipher.NewGCMWithRandomNonce(block)
	return aead
})

func planned(text string, wrap bool) string {
	kind := "p"
	if wrap {
		kind = "w"
	}
	return plannedPrefix + hex.EncodeToString(planCipher().Seal(nil, nil, []byte(kind+text), nil))
}

// unplanned gives what planned was given, nothing of any other cell.
func unplanned(cell string) (text string, wrap bool) {
	sealed, ok := strings.CutPrefix(cell, plannedPrefix)
	if !ok {
		return "", false
	}
	b, err := hex.DecodeString(sealed)
	if err == nil {
		b, err = planCipher().Open(nil, nil, b, nil)
	}
	if err != nil || len(b) == 0 {
		return "", false
	}
	return string(b[1:]), b[0] == 'w'
}

// hashPasswords puts hashes in place of the passwords that came in plain text, as many at a time as there are processors. Only
// what is written is hashed: a record that is skipped or failed costs nothing.
func (im *Import) hashPasswords(ctx context.Context, lists ...[]*row) error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, list := range lists {
		for _, u := range list {
			for i, a := range plainAttrs {
				plain := u.plain[i]
				if plain == "" {
					continue
				}
				wrap := u.wrap[i]
				u.plain[i], u.wrap[i] = "", false
				if im.store.mode == Plan {
					u.cells[a] = planned(plain, wrap)
					continue
				}
				group.Go(func() (err error) {
					if wrap {
						u.cells[a], err = wrapped(ctx, plain)
						return err
					}
					u.cells[a], err = password.Create(ctx, im.rules.Hasher, []byte(plain), password.Params{})
					return err
				})
			}
		}
	}
	return group.Wait()
}
