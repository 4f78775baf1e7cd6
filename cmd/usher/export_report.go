package main

import (
	"bufio"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/journal"
)

// exportEntry is the JSON form of what an export was and what it wrote, as it stands in the history.
type exportEntry struct {
	*journal.Export
	// Rows counts the users that were written.
	Rows int64 `json:"rows"`
	// File is there once the file is.
	File *pipeline.File `json:"file"`
}

// exportEntryOf gives the entry of a run, nil for one that is no export. A pipeline that was run and has written a file is one too.
func exportEntryOf(doc journal.Document) *exportEntry {
	entry := &exportEntry{Export: doc.Export, Rows: doc.Summary.Inserted}
	if len(doc.Files) > 0 {
		entry.File = &doc.Files[0]
	}
	if entry.Export == nil {
		if entry.File == nil {
			return nil
		}
		entry.Export = &journal.Export{Pipeline: doc.PipelineFile, Fields: []journal.ExportField{}, Where: doc.Selection.Only, Output: entry.File.Path,
			Format: formatsByExtension[strings.ToLower(filepath.Ext(entry.File.Path))]}
	}
	return entry
}

// exported is the JSON form of an export.
type exported struct {
	result
	exportEntry
	// LeftOut are names of what was taken for secret.
	LeftOut []string `json:"left_out_secrets,omitempty"`
}

// reportExport says what became of an export, and gives its exit code. Where the export itself goes to standard output,
// the report goes to standard error.
func (a *app) reportExport(ctx *interruption, doc journal.Document, left []string, runError error) error {
	code := a.endOf(ctx, doc, runError)
	if doc.Export.Output == "-" {
		a.piped.Store(true) // also where there was nothing to write
	}
	if a.json {
		if err := a.printJSON(exported{a.ended(doc, runError), *exportEntryOf(doc), left}); err != nil {
			return err
		}
		return code
	}
	if err := a.printExport(doc, left); err != nil {
		return err
	}
	if runError != nil {
		failed, _ := a.failure(runError)
		a.printFailure(failed)
	}
	return code
}

// printExport prints an export for a person.
func (a *app) printExport(doc journal.Document, left []string) error {
	w := bufio.NewWriter(a.output())
	s := doc.Summary
	fmt.Fprintf(w, "%s: run %s %s\n\n", doc.Pipeline, doc.RunID, statusWords[doc.Status])
	digits := len(fmt.Sprint(s.Total))
	row := func(word string, n int64, note string) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-9s %*d  %s", word, digits, n, note), " "))
	}
	row("read", s.Total, "")
	row("written", s.Inserted, outputName(doc))
	if s.Skipped > 0 {
		row("left out", s.Skipped, "")
	}
	row("failed", s.Failed, "")
	if doc.Warnings > 0 {
		row("warnings", doc.Warnings, "empty cells and others, in the outcomes")
	}
	unread := printFailures(w, doc, shownFailures)
	fmt.Fprintf(w, "\noutcomes  %s\n", short(doc.Outcomes))
	if doc.Rejects != "" {
		fmt.Fprintf(w, "rejects   %s\n", short(doc.Rejects))
	}
	if len(doc.Files) > 0 {
		fmt.Fprintf(w, "sha256    %s\n", doc.Files[0].SHA256)
	}
	if len(left) > 0 {
		fmt.Fprintf(w, "\nLeft out as secret: %s. --include-secrets takes them along.\n", oneLine(strings.Join(left, ", ")))
	}
	if doc.Export.Secrets {
		fmt.Fprintf(w, "\nIt holds secrets: password hashes and second factors.\n")
	}
	if doc.Export.Output != "-" {
		a.printNext(w, doc)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.warnOf([]error{unread})
	return nil
}

// outputName is where an export goes, as a person would say it.
func outputName(doc journal.Document) string {
	switch {
	case len(doc.Files) > 0 && doc.Files[0].Path != "-":
		return short(doc.Files[0].Path)
	case doc.Export.Output == "-":
		return "standard output"
	}
	return short(doc.Export.Output)
}

// listExports lists the exports among the runs, newest first.
func (a *app) listExports() error {
	docs, err := a.listedRuns(false)
	if err != nil {
		return err
	}
	type listed struct {
		RunID      string     `json:"run_id"`
		Pipeline   string     `json:"pipeline"`
		Status     string     `json:"status"`
		StartedAt  time.Time  `json:"started_at"`
		FinishedAt *time.Time `json:"finished_at"`
		exportEntry
		Expired bool `json:"expired"`
	}
	list := []listed{}
	for _, doc := range docs {
		if e := exportEntryOf(doc); e != nil {
			list = append(list, listed{doc.RunID, doc.Pipeline, doc.Status, doc.StartedAt, doc.FinishedAt, *e, e.ExpiresAt != nil && e.ExpiresAt.Before(time.Now())})
		}
	}
	if a.json {
		return a.printJSON(list)
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stdout, "no exports")
		return nil
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "run\tstarted\tby\tstatus\trows\tfile\tfields\twhere\tsha256\texpires")
	for _, e := range list {
		file, sum := e.Output, "-"
		if e.File != nil {
			file, sum = e.File.Path, e.File.SHA256[:12]
		}
		names := make([]string, len(e.Fields))
		for i, field := range e.Fields {
			names[i] = field.Name
		}
		columns := strings.Join(names, ", ")
		switch {
		case columns == "" && e.Store == "" && e.By == "":
			columns = "-" // what a pipeline's file says
		case columns == "":
			columns = "all"
		}
		if e.Secrets {
			columns += " with secrets"
		}
		expires := "-"
		if e.ExpiresAt != nil {
			expires = e.ExpiresAt.Local().Format(time.DateTime)
		}
		if e.Expired {
			expires = "expired"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", e.RunID, e.StartedAt.Local().Format(time.DateTime), orDash(e.By), statusWords[e.Status], e.Rows,
			oneLine(short(file)), oneLine(clipped(columns, 60)), oneLine(clipped(orDash(selection(e.Export)), 40)), sum, expires)
	}
	return w.Flush()
}

// selection is what an export was asked to take.
func selection(e *journal.Export) string {
	if len(e.IDs) > 0 {
		ids := fmt.Sprintf("%d ids", len(e.IDs))
		if e.Where != "" {
			ids += ", "
		}
		return ids + e.Where
	}
	return e.Where
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// clipped gives the beginning of a text that is longer than most characters.
func clipped(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// listedRuns gives the runs of the state folder; none where there is no such folder, which a person is told, as of runs that cannot be read.
func (a *app) listedRuns(plans bool) ([]journal.Document, error) {
	j, err := a.openJournal()
	var known *pipeline.Error
	if errors.As(err, &known) && known.Code == "state.not_found" {
		if !a.json {
			fmt.Fprintln(a.stderr, "note:", known.Message+"; "+known.Hint)
		}
		return []journal.Document{}, nil
	}
	if err != nil {
		return nil, err
	}
	docs, damaged, err := j.List(plans)
	a.warnOf(damaged)
	return docs, err
}

// warnOf tells of what could not be read, and keeps nobody from the rest.
func (a *app) warnOf(problems []error) {
	for _, err := range problems {
		if err == nil {
			continue
		}
		f, _ := a.failure(err)
		a.printProblem("warning:", f)
	}
}
