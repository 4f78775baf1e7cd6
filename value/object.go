package value

import (
	"fmt"
	"iter"
	"log/slog"
	"strings"
)

// indexFrom is the number of members from which an Object keeps a map beside its list: below it, walking the
// list is faster.
const indexFrom = 24

// Member is one named value of an Object.
type Member struct {
	Name  string
	Value any
}

// Object is a set of named values that keeps its order. The zero Object is empty and ready to use; a nil
// *Object reads as an empty one. Reading is safe for concurrent use, changing is not.
type Object struct {
	members []Member
	index   map[string]int
}

// NewObject gives an empty Object with room for n members.
func NewObject(n int) *Object { return &Object{members: make([]Member, 0, n)} }

// NewObjects gives n empty Objects with room for width members each, which share their memory: it is free when none of
// them is in use any more.
func NewObjects(n, width int) []Object {
	objects, members := make([]Object, n), make([]Member, n*width)
	for i := range objects {
		objects[i].members = members[i*width : i*width : (i+1)*width]
	}
	return objects
}

// ObjectOf gives an Object with the given members; of two with the same name the later wins.
func ObjectOf(members ...Member) *Object {
	o := NewObject(len(members))
	for _, m := range members {
		o.Set(m.Name, m.Value)
	}
	return o
}

// Len gives the number of members.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.members)
}

// At gives the i-th member.
func (o *Object) At(i int) Member { return o.members[i] }

// All walks the members in order.
func (o *Object) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		if o == nil {
			return
		}
		for _, m := range o.members {
			if !yield(m.Name, m.Value) {
				return
			}
		}
	}
}

func (o *Object) find(name string) int {
	if o == nil {
		return -1
	}
	if o.index != nil {
		if i, ok := o.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].Name == name {
			return i
		}
	}
	return -1
}

// Get gives the value of a member and whether there is one: present and null is (nil, true).
func (o *Object) Get(name string) (any, bool) {
	if i := o.find(name); i >= 0 {
		return o.members[i].Value, true
	}
	return nil, false
}

// Set gives the member its value, in its place if it is there, else at the end.
func (o *Object) Set(name string, v any) {
	if i := o.find(name); i >= 0 {
		o.members[i].Value = v
		return
	}
	o.Append(name, v)
}

// Append adds a member without looking whether it is there; the caller knows that it is not.
func (o *Object) Append(name string, v any) {
	o.members = append(o.members, Member{name, v})
	if o.index != nil {
		o.index[name] = len(o.members) - 1
	} else if len(o.members) == indexFrom {
		o.reindex()
	}
}

func (o *Object) reindex() {
	o.index = make(map[string]int, 2*len(o.members))
	for i := range o.members {
		o.index[o.members[i].Name] = i
	}
}

// Delete takes the member out, if it is there.
func (o *Object) Delete(name string) {
	i := o.find(name)
	if i < 0 {
		return
	}
	o.members = append(o.members[:i], o.members[i+1:]...)
	if o.index != nil {
		o.reindex()
	}
}

// Clone gives a copy whose members can be set and deleted without touching o; the values are shared.
func (o *Object) Clone() *Object {
	if o == nil {
		return NewObject(0)
	}
	c := &Object{members: append(make([]Member, 0, len(o.members)+4), o.members...)}
	if o.index != nil {
		c.reindex()
	}
	return c
}

// GetPath gives the value at a dotted path, such as user_metadata.name; a missing parent is a missing value.
func (o *Object) GetPath(path string) (any, bool) {
	for {
		name, rest, nested := strings.Cut(path, ".")
		v, ok := o.Get(name)
		if !nested || !ok {
			return v, ok
		}
		if o, ok = v.(*Object); !ok {
			return nil, false
		}
		path = rest
	}
}

// SetPath sets the value at a dotted path and makes the objects on the way, also in place of null. It reports false, and
// changes nothing, where the path leads through a value that is not an object. Objects on the way are copied, so that
// an Object that shares them keeps what it has.
func (o *Object) SetPath(path string, v any) bool {
	name, rest, nested := strings.Cut(path, ".")
	if !nested {
		o.Set(name, v)
		return true
	}
	var child *Object
	switch old, _ := o.Get(name); old := old.(type) {
	case nil:
		child = NewObject(4)
	case *Object:
		child = old.Clone()
	default:
		return false
	}
	if !child.SetPath(rest, v) {
		return false
	}
	o.Set(name, child)
	return true
}

// DeletePath takes the value at a dotted path out, if it is there; objects on the way are copied.
func (o *Object) DeletePath(path string) {
	name, rest, nested := strings.Cut(path, ".")
	if !nested {
		o.Delete(name)
		return
	}
	if old, ok := o.Get(name); ok {
		if child, ok := old.(*Object); ok {
			child = child.Clone()
			child.DeletePath(rest)
			o.Set(name, child)
		}
	}
}

// Format implements fmt.Formatter: JSON with secrets redacted. Without it, fmt would walk the members and show them, since it asks
// no method of a value that it reaches through an unexported field.
func (o *Object) Format(f fmt.State, _ rune) { _, _ = f.Write(AppendJSON(nil, o)) }

// LogValue implements slog.LogValuer.
func (o *Object) LogValue() slog.Value { return slog.StringValue(string(AppendJSON(nil, o))) }
