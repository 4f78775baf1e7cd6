package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
)

func presetsCommand(a *app) *cobra.Command {
	list := &cobra.Command{
		Use:   "presets",
		Short: "List the exports of other systems that are known by name; show what one stands for",
		Long: `A preset is a named way to read what another system exports. It stands in the options of a source:

  source:
    json: { path: realm.json, preset: keycloak }

and stands for options of that source and a mapping, which ` + "`usher presets show`" + ` prints as the part of a pipeline file
that they are: use the preset, add to it with its option map, or copy the text and change it.`,
		GroupID: groupKnow,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error { return a.listPresets() },
	}
	list.AddCommand(&cobra.Command{
		Use:     "show NAME",
		Short:   "Show a preset as the part of a pipeline file that it stands for",
		Example: "  usher presets show keycloak",
		Args:    arguments(1, 1, "the name of a preset"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return presetNames(a.allPresets()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.showPreset(args[0]) },
	})
	return list
}

// preset is the JSON form of a preset.
type preset struct {
	Name       string   `json:"name"`
	Source     string   `json:"source"`
	Summary    string   `json:"summary"`
	Doc        string   `json:"doc,omitempty"`
	Options    []option `json:"options"`
	Equivalent string   `json:"equivalent"`
}

// allPresets gives the presets by name and source.
func (a *app) allPresets() []preset {
	list := []preset{}
	for _, source := range pipeline.Names(a.registry.Presets) {
		for _, t := range a.registry.Presets[source] {
			list = append(list, preset{t.Name, t.Source, t.Summary, t.Doc, describe(t.Options), t.Equivalent})
		}
	}
	slices.SortFunc(list, func(x, y preset) int {
		if x.Name != y.Name {
			return strings.Compare(x.Name, y.Name)
		}
		return strings.Compare(x.Source, y.Source)
	})
	return list
}

func presetNames(list []preset) []string {
	names := []string{}
	for _, p := range list {
		names = append(names, p.Name)
	}
	return slices.Compact(names)
}

func (a *app) listPresets() error {
	all := a.allPresets()
	if a.json {
		return a.printJSON(map[string]any{"presets": all})
	}
	w := newTable(a.stdout)
	for _, p := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, p.Source, p.Summary)
	}
	return w.Flush()
}

func (a *app) showPreset(name string) error {
	all := a.allPresets()
	shown := slices.DeleteFunc(slices.Clone(all), func(p preset) bool { return p.Name != name })
	if len(shown) == 0 {
		hint := "`usher presets` lists them"
		if near := definition.Nearest(name, presetNames(all)); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		return &usageError{"usage.unknown_preset", fmt.Sprintf("there is no preset %q", name), hint}
	}
	if a.json {
		return a.printJSON(map[string]any{"presets": shown})
	}
	for i, p := range shown {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		fmt.Fprintf(a.stdout, "preset %s of the source %s\n  %s\n\n%s\n", p.Name, p.Source, p.Summary, indented(p.Doc, "  "))
		a.printOptions(p.Options, "", "", "  ")
		fmt.Fprintf(a.stdout, "\n  It stands for:\n\n%s\n", indented(p.Equivalent, "    "))
	}
	return nil
}
