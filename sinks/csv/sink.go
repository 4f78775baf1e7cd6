// Package csvsink writes records as delimited values (RFC 4180).
package csvsink

import (
	"context"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sinks/files"
	"github.com/usher-id/usher/value"
)

// Type is the connector.
var Type = pipeline.SinkType{
	Spec: pipeline.Spec{
		Name:      "csv",
		Summary:   "Writes a CSV file with a header.",
		Shorthand: "path",
		Doc: `Nested objects become columns with dotted names, such as ` + "`user_metadata.name`" + `; lists are written as JSON, bytes as base64, times
as RFC 3339. Absent and null are an empty value, the empty string is one in quotes. The file is UTF-8; lines end with LF unless ` + "`line_ends`" + ` says otherwise.

With ` + "`join`" + ` a list of plain values is written as its elements with that text between them, ` + "`admin;editor`" + `; one that could not be taken apart again, because an
element is empty or has that text in it, is written as JSON, as are lists of lists or objects and those with null in them.

A text that a spreadsheet would take for a formula, because it begins with ` + "`=`, `+`, `-`, `@`" + `, a tab or a carriage return, is written in quotes and with an
apostrophe before it, ` + "`\"'=1+1\"`" + `; so is one with apostrophes before such a beginning, so that the source ` + "`csv`" + ` finds out what it was. Numbers stay
bare. ` + "`guard: false`" + ` writes texts as they are, for readers that know nothing of it; think of phone numbers.

The columns are those of ` + "`columns`" + `, or those of the first batch of records in the order in which they occur. A later record
that has a value for another column fails, so that nothing is left out unnoticed; what ` + "`columns`" + ` does not name is left out. Every other record is
` + "`inserted`" + `. The file replaces one of the same name when the run has come to its end.`,
		Options: []pipeline.Option{
			files.Option(),
			{Name: "columns", Type: pipeline.String, List: true, Example: "[email, name, user_metadata.lang]", Doc: "The columns, by dotted names, in order."},
			{Name: "delimiter", Type: pipeline.String, Default: `","`, Example: "tab", Doc: "The character between values, or `tab`."},
			{Name: "join", Type: pipeline.String, Example: `";"`, Doc: "What stands between the elements of a list. Without it lists are written as JSON."},
			{Name: "line_ends", Type: pipeline.String, Enum: []string{"lf", "crlf"}, Default: "lf", Example: "crlf", Doc: "How lines end: `crlf` is RFC 4180's, for old readers on Windows."},
			{Name: "bom", Type: pipeline.Bool, Default: "false", Example: "true", Doc: "Begin with a byte order mark, by which Excel knows that the file is UTF-8."},
			{Name: "guard", Type: pipeline.Bool, Default: "true", Example: "false", Doc: "Keep spreadsheets from taking texts for formulas."},
		},
	},
	New: func(env pipeline.Env, c *pipeline.Config) (pipeline.Sink, error) {
		s := &Sink{out: files.NewOutput(env, files.Path(c.String("path"))), names: c.Strings("columns"), guard: c.Bool("guard"), join: c.String("join"), crlf: c.String("line_ends") == "crlf"}
		if c.Bool("bom") {
			s.bom = byteOrderMark
		}
		switch d := c.String("delimiter"); {
		case d == "tab":
			s.delimiter = '\t'
		case len(d) == 1 && d[0] < utf8.RuneSelf && !strings.Contains("\r\n\"", d):
			s.delimiter = d[0]
		default:
			return nil, &pipeline.OptionError{Option: "delimiter", Message: fmt.Sprintf("%q is not one ASCII character other than a quote", d), Hint: "write one character, or tab"}
		}
		for i, name := range s.names {
			if name == "" || slices.Index(s.names, name) < i {
				return nil, &pipeline.OptionError{Option: "columns", Message: fmt.Sprintf("the column %q is there twice or has no name", name)}
			}
		}
		s.stated = len(s.names) > 0
		return s, nil
	},
}

// Sink writes a CSV file.
type Sink struct {
	pipeline.UnimplementedSink
	out       *files.Output
	delimiter byte
	guard     bool
	join      string
	crlf      bool
	bom       string
	names     []string // the columns; nil until they are known
	stated    bool
	plan      bool

	root map[string]*node
	row  []any // of one record
}

// node is a member of a record: a column, an object that holds some, or both.
type node struct {
	column  int // -1 for none
	members map[string]*node
}

// Check implements pipeline.Checker.
func (s *Sink) Check(ctx context.Context) error { return s.out.Check(ctx) }

// Open implements pipeline.Sink.
func (s *Sink) Open(ctx context.Context, run pipeline.Run) error {
	s.plan = run.Plan
	if err := s.out.Open(ctx, run); err != nil {
		return err
	}
	if !s.stated {
		s.names = nil
		if written := s.out.Resumed(); written != nil {
			if _, err := io.CopyN(io.Discard, written, int64(len(s.bom))); err != nil && err != io.EOF {
				return err
			}
			r := csv.NewReader(written)
			r.Comma = rune(s.delimiter)
			header, err := r.Read()
			if err != nil && err != io.EOF {
				return &pipeline.Error{Code: "csv.bad_header", Message: "the header written so far cannot be read", Hint: "run the pipeline again from the start", Err: err}
			}
			for i, name := range header {
				if s.guard && guarded(name) {
					header[i] = name[1:]
				}
			}
			s.names = header
		}
	}
	if s.names != nil {
		s.arrange()
	}
	return nil
}

// arrange makes the tree of columns by their names.
func (s *Sink) arrange() {
	s.root = map[string]*node{}
	s.row = make([]any, len(s.names))
	for i, name := range s.names {
		members := s.root
		path := strings.Split(name, ".")
		for _, part := range path[:len(path)-1] {
			n := members[part]
			if n == nil {
				n = &node{column: -1}
				members[part] = n
			}
			if n.members == nil {
				n.members = map[string]*node{}
			}
			members = n.members
		}
		last := path[len(path)-1]
		if members[last] == nil {
			members[last] = &node{}
		}
		members[last].column = i
		// A member may have a dot in its very name.
		if len(path) > 1 && s.root[name] == nil {
			s.root[name] = &node{column: i}
		}
	}
}

// collect finds the columns of a batch.
func (s *Sink) collect(records []pipeline.Record) {
	seen := map[string]bool{} // whether a value of it is more than null
	objects := map[string]bool{}
	var walk func(prefix string, o *value.Object)
	walk = func(prefix string, o *value.Object) {
		for name, v := range o.All() {
			name = prefix + name
			if child, ok := v.(*value.Object); ok {
				objects[name] = true
				walk(name+".", child)
				continue
			}
			valued, known := seen[name]
			if !known {
				s.names = append(s.names, name)
			}
			seen[name] = valued || v != nil
		}
	}
	for i := range records {
		if r := &records[i]; r.Open() {
			walk("", r.Fields)
		}
	}
	// What is an object in one record and null in another needs no column of its own.
	s.names = slices.DeleteFunc(s.names, func(name string) bool { return objects[name] && !seen[name] })
}

// Write implements pipeline.Sink.
func (s *Sink) Write(ctx context.Context, b *pipeline.Batch) error {
	if s.names == nil {
		if s.collect(b.Records); s.names == nil {
			for i := range b.Records {
				if r := &b.Records[i]; r.Open() {
					r.Fail(pipeline.Problem{Code: "csv.no_columns", Message: "the record has no fields, nor has one before it, so that there are no columns yet; list them in columns"})
				}
			}
			return nil
		}
		s.arrange()
	}
	if !s.plan && !s.out.Begun() {
		if err := s.out.Write(s.appendHeader(s.out.Buffer())); err != nil {
			return err
		}
	}
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		clear(s.row)
		if field, wrong := s.fill(s.root, r.Fields); wrong != nil {
			problem := *wrong
			problem.Field = field
			r.Fail(problem)
			continue
		}
		if !s.plan {
			if err := s.out.Write(s.appendRow(s.out.Buffer())); err != nil {
				return err
			}
		}
		r.Outcome.Decision = pipeline.Inserted
	}
	return nil
}

// What can be wrong with a field.
var (
	unknownColumn = pipeline.Problem{Code: "csv.unknown_column",
		Message: "there is no column for this field, since no record of the first batch has it; list the columns in columns"}
	sameColumn = pipeline.Problem{Code: "csv.same_column",
		Message: "is there twice, once as a name with a dot and once nested; rename one of them"}
)

// fill puts the values of o into the row. It gives the name of a field that cannot be there, with what is wrong.
func (s *Sink) fill(members map[string]*node, o *value.Object) (field string, wrong *pipeline.Problem) {
	for i := range o.Len() {
		m := o.At(i)
		n := members[m.Name]
		child, isObject := m.Value.(*value.Object)
		inside := isObject && n != nil && n.members != nil
		if inside {
			if below, wrong := s.fill(n.members, child); wrong != nil {
				return m.Name + "." + below, wrong
			}
		}
		switch {
		case n != nil && n.column >= 0:
			if s.row[n.column] != nil {
				return m.Name, &sameColumn
			}
			s.row[n.column] = m.Value
		case inside, isObject && child.Len() == 0:
		case m.Value != nil && !s.stated:
			return m.Name, &unknownColumn
		}
	}
	return "", nil
}

// byteOrderMark is U+FEFF.
const byteOrderMark = "\ufeff"

func (s *Sink) appendHeader(dst []byte) []byte {
	dst = append(dst, s.bom...)
	for i, name := range s.names {
		if i > 0 {
			dst = append(dst, s.delimiter)
		}
		dst = s.appendText(dst, name)
	}
	return s.endLine(dst)
}

func (s *Sink) endLine(dst []byte) []byte {
	if s.crlf {
		dst = append(dst, '\r')
	}
	return append(dst, '\n')
}

func (s *Sink) appendRow(dst []byte) []byte {
	for i, v := range s.row {
		if i > 0 {
			dst = append(dst, s.delimiter)
		}
		switch v := v.(type) {
		case nil:
			if len(s.row) == 1 {
				dst = append(dst, `""`...) // a blank line is no row
			}
		case string:
			dst = s.appendText(dst, v)
		case bool:
			dst = strconv.AppendBool(dst, v)
		case int64:
			dst = strconv.AppendInt(dst, v, 10)
		case []byte:
			dst = s.appendText(dst, base64.StdEncoding.EncodeToString(v))
		case time.Time:
			dst = value.AppendTime(dst, v)
		case value.Number:
			dst = append(dst, v...)
		case float64:
			dst = value.AppendJSON(dst, v)
		case value.Secret:
			dst = s.appendText(dst, value.Redacted)
		case []any:
			text, ok := "", false
			if s.join != "" {
				text, ok = s.joined(v)
			}
			if !ok {
				text = string(value.AppendJSON(nil, v))
			}
			dst = s.appendText(dst, text)
		default: // an object in a column of its own
			dst = s.appendText(dst, string(value.AppendJSON(nil, v)))
		}
	}
	return s.endLine(dst)
}

// joined gives a list as a text that can be taken apart again, and whether there is one.
func (s *Sink) joined(list []any) (string, bool) {
	var b strings.Builder
	for i, e := range list {
		var text string
		switch e := e.(type) {
		case string:
			text = e
		case bool, int64, float64, value.Number:
			text = string(value.AppendJSON(nil, e))
		case time.Time:
			text = string(value.AppendTime(nil, e))
		}
		if text == "" || strings.Contains(text, s.join) || text[0] == '[' && i == 0 {
			return "", false
		}
		if i > 0 {
			b.WriteString(s.join)
		}
		b.WriteString(text)
	}
	return b.String(), len(list) > 0
}

// formula reports whether a spreadsheet would take a text for a formula.
func formula(text string) bool {
	if text == "" {
		return false
	}
	switch text[0] {
	case '=', '+', '-', '@', '\t', '\r':
		return true
	}
	return false
}

// guarded reports whether a text is, or could be taken for, one with a guard before it.
func guarded(text string) bool {
	return text != "" && text[0] == '\'' && formula(strings.TrimLeft(text, "'"))
}

// appendText appends a value, in quotes where it needs them and with a guard where it needs that.
func (s *Sink) appendText(dst []byte, text string) []byte {
	quote := text == "" || text[0] == '\'' // in quotes it cannot be taken for one itself
	if s.guard && (formula(text) || guarded(text)) {
		text, quote = "'"+text, true
	}
	for i := 0; i < len(text) && !quote; i++ {
		c := text[i]
		quote = c == s.delimiter || c == '"' || c == '\n' || c == '\r'
	}
	if !quote {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	for {
		i := strings.IndexByte(text, '"')
		if i < 0 {
			break
		}
		dst = append(dst, text[:i+1]...)
		dst = append(dst, '"')
		text = text[i+1:]
	}
	dst = append(dst, text...)
	return append(dst, '"')
}

// Commit implements pipeline.Sink: the position is that of the file.
func (s *Sink) Commit(context.Context) ([]byte, error) {
	if s.plan {
		return nil, nil
	}
	return s.out.Commit()
}

// Finish implements pipeline.Sink.
func (s *Sink) Finish(context.Context) error {
	if s.plan {
		return nil
	}
	if !s.out.Begun() && s.names != nil {
		if err := s.out.Write(s.appendHeader(s.out.Buffer())); err != nil {
			return err
		}
	}
	return s.out.Finish(nil)
}

// Published implements pipeline.Publisher.
func (s *Sink) Published() []pipeline.File { return s.out.Published() }

// Close implements pipeline.Sink.
func (s *Sink) Close() error { return s.out.Close() }
