package acceptance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// TransformCase is what Transform tests.
type TransformCase struct {
	// New makes the transform. It is called many times.
	New func(t *testing.T) pipeline.Transform
	// Records are what the source gave, as JSON objects. Four or more of them make the tests worth while.
	Records []string
	// Want says for every record what becomes of it: its fields as JSON, "skipped: filtered", or "failed: " and the codes
	// of its errors with a comma and a space between them.
	Want []string
	// Secrets are texts that no error may show.
	Secrets []string
}

// Transform tests that a transform keeps what pipeline.Transform promises.
func Transform(t *testing.T, c TransformCase) {
	if len(c.Want) != len(c.Records) {
		t.Fatalf("the case has %d records but says of %d what becomes of them", len(c.Records), len(c.Want))
	}
	t.Run("results", c.results)
	t.Run("decided", c.decided)
	t.Run("side by side", c.sideBySide)
	t.Run("cancellation", c.cancellation)
}

// began makes the transform, opened if it is an Ordered one, and what closes it.
func (c TransformCase) began(t *testing.T) (pipeline.Transform, func()) {
	t.Helper()
	transform := c.New(t)
	if o, ok := transform.(pipeline.Ordered); ok {
		if err := o.Ordered(context.Background()); err != nil {
			t.Fatalf("Ordered: %v", err)
		}
	}
	return transform, func() {
		if o, ok := transform.(io.Closer); ok {
			if err := o.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	}
}

// became says what became of a record, in the words of Want.
func became(r *pipeline.Record) string {
	switch r.Outcome.Decision {
	case pipeline.Undecided:
		return asJSON(r.Fields)
	case pipeline.Skipped:
		return "skipped: " + r.Outcome.Reason
	}
	s := r.Outcome.Decision.String() + ":"
	for i, p := range r.Outcome.Errors {
		if i > 0 {
			s += ","
		}
		s += " " + p.Code
	}
	return s
}

func (c TransformCase) results(t *testing.T) {
	watch(t)
	for _, size := range batchSizes {
		transform, end := c.began(t)
		list := records(t, c.Records)
		before := make([]*value.Object, len(list))
		for i := range list {
			before[i] = list[i].Fields
		}
		for from := 0; from < len(list); from += size {
			b := &pipeline.Batch{Records: list[from:min(from+size, len(list))]}
			n := len(b.Records)
			if err := transform.Apply(context.Background(), b); err != nil {
				t.Fatalf("Apply: %v", err)
			}
			if len(b.Records) != n {
				t.Fatalf("a batch of %d records has %d behind the transform", n, len(b.Records))
			}
		}
		if err := transform.Apply(context.Background(), &pipeline.Batch{}); err != nil {
			t.Errorf("Apply of an empty batch: %v", err)
		}
		end()
		got := make([]string, len(list))
		for i := range list {
			r := &list[i]
			checkOutcome(t, r, c.Secrets)
			got[i] = became(r)
			if r.Index != int64(i) || r.Ref.Line != int64(i+1) {
				t.Errorf("record %d became number %d with the place %s", i, r.Index, r.Ref)
			}
			if r.Source != before[i] || asJSON(before[i]) != compact(t, c.Records[i]) {
				t.Errorf("record %d: the source's values were changed in place to %s", i, asJSON(before[i]))
			}
		}
		equal(t, fmt.Sprintf("records in batches of %d", size), got, c.Want)
	}
}

func compact(t *testing.T, text string) string { return asJSON(records(t, []string{text})[0].Source) }

// decided tests that records which are decided already are passed over.
func (c TransformCase) decided(t *testing.T) {
	watch(t)
	transform, end := c.began(t)
	defer end()
	list := records(t, c.Records)
	unreadable := pipeline.Record{Ref: pipeline.Ref{Origin: "case", Line: 1}, Raw: []byte("?")}
	unreadable.Fail(pipeline.Problem{Code: "test.unreadable", Message: "it cannot be read"})
	list = append(list, unreadable)
	for i := range list[:len(list)-1] {
		if i%2 == 0 {
			list[i].Skip(pipeline.Filtered)
		} else {
			list[i].Fail(pipeline.Problem{Code: "test.failed", Message: "it failed before"})
		}
	}
	if err := transform.Apply(context.Background(), &pipeline.Batch{Records: list}); err != nil {
		t.Fatalf("Apply: %v", err)
	}
	for i := range list {
		r := &list[i]
		want := "skipped: filtered"
		if i == len(list)-1 {
			want = "failed: test.unreadable"
		} else if i%2 == 1 {
			want = "failed: test.failed"
		}
		if got := became(r); got != want || r.Fields != r.Source {
			t.Errorf("record %d was decided already (%s), but was touched: %s", i, want, got)
		}
	}
}

// sideBySide tests that batches can be handled at once; the race detector sees to the rest.
func (c TransformCase) sideBySide(t *testing.T) {
	watch(t)
	transform, end := c.began(t)
	defer end()
	if _, ok := transform.(pipeline.Ordered); ok {
		t.Skip("an Ordered transform is given one batch at a time")
	}
	var group sync.WaitGroup
	for range 8 {
		list := records(t, c.Records)
		group.Go(func() {
			if err := transform.Apply(context.Background(), &pipeline.Batch{Records: list}); err != nil {
				t.Errorf("Apply: %v", err)
			}
			for i := range list {
				if got := became(&list[i]); got != c.Want[i] {
					t.Errorf("record %d, beside other batches, became %s and not %s", i, got, c.Want[i])
				}
			}
		})
	}
	group.Wait()
}

func (c TransformCase) cancellation(t *testing.T) {
	watch(t)
	transform, end := c.began(t)
	defer end()
	list := records(t, c.Records)
	err := inTime(t, "Apply", func() error { return transform.Apply(cancelled(), &pipeline.Batch{Records: list}) })
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Apply of a cancelled context gave %v, want context.Canceled or success", err)
	}
}
