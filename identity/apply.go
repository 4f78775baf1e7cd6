package identity

import (
	"math/bits"
	"slices"

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
	// loaded says which cells are known: read, or empty in the database as well.
	loaded uint64
	// queued says that the row is to be written.
	queued bool
	// deleted says that the row is not there any more.
	deleted bool
	// damaged says which cells were read and are not what the store writes there.
	damaged uint64
}

// mark is the fingerprint of the record that last wrote the user, and what would be said about it again if it came
// again.
type mark struct {
	fingerprint [fingerprintSize]byte
	notes       byte
	valid       bool
}

// Notes of a mark. With noteWarned there is more to be said, which only reading the record again tells.
const (
	notePasswordIgnored = 1 << iota
	noteMFAPasswordIgnored
	noteWarned
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
		case f.plain && b != Ignore:
			fits := func() bool {
				if f.wrap {
					return u.fitsWrapped(f.attr, f.text)
				}
				return u.fits(f.attr, f.text)
			}
			if !fits() {
				u.plain[plainIndex(f.attr)], u.wrap[plainIndex(f.attr)] = f.text, f.wrap
				touched |= bit(f.attr)
				if !isNew {
					changed = append(changed, attributes[f.attr].name)
				}
			}
		case b == Ignore:
			differs := u.cells[f.attr] != f.text
			if f.plain { // to compare it takes as long as a login
				differs = u.cells[f.attr] == "" && u.plain[plainIndex(f.attr)] == ""
			}
			if !f.null && differs {
				switch f.attr {
				case aPassword:
					notes |= notePasswordIgnored
				case aMFAPassword:
					notes |= noteMFAPasswordIgnored
				}
			}
		case f.null && (f.attr == aCreatedAt || f.attr == aUpdatedAt): // the store has its own where the record has none
		case f.null:
			if b == Set || b == Replace && attributes[f.attr].nullable {
				put(f.attr, "")
			}
		case b == Merge && isNew && f.whole():
			put(f.attr, f.text)
		case b == Merge && u.cells[f.attr] == f.text && f.whole(): // as it came the last time
		case b == Merge:
			text, members := merge(u.cells[f.attr], u.object(f.attr), f.object)
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
			put(f.attr, u.add(f.attr, f.list))
		case f.object != nil:
			text := f.text
			if f.object.Len() == 0 {
				text = ""
			}
			if u.cells[f.attr] != text && (text == "" || !equalJSON(u.object(f.attr), f.object)) {
				put(f.attr, text)
			}
		case f.attr == aRoles || f.attr == aGroups:
			if !sameSet(u.list(f.attr), f.list) {
				put(f.attr, f.text)
			}
		case f.attr == aIdentities:
			if u.cells[f.attr] != f.text && !sameIdentities(u.list(f.attr), f.list) {
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
	if touched&bit(aPassword) != 0 && u.cells[aPasswordReplaced] != "" {
		u.cells[aPasswordReplaced] = ""
		touched |= bit(aPasswordReplaced)
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

// merge sets the members of o in the object old, which text holds, and removes those that are null. It names the members
// that changed.
func merge(text string, old, o *value.Object) (merged string, members []string) {
	if old == nil {
		old = value.NewObject(o.Len())
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

// object reads a cell that holds one, nil where it is empty or damaged.
func (u *row) object(a attr) *value.Object {
	if u.cells[a] == "" {
		return nil
	}
	v, err := value.ParseJSON([]byte(u.cells[a]))
	o, ok := v.(*value.Object)
	if err != nil || !ok {
		u.damaged |= bit(a)
		return nil
	}
	return o
}

// list reads a cell that holds one, nil where it is empty or damaged.
func (u *row) list(a attr) []any {
	if u.cells[a] == "" {
		return nil
	}
	v, err := value.ParseJSON([]byte(u.cells[a]))
	list, ok := v.([]any)
	if err != nil || !ok || slices.ContainsFunc(list, func(e any) bool { return !isElement(a, e) }) {
		u.damaged |= bit(a)
		return nil
	}
	return list
}

// isElement reports whether a value is what the list in a cell has.
func isElement(a attr, v any) bool {
	if a != aIdentities {
		_, ok := v.(string)
		return ok
	}
	o, ok := v.(*value.Object)
	provider, _ := o.Get("provider")
	subject, _ := o.Get("subject")
	_, named := provider.(string)
	_, whose := subject.(string)
	return ok && named && whose
}

// damage tells of the damaged cells, one for each.
func (u *row) damage() (list []Violation) {
	for a := range numAttrs {
		if u.damaged&bit(a) != 0 {
			what, hint := u.damageOf(a)
			list = append(list, Violation{CodeCorrupt, attributes[a].name, what + ": " + hint})
		}
	}
	return list
}

func (u *row) damageOf(a attr) (what, hint string) {
	return "of user " + u.id + " in the store is not what usher writes", "mend the column " + attributes[a].column + ", or set it to NULL"
}

// damagedError is for where more than one record fails of it.
func (u *row) damagedError() error {
	a := attr(bits.TrailingZeros64(u.damaged))
	what, hint := u.damageOf(a)
	return &Error{Code: CodeCorrupt, Message: attributes[a].name + " " + what, Hint: hint}
}

// add gives a list with the elements that it does not have yet. A linked identity that it has is replaced where
// something else is known of it now.
func (u *row) add(a attr, list []any) string {
	old := u.list(a)
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
		return u.cells[a]
	}
	return listText(old)
}

func sameSet(old, list []any) bool {
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

func sameIdentities(old, list []any) bool {
	if len(old) != len(list) {
		return false
	}
	for _, e := range list {
		if i := indexOfIdentity(old, e.(*value.Object)); i < 0 || !equalJSON(old[i], e) {
			return false
		}
	}
	return true
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
	for _, e := range u.list(aIdentities) {
		into = append(into, identityKey(e.(*value.Object)))
	}
	return into
}
