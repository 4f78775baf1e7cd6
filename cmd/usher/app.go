package main

import (
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/mattn/go-isatty"

	"github.com/usher-id/usher/connectors"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/plugins/host"
)

// app is what the commands share: where they read and write, and the flags of all of them.
type app struct {
	stdin    io.Reader
	stdout   *output
	stderr   io.Writer
	registry *pipeline.Registry
	plugins  *host.Host

	json  bool
	state string
	// piped is set when a sink has written to stdout: what else is to be said goes to stderr then.
	piped atomic.Bool
	// began is set when a command's own code runs: an error before is one of the command line.
	began bool
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	a := &app{stdin: stdin, stdout: &output{Writer: stdout}, stderr: stderr, registry: connectors.Default(), plugins: host.New(pluginCache())}
	a.registry.Plugin = a.plugins.Load
	return a
}

// output is the standard output. It remembers what kept a command from writing to it: few look at every line they print.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(data []byte) (int, error) {
	n, err := o.Writer.Write(data)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

func (a *app) env() pipeline.Env {
	return pipeline.Env{Stdin: a.stdin, Stdout: sinkOutput{a}, Log: slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))}
}

// sinkOutput is the standard output for sinks.
type sinkOutput struct{ *app }

func (o sinkOutput) Write(data []byte) (int, error) {
	o.piped.Store(true)
	return o.stdout.Write(data)
}

// output is where the result of a command goes.
func (a *app) output() io.Writer {
	if a.piped.Load() {
		return a.stderr
	}
	return a.stdout
}

func (a *app) load(path string) (*definition.Pipeline, error) {
	return definition.Load(path, a.registry, a.env())
}

// stateDir gives the state folder: --state, else USHER_STATE, else .usher beside the pipeline file.
func (a *app) stateDir(pipelineFile string) string {
	if a.state != "" {
		return a.state
	}
	if dir := os.Getenv("USHER_STATE"); dir != "" {
		return dir
	}
	return filepath.Join(filepath.Dir(pipelineFile), ".usher")
}

// runsDir is stateDir for the commands that are given a run and no pipeline file: .usher in the working folder.
func (a *app) runsDir() string { return a.stateDir("") }

// stateFlag is what has to be added to a command line so that it finds the state folder, or "".
func (a *app) stateFlag(dir string) string {
	here, err := filepath.Abs(a.runsDir())
	if err == nil && here == absolute(dir) {
		if a.state == "" {
			return ""
		}
		dir = a.state
	}
	return " --state " + quoted(short(dir))
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// short gives a path as a person in the working folder would write it.
func short(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(here, absolute(path))
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return path
	}
	return rel
}

// quoted makes a word of a path for a POSIX shell.
func quoted(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-+@%:,", r)
	}) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

// printJSON writes one JSON document on a line of the output.
func (a *app) printJSON(v any) error {
	encoder := json.NewEncoder(a.output())
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// isTerminal reports whether w is a terminal that can do more than print lines.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
}

// emphasis gives text in bold red where w shows colours and NO_COLOR (no-color.org) does not forbid them.
func emphasis(w io.Writer, text string) string {
	if os.Getenv("NO_COLOR") != "" || !isTerminal(w) {
		return text
	}
	return "\x1b[1;31m" + text + "\x1b[0m"
}

// writeWhole writes a file as a whole or not at all: what is there, and may be replaced, stays until the new one is complete.
func writeWhole(path string, content []byte, mode fs.FileMode, replace bool) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	var f *os.File
	info, err := os.Stat(path)
	there := err == nil && replace
	switch {
	case there && info.Mode().IsRegular():
		if f, err = os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*"); err == nil {
			err = f.Chmod(info.Mode().Perm())
		}
	case there: // a device, or a pipe
		f, err = os.OpenFile(path, os.O_WRONLY, 0)
	default:
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	}
	if f == nil {
		return err
	}
	if err == nil {
		_, err = f.Write(content)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil && f.Name() != path {
		err = os.Rename(f.Name(), path)
	}
	if err != nil && (f.Name() != path || !there) {
		_ = os.Remove(f.Name())
	}
	return err
}
