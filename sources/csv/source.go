// Package csvsource reads records from files of delimited values (RFC 4180 and what else goes by that name).
package csvsource

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sources/charset"
	"github.com/usher-id/usher/sources/files"
)

// Type is the connector.
var Type = pipeline.SourceType{
	Spec: pipeline.Spec{
		Name:      "csv",
		Summary:   "Reads CSV files and their relatives with other delimiters.",
		Shorthand: "path",
		Doc: `The first row names the columns, unless ` + "`columns`" + ` does. A dotted name makes nested values: ` + "`user_metadata.name`" + ` is
the member ` + "`name`" + ` of the object ` + "`user_metadata`" + `. White space around a name is taken off; a name that is empty or occurs
twice is an error, as is an email address or a phone number, which is rather a user of a file without a header. Several files must have the same columns in the same order.

Every value is text, exactly as it stands in the file: leading zeros and spaces stay. ` + "`types`" + ` reads columns as something else.

Text is read as UTF-8, or in the encoding that ` + "`encoding`" + ` says or the file seems to have; lines end with LF, CRLF or CR; blank lines are passed over. A value in quotes may hold
delimiters, line ends and doubled quotes, or quotes behind a backslash. A first line such as ` + "`sep=;`" + `, by which Excel is told the delimiter, is obeyed and is no row.

A value that begins with an apostrophe and then ` + "`=`, `+`, `-`, `@`" + `, a tab or a carriage return was guarded
against spreadsheets by who wrote it, as the sink ` + "`csv`" + ` does: the apostrophe is taken off. ` + "`guard: false`" + ` leaves it there. Auth0's export
puts one before every text: ` + "`strip_apostrophe: true`" + `.

A row that cannot be read is a failed record, by the line on which it begins: too few or too many values, a quote inside
a value that does not begin with one, a quote that nothing closes, bytes that are not of the encoding, a NUL byte, a value that is not of its
column's type. Where a stray quote would swallow the rows behind it, only its own line fails.

An empty file is an error, a file with nothing but a header has no records. Rejects are CSV with the same header and delimiter (a line ` + "`sep=;`" + ` tells it where the header does not), in
UTF-8 whatever the input was, with a byte order mark then; save them as UTF-8. A byte that was not of the encoding stands in them as a byte FF and two
hexadecimal digits.`,
		Options: append(files.Options(), []pipeline.Option{
			{Name: "encoding", Type: pipeline.String, Enum: append([]string{"auto", "utf-16"}, charset.Names()...), Default: "auto",
				Doc: "How characters are written. `auto` goes by the beginning of each file: a byte order mark; else UTF-8 where it is that; else one of the others that it " +
					"seems to be, and the run's log says which and how sure that is; else what the first file is. `utf-16` finds out the order of the bytes. " +
					"A byte order mark is believed whatever is stated."},
			{Name: "delimiter", Type: pipeline.String, Default: "auto", Example: `";"`,
				Doc: "The character between values, or `tab`. `auto` finds out which of comma, semicolon, tab and | the first file has."},
			{Name: "quote", Type: pipeline.String, Default: "auto", Example: `"'"`,
				Doc: "The character around values, or `none`. `auto` is the double quote, or the single one where the first file has that instead."},
			{Name: "escape", Type: pipeline.String, Enum: []string{"auto", "doubled", "backslash"}, Default: "auto",
				Doc: "How a quote stands in a value in quotes: `doubled`, or behind a `backslash`, which then also stands before a backslash or a line end that belongs to the value. " +
					"`auto` is doubled unless the beginning of the first file can only be read the other way."},
			{Name: "header", Type: pipeline.Bool,
				Doc: "Whether the first row of every file names the columns. It is true unless `columns` is given; with `columns` and a header, the header is passed over."},
			{Name: "columns", Type: pipeline.String, List: true, Example: "[id, email, user_metadata.name]",
				Doc: "The names of the columns, in order."},
			{Name: "types", Type: pipeline.String, Map: true, Enum: typeNames, Example: "{ id: int, verified: bool, tags: json }",
				Doc: "What the values of a column are: `string`; `int`, a whole number of any size; `number`, with every digit kept; `bool`, one of true, " +
					"false, t, f, yes, no, y, n, 1, 0, 是, 否; `json`, any JSON value; `time`, RFC 3339, or `2006-01-02 15:04:05` or `2006-01-02` in UTC. " +
					"An empty value of a type other than string, in quotes or not, is null, or absent with `empty: absent`."},
			{Name: "empty", Type: pipeline.String, Enum: []string{"string", "null", "absent"}, Default: "string",
				Doc: "What an empty value is: `string` is the empty string; `null` and `absent` take it for no value, which for an update means " +
					"to remove the attribute or to leave it alone. An empty text in quotes is the empty string in any case."},
			{Name: "guard", Type: pipeline.Bool, Default: "true", Example: "false",
				Doc: "Take off the apostrophe that keeps spreadsheets from taking a text for a formula."},
			{Name: "strip_apostrophe", Type: pipeline.Bool, Example: "true",
				Doc: "Take one apostrophe off the beginning of every value and column name that has one, as in Auth0's export."},
			{Name: "max_record_size", Type: pipeline.Size, Default: "16MB",
				Doc: "The size in bytes up to which a row is read; a larger one is a failed record. It bounds what a quote that nothing closes can swallow."},
		}...),
	},
	New: func(env pipeline.Env, c *pipeline.Config) (pipeline.Source, error) { return newSource(env, c) },
}

// options are those of the connector, checked.
type options struct {
	stated   string // the encoding, or auto
	sniff    bool   // delimiter, quote or escape are to be found out
	quoteSet bool
	escape   string
	dialect  dialect // as far as it is stated
	header   bool
	stands   bool // header was stated
	columns  []string
	types    map[string]convert
	empty    string
	guard    bool
	strip    bool
	maxBytes int64
}

func newSource(env pipeline.Env, c *pipeline.Config) (*Source, error) {
	o := options{
		header:   !c.Has("columns"),
		columns:  c.Strings("columns"),
		empty:    c.String("empty"),
		stated:   c.String("encoding"),
		escape:   c.String("escape"),
		guard:    c.Bool("guard"),
		strip:    c.Bool("strip_apostrophe"),
		maxBytes: c.Int("max_record_size"),
	}
	if o.stands = c.Has("header"); o.stands {
		o.header = c.Bool("header")
	}
	if !o.header && len(o.columns) == 0 {
		return nil, &pipeline.OptionError{Option: "columns", Message: "without a header the columns need names", Hint: "list them in columns"}
	}
	if o.maxBytes <= 0 {
		return nil, &pipeline.OptionError{Option: "max_record_size", Message: "it must be more than 0"}
	}
	var err error
	if o.dialect.delimiter, err = character("delimiter", c.String("delimiter"), "tab", '\t'); err != nil {
		return nil, err
	}
	if o.dialect.quote, err = character("quote", c.String("quote"), "none", 0); err != nil {
		return nil, err
	}
	o.quoteSet = c.String("quote") != "auto"
	o.dialect.backslash = o.escape == "backslash"
	o.sniff = c.String("delimiter") == "auto" || !o.quoteSet || o.escape == "auto"
	if d := o.dialect.delimiter; d != 0 && d == o.dialect.quote {
		return nil, &pipeline.OptionError{Option: "quote", Message: "it is the delimiter, too"}
	}
	if len(o.columns) > 0 {
		if _, err := newLayout(o.columns); err != nil {
			return nil, &pipeline.OptionError{Option: "columns", Message: err.Error()}
		}
	}
	o.types = map[string]convert{}
	for column, name := range c.StringMap("types") {
		o.types[column] = converters[name]
		if len(o.columns) > 0 && !slices.Contains(o.columns, column) {
			return nil, &pipeline.OptionError{Option: "types." + column, Message: fmt.Sprintf("there is no column %q in columns", column)}
		}
	}
	set, err := files.New(env, c)
	if err != nil {
		return nil, err
	}
	return &Source{env: env, set: set, options: o}, nil
}

// character gives the one character that an option states, the one that word stands for, or 0 for auto.
func character(option, text, word string, meant byte) (byte, error) {
	switch {
	case text == "auto":
		return 0, nil
	case text == word:
		return meant, nil
	case len(text) == 1 && text[0] != '\n' && text[0] != '\r' && text[0] < utf8.RuneSelf:
		return text[0], nil
	}
	return 0, &pipeline.OptionError{Option: option, Message: fmt.Sprintf("%q is not one ASCII character", text), Hint: "write one character, auto or " + word}
}

// Source reads CSV files.
type Source struct {
	pipeline.UnimplementedSource
	options
	env     pipeline.Env
	set     *files.Set
	rejects bool // the files are rejects, whatever the option says of the encoding

	// What the first file settles. It does not change after Open.
	layout     *layout
	headerText []byte // as it stands in the file, in UTF-8
	mark       bool   // the file is not UTF-8: rejects have a byte order mark
	sep        byte   // the delimiter of the line that tells Excel
	found      dialect

	file     *files.File
	encoding *charset.Encoding // of file
	first    *charset.Encoding // of the first file
	noted    *charset.Encoding
	rows     *reader
	batch    int
	pending  error // what ends the run after the records before it
}

// Check implements pipeline.Checker.
func (s *Source) Check(ctx context.Context) error { return s.set.Check(ctx) }

// Open implements pipeline.Source.
func (s *Source) Open(ctx context.Context) error {
	if err := s.set.Open(ctx); err != nil {
		return err
	}
	s.pending, s.batch = nil, 0
	s.layout, s.headerText, s.sep, s.noted = nil, nil, 0, nil
	s.rows = &reader{w: files.NewWindow(s.maxBytes), dialect: s.dialect}
	if s.set.Len() == 0 { // nothing new in what is watched
		s.pending = io.EOF
		return nil
	}
	return s.start(0)
}

// start begins with the i-th file: its byte order mark and its header are passed over.
func (s *Source) start(i int) error {
	file, err := s.set.OpenFile(i)
	if err != nil {
		return err
	}
	s.file = file
	w := s.rows.w
	w.Reset(s.text(file), 0, 0)
	if err := s.passMark(); err != nil {
		return err
	}
	d := s.found
	if i == 0 {
		d = s.dialect
		s.first, s.mark = s.encoding, s.encoding != charset.UTF8
	}
	if d.lineEnd, err = s.findLineEnd(d); err != nil {
		return err
	}
	s.rows.lineEnd = d.lineEnd
	w.LineEnd(d.lineEnd)
	sep, err := s.separator()
	if err != nil {
		return err
	}
	if i == 0 {
		if s.sep = sep; d.delimiter == 0 {
			d.delimiter = sep
		}
		if s.sniff {
			if d, err = s.findDialect(d); err != nil {
				return err
			}
		}
		s.found = d
	}
	s.rows.dialect = d
	return s.readHeader()
}

// passMark passes over a byte order mark.
func (s *Source) passMark() error {
	w := s.rows.w
	_, err := sample(w, func(b []byte) bool { return len(b) >= len(byteOrderMark) })
	if bytes.HasPrefix(w.Bytes(), byteOrderMark) {
		w.AdvanceLines(len(byteOrderMark), 0)
	}
	return err
}

var byteOrderMark = []byte("\ufeff")

func (s *Source) readHeader() error {
	first := s.layout == nil
	if !s.header {
		if first {
			s.layout, _ = newLayout(s.columns)
			s.layout.setTypes(s.types)
			s.rows.columns = len(s.columns)
		}
		return nil
	}
	s.rows.columns = 0
	err := s.rows.read()
	fail := func(code, message, hint string) error {
		return &pipeline.Error{Code: code, Message: fmt.Sprintf("%s:%d: %s", s.file.Origin, s.rows.line, message), Hint: hint}
	}
	switch {
	case err == io.EOF:
		return &pipeline.Error{Code: "csv.empty", Message: s.file.Origin + " is empty, it has not even a header",
			Hint: "a file without records would have the header alone; for one without a header, name the columns"}
	case isRowError(err):
		p, hint := s.problem(err), "mend the header"
		switch {
		case err == errNotUTF8 && s.rejects:
			hint = "a spreadsheet may have saved them in another encoding"
		case err == errNotUTF8:
			hint = "name the encoding of the file, such as encoding: gb18030"
		}
		return fail(p.Code, "in the header: "+p.Message, hint)
	case err != nil:
		return err
	}
	names := make([]string, len(s.rows.fields))
	for i, name := range s.rows.fields {
		names[i] = strings.TrimSpace(name)
		if s.strip && strings.HasPrefix(names[i], "'") || s.guard && guarded(names[i]) {
			names[i] = names[i][1:]
		}
	}
	if !first {
		if n := len(s.layout.header); len(names) != n {
			return fail("csv.header_differs", fmt.Sprintf("it has %d columns, but the file before it has %d", len(names), n), s.otherFiles())
		}
		for i, name := range names {
			if name != s.layout.header[i] {
				return fail("csv.header_differs", fmt.Sprintf("column %d is %q, but %q in the file before it", i+1, name, s.layout.header[i]), s.otherFiles())
			}
		}
		s.rows.columns = len(names)
		return nil
	}
	if i := slices.IndexFunc(names, looksLikeValue); i >= 0 && !s.stands {
		return &pipeline.Error{Code: "csv.no_header",
			Message: fmt.Sprintf("%s:%d: the first row is no header but a user: there is an email address or a phone number in column %d", s.file.Origin, s.rows.line, i+1),
			Hint:    "name the columns with columns, or in a first row; if this is one, state header: true", Err: &NoHeader{len(names)}}
	}
	s.headerText = bytes.Clone(s.rows.text)
	columns := names
	if len(s.columns) > 0 {
		if columns = s.columns; len(columns) != len(names) {
			return fail("csv.header_differs", fmt.Sprintf("it has %d columns, but %d are named in columns", len(names), len(columns)), "name each of them")
		}
	}
	l, err := newLayout(columns)
	if err != nil {
		return fail("csv.bad_header", err.Error(), "mend the header, or name the columns with columns and header: true")
	}
	if missing := l.setTypes(s.types); missing != "" {
		return fail("csv.unknown_column", fmt.Sprintf("types names a column %q that is not there", missing), "the columns are "+strings.Join(columns, ", "))
	}
	l.header = names
	s.layout, s.rows.columns = l, len(names)
	return nil
}

// NoHeader is the cause of csv.no_header: so many columns have no names.
type NoHeader struct{ Columns int }

func (e *NoHeader) Error() string { return fmt.Sprintf("%d columns have no names", e.Columns) }

// looksLikeValue reports whether the name of a column is rather an email address or a phone number: without a header, the
// first user would be taken for one and lost.
func looksLikeValue(name string) bool {
	if at := strings.IndexByte(name, '@'); at > 0 {
		return strings.IndexByte(name[at:], '.') > 1 && !strings.ContainsAny(name, " \t")
	}
	digits := strings.TrimPrefix(name, "+")
	return len(digits) >= 7 && strings.Trim(digits, "0123456789") == ""
}

// otherFiles says what to do about files that do not belong together.
func (s *Source) otherFiles() string {
	if archive, _, ok := strings.Cut(s.file.Origin, "!"); ok {
		return "if it is none of the files that are meant, name those, such as " + archive + "!*.csv; else read the two by different pipelines"
	}
	return "files of one source have the same columns in the same order; read the two by different pipelines"
}

// position is where the source stands behind a record.
type position struct {
	file         int
	offset, line int64
}

const positionFormat = "%d %d %d"

// OpenAt implements pipeline.Resumer.
func (s *Source) OpenAt(ctx context.Context, after []byte) error {
	if err := s.Open(ctx); err != nil {
		return err
	}
	var p position
	if _, err := fmt.Sscanf(string(after), positionFormat, &p.file, &p.offset, &p.line); err != nil {
		return &pipeline.Error{Code: "csv.bad_position", Message: "the place to go on from cannot be read",
			Hint: "run the pipeline again from the start", Err: err}
	}
	if p.file > 0 {
		if err := s.start(p.file); err != nil {
			return err
		}
	}
	if err := s.rows.w.SkipTo(p.offset, p.line); err == io.EOF {
		return &pipeline.Error{Code: "file.truncated", Message: fmt.Sprintf("%s ends before byte %d, where the run is to go on", s.file.Origin, p.offset),
			Hint: "run the pipeline again from the start"}
	} else if err != nil {
		return err
	}
	return nil
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
		err := s.rows.read()
		if err != nil && !isRowError(err) {
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
		records = append(records, pipeline.Record{})
		s.record(&records[len(records)-1], err)
		last = position{s.file.Index, s.rows.w.Offset(), s.rows.w.Lines()}
	}
	if s.batch = len(records); s.batch > 0 {
		return &pipeline.Batch{Records: records, After: fmt.Appendf(nil, positionFormat, last.file, last.offset, last.line)}, nil
	}
	if s.pending != nil {
		return nil, s.pending
	}
	return nil, ctx.Err()
}

func (s *Source) record(r *pipeline.Record, err error) {
	r.Ref = pipeline.Ref{Origin: s.file.Origin, Line: s.rows.line}
	if err != nil {
		r.Fail(s.problem(err))
		r.Raw = bytes.Clone(s.rows.text)
		return
	}
	n, want := len(s.rows.fields), len(s.layout.columns)
	if n != want {
		p := pipeline.Problem{Code: "csv.short_row", Message: fmt.Sprintf("the row has %d values, but there are %d columns; the last ones are missing", n, want)}
		if n > want {
			p = pipeline.Problem{Code: "csv.long_row", Message: fmt.Sprintf("the row has %d values, but there are %d columns; is there a delimiter in a value without quotes?", n, want)}
		}
		r.Fail(p)
		r.Raw = bytes.Clone(s.rows.text)
		return
	}
	if s.strip {
		s.stripRow()
	} else if s.guard {
		for i, text := range s.rows.fields {
			if guarded(text) {
				s.rows.fields[i] = text[1:]
			}
		}
	}
	o, problems := s.layout.object(s.rows.fields, s.rows.quoted, s.empty)
	if len(problems) > 0 {
		r.Fail(problems...)
		r.Raw = bytes.Clone(s.rows.text)
		return
	}
	r.Source = o
	if s.layout.typed {
		r.Raw = bytes.Clone(s.rows.text) // 007 as a number does not tell how it was written
	}
}

// stripRow takes the apostrophe off the values of a row. What is empty then was not left out.
func (s *Source) stripRow() {
	for i, text := range s.rows.fields {
		if text == "" || text[0] != '\'' {
			continue
		}
		s.rows.fields[i] = text[1:]
		if len(text) == 1 {
			if s.rows.quoted == nil {
				s.rows.quoted = make([]bool, len(s.rows.fields))
			}
			s.rows.quoted[i] = true
		}
	}
}

// guarded reports whether a text has a guard before it: an apostrophe that keeps spreadsheets from taking the rest, which
// may begin with further ones, for a formula.
func guarded(text string) bool {
	if text == "" || text[0] != '\'' {
		return false
	}
	rest := strings.TrimLeft(text, "'")
	return rest != "" && strings.IndexByte("=+-@\t\r", rest[0]) >= 0
}

func isRowError(err error) bool {
	switch err {
	case errBadQuote, errUnclosed, errTooLarge, errNotUTF8, errNUL:
		return true
	}
	return false
}

// problem says what is wrong with the row that was read last.
func (s *Source) problem(err error) pipeline.Problem {
	quote := string(rune(s.rows.quote))
	switch err {
	case errBadQuote:
		p := pipeline.Problem{Code: "csv.bad_quote", Message: fmt.Sprintf("a %s stands where none may be; double it, and put the value in quotes", quote)}
		if !s.rows.backslash && bytes.Contains(s.rows.text, []byte{'\\', s.rows.quote}) {
			p.Message += fmt.Sprintf("; or, if \\%s is a quote in this file, state escape: backslash", quote)
		}
		return p
	case errUnclosed:
		return pipeline.Problem{Code: "csv.unclosed_quote", Message: fmt.Sprintf("a value begins with a %s that nothing closes", quote)}
	case errTooLarge:
		return pipeline.Problem{Code: "csv.row_too_large", Message: fmt.Sprintf("the row is larger than max_record_size, %d bytes; the rejects cannot hold it: raise max_record_size and run again", s.maxBytes)}
	}
	p := pipeline.Problem{Code: "csv.invalid_utf8", Message: "there are bytes that are not UTF-8; if the file is in another encoding, say so with encoding"}
	switch {
	case s.rejects:
		p.Message = "there are bytes that are not UTF-8, as rejects are: mend them, and save the file as UTF-8"
	case s.encoding == charset.UTF8:
	case s.encoding == charset.Latin1:
		p = pipeline.Problem{Code: "csv.bad_encoding", Message: "there are control characters, 0x80 to 0x9f, which are no text in latin-1; is it windows-1252?"}
	default:
		p = pipeline.Problem{Code: "csv.bad_encoding", Message: fmt.Sprintf("there are bytes that are not %s; is the file in another encoding, or damaged here?", s.encoding.Name)}
	}
	bad := func(field string) bool { return !utf8.ValidString(field) }
	if err == errNUL {
		p = pipeline.Problem{Code: "csv.nul_byte", Message: "there is a NUL byte"}
		bad = func(field string) bool { return strings.IndexByte(field, 0) >= 0 }
	}
	if i := slices.IndexFunc(s.rows.fields, bad); s.layout != nil && i >= 0 && i < len(s.layout.columns) {
		p.Field = s.layout.columns[i].name
	}
	return p
}

// Columns implements pipeline.Tabular.
func (s *Source) Columns() []string {
	if s.layout == nil { // nothing new in what is watched
		return nil
	}
	names := make([]string, len(s.layout.columns))
	for i, c := range s.layout.columns {
		names[i] = c.name
	}
	return names
}

// Close implements pipeline.Source.
func (s *Source) Close() error { return s.set.Close() }

// Fingerprint implements pipeline.Fingerprinter.
func (s *Source) Fingerprint() (string, error) { return s.set.Fingerprint() }

// Progress implements pipeline.Measurer: bytes of the files as they are stored.
func (s *Source) Progress() (done, total int64) { return s.set.Progress() }

// RejectsExtension implements pipeline.Rejecter: that of the first file.
func (s *Source) RejectsExtension() string {
	switch extension := filepath.Ext(files.Uncompressed(s.set.Patterns()[0])); extension {
	case ".tsv", ".txt", ".tab":
		return extension
	}
	return ".csv"
}

// AppendReject implements pipeline.Rejecter.
func (s *Source) AppendReject(dst []byte, n int64, r *pipeline.Record) []byte {
	end := s.found.lineEnd
	if n == 0 {
		if s.mark {
			dst = append(dst, byteOrderMark...)
		}
		if sep := s.rejectsSeparator(); sep != 0 {
			dst = append(append(dst, "sep="...), sep, end)
		}
		if s.header {
			dst = append(dst, s.headerText...)
			dst = append(dst, end)
		}
	}
	switch {
	case len(r.Raw) > 0:
		dst = append(dst, r.Raw...)
	case r.Source != nil:
		dst = s.layout.appendRow(dst, r.Source, s.found, s.strip, s.guard)
	default:
		// The row was too large to be kept. Something must stand for it; it is read as a short row.
		dst = append(dst, '-')
	}
	return append(dst, end)
}

// rejectsSeparator is the delimiter of the line that tells Excel, in rejects: they have it also where the delimiter was found out
// from rows that are not among them and no header tells it without doubt.
func (s *Source) rejectsSeparator() byte {
	others := bytes.ReplaceAll([]byte(delimiters), []byte{s.found.delimiter}, nil)
	if s.sep == 0 && s.dialect.delimiter == 0 && (!s.header || bytes.ContainsAny(s.headerText, string(others))) {
		return s.found.delimiter
	}
	return s.sep
}

// RejectsEnd implements pipeline.Rejecter.
func (s *Source) RejectsEnd(int64) []byte { return nil }

// ReadRejects implements pipeline.Rejecter. Rejects are UTF-8 whatever the input was.
func (s *Source) ReadRejects(path string) pipeline.Source {
	o := s.options
	o.stated = charset.UTF8.Name
	return &Source{env: s.env, set: files.NewSet(s.env, []string{path}), rejects: true, options: o}
}

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
