package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/journal"
)

func retryCommand(a *app) *cobra.Command {
	var quiet bool
	var file string
	cmd := &cobra.Command{
		Use:   "retry RUN",
		Short: "Feed the rejects of a run back, after they were mended",
		Long: `Run the pipeline over the records that failed in an earlier run. They stand in its rejects file, in the shape of the
source: mend them there, or mend the pipeline, and retry. The reasons file beside it says why each failed.`,
		GroupID: groupMove,
		Args:    arguments(1, 1, "the id of one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			j, old, err := a.runOf(args[0])
			if err != nil {
				return err
			}
			switch {
			case old.Plan:
				return &pipeline.Error{Code: "run.is_plan", Message: fmt.Sprintf("run %s is a plan: nothing was written", old.RunID), Hint: "run the pipeline first"}
			case old.Status == journal.Running:
				return &pipeline.Error{Code: "state.locked", Message: fmt.Sprintf("run %s is still going on", old.RunID), Hint: "wait for it to end, or stop it"}
			case old.Status == journal.Interrupted || old.Status == journal.FailedStatus:
				return &pipeline.Error{Code: "run.unfinished", Message: fmt.Sprintf("run %s did not come to its end", old.RunID),
					Hint: fmt.Sprintf("resume it first: usher resume %s%s", old.RunID, a.stateFlag(a.runsDir()))}
			case old.Rejects == "":
				return &pipeline.Error{Code: "run.no_rejects", Message: fmt.Sprintf("no record of run %s failed: there is nothing to retry", old.RunID)}
			}
			p, err := a.loadAgain(old)
			if err != nil {
				return err
			}
			if file == "" {
				file = old.Rejects
			}
			if err := a.readRejects(p, file); err != nil {
				return err
			}
			attempt, err := j.NextAttempt(old)
			if err != nil {
				return err
			}
			doc := journal.Document{
				PipelineFile: p.File, PipelineHash: p.Hash, RetryOf: old.RunID, RetryFile: absolute(file), Attempt: attempt,
				Selection: journal.Selection{Only: old.Selection.Only},
			}
			if old.Export != nil {
				doc.Export, doc.Full = old.Export, true
				return a.runExport(cmd, j, p, doc, quiet)
			}
			return a.execute(cmd, j, p, doc, nil, quiet)
		},
	}
	addQuiet(cmd, &quiet)
	cmd.Flags().StringVar(&file, "file", "", "read the mended records from this file, not from the run's rejects file")
	return cmd
}
