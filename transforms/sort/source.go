package sorting

import (
	"bufio"
	"bytes"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"slices"
	"sync/atomic"

	"golang.org/x/text/collate"

	"github.com/usher-id/usher/internal/shelf"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

const (
	// entryOverhead is about what an entry takes beside its record's bytes.
	entryOverhead = 96
	// maxRuns is how many files are merged at once.
	maxRuns = 128
	// runBuffer is how much of a file is read or written at once.
	runBuffer = 64 << 10
	// readBatch is how many records are asked for at once.
	readBatch = 500
)

// sorted is a source of the records of another, in order.
type sorted struct {
	pipeline.UnimplementedSource
	t        *Transform
	source   pipeline.Source
	collator *collate.Collator
	buffer   collate.Buffer

	held        []entry // in memory
	scratch     []byte
	size        int64
	runs        []*run // files, each in order; of equal keys those of an earlier run come first
	merge       merger
	fingerprint string
	done, total atomic.Int64
}

// entry is a record by its key.
type entry struct {
	key    any
	record []byte
}

// Check implements pipeline.Checker.
func (s *sorted) Check(ctx context.Context) error {
	if c, ok := s.source.(pipeline.Checker); ok {
		return c.Check(ctx)
	}
	return nil
}

// Open implements pipeline.Source: it reads and sorts everything.
func (s *sorted) Open(ctx context.Context) error {
	if err := s.source.Open(ctx); err != nil {
		return err
	}
	sum := sha256.New()
	for {
		b, err := s.source.Next(ctx, readBatch)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		for i := range b.Records {
			r := &b.Records[i]
			key := s.key(r)
			if s.scratch, err = shelf.AppendRecord(s.scratch[:0], r); err != nil {
				return failed("a record cannot be put aside: "+err.Error(), "this is a defect of usher; please report it", err)
			}
			e := entry{record: bytes.Clone(s.scratch)}
			// The key as it is may hold on to the memory of the whole batch.
			if s.scratch, err = value.AppendBinary(s.scratch[:0], key); err == nil {
				e.key, err = shelf.Value(string(s.scratch))
			}
			if err != nil {
				return failed("a key cannot be put aside: "+err.Error(), "this is a defect of usher; please report it", err)
			}
			sum.Write(e.record)
			s.held = append(s.held, e)
			s.total.Add(1)
			if s.size += int64(len(e.record)+len(s.scratch)) + entryOverhead; s.size > s.t.memory {
				if err := s.spill(); err != nil {
					return err
				}
			}
		}
	}
	s.fingerprint = hex.EncodeToString(sum.Sum(nil)[:16])
	s.sortHeld()
	return s.begin()
}

func (s *sorted) sortHeld() {
	slices.SortStableFunc(s.held, func(a, b entry) int { return compare(a.key, b.key, s.t.desc) })
}

// spill puts what is held into a file.
func (s *sorted) spill() error {
	s.sortHeld()
	r, err := newRun()
	if err != nil {
		return err
	}
	s.runs = append(s.runs, r)
	for _, e := range s.held {
		if err := r.write(e); err != nil {
			return err
		}
	}
	clear(s.held)
	s.held, s.size = s.held[:0], 0
	if len(s.runs) < maxRuns {
		return nil
	}
	return s.mergeRuns()
}

// mergeRuns makes one file of all.
func (s *sorted) mergeRuns() error {
	one, err := newRun()
	if err != nil {
		return err
	}
	all := s.runs
	s.runs = append(slices.Clone(all), one) // to be closed whatever happens
	m, err := s.mergerOf(all, nil)
	for err == nil {
		var e entry
		if e, err = m.next(); err == nil {
			err = one.write(e)
		}
	}
	if err != io.EOF {
		return err
	}
	for _, r := range all {
		r.close()
	}
	s.runs = []*run{one}
	return nil
}

func (s *sorted) begin() (err error) {
	s.merge, err = s.mergerOf(s.runs, s.held)
	return err
}

// Next implements pipeline.Source.
func (s *sorted) Next(ctx context.Context, most int) (*pipeline.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := &pipeline.Batch{}
	for len(b.Records) < most {
		e, err := s.merge.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		r, err := shelf.Record(string(e.record))
		if err != nil {
			return nil, failed(err.Error(), "run the pipeline again", err)
		}
		b.Records = append(b.Records, r)
	}
	if len(b.Records) == 0 {
		return nil, io.EOF
	}
	s.done.Add(int64(len(b.Records)))
	return b, nil
}

// Progress implements pipeline.Measurer.
func (s *sorted) Progress() (done, total int64) {
	done = s.done.Load()
	return done, s.total.Load()
}

// Fingerprint implements pipeline.Fingerprinter: that of all records as they came.
func (s *sorted) Fingerprint() (string, error) { return s.fingerprint, nil }

// Joins implements pipeline.Joined.
func (s *sorted) Joins() []string {
	if j, ok := s.source.(pipeline.Joined); ok {
		return j.Joins()
	}
	return nil
}

// Leftovers implements pipeline.Joined.
func (s *sorted) Leftovers(each func(join string, ref pipeline.Ref, problems []pipeline.Problem) error) error {
	if j, ok := s.source.(pipeline.Joined); ok {
		return j.Leftovers(each)
	}
	return nil
}

// SetCursor implements pipeline.Cursored.
func (s *sorted) SetCursor(stored []byte) {
	if c, ok := s.source.(pipeline.Cursored); ok {
		c.SetCursor(stored)
	}
}

// Cursor implements pipeline.Cursored.
func (s *sorted) Cursor() []byte {
	if c, ok := s.source.(pipeline.Cursored); ok {
		return c.Cursor()
	}
	return nil
}

// Scope implements pipeline.Scoped.
func (s *sorted) Scope() []byte {
	if c, ok := s.source.(pipeline.Scoped); ok {
		return c.Scope()
	}
	return nil
}

// SetScope implements pipeline.Scoped.
func (s *sorted) SetScope(scope []byte) {
	if c, ok := s.source.(pipeline.Scoped); ok {
		c.SetScope(scope)
	}
}

// Close implements pipeline.Source.
func (s *sorted) Close() error {
	for _, r := range s.runs {
		r.close()
	}
	s.runs, s.held, s.merge = nil, nil, merger{}
	return s.source.Close()
}

func failed(message, hint string, err error) error {
	return &pipeline.Error{Code: "sort.temporary_file", Message: "sort: " + message, Hint: hint, Err: err}
}

// run is a temporary file of entries in order.
type run struct {
	file *shelf.File
	w    *bufio.Writer
	r    *bufio.Reader
	buf  []byte
}

const tempHint = "make room in the folder that TMPDIR names, or name another; then resume the run"

func newRun() (*run, error) {
	f, err := shelf.NewFile("usher-sort-")
	if err != nil {
		return nil, failed("no temporary file can be made: "+err.Error(), tempHint, err)
	}
	return &run{file: f, w: bufio.NewWriterSize(f, runBuffer)}, nil
}

func (r *run) write(e entry) error {
	key, err := value.AppendBinary(r.buf[:0], e.key)
	if err != nil {
		return failed(err.Error(), "this is a defect of usher; please report it", err)
	}
	r.buf = key
	var lengths [2 * binary.MaxVarintLen64]byte
	head := binary.AppendUvarint(binary.AppendUvarint(lengths[:0], uint64(len(key))), uint64(len(e.record)))
	for _, b := range [][]byte{head, key, e.record} {
		if _, err := r.w.Write(b); err != nil {
			return failed("a temporary file cannot be written: "+err.Error(), tempHint, err)
		}
	}
	return nil
}

// rewind makes a run that was written ready to be read.
func (r *run) rewind() error {
	err := r.w.Flush()
	if err == nil {
		_, err = r.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return failed("a temporary file cannot be written: "+err.Error(), tempHint, err)
	}
	r.r = bufio.NewReaderSize(r.file, runBuffer)
	return nil
}

func (r *run) next() (e entry, err error) {
	keySize, err := binary.ReadUvarint(r.r)
	if err == io.EOF {
		return e, io.EOF
	}
	var size uint64
	if err == nil {
		size, err = binary.ReadUvarint(r.r)
	}
	if err != nil {
		return e, failed("a temporary file cannot be read: "+err.Error(), "run the pipeline again", err)
	}
	both := make([]byte, keySize+size)
	if _, err = io.ReadFull(r.r, both); err == nil {
		e.record = both[keySize:]
		e.key, err = shelf.Value(string(both[:keySize]))
	}
	if err != nil {
		return e, failed("a temporary file cannot be read: "+err.Error(), "run the pipeline again", err)
	}
	return e, nil
}

func (r *run) close() { _ = r.file.Close() }

// merger gives the entries of several runs, and of what is held behind them, in order.
type merger struct {
	desc  bool
	heads []head
	held  []entry
}

// head is the next entry of a run; run is nil for what is held.
type head struct {
	entry
	run   *run
	order int
}

func (s *sorted) mergerOf(runs []*run, held []entry) (merger, error) {
	m := merger{desc: s.t.desc, held: held}
	for i, r := range runs {
		if err := r.rewind(); err != nil {
			return m, err
		}
		if err := m.add(head{run: r, order: i}); err != nil {
			return m, err
		}
	}
	if err := m.add(head{order: len(runs)}); err != nil {
		return m, err
	}
	heap.Init(&m)
	return m, nil
}

// add fills a head and keeps it, unless there is nothing more.
func (m *merger) add(h head) error {
	err := m.fill(&h)
	if err == nil {
		m.heads = append(m.heads, h)
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func (m *merger) fill(h *head) (err error) {
	if h.run != nil {
		h.entry, err = h.run.next()
		return err
	}
	if len(m.held) == 0 {
		return io.EOF
	}
	h.entry, m.held[0] = m.held[0], entry{}
	m.held = m.held[1:]
	return nil
}

func (m *merger) next() (entry, error) {
	if len(m.heads) == 0 {
		return entry{}, io.EOF
	}
	e := m.heads[0].entry
	switch err := m.fill(&m.heads[0]); err {
	case nil:
		if len(m.heads) > 1 {
			heap.Fix(m, 0)
		}
	case io.EOF:
		heap.Pop(m)
	default:
		return entry{}, err
	}
	return e, nil
}

// Len implements heap.Interface.
func (m *merger) Len() int { return len(m.heads) }

// Less implements heap.Interface.
func (m *merger) Less(i, j int) bool {
	if c := compare(m.heads[i].key, m.heads[j].key, m.desc); c != 0 {
		return c < 0
	}
	return m.heads[i].order < m.heads[j].order
}

// Swap implements heap.Interface.
func (m *merger) Swap(i, j int) { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }

// Push implements heap.Interface.
func (m *merger) Push(x any) { m.heads = append(m.heads, x.(head)) }

// Pop implements heap.Interface.
func (m *merger) Pop() any {
	last := m.heads[len(m.heads)-1]
	m.heads = m.heads[:len(m.heads)-1]
	return last
}
