package excelsource

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// sharedString gives the text that a cell refers to, and whether there is one.
func (w *workbook) sharedString(raw string) (string, bool, error) {
	if raw == "" || len(raw) > 18 || !allDigits(raw) {
		return "", false, nil
	}
	i, _ := strconv.ParseInt(raw, 10, 64)
	return w.strings.get(i)
}

// The errors that a cell can hold. Where a value cannot be given at all, one of them stands for it in the record, so that
// rejects that nobody corrected are rejected again.
const (
	notAvailable  = "#N/A"
	badReference  = "#REF!"
	badNumber     = "#NUM!"
	badValue      = "#VALUE!"
	notCalculated = "#CALC!"
)

func isErrorText(s string) bool {
	switch s {
	case notAvailable, badReference, badNumber, badValue, notCalculated, "#DIV/0!", "#NAME?", "#NULL!", "#GETTING_DATA", "#SPILL!",
		"#UNKNOWN!", "#FIELD!", "#CONNECT!", "#BLOCKED!", "#BUSY!", "#EXTERNAL!", "#PYTHON!":
		return true
	}
	return false
}

// converter makes records of rows.
type converter struct {
	book  *workbook
	table *table
	dates dates
	// template says that the columns are those of the import template; region is for its phone numbers.
	template bool
	region   string

	record *pipeline.Record
	row    *row
	all    string // the texts of the row
	column *column
	cell   *cell
	bytes  int64 // of shared strings, which the row's own text does not count
}

// problem says what is wrong with the cell at hand.
func (v *converter) problem(code, format string, args ...any) pipeline.Problem {
	place := cellName(v.cell.col, v.row.number)
	if strings.Contains(v.table.origin, "!") {
		place = v.table.origin + "!" + place
	} else {
		place = v.table.origin + ":" + strconv.Itoa(v.row.number) + " column " + columnName(v.cell.col)
	}
	field := ""
	if v.column != nil {
		field = v.column.name
	}
	return pipeline.Problem{Code: code, Field: field, Message: place + " " + fmt.Sprintf(format, args...)}
}

// convert makes a record of a row. It reports false for a row in which nobody would see anything.
func (v *converter) convert(r *row, record *pipeline.Record, skip func(col int) bool) (bool, error) {
	v.row, v.record, v.all, v.bytes = r, record, string(r.text), 0
	o := value.NewObject(min(len(r.cells), len(v.table.columns)))
	seen := false
	for i := range r.cells {
		v.cell = &r.cells[i]
		v.column = v.table.columnAt(v.cell.col)
		if skip != nil && skip(v.cell.col) {
			continue
		}
		val, blank, err := v.value()
		if err != nil {
			return false, err
		}
		if v.column == nil {
			if !blank {
				record.Warn(v.problem("excel.unnamed_column", "has a value, but its column has no header: it is left out"))
			}
			continue
		}
		seen = seen || !blank
		if v.column.preset != nil && !blank {
			val = v.preset(o, val)
		}
		if val == nil || blank && v.column.preset != nil {
			continue
		}
		set(o, v.column.path, val)
	}
	if !seen {
		return false, nil
	}
	record.Ref = pipeline.Ref{Origin: v.table.origin, Line: int64(r.number)}
	record.Source = o
	return true, nil
}

// value gives the value of the cell at hand. A value that cannot be had fails the record; what it gives then stands for it
// among the rejects. blank says that a person would see nothing.
func (v *converter) value() (val any, blank bool, err error) {
	c := v.cell
	raw := v.all[c.from:c.to]
	as := asAuto
	if v.column != nil {
		as = v.column.as
	}
	fail := func(stands any, code, format string, args ...any) (any, bool, error) {
		if v.column != nil {
			v.record.Fail(v.problem(code, format, args...))
		}
		return stands, false, nil
	}
	switch {
	case c.kind == failure:
		if !isErrorText(raw) {
			raw = badValue
		}
		return fail(raw, "excel.error_cell", "has the error %s; correct its formula or type the value", raw)
	case c.long:
		return fail(badValue, "excel.cell_too_large", "has more than %d bytes; shorten it, or raise max_cell", v.book.limits.cell)
	case c.pending:
		return fail(notCalculated, "excel.not_calculated", "has a formula whose value is not in the file; open the file in Excel and save it, so that it is worked out")
	}
	switch c.kind {
	case shared:
		s, ok, err := v.book.sharedString(raw)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			return fail(badReference, "excel.damaged", "refers to a text that is not in the file; open the file in Excel and save it again")
		}
		if v.book.strings.isLong(raw) {
			return fail(badValue, "excel.cell_too_large", "has more than %d bytes; shorten it, or raise max_cell", v.book.limits.cell)
		}
		if v.bytes += int64(len(s)); v.bytes > rowBytes {
			return fail(badValue, "excel.row_too_large", "is in a row of more than %d bytes; shorten its cells", rowBytes)
		}
		return v.text(s, as)
	case text:
		return v.text(raw, as)
	case boolean:
		yes := raw == "1" || strings.EqualFold(raw, "true")
		switch {
		case as == asString && !v.column.guessed:
			return map[bool]string{true: "TRUE", false: "FALSE"}[yes], false, nil
		case as == asAuto, as == asString, as == asBool:
			return yes, false, nil
		}
		return fail(yes, "excel.bad_value", "is a yes or no, not of the type %s", typeNames[as])
	case isoDate:
		s, ok := v.dates.typed(raw, as == asDate || v.book.style(c.style).class == date)
		if !ok {
			return fail(badNumber, "excel.bad_date", "is no date that there can be")
		}
		return s, false, nil
	}
	return v.number(raw, as)
}

// number gives the value of a cell that holds a number.
func (v *converter) number(raw string, as valueType) (any, bool, error) {
	f := v.book.style(v.cell.style)
	fail := func(stands any, code, message string) (any, bool, error) {
		if v.column != nil {
			v.record.Fail(v.problem(code, "%s", message))
		}
		return stands, false, nil
	}
	isDate := f.class >= date && f.class <= anyTime
	if as == asDate || as == asTime {
		f.class = map[valueType]class{asDate: date, asTime: moment}[as]
		isDate = true
	}
	if isDate && as != asNumber && as != asInt && as != asBool && as != asJSON {
		serial, err := strconv.ParseFloat(raw, 64)
		if err == nil {
			if s, ok := v.dates.text(serial, f); ok {
				if as == asDate {
					s = s[:min(len(s), len(dateLayout))]
				}
				return s, false, nil
			}
		}
		return fail(badNumber, "excel.bad_date", "holds a number that is no date; type the date again, or give the column another type")
	}
	if as != asString && len(raw) <= precision && raw != "" && raw[0] != '0' && allDigits(raw) && f.class != textual && !f.quoted && as != asBool {
		i, _ := strconv.ParseInt(raw, 10, 64)
		return i, false, nil
	}
	d, ok := parseDecimal(raw)
	if !ok {
		return fail(badNumber, "excel.bad_number", "holds no number that can be read; type it again")
	}
	if d.lost && as != asBool {
		v.record.Warn(v.problem("excel.lost_digits", "has a number of more than %d digits, of which Excel keeps no more: the last ones are likely wrong; if it is an id, type it as text", precision))
	}
	switch as {
	case asString:
		return maskedText(d, f), false, nil
	case asAuto:
		if f.class == textual || f.quoted {
			return d.String(), false, nil
		}
	case asInt:
		if _, ok := d.whole(); !ok {
			return fail(value.ParseNumber(d.String()), "excel.bad_value", "is not a whole number")
		}
	case asBool:
		switch d.String() {
		case "0":
			return false, false, nil
		case "1":
			return true, false, nil
		}
		return fail(value.ParseNumber(d.String()), "excel.bad_value", "is neither true nor false")
	}
	return value.ParseNumber(d.String()), false, nil
}

// maskedText gives a number as text, with the zeros that its format puts before it.
func maskedText(d decimal, f format) string {
	if f.mask != "" && !d.negative {
		if digits, ok := d.whole(); ok {
			return applyMask(f.mask, digits)
		}
	}
	return d.String()
}

// spaces are what people leave in a cell that is to be empty. A tab or the end of a line was put there by a program.
const spaces = " \u00a0\u3000"

// text gives the value of a cell that holds text.
func (v *converter) text(s string, as valueType) (any, bool, error) {
	fail := func(code, format string, args ...any) (any, bool, error) {
		if v.column != nil {
			v.record.Fail(v.problem(code, format, args...))
		}
		return s, false, nil
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
		return fail("excel.bad_text", "has bytes that are no text; type it again")
	}
	if len(s) > 1 && s[0] == '\'' && !v.cell.literal && strings.IndexByte("0123456789+-=@\t", s[1]) >= 0 {
		s = s[1:] // typed or exported so that it stays text
	}
	trimmed := strings.TrimSpace(s)
	if trimmed == "" {
		seen := strings.Trim(s, spaces) != "" && (as == asAuto || as == asString)
		if seen || as == asString && !v.column.guessed {
			return s, true, nil
		}
		return nil, true, nil
	}
	switch as {
	case asAuto:
		// As a text, 否 would be true wherever somebody asks. Only these two: "no" is a country and a language too.
		if !v.cell.literal && (trimmed == "是" || trimmed == "否") {
			return trimmed == "是", false, nil
		}
		return s, false, nil
	case asString:
		digits, whole, ok := scientific(s)
		if ok && !whole {
			return fail("excel.lost_digits", "has a text such as 1.31E+10: Excel has cut off the last digits of a long number; type the number again, as text")
		}
		if ok {
			return digits, false, nil
		}
		return s, false, nil
	case asInt, asNumber:
		d, ok := parseDecimal(trimmed)
		if ok && as == asInt {
			_, ok = d.whole()
		}
		if !ok {
			return fail("excel.bad_value", "is not %s", map[valueType]string{asInt: "a whole number", asNumber: "a number"}[as])
		}
		return value.ParseNumber(d.String()), false, nil
	case asBool:
		if yes, ok := yesOrNo(trimmed); ok {
			return yes, false, nil
		}
		return fail("excel.bad_value", "is neither true nor false; write 是 or 否, yes or no, TRUE or FALSE")
	case asDate, asTime:
		if t, ok := v.dates.typed(trimmed, as == asDate); ok {
			return t, false, nil
		}
		return fail("excel.bad_value", "is not a date with one meaning; write 2006-01-02 or 2006-01-02 15:04:05")
	case asJSON:
		j, err := value.ParseJSON([]byte(s))
		if err != nil {
			return fail("excel.bad_value", "is not JSON: %s", err)
		}
		return j, false, nil
	}
	return s, false, nil
}

func yesOrNo(s string) (yes, ok bool) {
	switch strings.ToLower(s) {
	case "true", "t", "yes", "y", "1", "是", "真", "√", "✓":
		return true, true
	case "false", "f", "no", "n", "0", "否", "假", "×", "✗":
		return false, true
	}
	return false, false
}
