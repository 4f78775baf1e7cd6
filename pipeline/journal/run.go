package journal

import (
	"bufio"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Run writes the journal of one run. It is not safe for concurrent use.
type Run struct {
	doc      Document
	dir      string
	outcomes *appendFile
	rejects  *appendFile
	reasons  *appendFile
	left     *appendFile // records without a partner
	rejecter pipeline.Rejecter
	secret   func(string, any) bool
	line     []byte
	durable  durable
}

// durable is what the last checkpoint counted.
type durable struct {
	summary  Summary
	skips    Skips
	gone     Removals
	warnings int64
	joins    []Join
}

// Start begins a run: doc says what it is; its id, paths, times and status are filled in. The rejecter is the
// source's, or nil; secret says which fields of a record are not shown.
func (j *Journal) Start(doc Document, rejecter pipeline.Rejecter, secret func(string, any) bool) (*Run, error) {
	if doc.RunID == "" {
		doc.RunID = NewRunID(time.Now())
	}
	if doc.StartedAt.IsZero() {
		doc.StartedAt = time.Now().UTC().Truncate(time.Millisecond)
	}
	if doc.Attempt == 0 {
		doc.Attempt = 1
	}
	dir := j.runDir(doc.RunID)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, stateError(err)
	}
	doc.Status = Running
	doc.Outcomes = filepath.Join(dir, "outcomes.ndjson")
	r := &Run{doc: doc, dir: dir, rejecter: rejecter, secret: secret, durable: durable{joins: slices.Clone(doc.Joins)}}
	return r.begin()
}

// Resume goes on with a run from its checkpoint: what the files hold beyond it is cut off.
func (j *Journal) Resume(doc Document, rejecter pipeline.Rejecter, secret func(string, any) bool) (*Run, error) {
	doc.Status, doc.FinishedAt, doc.Failure = Running, nil, nil
	doc.Resumed++
	r := &Run{doc: doc, dir: j.runDir(doc.RunID), rejecter: rejecter, secret: secret, durable: durable{doc.Summary, doc.Skips, doc.Gone, doc.Warnings, slices.Clone(doc.Joins)}}
	return r.begin()
}

// begin opens the run's files and writes its document.
func (r *Run) begin() (*Run, error) {
	err := r.open()
	if err == nil {
		err = r.save()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Document gives the run's document as it stands.
func (r *Run) Document() Document { return r.doc }

// SetFingerprint notes which source the run reads. It is durable with the next checkpoint.
func (r *Run) SetFingerprint(fingerprint string) { r.doc.Fingerprint = fingerprint }

// SetScope notes what of a growing source the run reads. It is durable at once: what the sink has written before the first
// checkpoint is of this and nothing else.
func (r *Run) SetScope(scope []byte) error {
	r.doc.Scope, r.doc.Cursor = string(scope), "" // which may be long, and is not where this run begins any more
	return r.save()
}

// SetFiles notes what the run has published. It is durable with End.
func (r *Run) SetFiles(files []pipeline.File) { r.doc.Files = files }

func (r *Run) rejectsPath() string {
	extension := ".ndjson"
	if r.rejecter != nil {
		extension = r.rejecter.RejectsExtension()
	}
	return filepath.Join(r.dir, "rejects"+extension)
}

func (r *Run) open() (err error) {
	c := r.doc.Checkpoint
	if r.outcomes, err = openAppend(r.doc.Outcomes, c.OutcomesSize, c.OutcomesSum); err != nil {
		return err
	}
	if r.doc.Summary.Failed > 0 {
		if err = r.openRejects(); err != nil {
			return err
		}
	}
	if c.LeftSize > 0 {
		err = r.openLeft()
	}
	return err
}

func (r *Run) openLeft() (err error) {
	c := r.doc.Checkpoint
	r.left, err = openAppend(filepath.Join(r.dir, "unmatched.left.ndjson"), c.LeftSize, c.LeftSum)
	if err == nil {
		r.doc.UnmatchedLeft = r.left.Name()
	}
	return err
}

func (r *Run) openRejects() error {
	c := r.doc.Checkpoint
	rejects, err := openAppend(r.rejectsPath(), c.RejectsSize, c.RejectsSum)
	if err != nil {
		return err
	}
	reasons, err := openAppend(filepath.Join(r.dir, "rejects.reasons.ndjson"), c.ReasonsSize, c.ReasonsSum)
	if err != nil {
		_ = rejects.Close()
		return err
	}
	r.rejects, r.reasons = rejects, reasons
	r.doc.Rejects, r.doc.Reasons = rejects.Name(), reasons.Name()
	return nil
}

// Append writes the outcomes of decided records, and the rejects among them. They are durable with the next
// checkpoint.
func (r *Run) Append(records []pipeline.Record) error {
	for i := range records {
		record := &records[i]
		r.line = appendOutcome(r.line[:0], record, r.secret)
		if err := r.outcomes.append(r.line); err != nil {
			return err
		}
		r.doc.Warnings += int64(len(record.Outcome.Warnings))
		if len(r.doc.Joins) > 0 {
			for _, problems := range [][]pipeline.Problem{record.Outcome.Warnings, record.Outcome.Errors} {
				if err := r.unmatched(record, problems); err != nil {
					return err
				}
			}
		}
		if record.Outcome.Decision == pipeline.Failed {
			if err := r.reject(record); err != nil {
				return err
			}
		}
		r.doc.Summary.count(record.Outcome.Decision)
		switch record.Outcome.Decision {
		case pipeline.Skipped:
			r.doc.Skips.count(record.Outcome.Reason)
		case pipeline.Updated:
			r.doc.Gone.count(&record.Outcome)
		}
	}
	return nil
}

func (r *Run) reject(record *pipeline.Record) error {
	if r.rejects == nil {
		if err := r.openRejects(); err != nil {
			return err
		}
	}
	n := r.doc.Summary.Failed
	if r.rejecter != nil {
		r.line = r.rejecter.AppendReject(r.line[:0], n, record)
	} else {
		r.line = AppendRejectNDJSON(r.line[:0], record)
	}
	if err := r.rejects.append(r.line); err != nil {
		return err
	}
	r.line = append(r.line[:0], `{"reject":`...)
	r.line = strconv.AppendInt(r.line, n+1, 10)
	r.line = append(r.line, `,"index":`...)
	r.line = strconv.AppendInt(r.line, record.Index, 10)
	r.line = append(r.line, `,"ref":`...)
	r.line = value.AppendString(r.line, record.Ref.String())
	r.line = append(r.line, `,"errors":`...)
	r.line = appendProblems(r.line, record.Outcome.Errors)
	r.line = append(r.line, '}', '\n')
	return r.reasons.append(r.line)
}

// GoneMember is what a reject in NDJSON has beside the values of its source if its user is gone.
const GoneMember = "$gone"

// unmatched notes the joins in which a record found no partner.
func (r *Run) unmatched(record *pipeline.Record, problems []pipeline.Problem) error {
	for _, p := range problems {
		i := slices.IndexFunc(r.doc.Joins, func(j Join) bool { return p.Code == pipeline.Unmatched && j.As == p.Field })
		if i < 0 {
			continue
		}
		r.doc.Joins[i].Left++
		if r.left == nil {
			if err := r.openLeft(); err != nil {
				return err
			}
		}
		r.line = append(r.line[:0], `{"join":`...)
		r.line = value.AppendString(r.line, p.Field)
		r.line = append(r.line, `,"index":`...)
		r.line = strconv.AppendInt(r.line, record.Index, 10)
		r.line = append(r.line, `,"ref":`...)
		r.line = value.AppendString(r.line, record.Ref.String())
		r.line = append(r.line, `,"message":`...)
		r.line = value.AppendString(r.line, p.Message)
		if err := r.left.append(append(r.line, '}', '\n')); err != nil {
			return err
		}
	}
	return nil
}

// Leftovers writes the joined records that were nobody's partner, as walk gives them. It is called after the last checkpoint.
func (r *Run) Leftovers(walk func(each func(join string, ref pipeline.Ref, problems []pipeline.Problem) error) error) error {
	counts := make([]int64, len(r.doc.Joins))
	for i := range counts {
		r.doc.Joins[i].Right = &counts[i]
	}
	path := filepath.Join(r.dir, "unmatched.right.ndjson")
	var f *appendFile
	err := walk(func(join string, ref pipeline.Ref, problems []pipeline.Problem) (err error) {
		if f == nil { // one of an earlier life of the run is begun again
			if f, err = openAppend(path, 0, 0); err != nil {
				return err
			}
		}
		if i := slices.IndexFunc(r.doc.Joins, func(j Join) bool { return j.As == join }); i >= 0 {
			counts[i]++
		}
		r.line = append(r.line[:0], `{"join":`...)
		r.line = value.AppendString(r.line, join)
		r.line = append(r.line, `,"ref":`...)
		r.line = value.AppendString(r.line, ref.String())
		r.line = append(r.line, `,"errors":`...)
		r.line = appendProblems(r.line, problems)
		return f.append(append(r.line, '}', '\n'))
	})
	if f != nil {
		defer f.Close()
		if err == nil {
			err = f.sync()
		}
		r.doc.UnmatchedRight = path
	}
	r.durable.joins = slices.Clone(r.doc.Joins)
	return err
}

// AppendRejectNDJSON appends a reject as a line of JSON, for sources that have no shape of their own.
func AppendRejectNDJSON(dst []byte, record *pipeline.Record) []byte {
	if record.Source == nil {
		return append(append(dst, record.Raw...), '\n')
	}
	o := kinds(record.Source).(*value.Object)
	if record.Gone { // fed back without it, it would be taken for somebody who is there
		o.Set(GoneMember, true)
	}
	return append(value.AppendJSON(dst, o), '\n')
}

// Checkpoint makes the outcomes durable and then writes that the run has come to index next.
func (r *Run) Checkpoint(next int64, source, sink []byte) error {
	if err := r.sync(); err != nil {
		return err
	}
	c := Checkpoint{Next: next, OutcomesSize: r.outcomes.size, OutcomesSum: r.outcomes.sum, Source: source, Sink: sink}
	if r.rejects != nil {
		c.RejectsSize, c.RejectsSum = r.rejects.size, r.rejects.sum
		c.ReasonsSize, c.ReasonsSum = r.reasons.size, r.reasons.sum
	}
	if r.left != nil {
		c.LeftSize, c.LeftSum = r.left.size, r.left.sum
	}
	r.doc.Checkpoint = c
	r.durable = durable{r.doc.Summary, r.doc.Skips, r.doc.Gone, r.doc.Warnings, slices.Clone(r.doc.Joins)}
	return r.save()
}

// rollBack forgets what was appended after the last checkpoint: the sink may not hold it.
func (r *Run) rollBack() error {
	r.doc.Summary, r.doc.Skips, r.doc.Gone, r.doc.Warnings = r.durable.summary, r.durable.skips, r.durable.gone, r.durable.warnings
	copy(r.doc.Joins, r.durable.joins)
	c := r.doc.Checkpoint
	if r.left != nil {
		if err := r.left.cut(c.LeftSize, c.LeftSum); err != nil {
			return err
		}
		if c.LeftSize == 0 {
			r.doc.UnmatchedLeft = ""
		}
	}
	if err := r.outcomes.cut(c.OutcomesSize, c.OutcomesSum); err != nil || r.rejects == nil {
		return err
	}
	if err := r.rejects.cut(c.RejectsSize, c.RejectsSum); err != nil {
		return err
	}
	if r.doc.Summary.Failed == 0 {
		r.doc.Rejects, r.doc.Reasons = "", ""
	}
	return r.reasons.cut(c.ReasonsSize, c.ReasonsSum)
}

func (r *Run) sync() error {
	for _, f := range []*appendFile{r.outcomes, r.rejects, r.reasons, r.left} {
		if f == nil {
			continue
		}
		if err := f.sync(); err != nil {
			return err
		}
	}
	return nil
}

// End closes the rejects and writes the last word on the run. What was appended after the last checkpoint is
// forgotten: summary and files are those of the checkpoint.
func (r *Run) End(status string, failure error) error {
	if err := r.rollBack(); err != nil {
		return err
	}
	if r.doc.Summary.Failed > 0 && r.rejecter != nil {
		if err := r.rejects.append(r.rejecter.RejectsEnd(r.doc.Summary.Failed)); err != nil {
			return err
		}
	}
	if err := r.sync(); err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	r.doc.Status, r.doc.FinishedAt = status, &now
	if failure != nil {
		r.doc.Failure = &Failure{Code: "run.failed", Message: failure.Error()}
		var e *pipeline.Error
		if errors.As(failure, &e) {
			r.doc.Failure = &Failure{Code: e.Code, Message: e.Message, Hint: e.Hint}
		}
	}
	return r.save()
}

// Close closes the files.
func (r *Run) Close() {
	for _, f := range []*appendFile{r.outcomes, r.rejects, r.reasons, r.left} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// save replaces run.json: after a crash it is either the old or the new one.
func (r *Run) save() error {
	text, err := encodeDocument(r.doc)
	if err != nil {
		return err
	}
	return stateError(replaceFile(filepath.Join(r.dir, "run.json"), text))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func stateError(err error) error {
	if err == nil {
		return nil
	}
	return &pipeline.Error{Code: "state.unwritable", Message: "the run's journal cannot be written: " + err.Error(),
		Hint: "make room and go on with `usher resume`, or begin again in another folder with --state", Err: err}
}

// appendFile is a buffered file that knows its size and the checksum of its content.
type appendFile struct {
	*os.File
	buffer *bufio.Writer
	size   int64
	sum    uint32
}

// openAppend opens a file to go on behind its first size bytes, whose checksum is sum, or 0 where that is not known.
func openAppend(path string, size int64, sum uint32) (*appendFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, stateError(err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() < size {
		err = &pipeline.Error{Code: "state.corrupted", Message: path + " is shorter than its checkpoint says",
			Hint: "the run cannot be resumed; run the pipeline again"}
	}
	if err == nil && sum != 0 {
		whole := crc32.New(castagnoli)
		if _, err = io.Copy(whole, io.NewSectionReader(f, 0, size)); err == nil && whole.Sum32() != sum {
			err = &pipeline.Error{Code: "state.corrupted", Message: path + " was changed since its checkpoint",
				Hint: "put it back as it was and resume, or run the pipeline again"}
		}
	}
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		var e *pipeline.Error
		if errors.As(err, &e) {
			return nil, err
		}
		return nil, stateError(err)
	}
	return &appendFile{f, bufio.NewWriterSize(f, 64<<10), size, sum}, nil
}

func (f *appendFile) append(data []byte) error {
	n, err := f.buffer.Write(data)
	f.size += int64(n)
	f.sum = crc32.Update(f.sum, castagnoli, data)
	return stateError(err)
}

func (f *appendFile) cut(size int64, sum uint32) error {
	if f.size == size {
		return nil
	}
	if err := f.buffer.Flush(); err != nil {
		// What could not be written is not wanted any more.
		f.buffer.Reset(f.File)
	}
	err := f.Truncate(size)
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	f.size, f.sum = size, sum
	return stateError(err)
}

func (f *appendFile) sync() error {
	if err := f.buffer.Flush(); err != nil {
		return stateError(err)
	}
	return stateError(f.Sync())
}

func appendOutcome(dst []byte, r *pipeline.Record, secret func(string, any) bool) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, r.Index, 10)
	dst = append(dst, `,"ref":`...)
	dst = value.AppendString(dst, r.Ref.String())
	dst = append(dst, `,"outcome":"`...)
	dst = append(dst, r.Outcome.Decision.String()...)
	dst = append(dst, '"')
	if r.Outcome.Reason != "" {
		dst = append(dst, `,"reason":`...)
		dst = value.AppendString(dst, r.Outcome.Reason)
	}
	if r.Outcome.UserID != "" {
		dst = append(dst, `,"user_id":`...)
		dst = value.AppendString(dst, r.Outcome.UserID)
	}
	if len(r.Outcome.Changed) > 0 {
		dst = append(dst, `,"changed":[`...)
		for i, name := range r.Outcome.Changed {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = value.AppendString(dst, name)
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `,"warnings":`...)
	dst = appendProblems(dst, r.Outcome.Warnings)
	dst = append(dst, `,"errors":`...)
	dst = appendProblems(dst, r.Outcome.Errors)
	dst = append(dst, `,"record":`...)
	switch {
	case r.Fields != nil:
		dst = value.AppendRedacted(dst, r.Fields, secret)
	case r.Source != nil:
		dst = value.AppendRedacted(dst, r.Source, secret)
	default:
		dst = append(dst, "null"...)
	}
	return append(dst, '}', '\n')
}

func appendProblems(dst []byte, problems []pipeline.Problem) []byte {
	dst = append(dst, '[')
	for i, p := range problems {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"code":`...)
		dst = value.AppendString(dst, p.Code)
		dst = append(dst, `,"field":`...)
		dst = value.AppendString(dst, p.Field)
		dst = append(dst, `,"message":`...)
		dst = value.AppendString(dst, p.Message)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
