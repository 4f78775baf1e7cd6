// Package journal keeps the local state of runs: what each did, how far it came, the outcome of every record and
// the rejects. A state folder looks like this, every file with mode 0600:
//
//	<state>/locks/<pipeline>.lock
//	<state>/cursors/<pipeline>                   how far completed runs have read
//	<state>/runs/<run id>/run.json               the Document, replaced as a whole at every checkpoint
//	<state>/runs/<run id>/outcomes.ndjson        one line a record, in order
//	<state>/runs/<run id>/rejects.<ext>          failed records in the shape of the input
//	<state>/runs/<run id>/rejects.reasons.ndjson one line a reject, in the same order: why it failed
//	<state>/runs/<run id>/unmatched.left.ndjson  records that found no partner in a join
//	<state>/runs/<run id>/unmatched.right.ndjson joined records that were nobody's partner
//	<state>/runs/<run id>/missing.ndjson         users that no record was about, where the sink looked for them
//
// A checkpoint is written only after the outcomes before it are on disk. What the files hold beyond the last
// checkpoint is cut off when the run is resumed.
package journal

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/usher-id/usher/pipeline"
)

// The states of a run.
const (
	Running               = "running"
	Completed             = "completed"
	CompletedWithFailures = "completed_with_failures"
	Interrupted           = "interrupted"
	FailedStatus          = "failed"
)

// Summary counts the records of a run by outcome.
type Summary struct {
	Total    int64 `json:"total"`
	Inserted int64 `json:"inserted"`
	Updated  int64 `json:"updated"`
	Skipped  int64 `json:"skipped"`
	Failed   int64 `json:"failed"`
}

// Balanced reports whether every record has an outcome.
func (s Summary) Balanced() bool { return s.Total == s.Inserted+s.Updated+s.Skipped+s.Failed }

func (s *Summary) count(d pipeline.Decision) {
	s.Total++
	switch d {
	case pipeline.Inserted:
		s.Inserted++
	case pipeline.Updated:
		s.Updated++
	case pipeline.Skipped:
		s.Skipped++
	case pipeline.Failed:
		s.Failed++
	}
}

// Skips counts the skipped records by reason.
type Skips struct {
	Exists    int64 `json:"exists"`
	Unchanged int64 `json:"unchanged"`
	Filtered  int64 `json:"filtered"`
	Gone      int64 `json:"gone,omitempty"`
}

func (s *Skips) count(reason string) {
	switch reason {
	case pipeline.Exists:
		s.Exists++
	case pipeline.Unchanged:
		s.Unchanged++
	case pipeline.Filtered:
		s.Filtered++
	case pipeline.Gone:
		s.Gone++
	}
}

// Removals counts, among the updated records, those whose users were disabled or deleted because they are gone.
type Removals struct {
	Disabled int64 `json:"disabled"`
	Deleted  int64 `json:"deleted"`
}

func (m *Removals) count(o *pipeline.Outcome) {
	switch {
	case o.Reason != pipeline.Gone:
	case len(o.Changed) == 1 && o.Changed[0] == pipeline.DeletedUser:
		m.Deleted++
	default:
		m.Disabled++
	}
}

// Selection says which records of the source a run takes.
type Selection struct {
	// Offset is how many records are passed over first, Limit how many are taken then; 0 for all.
	Offset int64 `json:"offset,omitempty"`
	Limit  int64 `json:"limit,omitempty"`
	// Only is the text of an expression that a record must fulfil.
	Only string `json:"only,omitempty"`
}

// Join counts what found no partner in one join.
type Join struct {
	// As is the name of the join.
	As string `json:"as"`
	// Left is how many records found no partner. Right is how many joined records were nobody's: it is nil where that
	// is not known, since the run did not take the whole source.
	Left  int64  `json:"unmatched_left"`
	Right *int64 `json:"unmatched_right"`
}

// Failure is why a run ended early.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Export is what was asked of the command export.
type Export struct {
	// By is who asked, as user@host.
	By string `json:"by"`
	// Store is the DSN that was read; Pipeline is the absolute path of the pipeline file whose source and transforms were read instead.
	Store    string `json:"store,omitempty"`
	Pipeline string `json:"from,omitempty"`
	// Fields are the columns, none for whole records.
	Fields []ExportField `json:"fields"`
	Where  string        `json:"where,omitempty"`
	IDs    []string      `json:"ids,omitempty"`
	Sort   string        `json:"sort,omitempty"`
	Desc   bool          `json:"desc,omitempty"`
	Format string        `json:"format"`
	// Output is the absolute path of the file, or - for the standard output.
	Output string `json:"output"`
	// Secrets says that secrets may be in the file.
	Secrets bool `json:"secrets"`
	// ExpiresAt is when nobody is to need the file any more.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// ExportField is a column of an export with its expression.
type ExportField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Checkpoint is how far a run has come for good.
type Checkpoint struct {
	// Next is the index of the first record that is not covered.
	Next int64 `json:"next"`
	// The sizes of the files, in bytes, up to here.
	OutcomesSize int64 `json:"outcomes_size"`
	RejectsSize  int64 `json:"rejects_size"`
	ReasonsSize  int64 `json:"reasons_size"`
	LeftSize     int64 `json:"unmatched_left_size,omitempty"`
	// Source and Sink are the positions that the connectors gave.
	Source []byte `json:"source,omitempty"`
	Sink   []byte `json:"sink,omitempty"`
}

// Document is what run.json holds.
type Document struct {
	RunID    string `json:"run_id"`
	Pipeline string `json:"pipeline"`
	// PipelineFile is the absolute path of the pipeline file, PipelineHash the SHA-256 of its text.
	PipelineFile string `json:"pipeline_file"`
	PipelineHash string `json:"pipeline_hash,omitempty"`
	// Plan is set for a plan: outcomes as a run would give them.
	Plan bool `json:"plan,omitempty"`
	// Attempt counts from 1; RetryOf is the run whose rejects this one reads, RetryFile the absolute path of the file that
	// holds them.
	Attempt   int    `json:"attempt"`
	RetryOf   string `json:"retry_of,omitempty"`
	RetryFile string `json:"retry_file,omitempty"`
	Status    string `json:"status"`
	// Summary is that of the checkpoint while the run goes on, of the whole run at its end.
	Summary  Summary  `json:"summary"`
	Skips    Skips    `json:"skipped_reasons"`
	Gone     Removals `json:"gone"`
	Warnings int64    `json:"warnings"`
	Joins    []Join   `json:"joins,omitempty"`
	// UnmatchedLeft and UnmatchedRight are absolute paths, empty where there is nothing to name.
	UnmatchedLeft  string `json:"unmatched_left,omitempty"`
	UnmatchedRight string `json:"unmatched_right,omitempty"`
	// Outcomes, Rejects and Reasons are absolute paths; Rejects and Reasons are empty where nothing failed.
	Outcomes   string     `json:"outcomes"`
	Rejects    string     `json:"rejects"`
	Reasons    string     `json:"reasons"`
	StartedAt  time.Time  `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Resumed    int        `json:"resumed,omitempty"`
	Failure    *Failure   `json:"error,omitempty"`
	Selection  Selection  `json:"selection"`
	// Cursor is where the source began, of one that reads only what has changed since the last completed run; Full asks it
	// for everything.
	Cursor string `json:"cursor,omitempty"`
	Full   bool   `json:"full,omitempty"`
	// Scope is what the run reads, of a source that grows meanwhile; it stands in place of Cursor.
	Scope string `json:"scope,omitempty"`
	// Files are what the run's sink has published.
	Files []pipeline.File `json:"files,omitempty"`
	// Export is set for a run that the command export began.
	Export *Export `json:"export,omitempty"`
	// Fingerprint is the source's, to notice on resume that it is another one.
	Fingerprint string     `json:"fingerprint,omitempty"`
	Checkpoint  Checkpoint `json:"checkpoint"`
	// Reconciled says who is missing from the source, where the sink looked for them.
	Reconciled *Reconciled `json:"reconciled,omitempty"`
}

// Journal is one state folder. Its methods are safe for concurrent use by several processes.
type Journal struct{ dir string }

// Open gives the journal in dir and makes the folder, with mode 0700, if it is not there.
func Open(dir string) (*Journal, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "runs"), 0o700)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "locks"), 0o700)
	}
	if err != nil {
		return nil, &pipeline.Error{Code: "state.unusable", Message: "the state folder cannot be used: " + err.Error(),
			Hint: "name another one with --state or USHER_STATE", Err: err}
	}
	return &Journal{dir}, nil
}

// Lock takes the lock of a pipeline for a run and gives the function that releases it. A lock whose process is dead
// is free. The error for a taken one has the code state.locked.
func (j *Journal) Lock(pipelineName, runID string) (release func(), err error) {
	path := filepath.Join(j.dir, "locks", fileName(pipelineName)+".lock")
	lock := flock.New(path, flock.SetPermissions(0o600))
	got, err := lock.TryLock()
	if err != nil {
		return nil, &pipeline.Error{Code: "state.unusable", Message: "cannot lock " + path + ": " + err.Error(), Err: err}
	}
	if !got {
		holder := "another process"
		if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
			holder = strings.TrimSpace(string(text))
		}
		return nil, &pipeline.Error{Code: "state.locked",
			Message: fmt.Sprintf("pipeline %s is being run already by %s", pipelineName, holder),
			Hint:    "wait for that run to end, or stop it"}
	}
	text := fmt.Sprintf("process %d (run %s)\n", os.Getpid(), runID)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		_ = lock.Close()
		return nil, &pipeline.Error{Code: "state.unusable", Message: "cannot write " + path + ": " + err.Error(), Err: err}
	}
	return func() { _ = lock.Close() }, nil
}

// fileName makes a name safe as a file name, and keeps different names different.
func fileName(name string) string {
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, name)
	if safe != name || len(safe) > 100 {
		sum := hash64(name)
		safe = safe[:min(len(safe), 100)] + "-" + strconv.FormatUint(sum, 16)
	}
	return safe
}

// hash64 is FNV-1a.
func hash64(s string) uint64 {
	sum := uint64(14695981039346656037)
	for i := range len(s) {
		sum = (sum ^ uint64(s[i])) * 1099511628211
	}
	return sum
}

// NewRunID gives an id that sorts by time.
func NewRunID(now time.Time) string {
	var tail [3]byte
	_, _ = rand.Read(tail[:])
	return now.UTC().Format("20060102-150405") + "-" + hex.EncodeToString(tail[:])
}

// Load gives the document of one run, by its id or the beginning of one that no other run shares.
func (j *Journal) Load(id string) (Document, error) {
	if id == "" || strings.ContainsAny(id, `/\.`) {
		return Document{}, j.unknown(id)
	}
	doc, err := j.read(id)
	if !errors.Is(err, fs.ErrNotExist) {
		return doc, err
	}
	names, err := j.names()
	if err != nil {
		return Document{}, err
	}
	var found []string
	for _, name := range names {
		if strings.HasPrefix(name, id) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return Document{}, j.unknown(id)
	}
	return j.read(found[0])
}

func (j *Journal) unknown(id string) error {
	return &pipeline.Error{Code: "state.unknown_run", Message: fmt.Sprintf("there is no run %q in %s", id, j.dir),
		Hint: "`usher runs` lists them; --state names another state folder"}
}

func (j *Journal) names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(j.dir, "runs"))
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (j *Journal) runDir(id string) string { return filepath.Join(j.dir, "runs", id) }

func (j *Journal) read(id string) (Document, error) {
	text, err := os.ReadFile(filepath.Join(j.runDir(id), "run.json"))
	if err != nil {
		return Document{}, err
	}
	var doc Document
	if err := json.Unmarshal(text, &doc); err != nil {
		return Document{}, &pipeline.Error{Code: "state.corrupted", Message: fmt.Sprintf("run %s cannot be read: %v", id, err),
			Hint: "the run's document is damaged: move the folder " + j.runDir(id) + " away", Err: err}
	}
	if doc.Status == Running && !j.locked(doc.Pipeline) {
		doc.Status = Interrupted // its process died
	}
	return doc, nil
}

// locked reports whether a living process holds the lock of the pipeline.
func (j *Journal) locked(pipelineName string) bool {
	path := filepath.Join(j.dir, "locks", fileName(pipelineName)+".lock")
	if _, err := os.Stat(path); err != nil {
		return false
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	got, err := lock.TryRLock()
	_ = lock.Close()
	return err == nil && !got
}

// List gives all runs, newest first, and plans too where they are asked for.
func (j *Journal) List(plans bool) ([]Document, error) {
	names, err := j.names()
	if err != nil {
		return nil, err
	}
	docs := make([]Document, 0, len(names))
	for _, name := range names {
		doc, err := j.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its process died before it began
		}
		if err != nil {
			return nil, err
		}
		if plans || !doc.Plan {
			docs = append(docs, doc)
		}
	}
	slices.SortStableFunc(docs, func(a, b Document) int { return b.StartedAt.Compare(a.StartedAt) })
	return docs, nil
}

// Attempts gives the run and the runs that retried it, and theirs, oldest first.
func (j *Journal) Attempts(id string) ([]Document, error) {
	all, err := j.List(true)
	if err != nil {
		return nil, err
	}
	slices.Reverse(all)
	family := map[string]bool{id: true}
	var attempts []Document
	for _, doc := range all {
		if family[doc.RunID] || doc.RetryOf != "" && family[doc.RetryOf] {
			family[doc.RunID] = true
			attempts = append(attempts, doc)
		}
	}
	return attempts, nil
}
