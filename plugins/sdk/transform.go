package sdk

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/internal/wire"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
	"github.com/usher-id/usher/value"
)

type transformServer struct {
	pb.UnimplementedTransformServiceServer
	*server
}

// Apply implements pb.TransformServiceServer.
func (s *transformServer) Apply(stream grpc.BidiStreamingServer[pb.ApplyRequest, pb.ApplyResponse]) error {
	request, err := stream.Recv()
	if err != nil {
		return err
	}
	var transform pipeline.Transform
	err = guard("transform", func() (err error) {
		if transform, err = build(s.server, request.GetOpen().GetInstance(), s.transforms, transformOf); err != nil {
			return err
		}
		if o, ok := transform.(pipeline.Ordered); ok {
			return o.Ordered(stream.Context())
		}
		return nil
	})
	if err != nil {
		return stream.Send(&pb.ApplyResponse{Response: &pb.ApplyResponse_Failure{Failure: wire.FailureOf(err, "transform.failed")}})
	}
	var group errgroup.Group
	group.SetLimit(2 * runtime.GOMAXPROCS(0))
	if o, ok := transform.(pipeline.Ordered); ok {
		group.SetLimit(1)
		defer guard("transform", o.Close) //nolint:errcheck // nobody is left to hear of it
	}
	defer group.Wait() //nolint:errcheck // its functions fail where the stream does
	if err := stream.Send(&pb.ApplyResponse{Response: &pb.ApplyResponse_Opened{Opened: &pb.TransformOpened{}}}); err != nil {
		return err
	}
	var sending sync.Mutex
	var usual atomic.Int64 // bytes of an answer
	parts := map[uint64]*wire.Parts{}
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil // the transform ends with the stream
		}
		b := request.GetBatch()
		p := parts[b.GetId()]
		if p == nil {
			p = &wire.Parts{}
			parts[b.GetId()] = p
		}
		whole, done, err := p.Add(b.GetRecords(), b.GetLast())
		if err != nil {
			return err
		}
		if !done {
			continue
		}
		delete(parts, b.GetId())
		group.Go(func() error {
			data, err := applyTo(stream.Context(), transform, whole, make([]byte, 0, usual.Load()))
			usual.Store(int64(len(data)) + roomForMore)
			sending.Lock()
			defer sending.Unlock()
			if err != nil {
				return stream.Send(transformed(&pb.TransformedBatch{Id: b.GetId(), Last: true, Failure: wire.FailureOf(err, "transform.failed")}))
			}
			return wire.Send(data, func(part []byte, last bool) error {
				return stream.Send(transformed(&pb.TransformedBatch{Id: b.GetId(), Records: part, Last: last}))
			})
		})
	}
}

func transformed(b *pb.TransformedBatch) *pb.ApplyResponse {
	return &pb.ApplyResponse{Response: &pb.ApplyResponse_Batch{Batch: b}}
}

// roomForMore is how much longer an answer may be than the one before without being copied.
const roomForMore = 4 << 10

func applyTo(ctx context.Context, t pipeline.Transform, whole string, data []byte) ([]byte, error) {
	records, err := wire.ReadOpen(whole)
	if err != nil {
		return nil, err
	}
	before := make([]*value.Object, len(records))
	for i := range records {
		before[i] = records[i].Fields
	}
	b := &pipeline.Batch{Records: records}
	if err := guard("transform", func() error { return t.Apply(ctx, b) }); err != nil {
		return nil, err
	}
	if len(b.Records) != len(before) {
		return nil, &pipeline.Error{Code: "transform.lost_records", Message: "the transform changed the number of records: they are decided, never dropped"}
	}
	return wire.AppendChanges(data, b.Records, before)
}
