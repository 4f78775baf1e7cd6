package join

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"

	"github.com/usher-id/usher/internal/shelf"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

const (
	// readBatch is how many records are asked for at once.
	readBatch = 500
	// maxPartners is how many partners a record may have.
	maxPartners = 10_000
)

// joined is a source of the records of another, each with its partner.
type joined struct {
	pipeline.UnimplementedSource
	t     *Transform
	left  pipeline.Source
	table *table
	// opened says that the first source was reached for, and has to be closed.
	opened bool

	fingerprint string
	key         []byte
	// passed and sum are how many records came and what they were, so that a resumed run can tell whether it passes over the
	// same.
	passed int64
	sum    hash.Hash
	after  []byte // the first source's own position
}

// position is where a batch ended.
type position struct {
	Records int64  `json:"records"`
	Sum     []byte `json:"sum"`
	Left    []byte `json:"left,omitempty"`
}

// Check implements pipeline.Checker.
func (s *joined) Check(ctx context.Context) error {
	for _, source := range []pipeline.Source{s.left, s.t.source} {
		if c, ok := source.(pipeline.Checker); ok {
			if err := c.Check(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// Open implements pipeline.Source: it reads the second source.
func (s *joined) Open(ctx context.Context) error {
	if err := s.fill(ctx); err != nil {
		return err
	}
	s.fingerprint = hex.EncodeToString(s.table.sum.Sum(nil)[:16])
	s.passed, s.sum = 0, sha256.New()
	s.opened = true
	if err := s.left.Open(ctx); err != nil {
		return err
	}
	if f, ok := s.left.(pipeline.Fingerprinter); ok {
		first, err := f.Fingerprint()
		if err != nil {
			return err
		}
		s.fingerprint = first + " " + s.fingerprint
	}
	return nil
}

func (s *joined) fill(ctx context.Context) (err error) {
	right := s.t.source
	defer func() {
		if closing := right.Close(); err == nil {
			err = closing
		}
	}()
	if c, ok := right.(pipeline.Cursored); ok {
		c.SetCursor(nil)
	}
	if err := right.Open(ctx); err != nil {
		return err
	}
	s.table = newTable(s.t.memory)
	return s.table.fill(ctx, right, s.t.right)
}

// OpenAt implements pipeline.Resumer: what came before is read again, since only so can be told whom nobody asked for.
func (s *joined) OpenAt(ctx context.Context, after []byte) error {
	changed := &pipeline.Error{Code: "run.source_changed", Message: "the source is not what it was when the run began",
		Hint: "run the pipeline again from the start: what is done already will be unchanged"}
	var p position
	if err := json.Unmarshal(after, &p); err != nil {
		return &pipeline.Error{Code: "join.bad_position", Message: "the place to go on from cannot be read", Hint: "run the pipeline again from the start", Err: err}
	}
	if err := s.Open(ctx); err != nil {
		return err
	}
	for s.passed < p.Records {
		switch _, err := s.Next(ctx, int(min(readBatch, p.Records-s.passed))); {
		case err == io.EOF:
			return changed
		case err != nil:
			return err
		}
	}
	// The position tells where the cursor of a database was: from another one on, the next run would not see what has changed
	// among the records passed over.
	if !bytes.Equal(s.sum.Sum(nil), p.Sum) || !bytes.Equal(s.after, p.Left) {
		return changed
	}
	return nil
}

// Next implements pipeline.Source.
func (s *joined) Next(ctx context.Context, most int) (*pipeline.Batch, error) {
	b, err := s.left.Next(ctx, most)
	if err != nil {
		return nil, err
	}
	for i := range b.Records {
		r := &b.Records[i]
		s.key = s.key[:0]
		if r.Open() && r.Source != nil {
			if err := s.join(r); err != nil {
				return nil, err
			}
		}
		s.sum.Write(append(s.key, r.Ref.String()...))
	}
	s.passed += int64(len(b.Records))
	s.after = b.After
	if b.After, err = json.Marshal(position{s.passed, s.sum.Sum(nil), s.after}); err != nil {
		return nil, err
	}
	return b, nil
}

// join gives a record its partner.
func (s *joined) join(r *pipeline.Record) error {
	fields := r.Fields
	if fields == nil {
		fields = r.Source
	}
	if _, taken := fields.Get(s.t.as); taken {
		s.fail(r, "join.taken", "the record has a field of this name already; name another in the join's `as`")
		return nil
	}
	v, err := s.t.left.Eval(fields)
	if err != nil {
		r.Fail(pipeline.EvalProblem("", "join: ", err))
		return nil
	}
	key, why := appendKey(s.key, v)
	if why != "" {
		s.alone(r, fields, "no partner is looked for: its key "+why)
		return nil
	}
	s.key = key
	most := 2
	if s.t.several == several.list {
		most = maxPartners + 1
	}
	list, err := s.table.ask(key, most)
	switch {
	case err != nil:
		return err
	case len(list) == 0:
		message := "no joined record has its key"
		if kind := key[0]; len(s.table.kinds) > 0 && !s.table.kinds[kind] {
			message += fmt.Sprintf("; its key is of another kind (%s) than any of theirs: write String(…) where they are numbers", kindNames[kind])
		}
		s.alone(r, fields, message)
		return nil
	case len(list) > maxPartners:
		s.fail(r, "join.several", fmt.Sprintf("more than %d joined records have its key", maxPartners))
		return nil
	}
	partners := make([]any, len(list))
	var refs [2]string
	for i, f := range list {
		partner, err := shelf.Record(f.record)
		if err != nil {
			return temporary(err)
		}
		partners[i] = partner.Source
		if i < len(refs) {
			refs[i] = partner.Ref.String()
		}
		if i > 0 && s.t.several != several.list {
			break
		}
		for _, w := range partner.Outcome.Warnings {
			w.Field = s.t.as + "." + w.Field
			r.Warn(w)
		}
	}
	switch {
	case s.t.several == several.list:
		r.Fields = with(fields, s.t.as, partners)
		return nil
	case len(list) > 1 && s.t.several == several.fail:
		s.fail(r, "join.several", fmt.Sprintf("several joined records have its key, such as %s and %s; make the key tell them apart, or choose one with the join's `several`", refs[0], refs[1]))
		return nil
	case len(list) > 1:
		r.Warn(pipeline.Problem{Code: "join.several", Field: s.t.as, Message: fmt.Sprintf("several joined records have its key; %s is taken, %s is not", refs[0], refs[1])})
	}
	r.Fields = with(fields, s.t.as, partners[0])
	return nil
}

func (s *joined) fail(r *pipeline.Record, code, message string) {
	r.Fail(pipeline.Problem{Code: code, Field: s.t.as, Message: message})
}

// alone decides about a record without a partner.
func (s *joined) alone(r *pipeline.Record, fields *value.Object, message string) {
	p := pipeline.Problem{Code: pipeline.Unmatched, Field: s.t.as, Message: message}
	switch {
	case r.Gone: // it only names who it is
	case s.t.unmatched == unmatched.fail:
		r.Fail(p)
		return
	case s.t.unmatched == unmatched.skip:
		r.Skip(pipeline.Filtered)
	}
	r.Warn(p)
	var nothing any
	if s.t.several == several.list {
		nothing = []any{}
	}
	r.Fields = with(fields, s.t.as, nothing)
}

func with(fields *value.Object, name string, v any) *value.Object {
	o := value.NewObject(fields.Len() + 1)
	for n, e := range fields.All() {
		o.Append(n, e)
	}
	o.Append(name, v)
	return o
}

// Joins implements pipeline.Joined.
func (s *joined) Joins() []string {
	if inner, ok := s.left.(pipeline.Joined); ok {
		return append(inner.Joins(), s.t.as)
	}
	return []string{s.t.as}
}

// Leftovers implements pipeline.Joined.
func (s *joined) Leftovers(each func(join string, ref pipeline.Ref, problems []pipeline.Problem) error) error {
	if inner, ok := s.left.(pipeline.Joined); ok {
		if err := inner.Leftovers(each); err != nil {
			return err
		}
	}
	return s.table.unasked(func(ref pipeline.Ref, problems []pipeline.Problem) error { return each(s.t.as, ref, problems) })
}

// Progress implements pipeline.Measurer.
func (s *joined) Progress() (done, total int64) {
	if m, ok := s.left.(pipeline.Measurer); ok {
		return m.Progress()
	}
	return 0, 0
}

// Fingerprint implements pipeline.Fingerprinter: that of both sources.
func (s *joined) Fingerprint() (string, error) { return s.fingerprint, nil }

// SetCursor implements pipeline.Cursored.
func (s *joined) SetCursor(stored []byte) {
	if c, ok := s.left.(pipeline.Cursored); ok {
		c.SetCursor(stored)
	}
}

// Cursor implements pipeline.Cursored.
func (s *joined) Cursor() []byte {
	if c, ok := s.left.(pipeline.Cursored); ok {
		return c.Cursor()
	}
	return nil
}

// Scope implements pipeline.Scoped.
func (s *joined) Scope() []byte {
	if c, ok := s.left.(pipeline.Scoped); ok {
		return c.Scope()
	}
	return nil
}

// SetScope implements pipeline.Scoped.
func (s *joined) SetScope(scope []byte) {
	if c, ok := s.left.(pipeline.Scoped); ok {
		c.SetScope(scope)
	}
}

// Close implements pipeline.Source.
func (s *joined) Close() error {
	if s.table != nil {
		s.table.close()
	}
	if !s.opened {
		return nil
	}
	return s.left.Close()
}
