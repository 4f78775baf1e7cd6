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
}

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
	im.ahead = &ahead{layer: im.store.ahead}
	im.ahead.generation.Store(1)
	var err error
	im.dataVersion, err = im.top.integer(dataVersion)
	return err
}

// dataVersion gives another number after another connection wrote (https://www.sqlite.org/pragma.html#pragma_data_version).
const dataVersion = "PRAGMA data_version"

// LookAhead may be called with the changes of a batch before they come to Write, by several goroutines at once, also while
// Write is at work. It spares Write looking for them. What keeps it from looking is left for Write to meet.
func (im *Import) LookAhead(changes []*Change) {
	if im.ahead == nil || im.ahead.generation.Load() == 0 {
		return
	}
	sorted := make([]*Change, 0, len(changes))
	for _, c := range changes {
		if len(c.Violations) == 0 {
			sorted = append(sorted, c)
		}
	}
	if len(sorted) == 0 {
		return
	}
	slices.SortFunc(sorted, func(a, b *Change) int { return strings.Compare(a.keys[0], b.keys[0]) })
	keys := make([]string, len(sorted))
	for i, c := range sorted {
		keys[i] = c.keys[0]
	}
	im.ahead.look(keys, sorted)
}

func (a *ahead) look(keys []string, changes []*Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	generation := a.generation.Load()
	if generation == 0 {
		return
	}
	err := a.layer.owners(keys, func(i int, seq int64, id string, m mark) {
		changes[i].seen = sighting{seq: seq, id: id, mark: m}
	})
	if err != nil {
		a.generation.Store(0)
		return
	}
	for _, c := range changes {
		c.seen.generation = generation
	}
}

// stop ends looking ahead.
func (a *ahead) stop() {
	if a != nil {
		a.generation.Store(0)
	}
}

// commit runs what ends a transaction. What was seen before is of no use after it.
func (a *ahead) commit(end func() error) error {
	if a == nil {
		return end()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	err := end()
	if g := a.generation.Load(); g != 0 {
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
