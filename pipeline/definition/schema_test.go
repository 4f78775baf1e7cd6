package definition_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
)

func compileSchema(t testing.TB, r *pipeline.Registry) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(definition.Schema(r)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertVocabs()
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
func instance(t testing.TB, text string) any {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
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

var good = []string{
	"source: kit\nsink: drop\npasswords: { refused: omit, for: auth0 }\n",
	"source: kit\nsink: drop\nprove: { user: ann, password: x }\n",
	"source: kit\nsink: drop\nprove: [ { where: user.id == 4, password: x, secrets: { pepper: y } }, { file: pairs.csv } ]\n",
	"source: kit\nsink: drop\n",
	"source: { kit: }\nsink: { drop: {} }\nmax_failures: 100\n",
	"source: { kit: { path: a.json, on: '${ON:-true}', room: 64KB, wait: 1m30s, types: { a: text } } }\nsink: { store: { dsn: 'x' } }\nmax_failures: 2%\n",
	"source: { kit: { cursor: { field: a }, keys: [user.a], parts: { size: 1 }, fill: { a.b: user.a, c: { d: null } } } }\nsink: drop\n",
	"source: kit\ntransforms: [ { filter: user.a }, { map: { a: user.a, keep: [x], b: { c: [1, user.x] } } } ]\nsink: drop\n",
	"source: kit\nsink: drop\ntests: [ { name: x, input: { a: 1 }, expect: { b: null }, exact: true }, { input: {}, outcome: skipped } ]\n",
}

func TestSchemaAcceptsWhatLoadAccepts(t *testing.T) {
	s := compileSchema(t, registry())
	for _, text := range good {
		if _, err := parse(t, text); err != nil {
			t.Errorf("not a good pipeline: %v", err)
		}
		if err := s.Validate(instance(t, text)); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	s := compileSchema(t, registry())
	for _, text := range []string{
		"sink: drop\n",
		"source: kit\n",
		"source: kit\nsink: store\n",
		"source: kit\nsink: { store: {} }\n",
		"source: kit\nsink: { store: { dsn: x, idntifier: y } }\n",
		"source: { kit: , other: }\nsink: drop\n",
		"source: nothing\nsink: drop\n",
		"source: kit\nsink: drop\nextra: 1\n",
		"source: { kit: { mode: quick } }\nsink: drop\n",
		"source: { kit: { on: 'yes' } }\nsink: drop\n",
		"source: { kit: { count: 1.5 } }\nsink: drop\n",
		"source: { kit: { wait: soon } }\nsink: drop\n",
		"source: { kit: { room: 5 stones } }\nsink: drop\n",
		"source: { kit: { cursor: {} } }\nsink: drop\n",
		"source: { kit: { fill: user.a } }\nsink: drop\n",
		"source: kit\ntransforms: { filter: user.a }\nsink: drop\n",
		"source: kit\ntransforms: [ { filter: { wehre: user.a } } ]\nsink: drop\n",
		"source: kit\ntransforms: [ { map: { .a: user.a } } ]\nsink: drop\n",
		"source: kit\nsink: drop\nmax_failures: some\n",
		"source: kit\nsink: drop\ntests: [ { expect: {} } ]\n",
		"source: kit\nsink: drop\ntests: [ { input: {}, outcome: lost } ]\n",
	} {
		if err := s.Validate(instance(t, text)); err == nil {
			t.Errorf("accepted:\n%s", text)
		}
		if _, err := parse(t, text); err == nil {
			t.Errorf("Load accepts:\n%s", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range good {
		f.Add([]byte(text))
	}
	f.Add([]byte("a: &a [*a, \"\\u00e9\\\n x\"]\n<<: [*a]\n"))
	f.Add([]byte("source:\n  kit:\n    only: |\n      user.a +\n    text: 'a''${X:-b}'\nsink: !!str drop\n"))
	r := registry()
	path := filepath.Join(f.TempDir(), "p.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := definition.Parse(path, text, r, pipeline.Env{})
		if err == nil {
			if p.Source == nil || p.Sink == nil {
				t.Fatal("half a pipeline")
			}
			return
		}
		var ds definition.Diagnostics
		if !errors.As(err, &ds) || len(ds) == 0 {
			t.Fatalf("%T", err)
		}
		lines := strings.Count(string(text), "\n") + strings.Count(string(text), "\r") + 2
		for _, d := range ds {
			if d.Code == "" || d.Message == "" || d.Line < 0 || d.Line > lines || d.Line > 0 && (d.Column < 1 || d.Excerpt == "") {
				t.Errorf("%+v", d)
			}
		}
	})
}
