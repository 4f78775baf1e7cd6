package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/journal"
	"github.com/usher-id/usher/pipeline/preflight"
)

// result is the JSON form of a run.
type result struct {
	RunID        string            `json:"run_id"`
	Pipeline     string            `json:"pipeline"`
	Status       string            `json:"status"`
	Summary      journal.Summary   `json:"summary"`
	Skips        journal.Skips     `json:"skipped_reasons"`
	Gone         journal.Removals  `json:"gone"`
	Warnings     int64             `json:"warnings"`
	Outcomes     string            `json:"outcomes"`
	Rejects      string            `json:"rejects"`
	Reasons      string            `json:"reasons"`
	StartedAt    time.Time         `json:"started_at"`
	FinishedAt   *time.Time        `json:"finished_at"`
	PipelineFile string            `json:"pipeline_file"`
	Plan         bool              `json:"plan"`
	Attempt      int               `json:"attempt"`
	RetryOf      string            `json:"retry_of,omitempty"`
	Selection    journal.Selection `json:"selection"`
	Error        *journal.Failure  `json:"error,omitempty"`
	// Joins is there where the pipeline joins sources; the paths are, where there is something to name.
	Joins          []journal.Join `json:"joins,omitempty"`
	UnmatchedLeft  string         `json:"unmatched_left,omitempty"`
	UnmatchedRight string         `json:"unmatched_right,omitempty"`
	// Reconciled is there where the sink looked for users that no record was about.
	Reconciled *journal.Reconciled `json:"reconciled,omitempty"`
	// Passwords is there in a plan that has just been made.
	Passwords *passwords `json:"passwords,omitempty"`
	// Proof is there in a run or plan that has just been made, where the pipeline file knows passwords.
	Proof []preflight.Proved `json:"proof,omitempty"`
}

func resultOf(doc journal.Document) result {
	return result{
		doc.RunID, doc.Pipeline, doc.Status, doc.Summary, doc.Skips, doc.Gone, doc.Warnings, doc.Outcomes, doc.Rejects, doc.Reasons, doc.StartedAt,
		doc.FinishedAt, doc.PipelineFile, doc.Plan, doc.Attempt, doc.RetryOf, doc.Selection, doc.Failure,
		doc.Joins, doc.UnmatchedLeft, doc.UnmatchedRight, doc.Reconciled, nil, nil,
	}
}

// ended is resultOf for a run that has just ended. One that came to its end has an error where that could not be kept.
func (a *app) ended(doc journal.Document, runError error) result {
	out := resultOf(doc)
	if runError != nil && out.Error == nil {
		f, _ := a.failure(runError)
		out.Error = &journal.Failure{Code: f.Code, Message: f.Message, Hint: f.Hint}
	}
	return out
}

// endOf gives the exit code of a run that has ended, as an error; nil where all is well.
func (a *app) endOf(ctx *interruption, doc journal.Document, runError error) error {
	switch {
	case runError != nil:
		_, exit := a.failure(runError)
		return done(exit)
	case doc.Status == journal.Interrupted:
		return done(ctx.exitCode())
	case doc.Status == journal.CompletedWithFailures:
		return done(exitRecords)
	}
	return nil
}

// reportRun says what became of a run that has just ended, and gives its exit code.
func (a *app) reportRun(ctx *interruption, doc journal.Document, seen *passwords, proved []preflight.Proved, runError error) error {
	code := a.endOf(ctx, doc, runError)
	if a.json {
		out := a.ended(doc, runError)
		out.Passwords, out.Proof = seen, proved
		if err := a.printJSON(out); err != nil {
			return err
		}
		return code
	}
	if err := a.printRun(doc); err != nil {
		return err
	}
	seen.print(a.output())
	if doc.Plan {
		printProof(a.output(), proved)
	}
	if runError != nil {
		f, _ := a.failure(runError)
		a.printFailure(f)
	}
	return code
}

var statusWords = map[string]string{
	journal.Running: "still going on", journal.Completed: "completed", journal.CompletedWithFailures: "completed with failures",
	journal.Interrupted: "interrupted", journal.FailedStatus: "stopped by an error",
}

// printRun prints a run for a person.
func (a *app) printRun(doc journal.Document) error {
	w := bufio.NewWriter(a.output())
	took := ""
	if doc.FinishedAt != nil {
		took = ", " + duration(doc.FinishedAt.Sub(doc.StartedAt))
	}
	kind := "run"
	if doc.Plan {
		kind = "plan"
	}
	fmt.Fprintf(w, "%s: %s %s %s%s\n\n", doc.Pipeline, kind, doc.RunID, statusWords[doc.Status], took)
	printCounts(w, doc)
	unread := []error{printMissing(w, doc), printFailures(w, doc, shownFailures)}
	if doc.Plan && doc.Summary.Updated > 0 {
		unread = append(unread, printUpdates(w, doc))
	}
	fmt.Fprintf(w, "\noutcomes  %s\n", short(doc.Outcomes))
	if doc.Rejects != "" {
		fmt.Fprintf(w, "rejects   %s\n", short(doc.Rejects))
		fmt.Fprintf(w, "reasons   %s\n", short(doc.Reasons))
	}
	for _, path := range []string{doc.UnmatchedLeft, doc.UnmatchedRight} {
		if path != "" {
			fmt.Fprintf(w, "unmatched %s\n", short(path))
		}
	}
	a.printNext(w, doc)
	if err := w.Flush(); err != nil {
		return err
	}
	a.warnOf(unread)
	return nil
}

func printCounts(w io.Writer, doc journal.Document) {
	s := doc.Summary
	digits := len(fmt.Sprint(s.Total))
	row := func(word string, n int64, note string) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-9s %*d  %s", word, digits, n, note), " "))
	}
	row("read", s.Total, "")
	row("inserted", s.Inserted, "")
	removed := []string{}
	if doc.Gone.Disabled > 0 {
		removed = append(removed, fmt.Sprintf("gone and disabled: %d", doc.Gone.Disabled))
	}
	if doc.Gone.Deleted > 0 {
		removed = append(removed, fmt.Sprintf("gone and deleted: %d", doc.Gone.Deleted))
	}
	row("updated", s.Updated, strings.Join(removed, ", "))
	reasons := []string{}
	for _, skip := range []struct {
		n      int64
		reason string
	}{{doc.Skips.Unchanged, pipeline.Unchanged}, {doc.Skips.Exists, pipeline.Exists}, {doc.Skips.Filtered, pipeline.Filtered}, {doc.Skips.Gone, pipeline.Gone}} {
		if skip.n > 0 {
			reasons = append(reasons, fmt.Sprintf("%s: %d", skip.reason, skip.n))
		}
	}
	row("skipped", s.Skipped, strings.Join(reasons, ", "))
	row("failed", s.Failed, "")
	if doc.Warnings > 0 {
		row("warnings", doc.Warnings, "in the outcomes")
	}
	printJoins(w, doc.Joins)
}

// printJoins says how many records found no partner, on both sides.
func printJoins(w io.Writer, joins []journal.Join) {
	for _, j := range joins {
		right := "it is not known which joined records are nobody's, since a part of the source was read"
		if j.Right != nil {
			right = fmt.Sprintf("joined records that are nobody's: %d", *j.Right)
		}
		fmt.Fprintf(w, "\njoin %s\n  records without a partner: %d\n  %s\n", oneLine(j.As), j.Left, right)
	}
}

// shownMissing is how many users a report names who are not in the source.
const shownMissing = 10

// printMissing says who is no longer in the source, and what became of them.
func printMissing(w io.Writer, doc journal.Document) error {
	r := doc.Reconciled
	switch {
	case r == nil:
		return nil
	case r.Status == journal.ReconcileSkipped:
		fmt.Fprintf(w, "\nwho is no longer in the source was not looked for: %s\n", r.Reason)
		return nil
	case r.Missing == 0:
		fmt.Fprint(w, "\nno longer in the source  0\n")
		return nil
	}
	notes := []string{}
	for _, n := range []struct {
		n    int64
		word string
	}{{r.Disabled, pipeline.MissingDisabled}, {r.Deleted, pipeline.MissingDeleted}, {r.Unchanged, pipeline.MissingUnchanged}, {r.Kept, pipeline.MissingKept}} {
		if n.n > 0 {
			notes = append(notes, fmt.Sprintf("%s: %d", n.word, n.n))
		}
	}
	fmt.Fprintf(w, "\nno longer in the source  %d  %s\n", r.Missing, strings.Join(notes, ", "))
	n := int64(0)
	err := eachLine(r.Users, func(line []byte) (bool, error) {
		var m pipeline.Missing
		if err := json.Unmarshal(line, &m); err != nil {
			return false, err
		}
		n++
		fmt.Fprintf(w, "  %s  %s\n", oneLine(m.Identifier), m.Outcome)
		return n < shownMissing, nil
	})
	if more := r.Missing - n; more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
	fmt.Fprintf(w, "  see %s\n", short(r.Users))
	return err
}

// How many failed records and reasons a report names.
const (
	shownFailures = 20
	shownGroups   = 20
)

// reject is a line of a run's reasons file.
type reject struct {
	Ref    string             `json:"ref"`
	Errors []pipeline.Problem `json:"errors"`
}

// firstRejects gives the first lines of a reasons file.
func firstRejects(path string, most int) ([]reject, error) {
	list := []reject{}
	err := eachLine(path, func(line []byte) (bool, error) {
		var r reject
		err := json.Unmarshal(line, &r)
		list = append(list, r)
		return len(list) < most, err
	})
	return list, err
}

// failureGroup counts the failures for one reason.
type failureGroup struct {
	code, field string
	n           int64
}

// printFailures names the first failed records with field and reason, and says how often each reason occurs where that
// says more.
func printFailures(w io.Writer, doc journal.Document, most int) error {
	if doc.Summary.Failed == 0 || doc.Reasons == "" {
		return nil
	}
	problems := int64(0)
	groups := map[failureGroup]int64{}
	named := []reject{}
	err := eachLine(doc.Reasons, func(line []byte) (bool, error) {
		var r reject
		if err := json.Unmarshal(line, &r); err != nil {
			return false, err
		}
		if len(named) < most {
			named = append(named, r)
		}
		for _, problem := range r.Errors {
			groups[failureGroup{problem.Code, problem.Field, 0}]++
			problems++
		}
		return true, nil
	})
	if err != nil {
		fmt.Fprintf(w, "\nfailed\n  see %s\n", short(doc.Reasons))
		return err
	}
	if int64(len(groups)) < problems {
		printGroups(w, groups)
	}
	fmt.Fprint(w, "\nfailed\n")
	lines := newTable(w)
	for _, r := range named {
		ref := r.Ref
		for _, problem := range r.Errors {
			fmt.Fprintf(lines, "  %s\t%s\t%s [%s]\n", oneLine(ref), oneLine(problem.Field), oneLine(problem.Message), problem.Code)
			ref = ""
		}
	}
	if err := lines.Flush(); err != nil {
		return err
	}
	if more := doc.Summary.Failed - int64(len(named)); more > 0 {
		fmt.Fprintf(w, "  and %d more: see %s\n", more, short(doc.Reasons))
	}
	return nil
}

func printGroups(w io.Writer, counts map[failureGroup]int64) {
	groups := make([]failureGroup, 0, len(counts))
	for g, n := range counts {
		g.n = n
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b failureGroup) int {
		switch {
		case a.n != b.n:
			return int(b.n - a.n)
		case a.code != b.code:
			return strings.Compare(a.code, b.code)
		}
		return strings.Compare(a.field, b.field)
	})
	fmt.Fprint(w, "\nreasons for failures\n")
	for i, g := range groups {
		if i == shownGroups {
			fmt.Fprintf(w, "  and %d more\n", len(groups)-i)
			break
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %6d  %s  %s", g.n, g.code, oneLine(g.field)), " "))
	}
}

// shownUpdates is how many updates a plan names.
const shownUpdates = 10

// printUpdates names records that a plan would update, with the attributes that would change.
func printUpdates(w io.Writer, doc journal.Document) error {
	fmt.Fprint(w, "\nto be updated\n")
	n := int64(0)
	err := eachLine(doc.Outcomes, func(line []byte) (bool, error) {
		var o struct {
			Ref     string   `json:"ref"`
			Outcome string   `json:"outcome"`
			UserID  string   `json:"user_id"`
			Changed []string `json:"changed"`
		}
		if err := json.Unmarshal(line, &o); err != nil {
			return false, err
		}
		if o.Outcome == pipeline.Updated.String() {
			n++
			fmt.Fprintf(w, "  %s  %s\n", oneLine(o.Ref), strings.Join(o.Changed, ", "))
		}
		return n < shownUpdates, nil
	})
	if more := doc.Summary.Updated - n; more > 0 {
		fmt.Fprintf(w, "  and %d more: see %s\n", more, short(doc.Outcomes))
	}
	return err
}

// eachLine calls f with the lines of a file of the journal until it says that it wants no more.
func eachLine(path string, f func(line []byte) (more bool, err error)) error {
	err := readLines(path, f)
	if err == nil {
		return nil
	}
	e := &pipeline.Error{Code: "state.corrupted", Message: fmt.Sprintf("%s cannot be read: %v", short(path), err), Err: err}
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		e.Code, e.Message = "state.unusable", fmt.Sprintf("%s cannot be read: %v", short(path), failed.Err)
		e.Hint = "give the process permission to read the state folder, or check the disk"
	}
	return e
}

func readLines(path string, f func(line []byte) (more bool, err error)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader := bufio.NewReaderSize(file, 64<<10)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			more, err := f(line)
			if err != nil || !more {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// printNext says what to do next.
func (a *app) printNext(w io.Writer, doc journal.Document) {
	state := a.stateFlag(filepath.Dir(filepath.Dir(filepath.Dir(doc.Outcomes))))
	switch {
	case doc.Plan && doc.Status != journal.Completed && doc.Status != journal.CompletedWithFailures:
		fmt.Fprintln(w, "\nNothing was written. The plan did not come to its end.")
	case doc.Plan:
		fmt.Fprintf(w, "\nNothing was written. To do it: %s\n", a.runLine(doc))
	case doc.Status == journal.Interrupted || doc.Status == journal.FailedStatus:
		fmt.Fprintln(w)
		if doc.Failure == nil || doc.Failure.Code != "run.source_changed" {
			fmt.Fprintf(w, "To go on from here: usher resume %s%s\n", doc.RunID, state)
		}
		// A mended source is not what it was: a resume would refuse it.
		if doc.Status == journal.FailedStatus && doc.RetryOf == "" && doc.Export == nil {
			fmt.Fprintf(w, "To begin again, with what was mended: %s\n", a.runLine(doc))
		}
	case doc.Status == journal.CompletedWithFailures:
		fmt.Fprintf(w, "\nMend the rejects, then: usher retry %s%s\n", doc.RunID, state)
		if movedCursor(doc) {
			fmt.Fprintln(w, "The next run does not read them again unless they change in the source.")
		}
	}
}

// movedCursor reports whether the next run of the pipeline begins behind what a completed one has read.
func movedCursor(doc journal.Document) bool {
	if doc.Selection != (journal.Selection{}) {
		return false
	}
	j, err := journal.Open(filepath.Dir(filepath.Dir(filepath.Dir(doc.Outcomes))))
	if err != nil {
		return false
	}
	cursor, err := j.Cursor(doc.Pipeline)
	return err == nil && cursor != nil
}

// runLine is the command line that runs a document's pipeline over the same records.
func (a *app) runLine(doc journal.Document) string {
	line := "usher run " + quoted(short(doc.PipelineFile))
	if doc.Selection.Offset > 0 {
		line += fmt.Sprintf(" --offset %d", doc.Selection.Offset)
	}
	if doc.Selection.Limit > 0 {
		line += fmt.Sprintf(" --limit %d", doc.Selection.Limit)
	}
	if doc.Selection.Only != "" {
		line += " --only " + quoted(doc.Selection.Only)
	}
	if doc.Full {
		line += " --full"
	}
	if a.state != "" {
		line += " --state " + quoted(short(a.state))
	}
	return line
}

// oneLine keeps what stands in data from moving the terminal's cursor.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

// duration gives two figures or so: 30ms, 1.2s, 14s, 2m10s.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return d.Round(time.Minute).String()
}
