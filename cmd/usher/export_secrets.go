package main

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/pipeline/journal"
	"github.com/usher-id/usher/value"
)

// guardSecrets has an export see secrets only where it was told to. A store gives none of its own otherwise; what
// other sources give is secret by the name that it has, by its look, or because a mapping made a password of it.
func guardSecrets(p *definition.Pipeline, e *journal.Export) {
	if e.Store != "" {
		return
	}
	g := &secretGuard{reveal: e.Secrets, found: map[string]bool{}}
	// Its place is before the columns, so that no expression sees what they are not to show.
	at := len(p.Transforms)
	if at > 0 && len(e.Fields) > 0 {
		at--
	}
	for _, t := range p.Transforms[:at] {
		if s, ok := t.(pipeline.SecretReader); ok {
			g.names = append(g.names, s.SecretFields()...)
		}
	}
	// An attribute of the user that a password is made from is still itself.
	public := identity.AttributeNames()
	g.names = slices.DeleteFunc(g.names, func(name string) bool { return slices.Contains(public, name) })
	p.Transforms = slices.Insert(p.Transforms, at, pipeline.Transform(g))
}

// secretGuard takes secrets out of records, or has them written as they are.
type secretGuard struct {
	pipeline.UnimplementedTransform
	names  []string
	reveal bool

	mutex sync.Mutex
	found map[string]bool // dotted names of what was taken out
}

// Apply implements pipeline.Transform.
func (g *secretGuard) Apply(_ context.Context, b *pipeline.Batch) error {
	found := map[string]bool{}
	isSecret := pipeline.SecretFunc(g.names...)
	for i := range b.Records {
		if r := &b.Records[i]; r.Open() {
			if g.reveal {
				r.Fields = revealed(r.Fields).(*value.Object)
			} else {
				r.Fields = without(r.Fields, "", isSecret, found)
			}
		}
	}
	if len(found) > 0 {
		g.mutex.Lock()
		maps.Copy(g.found, found)
		g.mutex.Unlock()
	}
	return nil
}

// without gives o without its secrets; it is o itself where there are none.
func without(o *value.Object, prefix string, isSecret func(string, any) bool, found map[string]bool) *value.Object {
	var kept *value.Object
	for i := range o.Len() {
		m := o.At(i)
		v, changed := m.Value, false
		_, secret := v.(value.Secret)
		if secret = secret || v != nil && isSecret(m.Name, v); secret {
			found[prefix+m.Name] = true
		} else {
			v, changed = withoutIn(v, prefix+m.Name, isSecret, found)
		}
		if kept == nil && (secret || changed) {
			kept = value.NewObject(o.Len())
			for j := range i {
				kept.Append(o.At(j).Name, o.At(j).Value)
			}
		}
		if kept != nil && !secret {
			kept.Append(m.Name, v)
		}
	}
	if kept == nil {
		return o
	}
	return kept
}

// withoutIn is without for any value; it tells whether anything was taken out.
func withoutIn(v any, name string, isSecret func(string, any) bool, found map[string]bool) (any, bool) {
	switch v := v.(type) {
	case *value.Object:
		o := without(v, name+".", isSecret, found)
		return o, o != v
	case []any:
		changed := false
		for i, e := range v {
			c, other := withoutIn(e, name, isSecret, found)
			if other {
				if !changed {
					v = slices.Clone(v)
				}
				v[i], changed = c, true
			}
		}
		return v, changed
	}
	return v, false
}

// revealed gives a value in which secrets are plain texts: whoever asks for them wants to have them.
func revealed(v any) any {
	switch v := v.(type) {
	case value.Secret:
		return v.Reveal()
	case *value.Object:
		o := value.NewObject(v.Len())
		for name, e := range v.All() {
			o.Append(name, revealed(e))
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = revealed(e)
		}
		return list
	}
	return v
}

// leftOut gives the names of what an export took for secrets and left out.
func leftOut(p *definition.Pipeline) []string {
	for _, t := range p.Transforms {
		if g, ok := t.(*secretGuard); ok {
			return slices.Sorted(maps.Keys(g.found))
		}
	}
	return nil
}
