package pipeline

import (
	"context"
	"io"
	"time"

	"github.com/usher-id/usher/expression"
)

// Source reads records.
//
// The engine calls Open once, then Next until it answers io.EOF or another error, then Close; never two calls at
// once. Close is called also after a failed Open. A source may go on reading in goroutines of its own between
// calls; they end with Close.
type Source interface {
	// Open reaches the data. Errors say what to do about it; one about the other side not being there is Unreachable.
	Open(ctx context.Context) error
	// Next gives up to max records, at least one, or io.EOF when there are no more. The batch and all in it are the
	// caller's from then on. A record that cannot be read is a
	// record all the same, decided as Failed, with its Ref and Raw. Any other error ends the run: what was read
	// before stays. Next returns soon after ctx is cancelled, with ctx's error.
	Next(ctx context.Context, max int) (*Batch, error)
	Close() error
	mustEmbedUnimplementedSource()
}

// UnimplementedSource is embedded by every Source, so that the interface can grow.
type UnimplementedSource struct{}

// Close does nothing.
func (UnimplementedSource) Close() error { return nil }

func (UnimplementedSource) mustEmbedUnimplementedSource() {} //nolint:unused // by whoever embeds it

// Resumer is a Source that can go on from where a batch ended. Without it, a resumed run reads from the start and
// passes over what is done.
type Resumer interface {
	// OpenAt opens the source as Open does, positioned after the batch whose After it is given.
	OpenAt(ctx context.Context, after []byte) error
}

// Fingerprinter is a Source that can tell whether it is still what it was, so that a resumed run does not mix two
// inputs. It is called on an open source.
type Fingerprinter interface {
	Fingerprint() (string, error)
}

// Cursored is a Source that can leave out what has not changed since an earlier run of its pipeline. What it goes by
// is text that a person can read, such as the time of the last change.
type Cursored interface {
	// SetCursor is called before Open and OpenAt with what Cursor gave in the last completed run; nil asks for
	// everything.
	SetCursor(stored []byte)
	// Cursor is called after Next gave io.EOF and before Close. It is kept for the next run once every outcome of this
	// one is durable; nil keeps what was kept before.
	Cursor() []byte
}

// Incremental is a Cursored source that goes by a cursor only where its options say so.
type Incremental interface {
	Cursored
	Incremental() bool
}

// Scoped is a Cursored source whose input grows while a run is on its way, such as a folder: a resumed run has to read what
// the run began with. Scope is called after Open, and gives nil where the source does not grow; SetScope before OpenAt and
// Open of a resumed run, after SetCursor with what is kept then.
type Scoped interface {
	Cursored
	Scope() []byte
	SetScope(scope []byte)
}

// Measurer is a Source that knows how far it is: bytes, rows, whatever it counts. A total of 0 is not known. It is
// called at any time between Open and Close, also during Next.
type Measurer interface {
	Progress() (done, total int64)
}

// Tabular is a Source whose records have the fields that its columns say, so that a field that is none of them is in no record. Columns
// gives their dotted names after Open, nothing where they are not known.
type Tabular interface {
	Columns() []string
}

// Rejecter is a Source whose rejected records can be written in the shape of its input and read again. Without it,
// rejects are NDJSON of the records' source values.
type Rejecter interface {
	// RejectsExtension is the file name extension with its dot, such as ".csv".
	RejectsExtension() string
	// AppendReject appends one record to dst in the input's shape; n counts the rejects before it, from 0, so that the
	// first can bring a header along. It is called from another goroutine than Next, only for records that Next gave.
	AppendReject(dst []byte, n int64, r *Record) []byte
	// RejectsEnd is what ends the file, such as the closing bracket of an array that holds n rejects.
	RejectsEnd(n int64) []byte
	// ReadRejects gives a source that reads such a file with the options of this one.
	ReadRejects(path string) Source
}

// Orderer is a Source that can give its records in an order by itself, such as one over a database, so that they need
// not be put aside to be sorted.
type Orderer interface {
	// OrderBy is asked before Open whether the source will give its records exactly as the transform sort would bring them into order: by key, with
	// desc the greatest first, those without a key last in any case, and those of equal keys as they come otherwise. A source
	// that says false stays as it was.
	OrderBy(key *expression.Program, desc bool) bool
}

// Transform changes records or decides them. It passes over records that are decided. A value that cannot be
// worked out makes its record Failed and stops nothing else. One that is an io.Closer is closed at the end of the run.
type Transform interface {
	// Apply handles the open records of a batch. It is called for several batches at once unless the transform is
	// Ordered. An error ends the run.
	Apply(ctx context.Context, b *Batch) error
	mustEmbedUnimplementedTransform()
}

// UnimplementedTransform is embedded by every Transform, so that the interface can grow.
type UnimplementedTransform struct{}

func (UnimplementedTransform) mustEmbedUnimplementedTransform() {} //nolint:unused // by whoever embeds it

// Ordered is a Transform that remembers: it is given every batch of the run, one at a time, in order, and in a
// resumed run again those that are done. It is closed at the end.
type Ordered interface {
	Transform
	io.Closer
	// Ordered opens what the transform keeps for one run.
	Ordered(ctx context.Context) error
}

// Arranger is a Transform that works on the source as a whole, such as one that sorts, or that joins another to it. It
// stands before all transforms that are none, and is not given batches: the run reads from what Arrange makes of the
// source. That has the source's other abilities as far as they still make sense, and closes it. It may set Record.Fields
// and decide records.
type Arranger interface {
	Transform
	Arrange(Source) Source
}

// Unmatched is the code of the problem of a record that found no partner in a join; its field is the name of the join.
const Unmatched = "join.unmatched"

// Joined is a Source that looks for partners of its records in other sources. A record that finds none has a problem
// of the code Unmatched, as a warning or an error.
type Joined interface {
	// Joins gives the names of the joins.
	Joins() []string
	// Leftovers is called after Next gave io.EOF and before Close. It calls each for every record of the other sources that
	// no record had for a partner; problems say why one could not be.
	Leftovers(each func(join string, ref Ref, problems []Problem) error) error
}

// Run tells a sink which run it serves.
type Run struct {
	ID        string
	Pipeline  string
	StartedAt time.Time
	// Attempt counts from 1; a later one reads the rejects of an earlier one.
	Attempt int
	// Plan asks for outcomes as a run would give them, without writing anything anywhere.
	Plan bool
	// Resumed says that an earlier process worked on this run. Records from index From on may have been written
	// already and come again; they get the outcome that they got before.
	Resumed bool
	From    int64
	// Position is what the last Commit gave, in a resumed run.
	Position []byte
	// Secret reports which members of a source record are secret.
	Secret func(name string, v any) bool
}

// Sink writes records and decides what became of each.
//
// The engine calls Open once, then Write and Commit any number of times, then Finish if the run came to its end,
// then Close in any case; never two calls at once.
type Sink interface {
	Open(ctx context.Context, run Run) error
	// Write decides every open record of the batch, in order, so that a second record of the same user sees the first.
	// What it wrote need not be durable before Commit. An error means that nothing is known of the batch: Refused has
	// the batch split until the record at fault is found, Temporary has it sent again, any other ends the run.
	Write(ctx context.Context, b *Batch) error
	// Commit makes all that was written durable. The position it gives, if any, comes back in Run.Position.
	Commit(ctx context.Context) (position []byte, err error)
	// Finish publishes the whole: a file gets its name.
	Finish(ctx context.Context) error
	Close() error
	mustEmbedUnimplementedSink()
}

// UnimplementedSink is embedded by every Sink, so that the interface can grow.
type UnimplementedSink struct{}

// Commit does nothing.
func (UnimplementedSink) Commit(context.Context) ([]byte, error) { return nil, nil }

// Finish does nothing.
func (UnimplementedSink) Finish(context.Context) error { return nil }

// Close does nothing.
func (UnimplementedSink) Close() error { return nil }

func (UnimplementedSink) mustEmbedUnimplementedSink() {} //nolint:unused // by whoever embeds it

// Publisher is a Sink that leaves files behind. Published is called after Finish and before Close.
type Publisher interface {
	Published() []File
}

// File is what a Sink has published.
type File struct {
	// Path is absolute, or - for the standard output.
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	// SHA256 is that of the whole file, in hex.
	SHA256 string `json:"sha256"`
}

// Checker is a Source or Sink that can tell, without changing anything, whether it would open.
type Checker interface {
	Check(ctx context.Context) error
}

// Preparer is a Sink that can do a part of its work on a batch (validate, normalise, encode) before Write. Prepare is
// called once for every batch before Write, for several batches at once, and keeps what it made in Record.Prepared. It
// may decide records as Failed.
type Preparer interface {
	Prepare(ctx context.Context, b *Batch) error
}

// Remover is a Sink that can disable or delete the users of records that are Gone. To a sink that is none, or whose
// policy is to leave them, such records are not given: they are skipped for the reason Gone.
type Remover interface {
	// Removes reports whether the policy is to do anything.
	Removes() bool
}

// Reconciler is a Sink that can find the users that it has and that no record of a whole run was about. The engine gives
// it every batch, also one in which all records are decided: those that failed are of users who are there.
type Reconciler interface {
	// Reconciles reports whether it is to be done.
	Reconciles() bool
	// Reconcile is called behind the last Commit and before Finish of a run that has read all of its source; failed is how
	// many of its records failed. It does by its policy what becomes of users who are gone, to all of them or to none, and tells found of
	// each. An error of the code TooManyMissing says that more would be removed than may be. skipped says why it cannot be told who is
	// missing; nothing was done then. What was done is durable when it returns. In a resumed run it is called again unless it came to its end, and then tells the same.
	Reconcile(ctx context.Context, failed int64, found func([]Missing) error) (skipped string, err error)
}

// Missing is a user that no record was about.
type Missing struct {
	// UserID is the sink's, Identifier what a person knows the user by.
	UserID     string `json:"user_id"`
	Identifier string `json:"identifier"`
	// Outcome is one of the constants below.
	Outcome string `json:"outcome"`
}

// TooManyMissing is the code of an error that ends a run: users are missing, but more than may be removed.
const TooManyMissing = "run.too_many_deletes"

// What becomes of a Missing user.
const (
	MissingDisabled  = "disabled"
	MissingDeleted   = "deleted"
	MissingUnchanged = "unchanged" // it was disabled before
	MissingKept      = "kept"      // the policy is to report, or more are missing than may be removed
)

// FieldReader is a Transform that can tell which fields of the records it reads, by dotted names; "*" stands for all. changes
// says that the records have other fields behind it.
type FieldReader interface {
	ReadFields() (names []string, changes bool)
}

// SecretReader is a Transform that knows which fields hold secrets though their names do not say so, because it puts them into a
// secret place, or takes them out of one: the leaf names, such as pwd_hash for user.login.pwd_hash.
type SecretReader interface {
	SecretFields() []string
}
