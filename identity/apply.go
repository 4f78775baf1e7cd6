package identity

import (
	"github.com/usher-id/usher/value"
)

// row is one user as it is stored. An empty cell is one that is not there.
type row struct {
	seq   int64
	id    string
	cells [numAttrs]string
	mark  mark
	// changed says which cells differ from the database's.
	changed uint64
	// raw is the source record as JSON, to be kept with the next write.
	raw string
	// plain are the passwords whose hashes become the cells of plainAttrs with the next write, empty for none.
	// With wrap they are legacy hashes that become wrapped ones.
	plain [len(plainAttrs)]string
	wrap  [len(plainAttrs)]bool
	// layer and secrets are the layers where the user and its credentials were found, nil where they were not.
	layer, secrets *layer
	// full says that the cells of users were read, credentials that those from firstCredential on were asked for.
	full, credentials bool
	// wanted says that full will be, queued that the row is to be written.
	wanted, queued bool
	// deleted says that the row is not there any more.
	deleted bool
}

// mark is the fingerprint of the record that last wrote the user, and what would be said about it again if it came
// again.
type mark struct {
	fingerprint [fingerprintSize]byte
	notes       byte
	valid       bool
}

// Notes of a mark.
const (
	notePasswordIgnored = 1 << iota
	noteMFAPasswordIgnored
)

// plainAttrs are the cells that may be given in plain text.
var plainAttrs = [...]attr{aPassword, aMFAPassword}

func plainIndex(a attr) int {
	if a == aPassword {
		return 0
	}
	return 1
}

func bit(a attr) uint64 { return 1 << a }

// apply works a change into a user, in place, and names what it changed. A new user takes everything.
func (r *Rules) apply(u *row, c *Change, isNew bool) (changed []string, notes byte) {
	var touched uint64
	put := func(a attr, text string) {
		if (a == aPassword || a == aMFAPassword) && u.plain[plainIndex(a)] != "" {
			u.plain[plainIndex(a)], u.wrap[plainIndex(a)] = "", false
		} else if u.cells[a] == text {
			return
		}
		u.cells[a] = text
		touched |= bit(a)
		if !isNew && a != aPasswordExpiry && a != aMFAPasswordExpiry {
			changed = append(changed, attributes[a].name)
		}
	}
	for i := range c.fields {
		f := &c.fields[i]
		b := r.behaviours[f.attr]
		if isNew && b == Ignore {
			b = Set
		}
		switch f.attr {
		case aEmailVerified, aPhoneVerified:
			continue // below, when it is known which address they are about
		case aPasswordExpiry, aMFAPasswordExpiry:
			if b == Keep && f.null && c.find(f.attr-1).null {
				continue
			}
			if b != Ignore && u.cells[f.attr] != f.text {
				put(f.attr, f.text)
				if !isNew && touched&bit(f.attr-1) == 0 {
					changed = append(changed, attributes[f.attr].name)
				}
			}
			continue
		}
		switch {
		case f.plain:
			fits := func() bool {
				if f.wrap {
					return u.fitsWrapped(f.attr, f.text, c)
				}
				return u.fits(f.attr, f.text)
			}
			if b != Ignore && !fits() {
				u.plain[plainIndex(f.attr)], u.wrap[plainIndex(f.attr)] = f.text, f.wrap
				touched |= bit(f.attr)
				if !isNew {
					changed = append(changed, attributes[f.attr].name)
				}
			}
		case b == Ignore:
			if !f.null && u.cells[f.attr] != f.text {
				switch f.attr {
				case aPassword:
					notes |= notePasswordIgnored
				case aMFAPassword:
					notes |= noteMFAPasswordIgnored
				}
			}
		case f.null:
			if b == Set || b == Replace && attributes[f.attr].nullable {
				put(f.attr, "")
			}
		case b == Merge && isNew && f.whole():
			put(f.attr, f.text)
		case b == Merge && u.cells[f.attr] == f.text && f.whole(): // as it came the last time
		case b == Merge:
			text, members := merge(u.cells[f.attr], f.object)
			if u.cells[f.attr] != text {
				u.cells[f.attr] = text
				touched |= bit(f.attr)
				if !isNew {
					for _, m := range members {
						changed = append(changed, attributes[f.attr].name+"."+m)
					}
				}
			}
		case b == Add:
			put(f.attr, add(f.attr, u.cells[f.attr], f.list))
		case f.object != nil:
			text := f.text
			if f.object.Len() == 0 {
				text = ""
			}
			if !sameJSON(u.cells[f.attr], text) {
				put(f.attr, text)
			}
		case f.attr == aRoles || f.attr == aGroups:
			if !sameSet(u.cells[f.attr], f.list) {
				put(f.attr, f.text)
			}
		default:
			put(f.attr, f.text)
		}
	}
	for _, v := range [...]struct{ of, mark attr }{{aEmail, aEmailVerified}, {aPhone, aPhoneVerified}} {
		of, m := c.find(v.of), c.find(v.mark)
		b := r.behaviours[v.mark]
		speaks := m != nil && of != nil && !of.null && of.text == u.cells[v.of] && (isNew || b != Ignore)
		switch {
		case speaks && !m.null:
			put(v.mark, m.text)
		case speaks && b == Set, touched&bit(v.of) != 0:
			// Another address has not been verified.
			put(v.mark, "")
		}
	}
	u.changed |= touched
	return changed, notes
}

// whole reports whether an object is stored as it came: it has members, and none of them is null.
func (f *field) whole() bool {
	for _, v := range f.object.All() {
		if v == nil {
			return false
		}
	}
	return f.object.Len() > 0
}

// merge sets the members of o in the object that text holds and removes those that are null. It names the members
// that changed.
func merge(text string, o *value.Object) (merged string, members []string) {
	old := value.NewObject(o.Len())
	if text != "" {
		old = parseObject(text)
	}
	for name, v := range o.All() {
		was, there := old.Get(name)
		switch {
		case v == nil && there:
			old.Delete(name)
		case v == nil, there && equalJSON(was, v):
			continue
		default:
			old.Set(name, v)
		}
		members = append(members, name)
	}
	if len(members) == 0 {
		return text, nil
	}
	if old.Len() == 0 {
		return "", members
	}
	return string(value.AppendJSON(nil, old)), members
}

func parseObject(text string) *value.Object {
	if text == "" {
		return nil
	}
	v, _ := value.ParseJSON([]byte(text)) // the store wrote it
	o, _ := v.(*value.Object)
	return o
}

func parseList(text string) []any {
	if text == "" {
		return nil
	}
	v, _ := value.ParseJSON([]byte(text))
	list, _ := v.([]any)
	return list
}

// add gives a list with the elements that it does not have yet. A linked identity that it has is replaced where
// something else is known of it now.
func add(a attr, text string, list []any) string {
	old := parseList(text)
	grown := false
	for _, e := range list {
		var i int
		if a == aIdentities {
			i = indexOfIdentity(old, e.(*value.Object))
			if i >= 0 && !equalJSON(old[i], e) {
				old[i], grown = e, true
			}
		} else {
			i = indexOf(old, e.(string))
		}
		if i < 0 {
			old, grown = append(old, e), true
		}
	}
	if !grown {
		return text
	}
	return listText(old)
}

func sameSet(text string, list []any) bool {
	old := parseList(text)
	if len(old) != len(list) {
		return false
	}
	for _, e := range list {
		if indexOf(old, e.(string)) < 0 {
			return false
		}
	}
	return true
}

// sameJSON reports whether two texts hold the same value; the order of members does not count.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	if a == "" || b == "" {
		return false
	}
	x, _ := value.ParseJSON([]byte(a))
	y, _ := value.ParseJSON([]byte(b))
	return equalJSON(x, y)
}

// equalJSON reports whether two values would be stored as the same JSON, but for the order of members.
func equalJSON(a, b any) bool {
	switch x := a.(type) {
	case *value.Object:
		y, ok := b.(*value.Object)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for name, v := range x.All() {
			if w, there := y.Get(name); !there || !equalJSON(v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equalJSON(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case *value.Object, []any:
		return false
	}
	return string(value.AppendJSON(nil, a)) == string(value.AppendJSON(nil, b))
}

// keysOf gives the keys that a user holds.
func (u *row) keysOf(into []string) []string {
	for _, a := range [...]attr{aEmail, aPhone, aUsername, aExternalID} {
		if u.cells[a] != "" {
			into = append(into, key(a, u.cells[a]))
		}
	}
	for _, e := range parseList(u.cells[aIdentities]) {
		into = append(into, identityKey(e.(*value.Object)))
	}
	return into
}
