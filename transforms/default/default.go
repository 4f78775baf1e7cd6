// Package defaults fills in fields that records lack.
package defaults

import (
	"context"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Type is the connector.
var Type = pipeline.TransformType{
	Spec: pipeline.Spec{
		Name:    "default",
		Summary: "Fills in fields that are absent or null.",
		Rest:    "fields",
		Doc: `Every name that is no option is a field, with the expression that gives its value where the record has none. Names nest, by dots
or by indentation; a parent that is absent or null is made. Fields are filled in one after the other, and an expression sees those before it as
` + "`user`" + `. A result that is absent leaves the field as it is. An expression that fails, or
whose result is or holds no number (NaN), fails its record.`,
		Options: []pipeline.Option{
			{Name: "fields", Type: pipeline.Mapping, Example: "{ locale: \"'zh-CN'\", email_verified: false }",
				Doc: "The fields; for those whose names are options of this transform. All others can be written without it."},
			{Name: "replace_null", Type: pipeline.Bool, Default: "true",
				Doc: "Whether a field that is there and null is filled in. If not, null stays, which for an update means to remove the attribute."},
		},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Transform, error) {
		return &Transform{fields: c.Mapping("fields"), replaceNull: c.Bool("replace_null")}, nil
	},
}

// Transform fills in fields.
type Transform struct {
	pipeline.UnimplementedTransform
	fields      []pipeline.Assignment
	replaceNull bool
}

// Apply implements pipeline.Transform.
func (t *Transform) Apply(_ context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		if r := &b.Records[i]; r.Open() {
			t.apply(r)
		}
	}
	return nil
}

func (t *Transform) apply(r *pipeline.Record) {
	copied := false
	for i := range t.fields {
		f := &t.fields[i]
		if v, ok := r.Fields.GetPath(f.Target); ok && (v != nil || !t.replaceNull) {
			continue
		}
		if !t.replaceNull && hasNullParent(r.Fields, f.Target) {
			continue
		}
		v := f.Constant
		if f.Program != nil {
			result, present, err := f.Program.Lookup(r.Fields)
			if err != nil {
				r.Fail(pipeline.EvalProblem(f.Target, "", err))
				return
			}
			if !present {
				continue
			}
			if v = result; !value.Finite(v) {
				r.Fail(pipeline.Problem{Code: "default.not_a_number", Field: f.Target,
					Message: "the result of " + pipeline.ShowExpression(f.Program.Text()) + " is, or holds, what should be a number and is none"})
				return
			}
		}
		if !copied {
			r.Fields, copied = r.Fields.Clone(), true
		}
		if !r.Fields.SetPath(f.Target, v) {
			r.Fail(pipeline.Problem{Code: "default.conflict", Field: f.Target, Message: "a part of the name is the name of a value that is no object"})
			return
		}
	}
}

// hasNullParent says whether a part of a dotted name is there and null.
func hasNullParent(o *value.Object, target string) bool {
	for i := range len(target) {
		if target[i] == '.' {
			if v, ok := o.GetPath(target[:i]); ok && v == nil {
				return true
			}
		}
	}
	return false
}
