package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
)

func connectorsCommand(a *app) *cobra.Command {
	list := &cobra.Command{
		Use:     "connectors",
		Short:   "List sources, transforms and sinks; show one with its options",
		GroupID: groupKnow,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error { return a.listConnectors() },
	}
	a.pluginFlag(list)
	list.AddCommand(&cobra.Command{
		Use:   "show NAME",
		Short: "Show the options of a connector",
		Args:  arguments(1, 1, "the name of a connector"),
		ValidArgsFunction: a.completed(func() []string {
			names := []string{}
			for _, c := range a.allConnectors() {
				names = append(names, c.Name)
			}
			return names
		}),
		RunE: func(_ *cobra.Command, args []string) error { return a.showConnector(args[0]) },
	})
	return list
}

// connector is the JSON form of a connector.
type connector struct {
	Kind      string   `json:"kind"`
	Name      string   `json:"name"`
	Summary   string   `json:"summary"`
	Doc       string   `json:"doc,omitempty"`
	Shorthand string   `json:"shorthand,omitempty"`
	Rest      string   `json:"rest,omitempty"`
	Options   []option `json:"options"`
	// Presets are the names of a source's presets.
	Presets []string `json:"presets,omitempty"`
}

type option struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	List     bool     `json:"list,omitempty"`
	Map      bool     `json:"map,omitempty"`
	Enum     []string `json:"enum,omitempty"`
	Default  string   `json:"default,omitempty"`
	Required bool     `json:"required,omitempty"`
	Secret   bool     `json:"secret,omitempty"`
	Doc      string   `json:"doc,omitempty"`
	Example  string   `json:"example,omitempty"`
	Fields   []option `json:"fields,omitempty"`

	words string // the type as a person reads it
}

// allConnectors gives the connectors by kind and name.
func (a *app) allConnectors() []connector {
	list := []connector{}
	add := func(kind string, s pipeline.Spec) {
		c := connector{Kind: kind, Name: s.Name, Summary: s.Summary, Doc: s.Doc, Shorthand: s.Shorthand, Rest: s.Rest, Options: describe(s.Options)}
		if kind == "source" {
			c.Presets = pipeline.Names(a.registry.Presets[s.Name])
		}
		list = append(list, c)
	}
	for _, name := range pipeline.Names(a.registry.Sources) {
		add("source", a.registry.Sources[name].Spec)
	}
	for _, name := range pipeline.Names(a.registry.Transforms) {
		add("transform", a.registry.Transforms[name].Spec)
	}
	for _, name := range pipeline.Names(a.registry.Sinks) {
		add("sink", a.registry.Sinks[name].Spec)
	}
	return list
}

func describe(declared []pipeline.Option) []option {
	list := make([]option, 0, len(declared))
	for _, o := range declared {
		list = append(list, option{o.Name, o.Type.String(), o.List, o.Map, o.Enum, o.Default, o.Required, o.Secret, o.Doc, o.Example,
			describe(o.Fields), definition.Describe(o)})
	}
	return list
}

func (a *app) listConnectors() error {
	all := a.allConnectors()
	if a.json {
		return a.printJSON(map[string]any{"connectors": all})
	}
	w := newTable(a.stdout)
	for _, c := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Kind, c.Name, c.Summary)
	}
	return w.Flush()
}

func (a *app) showConnector(name string) error {
	shown := []connector{}
	names := []string{}
	for _, c := range a.allConnectors() {
		if c.Name == name {
			shown = append(shown, c)
		}
		names = append(names, c.Name)
	}
	if len(shown) == 0 {
		hint := "`usher connectors` lists them"
		if near := definition.Nearest(name, names); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		return &usageError{"usage.unknown_connector", fmt.Sprintf("there is no connector %q", name), hint}
	}
	if a.json {
		return a.printJSON(map[string]any{"connectors": shown})
	}
	for i, c := range shown {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		fmt.Fprintf(a.stdout, "%s %s\n  %s\n", c.Kind, c.Name, c.Summary)
		if c.Doc != "" {
			fmt.Fprintf(a.stdout, "\n%s\n", indented(c.Doc, "  "))
		}
		a.printOptions(c.Options, c.Shorthand, c.Rest, "  ")
		if len(c.Presets) > 0 {
			fmt.Fprintf(a.stdout, "\n  preset  (one of %s)\n      A known export of another system: `usher presets show NAME`.\n", strings.Join(c.Presets, ", "))
		}
	}
	return nil
}

func (a *app) printOptions(options []option, shorthand, rest, indent string) {
	for _, o := range options {
		notes := []string{o.words}
		if o.Required {
			notes = append(notes, "required")
		}
		if o.Default != "" {
			notes = append(notes, "default "+o.Default)
		}
		if o.Secret {
			notes = append(notes, "secret")
		}
		if o.Name == shorthand {
			notes = append(notes, "may stand alone without its name")
		}
		if o.Name == rest {
			notes = append(notes, "takes all names that are no options")
		}
		fmt.Fprintf(a.stdout, "\n%s%s  (%s)\n", indent, o.Name, strings.Join(notes, "; "))
		if o.Doc != "" {
			fmt.Fprintln(a.stdout, indented(o.Doc, indent+"    "))
		}
		if o.Example != "" {
			fmt.Fprintln(a.stdout, indented("Example: "+o.Name+": "+o.Example, indent+"    "))
		}
		a.printOptions(o.Fields, "", "", indent+"    ")
	}
}

func indented(text, indent string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = indent + line
		}
	}
	return strings.Join(lines, "\n")
}
