package identity

import (
	"fmt"
	"os"
	"strings"

	"github.com/gofrs/flock"
)

// lock keeps a second writer away from a store. It is the operating system's: it ends with the process that holds
// it, however that ends. The file stays, since taking it away would let a third in while a second waits.
type lock struct {
	*flock.Flock
}

func (s *Store) acquire(owner string) (*lock, error) {
	path := s.path + ".lock"
	l := flock.New(path, flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDWR))
	locked, err := l.TryLock()
	if err != nil {
		return nil, s.osError(err)
	}
	if !locked {
		holder, _ := os.ReadFile(path)
		who := strings.TrimSpace(string(holder))
		if who == "" || len(who) > 200 {
			who = "another process"
		}
		return nil, &Error{Code: "store.locked", Message: "the store " + s.path + " is being written by " + who,
			Hint: "wait for it to end; a lock of a process that is no more is taken over by itself"}
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "process %d, run %s\n", os.Getpid(), owner), 0o600); err != nil {
		_ = l.Close()
		return nil, s.osError(err)
	}
	return &lock{l}, nil
}

func (l *lock) release() error {
	// Who reads the file after this must not be told of a run that is over.
	err := os.Truncate(l.Path(), 0)
	if closeErr := l.Close(); err == nil {
		err = closeErr
	}
	return err
}
