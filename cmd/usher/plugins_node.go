package main

import (
	"github.com/spf13/cobra"

	"github.com/usher-id/usher/plugins/node"
)

func pluginsNodeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "node SCRIPT",
		Short: "Be a plugin whose hasher is a pair of JavaScript functions",
		Long: `Serve the functions of a script as a hasher, to the usher that has started this command: it stands as the command of a
plugin, whose path is the script. The functions are those that people write for Authing's own password encryption:

  encrypt(password)              or encryptPassword; gives the hash
  validate(password, encrypted)  or comparePassword, validatePassword; tells whether the password fits

They need not be exported, may be async, and may be missing but for the first. Node.js runs the script; modules are
found beside it. The hasher is called as the script's file is.`,
		Example: `  usher plugins test legacy.js --command 'usher plugins node'
  usher plugins add legacy.js --command 'usher plugins node'`,
		Args: arguments(1, 1, "the script"),
		RunE: func(cmd *cobra.Command, args []string) error { return node.Serve(cmd.Context(), args[0]) },
	}
}
