// Package excelsink writes records as Excel workbooks (Office Open XML, ECMA-376).
package excelsink

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sinks/files"
	"github.com/usher-id/usher/value"
)

// Type is the connector.
var Type = pipeline.SinkType{
	Spec: pipeline.Spec{
		Name:      "excel",
		Summary:   "Writes an Excel workbook (.xlsx).",
		Shorthand: "path",
		Doc: `The first row is the header, in bold, and stays when one scrolls. Nested objects become columns with dotted names, such as
` + "`user_metadata.name`" + `; lists are written as JSON and bytes as base64, as text. Absent and null are an empty cell.

Cells have types: texts are text, so that ids and phone numbers keep their zeros and plus signs and none is ever taken for a formula; booleans are booleans; times are dates, in UTC;
numbers are numbers as long as Excel keeps all their digits, which are 15, else text. A column of nothing but texts is formatted as text, so that it stays so
when somebody types in it.

The columns are those of ` + "`columns`" + `, whose order they keep, or all that occur. Every record is ` + "`inserted`" + `, unless Excel cannot hold it: a text of more than 32 767
characters or with a control character, or more than 16 384 columns, fails its record. Past 1 048 576 rows there is another sheet: Users, Users 2, Users 3.

A workbook can only be written as a whole. Until the run has come to its end its rows are in a file beside the workbook, ` + "`.<name>.<run id>.rows`" + `, which a resumed run goes on with;
then the workbook is written and replaces one of the same name.`,
		Options: []pipeline.Option{
			files.Option(),
			{Name: "sheet", Type: pipeline.String, Default: "Users", Doc: "The name of the sheet."},
			{Name: "columns", Type: pipeline.String, List: true, Example: "[email, name, user_metadata.lang]", Doc: "The columns, by dotted names, in order; others are left out."},
		},
	},
	New: func(env pipeline.Env, c *pipeline.Config) (pipeline.Sink, error) {
		s := &Sink{env: env, path: files.Path(c.String("path")), sheet: c.String("sheet"), stated: c.Strings("columns"), maxRows: excelize.TotalRows}
		if reason := badSheetName(s.sheet); reason != "" {
			return nil, &pipeline.OptionError{Option: "sheet", Message: fmt.Sprintf("%q %s", s.sheet, reason)}
		}
		for i, name := range s.stated {
			if name == "" || slices.Index(s.stated, name) < i {
				return nil, &pipeline.OptionError{Option: "columns", Message: fmt.Sprintf("the column %q is there twice or has no name", name)}
			}
		}
		return s, nil
	},
}

// badSheetName gives Excel's complaint about a name; room is left for the number of a further sheet.
func badSheetName(name string) string {
	switch {
	case name == "" || utf8.RuneCountInString(name) > 26:
		return "has not from 1 to 26 characters"
	case strings.ContainsAny(name, `:\/?*[]`):
		return `has one of the characters : \ / ? * [ ]`
	case strings.HasPrefix(name, "'") || strings.HasSuffix(name, "'"):
		return "begins or ends with an apostrophe"
	}
	return ""
}

// Sink writes a workbook.
type Sink struct {
	pipeline.UnimplementedSink
	env     pipeline.Env
	path    string
	sheet   string
	stated  []string
	maxRows int // of a sheet, with its header

	run       pipeline.Run
	durable   bool // the spill stays when the process dies
	finished  bool // by an earlier process of the run
	published []pipeline.File
	spill     spill
	columns   []column
	byName    map[string]int
	root      *node
	members   int    // of all nodes
	row       []cell // of one record, by column
	problem   pipeline.Problem
}

// column is what is known of a column.
type column struct {
	name  string
	used  bool // a row has it
	texts bool // it has nothing but texts
	full  bool // it has a value
	width int  // of its longest value, in characters
}

// node is a member of a record: a column, an object that holds some, or both.
type node struct {
	column  int // -1 for none
	members map[string]*node
}

// Check implements pipeline.Checker.
func (s *Sink) Check(ctx context.Context) error { return files.NewOutput(s.env, s.path).Check(ctx) }

// Open implements pipeline.Sink.
func (s *Sink) Open(_ context.Context, run pipeline.Run) error {
	if err := files.NewOutput(s.env, s.path).Look(); err != nil {
		return err
	}
	s.run, s.finished, s.published, s.spill = run, false, nil, spill{}
	s.columns, s.byName, s.root, s.row = nil, map[string]int{}, &node{column: -1}, nil
	s.members = 0
	if !run.Plan {
		if err := s.openSpill(); err != nil {
			return err
		}
	}
	if s.spill.size == 0 {
		for _, name := range s.stated {
			s.addColumn(name)
		}
	}
	return nil
}

// openSpill begins the spill, or goes on with that of an earlier process of the run.
func (s *Sink) openSpill() error {
	target, replaced := files.Resolved(s.path, s.run)
	if s.durable = replaced && s.path != "-"; !s.durable {
		f, err := os.CreateTemp("", "usher-rows-*")
		if err != nil {
			return s.failed(err)
		}
		_ = os.Remove(f.Name()) // so that not even a kill leaves it behind, where the system allows it
		s.spill.file = f
		return nil
	}
	s.spill.path = filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+"."+s.run.ID+".rows")
	if !s.run.Resumed || s.run.Position == nil {
		f, err := os.OpenFile(s.spill.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		s.spill.file = f
		return s.failed(err)
	}
	var size int64
	if _, err := fmt.Sscanf(string(s.run.Position), "%d %08x", &size, &s.spill.sum); err != nil {
		return badPosition(err)
	}
	f, err := os.OpenFile(s.spill.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if info, err := os.Stat(target); err == nil && !info.ModTime().Before(s.run.StartedAt) {
			// The process died between giving the workbook its name and saying so: nothing is left to be written.
			s.finished = true
			return nil
		}
		return &pipeline.Error{Code: "file.partial_missing", Message: "what the run has written so far, " + s.spill.path + ", is not there any more",
			Hint: "run the pipeline again from the start", Err: err}
	}
	if err != nil {
		return s.failed(err)
	}
	s.spill.file = f
	if info, err := f.Stat(); err != nil {
		return s.failed(err)
	} else if info.Size() < size {
		return &pipeline.Error{Code: "file.partial_damaged", Message: "what the run has written so far, " + s.spill.path + ", was cut off",
			Hint: "run the pipeline again from the start"}
	}
	if err := f.Truncate(size); err != nil {
		return s.failed(err)
	}
	if _, err := f.Seek(size, 0); err != nil {
		return s.failed(err)
	}
	s.spill.size = size
	return s.failed(s.spill.read(func(name string) error { s.knowColumn(name); return nil }, func(cells []cell) error { s.note(cells); return nil }))
}

// failed puts an error of writing into words.
func (s *Sink) failed(err error) error {
	var known *pipeline.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, errSpill):
		return &pipeline.Error{Code: "file.partial_damaged", Message: "what the run has written so far, " + s.spill.path + ", is damaged", Hint: "run the pipeline again from the start", Err: err}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &pipeline.Error{Code: "file.disk_full", Message: s.path + " cannot be written: the disk is full",
			Hint: "make room, in the folder for temporary files too, then resume the run", Err: err}
	}
	return &pipeline.Error{Code: "file.unwritable", Message: fmt.Sprintf("%s cannot be written: %s", s.path, err), Hint: "check the path and its permissions", Err: err}
}

// addColumn makes a column known, also to the spill.
func (s *Sink) addColumn(name string) int {
	if s.spill.file != nil {
		s.spill.column(name)
	}
	return s.knowColumn(name)
}

func (s *Sink) knowColumn(name string) int {
	i := len(s.columns)
	s.columns = append(s.columns, column{name: name, texts: true, width: utf8.RuneCountInString(name)})
	s.byName[name] = i
	s.row = append(s.row, cell{})
	return i
}

// note remembers what a row tells of its columns.
func (s *Sink) note(cells []cell) {
	for i := range cells {
		c, k := &s.columns[i], &cells[i]
		if k.kind == none {
			continue
		}
		c.used = true
		if k.kind == null {
			continue
		}
		c.full = true
		width := 8
		switch k.kind {
		case text:
			width = displayWidth(k.text, maxWidth)
		case moment, millis:
			width = len("2006-01-02 15:04:05.000")
		case whole:
			width = len(strconv.FormatInt(k.whole, 10))
		}
		c.texts = c.texts && k.kind == text
		c.width = max(c.width, width)
	}
}

// displayWidth counts the places of a text's longest line, up to most: Chinese and its like take two.
func displayWidth(s string, most int) int {
	longest, width := 0, 0
	for _, r := range s {
		switch {
		case r == '\n':
			width = 0
		case r >= 0x1100:
			width += 2
		default:
			width++
		}
		if longest = max(longest, width); longest >= most {
			return most
		}
	}
	return longest
}

// Write implements pipeline.Sink.
func (s *Sink) Write(ctx context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.finished {
			return &pipeline.Error{Code: "file.finished", Message: s.path + " was finished by an earlier process of this run, but there are more records", Hint: "run the pipeline again from the start"}
		}
		clear(s.row)
		if !s.fill(s.root, "", r.Fields) {
			r.Fail(s.problem)
			continue
		}
		if s.spill.file != nil {
			s.note(s.row)
			if err := s.spill.add(s.row); err != nil {
				return s.failed(err)
			}
		}
		r.Outcome.Decision = pipeline.Inserted
	}
	return nil
}

// fill puts the values of o into the row. It reports false, with the problem, where Excel cannot hold one.
func (s *Sink) fill(n *node, prefix string, o *value.Object) bool {
	for i := range o.Len() {
		m := o.At(i)
		member := n.members[m.Name]
		if member == nil {
			member = s.member(n, m.Name)
		}
		val := m.Value
		if child, ok := val.(*value.Object); ok {
			if len(s.stated) > 0 && member.column == -1 {
				s.columnFor(member, prefix+m.Name)
			}
			if member.column < 0 || len(s.stated) == 0 {
				if !s.fill(member, prefix+m.Name+".", child) {
					return false
				}
				continue
			}
		}
		if member.column == -1 {
			if !s.columnFor(member, prefix+m.Name) {
				return false
			}
		}
		if member.column == leftOut {
			continue
		}
		c, reason := toCell(val)
		if reason != "" {
			s.problem = pipeline.Problem{Code: "excel.unfit", Field: prefix + m.Name, Message: reason}
			return false
		}
		if s.row[member.column].kind > null {
			s.problem = pipeline.Problem{Code: "excel.same_column", Field: prefix + m.Name, Message: "is there twice, once as a name with a dot and once nested; rename one of them"}
			return false
		}
		s.row[member.column] = c
	}
	return true
}

// leftOut is the column of what the stated columns do not have.
const leftOut = -2

// maxMembers bounds the names that are remembered, so that data with names as keys cannot grow them without end.
const maxMembers = 4 * excelize.MaxColumns

func (s *Sink) member(n *node, name string) *node {
	member := &node{column: -1}
	if s.members == maxMembers {
		return member
	}
	if n.members == nil {
		n.members = map[string]*node{}
	}
	s.members++
	n.members[name] = member
	return member
}

func (s *Sink) tooMany(name string) {
	s.problem = pipeline.Problem{Code: "excel.too_many_columns", Field: name,
		Message: fmt.Sprintf("would be a column beyond the %d that Excel has; list those that are wanted in columns", excelize.MaxColumns)}
}

func (s *Sink) columnFor(n *node, name string) bool {
	i, known := s.byName[name]
	switch {
	case known:
	case len(s.stated) > 0:
		i = leftOut
	case len(s.columns) >= excelize.MaxColumns:
		s.tooMany(name)
		return false
	default:
		i = s.addColumn(name)
	}
	n.column = i
	return true
}

// maxWhole is the largest whole number of 15 digits.
const maxWhole = 999_999_999_999_999

// toCell gives the cell for a value that is no object, or why there can be none.
func toCell(v any) (cell, string) {
	switch v := v.(type) {
	case nil:
		return cell{kind: null}, ""
	case string:
		return textCell(v)
	case bool:
		if v {
			return cell{kind: yes}, ""
		}
		return cell{kind: no}, ""
	case int64:
		if v < -maxWhole || v > maxWhole {
			return cell{kind: text, text: strconv.FormatInt(v, 10)}, ""
		}
		return cell{kind: whole, whole: v}, ""
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return cell{kind: null}, ""
		}
		return cell{kind: float, number: v}, ""
	case value.Number:
		return cell{kind: text, text: string(v)}, ""
	case []byte:
		return textCell(base64.StdEncoding.EncodeToString(v))
	case time.Time:
		return timeCell(v)
	case value.Secret:
		return cell{kind: text, text: value.Redacted}, ""
	}
	return textCell(string(value.AppendJSON(nil, v)))
}

func textCell(s string) (cell, string) {
	if len(s) > excelize.TotalCellChars {
		units := 0
		for _, r := range s {
			units++
			if r > 0xFFFF {
				units++
			}
		}
		if units > excelize.TotalCellChars {
			return cell{}, fmt.Sprintf("has %d characters, more than the %d that a cell of Excel can have; shorten it, or leave it out", units, excelize.TotalCellChars)
		}
	}
	for i, r := range s {
		switch {
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0xFFFE, r == 0xFFFF:
			return cell{}, fmt.Sprintf("has the control character U+%04X, which a cell of Excel cannot have; replace it in a transform", r)
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd"):
			return cell{}, "has bytes that are no UTF-8 text; convert it in a transform"
		}
	}
	return cell{kind: text, text: s}, ""
}

// timeCell gives a date as Excel counts them (ECMA-376-1, 18.17.4.1), or as text where Excel cannot hold it exactly.
func timeCell(t time.Time) (cell, string) {
	t = t.UTC()
	if t.Year() < 1900 || t.Year() > 9999 || t.Year() == 1900 && t.Month() < time.March || t.Nanosecond()%int(time.Millisecond) != 0 {
		return cell{kind: text, text: t.Format(time.RFC3339Nano)}, ""
	}
	const unixDay = 25569 // 1970-01-01
	ms := t.UnixMilli()
	c := cell{kind: moment, number: float64(ms)/float64(24*time.Hour/time.Millisecond) + unixDay}
	if ms%1000 != 0 {
		c.kind = millis
	}
	return c, ""
}

// Commit implements pipeline.Sink: the position is the size of the spill, and its checksum.
func (s *Sink) Commit(context.Context) ([]byte, error) {
	if s.finished {
		return s.run.Position, nil
	}
	if s.spill.file == nil {
		return nil, nil
	}
	if err := s.spill.write(); err != nil {
		return nil, s.failed(err)
	}
	if !s.durable {
		return nil, nil
	}
	if err := s.spill.file.Sync(); err != nil {
		return nil, s.failed(err)
	}
	return fmt.Appendf(nil, "%d %08x", s.spill.size, s.spill.sum), nil
}

// Published implements pipeline.Publisher.
func (s *Sink) Published() []pipeline.File { return s.published }

// Close implements pipeline.Sink. What was committed stays for the run to be resumed.
func (s *Sink) Close() error {
	if s.spill.file != nil && !s.durable {
		return s.spill.remove()
	}
	return s.spill.close()
}
