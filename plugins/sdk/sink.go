package sdk

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/internal/wire"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

type sinkServer struct {
	pb.UnimplementedSinkServiceServer
	*server
}

// Write implements pb.SinkServiceServer.
func (s *sinkServer) Write(stream grpc.BidiStreamingServer[pb.WriteRequest, pb.WriteResponse]) error {
	fail := func(err error) error {
		return stream.Send(&pb.WriteResponse{Response: &pb.WriteResponse_Failure{Failure: wire.FailureOf(err, "sink.failed")}})
	}
	request, err := stream.Recv()
	if err != nil {
		return err
	}
	ctx := stream.Context()
	var sink pipeline.Sink
	err = guard("sink", func() (err error) {
		sink, err = build(s.server, request.GetOpen().GetInstance(), s.sinks, sinkOf)
		return err
	})
	if err != nil {
		return fail(err)
	}
	defer guard("sink", sink.Close) //nolint:errcheck // nobody is left to hear of it
	if err := guard("sink", func() error { return sink.Open(ctx, runOf(request.GetOpen())) }); err != nil {
		return fail(err)
	}
	if err := stream.Send(&pb.WriteResponse{Response: &pb.WriteResponse_Opened{Opened: &pb.SinkOpened{}}}); err != nil {
		return err
	}
	var parts wire.Parts
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil // the sink is closed by the end of the stream
		}
		switch r := request.GetRequest().(type) {
		case *pb.WriteRequest_Batch:
			whole, done, err := parts.Add(r.Batch.GetRecords(), r.Batch.GetLast())
			if err != nil {
				return err
			}
			if !done {
				continue
			}
			var outcomes []byte
			if err = guard("sink", func() (err error) { outcomes, err = writeTo(ctx, sink, whole); return err }); err != nil {
				err = fail(err)
			} else {
				err = wire.Send(outcomes, func(part []byte, last bool) error {
					return stream.Send(&pb.WriteResponse{Response: &pb.WriteResponse_Written{Written: &pb.Written{Outcomes: part, Last: last}}})
				})
			}
			if err != nil {
				return err
			}
		case *pb.WriteRequest_Commit:
			var position []byte
			if err = guard("sink", func() (err error) { position, err = sink.Commit(ctx); return err }); err != nil {
				err = fail(err)
			} else {
				err = stream.Send(&pb.WriteResponse{Response: &pb.WriteResponse_Committed{Committed: &pb.Committed{Position: position}}})
			}
			if err != nil {
				return err
			}
		case *pb.WriteRequest_Finish:
			if err = guard("sink", func() error { return sink.Finish(ctx) }); err != nil {
				err = fail(err)
			} else {
				err = stream.Send(&pb.WriteResponse{Response: &pb.WriteResponse_Finished{Finished: &pb.Finished{}}})
			}
			if err != nil {
				return err
			}
		}
	}
}

func runOf(o *pb.OpenSink) pipeline.Run {
	return pipeline.Run{
		ID: o.GetRunId(), Pipeline: o.GetPipeline(), StartedAt: time.Unix(0, o.GetStartedAt()), Attempt: max(int(o.GetAttempt()), 1), Plan: o.GetPlan(),
		Resumed: o.GetResumed(), From: o.GetFrom(), Position: o.GetPosition(), Secret: pipeline.SecretFunc(),
	}
}

func writeTo(ctx context.Context, sink pipeline.Sink, whole string) ([]byte, error) {
	records, err := wire.ReadOpen(whole)
	if err != nil {
		return nil, err
	}
	if remover, ok := sink.(pipeline.Remover); !ok || !remover.Removes() {
		for i := range records {
			if records[i].Gone {
				records[i].Skip(pipeline.Gone)
			}
		}
	}
	b := &pipeline.Batch{Records: records}
	if p, ok := sink.(pipeline.Preparer); ok {
		if err := p.Prepare(ctx, b); err != nil {
			return nil, err
		}
	}
	if err := sink.Write(ctx, b); err != nil {
		return nil, err
	}
	return wire.AppendOutcomes(nil, records), nil
}
