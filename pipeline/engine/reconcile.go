package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/journal"
)

// reconcile has the sink find who is missing, once the whole source was read. What it says is in the journal before the
// run can come to its end.
func (r *runner) reconcile(ctx context.Context) error {
	doc := r.journal.Document()
	if r.resumed && doc.Reconciled != nil && doc.Reconciled.Status == journal.ReconcileDone {
		return nil
	}
	if reason := partial(doc); reason != "" {
		return r.journal.SkipReconcile(reason)
	}
	list, err := r.journal.BeginReconcile()
	if err != nil {
		return err
	}
	defer list.Close()
	var skipped string
	err = guard("sink", func() (err error) {
		skipped, err = r.reconciler.Reconcile(ctx, doc.Summary.Failed, list.Append)
		return err
	})
	if skipped != "" {
		return r.journal.SkipReconcile(skipped)
	}
	if known := (*pipeline.Error)(nil); err != nil && (!errors.As(err, &known) || known.Code != pipeline.TooManyMissing) {
		return err
	}
	if endErr := list.End(err != nil); endErr != nil {
		return endErr
	}
	return err
}

// partial says why who is missing from a run may be in its source all the same.
func partial(doc journal.Document) string {
	switch {
	case doc.RetryOf != "":
		return "a retry reads the rejects of another run"
	case doc.Selection != (journal.Selection{}):
		return "the run took a part of the records"
	case doc.Scope != "":
		return "the source is read in parts, as they come"
	case doc.Cursor != "":
		return fmt.Sprintf("the run read what has changed since %s; --full reads everything", doc.Cursor)
	}
	return ""
}
