// Package definition reads pipeline files: the YAML that names a source, transforms and a sink with their options.
// Everything that is wrong with a file is found at once, each with its line, column and what to do about it. The JSON
// Schema of the file comes from the same declarations that it is read by.
package definition

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
)

// Pipeline is what a pipeline file says, with its connectors built and not yet opened. It is good for one run, or for
// Test: connectors remember.
type Pipeline struct {
	Name        string
	Description string
	// File is the absolute path, Hash the SHA-256 of the text in hex.
	File string
	Hash string

	Source     pipeline.Source
	Transforms []pipeline.Transform
	Sink       pipeline.Sink
	// Deleted are expressions over a record of the source, any of which tells that its user is gone.
	Deleted []*expression.Program
	// SourceName and SinkName are the connectors' names.
	SourceName, SinkName string

	// Schedule is a cron expression of five fields, or empty.
	Schedule string
	// MaxFailures is how many failures a run bears, nil for any number.
	MaxFailures *pipeline.Threshold
	// BatchSize and Workers are 0 where the file leaves them to the engine.
	BatchSize, Workers int
	// Passwords is what is done about passwords on their way to the sink.
	Passwords Passwords
	// Proofs are the users whose passwords are known.
	Proofs []Proof
	Tests  []Test
}

// sections are the keys at the top of a file that are options like any other.
var sections = []pipeline.Option{
	{Name: "name", Type: pipeline.String, Doc: "Names the pipeline in messages, in the journal and in its lock. The file's name without its extension by default.", Example: "legacy-crm"},
	{Name: "description", Type: pipeline.String, Doc: "What the pipeline is for."},
	{Name: "schedule", Type: pipeline.String, Doc: "When a recurring pipeline runs: a cron expression of five fields.", Example: `"*/15 * * * *"`},
	{Name: "max_failures", Type: pipeline.String, Doc: "How many records may fail before the run stops: a number of records, or a share of those read so far. By default a run never stops for failed records.", Example: "2%"},
	{Name: "batch_size", Type: pipeline.Int, Doc: "How many records travel together. The engine's default suits most; a smaller one saves memory where records are large.", Example: "1000"},
	{Name: "workers", Type: pipeline.Int, Doc: "How many batches are transformed at the same time. The number of processors by default.", Example: "4"},
	{Name: "passwords", Type: pipeline.Object, Fields: passwordFields, Example: "{ refused: omit }", Doc: "What is done about passwords on their way to the sink."},
	{Name: "prove", Type: pipeline.Object, List: true, Fields: proveFields, Example: `{ user: ann@example.com, password: "${ANNS_PASSWORD}" }`,
		Doc: "Users whose passwords are known. Before a run each is looked for in the source, mapped, and the known password verified against the hash that the target would get; " +
			"a run that cannot prove one is refused. `check` and `plan` prove them, too; `resume` and `retry` do not again."},
}

// others are the keys at the top of a file that are read in ways of their own.
var others = []string{"plugins", "source", "transforms", "sink", "tests"}

// Load reads the pipeline file at path. The error is Diagnostics. Nothing but the file, and those that a ${file:…}
// names, is read.
func Load(path string, registry *pipeline.Registry, env pipeline.Env) (*Pipeline, error) {
	text, d := readFile(path)
	if d != nil {
		return nil, Diagnostics{d}
	}
	return Parse(path, text, registry, env)
}

// LoadAgain is Load for what goes on with an earlier run, which has proved what the file says to prove: that part is passed over, with
// the variables and files that it names.
func LoadAgain(path string, registry *pipeline.Registry, env pipeline.Env) (*Pipeline, error) {
	text, d := readFile(path)
	if d != nil {
		return nil, Diagnostics{d}
	}
	return parse(path, text, registry, env, true)
}

// Parse is Load of a text; path says where it is from and what its relative paths are relative to.
func Parse(path string, text []byte, registry *pipeline.Registry, env pipeline.Env) (*Pipeline, error) {
	return parse(path, text, registry, env, false)
}

func parse(path string, text []byte, registry *pipeline.Registry, env pipeline.Env, proved bool) (*Pipeline, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, Diagnostics{{Code: "config.unreadable", File: path, Message: "its folder is not known: " + err.Error()}}
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.Stdin == nil {
		env.Stdin = strings.NewReader("")
	}
	env.Dir = filepath.Dir(absolute)
	l := &loader{file: path, dir: env.Dir, registry: registry.Clone(), env: env, proved: proved}
	p := l.load(text)
	if len(l.found)+len(l.others) > 0 {
		return nil, append(l.diagnostics(), l.others...)
	}
	sum := sha256.Sum256(text)
	p.File, p.Hash = absolute, hex.EncodeToString(sum[:])
	if p.Name == "" {
		p.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	return p, nil
}

func (l *loader) load(text []byte) *Pipeline {
	root := l.parse(text)
	if root == nil {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		l.report(root, "config.wrong_type", "a pipeline is a map with the keys source and sink, not "+kindOf(root), "")
		return nil
	}
	p := &Pipeline{}
	var preset []pipeline.Transform
	top := options{l, "a pipeline", map[string]*yaml.Node{}}
	seen := map[string]bool{}
	entries := l.entries(root)
	if i := slices.IndexFunc(entries, func(e entry) bool { return e.name == "plugins" }); i >= 0 {
		l.plugins(entries[i])
	}
	l.installed()
	for _, e := range entries {
		seen[e.name] = true
		switch e.name {
		case "plugins":
		case "prove":
			if l.proved {
				l.hideBelow(e.value)
				continue
			}
			l.section(p, top, e)
		case "source":
			p.Source, p.SourceName, preset = l.source(p, e)
		case "sink":
			p.Sink, p.SinkName = connect(l, e, "sink", l.registry.Sinks, sinkOf)
		case "transforms":
			p.Transforms = l.transforms(e)
		case "tests":
			p.Tests = l.tests(e)
		default:
			meant := l.section(p, top, e)
			seen[meant] = true
		}
	}
	for _, path := range l.writes {
		message, hint := "", "write to another file"
		if i := slices.IndexFunc(l.reads, func(pattern string) bool { return takes(pattern, path) }); slices.Contains(l.reads, path) {
			message = "the sink would replace the file that the source reads, " + path
		} else if file, err := filepath.Abs(l.file); err == nil && file == path {
			message = "the sink would replace the pipeline file itself, " + path
		} else if i >= 0 {
			message, hint = fmt.Sprintf("the sink would write %s, which the next run would read as one of %s", path, l.reads[i]), "write to another folder"
		} else {
			continue
		}
		at := entries[slices.IndexFunc(entries, func(e entry) bool { return e.name == "sink" })]
		l.report(at.key, "config.same_file", message, hint)
	}
	if r, ok := p.Sink.(pipeline.Reconciler); ok && r.Reconciles() && p.Name == "" {
		l.report(root, "config.missing_key", "the pipeline has no name, by which the sink knows the users that it brought", "name: and a name that no other pipeline has").length = 1
	}
	for _, name := range []string{"source", "sink"} {
		if !seen[name] {
			l.report(root, "config.missing_key", "the pipeline has no "+name, name+": and under it the name of a connector with its options").length = 1
		}
	}
	if len(preset) > 0 {
		first := slices.IndexFunc(p.Transforms, func(t pipeline.Transform) bool { _, arranges := t.(pipeline.Arranger); return !arranges })
		if first < 0 {
			first = len(p.Transforms)
		}
		p.Transforms = slices.Insert(p.Transforms, first, preset...)
	}
	return p
}

// section reads a key at the top that is an option like any other. It gives the key that was meant by one that does
// not exist.
func (l *loader) section(p *Pipeline, top options, e entry) (meant string) {
	i := slices.IndexFunc(sections, func(o pipeline.Option) bool { return o.Name == e.name })
	if i < 0 {
		meant := l.unknown(e.key, "config.unknown_key", fmt.Sprintf("a pipeline has no key %q", e.name), append(names(sections), others...))
		l.hideUnknown(e, meant, nil)
		return meant
	}
	if isNull(e.value) {
		return ""
	}
	v, ok := top.option(e.key, e.value, sections[i], "")
	if !ok {
		return ""
	}
	count := func() int {
		n := v.(int64)
		if n < 1 || n > 1_000_000 {
			l.report(e.value, "config.bad_value", fmt.Sprintf("%s is a number from 1 to 1000000", e.name), "")
		}
		return int(n)
	}
	switch e.name {
	case "name":
		p.Name = v.(string)
		if p.Name == "" || strings.ContainsFunc(p.Name, func(r rune) bool { return r < ' ' }) || len(p.Name) > 200 {
			l.report(e.value, "config.bad_value", "a name has 1 to 200 characters on one line", "")
		}
	case "description":
		p.Description = v.(string)
	case "schedule":
		p.Schedule = v.(string)
		if len(strings.Fields(p.Schedule)) != 5 {
			l.report(e.value, "config.bad_value", "a schedule has five fields: minute, hour, day of month, month, day of week", `for example "*/15 * * * *"`)
		}
	case "max_failures":
		t, err := pipeline.ParseThreshold(v.(string))
		if err != nil {
			l.report(e.value, "config.bad_value", "max_failures: "+err.Error(), "write 100, or 2%")
		}
		p.MaxFailures = t
	case "batch_size":
		p.BatchSize = count()
	case "workers":
		p.Workers = count()
	case "passwords":
		c := v.(*pipeline.Config)
		p.Passwords = Passwords{Omit: c.String("refused") == "omit", For: c.String("for")}
	case "prove":
		p.Proofs = l.proofs(top, e, v.([]*pipeline.Config))
	}
	return ""
}

// connect builds the connector that the value of an entry names: a map with one key, or a name alone.
func connect[K, C any](l *loader, e entry, kind string, types map[string]K, parts func(K) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (C, error))) (c C, name string) {
	key, value := l.named(e.key, e.value, kind)
	if key == nil {
		return c, ""
	}
	t, ok := types[key.Value]
	if !ok {
		l.hideBelow(value)
		if l.pluginsFailed {
			return c, "" // it may be one of theirs
		}
		l.unknown(key, "config.unknown_connector", fmt.Sprintf("there is no %s %q", kind, key.Value), pipeline.Names(types))
		return c, ""
	}
	spec, build := parts(t)
	before := len(l.found)
	config, places := l.connector(key, value, kind, spec)
	if len(l.found) > before {
		return c, ""
	}
	c, err := build(l.env, config)
	if err != nil {
		l.refused(err, key, places, spec.Rest)
	}
	if _, publishes := any(c).(pipeline.Publisher); publishes { // others may have a file in common with the source, such as one of a key
		l.writes = pathsOf(spec, config)
	} else if kind == "source" {
		l.reads = append(l.reads, pathsOf(spec, config)...)
	}
	return c, key.Value
}

// sourceOf keeps what the common options say.
func (p *Pipeline) sourceOf(t pipeline.SourceType) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (pipeline.Source, error)) {
	return t.Spec, func(env pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
		if c.Has(pipeline.OptionDeleted) {
			p.Deleted = append(p.Deleted, c.Expression(pipeline.OptionDeleted))
		}
		return t.New(env, c)
	}
}

// joinedSourceOf has no place for what a source says about the pipeline's own records.
func joinedSourceOf(t pipeline.SourceType) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (pipeline.Source, error)) {
	return t.Spec, func(env pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
		if c.Has(pipeline.OptionDeleted) {
			return nil, &pipeline.OptionError{Option: pipeline.OptionDeleted, Message: "only the pipeline's own source says who is gone", Hint: "take it out"}
		}
		return t.New(env, c)
	}
}

func sourceOf(t pipeline.SourceType) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (pipeline.Source, error)) {
	return t.Spec, t.New
}

func transformOf(t pipeline.TransformType) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (pipeline.Transform, error)) {
	return t.Spec, t.New
}

func sinkOf(t pipeline.SinkType) (pipeline.Spec, func(pipeline.Env, *pipeline.Config) (pipeline.Sink, error)) {
	return t.Spec, t.New
}

// pathsOf gives the files that options name, without standard input and output and devices.
func pathsOf(spec pipeline.Spec, c *pipeline.Config) (paths []string) {
	for _, o := range spec.Options {
		switch {
		case o.Type != pipeline.Path || !c.Has(o.Name):
		case o.List:
			paths = append(paths, c.Strings(o.Name)...)
		default:
			paths = append(paths, c.String(o.Name))
		}
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		return path == "-" || strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/")
	})
}

// takes reports whether a source that reads all files of a glob, or of a folder, finds the one at path among them.
func takes(pattern, path string) bool {
	dir, name := filepath.Split(path)
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(filepath.Base(pattern), ".") {
		return false
	}
	matches, err := filepath.Match(pattern, path)
	return err == nil && matches || filepath.Clean(pattern) == filepath.Clean(dir)
}

// named gives the name of a connector and what stands after it.
func (l *loader) named(owner, n *yaml.Node, kind string) (key, value *yaml.Node) {
	how := fmt.Sprintf("write the name of a %s and under it its options", kind)
	what := "connector"
	if kind == presetKey {
		what = "name"
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str":
		return n, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: n.Line, Column: n.Column}
	case n.Kind != yaml.MappingNode:
		at := n
		if isNull(n) {
			at = owner
		}
		l.report(at, "config.wrong_type", fmt.Sprintf("a %s is one %s with its options, not %s", kind, what, kindOf(n)), how)
		return nil, nil
	}
	entries := l.entries(n)
	if len(entries) != 1 {
		at := owner
		if len(entries) > 1 {
			at = entries[1].key
			how = "indent its options under its name"
			if kind == "transform" {
				how += ", and begin each transform with a - of its own"
			}
		}
		l.report(at, "config.wrong_type", fmt.Sprintf("a %s is one %s, not %d", kind, what, len(entries)), how)
		return nil, nil
	}
	return entries[0].key, entries[0].value
}

func (l *loader) transforms(e entry) []pipeline.Transform {
	if isNull(e.value) {
		return nil
	}
	if e.value.Kind != yaml.SequenceNode {
		l.report(e.value, "config.wrong_type", "transforms are a list, not "+kindOf(e.value), "begin each transform with -")
		return nil
	}
	list := make([]pipeline.Transform, 0, len(e.value.Content))
	arranged := true
	for _, item := range e.value.Content {
		item = follow(item)
		t, name := connect(l, entry{"", item, item}, "transform", l.registry.Transforms, transformOf)
		if _, arranges := t.(pipeline.Arranger); !arranges {
			arranged = false
		} else if !arranged {
			l.report(item, "config.misplaced", fmt.Sprintf("%s works on the source as a whole: it stands before the other transforms", name),
				"move it to the top of the transforms").length = 1
		}
		list = append(list, t)
	}
	return list
}

// refused reports what a connector said against its options.
func (l *loader) refused(err error, key *yaml.Node, places map[string]*yaml.Node, rest string) {
	var option *pipeline.OptionError
	if errors.As(err, &option) {
		at := key
		for name := option.Option; name != ""; {
			if n := places[name]; n != nil {
				at = n
				break
			}
			name = name[:max(0, strings.LastIndexByte(name, '.'))]
		}
		message := option.Message
		if name := strings.TrimPrefix(option.Option, rest+"."); name != "" {
			message = name + ": " + message
		}
		l.report(at, "config.bad_value", message, option.Hint)
		return
	}
	var known *pipeline.Error
	if errors.As(err, &known) {
		l.report(key, known.Code, known.Message, known.Hint)
		return
	}
	l.report(key, "config.bad_value", err.Error(), "")
}

// NewSource builds a source outside of a pipeline file, from options as they would stand in one. Paths are as seen from
// env.Dir.
func NewSource(registry *pipeline.Registry, env pipeline.Env, name string, options map[string]string) (pipeline.Source, error) {
	key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}
	l := &loader{file: name, dir: env.Dir, registry: registry, env: env}
	source, _ := connect(l, entry{name, key, &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{key, given(options)}}}, "source", registry.Sources, sourceOf)
	if len(l.found) > 0 {
		return nil, l.diagnostics()
	}
	return source, nil
}

// NewConfig checks options of a hasher, as texts, against its declaration.
func NewConfig(env pipeline.Env, spec pipeline.Spec, options map[string]string) (*pipeline.Config, error) {
	l := &loader{file: spec.Name, dir: env.Dir, env: env}
	n := given(options)
	for i := 1; i < len(n.Content); i += 2 {
		if o := slices.IndexFunc(spec.Options, func(o pipeline.Option) bool { return o.Name == n.Content[i-1].Value }); o >= 0 && spec.Options[o].Type != pipeline.String {
			n.Content[i].Tag = "" // what it looks like
		}
	}
	config, _ := l.connector(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: spec.Name}, n, "hasher", spec)
	if len(l.found) > 0 {
		return nil, l.diagnostics()
	}
	return config, nil
}

// given makes a map of options whose texts are meant as they stand.
func given(options map[string]string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, option := range slices.Sorted(maps.Keys(options)) {
		n.Content = append(n.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: option},
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.ReplaceAll(options[option], "${", "$${")})
	}
	return n
}
