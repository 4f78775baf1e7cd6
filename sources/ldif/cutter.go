package ldifsource

import (
	"bytes"
	"fmt"
	"io"

	"github.com/usher-id/usher/sources/files"
)

// cutter cuts a stream into blocks: runs of lines with an empty line, or the end, behind them. It holds one at a time.
type cutter struct {
	w *files.Window
	// line is that of the first line of the block that was cut last.
	line int64
}

var errTooLarge = fmt.Errorf("an entry %w", files.ErrTooLong)

// mark passes over the byte order mark of UTF-8, and reports whether there is one of UTF-16.
func (c *cutter) mark() (utf16 bool, err error) {
	for len(c.w.Bytes()) < 3 {
		if err := c.w.More(); err == io.EOF {
			break
		} else if err != nil {
			return false, err
		}
	}
	b := c.w.Bytes()
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return true, nil
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		c.w.AdvanceLines(3, 0)
	}
	return false, nil
}

// next gives the next block, valid until the call after it. io.EOF says that there is none; errTooLarge that it was
// passed over.
func (c *cutter) next() ([]byte, error) {
	tooLarge := false
	start, lines := 0, int64(0) // of the line that is looked at
	for {
		b := c.w.Bytes()
		length := bytes.IndexByte(b[start:], '\n')
		if length < 0 {
			switch err := c.w.More(); err {
			case nil:
			case io.EOF:
				if len(b) == 0 && !tooLarge {
					return nil, io.EOF
				}
				return c.take(len(b), len(b), lines, tooLarge)
			case files.ErrTooLong:
				if !tooLarge {
					c.line = c.w.Lines() + 1
				}
				tooLarge = true
				c.w.AdvanceLines(len(b), lines)
				start, lines = 0, 0
			default:
				return nil, err
			}
			continue
		}
		end := start + length + 1
		blank := length == 0 || length == 1 && b[start] == '\r'
		switch {
		case blank && start == 0 && !tooLarge:
			c.w.AdvanceLines(end, 1)
			start, lines = 0, 0
		case blank && (start > 0 || tooLarge):
			return c.take(start, end, lines+1, tooLarge)
		default:
			start, lines = end, lines+1
		}
	}
}

// take gives the first bytes of the window as a block, and passes over as many as are said.
func (c *cutter) take(block, pass int, lines int64, tooLarge bool) ([]byte, error) {
	text := c.w.Bytes()[:block]
	if !tooLarge {
		c.line = c.w.Lines() + 1
	}
	c.w.AdvanceLines(pass, lines)
	if tooLarge {
		return nil, errTooLarge
	}
	return text, nil
}
