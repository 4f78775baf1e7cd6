package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/value"
)

func hashCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hash",
		Short: "Identify, verify, convert and create password hashes",
		Long: `Tell what a password hash is, whether a password fits it, and the form that another system wants; make new ones.

Passwords are read from standard input, never from arguments, which other users of the machine can see. With --file,
each line of an NDJSON file (or of standard input: -) is one question and gives one line of answer, in order. A line
that is no question gives {"error":{…}} and stops nothing. The exit code is 3 if some do not match, convert or become
known.`,
		GroupID: groupKnow,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	a.pluginFlag(cmd)
	cmd.AddCommand(hashIdentifyCommand(a), hashVerifyCommand(a), hashConvertCommand(a), hashCreateCommand(a), hashStatsCommand(a), hashExportScriptCommand(a))
	return cmd
}

// hashFlags are what the hash commands have in common.
type hashFlags struct {
	file, format, contextFile string
	context                   []string
}

func (f *hashFlags) fileFlag(cmd *cobra.Command, members string) {
	cmd.Flags().StringVar(&f.file, "file", "", "answer each line of this NDJSON file, - for standard input: "+members)
}

func (f *hashFlags) formatFlags(a *app, cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.format, "format", "auto", "the hash's format; auto takes only what names itself")
	cmd.Flags().StringArrayVar(&f.context, "context", nil, "NAME=VALUE that the format needs beside the hash: salt, username, … (repeatable)")
	cmd.Flags().StringVar(&f.contextFile, "context-file", "", "the same as a JSON object in a file, for peppers and keys")
	_ = cmd.RegisterFlagCompletionFunc("format", a.completed(formatNames))
}

func formatNames() []string {
	names := []string{"auto"}
	for _, f := range password.Formats() {
		names = append(names, f.Name)
	}
	return names
}

// one refuses what only makes sense for a single hash, or for many.
func (f *hashFlags) one(args []string) error {
	if f.file != "" && len(args) > 0 {
		return &usageError{"usage.arguments", "give a hash or --file, not both", ""}
	}
	return nil
}

// checkFormat refuses a --format that there is not.
func (f *hashFlags) checkFormat() error {
	if f.format == "auto" {
		return nil
	}
	if _, err := password.Lookup(f.format); err != nil {
		return passwordUsage(err, "docs/reference/password-formats.md lists the formats; those of plugins are known in their folder, and by --pipeline FILE")
	}
	return nil
}

// passwordUsage makes a mistake on the command line of an error of the password package.
func passwordUsage(err error, hint string) error {
	var e *password.Error
	if errors.As(err, &e) {
		return &usageError{e.Code, e.Error(), hint}
	}
	return err
}

// values gives what --context and --context-file say.
func (f *hashFlags) values() (password.Context, error) {
	values := password.Context{}
	if f.contextFile != "" {
		text, err := os.ReadFile(f.contextFile)
		if err != nil {
			return nil, &usageError{"usage.flag", "the context file cannot be read: " + pathReason(err), ""}
		}
		v, err := value.ParseJSON(text)
		o, ok := v.(*value.Object)
		if err == nil && !ok {
			err = fmt.Errorf("it is not an object")
		}
		if err != nil {
			return nil, &usageError{"usage.flag", "the context file is no JSON object: " + err.Error(), `write {"pepper": "…"}`}
		}
		for name, v := range o.All() {
			values[name] = v
		}
	}
	for _, given := range f.context {
		name, v, ok := strings.Cut(given, "=")
		if !ok || name == "" {
			return nil, &usageError{"usage.flag", "--context takes NAME=VALUE", ""}
		}
		values[name] = v
	}
	return values, nil
}

// pathReason gives the reason of an error about a file, with its path.
func pathReason(err error) string {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Path + ": " + e.Err.Error()
	}
	return err.Error()
}

// subject is a hash that is asked about.
type subject struct {
	format  string // canonical
	encoded string
	values  password.Context
}

// resolve finds out the format of a hash where it is auto. What a store has written ($usher$…) brings format and context along; given
// values come on top, because peppers and keys are not kept there.
func resolve(format, encoded string, values password.Context) (subject, *password.Error) {
	if format != "" && format != "auto" {
		f, err := password.Lookup(format)
		if err != nil {
			return subject{format: format}, asPasswordError(err)
		}
		return subject{f.Name, encoded, values}, nil
	}
	if strings.HasPrefix(encoded, "$usher$") {
		h, err := password.ParseStored(encoded)
		if err != nil {
			return subject{}, asPasswordError(err)
		}
		all := password.Context{}
		for name, v := range h.Context {
			all[name] = v
		}
		for name, v := range values {
			all[name] = v
		}
		return subject{h.Format, h.Encoded.Reveal(), all}, nil
	}
	name, err := password.Recognise(encoded)
	if err != nil {
		e := *asPasswordError(err)
		if e.Code == password.CodeUnknown {
			e.Message += couldBe(encoded)
		}
		return subject{format: name}, &e
	}
	return subject{name, encoded, values}, nil
}

// couldBe lists the likeliest formats of a hash that does not name its own.
func couldBe(encoded string) string {
	const most = 5
	var names []string
	for _, c := range password.Identify(encoded) {
		if len(names) == most {
			names = append(names, "…")
			break
		}
		names = append(names, c.Format)
	}
	if len(names) == 0 {
		return ""
	}
	return "; it could be " + strings.Join(names, ", ")
}

func asPasswordError(err error) *password.Error {
	var e *password.Error
	if errors.As(err, &e) {
		return e
	}
	return &password.Error{Code: password.CodeMalformed, Message: err.Error()}
}

// outcomeOf tells what came of a hash that could not be handled.
func outcomeOf(e *password.Error) password.Outcome {
	switch e.Code {
	case password.CodeMalformed:
		return password.Malformed
	case password.CodeOverLimit:
		return password.OverLimit
	}
	return password.Unsupported
}

// maxHashInput bounds what is read of a hash or a password, which are far shorter.
const maxHashInput = 1 << 20

// readHash gives the hash that is the argument, else the first line of standard input.
func (a *app) readHash(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	text, err := a.readAll()
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if line = bytes.TrimRight(line, "\r"); len(line) == 0 {
		return "", &usageError{"usage.arguments", "there is no hash, neither as an argument nor on standard input", "put it in single quotes: a shell takes $ for a variable"}
	}
	return string(line), nil
}

// readPassword asks for a password on a terminal; otherwise the whole of standard input is it, but for a line end at its end.
func (a *app) readPassword() ([]byte, error) {
	if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(a.stderr, "Password: ")
		p, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.stderr)
		return p, err
	}
	text, err := a.readAll()
	if err != nil {
		return nil, err
	}
	return onlyPassword(text)
}

func onlyPassword(text []byte) ([]byte, error) {
	if len(text) == 0 {
		return nil, &usageError{"usage.password", "there is no password on standard input", "an empty password is an empty line"}
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	return bytes.TrimSuffix(text, []byte("\r")), nil
}

func (a *app) readAll() ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(a.stdin, maxHashInput+1))
	if err != nil {
		return nil, fmt.Errorf("standard input cannot be read: %w", err)
	}
	if len(text) > maxHashInput {
		return nil, &usageError{"usage.input", "standard input holds more than a hash and a password", "--file - reads many, a line each"}
	}
	return text, nil
}

// question is a line of --file.
type question struct {
	format, encoded string
	values          password.Context
	password        []byte
	hasPassword     bool
}

// ask reads a question. Members that it does not know are somebody else's.
func ask(o *value.Object) (question, error) {
	var q question
	var err error
	text := func(name string) string {
		v, _ := o.Get(name)
		switch v := v.(type) {
		case nil:
			return ""
		case string:
			return v
		}
		err = errors.Join(err, fmt.Errorf("%q must be a string", name))
		return ""
	}
	q.encoded = text("encoded")
	if v, _ := o.Get("format"); v != nil {
		if own, ok := v.(*value.Object); ok && own.Len() == 1 && own.At(0).Name == "digest" { // as in a pipeline file
			expression, _ := own.At(0).Value.(string)
			q.format = password.DigestPrefix + expression
		} else {
			q.format = text("format")
		}
	}
	if v, ok := o.Get("password_hex"); ok && v != nil {
		b, bad := hex.DecodeString(text("password_hex"))
		if bad != nil {
			err = errors.Join(err, errors.New(`"password_hex" is not hexadecimal`))
		}
		q.password, q.hasPassword = b, true
	} else if v, ok := o.Get("password"); ok && v != nil {
		q.password, q.hasPassword = []byte(text("password")), true
	}
	switch v, _ := o.Get("context"); v := v.(type) {
	case nil:
	case *value.Object:
		q.values = make(password.Context, v.Len())
		for name, v := range v.All() {
			q.values[name] = v
		}
	default:
		err = errors.Join(err, errors.New(`"context" must be an object`))
	}
	return q, err
}

// answerer answers one line of --file: with a document, and whether all is well.
type answerer func(ctx context.Context, q question) (any, bool, error)

// lineError is the answer to a line that is no question.
func lineError(code, message, origin string, line int64) any {
	return map[string]any{"error": map[string]string{"code": code, "message": message, "ref": fmt.Sprintf("%s:%d", origin, line)}}
}

func encodeLine(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err) // the answers are structs of texts and numbers
	}
	return b.Bytes()
}

// merged gives the flags' context with a line's own on top.
func merged(flags, line password.Context) password.Context {
	if len(flags) == 0 {
		return line
	}
	all := make(password.Context, len(flags)+len(line))
	for name, v := range flags {
		all[name] = v
	}
	for name, v := range line {
		all[name] = v
	}
	return all
}
