package host

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/internal/wire"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

type applyStream = stream[pb.ApplyRequest, pb.ApplyResponse]

// transform is a transform in a plugin. Several batches are on their way at once.
type transform struct {
	pipeline.UnimplementedTransform
	p        *running
	instance *pb.Instance
	usual    atomic.Int64 // bytes of a batch

	mu    sync.Mutex
	lines *lines
}

// lines is a conversation that many take part in.
type lines struct {
	*applyStream
	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan applied
	err     error
}

type applied struct {
	whole string
	err   error
}

// Apply implements pipeline.Transform.
func (t *transform) Apply(ctx context.Context, b *pipeline.Batch) error {
	data, open, err := wire.AppendOpen(make([]byte, 0, t.usual.Load()), b.Records)
	if err != nil || open == 0 {
		return err
	}
	t.usual.Store(int64(len(data) + len(data)/16))
	return t.p.try(ctx, func(ctx context.Context, process *process) error {
		l, err := t.connect(ctx, process)
		if err != nil {
			return err
		}
		whole, err := t.apply(ctx, l, data)
		if err != nil {
			return err
		}
		if err := wire.ReadChanges(whole, b.Records); err != nil {
			return t.p.garbled(err)
		}
		return nil
	})
}

// connect opens the transform in a process where it is not open yet.
func (t *transform) connect(ctx context.Context, process *process) (*lines, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines != nil && t.lines.with(process) {
		return t.lines, nil
	}
	if t.lines != nil {
		t.lines.close()
		t.lines = nil
	}
	s, err := converse(process, 1, pb.NewTransformServiceClient(process.conn).Apply)
	if err != nil {
		return nil, err
	}
	open := &pb.OpenTransform{Instance: t.instance}
	err = s.say(ctx, &pb.ApplyRequest{Request: &pb.ApplyRequest_Open{Open: open}})
	var answer *pb.ApplyResponse
	if err == nil {
		answer, err = s.hear(ctx)
	}
	if err == nil && answer.GetFailure() != nil {
		err = t.p.failure(answer.GetFailure())
	} else if err == nil && answer.GetOpened() == nil {
		err = t.p.confused("opened")
	}
	if err != nil {
		s.close()
		return nil, err
	}
	t.lines = &lines{applyStream: s, waiting: map[uint64]chan applied{}}
	go t.lines.distribute()
	return t.lines, nil
}

// distribute gives each answer to who waits for it.
func (l *lines) distribute() {
	parts := map[uint64]*wire.Parts{}
	for {
		answer, err := l.hear(context.Background())
		if err == nil && answer.GetBatch() == nil {
			err = errGone
			if f := answer.GetFailure(); f != nil {
				err = wire.ErrorOf(f)
			}
		}
		if err != nil {
			l.mu.Lock()
			l.err = err
			for id, to := range l.waiting {
				to <- applied{err: err}
				delete(l.waiting, id)
			}
			l.mu.Unlock()
			return
		}
		b := answer.GetBatch()
		p := parts[b.GetId()]
		if p == nil {
			p = &wire.Parts{}
			parts[b.GetId()] = p
		}
		whole, done, err := p.Add(b.GetRecords(), b.GetLast())
		if f := b.GetFailure(); f != nil {
			done, err = true, wire.ErrorOf(f)
		}
		if !done && err == nil {
			continue
		}
		delete(parts, b.GetId())
		l.mu.Lock()
		if to := l.waiting[b.GetId()]; to != nil {
			to <- applied{whole, err}
			delete(l.waiting, b.GetId())
		}
		l.mu.Unlock()
	}
}

// apply sends a batch and waits for what becomes of it.
func (t *transform) apply(ctx context.Context, l *lines, data []byte) (string, error) {
	answer := make(chan applied, 1)
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return "", l.err
	}
	l.next++
	id := l.next
	l.waiting[id] = answer
	l.mu.Unlock()
	err := wire.Send(data, func(part []byte, last bool) error {
		return l.say(ctx, &pb.ApplyRequest{Request: &pb.ApplyRequest_Batch{Batch: &pb.TransformBatch{Id: id, Records: part, Last: last}}})
	})
	if err == nil {
		select {
		case a := <-answer:
			return a.whole, a.err
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	l.mu.Lock()
	delete(l.waiting, id)
	l.mu.Unlock()
	return "", err
}

// Close ends the transform in its plugin.
func (t *transform) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines != nil {
		t.lines.close()
		t.lines = nil
	}
	return nil
}

// ordered is a transform in a plugin that remembers. What it remembers is lost with its process: the run ends, and when it is resumed the
// transform is given again what it needs.
type ordered struct {
	*transform
}

// Ordered implements pipeline.Ordered.
func (o *ordered) Ordered(ctx context.Context) error {
	return o.p.try(ctx, func(ctx context.Context, process *process) error {
		_, err := o.connect(ctx, process)
		return err
	})
}

// Apply implements pipeline.Transform.
func (o *ordered) Apply(ctx context.Context, b *pipeline.Batch) error {
	data, open, err := wire.AppendOpen(nil, b.Records)
	if err != nil || open == 0 {
		return err
	}
	o.mu.Lock()
	l := o.lines
	o.mu.Unlock()
	timed, cancel := context.WithTimeout(ctx, o.p.Timeout)
	defer cancel()
	whole, err := o.apply(timed, l, data)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case lost(l.process, err):
		o.p.bury(l.process, err)
		return withTail(pluginError("plugin.died", o.p.Plugin, "died, and with it what its transform remembered", "mend it, and resume the run"), l.process.tail)
	default:
		return o.p.describe(ctx, err)
	}
	if err := wire.ReadChanges(whole, b.Records); err != nil {
		return o.p.garbled(err)
	}
	return nil
}
