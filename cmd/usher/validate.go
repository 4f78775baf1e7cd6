package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline/definition"
)

func validateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "validate FILE...",
		Short:             "Say all that is wrong with pipeline files, without reaching their ends",
		GroupID:           groupPrepare,
		Args:              arguments(1, -1, "one pipeline file or more"),
		ValidArgsFunction: pipelineFiles,
		RunE:              func(_ *cobra.Command, args []string) error { return a.validate(args) },
	}
}

// validation is the JSON form of what is said about one file.
type validation struct {
	File        string                 `json:"file"`
	Valid       bool                   `json:"valid"`
	Pipeline    string                 `json:"pipeline,omitempty"`
	Diagnostics definition.Diagnostics `json:"diagnostics"`
}

func (a *app) validate(files []string) error {
	results := make([]validation, 0, len(files))
	valid := true
	for _, file := range files {
		v := validation{File: file, Valid: true, Diagnostics: definition.Diagnostics{}}
		p, err := a.load(file)
		switch {
		case err == nil:
			v.Pipeline = p.Name
		case errors.As(err, &v.Diagnostics):
			v.Valid, valid = false, false
		default:
			return err
		}
		results = append(results, v)
		if a.json {
			continue
		}
		if v.Valid {
			fmt.Fprintf(a.stdout, "%s: valid\n", file)
		} else {
			f, _ := a.failure(v.Diagnostics)
			a.printFailure(f)
		}
	}
	if a.json {
		if err := a.printJSON(map[string]any{"valid": valid, "files": results}); err != nil {
			return err
		}
	}
	if !valid {
		return done(exitUsage)
	}
	return nil
}
