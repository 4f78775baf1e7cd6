package files

import (
	"context"

	"github.com/usher-id/usher/pipeline"
)

// Look gives the beginning, up to n bytes, of what is in the first file of a path, unpacked; whole says that this is all. It
// is for those who want to know what kind of file it is.
func Look(ctx context.Context, env pipeline.Env, path string, n int) (head []byte, whole bool, err error) {
	s := NewSet(env, []string{path})
	s.archives = true
	defer func() { _ = s.Close() }()
	if err := s.Open(ctx); err != nil {
		return nil, false, err
	}
	f, err := s.Next()
	if err != nil {
		return nil, false, err
	}
	head, whole = f.Peek(n, nil)
	return head, whole, nil
}
