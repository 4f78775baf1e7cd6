// Package scaffold writes the project of a new plugin: small code that works, with its tests, a pipeline that uses it, and what to do next.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/template"

	"github.com/usher-id/usher/plugins/python"
)

// Files are made of a language, of a kind, and of the two together: those of the folders go, hasher and go-hasher make a hasher in Go.
//
//go:embed all:templates
var templates embed.FS

// The kinds and languages of plugins.
var (
	Kinds     = []string{"hasher", "source", "transform", "sink"}
	Languages = []string{"go", "python", "js"}
)

// Can reports whether plugins of a kind can be written in a language.
func Can(kind, language string) bool {
	_, err := fs.Stat(templates, "templates/"+language+"-"+kind)
	return err == nil
}

// Module is what a plugin in Go is built with.
const Module = "github.com/usher-id/usher"

// Project is what is to be written.
type Project struct {
	Kind, Language string
	// Name is the plugin's, a word in small letters.
	Name string
	// Version is the release of Module that a project in Go asks for. Checkout, if it is not empty, is the folder that it is taken from in place
	// of one; absolute.
	Version, Checkout string
}

var name = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// ValidName reports whether a plugin can be called so.
func ValidName(s string) bool { return name.MatchString(s) }

// Called is the name of the hasher or connector.
func (p Project) Called() string {
	if p.Kind == "hasher" {
		return p.Name
	}
	return strings.ReplaceAll(p.Name, "-", "_") // names of connectors have no hyphens
}

// The fields of templates, beside those of Project.

func (p Project) Title() string   { return strings.ToUpper(p.Kind[:1]) + p.Kind[1:] }
func (p Project) Pattern() string { return regexp.QuoteMeta(p.Called()) }
func (p Project) Module() string  { return Module }
func (p Project) Pad() string     { return strings.Repeat(" ", max(0, 12-len(p.Name))) }

// Data names the file that the pipeline reads.
func (p Project) Data() string {
	if p.Kind == "source" {
		return "people.txt"
	}
	return "users.ndjson"
}

// Class is the name of the class in Python: OldShop for old-shop.
func (p Project) Class() string {
	s := ""
	for _, word := range strings.FieldsFunc(p.Name, func(r rune) bool { return r == '-' || r == '_' }) {
		s += strings.ToUpper(word[:1]) + word[1:]
	}
	return s
}

func (p Project) GuideTitle() string {
	if p.Kind == "hasher" {
		return "Write a hasher in an hour"
	}
	return "Write a connector"
}

func (p Project) Guide() string {
	if p.Kind == "hasher" {
		return "https://" + Module + "/blob/main/docs/guide/write-a-hasher.md"
	}
	return "https://" + Module + "/blob/main/docs/guide/write-a-connector.md"
}

// Next are the commands that come next, in a shell.
func (p Project) Next(folder string) []string {
	run := "usher run pipeline.yaml"
	switch p.Language {
	case "go":
		test, program := "go test", "./"+p.Name
		if p.Checkout == "" {
			test = "go mod tidy && go test"
		}
		if runtime.GOOS == "windows" {
			program += ".exe"
		}
		return []string{"cd " + folder + " && " + test, "go build && usher plugins add " + program, run}
	case "python":
		return []string{"cd " + folder + " && usher plugins test plugin.py --name " + p.Name + " --command python3",
			"usher plugins add plugin.py --name " + p.Name + " --command python3 --file usher_plugin.py --file usher_plugin.binpb", run}
	}
	return []string{"cd " + folder + " && usher plugins test " + p.Name + ".js --command 'usher plugins node'",
		"usher plugins add " + p.Name + ".js --command 'usher plugins node'", run}
}

// File is one file of a project, by its name.
type File struct {
	Name string
	Data []byte
}

// Files gives the files of a project, by name.
func (p Project) Files() ([]File, error) {
	files := []File{}
	for _, layer := range []string{p.Language, p.Kind, p.Language + "-" + p.Kind} {
		layer = "templates/" + layer
		entries, err := templates.ReadDir(layer)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			data, err := p.fill(path.Join(layer, e.Name()))
			if err != nil {
				return nil, err
			}
			name := strings.TrimSuffix(strings.Replace(e.Name(), "NAME", p.Name, 1), ".tmpl")
			files = append(files, File{name, data})
		}
	}
	switch {
	case p.Language == "python":
		files = append(files, File{"usher_plugin.py", python.SDK}, File{"usher_plugin.binpb", python.Protocol})
	case p.Checkout != "":
		sums, err := os.ReadFile(filepath.Join(p.Checkout, "go.sum"))
		if err != nil {
			return nil, err
		}
		files = append(files, File{"go.sum", sums})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

func (p Project) fill(file string) ([]byte, error) {
	text, err := templates.ReadFile(file)
	if err != nil {
		return nil, err
	}
	t, err := template.New(file).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, p)
	return out.Bytes(), err
}

var moduleLine = regexp.MustCompile(`(?m)^module[ \t]+` + regexp.QuoteMeta(Module) + `[ \t\r]*\n`)

// Requirements are the rest of go.mod. With a checkout they are its own: the modules that it was built with are at hand, whatever can be reached.
func (p Project) Requirements() (string, error) {
	if p.Checkout == "" {
		return fmt.Sprintf("go %s\n\nrequire %s %s", strings.TrimPrefix(version.Lang(runtime.Version()), "go"), Module, p.Version), nil
	}
	text, err := os.ReadFile(filepath.Join(p.Checkout, "go.mod"))
	if err != nil {
		return "", err
	}
	rest := strings.TrimSpace(moduleLine.ReplaceAllString(string(text), ""))
	return fmt.Sprintf("%s\n\nrequire %s v0.0.0\n\nreplace %s => %s", rest, Module, Module, modPath(p.Checkout)), nil
}

// modPath spells a path as go.mod wants it.
func modPath(path string) string {
	if strings.ContainsAny(path, " \t\"'`()[]{},") {
		return fmt.Sprintf("%q", path)
	}
	return path
}

// IsCheckout reports whether a folder is the root of usher's own code.
func IsCheckout(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && moduleLine.Match(text)
}

// Checkout finds usher's own code in a folder or one above it; it gives "" if there is none.
func Checkout(dir string) string {
	for {
		if IsCheckout(dir) {
			return dir
		}
		above := filepath.Dir(dir)
		if above == dir {
			return ""
		}
		dir = above
	}
}

// ErrNotEmpty says that there is something in the folder already.
var ErrNotEmpty = errors.New("the folder is not empty")

// Write writes files into a folder, which it makes; if the folder exists it has to be empty.
func Write(folder string, files []File) error {
	entries, err := os.ReadDir(folder)
	if err == nil && len(entries) > 0 {
		return ErrNotEmpty
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(folder, f.Name), f.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
