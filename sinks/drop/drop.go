// Package drop is a sink that keeps nothing.
package drop

import (
	"context"

	"github.com/usher-id/usher/pipeline"
)

// Type is the connector.
var Type = pipeline.SinkType{
	Spec: pipeline.Spec{
		Name:    "drop",
		Summary: "Takes every record and writes nothing.",
		Doc:     "Every record is `inserted`. It serves to measure, and to try a mapping without a target.",
	},
	New: func(pipeline.Env, *pipeline.Config) (pipeline.Sink, error) { return &Sink{}, nil },
}

// Sink drops records.
type Sink struct{ pipeline.UnimplementedSink }

// Open implements pipeline.Sink.
func (*Sink) Open(context.Context, pipeline.Run) error { return nil }

// Write implements pipeline.Sink.
func (*Sink) Write(_ context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		if r := &b.Records[i]; r.Open() {
			r.Outcome.Decision = pipeline.Inserted
		}
	}
	return nil
}
