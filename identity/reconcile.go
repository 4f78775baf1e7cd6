package identity

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// Scope says among whom users are looked for who are not in the source any more.
type Scope string

// The scopes.
const (
	OfPipeline Scope = "pipeline" // who came by this pipeline
	OfStore    Scope = "store"    // everybody
)

// Scopes lists what Options.Reconcile takes.
func Scopes() []string { return []string{string(OfPipeline), string(OfStore)} }

// Missing is a user that no record of a whole run was about.
type Missing struct {
	UserID string
	// Identifier is the value of Options.Identifier, or of another identifier where the user has none of that.
	Identifier string
	// Outcome is Disabled, Deleted, Unchanged (disabled before) or Gone (left as it was, as is who came by another pipeline too).
	Outcome Outcome
}

// Errors of Reconcile, which then did nothing.
var (
	// ErrUnidentified says that records failed of which it is not known whose they are.
	ErrUnidentified = errors.New("records failed of which it is not known whose they are")
	// ErrForgotten says that this process does not know what an earlier one has seen.
	ErrForgotten = errors.New("what an earlier process of the run has seen is not known any more")
	// ErrTooMany says that more users are missing than are to be removed.
	ErrTooMany = errors.New("too many users are missing")
)

// firstMissing is the index from which receipts are of Reconcile.
const firstMissing = 1 << 61

// Reconcile finds the users of Options.Reconcile that no record of the run was about, and does to them what Options.OnDelete says, all or
// none. It is called behind the last Write of a run that saw the whole source, of which failed counts the records that failed. It
// tells found of all of them, in the order in which they came into the store. If tooMany says so of how many would be
// removed of how many users that were looked at, or if it is not known who was seen, nothing is done. What was done is durable
// when it returns; another process that resumes the run is told the same again.
func (im *Import) Reconcile(ctx context.Context, failed int64, tooMany func(removed, of int64) bool, found func([]Missing) error) error {
	t := im.tracker
	if len(im.reconciled) > 0 {
		return im.reconciledBefore(found)
	}
	tell := func(list []Missing) error {
		if err := found(list); err != nil {
			return &tellError{err}
		}
		return nil
	}
	if !t.whole {
		return ErrForgotten
	}
	if failed > t.identified {
		return ErrUnidentified
	}
	// What was noted without anything to write is written too.
	if !im.open {
		if err := im.begin(); err != nil {
			return im.store.describe("writing", err)
		}
	}
	if err := im.Commit(ctx); err != nil {
		return err
	}
	// Nobody is touched before everybody is counted.
	var removed, given, of int64
	err := im.missing(ctx, func(rows []*row, seen int64, claimed *block) error {
		of += seen + int64(len(rows))
		for _, u := range rows {
			switch {
			case claimed.has(u.seq):
				given++
			case im.wouldRemove(u):
				removed++
			}
		}
		return nil
	})
	if err != nil {
		return im.readError(ctx, err)
	}
	if removed+given == 0 || removed > 0 && tooMany(removed, of) {
		err = im.missing(ctx, func(rows []*row, _ int64, claimed *block) error {
			list := make([]Missing, len(rows))
			for i, u := range rows {
				list[i] = Missing{u.id, im.called(u), Gone}
				if im.rules.OnDelete == Disable && u.cells[aDisabled] != "" && !claimed.has(u.seq) {
					list[i].Outcome = Unchanged
				}
			}
			return tell(list)
		})
		if err == nil && removed > 0 {
			return ErrTooMany
		}
		return im.readError(ctx, err)
	}
	if err := im.begin(); err != nil {
		return im.store.describe("writing", err)
	}
	part := int64(0)
	err = im.missing(ctx, func(rows []*row, _ int64, claimed *block) error {
		list, err := im.removeMissing(rows, claimed)
		if err != nil {
			return err
		}
		if im.store.mode == Write {
			if err := im.top.putReceipt(im.run.ID, firstMissing+part, appendMissing(nil, list)); err != nil {
				return err
			}
		}
		part++
		return tell(list)
	})
	if err != nil {
		return im.readError(ctx, err)
	}
	return im.Commit(ctx)
}

func (im *Import) readError(ctx context.Context, err error) error {
	var told *tellError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &told):
		return told.error
	}
	return im.store.describe("reading", err)
}

// tellError is an error of who is told, not of the store.
type tellError struct{ error }

// missing gives the users that were not seen, block by block, how many of the block were, and who of it is claimed by others.
func (im *Import) missing(ctx context.Context, each func(rows []*row, seen int64, claimed *block) error) error {
	blocks, err := im.scope()
	if err != nil {
		return err
	}
	others, err := im.otherPipelines()
	if err != nil {
		return err
	}
	for _, n := range blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		all, err := im.scopeBits(n)
		if err != nil {
			return err
		}
		seen, err := im.top.seenBits(im.tracker.pipeline, im.run.ID, n)
		if err != nil {
			return err
		}
		total := all.count()
		seqs := all.without(seen).seqs(n)
		rows, err := im.existing(seqs)
		if err != nil {
			return err
		}
		var claimed *block
		if len(rows) > 0 {
			if claimed, err = im.membersOf(others, n); err != nil {
				return err
			}
		}
		if err := each(rows, total-int64(len(seqs)), claimed); err != nil {
			return err
		}
	}
	return nil
}

// otherPipelines lists those whose users are not this one's to remove.
func (im *Import) otherPipelines() ([]string, error) {
	found := map[string]bool{}
	if im.rules.Reconcile == OfPipeline && im.rules.OnDelete != Leave {
		for _, l := range im.layers() {
			if err := l.memberPipelines(func(name string) { found[name] = true }); err != nil {
				return nil, err
			}
		}
	}
	delete(found, im.tracker.pipeline)
	return slices.Collect(maps.Keys(found)), nil
}

// membersOf gives the users of a block that any of the pipelines brings.
func (im *Import) membersOf(pipelines []string, n int64) (*block, error) {
	all := new(block)
	for _, name := range pipelines {
		for _, l := range im.layers() {
			b, err := l.memberBits(name, n)
			if err != nil {
				return nil, err
			}
			all = all.or(b)
		}
	}
	return all, nil
}

// scope lists the blocks in which there can be users to look at.
func (im *Import) scope() ([]int64, error) {
	found := bitmap{}
	if im.rules.Reconcile == OfStore {
		for n := range (im.nextSeq-1)/blockUsers + 1 {
			found[n] = nil
		}
		return found.sorted(), nil
	}
	for _, l := range im.layers() {
		if err := l.memberBlocks(im.tracker.pipeline, func(n int64) { found[n] = nil }); err != nil {
			return nil, err
		}
	}
	return found.sorted(), nil
}

// scopeBits gives the users of a block to look at.
func (im *Import) scopeBits(n int64) (*block, error) {
	all := new(block)
	for _, l := range im.layers() {
		if im.rules.Reconcile == OfStore {
			users := bitmap{}
			if err := l.eachUser(n, users.set); err != nil {
				return nil, err
			}
			all = all.or(users[n])
			continue
		}
		b, err := l.memberBits(im.tracker.pipeline, n)
		if err != nil {
			return nil, err
		}
		all = all.or(b)
	}
	return all, nil
}

// existing reads those of the users that are there. Who is not is not a member any more.
func (im *Import) existing(seqs []int64) ([]*row, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	clear(im.rows)
	im.used, im.deleted = 0, im.deleted[:0]
	rest := seqs
	for _, l := range im.layers() {
		err := l.heads(rest, func(seq int64, id string, m mark) {
			u := im.newRow(seq)
			u.id, u.mark, u.layer, u.loaded = id, m, l, userCells
			im.rows[seq] = u
		})
		if err == nil {
			err = l.users(rest, userCells, func(seq int64) *row { return im.rows[seq] })
		}
		if err != nil {
			return nil, err
		}
		var left []int64
		for _, seq := range rest {
			if im.rows[seq] == nil {
				left = append(left, seq)
			}
		}
		rest = left
	}
	rows := make([]*row, 0, len(seqs))
	for _, seq := range seqs {
		if u := im.rows[seq]; u != nil {
			rows = append(rows, u)
		} else {
			im.tracker.dropped.set(seq)
		}
	}
	return rows, nil
}

func (im *Import) wouldRemove(u *row) bool {
	return im.rules.OnDelete == Delete || im.rules.OnDelete == Disable && u.cells[aDisabled] == ""
}

// called gives the identifier by which a person knows a user.
func (im *Import) called(u *row) string {
	for _, a := range [...]attr{im.rules.identifier, aEmail, aUsername, aPhone, aExternalID} {
		if u.cells[a] != "" {
			return u.cells[a]
		}
	}
	return ""
}

// removeMissing does to the users of a block what becomes of users who are gone. Who is claimed by another pipeline is left to it.
func (im *Import) removeMissing(rows []*row, claimed *block) ([]Missing, error) {
	list := make([]Missing, len(rows))
	var updated []*row
	for i, u := range rows {
		if claimed.has(u.seq) {
			im.tracker.dropped.set(u.seq)
			list[i] = Missing{u.id, im.called(u), Gone}
			continue
		}
		outcome := im.remove(u)
		if outcome == Failed {
			return nil, u.damagedError()
		}
		list[i] = Missing{u.id, im.called(u), outcome}
		switch outcome {
		case Deleted:
			im.deleted = append(im.deleted, u)
			im.tracker.dropped.set(u.seq)
		case Disabled:
			updated = append(updated, u)
			if im.ahead != nil {
				im.touched[u.seq] = struct{}{}
			}
		}
	}
	im.undo = im.undo[:0]
	if err := im.write(nil, updated); err != nil {
		return nil, err
	}
	if err := im.writeDeleted(); err != nil {
		return nil, err
	}
	if len(im.pending) > maxPending {
		im.stale = true
		return list, im.flushKeys()
	}
	return list, nil
}

// reconciledBefore tells what an earlier process did.
func (im *Import) reconciledBefore(found func([]Missing) error) error {
	for _, b := range im.reconciled {
		list, err := decodeMissing(b.outcomes)
		if err != nil {
			return &Error{Code: "store.corrupt", Message: "the store " + im.store.path + " has a receipt that cannot be read", Hint: "run the pipeline again from the start", Err: err}
		}
		if err := found(list); err != nil {
			return err
		}
	}
	return nil
}

// The receipt of a part of Reconcile is a version byte, then for each user the outcome and, as in other receipts, the texts.
func appendMissing(b []byte, list []Missing) []byte {
	b = append(b, receiptVersion)
	for _, m := range list {
		b = appendText(appendText(append(b, byte(m.Outcome)), m.UserID), m.Identifier)
	}
	return b
}

func decodeMissing(b []byte) ([]Missing, error) {
	if len(b) == 0 || b[0] != receiptVersion {
		return nil, errReceipt
	}
	d := receiptDecoder{b: b[1:]}
	var list []Missing
	for len(d.b) > 0 && !d.bad {
		outcome := Outcome(d.byte())
		if outcome != Unchanged && outcome != Gone && outcome != Disabled && outcome != Deleted {
			return nil, errReceipt
		}
		list = append(list, Missing{UserID: d.text(), Identifier: d.text(), Outcome: outcome})
	}
	if d.bad {
		return nil, errReceipt
	}
	return list, nil
}
