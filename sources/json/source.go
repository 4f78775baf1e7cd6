// Package jsonsource reads records from JSON files (RFC 8259): arrays, one value a line, values one after the other,
// arrays inside an object.
package jsonsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sources/charset"
	"github.com/usher-id/usher/sources/files"
	"github.com/usher-id/usher/value"
)

// Type is the connector.
var Type = pipeline.SourceType{
	Spec: pipeline.Spec{
		Name:      "json",
		Summary:   "Reads JSON files: an array, one object a line (NDJSON), objects one after the other, or an array inside an object.",
		Shorthand: "path",
		Doc: `Files are read as a stream: memory depends on the largest record, never on the file. Numbers keep every digit.
Text is UTF-8, with or without a byte order mark, or UTF-16, which is recognised; a name that occurs twice in one object is an error, as are NaN and other things
that RFC 8259 does not know.

The place of a record is ` + "`file:line`" + ` for one object a line, and ` + "`file:number`" + ` (counted from 1) otherwise. Errors
name record, line and byte offset. A record that is no object, such as ` + "`null`" + ` or a string, fails alone. A record that is no valid
JSON ends the run after the records before it, unless ` + "`on_error: skip`" + ` has it fail alone too. Text that cannot be divided into
records any more (the file ends too early, a comma is missing between two elements) always ends the run.

Rejects have the format of the input, in UTF-8.`,
		Options: append(files.Options(), []pipeline.Option{
			{Name: "format", Type: pipeline.String, Enum: []string{"auto", "array", "ndjson", "concatenated"}, Default: "auto",
				Doc: "How the records stand in the file. `auto` looks at its beginning: `array` is one array, or several, of records; `ndjson` " +
					"is one record a line; `concatenated` is one after the other, with any white space. An empty file is an error in `auto` and " +
					"`array`, unless its name ends in .ndjson or .jsonl, and has no records otherwise."},
			{Name: "at", Type: pipeline.String, Example: "users.items",
				Doc: "The dotted path to the array of records, if the file is an object that holds it. The rest of the object is passed over; a second array at that path is an error."},
			{Name: "on_error", Type: pipeline.String, Enum: []string{"fail", "skip"}, Default: "fail",
				Doc: "What a record that is no valid JSON does: `fail` ends the run after the records before it, `skip` makes it a failed record."},
			{Name: "max_record_size", Type: pipeline.Size, Default: "16MB",
				Doc: "The size in bytes up to which a record is read; a larger one is treated as no valid JSON."},
		}...),
	},
	New: func(env pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
		set, err := files.New(env, c)
		if err != nil {
			return nil, err
		}
		s := &Source{
			set:      set,
			stated:   c.String("format"),
			skip:     c.String("on_error") == "skip",
			env:      env,
			maxBytes: c.Int("max_record_size"),
		}
		if at := c.String("at"); at != "" {
			s.at = strings.Split(at, ".")
			if slices.Contains(s.at, "") {
				return nil, &pipeline.OptionError{Option: "at", Message: "a name is empty", Hint: "write names with one dot between them, such as users.items"}
			}
			if s.stated != "auto" && s.stated != "array" {
				return nil, &pipeline.OptionError{Option: "at", Message: "it leads to an array, but format is " + s.stated, Hint: "leave format out"}
			}
		}
		if s.maxBytes <= 0 {
			return nil, &pipeline.OptionError{Option: "max_record_size", Message: "it must be more than 0"}
		}
		return s, nil
	},
}

// Source reads JSON files.
type Source struct {
	pipeline.UnimplementedSource

	env      pipeline.Env
	set      *files.Set
	stated   string
	at       []string
	skip     bool
	maxBytes int64

	// shape is the format of the first file, which rejects have. It does not change after Open.
	shape   format
	file    *files.File
	cut     cutter
	batch   int   // records of the last batch
	pending error // what ends the run after the records before it

	parser value.Parser
}

// Check implements pipeline.Checker.
func (s *Source) Check(ctx context.Context) error { return s.set.Check(ctx) }

// Open implements pipeline.Source.
func (s *Source) Open(ctx context.Context) error {
	if err := s.set.Open(ctx); err != nil {
		return err
	}
	s.pending, s.batch = nil, 0
	s.cut = cutter{w: files.NewWindow(s.maxBytes)}
	if s.set.Len() == 0 { // nothing new in what is watched
		s.pending = io.EOF
		return nil
	}
	if err := s.start(0); err != nil {
		return err
	}
	s.shape = s.cut.format
	return nil
}

// start begins with the i-th file.
func (s *Source) start(i int) error {
	file, err := s.set.OpenFile(i)
	if err != nil {
		return err
	}
	s.file = file
	w := s.cut.w
	w.Reset(text(file), 0, 0)
	s.cut = cutter{w: w, at: s.at, skips: s.skip, origin: file.Origin}
	s.cut.format, err = s.sniff()
	return err
}

// text gives the content of a file as UTF-8. A JSON text begins with an ASCII character, so that the zero bytes tell UTF-16
// (RFC 4627, section 3).
func text(file *files.File) io.Reader {
	head, _ := file.Peek(2, nil)
	encoding := charset.Marked(head)
	switch {
	case encoding != nil:
	case len(head) >= 2 && head[0] != 0 && head[1] == 0:
		encoding = charset.UTF16LE
	case len(head) >= 2 && head[0] == 0 && head[1] != 0:
		encoding = charset.UTF16BE
	default:
		return file
	}
	return encoding.NewReader(file)
}

// OpenAt implements pipeline.Resumer.
func (s *Source) OpenAt(ctx context.Context, after []byte) error {
	if err := s.Open(ctx); err != nil {
		return err
	}
	var p position
	if err := p.unmarshal(after); err != nil {
		return &pipeline.Error{Code: "json.bad_position", Message: "the place to go on from cannot be read",
			Hint: "run the pipeline again from the start", Err: err}
	}
	if p.file > 0 {
		if err := s.start(p.file); err != nil {
			return err
		}
	}
	c := &s.cut
	c.format, c.count, c.inside, c.first = p.format, p.count, p.inside, p.first
	if err := c.w.SkipTo(p.offset, p.line); err != nil {
		return c.truncated(err)
	}
	return nil
}

// position is where the cutter stands behind a record.
type position struct {
	file                int
	offset, line, count int64
	format              format
	inside, first       bool
}

const positionFormat = "%d %d %d %d %d %t %t"

func (p position) marshal() []byte {
	return fmt.Appendf(nil, positionFormat, p.file, p.offset, p.line, p.count, p.format, p.inside, p.first)
}

func (p *position) unmarshal(text []byte) error {
	_, err := fmt.Sscanf(string(text), positionFormat, &p.file, &p.offset, &p.line, &p.count, &p.format, &p.inside, &p.first)
	return err
}

// Next implements pipeline.Source.
func (s *Source) Next(ctx context.Context, max int) (*pipeline.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.set.Use(ctx)
	records := make([]pipeline.Record, 0, min(max, 2*s.batch+64))
	var last position
	for len(records) < max && s.pending == nil {
		if len(records)&63 == 63 && ctx.Err() != nil {
			break
		}
		n := len(records)
		records = append(records, pipeline.Record{})
		err := s.record(&records[n])
		if err != nil {
			records = records[:n]
			if err == io.EOF {
				err = s.start(s.file.Index + 1)
			}
			if err != nil {
				if ctx.Err() != nil {
					break
				}
				s.pending = err
			}
			continue
		}
		c := &s.cut
		last = position{s.file.Index, c.w.Offset(), c.w.Lines(), c.count, c.format, c.inside, c.first}
	}
	if s.batch = len(records); s.batch > 0 {
		return &pipeline.Batch{Records: records, After: last.marshal()}, nil
	}
	if s.pending != nil {
		return nil, s.pending
	}
	return nil, ctx.Err()
}

// record reads the next record into r.
func (s *Source) record(r *pipeline.Record) error {
	text, err := s.cut.next()
	if err != nil && err != errRecordTooLarge {
		return err
	}
	r.Ref.Origin = s.file.Origin
	if r.Ref.Line = s.cut.count; s.cut.format == ndjson {
		r.Ref.Line = s.cut.line
	}
	if err == errRecordTooLarge {
		return s.bad(r, nil, "json.record_too_large", s.tooLarge(), "", 0)
	}
	if len(text) > 2*maxDepth && deeper(text, maxDepth) {
		return s.bad(r, text, "json.too_deep", fmt.Sprintf("it is nested more than %d levels deep", maxDepth), "", 0)
	}
	v, end, err := s.parser.Read(text)
	if err != nil {
		return s.badJSON(r, text, err)
	}
	if end < len(text) {
		return s.bad(r, text, "json.syntax", "something follows the value", "", int64(end))
	}
	o, ok := v.(*value.Object)
	if !ok {
		r.Raw = bytes.Clone(text)
		r.Fail(pipeline.Problem{Code: "json.not_object", Message: "the record is no object but " + value.Kind(v) + "; a user is an object with named values"})
		return nil
	}
	r.Source = o
	return nil
}

// maxDepth is how deeply a record may be nested. No user is; SQLite's JSON functions take no more either.
const maxDepth = 1000

// deeper reports whether text is nested more than limit levels deep.
func deeper(text []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

func (s *Source) tooLarge() string {
	return fmt.Sprintf("it is larger than max_record_size, %d bytes", s.maxBytes)
}

// badJSON puts an error of the decoder into words.
func (s *Source) badJSON(r *pipeline.Record, text []byte, err error) error {
	code, field, offset := "json.syntax", "", int64(len(text))
	reason := value.SyntaxReason(err)
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		offset = syntactic.ByteOffset
		field = strings.ReplaceAll(strings.TrimPrefix(string(syntactic.JSONPointer), "/"), "/", ".")
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		code = "json.duplicate_name"
	case errors.Is(err, io.ErrUnexpectedEOF):
		code = "json.truncated"
	case strings.Contains(reason, "UTF-8"):
		code = "json.invalid_utf8"
	case strings.Contains(reason, "surrogate pair"):
		code, reason = "json.invalid_utf8", "an escape in a string is half of a surrogate pair"
	case strings.Contains(reason, "escape sequence"):
		reason = "an escape in a string is none of JSON's"
	case bytes.IndexByte(text, 0) >= 0 && int(offset) < len(text) && text[offset] == 0:
		code, reason = "json.nul_byte", "there is a NUL byte"
	}
	return s.bad(r, text, code, reason, field, offset)
}

// bad makes the record a failed one, or gives the error that ends the run. The offset counts in text.
func (s *Source) bad(r *pipeline.Record, text []byte, code, reason, field string, offset int64) error {
	c := &s.cut
	line := c.line + int64(bytes.Count(text[:offset], []byte{'\n'}))
	where := fmt.Sprintf("record %d, line %d, byte %d", c.count, line, c.offset+offset)
	if len(field) > 200 {
		field = field[:200]
	}
	if s.skip {
		r.Raw = bytes.Clone(text)
		if text == nil {
			reason += "; the rejects cannot hold it: raise max_record_size and run again"
		}
		r.Fail(pipeline.Problem{Code: code, Field: strings.ToValidUTF8(field, "\ufffd"), Message: where + ": " + reason})
		return nil
	}
	message := fmt.Sprintf("%s: %s: ", c.origin, where)
	if field != "" {
		message += strings.ToValidUTF8(field, "\ufffd") + ": "
	}
	hint := "mend the file, or have such records fail alone with on_error: skip"
	if code == "json.record_too_large" && c.count == 1 && c.format != array {
		hint = "if the records are in an array inside this object, name it with `at`; else raise max_record_size"
	} else if code == "json.record_too_large" {
		hint = "raise max_record_size, or have such records fail alone with on_error: skip"
	}
	return &pipeline.Error{Code: code, Message: message + reason, Hint: hint}
}

// Close implements pipeline.Source.
func (s *Source) Close() error { return s.set.Close() }

// SetCursor implements pipeline.Cursored.
func (s *Source) SetCursor(stored []byte) { s.set.SetCursor(stored) }

// Cursor implements pipeline.Cursored: the files that were taken, where they are watched.
func (s *Source) Cursor() []byte { return s.set.Cursor() }

// Incremental implements pipeline.Incremental.
func (s *Source) Incremental() bool { return s.set.Watched() }

// Scope implements pipeline.Scoped.
func (s *Source) Scope() []byte { return s.set.Scope() }

// SetScope implements pipeline.Scoped.
func (s *Source) SetScope(scope []byte) { s.set.SetScope(scope) }

// Fingerprint implements pipeline.Fingerprinter.
func (s *Source) Fingerprint() (string, error) { return s.set.Fingerprint() }

// Progress implements pipeline.Measurer: bytes of the files as they are stored.
func (s *Source) Progress() (done, total int64) { return s.set.Progress() }
