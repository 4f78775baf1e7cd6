package definition

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Test is one entry of a file's tests: what the transforms make of an input.
type Test struct {
	Name string
	Line int
	// Input is the record as the source would read it.
	Input *value.Object
	// Expect holds fields that the record must have after the transforms, null where they must be null; nil asks for
	// none. With Exact, it must have no others.
	Expect *value.Object
	Exact  bool
	// Outcome is mapped, skipped or failed; Reason is that of a skipped record; Errors are codes that a failed one
	// must have.
	Outcome string
	Reason  string
	Errors  []string
}

// The outcomes of a Test.
const (
	Mapped        = "mapped"
	testedSkipped = "skipped"
	testedFailed  = "failed"
)

// TestResult is what became of a Test.
type TestResult struct {
	Name   string `json:"name"`
	Line   int    `json:"line"`
	Passed bool   `json:"passed"`
	// Differences say what is not as expected. Secrets do not show.
	Differences []Difference `json:"differences"`
}

// Difference is one thing that is not as a test expects.
type Difference struct {
	// Field is the dotted name of a field, or outcome, reason or errors.
	Field string `json:"field"`
	// Want and Got are JSON, or "absent".
	Want string `json:"want"`
	Got  string `json:"got"`
}

var testKeys = []string{"name", "input", "expect", "exact", "outcome", "reason", "errors"}

func (l *loader) tests(e entry) []Test {
	if isNull(e.value) {
		return nil
	}
	if e.value.Kind != yaml.SequenceNode {
		l.report(e.value, "config.wrong_type", "tests are a list, not "+kindOf(e.value), "begin each test with -")
		return nil
	}
	tests := make([]Test, 0, len(e.value.Content))
	for i, item := range e.value.Content {
		item = follow(item)
		if item.Kind != yaml.MappingNode {
			l.report(item, "config.wrong_type", "a test is a map, not "+kindOf(item), "give it an input and what to expect")
			continue
		}
		tests = append(tests, l.test(i, item))
	}
	return tests
}

func (l *loader) test(i int, n *yaml.Node) Test {
	t := Test{Name: fmt.Sprintf("test %d", i+1), Line: n.Line}
	o := options{l, "a test", map[string]*yaml.Node{}}
	text := func(e entry, enum ...string) string {
		v, ok := o.option(e.key, e.value, pipeline.Option{Name: e.name, Enum: enum}, "")
		if !ok {
			return ""
		}
		return v.(string)
	}
	for _, e := range l.entries(n) {
		switch e.name {
		case "name":
			t.Name = text(e)
		case "input":
			t.Input = l.fields(e)
		case "expect":
			t.Expect = l.fields(e)
		case "exact":
			if v, ok := o.option(e.key, e.value, pipeline.Option{Name: e.name, Type: pipeline.Bool}, ""); ok {
				t.Exact = v.(bool)
			}
		case "outcome":
			t.Outcome = text(e, Mapped, testedSkipped, testedFailed)
		case "reason":
			t.Reason = text(e, pipeline.Filtered, pipeline.Exists, pipeline.Unchanged, pipeline.Gone)
		case "errors":
			if v, ok := o.option(e.key, e.value, pipeline.Option{Name: e.name, List: true}, ""); ok {
				t.Errors = v.([]string)
			}
		default:
			l.unknown(e.key, "config.unknown_key", fmt.Sprintf("a test has no key %q", e.name), testKeys)
		}
	}
	if t.Outcome == "" {
		switch {
		case t.Reason != "":
			t.Outcome = testedSkipped
		case len(t.Errors) > 0:
			t.Outcome = testedFailed
		default:
			t.Outcome = Mapped
		}
	}
	switch {
	case t.Input == nil:
		l.report(n, "config.missing_key", "the test has no input", "input: and under it the fields of a record").length = 1
	case t.Expect != nil && t.Outcome != Mapped:
		l.report(n, "config.bad_value", "a record that is "+t.Outcome+" has no fields to expect", "take out expect, or the outcome").length = 1
	}
	return t
}

// fields reads a record: keys with a dot are nested, as in a mapping.
func (l *loader) fields(e entry) *value.Object {
	if e.value.Kind != yaml.MappingNode {
		l.report(e.value, "config.wrong_type", fmt.Sprintf("%s is a map of fields, not %s", e.name, kindOf(e.value)), "")
		return nil
	}
	v, _ := l.value(e.value)
	return v.(*value.Object)
}

// Test runs the file's tests through its transforms, without its source and sink.
func (p *Pipeline) Test(ctx context.Context) ([]TestResult, error) {
	results := make([]TestResult, 0, len(p.Tests))
	for _, t := range p.Tests {
		r, err := p.transform(ctx, t)
		if err != nil {
			return results, err
		}
		differences := t.compare(&r)
		results = append(results, TestResult{Name: t.Name, Line: t.Line, Passed: len(differences) == 0, Differences: differences})
	}
	return results, nil
}

// transform gives a test's record as the transforms leave it. Each test is a run of its own.
func (p *Pipeline) transform(ctx context.Context, t Test) (r pipeline.Record, err error) {
	batch := &pipeline.Batch{Records: []pipeline.Record{{
		Ref: pipeline.Ref{Origin: t.Name, Line: 1}, Source: t.Input, Fields: t.Input,
	}}}
	for _, transform := range p.Transforms {
		if ordered, ok := transform.(pipeline.Ordered); ok {
			if err := ordered.Ordered(ctx); err != nil {
				return r, err
			}
		}
		if c, ok := transform.(io.Closer); ok {
			defer func() { err = first(err, c.Close()) }()
		}
		if err := transform.Apply(ctx, batch); err != nil {
			return r, err
		}
	}
	return batch.Records[0], nil
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (t *Test) compare(r *pipeline.Record) []Difference {
	differences := []Difference{}
	outcome := Mapped
	if !r.Open() {
		outcome = r.Outcome.Decision.String()
	}
	if outcome != t.Outcome {
		got := outcome
		if r.Outcome.Reason != "" {
			got += ": " + r.Outcome.Reason
		}
		for _, problem := range r.Outcome.Errors {
			got += fmt.Sprintf("; %s [%s]", problem, problem.Code)
		}
		return append(differences, Difference{"outcome", t.Outcome, got})
	}
	if t.Reason != "" && t.Reason != r.Outcome.Reason {
		differences = append(differences, Difference{"reason", t.Reason, r.Outcome.Reason})
	}
	codes := []string{}
	for _, problem := range r.Outcome.Errors {
		codes = append(codes, problem.Code)
	}
	for _, want := range t.Errors {
		if !slices.Contains(codes, want) {
			differences = append(differences, Difference{"errors", want, strings.Join(codes, ", ")})
		}
	}
	if t.Expect != nil {
		differences = compareFields(differences, "", t.Expect, r.Fields, t.Exact)
	}
	return differences
}

// compareFields adds what the fields of got have otherwise than those of want, and with exact what they have beyond.
func compareFields(differences []Difference, prefix string, want, got *value.Object, exact bool) []Difference {
	for name, w := range want.All() {
		g, present := got.Get(name)
		if !present && strings.Contains(name, ".") {
			g, present = got.GetPath(name)
		}
		wantObject, wantNested := w.(*value.Object)
		gotObject, gotNested := g.(*value.Object)
		switch {
		case present && wantNested && gotNested:
			differences = compareFields(differences, prefix+name+".", wantObject, gotObject, exact)
		case !present:
			differences = append(differences, Difference{prefix + name, shown(name, w), "absent"})
		case !equal(w, g):
			differences = append(differences, Difference{prefix + name, shown(name, w), shown(name, g)})
		}
	}
	if exact {
		for name, g := range got.All() {
			if _, ok := want.Get(name); !ok && !dottedIn(want, name) {
				differences = append(differences, Difference{prefix + name, "absent", shown(name, g)})
			}
		}
	}
	return differences
}

// dottedIn reports whether some dotted name of want leads into the field.
func dottedIn(want *value.Object, name string) bool {
	for w := range want.All() {
		if strings.HasPrefix(w, name+".") {
			return true
		}
	}
	return false
}

// shown gives a value as JSON without secrets.
func shown(name string, v any) string {
	if v != nil && pipeline.IsSecret(name, v) {
		return value.Redacted
	}
	return string(value.AppendRedacted(nil, v, pipeline.IsSecret))
}

// equal compares a value from the file with one from a transform: numbers by what they are, instants and bytes by
// their JSON form, secrets by their text.
func equal(want, got any) bool {
	switch g := got.(type) {
	case value.Secret:
		got = g.Reveal()
	case time.Time:
		got = g.Format(time.RFC3339Nano)
	case []byte:
		got = base64.StdEncoding.EncodeToString(g)
	}
	switch w := want.(type) {
	case *value.Object:
		g, ok := got.(*value.Object)
		return ok && len(compareFields(nil, "", w, g, true)) == 0
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(w, g, equal)
	case int64, float64, value.Number:
		return sameNumber(w, got)
	}
	return want == got
}

// sameNumber compares numbers by their digits, and as floats where those hold them exactly: 1 and 1.0 are the same.
func sameNumber(a, b any) bool {
	if value.Kind(b) != "number" {
		return false
	}
	const exact = 1 << 53
	x, y := float(a), float(b)
	if x < exact && x > -exact && y < exact && y > -exact {
		return x == y
	}
	return string(value.AppendJSON(nil, a)) == string(value.AppendJSON(nil, b))
}

func float(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case value.Number:
		return v.Float64()
	}
	return 0
}
