package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/profile"
	sinkfiles "github.com/usher-id/usher/sinks/files"
	"github.com/usher-id/usher/sources/charset"
	csvsource "github.com/usher-id/usher/sources/csv"
	"github.com/usher-id/usher/sources/files"
	"github.com/usher-id/usher/value"
)

// dsnVariable is what the pipeline file has in place of a DSN.
const dsnVariable = "LEGACY_DSN"

// initFlags are the flags of init.
type initFlags struct {
	to, out, table string
	limit          int64
	force          bool
}

func initCommand(a *app) *cobra.Command {
	var flags initFlags
	cmd := &cobra.Command{
		Use:   "init FILE|DSN",
		Short: "Look at data and write a pipeline file with a suggested mapping",
		Long: `Look at some records of a JSON, CSV, Excel, LDIF or SQLite file, or of a table of a database, say what the fields are, and
write a pipeline file that maps them to users: what the fields are called and what their values look like both count.
Read the file before you run it; usher check, plan and run take it as it is. An export of another identity system that is
known by name (usher presets) gets its preset.

Of a database, the table that looks most like users is taken. Its DSN is not written: the pipeline file says
${LEGACY_DSN}. Values of secret and personal fields are not shown.`,
		GroupID: groupPrepare,
		Example: `  usher init users.csv
  usher init "$LEGACY_DSN" --table members -o members.yaml`,
		Args: arguments(1, 1, "one file or DSN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case flags.to != "store":
				return &usageError{"usage.flag", fmt.Sprintf("--to takes store, not %q", flags.to), "write the sink into the pipeline file by hand; `usher connectors` lists them"}
			case flags.limit < 1:
				return &usageError{"usage.flag", "--limit takes a number from 1", ""}
			}
			ctx := a.interruptible(cmd.Context())
			defer ctx.stop()
			err := a.init(ctx, args[0], flags)
			if err != nil && ctx.Err() != nil {
				return done(ctx.exitCode())
			}
			return err
		},
	}
	cmd.Flags().StringVar(&flags.to, "to", "store", "the sink to write to")
	cmd.Flags().StringVarP(&flags.out, "output", "o", "pipeline.yaml", "the pipeline file to write")
	cmd.Flags().StringVar(&flags.table, "table", "", "the table of the database (default the one that looks like users)")
	cmd.Flags().Int64Var(&flags.limit, "limit", profileSample, "look at this many records, from all over the data")
	cmd.Flags().BoolVar(&flags.force, "force", false, "overwrite the pipeline file")
	return cmd
}

// initialised is the JSON form of what init says.
type initialised struct {
	Source string `json:"source"`
	// Complete says that all records were looked at, else Sample which.
	Complete bool   `json:"complete"`
	Sample   looked `json:"sample"`
	// Encoding is that of a text that is not UTF-8, Confidence how sure that is, in percent.
	Encoding   string           `json:"encoding,omitempty"`
	Confidence int              `json:"confidence,omitempty"`
	Tables     []*profile.Table `json:"tables,omitempty"`
	Table      string           `json:"table,omitempty"`
	Preset     string           `json:"preset,omitempty"`
	profile.Profile
	profile.Suggestion
	PipelineFile string `json:"pipeline_file"`
}

// input is what init was given.
type input struct {
	source string
	// options are those that the data is looked at with, written those of the pipeline file.
	options map[string]string
	written []profile.Option
	title   string
	secret  bool // it is a DSN
	path    string
	// dialect is the kind of database.
	dialect string
	// preset is the known export that the file is, or empty.
	preset string
	// encoding is what a text that is not UTF-8 was taken for.
	encoding *charset.Guess
	// arrays are where the records may stand in a file that is one JSON object.
	arrays []string
	// columns are what the columns of a CSV file without a header are called.
	columns []string
}

// nameColumns gives n columns names, for a person to put better ones in their places.
func (in *input) nameColumns(n int) {
	for i := range n {
		in.columns = append(in.columns, fmt.Sprint("column", i+1))
	}
	in.written = append(in.written, profile.Option{Name: "columns", Value: "[" + strings.Join(in.columns, ", ") + "]", Plain: true, Comment: "write the names here, and below"})
}

// datum finds what is a value rather than the name of a column: a number, a date, a UUID, a digest, an encoded hash.
var datum = regexp.MustCompile(`^(\d+([.,]\d+)?|\d{4}-\d\d-\d\d\b.*|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32,}|\$\w+\$.*)$`)

// headerless gives the number of columns of a CSV file whose header looks like a row of values, or 0.
func (in *input) headerless(err error, p *profile.Profile) int {
	var none *csvsource.NoHeader
	switch {
	case errors.As(err, &none):
		return none.Columns
	case err == nil && in.source == "csv" && in.preset == "" && slices.ContainsFunc(p.Fields, func(f *profile.Field) bool { return datum.MatchString(f.Name) }):
		n := 0
		for _, f := range p.Fields {
			if !slices.ContainsFunc(p.Fields, func(inner *profile.Field) bool { return strings.HasPrefix(inner.Name, f.Name+".") }) {
				n++
			}
		}
		return n
	}
	return 0
}

// encodingSample is how much of a text is looked at to find out its encoding.
const encodingSample = 256 << 10

// encodingNote says what the encoding is that a text was taken for, and how sure that is.
func (in *input) encodingNote() string {
	switch g := in.encoding; {
	case g.Stated:
		return "by its byte order mark"
	case g.Confidence < charset.Likely:
		return fmt.Sprintf("a guess, confidence %d%%: look at the names", g.Confidence)
	default:
		return fmt.Sprintf("recognised, confidence %d%%", g.Confidence)
	}
}

func (a *app) init(ctx context.Context, given string, flags initFlags) error {
	if flags.out == "-" {
		return &usageError{"usage.flag", "init writes a file, not standard output", "the pipeline's paths are relative to its file: name one with -o"}
	}
	in, err := a.identifyInput(ctx, given, filepath.Dir(absolute(flags.out)))
	if err != nil {
		return err
	}
	if info, err := os.Lstat(flags.out); err == nil && !flags.force {
		if flags.force = info.Mode().IsRegular() && info.Size() == 0; !flags.force { // as a process leaves it that died before it wrote
			return &pipeline.Error{Code: "file.exists", Message: fmt.Sprintf("%s is there already", flags.out), Hint: "name another file with -o, or overwrite it with --force"}
		}
	}
	result := initialised{Source: in.source, PipelineFile: flags.out}
	if in.encoding != nil {
		result.Encoding, result.Confidence = in.encoding.Name, in.encoding.Confidence
	}
	var chosen *profile.Table
	if in.source == "sql" {
		if result.Tables, chosen, err = a.chooseTable(ctx, in, flags.table); err != nil {
			return err
		}
		result.Table = chosen.Name
		in.title = chosen.Name
		in.options["table"] = chosen.Name
		in.written = append(in.written, profile.Option{Name: "table", Value: chosen.Name})
	} else if flags.table != "" {
		return &usageError{"usage.flag", "--table is for databases", ""}
	}
	if in.source != "sql" {
		if in.preset, err = a.recognise(ctx, in); err != nil {
			return err
		}
	}
	if in.preset != "" {
		result.Preset = in.preset
		in.written = slices.DeleteFunc(in.written, func(o profile.Option) bool { return o.Name == "empty" })
		in.written = append(in.written, profile.Option{Name: "preset", Value: in.preset,
			Comment: "usher presets show " + in.preset + " prints the mapping"})
	}
	collector := profile.New()
	result.Sample, err = a.collect(ctx, in, chosen, flags.limit, collector)
	if in.preset == "" && (err != nil || profile.Suggest(collector.Profile()).Identifier == "") {
		if inside, sample, found := a.collectInside(ctx, in, flags.limit); found {
			collector, result.Sample, err = inside, sample, nil
		}
	}
	if n := in.headerless(err, collector.Profile()); n > 0 {
		in.nameColumns(n)
		collector = profile.New()
		result.Sample, err = a.collect(ctx, in, chosen, flags.limit, collector)
	}
	if err != nil {
		return err
	}
	p := collector.Profile()
	if p.Records == 0 {
		return &pipeline.Error{Code: "init.no_records", Message: in.title + " has no records that can be read", Hint: "there is nothing to suggest a mapping from"}
	}
	template := in.source == "excel" && in.preset == "" && profile.IsTemplate(p)
	if template {
		// The profile is of what the template makes of the columns.
		in.options["template"] = "authing"
		in.written = append(in.written, profile.Option{Name: "template", Value: "authing", Comment: "the columns are those of the import template"})
		collector = profile.New()
		if result.Sample, err = a.collect(ctx, in, chosen, flags.limit, collector); err != nil {
			return err
		}
		p = collector.Profile()
	}
	if in.source == "sql" {
		in.written = append(in.written, profile.BinaryIDs(p)...)
	}
	result.Profile, result.Suggestion = *p, profile.Suggest(p)
	result.Complete = result.Sample.Kind == "all"
	if template || in.preset != "" {
		result.Mapping, result.Notes = []profile.Assignment{}, []string{}
	}
	if len(in.columns) > 0 {
		result.Notes = append(result.Notes, fmt.Sprintf("the first row looks like a user, not like the names of the columns: %s has columns: [column1, …]; write the names there, or header: true in its place if it is a header", flags.out))
	}
	if gone, ok := profile.Deleted(p); ok && !template && in.preset == "" {
		in.written = append(in.written, gone)
		result.Notes = append(result.Notes, fmt.Sprintf("%s may say who is gone: they are users like others until the commented line of deleted counts", gone.Value))
	}
	if chosen != nil {
		in.written = append(in.written, profile.SideTables(chosen, result.Tables)...)
	}
	draft := profile.Draft{
		Name: slug(in.title), Source: in.source, Options: in.written, Mapped: template || in.preset != "", Suggestion: result.Suggestion,
		Store: in.store(filepath.Dir(absolute(flags.out))),
		About: []string{
			fmt.Sprintf("Suggested by usher init from %s of %s. Read it, then:", result.Sample.describe(p.Records), in.title), "",
			"  usher check " + quoted(flags.out), "  usher plan " + quoted(flags.out), "",
		},
	}
	if !template && a.passes(ctx, draft) {
		draft.Tests = true
	}
	if err := writeNew(flags.out, draft.YAML(), flags.force); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(result)
	}
	return a.printProfile(result, in)
}

// schemes are those of DSNs, and the kind of database that each names.
var schemes = map[string]string{"mysql": "mysql", "mariadb": "mysql", "postgres": "postgres", "postgresql": "postgres", "sqlite": "sqlite",
	"sqlite3": "sqlite", "sqlserver": "sqlserver"}

// identifyInput finds out what a file or DSN is; dir is the folder of the pipeline file.
func (a *app) identifyInput(ctx context.Context, given, dir string) (*input, error) {
	if scheme, rest, ok := strings.Cut(given, ":"); ok && schemes[strings.ToLower(scheme)] != "" {
		in := &input{source: "sql", options: map[string]string{"dsn": given}, secret: true, dialect: schemes[strings.ToLower(scheme)]}
		in.written = []profile.Option{{Name: "dsn", Value: "${" + dsnVariable + "}", Plain: true}}
		if in.dialect == "sqlite" {
			in.path, _, _ = strings.Cut(strings.TrimPrefix(rest, "//"), "?")
		}
		return in, nil
	}
	if given == "-" {
		return nil, &usageError{"usage.arguments", "init takes a file, not standard input", "a pipeline reads its source more than once"}
	}
	path := absolute(given)
	if !utf8.ValidString(path) {
		return nil, &usageError{"usage.arguments", "the file's path is not UTF-8, and cannot stand in a pipeline file", "rename the file or folder"}
	}
	in := &input{options: map[string]string{"path": path}, title: filepath.Base(given), path: path}
	written := path
	if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, ".."+string(filepath.Separator)+"..") {
		written = filepath.ToSlash(rel)
	}
	in.written = []profile.Option{{Name: "path", Value: written}}
	head, whole, err := files.Look(ctx, a.env(), path, encodingSample)
	if err != nil && (strings.Contains(given, "://") || strings.Contains(given, "@tcp(") || strings.Contains(given, "password=")) {
		// Not shown: it may be a DSN with a password in it.
		return nil, &usageError{"usage.arguments", "this is neither a file nor a DSN that is known", "a DSN begins with mysql://, postgres://, sqlserver:// or sqlite:"}
	}
	if sinkfiles.IsSQLite(head) {
		in.source, in.dialect = "sql", "sqlite"
		in.options = map[string]string{"dsn": "sqlite:" + path}
		in.written = []profile.Option{{Name: "dsn", Value: "sqlite:" + written}}
		return in, nil
	}
	if in.source = sourceOf(path, head, err); in.source == "csv" {
		in.options["empty"] = "null"
		in.written = append(in.written, profile.Option{Name: "empty", Value: `"null"`, Plain: true, Comment: "an empty value is no value"})
		if guess := charset.Detect(head, whole); guess.Encoding != charset.UTF8 {
			in.encoding = &guess
			in.options["encoding"] = guess.Name
			in.written = append(in.written, profile.Option{Name: "encoding", Value: guess.Name, Comment: in.encodingNote()})
		}
	} else if in.source == "json" {
		in.arrays = arraysIn(head)
	}
	return in, nil
}

// store is the DSN of the store to write to, which must not be the file that is read.
func (in *input) store(dir string) string {
	name := "users.db"
	if in.path != "" && absolute(in.path) == filepath.Join(dir, name) {
		name = "store.db"
	}
	return "sqlite:" + name
}

// passes tells whether the test that the draft may have passes. Other fields of the mapping may need values that it does not give.
func (a *app) passes(ctx context.Context, draft profile.Draft) bool {
	draft.Tests, draft.Source, draft.Options = true, "json", []profile.Option{{Name: "path", Value: "-"}}
	p, err := definition.Parse("pipeline.yaml", draft.YAML(), a.registry, a.env())
	if err != nil || len(p.Tests) == 0 {
		return false
	}
	results, err := p.Test(ctx)
	return err == nil && !slices.ContainsFunc(results, func(r definition.TestResult) bool { return !r.Passed })
}

// slug makes the name of a pipeline of a file's or table's name.
func slug(title string) string {
	title = files.Uncompressed(title)
	title = strings.TrimSuffix(title, filepath.Ext(title))
	name := strings.Trim(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return '-'
	}, title), "-")
	if name == "" {
		return "users"
	}
	return name
}

// read reads a source batch by batch until each says that it is enough.
func (a *app) read(ctx context.Context, name string, options map[string]string, each func(*pipeline.Batch) bool, complete *bool) (err error) {
	source, err := definition.NewSource(a.registry, a.env(), name, options)
	if err != nil {
		return initOptionError(err)
	}
	return drain(ctx, source, each, complete)
}

// drain opens a source, reads it batch by batch until each says that it is enough, and closes it.
func drain(ctx context.Context, source pipeline.Source, each func(*pipeline.Batch) bool, complete *bool) (err error) {
	defer func() {
		if closeErr := source.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := source.Open(ctx); err != nil {
		return err
	}
	for {
		batch, err := source.Next(ctx, 500)
		if errors.Is(err, io.EOF) {
			*complete = true
			return nil
		}
		if err != nil {
			return err
		}
		if !each(batch) {
			return nil
		}
	}
}

// initOptionError puts what is wrong with a DSN as an error of the command line: there is no pipeline file yet.
func initOptionError(err error) error {
	var diagnostics definition.Diagnostics
	if errors.As(err, &diagnostics) && len(diagnostics) > 0 {
		return &usageError{diagnostics[0].Code, diagnostics[0].Message, diagnostics[0].Hint}
	}
	return err
}

// chooseTable lists the tables of a database and finds the one to read.
func (a *app) chooseTable(ctx context.Context, in *input, name string) ([]*profile.Table, *profile.Table, error) {
	query := profile.CatalogueQuery(in.dialect)
	if query == "" {
		if name == "" {
			return nil, nil, &usageError{"usage.flag", "the tables of a SQL Server database cannot be listed", "name the table with --table"}
		}
		t := &profile.Table{Name: name, Rows: -1}
		return []*profile.Table{t}, t, nil
	}
	var rows []*value.Object
	var complete bool
	err := a.read(ctx, "sql", map[string]string{"dsn": in.options["dsn"], "query": query}, func(batch *pipeline.Batch) bool {
		for i := range batch.Records {
			if r := &batch.Records[i]; r.Source != nil {
				rows = append(rows, r.Source)
			}
		}
		return true
	}, &complete)
	if err != nil {
		return nil, nil, err
	}
	tables := profile.Tables(rows)
	if in.dialect == "sqlite" {
		if err := a.countRows(ctx, in, tables); err != nil {
			return nil, nil, err
		}
	}
	chosen := profile.UserTable(tables)
	if name != "" {
		i := slices.IndexFunc(tables, func(t *profile.Table) bool { return strings.EqualFold(t.Name, name) })
		if i < 0 {
			names := make([]string, 0, len(tables))
			for _, t := range tables {
				names = append(names, t.Name)
			}
			hint := "its tables: " + strings.Join(names[:min(len(names), 30)], ", ")
			if near := definition.Nearest(name, names); near != "" {
				hint = "did you mean " + near + "?"
			}
			return nil, nil, &pipeline.Error{Code: "init.no_table", Message: fmt.Sprintf("the database has no table %q", name), Hint: hint}
		}
		chosen = tables[i]
	}
	if chosen == nil {
		return nil, nil, &pipeline.Error{Code: "init.no_tables", Message: "the database has no tables that this user may read", Hint: "grant SELECT on them"}
	}
	return tables, chosen, nil
}

// countRows counts the rows of tables: SQLite keeps no estimate.
func (a *app) countRows(ctx context.Context, in *input, tables []*profile.Table) error {
	for _, t := range tables {
		var complete bool
		query := "SELECT count(*) AS n FROM " + quoteName(in.dialect, t.Name)
		err := a.read(ctx, "sql", map[string]string{"dsn": in.options["dsn"], "query": query}, func(batch *pipeline.Batch) bool {
			n, _ := batch.Records[0].Source.Get("n")
			t.Rows, _ = n.(int64)
			t.Exact = true
			return true
		}, &complete)
		if err != nil {
			return err
		}
	}
	slices.SortStableFunc(tables, func(x, y *profile.Table) int { return cmp.Compare(y.Rows, x.Rows) })
	return nil
}

// writeNew writes the pipeline file, and never over one that came in between unless it may.
func writeNew(path string, text []byte, overwrite bool) error {
	err := writeWhole(path, text, 0o644, overwrite)
	if err == nil {
		return nil
	}
	code, hint := "file.unwritable", "is the folder there, and may you write in it?"
	if errors.Is(err, fs.ErrExist) {
		code, hint = "file.exists", "overwrite it with --force"
	}
	return &pipeline.Error{Code: code, Message: fmt.Sprintf("%s cannot be written: %v", path, errors.Unwrap(err)), Hint: hint, Err: err}
}

// printProfile prints what was found, for a person.
func (a *app) printProfile(r initialised, in *input) error {
	if len(r.Tables) > 0 {
		fmt.Fprintln(a.stdout, "tables")
		for _, t := range r.Tables[:min(len(r.Tables), 20)] {
			mark := " "
			if t.Name == r.Table {
				mark = "*"
			}
			rows := strconv.FormatInt(t.Rows, 10)
			switch {
			case t.Rows < 0:
				rows = "?"
			case !t.Exact:
				rows = "~" + rows
			}
			fmt.Fprintf(a.stdout, "%s %-30s %10s rows\n", mark, t.Name, rows)
		}
		if more := len(r.Tables) - 20; more > 0 {
			fmt.Fprintf(a.stdout, "  and %d more\n", more)
		}
		fmt.Fprintln(a.stdout)
	}
	if in.preset != "" {
		fmt.Fprintf(a.stdout, "%s is an export that the preset %s reads: its users are shown\n", in.title, in.preset)
	}
	fmt.Fprintf(a.stdout, "%s: looked at %s", in.title, r.Sample.describe(r.Records))
	if in.encoding != nil {
		fmt.Fprintf(a.stdout, " in %s (%s)", in.encoding.Name, in.encodingNote())
	}
	if r.Unreadable > 0 {
		fmt.Fprintf(a.stdout, "; %d more cannot be read", r.Unreadable)
	}
	fmt.Fprint(a.stdout, "\n\n")
	w := newTable(a.stdout)
	fmt.Fprintln(w, "field\ttype\tfilled\tdistinct\tlength\twhat it looks like")
	for _, f := range r.Fields {
		length := strconv.Itoa(f.MinLength)
		if f.MaxLength != f.MinLength {
			length += "-" + strconv.Itoa(f.MaxLength)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", oneLine(f.Name), f.Kinds(), f.Filled, f.Distinct, length, f.Describe())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if r.Truncated {
		fmt.Fprintf(a.stdout, "there are more fields; these are the first %d\n", len(r.Fields))
	}
	fmt.Fprintf(a.stdout, "\nwrote %s", r.PipelineFile)
	if r.Identifier != "" {
		fmt.Fprintf(a.stdout, "; users are found by %s: %s", r.Identifier, r.Why)
	}
	fmt.Fprintln(a.stdout)
	for _, note := range r.Notes {
		fmt.Fprintf(a.stdout, "  decide: %s\n", note)
	}
	next := "Next: usher check " + quoted(r.PipelineFile)
	if in.secret && os.Getenv(dsnVariable) != in.options["dsn"] {
		next = "Set " + dsnVariable + " to the DSN that you gave: the pipeline file has it by that name. Then: usher check " + quoted(r.PipelineFile)
	}
	_, err := fmt.Fprintln(a.stdout, next)
	return err
}
