package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/pipeline/engine"
	"github.com/usher-id/usher/pipeline/journal"
	"github.com/usher-id/usher/pipeline/preflight"
)

// sampleSize is how many records check reads.
const sampleSize = 100

func checkCommand(a *app) *cobra.Command {
	var limit int64
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Reach both ends of a pipeline and try it on a sample, without writing",
		Long: `Reach the source and the sink, and work out the outcomes of the first records without writing anything: to the sink
or to the state folder. The exit code is 3 if records of the sample fail, and 4 if an end cannot be reached.`,
		GroupID:           groupPrepare,
		Args:              arguments(1, 1, "one pipeline file"),
		ValidArgsFunction: pipelineFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return &usageError{"usage.flag", "--limit takes a number from 1", ""}
			}
			p, err := a.load(args[0])
			if err != nil {
				return err
			}
			return a.check(cmd.Context(), p, limit)
		},
	}
	cmd.Flags().Int64Var(&limit, "limit", sampleSize, "take a sample of this many records")
	return cmd
}

// end is what check says about a source or a sink.
type end struct {
	Name  string   `json:"name"`
	OK    bool     `json:"ok"`
	Error *failure `json:"error,omitempty"`
}

// checked is the JSON form of a check.
type checked struct {
	Pipeline string           `json:"pipeline"`
	Source   end              `json:"source"`
	Sink     end              `json:"sink"`
	Sample   *journal.Summary `json:"sample,omitempty"`
	Warnings int64            `json:"warnings"`
	Failures []reject         `json:"failures"`
	// Passwords says what the target makes of the passwords in the sample.
	Passwords *passwords `json:"passwords,omitempty"`
	// Proof says whether the known passwords match the hashes that the target would get.
	Proof []preflight.Proved `json:"proof,omitempty"`
	Error *failure           `json:"error,omitempty"`
}

func (a *app) check(parent context.Context, p *definition.Pipeline, limit int64) error {
	ctx := a.interruptible(parent)
	defer ctx.stop()
	c := checked{Pipeline: p.Name, Failures: []reject{}}
	exit := exitWell
	c.Source, exit = a.reach(ctx, p.SourceName, p.Source, exit)
	c.Sink, exit = a.reach(ctx, p.SinkName, p.Sink, exit)
	var doc journal.Document
	if exit == exitWell {
		dir, err := os.MkdirTemp("", "usher-check-")
		if err != nil {
			return &pipeline.Error{Code: "check.temporary_file", Message: "the temporary files of the check cannot be made: " + err.Error(),
				Hint: "make room in the folder for temporary files, or name another one by TMPDIR", Err: err}
		}
		defer os.RemoveAll(dir)
		census := preflight.NewPasswords(p.Sink, preflight.Policy(p.Passwords))
		p.Transforms = append(p.Transforms, census)
		if doc, err = sample(ctx, dir, p, limit, a.env().Log); err != nil {
			var f failure
			f, exit = a.failure(err)
			c.Error = &f
		} else if ctx.Err() != nil {
			return done(ctx.exitCode())
		} else if doc.Summary.Failed > 0 {
			exit = exitRecords
		}
		c.Sample, c.Warnings = &doc.Summary, doc.Warnings
		c.Passwords = passwordsOf(census)
		if c.Error == nil {
			c.Proof, err = a.prove(ctx, p)
			if err == nil && ctx.Err() == nil {
				err = unproved(c.Proof)
			}
			if ctx.Err() != nil {
				return done(ctx.exitCode())
			}
			if err != nil {
				var f failure
				f, exit = a.failure(err)
				c.Error = &f
			}
		}
		if doc.Reasons != "" {
			if c.Failures, err = firstRejects(doc.Reasons, int(limit)); err != nil && c.Error == nil {
				var f failure
				f, exit = a.failure(err)
				c.Error = &f
			}
		}
	}
	if !a.json {
		a.printCheck(c, doc)
	} else if err := a.printJSON(c); err != nil {
		return err
	}
	if exit != exitWell {
		return done(exit)
	}
	return nil
}

// reach asks an end that can tell whether it would open.
func (a *app) reach(ctx context.Context, name string, connector any, exit int) (end, int) {
	checker, ok := connector.(pipeline.Checker)
	if !ok {
		return end{Name: name, OK: true}, exit
	}
	err := checker.Check(ctx)
	if err == nil {
		return end{Name: name, OK: true}, exit
	}
	f, code := a.failure(err)
	return end{name, false, &f}, max(exit, code)
}

// sample plans a run over the first records with a journal of its own.
func sample(ctx context.Context, dir string, p *definition.Pipeline, limit int64, log *slog.Logger) (journal.Document, error) {
	j, err := journal.Open(dir)
	if err != nil {
		return journal.Document{}, err
	}
	doc := journal.Document{PipelineFile: p.File, PipelineHash: p.Hash, Plan: true, Selection: journal.Selection{Limit: limit}}
	return engine.Run(ctx, j, doc, enginePipeline(p), engine.Options{Log: log})
}

func (a *app) printCheck(c checked, doc journal.Document) {
	for _, e := range []struct {
		kind string
		end
	}{{"source", c.Source}, {"sink", c.Sink}} {
		if e.OK {
			fmt.Fprintf(a.stdout, "%-6s  %s  ok\n", e.kind, e.Name)
			continue
		}
		fmt.Fprintf(a.stdout, "%-6s  %s  %s [%s]\n", e.kind, e.Name, e.Error.Message, e.Error.Code)
		if e.Error.Hint != "" {
			fmt.Fprintf(a.stdout, "        %s\n", e.Error.Hint)
		}
	}
	if c.Sample != nil {
		fmt.Fprintf(a.stdout, "\nsample of %s, nothing was written\n", c.Pipeline)
		printCounts(a.stdout, doc)
		c.Passwords.print(a.stdout)
		printProof(a.stdout, c.Proof)
		a.warnOf([]error{printFailures(a.stdout, doc, int(doc.Summary.Failed))})
	}
	if c.Error != nil {
		a.printFailure(*c.Error)
	}
}
