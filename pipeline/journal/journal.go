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
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
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
	// The checksums of that much of them.
	OutcomesSum uint32 `json:"outcomes_sum,omitempty"`
	RejectsSum  uint32 `json:"rejects_sum,omitempty"`
	ReasonsSum  uint32 `json:"reasons_sum,omitempty"`
	LeftSum     uint32 `json:"unmatched_left_sum,omitempty"`
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
	// Attempt counts a run and all its retries from 1; RetryOf is the run whose rejects this one reads, RetryFile the absolute path of the file that
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

// LockRun takes the lock that a run holds while it goes on, and gives the function that releases it: that of its pipeline or, for a
// plan, which stands in nobody's way, one of its own.
func (j *Journal) LockRun(doc Document) (release func(), err error) {
	unlock, err := j.Lock(doc.lockName(), doc.RunID)
	if err != nil || !doc.Plan {
		return unlock, err
	}
	return func() {
		_ = os.Remove(j.lockPath(doc.lockName()))
		unlock()
	}, nil
}

func (d *Document) lockName() string {
	if d.Plan {
		return "plan " + d.RunID
	}
	return d.Pipeline
}

func (j *Journal) lockPath(name string) string {
	return filepath.Join(j.dir, "locks", fileName(name)+".lock")
}

// Lock takes the lock of a pipeline for a run and gives the function that releases it. A lock whose process is dead
// is free. The error for a taken one has the code state.locked.
func (j *Journal) Lock(pipelineName, runID string) (release func(), err error) {
	path := j.lockPath(pipelineName)
	lock := flock.New(path, flock.SetPermissions(0o600))
	got, err := lock.TryLock()
	// Who looks whether a run goes on holds its lock for a moment, be it a long one on a busy machine, and lets others look too.
	for deadline := time.Now().Add(lookPatience); err == nil && !got && !exclusive(path) && time.Now().Before(deadline); got, err = lock.TryLock() {
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return nil, &pipeline.Error{Code: "state.unusable", Message: "cannot lock " + path + ": " + err.Error(),
			Hint: "give the process permission to write there, or name another state folder with --state", Err: err}
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
	text := fmt.Sprintf("process %d %s\n", os.Getpid(), lockedFor(runID))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		_ = lock.Close()
		return nil, &pipeline.Error{Code: "state.unusable", Message: "cannot write " + path + ": " + err.Error(),
			Hint: "make room, or name another state folder with --state", Err: err}
	}
	return func() { _ = lock.Close() }, nil
}

// lookPatience is how long others may look whether a run goes on.
const lookPatience = 10 * time.Second

// exclusive reports whether somebody holds a lock who does more than look.
func exclusive(path string) bool {
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	got, err := lock.TryRLock()
	_ = lock.Close()
	return err == nil && !got
}

// lockedFor is how a lock names its run.
func lockedFor(runID string) string { return "(run " + runID + ")" }

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
	if _, err := os.Stat(j.runDir(id)); err == nil {
		return Document{}, j.unknown(id)
	}
	names, err := j.names()
	if err != nil {
		return Document{}, err
	}
	var found []string
	for _, name := range names {
		if !strings.HasPrefix(name, id) {
			continue
		}
		if _, err := j.read(name); !errors.Is(err, fs.ErrNotExist) { // else its process died before it began
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		return Document{}, j.unknown(id)
	case 1:
		return j.Load(found[0])
	}
	return Document{}, &pipeline.Error{Code: "state.ambiguous_run", Message: fmt.Sprintf("%d runs in %s begin with %q", len(found), j.dir, id),
		Hint: "write more of the id: `usher runs --plans` lists them"}
}

func (j *Journal) unknown(id string) error {
	return &pipeline.Error{Code: "state.unknown_run", Message: fmt.Sprintf("there is no run %q in %s", id, j.dir),
		Hint: "`usher runs` lists them; --state names another state folder"}
}

func (j *Journal) names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(j.dir, "runs"))
	if err != nil {
		return nil, &pipeline.Error{Code: "state.unusable", Message: "the state folder cannot be used: " + err.Error(),
			Hint: "give the process permission to read it, or check the disk", Err: err}
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
	if errors.Is(err, fs.ErrNotExist) {
		if info, e := os.Stat(filepath.Join(j.runDir(id), "outcomes.ndjson")); e == nil && info.Size() > 0 {
			return Document{}, j.corrupted(id, errors.New("its run.json is missing"))
		}
		return Document{}, err // its process died before it began
	}
	if err != nil {
		return Document{}, &pipeline.Error{Code: "state.unusable", Message: fmt.Sprintf("run %s cannot be read: %v", id, err),
			Hint: "give the process permission to read the state folder, or check the disk", Err: err}
	}
	doc, err := decodeDocument(text)
	if err == nil && doc.RunID != id {
		err = errors.New("it is the document of run " + strconv.Quote(doc.RunID))
	}
	if err != nil {
		return Document{}, j.corrupted(id, err)
	}
	doc.moved(j.runDir(id))
	if doc.Status == Running && !j.locked(doc) {
		doc.Status = Interrupted // its process died
	}
	return doc, nil
}

func (j *Journal) corrupted(id string, err error) error {
	return &pipeline.Error{Code: "state.corrupted", Message: fmt.Sprintf("run %s cannot be read: %v", id, err),
		Hint: "the run's document is damaged: move the folder " + j.runDir(id) + " away", Err: err}
}

// checksum begins the last member of run.json: the CRC-32C of all that is before. A document with one bit changed may well be
// JSON still, with another checkpoint.
const checksum = ",\n  \"checksum\": \""

func encodeDocument(doc Document) ([]byte, error) {
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSuffix(text, []byte("\n}"))
	return fmt.Appendf(text, "%s%08x\"\n}\n", checksum, sumOf(text)), nil
}

// decodeDocument takes documents without a checksum, too.
func decodeDocument(text []byte) (doc Document, err error) {
	if err := json.Unmarshal(text, &doc); err != nil {
		return Document{}, err
	}
	i := bytes.LastIndex(text, []byte(checksum))
	if i >= 0 && !bytes.HasPrefix(text[i+len(checksum):], fmt.Appendf(nil, "%08x\"", sumOf(text[:i]))) {
		return Document{}, errors.New("its checksum does not fit")
	}
	return doc, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sumOf(text []byte) uint32 { return crc32.Checksum(text, castagnoli) }

// moved mends the paths of a document that is read from another folder than it was written in, since that was renamed or copied:
// the run's files lie beside the document; a pipeline file that lay where the state folder did, or below, is the one that does so now.
func (d *Document) moved(dir string) {
	was := filepath.Dir(d.Outcomes)
	if d.Outcomes == "" || was == dir {
		return
	}
	files := []*string{&d.Outcomes, &d.Rejects, &d.Reasons, &d.UnmatchedLeft, &d.UnmatchedRight}
	if d.Reconciled != nil {
		files = append(files, &d.Reconciled.Users)
	}
	for _, file := range files {
		if *file != "" {
			*file = filepath.Join(dir, filepath.Base(*file))
		}
	}
	above := func(runDir string) string { return filepath.Join(runDir, "..", "..", "..") } // what the state folder lies in
	for _, file := range []*string{&d.PipelineFile, &d.RetryFile} {
		rel, err := filepath.Rel(above(was), *file)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		now := filepath.Join(above(dir), rel)
		if _, err := os.Stat(now); err == nil {
			*file = now
		}
	}
}

// locked reports whether a living process holds the lock for this run.
func (j *Journal) locked(doc Document) bool {
	path := j.lockPath(doc.lockName())
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), lockedFor(doc.RunID)) {
		return false
	}
	return exclusive(path)
}

// List gives all runs, newest first, and plans too where they are asked for. Runs whose documents are damaged are not among them, but each
// is told of in damaged.
func (j *Journal) List(plans bool) (docs []Document, damaged []error, err error) {
	names, err := j.names()
	if err != nil {
		return nil, nil, err
	}
	docs = make([]Document, 0, len(names))
	for _, name := range names {
		doc, err := j.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its process died before it began
		}
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		if plans || !doc.Plan {
			docs = append(docs, doc)
		}
	}
	slices.SortStableFunc(docs, func(a, b Document) int { return b.StartedAt.Compare(a.StartedAt) })
	return docs, damaged, nil
}

// Attempts gives the run and the runs that retried it, and theirs, oldest first. Which runs are damaged is told as by List.
func (j *Journal) Attempts(id string) (attempts []Document, damaged []error, err error) {
	all, damaged, err := j.List(true)
	if err != nil {
		return nil, nil, err
	}
	slices.Reverse(all)
	// By the attempt first: a clock that was set back must not part a run from its retries.
	slices.SortStableFunc(all, func(a, b Document) int { return a.Attempt - b.Attempt })
	family := map[string]bool{id: true}
	for _, doc := range all {
		if family[doc.RunID] || doc.RetryOf != "" && family[doc.RetryOf] {
			family[doc.RunID] = true
			attempts = append(attempts, doc)
		}
	}
	return attempts, damaged, nil
}

// NextAttempt gives the number of a retry of a run: the next in its whole family, since two retries of one run are two attempts, each
// with an output of its own.
func (j *Journal) NextAttempt(doc Document) (int, error) {
	all, _, err := j.List(true)
	if err != nil {
		return 0, err
	}
	parents := map[string]string{}
	for _, d := range all {
		parents[d.RunID] = d.RetryOf
	}
	first := func(id string) string {
		for range all { // at most: nothing keeps damaged documents from naming each other
			if parents[id] == "" {
				break
			}
			id = parents[id]
		}
		return id
	}
	last := doc.Attempt
	for _, d := range all {
		if first(d.RunID) == first(doc.RunID) {
			last = max(last, d.Attempt)
		}
	}
	return last + 1, nil
}
