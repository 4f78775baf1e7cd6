package connectors_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/connectors"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
)

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(definition.Schema(connectors.Default())))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(definition.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(definition.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance gives a YAML text as the schema sees it.
func instance(t *testing.T, text []byte) any {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaValidatesEveryExample(t *testing.T) {
	s := schema(t)
	files, err := filepath.Glob("../examples/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc := instance(t, text)
		if err := s.Validate(doc); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		// The same file with a typing mistake in it is refused.
		doc.(map[string]any)["sourec"] = true
		if s.Validate(doc) == nil {
			t.Errorf("%s: accepted with a key that does not exist", file)
		}
	}
}

var (
	word     = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	variable = regexp.MustCompile(`\$\{([A-Z_]+)\}`)
)

// TestSpecs holds every connector to what documentation and forms are made of.
func TestSpecs(t *testing.T) {
	r := connectors.Default()
	for name, c := range r.Sources {
		checkSpec(t, "source "+name, name, c.Spec)
	}
	for name, c := range r.Transforms {
		checkSpec(t, "transform "+name, name, c.Spec)
	}
	for name, c := range r.Sinks {
		checkSpec(t, "sink "+name, name, c.Spec)
	}
}

func TestPresets(t *testing.T) {
	r, doc := connectors.Default(), schema(t)
	for source, presets := range r.Presets {
		known := r.Sources[source]
		if slices.ContainsFunc(known.Options, func(o pipeline.Option) bool { return o.Name == "preset" }) {
			t.Errorf("source %s has an option preset of its own", source)
		}
		for name, p := range presets {
			checkSpec(t, source+" "+name, name, p.Spec)
			for _, text := range []string{
				fmt.Sprintf("source:\n  %s: { path: export, preset: %s }\nsink: drop\n", source, name),
				p.Equivalent + "sink: drop\n",
			} {
				for _, m := range inExpression.FindAllStringSubmatch(p.Equivalent, -1) {
					t.Setenv(m[1], "text")
				}
				if _, err := definition.Parse(filepath.Join(t.TempDir(), "p.yaml"), []byte(text), r, pipeline.Env{}); err != nil {
					t.Errorf("%s %s: %v", source, name, err)
				}
				if err := doc.Validate(instance(t, []byte(text))); err != nil {
					t.Errorf("%s %s: %v", source, name, err)
				}
			}
		}
	}
}

var inExpression = regexp.MustCompile(`env\('([A-Z_]+)'\)`)

func checkSpec(t *testing.T, what, name string, s pipeline.Spec) {
	t.Helper()
	if s.Name != name || !word.MatchString(name) {
		t.Errorf("%s: the name is no word in small letters", what)
	}
	if s.Summary == "" || s.Summary[len(s.Summary)-1] != '.' {
		t.Errorf("%s: the summary is no sentence", what)
	}
	known := map[string]bool{"": true}
	for _, o := range s.Options {
		known[o.Name] = true
	}
	if !known[s.Shorthand] || !known[s.Rest] {
		t.Errorf("%s: shorthand or rest is no option", what)
	}
	checkOptions(t, what, s.Options)
}

func checkOptions(t *testing.T, what string, options []pipeline.Option) {
	t.Helper()
	seen := map[string]bool{}
	for _, o := range options {
		at := fmt.Sprintf("%s: %s", what, o.Name)
		if seen[o.Name] || !word.MatchString(o.Name) {
			t.Errorf("%s: not a name of its own in small letters", at)
		}
		seen[o.Name] = true
		if o.Doc == "" {
			t.Errorf("%s: no doc", at)
		}
		if o.Required && o.Default != "" {
			t.Errorf("%s: required, and has a default", at)
		}
		if o.List && o.Map {
			t.Errorf("%s: a list and a map", at)
		}
		if o.Type == pipeline.Object && len(o.Fields) == 0 {
			t.Errorf("%s: an object without fields", at)
		}
		if o.Example != "" {
			checkExample(t, at, o)
		}
		if o.Default != "" {
			o.Example = o.Default
			checkExample(t, at+" (default)", o)
		}
		checkOptions(t, what+" "+o.Name, o.Fields)
	}
}

// checkExample has a pipeline with the option, written as its example is, read by the real reader.
func checkExample(t *testing.T, at string, o pipeline.Option) {
	t.Helper()
	for _, m := range variable.FindAllStringSubmatch(o.Example, -1) {
		t.Setenv(m[1], "text")
	}
	o.Required, o.Default = false, ""
	taker := pipeline.SourceType{
		Spec: pipeline.Spec{Name: "taker", Options: []pipeline.Option{o}},
		New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
			if !c.Has(o.Name) {
				t.Errorf("%s: the example is no value", at)
			}
			return nil, nil
		},
	}
	nothing := pipeline.SinkType{
		Spec: pipeline.Spec{Name: "nothing"},
		New:  func(pipeline.Env, *pipeline.Config) (pipeline.Sink, error) { return nil, nil },
	}
	text := fmt.Sprintf("source:\n  taker:\n    %s: %s\nsink: nothing\n", o.Name, o.Example)
	if _, err := definition.Parse(filepath.Join(t.TempDir(), "p.yaml"), []byte(text), pipeline.NewRegistry(taker, nothing, connectors.Default().Sources["json"]), pipeline.Env{}); err != nil {
		t.Errorf("%s: %v", at, err)
	}
}
