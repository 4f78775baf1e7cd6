// Package wire is what both ends of the plugin protocol have in common: the handshake, and how records, options, declarations
// and errors are written into its messages.
package wire

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/usher-id/usher/pipeline"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

// Version is the version of the protocol.
const Version = 1

// Name is the name under which go-plugin knows the one thing that a plugin serves.
const Name = "usher"

// Handshake tells a plugin that it was started as one. It is no secret.
var Handshake = plugin.HandshakeConfig{MagicCookieKey: "USHER_PLUGIN", MagicCookieValue: "ad7b26aa-0f9e-4d46-8b59-0c3a3d0ff6d1"}

// FailureOf gives the message form of an error. code is for one that has none.
func FailureOf(err error, code string) *pb.Failure {
	if err == nil {
		return nil
	}
	f := &pb.Failure{Code: code, Message: err.Error()}
	var (
		known     *pipeline.Error
		option    *pipeline.OptionError
		refused   *pipeline.Refused
		temporary *pipeline.Temporary
	)
	if errors.As(err, &known) {
		f.Code, f.Message, f.Hint = known.Code, known.Message, known.Hint
		if known.Unreachable {
			f.Kind = pb.FailureKind_FAILURE_KIND_UNREACHABLE
		}
	}
	switch {
	case errors.As(err, &option):
		f.Kind, f.Code = pb.FailureKind_FAILURE_KIND_OPTION, "config.bad_value"
		f.Field, f.Message, f.Hint = option.Option, option.Message, option.Hint
	case errors.As(err, &refused):
		f.Kind = pb.FailureKind_FAILURE_KIND_REFUSED
		f.Code, f.Field, f.Message = refused.Problem.Code, refused.Problem.Field, refused.Problem.Message
	case errors.As(err, &temporary):
		f.Kind = pb.FailureKind_FAILURE_KIND_TEMPORARY
		f.AfterMilliseconds = uint64(max(temporary.After, 0) / time.Millisecond)
	}
	return f
}

// Canceled says that the error of a call comes from its caller having called it off.
func Canceled(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// ErrorOf is the reverse of FailureOf.
func ErrorOf(f *pb.Failure) error {
	if f == nil {
		return nil
	}
	code := f.GetCode()
	if code == "" {
		code = "plugin.failed"
	}
	e := &pipeline.Error{Code: code, Message: f.GetMessage(), Hint: f.GetHint()}
	switch f.GetKind() {
	case pb.FailureKind_FAILURE_KIND_UNREACHABLE:
		e.Unreachable = true
	case pb.FailureKind_FAILURE_KIND_OPTION:
		return &pipeline.OptionError{Option: f.GetField(), Message: f.GetMessage(), Hint: f.GetHint()}
	case pb.FailureKind_FAILURE_KIND_REFUSED:
		return &pipeline.Refused{Problem: pipeline.Problem{Code: code, Field: f.GetField(), Message: f.GetMessage()}}
	case pb.FailureKind_FAILURE_KIND_TEMPORARY:
		return &pipeline.Temporary{Err: e, After: time.Duration(min(f.GetAfterMilliseconds(), 1<<32)) * time.Millisecond}
	}
	return e
}

// Windows are how many bytes gRPC lets travel before the other side has taken them: enough for a few batches, so that their size and not the
// round trip sets the pace.
const (
	streamWindow     = 4 << 20
	connectionWindow = 16 << 20
)

// ServerOptions are those of a plugin's gRPC server.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connectionWindow)}
}

// DialOptions are those of usher's gRPC client.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connectionWindow)}
}
