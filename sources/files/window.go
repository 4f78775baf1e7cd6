package files

import (
	"bytes"
	"errors"
	"io"
)

// ErrTooLong is the answer of Window.More when the window has grown to its bound.
var ErrTooLong = errors.New("more bytes than the bound on one record")

// windowSize is the size of a window that no record makes larger. It is large enough for the copying of a record's
// beginning, once a window, to cost nothing.
const windowSize = 128 << 10

// Window is the part of a stream that is in memory: what was read and not passed over yet. It grows up to a bound to
// hold one record, and shrinks again.
type Window struct {
	r          io.Reader
	buf        []byte
	start, end int
	offset     int64 // of buf[start] in the stream
	line       int64 // lines passed over
	lineEnd    []byte
	bound      int
	err        error
}

// NewWindow gives a window that holds at most bound bytes.
func NewWindow(bound int64) *Window { return &Window{bound: int(max(bound, 1<<10)), lineEnd: newline} }

// LineEnd has lines end with another byte than a line feed.
func (w *Window) LineEnd(b byte) { w.lineEnd = []byte{b} }

// Reset turns the window to another stream; offset and line say how much of it was passed over before.
func (w *Window) Reset(r io.Reader, offset, line int64) {
	w.r, w.start, w.end, w.offset, w.line, w.err = r, 0, 0, offset, line, nil
	if w.buf == nil {
		w.buf = make([]byte, min(windowSize, w.bound))
	}
}

// Bytes gives the bytes in the window. They are valid until the next call of More.
func (w *Window) Bytes() []byte { return w.buf[w.start:w.end] }

// Offset is the place in the stream of the first byte of the window.
func (w *Window) Offset() int64 { return w.offset }

// Lines is the number of line ends passed over.
func (w *Window) Lines() int64 { return w.line }

// Advance passes over the first n bytes and counts their line ends.
func (w *Window) Advance(n int) {
	w.line += int64(bytes.Count(w.buf[w.start:w.start+n], w.lineEnd))
	w.AdvanceLines(n, 0)
}

var newline = []byte{'\n'}

// AdvanceLines passes over the first n bytes, which have the given number of line ends.
func (w *Window) AdvanceLines(n int, lines int64) {
	w.start += n
	w.offset += int64(n)
	w.line += lines
}

// SkipTo passes over everything before offset, which is not behind the window.
func (w *Window) SkipTo(offset, line int64) error {
	n := offset - w.offset
	if held := int64(w.end - w.start); n > held {
		w.start, w.end = 0, 0
		skip := func(n int64) error { _, err := io.CopyN(io.Discard, w.r, n); return err }
		if s, ok := w.r.(interface{ Skip(int64) error }); ok {
			skip = s.Skip
		}
		if err := skip(n - held); err != nil {
			return err
		}
	} else {
		w.start += int(n)
	}
	w.offset, w.line = offset, line
	return nil
}

// More reads behind the bytes of the window: at least one byte more, or an error: io.EOF, ErrTooLong or the stream's.
func (w *Window) More() error {
	if w.err != nil {
		return w.err
	}
	held := w.end - w.start
	if held >= w.bound {
		return ErrTooLong
	}
	switch {
	case w.end < len(w.buf) && w.start < len(w.buf)/2:
	case held < len(w.buf)/2 && len(w.buf) > windowSize:
		// What made the window large is passed over.
		size := min(max(windowSize, 2*held), w.bound)
		w.move(make([]byte, size))
	case held < len(w.buf):
		w.move(w.buf)
	default:
		w.move(make([]byte, min(2*len(w.buf), w.bound)))
	}
	for {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		if n > 0 {
			w.err = err
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (w *Window) move(to []byte) {
	w.end = copy(to, w.buf[w.start:w.end])
	w.start, w.buf = 0, to
}
