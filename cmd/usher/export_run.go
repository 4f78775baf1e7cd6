package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/pipeline/engine"
	"github.com/usher-id/usher/pipeline/journal"
	"github.com/usher-id/usher/transforms/fields"
)

func (a *app) export(cmd *cobra.Command, f exportFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	state := a.runsDir()
	if f.from != "" {
		state = a.stateDir(f.from)
	}
	text, err := a.exportText(f)
	if err != nil {
		return err
	}
	doc, err := f.document()
	if err != nil {
		return err
	}
	// What the export was is kept, for it to be resumed and retried.
	doc.PipelineFile = filepath.Join(absolute(state), "exports", digest(text, f.from)+".yaml")
	p, err := a.parseExport(text, doc, a.env())
	if err != nil {
		return err
	}
	doc.PipelineHash = p.Hash
	j, err := journal.Open(state)
	if err != nil {
		return err
	}
	if err := keep(doc.PipelineFile, text); err != nil {
		return err
	}
	if f.resume {
		before, err := interruptedExport(j, p, doc)
		if err != nil {
			return err
		}
		if before != nil {
			return a.runExport(cmd, j, p, *before, f.quiet)
		}
	}
	if err := a.tryExport(cmd.Context(), text, doc, &f); err != nil {
		return err
	}
	return a.runExport(cmd, j, p, doc, f.quiet)
}

// document begins the journal's document of an export.
func (f *exportFlags) document() (journal.Document, error) {
	e := &journal.Export{By: whoami(), Where: f.where, IDs: f.ids, Sort: f.sort, Desc: f.desc, Format: f.format, Output: absoluteInput(f.output), Secrets: f.secrets,
		Fields: []journal.ExportField{}}
	if f.store != "" {
		path, err := f.storePath()
		if err != nil {
			return journal.Document{}, err
		}
		e.Store = "sqlite:" + path
	} else {
		e.Pipeline = absolute(f.from)
	}
	if f.defaultFields {
		for _, d := range fields.Defaults() {
			e.Fields = append(e.Fields, journal.ExportField{Name: d[0], Value: d[1]})
		}
	}
	names, texts, err := f.split()
	if err != nil {
		return journal.Document{}, err
	}
	for i, name := range names {
		e.Fields = append(e.Fields, journal.ExportField{Name: name, Value: texts[i]})
	}
	if f.expires > 0 {
		at := time.Now().Add(f.expires).UTC().Truncate(time.Second)
		e.ExpiresAt = &at
	}
	return journal.Document{Export: e, Full: true}, nil
}

// whoami names who runs this process, and where.
func whoami() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}

func digest(text []byte, from string) string {
	sum := sha256.Sum256(append(text, from...))
	return hex.EncodeToString(sum[:8])
}

// keep writes what an export is.
func keep(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return &pipeline.Error{Code: "state.unwritable", Message: "the state folder cannot be written", Hint: "name another one with --state", Err: err}
	}
	if err := writeWhole(path, text, 0o600, true); err != nil {
		return &pipeline.Error{Code: "state.unwritable", Message: fmt.Sprintf("%s cannot be written: %v", short(path), errors.Unwrap(err)),
			Hint: "make room, or name another state folder with --state", Err: err}
	}
	return nil
}

// interruptedExport gives the run that an export goes on with, nil where none was interrupted.
func interruptedExport(j *journal.Journal, p *definition.Pipeline, doc journal.Document) (*journal.Document, error) {
	docs, damaged, err := j.List(false)
	if err != nil {
		return nil, err
	}
	if len(damaged) > 0 {
		return nil, damaged[0] // it may be the very one
	}
	for _, before := range docs {
		if before.Export == nil || before.Export.Output != doc.Export.Output || before.Attempt > 1 {
			continue
		}
		switch {
		case before.Status != journal.Interrupted && before.Status != journal.FailedStatus:
			return nil, nil
		case before.PipelineHash != p.Hash:
			return nil, &pipeline.Error{Code: "run.another_export", Message: fmt.Sprintf("the export of %s that was interrupted, run %s, was another one", short(doc.Export.Output), before.RunID),
				Hint: fmt.Sprintf("give the flags that it had, or `usher resume %s`; or leave --resume out to begin anew", before.RunID)}
		}
		return &before, nil
	}
	return nil, nil
}

// runExport has the engine work on an export and reports what became of it.
func (a *app) runExport(cmd *cobra.Command, j *journal.Journal, p *definition.Pipeline, doc journal.Document, quiet bool) error {
	ctx := a.interruptible(cmd.Context())
	defer ctx.stop()
	options := engine.Options{Progress: new(engine.Progress)}
	stop := func() {}
	if !quiet {
		stop = watch(ctx, a.stderr, options.Progress, doc.Summary.Total)
	}
	doc, err := engine.Run(ctx, j, doc, enginePipeline(p), options)
	stop()
	if doc.Outcomes == "" { // it did not begin
		return err
	}
	return a.reportExport(ctx, doc, leftOut(p), err)
}

// exportAgain reads what an earlier export was.
func (a *app) exportAgain(doc journal.Document) (*definition.Pipeline, error) {
	text, err := os.ReadFile(doc.PipelineFile)
	if err == nil && doc.Export.Pipeline == "" && filepath.Base(doc.PipelineFile) != digest(text, "")+".yaml" {
		err = errors.New(short(doc.PipelineFile) + " was changed")
	}
	if err != nil {
		return nil, &pipeline.Error{Code: "state.corrupted", Message: fmt.Sprintf("what the export %s was cannot be read: %v", doc.RunID, err),
			Hint: "give the export again", Err: err}
	}
	p, err := a.parseExport(text, doc, a.env())
	if err == nil && p.Hash != doc.PipelineHash {
		fmt.Fprintf(a.stderr, "note: %s has changed since run %s\n", short(doc.Export.Pipeline), doc.RunID)
	}
	return p, err
}

// exportText gives what is kept of an export.
func (a *app) exportText(f exportFlags) ([]byte, error) {
	columns, err := f.columns()
	if err != nil {
		return nil, err
	}
	for _, flag := range [][2]string{{"--where", f.where}, {"--sort", f.sort}} {
		program, err := definition.CompileExpression(flag[1])
		if flag[1] == "" || attributeName.MatchString(flag[1]) {
			continue
		}
		if err != nil {
			return nil, expressionError(flag[0], flag[1], err)
		}
		if secret := f.secretRead(program.Paths()); secret != "" && (flag[0] == "--sort" || f.store != "") {
			// --where of a pipeline sees secrets and shows none; a store would not even read them, and select nobody.
			return nil, &usageError{"usage.secrets", fmt.Sprintf("%s reads %s, which is secret", flag[0], secret), "add --include-secrets if that is meant"}
		}
	}
	w := exportWords{Sink: f.sink()}
	if f.sort != "" {
		w.Before = append(w.Before, f.sorted())
	}
	if f.store != "" {
		if w.Source, err = f.storeSource(); err != nil {
			return nil, err
		}
	} else if f.where != "" {
		w.After = append(w.After, map[string]any{"filter": f.where})
	}
	switch {
	case len(columns) > 0 || f.defaultFields:
		w.After = append(w.After, map[string]any{"fields": map[string]any{"default": f.defaultFields, "strict": f.strict, "columns": columns}})
	case f.store != "":
		w.After = append(w.After, map[string]any{"map": map[string]any{"remove": []string{"user_id", "sub", "raw"}}})
	}
	w.Name = "export " + filepath.Base(f.output)
	if f.output == "-" {
		w.Name = "" // two at once do not stand in each other's way
		unnamed, err := yaml.Marshal(w)
		if err != nil {
			return nil, err
		}
		w.Name = "export " + digest(unnamed, f.from)
	}
	w.Name = escaped(w.Name)
	return yaml.Marshal(w)
}

// exportWords is what is kept of an export: a pipeline file, but for the source and the transforms of --from, which are read where they stand, since there may be
// passwords in them.
type exportWords struct {
	Name   string `yaml:"name"`
	Source any    `yaml:"source,omitempty"`
	// Before and After are the transforms before and after those of --from.
	Before []any `yaml:"before,omitempty"`
	After  []any `yaml:"after,omitempty"`
	Sink   any   `yaml:"sink"`
}

// storePath gives the file that --store names.
func (f *exportFlags) storePath() (string, error) {
	path, err := identity.DatabasePath(f.store, absolute("."))
	var known *identity.Error
	if errors.As(err, &known) {
		return "", &usageError{known.Code, "--store: " + known.Message, known.Hint}
	}
	return path, err
}

// storeSource gives the source of --store as a pipeline file would name it.
func (f *exportFlags) storeSource() (any, error) {
	path, err := f.storePath()
	if err != nil {
		return nil, err
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
	return map[string]any{"store": source}, nil
}

// attributeName is what --sort takes for an attribute of user rather than an expression.
var attributeName = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// key gives the expression of --sort.
func (f *exportFlags) key() string {
	if attributeName.MatchString(f.sort) {
		return "user." + f.sort
	}
	return f.sort
}

// sorted gives the transform sort.
func (f *exportFlags) sorted() any {
	options := map[string]any{"by": f.key(), "desc": f.desc}
	if f.locale != "" {
		options["locale"] = escaped(f.locale)
	}
	return map[string]any{"sort": options}
}

// columnNames gives the names of the columns, each once and in order.
func (f *exportFlags) columnNames() []string {
	var all []string
	if f.defaultFields {
		for _, d := range fields.Defaults() {
			all = append(all, d[0])
		}
	}
	names, _, _ := f.split() // they were taken apart before
	for _, name := range names {
		if name = escaped(name); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
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
	case "csv":
		if len(f.fields) > 0 || f.defaultFields {
			// What a column holds is in one cell, also where it is an object.
			options["columns"] = f.columnNames()
		} else if f.store != "" {
			// All that a user may have, since what the first users do not have must have its column too.
			options["columns"] = slices.DeleteFunc(identity.AttributeNames(), func(name string) bool { return !f.secrets && slices.Contains(secretAttributes, name) })
		}
		if f.delimiter != "" {
			options["delimiter"] = escaped(f.delimiter)
		}
		if f.join != "" {
			options["join"] = escaped(f.join)
		}
		if f.bom {
			options["bom"] = true
		}
		if f.crlf {
			options["line_ends"] = "crlf"
		}
	}
	return map[string]any{f.format: options}
}

// whole gives the pipeline file of an export.
func (a *app) whole(text []byte, from string, env pipeline.Env) ([]byte, error) {
	var w exportWords
	if err := yaml.Unmarshal(text, &w); err != nil {
		return nil, err
	}
	root := map[string]any{"name": w.Name, "source": w.Source, "sink": w.Sink}
	transforms := w.Before
	if from != "" {
		if _, err := definition.Load(from, a.registry, env); err != nil {
			return nil, err
		}
		file, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		var parts struct {
			Source     yaml.Node
			Transforms []yaml.Node
		}
		if err := yaml.Unmarshal(file, &parts); err != nil {
			return nil, err
		}
		root["source"] = &parts.Source
		for i := range parts.Transforms {
			transforms = append(transforms, &parts.Transforms[i])
		}
	}
	root["transforms"] = append(transforms, w.After...)
	return yaml.Marshal(root)
}

// escaped keeps the reader of pipeline files from taking ${ in a text for a variable. In expressions it does not look
// for any.
func escaped(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// parseExport builds the pipeline of an export out of its text. Relative paths start where those of the pipeline file do whose source
// it reads.
func (a *app) parseExport(text []byte, doc journal.Document, env pipeline.Env) (*definition.Pipeline, error) {
	base := doc.PipelineFile
	if doc.Export.Pipeline != "" {
		base = doc.Export.Pipeline
	}
	text, err := a.whole(text, doc.Export.Pipeline, env)
	if err != nil {
		return nil, err
	}
	p, err := definition.Parse(base, text, a.registry, env)
	var diagnostics definition.Diagnostics
	if errors.As(err, &diagnostics) {
		// The flags were read as options; their places in a text that nobody wrote would say nothing.
		d := diagnostics[0]
		return nil, &usageError{d.Code, ofFlag(d.Message), d.Hint}
	}
	if err != nil {
		return nil, err
	}
	p.File = doc.PipelineFile
	guardSecrets(p, doc.Export)
	return p, nil
}

// optionNames are the options that the flags of an export become, as they begin a message.
var optionNames = regexp.MustCompile(`^(?:columns\.\d+\.name|(delimiter|join|locale)): `)

// ofFlag has a message about an option name the flag that gave it.
func ofFlag(message string) string {
	m := optionNames.FindStringSubmatch(message)
	switch {
	case m == nil:
		return message
	case m[1] == "":
		return "--field: " + message[len(m[0]):]
	}
	return "--" + message
}

// tryExport tries the columns and the rest on a sample, before anything is written.
func (a *app) tryExport(ctx context.Context, text []byte, doc journal.Document, f *exportFlags) error {
	names, _, err := f.split()
	if err != nil || len(names) == 0 && f.sort == "" {
		return err
	}
	var by *expression.Program
	if f.sort != "" {
		by, _ = definition.CompileExpression(f.key()) // it was compiled before
	}
	env := a.env()
	stdin := &untouched{}
	env.Stdin = stdin // what is read from there cannot be read again
	p, err := a.parseExport(text, doc, env)
	if err != nil {
		return err
	}
	s, err := trySample(ctx, p, names, by)
	if err != nil || stdin.touched {
		return nil //nolint:nilerr // the export itself will say it
	}
	return s.report(a.stderr, f.strict)
}
