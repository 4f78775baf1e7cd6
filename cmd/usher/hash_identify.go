package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/password"
)

func hashIdentifyCommand(a *app) *cobra.Command {
	var flags hashFlags
	cmd := &cobra.Command{
		Use:   "identify [HASH]",
		Short: "Say which formats a hash may be of, the likeliest first",
		Long: `Say which formats a hash may be of, the likeliest first, and why. certain means that the string names its format: then
format: auto will do in a pipeline. likely and possible have to be declared, because nothing in the string rules the
others out. Without HASH, the first line of standard input is the hash. The exit code is 3 if no format fits.`,
		Example: `  usher hash identify '$2b$12$…'
  usher hash identify --file hashes.ndjson
    {"encoded": "$2b$12$…"}`,
		Args: arguments(0, 1, "at most one hash"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.one(args); err != nil {
				return err
			}
			if flags.file != "" {
				return a.answerLines(cmd.Context(), flags.file, func(_ context.Context, q question) (any, bool, error) {
					if q.encoded == "" {
						return nil, false, errors.New(`the line needs "encoded"`)
					}
					i := identify(q.encoded)
					return i, len(i.Candidates) > 0, nil
				})
			}
			encoded, err := a.readHash(args)
			if err != nil {
				return err
			}
			i := identify(encoded)
			if err := a.printIdentified(i); err != nil {
				return err
			}
			if len(i.Candidates) == 0 {
				return done(exitRecords)
			}
			return nil
		},
	}
	flags.fileFlag(cmd, `{"encoded"}`)
	return cmd
}

// identified is the JSON form of an identification. Format is there where the string names it.
type identified struct {
	Format     string      `json:"format,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Candidates []candidate `json:"candidates"`
}

type candidate struct {
	Format     string           `json:"format"`
	Confidence string           `json:"confidence"`
	Reason     string           `json:"reason"`
	Params     *password.Params `json:"params,omitempty"`
	Needs      []string         `json:"needs,omitempty"`
	Problem    string           `json:"problem,omitempty"`
}

func identify(encoded string) identified {
	out := identified{Candidates: []candidate{}}
	if strings.HasPrefix(encoded, "$usher$") {
		h, err := password.ParseStored(encoded)
		if err != nil {
			out.Reason = asPasswordError(err).Error()
			return out
		}
		out.Format = h.Format
		c := candidate{Format: h.Format, Confidence: password.Certain.String(), Reason: "a store of usher wrote the format's name in front of it"}
		if h.Params.Algorithm != "" {
			c.Params = &h.Params
		}
		out.Candidates = append(out.Candidates, c)
		return out
	}
	found := password.Identify(encoded)
	for _, c := range found {
		one := candidate{c.Format, c.Confidence.String(), c.Reason, nil, c.Needs, c.Problem}
		if c.Params.Algorithm != "" {
			one.Params = &c.Params
		}
		out.Candidates = append(out.Candidates, one)
	}
	if format, ok := password.Unambiguous(found); ok {
		out.Format = format
	} else if _, err := password.Recognise(encoded); err != nil {
		out.Reason = asPasswordError(err).Message
	}
	return out
}

func (a *app) printIdentified(i identified) error {
	if a.json {
		return a.printJSON(i)
	}
	if len(i.Candidates) == 0 {
		_, err := fmt.Fprintf(a.stdout, "no known format: %s\n", i.Reason)
		return err
	}
	w := newTable(a.stdout)
	for _, c := range i.Candidates {
		notes := []string{c.Reason}
		if len(c.Needs) > 0 {
			notes = append(notes, "needs "+strings.Join(c.Needs, ", "))
		}
		if c.Problem != "" {
			notes = append(notes, "cannot be used: "+c.Problem)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Confidence, c.Format, strings.Join(notes, "; "))
	}
	return w.Flush()
}
