// Package excelsource reads records from Excel workbooks (Office Open XML, ECMA-376: .xlsx, .xlsm and their templates).
package excelsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sources/files"
)

// Type is the connector.
var Type = pipeline.SourceType{
	Spec: pipeline.Spec{
		Name:      "excel",
		Summary:   "Reads Excel workbooks (.xlsx).",
		Shorthand: "path",
		Doc: `A sheet is read as a stream, row by row; memory depends on the largest row and on the table of shared texts, of which
` + "`shared_strings`" + ` bytes are kept in memory and the rest in a temporary file.

**Where the records are.** The header is the first row with values in more than half of the columns; title rows above it have fewer and are passed over. If
that row is not all names, nothing is guessed and the run does not begin.
Rows without values are passed over too, and the numbers of rows stay those of the sheet. Where header cells are merged downwards, the header has
that many rows, and the names from top to bottom are joined by dots. A dotted name makes nested values: ` + "`address.city`" + ` is the member ` + "`city`" + ` of the
object ` + "`address`" + `. A column beside the first under a cell merged sideways has its number behind the name: ` + "`phone`, `phone_2`" + `. Cells below no
header are left out, with a warning. Merged cells among the records have their value in the first cell only, and their number is logged.

**What the values are.** A cell gives what a person means by it: text, rich or not, is text; numbers keep every digit that the file has; percentages are
the number (12.5 % is 0.125); yes and no are booleans, 是 and 否 too; formulas give the value that Excel worked out. Dates are RFC 3339, by the cell's format: ` +
			"`2024-02-29`" + `, ` + "`2024-02-29T08:30:00Z`" + ` in ` + "`timezone`" + `, ` + "`08:30:00`" + `. A cell that is empty or has nothing but spaces is absent.

Columns whose name says so (phone, mobile, id, code, account, name, password, 手机号, 工号, 身份证, 用户名 and the like) are text: a number that Excel has made of
` + "`13100000001`" + ` is those digits again, whatever Excel shows; a format such as 00000 puts its zeros before; an apostrophe that keeps digits text is taken off; TRUE and FALSE stay booleans. A
number of more than 15 digits, of which Excel has lost the last ones, gives a warning; a text such as ` + "`1.31E+10`" + `, whose digits are gone, fails the record.
` + "`types`" + ` says otherwise, column by column.

A record fails with the cell named (` + "`users.xlsx!Sheet1!C17`" + `) where a cell holds an error such as #N/A, a formula without a value, a date that is none, or a value
that is not of its column's type.

**The import template.** ` + "`template: authing`" + ` reads what ` + "`usher template excel`" + ` writes, and the organisation template of Authing, with Chinese or English names in any order, as canonical
users: nickname, preferred_username, email, email_verified, phone_number (E.164; numbers without a country are of ` + "`region`" + `), identities (providers unionid and openid), password.plain,
custom_attributes.company, gender (M male; W and F female; U none), disabled, custom_attributes.department. Other columns become custom attributes of their name.

**Rejects** are a CSV file with the columns of the sheets, which Excel opens: texts that look like something else have an apostrophe before them, as in Excel. Corrected, it is read by the
same rules as the workbook. A workbook itself cannot be appended to.

**What is refused**, with a word on what to do: .xls, .xlsb, .ods, workbooks with a password, text files with the wrong name, damaged files, and files beyond the limits.`,
		Options: append(files.WatchOptions(), []pipeline.Option{
			{Name: "sheet", Type: pipeline.String, List: true, Example: "[Staff, Customers]",
				Doc: "The sheets, by name or by number from 1, or `all`. The first one that is not hidden is read if nothing is stated; the others are named in the log."},
			{Name: "header", Type: pipeline.String, Default: "auto", Example: "3",
				Doc: "The number of the header's row; `auto` finds it; `none` says that there is none."},
			{Name: "header_rows", Type: pipeline.Int, Doc: "How many rows the header has, at most 10. By itself it has as many as its merged cells reach down."},
			{Name: "columns", Type: pipeline.String, List: true, Example: "[id, email, phone]",
				Doc: "The names of the columns from A on, in place of those in the header."},
			{Name: "types", Type: pipeline.String, Map: true, Enum: typeNames, Example: "{ member_no: string, active: bool, born: date }",
				Doc: "What the values of a column are, by the name in the header: `auto`, as the cell has it; `string`; `int`; `number`; `bool`, also of 1, 0, yes, no, 是, 否; " +
					"`date`, a day; `time`, a day with a time; `json`, any JSON value. An empty text of a type other than string is absent."},
			{Name: "template", Type: pipeline.String, Enum: []string{"authing"}, Doc: "Read the columns of the import template as canonical users."},
			{Name: "region", Type: pipeline.String, Default: "CN", Doc: "The country, by two letters, of phone numbers that do not name theirs; only with `template`."},
			{Name: "timezone", Type: pipeline.String, Default: "UTC", Example: "Asia/Shanghai", Doc: "The IANA time zone of dates with a time, which Excel keeps without a zone."},
			{Name: "hidden", Type: pipeline.String, Enum: []string{"include", "skip"}, Default: "include",
				Doc: "What to do with hidden rows, columns and, where all are read, sheets. Their number is logged in either case."},
			{Name: "max_unzipped", Type: pipeline.Size, Default: "4GB", Doc: "The size in bytes up to which a workbook is unpacked."},
			{Name: "max_rows", Type: pipeline.Int, Default: strconv.Itoa(maxRows), Doc: "The number of the last row that a sheet may have."},
			{Name: "max_columns", Type: pipeline.Int, Default: "1024", Doc: "The number of columns up to which a sheet may have values."},
			{Name: "max_cell", Type: pipeline.Size, Default: "128KB", Doc: "The size in bytes of the longest text of a cell; Excel has 32 767 characters at most."},
			{Name: "shared_strings", Type: pipeline.Size, Default: "16MB", Doc: "The size in bytes of the shared texts that are kept in memory."},
		}...),
	},
	New: func(env pipeline.Env, c *pipeline.Config) (pipeline.Source, error) { return newSource(env, c) },
}

// options are those of the connector, checked.
type options struct {
	wanted     []string // sheets
	headerAt   int      // 0 to find it
	noHeader   bool
	headerRows int // 0 to find it
	columns    []string
	types      map[string]valueType
	template   string
	region     string
	zone       *time.Location
	skipHidden bool
	limits     limits
}

func newSource(env pipeline.Env, c *pipeline.Config) (*Source, error) {
	o := options{
		wanted: c.Strings("sheet"), columns: c.Strings("columns"), headerRows: int(c.Int("header_rows")), types: map[string]valueType{},
		template: c.String("template"), region: strings.ToUpper(c.String("region")), skipHidden: c.String("hidden") == "skip",
		limits: limits{unzipped: c.Int("max_unzipped"), rows: int(c.Int("max_rows")), columns: int(c.Int("max_columns")), cell: int(c.Int("max_cell")), strings: c.Int("shared_strings")},
	}
	switch header := c.String("header"); header {
	case "auto":
	case "none":
		o.noHeader = true
		if len(o.columns) == 0 {
			return nil, &pipeline.OptionError{Option: "columns", Message: "without a header the columns need names", Hint: "list them in columns"}
		}
	default:
		n, err := strconv.Atoi(header)
		if err != nil || n < 1 || n > maxRows {
			return nil, &pipeline.OptionError{Option: "header", Message: fmt.Sprintf("%q is neither the number of a row nor auto or none", header)}
		}
		o.headerAt = n
	}
	for i, name := range o.columns {
		if strings.TrimSpace(name) == "" || slices.Index(o.columns, name) < i {
			return nil, &pipeline.OptionError{Option: "columns", Message: fmt.Sprintf("name %d is empty or there twice", i+1)}
		}
	}
	if o.headerRows < 0 || o.headerRows > maxHeaderRows {
		return nil, &pipeline.OptionError{Option: "header_rows", Message: fmt.Sprintf("a header has from 1 to %d rows", maxHeaderRows)}
	}
	for name, as := range c.StringMap("types") {
		o.types[name] = valueType(slices.Index(typeNames, as))
	}
	if !phonenumbers.GetSupportedRegions()[o.region] {
		return nil, &pipeline.OptionError{Option: "region", Message: fmt.Sprintf("%q is no country by two letters, such as CN", o.region)}
	}
	if paths := c.Strings("path"); len(paths) > 1 && slices.Contains(paths, "-") {
		return nil, &pipeline.OptionError{Option: "path", Message: "the standard input cannot be read together with files", Hint: "write it into a file first"}
	}
	var err error
	if o.zone, err = time.LoadLocation(c.String("timezone")); err != nil {
		return nil, &pipeline.OptionError{Option: "timezone", Message: fmt.Sprintf("%q is no IANA time zone, such as Asia/Shanghai", c.String("timezone"))}
	}
	for name, n := range map[string]int64{"max_unzipped": o.limits.unzipped, "max_rows": int64(o.limits.rows), "max_columns": int64(o.limits.columns), "max_cell": int64(o.limits.cell)} {
		if n <= 0 {
			return nil, &pipeline.OptionError{Option: name, Message: "it must be more than 0"}
		}
	}
	o.limits.rows, o.limits.columns = min(o.limits.rows, maxRows), min(o.limits.columns, maxColumns)
	set, err := files.NewWatched(env, c)
	if err != nil {
		return nil, err
	}
	return &Source{env: env, set: set, options: o}, nil
}

// Source reads Excel workbooks.
type Source struct {
	pipeline.UnimplementedSource
	options
	env pipeline.Env
	set *files.Set
	// rejects says that the files are rejects that another Source wrote.
	rejects bool

	// What Open finds out; it does not change after that.
	tables []*table
	union  []column        // of all tables, as rejects have them
	typed  map[string]bool // the columns of types that were found

	book *workbook
	at   int // of tables
	in   rowReader
	conv converter
	skip int // rows of the table up to this one were given before the source was opened

	hiddenRows int
	batch      int   // records of the last batch
	pending    error // what ends the run after the records before it
	done       atomic.Int64
	total      int64
}

// rowReader gives the rows of one table.
type rowReader interface {
	next(ctx context.Context) (*row, error)
	hiddenColumn(col int) bool
	io.Closer
}

// sheetRows is the rowReader of a sheet.
type sheetRows struct {
	*sheet
	io.Closer
}

// Check implements pipeline.Checker.
func (s *Source) Check(ctx context.Context) error {
	c := &Source{env: s.env, set: s.set.Copy(), options: s.options, rejects: s.rejects}
	if slices.Contains(s.set.Patterns(), "-") {
		return c.set.Check(ctx)
	}
	defer c.Close()
	return c.Open(ctx)
}

// Open implements pipeline.Source.
func (s *Source) Open(ctx context.Context) error {
	if err := s.set.Open(ctx); err != nil {
		return err
	}
	s.tables, s.union, s.typed, s.at, s.skip, s.total, s.pending = nil, nil, map[string]bool{}, 0, 0, 0, nil
	s.done.Store(0)
	for i := range s.set.Len() {
		if err := s.survey(ctx, i); err != nil {
			return err
		}
	}
	for name := range s.types {
		if !s.typed[name] && len(s.tables) > 0 {
			return &pipeline.Error{Code: "excel.unknown_column", Message: fmt.Sprintf("types names the column %q, which no sheet has", name), Hint: "the columns are: " + s.columnList()}
		}
	}
	for _, t := range s.tables {
		for _, c := range t.columns {
			if !slices.ContainsFunc(s.union, func(u column) bool { return slices.Equal(u.path, c.path) && (u.preset == c.preset || !c.preset.list()) }) {
				s.union = append(s.union, c)
			}
		}
	}
	s.done.Store(0)
	if s.book != nil {
		s.book.left = s.limits.unzipped // the rows are read again from their beginning
	}
	return nil
}

func (s *Source) columnList() string {
	var names []string
	for _, t := range s.tables {
		for _, c := range t.columns {
			if !slices.Contains(names, c.header) && len(names) < 40 {
				names = append(names, c.header)
			}
		}
	}
	return strings.Join(names, ", ")
}

// survey finds the tables of the i-th file.
func (s *Source) survey(ctx context.Context, i int) error {
	if s.rejects {
		return s.surveyRejects(i)
	}
	if err := s.openBook(ctx, i); err != nil {
		return err
	}
	chosen, err := s.chosen(s.book)
	if err != nil {
		return err
	}
	for _, sheet := range chosen {
		t, err := s.table(ctx, s.book, i, sheet)
		if err != nil {
			return err
		}
		if t == nil {
			s.log().Info("the sheet is empty", "sheet", s.book.origin+"!"+s.book.sheets[sheet].name)
			continue
		}
		s.tables = append(s.tables, t)
		s.total += s.book.size(sheet)
	}
	return nil
}

func (s *Source) log() *slog.Logger {
	if s.env.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.env.Log
}

// chosen gives the sheets that are to be read.
func (s *Source) chosen(w *workbook) ([]int, error) {
	var chosen []int
	add := func(i int) {
		if !slices.Contains(chosen, i) {
			chosen = append(chosen, i)
		}
	}
	if len(s.wanted) == 0 {
		i := max(0, slices.IndexFunc(w.sheets, func(info sheetInfo) bool { return !info.hidden }))
		if w.sheets[i].hidden && s.skipHidden {
			return nil, w.error("excel.no_sheet", "has hidden sheets only", "write hidden: include", nil)
		}
		if len(w.sheets) > 1 {
			s.log().Info("the workbook has sheets that are not read; name them with sheet", "file", w.origin, "read", w.sheets[i].name, "sheets", w.sheetList(i))
		}
		return []int{i}, nil
	}
	for _, want := range s.wanted {
		i := slices.IndexFunc(w.sheets, func(info sheetInfo) bool { return info.name == want })
		if i < 0 {
			i = slices.IndexFunc(w.sheets, func(info sheetInfo) bool { return strings.EqualFold(info.name, want) })
		}
		if i < 0 {
			if n, err := strconv.Atoi(want); err == nil && n >= 1 && n <= len(w.sheets) {
				i = n - 1
			}
		}
		switch {
		case i >= 0:
			add(i)
		case want == "all":
			hidden := 0
			for i, info := range w.sheets {
				if info.hidden {
					hidden++
					if s.skipHidden {
						continue
					}
				}
				add(i)
			}
			if hidden > 0 {
				s.log().Info("the workbook has hidden sheets", "file", w.origin, "hidden", hidden, "read", !s.skipHidden)
			}
		default:
			return nil, w.error("excel.no_sheet", fmt.Sprintf("has no sheet %q", want), "it has: "+w.sheetList(-1), nil)
		}
	}
	return chosen, nil
}

// sheetList names the sheets, but for the one that is left out; -1 leaves out none.
func (w *workbook) sheetList(leftOut int) string {
	var names []string
	for i, info := range w.sheets {
		switch {
		case i == leftOut:
			continue
		case len(names) == 40:
			return strings.Join(names, ", ") + ", …"
		case info.hidden:
			names = append(names, info.name+" (hidden)")
		default:
			names = append(names, info.name)
		}
	}
	return strings.Join(names, ", ")
}

// openBook makes the i-th file the open one.
func (s *Source) openBook(ctx context.Context, i int) error {
	s.closeBook()
	f, err := s.set.OpenFile(i)
	if err != nil {
		return err
	}
	s.book = &workbook{origin: f.Origin, index: i, limits: s.limits, left: s.limits.unzipped, done: &s.done}
	return s.book.open(ctx, f)
}

func (s *Source) closeBook() {
	s.closeTable()
	if s.book != nil {
		s.book.close()
		s.book = nil
	}
}

func (s *Source) closeTable() {
	if s.in != nil {
		_ = s.in.Close()
		s.in = nil
	}
}

// openTable begins with the table at hand.
func (s *Source) openTable(ctx context.Context) error {
	t := s.tables[s.at]
	s.hiddenRows = 0
	s.conv = converter{table: t, dates: dates{zone: s.zone}, template: s.template != "", region: s.region}
	if s.rejects {
		in, err := s.openRejects(t.file)
		s.in = in
		s.conv.book = &workbook{limits: s.limits}
		return err
	}
	if s.book == nil || t.file != s.book.index {
		if err := s.openBook(ctx, t.file); err != nil {
			return err
		}
	}
	in, closer, err := s.book.openSheet(t.sheet)
	if err != nil {
		return err
	}
	s.in = sheetRows{in, closer}
	s.conv.book, s.conv.dates.from1904 = s.book, s.book.from1904
	return nil
}

// batchBytes bounds the text of a batch: it is given before it is full.
const batchBytes = 8 << 20

// Next implements pipeline.Source.
func (s *Source) Next(ctx context.Context, max int) (*pipeline.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.set.Use(ctx)
	b := &pipeline.Batch{Records: make([]pipeline.Record, 0, min(max, 2*s.batch+64))}
	table, line := s.at, s.skip
	for size := int64(0); len(b.Records) < max && size < batchBytes && s.pending == nil; {
		n := len(b.Records)
		b.Records = append(b.Records, pipeline.Record{})
		ok, err := s.read(ctx, &b.Records[n])
		if err != nil {
			b.Records = b.Records[:n]
			if ctx.Err() != nil {
				break
			}
			s.pending = err
			continue
		}
		if !ok {
			b.Records = b.Records[:n]
			continue
		}
		size += s.conv.bytes + int64(len(s.conv.all))
		table, line = s.at, s.conv.row.number
	}
	if s.batch = len(b.Records); s.batch == 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return nil, s.pending
	}
	b.After = fmt.Appendf(nil, "%d %d", table, line)
	return b, nil
}

// read reads the next row. It reports false for one that is no record.
func (s *Source) read(ctx context.Context, record *pipeline.Record) (bool, error) {
	if s.at >= len(s.tables) {
		return false, io.EOF
	}
	if s.in == nil {
		if err := s.openTable(ctx); err != nil {
			return false, err
		}
	}
	t := s.tables[s.at]
	r, err := s.in.next(ctx)
	if errors.Is(err, io.EOF) {
		s.reportHidden(t)
		s.reportMerged(t)
		s.closeTable()
		s.at, s.skip = s.at+1, 0
		return false, nil
	}
	if err != nil {
		if s.rejects {
			return false, err
		}
		return false, s.book.sheetError(t.sheet, err)
	}
	if r.number < t.first || r.number <= s.skip {
		return false, nil
	}
	if r.hidden {
		s.hiddenRows++
		if s.skipHidden {
			return false, nil
		}
	}
	var skip func(int) bool
	if s.skipHidden {
		skip = s.in.hiddenColumn
	}
	ok, err := s.conv.convert(r, record, skip)
	if err != nil {
		return false, s.book.sheetError(t.sheet, err)
	}
	return ok, nil
}

// reportHidden logs what a person who looks at the sheet does not see.
func (s *Source) reportHidden(t *table) {
	columns := 0
	for i := range t.columns {
		if s.in.hiddenColumn(t.columns[i].index) {
			columns++
		}
	}
	if s.hiddenRows > 0 || columns > 0 {
		s.log().Info("the sheet has hidden rows or columns", "sheet", t.origin, "rows", s.hiddenRows, "columns", columns, "read", !s.skipHidden)
	}
}

// reportMerged logs that records show a value that only the first of them has.
func (s *Source) reportMerged(t *table) {
	in, ok := s.in.(sheetRows)
	if !ok || s.env.Log == nil {
		return
	}
	merged, first := 0, ""
	err := in.merges(func(a area) {
		if a.row2 == a.row1 || a.row2 < t.first || !slices.ContainsFunc(t.columns, func(c column) bool { return a.has(a.row1, c.index) }) {
			return
		}
		if merged++; merged == 1 {
			first = cellName(a.col1, a.row1) + ":" + cellName(a.col2, a.row2)
		}
	})
	if err == nil && merged > 0 { // no record is behind the rows, so that damage there is none to them
		s.log().Info("the sheet has merged cells among the records: their value is in the first record alone", "sheet", t.origin, "merged", merged, "first", first)
	}
}

// OpenAt implements pipeline.Resumer.
func (s *Source) OpenAt(ctx context.Context, after []byte) error {
	if err := s.Open(ctx); err != nil {
		return err
	}
	if _, err := fmt.Sscanf(string(after), "%d %d", &s.at, &s.skip); err != nil || s.at < 0 || s.at > len(s.tables) {
		return &pipeline.Error{Code: "excel.bad_position", Message: "the place to go on from cannot be read", Hint: "run the pipeline again from the start", Err: err}
	}
	return nil
}

// Columns implements pipeline.Tabular.
func (s *Source) Columns() []string {
	names := make([]string, len(s.union))
	for i, c := range s.union {
		names[i] = c.name
	}
	return names
}

// Close implements pipeline.Source.
func (s *Source) Close() error {
	s.closeBook()
	return s.set.Close()
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

// Fingerprint implements pipeline.Fingerprinter.
func (s *Source) Fingerprint() (string, error) { return s.set.Fingerprint() }

// Progress implements pipeline.Measurer: bytes of the sheets, unpacked.
func (s *Source) Progress() (done, total int64) {
	if s.rejects {
		return s.set.Progress()
	}
	return min(s.done.Load(), s.total), s.total
}
