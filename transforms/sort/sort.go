// Package sorting brings records into an order, however many there are.
package sorting

import (
	"context"
	"fmt"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Type is the connector.
var Type = pipeline.TransformType{
	Spec: pipeline.Spec{
		Name:      "sort",
		Summary:   "Brings all records into an order.",
		Shorthand: "by",
		Doc: `It stands before all other transforms but ` + "`join`" + `: ` + "`user`" + ` is the record as the source, and joins before it, gave it. Records whose keys are equal keep their order.

Keys of one kind are compared as what they are: numbers by their value, every digit of it; texts by Unicode code points, or as ` + "`locale`" + ` has it; times as
instants; false before true; arrays element by element, so that ` + "`[user.family_name, user.given_name]`" + ` sorts by two keys; objects by their JSON. Keys of different kinds come in
this order: booleans, numbers, times, texts, bytes, arrays, objects. Records without a key (null, absent or NaN) and those that could
not be read come last, also with ` + "`desc`" + `. A record whose key cannot be worked out is one of them, with a warning.

A source that can sort by itself, such as ` + "`store`" + ` by attributes of its own, is asked to. Otherwise nothing travels on before everything is read, and what does not fit into ` + "`memory`" + ` lies in temporary files, of mode 0600, in the folder that TMPDIR names;
they are as large as the records themselves. A run that is resumed reads and sorts again, and stops if the source has changed.`,
		Options: []pipeline.Option{
			{Name: "by", Type: pipeline.Expression, Required: true, Doc: "The key of a record.", Example: "lower(user.email)"},
			{Name: "desc", Type: pipeline.Bool, Default: "false", Doc: "The greatest key first.", Example: "true"},
			{Name: "locale", Type: pipeline.String, Example: "zh-Hans",
				Doc: "A language tag of BCP 47, by whose alphabet texts are compared (Unicode Collation Algorithm): ä beside a, 李 by its reading."},
			{Name: "memory", Type: pipeline.Size, Default: "16MB", Doc: "How much is held before files are used."},
		},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Transform, error) {
		t := &Transform{by: c.Expression("by"), desc: c.Bool("desc"), memory: c.Int("memory")}
		if t.memory <= 0 {
			return nil, &pipeline.OptionError{Option: "memory", Message: "it must be more than 0"}
		}
		if c.Has("locale") {
			tag, err := language.Parse(c.String("locale"))
			if err != nil {
				return nil, &pipeline.OptionError{Option: "locale", Message: fmt.Sprintf("%q is no language tag of BCP 47", c.String("locale")), Hint: "such as de, zh-Hans or sv-SE"}
			}
			t.locale = &tag
		}
		return t, nil
	},
}

// Transform sorts.
type Transform struct {
	pipeline.UnimplementedTransform
	by     *expression.Program
	desc   bool
	locale *language.Tag
	memory int64
}

// Apply does nothing: the order is made where the records come from.
func (t *Transform) Apply(context.Context, *pipeline.Batch) error { return nil }

// Arrange implements pipeline.Arranger.
func (t *Transform) Arrange(source pipeline.Source) pipeline.Source {
	if o, ok := source.(pipeline.Orderer); ok && t.locale == nil && o.OrderBy(t.by, t.desc) {
		return source
	}
	s := &sorted{t: t, source: source}
	if t.locale != nil {
		s.collator = collate.New(*t.locale)
	}
	if r, ok := source.(pipeline.Rejecter); ok {
		return &rejecter{s, r}
	}
	return s
}

// key gives a record's key, ready to be compared.
func (s *sorted) key(r *pipeline.Record) any {
	if r.Source == nil || !r.Open() {
		return nil
	}
	fields := r.Fields // a join before this one may have set them
	if fields == nil {
		fields = r.Source
	}
	v, err := s.t.by.Eval(fields)
	if err != nil {
		p := pipeline.EvalProblem("", "sort: ", err)
		p.Message += "; the record comes last"
		r.Warn(p)
		return nil
	}
	if s.collator != nil {
		v = s.collated(v)
	}
	return v
}

// collated replaces texts by what compares, byte by byte, as they do in the locale.
func (s *sorted) collated(v any) any {
	switch v := v.(type) {
	case string:
		s.buffer.Reset()
		return string(s.collator.KeyFromString(&s.buffer, v))
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = s.collated(e)
		}
		return list
	}
	return v
}

// rejecter is a sorted source whose rejects have the shape of the input.
type rejecter struct {
	*sorted
	pipeline.Rejecter
}

// text is the text of a number, as JSON has it.
func text(v any) string { return string(value.AppendJSON(nil, v)) }
