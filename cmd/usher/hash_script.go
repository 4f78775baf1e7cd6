package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
)

func hashExportScriptCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "export-script FORMAT",
		Short: "Write the JavaScript functions that verify a format",
		Long: `Write the pair of JavaScript functions encrypt(password) and validate(password, encrypted) for a format, as Authing's custom
password function wants them. The file can be uploaded as it is: its exports are also the handlers that Authing calls. It
needs nothing but Node's crypto. A salt in a column of its own stands behind a colon in the stored text, where
usher hash convert --to authing puts it.`,
		Example: `  usher hash export-script vbulletin-md5 > password.js
  usher hash export-script 'digest:sha1(salt . sha1(pass))' > password.js`,
		Args: arguments(1, 1, "one format"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return formatNames()[1:], cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := password.Lookup(args[0])
			if err != nil {
				return passwordUsage(err, "docs/reference/password-formats.md lists the formats")
			}
			script, err := password.Script(f.Name)
			if err != nil {
				e := asPasswordError(err)
				return &pipeline.Error{Code: e.Code, Message: e.Error()}
			}
			if a.json {
				return a.printJSON(struct {
					Format string `json:"format"`
					Script string `json:"script"`
				}{f.Name, script})
			}
			_, err = fmt.Fprint(a.stdout, script)
			return err
		},
	}
}
