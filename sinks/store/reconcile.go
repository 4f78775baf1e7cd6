package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/pipeline"
)

// defaultMaxDeletes is the share of users that one run may remove where the options do not say.
const defaultMaxDeletes = 0.01

func maxDeletes(c *pipeline.Config) (*pipeline.Threshold, error) {
	if !c.Has("max_deletes") {
		return &pipeline.Threshold{Share: defaultMaxDeletes, IsShare: true}, nil
	}
	if !c.Has("reconcile") && c.String("on_delete") == string(identity.Leave) {
		return nil, &pipeline.OptionError{Option: "max_deletes", Message: "there is nothing to limit without on_delete or reconcile",
			Hint: "add on_delete: disable, or take it out"}
	}
	t, err := pipeline.ParseThreshold(c.String("max_deletes"))
	if err != nil {
		return nil, &pipeline.OptionError{Option: "max_deletes", Message: err.Error(), Hint: "write 50, or 1%"}
	}
	return t, nil
}

// position is what a checkpoint knows of the store.
type position struct {
	identity.Removals
	Changes int64
}

// restore goes on where a run that is resumed had come to, and counts on from there.
func (s *sink) restore(checkpoint []byte) error {
	if checkpoint == nil {
		return nil
	}
	var p position
	if err := json.Unmarshal(checkpoint, &p); err != nil {
		return &pipeline.Error{Code: "store.bad_position", Message: "what the checkpoint knows of the store cannot be read", Hint: "run the pipeline again from the start", Err: err}
	}
	if s.users.Behind(p.Changes) {
		return &pipeline.Error{Code: "store.behind", Message: "the store lacks what this run wrote before its checkpoint: it is another file, or an older copy",
			Hint: "put back the store that the run wrote, or run the pipeline again from the start"}
	}
	if s.rules.TooMany != nil {
		s.users.SetRemovals(p.Removals)
	}
	return nil
}

// Reconciles implements pipeline.Reconciler.
func (s *sink) Reconciles() bool { return s.rules.Reconcile != "" }

// protect notes the users of records that failed before they came here: they are not missing.
func (s *sink) protect(b *pipeline.Batch) error {
	var items []identity.Item
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome.Decision != pipeline.Failed || r.Fields == nil {
			continue
		}
		items = append(items, identity.Item{Index: r.Index, Change: s.reader.ReadGone(r.Fields)})
	}
	if items == nil {
		return nil
	}
	return convert(s.users.Protect(items))
}

// Reconcile implements pipeline.Reconciler.
func (s *sink) Reconcile(ctx context.Context, failed int64, found func([]pipeline.Missing) error) (skipped string, err error) {
	var removed, of int64
	tooMany := func(n, total int64) bool {
		removed, of = n, total
		return s.most.Exceeded(n, total)
	}
	err = s.users.Reconcile(ctx, failed, tooMany, func(users []identity.Missing) error {
		list := make([]pipeline.Missing, len(users))
		for i, u := range users {
			list[i] = pipeline.Missing{UserID: u.UserID, Identifier: u.Identifier, Outcome: missingOutcome(u.Outcome)}
		}
		return found(list)
	})
	switch {
	case errors.Is(err, identity.ErrUnidentified), errors.Is(err, identity.ErrForgotten):
		return err.Error(), nil
	case errors.Is(err, identity.ErrTooMany):
		return "", &pipeline.Error{Code: pipeline.TooManyMissing,
			Message: fmt.Sprintf("%d of %d users are no longer in the source, max_deletes is %s: nobody was %sd", removed, of, s.most, s.rules.OnDelete),
			Hint:    "see who they are; if they are gone, raise max_deletes and resume"}
	}
	return "", convert(err)
}

func missingOutcome(o identity.Outcome) string {
	switch o {
	case identity.Disabled:
		return pipeline.MissingDisabled
	case identity.Deleted:
		return pipeline.MissingDeleted
	case identity.Unchanged:
		return pipeline.MissingUnchanged
	}
	return pipeline.MissingKept
}
