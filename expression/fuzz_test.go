package expression

import (
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/usher-id/usher/value"
)

// FuzzCompileEval holds that no text panics or runs long, that errors have their place inside the text, that results
// are values, and that the machine and the plain way agree.
func FuzzCompileEval(f *testing.F) {
	users := conformanceUsers(f)
	seen := map[string]bool{}
	conformance(f, func(_, expression, _ string, _, _ string) {
		if !seen[expression] {
			seen[expression] = true
			f.Add(expression)
		}
	})
	for _, s := range exprExpressions {
		f.Add(s.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start := time.Now()
		p, err := Compile(text, Options{Env: func(string) (string, bool) { return "x", true }})
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("compiling took %v", took)
		}
		if err != nil {
			var e *SyntaxError
			if !errors.As(err, &e) || e.Code == "" || e.Message == "" {
				t.Fatalf("%v is no SyntaxError", err)
			}
			if e.Offset < 0 || e.Length < 0 || e.Offset+e.Length > len(text) {
				t.Fatalf("the place %d+%d of %q is outside the text", e.Offset, e.Length, e.Message)
			}
			return
		}
		slow, err := compile(text, Options{Env: func(string) (string, bool) { return "x", true }}, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, user := range users.All() {
			start := time.Now()
			v, present, err := p.Lookup(user)
			if took := time.Since(start); took > 10*time.Second {
				t.Fatalf("evaluating took %v", took)
			}
			if err != nil {
				var e *EvalError
				if !errors.As(err, &e) || e.Code == "" || e.Message == "" {
					t.Fatalf("%v is no EvalError", err)
				}
				if e.Code == "expression.internal" {
					t.Fatalf("a defect: %v", e.Message)
				}
				if e.Offset < 0 || e.Length < 0 || e.Offset+e.Length > len(text) {
					t.Fatalf("the place %d+%d is outside the text", e.Offset, e.Length)
				}
				continue
			}
			if !isValue(v) {
				t.Fatalf("%T is no value", v)
			}
			v2, present2, err := slow.Lookup(user)
			if err != nil || present != present2 || value.Kind(v) != value.Kind(v2) {
				t.Fatalf("plain %v, machine %v %v", v, v2, err)
			}
		}
	})
}

// isValue says whether v is a value of package value, all through, and holds no broken text.
func isValue(v any) bool {
	switch v := v.(type) {
	case nil, bool, int64, float64, value.Number, []byte, time.Time, value.Secret:
		return true
	case string:
		return utf8.ValidString(v)
	case []any:
		for _, e := range v {
			if !isValue(e) {
				return false
			}
		}
		return true
	case *value.Object:
		for _, e := range v.All() {
			if !isValue(e) {
				return false
			}
		}
		return true
	}
	return false
}
