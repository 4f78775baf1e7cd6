package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/pipeline/journal"
)

func resumeCommand(a *app) *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "resume RUN",
		Short: "Go on with a run that was interrupted, from its checkpoint",
		Long: `Go on with a run that was interrupted or killed, or that stopped on an error, from its last checkpoint. RUN is its
id or the beginning of it.`,
		GroupID: groupMove,
		Args:    arguments(1, 1, "the id of one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			j, doc, err := a.runOf(args[0])
			if err != nil {
				return err
			}
			switch doc.Status {
			case journal.Completed, journal.CompletedWithFailures:
				hint := "`usher run` runs the pipeline again"
				if doc.Summary.Failed > 0 {
					hint = fmt.Sprintf("`usher retry %s%s` feeds its rejects back", doc.RunID, a.stateFlag(a.runsDir()))
				}
				return &pipeline.Error{Code: "run.finished", Message: fmt.Sprintf("run %s came to its end: there is nothing to resume", doc.RunID), Hint: hint}
			case journal.Running:
				return &pipeline.Error{Code: "state.locked", Message: fmt.Sprintf("run %s is still going on", doc.RunID), Hint: "wait for it to end, or stop it"}
			}
			p, err := a.loadAgain(doc)
			if err != nil {
				return err
			}
			if doc.RetryOf != "" {
				if err := a.readRejects(p, doc.RetryFile); err != nil {
					return err
				}
			}
			if doc.Export != nil {
				return a.runExport(cmd, j, p, doc, quiet)
			}
			return a.execute(cmd, j, p, doc, nil, quiet)
		},
	}
	addQuiet(cmd, &quiet)
	return cmd
}

// openJournal gives the journal for a command that only reads runs: it makes no folder.
func (a *app) openJournal() (*journal.Journal, error) {
	dir := a.runsDir()
	if _, err := os.Stat(dir); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, &pipeline.Error{Code: "state.unusable", Message: "the state folder cannot be used: " + err.Error(),
				Hint: "give the process permission to read it, or check the disk", Err: err}
		}
		return nil, &pipeline.Error{Code: "state.not_found", Message: fmt.Sprintf("there is no state folder %s", short(dir)), Err: err,
			Hint: "name it with --state: it is .usher beside the pipeline file unless the run was told otherwise"}
	}
	return journal.Open(dir)
}

// runOf gives the journal and the document of a run.
func (a *app) runOf(id string) (*journal.Journal, journal.Document, error) {
	j, err := a.openJournal()
	if err != nil {
		return nil, journal.Document{}, err
	}
	doc, err := j.Load(id)
	return j, doc, err
}

// loadAgain reads the pipeline file of an earlier run.
func (a *app) loadAgain(doc journal.Document) (*definition.Pipeline, error) {
	if doc.Export != nil {
		return a.exportAgain(doc)
	}
	p, err := definition.LoadAgain(doc.PipelineFile, a.registry, a.env())
	if err != nil {
		return nil, err
	}
	if p.Hash != doc.PipelineHash {
		fmt.Fprintf(a.stderr, "note: %s has changed since run %s\n", short(doc.PipelineFile), doc.RunID)
	}
	if p.Name != doc.Pipeline {
		return nil, &pipeline.Error{Code: "run.renamed", Message: fmt.Sprintf("the pipeline is named %s now, run %s was one of %s", p.Name, doc.RunID, doc.Pipeline),
			Hint: "give it its old name back, or run it anew"}
	}
	return p, nil
}

// readRejects has the pipeline read a file of rejects in place of its source.
func (a *app) readRejects(p *definition.Pipeline, file string) error {
	if info, err := os.Stat(file); err != nil || info.IsDir() {
		reason := "it is a folder"
		var pathError *fs.PathError
		switch {
		case errors.Is(err, fs.ErrNotExist):
			reason = "it is not there"
		case errors.As(err, &pathError):
			reason = pathError.Err.Error()
		}
		return &pipeline.Error{Code: "run.no_rejects", Message: fmt.Sprintf("the rejects %s cannot be read: %s", short(file), reason),
			Hint: "name the file with --file"}
	}
	if rejecter, ok := p.Source.(pipeline.Rejecter); ok {
		p.Source = rejecter.ReadRejects(absolute(file)) // its fingerprint may hold the path
		return nil
	}
	source, err := definition.NewSource(a.registry, a.env(), "json", map[string]string{"path": absolute(file), "format": "ndjson"})
	if err != nil {
		return err
	}
	gone, syntax := definition.CompileExpression("user['" + journal.GoneMember + "']")
	if syntax != nil {
		return syntax
	}
	p.Source, p.Deleted = journal.RejectLines(source), append(p.Deleted, gone)
	return nil
}
