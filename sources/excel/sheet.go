package excelsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// kind is what a cell says of its value (ECMA-376-1, 18.18.11).
type kind uint8

const (
	number  kind = iota // digits, with a format
	shared              // the number of a shared string
	text                // text in the sheet itself
	boolean             // 0 or 1
	failure             // #N/A and the like
	isoDate             // a date as ISO 8601 text
)

// cell is one cell that is not empty. Its text is row.text[from:to].
type cell struct {
	col      int // from 0
	style    int
	from, to int
	kind     kind
	formula  bool // of a formula
	pending  bool // of a formula that was never worked out
	long     bool // longer than a cell may be
	literal  bool // an apostrophe at the beginning is part of the text
}

// row is one row as it stands in the sheet.
type row struct {
	number int // from 1
	hidden bool
	cells  []cell
	text   []byte
}

func (r *row) raw(c *cell) []byte { return r.text[c.from:c.to] }

// The size of a sheet (ECMA-376-1 leaves it open; these are Excel's own limits).
const (
	maxRows    = 1 << 20
	maxColumns = 1 << 14
)

// rowBytes is how much text one row may have; cells beyond it count as too long.
const rowBytes = 8 << 20

// sheet reads the rows of one part of the kind worksheet.
type sheet struct {
	scanner
	limits limits
	row    row
	// hidden columns, as ranges from 0.
	hidden [][2]int
	// begun says that the reader is behind <sheetData>.
	begun bool
}

func newSheet(part io.Reader, l limits) *sheet {
	s := &sheet{limits: l}
	s.reset(part)
	return s
}

func (s *sheet) hiddenColumn(col int) bool {
	for _, r := range s.hidden {
		if r[0] <= col && col <= r[1] {
			return true
		}
	}
	return false
}

// start goes to the first row.
func (s *sheet) start() error {
	for {
		t, err := s.scanner.next()
		switch {
		case err != nil:
			return err
		case t == endOfPart:
			return io.ErrUnexpectedEOF
		case t != startTag:
			continue
		}
		switch string(s.name) {
		case "col":
			// A hostile sheet may have any number of them; there are as many as columns at most.
			if s.attr("hidden") == "1" || s.attr("hidden") == "true" {
				from, _ := strconv.Atoi(s.attr("min"))
				to, _ := strconv.Atoi(s.attr("max"))
				if from >= 1 && from <= to && len(s.hidden) < maxColumns {
					s.hidden = append(s.hidden, [2]int{from - 1, to - 1})
				}
			}
		case "sheetData":
			s.begun = true
			return nil
		case "chartsheet", "dialogsheet":
			return &sheetError{"excel.no_cells", "is a chart, not a table of cells", "name another sheet with sheet"}
		}
	}
}

// sheetError is what is wrong with a sheet; the workbook adds its name.
type sheetError struct {
	code, reason, hint string
}

func (e *sheetError) Error() string { return e.reason }

// damaged is a sheet that breaks the rules of its format.
func damaged(format string, args ...any) error {
	return &sheetError{"excel.damaged", fmt.Sprintf(format, args...), "open it in Excel and save it again: Excel repairs it or says what is wrong"}
}

// next reads the next row that has a cell with a value; io.EOF is the end of the sheet. The row is valid until the next call.
func (s *sheet) next(ctx context.Context) (*row, error) {
	if !s.begun {
		if err := s.start(); err != nil {
			return nil, err
		}
		if s.empty { // <sheetData/>
			return nil, io.EOF
		}
	}
	for rows := 0; ; {
		t, err := s.scanner.next()
		if err != nil {
			return nil, err
		}
		switch t {
		case endOfPart:
			return nil, io.ErrUnexpectedEOF
		case endTag:
			if string(s.name) == "sheetData" {
				return nil, io.EOF
			}
		case startTag:
			if string(s.name) != "row" {
				if err := s.skip(); err != nil {
					return nil, err
				}
				continue
			}
			if rows++; rows&255 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err := s.openRow(); err != nil {
				return nil, err
			}
			if s.empty {
				continue
			}
			if err := s.readCells(); err != nil {
				return nil, err
			}
			if len(s.row.cells) > 0 {
				return &s.row, nil
			}
		}
	}
}

func (s *sheet) openRow() error {
	r := &s.row
	before := r.number
	r.number, r.hidden = before+1, false
	for rest := s.attrs; ; {
		name, val, more, ok := attribute(rest)
		if !ok {
			break
		}
		switch string(name) {
		case "r":
			n, err := strconv.Atoi(string(val))
			if err != nil {
				return damaged("has a row numbered %.20q after row %d", val, before)
			}
			r.number = n
		case "hidden":
			r.hidden = truth(val)
		}
		rest = more
	}
	if r.number > s.limits.rows {
		hint := "divide it, or raise max_rows"
		if s.limits.rows >= maxRows {
			hint = "Excel has no more rows than that: the file is damaged, or made to do harm"
		}
		return &sheetError{"excel.too_many_rows", fmt.Sprintf("has a row %d, beyond the limit of %d rows", r.number, s.limits.rows), hint}
	}
	if r.number <= before {
		return damaged("has row %d after row %d", r.number, before)
	}
	r.cells, r.text = r.cells[:0], r.text[:0]
	return nil
}

func truth(val []byte) bool { return string(val) == "1" || string(val) == "true" }

func (s *sheet) readCells() error {
	r := &s.row
	last := -1
	for {
		t, err := s.scanner.next()
		if err != nil {
			return err
		}
		switch t {
		case endOfPart:
			return io.ErrUnexpectedEOF
		case endTag:
			if string(s.name) == "row" {
				return nil
			}
		case startTag:
			if string(s.name) != "c" {
				if err := s.skip(); err != nil {
					return err
				}
				continue
			}
			c := cell{col: last + 1}
			if err := s.openCell(&c); err != nil {
				return err
			}
			if c.col <= last {
				return damaged("has cell %s behind cell %s", cellName(c.col, r.number), cellName(last, r.number))
			}
			last = c.col
			if s.empty {
				continue
			}
			full, err := s.readCell(&c)
			if err != nil {
				return err
			}
			if !full {
				continue
			}
			if c.col >= s.limits.columns {
				return &sheetError{"excel.too_many_columns",
					fmt.Sprintf("has a value in cell %s, beyond the limit of %d columns", cellName(c.col, r.number), s.limits.columns),
					"delete what is not part of the table, or raise max_columns"}
			}
			r.cells = append(r.cells, c)
		}
	}
}

func (s *sheet) openCell(c *cell) error {
	for rest := s.attrs; ; {
		name, val, more, ok := attribute(rest)
		if !ok {
			return nil
		}
		if len(name) == 1 {
			switch name[0] {
			case 'r':
				col := columnOf(val)
				if col < 0 {
					return damaged("has a cell with the reference %.20q in row %d", val, s.row.number)
				}
				c.col = col
			case 's':
				c.style, _ = strconv.Atoi(string(val))
			case 't':
				switch string(val) {
				case "s":
					c.kind = shared
				case "str", "inlineStr":
					c.kind = text
				case "b":
					c.kind = boolean
				case "e":
					c.kind = failure
				case "d":
					c.kind = isoDate
				}
			}
		}
		rest = more
	}
}

// readCell reads the inside of a cell. It reports whether there is a value.
func (s *sheet) readCell(c *cell) (full bool, err error) {
	r := &s.row
	c.from = len(r.text)
	var value, inline, worked bool
	for {
		t, err := s.scanner.next()
		if err != nil {
			return false, err
		}
		switch t {
		case endOfPart:
			return false, io.ErrUnexpectedEOF
		case startTag:
			switch string(s.name) {
			case "v":
				value, worked = !s.empty, true
			case "is":
				inline = !s.empty
			case "t":
				value = inline && !s.empty
			case "f":
				c.formula = true
				err = s.skip()
			case "r":
			default:
				err = s.skip() // how the text is pronounced, fonts, extensions
			}
			if err != nil {
				return false, err
			}
		case textPiece:
			if !value {
				continue
			}
			if len(r.text)-c.from+len(s.text) > s.limits.cell || len(r.text)+len(s.text) > rowBytes {
				c.long = true
				continue
			}
			r.text = s.appendText(r.text)
		case endTag:
			switch string(s.name) {
			case "v", "t":
				value = false
			case "is":
				inline = false
			case "c":
				own := r.text[c.from:]
				if c.kind == text {
					c.to = c.from + len(meant(own))
				} else {
					c.from += len(own) - len(bytes.TrimLeft(own, " \t\r\n"))
					c.to = c.from + len(bytes.TrimSpace(own))
				}
				r.text = r.text[:c.to]
				// Excel writes an empty text as an empty <v> of the type str; programs that do not calculate leave it out.
				c.pending = c.formula && c.to == c.from && (c.kind != text || !worked)
				return c.to > c.from || c.long || c.pending || c.kind == text && c.formula, nil
			}
		}
	}
}

// columnOf gives the column, from 0, of a reference such as AB12; -1 where it is none.
func columnOf(ref []byte) int {
	col := 0
	for i, c := range ref {
		switch {
		case 'A' <= c && c <= 'Z':
			if col = col*26 + int(c-'A') + 1; col > maxColumns {
				return -1
			}
		case '0' <= c && c <= '9' && i > 0:
			return col - 1
		default:
			return -1
		}
	}
	return -1
}

// columnName gives A for 0.
func columnName(col int) string {
	var b [4]byte
	i := len(b)
	for col++; col > 0; col = (col - 1) / 26 {
		i--
		b[i] = byte('A' + (col-1)%26)
	}
	return string(b[i:])
}

func cellName(col, row int) string { return columnName(col) + strconv.Itoa(row) }

// area is a merged range: rows from 1, columns from 0, both ends included.
type area struct{ row1, col1, row2, col2 int }

func (a area) has(row, col int) bool {
	return a.row1 <= row && row <= a.row2 && a.col1 <= col && col <= a.col2
}

// merges gives the merged ranges that touch the rows from first to last. They stand behind all rows, which are passed over
// without looking into them.
func merges(ctx context.Context, part io.Reader, first, last int) ([]area, error) {
	var s scanner
	s.reset(part)
	const end = "sheetData>"
	for {
		b := s.buf[s.pos:s.end]
		if i := bytes.Index(b, []byte(end)); i >= 0 {
			open := bytes.LastIndexByte(b[:i], '<')
			s.pos += i + len(end)
			if open >= 0 && b[open+1] == '/' {
				break
			}
			continue // <sheetData>, or the same letters in a text
		}
		// What may be the beginning of the tag stays.
		s.pos += max(0, len(b)-len(end)-64)
		if !s.fill() {
			if errors.Is(s.err, io.EOF) {
				return nil, nil // <sheetData/>, or a damaged sheet, which reading it tells
			}
			return nil, s.broken()
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	var found []area
	err := s.merges(func(a area) {
		if a.row1 <= last && a.row2 >= first && len(found) < 4*maxColumns {
			found = append(found, a)
		}
	})
	return found, err
}

// merges gives the merged ranges to found. The scanner is behind the rows.
func (s *scanner) merges(found func(area)) error {
	for {
		t, err := s.next()
		if err != nil {
			return err
		}
		if t == endOfPart || t == endTag && string(s.name) == "mergeCells" {
			return nil
		}
		if t != startTag || string(s.name) != "mergeCell" {
			continue
		}
		if a, ok := parseArea(s.attr("ref")); ok {
			found(a)
		}
	}
}

func parseArea(ref string) (area, bool) {
	from, to, ok := bytes.Cut([]byte(ref), []byte(":"))
	if !ok {
		return area{}, false
	}
	a := area{rowOf(from), columnOf(from), rowOf(to), columnOf(to)}
	return a, a.row1 > 0 && a.col1 >= 0 && a.row2 >= a.row1 && a.col2 >= a.col1
}

func rowOf(ref []byte) int {
	n, err := strconv.Atoi(string(bytes.TrimLeft(ref, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")))
	if err != nil {
		return 0
	}
	return n
}
