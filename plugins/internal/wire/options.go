package wire

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
	"github.com/usher-id/usher/value"
)

// Declare gives the message form of a connector's declaration.
func Declare(s pipeline.Spec, abilities ...pb.Ability) *pb.Connector {
	return &pb.Connector{Name: s.Name, Summary: s.Summary, Doc: s.Doc, Options: DeclareOptions(s.Options), Shorthand: s.Shorthand, Rest: s.Rest, Abilities: abilities}
}

// Declared is the reverse of Declare.
func Declared(c *pb.Connector) (pipeline.Spec, error) {
	options, err := DeclaredOptions(c.GetOptions())
	return pipeline.Spec{Name: c.GetName(), Summary: c.GetSummary(), Doc: c.GetDoc(), Options: options, Shorthand: c.GetShorthand(), Rest: c.GetRest()}, err
}

// DeclareOptions gives the message form of options.
func DeclareOptions(options []pipeline.Option) []*pb.Option {
	list := make([]*pb.Option, len(options))
	for i, o := range options {
		list[i] = &pb.Option{Name: o.Name, Type: pb.OptionType(o.Type) + 1, List: o.List, Map: o.Map, Fields: DeclareOptions(o.Fields), Enum: o.Enum,
			Default: o.Default, Required: o.Required, Secret: o.Secret, Doc: o.Doc, Example: o.Example}
	}
	return list
}

// DeclaredOptions is the reverse of DeclareOptions.
func DeclaredOptions(options []*pb.Option) ([]pipeline.Option, error) {
	list := make([]pipeline.Option, len(options))
	for i, o := range options {
		fields, err := DeclaredOptions(o.GetFields())
		if err != nil {
			return nil, err
		}
		if o.GetType() <= 0 || o.GetType() > pb.OptionType_OPTION_TYPE_MAPPING {
			return nil, fmt.Errorf("the option %q has no type that this version of usher knows", o.GetName())
		}
		list[i] = pipeline.Option{Name: o.GetName(), Type: pipeline.Type(o.GetType() - 1), List: o.GetList(), Map: o.GetMap(), Fields: fields, Enum: o.GetEnum(),
			Default: o.GetDefault(), Required: o.GetRequired(), Secret: o.GetSecret(), Doc: o.GetDoc(), Example: o.GetExample()}
	}
	return list, nil
}

// Options gives the values of options in the encoding of values.
func Options(declared []pipeline.Option, c *pipeline.Config) ([]byte, error) {
	o, err := object(declared, c)
	if err != nil {
		return nil, err
	}
	return value.AppendBinary(nil, o)
}

func object(declared []pipeline.Option, c *pipeline.Config) (*value.Object, error) {
	o := value.NewObject(len(declared))
	for _, d := range declared {
		v, ok := c.Get(d.Name)
		if !ok {
			continue
		}
		v, err := plain(d, v)
		if err != nil {
			return nil, err
		}
		o.Set(d.Name, v)
	}
	return o, nil
}

// plain gives the value of an option as a value of records.
func plain(d pipeline.Option, v any) (any, error) {
	switch v := v.(type) {
	case string, bool, int64:
		return v, nil
	case time.Duration:
		return int64(v), nil
	case *expression.Program:
		return v.Text(), nil
	case *pipeline.Config:
		return object(d.Fields, v)
	case []pipeline.Assignment:
		return assignments(v), nil
	case []string:
		return list(d, v)
	case []bool:
		return list(d, v)
	case []int64:
		return list(d, v)
	case []time.Duration:
		return list(d, v)
	case []*expression.Program:
		return list(d, v)
	case []*pipeline.Config:
		return list(d, v)
	case [][]pipeline.Assignment:
		return list(d, v)
	case map[string]string:
		return named(d, v)
	case map[string]bool:
		return named(d, v)
	case map[string]int64:
		return named(d, v)
	case map[string]time.Duration:
		return named(d, v)
	case map[string]*expression.Program:
		return named(d, v)
	case map[string]*pipeline.Config:
		return named(d, v)
	case map[string][]pipeline.Assignment:
		return named(d, v)
	}
	return nil, fmt.Errorf("the option %s has a value of type %T", d.Name, v)
}

func list[T any](d pipeline.Option, items []T) (any, error) {
	out := make([]any, len(items))
	for i, item := range items {
		var err error
		if out[i], err = plain(d, item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func named[T any](d pipeline.Option, items map[string]T) (any, error) {
	out := value.NewObject(len(items))
	for _, name := range slices.Sorted(maps.Keys(items)) {
		v, err := plain(d, items[name])
		if err != nil {
			return nil, err
		}
		out.Set(name, v)
	}
	return out, nil
}

func assignments(all []pipeline.Assignment) any {
	out := make([]any, len(all))
	for i, a := range all {
		o := value.ObjectOf(value.Member{Name: "target", Value: a.Target})
		if a.Program != nil {
			o.Append("expression", a.Program.Text())
		} else {
			o.Append("constant", a.Constant)
		}
		o.Append("place", a.Place)
		out[i] = o
	}
	return out
}

var errOptions = errors.New("the options are not what the declaration says")

// Config is the reverse of Options.
func Config(declared []pipeline.Option, data []byte) (*pipeline.Config, error) {
	d := value.NewReader(string(data))
	o := d.Object()
	if d.Err() != nil || d.Len() > 0 {
		return nil, d.Err()
	}
	return config(declared, o)
}

func config(declared []pipeline.Option, o *value.Object) (*pipeline.Config, error) {
	values := map[string]any{}
	for _, d := range declared {
		v, ok := o.Get(d.Name)
		if !ok {
			continue
		}
		v, err := typed(d, v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Name, err)
		}
		values[d.Name] = v
	}
	return pipeline.NewConfig(values), nil
}

func typed(d pipeline.Option, v any) (any, error) {
	one := d
	one.List, one.Map = false, false
	switch {
	case d.List:
		items, ok := v.([]any)
		if !ok {
			return nil, errOptions
		}
		out := make([]any, len(items))
		for i, item := range items {
			var err error
			if out[i], err = typed(one, item); err != nil {
				return nil, err
			}
		}
		return pipeline.ListOf(d.Type, out), nil
	case d.Map:
		o, ok := v.(*value.Object)
		if !ok {
			return nil, errOptions
		}
		var names []string
		var out []any
		for name, item := range o.All() {
			item, err := typed(one, item)
			if err != nil {
				return nil, err
			}
			names, out = append(names, name), append(out, item)
		}
		return pipeline.MapOf(d.Type, names, out), nil
	}
	switch v := v.(type) {
	case string:
		switch d.Type {
		case pipeline.String, pipeline.Path:
			return v, nil
		case pipeline.Expression:
			return compile(v)
		}
	case bool:
		if d.Type == pipeline.Bool {
			return v, nil
		}
	case int64:
		switch d.Type {
		case pipeline.Int, pipeline.Size:
			return v, nil
		case pipeline.Duration:
			return time.Duration(v), nil
		}
	case *value.Object:
		if d.Type == pipeline.Object {
			return config(d.Fields, v)
		}
	case []any:
		if d.Type == pipeline.Mapping {
			return mapping(v)
		}
	}
	return nil, errOptions
}

// compile compiles an expression again on the plugin's side. env() sees the environment that the plugin was given.
func compile(text string) (*expression.Program, error) {
	return expression.Compile(text, expression.Options{Env: os.LookupEnv})
}

func mapping(items []any) ([]pipeline.Assignment, error) {
	out := make([]pipeline.Assignment, 0, len(items))
	for _, item := range items {
		o, ok := item.(*value.Object)
		if !ok {
			return nil, errOptions
		}
		var a pipeline.Assignment
		target, _ := o.Get("target")
		place, _ := o.Get("place")
		a.Target, _ = target.(string)
		a.Place, _ = place.(string)
		if text, ok := o.Get("expression"); ok {
			s, _ := text.(string)
			var err error
			if a.Program, err = compile(s); err != nil {
				return nil, err
			}
		}
		a.Constant, _ = o.Get("constant")
		out = append(out, a)
	}
	return out, nil
}

// Context gives the values beside a hash in the encoding of values.
func Context(values password.Context) ([]byte, error) {
	if len(values) == 0 {
		return nil, nil
	}
	o := value.NewObject(len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		o.Set(name, values[name])
	}
	return value.AppendBinary(nil, o)
}

// ContextOf is the reverse of Context. Text comes as bytes, as a password.Hasher is given it.
func ContextOf(data []byte) (password.Context, error) {
	values := password.Context{}
	if len(data) == 0 {
		return values, nil
	}
	d := value.NewReader(string(data))
	for name, v := range d.Object().All() {
		switch text := v.(type) {
		case string:
			v = []byte(text)
		case value.Secret:
			v = []byte(text.Reveal())
		}
		values[name] = v
	}
	return values, d.Err()
}
