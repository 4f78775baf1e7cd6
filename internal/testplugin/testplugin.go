// Package testplugin is a plugin for tests: a source, a transform, a sink and a hasher that do what they should, and many ways not to.
package testplugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/sdk"
	"github.com/usher-id/usher/value"
)

// Serve serves the parts, after it has done what the mode asks for.
func Serve() {
	misbehave()
	sdk.Serve(sdk.Source(Count), sdk.Transform(Mark), sdk.Transform(Number), sdk.Sink(Lines), sdk.Hasher(Shout))
}

// Count is a source of numbered records.
var Count = pipeline.SourceType{
	Spec: pipeline.Spec{
		Name: "count", Summary: "Gives numbered records.", Shorthand: "records",
		Options: []pipeline.Option{
			{Name: "records", Type: pipeline.Int, Required: true, Doc: "How many.", Example: "10"},
			{Name: "token", Type: pipeline.String, Secret: true, Doc: "A secret that every record has.", Example: "${TOKEN}"},
			{Name: "size", Type: pipeline.Size, Default: "0", Doc: "Bytes that every record has beside."},
		},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
		if c.Int("records") < 0 {
			return nil, &pipeline.OptionError{Option: "records", Message: "must not be negative"}
		}
		return &count{end: c.Int("records"), token: c.String("token"), filler: string(bytes.Repeat([]byte("x"), int(c.Int("size"))))}, nil
	},
}

type count struct {
	pipeline.UnimplementedSource
	next, end     int64
	token, filler string
}

// Open implements pipeline.Source.
func (*count) Open(context.Context) error { return nil }

// OpenAt implements pipeline.Resumer.
func (s *count) OpenAt(_ context.Context, after []byte) (err error) {
	s.next, err = strconv.ParseInt(string(after), 10, 64)
	return err
}

// Fingerprint implements pipeline.Fingerprinter.
func (s *count) Fingerprint() (string, error) { return fmt.Sprint(s.end), nil }

// Progress implements pipeline.Measurer.
func (s *count) Progress() (done, total int64) { return s.next, s.end }

// Next implements pipeline.Source.
func (s *count) Next(ctx context.Context, max int) (*pipeline.Batch, error) {
	b := &pipeline.Batch{}
	for ; len(b.Records) < max && s.next < s.end; s.next++ {
		dieAt("source", s.next)
		o := value.ObjectOf(value.Member{Name: "n", Value: s.next}, value.Member{Name: "name", Value: fmt.Sprintf("user %d", s.next)})
		if s.token != "" {
			o.Set("token", value.Secret(s.token))
		}
		if s.filler != "" {
			o.Set("filler", s.filler)
		}
		b.Records = append(b.Records, pipeline.Record{Ref: pipeline.Ref{Origin: "count", Line: s.next + 1}, Source: o})
	}
	if len(b.Records) == 0 {
		return nil, io.EOF
	}
	b.After = strconv.AppendInt(nil, s.next, 10)
	return b, ctx.Err()
}

// Mark is a transform that adds a field.
var Mark = pipeline.TransformType{
	Spec: pipeline.Spec{
		Name: "mark", Summary: "Adds a field.",
		Options: []pipeline.Option{
			{Name: "field", Type: pipeline.String, Doc: "Its name; nothing is changed without one.", Example: "seen"},
			{Name: "if", Type: pipeline.Expression, Doc: "Other records are left out.", Example: "user.n > 1"},
		},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Transform, error) { return &mark{config: c}, nil },
}

type mark struct {
	pipeline.UnimplementedTransform
	config *pipeline.Config
}

// Apply implements pipeline.Transform.
func (t *mark) Apply(_ context.Context, b *pipeline.Batch) error {
	field, condition := t.config.String("field"), t.config.Expression("if")
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		dieAt("transform", r.Index)
		if condition != nil {
			v, err := condition.Eval(r.Fields)
			if err != nil {
				r.Fail(pipeline.Problem{Code: "mark.failed", Message: err.Error()})
				continue
			}
			if v != true {
				r.Skip(pipeline.Filtered)
				continue
			}
		}
		if field != "" {
			r.Fields = r.Fields.Clone()
			r.Fields.Set(field, true)
		}
	}
	return nil
}

// Number is a transform that remembers how many records it has seen.
var Number = pipeline.TransformType{
	Spec: pipeline.Spec{Name: "number", Summary: "Numbers the records."},
	New:  func(pipeline.Env, *pipeline.Config) (pipeline.Transform, error) { return &number{}, nil },
}

type number struct {
	pipeline.UnimplementedTransform
	seen int64
}

// Ordered implements pipeline.Ordered.
func (*number) Ordered(context.Context) error { return nil }

// Close implements pipeline.Ordered.
func (*number) Close() error { return nil }

// Apply implements pipeline.Transform.
func (t *number) Apply(_ context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		dieAt("transform", r.Index)
		t.seen++
		r.Fields = r.Fields.Clone()
		r.Fields.Set("number", t.seen)
	}
	return nil
}

// Lines is a sink that writes JSON lines. What is not committed is lost with it.
var Lines = pipeline.SinkType{
	Spec: pipeline.Spec{
		Name: "lines", Summary: "Writes JSON lines.",
		Options: []pipeline.Option{{Name: "path", Type: pipeline.Path, Required: true, Doc: "The file.", Example: "out.ndjson"}},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Sink, error) {
		return &lines{path: c.String("path")}, nil
	},
}

type lines struct {
	pipeline.UnimplementedSink
	path    string
	plan    bool
	file    *os.File
	pending []byte
	size    int64
}

// Open implements pipeline.Sink.
func (s *lines) Open(_ context.Context, run pipeline.Run) (err error) {
	if s.plan = run.Plan; s.plan {
		return nil
	}
	if s.file, err = os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return &pipeline.Error{Code: "lines.no_file", Message: "the file cannot be opened: " + err.Error(), Hint: "make its folder", Unreachable: true}
	}
	if run.Position != nil {
		if s.size, err = strconv.ParseInt(string(run.Position), 10, 64); err != nil {
			return err
		}
	}
	if err := s.file.Truncate(s.size); err != nil {
		return err
	}
	_, err = s.file.Seek(s.size, io.SeekStart)
	return err
}

// Check implements pipeline.Checker.
func (s *lines) Check(context.Context) error {
	info, err := os.Stat(s.path + "/..")
	if err != nil || !info.IsDir() {
		if _, err := os.Stat(dirOf(s.path)); err != nil {
			return &pipeline.Error{Code: "lines.no_folder", Message: "there is no folder for the file", Unreachable: true}
		}
	}
	return nil
}

func dirOf(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '/' {
			return path[:i]
		}
	}
	return "."
}

// Write implements pipeline.Sink.
func (s *lines) Write(ctx context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		dieAt("sink", r.Index)
		s.pending = append(value.AppendJSON(s.pending, r.Fields), '\n')
		r.Outcome.Decision, r.Outcome.UserID = pipeline.Inserted, fmt.Sprint("id-", r.Index)
	}
	return ctx.Err()
}

// Commit implements pipeline.Sink.
func (s *lines) Commit(context.Context) ([]byte, error) {
	if s.plan {
		return nil, nil
	}
	n, err := s.file.Write(s.pending)
	s.size += int64(n)
	s.pending = s.pending[:0]
	return strconv.AppendInt(nil, s.size, 10), err
}

// Close implements pipeline.Sink.
func (s *lines) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// Shout is a hasher: the password in capitals, which nobody should copy.
var Shout = sdk.HasherType{
	HasherSpec: password.HasherSpec{
		Name: "shout", Summary: "The password in capitals.", Layout: "$shout$<password>", Pattern: `\$shout\$.*`,
		Samples: []password.Sample{{Encoded: "$shout$HELLO", Password: []byte("hello")}},
	},
	Options: []pipeline.Option{{Name: "end", Type: pipeline.String, Default: "", Doc: "What stands at the end.", Example: "end"}},
	New: func(_ pipeline.Env, c *pipeline.Config) (password.Hasher, error) {
		return &shout{end: c.String("end")}, nil
	},
}

type shout struct {
	password.UnimplementedHasher
	end string
}

// Verify implements password.Hasher.
func (h *shout) Verify(_ context.Context, encoded string, plain []byte, _ password.Context) password.Result {
	dieAt("hasher", int64(len(plain)))
	if encoded == "$shout$"+string(bytes.ToUpper(plain)) || encoded == "$shout$"+string(bytes.ToUpper(plain))+h.end {
		return password.Result{Outcome: password.Match}
	}
	return password.Result{Outcome: password.Mismatch}
}

// Hash implements password.Maker.
func (h *shout) Hash(_ context.Context, plain []byte, _ password.Context) (string, error) {
	return "$shout$" + string(bytes.ToUpper(plain)) + h.end, nil
}
