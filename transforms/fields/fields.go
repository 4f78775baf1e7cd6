// Package fields makes records of named columns, as they are wanted in a file of users: each the result of an
// expression.
package fields

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// defaults are the fields that Auth0's User Import / Export Extension exports by default, under its column names and in
// its order (client/reducers/export.js, version 2.5.0). The values are those of the canonical user.
var defaults = [...][2]string{
	{"Id", "user.user_id ?? user.sub"},
	{"Given Name", "user.given_name"},
	{"Family Name", "user.family_name"},
	{"Nickname", "user.nickname"},
	{"Name", "user.name"},
	{"Email", "user.email"},
	{"Email Verified", "user.email_verified"},
	{"Picture", "user.picture"},
	{"Connection", "user.identities[0].connection ?? user.identities[0].provider"},
	{"Created At", "user.created_at"},
	{"Updated At", "user.updated_at"},
}

// Defaults gives the names and expressions of the default columns, in order.
func Defaults() [][2]string { return defaults[:] }

// Type is the connector.
var Type = pipeline.TransformType{
	Spec: pipeline.Spec{
		Name:    "fields",
		Summary: "Makes records of named columns by expressions, for a file of users.",
		Rest:    "fields",
		Doc: `Every name that is no option is a column, with the expression that gives its cells: ` + "`Full Name: user.user_metadata.name || user.name`" + `.
A name is taken as it stands, dots and spaces too. In the expressions ` + "`user`" + ` is the record as it arrives. Every record has all columns, in their order: first
those of ` + "`default`" + `, then the named ones, then those of ` + "`columns`" + `. Two columns of one name are an error; one that repeats a default column
with its very expression adds nothing.

A cell whose value is missing, also because something above it is missing, is null, which a CSV file or a workbook shows as an empty
cell; ` + "`false`, `0`" + ` and the empty string stay what they are. A cell whose expression fails, or gives no number (NaN), is null too, and its record has a warning that
names the column. With ` + "`strict`" + ` the record fails instead. Other cells and records go on in any case.

The columns of ` + "`default`" + ` are those that Auth0's export has by default:

` + defaultsTable() + `
The transform ` + "`map`" + ` is for records that are to be imported: there what is missing stays missing, and dots make objects.`,
		Options: []pipeline.Option{
			{Name: "fields", Type: pipeline.Mapping, Example: "{ Email: user.email, Plan: user.app_metadata.plan }",
				Doc: "The named columns; for those whose names are options of this transform. All others can be written without it."},
			{Name: "columns", Type: pipeline.Object, List: true, Example: "[{ name: Email, value: user.email }]",
				Doc: "Columns one by one, for whom a list is easier to make.",
				Fields: []pipeline.Option{
					{Name: "name", Type: pipeline.String, Required: true, Example: "Email", Doc: "The column's name."},
					{Name: "value", Type: pipeline.Expression, Required: true, Example: "user.email", Doc: "What gives its cells."},
				}},
			{Name: "default", Type: pipeline.Bool, Default: "false", Example: "true", Doc: "Begin with the default columns."},
			{Name: "strict", Type: pipeline.Bool, Default: "false", Example: "true", Doc: "Let a record fail if one of its cells does."},
		},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Transform, error) { return newTransform(c) },
}

func defaultsTable() string {
	var b strings.Builder
	b.WriteString("| column | expression |\n|---|---|\n")
	for _, d := range defaults {
		fmt.Fprintf(&b, "| %s | `%s` |\n", d[0], d[1])
	}
	return b.String()
}

// Transform makes columns.
type Transform struct {
	pipeline.UnimplementedTransform
	columns []column
	strict  bool
}

type column struct {
	name     string
	program  *expression.Program // nil for a constant
	constant any
}

func newTransform(c *pipeline.Config) (*Transform, error) {
	t := &Transform{strict: c.Bool("strict")}
	known := map[string]int{} // where a column stands
	add := func(option string, col column) error {
		if col.name == "" {
			return &pipeline.OptionError{Option: option, Message: "a column has no name"}
		}
		i, twice := known[col.name]
		switch {
		case !twice:
			known[col.name] = len(t.columns)
			t.columns = append(t.columns, col)
			return nil
		case c.Bool("default") && i < len(defaults) && col.program != nil && col.program.Text() == defaults[i][1]:
			return nil
		}
		hint := "name one of them differently"
		if c.Bool("default") && i < len(defaults) {
			hint = "default brings one of this name: name this one differently, or leave default out"
		}
		return &pipeline.OptionError{Option: option, Message: fmt.Sprintf("there are two columns %q", col.name), Hint: hint}
	}
	if c.Bool("default") {
		for _, d := range defaults {
			program, err := expression.Compile(d[1], expression.Options{})
			if err != nil {
				return nil, err
			}
			if err := add("default", column{d[0], program, nil}); err != nil {
				return nil, err
			}
		}
	}
	for _, a := range c.Mapping("fields") {
		if err := add("fields."+a.Target, column{a.Target, a.Program, a.Constant}); err != nil {
			return nil, err
		}
	}
	for i, o := range c.Objects("columns") {
		if err := add(fmt.Sprintf("columns.%d.name", i), column{o.String("name"), o.Expression("value"), nil}); err != nil {
			return nil, err
		}
	}
	if len(t.columns) == 0 {
		return nil, &pipeline.OptionError{Option: "fields", Message: "there are no columns", Hint: "name some with their expressions, or write default: true"}
	}
	return t, nil
}

// SecretFields implements pipeline.SecretReader: the columns that show secrets under another name, or may.
func (t *Transform) SecretFields() []string {
	var names []string
	for _, c := range t.columns {
		if c.program != nil && slices.ContainsFunc(c.program.Paths(), readsSecret) {
			names = append(names, c.name)
		}
	}
	return names
}

// readsSecret reports whether a path leads to or past a secret; that of the whole record does.
func readsSecret(path string) bool {
	return path == "*" || slices.ContainsFunc(strings.Split(path, "."), func(name string) bool { return pipeline.IsSecret(name, "") })
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
	row := value.NewObject(len(t.columns))
	for i := range t.columns {
		c := &t.columns[i]
		v := c.constant
		if c.program != nil {
			var err error
			if v, err = c.program.Eval(r.Fields); err != nil {
				v = nil
				t.problem(r, pipeline.EvalProblem(c.name, "", err))
			} else if !value.Finite(v) {
				v = nil
				t.problem(r, pipeline.Problem{Code: "fields.not_a_number", Field: c.name,
					Message: "the result of " + pipeline.ShowExpression(c.program.Text()) + " is, or holds, what should be a number and is none"})
			}
		}
		row.Append(c.name, v)
	}
	if r.Open() {
		r.Fields = row
	}
}

func (t *Transform) problem(r *pipeline.Record, p pipeline.Problem) {
	if t.strict {
		r.Fail(p)
		return
	}
	p.Message += "; the cell is empty"
	r.Warn(p)
}
