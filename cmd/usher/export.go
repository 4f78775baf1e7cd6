package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/pipeline/engine"
	"github.com/usher-id/usher/pipeline/journal"
)

// exportFlags are the flags of export.
type exportFlags struct {
	store, from    string
	fields         []string
	defaultFields  bool
	strict         bool
	where          string
	ids            []string
	sort           string
	desc           bool
	format, output string
	secrets, quiet bool
}

func exportCommand(a *app) *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export (--store DSN | --from FILE) -o FILE",
		Short: "Write users to a file: JSON, NDJSON, CSV or Excel",
		Long: `Write users to a file, out of an identity store or out of any pipeline's source and transforms. Each --field makes a
column by an expression over user; without fields, the records are written with all their attributes, in the form in
which a store takes them in again.

A cell whose expression fails is empty, and a warning in the outcomes names its record and column; --strict has the
record fail instead. The file gets its name when all of it is written, with mode 0600. -o - writes to standard output,
and what is reported goes to standard error.

Secrets (password, mfa, raw) are only there with --include-secrets.`,
		GroupID: groupMove,
		Example: `  usher export --store sqlite:users.db -o users.ndjson
  usher export --store sqlite:users.db --default-fields --field 'Plan=user.app_metadata.plan' -o users.xlsx
  usher export --from crm.yaml --where 'user.email_verified' --field Mail=user.email -o - --format csv`,
		Args: arguments(0, 0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.export(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.store, "store", "", "the identity store to read, such as sqlite:users.db")
	flags.StringVar(&f.from, "from", "", "a pipeline file whose source and transforms to read; its sink is not touched")
	flags.StringArrayVar(&f.fields, "field", nil, "a column as 'Name=EXPRESSION' over user; repeat it for more")
	flags.BoolVar(&f.defaultFields, "default-fields", false, "begin with the columns that Auth0 exports by default")
	flags.BoolVar(&f.strict, "strict", false, "let a record fail if one of its cells does")
	flags.StringVar(&f.where, "where", "", "take only users for whom this expression is true")
	flags.StringSliceVar(&f.ids, "ids", nil, "take only the users with these ids of the store")
	flags.StringVar(&f.sort, "sort", "", "sort by this attribute or expression; with --from over the records of its source")
	flags.BoolVar(&f.desc, "desc", false, "sort the greatest first")
	flags.StringVar(&f.format, "format", "", "json, ndjson, csv or excel (default by the file's name; ndjson for -)")
	flags.StringVarP(&f.output, "output", "o", "", "the file to write; - is standard output")
	flags.BoolVar(&f.secrets, "include-secrets", false, "take password hashes, second factors and raw records along")
	addQuiet(cmd, &f.quiet)
	return cmd
}

// exported is the JSON form of an export.
type exported struct {
	result
	Output  string `json:"output"`
	Format  string `json:"format"`
	Secrets bool   `json:"secrets"`
}

func (a *app) export(cmd *cobra.Command, f exportFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	state := a.runsDir()
	if f.from != "" {
		state = a.stateDir(f.from)
	}
	p, err := a.exportPipeline(f, state)
	if err != nil {
		return err
	}
	j, err := journal.Open(state)
	if err != nil {
		return err
	}
	ctx := a.interruptible(cmd.Context())
	defer ctx.stop()
	options := engine.Options{Progress: new(engine.Progress)}
	stop := func() {}
	if !f.quiet {
		stop = watch(a.stderr, options.Progress, 0)
	}
	doc, err := engine.Run(ctx, j, journal.Document{PipelineFile: p.File, PipelineHash: p.Hash}, enginePipeline(p), options)
	stop()
	if doc.Outcomes == "" { // it did not begin
		return err
	}
	return a.reportExport(ctx, doc, err, f)
}

// reportExport says what became of an export, and gives its exit code. Where the export itself goes to standard output,
// the report goes to standard error.
func (a *app) reportExport(ctx *interruption, doc journal.Document, runError error, f exportFlags) error {
	var code error
	switch {
	case runError != nil:
		_, exit := a.failure(runError)
		code = done(exit)
	case doc.Status == journal.Interrupted:
		code = done(ctx.exitCode())
	case doc.Status == journal.CompletedWithFailures:
		code = done(exitRecords)
	}
	if f.output == "-" {
		a.piped.Store(true) // also where there was nothing to write
	}
	if a.json {
		if err := a.printJSON(exported{resultOf(doc), absoluteInput(f.output), f.format, f.secrets}); err != nil {
			return err
		}
		return code
	}
	if err := a.printExport(doc, f); err != nil {
		return err
	}
	if runError != nil {
		failed, _ := a.failure(runError)
		a.printFailure(failed)
	}
	return code
}

// printExport prints an export for a person.
func (a *app) printExport(doc journal.Document, f exportFlags) error {
	w := bufio.NewWriter(a.output())
	s := doc.Summary
	fmt.Fprintf(w, "%s: run %s %s\n\n", doc.Pipeline, doc.RunID, statusWords[doc.Status])
	digits := len(fmt.Sprint(s.Total))
	row := func(word string, n int64, note string) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-9s %*d  %s", word, digits, n, note), " "))
	}
	row("read", s.Total, "")
	row("written", s.Inserted, f.outputName())
	if s.Skipped > 0 {
		row("left out", s.Skipped, "")
	}
	row("failed", s.Failed, "")
	if doc.Warnings > 0 {
		row("warnings", doc.Warnings, "empty cells and others, in the outcomes")
	}
	if err := printFailures(w, doc, shownFailures); err != nil {
		return err
	}
	fmt.Fprintf(w, "\noutcomes  %s\n", short(doc.Outcomes))
	if f.secrets {
		fmt.Fprintf(w, "\nIt holds secrets: password hashes and second factors.\n")
	}
	if f.store != "" && f.output != "-" && (doc.Status == journal.Interrupted || doc.Status == journal.FailedStatus) {
		fmt.Fprintf(w, "\nTo go on from here: usher resume %s%s\n", doc.RunID, a.stateFlag(a.runsDir()))
	}
	return w.Flush()
}

func (f *exportFlags) outputName() string {
	if f.output == "-" {
		return "standard output"
	}
	return f.output
}

// formatsByExtension finds the format by the name of the file.
var formatsByExtension = map[string]string{".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".xlsx": "excel"}

// check finds what is wrong with the flags alone, and the format where it is not stated.
func (f *exportFlags) check() error {
	wrong := func(message, hint string) error { return &usageError{"usage.flag", message, hint} }
	switch {
	case (f.store == "") == (f.from == ""):
		return wrong("export reads one of --store and --from", "name a store, such as --store sqlite:users.db, or a pipeline file")
	case f.output == "":
		return wrong("export needs to know where to write", "name a file with -o, or - for standard output")
	case f.ids != nil && f.from != "":
		return wrong("--ids selects users of a store, but --from reads a pipeline", "use --where")
	case f.desc && f.sort == "":
		return wrong("--desc is about --sort, which is not there", "add --sort with an expression, such as --sort user.email")
	case f.strict && len(f.fields) == 0 && !f.defaultFields:
		return wrong("--strict is about columns, but there are none", "add some with --field or --default-fields")
	}
	if f.format == "" {
		if f.format = formatsByExtension[strings.ToLower(filepath.Ext(f.output))]; f.output == "-" {
			f.format = "ndjson"
		}
		if f.format == "" {
			return wrong(fmt.Sprintf("the name %s does not tell the format", f.output), "state --format json, ndjson, csv or excel")
		}
	}
	if !slices.Contains([]string{"json", "ndjson", "csv", "excel"}, f.format) {
		return wrong(fmt.Sprintf("there is no format %q", f.format), "state --format json, ndjson, csv or excel")
	}
	return nil
}

// secretAttributes are those that an export leaves out unless it is told otherwise.
var secretAttributes = []string{"password", "mfa", "raw"}

// columns gives the columns of --field as the transform fields reads them.
func (f *exportFlags) columns() ([]any, error) {
	var columns []any
	for _, field := range f.fields {
		name, text, ok := strings.Cut(field, "=")
		if !ok || name == "" || strings.TrimSpace(text) == "" {
			return nil, &usageError{"usage.flag", fmt.Sprintf("--field takes a name, = and an expression, not %q", field), "for example --field 'Name=user.name'"}
		}
		program, err := definition.CompileExpression(text)
		if err != nil {
			return nil, expressionError("--field "+name, text, err)
		}
		for _, path := range program.Paths() {
			first, _, _ := strings.Cut(path, ".")
			if slices.Contains(secretAttributes, first) && !f.secrets {
				return nil, &usageError{"usage.secrets", fmt.Sprintf("--field %s reads %s, which is secret", name, first), "add --include-secrets if that is meant"}
			}
		}
		columns = append(columns, map[string]any{"name": escaped(name), "value": text})
	}
	return columns, nil
}

// exportPipeline makes the pipeline of an export. That of a store is kept in the state folder, as what the journal's run
// was and for it to be resumed.
func (a *app) exportPipeline(f exportFlags, state string) (*definition.Pipeline, error) {
	columns, err := f.columns()
	if err != nil {
		return nil, err
	}
	for _, flag := range [][2]string{{"--where", f.where}, {"--sort", f.sort}} {
		if _, err := definition.CompileExpression(flag[1]); err != nil && flag[1] != "" && !attributeName.MatchString(flag[1]) {
			return nil, expressionError(flag[0], flag[1], err)
		}
	}
	env := a.env()
	var root map[string]any
	var transforms []any
	remove := []string{}
	if f.store != "" {
		path, err := identity.DatabasePath(f.store, absolute("."))
		if err != nil {
			return nil, &usageError{"usage.flag", "--store: " + err.Error(), ""}
		}
		source := map[string]any{"dsn": escaped("sqlite:" + path), "include_secrets": f.secrets}
		if f.where != "" {
			source["where"] = f.where
		}
		if f.ids != nil {
			ids := make([]string, len(f.ids))
			for i, id := range f.ids {
				ids[i] = escaped(id)
			}
			source["ids"] = ids
		}
		root = map[string]any{"source": map[string]any{"store": source}}
		remove = append(remove, "user_id", "sub", "raw")
		if f.sort != "" {
			transforms = f.sorted(nil)
		}
	} else {
		if root, transforms, err = a.sourceOf(f.from, env); err != nil {
			return nil, err
		}
		if f.sort != "" {
			transforms = f.sorted(transforms)
		}
		if f.where != "" {
			transforms = append(transforms, map[string]any{"filter": f.where})
		}
		if !f.secrets {
			remove = append(remove, secretAttributes...)
		}
	}
	switch {
	case len(columns) > 0 || f.defaultFields:
		transforms = append(transforms, map[string]any{"fields": map[string]any{"default": f.defaultFields, "strict": f.strict, "columns": columns}})
	case len(remove) > 0:
		transforms = append(transforms, map[string]any{"map": map[string]any{"remove": remove}})
	}
	root["transforms"] = transforms
	root["sink"] = f.sink()
	return a.buildExport(f, root, state, env)
}

// attributeName is what --sort takes for an attribute of user rather than an expression.
var attributeName = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// sorted puts the transform sort before others.
func (f *exportFlags) sorted(transforms []any) []any {
	by := f.sort
	if attributeName.MatchString(by) {
		by = "user." + by
	}
	return append([]any{map[string]any{"sort": map[string]any{"by": by, "desc": f.desc}}}, transforms...)
}

// sink gives the sink as a pipeline file would name it.
func (f *exportFlags) sink() map[string]any {
	options := map[string]any{"path": escaped(absoluteInput(f.output))}
	switch f.format {
	case "json":
		options["format"] = "array"
		return map[string]any{"json": options}
	case "ndjson":
		options["format"] = "ndjson"
		return map[string]any{"json": options}
	}
	return map[string]any{f.format: options}
}

// sourceOf gives the source and the transforms of a pipeline file.
func (a *app) sourceOf(path string, env pipeline.Env) (root map[string]any, transforms []any, err error) {
	if _, err := definition.Load(path, a.registry, env); err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var parts struct {
		Source     yaml.Node
		Transforms []yaml.Node
	}
	if err := yaml.Unmarshal(text, &parts); err != nil {
		return nil, nil, err
	}
	for i := range parts.Transforms {
		transforms = append(transforms, &parts.Transforms[i])
	}
	return map[string]any{"source": &parts.Source}, transforms, nil
}

// escaped keeps the reader of pipeline files from taking ${ in a text for a variable. In expressions it does not look
// for any.
func escaped(text string) string { return strings.ReplaceAll(text, "${", "$${") }

func (a *app) buildExport(f exportFlags, root map[string]any, state string, env pipeline.Env) (*definition.Pipeline, error) {
	name := "export " + filepath.Base(f.output)
	unnamed, err := yaml.Marshal(root)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(unnamed)
	id := hex.EncodeToString(sum[:8])
	if f.output == "-" {
		name = "export " + id // two at once do not stand in each other's way
	}
	root["name"] = escaped(name)
	text, err := yaml.Marshal(root)
	if err != nil {
		return nil, err
	}
	path := f.from
	if f.store != "" {
		path = filepath.Join(state, "exports", id+".yaml")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, &pipeline.Error{Code: "state.unwritable", Message: "the state folder cannot be written", Hint: "name another one with --state", Err: err}
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return nil, &pipeline.Error{Code: "state.unwritable", Message: short(path) + " cannot be written", Hint: "name another state folder with --state", Err: err}
		}
	}
	p, err := definition.Parse(path, text, a.registry, env)
	var diagnostics definition.Diagnostics
	if errors.As(err, &diagnostics) {
		// The flags were read as options; their places in a text that nobody wrote would say nothing.
		d := diagnostics[0]
		return nil, &usageError{d.Code, d.Message, d.Hint}
	}
	return p, err
}
