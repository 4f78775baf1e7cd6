package identity

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"zombiezen.com/go/sqlite"
)

// ahead looks up who has the identifiers of records that are still on their way to Write, on a connection of its own: what would
// keep the one writer waiting for pages is done beside it. It sees the store as of the last commit. What it sees is
// used only in the transaction that follows that very commit, and only about users whom that transaction has left alone.
type ahead struct {
	mu    sync.Mutex // held while looking and while committing: no reader is in the way of a checkpoint of the log
	layer *layer
	// generation counts the commits. 0 says that looking ahead is of no use any more.
	generation atomic.Int64

	identifier attr
	// index and seq are of a record that was looked for and found. Users mostly come in the order in which they came the last time: those
	// who come next are then the next ones in the store, and found without the index of keys.
	index, seq int64
	misses     int            // in a row, of looking there
	pause      int            // batches that are not looked for there
	at         map[string]int // places of identifiers in the batch
	key        []byte
}

// nearby is how many users more than there are in a batch are looked at on either side, since records may have failed, and users gone.
const nearby = 16

// sighting is what was seen of the user who has an identifier: nobody where seq is 0.
type sighting struct {
	generation int64 // 0 where nobody looked
	seq        int64
	id         string
	mark       mark
}

// lookAhead opens the connection for it. There is no point in it while the store is empty, nor for a plan, which has two layers to look into.
func (im *Import) lookAhead() error {
	if im.store.mode != Write || im.nextSeq == 1 {
		return nil
	}
	if im.store.ahead == nil {
		l, err := openLayer(im.store.path, sqlite.OpenReadOnly)
		if err != nil {
			return err
		}
		im.store.ahead = l
	}
	im.ahead = &ahead{layer: im.store.ahead, identifier: im.rules.identifier, at: map[string]int{}}
	im.ahead.generation.Store(1)
	var err error
	im.dataVersion, err = im.top.integer(dataVersion)
	return err
}

// dataVersion gives another number after another connection wrote (https://www.sqlite.org/pragma.html#pragma_data_version).
const dataVersion = "PRAGMA data_version"

// Prepare may be called, once, with the changes of a batch before they come to Write, by several goroutines at once, each with its own Reader,
// also while Write is at work. first is the index of the first record. It spares Write looking for their users, and reads the rest of
// the records that have changed. What keeps it from looking is left for Write to meet.
func (im *Import) Prepare(r *Reader, first int64, changes []*Change) {
	if im.ahead != nil && im.ahead.generation.Load() != 0 {
		im.ahead.look(first, changes)
	}
	for _, c := range changes {
		if seen := &c.seen; seen.generation == 0 || !seen.mark.is(c) || seen.mark.notes&noteWarned != 0 {
			r.finish(c)
		}
	}
}

func (a *ahead) look(first int64, changes []*Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	generation := a.generation.Load()
	if generation == 0 {
		return
	}
	err := a.lookNearby(first, changes)
	if err == nil {
		err = a.lookUp(changes)
	}
	if err != nil {
		a.generation.Store(0)
		return
	}
	for i, c := range changes {
		if len(c.Violations) > 0 {
			continue
		}
		c.seen.generation = generation
		if c.seen.seq != 0 {
			a.index, a.seq = first+int64(i), c.seen.seq
		}
	}
}

// lookNearby looks for users where they are if they come in the order in which they are in the store. Where most of them do not, it
// is tried again the more seldom.
func (a *ahead) lookNearby(first int64, changes []*Change) error {
	if a.seq == 0 {
		return nil
	}
	if a.pause > 0 {
		a.pause--
		return nil
	}
	clear(a.at)
	for i, c := range changes {
		if len(c.Violations) == 0 {
			a.at[c.keys[0]] = i
		}
	}
	from := a.seq + first - a.index
	found := 0
	err := a.layer.between(a.identifier, from-nearby, from+int64(len(changes))+nearby, func(s *sqlite.Stmt, text int) {
		a.key = appendKey(a.key[:0], a.identifier, s, text)
		if i, ok := a.at[string(a.key)]; ok {
			changes[i].seen = sighting{seq: s.ColumnInt64(0), id: s.ColumnText(1), mark: columnMark(s, 2)}
			found++
		}
	})
	if 2*found >= len(a.at) { // a few in their place are not worth a look
		a.misses = 0
	} else {
		a.misses = min(a.misses+1, 6)
		a.pause = 1 << a.misses
	}
	return err
}

// lookUp looks for the users that were not seen, by their keys.
func (a *ahead) lookUp(changes []*Change) error {
	rest := make([]*Change, 0, len(changes))
	for _, c := range changes {
		if c.seen.seq == 0 && len(c.Violations) == 0 {
			rest = append(rest, c)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	slices.SortFunc(rest, func(a, b *Change) int { return strings.Compare(a.keys[0], b.keys[0]) })
	keys := make([]string, len(rest))
	for i, c := range rest {
		keys[i] = c.keys[0]
	}
	return a.layer.owners(keys, func(i int, seq int64, id string, m mark) {
		rest[i].seen = sighting{seq: seq, id: id, mark: m}
	})
}

// stop ends looking ahead.
func (a *ahead) stop() {
	if a != nil {
		a.generation.Store(0)
	}
}

// commit runs what ends a transaction. What was seen before one in which users were changed is of no use after it.
func (a *ahead) commit(changed bool, end func() error) error {
	if a == nil {
		return end()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	err := end()
	if g := a.generation.Load(); g != 0 && changed {
		a.generation.Store(g + 1)
	}
	return err
}

// recall takes what was seen of the user who has the identifier of a change, if it still holds; keys that changed hands since are
// pending, which goes first. It reports false where the store has to be asked.
func (im *Import) recall(c *Change) bool {
	seen := &c.seen
	if im.ahead == nil || seen.generation == 0 || seen.generation != im.ahead.generation.Load() || im.stale {
		return false
	}
	if seen.seq == 0 {
		im.misses++
		im.holders[c.keys[0]] = 0
		return true
	}
	if _, touched := im.touched[seen.seq]; touched || seen.id == "" {
		return false
	}
	im.holders[c.keys[0]] = seen.seq
	if im.rows[seen.seq] == nil {
		u := im.newRow(seen.seq)
		u.id, u.mark, u.layer = seen.id, seen.mark, im.top
		im.rows[seen.seq] = u
	}
	return true
}
