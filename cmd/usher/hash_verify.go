package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/password"
)

func hashVerifyCommand(a *app) *cobra.Command {
	var flags hashFlags
	cmd := &cobra.Command{
		Use:   "verify [HASH]",
		Short: "Say whether a password fits a hash",
		Long: `Say whether the password on standard input fits a hash. Without HASH, the first line of standard input is the hash
and the rest is the password. A line end behind the password is not part of it.

The result is match, mismatch (only after the password was hashed and gave something else), unsupported (it cannot be
checked here, or a value beside the hash is missing), malformed, or over_limit (checking would cost too much).`,
		Example: `  usher hash verify '$2b$12$…' < password.txt
  usher hash verify --format md5 --context salt=ab --context position=suffix 8f3c…  < password.txt
  usher hash verify --file pairs.ndjson
    {"encoded": "$2b$12$…", "password": "secret"}
    {"format": "vbulletin-md5", "encoded": "…", "password_hex": "736563726574", "context": {"salt": "x1"}}`,
		Args: arguments(0, 1, "at most one hash"),
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := flags.values()
			if err = errors.Join(flags.one(args), flags.checkFormat(), err); err != nil {
				return err
			}
			if flags.file != "" {
				return a.answerLines(cmd.Context(), flags.file, func(ctx context.Context, q question) (any, bool, error) {
					if q.encoded == "" || !q.hasPassword {
						return nil, false, errors.New(`the line needs "encoded", and "password" or "password_hex"`)
					}
					if q.format == "" {
						q.format = flags.format
					}
					v := verify(ctx, q.format, q.encoded, q.password, merged(values, q.values))
					return v, v.Result == password.Match, nil
				})
			}
			encoded, secret, err := a.readPair(args)
			if err != nil {
				return err
			}
			v := verify(cmd.Context(), flags.format, encoded, secret, values)
			if err := a.printVerified(v); err != nil {
				return err
			}
			if v.Result != password.Match {
				return done(exitRecords)
			}
			return nil
		},
	}
	flags.formatFlags(a, cmd)
	flags.fileFlag(cmd, `{"format"?, "encoded", "password"|"password_hex", "context"?}`)
	return cmd
}

// verified is the JSON form of a verification.
type verified struct {
	Result password.Outcome `json:"result"`
	Format string           `json:"format"`
	Reason string           `json:"reason,omitempty"`
	Code   string           `json:"code,omitempty"`
}

func verify(ctx context.Context, format, encoded string, secret []byte, values password.Context) verified {
	s, e := resolve(format, encoded, values)
	if e != nil {
		return verified{outcomeOf(e), s.format, e.Message, e.Code}
	}
	r := password.Verify(ctx, s.format, s.encoded, secret, s.values)
	return verified{r.Outcome, r.Format, r.Reason, r.Code}
}

// readPair gives hash and password.
func (a *app) readPair(args []string) (encoded string, secret []byte, err error) {
	if len(args) > 0 {
		secret, err = a.readPassword()
		return args[0], secret, err
	}
	text, err := a.readAll()
	if err != nil {
		return "", nil, err
	}
	line, rest, two := bytes.Cut(text, []byte("\n"))
	if line = bytes.TrimRight(line, "\r"); len(line) == 0 || !two {
		return "", nil, &usageError{"usage.arguments", "a hash and a password are needed: the hash as an argument or the first line of standard input, the password behind it",
			"put the hash in single quotes: a shell takes $ for a variable"}
	}
	secret, err = onlyPassword(rest)
	return string(line), secret, err
}

func (a *app) printVerified(v verified) error {
	if a.json {
		return a.printJSON(v)
	}
	line := v.Result.String()
	if v.Format != "" {
		line += "  " + v.Format
	}
	if v.Reason != "" {
		line += "  " + v.Reason
	}
	_, err := fmt.Fprintln(a.stdout, line)
	return err
}
