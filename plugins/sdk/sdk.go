// Package sdk makes a plugin of connectors and hashers: a program that calls Serve with them is one.
//
//	func main() { sdk.Serve(sdk.Source(ldap.Type), sdk.Sink(crm.Type), sdk.Hasher(acme.Type)) }
//
// The types are the very ones that are built into usher: what pipeline and pipeline/acceptance say of them holds here too. There are these
// differences. A transform or sink is given records without what the source read of them: Source is what Fields is. A source's rejects are NDJSON.
// A panic fails the run and not the process.
package sdk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/internal/wire"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

// HasherType is a hasher by its name. New does no I/O; its error is a *pipeline.OptionError where an option is at fault.
type HasherType struct {
	password.HasherSpec
	Options []pipeline.Option
	New     func(pipeline.Env, *pipeline.Config) (password.Hasher, error)
}

// Part is one thing that a plugin has.
type Part func(*server)

// Source serves a source.
func Source(t pipeline.SourceType) Part { return func(s *server) { add(s.sources, t.Name, t) } }

// Transform serves a transform.
func Transform(t pipeline.TransformType) Part {
	return func(s *server) { add(s.transforms, t.Name, t) }
}

// Sink serves a sink.
func Sink(t pipeline.SinkType) Part { return func(s *server) { add(s.sinks, t.Name, t) } }

// Hasher serves a hasher.
func Hasher(t HasherType) Part { return func(s *server) { add(s.hashers, t.Name, t) } }

func add[T any](to map[string]T, name string, t T) {
	if _, twice := to[name]; twice {
		panic("sdk: two of the same kind are called " + name)
	}
	to[name] = t
}

// server is what a plugin has.
type server struct {
	pb.UnimplementedPluginServiceServer
	sources    map[string]pipeline.SourceType
	transforms map[string]pipeline.TransformType
	sinks      map[string]pipeline.SinkType
	hashers    map[string]HasherType
	log        *slog.Logger
}

// Serve serves the parts to the usher that has started this process, until it ends. It does not return.
func Serve(parts ...Part) {
	stderr := os.Stderr
	if os.Getenv(wire.Handshake.MagicCookieKey) != wire.Handshake.MagicCookieValue {
		fmt.Fprintf(stderr, "This program is a plugin of usher, which starts it. `usher plugins test %s` tries it.\n", os.Args[0])
		os.Exit(1)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	s := newServer(slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{ReplaceAttr: withoutTime})), parts)
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  wire.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{wire.Version: {wire.Name: &served{server: s}}},
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: stderr}),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(append(options, wire.ServerOptions()...), printTo(stderr)...)...)
		},
	})
	os.Exit(0)
}

// gcPercent is for programs that keep little and throw away much.
const gcPercent = 400

// printTo has what the plugin prints go to its log from the first call on. go-plugin would send it over the connection, where the last words of a
// process that ends are lost.
func printTo(log *os.File) []grpc.ServerOption {
	once := sync.OnceFunc(func() { os.Stdout, os.Stderr = log, log })
	return []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			once()
			return handle(ctx, request)
		}),
		grpc.StreamInterceptor(func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			once()
			return handle(server, stream)
		}),
	}
}

func newServer(log *slog.Logger, parts []Part) *server {
	s := &server{sources: map[string]pipeline.SourceType{}, transforms: map[string]pipeline.TransformType{}, sinks: map[string]pipeline.SinkType{},
		hashers: map[string]HasherType{}, log: log}
	for _, part := range parts {
		part(s)
	}
	return s
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// served is what go-plugin serves.
type served struct {
	plugin.NetRPCUnsupportedPlugin
	server *server
}

// GRPCServer implements plugin.GRPCPlugin.
func (p *served) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	pb.RegisterPluginServiceServer(g, p.server)
	pb.RegisterSourceServiceServer(g, &sourceServer{server: p.server})
	pb.RegisterTransformServiceServer(g, &transformServer{server: p.server})
	pb.RegisterSinkServiceServer(g, &sinkServer{server: p.server})
	pb.RegisterHasherServiceServer(g, newHasherServer(p.server))
	return nil
}

// GRPCClient implements plugin.GRPCPlugin.
func (*served) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("sdk: a plugin has no client")
}

// Describe implements pb.PluginServiceServer.
func (s *server) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	d := &pb.DescribeResponse{}
	if info, ok := debug.ReadBuildInfo(); ok {
		d.Version = info.Main.Version
	}
	for _, name := range pipeline.Names(s.sources) {
		t := s.sources[name]
		d.Sources = append(d.Sources, wire.Declare(t.Spec, sourceAbilities(t)...))
	}
	for _, name := range pipeline.Names(s.transforms) {
		t := s.transforms[name]
		d.Transforms = append(d.Transforms, wire.Declare(t.Spec, transformAbilities(t)...))
	}
	for _, name := range pipeline.Names(s.sinks) {
		t := s.sinks[name]
		d.Sinks = append(d.Sinks, wire.Declare(t.Spec, sinkAbilities(t)...))
	}
	for _, name := range pipeline.Names(s.hashers) {
		h, err := describeHasher(s.hashers[name])
		if err != nil {
			return nil, err
		}
		d.Hashers = append(d.Hashers, h)
	}
	return d, nil
}

// Check implements pb.PluginServiceServer.
func (s *server) Check(ctx context.Context, r *pb.CheckRequest) (*pb.CheckResponse, error) {
	err := guard("plugin", func() error {
		switch r.GetKind() {
		case pb.Kind_KIND_SOURCE:
			source, err := build(s, r.GetInstance(), s.sources, sourceOf)
			if c, ok := source.(pipeline.Checker); ok && err == nil {
				err = c.Check(ctx)
			}
			return err
		case pb.Kind_KIND_SINK:
			sink, err := build(s, r.GetInstance(), s.sinks, sinkOf)
			if c, ok := sink.(pipeline.Checker); ok && err == nil {
				err = c.Check(ctx)
			}
			return err
		}
		return status.Error(codes.InvalidArgument, "only sources and sinks are checked")
	})
	return &pb.CheckResponse{Failure: wire.FailureOf(err, "plugin.failed")}, nil
}

func sourceOf(t pipeline.SourceType) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (pipeline.Source, error)) {
	return t.Spec, t.New
}

func transformOf(t pipeline.TransformType) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (pipeline.Transform, error)) {
	return t.Spec, t.New
}

func sinkOf(t pipeline.SinkType) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (pipeline.Sink, error)) {
	return t.Spec, t.New
}

// build makes a connector of an instance.
func build[K, C any](s *server, i *pb.Instance, types map[string]K, parts func(K) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (C, error))) (c C, err error) {
	t, ok := types[i.GetName()]
	if !ok {
		return c, &pipeline.Error{Code: "plugin.no_connector", Message: fmt.Sprintf("the plugin has no %q any more", i.GetName())}
	}
	spec, make := parts(t)
	config, err := wire.Config(spec.Options, i.GetOptions())
	if err != nil {
		return c, fmt.Errorf("%s: %w", i.GetName(), err)
	}
	return make(s.env(i.GetDirectory()), config)
}

func (s *server) env(dir string) pipeline.Env {
	return pipeline.Env{Stdin: strings.NewReader(""), Stdout: io.Discard, Log: s.log, Dir: dir}
}

// guard turns a panic into an error, and its trace into a line of the log.
func guard(what string, call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", p, debug.Stack())
			err = &pipeline.Error{Code: "plugin.panic", Message: fmt.Sprintf("the %s panicked: %v", what, p), Hint: "this is a defect of the plugin"}
		}
	}()
	return call()
}
