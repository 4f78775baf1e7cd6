package excelsource

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sources/files"
	"github.com/usher-id/usher/value"
)

// Rejects are CSV: a workbook is a zip file and cannot be appended to, nor cut at a checkpoint. So that a value comes
// back as what it was, a cell of the CSV file is read as Excel would read it: TRUE, numbers and errors are what they look
// like, and a text that looks like one of them has an apostrophe before it.

const byteOrderMark = "\ufeff" // Excel takes a file without it for one of the local code page

// RejectsExtension implements pipeline.Rejecter.
func (s *Source) RejectsExtension() string { return ".csv" }

// AppendReject implements pipeline.Rejecter.
func (s *Source) AppendReject(dst []byte, n int64, r *pipeline.Record) []byte {
	if n == 0 {
		dst = append(dst, byteOrderMark...)
		for i := range s.union {
			dst = appendField(dst, i, s.union[i].header)
		}
		dst = append(dst, "\r\n"...)
	}
	for i := range s.union {
		c := &s.union[i]
		v, _ := get(r.Source, c.path)
		if c.preset.list() {
			v = subject(v, c.preset.provider)
		}
		failed := slices.ContainsFunc(r.Outcome.Errors, func(p pipeline.Problem) bool { return p.Field == c.name && strings.HasPrefix(p.Code, "excel.") })
		dst = appendField(dst, i, rejectText(v, failed))
	}
	return append(dst, "\r\n"...)
}

// RejectsEnd implements pipeline.Rejecter.
func (s *Source) RejectsEnd(int64) []byte { return nil }

// ReadRejects implements pipeline.Rejecter.
func (s *Source) ReadRejects(path string) pipeline.Source {
	return &Source{env: s.env, set: files.NewSet(s.env, []string{path}), options: s.options, rejects: true}
}

// subject gives the subject that a list of identities has for a provider.
func subject(v any, provider string) any {
	list, _ := v.([]any)
	for _, e := range list {
		o, _ := e.(*value.Object)
		if p, _ := o.Get("provider"); p == provider {
			s, _ := o.Get("subject")
			return s
		}
	}
	return nil
}

// rejectText gives the text of a CSV field that is read as v again. In a column that failed, an error is no text that looks
// like one.
func rejectText(v any, failed bool) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "TRUE", false: "FALSE"}[v]
	case string:
		if failed && isErrorText(v) {
			return v
		}
		if _, looks := plainKind(v); looks || v == "" || v == "是" || v == "否" || strings.IndexByte("'+-=@\t", v[0]) >= 0 {
			return "'" + v
		}
		return v
	case time.Time, *value.Object, []any:
		return strings.Trim(string(value.AppendJSON(nil, v)), `"`)
	}
	return string(value.AppendJSON(nil, v)) // numbers
}

// plainKind tells what a field of a CSV file is, other than text.
func plainKind(s string) (kind, bool) {
	switch strings.ToUpper(s) {
	case "TRUE", "FALSE":
		return boolean, true
	}
	if isErrorText(s) {
		return failure, true
	}
	if _, ok := parseDecimal(s); ok && jsonNumber(s) {
		return number, true
	}
	return text, false
}

// jsonNumber reports whether what parses as a number is written as JSON writes it: 007 and +1 are texts.
func jsonNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole := strings.TrimLeft(s, "0123456789")
	n := len(s) - len(whole)
	return n > 0 && (n == 1 || s[0] != '0') && !strings.HasPrefix(whole, ".e") && !strings.HasPrefix(whole, ".E") && whole != "."
}

func appendField(dst []byte, i int, s string) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	if !strings.ContainsAny(s, "\",\r\n") && strings.TrimSpace(s) == s {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// csvRows is the rowReader of a rejects file.
type csvRows struct {
	r      *csv.Reader
	origin string
	row    row
}

func (s *Source) newCSV(i int) (*csvRows, *files.File, []string, error) {
	f, err := s.set.OpenFile(i)
	if err != nil {
		return nil, nil, nil, err
	}
	in := bufio.NewReader(f)
	if mark, _ := in.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = in.Discard(len(byteOrderMark))
	}
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1 // Excel leaves empty fields at the end of a row out
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, nil, csvError(f.Origin, err)
	}
	return &csvRows{r: r, origin: f.Origin}, f, append([]string(nil), header...), nil
}

func csvError(origin string, err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return &pipeline.Error{Code: "excel.bad_rejects", Message: fmt.Sprintf("%s:%d is no CSV: %s", origin, parse.Line, parse.Err),
			Hint: "close or double the quotes on that line", Err: err}
	}
	return err
}

func (s *Source) surveyRejects(i int) error {
	_, f, header, err := s.newCSV(i)
	if err != nil {
		return err
	}
	t := &table{file: i, origin: f.Origin, first: 1}
	for i, name := range header {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if err := s.addColumn(t, i, name); err != nil {
			return err
		}
	}
	s.tables = append(s.tables, t)
	return nil
}

func (s *Source) openRejects(i int) (rowReader, error) {
	in, _, _, err := s.newCSV(i)
	if err != nil {
		return nil, err
	}
	return in, nil
}

func (c *csvRows) hiddenColumn(int) bool { return false }

func (c *csvRows) Close() error { return nil }

func (c *csvRows) next(ctx context.Context) (*row, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fields, err := c.r.Read()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, csvError(c.origin, err)
	}
	r := &c.row
	r.cells, r.text = r.cells[:0], r.text[:0]
	r.number, _ = c.r.FieldPos(0)
	for i, field := range fields {
		if field == "" {
			continue
		}
		cell := cell{col: i, kind: text, from: len(r.text)}
		if field[0] == '\'' {
			field, cell.literal = field[1:], true
		} else {
			cell.kind, _ = plainKind(field)
		}
		r.text = append(r.text, field...)
		cell.to = len(r.text)
		r.cells = append(r.cells, cell)
	}
	return r, nil
}
