package host

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
)

// stream is a conversation with a plugin. Its own context is cancelled when it is closed; that of a call only bounds the wait for its answer.
type stream[Q, A any] struct {
	grpc.BidiStreamingClient[Q, A]
	cancel  context.CancelFunc
	answers chan answer[A]
	process *process
	sending sync.Mutex
	ended   chan struct{}
	broken  atomic.Bool // a request was called off half way
}

type answer[A any] struct {
	message *A
	err     error
}

// converse opens a conversation whose answers are received ahead, up to the given number.
func converse[Q, A any](p *process, ahead int, open func(context.Context, ...grpc.CallOption) (grpc.BidiStreamingClient[Q, A], error)) (*stream[Q, A], error) {
	ctx, cancel := context.WithCancel(context.Background())
	inner, err := open(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &stream[Q, A]{BidiStreamingClient: inner, cancel: cancel, answers: make(chan answer[A], ahead), process: p, ended: make(chan struct{})}
	go s.receive(ctx)
	return s, nil
}

func (s *stream[Q, A]) receive(ctx context.Context) {
	defer close(s.ended)
	for {
		a, err := s.Recv()
		if err == io.EOF {
			err = errGone
		}
		select {
		case s.answers <- answer[A]{a, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// say sends a request. A plugin that does not read holds it up until the stream is closed. One that has ended the conversation has said why:
// hear gives that.
func (s *stream[Q, A]) say(ctx context.Context, q *Q) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	stop := context.AfterFunc(ctx, func() {
		s.broken.Store(true)
		s.cancel()
	})
	s.sending.Lock()
	err := s.Send(q)
	s.sending.Unlock()
	if !stop() && ctx.Err() != nil {
		return ctx.Err()
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// hear waits for an answer.
func (s *stream[Q, A]) hear(ctx context.Context) (*A, error) {
	select {
	case a := <-s.answers:
		return a.message, a.err
	case <-s.ended:
		select {
		case a := <-s.answers:
			return a.message, a.err
		default:
			return nil, errGone
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// with reports whether this is a conversation with the process that can go on.
func (s *stream[Q, A]) with(p *process) bool { return s != nil && s.process == p && !s.broken.Load() }

// close ends the conversation and waits until nothing is left of it on this side.
func (s *stream[Q, A]) close() {
	if s == nil {
		return
	}
	_ = s.CloseSend()
	s.cancel()
	<-s.ended
}
