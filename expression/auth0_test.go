package expression

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/usher-id/usher/value"
)

const (
	exportGuide = "../docs/guide/export.md"
	tableBegins = "<!-- what expressions give; made by go generate ./expression -->\n"
	tableEnds   = "<!-- end -->\n"
)

// auth0Cases are expressions as they were written for the export extension of Auth0, with what it made of them; testdata/auth0.mjs says how.
type auth0Case struct {
	Expression string `json:"expression"`
	User       string `json:"user"`
	There      string `json:"there"`
	Here       string `json:"here"`
}

// exportCell says what an export's cell is for an expression, and whether that is told before the export begins.
func exportCell(t *testing.T, c auth0Case) string {
	user, err := value.ParseJSON([]byte(c.User))
	if err != nil {
		t.Fatal(c.User, err)
	}
	p, err := Compile(c.Expression, Options{})
	if err != nil {
		return "an error before anything is read"
	}
	v, err := p.Eval(user)
	var failed *EvalError
	if errors.As(err, &failed) {
		return "empty, with a warning"
	}
	switch f, isFloat := v.(float64); {
	case v == nil:
		return "empty"
	case isFloat && (math.IsNaN(f) || math.IsInf(f, 0)):
		return "empty, with a warning"
	}
	return string(value.AppendJSON(nil, v))
}

// What the guide says of expressions from Auth0's extension is so.
func TestReferenceOfExports(t *testing.T) {
	raw, err := os.ReadFile("testdata/auth0.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []auth0Case
	if err := json.Unmarshal(raw, &cases); err != nil || len(cases) < 30 {
		t.Fatal(len(cases), err)
	}
	var table strings.Builder
	table.WriteString("| expression | user | there | here |\n|---|---|---|---|\n")
	code := func(s string) string {
		s = strings.ReplaceAll(s, "|", `\|`)
		if strings.Contains(s, "`") {
			return "`` " + s + " ``"
		}
		return "`" + s + "`"
	}
	cell := func(s string) string {
		switch {
		case s == "left out":
			return "the column is missing"
		case strings.HasPrefix(s, "aborted: "):
			return "the whole export is aborted (" + strings.TrimPrefix(s, "aborted: ") + ")"
		case strings.HasPrefix(s, "empty"), strings.HasPrefix(s, "an error"):
			return s
		}
		return code(s)
	}
	for i := range cases {
		c := &cases[i]
		here := exportCell(t, *c)
		if *update {
			c.Here = here
		}
		if c.Here != here {
			t.Errorf("%s of %s = %s; want %s", c.Expression, c.User, here, c.Here)
		}
		if c.There == "" {
			t.Errorf("%s: auth0.mjs has not filled in what Auth0 gave", c.Expression)
		}
		table.WriteString("| " + code(c.Expression) + " | " + code(c.User) + " | " + cell(c.There) + " | " + cell(c.Here) + " |\n")
	}
	page, err := os.ReadFile(exportGuide)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), tableBegins)
	_, after, ended := strings.Cut(rest, tableEnds)
	if !found || !ended {
		t.Fatal("the guide has no place for the table")
	}
	want := before + tableBegins + table.String() + tableEnds + after
	if *update {
		lines := make([]string, len(cases))
		for i, c := range cases {
			var b strings.Builder
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			if err := e.Encode(c); err != nil {
				t.Fatal(err)
			}
			lines[i] = strings.TrimSpace(b.String())
		}
		for path, text := range map[string]string{exportGuide: want, "testdata/auth0.json": "[\n" + strings.Join(lines, ",\n") + "\n]\n"} {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	} else if want != string(page) {
		t.Error("docs/guide/export.md is stale: run go generate ./expression")
	}
}
