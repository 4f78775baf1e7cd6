// Package presets has the identity exports that usher knows by name: for each a file of data, in the folder of the source
// that reads it, with the options of that source and the mapping to users. `usher presets show NAME` prints it as the
// part of a pipeline file that it stands for.
package presets

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/transforms/filter"
	mapping "github.com/usher-id/usher/transforms/map"
)

//go:embed */*.yaml
var data embed.FS

// document is the file of a preset.
type document struct {
	Summary string
	Doc     string
	// Source has the options of the source.
	Source map[string]yaml.Node
	// Options are the preset's own: expressions read them with env, by the name of their variable.
	Options []parameter
	// Recognise is an expression that is true of records of such an export, empty where nothing tells them from others.
	Recognise string
	// Filter keeps the records that are users, Map makes them.
	Filter string
	Map    yaml.Node
}

type parameter struct {
	Name, Variable, Default, Doc, Example string
	Secret                                bool
}

// Types gives all presets, each as a pipeline.PresetType.
func Types() []any {
	files, err := fs.Glob(data, "*/*.yaml")
	if err != nil {
		panic("presets: " + err.Error())
	}
	types := make([]any, len(files))
	for i, file := range files {
		text, err := data.ReadFile(file)
		if err != nil {
			panic("presets: " + err.Error())
		}
		t, err := read(path.Dir(file), strings.TrimSuffix(path.Base(file), ".yaml"), string(text))
		if err != nil {
			panic(fmt.Sprintf("presets: %s: %v", file, err))
		}
		types[i] = t
	}
	return types
}

func read(source, name, text string) (pipeline.PresetType, error) {
	var d document
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&d); err != nil {
		return pipeline.PresetType{}, err
	}
	fields := section(text, "map")
	t := pipeline.PresetType{
		Spec:          pipeline.Spec{Name: name, Summary: d.Summary, Doc: d.Doc},
		Source:        source,
		SourceOptions: map[string]string{},
		Equivalent:    equivalent(source, section(text, "source"), d.Filter, fields),
	}
	for option, v := range d.Source {
		asYAML, err := yaml.Marshal(&v)
		if err != nil {
			return t, err
		}
		t.SourceOptions[option] = string(asYAML)
	}
	if d.Recognise != "" {
		program, err := definition.CompileExpression(d.Recognise)
		if err != nil {
			return t, err
		}
		t.Recognise = program
	}
	for _, p := range d.Options {
		t.Options = append(t.Options, pipeline.Option{Name: p.Name, Type: pipeline.String, Default: p.Default, Secret: p.Secret, Doc: p.Doc, Example: p.Example})
	}
	if d.Filter != "" {
		t.Options = append(t.Options, pipeline.Option{Name: "filter", Type: pipeline.Expression, Default: quoted(d.Filter),
			Doc: "Which records are users; the others are skipped: filtered."})
	}
	t.Options = append(t.Options, pipeline.Option{Name: "map", Type: pipeline.Mapping, Example: "{ custom_attributes.origin: \"'" + name + "'\" }",
		Doc: "Fields to map otherwise than the preset does, or beside those of the preset: `user` is the record as it stands in the export. `undefined` takes a field out."})
	t.New = func(env pipeline.Env, c *pipeline.Config) ([]pipeline.Transform, error) {
		return transforms(env, c, d, fields)
	}
	return t, nil
}

func transforms(env pipeline.Env, c *pipeline.Config, d document, fields string) ([]pipeline.Transform, error) {
	var list []pipeline.Transform
	if where := c.Expression("filter"); where != nil {
		t, err := filter.Type.New(env, pipeline.NewConfig(map[string]any{"where": where}))
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	options := map[string]any{}
	if fields == "" {
		options["keep"] = []string{"*"} // the source gives users
		if !c.Has("map") {
			return list, nil
		}
		options["fields"] = c.Mapping("map")
	} else {
		own, err := definition.Mapping(fields, func(variable string) (string, bool) {
			i := slices.IndexFunc(d.Options, func(p parameter) bool { return p.Variable == variable })
			if i < 0 {
				return "", false
			}
			return c.String(d.Options[i].Name), true
		})
		if err != nil {
			return nil, err
		}
		options["fields"] = definition.Overlay(own, c.Mapping("map"))
	}
	t, err := mapping.Type.New(env, pipeline.NewConfig(options))
	var option *pipeline.OptionError
	if errors.As(err, &option) {
		return nil, &pipeline.OptionError{Option: "map" + strings.TrimPrefix(option.Option, "fields"), Message: option.Message, Hint: option.Hint}
	}
	return append(list, t), err
}

// quoted gives a text as YAML in single quotes.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// section gives what stands under a key at the top of a file, as it is written there, without its indentation.
func section(text, key string) string {
	_, below, found := strings.Cut("\n"+text, "\n"+key+":\n")
	if !found {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(below) {
		if line != "\n" && !strings.HasPrefix(line, "  ") {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	return b.String()
}

// equivalent gives the part of a pipeline file that a preset stands for.
func equivalent(source, options, filter, fields string) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "source:\n  %s:\n    path: export\n%s", source, indented(options, "    "))
	if filter+fields != "" {
		b.WriteString("transforms:\n")
	}
	if filter != "" {
		fmt.Fprintf(b, "  - filter: %s\n", quoted(filter))
	}
	if fields != "" {
		fmt.Fprintf(b, "  - map:\n%s", indented(fields, "      "))
	}
	return b.String()
}

func indented(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			b.WriteString(by)
		}
		b.WriteString(line)
	}
	return b.String()
}
