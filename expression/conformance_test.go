package expression

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/usher-id/usher/value"
)

// conformance reads what Node gave for each expression and user; testdata/conformance/generate.mjs says how.
func conformance(t testing.TB, visit func(group, expression, who string, kind, text string)) {
	files, err := filepath.Glob("testdata/conformance/*.json")
	if err != nil || len(files) < 2 {
		t.Fatal("no conformance cases", err)
	}
	for _, file := range files {
		group := filepath.Base(file)
		if group == "users.json" {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []struct {
			Expression string
			Results    map[string][2]string
		}
		if err := json.Unmarshal(raw, &cases); err != nil {
			t.Fatal(file, err)
		}
		for _, c := range cases {
			for who, r := range c.Results {
				visit(group, c.Expression, who, r[0], r[1])
			}
		}
	}
}

func conformanceUsers(t testing.TB) *value.Object {
	raw, err := os.ReadFile("testdata/conformance/users.json")
	if err != nil {
		t.Fatal(err)
	}
	users, err := value.ParseJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	return users.(*value.Object)
}

// scriptKind names a result as the generator does, and gives its text.
func scriptKind(v any, present bool) (kind, text string) {
	if !present {
		return "undefined", ""
	}
	text = string(value.AppendJSON(nil, v))
	switch v := v.(type) {
	case nil:
		return "null", text
	case bool:
		return "boolean", text
	case int64, value.Number:
		return "number", text
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			text = numberText(v)
		}
		return "number", text
	case string:
		return "string", text
	case []any:
		return "array", text
	}
	return "object", text
}

func TestConformsToJavaScript(t *testing.T) {
	users := conformanceUsers(t)
	expressions := map[string]bool{}
	n := 0
	conformance(t, func(group, expression, who, kind, text string) {
		n++
		expressions[expression] = true
		user, _ := users.Get(who)
		before := string(value.AppendJSON(nil, user))
		for _, fast := range []bool{true, false} {
			p, err := compile(expression, Options{}, fast)
			if err != nil {
				t.Errorf("%s: %s: %v", group, expression, err)
				return
			}
			v, present, err := p.Lookup(user)
			if err != nil {
				t.Errorf("%s: %s of %s: %v; want %s %s", group, expression, who, err, kind, text)
				return
			}
			if gotKind, got := scriptKind(v, present); gotKind != kind || got != text {
				t.Errorf("%s: %s of %s (plain %t) = %s %s; want %s %s", group, expression, who, fast, gotKind, got, kind, text)
			}
		}
		if string(value.AppendJSON(nil, user)) != before {
			t.Fatalf("%s changed the user", expression)
		}
	})
	if len(expressions) < 150 {
		t.Errorf("only %d expressions", len(expressions))
	}
	t.Logf("%d expressions, %d evaluations", len(expressions), n)
}
