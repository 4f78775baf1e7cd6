package definition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// SchemaID names the schema. It is a name and not an address.
const SchemaID = "https://usher-id.github.io/schema/pipeline.schema.json"

// Schema gives the JSON Schema (draft 2020-12) of pipeline files with the registry's connectors, indented. What it
// accepts, Load may still refuse: it knows no expressions and nothing that one option means for another.
func Schema(registry *pipeline.Registry) []byte {
	source := connectors(registry.Sources, "Where the records come from: one source with its options.", sourceOf, registry.Presets)
	sink := connectors(registry.Sinks, "Where the records go: one sink with its options.", sinkOf, nil)
	transform := connectors(registry.Transforms, "What is done to every record: one transform with its options.", transformOf, nil)
	properties := object()
	for _, o := range sections[:2] {
		properties.Set(o.Name, optionSchema(o))
	}
	properties.Set("plugins", object("description", "Programs that bring connectors or hashers along.", "type", "array", "items", optionsSchema(pluginOptions, "")))
	properties.Set("source", object("$ref", "#/$defs/source"))
	properties.Set("transforms", object("description", "What is done to the records, in this order.", "type", "array", "items", object("$ref", "#/$defs/transform")))
	properties.Set("sink", sink)
	for _, o := range sections[2:] {
		properties.Set(o.Name, optionSchema(o))
	}
	// A percentage is text, and a number of records is one.
	threshold := properties.At(indexOf(properties, "max_failures")).Value.(*value.Object)
	threshold.Set("anyOf", []any{
		object("type", "integer", "minimum", int64(0)), object("type", "string", "pattern", `^([0-9]+|[0-9]+(\.[0-9]+)?\s*%)$|\$\{`),
	})
	threshold.Delete("type")
	properties.Set("tests", testsSchema())
	top := object(
		"$schema", "https://json-schema.org/draft/2020-12/schema",
		"$id", SchemaID,
		"title", "usher pipeline",
		"description", "A pipeline moves user accounts from a source through transforms to a sink.",
		"type", "object",
		"required", []any{"source", "sink"},
		"additionalProperties", false,
		"properties", properties,
		"$defs", object(
			"source", source,
			"transform", transform,
			"expression", object("description", "An expression over user, such as lower(user.mail).", "type", []any{"string", "boolean", "number"}),
			"mapping", object(
				"description", "Targets with the expressions that give their values. Text is an expression over user, anything else a constant; a map or a dot in a name nests.",
				"type", "object",
				"propertyNames", object("pattern", `^[^.]+(\.[^.]+)*$`),
				"additionalProperties", object("$ref", "#/$defs/leaf")),
			"leaf", object("anyOf", []any{
				object("type", []any{"string", "number", "boolean", "null"}),
				object("type", "array", "items", object("type", []any{"string", "number", "boolean", "null"})),
				object("$ref", "#/$defs/mapping"),
			}),
		),
	)
	var out bytes.Buffer
	if err := json.Indent(&out, value.AppendJSON(nil, top), "", "  "); err != nil {
		panic("definition: the schema is not JSON: " + err.Error())
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// object makes an Object of names and values in turn.
func object(pairs ...any) *value.Object {
	o := value.NewObject(len(pairs) / 2)
	for i := 0; i < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

func indexOf(o *value.Object, name string) int {
	for i := range o.Len() {
		if o.At(i).Name == name {
			return i
		}
	}
	panic("definition: no " + name)
}

// connectors describes a map with one key, the name of a connector, and a name alone for those that need no options.
// Those that have presets take them.
func connectors[K, C any](types map[string]K, doc string, parts func(K) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (C, error)),
	presets map[string]map[string]pipeline.PresetType) *value.Object {
	properties := object()
	bare := []any{}
	for _, name := range pipeline.Names(types) {
		spec, _ := parts(types[name])
		properties.Set(name, connectorSchema(spec, presets[name]))
		if !needsOptions(spec) {
			bare = append(bare, name)
		}
	}
	named := object("type", "object", "minProperties", int64(1), "maxProperties", int64(1), "additionalProperties", false, "properties", properties)
	if len(bare) == 0 {
		return prepend(named, "description", doc)
	}
	return object("description", doc, "anyOf", []any{named, object("type", "string", "enum", bare)})
}

func needsOptions(spec pipeline.Spec) bool {
	for _, o := range spec.Options {
		if o.Required {
			return true
		}
	}
	return false
}

func prepend(o *value.Object, name string, v any) *value.Object {
	out := object(name, v)
	for n, v := range o.All() {
		out.Set(n, v)
	}
	return out
}

func connectorSchema(spec pipeline.Spec, presets map[string]pipeline.PresetType) *value.Object {
	options := optionsSchema(spec.Options, spec.Rest)
	if len(presets) > 0 {
		properties, _ := options.Get("properties")
		properties.(*value.Object).Set(presetKey, connectors(presets, "A named way to read what some system exports, alone or with options of its own.", presetOf, nil))
	}
	forms := []any{options}
	if spec.Shorthand != "" {
		for _, o := range spec.Options {
			if o.Name == spec.Shorthand {
				forms = append(forms, optionSchema(o))
			}
		}
	}
	if !needsOptions(spec) {
		forms = append(forms, object("type", "null"))
	}
	if len(forms) == 1 {
		return prepend(options, "description", spec.Summary)
	}
	return object("description", spec.Summary, "anyOf", forms)
}

func optionsSchema(options []pipeline.Option, rest string) *value.Object {
	properties := object()
	required := []any{}
	for _, o := range options {
		properties.Set(o.Name, optionSchema(o))
		if o.Required {
			required = append(required, o.Name)
		}
	}
	s := object("type", "object")
	if len(required) > 0 {
		s.Set("required", required)
	}
	if rest == "" {
		s.Set("additionalProperties", false)
	} else {
		s.Set("propertyNames", object("pattern", `^[^.]+(\.[^.]+)*$`))
		s.Set("additionalProperties", object("$ref", "#/$defs/leaf"))
	}
	s.Set("properties", properties)
	return s
}

func optionSchema(o pipeline.Option) *value.Object {
	one := typeSchema(o)
	s := one
	switch {
	case o.List:
		s = object("anyOf", []any{object("type", "array", "items", one), one})
	case o.Map:
		s = object("type", "object", "additionalProperties", one)
	}
	if !o.Required {
		s = nullable(s)
	}
	out := object()
	if o.Doc != "" {
		out.Set("description", o.Doc)
	}
	if o.Default != "" {
		out.Set("default", literal(o.Default))
	}
	if o.Example != "" {
		out.Set("examples", []any{literal(o.Example)})
	}
	for name, v := range s.All() {
		out.Set(name, v)
	}
	return out
}

// nullable lets an option be there without a value, which is as if it were not there.
func nullable(s *value.Object) *value.Object {
	if forms, ok := s.Get("anyOf"); ok {
		return object("anyOf", append(append([]any{}, forms.([]any)...), object("type", "null")))
	}
	return object("anyOf", []any{s, object("type", "null")})
}

// interpolated is text with a ${…} in it, which may stand for any type.
func interpolated() *value.Object { return object("type", "string", "pattern", `\$\{`) }

func typeSchema(o pipeline.Option) *value.Object {
	switch o.Type {
	case pipeline.Bool:
		return object("anyOf", []any{object("type", "boolean"), interpolated()})
	case pipeline.Int:
		return object("anyOf", []any{object("type", "integer"), interpolated()})
	case pipeline.Duration:
		return object("anyOf", []any{object("type", "string", "pattern", `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$|^0$`), object("const", int64(0)), interpolated()})
	case pipeline.Size:
		return object("anyOf", []any{object("type", "integer", "minimum", int64(0)), object("type", "string", "pattern", `^[0-9]+ ?([KkMmGg][Bb])?$`), interpolated()})
	case pipeline.Expression:
		return object("$ref", "#/$defs/expression")
	case pipeline.Object:
		return optionsSchema(o.Fields, "")
	case pipeline.Mapping:
		return object("$ref", "#/$defs/mapping")
	case pipeline.SourceOption:
		return object("$ref", "#/$defs/source")
	}
	if len(o.Enum) > 0 {
		enum := make([]any, len(o.Enum))
		for i, v := range o.Enum {
			enum[i] = v
		}
		return object("anyOf", []any{object("enum", enum), interpolated()})
	}
	return object("type", []any{"string", "number"})
}

// literal gives a text that is written as in YAML as the value it stands for.
func literal(text string) any {
	var top yaml.Node
	if err := yaml.Unmarshal([]byte(text), &top); err != nil || len(top.Content) != 1 {
		return text
	}
	v, ok := (&loader{}).value(top.Content[0])
	if !ok {
		return text
	}
	return v
}

func testsSchema() *value.Object {
	record := func(doc string) *value.Object { return object("description", doc, "type", "object") }
	text := func(doc string) *value.Object { return object("description", doc, "type", "string") }
	return object(
		"description", "Tests of the transforms, run by `usher test` without source and sink.",
		"type", "array",
		"items", object(
			"type", "object",
			"required", []any{"input"},
			"additionalProperties", false,
			"properties", object(
				"name", text("What the test shows."),
				"input", record("A record as the source reads it."),
				"expect", record("Fields that the record must have after the transforms; null where the field must be null."),
				"exact", object("description", "Whether the record must have no other fields than those expected.", "type", "boolean", "default", false),
				"outcome", object("description", "What must become of the record in the transforms.", "enum", []any{Mapped, testedSkipped, testedFailed}, "default", Mapped),
				"reason", object("description", "Why a skipped record must be skipped.", "enum", []any{pipeline.Filtered, pipeline.Exists, pipeline.Unchanged, pipeline.Gone}),
				"errors", object("description", "Codes of errors that a failed record must have.", "anyOf", []any{
					object("type", "array", "items", object("type", "string")), object("type", "string"),
				}),
			),
		),
	)
}

// Describe gives an option's type in words: text, a list of whole numbers, one of a, b.
func Describe(o pipeline.Option) string {
	one := typeWords[o.Type]
	if len(o.Enum) > 0 {
		one = "one of " + strings.Join(o.Enum, ", ")
	}
	switch {
	case o.List:
		return fmt.Sprintf("%s, or a list of them", one)
	case o.Map:
		return fmt.Sprintf("a map of names to %s", one)
	}
	return one
}
