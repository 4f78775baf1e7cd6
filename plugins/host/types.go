package host

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/plugins/internal/wire"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

var word = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// valid holds what a plugin says of itself to what lint and documentation are made of.
func (p *running) valid(d *pb.DescribeResponse) error {
	bad := func(format string, args ...any) error {
		return pluginError("plugin.bad_description", p.Plugin, "describes itself wrongly: "+fmt.Sprintf(format, args...), "this is a defect of the plugin")
	}
	if len(d.GetSources())+len(d.GetTransforms())+len(d.GetSinks())+len(d.GetHashers()) == 0 {
		return bad("it has neither connector nor hasher")
	}
	for kind, list := range map[string][]*pb.Connector{"source": d.GetSources(), "transform": d.GetTransforms(), "sink": d.GetSinks()} {
		seen := map[string]bool{}
		for _, c := range list {
			at := kind + " " + c.GetName()
			if !word.MatchString(c.GetName()) || seen[c.GetName()] {
				return bad("%s: the name must be a word in small letters, of its own", at)
			}
			seen[c.GetName()] = true
			spec, err := wire.Declared(c)
			if err != nil {
				return bad("%s: %v", at, err)
			}
			if err := validSpec(spec); err != nil {
				return bad("%s: %v", at, err)
			}
		}
	}
	for _, h := range d.GetHashers() {
		options, err := wire.DeclaredOptions(h.GetOptions())
		if err == nil {
			err = validSpec(pipeline.Spec{Name: "hasher", Options: options})
		}
		if err == nil && len(h.GetSamples()) == 0 {
			err = fmt.Errorf("it gives no sample of a hash and its password")
		}
		if err != nil {
			return bad("hasher %s: %v", h.GetName(), err)
		}
	}
	return nil
}

func validSpec(s pipeline.Spec) (err error) {
	if err := validOptions(s.Options); err != nil {
		return err
	}
	named := func(name string, is func(pipeline.Option) bool) bool {
		return name == "" || slices.ContainsFunc(s.Options, func(o pipeline.Option) bool { return o.Name == name && is(o) })
	}
	if !named(s.Shorthand, func(pipeline.Option) bool { return true }) {
		return fmt.Errorf("shorthand %q is no option", s.Shorthand)
	}
	if !named(s.Rest, func(o pipeline.Option) bool { return o.Type == pipeline.Mapping && !o.List && !o.Map }) {
		return fmt.Errorf("rest %q is no option of type mapping", s.Rest)
	}
	// The reader of pipeline files panics at a default that is not of its option's type.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	optional := pipeline.Spec{Name: "taker", Options: slices.Clone(s.Options)}
	for i := range optional.Options {
		optional.Options[i].Required = false
	}
	taker := pipeline.SourceType{Spec: optional, New: func(pipeline.Env, *pipeline.Config) (pipeline.Source, error) { return nil, nil }}
	none := pipeline.SinkType{Spec: pipeline.Spec{Name: "none"}, New: func(pipeline.Env, *pipeline.Config) (pipeline.Sink, error) { return nil, nil }}
	_, err = definition.Parse("description.yaml", []byte("source: { taker: {} }\nsink: none\n"), pipeline.NewRegistry(taker, none), pipeline.Env{})
	return err
}

func validOptions(options []pipeline.Option) error {
	seen := map[string]bool{}
	for _, o := range options {
		switch {
		case !word.MatchString(o.Name) || seen[o.Name]:
			return fmt.Errorf("option %q: the name must be a word in small letters, of its own", o.Name)
		case o.List && o.Map:
			return fmt.Errorf("option %q is a list and a map", o.Name)
		case o.Type == pipeline.Object && len(o.Fields) == 0:
			return fmt.Errorf("option %q is an object without fields", o.Name)
		}
		seen[o.Name] = true
		if err := validOptions(o.Fields); err != nil {
			return fmt.Errorf("%s.%w", o.Name, err)
		}
	}
	return nil
}

// types gives the connectors of a plugin, which is started only when one of them is used.
func (p *running) types(d *pb.DescribeResponse) ([]any, error) {
	var list []any
	for _, c := range d.GetSources() {
		spec, err := p.spec(c)
		if err != nil {
			return nil, err
		}
		list = append(list, pipeline.SourceType{Spec: spec, New: func(env pipeline.Env, config *pipeline.Config) (pipeline.Source, error) {
			instance, err := instanceOf(spec, env, config)
			if err != nil {
				return nil, err
			}
			return newSource(p, instance, c.GetAbilities()), nil
		}})
	}
	for _, c := range d.GetTransforms() {
		spec, err := p.spec(c)
		if err != nil {
			return nil, err
		}
		list = append(list, pipeline.TransformType{Spec: spec, New: func(env pipeline.Env, config *pipeline.Config) (pipeline.Transform, error) {
			instance, err := instanceOf(spec, env, config)
			if err != nil {
				return nil, err
			}
			t := &transform{p: p, instance: instance}
			if slices.Contains(c.GetAbilities(), pb.Ability_ABILITY_ORDERED) {
				return &ordered{transform: t}, nil
			}
			return t, nil
		}})
	}
	for _, c := range d.GetSinks() {
		spec, err := p.spec(c)
		if err != nil {
			return nil, err
		}
		list = append(list, pipeline.SinkType{Spec: spec, New: func(env pipeline.Env, config *pipeline.Config) (pipeline.Sink, error) {
			instance, err := instanceOf(spec, env, config)
			if err != nil {
				return nil, err
			}
			s := &sink{p: p, instance: instance}
			checks, removes := slices.Contains(c.GetAbilities(), pb.Ability_ABILITY_CHECK), slices.Contains(c.GetAbilities(), pb.Ability_ABILITY_REMOVE)
			switch {
			case checks && removes:
				return struct {
					*checkedSink
					remover
				}{&checkedSink{s}, remover{}}, nil
			case removes:
				return struct {
					*sink
					remover
				}{s, remover{}}, nil
			case checks:
				return &checkedSink{s}, nil
			}
			return s, nil
		}})
	}
	return list, nil
}

func (p *running) spec(c *pb.Connector) (pipeline.Spec, error) {
	spec, err := wire.Declared(c)
	if err != nil {
		return spec, pluginError("plugin.bad_description", p.Plugin, "describes itself wrongly: "+err.Error(), "")
	}
	spec.Doc = strings.TrimSpace(spec.Doc + "\n\nIt is part of the plugin " + p.Name + ".")
	return spec, nil
}

func instanceOf(spec pipeline.Spec, env pipeline.Env, config *pipeline.Config) (*pb.Instance, error) {
	options, err := wire.Options(spec.Options, config)
	return &pb.Instance{Name: spec.Name, Options: options, Directory: env.Dir}, err
}

// check asks the plugin whether a connector would open.
func (p *running) check(ctx context.Context, kind pb.Kind, instance *pb.Instance) error {
	return p.try(ctx, func(ctx context.Context, process *process) error {
		r, err := pb.NewPluginServiceClient(process.conn).Check(ctx, &pb.CheckRequest{Kind: kind, Instance: instance})
		if err != nil {
			return err
		}
		return p.failure(r.GetFailure())
	})
}

// failure gives what a plugin says is wrong as an error that ends the run.
func (p *running) failure(f *pb.Failure) error {
	err := wire.ErrorOf(f)
	if e, ok := err.(*pipeline.Error); ok && e.Code == "plugin.failed" { //nolint:errorlint // it was just made
		e.Message = "the plugin " + p.Name + " failed: " + strings.TrimPrefix(e.Message, "the plugin failed: ")
		return withTail(e, p.last)
	}
	if option, ok := err.(*pipeline.OptionError); ok { //nolint:errorlint // it was just made
		return &pipeline.Error{Code: "config.bad_value", Message: fmt.Sprintf("%s: %s", option.Option, option.Message), Hint: option.Hint}
	}
	return err
}
