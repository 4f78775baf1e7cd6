package definition

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/pipeline"
)

// presetKey is the option of every source that names a preset.
const presetKey = "preset"

// source builds the source that the value of an entry names, and the transforms of its preset where it has one.
func (l *loader) source(p *Pipeline, e entry) (pipeline.Source, string, []pipeline.Transform) {
	var transforms []pipeline.Transform
	if name, given := l.preset(e); given != nil {
		before := len(l.found)
		var presetName string
		transforms, presetName = connect(l, entry{presetKey, given.key, given.value}, presetKey, l.registry.Presets[name.Value], presetOf)
		if presetName == "" && len(l.found) > before {
			l.hintSource(l.found[before], given.value, name.Value)
		}
		options := l.registry.Presets[name.Value][presetName].SourceOptions
		e.value = withOptions(l, name, e.value.Content[1], given, options)
	}
	source, name := connect(l, e, "source", l.registry.Sources, p.sourceOf)
	return source, name, transforms
}

// hintSource says of a preset that its source does not have which source has it.
func (l *loader) hintSource(d *Diagnostic, n *yaml.Node, source string) {
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	for _, other := range pipeline.Names(l.registry.Presets) {
		if _, has := l.registry.Presets[other][n.Value]; has && other != source {
			d.Suggestion, d.Hint = "", fmt.Sprintf("it is a preset of the source %s", other)
		}
	}
}

// preset finds the preset of a source, if it has one: the node that names the source, and the entry that is the preset.
func (l *loader) preset(e entry) (name *yaml.Node, given *entry) {
	n := e.value
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return nil, nil
	}
	name, options := n.Content[0], follow(n.Content[1])
	t, known := l.registry.Sources[name.Value]
	if !known || options.Kind != yaml.MappingNode {
		return nil, nil
	}
	entries := l.entries(options)
	i := slices.IndexFunc(entries, func(e entry) bool { return e.name == presetKey })
	if i < 0 {
		return nil, nil
	}
	if len(l.registry.Presets[t.Name]) == 0 {
		return nil, nil // an option that the source does not have
	}
	return name, &entries[i]
}

func presetOf(t pipeline.PresetType) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) ([]pipeline.Transform, error)) {
	return t.Spec, t.New
}

// withOptions gives a source without the preset that is given, and with the options that it stands for. What is wrong
// with one of them is told where the preset stands. Options in the file come first, also those without a value.
func withOptions(l *loader, name, n *yaml.Node, given *entry, preset map[string]string) *yaml.Node {
	own := l.entries(follow(n))
	options := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column}
	for _, e := range own {
		if e.name != presetKey {
			options.Content = append(options.Content, e.key, e.value)
		}
	}
	for _, option := range pipeline.Names(preset) {
		if slices.ContainsFunc(own, func(e entry) bool { return e.name == option }) {
			continue
		}
		var top yaml.Node
		if err := yaml.Unmarshal([]byte(preset[option]), &top); err != nil || len(top.Content) != 1 {
			panic(fmt.Sprintf("definition: a preset's option %s is not YAML", option))
		}
		place(top.Content[0], given.key)
		options.Content = append(options.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: option, Line: given.key.Line, Column: given.key.Column}, top.Content[0])
	}
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{name, options}, Line: name.Line, Column: name.Column}
}

// place has a tree stand where a node does.
func place(n, at *yaml.Node) {
	n.Line, n.Column = at.Line, at.Column
	for _, child := range n.Content {
		place(child, at)
	}
}

// Mapping reads a mapping outside of a pipeline file. Its env() reads from lookup.
func Mapping(text string, lookup func(string) (string, bool)) ([]pipeline.Assignment, error) {
	l := &loader{file: "mapping", variables: lookup}
	root := l.parse([]byte(text))
	if root == nil || root.Kind != yaml.MappingNode {
		return nil, l.diagnostics()
	}
	list := options{l, "a mapping", map[string]*yaml.Node{}}.mapping(l.entries(root), "")
	if len(l.found) > 0 {
		return nil, l.diagnostics()
	}
	return list, nil
}

// Overlay gives a mapping with another laid over it: a target takes the place of the same target below, and of all that
// is inside it.
func Overlay(below, above []pipeline.Assignment) []pipeline.Assignment {
	covered := func(a pipeline.Assignment) bool {
		return slices.ContainsFunc(above, func(over pipeline.Assignment) bool {
			return a.Target == over.Target || strings.HasPrefix(a.Target, over.Target+".")
		})
	}
	return append(slices.DeleteFunc(slices.Clone(below), covered), above...)
}
