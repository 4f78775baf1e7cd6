package main

import (
	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline/definition"
)

func schemaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of pipeline files, for completion in an editor",
		GroupID: groupKnow,
		Example: `  usher schema > pipeline.schema.json
  # and at the top of a pipeline file
  # yaml-language-server: $schema=pipeline.schema.json`,
		Args: arguments(0, 0, "nothing"),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(definition.Schema(a.registry))
			return err
		},
	}
}
