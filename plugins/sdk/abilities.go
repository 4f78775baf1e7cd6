package sdk

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

// What a connector can do shows in the methods that it has, and New gives it only for a config. One is made of the options' examples: New
// does no I/O. Where they do not fit, a source is said to have all abilities, which are harmless, and a transform none.

func sourceAbilities(t pipeline.SourceType) []pb.Ability {
	source := try(t.Spec, "source", pipeline.SourceType{Spec: t.Spec, New: t.New}, func(p *definition.Pipeline) pipeline.Source { return p.Source })
	var list []pb.Ability
	has := func(a pb.Ability, does bool) {
		if does || source == nil {
			list = append(list, a)
		}
	}
	_, resumes := source.(pipeline.Resumer)
	_, fingerprints := source.(pipeline.Fingerprinter)
	_, cursors := source.(pipeline.Cursored)
	_, measures := source.(pipeline.Measurer)
	_, checks := source.(pipeline.Checker)
	has(pb.Ability_ABILITY_RESUME, resumes)
	has(pb.Ability_ABILITY_FINGERPRINT, fingerprints)
	has(pb.Ability_ABILITY_CURSOR, cursors)
	has(pb.Ability_ABILITY_PROGRESS, measures)
	has(pb.Ability_ABILITY_CHECK, checks)
	return list
}

func transformAbilities(t pipeline.TransformType) []pb.Ability {
	transform := try(t.Spec, "transform", t, func(p *definition.Pipeline) pipeline.Transform { return p.Transforms[0] })
	if _, ok := transform.(pipeline.Ordered); ok {
		return []pb.Ability{pb.Ability_ABILITY_ORDERED}
	}
	return nil
}

func sinkAbilities(t pipeline.SinkType) []pb.Ability {
	sink := try(t.Spec, "sink", t, func(p *definition.Pipeline) pipeline.Sink { return p.Sink })
	var list []pb.Ability
	if _, ok := sink.(pipeline.Checker); ok || sink == nil {
		list = append(list, pb.Ability_ABILITY_CHECK)
	}
	if _, ok := sink.(pipeline.Remover); ok {
		list = append(list, pb.Ability_ABILITY_REMOVE)
	}
	return list
}

var interpolation = regexp.MustCompile(`\$\{[^}]*\}`)

// try makes a connector of the examples of its options, or gives nil.
func try[C any](spec pipeline.Spec, kind string, typ any, of func(*definition.Pipeline) C) (c C) {
	defer func() { _ = recover() }()
	var options strings.Builder
	for _, o := range spec.Options {
		if o.Example != "" && (o.Required || o.Default == "") {
			fmt.Fprintf(&options, "\n      %s: %s", o.Name, interpolation.ReplaceAllString(o.Example, "1"))
		}
	}
	if options.Len() == 0 {
		options.WriteString(" {}")
	}
	types := []any{typ}
	text := map[string]string{"source": "source: { none: }\n", "transform": "", "sink": "sink: { none: }\n"}
	switch kind {
	case "source":
		text["source"] = "source:\n    " + spec.Name + ":" + options.String() + "\n"
	case "sink":
		text["sink"] = "sink:\n    " + spec.Name + ":" + options.String() + "\n"
	case "transform":
		text["transform"] = "transforms:\n  - " + spec.Name + ":" + options.String() + "\n"
	}
	if kind != "source" {
		types = append(types, pipeline.SourceType{Spec: pipeline.Spec{Name: "none"}, New: func(pipeline.Env, *pipeline.Config) (pipeline.Source, error) { return nil, nil }})
	}
	if kind != "sink" {
		types = append(types, pipeline.SinkType{Spec: pipeline.Spec{Name: "none"}, New: func(pipeline.Env, *pipeline.Config) (pipeline.Sink, error) { return nil, nil }})
	}
	p, err := definition.Parse("example.yaml", []byte(text["source"]+text["transform"]+text["sink"]), pipeline.NewRegistry(types...), pipeline.Env{})
	if err != nil {
		return c
	}
	return of(p)
}
