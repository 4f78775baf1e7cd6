package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/value"
)

func hashConvertCommand(a *app) *cobra.Command {
	var flags hashFlags
	var to string
	cmd := &cobra.Command{
		Use:   "convert --to TARGET [HASH]",
		Short: "Give a hash in the form that another system takes",
		Long: `Give a hash in the form that another system takes, without the password, or say why it cannot travel there; the exit
code is 3 then. The value alone goes to standard output; the field of the target's user that it belongs to, and what
else must be known, to standard error. Without HASH, the first line of standard input is the hash.

Targets: ` + strings.Join(password.Targets(), ", ") + `.`,
		Example: `  usher hash convert --to keycloak 'pbkdf2_sha256$600000$…'
  usher hash convert --to auth0 --file hashes.ndjson
    {"format": "md5", "encoded": "…", "context": {"salt": "x1", "position": "suffix"}}`,
		Args: arguments(0, 1, "at most one hash"),
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := flags.values()
			if err = errors.Join(checkTarget(to), flags.one(args), flags.checkFormat(), err); err != nil {
				return err
			}
			if flags.file != "" {
				return a.answerLines(cmd.Context(), flags.file, func(_ context.Context, q question) (any, bool, error) {
					if q.encoded == "" {
						return nil, false, errors.New(`the line needs "encoded"`)
					}
					if q.format == "" {
						q.format = flags.format
					}
					c := convert(q.format, q.encoded, merged(values, q.values), to)
					return c, c.Result == "converted", nil
				})
			}
			encoded, err := a.readHash(args)
			if err != nil {
				return err
			}
			c := convert(flags.format, encoded, values, to)
			if err := a.printConverted(c); err != nil {
				return err
			}
			if c.Result != "converted" {
				return done(exitRecords)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the system that the hash goes to")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(password.Targets(), cobra.ShellCompDirectiveNoFileComp))
	flags.formatFlags(a, cmd)
	flags.fileFlag(cmd, `{"format"?, "encoded", "context"?}`)
	return cmd
}

func checkTarget(to string) error {
	if slices.Contains(password.Targets(), strings.ToLower(to)) {
		return nil
	}
	hint := "targets are " + strings.Join(password.Targets(), ", ")
	if to == "" {
		return &usageError{"usage.flag", "--to is needed: the system that the hash goes to", hint}
	}
	if near := definition.Nearest(to, password.Targets()); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return &usageError{password.CodeNoTarget, fmt.Sprintf("no target system is called %q", to), hint}
}

// converted is the JSON form of a conversion. Result is converted, cannot_travel, or a word of verify.
type converted struct {
	Result   string          `json:"result"`
	Format   string          `json:"format"`
	Target   string          `json:"target"`
	Field    string          `json:"field,omitempty"`
	Value    json.RawMessage `json:"value,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Code     string          `json:"code,omitempty"`

	text string // the value as the target's field holds it
}

func convert(format, encoded string, values password.Context, to string) converted {
	s, e := resolve(format, encoded, values)
	if e != nil {
		return converted{Result: outcomeOf(e).String(), Format: s.format, Target: strings.ToLower(to), Reason: e.Message, Code: e.Code}
	}
	c, err := password.Convert(password.Hash{Format: s.format, Encoded: value.Secret(s.encoded), Context: s.values}, to)
	if err != nil {
		e := asPasswordError(err)
		out := converted{Result: outcomeOf(e).String(), Format: s.format, Target: strings.ToLower(to), Reason: e.Message, Code: e.Code}
		if e.Code == password.CodeCannot {
			out.Result = "cannot_travel"
		}
		return out
	}
	out := converted{Result: "converted", Format: s.format, Target: c.Target, Field: c.Field, Warnings: c.Warnings, text: c.Value.Reveal()}
	out.Value = json.RawMessage(out.text)
	if !c.JSON {
		out.Value = value.AppendString(nil, out.text)
	}
	if c.Settings != "" {
		out.Settings = json.RawMessage(c.Settings.Reveal())
	}
	return out
}

func (a *app) printConverted(c converted) error {
	if a.json {
		return a.printJSON(c)
	}
	if c.Result != "converted" {
		_, err := fmt.Fprintln(a.stdout, strings.Join(slices.DeleteFunc([]string{c.Result, c.Format, c.Reason}, func(s string) bool { return s == "" }), "  "))
		return err
	}
	fmt.Fprintf(a.stderr, "%s for %s, as %s\n", c.Format, c.Target, c.Field)
	for _, w := range c.Warnings {
		fmt.Fprintln(a.stderr, "note: "+w)
	}
	if len(c.Settings) > 0 {
		fmt.Fprintf(a.stderr, "once for the whole import: %s\n", c.Settings)
	}
	_, err := fmt.Fprintln(a.stdout, c.text)
	return err
}
