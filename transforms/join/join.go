// Package join puts records of a second source into those of the first, by a key.
package join

import (
	"context"
	"strings"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
)

// Type is the connector.
var Type = pipeline.TransformType{
	Spec: pipeline.Spec{
		Name:    "join",
		Summary: "Puts the record of a second source that has the same key into each record.",
		Doc: `It stands before all transforms but ` + "`sort`" + ` and other joins. The order and places of the records stay; rejects have the shape of the first
source, and are joined again when they are retried. In ` + "`tests:`" + ` the input of a test holds the joined record under its name.

Keys are compared exactly: numbers by all their digits, so that ` + "`1`" + ` and ` + "`1.0`" + ` are one key and two ids of 19 digits never are by chance; texts byte by byte (write
` + "`lower(user.email)`" + ` on both sides where case does not count); times as instants. Values of different kinds are never the same: ` + "`42`" + ` is not ` + "`\"42\"`" + ` (write
` + "`String(user.id)`" + ` on the side that has numbers). An array compares several values at once. A key that is null, absent, NaN or an empty text,
or an array with one of these, matches nothing, not even its like.

A record without a partner has the warning ` + "`join.unmatched`" + `, or is skipped or failed with it. A run ends with the number of these, and of the joined records
that no record of the whole first source asked for; the files ` + "`unmatched.left.ndjson`" + ` and ` + "`unmatched.right.ndjson`" + ` of the run name their places.

The second source is read to its end before the first record travels on, and once a run. What does not fit into ` + "`memory`" + ` lies in temporary files that have
no name and mode 0600, in the folder that TMPDIR names: as much as the second source holds, and 32 bytes a record. A resumed run reads both
sources from their start and stops if what it passes over is not what it was.`,
		Options: []pipeline.Option{
			{Name: "source", Type: pipeline.SourceOption, Required: true, Doc: "The second source, with its options.", Example: "{ json: hashes.ndjson }"},
			{Name: "on", Type: pipeline.Object, Required: true, Doc: "The keys that have to be the same.", Example: "{ left: lower(user.email), right: lower(user.email) }", Fields: []pipeline.Option{
				{Name: "left", Type: pipeline.Expression, Required: true, Doc: "The key of a record; `user` is the record of the first source, with what earlier joins put into it.", Example: "lower(user.email)"},
				{Name: "right", Type: pipeline.Expression, Required: true, Doc: "The key of a record of the second source, which is `user` here.", Example: "lower(user.email)"},
			}},
			{Name: "as", Type: pipeline.String, Required: true, Doc: "The field that holds the joined record; a record that has such a field already fails.", Example: "credentials"},
			{Name: "several", Type: pipeline.String, Enum: []string{several.fail, several.first, several.list}, Default: several.fail,
				Doc: "What becomes of a record with several partners: it fails, or it has the `first` of them and a warning. With `list`, `as` is always a list, empty where there is none; more than 10000 partners fail."},
			{Name: "unmatched", Type: pipeline.String, Enum: []string{unmatched.keep, unmatched.skip, unmatched.fail}, Default: unmatched.keep,
				Doc: "What becomes of a record without a partner: it goes on with null (or an empty list) in `as`, is skipped as filtered, or fails."},
			{Name: "memory", Type: pipeline.Size, Default: "32MB", Doc: "How much of the second source is held before files are used."},
		},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Transform, error) {
		on := c.Object("on")
		t := &Transform{source: c.Source("source"), left: on.Expression("left"), right: on.Expression("right"), as: c.String("as"),
			several: c.String("several"), unmatched: c.String("unmatched"), memory: c.Int("memory")}
		if t.as == "" || strings.Contains(t.as, ".") {
			return nil, &pipeline.OptionError{Option: "as", Message: "it is the name of one field, without a dot"}
		}
		if t.memory <= 0 {
			return nil, &pipeline.OptionError{Option: "memory", Message: "it must be more than 0"}
		}
		return t, nil
	},
}

var (
	several   = struct{ fail, first, list string }{"fail", "first", "list"}
	unmatched = struct{ keep, skip, fail string }{"keep", "skip", "fail"}
)

// Transform joins.
type Transform struct {
	pipeline.UnimplementedTransform
	source             pipeline.Source
	left, right        *expression.Program
	as                 string
	several, unmatched string
	memory             int64
}

// Apply does nothing: records are joined where they come from.
func (t *Transform) Apply(context.Context, *pipeline.Batch) error { return nil }

// Arrange implements pipeline.Arranger.
func (t *Transform) Arrange(left pipeline.Source) pipeline.Source {
	s := &joined{t: t, left: left}
	if r, ok := left.(pipeline.Rejecter); ok {
		return &rejecter{s, r}
	}
	return s
}

// rejecter is a joined source whose rejects have the shape of the first.
type rejecter struct {
	*joined
	pipeline.Rejecter
}
