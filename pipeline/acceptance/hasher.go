package acceptance

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/usher-id/usher/password"
)

// HasherCase is what Hasher tests.
type HasherCase struct {
	// Spec declares the hasher. Its samples are what it is tried with.
	Spec password.HasherSpec
	// New makes the hasher.
	New func(t *testing.T) password.Hasher
	// Others are strings that are no hashes of this hasher.
	Others []string
}

// Hasher tests that a hasher keeps what password.Hasher and the abilities that it has beside it promise. It registers the
// hasher's format.
func Hasher(t *testing.T, c HasherCase) {
	if len(c.Spec.Samples) == 0 {
		t.Fatal("the hasher has no sample of a hash and its password")
	}
	h := c.New(t)
	if err := password.Register(c.Spec, h); err != nil {
		t.Fatal(err)
	}
	if !t.Run("samples", c.samples) {
		return // what it says of anything else is not worth hearing
	}
	t.Run("others", c.others)
	t.Run("side by side", c.sideBySide)
	t.Run("hash", func(t *testing.T) { c.hash(t, h) })
}

func (c HasherCase) verify(encoded string, plain []byte, values password.Context) password.Result {
	return password.Verify(context.Background(), c.Spec.Name, encoded, plain, values)
}

// says puts a result into words.
func says(r password.Result) string {
	if r.Reason == "" {
		return r.Outcome.String()
	}
	return r.Outcome.String() + ": " + r.Reason
}

// samples tests that each sample verifies, and that another password does not.
func (c HasherCase) samples(t *testing.T) {
	watch(t)
	for i, s := range c.Spec.Samples {
		if r := c.verify(s.Encoded, s.Password, s.Context); r.Outcome != password.Match {
			t.Errorf("sample %d: its password gives %s", i, says(r))
		}
		for _, wrong := range [][]byte{append(bytes.Clone(s.Password), '.'), bytes.ToUpper(append([]byte("x"), s.Password...)), []byte("\xff\x00")} {
			if r := c.verify(s.Encoded, wrong, s.Context); r.Outcome == password.Match {
				t.Errorf("sample %d: another password, of %d bytes, matches", i, len(wrong))
			}
		}
		if format, err := password.Recognise(s.Encoded); err == nil && format != c.Spec.Name {
			t.Errorf("sample %d is taken for a hash of the format %s", i, format)
		}
	}
}

// others tests that strings which are no hashes of this hasher are called so: a mismatch is only said of a hash.
func (c HasherCase) others(t *testing.T) {
	watch(t)
	s := c.Spec.Samples[0]
	for _, other := range append([]string{"", "x", s.Encoded + "\x00", "\xff\xfe", strings.Repeat("$", 5000)}, c.Others...) {
		switch r := c.verify(other, s.Password, s.Context); {
		case r.Outcome == password.Match, r.Outcome == password.Mismatch && c.Spec.Pattern != "":
			t.Errorf("%.40q, which is no hash, gives %s", other, r.Outcome)
		case r.Reason == "the hasher panicked":
			t.Errorf("the hasher panics at %.40q", other)
		}
	}
	// One that was cut off may still look like a hash.
	for n := range s.Encoded {
		if r := c.verify(s.Encoded[:n], s.Password, s.Context); r.Outcome == password.Match || r.Reason == "the hasher panicked" {
			t.Errorf("the first %d bytes of a hash give %s", n, says(r))
		}
	}
}

// sideBySide tests that the hasher may be asked from any goroutine.
func (c HasherCase) sideBySide(t *testing.T) {
	watch(t)
	var all sync.WaitGroup
	for i := range 16 {
		s := c.Spec.Samples[i%len(c.Spec.Samples)]
		all.Go(func() {
			if r := c.verify(s.Encoded, s.Password, s.Context); r.Outcome != password.Match {
				t.Errorf("beside others, the password of a sample gives %s", says(r))
			}
		})
	}
	all.Wait()
}

// hash tests that what it hashes verifies, has a salt, and is as strong as it wants it.
func (c HasherCase) hash(t *testing.T, h password.Hasher) {
	watch(t)
	maker, ok := h.(password.Maker)
	if !ok {
		t.Skip("the hasher makes no hashes")
	}
	plain := []byte("Tr0ub4dor &3 größer")
	values := c.Spec.Samples[0].Context
	first, err := maker.Hash(context.Background(), plain, values)
	if err != nil {
		t.Fatal(err)
	}
	if r := c.verify(first, plain, values); r.Outcome != password.Match {
		t.Errorf("a hash that it made gives %s", says(r))
	}
	if second, err := maker.Hash(context.Background(), plain, values); err != nil || second == first {
		t.Errorf("the same password gives the same hash twice (error %v): new hashes have a salt of their own", err)
	}
	if rehasher, ok := h.(password.Rehasher); ok {
		if weaker, reason := rehasher.NeedsRehash(first); weaker {
			t.Errorf("it would hash again at once what it has made: %s", reason)
		}
	}
}
