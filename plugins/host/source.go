package host

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/internal/wire"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

// readAhead is how many batches a plugin is asked for before they are needed.
const readAhead = 4

type readStream = stream[pb.ReadRequest, pb.ReadResponse]

// source is a source in a plugin.
type source struct {
	pipeline.UnimplementedSource
	p        *running
	instance *pb.Instance
	resumes  bool

	stream      *readStream
	fingerprint string
	cursor      []byte // for the plugin
	newCursor   []byte // from the plugin
	done, total atomic.Int64

	// Where a source that died is to go on: after the last position, or without one after as many records as were given since the start.
	resume bool
	after  []byte
	given  int64
	pass   int64

	asked  []int // how many records were asked for, and have not come yet
	ended  bool
	parts  wire.Parts
	spare  []pipeline.Record // of a batch that is larger than asked for
	spared []byte            // its position
}

func newSource(p *running, instance *pb.Instance, abilities []pb.Ability) pipeline.Source {
	has := func(a pb.Ability) bool { return slices.Contains(abilities, a) }
	s := &source{p: p, instance: instance, resumes: has(pb.Ability_ABILITY_RESUME)}
	r, f, c := resumer{s}, fingerprinter{s}, cursored{s}
	resumes, fingerprints, cursors := s.resumes, has(pb.Ability_ABILITY_FINGERPRINT), has(pb.Ability_ABILITY_CURSOR)
	switch {
	case resumes && fingerprints && cursors:
		return struct {
			*source
			resumer
			fingerprinter
			cursored
		}{s, r, f, c}
	case resumes && fingerprints:
		return struct {
			*source
			resumer
			fingerprinter
		}{s, r, f}
	case resumes && cursors:
		return struct {
			*source
			resumer
			cursored
		}{s, r, c}
	case fingerprints && cursors:
		return struct {
			*source
			fingerprinter
			cursored
		}{s, f, c}
	case resumes:
		return struct {
			*source
			resumer
		}{s, r}
	case fingerprints:
		return struct {
			*source
			fingerprinter
		}{s, f}
	case cursors:
		return struct {
			*source
			cursored
		}{s, c}
	}
	return s
}

// The abilities that only some sources have.
type (
	resumer       struct{ s *source }
	fingerprinter struct{ s *source }
	cursored      struct{ s *source }
)

// OpenAt implements pipeline.Resumer.
func (r resumer) OpenAt(ctx context.Context, after []byte) error {
	r.s.resume, r.s.after = true, after
	return r.s.Open(ctx)
}

// Fingerprint implements pipeline.Fingerprinter.
func (f fingerprinter) Fingerprint() (string, error) { return f.s.fingerprint, nil }

// SetCursor implements pipeline.Cursored.
func (c cursored) SetCursor(stored []byte) { c.s.cursor = stored }

// Cursor implements pipeline.Cursored.
func (c cursored) Cursor() []byte { return c.s.newCursor }

// Progress implements pipeline.Measurer.
func (s *source) Progress() (done, total int64) { return s.done.Load(), s.total.Load() }

// Check implements pipeline.Checker.
func (s *source) Check(ctx context.Context) error {
	return s.p.check(ctx, pb.Kind_KIND_SOURCE, s.instance)
}

// Open implements pipeline.Source.
func (s *source) Open(ctx context.Context) error {
	return s.p.try(ctx, s.open)
}

func (s *source) open(ctx context.Context, process *process) error {
	s.stream.close()
	var err error
	if s.stream, err = converse(process, readAhead, pb.NewSourceServiceClient(process.conn).Read); err != nil {
		return err
	}
	s.asked, s.parts = s.asked[:0], wire.Parts{}
	open := &pb.OpenSource{Instance: s.instance, Resume: s.resume, After: s.after, Cursor: s.cursor}
	if err := s.stream.say(ctx, &pb.ReadRequest{Request: &pb.ReadRequest_Open{Open: open}}); err != nil {
		return err
	}
	answer, err := s.stream.hear(ctx)
	if err != nil {
		return err
	}
	switch r := answer.GetResponse().(type) {
	case *pb.ReadResponse_Opened:
		now := r.Opened.GetFingerprint()
		if s.fingerprint != "" && now != s.fingerprint {
			return &pipeline.Error{Code: "run.source_changed", Message: "the plugin " + s.p.Name + " died, and its source is not what it was before",
				Hint: "run the pipeline again from the start: what is done already will be unchanged"}
		}
		s.fingerprint = now
		return nil
	case *pb.ReadResponse_Failure:
		return s.p.failure(r.Failure)
	}
	return s.p.confused("opened")
}

// confused says that a plugin answered something that makes no sense there.
func (p *running) confused(want string) error {
	return pluginError("plugin.bad_answer", p.Plugin, fmt.Sprintf("did not answer with %s where the protocol asks for it", want), "this is a defect of the plugin")
}

// Next implements pipeline.Source.
func (s *source) Next(ctx context.Context, max int) (*pipeline.Batch, error) {
	if len(s.spare) > 0 {
		return s.split(max), nil
	}
	if s.ended {
		return nil, io.EOF
	}
	var b *pipeline.Batch
	err := s.p.try(ctx, func(ctx context.Context, process *process) (err error) {
		if !s.stream.with(process) {
			if err := s.again(ctx, process); err != nil {
				return err
			}
		}
		for {
			b, err = s.next(ctx, max)
			if err != nil || s.pass == 0 {
				return err
			}
			// Records that were given already, by a source that cannot go on from a position.
			n := min(s.pass, int64(len(b.Records)))
			s.pass -= n
			if b.Records = b.Records[n:]; len(b.Records) > 0 {
				return nil
			}
		}
	})
	if err != nil {
		if err == io.EOF {
			s.ended = true
		}
		return nil, err
	}
	s.given += int64(len(b.Records))
	if s.resumes && b.After != nil {
		s.resume, s.after, s.given = true, b.After, 0
	}
	if len(b.Records) > max {
		s.spare, s.spared = b.Records, b.After
		return s.split(max), nil
	}
	return b, nil
}

// again opens a source whose process died, where the records that were given end.
func (s *source) again(ctx context.Context, process *process) error {
	s.pass = s.given
	return s.open(ctx, process)
}

// split gives a part of a batch that is larger than asked for. Only behind its end is its position.
func (s *source) split(max int) *pipeline.Batch {
	b := &pipeline.Batch{Records: s.spare[:min(max, len(s.spare))]}
	if s.spare = s.spare[len(b.Records):]; len(s.spare) == 0 {
		b.After, s.spare, s.spared = s.spared, nil, nil
	}
	return b
}

func (s *source) next(ctx context.Context, max int) (*pipeline.Batch, error) {
	for len(s.asked) < readAhead {
		if err := s.stream.say(ctx, &pb.ReadRequest{Request: &pb.ReadRequest_Next{Next: &pb.NextBatch{Max: uint32(max)}}}); err != nil {
			return nil, err
		}
		s.asked = append(s.asked, max)
	}
	for {
		answer, err := s.stream.hear(ctx)
		if err != nil {
			return nil, err
		}
		switch r := answer.GetResponse().(type) {
		case *pb.ReadResponse_Batch:
			whole, done, err := s.parts.Add(r.Batch.GetRecords(), r.Batch.GetLast())
			if err != nil {
				return nil, s.p.garbled(err)
			}
			if !done {
				continue
			}
			s.asked = s.asked[1:]
			records, err := wire.ReadSources(whole)
			if err != nil {
				return nil, s.p.garbled(err)
			}
			if len(records) == 0 {
				return nil, s.p.garbled(fmt.Errorf("a batch without records"))
			}
			s.done.Store(r.Batch.GetDone())
			s.total.Store(r.Batch.GetTotal())
			b := &pipeline.Batch{Records: records}
			if s.resumes {
				b.After = r.Batch.GetAfter()
			}
			return b, nil
		case *pb.ReadResponse_End:
			s.newCursor = r.End.GetCursor()
			return nil, io.EOF
		case *pb.ReadResponse_Failure:
			return nil, s.p.failure(r.Failure)
		default:
			return nil, s.p.confused("batch, end or failure")
		}
	}
}

// garbled says that a plugin sent something that cannot be read.
func (p *running) garbled(err error) error {
	return pluginError("plugin.bad_answer", p.Plugin, "sent a batch that cannot be used: "+err.Error(), "this is a defect of the plugin")
}

// Close implements pipeline.Source.
func (s *source) Close() error {
	s.stream.close()
	s.stream = nil
	return nil
}
