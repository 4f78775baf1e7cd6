package definition

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
)

// options reads the options of one Spec or Object.
type options struct {
	*loader
	// of names whose options they are: sink store.
	of string
	// places keeps where each option's value stands, by its dotted name, for an OptionError.
	places map[string]*yaml.Node
}

// connector reads what stands after a connector's name.
func (l *loader) connector(key, n *yaml.Node, kind string, spec pipeline.Spec) (*pipeline.Config, map[string]*yaml.Node) {
	o := options{l, kind + " " + spec.Name, map[string]*yaml.Node{"": key}}
	values := map[string]any{}
	switch {
	case n.Kind == yaml.MappingNode:
		values = o.object(key, n, spec.Options, spec.Rest, "")
	case isNull(n):
		values = o.object(key, &yaml.Node{Kind: yaml.MappingNode}, spec.Options, spec.Rest, "")
	case spec.Shorthand != "":
		i := slices.IndexFunc(spec.Options, func(o pipeline.Option) bool { return o.Name == spec.Shorthand })
		short := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: spec.Options[i].Name, Line: key.Line, Column: key.Column}, n}}
		values = o.object(key, short, spec.Options, spec.Rest, "")
	default:
		l.report(n, "config.wrong_type", fmt.Sprintf("%s takes named options, not %s", o.of, kindOf(n)), "write them as a map: name: value")
	}
	return pipeline.NewConfig(values), o.places
}

// object reads named options; rest names the one that takes all other names.
func (o options) object(owner, n *yaml.Node, declared []pipeline.Option, rest, prefix string) map[string]any {
	values := map[string]any{}
	given := map[string]bool{}
	var others []entry
	for _, e := range o.entries(n) {
		i := slices.IndexFunc(declared, func(d pipeline.Option) bool { return d.Name == e.name })
		if i < 0 {
			if rest != "" {
				others = append(others, e)
			} else {
				meant := o.unknown(e.key, "config.unknown_key", fmt.Sprintf("%s has no option %q", o.of, prefix+e.name), names(declared))
				o.hideUnknown(e, meant, declared)
				given[meant] = true
			}
			continue
		}
		d := declared[i]
		if d.Name == rest && e.value.Kind == yaml.MappingNode { // named after all, for names that are options
			others = append(others, o.entries(e.value)...)
			continue
		}
		given[d.Name] = true
		o.places[prefix+d.Name] = e.value
		if d.Secret {
			o.hide(e.value)
		}
		if isNull(e.value) && d.Type != pipeline.Mapping && !slices.Contains(d.Enum, e.value.Value) {
			if d.Required {
				o.report(e.key, "config.missing_key", fmt.Sprintf("the option %q has no value", prefix+d.Name), hintOf(d))
			}
			given[d.Name] = d.Required
			continue
		}
		if v, ok := o.option(e.key, e.value, d, prefix); ok {
			values[d.Name] = v
		}
	}
	if rest != "" && len(others) > 0 {
		values[rest] = o.mapping(others, prefix+rest)
		given[rest] = true
		o.places[prefix+rest] = others[0].key
	}
	for _, d := range declared {
		if given[d.Name] {
			continue
		}
		switch {
		case d.Required:
			o.report(owner, "config.missing_key", fmt.Sprintf("%s needs the option %q", o.of, prefix+d.Name), hintOf(d))
		case d.Default != "":
			values[d.Name] = o.standard(d)
		}
	}
	return values
}

func hintOf(d pipeline.Option) string {
	if d.Example == "" {
		return ""
	}
	return "for example " + d.Name + ": " + d.Example
}

func names(declared []pipeline.Option) []string {
	list := make([]string, len(declared))
	for i, d := range declared {
		list[i] = d.Name
	}
	return list
}

// standard gives an option's default. One that the option itself does not take is a defect of the Spec.
func (o options) standard(d pipeline.Option) any {
	var top yaml.Node
	err := yaml.Unmarshal([]byte(d.Default), &top)
	inner := options{&loader{dir: o.dir, registry: o.registry, env: o.env}, o.of, map[string]*yaml.Node{}}
	if err == nil && len(top.Content) == 1 {
		if v, ok := inner.option(top.Content[0], top.Content[0], d, ""); ok {
			return v
		}
	}
	panic(fmt.Sprintf("%s: the default of option %s is not of its type", o.of, d.Name))
}

// option reads one option's value: alone, as a list or as a map.
func (o options) option(key, n *yaml.Node, d pipeline.Option, prefix string) (any, bool) {
	switch {
	case d.List:
		if n.Kind != yaml.SequenceNode {
			v, ok := o.one(key, n, d, prefix+d.Name+".")
			if !ok {
				return nil, false
			}
			return pipeline.ListOf(d.Type, []any{v}), true
		}
		items := n.Content
		list, good := make([]any, 0, len(items)), true
		for i, item := range items {
			item = follow(item)
			o.places[fmt.Sprintf("%s%s.%d", prefix, d.Name, i)] = item
			v, ok := o.one(key, item, d, fmt.Sprintf("%s%s.%d.", prefix, d.Name, i))
			list, good = append(list, v), good && ok
		}
		if !good {
			return nil, false
		}
		return pipeline.ListOf(d.Type, list), true
	case d.Map:
		if n.Kind != yaml.MappingNode {
			o.report(n, "config.wrong_type", fmt.Sprintf("the option %q takes a map, not %s", prefix+d.Name, kindOf(n)), hintOf(d))
			return nil, false
		}
		entries, good := o.entries(n), true
		keys, list := make([]string, 0, len(entries)), make([]any, 0, len(entries))
		for _, e := range entries {
			o.places[prefix+d.Name+"."+e.name] = e.value
			v, ok := o.one(e.key, e.value, d, prefix+d.Name+"."+e.name+".")
			keys, list, good = append(keys, e.name), append(list, v), good && ok
		}
		if !good {
			return nil, false
		}
		return pipeline.MapOf(d.Type, keys, list), true
	}
	return o.one(key, n, d, prefix+d.Name+".")
}

var typeWords = map[pipeline.Type]string{
	pipeline.String: "text", pipeline.Bool: "true or false", pipeline.Int: "a whole number", pipeline.Duration: "a duration such as 30s or 5m",
	pipeline.Size: "a size such as 512, 64KB or 16MB", pipeline.Path: "the path of a file", pipeline.Expression: "an expression",
	pipeline.Object: "a map", pipeline.Mapping: "a map", pipeline.SourceOption: "a source with its options",
}

// one reads a single value.
func (o options) one(key, n *yaml.Node, d pipeline.Option, prefix string) (any, bool) {
	wrong := func(hint string) (any, bool) {
		o.hideBelow(n)
		o.report(n, "config.wrong_type", fmt.Sprintf("the option %q takes %s, not %s", strings.TrimSuffix(prefix, "."), typeWords[d.Type], kindOf(n)), hint)
		return nil, false
	}
	bad := func(hint string) (any, bool) {
		o.report(n, "config.bad_value", fmt.Sprintf("the option %q takes %s", strings.TrimSuffix(prefix, "."), typeWords[d.Type]), hint)
		return nil, false
	}
	switch d.Type {
	case pipeline.Object:
		if n.Kind != yaml.MappingNode {
			return wrong(hintOf(d))
		}
		before := len(o.found)
		values := o.object(key, n, d.Fields, "", prefix)
		return pipeline.NewConfig(values), len(o.found) == before
	case pipeline.Mapping:
		if n.Kind != yaml.MappingNode {
			return wrong(hintOf(d))
		}
		return o.mapping(o.entries(n), strings.TrimSuffix(prefix, ".")), true
	case pipeline.Expression:
		if n.Kind != yaml.ScalarNode || isNull(n) {
			return wrong("write an expression over user, such as user.email")
		}
		program := o.compile(n, n.Value, 0)
		return program, program != nil
	case pipeline.SourceOption:
		before := len(o.found)
		source, _ := connect(o.loader, entry{d.Name, key, n}, "source", o.registry.Sources, joinedSourceOf)
		return source, len(o.found) == before
	}
	if n.Kind != yaml.ScalarNode || isNull(n) && !slices.Contains(d.Enum, n.Value) { // null may be one of the words of an Enum
		return wrong(hintOf(d))
	}
	text, replaced, ok := o.interpolate(n)
	if !ok {
		return nil, false
	}
	// What was interpolated is text in the file and of the option's type after it.
	tag := n.ShortTag()
	switch d.Type {
	case pipeline.String, pipeline.Path:
		if tag == "!!bool" {
			return wrong("put it in quotes")
		}
		if len(d.Enum) > 0 && !slices.Contains(d.Enum, text) {
			diagnostic := o.report(n, "config.bad_value", fmt.Sprintf("the option %q takes one of %s", strings.TrimSuffix(prefix, "."), strings.Join(d.Enum, ", ")), "")
			if !replaced {
				diagnostic.Suggestion = Nearest(text, d.Enum)
			}
			return nil, false
		}
		if d.Type == pipeline.Path {
			if text == "" || strings.ContainsRune(text, 0) {
				return bad(hintOf(d))
			}
			return o.absolute(text), true
		}
		return text, true
	case pipeline.Bool:
		if tag != "!!bool" && !replaced {
			return wrong("write true or false, without quotes")
		}
		if b, err := strconv.ParseBool(strings.ToLower(text)); err == nil && len(text) > 1 {
			return b, true
		}
		return bad("write true or false")
	case pipeline.Int:
		if tag != "!!int" && !replaced {
			return wrong("")
		}
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return i, true
		}
		return bad("write digits only")
	case pipeline.Duration:
		if duration, err := time.ParseDuration(text); err == nil && duration >= 0 {
			return duration, true
		}
		return bad("write a number with its unit: ms, s, m or h")
	case pipeline.Size:
		if size, ok := parseSize(text); ok {
			return size, true
		}
		return bad("write bytes, or a whole number with KB, MB or GB")
	}
	panic("definition: an option type without a reader")
}

// parseSize reads 512, 64KB, 16MB, 2GB.
func parseSize(text string) (int64, bool) {
	text = strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	shift := 0
	for unit, bits := range map[string]int{"KB": 10, "MB": 20, "GB": 30} {
		if digits, ok := strings.CutSuffix(text, unit); ok {
			text, shift = digits, bits
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return 0, false
	}
	return n << shift, true
}

// compile compiles an expression whose text begins at a byte of a scalar's value.
func (l *loader) compile(n *yaml.Node, text string, offset int) *expression.Program {
	program, err := l.compileText(text)
	if err == nil {
		return program
	}
	d := l.inside(n, offset+err.Offset, max(err.Length, 1), err.Code, err.Message, err.Hint)
	if n.Tag == "!!str" && strings.Contains(err.Message, `"@"`) {
		d.Hint = "put text in quotes inside the expression: \"'a@b'\""
	}
	return nil
}

// CompileExpression compiles an expression over user as one in a pipeline file: env() reads the environment.
func CompileExpression(text string) (*expression.Program, *expression.SyntaxError) {
	return (&loader{}).compileText(text)
}

func (l *loader) compileText(text string) (*expression.Program, *expression.SyntaxError) {
	variables := l.variables
	if variables == nil {
		variables = os.LookupEnv
	}
	program, err := expression.Compile(text, expression.Options{Env: variables})
	if err == nil {
		return program, nil
	}
	var syntax *expression.SyntaxError
	if !errors.As(err, &syntax) {
		syntax = &expression.SyntaxError{Code: "expression.syntax", Message: err.Error()}
	}
	return nil, syntax
}
