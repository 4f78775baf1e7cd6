package excelsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/usher-id/usher/pipeline"
)

const (
	// headerWindow is how many rows that are not empty are looked at for a header.
	headerWindow = 50
	// maxHeaderRows bounds how many rows a header can have.
	maxHeaderRows = 10
)

// headerRow is a row as texts, by column; isText tells text cells from numbers, dates and booleans.
type headerRow struct {
	number int
	cells  map[int]string
	isText map[int]bool
	last   int
}

// newHeaderRow reads the texts of a row.
func (s *Source) newHeaderRow(w *workbook, r *row) (headerRow, error) {
	h := headerRow{number: r.number, cells: map[int]string{}, isText: map[int]bool{}, last: -1}
	for i := range r.cells {
		c := &r.cells[i]
		raw := string(r.raw(c))
		isText := c.kind == text
		if c.kind == shared {
			str, _, err := w.sharedString(raw)
			if err != nil {
				return h, err
			}
			raw, isText = str, true
		}
		name := strings.Join(strings.Fields(strings.ToValidUTF8(raw, "\ufffd")), " ")
		if name == "" {
			continue
		}
		h.cells[c.col], h.isText[c.col], h.last = name, isText, c.col
	}
	return h, nil
}

// window reads the first rows of a sheet that are not empty; where a header is stated, up to its last row.
func (s *Source) window(ctx context.Context, w *workbook, sheet int) ([]headerRow, error) {
	in, closer, err := w.openSheet(sheet)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	var rows []headerRow
	for len(rows) < headerWindow {
		r, err := in.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, w.sheetError(sheet, err)
		}
		if s.headerAt > 0 && r.number < s.headerAt {
			continue
		}
		h, err := s.newHeaderRow(w, r)
		if err != nil {
			return nil, w.sheetError(sheet, err)
		}
		if h.last >= 0 {
			rows = append(rows, h)
		}
		if s.headerAt > 0 && r.number > s.headerAt+maxHeaderRows {
			break
		}
	}
	return rows, nil
}

// table finds out where the records of a sheet are. It gives nil for an empty sheet.
func (s *Source) table(ctx context.Context, w *workbook, file, sheet int) (*table, error) {
	t := &table{file: file, sheet: sheet, origin: w.origin + "!" + w.sheets[sheet].name, first: 1}
	if s.noHeader {
		for i, name := range s.columns {
			if err := s.addColumn(t, i, name); err != nil {
				return nil, err
			}
		}
		return t, nil
	}
	rows, err := s.window(ctx, w, sheet)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	at, err := s.findHeader(t, rows)
	if err != nil {
		return nil, err
	}
	names, last, err := s.headerNames(ctx, w, t, rows[at:])
	if err != nil {
		return nil, err
	}
	t.first = last + 1
	if len(s.columns) > 0 {
		names = map[int]string{}
		for i, name := range s.columns {
			names[i] = name
		}
	}
	indexes := make([]int, 0, len(names))
	for i := range names {
		indexes = append(indexes, i)
	}
	slices.Sort(indexes)
	for _, i := range indexes {
		if err := s.addColumn(t, i, names[i]); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (s *Source) addColumn(t *table, index int, header string) error {
	c := column{index: index, header: header, name: header}
	if s.template != "" {
		c.preset = recognise(header)
		if c.preset != nil {
			c.name, c.as = c.preset.field, c.preset.as
			c.path = dotted(c.name)
		} else {
			c.name, c.as = "custom_attributes."+header, asString
			c.path = []string{"custom_attributes", header}
		}
	} else {
		c.path = dotted(header)
		if namesText(header) {
			c.as, c.guessed = asString, true
		}
	}
	if as, ok := s.types[header]; ok {
		c.as, c.guessed = as, false
		s.typed[header] = true
	}
	if err := t.add(c); err != nil {
		return &pipeline.Error{Code: "excel.bad_header", Message: t.origin + " " + err.Error(), Hint: "rename one of them, or name the columns with columns"}
	}
	return nil
}

// findHeader gives the place of the header in rows.
func (s *Source) findHeader(t *table, rows []headerRow) (int, error) {
	if s.headerAt > 0 {
		if rows[0].number != s.headerAt {
			return 0, &pipeline.Error{Code: "excel.no_header", Message: fmt.Sprintf("%s has an empty row %d, where the header was stated to be", t.origin, s.headerAt),
				Hint: fmt.Sprintf("the next row with values is %d; leave header out to have it found", rows[0].number)}
		}
		return 0, nil
	}
	if s.template != "" {
		best, most := -1, 1
		for i, r := range rows {
			known := 0
			for _, name := range r.cells {
				if recognise(name) != nil {
					known++
				}
			}
			if known > most {
				best, most = i, known
			}
		}
		if best < 0 {
			return 0, &pipeline.Error{Code: "excel.no_header", Message: fmt.Sprintf("%s has no row with the columns of the template in its first %d rows", t.origin, len(rows)),
				Hint: "compare it with what `usher template excel` writes"}
		}
		return best, nil
	}
	width := 0
	for _, r := range rows {
		width = max(width, len(r.cells))
	}
	// The first row of that width decides: a row of records below must never pass for the header.
	for i, r := range rows {
		if len(r.cells)*2 <= width {
			continue
		}
		if r.isHeader() {
			return i, nil
		}
		return 0, &pipeline.Error{Code: "excel.no_header", Message: fmt.Sprintf("%s has no header that can be found: row %d, the first with values in most of the columns, is not all names", t.origin, r.number),
			Hint: "state the number of its row with header, or write header: none and name the columns"}
	}
	return 0, nil // not reached: the widest row is wide enough
}

// isHeader reports whether all cells are texts, and none is an address or a number.
func (r headerRow) isHeader() bool {
	for i, name := range r.cells {
		_, isNumber := parseDecimal(name)
		_, domain, _ := strings.Cut(name, "@")
		if !r.isText[i] || isNumber || strings.Contains(domain, ".") {
			return false
		}
	}
	return true
}

// headerNames gives the names of the columns and the last row of the header. Where cells are merged, a header may have
// several rows: the names from top to bottom are joined by dots, so that values nest as the header does.
func (s *Source) headerNames(ctx context.Context, w *workbook, t *table, rows []headerRow) (map[int]string, int, error) {
	top := rows[0]
	height, last := max(1, s.headerRows), top.last
	gaps := len(top.cells) <= top.last
	if len(rows) > 1 && rows[1].last > top.last {
		gaps, last = true, rows[1].last
	}
	if !gaps && height == 1 {
		return top.cells, top.number, nil
	}
	found, err := s.mergesOf(ctx, w, t.sheet, top.number)
	if err != nil {
		return nil, 0, err
	}
	if s.headerRows == 0 {
		for _, a := range found {
			if a.row1 == top.number && top.cells[a.col1] != "" {
				height = max(height, min(a.row2-a.row1+1, maxHeaderRows))
			}
		}
	}
	bottom := top.number + height - 1
	for _, r := range rows {
		if r.number <= bottom {
			last = max(last, r.last)
		}
	}
	names := map[int]string{}
	for col := 0; col <= last; col++ {
		var parts []string
		for _, r := range rows {
			if r.number > bottom {
				break
			}
			if name := r.cells[col]; name != "" {
				parts = append(parts, name)
				continue
			}
			// A column under a cell that is merged sideways has that cell's name above its own.
			for _, a := range found {
				if a.has(r.number, col) && a.row1 == r.number && r.cells[a.col1] != "" {
					parts = append(parts, r.cells[a.col1])
					if r.number == bottom || a.row2 >= bottom {
						parts[len(parts)-1] += fmt.Sprintf("_%d", col-a.col1+1)
					}
				}
			}
		}
		if len(parts) > 0 {
			names[col] = strings.Join(parts, ".")
		}
	}
	return names, bottom, nil
}

func (s *Source) mergesOf(ctx context.Context, w *workbook, sheet, first int) ([]area, error) {
	info := w.sheets[sheet]
	p, err := w.openPart(info.part, w.left, false)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	found, err := merges(ctx, p, first, first+maxHeaderRows)
	return found, w.partError(info.part, err)
}
