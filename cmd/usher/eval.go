package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/sources/files"
	"github.com/usher-id/usher/value"
)

func evalCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "eval EXPR [FILE]",
		Short: "Evaluate an expression over the records of a file or of standard input",
		Long: `Evaluate an expression over every record of a JSON, CSV, LDIF or Excel file, or of standard input, bound as user. Each record
gives one line: the value as JSON, or {"error":{…}} where the expression fails or the record cannot be read; the exit
code is 3 if one does. What the file holds is found out as a source would. Secrets are shown: the expression asked for
them.`,
		GroupID: groupPrepare,
		Example: `  usher eval "lower(user.mail)" users.json
  gunzip -c users.csv.gz | usher eval "user.name || user.nickname"`,
		Args: arguments(1, 2, "an expression and at most one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			program, err := definition.CompileExpression(args[0])
			if err != nil {
				return expressionError("the expression", args[0], err)
			}
			path := "-"
			if len(args) == 2 {
				path = args[1]
			}
			ctx := a.interruptible(cmd.Context())
			defer ctx.stop()
			if err := a.eval(ctx, program, path); err != nil {
				if ctx.Err() != nil {
					return done(ctx.exitCode())
				}
				return err
			}
			return nil
		},
	}
}

// sourceFor builds the source that fits what a file or standard input (-) holds.
func (a *app) sourceFor(ctx context.Context, path string) (pipeline.Source, error) {
	env := a.env()
	look := env
	if path == "-" {
		buffered := bufio.NewReaderSize(env.Stdin, 4096)
		head, _ := buffered.Peek(512)
		env.Stdin, look.Stdin = buffered, bytes.NewReader(head)
		if bytes.HasPrefix(head, []byte("PK\x03\x04")) { // a workbook: other zip files cannot be read from a pipe
			return definition.NewSource(a.registry, env, "excel", map[string]string{"path": path})
		}
	}
	head, _, err := files.Look(ctx, look, absoluteInput(path), 4096)
	return definition.NewSource(a.registry, env, sourceOf(path, head, err), map[string]string{"path": absoluteInput(path)})
}

// sourceOf names the source that fits a file by how it begins, and an empty one by its name. One that cannot be opened is
// that source's to complain about.
func sourceOf(path string, head []byte, err error) string {
	ext := strings.ToLower(filepath.Ext(files.Uncompressed(path)))
	switch {
	case isWorkbook(err), bytes.HasPrefix(head, []byte(compoundFile)), ext == ".xlsx", ext == ".xls":
		return "excel"
	case looksLDIF(path, head):
		return "ldif"
	case len(head) == 0 && (ext == ".csv" || ext == ".tsv" || ext == ".txt"):
		return "csv"
	case err != nil || looksJSON(head):
		return "json"
	}
	return "csv"
}

// compoundFile is how workbooks of the old format and those with a password begin.
const compoundFile = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"

func absoluteInput(path string) string {
	if path == "-" {
		return path
	}
	return absolute(path)
}

// isWorkbook reports whether a file is no text because it is a workbook.
func isWorkbook(err error) bool {
	var e *pipeline.Error
	return errors.As(err, &e) && e.Code == "file.is_workbook"
}

// looksJSON reports whether a text, perhaps UTF-16, begins as JSON records do; an empty one is taken for JSON.
func looksJSON(head []byte) bool {
	for _, mark := range []string{"\ufeff", "\xff\xfe", "\xfe\xff"} {
		head = bytes.TrimPrefix(head, []byte(mark))
	}
	head = bytes.Trim(head, " \t\r\n\x00")
	return len(head) == 0 || head[0] == '{' || head[0] == '['
}

func (a *app) eval(ctx context.Context, program *expression.Program, path string) (err error) {
	source, err := a.sourceFor(ctx, path)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := source.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := source.Open(ctx); err != nil {
		return err
	}
	out := bufio.NewWriter(a.stdout)
	failed := false
	for {
		batch, err := source.Next(ctx, 500)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
		var line []byte
		for i := range batch.Records {
			var ok bool
			line, ok = evaluate(line[:0], program, &batch.Records[i])
			failed = failed || !ok
			if _, err := out.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	if failed {
		return done(exitRecords)
	}
	return nil
}

// evaluate appends the value of the expression for one record, or why there is none.
func evaluate(dst []byte, program *expression.Program, r *pipeline.Record) ([]byte, bool) {
	if !r.Open() {
		for _, problem := range r.Outcome.Errors {
			return appendError(dst, r.Ref, problem.Code, problem.Message), false
		}
	}
	v, err := program.Eval(r.Source)
	if err == nil {
		return value.AppendJSON(dst, v), true
	}
	var failed *expression.EvalError
	if errors.As(err, &failed) {
		return appendError(dst, r.Ref, failed.Code, failed.Message), false
	}
	return appendError(dst, r.Ref, "expression.internal", err.Error()), false
}

func appendError(dst []byte, ref pipeline.Ref, code, message string) []byte {
	return value.AppendJSON(dst, value.ObjectOf(value.Member{Name: "error", Value: value.ObjectOf(
		value.Member{Name: "code", Value: code},
		value.Member{Name: "message", Value: message},
		value.Member{Name: "ref", Value: ref.String()},
	)}))
}
