package acceptance

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/usher-id/usher/pipeline"
)

// FailedRecord stands in SourceCase.Want for a record that cannot be read.
const FailedRecord = "failed"

// SourceCase is what Source tests.
type SourceCase struct {
	// New makes the source, not yet open. It is called many times and gives a source of the same records every time.
	New func(t *testing.T) pipeline.Source
	// Want are the records in order, each as JSON without white space between tokens, or FailedRecord. Four or more of
	// them make the tests worth while.
	Want []string
	// Unopenable, if it is set, makes a source whose Open fails.
	Unopenable func(t *testing.T) pipeline.Source
	// Secrets are texts that no error may show.
	Secrets []string
}

// Source tests that a source keeps what pipeline.Source and the abilities that it has beside it promise.
func Source(t *testing.T, c SourceCase) {
	t.Run("order", c.order)
	t.Run("end", c.end)
	t.Run("cancellation", c.cancellation)
	t.Run("close", c.close)
	t.Run("check", c.check)
	t.Run("fingerprint", c.fingerprint)
	t.Run("progress", c.progress)
	t.Run("resume", c.resume)
	t.Run("rejects", c.rejects)
	if c.Unopenable != nil {
		t.Run("unopenable", c.unopenable)
	}
}

func (c SourceCase) opened(t *testing.T) pipeline.Source {
	t.Helper()
	s := c.New(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if err := s.Open(context.Background()); err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

// drain reads s to its end in batches of at most max records, and has see look at each.
func (c SourceCase) drain(t *testing.T, s pipeline.Source, max int, see func(*pipeline.Batch)) []pipeline.Record {
	t.Helper()
	var all []pipeline.Record
	for {
		b, err := s.Next(context.Background(), max)
		if err == io.EOF {
			return all
		}
		if err != nil {
			noSecrets(t, c.Secrets, "the error of Next", err.Error())
			t.Fatalf("Next after %d records: %v", len(all), err)
		}
		if n := len(b.Records); n == 0 || n > max {
			t.Fatalf("Next(%d) gave %d records", max, n)
		}
		for i := range b.Records {
			r := &b.Records[i]
			checkOutcome(t, r, c.Secrets)
			switch {
			case r.Ref.Origin == "" || r.Ref.Line <= 0 && r.Ref.Key == "":
				t.Errorf("record %d has no place: %+v", len(all)+i, r.Ref)
			case r.Source == nil && r.Outcome.Decision != pipeline.Failed:
				t.Errorf("record %s has neither values nor failed", r.Ref)
			case r.Outcome.Decision != pipeline.Failed && r.Outcome.Decision != pipeline.Undecided:
				t.Errorf("record %s is decided by the source: %s", r.Ref, r.Outcome.Decision)
			}
		}
		if see != nil {
			see(b)
		}
		all = append(all, b.Records...)
		if len(all) > len(c.Want)+1000 {
			t.Fatalf("there are more and more records, %d were expected", len(c.Want))
		}
	}
}

// texts shows records as Want does.
func texts(records []pipeline.Record) []string {
	list := make([]string, len(records))
	for i := range records {
		if list[i] = FailedRecord; records[i].Outcome.Decision != pipeline.Failed {
			list[i] = asJSON(records[i].Source)
		}
	}
	return list
}

func places(records []pipeline.Record) []string {
	list := make([]string, len(records))
	for i := range records {
		list[i] = records[i].Ref.String()
	}
	return list
}

// batchSizes are those that the tests read and write by.
var batchSizes = []int{1, 2, 3, 7, 1000}

func (c SourceCase) order(t *testing.T) {
	watch(t)
	var refs []string
	for _, size := range batchSizes {
		s := c.opened(t)
		all := c.drain(t, s, size, nil)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		// Records outlive the batch and the source: none may share memory that is used again.
		equal(t, "records", texts(all), c.Want)
		if refs == nil {
			refs = places(all)
		}
		equal(t, "places", places(all), refs)
	}
}

func (c SourceCase) end(t *testing.T) {
	watch(t)
	s := c.opened(t)
	c.drain(t, s, 5, nil)
	for range 3 {
		if b, err := s.Next(context.Background(), 5); err != io.EOF || b != nil {
			t.Fatalf("behind the end Next gave %v, %v; io.EOF was to be expected again", b, err)
		}
	}
}

func (c SourceCase) cancellation(t *testing.T) {
	watch(t)
	s := c.opened(t)
	ctx, cancel := context.WithCancel(context.Background())
	if len(c.Want) > 0 {
		if _, err := s.Next(ctx, 1); err != nil {
			t.Fatalf("Next: %v", err)
		}
	}
	cancel()
	err := inTime(t, "Next", func() error {
		for range len(c.Want) + 1 {
			if _, err := s.Next(ctx, 1); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Next of a cancelled context gave %v, want context.Canceled", err)
	}

	late := c.New(t)
	if err := inTime(t, "Open", func() error { return late.Open(cancelled()) }); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Open of a cancelled context gave %v, want context.Canceled or success", err)
	}
	if err := late.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func (c SourceCase) close(t *testing.T) {
	watch(t)
	s := c.New(t)
	if err := s.Open(context.Background()); err != nil {
		t.Fatalf("Open: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close before the end: %v", err)
		}
	}
}

func (c SourceCase) unopenable(t *testing.T) {
	watch(t)
	s := c.Unopenable(t)
	err := s.Open(context.Background())
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

func checkError(t *testing.T, err error) {
	t.Helper()
	var e *pipeline.Error
	if !errors.As(err, &e) || e.Code == "" || e.Message == "" {
		t.Errorf("%q is no *pipeline.Error with a code and a message", err)
	}
}

func (c SourceCase) check(t *testing.T) {
	watch(t)
	s, ok := c.New(t).(pipeline.Checker)
	if !ok {
		t.Skip("the source is no Checker")
	}
	if err := s.Check(context.Background()); err != nil {
		t.Errorf("Check: %v", err)
	}
	if c.Unopenable == nil {
		return
	}
	if err := c.Unopenable(t).(pipeline.Checker).Check(context.Background()); err == nil {
		t.Error("Check does not see what Open fails for")
	} else {
		noSecrets(t, c.Secrets, "the error of Check", err.Error())
	}
}

func (c SourceCase) fingerprint(t *testing.T) {
	watch(t)
	var first string
	for i := range 2 {
		s, ok := c.opened(t).(pipeline.Fingerprinter)
		if !ok {
			t.Skip("the source is no Fingerprinter")
		}
		now, err := s.Fingerprint()
		if err != nil || now == "" {
			t.Fatalf("Fingerprint gave %q, %v", now, err)
		}
		if i > 0 && now != first {
			t.Errorf("the fingerprint was %s and is %s, though nothing changed", first, now)
		}
		first = now
		noSecrets(t, c.Secrets, "the fingerprint", now)
	}
}

func (c SourceCase) progress(t *testing.T) {
	watch(t)
	s := c.opened(t)
	m, ok := s.(pipeline.Measurer)
	if !ok {
		t.Skip("the source is no Measurer")
	}
	// The engine asks at any time, also during Next: the race detector sees to that.
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				m.Progress()
			}
		}
	}()
	last := int64(0)
	c.drain(t, s, 2, func(*pipeline.Batch) {
		done, total := m.Progress()
		if done < last || total > 0 && done > total {
			t.Errorf("progress went from %d to %d of %d", last, done, total)
		}
		last = done
	})
	close(stop)
	<-stopped
	if done, total := m.Progress(); total > 0 && done != total {
		t.Errorf("at the end the progress is %d of %d", done, total)
	}
}

func (c SourceCase) resume(t *testing.T) {
	watch(t)
	if _, ok := c.New(t).(pipeline.Resumer); !ok {
		t.Skip("the source is no Resumer")
	}
	for _, size := range []int{1, 3} {
		whole := c.drain(t, c.opened(t), size, nil)
		var after [][]byte
		var counts []int
		n := 0
		c.drain(t, c.opened(t), size, func(b *pipeline.Batch) {
			n += len(b.Records)
			after, counts = append(after, b.After), append(counts, n)
		})
		for i, position := range after {
			if position == nil {
				t.Fatal("a batch of a Resumer has no position After")
			}
			s := c.New(t)
			t.Cleanup(func() { _ = s.Close() })
			if err := s.(pipeline.Resumer).OpenAt(context.Background(), position); err != nil {
				t.Fatalf("OpenAt behind record %d: %v", counts[i], err)
			}
			rest := c.drain(t, s, size, nil)
			equal(t, "records behind the position", texts(rest), texts(whole[counts[i]:]))
			equal(t, "places behind the position", places(rest), places(whole[counts[i]:]))
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	}
}

func (c SourceCase) rejects(t *testing.T) {
	watch(t)
	s := c.opened(t)
	r, ok := s.(pipeline.Rejecter)
	if !ok {
		t.Skip("the source is no Rejecter")
	}
	extension := r.RejectsExtension()
	all := c.drain(t, s, 3, nil)
	if r.RejectsExtension() != extension || filepath.Ext("x"+extension) != extension {
		t.Errorf("the extension of rejects is %q and was %q", r.RejectsExtension(), extension)
	}
	if len(all) == 0 {
		return
	}
	// Once all records, once every second.
	for step := 1; step <= 2; step++ {
		var text []byte
		var want []pipeline.Record
		for i := 0; i < len(all); i += step {
			text = r.AppendReject(text, int64(len(want)), &all[i])
			want = append(want, all[i])
		}
		text = append(text, r.RejectsEnd(int64(len(want)))...)
		path := filepath.Join(t.TempDir(), "rejects"+extension)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		again := r.ReadRejects(path)
		t.Cleanup(func() { _ = again.Close() })
		if err := again.Open(context.Background()); err != nil {
			t.Fatalf("rejects cannot be opened: %v\n%s", err, text)
		}
		equal(t, "rejects read again", texts(c.drain(t, again, 3, nil)), texts(want))
		if err := again.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}
