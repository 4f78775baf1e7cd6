package pipeline

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/usher-id/usher/expression"
)

// Type is the type of an option's value in a pipeline file.
type Type uint8

// The types of options.
const (
	String       Type = iota // text
	Bool                     // true or false
	Int                      // a whole number
	Duration                 // 30s, 5m, 2h: time.ParseDuration
	Size                     // bytes: 512, 64KB, 16MB, 2GB (1024 each)
	Path                     // a file path, made absolute from the folder of the pipeline file; - stays
	Expression               // an expression over user, compiled
	Object                   // named values, by Fields
	Mapping                  // a tree of names with expressions and constants at its leaves, in order
	SourceOption             // another source with its options, not yet open
)

var typeNames = [...]string{"string", "bool", "int", "duration", "size", "path", "expression", "object", "mapping", "source"}

func (t Type) String() string { return typeNames[t] }

// Option declares one option of a connector. Parsing, lint, documentation and the JSON Schema all come from it.
type Option struct {
	Name string
	Type Type
	// List takes several values; one value alone is a list of one.
	List bool
	// Map takes named values, each of the type; the names are the user's.
	Map bool
	// Fields are the options of an Object.
	Fields []Option
	// Enum lists the only texts allowed.
	Enum []string
	// Default is the value, as it would be written in YAML, where none is given; empty for none.
	Default  string
	Required bool
	// Secret values are never shown.
	Secret bool
	Doc    string
	// Example is a value as it would be written in YAML.
	Example string
}

// Spec declares a connector.
type Spec struct {
	Name string
	// Summary is one line.
	Summary string
	// Doc is the rest, in Markdown.
	Doc     string
	Options []Option
	// Shorthand names the option that is meant where a bare value stands in place of named options:
	// filter: user.active.
	Shorthand string
	// Rest names the option, of type Mapping, that takes all names that are no options.
	Rest string
}

// Env is what a connector may use of the process it runs in.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Log    *slog.Logger
	// Dir is the folder of the pipeline file: relative paths inside a value, such as a DSN, start there.
	Dir string
}

// Assignment is one leaf of a Mapping: a dotted target, and the expression or constant that gives its value.
type Assignment struct {
	Target string
	// Program is nil for a constant.
	Program  *expression.Program
	Constant any
	// Place is the line and column of the value in the pipeline file, such as 12:14.
	Place string
}

// Config holds the options of one connector as they were given, checked against its Spec and with defaults filled
// in. Asking for an option that the Spec does not have, or by another type, panics: that is a defect.
type Config struct {
	values map[string]any
}

// NewConfig gives a Config of values that were checked against a Spec. The values are: string, bool, int64,
// time.Duration, *expression.Program, *Config (Object), []Assignment (Mapping), []T for a List and
// map[string]T for a Map, Source for a SourceOption; Size is int64, Path is string. An option that has neither a value nor a default is not
// in values.
func NewConfig(values map[string]any) *Config { return &Config{values} }

// Get gives the value of an option as NewConfig took it, and whether there is one.
func (c *Config) Get(name string) (any, bool) { v, ok := c.values[name]; return v, ok }

// Has reports whether the option was given or has a default.
func (c *Config) Has(name string) bool { _, ok := c.values[name]; return ok }

func get[T any](c *Config, name string) T {
	v, ok := c.values[name]
	if !ok {
		var zero T
		return zero
	}
	return v.(T)
}

// String gives a String or Path option.
func (c *Config) String(name string) string { return get[string](c, name) }

// Strings gives a list of String or Path.
func (c *Config) Strings(name string) []string { return get[[]string](c, name) }

// StringMap gives a map of String.
func (c *Config) StringMap(name string) map[string]string { return get[map[string]string](c, name) }

// Bool gives a Bool option.
func (c *Config) Bool(name string) bool { return get[bool](c, name) }

// Int gives an Int or Size option.
func (c *Config) Int(name string) int64 { return get[int64](c, name) }

// Duration gives a Duration option.
func (c *Config) Duration(name string) time.Duration { return get[time.Duration](c, name) }

// Expression gives an Expression option, nil where it was not given.
func (c *Config) Expression(name string) *expression.Program {
	return get[*expression.Program](c, name)
}

// Expressions gives a list of Expression.
func (c *Config) Expressions(name string) []*expression.Program {
	return get[[]*expression.Program](c, name)
}

// Object gives an Object option, nil where it was not given.
func (c *Config) Object(name string) *Config { return get[*Config](c, name) }

// Objects gives a list of Object.
func (c *Config) Objects(name string) []*Config { return get[[]*Config](c, name) }

// ObjectMap gives a map of Object.
func (c *Config) ObjectMap(name string) map[string]*Config { return get[map[string]*Config](c, name) }

// Source gives a SourceOption: a source of its own, to be opened and closed once.
func (c *Config) Source(name string) Source { return get[Source](c, name) }

// Mapping gives a Mapping option: its leaves in the order of the file.
func (c *Config) Mapping(name string) []Assignment { return get[[]Assignment](c, name) }

// ListOf gives the values of an Option that is a List as a Config holds them.
func ListOf(t Type, items []any) any {
	switch t {
	case Bool:
		return listOf[bool](items)
	case Int, Size:
		return listOf[int64](items)
	case Duration:
		return listOf[time.Duration](items)
	case Expression:
		return listOf[*expression.Program](items)
	case Object:
		return listOf[*Config](items)
	case Mapping:
		return listOf[[]Assignment](items)
	}
	return listOf[string](items)
}

func listOf[T any](items []any) []T {
	list := make([]T, len(items))
	for i, item := range items {
		list[i] = item.(T)
	}
	return list
}

// MapOf gives the values of an Option that is a Map as a Config holds them.
func MapOf(t Type, keys []string, items []any) any {
	switch t {
	case Bool:
		return mapOf[bool](keys, items)
	case Int, Size:
		return mapOf[int64](keys, items)
	case Duration:
		return mapOf[time.Duration](keys, items)
	case Expression:
		return mapOf[*expression.Program](keys, items)
	case Object:
		return mapOf[*Config](keys, items)
	case Mapping:
		return mapOf[[]Assignment](keys, items)
	}
	return mapOf[string](keys, items)
}

func mapOf[T any](keys []string, items []any) map[string]T {
	m := make(map[string]T, len(keys))
	for i, key := range keys {
		m[key] = items[i].(T)
	}
	return m
}

// OptionError is a constructor's complaint about the value of an option, by its dotted name. The reader of the
// pipeline file adds the place.
type OptionError struct {
	Option  string
	Message string
	Hint    string
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Message }

// SourceType, TransformType and SinkType are the kinds of connectors by name. New does no I/O and checks what one
// option means for another; its error is an *OptionError where an option is at fault.
type (
	SourceType struct {
		Spec
		New func(Env, *Config) (Source, error)
	}
	TransformType struct {
		Spec
		New func(Env, *Config) (Transform, error)
	}
	SinkType struct {
		Spec
		New func(Env, *Config) (Sink, error)
	}
)

// PresetType is a named way to read what some system exports, by one source. It is data: options of that source, and
// transforms that make users of its records.
type PresetType struct {
	// Spec names the preset and declares its own options. Presets of different sources may have the same name.
	Spec
	// Source is the name of the source.
	Source string
	// SourceOptions are the options that the preset gives to the source, as they would be written in YAML. One that stands
	// in the pipeline file wins.
	SourceOptions map[string]string
	// Recognise is true of records of such an export; nil where nothing tells them from others.
	Recognise *expression.Program
	// Equivalent is the part of a pipeline file that the preset stands for.
	Equivalent string
	// New gives the transforms. They come before those of the pipeline.
	New func(Env, *Config) ([]Transform, error)
}

// Registry knows the connectors by name. Registering is done before use; reading is safe for concurrent use.
type Registry struct {
	Sources    map[string]SourceType
	Transforms map[string]TransformType
	Sinks      map[string]SinkType
	// Presets are by the name of their source and their own.
	Presets map[string]map[string]PresetType
	// Plugin gives what a plugin brings: types as NewRegistry takes them. It is nil where plugins cannot be used.
	Plugin func(Env, Plugin) ([]any, error)
}

// CommonOptions are options that every source has: what they ask for is done for it.
func CommonOptions() []Option {
	return []Option{{Name: OptionDeleted, Type: Expression, Example: "user.deleted_at != nil",
		Doc: "An expression over a record as the source has it. Where it is true, the user is gone: the record only names who it is, and the sink's policy (`on_delete`) says what becomes of the user. Text that is a word for no or for nothing (`0`, `false`, `no`, `NULL`, `0000-00-00`) is not true."}}
}

// OptionDeleted names the common option that tells whose users are gone.
const OptionDeleted = "deleted"

// NewRegistry gives a Registry of the given types: SourceType, TransformType, SinkType or PresetType each. Two of the
// same kind and name panic.
func NewRegistry(types ...any) *Registry {
	r := &Registry{Sources: map[string]SourceType{}, Transforms: map[string]TransformType{}, Sinks: map[string]SinkType{}, Presets: map[string]map[string]PresetType{}}
	for _, t := range types {
		if !r.Add(t) {
			panic(fmt.Sprintf("pipeline: two of a kind of one name: %+v", t))
		}
	}
	return r
}

// Add adds a SourceType, TransformType, SinkType or PresetType. It reports false where there is one of the same kind and name.
func (r *Registry) Add(t any) bool {
	switch t := t.(type) {
	case SourceType:
		t.Options = append(slices.Clip(t.Options), CommonOptions()...)
		return add(r.Sources, t.Name, t)
	case TransformType:
		return add(r.Transforms, t.Name, t)
	case SinkType:
		return add(r.Sinks, t.Name, t)
	case PresetType:
		if r.Presets[t.Source] == nil {
			r.Presets[t.Source] = map[string]PresetType{}
		}
		return add(r.Presets[t.Source], t.Name, t)
	}
	panic("pipeline: not a connector type")
}

// Clone gives a Registry to which connectors can be added without touching r.
func (r *Registry) Clone() *Registry {
	c := *r
	c.Sources, c.Transforms, c.Sinks = maps.Clone(r.Sources), maps.Clone(r.Transforms), maps.Clone(r.Sinks)
	return &c
}

func add[T any](to map[string]T, name string, t T) bool {
	if _, twice := to[name]; twice {
		return false
	}
	to[name] = t
	return true
}

// Names gives the names of one kind in order.
func Names[T any](types map[string]T) []string {
	return slices.SortedFunc(maps.Keys(types), cmp.Compare)
}
