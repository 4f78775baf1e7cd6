package expression

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"text/template"

	"github.com/usher-id/usher/value"
)

//go:generate go test -run TestReference . -update

var update = flag.Bool("update", false, "write docs/reference/expressions.md")

const referencePage = "../docs/reference/expressions.md"

type difference struct{ What, User, Expression, Here, JavaScript string }

func differences(t *testing.T) []difference {
	raw, err := os.ReadFile("testdata/differences.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []difference
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// outcome writes what an expression gives as the reference does.
func outcome(text string, user any) string {
	p, err := Compile(text, Options{})
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Code
	}
	v, present, err := p.Lookup(user)
	var failed *EvalError
	if errors.As(err, &failed) {
		return failed.Code
	}
	if !present {
		return "nothing"
	}
	return string(value.AppendJSON(nil, v))
}

func TestDifferencesFromJavaScript(t *testing.T) {
	for _, d := range differences(t) {
		user, err := value.ParseJSON([]byte(d.User))
		if err != nil {
			t.Fatal(d.Expression, err)
		}
		if got := outcome(d.Expression, user); got != d.Here {
			t.Errorf("%s = %s; want %s", d.Expression, got, d.Here)
		}
		if d.JavaScript == "" {
			t.Errorf("%s: generate.mjs has not filled in what JavaScript gives", d.Expression)
		}
		if d.JavaScript == d.Here {
			t.Errorf("%s is no difference", d.Expression)
		}
	}
}

func TestExamples(t *testing.T) {
	for _, f := range Functions() {
		switch {
		case f.Signature == "":
			t.Errorf("%s has no signature", f.Name)
		case f.Doc == "" && f.Group != groupJavaScript && f.Group != groupMethods:
			t.Errorf("%s has no doc", f.Name)
		case f.Example != "":
			if got := outcome(f.Example, nil); got != f.Result {
				t.Errorf("%s = %s; want %s", f.Example, got, f.Result)
			}
		}
	}
}

func TestReference(t *testing.T) {
	type group struct {
		Name, Note string
		Functions  []FunctionDoc
	}
	page := struct {
		MaxText, MaxDepth, MaxSteps, MaxMemory int
		Groups                                 []*group
		Methods                                []FunctionDoc
		Differences                            []difference
	}{MaxText, MaxDepth, MaxSteps, MaxMemory >> 20, nil, nil, differences(t)}
	for _, f := range Functions() {
		if f.Group == groupMethods {
			page.Methods = append(page.Methods, f)
			continue
		}
		if n := len(page.Groups); n == 0 || page.Groups[n-1].Name != f.Group {
			g := &group{Name: f.Group}
			if f.Group == groupJavaScript {
				g.Note = "As in JavaScript, save for the differences below. The constants of `Math` and `Number` are there too."
			}
			page.Groups = append(page.Groups, g)
		}
		g := page.Groups[len(page.Groups)-1]
		g.Functions = append(g.Functions, f)
	}
	cell := strings.NewReplacer("|", `\|`, "\n", " ")
	tmpl := template.Must(template.New("reference.md.tmpl").Funcs(template.FuncMap{
		"cell": cell.Replace,
		"code": func(s string) string {
			if strings.Contains(s, "`") {
				return "`` " + cell.Replace(s) + " ``"
			}
			return "`" + cell.Replace(s) + "`"
		},
	}).ParseFiles("testdata/reference.md.tmpl"))
	var want bytes.Buffer
	if err := tmpl.Execute(&want, page); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll("../docs/reference", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(referencePage, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/reference/expressions.md is stale: run go generate ./expression")
	}
}
