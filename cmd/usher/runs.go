package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline/journal"
)

func runsCommand(a *app) *cobra.Command {
	var plans, exports bool
	var cursor string
	cmd := &cobra.Command{
		Use:   "runs [RUN]",
		Short: "List runs, newest first; show one with what became of its records",
		Long: `List the runs of a state folder, newest first, or show one of them: its counts, the records that failed and why,
where its outcomes and rejects are, and the attempts made of it by retry. RUN is an id or the beginning of one.`,
		GroupID: groupMove,
		Args:    arguments(0, 1, "the id of one run, or nothing"),
		RunE: func(_ *cobra.Command, args []string) error {
			if cursor != "" {
				return a.showCursor(cursor)
			}
			if len(args) == 1 {
				return a.showRun(args[0])
			}
			if exports {
				return a.listExports()
			}
			return a.listRuns(plans)
		},
	}
	cmd.Flags().BoolVar(&plans, "plans", false, "list plans too")
	cmd.Flags().BoolVar(&exports, "exports", false, "list exports: who took which users, when, and into which file")
	cmd.Flags().StringVar(&cursor, "cursor", "", "show where the next run of this pipeline `file` begins")
	return cmd
}

func (a *app) listRuns(plans bool) error {
	docs, err := a.listedRuns(plans)
	if err != nil {
		return err
	}
	if a.json {
		results := make([]result, len(docs))
		for i, doc := range docs {
			results[i] = resultOf(doc)
		}
		return a.printJSON(results)
	}
	if len(docs) == 0 {
		fmt.Fprintln(a.stdout, "no runs")
		return nil
	}
	w := newTable(a.stdout)
	fmt.Fprintln(w, "run\tpipeline\tstarted\tstatus\tread\tinserted\tupdated\tskipped\tfailed")
	for _, doc := range docs {
		s := doc.Summary
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", doc.RunID, oneLine(doc.Pipeline), doc.StartedAt.Local().Format(time.DateTime),
			statusText(doc), s.Total, s.Inserted, s.Updated, s.Skipped, s.Failed)
	}
	return w.Flush()
}

func statusText(doc journal.Document) string {
	text := statusWords[doc.Status]
	if doc.Plan {
		text = "plan, " + text
	}
	if doc.Attempt > 1 {
		text = fmt.Sprintf("%s (attempt %d)", text, doc.Attempt)
	}
	return text
}

func (a *app) showRun(id string) error {
	j, doc, err := a.runOf(id)
	if err != nil {
		return err
	}
	attempts, damaged, err := j.Attempts(doc.RunID)
	if err != nil {
		return err
	}
	a.warnOf(damaged)
	if a.json {
		shown := struct {
			result
			Attempts []result `json:"attempts"`
		}{resultOf(doc), make([]result, len(attempts))}
		for i, attempt := range attempts {
			shown.Attempts[i] = resultOf(attempt)
		}
		return a.printJSON(shown)
	}
	if err := a.printRun(doc); err != nil {
		return err
	}
	if doc.Failure != nil {
		fmt.Fprintf(a.stdout, "\nstopped by: %s [%s]\n", doc.Failure.Message, doc.Failure.Code)
		if doc.Failure.Hint != "" {
			fmt.Fprintf(a.stdout, "            %s\n", doc.Failure.Hint)
		}
	}
	if len(attempts) < 2 {
		return nil
	}
	fmt.Fprint(a.stdout, "\nattempts\n")
	w := newTable(a.stdout)
	for _, attempt := range attempts {
		s := attempt.Summary
		ended := ""
		if attempt.Status != journal.Completed && attempt.Status != journal.CompletedWithFailures {
			ended = ", " + statusWords[attempt.Status]
		}
		fmt.Fprintf(w, "  %d\t%s\t%s\t%d inserted, %d updated, %d skipped, %d failed%s\n", attempt.Attempt, attempt.RunID,
			attempt.StartedAt.Local().Format(time.DateTime), s.Inserted, s.Updated, s.Skipped, s.Failed, ended)
	}
	return w.Flush()
}
