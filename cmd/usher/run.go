package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/pipeline/engine"
	"github.com/usher-id/usher/pipeline/journal"
	"github.com/usher-id/usher/pipeline/preflight"
)

// runFlags are the flags of run and plan.
type runFlags struct {
	selection journal.Selection
	quiet     bool
	full      bool
}

func (f *runFlags) add(cmd *cobra.Command) {
	cmd.Flags().Int64Var(&f.selection.Limit, "limit", 0, "take at most this many records")
	cmd.Flags().Int64Var(&f.selection.Offset, "offset", 0, "pass over this many records first")
	cmd.Flags().StringVar(&f.selection.Only, "only", "", "take only records for which this expression over user is true")
	addQuiet(cmd, &f.quiet)
}

func (f *runFlags) addFull(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.full, "full", false, "read everything, also what has not changed since the last completed run")
}

func addQuiet(cmd *cobra.Command, quiet *bool) {
	cmd.Flags().BoolVarP(quiet, "quiet", "q", false, "show no progress")
}

func (f *runFlags) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("limit") && f.selection.Limit < 1 {
		return &usageError{"usage.flag", "--limit takes a number from 1", "leave it out to take all records"}
	}
	if cmd.Flags().Changed("only") && strings.TrimSpace(f.selection.Only) == "" {
		return &usageError{"usage.flag", "--only takes an expression, not an empty text", "leave it out to take all records"}
	}
	if f.selection.Offset < 0 {
		return &usageError{"usage.flag", "--offset takes a number from 0", ""}
	}
	return nil
}

func runCommand(a *app) *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:               "run FILE",
		Short:             "Run a pipeline",
		GroupID:           groupMove,
		Args:              arguments(1, 1, "one pipeline file"),
		ValidArgsFunction: pipelineFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.start(cmd, args[0], flags, false)
		},
	}
	flags.add(cmd)
	flags.addFull(cmd)
	return cmd
}

// start begins a run or a plan.
func (a *app) start(cmd *cobra.Command, file string, flags runFlags, plan bool) error {
	if err := flags.check(cmd); err != nil {
		return err
	}
	p, err := a.load(file)
	if err != nil {
		return err
	}
	j, err := journal.Open(a.stateDir(p.File))
	if err != nil {
		return err
	}
	proved, err := a.proveFirst(cmd.Context(), p, flags.quiet)
	if err != nil {
		return err
	}
	doc := journal.Document{PipelineFile: p.File, PipelineHash: p.Hash, Plan: plan, Selection: flags.selection, Full: flags.full}
	return a.execute(cmd, j, p, doc, proved, flags.quiet)
}

// execute has the engine work on a run and reports what became of it.
func (a *app) execute(cmd *cobra.Command, j *journal.Journal, p *definition.Pipeline, doc journal.Document, proved []preflight.Proved, quiet bool) error {
	options := engine.Options{Progress: new(engine.Progress), Log: a.env().Log}
	if text := doc.Selection.Only; text != "" {
		program, err := onlyExpression(text)
		if err != nil {
			return err
		}
		options.Only = program
	}
	ctx := a.interruptible(cmd.Context())
	defer ctx.stop()
	stop := func() {}
	if !quiet {
		stop = watch(ctx, a.stderr, options.Progress, doc.Summary.Total)
	}
	var census *preflight.Passwords
	policy := preflight.Policy(p.Passwords)
	if doc.Plan && doc.RunID == "" || policy != (preflight.Policy{}) {
		census = preflight.NewPasswords(p.Sink, policy)
		p.Transforms = append(p.Transforms, census)
		if !doc.Plan || doc.RunID != "" { // a plan that is resumed sees only the rest
			census = nil
		}
	}
	doc, err := engine.Run(ctx, j, doc, enginePipeline(p), options)
	stop()
	if doc.Outcomes == "" { // it did not begin
		return err
	}
	return a.reportRun(ctx, doc, passwordsOf(census), proved, err)
}

func enginePipeline(p *definition.Pipeline) engine.Pipeline {
	return engine.Pipeline{
		Name: p.Name, Source: p.Source, Transforms: p.Transforms, Sink: p.Sink, Deleted: p.Deleted,
		MaxFailures: p.MaxFailures, BatchSize: p.BatchSize, Workers: p.Workers,
	}
}

func onlyExpression(text string) (*expression.Program, error) {
	program, err := definition.CompileExpression(text)
	if err != nil {
		return nil, expressionError("--only", text, err)
	}
	return program, nil
}

// expressionError is a usageError for an expression on the command line, with a caret under the place.
func expressionError(what, text string, err *expression.SyntaxError) error {
	hint := err.Hint
	if !strings.Contains(text, "\n") {
		if hint != "" {
			hint += "\n"
		}
		hint += definition.Mark(text, err.Offset, err.Length)
	}
	return &usageError{err.Code, fmt.Sprintf("%s: %s", what, err.Message), hint}
}
