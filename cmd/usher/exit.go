package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
)

// The exit codes.
const (
	exitWell        = 0
	exitFailed      = 1 // could not run
	exitUsage       = 2 // wrong usage, or an invalid pipeline file
	exitRecords     = 3 // finished, some records failed
	exitUnreachable = 4 // an end could not be reached
	exitSignal      = 128
)

// done is the answer of a command that has said all it had to say and ends with an exit code other than 0.
type done int

func (d done) Error() string { return fmt.Sprintf("exit code %d", int(d)) }

// usageError is a command line that means nothing.
type usageError struct {
	code, message, hint string
}

func (e *usageError) Error() string { return e.message }

// failure is the JSON form of an error.
type failure struct {
	Code        string                 `json:"code"`
	Message     string                 `json:"message"`
	Hint        string                 `json:"hint,omitempty"`
	Diagnostics definition.Diagnostics `json:"diagnostics,omitempty"`
}

// exit is where every error ends: it is printed once, and gives the exit code.
func (a *app) exit(err error, args []string) int {
	if !a.began && slices.Contains(args, "--json") {
		a.json = true // the flags may not have been read
	}
	if lost := a.stdout.err; lost != nil && !errors.Is(lost, syscall.EPIPE) && (err == nil || errors.Is(err, lost)) {
		a.printFailure(failure{Code: "stdout.unwritable", Message: "the result cannot be written: " + lost.Error(),
			Hint: "make room, or send the standard output elsewhere"})
		return exitFailed
	}
	var code done
	switch {
	case err == nil:
		return exitWell
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, syscall.EPIPE):
		return exitFailed // nobody reads what is printed
	}
	f, exit := a.failure(err)
	if !a.json || a.printJSON(map[string]failure{"error": f}) != nil {
		a.printFailure(f)
	}
	return exit
}

// failure gives an error's JSON form and exit code.
func (a *app) failure(err error) (failure, int) {
	var (
		usage       *usageError
		diagnostics definition.Diagnostics
		known       *pipeline.Error
	)
	switch {
	case errors.As(err, &usage):
		return failure{Code: usage.code, Message: usage.message, Hint: usage.hint}, exitUsage
	case errors.As(err, &diagnostics) && ofPlugins(diagnostics):
		return failure{Code: diagnostics[0].Code, Message: invalid(diagnostics), Diagnostics: diagnostics}, exitUnreachable
	case errors.As(err, &diagnostics):
		return failure{Code: "config.invalid", Message: invalid(diagnostics), Diagnostics: diagnostics}, exitUsage
	case errors.As(err, &known):
		if known.Unreachable {
			return failure{Code: known.Code, Message: known.Message, Hint: known.Hint}, exitUnreachable
		}
		return failure{Code: known.Code, Message: known.Message, Hint: known.Hint}, exitFailed
	case !a.began:
		return failure{Code: "usage.arguments", Message: err.Error(), Hint: "`usher --help` shows what there is"}, exitUsage
	}
	return failure{Code: "usher.failed", Message: err.Error()}, exitFailed
}

// ofPlugins reports whether nothing is wrong with a pipeline file but that its plugins cannot be used.
func ofPlugins(ds definition.Diagnostics) bool {
	return !slices.ContainsFunc(ds, func(d *definition.Diagnostic) bool { return !strings.HasPrefix(d.Code, "plugin.") })
}

func invalid(ds definition.Diagnostics) string {
	if len(ds) == 1 {
		return fmt.Sprintf("%s has an error", ds[0].File)
	}
	return fmt.Sprintf("%s has %d errors", ds[0].File, len(ds))
}

// printFailure prints an error for a person, on standard error.
func (a *app) printFailure(f failure) {
	if len(f.Diagnostics) > 0 {
		fmt.Fprintln(a.stderr, f.Diagnostics.Error())
		if len(f.Diagnostics) > 1 {
			fmt.Fprintf(a.stderr, "%s %s\n", emphasis(a.stderr, "error:"), f.Message)
		}
		return
	}
	a.printProblem("error:", f)
}

// printProblem prints what is wrong behind a word for how bad it is.
func (a *app) printProblem(label string, f failure) {
	fmt.Fprintf(a.stderr, "%s %s [%s]\n", emphasis(a.stderr, label), strings.TrimSpace(f.Message), f.Code)
	if f.Hint != "" {
		fmt.Fprintln(a.stderr, indented(f.Hint, strings.Repeat(" ", len(label)+1)))
	}
}
