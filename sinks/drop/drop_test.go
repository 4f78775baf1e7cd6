package drop

import (
	"testing"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
)

func TestAcceptance(t *testing.T) {
	acceptance.Sink(t, acceptance.SinkCase{
		Target: func(t *testing.T) acceptance.Target {
			return acceptance.Target{
				New:  func() pipeline.Sink { return acceptance.NewSink(t, Type, pipeline.Env{}, "{}") },
				Read: func() []string { return nil },
			}
		},
		Records: []string{`{"a":1}`, `{"a":2}`, `{}`, `{"a":1}`},
	})
}
