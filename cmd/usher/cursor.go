package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/journal"
)

func cursorCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cursor",
		Short: "Show, set or reset where the next run of a pipeline begins",
		Long: `A source with a cursor, such as sql, reads only what has changed since the last completed run of its pipeline. What it
goes by is kept in the state folder. ` + "`usher run --full`" + ` ignores it once.`,
		GroupID: groupMove,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "show FILE",
			Short: "Print the cursor of a pipeline",
			Args:  arguments(1, 1, "one pipeline file"),
			RunE:  func(_ *cobra.Command, args []string) error { return a.showCursor(args[0]) },
		},
		&cobra.Command{
			Use:   "set FILE CURSOR",
			Short: "Have the next run begin at a cursor",
			Args:  arguments(2, 2, "a pipeline file and a cursor, as `usher cursor show` prints it"),
			RunE: func(_ *cobra.Command, args []string) error {
				return a.setCursor(args[0], []byte(args[1]))
			},
		},
		&cobra.Command{
			Use:   "reset FILE",
			Short: "Have the next run read everything",
			Args:  arguments(1, 1, "one pipeline file"),
			RunE:  func(_ *cobra.Command, args []string) error { return a.setCursor(args[0], nil) },
		},
	)
	return cmd
}

// cursorOf opens the journal of a pipeline file, and gives the pipeline's name.
func (a *app) cursorOf(file string) (*journal.Journal, string, error) {
	p, err := a.load(file)
	if err != nil {
		return nil, "", err
	}
	_, cursored := p.Source.(pipeline.Cursored)
	if s, ok := p.Source.(pipeline.Incremental); !cursored || ok && !s.Incremental() {
		return nil, "", &pipeline.Error{Code: "cursor.none", Message: fmt.Sprintf("the source of %s has no cursor: every run reads everything", p.Name),
			Hint: "see whether the source has an option for it, such as cursor of sql and watch of files: usher connectors show " + p.SourceName}
	}
	j, err := journal.Open(a.stateDir(p.File))
	return j, p.Name, err
}

func (a *app) showCursor(file string) error {
	j, name, err := a.cursorOf(file)
	if err != nil {
		return err
	}
	cursor, err := j.Cursor(name)
	if err != nil {
		return err
	}
	if a.json {
		document := struct {
			Pipeline string  `json:"pipeline"`
			Cursor   *string `json:"cursor"`
		}{Pipeline: name}
		if cursor != nil {
			text := string(cursor)
			document.Cursor = &text
		}
		return a.printJSON(document)
	}
	if cursor == nil {
		fmt.Fprintf(a.stderr, "note: %s has no cursor: the next run reads everything\n", name)
		return nil
	}
	fmt.Fprintln(a.stdout, string(cursor))
	return nil
}

func (a *app) setCursor(file string, cursor []byte) error {
	j, name, err := a.cursorOf(file)
	if err != nil {
		return err
	}
	release, err := j.Lock(name, "cursor")
	if err != nil {
		return err
	}
	defer release()
	if err := j.SetCursor(name, cursor); err != nil {
		return err
	}
	return a.showCursor(file)
}
