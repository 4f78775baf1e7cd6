package excelsink

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/xuri/excelize/v2"

	"github.com/usher-id/usher/sinks/files"
)

const (
	maxWidth = 60 // of a column, in characters
	minWidth = 8
	// sheetBytes is how large a sheet grows, about, before another is begun: Excel refuses parts beyond 4 GB as they are
	// written here.
	sheetBytes = 2 << 30
	// perCell is what a cell takes beside its text.
	perCell = 64
)

// Finish implements pipeline.Sink: it writes the workbook.
func (s *Sink) Finish(ctx context.Context) error {
	if s.run.Plan {
		return nil
	}
	out := files.NewOutput(s.env, s.path)
	defer out.Close()
	if s.finished {
		err := out.Adopt(s.run)
		s.published = out.Published()
		return err
	}
	if err := s.spill.write(); err != nil {
		return s.failed(err)
	}
	run := s.run
	run.Resumed, run.Position = false, nil
	if err := out.Open(ctx, run); err != nil {
		return err
	}
	if err := s.writeBook(ctx, out); err != nil {
		return s.failed(err)
	}
	if err := out.Finish(nil); err != nil {
		return err
	}
	s.published = out.Published()
	return s.failed(s.spill.remove())
}

// outputWriter makes a writer of an Output.
type outputWriter struct{ out *files.Output }

func (w outputWriter) Write(p []byte) (int, error) {
	return len(p), w.out.Write(append(w.out.Buffer(), p...))
}

// book writes the sheets of one workbook.
type book struct {
	file    *excelize.File
	sheet   string
	columns []column
	order   []int // of the columns that are written
	maxRows int

	sheets int
	stream *excelize.StreamWriter
	row    int // of the sheet
	bytes  int64
	values []any

	header, texts, moment, millis int // styles
}

func (s *Sink) writeBook(ctx context.Context, out *files.Output) error {
	b := book{file: excelize.NewFile(), sheet: s.sheet, columns: s.columns, maxRows: s.maxRows}
	defer b.file.Close()
	// The library would build the file in memory; it lets its parts go straight to the output instead.
	b.file.SetZipWriter(func(io.Writer) excelize.ZipWriter {
		z := zip.NewWriter(outputWriter{out})
		// A third of the time of a large workbook goes into packing it; the standard library's takes twice as long for 7 % less.
		z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.DefaultCompression) })
		return z
	})
	b.choose(len(s.stated) > 0)
	if err := b.styles(); err != nil {
		return err
	}
	if err := b.next(); err != nil {
		return err
	}
	rows := 0
	err := s.spill.read(func(string) error { return nil }, func(cells []cell) error {
		if rows++; rows&255 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return b.add(cells)
	})
	if err != nil {
		return err
	}
	if err := b.stream.Flush(); err != nil {
		return err
	}
	return b.file.Write(io.Discard)
}

// choose settles which columns are written: what is an object in one record and null in all others needs none of its own.
func (b *book) choose(all bool) {
	objects := map[string]bool{}
	for i := range b.columns {
		for name := b.columns[i].name; ; {
			dot := strings.LastIndexByte(name, '.')
			if dot < 0 {
				break
			}
			name = name[:dot]
			objects[name] = true
		}
	}
	for i := range b.columns {
		if c := &b.columns[i]; all || c.full || c.used && !objects[c.name] {
			b.order = append(b.order, i)
		}
	}
	b.values = make([]any, len(b.order))
}

func (b *book) styles() error {
	var err error
	style := func(s excelize.Style) int {
		id, styleErr := b.file.NewStyle(&s)
		if err == nil {
			err = styleErr
		}
		return id
	}
	seconds, parts := "yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd hh:mm:ss.000"
	b.header = style(excelize.Style{Font: &excelize.Font{Bold: true}, NumFmt: 49})
	b.texts = style(excelize.Style{NumFmt: 49})
	b.moment = style(excelize.Style{CustomNumFmt: &seconds})
	b.millis = style(excelize.Style{CustomNumFmt: &parts})
	return err
}

// next begins another sheet.
func (b *book) next() error {
	name := b.sheet
	b.sheets++
	if b.sheets == 1 {
		if err := b.file.SetSheetName("Sheet1", name); err != nil {
			return err
		}
	} else {
		if err := b.stream.Flush(); err != nil {
			return err
		}
		name = fmt.Sprintf("%s %d", b.sheet, b.sheets)
		if _, err := b.file.NewSheet(name); err != nil {
			return err
		}
	}
	var err error
	if b.stream, err = b.file.NewStreamWriter(name); err != nil {
		return err
	}
	b.row, b.bytes = 0, 0
	if len(b.order) == 0 {
		return nil
	}
	for at, i := range b.order {
		c := &b.columns[i]
		if err := b.stream.SetColWidth(at+1, at+1, float64(max(minWidth, min(c.width, maxWidth))+2)); err != nil {
			return err
		}
		if c.full && c.texts {
			if err := b.stream.SetColStyle(at+1, at+1, b.texts); err != nil {
				return err
			}
		}
		b.values[at] = excelize.Cell{StyleID: b.header, Value: c.name}
	}
	if err := b.stream.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	return b.write()
}

func (b *book) write() error {
	b.row++
	name, err := excelize.CoordinatesToCellName(1, b.row)
	if err != nil {
		return err
	}
	return b.stream.SetRow(name, b.values)
}

func (b *book) add(cells []cell) error {
	if b.row >= b.maxRows || b.bytes > sheetBytes {
		if err := b.next(); err != nil {
			return err
		}
	}
	for at, i := range b.order {
		b.values[at] = nil
		if i >= len(cells) {
			continue // the column was not known yet
		}
		c := &cells[i]
		if c.kind > null {
			b.bytes += perCell + int64(len(c.text))
		}
		switch c.kind {
		case text:
			b.values[at] = c.text
		case whole:
			b.values[at] = c.whole
		case float:
			b.values[at] = c.number
		case no:
			b.values[at] = false
		case yes:
			b.values[at] = true
		case moment:
			b.values[at] = excelize.Cell{StyleID: b.moment, Value: c.number}
		case millis:
			b.values[at] = excelize.Cell{StyleID: b.millis, Value: c.number}
		}
	}
	return b.write()
}
