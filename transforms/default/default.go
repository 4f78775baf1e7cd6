// Package defaults fills in fields that records lack.
package defaults

import (
	"context"
	"errors"

	"github.com/usher-id/usher/expression"
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
` + "`user`" + `. A result that is absent leaves the field as it is. An expression that fails, fails its record.`,
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
		nullParent := nullParent(r.Fields, f.Target)
		if nullParent != "" && !t.replaceNull {
			continue
		}
		v := f.Constant
		if f.Program != nil {
			result, present, err := f.Program.Lookup(r.Fields)
			if err != nil {
				p := pipeline.Problem{Code: "default.failed", Field: f.Target, Message: err.Error() + ", in `" + f.Program.Text() + "`"}
				if e := (*expression.EvalError)(nil); errors.As(err, &e) {
					p.Code = e.Code
				}
				r.Fail(p)
				return
			}
			if !present {
				continue
			}
			v = result
		}
		if !copied {
			r.Fields, copied = r.Fields.Clone(), true
		}
		if nullParent != "" {
			r.Fields.DeletePath(nullParent)
		}
		if !r.Fields.SetPath(f.Target, v) {
			r.Fail(pipeline.Problem{Code: "default.conflict", Field: f.Target, Message: "a part of the name is the name of a value that is no object"})
			return
		}
	}
}

// nullParent gives the part of a dotted name that is there and null, if there is one.
func nullParent(o *value.Object, target string) string {
	for i := range len(target) {
		if target[i] == '.' {
			if v, ok := o.GetPath(target[:i]); ok && v == nil {
				return target[:i]
			}
		}
	}
	return ""
}
