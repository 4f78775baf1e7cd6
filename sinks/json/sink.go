// Package jsonsink writes records as JSON (RFC 8259).
package jsonsink

import (
	"context"
	"strings"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sinks/files"
	"github.com/usher-id/usher/value"
)

// Type is the connector.
var Type = pipeline.SinkType{
	Spec: pipeline.Spec{
		Name:      "json",
		Summary:   "Writes a JSON file: an array, or one object a line (NDJSON).",
		Shorthand: "path",
		Doc: `Members keep their order, numbers every digit; bytes are base64, times RFC 3339. Every record is ` + "`inserted`" + `. The file
replaces one of the same name when the run has come to its end.`,
		Options: []pipeline.Option{
			files.Option(),
			{Name: "format", Type: pipeline.String, Enum: []string{"auto", "array", "ndjson"}, Default: "auto",
				Doc: "`array` or one object a line; `auto` is `ndjson` for names that end in .ndjson or .jsonl and for the standard output, else `array`."},
		},
	},
	New: func(env pipeline.Env, c *pipeline.Config) (pipeline.Sink, error) {
		path, format := files.Path(c.String("path")), c.String("format")
		if format == "auto" {
			format = "array"
			if path == "-" || strings.HasSuffix(path, ".ndjson") || strings.HasSuffix(path, ".jsonl") {
				format = "ndjson"
			}
		}
		return &Sink{out: files.NewOutput(env, path), array: format == "array"}, nil
	},
}

// Sink writes a JSON file.
type Sink struct {
	pipeline.UnimplementedSink
	out   *files.Output
	array bool
	plan  bool
}

// Check implements pipeline.Checker.
func (s *Sink) Check(ctx context.Context) error { return s.out.Check(ctx) }

// Open implements pipeline.Sink.
func (s *Sink) Open(ctx context.Context, run pipeline.Run) error {
	s.plan = run.Plan
	return s.out.Open(ctx, run)
}

// Write implements pipeline.Sink.
func (s *Sink) Write(ctx context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		if !s.plan {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.write(r); err != nil {
				return err
			}
		}
		r.Outcome.Decision = pipeline.Inserted
	}
	return nil
}

func (s *Sink) write(r *pipeline.Record) error {
	first := !s.out.Begun()
	buf := s.out.Buffer()
	switch {
	case !s.array:
	case first:
		buf = append(buf, "[\n"...)
	default:
		buf = append(buf, ",\n"...)
	}
	buf = value.AppendJSON(buf, r.Fields)
	if !s.array {
		buf = append(buf, '\n')
	}
	return s.out.Write(buf)
}

// Commit implements pipeline.Sink: the position is that of the file.
func (s *Sink) Commit(context.Context) ([]byte, error) {
	if s.plan {
		return nil, nil
	}
	return s.out.Commit()
}

// Finish implements pipeline.Sink.
func (s *Sink) Finish(context.Context) error {
	if s.plan {
		return nil
	}
	end := ""
	if s.array {
		if end = "\n]\n"; !s.out.Begun() {
			end = "[]\n"
		}
	}
	return s.out.Finish([]byte(end))
}

// Published implements pipeline.Publisher.
func (s *Sink) Published() []pipeline.File { return s.out.Published() }

// Close implements pipeline.Sink.
func (s *Sink) Close() error { return s.out.Close() }
