package sdk

import (
	"context"
	"io"

	"google.golang.org/grpc"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/internal/wire"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

type sourceServer struct {
	pb.UnimplementedSourceServiceServer
	*server
}

// Read implements pb.SourceServiceServer.
func (s *sourceServer) Read(stream grpc.BidiStreamingServer[pb.ReadRequest, pb.ReadResponse]) error {
	fail := func(err error) error {
		return stream.Send(&pb.ReadResponse{Response: &pb.ReadResponse_Failure{Failure: wire.FailureOf(err, "source.failed")}})
	}
	request, err := stream.Recv()
	if err != nil {
		return err
	}
	open := request.GetOpen()
	var source pipeline.Source
	err = guard("source", func() (err error) {
		source, err = build(s.server, open.GetInstance(), s.sources, sourceOf)
		return err
	})
	if err != nil {
		return fail(err)
	}
	defer guard("source", source.Close) //nolint:errcheck // nobody is left to hear of it
	opened := &pb.SourceOpened{}
	if err := guard("source", func() error { return openSource(stream.Context(), source, open, opened) }); err != nil {
		return fail(err)
	}
	if err := stream.Send(&pb.ReadResponse{Response: &pb.ReadResponse_Opened{Opened: opened}}); err != nil {
		return err
	}
	var data []byte
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil // the source is closed by the end of the stream
		}
		var b *pipeline.Batch
		err = guard("source", func() (err error) {
			b, err = source.Next(stream.Context(), max(int(request.GetNext().GetMax()), 1))
			return err
		})
		if err == io.EOF {
			end := &pb.SourceEnd{}
			if c, ok := source.(pipeline.Cursored); ok {
				end.Cursor = c.Cursor()
			}
			if err := stream.Send(&pb.ReadResponse{Response: &pb.ReadResponse_End{End: end}}); err != nil {
				return err
			}
			continue // what else was asked for is answered in the same way
		}
		data = data[:0]
		for i := 0; err == nil && i < len(b.Records); i++ {
			data, err = wire.AppendSource(data, &b.Records[i])
		}
		if err != nil {
			return fail(err)
		}
		var done, total int64
		if m, ok := source.(pipeline.Measurer); ok {
			done, total = m.Progress()
		}
		err = wire.Send(data, func(part []byte, last bool) error {
			out := &pb.SourceBatch{Records: part, Last: last}
			if last {
				out.After, out.Done, out.Total = b.After, done, total
			}
			return stream.Send(&pb.ReadResponse{Response: &pb.ReadResponse_Batch{Batch: out}})
		})
		if err != nil {
			return err
		}
	}
}

func openSource(ctx context.Context, source pipeline.Source, open *pb.OpenSource, opened *pb.SourceOpened) error {
	if c, ok := source.(pipeline.Cursored); ok {
		c.SetCursor(open.GetCursor())
	}
	if r, ok := source.(pipeline.Resumer); ok && open.GetResume() {
		if err := r.OpenAt(ctx, open.GetAfter()); err != nil {
			return err
		}
	} else if err := source.Open(ctx); err != nil {
		return err
	}
	if f, ok := source.(pipeline.Fingerprinter); ok {
		var err error
		opened.Fingerprint, err = f.Fingerprint()
		return err
	}
	return nil
}
