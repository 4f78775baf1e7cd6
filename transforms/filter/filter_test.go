package filter

import (
	"testing"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
)

func TestAcceptance(t *testing.T) {
	acceptance.Transform(t, acceptance.TransformCase{
		New: func(t *testing.T) pipeline.Transform {
			return acceptance.NewTransform(t, Type, pipeline.Env{}, `"user.bad ? bool(user.bad) : user.x"`)
		},
		Records: []string{`{"x":1}`, `{"x":0}`, `{"x":""}`, `{"x":"0"}`, `{"x":null}`, `{}`, `{"x":[]}`, `{"x":{}}`, `{"x":false}`, `{"x":true}`, `{"bad":"hunter2"}`, `{"bad":"no"}`},
		Want: []string{`{"x":1}`, "skipped: filtered", "skipped: filtered", `{"x":"0"}`, "skipped: filtered", "skipped: filtered", `{"x":[]}`, `{"x":{}}`, "skipped: filtered",
			`{"x":true}`, "failed: expression.boolean", "skipped: filtered"},
		Secrets: []string{"hunter2"},
	})
}
