package main

import "github.com/spf13/cobra"

func planCommand(a *app) *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "plan FILE",
		Short: "Say what a run would do, and write nothing",
		Long: `Read the source and the target, work out the outcome of every record, and write nothing to the target. A run that
follows has the same outcomes, as long as neither side changes in between.`,
		GroupID:           groupPrepare,
		Args:              arguments(1, 1, "one pipeline file"),
		ValidArgsFunction: pipelineFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.start(cmd, args[0], flags, true)
		},
	}
	flags.add(cmd)
	flags.addFull(cmd)
	return cmd
}
