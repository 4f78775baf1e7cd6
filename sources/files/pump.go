package files

import (
	"io"
	"sync"
)

// pump reads the standard input in a goroutine of its own, because a read of a terminal or a pipe cannot be called
// off. If the set is closed during such a read, the goroutine ends with that read.
type pump struct {
	chunks  chan []byte
	free    chan []byte
	stopped chan struct{}
	once    sync.Once
	err     error // set before chunks is closed
	rest    []byte
	current []byte
}

func newPump(r io.Reader) *pump {
	p := &pump{chunks: make(chan []byte), free: make(chan []byte, 2), stopped: make(chan struct{})}
	p.free <- make([]byte, 64<<10)
	p.free <- make([]byte, 64<<10)
	go p.run(r)
	return p
}

func (p *pump) run(r io.Reader) {
	defer close(p.chunks)
	for {
		var buf []byte
		select {
		case buf = <-p.free:
		case <-p.stopped:
			return
		}
		n, err := r.Read(buf)
		if n > 0 {
			select {
			case p.chunks <- buf[:n]:
			case <-p.stopped:
				return
			}
		} else if err == nil {
			p.free <- buf
		}
		if err != nil {
			p.err = err
			return
		}
	}
}

func (p *pump) stop() { p.once.Do(func() { close(p.stopped) }) }

// pumped is the reading end, which gives up when the file's context is cancelled.
type pumped struct{ f *File }

func (r pumped) Read(b []byte) (int, error) {
	p := r.f.pump
	if len(p.rest) == 0 {
		if p.current != nil {
			p.free <- p.current[:cap(p.current)]
			p.current = nil
		}
		select {
		case chunk, ok := <-p.chunks:
			if !ok {
				return 0, p.err
			}
			p.current, p.rest = chunk, chunk
		case <-r.f.ctx.Done():
			return 0, r.f.ctx.Err()
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
