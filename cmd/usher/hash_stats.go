package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
)

func hashStatsCommand(a *app) *cobra.Command {
	var hasher string
	cmd := &cobra.Command{
		Use:   "stats STORE",
		Short: "Count the password hashes of a store by format",
		Long: `Count the password hashes of an identity store by format, and say how many are weaker than what the current hasher
makes: those are hashed anew when their users log in. Nothing is written.`,
		Example: `  usher hash stats sqlite:users.db`,
		Args:    arguments(1, 1, "one store"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkHasher(hasher); err != nil {
				return err
			}
			dsn := args[0]
			if !strings.Contains(dsn, ":") {
				dsn = "sqlite:" + dsn
			}
			store, err := identity.Open(cmd.Context(), dsn, "", "hash stats", identity.Read)
			if err != nil {
				return storeError(err)
			}
			defer store.Close()
			store.SetHashing(identity.Hashing{Hasher: hasher})
			formats, err := store.PasswordFormats(cmd.Context())
			if err != nil {
				return storeError(err)
			}
			return a.printStats(formats)
		},
	}
	cmd.Flags().StringVar(&hasher, "hasher", password.DefaultHasher, "the current hasher, one of "+strings.Join(password.Hashers(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("hasher", a.completed(password.Hashers))
	return cmd
}

func checkHasher(name string) error {
	for _, known := range password.Hashers() {
		if known == name {
			return nil
		}
	}
	return &usageError{password.CodeNoFormat, fmt.Sprintf("no hasher for new passwords is called %q", name), "hashers are " + strings.Join(password.Hashers(), ", ")}
}

// storeError gives the exit code of an end that cannot be reached to what a store says of itself.
func storeError(err error) error {
	var e *identity.Error
	if errors.As(err, &e) {
		return &pipeline.Error{Code: e.Code, Message: e.Message, Hint: e.Hint, Err: e.Err, Unreachable: e.Unreachable}
	}
	return err
}

// formatStats is the JSON form of a format's count.
type formatStats struct {
	Format string `json:"format"`
	Users  int64  `json:"users"`
	Weaker int64  `json:"weaker"`
	// Unreadable cannot be verified here.
	Unreadable int64 `json:"unreadable,omitempty"`
}

func (a *app) printStats(formats []identity.FormatCount) error {
	out := struct {
		Users   int64         `json:"users"`
		Weaker  int64         `json:"weaker"`
		Formats []formatStats `json:"formats"`
	}{Formats: []formatStats{}}
	for _, f := range formats {
		out.Users += f.Users
		out.Weaker += f.Weaker
		out.Formats = append(out.Formats, formatStats(f))
	}
	if a.json {
		return a.printJSON(out)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "users\tto hash anew\t  format")
	for _, f := range out.Formats {
		name := f.Format
		if name == "" {
			name = "(cannot be read)"
		}
		fmt.Fprintf(w, "%d\t%d\t  %s\n", f.Users, f.Weaker, name)
	}
	fmt.Fprintf(w, "%d\t%d\t  in all\n", out.Users, out.Weaker)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range out.Formats {
		if f.Unreadable > 0 && f.Format != "" {
			fmt.Fprintf(a.stderr, "note: %d of %s cannot be verified here: is its plugin recorded in this folder, or in the pipeline file that --pipeline names?\n", f.Unreadable, f.Format)
		}
	}
	return nil
}
