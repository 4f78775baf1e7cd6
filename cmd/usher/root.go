package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	groupMove    = "move"
	groupPrepare = "prepare"
	groupKnow    = "know"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "usher",
		Short: "Move user accounts between identity systems",
		Long: `usher moves people's accounts from the system they are in to the system they should be in, and says of every
single record what became of it.

A pipeline file names a source, transforms and a sink. Results go to standard output, progress and errors to standard
error. Exit codes: 0 all well; 1 could not run; 2 wrong usage or an invalid pipeline file; 3 finished, some records
failed; 4 an end could not be reached; 129, 130 and 143 interrupted, ready to be resumed.`,
		SilenceErrors:    true,
		SilenceUsage:     true,
		Version:          versionText(),
		Args:             cobra.ArbitraryArgs,
		PersistentPreRun: func(*cobra.Command, []string) { a.began = true },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		message := err.Error()
		var invalid *pflag.InvalidValueError
		if errors.As(err, &invalid) {
			message = fmt.Sprintf("--%s takes %s, not %q", invalid.GetFlag().Name, flagTypes[invalid.GetFlag().Value.Type()], invalid.GetValue())
		}
		return &usageError{"usage.flag", message, fmt.Sprintf("`%s --help` shows the flags", cmd.CommandPath())}
	})
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print the result as JSON")
	root.PersistentFlags().StringVar(&a.state, "state", "", "folder of runs and rejects (default $USHER_STATE, else .usher beside the pipeline file)")
	root.AddGroup(
		&cobra.Group{ID: groupPrepare, Title: "Before a run:"},
		&cobra.Group{ID: groupMove, Title: "Run:"},
		&cobra.Group{ID: groupKnow, Title: "Know:"},
	)
	root.AddCommand(
		templateCommand(a), initCommand(a), validateCommand(a), testCommand(a), checkCommand(a), evalCommand(a), planCommand(a),
		runCommand(a), exportCommand(a), resumeCommand(a), retryCommand(a), runsCommand(a), cursorCommand(a),
		connectorsCommand(a), presetsCommand(a), pluginsCommand(a), hashCommand(a), schemaCommand(a), versionCommand(a), completionCommand(),
	)
	root.SetHelpCommandGroupID(groupKnow)
	return root
}

// flagTypes words the types of flags that have values which do not fit.
var flagTypes = map[string]string{"int64": "a whole number", "bool": "true or false", "duration": "a time with its unit, such as 90s or 168h"}

func unknownCommand(cmd *cobra.Command, name string) error {
	hint := fmt.Sprintf("`%s --help` lists the commands", cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2 // no command takes it from the one above
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		hint = fmt.Sprintf("did you mean `%s %s`?", cmd.CommandPath(), strings.Join(near, "` or `"+cmd.CommandPath()+" "))
	}
	return &usageError{"usage.unknown_command", fmt.Sprintf("there is no command %q", name), hint}
}

// arguments refuses another number of arguments than from least to most; most -1 is any number. what names them.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		given := "nothing was given"
		switch len(args) {
		case 0:
		case 1:
			given = "one was given"
		default:
			given = fmt.Sprintf("%d were given", len(args))
		}
		return &usageError{"usage.arguments", fmt.Sprintf("`%s` takes %s, %s", cmd.CommandPath(), what, given),
			"usage: " + cmd.UseLine()}
	}
}

// pipelineFiles completes the names of pipeline files.
func pipelineFiles(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}
