package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline"
	excelsource "github.com/usher-id/usher/sources/excel"
)

func templateCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "template",
		Short:   "Write the import template that people fill in",
		GroupID: groupPrepare,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(templateExcelCommand(a))
	return cmd
}

func templateExcelCommand(a *app) *cobra.Command {
	var lang, output string
	cmd := &cobra.Command{
		Use:   "excel -o FILE",
		Short: "Write the import template as an Excel workbook",
		Long: `Write an Excel workbook with a column for each thing that can be told of a user, drop-downs, comments and two example
rows. A pipeline reads it, in either language and with the columns in any order, by:

  source: { excel: { path: users.xlsx, template: authing } }`,
		Example: `  usher template excel --lang zh -o users.xlsx`,
		Args:    arguments(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			if !slices.Contains(excelsource.Languages, lang) {
				return &usageError{"usage.flag", fmt.Sprintf("--lang takes %s, not %q", strings.Join(excelsource.Languages, " or "), lang), ""}
			}
			if output == "" {
				return &usageError{"usage.flag", "-o is needed: the file to write, or - for standard output", "usage: usher template excel -o users.xlsx"}
			}
			return a.writeTemplate(lang, output)
		},
	}
	cmd.Flags().StringVar(&lang, "lang", "en", "language of the columns and comments: "+strings.Join(excelsource.Languages, " or "))
	cmd.Flags().StringVarP(&output, "output", "o", "", "the file to write, - for standard output")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(excelsource.Languages, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) writeTemplate(lang, output string) error {
	var workbook bytes.Buffer
	if err := excelsource.WriteTemplate(&workbook, lang); err != nil {
		return err
	}
	if output == "-" {
		if isTerminal(a.stdout) {
			return &usageError{"usage.flag", "a workbook is nothing for a terminal", "send it into a file: -o users.xlsx"}
		}
		_, err := workbook.WriteTo(a.stdout)
		return err
	}
	// A workbook that is there may be one that somebody has filled in.
	if info, err := os.Stat(output); err == nil && info.Size() > 0 {
		return &pipeline.Error{Code: "file.exists", Message: short(output) + " exists", Hint: "give another name, or remove it first"}
	}
	if err := writeWhole(output, workbook.Bytes(), 0o644, true); err != nil {
		return &pipeline.Error{Code: "file.unwritable", Message: "the template cannot be written: " + pathReason(err), Hint: "check the path and the disk", Err: err}
	}
	if a.json {
		return a.printJSON(map[string]string{"file": absolute(output), "lang": lang})
	}
	_, err := fmt.Fprintf(a.stdout, "wrote %s\n", short(output))
	return err
}
