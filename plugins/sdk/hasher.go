package sdk

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/plugins/internal/wire"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

func describeHasher(t HasherType) (*pb.Hasher, error) {
	h := &pb.Hasher{Name: t.Name, Summary: t.Summary, Doc: t.Doc, Layout: t.Layout, Pattern: t.Pattern, Context: t.Context, Options: wire.DeclareOptions(t.Options),
		Nul: t.NUL, MaxPasswordBytes: uint32(max(t.MaxPassword, 0)), MemoryBytes: uint64(max(t.Memory, 0))}
	made := try(pipeline.Spec{Name: "hasher", Options: t.Options}, "source", pipeline.SourceType{Spec: pipeline.Spec{Name: "hasher", Options: t.Options},
		New: func(env pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
			hasher, err := t.New(env, c)
			if err != nil {
				return nil, err
			}
			_, h.CanHash = hasher.(password.Maker)
			_, h.CanConvert = hasher.(password.Converter)
			return nil, nil
		}}, func(*definition.Pipeline) bool { return true })
	if !made { // the examples do not fit: what it cannot do it will say
		h.CanHash, h.CanConvert = true, true
	}
	for _, s := range t.Samples {
		values, err := wire.Context(s.Context)
		if err != nil {
			return nil, err
		}
		h.Samples = append(h.Samples, &pb.Sample{Encoded: s.Encoded, Password: s.Password, Context: values})
	}
	return h, nil
}

type hasherServer struct {
	pb.UnimplementedHasherServiceServer
	*server
	mu         sync.Mutex
	configured map[string]password.Hasher
}

func newHasherServer(s *server) *hasherServer {
	return &hasherServer{server: s, configured: map[string]password.Hasher{}}
}

func hasherOf(t HasherType) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (password.Hasher, error)) {
	return pipeline.Spec{Name: t.Name, Options: t.Options}, t.New
}

// Configure implements pb.HasherServiceServer.
func (s *hasherServer) Configure(_ context.Context, r *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	err := guard("hasher", func() error {
		h, err := build(s.server, r.GetHasher(), s.hashers, hasherOf)
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.configured[r.GetHasher().GetName()] = h
		return nil
	})
	return &pb.ConfigureResponse{Failure: wire.FailureOf(err, "hasher.failed")}, nil
}

func (s *hasherServer) hasher(name string) (password.Hasher, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.configured[name]; h != nil {
		return h, nil
	}
	return nil, status.Errorf(codes.FailedPrecondition, "the hasher %q is not configured", name)
}

// each has call answer every item, as many at once as there are processors. A panic is the item's own affair.
func each[I, O any](ctx context.Context, items []I, call func(I) O, panicked func(reason string) O) ([]O, error) {
	out := make([]O, len(items))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, item := range items {
		group.Go(func() error {
			if err := guard("hasher", func() error { out[i] = call(item); return nil }); err != nil {
				out[i] = panicked("the hasher panicked")
			}
			return ctx.Err()
		})
	}
	return out, group.Wait()
}

// Identify implements pb.HasherServiceServer.
func (s *hasherServer) Identify(ctx context.Context, r *pb.IdentifyRequest) (*pb.IdentifyResponse, error) {
	h, err := s.hasher(r.GetHasher())
	if err != nil {
		return nil, err
	}
	identifier, ok := h.(password.Identifier)
	items, err := each(ctx, r.GetEncoded(), func(encoded string) *pb.Identified {
		if !ok {
			return &pb.Identified{Confidence: pb.Confidence_CONFIDENCE_POSSIBLE}
		}
		c, fits := identifier.Identify(encoded)
		if !fits {
			return &pb.Identified{Reason: c.Reason}
		}
		return &pb.Identified{Confidence: pb.Confidence(c.Confidence) + 1, Reason: c.Reason, Problem: c.Problem}
	}, func(reason string) *pb.Identified { return &pb.Identified{Reason: reason} })
	return &pb.IdentifyResponse{Items: items}, err
}

var verdicts = map[password.Outcome]pb.Verdict{
	password.Match: pb.Verdict_VERDICT_MATCH, password.Mismatch: pb.Verdict_VERDICT_MISMATCH, password.Malformed: pb.Verdict_VERDICT_MALFORMED,
	password.OverLimit: pb.Verdict_VERDICT_OVER_LIMIT,
}

// Verify implements pb.HasherServiceServer.
func (s *hasherServer) Verify(ctx context.Context, r *pb.VerifyRequest) (*pb.VerifyResponse, error) {
	h, err := s.hasher(r.GetHasher())
	if err != nil {
		return nil, err
	}
	items, err := each(ctx, r.GetItems(), func(item *pb.VerifyItem) *pb.Verified {
		values, err := wire.ContextOf(item.GetContext())
		if err != nil {
			return &pb.Verified{Reason: err.Error()}
		}
		v := h.Verify(ctx, item.GetEncoded(), item.GetPassword(), values)
		return &pb.Verified{Verdict: verdicts[v.Outcome], Reason: v.Reason}
	}, func(reason string) *pb.Verified { return &pb.Verified{Reason: reason} })
	return &pb.VerifyResponse{Items: items}, err
}

// Hash implements pb.HasherServiceServer.
func (s *hasherServer) Hash(ctx context.Context, r *pb.HashRequest) (*pb.HashResponse, error) {
	h, err := s.hasher(r.GetHasher())
	if err != nil {
		return nil, err
	}
	maker, ok := h.(password.Maker)
	if !ok {
		return nil, status.Errorf(codes.Unimplemented, "%s makes no hashes", r.GetHasher())
	}
	items, err := each(ctx, r.GetItems(), func(item *pb.HashItem) *pb.Hashed {
		values, err := wire.ContextOf(item.GetContext())
		if err != nil {
			return &pb.Hashed{Problem: err.Error()}
		}
		encoded, err := maker.Hash(ctx, item.GetPassword(), values)
		if err != nil {
			return &pb.Hashed{Problem: err.Error()}
		}
		return &pb.Hashed{Encoded: encoded}
	}, func(reason string) *pb.Hashed { return &pb.Hashed{Problem: reason} })
	return &pb.HashResponse{Items: items}, err
}

// NeedsRehash implements pb.HasherServiceServer.
func (s *hasherServer) NeedsRehash(ctx context.Context, r *pb.NeedsRehashRequest) (*pb.NeedsRehashResponse, error) {
	h, err := s.hasher(r.GetHasher())
	if err != nil {
		return nil, err
	}
	rehasher, ok := h.(password.Rehasher)
	items, err := each(ctx, r.GetEncoded(), func(encoded string) *pb.Weakness {
		if !ok {
			return &pb.Weakness{}
		}
		weaker, reason := rehasher.NeedsRehash(encoded)
		return &pb.Weakness{NeedsRehash: weaker, Reason: reason}
	}, func(string) *pb.Weakness { return &pb.Weakness{} })
	return &pb.NeedsRehashResponse{Items: items}, err
}

// Convert implements pb.HasherServiceServer.
func (s *hasherServer) Convert(ctx context.Context, r *pb.ConvertRequest) (*pb.ConvertResponse, error) {
	h, err := s.hasher(r.GetHasher())
	if err != nil {
		return nil, err
	}
	converter, ok := h.(password.Converter)
	items, err := each(ctx, r.GetItems(), func(item *pb.ConvertItem) *pb.Converted {
		values, err := wire.ContextOf(item.GetContext())
		if !ok {
			err = fmt.Errorf("no other system knows this hasher")
		}
		var spelled string
		if err == nil {
			spelled, err = converter.Convert(ctx, r.GetTarget(), item.GetEncoded(), values)
		}
		if err != nil {
			return &pb.Converted{Problem: err.Error()}
		}
		return &pb.Converted{Value: spelled}
	}, func(reason string) *pb.Converted { return &pb.Converted{Problem: reason} })
	return &pb.ConvertResponse{Items: items}, err
}
