package main

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/sources/files"
)

// recogniseSample is how many records are looked at for one that only a certain export has.
const recogniseSample = 100

// recognise finds the preset whose export a file is. What cannot be read so is no such export.
func (a *app) recognise(ctx context.Context, in *input) (string, error) {
	for _, name := range pipeline.Names(a.registry.Presets[in.source]) {
		is := a.registry.Presets[in.source][name].Recognise
		if is == nil {
			continue
		}
		p, err := a.withPreset(in, name)
		if err != nil {
			return "", err
		}
		found, left, complete := false, recogniseSample, false
		err = drain(ctx, p.Source, func(batch *pipeline.Batch) bool {
			for i := range batch.Records {
				v, err := is.Eval(batch.Records[i].Source)
				found = found || err == nil && expression.Truthy(v)
				left--
			}
			return !found && left > 0
		}, &complete)
		if ctx.Err() != nil {
			return "", err
		}
		if found && err == nil {
			return name, nil
		}
	}
	return "", nil
}

// withPreset gives the pipeline that reads a file by a preset, or by the names that its columns are given.
func (a *app) withPreset(in *input, preset string) (*definition.Pipeline, error) {
	options := map[string]any{}
	if preset != "" {
		options["preset"] = preset
	}
	if len(in.columns) > 0 {
		options["columns"] = in.columns
	}
	for name, text := range in.options {
		if name != "empty" || preset == "" { // what the preset says counts
			options[name] = strings.ReplaceAll(text, "${", "$${")
		}
	}
	text, err := yaml.Marshal(map[string]any{
		"source": map[string]any{in.source: options},
		"sink":   "drop",
	})
	if err != nil {
		return nil, err
	}
	return definition.Parse(filepath.Join(filepath.Dir(in.path), "pipeline.yaml"), text, a.registry, a.env())
}

// readFile reads what a file holds, or the users that its preset makes of it, as drain does.
func (a *app) readFile(ctx context.Context, in *input, each func(*pipeline.Batch) bool, complete *bool) error {
	if in.preset == "" && len(in.columns) == 0 {
		return a.read(ctx, in.source, in.options, each, complete)
	}
	p, err := a.withPreset(in, in.preset)
	if err != nil {
		return err
	}
	var failed error
	err = drain(ctx, p.Source, func(batch *pipeline.Batch) bool {
		for i := range batch.Records {
			batch.Records[i].Fields = batch.Records[i].Source
		}
		for _, t := range p.Transforms {
			if failed = t.Apply(ctx, batch); failed != nil {
				return false
			}
		}
		batch.Records = slices.DeleteFunc(batch.Records, func(r pipeline.Record) bool { return r.Outcome.Decision == pipeline.Skipped })
		for i := range batch.Records {
			if r := &batch.Records[i]; r.Open() {
				r.Source = r.Fields
			} else {
				r.Source = nil
			}
		}
		return each(batch)
	}, complete)
	if failed != nil {
		return failed
	}
	return err
}

// directory is how LDIF begins: comments, a version, the name of an entry.
var directory = regexp.MustCompile(`\A(?:\x{feff})?(?:(?:#[^\n]*|version: *1| [^\n]*|\r?)\n)*dn::? *\S`)

func looksLDIF(path string, head []byte) bool {
	switch strings.ToLower(filepath.Ext(files.Uncompressed(path))) {
	case ".ldif", ".ldi":
		return true
	}
	return directory.Match(head)
}
