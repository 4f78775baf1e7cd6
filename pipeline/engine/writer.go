package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/journal"
)

// entry is a message to the journal: outcomes, or a checkpoint after those before it.
type entry struct {
	records    []pipeline.Record
	checkpoint *checkpoint
}

type checkpoint struct {
	next         int64
	source, sink []byte
	durable      chan struct{}
}

func (r *runner) enter(e entry) error {
	if c := e.checkpoint; c != nil {
		if err := r.journal.Checkpoint(c.next, c.source, c.sink); err != nil {
			return err
		}
		close(c.durable)
		return nil
	}
	return r.journal.Append(e.records)
}

// writer is the stage before the sink.
type writer struct {
	*runner
	stopReading context.CancelFunc
	toJournal   chan<- entry
	summary     journal.Summary // with what is on its way to the journal

	pending int64 // records written since the last commit
	enough  int64 // pending records that make a commit
	next    int64
	after   []byte
	last    *checkpoint
	before  []int // scratch of write: warnings of each record
}

func (w *writer) run(ctx context.Context, jobs <-chan *job) error {
	due := time.NewTimer(commitInterval)
	defer due.Stop()
	for {
		select {
		case j, more := <-jobs:
			if !more {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				return w.finish(ctx)
			}
			if err := w.batch(ctx, j); err != nil {
				return err
			}
			if w.pending < w.enough {
				continue
			}
			w.enough = min(2*w.enough, lastCommit)
		case <-due.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		start := time.Now()
		if err := w.commit(ctx); err != nil {
			return err
		}
		due.Reset(max(commitInterval, commitPause*time.Since(start)))
	}
}

func (w *writer) batch(ctx context.Context, j *job) error {
	if w.tooMany {
		w.leftOut += int64(len(j.Records))
		return nil
	}
	if err := w.write(ctx, j.Records); err != nil {
		return err
	}
	for i := range j.Records {
		record := &j.Records[i]
		record.Prepared = nil
		switch record.Outcome.Decision {
		case pipeline.Undecided:
			return &pipeline.Error{Code: "sink.undecided", Message: fmt.Sprintf("the sink said nothing about record %d (%s)", record.Index, record.Ref),
				Hint: "this is a defect of the sink; please report it"}
		case pipeline.Failed:
			w.summary.Failed++
		}
	}
	n := int64(len(j.Records))
	w.summary.Total += n
	w.Progress.done.Store(w.summary.Total)
	w.Progress.failed.Store(w.summary.Failed)
	w.pending += n
	w.next = j.Records[n-1].Index + 1
	w.after = j.After
	if !send(ctx, w.toJournal, entry{records: j.Records}) {
		return context.Cause(ctx)
	}
	if w.MaxFailures.Exceeded(w.summary.Failed, w.summary.Total) {
		w.tooMany = true
		w.stopReading()
	}
	return nil
}

// commit makes the sink's work durable and has the checkpoint written behind it, without waiting for it: that is done
// before the next commit, since a sink may then forget what it kept for a crash in between.
func (w *writer) commit(ctx context.Context) error {
	if w.pending == 0 {
		return nil
	}
	if err := w.awaitCheckpoint(ctx); err != nil {
		return err
	}
	var position []byte
	err := guard("sink", func() (err error) { position, err = w.Sink.Commit(ctx); return err })
	if err != nil {
		return err
	}
	w.pending = 0
	w.last = &checkpoint{w.next, w.after, position, make(chan struct{})}
	if !send(ctx, w.toJournal, entry{checkpoint: w.last}) {
		return context.Cause(ctx)
	}
	return nil
}

func (w *writer) awaitCheckpoint(ctx context.Context) error {
	if w.last == nil {
		return nil
	}
	select {
	case <-w.last.durable:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *writer) finish(ctx context.Context) error {
	if err := w.commit(ctx); err != nil {
		return err
	}
	return w.awaitCheckpoint(ctx)
}

// maxRetryTime is how long a sink's temporary errors are borne with before the run stops, ready to be resumed.
const maxRetryTime = 5 * time.Minute

// write has the sink decide the open records, again after temporary errors, and in halves where it refuses some record.
func (w *writer) write(ctx context.Context, records []pipeline.Record) error {
	open := w.before[:0]
	for i := range records {
		if records[i].Open() {
			open = append(open, i, len(records[i].Outcome.Warnings))
		}
	}
	w.before = open
	if len(open) == 0 && w.reconciler == nil {
		return nil
	}
	undo := func() {
		for k := 0; k < len(open); k += 2 {
			outcome := &records[open[k]].Outcome
			*outcome = pipeline.Outcome{Warnings: outcome.Warnings[:open[k+1]]}
		}
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := guard("sink", func() error { return w.Sink.Write(ctx, &pipeline.Batch{Records: records}) })
		if err == nil {
			return struct{}{}, nil
		}
		undo()
		var temporary *pipeline.Temporary
		switch {
		case !errors.As(err, &temporary):
			return struct{}{}, backoff.Permanent(err)
		case temporary.After > 0:
			return struct{}{}, backoff.RetryAfter(int((temporary.After + time.Second - 1) / time.Second))
		}
		return struct{}{}, err
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxElapsedTime(maxRetryTime))

	var refused *pipeline.Refused
	if !errors.As(err, &refused) || len(open) == 0 {
		return err
	}
	if len(open) == 2 {
		records[open[0]].Fail(refused.Problem)
		return nil
	}
	half := open[len(open)/4*2]
	if err := w.write(ctx, records[:half]); err != nil {
		return err
	}
	return w.write(ctx, records[half:])
}
