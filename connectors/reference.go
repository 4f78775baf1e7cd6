package connectors

import (
	"fmt"
	"strings"

	"github.com/usher-id/usher/pipeline"
)

//go:generate go test . -run ^TestReferenceIsCurrent$ -update

// Reference gives the reference of all connectors of a registry, in Markdown.
func Reference(r *pipeline.Registry) string {
	var b strings.Builder
	b.WriteString("# Connectors\n\nMade from the connectors' own declarations by `go generate ./connectors`; `usher connectors show NAME` prints the same.\n")
	b.WriteString("How they stand in a pipeline file is told in [pipeline-file.md](pipeline-file.md).\n")
	b.WriteString("\n## Sources\n")
	for _, name := range pipeline.Names(r.Sources) {
		describe(&b, "source", r.Sources[name].Spec)
		if presets := pipeline.Names(r.Presets[name]); len(presets) > 0 {
			fmt.Fprintf(&b, "\nThe option `preset` names one of its [presets](#presets): `%s`.\n", strings.Join(presets, "`, `"))
		}
	}
	b.WriteString("\n## Transforms\n")
	for _, name := range pipeline.Names(r.Transforms) {
		describe(&b, "transform", r.Transforms[name].Spec)
	}
	b.WriteString("\n## Sinks\n")
	for _, name := range pipeline.Names(r.Sinks) {
		describe(&b, "sink", r.Sinks[name].Spec)
	}
	b.WriteString("\n## Presets\n\nA preset is an option of the source whose name it follows here: `source: { json: { path: realm.json, preset: keycloak } }`, or with options of its own\n" +
		"`preset: { keycloak: { map: { … } } }`. An option of the source that stands in the file wins over that of the preset. The preset's transforms come before\nthe pipeline's own; " +
		"only those that need all records first, such as `sort`, come before them and see the records of the export. In tests, `input` is a\nrecord of the export.\n")
	for _, source := range pipeline.Names(r.Presets) {
		for _, name := range pipeline.Names(r.Presets[source]) {
			p := r.Presets[source][name]
			describe(&b, "preset "+source, p.Spec)
			fmt.Fprintf(&b, "\nIt stands for\n\n```yaml\n%s```\n", p.Equivalent)
		}
	}
	return b.String()
}

func describe(b *strings.Builder, kind string, s pipeline.Spec) {
	fmt.Fprintf(b, "\n### %s %s\n\n%s\n", kind, s.Name, s.Summary)
	if s.Doc != "" {
		fmt.Fprintf(b, "\n%s\n", strings.TrimSpace(s.Doc))
	}
	if s.Shorthand != "" {
		fmt.Fprintf(b, "\nWritten with a bare value, `%s: …` means `%s`.\n", s.Name, s.Shorthand)
	}
	if s.Rest != "" {
		fmt.Fprintf(b, "\nAll names that are no options belong to `%s`.\n", s.Rest)
	}
	if len(s.Options) > 0 {
		b.WriteString("\n| option | type | default | |\n| --- | --- | --- | --- |\n")
		rows(b, "", s.Options)
	}
}

func rows(b *strings.Builder, prefix string, options []pipeline.Option) {
	cell := strings.NewReplacer("|", "\\|", "\n", " ")
	for _, o := range options {
		doc := o.Doc
		if len(o.Enum) > 0 {
			doc += " One of `" + strings.Join(o.Enum, "`, `") + "`."
		}
		if o.Secret {
			doc += " It is never shown."
		}
		if o.Example != "" {
			doc += " Example: `" + o.Example + "`"
		}
		kind := o.Type.String()
		switch {
		case o.List:
			kind += ", or a list"
		case o.Map:
			kind = "map of " + kind
		}
		preset := ""
		switch {
		case o.Required:
			preset = "required"
		case o.Default != "":
			preset = "`" + o.Default + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", prefix+o.Name, cell.Replace(kind), cell.Replace(preset), cell.Replace(strings.TrimSpace(doc)))
		rows(b, prefix+o.Name+".", o.Fields)
	}
}
