package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline/definition"
)

func schemaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "schema [FILE]",
		Short:   "Print the JSON Schema of pipeline files, for completion in an editor",
		GroupID: groupKnow,
		Example: `  usher schema > pipeline.schema.json
  # and at the top of a pipeline file
  # yaml-language-server: $schema=pipeline.schema.json`,
		Long: `Print the JSON Schema of pipeline files, for completion in an editor. It knows
the connectors of the plugins of this folder, and with a pipeline file those that it declares.`,
		Args:              arguments(0, 1, "at most one pipeline file"),
		ValidArgsFunction: pipelineFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := a.usePlugins(strings.Join(args, "")); err != nil {
				return err
			}
			_, err := a.stdout.Write(definition.Schema(a.registry))
			return err
		},
	}
}
