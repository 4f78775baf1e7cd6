package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	gorunner "github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/internal/wire"
)

// startTimeout is how long a plugin may take to say where it listens.
var startTimeout = 20 * time.Second

// stopTimeout is how long it may take to end when asked to.
const stopTimeout = 2 * time.Second

// process is one running process of a plugin.
type process struct {
	client *plugin.Client
	conn   *grpc.ClientConn
	runner *runner
	tail   *tail

	hashers int // those that have been given their options
}

// client is what go-plugin is told of a plugin: nothing, since its connection is used directly.
type clientSide struct{ plugin.NetRPCUnsupportedPlugin }

func (clientSide) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (clientSide) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// launch starts a process of a plugin, whose file has been checked.
func launch(decl pipeline.Plugin, t *tail) (_ *process, err error) {
	var r *runner
	config := &plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{wire.Version: {wire.Name: clientSide{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     startTimeout,
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Off}),
		Stderr:           t,
		SyncStdout:       t,
		SyncStderr:       t,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: tempDir()},
		GRPCDialOptions:  wire.DialOptions(),
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, dir string) (gorunner.Runner, error) {
			r = &runner{name: decl.Name, tail: t, done: make(chan struct{}), cmd: &exec.Cmd{Env: append(environment(decl.Env, dir), spec.Env...)}}
			if err := r.wrap(dir, filepath.Dir(decl.Path), commandOf(decl)); err != nil {
				return nil, err
			}
			return r, nil
		},
	}
	client := plugin.NewClient(config)
	defer func() {
		if p := recover(); p != nil { // go-plugin trusts what a plugin prints
			err = &pipeline.Error{Code: "plugin.no_handshake", Message: fmt.Sprintf("the plugin %s cannot be started: %v", decl.Name, p)}
		}
		if err != nil && r != nil {
			_ = r.Kill(context.Background())
			client.Kill()
		}
	}()
	if _, err := client.Start(); err != nil {
		return nil, startError(decl, r, t, err)
	}
	if line, _ := r.said(); strings.Count(line, "|") < 5 || len(strings.Split(line, "|")[5]) < 50 {
		return nil, pluginError("plugin.no_certificate", decl, "does not encrypt its connection: it names no certificate in its handshake",
			"a plugin makes a certificate where PLUGIN_CLIENT_CERT is set: see docs/reference/plugins.md")
	}
	protocol, err := client.Client()
	if err != nil {
		return nil, withTail(pluginError("plugin.unreachable", decl, "started, but cannot be connected to: "+err.Error(), ""), t)
	}
	return &process{client: client, conn: protocol.(*plugin.GRPCClient).Conn, runner: r, tail: t}, nil
}

func commandOf(decl pipeline.Plugin) []string {
	command := append(append([]string(nil), decl.Command...), decl.Path)
	if len(decl.Command) > 0 {
		command[0] = interpreter(decl)
	}
	return append(command, decl.Files...)
}

// interpreter is what runs a plugin's file, empty where there is no such program. usher is there although it need not be on the search path.
func interpreter(decl pipeline.Plugin) string {
	path, err := exec.LookPath(decl.Command[0])
	if err != nil && decl.Command[0] == "usher" {
		path, err = os.Executable()
	}
	if err != nil {
		return ""
	}
	return path
}

// environment is all that a plugin has of usher's: the search path, and what is declared.
func environment(declared []string, dir string) []string {
	env := []string{"TMPDIR=" + dir}
	for _, name := range append([]string{"PATH"}, declared...) {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// alive reports whether the process runs.
func (p *process) alive() bool {
	select {
	case <-p.runner.done:
		return false
	default:
		return true
	}
}

// stop ends the process: it is asked to end first, unless it is already known not to answer.
func (p *process) stop(ask bool) {
	if ask && p.alive() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		// The same call that go-plugin makes, which would wait for ever.
		if p.conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{}) == nil || !p.alive() {
			select {
			case <-p.runner.done:
			case <-ctx.Done():
			}
		}
		cancel()
	}
	_ = p.runner.Kill(context.Background())
	_ = p.conn.Close()
	p.client.Kill() // nothing is left for it to wait for
}

func pluginError(code string, decl pipeline.Plugin, message, hint string) *pipeline.Error {
	return &pipeline.Error{Code: code, Message: fmt.Sprintf("the plugin %s %s", decl.Name, message), Hint: hint, Unreachable: true}
}

// withTail adds the last lines that the plugin wrote to an error.
func withTail(e *pipeline.Error, t *tail) *pipeline.Error {
	if lines := t.last(); len(lines) > 0 {
		e.Message += "; the last that it wrote:\n  " + strings.Join(lines, "\n  ")
	}
	return e
}

// startError says in a plugin author's words why a plugin did not start.
func startError(decl pipeline.Plugin, r *runner, t *tail, err error) error {
	if r == nil || r.stdout == nil {
		return pluginError("plugin.cannot_start", decl, "cannot be started: "+err.Error(), "")
	}
	line, spoke := r.said()
	line = strings.TrimSpace(line)
	parts := strings.Split(line, "|")
	switch {
	case !spoke:
		if !r.early {
			return withTail(pluginError("plugin.no_handshake", decl, fmt.Sprintf("said nothing within %s: its first line on standard output must say where it listens", startTimeout),
				"in Go, main calls sdk.Serve; docs/reference/plugins.md tells how it is done in other languages"), t)
		}
		return withTail(pluginError("plugin.exited", decl, "ended before it said where it listens: "+r.ended(), ""), t)
	case len(parts) < 5 || parts[0] != "1":
		shown := printable(line)
		if len(shown) > 200 {
			shown = shown[:200] + "…"
		}
		return withTail(pluginError("plugin.no_handshake", decl, fmt.Sprintf("did not begin with a handshake; it printed %q instead", shown),
			"nothing but the handshake may be printed on standard output: write messages to standard error"), t)
	case parts[1] != fmt.Sprint(wire.Version):
		return pluginError("plugin.wrong_protocol", decl, fmt.Sprintf("speaks version %s of the plugin protocol, and this usher version %d", printable(parts[1]), wire.Version),
			"build it with an SDK of the same version, or use a version of usher that speaks the plugin's")
	case parts[4] != "grpc":
		return pluginError("plugin.wrong_protocol", decl, fmt.Sprintf("serves %q and not gRPC", printable(parts[4])), "the fifth part of its handshake must be grpc")
	}
	return withTail(pluginError("plugin.no_handshake", decl, "gave a handshake that cannot be used: "+printable(err.Error()), ""), t)
}
