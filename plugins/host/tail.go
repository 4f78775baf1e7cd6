package host

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// tail keeps the last lines that a plugin wrote, and passes those on that are warnings. It takes any amount.
type tail struct {
	name string
	log  *slog.Logger

	mu     sync.Mutex
	lines  []string
	line   []byte
	passed int
}

const (
	tailLines   = 12
	tailLine    = 400 // bytes kept of one line
	mostWarning = 50  // lines passed on
)

// Write takes a piece of output.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		piece := p
		if i >= 0 {
			piece = p[:i]
		}
		t.line = append(t.line, piece[:min(len(piece), max(0, tailLine-len(t.line)))]...)
		if i < 0 {
			break
		}
		p = p[i+1:]
		t.flush()
	}
	return n, nil
}

func (t *tail) flush() {
	line := strings.TrimRight(printable(string(t.line)), " ")
	t.line = t.line[:0]
	if line == "" {
		return
	}
	if len(t.lines) == tailLines {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
	if t.log == nil || !isWarning(line) || t.passed > mostWarning {
		return
	}
	if t.passed++; t.passed > mostWarning {
		line = "further warnings are not shown"
	}
	t.log.Warn(line, "plugin", t.name)
}

func isWarning(line string) bool {
	for _, mark := range []string{"level=WARN", "level=ERROR", "[WARN]", "[ERROR]", "WARNING:", "ERROR:"} {
		if strings.HasPrefix(line, mark) {
			return true
		}
	}
	return false
}

// last gives the last lines.
func (t *tail) last() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flush()
	return append([]string(nil), t.lines...)
}

// printable gives text without what could move a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
