// Package mapping gives records other fields: each the result of an expression over the fields that they have.
package mapping

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Type is the connector.
var Type = pipeline.TransformType{
	Spec: pipeline.Spec{
		Name:    "map",
		Summary: "Gives records new fields by expressions; keeps, renames and removes fields.",
		Rest:    "fields",
		Doc: `Every name that is no option is a field of the new record, with the expression that gives its value. Names nest, by dots or by
indentation: ` + "`custom_attributes.legacy_id: user.uid`" + `. In the expressions ` + "`user`" + ` is the record as it arrives.

The new record has the mapped fields, in their order, behind those that ` + "`keep`" + ` and ` + "`rename`" + ` bring along. Where no field is mapped,
everything is kept. A name with dots in ` + "`keep`, `rename` and `remove`" + ` is that of a member of a member or, where there is none, of one whose own name has the dots.

A result is **absent**, **null** or a value, and the difference lasts until the sink, where an update leaves an absent
attribute alone and removes one that is null:

| expression | the record has | the field is |
|---|---|---|
| ` + "`user.phone`" + ` | ` + "`phone: \"1\"`" + ` | ` + "`\"1\"`" + ` |
| ` + "`user.phone`" + ` | ` + "`phone: \"\"`" + ` | ` + "`\"\"`" + ` |
| ` + "`user.phone`" + ` | ` + "`phone: null`" + ` | null |
| ` + "`user.phone`" + ` | no ` + "`phone`" + ` | absent |
| ` + "`user.a.b`" + ` | ` + "`a: null`" + `, or no ` + "`a`" + ` | absent |
| ` + "`lower(user.mail)`, `e164(user.phone)`" + ` and other functions of usher | null, or no such member | null, or absent |
| ` + "`user.a || user.b`" + ` | ` + "`a: null`" + ` and no ` + "`b`" + ` | absent, as the last operand is |
| ` + "`user.active ? user.phone : null`" + ` | ` + "`active: false`" + ` | null |
| ` + "`user.active ? user.phone : undefined`" + ` | ` + "`active: false`" + ` | absent |
| ` + "`null`" + ` | anything | null |

In short, what JavaScript calls undefined is absent. A mapped object whose members are all absent is absent itself.

` + "`password`" + ` and ` + "`mfa.password`" + ` are absent or null as a whole where their ` + "`hash`" + ` or ` + "`plain`" + ` is: the words beside it
(` + "`hasher`, `format`" + `) mean nothing alone.

An expression that fails, or whose result is or holds no number (NaN), fails its record with the name of the field; other records go on.`,
		Options: []pipeline.Option{
			{Name: "fields", Type: pipeline.Mapping, Example: "{ email: lower(user.mail), name: user.nickname }",
				Doc: "The mapped fields; for those whose names are options of this transform. All others can be written without it."},
			{Name: "keep", Type: pipeline.String, List: true, Example: "[user_metadata, address.country]",
				Doc: "Dotted names of fields that the new record takes over as they are; `*` for all. A mapped field of the same name wins."},
			{Name: "rename", Type: pipeline.String, Map: true, Example: "{ mail: email, user_metadata.lang: locale }",
				Doc: "Fields that the new record takes over under another name, as old: new. They have their old name no more."},
			{Name: "remove", Type: pipeline.String, List: true, Example: "[user_metadata.internal]",
				Doc: "Dotted names of fields that the new record does not have, whatever brought them there. This is done last."},
		},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Transform, error) { return newTransform(c) },
}

// Transform maps records.
type Transform struct {
	pipeline.UnimplementedTransform
	keepAll bool
	keep    []string
	rename  []renamed
	remove  []string
	leaves  []leaf
	objects []object
	width   int // top-level fields
	secrets []string
	// passwords are the indexes in objects of password and mfa.password, where they are mapped by their parts.
	passwords []int
}

type renamed struct{ from, to string }

// object is an object on the way to a mapped field.
type object struct {
	name   string // dotted
	last   string
	parent int // index in objects, -1 for the record itself
	width  int // members that are mapped
}

type leaf struct {
	pipeline.Assignment
	last   string
	parent int
}

func newTransform(c *pipeline.Config) (*Transform, error) {
	fields := c.Mapping("fields")
	t := &Transform{keep: c.Strings("keep"), remove: c.Strings("remove")}
	t.keepAll = slices.Contains(t.keep, "*") || len(fields) == 0 && len(t.keep) == 0
	for from, to := range c.StringMap("rename") {
		if to == "" || from == "" {
			return nil, &pipeline.OptionError{Option: "rename", Message: "a name is empty"}
		}
		if i := slices.IndexFunc(t.rename, func(r renamed) bool { return r.to == to }); i >= 0 {
			first, second := min(from, t.rename[i].from), max(from, t.rename[i].from)
			return nil, &pipeline.OptionError{Option: "rename", Message: fmt.Sprintf("%s and %s would both become %s", first, second, to),
				Hint: fmt.Sprintf("map it: %s: user.%s ?? user.%s", to, first, second)}
		}
		t.rename = append(t.rename, renamed{from, to})
		if secret(to) {
			t.addSecret(from)
			if !slices.Contains(t.secrets, from) {
				t.secrets = append(t.secrets, from) // it may be a name of its own
			}
		}
	}
	slices.SortFunc(t.rename, func(a, b renamed) int { return strings.Compare(a.from, b.from) })
	seen := map[string]bool{}
	for _, a := range fields {
		for other := range seen {
			switch {
			case other == a.Target:
				return nil, &pipeline.OptionError{Option: "fields." + a.Target, Message: "the field is mapped twice"}
			case strings.HasPrefix(other, a.Target+"."):
				return nil, &pipeline.OptionError{Option: "fields." + a.Target, Message: "it would overwrite " + other + " above it",
					Hint: "put it before " + other + ": then that is added to it"}
			}
		}
		seen[a.Target] = true
		parent, last := t.parent(a.Target)
		t.leaves = append(t.leaves, leaf{a, last, parent})
		t.count(parent)
		if a.Program != nil && secret(a.Target) {
			for _, path := range a.Program.Paths() {
				t.addSecret(path)
			}
		}
	}
	for i, o := range t.objects {
		t.count(o.parent)
		if o.name == "password" || o.name == "mfa.password" {
			t.passwords = append(t.passwords, i)
		}
	}
	return t, nil
}

// count counts a member of the object of that index.
func (t *Transform) count(parent int) {
	if parent < 0 {
		t.width++
	} else {
		t.objects[parent].width++
	}
}

// addSecret notes that the field at the end of a path of the source holds secrets.
func (t *Transform) addSecret(path string) {
	name := path[strings.LastIndexByte(path, '.')+1:]
	if name != "*" && !slices.Contains(t.secrets, name) {
		t.secrets = append(t.secrets, name)
	}
}

// secret reports whether a field of the canonical user holds secrets.
func secret(target string) bool {
	first, _, _ := strings.Cut(target, ".")
	return first == "password" || first == "mfa"
}

// parent gives the index of the object that a dotted target is in, and its name there.
func (t *Transform) parent(target string) (index int, last string) {
	dot := strings.LastIndexByte(target, '.')
	if dot < 0 {
		return -1, target
	}
	name := target[:dot]
	if i := slices.IndexFunc(t.objects, func(o object) bool { return o.name == name }); i >= 0 {
		return i, target[dot+1:]
	}
	up, own := t.parent(name)
	t.objects = append(t.objects, object{name: name, last: own, parent: up})
	return len(t.objects) - 1, target[dot+1:]
}

// SecretFields implements pipeline.SecretReader.
func (t *Transform) SecretFields() []string { return t.secrets }

// ReadFields implements pipeline.FieldReader.
func (t *Transform) ReadFields() (names []string, changes bool) {
	names = slices.Clone(t.keep)
	for _, r := range t.rename {
		names = append(names, r.from)
	}
	for _, l := range t.leaves {
		if l.Program != nil {
			names = append(names, l.Program.Paths()...)
		}
	}
	return names, true
}

// Apply implements pipeline.Transform.
func (t *Transform) Apply(_ context.Context, b *pipeline.Batch) error {
	made := make([]*value.Object, len(t.objects))
	for i := range b.Records {
		if r := &b.Records[i]; r.Open() {
			clear(made)
			t.apply(r, made)
		}
	}
	return nil
}

// apply maps one record. The objects that it makes on the way are in made.
func (t *Transform) apply(r *pipeline.Record, made []*value.Object) {
	in := r.Fields
	out := t.kept(r)
	fresh := out.Len() == 0
	for i := range t.leaves {
		l := &t.leaves[i]
		v := l.Constant
		if l.Program != nil {
			result, present, err := l.Program.Lookup(in)
			if err != nil {
				r.Fail(pipeline.EvalProblem(l.Target, "", err))
				continue
			}
			if !present {
				continue
			}
			v = result
		}
		if !value.Finite(v) {
			r.Fail(pipeline.Problem{Code: "map.not_a_number", Field: l.Target, Message: "the result of " + pipeline.ShowExpression(l.Program.Text()) + " is, or holds, what should be a number and is none"})
			continue
		}
		if l.parent < 0 {
			if fresh {
				out.Append(l.last, v)
			} else {
				out.Set(l.last, v)
			}
			continue
		}
		if parent := t.object(l.parent, out, made); parent != nil {
			parent.Set(l.last, v)
		} else {
			r.Fail(conflict(l.Target))
		}
	}
	for _, i := range t.passwords {
		t.settlePassword(i, out, made)
	}
	for _, name := range t.remove {
		drop(out, name)
	}
	r.Fields = out
}

// kept gives the new record with the fields that are taken over.
func (t *Transform) kept(r *pipeline.Record) *value.Object {
	in := r.Fields
	out := value.NewObject(t.width + len(t.keep) + len(t.rename))
	if t.keepAll {
		out = in.Clone()
	} else {
		for _, name := range t.keep {
			switch v, nested, ok := find(in, name); {
			case nested:
				out.SetPath(name, v)
			case ok:
				out.Set(name, v)
			}
		}
	}
	for _, n := range t.rename {
		drop(out, n.from)
	}
	for _, n := range t.rename {
		if v, _, ok := find(in, n.from); ok && !out.SetPath(n.to, v) {
			r.Fail(conflict(n.to))
		}
	}
	return out
}

// find gives what a name stands for: a member of a member or, where there is none, the one whose own name has the dots.
func find(o *value.Object, name string) (v any, nested, ok bool) {
	if v, ok = o.GetPath(name); ok {
		return v, true, true
	}
	v, ok = o.Get(name)
	return v, false, ok
}

// drop takes out what a name stands for.
func drop(o *value.Object, name string) {
	if _, nested, _ := find(o, name); nested {
		o.DeletePath(name)
	} else {
		o.Delete(name)
	}
}

// object gives the object of that index in out, and makes it if it is not there; nil if something else is there. One
// that came with the record belongs to others: it is copied before anything is set in it.
func (t *Transform) object(index int, out *value.Object, made []*value.Object) *value.Object {
	if made[index] != nil {
		return made[index]
	}
	o := &t.objects[index]
	if o.parent >= 0 {
		if out = t.object(o.parent, out, made); out == nil {
			return nil
		}
	}
	old, _ := out.Get(o.last)
	switch old := old.(type) {
	case nil:
		made[index] = value.NewObject(o.width)
	case *value.Object:
		made[index] = old.Clone()
	default:
		return nil
	}
	out.Set(o.last, made[index])
	return made[index]
}

// settlePassword makes a password without a secret absent or null as a whole.
func (t *Transform) settlePassword(index int, out *value.Object, made []*value.Object) {
	password := made[index]
	if password == nil {
		return
	}
	hash, hasHash := password.Get("hash")
	plain, hasPlain := password.Get("plain")
	if hash != nil || plain != nil {
		return
	}
	name := t.objects[index].name
	if hasHash || hasPlain {
		out.SetPath(name, nil)
		return
	}
	out.DeletePath(name)
}

func conflict(target string) pipeline.Problem {
	return pipeline.Problem{Code: "map.conflict", Field: target, Message: "a part of the name is the name of a value that is no object"}
}
