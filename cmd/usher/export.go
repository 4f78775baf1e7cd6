package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/sinks/files"
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
	locale         string
	format, output string
	delimiter      string
	join           string
	bom, crlf      bool
	resume         bool
	expires        time.Duration
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

The columns are tried on a sample first: one that fails for everybody, or is empty for everybody, is told before the
export begins. A cell whose expression fails is empty, and a warning in the outcomes names its record and column;
--strict has the record fail instead. The file gets its name when all of it is written, with mode 0600. -o - writes to
standard output, and what is reported goes to standard error.

Secrets (password, mfa, raw, and with --from what looks like one) are only there with --include-secrets.`,
		GroupID: groupMove,
		Example: `  usher export --store sqlite:users.db -o users.ndjson
  usher export --store sqlite:users.db --default-fields --field 'Plan=user.app_metadata.plan' -o users.xlsx
  usher export --from crm.yaml --where 'user.email_verified' --field Mail=user.email -o - --format csv`,
		Args: arguments(0, 0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			// What is empty for want of a shell variable must not stand for all users.
			if cmd.Flags().Changed("where") && strings.TrimSpace(f.where) == "" {
				return &usageError{"usage.flag", "--where takes an expression, not an empty text", "leave it out to take all users"}
			}
			if cmd.Flags().Changed("ids") && len(f.ids) == 0 {
				return &usageError{"usage.flag", "--ids takes ids, not an empty text", "leave it out to take all users"}
			}
			return a.export(cmd, f)
		},
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
	flags.StringVar(&f.locale, "locale", "", "sort texts by the alphabet of this language, such as sv or zh-Hans")
	flags.StringVar(&f.format, "format", "", "json, ndjson, csv or excel (default by the file's name; ndjson for -)")
	flags.StringVarP(&f.output, "output", "o", "", "the file to write; - is standard output")
	flags.StringVar(&f.delimiter, "delimiter", "", "what stands between values of a CSV file: a character, or tab (default a comma)")
	flags.StringVar(&f.join, "join", "", "what stands between the elements of a list in a CSV file (default: lists as JSON)")
	flags.BoolVar(&f.bom, "bom", false, "begin a CSV file with a byte order mark, for Excel")
	flags.BoolVar(&f.crlf, "crlf", false, "end the lines of a CSV file with CR LF")
	flags.BoolVar(&f.resume, "resume", false, "go on with this very export where it was interrupted, if it was")
	flags.DurationVar(&f.expires, "expires", 0, "note in the history when the file is not needed any more, such as 168h")
	flags.BoolVar(&f.secrets, "include-secrets", false, "take password hashes, second factors and raw records along")
	addQuiet(cmd, &f.quiet)
	return cmd
}

// formatsByExtension finds the format by the name of the file.
var formatsByExtension = map[string]string{".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".xlsx": "excel"}

// isJSON reports whether a format is one of the two that readers of JSON tell apart by themselves.
func isJSON(format string) bool { return format == "json" || format == "ndjson" }

// check finds what is wrong with the flags alone, and the format where it is not stated.
func (f *exportFlags) check() error {
	wrong := func(message, hint string) error { return &usageError{"usage.flag", message, hint} }
	f.output = files.Path(f.output)
	switch {
	case (f.store == "") == (f.from == ""):
		return wrong("export reads one of --store and --from", "name a store, such as --store sqlite:users.db, or a pipeline file")
	case f.output == "":
		return wrong("export needs to know where to write", "name a file with -o, or - for standard output")
	case f.ids != nil && f.from != "":
		return wrong("--ids selects users of a store, but --from reads a pipeline", "use --where")
	case f.desc && f.sort == "":
		return wrong("--desc is about --sort, which is not there", "add --sort with an expression, such as --sort user.email")
	case f.locale != "" && f.sort == "":
		return wrong("--locale is about --sort, which is not there", "add --sort with an expression, such as --sort user.name")
	case f.resume && f.output == "-":
		return wrong("what went to standard output cannot be gone on with", "write to a file with -o")
	case f.expires < 0:
		return wrong("--expires takes a time to come", "such as 168h, which is a week")
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
	if named := formatsByExtension[strings.ToLower(filepath.Ext(f.output))]; named != "" && named != f.format && !(isJSON(named) && isJSON(f.format)) {
		return wrong(fmt.Sprintf("the name %s says %s, but --format says %s: whoever opens the file would be misled", f.output, named, f.format), "leave --format out, or name the file by its format")
	}
	if f.format != "csv" && (f.delimiter != "" || f.join != "" || f.bom || f.crlf) {
		return wrong(fmt.Sprintf("--delimiter, --join, --bom and --crlf are about CSV, but the format is %s", f.format), "leave them out, or write --format csv")
	}
	return nil
}

// secretAttributes are those that an export leaves out unless it is told otherwise.
var secretAttributes = []string{"password", "mfa", "raw"}

// names takes the columns of --field apart.
func (f *exportFlags) split() (names, texts []string, err error) {
	for _, field := range f.fields {
		name, text, ok := strings.Cut(field, "=")
		if !ok || name == "" || strings.TrimSpace(text) == "" {
			return nil, nil, &usageError{"usage.flag", fmt.Sprintf("--field takes a name, = and an expression, not %q", field), "for example --field 'Name=user.name'"}
		}
		names, texts = append(names, name), append(texts, text)
	}
	return names, texts, nil
}

// columns gives the columns of --field as the transform fields reads them.
func (f *exportFlags) columns() ([]any, error) {
	names, texts, err := f.split()
	if err != nil {
		return nil, err
	}
	var columns []any
	for i, name := range names {
		if inner := memberOf(name, names); inner != "" && (f.format == "csv" || f.format == "excel") {
			return nil, &usageError{"usage.flag", fmt.Sprintf("--field: the column %q could also be a member of the column %q", inner, name), "name one of them differently, without the dot"}
		}
		program, err := definition.CompileExpression(texts[i])
		if err != nil {
			return nil, expressionError("--field "+name, texts[i], err)
		}
		if secret := f.secretRead(program.Paths()); secret != "" {
			return nil, &usageError{"usage.secrets", fmt.Sprintf("--field %s reads %s, which is secret", name, secret), "add --include-secrets if that is meant"}
		}
		columns = append(columns, map[string]any{"name": escaped(name), "value": texts[i]})
	}
	return columns, nil
}

// memberOf gives the column whose name is that of another one with a dot and more behind it, in tables the name of a member.
func memberOf(name string, names []string) string {
	for _, other := range names {
		if strings.HasPrefix(other, name+".") {
			return other
		}
	}
	return ""
}

// secretRead gives a path that is left out of the export for its name.
func (f *exportFlags) secretRead(paths []string) string {
	if f.secrets {
		return ""
	}
	for _, path := range paths {
		for i, name := range strings.Split(path, ".") {
			if i == 0 && slices.Contains(secretAttributes, name) || f.from != "" && pipeline.IsSecret(name, "") {
				return path
			}
		}
	}
	return ""
}
