package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline/definition"
)

func testCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "test FILE",
		Short: "Run the tests of a pipeline file through its transforms, offline",
		Long: `Run the tests: of a pipeline file through its transforms. Neither source nor sink is reached. The exit code is 3
if a test fails.`,
		GroupID:           groupPrepare,
		Args:              arguments(1, 1, "one pipeline file"),
		ValidArgsFunction: pipelineFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.load(args[0])
			if err != nil {
				return err
			}
			results, err := p.Test(cmd.Context())
			if err != nil {
				return err
			}
			return a.reportTests(args[0], p, results)
		},
	}
}

func (a *app) reportTests(file string, p *definition.Pipeline, results []definition.TestResult) error {
	failed := 0
	for _, r := range results {
		if !r.Passed {
			failed++
		}
	}
	if a.json {
		if err := a.printJSON(map[string]any{
			"pipeline": p.Name, "passed": len(results) - failed, "failed": failed, "tests": results,
		}); err != nil {
			return err
		}
	} else {
		for _, r := range results {
			if r.Passed {
				fmt.Fprintf(a.stdout, "ok    %s\n", r.Name)
				continue
			}
			fmt.Fprintf(a.stdout, "FAIL  %s (%s:%d)\n", r.Name, file, r.Line)
			for _, d := range r.Differences {
				fmt.Fprintf(a.stdout, "        %s: want %s, got %s\n", d.Field, d.Want, d.Got)
			}
		}
		switch {
		case len(results) == 0:
			fmt.Fprintf(a.stdout, "%s has no tests\n", file)
		case failed == 0:
			fmt.Fprintf(a.stdout, "%d passed\n", len(results))
		default:
			fmt.Fprintf(a.stdout, "%d passed, %d failed\n", len(results)-failed, failed)
		}
	}
	if failed > 0 {
		return done(exitRecords)
	}
	return nil
}
