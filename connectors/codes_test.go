package connectors

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// notCodes are names in the source that look like codes.
var notCodes = []string{
	"cursor.initial", "cursor.overlap", "password.expire_after", "password.plain", "run.json", "store.db", "user.created_at", "user.email",
	"user.email_verified", "user.family_name", "user.given_name", "user.name", "user.nickname", "user.picture", "user.updated_at",
}

// TestCodesAreTold has docs/reference/codes.md hold every code that the source can give, and no other. Areas are those of
// the page and of literals behind Code:; every name in one is a code wherever it stands.
func TestCodesAreTold(t *testing.T) {
	const page = "../docs/reference/codes.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z]+\\.[a-z0-9_]+)` \\| (.*?) \\| .+ \\|$")
	told, areas := map[string]bool{}, map[string]bool{}
	var order []string
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		told[m[1]] = true
		area, _, _ := strings.Cut(m[1], ".")
		areas[area] = true
		order = append(order, m[1])
		for _, of := range strings.Split(m[2], ", ") {
			if !slices.Contains([]string{"record", "warning", "run", "file", "usage", "answer"}, of) {
				t.Errorf("%s is of %q", m[1], of)
			}
		}
	}
	sorted := slices.Sorted(slices.Values(order))
	if !slices.Equal(order, slices.Compact(sorted)) {
		t.Error("the codes are not in order, or one is there twice")
	}

	names := map[string]token.Position{}
	for _, root := range []string{"../cmd", "../expression", "../identity", "../password", "../pipeline", "../plugins", "../presets", "../sinks", "../sources", "../transforms"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testdata" || d.Name() == "templates" || d.Name() == "acceptance"):
				return filepath.SkipDir
			case filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go"):
				return namesOf(path, areas, names)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, at := range names {
		area, _, _ := strings.Cut(name, ".")
		if areas[area] && !told[name] && !slices.Contains(notCodes, name) {
			t.Errorf("%s: the code %s is not in %s (or, if it is none, in notCodes)", at, name, page)
		}
	}
	for _, name := range slices.Concat(order, notCodes) {
		if _, ok := names[name]; !ok {
			t.Errorf("%s is nowhere in the source", name)
		}
	}
}

// namesOf adds the strings of a file that look like codes, and the areas of those that are.
func namesOf(path string, areas map[string]bool, names map[string]token.Position) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		return err
	}
	looksLikeCode := regexp.MustCompile(`^[a-z]+\.[a-z][a-z0-9_]*$`)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			key, _ := n.Key.(*ast.Ident)
			value, _ := n.Value.(*ast.BasicLit)
			if key == nil || key.Name != "Code" {
				break
			}
			if _, joined := n.Value.(*ast.BinaryExpr); joined {
				err = fmt.Errorf("%s: a code is written in full, so that a search finds it", set.Position(n.Pos()))
			}
			if value != nil {
				area, _, _ := strings.Cut(strings.Trim(value.Value, `"`), ".")
				areas[area] = true
			}
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && looksLikeCode.MatchString(s) {
				names[s] = set.Position(n.Pos())
			}
		}
		return true
	})
	return err
}
