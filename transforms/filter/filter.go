// Package filter leaves out records.
package filter

import (
	"context"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
)

// Type is the connector.
var Type = pipeline.TransformType{
	Spec: pipeline.Spec{
		Name:      "filter",
		Summary:   "Keeps the records for which an expression is true; the others are skipped: filtered.",
		Shorthand: "where",
		Doc: "What counts as true is JavaScript's truthiness: everything but null, a missing value, false, 0, NaN and the empty string. " +
			"A record for which the expression fails is a failed record.",
		Options: []pipeline.Option{
			{Name: "where", Type: pipeline.Expression, Required: true, Doc: "What must be true of a record.", Example: "user.status != 'deleted'"},
		},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Transform, error) {
		return &Transform{where: c.Expression("where")}, nil
	},
}

// Transform filters records.
type Transform struct {
	pipeline.UnimplementedTransform
	where *expression.Program
}

// ReadFields implements pipeline.FieldReader.
func (t *Transform) ReadFields() (names []string, changes bool) { return t.where.Paths(), false }

// Apply implements pipeline.Transform.
func (t *Transform) Apply(_ context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		v, err := t.where.Eval(r.Fields)
		if err != nil {
			r.Fail(pipeline.EvalProblem("", "filter: ", err))
		} else if !expression.Truthy(v) {
			r.Skip(pipeline.Filtered)
		}
	}
	return nil
}
