package main

import (
	"bytes"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// table lines up the cells that are written to it, separated by tabs, in columns two blanks apart, as they show on a terminal: 手机号 is
// six columns wide. Nothing is written before Flush.
type table struct {
	out  io.Writer
	text bytes.Buffer
}

func newTable(out io.Writer) *table { return &table{out: out} }

func (t *table) Write(p []byte) (int, error) { return t.text.Write(p) }

// Flush writes the lines.
func (t *table) Flush() error {
	var rows [][]string
	var widths []int
	for line := range strings.Lines(t.text.String()) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i, cell := range cells[:len(cells)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
		rows = append(rows, cells)
	}
	t.text.Reset()
	var b bytes.Buffer
	for _, cells := range rows {
		last := len(cells) - 1
		for i, cell := range cells[:last] {
			b.WriteString(cell)
			b.WriteString(strings.Repeat(" ", widths[i]-runewidth.StringWidth(cell)+2))
		}
		b.WriteString(cells[last])
		b.WriteByte('\n')
	}
	_, err := t.out.Write(b.Bytes())
	return err
}
