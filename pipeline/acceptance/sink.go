package acceptance

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/usher-id/usher/pipeline"
)

// Target is a place that a sink writes to.
type Target struct {
	// New makes a sink, not yet open, that writes there.
	New func() pipeline.Sink
	// Read says what is there, in an order that does not change.
	Read func() []string
	// Dir, if it is not empty, is a folder that holds all that the sink writes.
	Dir string
}

// SinkCase is what Sink tests.
type SinkCase struct {
	// Target makes an empty place. It is called many times.
	Target func(t *testing.T) Target
	// Records are what is written, as JSON objects. Four or more of them make the tests worth while. They must all be
	// accepted.
	Records []string
	// Want is what Target.Read gives when they are written.
	Want []string
	// Unopenable, if it is set, makes a sink whose Open fails.
	Unopenable func(t *testing.T) pipeline.Sink
	// Secrets are texts that no error may show.
	Secrets []string
}

// Sink tests that a sink keeps what pipeline.Sink promises.
func Sink(t *testing.T, c SinkCase) {
	t.Run("outcomes", c.outcomes)
	t.Run("decided", c.decided)
	t.Run("nothing", c.nothing)
	t.Run("again", c.again)
	t.Run("plan", c.plan)
	t.Run("resume", c.resume)
	t.Run("resume before the first commit", c.resumeBeforeCommit)
	t.Run("resume when finished", c.resumeFinished)
	t.Run("cancellation", c.cancellation)
	t.Run("check", c.check)
	if c.Unopenable != nil {
		t.Run("unopenable", c.unopenable)
	}
}

func newRun() pipeline.Run {
	return pipeline.Run{ID: fmt.Sprintf("run-%d", time.Now().UnixNano()), Pipeline: "acceptance", StartedAt: time.Now(), Secret: pipeline.IsSecret}
}

func (c SinkCase) open(t *testing.T, target Target, run pipeline.Run) pipeline.Sink {
	t.Helper()
	s := target.New()
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Open(context.Background(), run); err != nil {
		noSecrets(t, c.Secrets, "the error of Open", err.Error())
		t.Fatalf("Open: %v", err)
	}
	return s
}

// write has the sink decide records in batches, as the engine does.
func (c SinkCase) write(t *testing.T, s pipeline.Sink, list []pipeline.Record, size int) {
	t.Helper()
	for from := 0; from < len(list); from += size {
		b := &pipeline.Batch{Records: list[from:min(from+size, len(list))]}
		open := make([]bool, len(b.Records))
		for i := range b.Records {
			open[i] = b.Records[i].Open()
		}
		if p, ok := s.(pipeline.Preparer); ok {
			if err := p.Prepare(context.Background(), b); err != nil {
				t.Fatalf("Prepare: %v", err)
			}
		}
		if err := s.Write(context.Background(), b); err != nil {
			noSecrets(t, c.Secrets, "the error of Write", err.Error())
			t.Fatalf("Write: %v", err)
		}
		for i := range b.Records {
			if b.Records[i].Open() {
				t.Fatalf("Write did not decide record %d", from+i)
			}
			checkOutcome(t, &b.Records[i], c.Secrets)
			if o := b.Records[i].Outcome; open[i] && o.Decision == pipeline.Failed {
				t.Errorf("record %d failed: %v", from+i, o.Errors)
			}
		}
	}
}

func (c SinkCase) commit(t *testing.T, s pipeline.Sink) []byte {
	t.Helper()
	position, err := s.Commit(context.Background())
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return position
}

// finish ends a run and gives the files that it published.
func (c SinkCase) finish(t *testing.T, s pipeline.Sink) (published []pipeline.File) {
	t.Helper()
	c.commit(t, s)
	if err := s.Finish(context.Background()); err != nil {
		t.Fatalf("Finish: %v", err)
	}
	if p, ok := s.(pipeline.Publisher); ok {
		published = p.Published()
	}
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return published
}

// decisions says what was decided of records.
func decisions(list []pipeline.Record) []string {
	all := make([]string, len(list))
	for i := range list {
		all[i] = list[i].Outcome.Decision.String() + " " + list[i].Outcome.Reason
	}
	return all
}

func (c SinkCase) outcomes(t *testing.T) {
	watch(t)
	var first []string
	for _, size := range batchSizes {
		target := c.Target(t)
		s := c.open(t, target, newRun())
		list := records(t, c.Records)
		c.write(t, s, list, size)
		c.finish(t, s)
		equal(t, fmt.Sprintf("what is there after batches of %d", size), target.Read(), c.Want)
		for i := range list {
			r := &list[i]
			if asJSON(r.Source) != compact(t, c.Records[i]) {
				t.Errorf("the sink changed record %d", i)
			}
		}
		if first == nil {
			first = decisions(list)
		}
		equal(t, "outcomes", decisions(list), first)
	}
}

// decided tests that records which are decided already are passed over.
func (c SinkCase) decided(t *testing.T) {
	watch(t)
	target := c.Target(t)
	s := c.open(t, target, newRun())
	list := records(t, c.Records)
	var mixed []pipeline.Record
	for i := range list {
		skipped, failed := list[i], pipeline.Record{Ref: list[i].Ref, Raw: []byte("?")}
		skipped.Skip(pipeline.Filtered)
		failed.Fail(pipeline.Problem{Code: "test.unreadable", Message: "it cannot be read"})
		mixed = append(mixed, failed, skipped, list[i])
	}
	c.write(t, s, mixed, len(mixed))
	c.finish(t, s)
	equal(t, "what is there", target.Read(), c.Want)
	for i := range mixed {
		got, want := mixed[i].Outcome.Decision, [...]pipeline.Decision{pipeline.Failed, pipeline.Skipped}
		if i%3 < 2 && got != want[i%3] {
			t.Errorf("a record that was %s before is %s now", want[i%3], got)
		}
	}
}

func (c SinkCase) nothing(t *testing.T) {
	watch(t)
	target := c.Target(t)
	s := c.open(t, target, newRun())
	c.commit(t, s)
	c.finish(t, s)
	equal(t, "what is there after a run without records", target.Read(), nil)
}

// again tests that to write twice is to have once.
func (c SinkCase) again(t *testing.T) {
	watch(t)
	target := c.Target(t)
	for range 2 {
		s := c.open(t, target, newRun())
		list := records(t, c.Records)
		c.write(t, s, list, 2)
		c.finish(t, s)
		equal(t, "what is there", target.Read(), c.Want)
	}
}

func (c SinkCase) plan(t *testing.T) {
	watch(t)
	target := c.Target(t)
	for range 2 { // the target is empty the first time, and full the second
		before := snapshot(t, target)
		run := newRun()
		run.Plan = true
		s := c.open(t, target, run)
		planned := records(t, c.Records)
		c.write(t, s, planned, 2)
		c.finish(t, s)
		equal(t, "what is there after a plan", snapshot(t, target), before)

		s = c.open(t, target, newRun())
		list := records(t, c.Records)
		c.write(t, s, list, 2)
		c.finish(t, s)
		equal(t, "outcomes of a plan", decisions(planned), decisions(list))
	}
}

// snapshot says what a target is down to the last byte, as far as the case lets it.
func snapshot(t *testing.T, target Target) []string {
	t.Helper()
	if target.Dir == "" {
		return target.Read()
	}
	var list []string
	err := filepath.WalkDir(target.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			list = append(list, path)
			return err
		}
		text, err := os.ReadFile(path)
		list = append(list, fmt.Sprintf("%s %x", path, sha256.Sum256(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// resume writes a part, commits, writes more, and goes on behind the commit in another sink.
func (c SinkCase) resume(t *testing.T) {
	watch(t)
	uninterrupted := records(t, c.Records)
	s := c.open(t, c.Target(t), newRun())
	c.write(t, s, uninterrupted, 2)
	c.finish(t, s)
	for from := 1; from <= len(c.Records); from++ {
		target := c.Target(t)
		run := newRun()
		s := c.open(t, target, run)
		list := records(t, c.Records)
		c.write(t, s, list[:from], 2)
		position := slices.Clone(c.commit(t, s))
		c.write(t, s, list[from:], 2)
		if err := s.Close(); err != nil {
			t.Fatalf("Close without Finish: %v", err)
		}

		run.Resumed, run.From, run.Position = true, int64(from), position
		s = c.open(t, target, run)
		again := records(t, c.Records)[from:]
		c.write(t, s, again, 2)
		c.finish(t, s)
		equal(t, fmt.Sprintf("what is there after going on behind record %d", from), target.Read(), c.Want)
		equal(t, "outcomes of the resumed run", decisions(again), decisions(uninterrupted[from:]))
	}
}

func (c SinkCase) resumeBeforeCommit(t *testing.T) {
	watch(t)
	target := c.Target(t)
	run := newRun()
	s := c.open(t, target, run)
	c.write(t, s, records(t, c.Records)[:len(c.Records)/2], 2)
	if err := s.Close(); err != nil {
		t.Fatalf("Close without Finish: %v", err)
	}
	run.Resumed = true
	s = c.open(t, target, run)
	c.write(t, s, records(t, c.Records), 2)
	c.finish(t, s)
	equal(t, "what is there", target.Read(), c.Want)
}

// resumeFinished is a run that died between the sink's end and its own.
func (c SinkCase) resumeFinished(t *testing.T) {
	watch(t)
	target := c.Target(t)
	run := newRun()
	s := c.open(t, target, run)
	c.write(t, s, records(t, c.Records), 2)
	position := slices.Clone(c.commit(t, s))
	want := c.finish(t, s)
	run.Resumed, run.From, run.Position = true, int64(len(c.Records)), position
	s = c.open(t, target, run)
	got := c.finish(t, s)
	equal(t, "what is there", target.Read(), c.Want)
	if !slices.Equal(got, want) {
		t.Errorf("published %+v, before it died %+v", got, want)
	}
}

func (c SinkCase) cancellation(t *testing.T) {
	watch(t)
	target := c.Target(t)
	s := c.open(t, target, newRun())
	list := records(t, c.Records)
	err := inTime(t, "Write", func() error { return s.Write(cancelled(), &pipeline.Batch{Records: list}) })
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil:
		t.Errorf("Write of a cancelled context gave %v, want context.Canceled or success", err)
	case slices.ContainsFunc(list, func(r pipeline.Record) bool { return r.Open() }):
		t.Error("Write of a cancelled context gave no error, but did not decide every record")
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func (c SinkCase) check(t *testing.T) {
	watch(t)
	target := c.Target(t)
	s, ok := target.New().(pipeline.Checker)
	if !ok {
		t.Skip("the sink is no Checker")
	}
	before := snapshot(t, target)
	if err := s.Check(context.Background()); err != nil {
		t.Errorf("Check: %v", err)
	}
	equal(t, "what is there after Check", snapshot(t, target), before)
	if c.Unopenable == nil {
		return
	}
	if err := c.Unopenable(t).(pipeline.Checker).Check(context.Background()); err == nil {
		t.Error("Check does not see what Open fails for")
	} else {
		noSecrets(t, c.Secrets, "the error of Check", err.Error())
	}
}

func (c SinkCase) unopenable(t *testing.T) {
	watch(t)
	s := c.Unopenable(t)
	err := s.Open(context.Background(), newRun())
	if err == nil {
		t.Error("Open gave no error")
	} else {
		noSecrets(t, c.Secrets, "the error of Open", err.Error())
		checkError(t, err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close after Open failed: %v", err)
	}
}
