package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/engine"
	"github.com/usher-id/usher/pipeline/journal"
	"github.com/usher-id/usher/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// numbers is a source of n records {"n": 0…}, in batches of uneven length, of which it cannot read some, and which
// breaks before record breakAt.
type numbers struct {
	pipeline.UnimplementedSource
	n, breakAt int
	uneven     func(max int) int
	bad        func(n int) bool
	next       int
	block      chan struct{} // closed where a test waits at the end of the input
}

func (s *numbers) Open(context.Context) error { s.next = 0; return nil }

func (s *numbers) Next(ctx context.Context, most int) (*pipeline.Batch, error) {
	if s.next >= s.n {
		if s.block != nil {
			close(s.block)
			s.block = nil
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, io.EOF
	}
	size := most
	if s.uneven != nil {
		size = min(most, max(1, s.uneven(most)))
	}
	b := &pipeline.Batch{}
	for range size {
		if s.next == s.breakAt && s.breakAt > 0 {
			break
		}
		if s.next >= s.n {
			break
		}
		r := pipeline.Record{Ref: pipeline.Ref{Origin: "numbers", Line: int64(s.next + 1)}}
		if s.bad != nil && s.bad(s.next) {
			r.Raw = []byte("bad")
			r.Fail(pipeline.Problem{Code: "numbers.bad", Message: "cannot be read"})
		} else {
			r.Source = value.ObjectOf(value.Member{Name: "n", Value: int64(s.next)})
		}
		b.Records = append(b.Records, r)
		s.next++
	}
	if len(b.Records) == 0 {
		return nil, &pipeline.Error{Code: "numbers.broken", Message: "the source broke"}
	}
	return b, nil
}

// choice is a transform that skips and fails records by its functions.
type choice struct {
	pipeline.UnimplementedTransform
	skip, fail func(n int64) bool
	explode    func(n int64) bool
}

func number(r *pipeline.Record) int64 { n, _ := r.Source.Get("n"); return n.(int64) }

func (t *choice) Apply(_ context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		n := number(r)
		if t.explode != nil && t.explode(n) {
			panic("exploded")
		}
		if t.skip != nil && t.skip(n) {
			r.Skip(pipeline.Filtered)
		} else if t.fail != nil && t.fail(n) {
			r.Fail(pipeline.Problem{Code: "choice.fail", Field: "n", Message: "not wanted"})
		}
	}
	return nil
}

// memory is a durable set of numbers: a second time is unchanged. What is not committed is lost with the process,
// which a test plays by opening it again.
type memory struct {
	pipeline.UnimplementedSink
	committed map[int64]bool
	open      map[int64]bool
	refuse    func(n int64) bool
	flaky     func() bool
	dieAt     int64 // Write of this number ends the run; -1 never
	commits   int
	finished  bool
}

func (s *memory) Open(_ context.Context, run pipeline.Run) error {
	if s.committed == nil {
		s.committed = map[int64]bool{}
	}
	s.open = map[int64]bool{}
	return nil
}

func (s *memory) Write(_ context.Context, b *pipeline.Batch) error {
	if s.flaky != nil && s.flaky() {
		return &pipeline.Temporary{Err: errors.New("busy")}
	}
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		n := number(r)
		if n == s.dieAt && s.dieAt >= 0 {
			return &pipeline.Error{Code: "memory.died", Message: "the sink died"}
		}
		if s.refuse != nil && s.refuse(n) {
			return &pipeline.Refused{Problem: pipeline.Problem{Code: "memory.refused", Message: "no"}}
		}
	}
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		n := number(r)
		if s.committed[n] || s.open[n] {
			r.Skip(pipeline.Unchanged)
		} else {
			r.Outcome.Decision = pipeline.Inserted
			s.open[n] = true
		}
	}
	return nil
}

func (s *memory) Commit(context.Context) ([]byte, error) {
	for n := range s.open {
		s.committed[n] = true
	}
	s.open = map[int64]bool{}
	s.commits++
	return nil, nil
}

func (s *memory) Finish(context.Context) error { s.finished = true; return nil }

type line struct {
	Index   int64
	Outcome string
	Reason  string
	Errors  []pipeline.Problem
	Record  json.RawMessage
}

func outcomes(t require, path string) []line {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []line
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			t.Fatal(err, scanner.Text())
		}
		lines = append(lines, l)
	}
	return lines
}

type require interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

func openJournal(t require, dir string) *journal.Journal {
	j, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// pick gives a function that is true for the drawn numbers.
func pick(t *rapid.T, n int, label string) func(int64) bool {
	set := map[int64]bool{}
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, max(n-1, 0)), 0, 6).Draw(t, label) {
		set[int64(i)] = true
	}
	return func(n int64) bool { return set[n] }
}

func TestLedgerBalancesWhateverFails(t *testing.T) {
	base := t.TempDir()
	count := 0
	rapid.Check(t, func(t *rapid.T) {
		count++
		j := openJournal(t, filepath.Join(base, fmt.Sprint(count)))
		n := rapid.IntRange(0, 60).Draw(t, "n")
		bad := pick(t, n, "bad")
		skip, fail, refuse := pick(t, n, "skip"), pick(t, n, "fail"), pick(t, n, "refuse")
		source := &numbers{n: n, bad: func(n int) bool { return bad(int64(n)) },
			uneven: func(most int) int { return rapid.IntRange(1, most).Draw(t, "size") }}
		sink := &memory{refuse: refuse, dieAt: -1}
		p := engine.Pipeline{Name: "p", Source: source, Sink: sink,
			Transforms: []pipeline.Transform{&choice{skip: skip, fail: fail}},
			BatchSize:  rapid.IntRange(1, 9).Draw(t, "batch"), Workers: rapid.IntRange(1, 3).Draw(t, "workers")}
		// The first life may end early, in the source, in a transform or in the sink; the next ones go on from there.
		if rapid.Bool().Draw(t, "source breaks") {
			source.breakAt = rapid.IntRange(0, n).Draw(t, "source breaks at")
		}
		if rapid.Bool().Draw(t, "sink dies") {
			sink.dieAt = int64(rapid.IntRange(0, n).Draw(t, "sink dies at"))
		}
		if rapid.Bool().Draw(t, "transform explodes") {
			p.Transforms = append(p.Transforms, &choice{explode: pick(t, n, "explode")})
		}
		doc, err := engine.Run(context.Background(), j, journal.Document{}, p, engine.Options{})
		check := func() {
			if !doc.Summary.Balanced() {
				t.Fatalf("unbalanced: %+v", doc.Summary)
			}
			if lines := outcomes(t, doc.Outcomes); int64(len(lines)) != doc.Summary.Total {
				t.Fatalf("%d outcomes, summary %+v", len(lines), doc.Summary)
			}
		}
		check()
		if err != nil {
			if doc.Status != journal.FailedStatus || doc.Failure == nil {
				t.Fatalf("error %v, but status %s", err, doc.Status)
			}
			p.Source = &numbers{n: n, bad: source.bad}
			p.Transforms = p.Transforms[:1]
			sink.dieAt = -1
			if doc, err = engine.Run(context.Background(), j, doc, p, engine.Options{}); err != nil {
				t.Fatal("resumed: ", err)
			}
			check()
		}
		if doc.Summary.Total != int64(n) || !sink.finished {
			t.Fatalf("read %d of %d, finished %v", doc.Summary.Total, n, sink.finished)
		}
		lines := outcomes(t, doc.Outcomes)
		for i, l := range lines {
			want := "inserted"
			switch k := int64(i); {
			case bad(k), !skip(k) && fail(k):
				want = "failed"
			case skip(k):
				want = "skipped"
			case refuse(k):
				want = "failed"
			}
			// A record that was written before the first life ended, but after its last checkpoint, is found unchanged.
			if l.Index != int64(i) || l.Outcome != want && !(want == "inserted" && l.Reason == "unchanged") {
				t.Fatalf("record %d: %+v, want %s", i, l, want)
			}
			if want == "inserted" && !sink.committed[int64(i)] {
				t.Fatalf("record %d is not in the sink", i)
			}
		}
		wantStatus := journal.Completed
		if doc.Summary.Failed > 0 {
			wantStatus = journal.CompletedWithFailures
		}
		if doc.Status != wantStatus {
			t.Fatalf("status %s, want %s", doc.Status, wantStatus)
		}
	})
}

func run(t *testing.T, dir string, p engine.Pipeline, doc journal.Document, o engine.Options) (journal.Document, error) {
	t.Helper()
	p.Name = "p"
	return engine.Run(t.Context(), openJournal(t, dir), doc, p, o)
}

func TestInterruptedRunIsResumed(t *testing.T) {
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	source := &numbers{n: 25, block: make(chan struct{})}
	go func(reached chan struct{}) { <-reached; interrupt() }(source.block)
	sink := &memory{dieAt: -1}
	doc, err := engine.Run(ctx, openJournal(t, dir), journal.Document{}, engine.Pipeline{Name: "p", Source: source, Sink: sink, BatchSize: 10}, engine.Options{})
	if err != nil || doc.Status != journal.Interrupted || doc.Summary.Total != 25 || doc.Checkpoint.Next != 25 || sink.finished {
		t.Fatalf("%v %+v", err, doc)
	}
	doc, err = run(t, dir, engine.Pipeline{Source: &numbers{n: 40}, Sink: sink, BatchSize: 7}, doc, engine.Options{})
	if err != nil || doc.Status != journal.Completed || doc.Summary != (journal.Summary{Total: 40, Inserted: 40}) || doc.Resumed != 1 {
		t.Fatalf("%v %+v", err, doc)
	}
	for i, l := range outcomes(t, doc.Outcomes) {
		if l.Index != int64(i) || l.Outcome != "inserted" {
			t.Fatalf("%d: %+v", i, l)
		}
	}
}

// obstructed is a sink at whose end the journal cannot be written any more.
type obstructed struct {
	memory
	path string
}

func (s *obstructed) Finish(ctx context.Context) error {
	return errors.Join(os.Mkdir(s.path, 0o700), s.memory.Finish(ctx))
}

func (s *obstructed) Open(ctx context.Context, run pipeline.Run) error {
	s.path = filepath.Join(s.path, "runs", run.ID, "run.json.new")
	return s.memory.Open(ctx, run)
}

func TestEndThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	sink := &obstructed{memory{dieAt: -1}, dir}
	doc, err := run(t, dir, engine.Pipeline{Source: &numbers{n: 25}, Sink: sink}, journal.Document{}, engine.Options{})
	if err == nil || doc.Status != journal.FailedStatus {
		t.Fatalf("status %s, error %v", doc.Status, err)
	}
	if err := os.Remove(sink.path); err != nil {
		t.Fatal(err)
	}
	if doc, err = openJournal(t, dir).Load(doc.RunID); err != nil || doc.Status != journal.Interrupted {
		t.Fatalf("status %s, error %v", doc.Status, err)
	}
	doc, err = run(t, dir, engine.Pipeline{Source: &numbers{n: 25}, Sink: &sink.memory}, doc, engine.Options{})
	if err != nil || doc.Status != journal.Completed || doc.Summary != (journal.Summary{Total: 25, Inserted: 25}) {
		t.Fatalf("%v %+v", err, doc)
	}
}

func TestMaxFailures(t *testing.T) {
	odd := func(n int) bool { return n%2 == 1 }
	for _, tt := range []struct {
		limit *pipeline.Threshold
		total int64
		fails bool
	}{
		{nil, 100, false},
		{&pipeline.Threshold{Count: 50}, 100, false},
		{&pipeline.Threshold{Count: 49}, 100, true},
		{&pipeline.Threshold{Count: 7}, 20, true},
		{&pipeline.Threshold{}, 10, true},
		{&pipeline.Threshold{Share: .5, IsShare: true}, 100, false},
		{&pipeline.Threshold{Share: .2, IsShare: true}, 10, true},
	} {
		sink := &memory{dieAt: -1}
		p := engine.Pipeline{Source: &numbers{n: 100, bad: odd}, Sink: sink, BatchSize: 10, MaxFailures: tt.limit}
		dir := t.TempDir()
		doc, err := run(t, dir, p, journal.Document{}, engine.Options{})
		var e *pipeline.Error
		if failed := errors.As(err, &e) && e.Code == "run.too_many_failures"; failed != tt.fails {
			t.Errorf("%v: %v", tt.limit, err)
		}
		// Batches behind the one that passed the limit are left out, however many were read already.
		if doc.Summary.Total != tt.total {
			t.Errorf("%v: %+v", tt.limit, doc.Summary)
		}
		if !tt.fails {
			continue
		}
		if doc.Status != journal.FailedStatus || sink.finished || doc.Checkpoint.Next != tt.total {
			t.Errorf("%v: status %s, next %d", tt.limit, doc.Status, doc.Checkpoint.Next)
		}
		p.Source = &numbers{n: 100, bad: odd}
		// Nothing more is done as long as the run bears no more: so a run that is killed at its end ends as it would have.
		if doc, err = run(t, dir, p, doc, engine.Options{}); !errors.As(err, &e) || e.Code != "run.too_many_failures" || doc.Summary.Total != tt.total {
			t.Errorf("%v, resumed as it was: %v %+v", tt.limit, err, doc.Summary)
		}
		p.Source, p.MaxFailures = &numbers{n: 100, bad: odd}, nil
		doc, err = run(t, dir, p, doc, engine.Options{})
		if err != nil || doc.Summary != (journal.Summary{Total: 100, Inserted: 50, Failed: 50}) || !sink.finished {
			t.Errorf("%v, resumed: %v %+v", tt.limit, err, doc.Summary)
		}
	}
}

// A share that is passed stops the run, also where what was read behind it would bring it down again.
func TestMaxFailuresEarly(t *testing.T) {
	p := engine.Pipeline{Source: &numbers{n: 100, bad: func(n int) bool { return n < 3 }}, Sink: &memory{dieAt: -1}, BatchSize: 10,
		MaxFailures: &pipeline.Threshold{Share: .2, IsShare: true}}
	doc, err := run(t, t.TempDir(), p, journal.Document{}, engine.Options{})
	var e *pipeline.Error
	if !errors.As(err, &e) || e.Code != "run.too_many_failures" || doc.Summary.Total != 10 {
		t.Errorf("%v %+v", err, doc.Summary)
	}
}

func TestMaxFailuresBeforeTheSourceBreaks(t *testing.T) {
	p := engine.Pipeline{Source: &numbers{n: 100, bad: func(int) bool { return true }, breakAt: 15}, Sink: &memory{dieAt: -1}, BatchSize: 10, MaxFailures: &pipeline.Threshold{}}
	doc, err := run(t, t.TempDir(), p, journal.Document{}, engine.Options{})
	var e *pipeline.Error
	if !errors.As(err, &e) || e.Code != "run.too_many_failures" || doc.Summary.Total != 10 {
		t.Errorf("%v %+v", err, doc.Summary)
	}
}

func TestTemporaryErrorsAreTriedAgain(t *testing.T) {
	calls := 0
	sink := &memory{dieAt: -1, flaky: func() bool { calls++; return calls%2 == 1 }}
	doc, err := run(t, t.TempDir(), engine.Pipeline{Source: &numbers{n: 3}, Sink: sink, BatchSize: 2}, journal.Document{}, engine.Options{})
	if err != nil || doc.Summary.Inserted != 3 || calls != 4 {
		t.Fatal(err, doc.Summary, calls)
	}
}

func TestSelection(t *testing.T) {
	for _, tt := range []struct {
		selection   journal.Selection
		first, last int64
	}{
		{journal.Selection{Offset: 3}, 3, 19},
		{journal.Selection{Limit: 4}, 0, 3},
		{journal.Selection{Offset: 9, Limit: 3}, 9, 11},
		{journal.Selection{Offset: 18, Limit: 30}, 18, 19},
	} {
		doc, err := run(t, t.TempDir(), engine.Pipeline{Source: &numbers{n: 20}, Sink: &memory{dieAt: -1}, BatchSize: 4}, journal.Document{Selection: tt.selection}, engine.Options{})
		if err != nil || doc.Status != journal.Completed {
			t.Fatal(err, doc.Status)
		}
		lines := outcomes(t, doc.Outcomes)
		if int64(len(lines)) != tt.last-tt.first+1 || lines[0].Index != tt.first || lines[len(lines)-1].Index != tt.last {
			t.Errorf("%+v: %+v", tt.selection, lines)
		}
	}
}

func TestSecondRunIsRefusedWhileOneGoesOn(t *testing.T) {
	dir := t.TempDir()
	release, err := openJournal(t, dir).Lock("p", "r1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = run(t, dir, engine.Pipeline{Source: &numbers{n: 1}, Sink: &memory{dieAt: -1}}, journal.Document{}, engine.Options{})
	var e *pipeline.Error
	if !errors.As(err, &e) || e.Code != "state.locked" || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Fatal(err)
	}
	release()
	if _, err = run(t, dir, engine.Pipeline{Source: &numbers{n: 1}, Sink: &memory{dieAt: -1}}, journal.Document{}, engine.Options{}); err != nil {
		t.Fatal(err)
	}
}

// A run that another process went on with, between the reading of its document and the taking of its lock, is left alone.
func TestRunIsResumedOnce(t *testing.T) {
	dir := t.TempDir()
	sink := &memory{dieAt: 15}
	stopped, err := run(t, dir, engine.Pipeline{Source: &numbers{n: 20}, Sink: sink, BatchSize: 10}, journal.Document{}, engine.Options{})
	if err == nil {
		t.Fatal(stopped.Status)
	}
	sink.dieAt = -1
	resume := func() (journal.Document, error) {
		return run(t, dir, engine.Pipeline{Source: &numbers{n: 20}, Sink: sink, BatchSize: 10}, stopped, engine.Options{})
	}
	done, err := resume()
	if err != nil || done.Summary.Total != 20 {
		t.Fatal(err, done.Summary)
	}
	doc, err := resume()
	var e *pipeline.Error
	if !errors.As(err, &e) || e.Code != "state.locked" || doc.Outcomes != "" {
		t.Errorf("resumed again: %v %+v", err, doc)
	}
	if doc, err := openJournal(t, dir).Load(done.RunID); err != nil || doc.Status != journal.Completed || len(outcomes(t, doc.Outcomes)) != 20 {
		t.Errorf("%v %+v", err, doc)
	}
}

func TestRejectsAndReasonsStandSideBySide(t *testing.T) {
	dir := t.TempDir()
	p := engine.Pipeline{Source: &numbers{n: 10, bad: func(n int) bool { return n == 4 }}, Sink: &memory{dieAt: -1},
		Transforms: []pipeline.Transform{&choice{fail: func(n int64) bool { return n == 7 }}}}
	doc, err := run(t, dir, p, journal.Document{}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rejects, _ := os.ReadFile(doc.Rejects)
	if string(rejects) != "bad\n{\"n\":7}\n" {
		t.Errorf("%q", rejects)
	}
	reasons, _ := os.ReadFile(doc.Reasons)
	want := `{"reject":1,"index":4,"ref":"numbers:5","errors":[{"code":"numbers.bad","field":"","message":"cannot be read"}]}
{"reject":2,"index":7,"ref":"numbers:8","errors":[{"code":"choice.fail","field":"n","message":"not wanted"}]}
`
	if string(reasons) != want {
		t.Errorf("%s", reasons)
	}
	for _, path := range []string{doc.Rejects, doc.Reasons, doc.Outcomes, filepath.Join(filepath.Dir(doc.Rejects), "run.json")} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Error(path, info.Mode(), err)
		}
	}
}

// remembering is an ordered transform that skips every number whose half it has seen.
type remembering struct {
	pipeline.UnimplementedTransform
	seen   []int64
	closed bool
}

func (t *remembering) Ordered(context.Context) error { t.seen = nil; return nil }
func (t *remembering) Close() error                  { t.closed = true; return nil }
func (t *remembering) Apply(_ context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		if n := number(&b.Records[i]); slices.Contains(t.seen, n/2) && n > 1 {
			b.Records[i].Skip(pipeline.Filtered)
		} else {
			t.seen = append(t.seen, n)
		}
	}
	return nil
}

func TestOrderedTransformSeesAllAgainOnResume(t *testing.T) {
	dir := t.TempDir()
	ordered := []pipeline.Transform{&remembering{}}
	whole, err := run(t, t.TempDir(), engine.Pipeline{Source: &numbers{n: 60}, Sink: &memory{dieAt: -1}, BatchSize: 7, Transforms: ordered}, journal.Document{}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	last := int64(0)
	want := outcomes(t, whole.Outcomes)
	for _, l := range want[:50] {
		if l.Outcome == "inserted" {
			last = l.Index
		}
	}
	sink := &memory{dieAt: last}
	doc, err := run(t, dir, engine.Pipeline{Source: &numbers{n: 60}, Sink: sink, BatchSize: 5, Transforms: ordered}, journal.Document{}, engine.Options{})
	if err == nil {
		t.Fatal("the sink did not die")
	}
	sink.dieAt = -1
	if doc, err = run(t, dir, engine.Pipeline{Source: &numbers{n: 60}, Sink: sink, BatchSize: 4, Transforms: ordered}, doc, engine.Options{}); err != nil {
		t.Fatal(err)
	}
	for i, l := range outcomes(t, doc.Outcomes) {
		if (l.Outcome == "skipped" && l.Reason == "filtered") != (want[i].Outcome == "skipped") {
			t.Errorf("%d: %+v, want %+v", i, l, want[i])
		}
	}
	if !ordered[0].(*remembering).closed {
		t.Error("not closed")
	}
}

func TestAnotherSourceIsNotedOnResume(t *testing.T) {
	dir := t.TempDir()
	doc, err := run(t, dir, engine.Pipeline{Source: &printed{numbers{n: 5}, "one"}, Sink: &memory{dieAt: 3}, BatchSize: 2}, journal.Document{}, engine.Options{})
	if err == nil {
		t.Fatal("the sink did not die")
	}
	_, err = run(t, dir, engine.Pipeline{Source: &printed{numbers{n: 5}, "two"}, Sink: &memory{dieAt: -1}}, doc, engine.Options{})
	var e *pipeline.Error
	if !errors.As(err, &e) || e.Code != "run.source_changed" {
		t.Fatal(err)
	}
}

// placed is a source of some numbers that knows its place by the last of them, as one by the keys of a table.
type placed struct {
	numbers
	list []int64
}

func (s *placed) OpenAt(context.Context, []byte) error { panic("not with ordered transforms") }

func (s *placed) Next(_ context.Context, most int) (*pipeline.Batch, error) {
	b := &pipeline.Batch{}
	for ; len(b.Records) < most && s.next < len(s.list) && (s.breakAt == 0 || s.next < s.breakAt); s.next++ {
		b.Records = append(b.Records, pipeline.Record{Source: value.ObjectOf(value.Member{Name: "n", Value: s.list[s.next]})})
		b.After = strconv.AppendInt(nil, s.list[s.next], 10)
	}
	switch {
	case len(b.Records) > 0:
		return b, nil
	case s.next < len(s.list):
		return nil, &pipeline.Error{Code: "numbers.broken", Message: "the source broke"}
	}
	return nil, io.EOF
}

// What is read again for ordered transforms is counted: where it is not what it was, records would be left out.
func TestSourceThatChangedIsNotReplayed(t *testing.T) {
	list := func(n int64, without ...int64) *placed {
		s := &placed{}
		for i := range n {
			if !slices.Contains(without, i) {
				s.list = append(s.list, i)
			}
		}
		return s
	}
	for name, tt := range map[string]struct {
		source  *placed
		changed bool
	}{
		"as it was": {list(40), false}, "one fewer before": {list(40, 3), true}, "one fewer behind": {list(40, 35), false}, "fewer": {list(8), true},
	} {
		dir := t.TempDir()
		broken := list(40)
		broken.breakAt = 20
		p := engine.Pipeline{Source: broken, Sink: &memory{dieAt: -1}, BatchSize: 10, Transforms: []pipeline.Transform{&remembering{}}}
		doc, err := run(t, dir, p, journal.Document{}, engine.Options{})
		if err == nil || doc.Checkpoint.Next != 20 {
			t.Fatal(err, doc.Checkpoint)
		}
		p.Source, p.BatchSize = tt.source, 7
		doc, err = run(t, dir, p, doc, engine.Options{})
		var e *pipeline.Error
		if changed := errors.As(err, &e) && e.Code == "run.source_changed"; changed != tt.changed || !changed && err != nil {
			t.Errorf("%s: %v %+v", name, err, doc.Summary)
		}
	}
}

type printed struct {
	numbers
	fingerprint string
}

func (s *printed) Fingerprint() (string, error) { return s.fingerprint, nil }

// since is a source of the numbers from its cursor on.
type since struct {
	numbers
	start int
}

func (s *since) SetCursor(stored []byte) { s.start, _ = strconv.Atoi(string(stored)) }
func (s *since) Cursor() []byte          { return strconv.AppendInt(nil, int64(s.n), 10) }
func (s *since) Open(context.Context) error {
	s.next = s.start
	return nil
}

func TestCursorMovesWithCompletedRunsOnly(t *testing.T) {
	dir := t.TempDir()
	read := func(n int, dieAt int64, doc journal.Document) journal.Document {
		doc, _ = run(t, dir, engine.Pipeline{Source: &since{numbers: numbers{n: n}}, Sink: &memory{dieAt: dieAt}, BatchSize: 5}, doc, engine.Options{})
		return doc
	}
	for _, step := range []struct {
		n     int
		dieAt int64
		doc   journal.Document
		total int64
	}{
		{10, -1, journal.Document{Plan: true}, 10},
		{10, -1, journal.Document{Selection: journal.Selection{Limit: 4}}, 4},
		{10, -1, journal.Document{}, 10},
		{10, -1, journal.Document{}, 0},
		{30, 12, journal.Document{}, 0}, // dies in its first batch
		{30, -1, journal.Document{}, 20},
		{30, -1, journal.Document{Full: true}, 30},
		{33, -1, journal.Document{}, 3},
	} {
		if doc := read(step.n, step.dieAt, step.doc); doc.Summary.Total != step.total {
			t.Errorf("%+v: read %d, %s", step, doc.Summary.Total, doc.Status)
		}
	}
	died := read(50, 44, journal.Document{})
	if died.Status != journal.FailedStatus {
		t.Fatal(died.Status)
	}
	if doc := read(50, -1, died); doc.Summary.Total != 17 || doc.Cursor != "33" {
		t.Errorf("resumed: %d from %q", doc.Summary.Total, doc.Cursor)
	}
}

// TestRunIsNotOverBeforeItsCursorIsKept: where a run that is said to be completed dies, or fails, before it keeps its cursor, nothing brings that
// back, and the next run gives the sink everything once more.
func TestRunIsNotOverBeforeItsCursorIsKept(t *testing.T) {
	dir := t.TempDir()
	inTheWay := filepath.Join(dir, "cursors", "p.new")
	if err := os.MkdirAll(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	p := engine.Pipeline{Name: "p", Source: &since{numbers: numbers{n: 10}}, Sink: &memory{dieAt: -1}, BatchSize: 5}
	j := openJournal(t, dir)
	doc, err := engine.Run(t.Context(), j, journal.Document{}, p, engine.Options{})
	if err == nil {
		t.Fatal("a cursor was kept where there is no room for one")
	}
	if doc, err = j.Load(doc.RunID); err != nil || doc.Status != journal.FailedStatus {
		t.Fatalf("%v %s, which cannot be resumed", err, doc.Status)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if doc, err = engine.Run(t.Context(), j, doc, p, engine.Options{}); err != nil || doc.Status != journal.Completed || doc.Summary.Total != 10 {
		t.Errorf("%v %s %+v", err, doc.Status, doc.Summary)
	}
	if cursor, err := j.Cursor(doc.Pipeline); err != nil || string(cursor) != "10" {
		t.Errorf("%v %q", err, cursor)
	}
}

// growing is a source that grows while it is read.
type growing struct {
	since
	scope []byte
}

func (s *growing) Scope() []byte         { return s.scope }
func (s *growing) SetScope(scope []byte) { s.scope = scope }

func TestScopeIsNotedByTheFirstProcessThatGetsSoFar(t *testing.T) {
	j := openJournal(t, t.TempDir())
	begun, err := j.Start(journal.Document{Pipeline: "p"}, nil, func(string, any) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	begun.Close() // it died there
	resume := func(scope string, dieAt int64) journal.Document {
		doc, err := j.Load(begun.Document().RunID)
		if err != nil {
			t.Fatal(err)
		}
		source := &growing{since: since{numbers: numbers{n: 10}}, scope: []byte(scope)}
		doc, _ = engine.Run(t.Context(), j, doc, engine.Pipeline{Name: "p", Source: source, Sink: &memory{dieAt: dieAt}, BatchSize: 5}, engine.Options{})
		return doc
	}
	if doc := resume("what there was", 7); doc.Scope != "what there was" {
		t.Errorf("%q", doc.Scope)
	}
	if doc := resume("and more", -1); doc.Scope != "what there was" || doc.Status != journal.Completed {
		t.Errorf("%q %s", doc.Scope, doc.Status)
	}
}
