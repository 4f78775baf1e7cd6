package identity

import (
	"fmt"
	"slices"

	"github.com/usher-id/usher/value"
)

// Removal says what becomes of a user who is gone from where users come from.
type Removal string

// What can become of a user who is gone.
const (
	Leave   Removal = "ignore"  // nothing
	Disable Removal = "disable" // disabled is set
	Delete  Removal = "delete"  // the user and all that belongs to the user is removed
)

// Policies lists what Options.OnDelete takes.
func Policies() []string { return []string{string(Leave), string(Disable), string(Delete)} }

func (o *Options) checkRemoval() error {
	if o.OnDelete == "" {
		o.OnDelete = Leave
	}
	if o.Reconcile != "" && !slices.Contains(Scopes(), string(o.Reconcile)) {
		return &OptionError{"reconcile", fmt.Sprintf("%q is not one of %v%s", o.Reconcile, Scopes(), didYouMean(string(o.Reconcile), Scopes()))}
	}
	if !slices.Contains(Policies(), string(o.OnDelete)) {
		return &OptionError{"on_delete", fmt.Sprintf("%q is not one of %v%s", o.OnDelete, Policies(), didYouMean(string(o.OnDelete), Policies()))}
	}
	return nil
}

// ReadGone reads of a record no more than who it is about: a user who is gone.
func (r *Reader) ReadGone(record *value.Object) *Change {
	only := value.NewObject(1)
	name := attributes[r.rules.identifier].name
	if v, ok := record.Get(name); ok {
		only.Append(name, v)
	}
	c := r.Read(only)
	c.gone, c.unmarked = true, true
	return c
}

// decideGone works out what becomes of a user who is gone. It gives the row that changes or goes, if there is one.
func (im *Import) decideGone(c *Change, result *Result) (*row, error) {
	seq := im.holder(c.keys[0])
	if seq == 0 {
		result.Outcome = Gone
		return nil, nil
	}
	u := im.rows[seq]
	if err := im.loadLate(u, c); err != nil {
		return nil, err
	}
	if result.Outcome = im.remove(u); result.Outcome == Failed {
		result.Errors = u.damage()
		return nil, nil
	}
	result.UserID = u.id
	if im.tracker != nil {
		im.tracker.batch = append(im.tracker.batch, sight{seq: u.seq, dropped: u.deleted})
	}
	if result.Outcome == Disabled || result.Outcome == Deleted {
		im.removing++
		if many := im.rules.TooMany; many != nil && many(im.removals.Removed+im.removing, im.removals.Of) {
			return nil, &Error{Code: CodeTooMany, Message: fmt.Sprintf("more than %d of %d users would be %sd, whom records say are gone", im.removals.Removed+im.removing-1, im.removals.Of, im.rules.OnDelete),
				Hint: "see by a plan without the limit whether they are; if so, raise max_deletes and resume"}
		}
	}
	switch result.Outcome {
	case Disabled:
		result.Changed = []string{attributes[aDisabled].name}
		return u, nil
	case Deleted:
		im.deleted = append(im.deleted, u)
	}
	return nil, nil
}

// remove does to a row what is to become of users who are gone. It fails where it cannot be told what the user holds.
func (im *Import) remove(u *row) Outcome {
	switch im.rules.OnDelete {
	case Delete:
		keys := u.keysOf(nil)
		if u.damaged != 0 {
			return Failed
		}
		u.deleted = true
		for _, k := range keys {
			im.put(k, 0)
		}
		return Deleted
	case Disable:
		if u.cells[aDisabled] != "" {
			return Unchanged
		}
		u.cells[aDisabled] = "1"
		u.changed |= bit(aDisabled)
		im.touch(u)
		u.mark = mark{} // should the user come back as before, that is a change
		return Disabled
	}
	return Gone
}

// Removals counts, for Options.TooMany, the users removed because records say that they are gone, of those that were there
// when the run began. A run that is resumed goes on with those of its last commit.
type Removals struct {
	Removed, Of int64
}

// Removals gives the count.
func (im *Import) Removals() Removals { return im.removals }

// SetRemovals is called before the first Write of a run that is resumed.
func (im *Import) SetRemovals(r Removals) { im.removals = r }

// present leaves out the rows that were deleted after they were queued.
func present(rows []*row) []*row {
	return slices.DeleteFunc(rows, func(u *row) bool { return u.deleted })
}

// writeDeleted removes the rows that the batch deleted.
func (im *Import) writeDeleted() error {
	if len(im.deleted) == 0 {
		return nil
	}
	seqs := make([]int64, len(im.deleted))
	for i, u := range im.deleted {
		seqs[i] = u.seq
	}
	return im.top.deleteUsers(seqs)
}
