package definition

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/pipeline"
)

// PluginsFile is the file of a folder of plugins that declares them as a pipeline file does: under plugins.
const PluginsFile = "plugins.yaml"

// pluginOptions are what a plugin is declared by.
var pluginOptions = []pipeline.Option{
	{Name: "name", Type: pipeline.String, Required: true, Doc: "What messages call the plugin: a word in small letters.", Example: "legacy"},
	{Name: "path", Type: pipeline.Path, Required: true, Doc: "The plugin's program, or the script that `command` runs.", Example: "plugins/legacy"},
	{Name: "sha256", Type: pipeline.String, Required: true, Doc: "The checksum that the file must have, as `usher plugins add` prints and records it. Nothing else is started.",
		Example: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
	{Name: "command", Type: pipeline.String, List: true, Doc: "The interpreter that runs the file, with its arguments. Without it the file runs by itself.", Example: "[python3, -I]"},
	{Name: "files", Type: pipeline.Path, List: true, Doc: "Further files that the plugin is made of. They are its arguments, and part of the checksum.", Example: "[legacy.js]"},
	{Name: "env", Type: pipeline.String, List: true, Doc: "Names of environment variables that the plugin is given. It sees no others but PATH and TMPDIR.", Example: "[HTTPS_PROXY]"},
	{Name: "options", Type: pipeline.String, Map: true, Secret: true, Doc: "Options of the plugin's hashers, such as a pepper. They travel by the protocol and not by the environment.",
		Example: "{ pepper: \"${PEPPER}\" }"},
	{Name: "timeout", Type: pipeline.Duration, Default: "2m", Doc: "How long one call to the plugin may take. Then it is ended and started again."},
}

var (
	pluginName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)
	checksum   = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
)

// plugins reads a list of plugins and adds what they bring to the registry.
func (l *loader) plugins(e entry) {
	l.eachPlugin(e, func(n *yaml.Node, p pipeline.Plugin) {
		if l.registry.Plugin == nil {
			l.report(e.key, "config.no_plugins", "plugins cannot be used here", "")
			return
		}
		types, err := l.registry.Plugin(l.env, p)
		if err != nil {
			l.pluginsFailed = true
			l.pluginProblem(n, p, err)
			return
		}
		for _, t := range types {
			if !l.registry.Add(t) {
				l.report(n, "plugin.conflict", fmt.Sprintf("the plugin %s brings a connector named as another: %s", p.Name, nameOf(t)), "leave one of the plugins out")
			}
		}
	})
}

func nameOf(t any) string {
	switch t := t.(type) {
	case pipeline.SourceType:
		return "source " + t.Name
	case pipeline.TransformType:
		return "transform " + t.Name
	case pipeline.SinkType:
		return "sink " + t.Name
	}
	return ""
}

func (l *loader) eachPlugin(e entry, do func(*yaml.Node, pipeline.Plugin)) {
	if isNull(e.value) {
		return
	}
	if e.value.Kind != yaml.SequenceNode {
		l.report(e.value, "config.wrong_type", "plugins are a list, not "+kindOf(e.value), "begin each plugin with -")
		return
	}
	seen := map[string]bool{}
	for _, n := range e.value.Content {
		n = follow(n)
		before := len(l.found)
		config, places := l.connector(n, n, "plugin", pipeline.Spec{Name: nameIn(n), Options: pluginOptions})
		if len(l.found) > before {
			l.pluginsFailed = true
			continue
		}
		p := pipeline.Plugin{
			Name: config.String("name"), Path: config.String("path"), SHA256: strings.ToLower(config.String("sha256")), Command: config.Strings("command"),
			Files: config.Strings("files"), Env: config.Strings("env"), Options: config.StringMap("options"), Timeout: config.Duration("timeout"),
		}
		switch {
		case !pluginName.MatchString(p.Name):
			l.report(places["name"], "config.bad_value", "a plugin's name is a word in small letters", "")
		case seen[p.Name]:
			l.report(places["name"], "config.duplicate_key", fmt.Sprintf("two plugins are called %s", p.Name), "")
		case !checksum.MatchString(p.SHA256):
			l.report(places["sha256"], "config.bad_value", "a SHA-256 checksum has 64 hexadecimal digits", "`usher plugins add` prints it")
		case p.Timeout < time.Second:
			l.report(places["timeout"], "config.bad_value", "a timeout of a second is the least", "")
		default:
			seen[p.Name] = true
			do(places["name"], p)
			continue
		}
		l.pluginsFailed = true
	}
}

// nameIn is what messages call a plugin whose declaration is not read yet.
func nameIn(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if name := follow(n.Content[i+1]); n.Content[i].Value == "name" && name.Kind == yaml.ScalarNode && pluginName.MatchString(name.Value) {
				return name.Value
			}
		}
	}
	return "without a name"
}

// pluginProblem reports why a plugin cannot be used.
func (l *loader) pluginProblem(n *yaml.Node, p pipeline.Plugin, err error) {
	var known *pipeline.Error
	var diagnostics Diagnostics
	switch {
	case errors.As(err, &known):
		l.report(n, known.Code, known.Message, known.Hint)
	case errors.As(err, &diagnostics):
		for _, d := range diagnostics {
			l.report(n, d.Code, fmt.Sprintf("the options of plugin %s: %s", p.Name, d.Message), d.Hint)
		}
	default:
		l.report(n, "plugin.failed", fmt.Sprintf("the plugin %s: %v", p.Name, err), "")
	}
}

// PluginFolder gives the folder of plugins that belongs to pipeline files in a folder.
func PluginFolder(dir string) string {
	if folder := os.Getenv("USHER_PLUGINS"); folder != "" {
		return folder
	}
	return filepath.Join(dir, ".usher", "plugins")
}

// installed adds the plugins of the folder that belongs to dir to the registry.
func (l *loader) installed() {
	path, err := filepath.Abs(filepath.Join(PluginFolder(l.dir), PluginsFile))
	if err != nil || l.registry == nil || l.registry.Plugin == nil {
		return
	}
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil && os.Getenv("USHER_PLUGINS") == "":
		// Another user's state folder stands beside the pipeline.
		l.env.Log.Warn("the folder of plugins cannot be looked into: none of it is used", slog.String("folder", filepath.Dir(path)), slog.Any("error", err))
		return
	}
	file := &loader{file: path, dir: filepath.Dir(path), registry: l.registry, env: l.env}
	text, d := readFile(path)
	if d != nil {
		l.others = append(l.others, d)
		return
	}
	if root := file.parse(text); root != nil {
		for _, e := range file.entries(root) {
			if e.name == "plugins" {
				file.plugins(e)
			} else {
				file.unknown(e.key, "config.unknown_key", fmt.Sprintf("a file of plugins has no key %q", e.name), []string{"plugins"})
			}
		}
	}
	l.pluginsFailed = l.pluginsFailed || file.pluginsFailed
	l.others = append(l.others, file.diagnostics()...)
}

// Plugins gives a registry with the connectors of the plugins that a pipeline file declares, and of those in the folder that belongs to it. path may
// also be a folder, for those alone. The error is Diagnostics.
func Plugins(path string, registry *pipeline.Registry, env pipeline.Env) (*pipeline.Registry, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, Diagnostics{{Code: "config.unreadable", File: path, Message: err.Error()}}
	}
	l := &loader{file: path, dir: absolute, registry: registry.Clone(), env: env}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		l.dir = filepath.Dir(absolute)
		text, d := readFile(path)
		if d != nil {
			return nil, Diagnostics{d}
		}
		l.env.Dir = l.dir
		if root := l.parse(text); root != nil && root.Kind == yaml.MappingNode {
			for _, e := range l.entries(root) {
				if e.name == "plugins" {
					l.plugins(e)
				}
			}
		}
	}
	l.env.Dir = l.dir
	l.installed()
	if ds := append(l.diagnostics(), l.others...); len(ds) > 0 {
		return nil, ds
	}
	return l.registry, nil
}

// DeclaredPlugins gives the plugins that a file declares, by their places, without starting them.
func DeclaredPlugins(path string, env pipeline.Env) ([]pipeline.Plugin, error) {
	text, d := readFile(path)
	if d != nil {
		return nil, Diagnostics{d}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	l := &loader{file: path, dir: filepath.Dir(absolute), env: env}
	var list []pipeline.Plugin
	if root := l.parse(text); root != nil && root.Kind == yaml.MappingNode {
		for _, e := range l.entries(root) {
			if e.name == "plugins" {
				l.eachPlugin(e, func(_ *yaml.Node, p pipeline.Plugin) { list = append(list, p) })
			}
		}
	}
	if len(l.found) > 0 {
		return nil, l.diagnostics()
	}
	return list, nil
}
