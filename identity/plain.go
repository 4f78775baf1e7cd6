package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/usher-id/usher/password"
)

// fits reports whether a password in plain text is the one that the user has, or will have with the next write.
func (u *row) fits(a attr, plain string) bool {
	if pending := u.plain[plainIndex(a)]; pending != "" {
		return pending == plain
	}
	stored := u.cells[a]
	if strings.HasPrefix(stored, plannedPrefix) {
		return stored == planned(plain)
	}
	if stored == "" {
		return false
	}
	h, err := password.ParseStored(stored)
	return err == nil && password.Verify(context.Background(), h.Format, h.Encoded.Reveal(), []byte(plain), h.Context).Outcome == password.Match
}

// fitsWrapped reports whether a legacy hash is the one that the user has under a wrap, or will have with the next write. Where the
// user's password is no wrapped one, because of a login since, the same record leaves it alone.
func (u *row) fitsWrapped(a attr, legacy string, c *Change) bool {
	if pending := u.plain[plainIndex(a)]; pending != "" {
		return pending == legacy
	}
	stored := u.cells[a]
	if strings.HasPrefix(stored, plannedPrefix) {
		return stored == planned(legacy)
	}
	if stored == "" {
		return false
	}
	h, err := password.ParseStored(stored)
	if err != nil || h.Format != password.WrapFormat {
		return u.mark.valid && u.mark.fingerprint == c.fingerprint
	}
	old, err := password.ParseStored(legacy)
	return err == nil && password.Wraps(context.Background(), h, old)
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

// plannedPrefix begins what a plan has in place of a hash: hashing takes long, and nobody will log in with it.
const plannedPrefix = "$planned$"

// planKey never leaves the process, so that a plan's temporary files tell nothing of the passwords.
var planKey = sync.OnceValue(func() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	return key
})

func planned(plain string) string {
	mac := hmac.New(sha256.New, planKey())
	mac.Write([]byte(plain))
	return plannedPrefix + hex.EncodeToString(mac.Sum(nil))
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
					u.cells[a] = planned(plain)
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
