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
				u.plain[i] = ""
				if im.store.mode == Plan {
					u.cells[a] = planned(plain)
					continue
				}
				group.Go(func() (err error) {
					u.cells[a], err = password.Create(ctx, im.rules.Hasher, []byte(plain), password.Params{})
					return err
				})
			}
		}
	}
	return group.Wait()
}
