package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/plugins/host"
	"github.com/usher-id/usher/plugins/scaffold"
)

// pluginCache is where it is kept what plugins say of themselves; empty where there is no such place.
func pluginCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "usher", "plugins")
}

func pluginsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugins",
		Short: "Write, test, add, list and verify plugins",
		Long: `Plugins are programs of their own that bring connectors and hashers. A pipeline file declares those that it uses under
plugins; those of the folder $USHER_PLUGINS, or else .usher/plugins beside the pipeline file, are there for every
pipeline. A plugin is started only if its file has the checksum that was recorded when it was added.

Without a command, lists the plugins of the folder, or with --pipeline those that a pipeline file can use.`,
		GroupID: groupKnow,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
	}
	file := ""
	cmd.Flags().StringVar(&file, "pipeline", "", "the pipeline file whose plugins are meant")
	_ = cmd.RegisterFlagCompletionFunc("pipeline", pipelineFiles)
	cmd.RunE = func(*cobra.Command, []string) error { return a.listPlugins(file) }
	cmd.AddCommand(pluginsNewCommand(a), pluginsAddCommand(a), pluginsVerifyCommand(a), pluginsTestCommand(a), pluginsNodeCommand(), &cobra.Command{
		Use: "list", Short: "List the plugins of the folder", Args: arguments(0, 0, "nothing"), RunE: cmd.RunE,
	})
	return cmd
}

// usePlugins adds what the plugins of a pipeline file bring, or those of the folder "" alone.
func (a *app) usePlugins(file string) error {
	registry, err := definition.Plugins(cmp.Or(file, "."), a.registry, a.env())
	if err == nil {
		a.registry = registry
	}
	return err
}

// pluginFlag has a command and those below it know plugins: those of the folder, and those of a pipeline file.
func (a *app) pluginFlag(cmd *cobra.Command) {
	file := cmd.PersistentFlags().String("pipeline", "", "a pipeline file whose plugins are known too")
	_ = cmd.RegisterFlagCompletionFunc("pipeline", pipelineFiles)
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error {
		a.began = true
		return a.usePlugins(*file)
	}
}

// completed completes words that plugins add to. A plugin that cannot be used adds none, and that is all: this is no place for errors.
func (a *app) completed(words func() []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		_ = a.usePlugins(cmd.Flag("pipeline").Value.String())
		return words(), cobra.ShellCompDirectiveNoFileComp
	}
}

// pluginFlags say how a program is run as a plugin.
type pluginFlags struct {
	name, command string
	files, env    []string
	options       map[string]string
}

func (f *pluginFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "name", "", "the plugin's name (default the file's)")
	cmd.Flags().StringVar(&f.command, "command", "", "the interpreter that runs the file, with its arguments")
	cmd.Flags().StringArrayVar(&f.files, "file", nil, "a further file that the plugin is made of (repeatable)")
	cmd.Flags().StringArrayVar(&f.env, "env", nil, "the name of an environment variable that the plugin is given (repeatable)")
	cmd.Flags().StringToStringVar(&f.options, "option", nil, "NAME=VALUE, an option of its hashers; ${VARIABLE} stays as it stands (repeatable)")
}

var notInNames = regexp.MustCompile(`[^a-z0-9_-]+`)

// plugin gives the declaration of a file, with the checksum that it has now.
func (f *pluginFlags) plugin(path string) (pipeline.Plugin, error) {
	p := pipeline.Plugin{Name: f.name, Path: absolute(path), Command: strings.Fields(f.command), Env: f.env, Options: f.options}
	if p.Name == "" {
		base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		p.Name = strings.Trim(notInNames.ReplaceAllString(strings.ToLower(base), "-"), "-")
	}
	for _, file := range f.files {
		p.Files = append(p.Files, absolute(file))
	}
	sum, err := host.Checksum(p)
	if err != nil {
		return p, &usageError{"usage.plugin", "the plugin cannot be read: " + pathReason(err), "name the plugin's program"}
	}
	p.SHA256 = sum
	return p, nil
}

// expanded is the declaration with the variables of its options filled in.
func expanded(p pipeline.Plugin) pipeline.Plugin {
	options := map[string]string{}
	for name, v := range p.Options {
		options[name] = os.Expand(v, os.Getenv)
	}
	p.Options = options
	return p
}

// summary is the JSON form of a plugin and what it has.
type pluginSummary struct {
	Name    string        `json:"name"`
	Path    string        `json:"path"`
	SHA256  string        `json:"sha256"`
	Version string        `json:"version,omitempty"`
	Has     []pluginThing `json:"has"`
	Error   *failure      `json:"error,omitempty"`
}

type pluginThing struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Summary string `json:"summary"`
}

func (a *app) summarize(ctx context.Context, p pipeline.Plugin) (pluginSummary, error) {
	s := pluginSummary{Name: p.Name, Path: p.Path, SHA256: p.SHA256, Has: []pluginThing{}}
	d, err := a.plugins.Describe(ctx, p, a.env().Log)
	if err != nil {
		return s, err
	}
	s.Version = d.GetVersion()
	for _, c := range d.GetSources() {
		s.Has = append(s.Has, pluginThing{"source", c.GetName(), c.GetSummary()})
	}
	for _, c := range d.GetTransforms() {
		s.Has = append(s.Has, pluginThing{"transform", c.GetName(), c.GetSummary()})
	}
	for _, c := range d.GetSinks() {
		s.Has = append(s.Has, pluginThing{"sink", c.GetName(), c.GetSummary()})
	}
	for _, h := range d.GetHashers() {
		s.Has = append(s.Has, pluginThing{"hasher", h.GetName(), h.GetSummary()})
	}
	return s, nil
}

// pluginsFile is the file that `usher plugins add` records in.
func pluginsFile() string {
	return filepath.Join(definition.PluginFolder(""), definition.PluginsFile)
}

// declared gives the plugins of a pipeline file and of the folder that belongs to it; without a file, those of the folder.
func (a *app) declared(file string) ([]pipeline.Plugin, error) {
	var list []pipeline.Plugin
	folder := pluginsFile()
	if file != "" {
		var err error
		if list, err = definition.DeclaredPlugins(file, a.env()); err != nil {
			return nil, err
		}
		folder = filepath.Join(definition.PluginFolder(filepath.Dir(file)), definition.PluginsFile)
	}
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	more, err := definition.DeclaredPlugins(folder, a.env())
	return append(list, more...), err
}

func (a *app) listPlugins(file string) error {
	list, err := a.declared(file)
	if err != nil {
		return err
	}
	return a.printPlugins(context.Background(), list)
}

// printPlugins shows plugins with what they have, and exits with the code of the first that cannot be used.
func (a *app) printPlugins(ctx context.Context, list []pipeline.Plugin) error {
	summaries, exit := []pluginSummary{}, exitWell
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, p := range list {
		s, err := a.summarize(ctx, p)
		if err != nil {
			f, code := a.failure(err)
			s.Error, exit = &f, max(exit, code)
			fmt.Fprintf(w, "%s\tunusable\t%s\t%s\n", p.Name, f.Code, short(p.Path))
		}
		for _, thing := range s.Has {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Name, thing.Kind, thing.Name, thing.Summary)
		}
		summaries = append(summaries, s)
	}
	if a.json {
		if err := a.printJSON(map[string]any{"plugins": summaries}); err != nil {
			return err
		}
	} else {
		if err := w.Flush(); err != nil {
			return err
		}
		for _, s := range summaries {
			if s.Error != nil {
				a.printFailure(*s.Error)
			}
		}
		if len(list) == 0 {
			fmt.Fprintf(a.stdout, "no plugins in %s\n", short(pluginsFile()))
		}
	}
	if exit != exitWell {
		return done(exit)
	}
	return nil
}

func pluginsAddCommand(a *app) *cobra.Command {
	var flags pluginFlags
	cmd := &cobra.Command{
		Use:   "add FILE",
		Short: "Record a plugin with its checksum, or the new checksum of one",
		Long: `Start a plugin, see what it has, and record it with its checksum in plugins.yaml of the folder of plugins. One that is
recorded under the same name is replaced: this is how a plugin that you have built again is taken.

What is printed can stand under plugins: of a pipeline file just as well.`,
		Example: `  usher plugins add ./bin/legacy
  usher plugins add legacy.py --command python3 --option 'pepper=${PEPPER}'`,
		Args: arguments(1, 1, "the plugin's program"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := flags.plugin(args[0])
			if err != nil {
				return err
			}
			if !scaffold.ValidName(p.Name) { // recorded, it would keep every other plugin from being read
				return &usageError{"usage.plugin", fmt.Sprintf("a plugin cannot be called %q", p.Name),
					"give --name: a word in small letters, with digits, - and _ behind the first letter"}
			}
			s, err := a.summarize(cmd.Context(), expanded(p))
			if err != nil {
				return err
			}
			file := pluginsFile()
			entry, err := recordPlugin(file, p)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"plugin": s, "file": file})
			}
			_, err = fmt.Fprintf(a.stdout, "recorded in %s:\n\nplugins:\n%s", short(file), entry)
			return err
		},
	}
	flags.add(cmd)
	return cmd
}

// recordPlugin writes a plugin into a file of plugins, in place of one of the same name, and gives its text.
func recordPlugin(file string, p pipeline.Plugin) (string, error) {
	fail := func(err error) (string, error) {
		return "", &pipeline.Error{Code: "plugin.not_recorded", Message: "the plugin cannot be recorded: " + pathReason(err), Hint: "mend " + short(file) + ", or check its permissions", Err: err}
	}
	var doc struct {
		Plugins []yaml.Node `yaml:"plugins"`
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fail(err)
	}
	folder := absolute(filepath.Dir(file))
	from := func(path string) string {
		if rel, err := filepath.Rel(folder, path); err == nil {
			return rel
		}
		return path
	}
	entry := pluginEntry{Name: p.Name, Path: from(p.Path), SHA256: p.SHA256, Command: p.Command, Env: p.Env, Options: p.Options}
	for _, f := range p.Files {
		entry.Files = append(entry.Files, from(f))
	}
	at := len(doc.Plugins)
	for i := range doc.Plugins {
		var old pluginEntry
		if doc.Plugins[i].Decode(&old) == nil && old.Name == p.Name {
			at, entry.Timeout = i, old.Timeout // which no flag gives
		}
	}
	if at == len(doc.Plugins) {
		doc.Plugins = append(doc.Plugins, yaml.Node{})
	}
	if err := doc.Plugins[at].Encode(entry); err != nil {
		return fail(err)
	}
	out, err := yaml.Marshal(&doc)
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err == nil {
		err = writeWhole(file, out, 0o600, true)
	}
	if err != nil {
		return fail(err)
	}
	one, err := yaml.Marshal([]pluginEntry{entry})
	return string(one), err
}

// pluginEntry is a plugin as it stands in a file.
type pluginEntry struct {
	Name    string            `yaml:"name"`
	Path    string            `yaml:"path"`
	SHA256  string            `yaml:"sha256"`
	Command []string          `yaml:"command,omitempty,flow"`
	Files   []string          `yaml:"files,omitempty,flow"`
	Env     []string          `yaml:"env,omitempty,flow"`
	Options map[string]string `yaml:"options,omitempty"`
	Timeout string            `yaml:"timeout,omitempty"`
}

func pluginsVerifyCommand(a *app) *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use:   "verify [NAME...]",
		Short: "Say whether plugins have their checksums and start, without using them",
		Args:  arguments(0, -1, "names of plugins, or none for all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.declared(file)
			if err != nil {
				return err
			}
			var chosen []pipeline.Plugin
			known := map[string]bool{}
			for _, p := range list {
				known[p.Name] = true
				for _, name := range args {
					if p.Name == name {
						chosen = append(chosen, p)
					}
				}
			}
			for _, name := range args {
				if !known[name] {
					return &usageError{"usage.plugin", fmt.Sprintf("no plugin is called %q", name), "`usher plugins` lists them"}
				}
			}
			if len(args) == 0 {
				chosen = list
			}
			a.plugins.Forget() // what they said before is no proof that they start
			return a.printPlugins(cmd.Context(), chosen)
		},
	}
	cmd.Flags().StringVar(&file, "pipeline", "", "the pipeline file whose plugins are meant")
	return cmd
}

func pluginsTestCommand(a *app) *cobra.Command {
	var flags pluginFlags
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Start a plugin that is being written, and hold it to what it promises",
		Long: `Start a plugin that need not be recorded, check how it describes itself, and what its hashers answer: that each verifies
its samples, refuses other passwords, calls damaged hashes malformed, and verifies what it hashes.`,
		Args: arguments(1, 1, "the plugin's program"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := flags.plugin(args[0])
			if err != nil {
				return err
			}
			a.plugins.Forget()
			checks, err := a.plugins.Test(cmd.Context(), a.env(), expanded(p))
			if err != nil {
				return err
			}
			return a.printChecks(checks)
		},
	}
	flags.add(cmd)
	return cmd
}

func (a *app) printChecks(checks []host.Check) error {
	failed := 0
	for _, c := range checks {
		if c.Problem != "" {
			failed++
		}
		if a.json {
			continue
		}
		word := "ok    "
		if c.Problem != "" {
			word = "FAILED"
		}
		fmt.Fprintf(a.stdout, "%s  %s\n", word, c.Name)
		if c.Problem != "" {
			fmt.Fprintln(a.stdout, indented(c.Problem, "        "))
		}
	}
	if a.json {
		if err := a.printJSON(map[string]any{"checks": checks, "failed": failed}); err != nil {
			return err
		}
	}
	if failed > 0 {
		return done(exitFailed)
	}
	return nil
}
