package identity

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// tracker remembers which users a run came across (seen) and which ones its pipeline brings (members), for Reconcile: a
// bit a user, by seq. It holds what was noted since the last commit; the rest is in the store, written in the same transactions as the
// users, so that a run that is resumed knows what it has seen.
type tracker struct {
	pipeline string
	seen     bitmap
	members  bitmap
	dropped  bitmap // members no more
	batch    []sight
	// identified counts the records that failed and whose users are known all the same, next is the index after the last
	// record that is accounted for.
	identified, next int64
	// whole says that nothing which an earlier process saw is missing.
	whole bool
}

// sight is a user that the batch in hand came across.
type sight struct {
	seq                         int64
	member, dropped, identified bool
}

// track begins to remember.
func (im *Import) track() error {
	t := &tracker{pipeline: im.run.Pipeline, seen: bitmap{}, members: bitmap{}, dropped: bitmap{}}
	im.tracker = t
	if im.run.Resumed {
		// A run of the pipeline that came in between has taken it away: what is new since then was not seen by this one.
		header, err := im.top.seenBits(t.pipeline, im.run.ID, headerBlock)
		if err != nil {
			return err
		}
		if header != nil {
			t.whole = true
			t.identified, t.next = int64(binary.BigEndian.Uint64(header[:8])), int64(binary.BigEndian.Uint64(header[8:]))
			return nil
		}
		if im.run.From > 0 || len(im.receipts.blobs)+len(im.reconciled) > 0 {
			return nil
		}
		// The earlier process died before it wrote anything: this one sees everything.
	}
	t.whole = true
	if err := im.top.dropSeen(t.pipeline); err != nil {
		return err
	}
	return t.flush(im.top, im.run.ID)
}

// lastMember is the highest seq that a pipeline is known to have brought. No user gets it again.
func lastMember(layers []*layer) (last int64, err error) {
	for _, l := range layers {
		err := l.lastMembers(func(n int64, b *block) {
			if seqs := b.seqs(n); len(seqs) > 0 {
				last = max(last, seqs[len(seqs)-1])
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return last, nil
}

// note takes down whom a record was about, once that is decided.
func (im *Import) note(c *Change, result *Result) {
	t := im.tracker
	switch {
	case result.Outcome == Failed && c.gone:
		t.batch = append(t.batch, sight{identified: true}) // nobody has to be kept for it
	case c.gone || len(c.keys) == 0:
	case result.Outcome == Failed:
		t.batch = append(t.batch, sight{seq: im.holder(c.keys[0]), identified: true})
	default:
		t.batch = append(t.batch, sight{seq: im.holder(c.keys[0]), member: result.Outcome != Exists})
	}
}

// concerns reports whether it has to be known who has the identifier of a change.
func (im *Import) concerns(c *Change) bool {
	return len(c.Violations) == 0 || im.tracker != nil && len(c.keys) > 0
}

// settle keeps what the batch noted.
func (t *tracker) settle(written int64) {
	for _, s := range t.batch {
		if s.seq != 0 {
			t.seen.set(s.seq)
		}
		if s.member {
			t.members.set(s.seq)
		}
		if s.dropped {
			t.dropped.set(s.seq)
		}
		if s.identified {
			t.identified++
		}
	}
	t.next = max(t.next, written)
	t.batch = t.batch[:0]
}

// Protect is told of records that failed before they came here: the users that they were about are not gone. A change is
// what is known of one by its identifier.
func (im *Import) Protect(items []Item) error {
	t := im.tracker
	clear(im.holders)
	var keys []string
	for i := range items {
		if c := items[i].Change; items[i].Index >= t.next && len(c.keys) > 0 {
			keys = im.want(keys, c.keys[0])
		}
	}
	if err := im.findHolders(keys); err != nil {
		return im.store.describe("reading", err)
	}
	for i := range items {
		c := items[i].Change
		if items[i].Index < t.next {
			continue
		}
		t.next = items[i].Index + 1
		if len(c.keys) == 0 {
			continue
		}
		// A failed record may not have got its final identifier; only where that leads to somebody is it sure to be one.
		if seq := im.holder(c.keys[0]); seq != 0 {
			t.seen.set(seq)
			t.identified++
		}
	}
	return nil
}

// headerBlock is the place of the header among the blocks of seen.
const headerBlock = -1

// flush writes what was noted into the transaction.
func (t *tracker) flush(l *layer, runID string) error {
	for _, b := range t.seen.sorted() {
		old, err := l.seenBits(t.pipeline, runID, b)
		if err == nil {
			err = l.putSeen(t.pipeline, runID, b, t.seen[b].or(old))
		}
		if err != nil {
			return err
		}
	}
	touched := bitmap{}
	for _, m := range []bitmap{t.members, t.dropped} {
		for n := range m {
			touched[n] = nil
		}
	}
	for _, n := range touched.sorted() {
		b, err := l.memberBits(t.pipeline, n)
		if err != nil {
			return err
		}
		if err := l.putMembers(t.pipeline, n, b.or(t.members[n]).without(t.dropped[n])); err != nil {
			return err
		}
	}
	var header block
	binary.BigEndian.PutUint64(header[:8], uint64(t.identified))
	binary.BigEndian.PutUint64(header[8:], uint64(t.next))
	if t.whole {
		if err := l.putSeen(t.pipeline, runID, headerBlock, &header); err != nil {
			return err
		}
	}
	clear(t.seen)
	clear(t.members)
	clear(t.dropped)
	return nil
}

// bitmap holds blocks of bits by their number.
type bitmap map[int64]*block

// block is a bit for each of as many users.
type block [blockUsers / 8]byte

const blockUsers = 4096

func (m bitmap) set(seq int64) {
	b := m[seq/blockUsers]
	if b == nil {
		b = new(block)
		m[seq/blockUsers] = b
	}
	b[seq%blockUsers/8] |= 1 << (seq % 8)
}

func (m bitmap) sorted() []int64 {
	numbers := make([]int64, 0, len(m))
	for n := range m {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}

// or gives the bits of both; nil has none.
func (b *block) or(other *block) *block {
	sum := new(block)
	for _, part := range []*block{b, other} {
		if part != nil {
			for i := range sum {
				sum[i] |= part[i]
			}
		}
	}
	return sum
}

// without clears the bits of another.
func (b *block) without(other *block) *block {
	if other != nil {
		for i := range b {
			b[i] &^= other[i]
		}
	}
	return b
}

// has reports whether the bit of a user of the block is set.
func (b *block) has(seq int64) bool { return b[seq%blockUsers/8]&(1<<(seq%8)) != 0 }

func (b *block) count() (n int64) {
	for _, c := range b {
		n += int64(bits.OnesCount8(c))
	}
	return n
}

// seqs lists the users of block n, in order.
func (b *block) seqs(n int64) []int64 {
	var list []int64
	for i, c := range b {
		for ; c != 0; c &= c - 1 {
			list = append(list, n*blockUsers+int64(i*8+bits.TrailingZeros8(c)))
		}
	}
	return list
}
