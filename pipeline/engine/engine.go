// Package engine runs a pipeline: it reads batches, has them transformed side by side, writes them in order, and keeps
// the journal so that a run that dies anywhere goes on as if nothing had happened.
//
//	reader ─▶ transforms (several batches at once) ─▶ ordered transforms ─▶ sink ─▶ journal
//
// Each stage is a goroutine (the transforms are several) with short queues between them: memory depends on the batch
// size and the number of workers alone.
package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/journal"
)

// Pipeline is what a pipeline file describes, put together.
type Pipeline struct {
	Name       string
	Source     pipeline.Source
	Transforms []pipeline.Transform
	Sink       pipeline.Sink
	// Deleted are expressions over a record of the source: where one is true, the user is gone.
	Deleted []*expression.Program
	// MaxFailures stops the run after the batch in which there are more of the records so far; nil never does.
	MaxFailures *pipeline.Threshold
	// BatchSize is how many records travel together, 0 for DefaultBatchSize.
	BatchSize int
	// Workers is how many batches are transformed at once, 0 for the number of processors.
	Workers int
}

// arrange has the arrangers stand where the source was.
func (p *Pipeline) arrange() {
	for len(p.Transforms) > 0 {
		a, ok := p.Transforms[0].(pipeline.Arranger)
		if !ok {
			return
		}
		p.Source, p.Transforms = a.Arrange(p.Source), p.Transforms[1:]
	}
}

// How much is written between two checkpoints: the first after firstCommit records, each of the next after twice as
// many as the one before, up to lastCommit. Many records to a transaction is what makes an index on random keys bearable; few
// at first let a run get on that keeps dying. The time keeps slow sinks from losing more than a few seconds of work; where
// commits take long themselves, as with a big store on a slow disk, they come the more seldom, or nothing else would get done.
const (
	DefaultBatchSize = 128
	firstCommit      = 2_000
	lastCommit       = 50_000
	commitInterval   = 5 * time.Second
	commitPause      = 5 // times as long as the commit took
)

// Options say how one run differs from another of the same pipeline.
type Options struct {
	// Only, if it is not nil, leaves out the records for which it is not true; Selection.Only is its text.
	Only *expression.Program
	// Progress, if it is not nil, is kept up to date.
	Progress *Progress
	// Log, if it is not nil, is told what does not stop the run and is in no outcome.
	Log *slog.Logger
}

// Progress is how far a run is. It is safe to read while the run goes on.
type Progress struct {
	read, done, failed atomic.Int64
	source             atomic.Pointer[pipeline.Measurer]
}

// Snapshot is a Progress at one moment.
type Snapshot struct {
	// Read counts the records read, Done those with an outcome, Failed those that failed; all of the whole run, also
	// what was done before a resume.
	Read, Done, Failed int64
	// Position and Size are the source's own measure; Size 0 is not known.
	Position, Size int64
}

// Snapshot gives the progress at this moment.
func (p *Progress) Snapshot() Snapshot {
	s := Snapshot{Read: p.read.Load(), Done: p.done.Load(), Failed: p.failed.Load()}
	if source := p.source.Load(); source != nil {
		s.Position, s.Size = (*source).Progress()
	}
	return s
}

// Run executes the pipeline. A doc with a RunID is resumed from its checkpoint, another is a new run. When ctx is
// cancelled, the batches that were read are finished, a checkpoint is written and the status is interrupted. The
// document tells what became of the run, and is empty if it did not begin; the error is what stopped it, also where the
// document could be written.
func Run(ctx context.Context, j *journal.Journal, doc journal.Document, p Pipeline, o Options) (journal.Document, error) {
	if p.BatchSize == 0 {
		p.BatchSize = DefaultBatchSize
	}
	if p.Workers == 0 {
		p.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	p.arrange()
	doc.Pipeline = p.Name
	r := &runner{Pipeline: p, Options: o, resumed: doc.RunID != ""}
	if joined, ok := p.Source.(pipeline.Joined); ok && !r.resumed {
		for _, name := range joined.Joins() {
			doc.Joins = append(doc.Joins, journal.Join{As: name})
		}
	}
	if !r.resumed {
		doc.RunID = journal.NewRunID(time.Now())
	}
	release, err := j.LockRun(doc)
	if err != nil {
		return journal.Document{}, err
	}
	defer release()
	if r.resumed {
		if err := untouched(j, doc); err != nil {
			return journal.Document{}, err
		}
	}
	cursored, _ := p.Source.(pipeline.Cursored)
	if cursored != nil {
		if err := setCursor(j, cursored, &doc, r.resumed); err != nil {
			return journal.Document{}, err
		}
	}
	var names []string
	for _, t := range p.Transforms {
		if s, ok := t.(pipeline.SecretReader); ok {
			names = append(names, s.SecretFields()...)
		}
	}
	rejecter, _ := p.Source.(pipeline.Rejecter)
	begin := j.Start
	if r.resumed {
		begin = j.Resume
	}
	if r.journal, err = begin(doc, rejecter, pipeline.SecretFunc(names...)); err != nil {
		return journal.Document{}, err
	}
	defer r.journal.Close()
	r.secret = pipeline.SecretFunc(names...)
	if remover, ok := p.Sink.(pipeline.Remover); ok {
		r.removes = remover.Removes()
	}
	if reconciler, ok := p.Sink.(pipeline.Reconciler); ok && reconciler.Reconciles() {
		r.reconciler = reconciler
	}

	status, err := r.run(ctx)
	if err == nil && r.cursor != nil && !doc.Plan && doc.Selection == (journal.Selection{}) {
		// Before the run is said to be over: from then on nobody resumes it.
		if err = j.SetCursor(p.Name, r.cursor); err != nil {
			status = journal.FailedStatus
		}
	}
	endErr := r.journal.End(status, err)
	doc = r.journal.Document()
	if endErr != nil { // in the journal it goes on still
		doc.Status = journal.FailedStatus
		err = errors.Join(err, endErr)
	}
	o.Progress.source.Store(nil)
	return doc, err
}

// untouched is an error where another process has gone on with the run since doc was read: what doc says of its checkpoint
// is no longer true.
func untouched(j *journal.Journal, doc journal.Document) error {
	now, err := j.Load(doc.RunID)
	if err == nil && now.Resumed != doc.Resumed {
		return &pipeline.Error{Code: "state.locked", Message: fmt.Sprintf("run %s was resumed by another process just now", doc.RunID),
			Hint: "`usher runs` shows what became of it"}
	}
	return err
}

// setCursor tells the source where to begin: where the last completed run ended, or for a resumed run where it began itself.
func setCursor(j *journal.Journal, source pipeline.Cursored, doc *journal.Document, resumed bool) error {
	if !resumed && !doc.Full {
		stored, err := j.Cursor(doc.Pipeline)
		if err != nil {
			return err
		}
		doc.Cursor = string(stored)
	}
	if doc.Cursor == "" {
		source.SetCursor(nil)
	} else {
		source.SetCursor([]byte(doc.Cursor))
	}
	if scoped, ok := source.(pipeline.Scoped); ok && resumed && doc.Scope != "" {
		// What other runs have read since is not to be forgotten with the end of this one.
		stored, err := j.Cursor(doc.Pipeline)
		if err != nil {
			return err
		}
		scoped.SetCursor(stored)
		scoped.SetScope([]byte(doc.Scope))
	}
	return nil
}

type runner struct {
	Pipeline
	Options
	journal *journal.Run
	resumed bool
	secret  func(string, any) bool
	removes bool // the sink acts on records that are gone
	// reconciler is the sink, if it is to find who is missing.
	reconciler pipeline.Reconciler
	from       int64 // index of the first record to be written
	// replay says that records before from are read again, for the sake of ordered transforms or for want of a source
	// that can go on from a position.
	replay  bool
	ordered []pipeline.Ordered

	// The reader's: how many records it sent on, from index from on; whether it came to the end of what was asked for,
	// and of the source; what kept it from that.
	emitted    int64
	endReached bool
	exhausted  bool
	readErr    error
	cursor     []byte // where the next run is to begin, at the end of this one

	// The writer's: whether more records failed than the run bears, and how many that were read behind them it left out,
	// so that a run stops at the same record however far ahead its source is read, and a plan with it.
	tooMany bool
	leftOut int64
}

// job is a batch on its way through the stages.
type job struct {
	pipeline.Batch
	replayed    bool // done in an earlier life of the run: only for ordered transforms to see
	transformed chan struct{}
}

func (r *runner) run(ctx context.Context) (status string, err error) {
	doc := r.journal.Document()
	r.from = doc.Checkpoint.Next
	before := doc.Summary.Total
	r.Progress.read.Store(before)
	r.Progress.done.Store(before)
	r.Progress.failed.Store(doc.Summary.Failed)

	defer r.Source.Close()
	defer r.Sink.Close()
	if err := r.bearable(doc.Summary); err != nil { // what stopped an earlier life of the run still does
		return journal.FailedStatus, err
	}
	if err := r.open(ctx, doc); err != nil {
		if ctx.Err() != nil {
			return journal.Interrupted, nil
		}
		return journal.FailedStatus, err
	}
	for _, t := range r.ordered {
		defer t.Close()
	}
	for _, t := range r.Transforms {
		if c, ok := t.(io.Closer); ok && !isOrdered(t) {
			defer c.Close()
		}
	}
	err = r.flow(ctx)
	if err == nil && !r.tooMany {
		err = r.readErr
	}
	if err != nil {
		return journal.FailedStatus, err
	}
	if ctx.Err() != nil && !r.endReached && !r.tooMany {
		return journal.Interrupted, nil
	}
	summary := r.journal.Document().Summary
	if !summary.Balanced() || summary.Total != before+r.emitted-r.leftOut {
		return journal.FailedStatus, &pipeline.Error{Code: "run.unbalanced",
			Message: fmt.Sprintf("%d records were read, but the outcomes are %+v", before+r.emitted-r.leftOut, summary),
			Hint:    "this is a defect of usher; please report it"}
	}
	if err := r.bearable(summary); err != nil {
		return journal.FailedStatus, err
	}
	if err := r.leftovers(doc); err != nil {
		return journal.FailedStatus, err
	}
	if r.reconciler != nil {
		if err := r.reconcile(ctx); err != nil {
			if ctx.Err() != nil {
				return journal.Interrupted, nil
			}
			return journal.FailedStatus, err
		}
	}
	if err := guard("sink", func() error { return r.Sink.Finish(context.WithoutCancel(ctx)) }); err != nil {
		return journal.FailedStatus, err
	}
	if p, ok := r.Sink.(pipeline.Publisher); ok && !doc.Plan {
		r.journal.SetFiles(p.Published())
	}
	if cursored, ok := r.Source.(pipeline.Cursored); ok {
		r.cursor = cursored.Cursor()
	}
	if summary.Failed > 0 {
		return journal.CompletedWithFailures, nil
	}
	return journal.Completed, nil
}

// bearable is an error where more records failed than the run bears.
func (r *runner) bearable(s journal.Summary) error {
	if !r.MaxFailures.Exceeded(s.Failed, s.Total) {
		return nil
	}
	return &pipeline.Error{Code: "run.too_many_failures",
		Message: fmt.Sprintf("%d of %d records failed, max_failures is %s", s.Failed, s.Total, r.MaxFailures),
		Hint:    "mend the mapping or the data and run again, or raise max_failures and resume"}
}

// leftovers has the journal tell which joined records were nobody's partner, where the run saw whose they could be.
func (r *runner) leftovers(doc journal.Document) error {
	joined, ok := r.Source.(pipeline.Joined)
	if !ok || !r.exhausted || doc.Cursor != "" || r.journal.Document().Scope != "" || doc.RetryOf != "" {
		return nil
	}
	return guard("source", func() error { return r.journal.Leftovers(joined.Leftovers) })
}

// maxNamed is how many of the columns that there are reportMissing names.
const maxNamed = 40

// reportMissing logs which fields the pipeline reads of records of the source that none of them can have: a column was renamed or
// left out since the pipeline was written.
func (r *runner) reportMissing() {
	table, ok := r.Source.(pipeline.Tabular)
	if !ok || r.Log == nil {
		return
	}
	columns := table.Columns()
	if len(columns) == 0 {
		return
	}
	var read []string
	if r.Only != nil {
		read = r.Only.Paths()
	}
	for _, program := range r.Deleted {
		read = append(read, program.Paths()...)
	}
	for _, t := range r.Transforms {
		reader, ok := t.(pipeline.FieldReader)
		if !ok {
			break
		}
		names, changes := reader.ReadFields()
		if read = append(read, names...); changes {
			break
		}
	}
	var missing []string
	for _, name := range read {
		isOf := func(column string) bool {
			return column == name || strings.HasPrefix(column, name+".") || strings.HasPrefix(name, column+".")
		}
		if name != "*" && !slices.Contains(missing, name) && !slices.ContainsFunc(columns, isOf) {
			missing = append(missing, name)
		}
	}
	if len(columns) > maxNamed {
		columns = append(slices.Clone(columns[:maxNamed]), "…")
	}
	if len(missing) > 0 {
		r.Log.Info("the source has no such columns as the pipeline reads: they are absent from all records",
			"missing", strings.Join(missing, ", "), "columns", strings.Join(columns, ", "))
	}
}

func sourceChanged() error {
	return &pipeline.Error{Code: "run.source_changed", Message: "the source is not what it was when the run began",
		Hint: "run the pipeline again from the start: what is done already will be unchanged"}
}

func isOrdered(t pipeline.Transform) bool {
	_, ok := t.(pipeline.Ordered)
	return ok
}

func (r *runner) open(ctx context.Context, doc journal.Document) error {
	for _, t := range r.Transforms {
		if o, ok := t.(pipeline.Ordered); ok {
			r.ordered = append(r.ordered, o)
		}
	}
	resumer, _ := r.Source.(pipeline.Resumer)
	position := doc.Checkpoint.Source
	if r.from > 0 && resumer != nil && position != nil && len(r.ordered) == 0 {
		if err := guard("source", func() error { return resumer.OpenAt(ctx, position) }); err != nil {
			return err
		}
	} else {
		if err := guard("source", func() error { return r.Source.Open(ctx) }); err != nil {
			return err
		}
		r.replay = r.from > 0
	}
	r.reportMissing()
	if scoped, ok := r.Source.(pipeline.Scoped); ok && doc.Scope == "" && r.from == 0 { // not noted by an earlier process of the run
		if scope := scoped.Scope(); len(scope) > 0 {
			if err := r.journal.SetScope(scope); err != nil {
				return err
			}
		}
	}
	if m, ok := r.Source.(pipeline.Measurer); ok {
		r.Progress.source.Store(&m)
	}
	if f, ok := r.Source.(pipeline.Fingerprinter); ok {
		now, err := f.Fingerprint()
		if err != nil {
			return err
		}
		if r.resumed && doc.Fingerprint != "" && doc.Fingerprint != now {
			return sourceChanged()
		}
		r.journal.SetFingerprint(now)
	}
	for i, t := range r.ordered {
		if err := guard("transform", func() error { return t.Ordered(ctx) }); err != nil {
			for _, opened := range r.ordered[:i] {
				_ = opened.Close()
			}
			return err
		}
	}
	return guard("sink", func() error {
		return r.Sink.Open(context.WithoutCancel(ctx), pipeline.Run{ID: doc.RunID, Pipeline: r.Name, StartedAt: doc.StartedAt, Attempt: max(doc.Attempt, 1),
			Plan: doc.Plan, Resumed: r.resumed, From: r.from, Position: doc.Checkpoint.Sink, Secret: r.secret})
	})
}

// flow moves the batches through the stages until the end of the input, the interruption or an error.
func (r *runner) flow(ctx context.Context) error {
	// An interruption stops only the reader; an error in a later stage stops every stage.
	group, work := errgroup.WithContext(context.WithoutCancel(ctx))
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	defer context.AfterFunc(work, stopReading)()

	toTransform := make(chan *job, r.Workers)
	inOrder := make(chan *job, r.Workers+1)
	toSink := make(chan *job, 1)
	toJournal := make(chan entry, 1)

	group.Go(func() error {
		defer close(toTransform)
		defer close(inOrder)
		r.read(reading, work, toTransform, inOrder)
		return nil
	})
	for range r.Workers {
		group.Go(func() error {
			for j := range toTransform {
				if err := r.transform(work, j); err != nil {
					return err
				}
				close(j.transformed)
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(toSink)
		for j := range inOrder {
			select {
			case <-j.transformed:
			case <-work.Done():
				return context.Cause(work)
			}
			if err := r.transformInOrder(work, j); err != nil {
				return err
			}
			if j.replayed {
				continue
			}
			if !send(work, toSink, j) {
				return context.Cause(work)
			}
		}
		return nil
	})
	group.Go(func() error {
		defer close(toJournal)
		w := &writer{runner: r, stopReading: stopReading, toJournal: toJournal, summary: r.journal.Document().Summary, enough: firstCommit}
		return w.run(work, toSink)
	})
	group.Go(func() error {
		for e := range toJournal {
			if err := r.enter(e); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

func send[T any](ctx context.Context, to chan<- T, v T) bool {
	select {
	case to <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// read is the first stage. Its own errors are kept in r.readErr, so that what was read before them is finished.
func (r *runner) read(reading, work context.Context, toTransform, inOrder chan<- *job) {
	doc := r.journal.Document()
	selection, position := doc.Selection, doc.Checkpoint.Source
	next := int64(0)
	if !r.replay {
		next = r.from
	}
	end := int64(-1)
	if selection.Limit > 0 {
		end = selection.Offset + selection.Limit
	}
	for reading.Err() == nil && (end < 0 || next < end) {
		size, replayed := r.BatchSize, r.replay && next < r.from
		if replayed {
			size = int(min(int64(size), r.from-next)) // to end where the checkpoint is
		}
		var b *pipeline.Batch
		err := guard("source", func() (err error) { b, err = r.Source.Next(reading, size); return err })
		if err == io.EOF && replayed {
			r.readErr = sourceChanged()
			return
		}
		if err == io.EOF {
			r.endReached, r.exhausted = true, true
			return
		}
		if err != nil {
			if reading.Err() == nil {
				r.readErr = err
			}
			return
		}
		records := b.Records
		for i := range records {
			records[i].Index = next + int64(i)
			if records[i].Fields == nil {
				records[i].Fields = records[i].Source
			}
		}
		next += int64(len(records))
		if replayed && next == r.from && position != nil && b.After != nil && !bytes.Equal(position, b.After) {
			r.readErr = sourceChanged() // records have come or gone before the checkpoint: by their number, some would be left out
			return
		}
		if end >= 0 && next > end {
			records = records[:int64(len(records))-(next-end)]
			next = end
			b.After = nil // the position is beyond the last record taken
		}
		if first := next - int64(len(records)); first < selection.Offset {
			records = records[min(selection.Offset-first, int64(len(records))):]
		}
		if done := min(r.from-(next-int64(len(records))), int64(len(records))); done > 0 {
			if len(r.ordered) > 0 && !r.dispatch(work, records[:done], nil, true, toTransform, inOrder) {
				return
			}
			records = records[done:]
		}
		if len(records) == 0 {
			continue
		}
		r.emitted += int64(len(records))
		r.Progress.read.Add(int64(len(records)))
		if !r.dispatch(work, records, b.After, false, toTransform, inOrder) {
			return
		}
	}
	r.endReached = end >= 0 && next >= end
}

func (r *runner) dispatch(ctx context.Context, records []pipeline.Record, after []byte, replayed bool, toTransform, inOrder chan<- *job) bool {
	j := &job{pipeline.Batch{Records: records, After: after}, replayed, make(chan struct{})}
	return send(ctx, inOrder, j) && send(ctx, toTransform, j)
}

// transform does what can be done to several batches at once.
func (r *runner) transform(ctx context.Context, j *job) error {
	if len(r.Deleted) > 0 {
		r.markGone(j.Records)
	}
	if r.Only != nil {
		r.selectOnly(j.Records)
	}
	for _, t := range r.Transforms {
		if _, ok := t.(pipeline.Ordered); ok {
			return nil // this one and those behind it must wait for their turn
		}
		if err := apply(ctx, t, &j.Batch); err != nil {
			return err
		}
	}
	return r.prepare(ctx, j)
}

func (r *runner) transformInOrder(ctx context.Context, j *job) error {
	if len(r.ordered) == 0 {
		return nil
	}
	turn := false
	for _, t := range r.Transforms {
		if _, ok := t.(pipeline.Ordered); ok {
			turn = true
		}
		if turn {
			if err := apply(ctx, t, &j.Batch); err != nil {
				return err
			}
		}
	}
	if j.replayed {
		return nil
	}
	return r.prepare(ctx, j)
}

func apply(ctx context.Context, t pipeline.Transform, b *pipeline.Batch) error {
	n := len(b.Records)
	if err := guard("transform", func() error { return t.Apply(ctx, b) }); err != nil {
		return err
	}
	if len(b.Records) != n {
		return &pipeline.Error{Code: "transform.lost_records",
			Message: fmt.Sprintf("%T made %d records of %d: records are decided, never dropped", t, len(b.Records), n),
			Hint:    "this is a defect of the transform; please report it"}
	}
	return nil
}

func (r *runner) prepare(ctx context.Context, j *job) error {
	if !r.removes {
		for i := range j.Records {
			if record := &j.Records[i]; record.Gone && record.Open() {
				record.Skip(pipeline.Gone)
			}
		}
	}
	if p, ok := r.Sink.(pipeline.Preparer); ok {
		return guard("sink", func() error { return p.Prepare(ctx, &j.Batch) })
	}
	return nil
}

// markGone marks the records whose users the source says are gone.
func (r *runner) markGone(records []pipeline.Record) {
	for i := range records {
		record := &records[i]
		for _, program := range r.Deleted {
			if record.Gone || !record.Open() {
				break
			}
			v, err := program.Eval(record.Source)
			if err != nil {
				record.Fail(pipeline.EvalProblem("", "whether the user is gone cannot be told: ", err))
			}
			record.Gone = err == nil && saysGone(v)
		}
	}
}

// saysGone reports whether the value of an expression says that a user is gone. Files have words for no, and for
// nothing, that are text as any other: 0, false, NULL, 0000-00-00.
func saysGone(v any) bool {
	text, ok := v.(string)
	if !ok {
		return expression.Truthy(v)
	}
	text = strings.TrimSpace(text)
	if b, ok := expression.Boolean(text); ok {
		return b
	}
	return text != "" && !strings.EqualFold(text, "null") && text != `\N` && !strings.HasPrefix(text, "0000-00-00")
}

func (r *runner) selectOnly(records []pipeline.Record) {
	for i := range records {
		record := &records[i]
		if !record.Open() {
			continue
		}
		v, err := r.Only.Eval(record.Fields)
		if err != nil {
			record.Fail(pipeline.EvalProblem("", "--only: ", err))
		} else if !expression.Truthy(v) {
			record.Skip(pipeline.Filtered)
		}
	}
}

// guard turns a panic of a connector into an error: the run ends with its checkpoint instead of a crash.
func guard(what string, call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &pipeline.Error{Code: "run.panic", Message: fmt.Sprintf("the %s panicked: %v", what, p),
				Hint: "this is a defect of the connector; please report it", Err: fmt.Errorf("%s", stack())}
		}
	}()
	return call()
}

func stack() []byte {
	buf := make([]byte, 8<<10)
	return buf[:runtime.Stack(buf, false)]
}
