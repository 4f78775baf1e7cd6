package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/usher-id/usher/pipeline/engine"
)

const (
	barInterval  = 150 * time.Millisecond
	lineInterval = 5 * time.Second
)

// watch shows how a run is getting on until the function it gives is called: a bar on a terminal, else a line now and
// then. done is how many records a resumed run begins with, ctx what interrupts it.
func watch(ctx context.Context, w io.Writer, p *engine.Progress, done int64) (stop func()) {
	ended, gone := make(chan struct{}), make(chan struct{})
	m := newMeter(time.Now(), done)
	interval, show := lineInterval, func(engine.Snapshot) { fmt.Fprintln(w, m.line()) }
	finish := func() {}
	if hasWidth(w) {
		interval = barInterval
		show, finish = bar(w, m)
	}
	go func() {
		defer close(gone)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				s := p.Snapshot()
				m.update(now, s)
				m.ending = ctx.Err() != nil
				show(s)
			case <-ended:
				finish()
				return
			}
		}
	}()
	return func() {
		close(ended)
		<-gone
	}
}

// hasWidth reports whether w is a terminal on which a bar has room; one that does not know its size takes lines.
func hasWidth(w io.Writer) bool {
	if !isTerminal(w) {
		return false
	}
	width, _, err := cwriter.GetSize(int(w.(*os.File).Fd()))
	return err == nil && width > 0
}

// bar draws on a terminal: a bar where the source knows its size. It is gone at the end.
func bar(w io.Writer, m *meter) (show func(engine.Snapshot), finish func()) {
	container := mpb.New(mpb.WithOutput(w), mpb.WithRefreshRate(barInterval), mpb.WithWidth(40))
	var text atomic.Value // the container draws in a goroutine of its own
	var b *mpb.Bar
	show = func(s engine.Snapshot) {
		text.Store(m.line())
		if b == nil {
			if s.Read == 0 {
				return // the source is being opened
			}
			line := mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return "  " + text.Load().(string) }))
			if s.Size > 0 {
				style := mpb.BarStyle().Lbound("").Rbound("").Filler("█").Tip("█").Padding("░")
				b = container.New(s.Size, style, line, mpb.BarRemoveOnComplete())
			} else {
				b = container.New(0, mpb.SpinnerStyle(), line, mpb.BarRemoveOnComplete())
			}
		}
		b.SetCurrent(s.Position)
	}
	finish = func() {
		if b != nil {
			b.Abort(true)
		}
		container.Wait()
	}
	return show, finish
}

// meter works out the speed and the time left.
type meter struct {
	start    time.Time
	at       time.Time // of the last update
	last     engine.Snapshot
	resumed  bool
	ending   bool    // what is left in the source is not read any more
	position int64   // of the source at the start, where that is known
	rate     float64 // records a second, the recent ones counting most
}

func newMeter(now time.Time, done int64) *meter {
	return &meter{start: now, at: now, last: engine.Snapshot{Done: done}, resumed: done > 0}
}

// memory is how long the rate remembers.
const memory = 5 * time.Second

func (m *meter) update(now time.Time, s engine.Snapshot) {
	seconds := now.Sub(m.at).Seconds()
	if seconds <= 0 || s.Done < m.last.Done {
		return
	}
	recent := float64(s.Done-m.last.Done) / seconds
	if m.rate == 0 {
		m.rate = recent
	} else {
		m.rate += min(1, seconds/memory.Seconds()) * (recent - m.rate)
	}
	if m.resumed && m.position == 0 {
		m.position = s.Position
	}
	m.at, m.last = now, s
}

// line is such as "120000 records, 24000/s, 3 failed, 45%, 12s left".
func (m *meter) line() string {
	s := m.last
	text := fmt.Sprintf("%d records, %.0f/s, %d failed", s.Done, m.rate, s.Failed)
	if s.Size > 0 && s.Position > 0 {
		share := min(1, float64(s.Position)/float64(s.Size))
		text += fmt.Sprintf(", %.0f%%", 100*share)
		if done := s.Position - m.position; done > 0 && share < 1 && !m.ending {
			left := time.Duration(float64(m.at.Sub(m.start)) * float64(s.Size-s.Position) / float64(done))
			text += fmt.Sprintf(", %s left", left.Round(time.Second))
		}
	}
	return text
}
