package host

import (
	"context"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/internal/wire"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

type writeStream = stream[pb.WriteRequest, pb.WriteResponse]

// sink is a sink in a plugin.
type sink struct {
	pipeline.UnimplementedSink
	p        *running
	instance *pb.Instance
	run      pipeline.Run
	stream   *writeStream

	// What was written since the last commit: a process that dies may not have kept it, so that the next one is sent it again.
	from    int64 // index of the first record
	end     int64 // and of the one after the last
	written [][]byte
	counts  []int
}

// checkedSink is a sink that can tell whether it would open.
type checkedSink struct{ *sink }

// Check implements pipeline.Checker.
func (s *checkedSink) Check(ctx context.Context) error {
	return s.p.check(ctx, pb.Kind_KIND_SINK, s.instance)
}

// remover is the ability of a sink that is given records that are gone. Whether its policy is to do anything, the plugin knows.
type remover struct{}

// Removes implements pipeline.Remover.
func (remover) Removes() bool { return true }

// Open implements pipeline.Sink.
func (s *sink) Open(ctx context.Context, run pipeline.Run) error {
	s.run, s.from = run, -1
	return s.p.try(ctx, func(ctx context.Context, process *process) error { return s.open(ctx, process, run) })
}

func (s *sink) open(ctx context.Context, process *process, run pipeline.Run) error {
	s.stream.close()
	var err error
	if s.stream, err = converse(process, 1, pb.NewSinkServiceClient(process.conn).Write); err != nil {
		return err
	}
	answer, err := s.ask(ctx, &pb.WriteRequest{Request: &pb.WriteRequest_Open{Open: &pb.OpenSink{
		Instance: s.instance, RunId: run.ID, Pipeline: run.Pipeline, StartedAt: run.StartedAt.UnixNano(), Attempt: uint32(run.Attempt), Plan: run.Plan,
		Resumed: run.Resumed, From: run.From, Position: run.Position,
	}}})
	if err == nil && answer.GetOpened() == nil {
		err = s.p.confused("opened")
	}
	return err
}

// ask sends a request and gives the answer to it.
func (s *sink) ask(ctx context.Context, q *pb.WriteRequest) (*pb.WriteResponse, error) {
	if err := s.stream.say(ctx, q); err != nil {
		return nil, err
	}
	answer, err := s.stream.hear(ctx)
	if err == nil && answer.GetFailure() != nil {
		err = s.p.failure(answer.GetFailure())
	}
	return answer, err
}

// again opens the sink in a new process as for a run that is resumed, and writes again what may have been lost.
func (s *sink) again(ctx context.Context, process *process) error {
	if s.stream.with(process) {
		return nil
	}
	run := s.run
	if s.from >= 0 {
		run.Resumed, run.From = true, s.from
	}
	if err := s.open(ctx, process, run); err != nil {
		return err
	}
	for i, data := range s.written {
		outcomes, err := s.write(ctx, data)
		if err != nil {
			return err
		}
		// Each record gets the outcome that it got before, which is known already.
		if err := wire.ReadOutcomes(outcomes, make([]pipeline.Record, s.counts[i])); err != nil {
			return s.p.garbled(err)
		}
	}
	return nil
}

// Write implements pipeline.Sink.
func (s *sink) Write(ctx context.Context, b *pipeline.Batch) error {
	data, open, err := wire.AppendOpen(nil, b.Records)
	if err != nil || open == 0 {
		return err
	}
	if s.from < 0 {
		s.from = b.Records[0].Index
	}
	err = s.p.try(ctx, func(ctx context.Context, process *process) error {
		if err := s.again(ctx, process); err != nil {
			return err
		}
		outcomes, err := s.write(ctx, data)
		if err != nil {
			return err
		}
		if err := wire.ReadOutcomes(outcomes, b.Records); err != nil {
			return s.p.garbled(err)
		}
		return nil
	})
	if ctx.Err() != nil { // an answer may still be on its way
		s.stream.close()
		s.stream = nil
	}
	if err == nil {
		s.written, s.counts = append(s.written, data), append(s.counts, open)
		s.end = b.Records[len(b.Records)-1].Index + 1
	}
	return err
}

func (s *sink) write(ctx context.Context, data []byte) (string, error) {
	err := wire.Send(data, func(part []byte, last bool) error {
		return s.stream.say(ctx, &pb.WriteRequest{Request: &pb.WriteRequest_Batch{Batch: &pb.SinkBatch{Records: part, Last: last}}})
	})
	if err != nil {
		return "", err
	}
	var parts wire.Parts
	for {
		answer, err := s.stream.hear(ctx)
		if err != nil {
			return "", err
		}
		if f := answer.GetFailure(); f != nil {
			return "", s.p.failure(f)
		}
		if answer.GetWritten() == nil {
			return "", s.p.confused("written")
		}
		whole, done, err := parts.Add(answer.GetWritten().GetOutcomes(), answer.GetWritten().GetLast())
		if err != nil {
			return "", s.p.garbled(err)
		}
		if done {
			return whole, nil
		}
	}
}

// Commit implements pipeline.Sink.
func (s *sink) Commit(ctx context.Context) ([]byte, error) {
	var position []byte
	err := s.p.try(ctx, func(ctx context.Context, process *process) error {
		if err := s.again(ctx, process); err != nil {
			return err
		}
		answer, err := s.ask(ctx, &pb.WriteRequest{Request: &pb.WriteRequest_Commit{Commit: &pb.Commit{}}})
		if err == nil && answer.GetCommitted() == nil {
			err = s.p.confused("committed")
		}
		position = answer.GetCommitted().GetPosition()
		return err
	})
	if err != nil {
		return nil, err
	}
	// From here on a process that dies has all that came before.
	s.run.Resumed, s.run.Position = true, position
	if s.from >= 0 {
		s.run.From = s.end
	}
	s.from, s.written, s.counts = -1, nil, nil
	return position, nil
}

// Finish implements pipeline.Sink.
func (s *sink) Finish(ctx context.Context) error {
	return s.p.try(ctx, func(ctx context.Context, process *process) error {
		if err := s.again(ctx, process); err != nil {
			return err
		}
		answer, err := s.ask(ctx, &pb.WriteRequest{Request: &pb.WriteRequest_Finish{Finish: &pb.Finish{}}})
		if err == nil && answer.GetFinished() == nil {
			err = s.p.confused("finished")
		}
		return err
	})
}

// Close implements pipeline.Sink.
func (s *sink) Close() error {
	s.stream.close()
	s.stream = nil
	return nil
}
