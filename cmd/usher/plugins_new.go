package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/scaffold"
)

func pluginsNewCommand(a *app) *cobra.Command {
	language, checkout := "", ""
	cmd := &cobra.Command{
		Use:   "new " + strings.Join(scaffold.Kinds, "|") + " NAME",
		Short: "Write the project of a new plugin: code that works, tests, a pipeline",
		Long: `Write a project into the folder NAME: a plugin with one hasher, source, transform or sink that works as it is, its tests, and a
pipeline that uses it. The folder must not exist, or be empty.

Go has all four kinds, Python (python) hashers and sources, JavaScript (js) hashers.`,
		Example: `  usher plugins new hasher oldshop --lang go
  usher plugins new source oldcrm --lang python`,
		Args: arguments(2, 2, "what the plugin is to have ("+strings.Join(scaffold.Kinds, ", ")+") and its name"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return scaffold.Kinds, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			p := scaffold.Project{Kind: args[0], Name: args[1], Language: language}
			if err := a.checkProject(p); err != nil {
				return err
			}
			if p.Language == "go" {
				var err error
				if p.Version, p.Checkout, err = moduleOf(checkout); err != nil {
					return err
				}
			}
			return a.writeProject(p)
		},
	}
	cmd.Flags().StringVar(&language, "lang", "go", "the language: "+strings.Join(scaffold.Languages, ", "))
	cmd.Flags().StringVar(&checkout, "usher", "", "a checkout of usher that a project in Go is built with, in place of a release")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(scaffold.Languages, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkFlagDirname("usher")
	return cmd
}

// checkProject refuses what there cannot be, and names that are taken: the plugin would be written and then not be usable.
func (a *app) checkProject(p scaffold.Project) error {
	switch {
	case !slices.Contains(scaffold.Kinds, p.Kind):
		hint := "a plugin is to have a " + strings.Join(scaffold.Kinds[:3], ", ") + " or " + scaffold.Kinds[3]
		if slices.Contains(scaffold.Kinds, p.Name) {
			hint = fmt.Sprintf("did you mean `usher plugins new %s %s`?", p.Name, p.Kind)
		}
		return &usageError{"usage.plugin", fmt.Sprintf("there is no kind of plugin called %q", p.Kind), hint}
	case !slices.Contains(scaffold.Languages, p.Language):
		return &usageError{"usage.plugin", fmt.Sprintf("there are no projects in the language %q", p.Language),
			"known: " + strings.Join(scaffold.Languages, ", ") + "; docs/reference/plugins.md has the protocol for others"}
	case !scaffold.Can(p.Kind, p.Language):
		return &usageError{"usage.plugin", fmt.Sprintf("there are no projects of a %s in the language %s", p.Kind, p.Language),
			"Go has all kinds, Python hashers and sources, JavaScript hashers"}
	case !scaffold.ValidName(p.Name):
		return &usageError{"usage.plugin", fmt.Sprintf("a plugin cannot be called %q", p.Name),
			"its name is a word in small letters, with digits, - and _ behind the first letter"}
	}
	taken := false
	switch name := p.Called(); p.Kind {
	case "hasher":
		_, err := password.Lookup(name)
		taken = err == nil || name == "auto" || name == "plain"
	case "source":
		_, taken = a.registry.Sources[name]
	case "transform":
		_, taken = a.registry.Transforms[name]
	case "sink":
		_, taken = a.registry.Sinks[name]
	}
	if taken {
		return &usageError{"usage.plugin", fmt.Sprintf("a %s called %s is built in", p.Kind, p.Called()), "give it another name, such as my-" + p.Name}
	}
	return nil
}

var release = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$`)

// moduleOf says where a project in Go finds usher: in a checkout, or for the program of a release in that release. A program that was built from a
// checkout looks for it about itself and about the working folder.
func moduleOf(checkout string) (version, dir string, err error) {
	if checkout != "" {
		dir := absolute(checkout)
		if !scaffold.IsCheckout(dir) {
			return "", "", &usageError{"usage.plugin", fmt.Sprintf("%s is no checkout of usher: it has no go.mod of %s", checkout, scaffold.Module), ""}
		}
		return "", dir, nil
	}
	version = versionName()
	if release.MatchString(version) {
		return version, "", nil
	}
	program, _ := os.Executable()
	for _, from := range []string{filepath.Dir(program), absolute(".")} {
		if dir := scaffold.Checkout(from); dir != "" {
			return "", dir, nil
		}
	}
	return "", "", &usageError{"usage.plugin", fmt.Sprintf("this usher (%s) is no release that Go could fetch", version),
		"name the checkout that it was built from: --usher DIR"}
}

func (a *app) writeProject(p scaffold.Project) error {
	files, err := p.Files()
	if err == nil {
		err = scaffold.Write(p.Name, files)
	}
	if errors.Is(err, scaffold.ErrNotEmpty) {
		return &usageError{"usage.plugin", fmt.Sprintf("there is a folder %s already, and it is not empty", p.Name), "choose another name, or empty it"}
	}
	if err != nil {
		return &pipeline.Error{Code: "file.unwritable", Message: "the project cannot be written: " + err.Error(), Hint: "check this folder, its permissions and the disk", Err: err}
	}
	names := []string{}
	for _, f := range files {
		names = append(names, f.Name)
	}
	next := p.Next(p.Name)
	if a.json {
		return a.printJSON(map[string]any{"kind": p.Kind, "name": p.Called(), "language": p.Language, "folder": absolute(p.Name), "files": names, "next": next})
	}
	_, err = fmt.Fprintf(a.stdout, "wrote the %s %s:\n\n  %s\n\nnext:\n\n  %s\n", p.Kind, p.Called(),
		p.Name+"/"+strings.Join(names, "\n  "+p.Name+"/"), strings.Join(next, "\n  "))
	return err
}
