package identity

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/usher-id/usher/password"
)

// Behaviour says what an update does to an attribute that the record has.
type Behaviour string

// The update behaviours. An attribute that the record does not have is never touched, and everything is taken when
// a user is inserted.
const (
	Set     Behaviour = "set"     // takes the value; null removes what is there
	Keep    Behaviour = "keep"    // takes the value; null leaves what is there
	Ignore  Behaviour = "ignore"  // leaves what is there
	Merge   Behaviour = "merge"   // takes each member; a member that is null is removed; null leaves all
	Replace Behaviour = "replace" // takes the whole in place of what is there
	Add     Behaviour = "add"     // takes the elements that are new and removes none
)

// Update describes the update behaviour of one attribute.
type Update struct {
	Attribute string
	Default   Behaviour
	// Allowed lists all that can be chosen.
	Allowed []Behaviour
}

// Updates lists the attributes whose behaviour can be chosen, by the names that Options.OnUpdate takes.
func Updates() []Update {
	var list []Update
	for a := range numAttrs {
		if a == aPasswordExpiry || a == aMFAPasswordExpiry || a == aPasswordReplaced {
			continue // goes with its password
		}
		list = append(list, Update{attributes[a].name, attributes[a].onUpdate, allowed(a)})
	}
	return list
}

func allowed(a attr) []Behaviour {
	switch attributes[a].kind {
	case kindObject:
		return []Behaviour{Merge, Replace, Ignore}
	case kindList:
		return []Behaviour{Replace, Add, Ignore}
	}
	return []Behaviour{Set, Keep, Ignore}
}

// Identifiers lists the attributes that can say whether two records are the same person.
func Identifiers() []string {
	return []string{"email", "phone_number", "preferred_username", "external_id"}
}

// Options say how records become users.
type Options struct {
	// Identifier is the attribute by which users are found, one of Identifiers; empty means email.
	Identifier string
	// Upsert updates users that exist; without it they are skipped.
	Upsert bool
	// Raw keeps the source record beside the user.
	Raw bool
	// RefuseRoles and RefuseGroups fail records that name a role or group that the store does not know, instead of
	// creating it.
	RefuseRoles, RefuseGroups bool
	// Hasher hashes passwords that come in plain text, one of password.Hashers; empty means password.DefaultHasher.
	Hasher string
	// WrapWeak stores hashes that are quick to guess under argon2id (password.Wrap).
	WrapWeak bool
	// OnUpdate overrides the update behaviour of attributes, by the names of Updates.
	OnUpdate map[string]Behaviour
	// OnDelete says what becomes of users who are gone; empty means Leave.
	OnDelete Removal
	// TooMany, if it is not nil, says of how many users whom records say are gone a run would remove, of how many that the
	// store had at its start, whether they are too many. The run then ends before the batch in which they are.
	TooMany func(removed, of int64) bool
	// Reconcile says among whom Import.Reconcile looks for users who were not in any record; empty for nobody.
	Reconcile Scope
}

// Rules are Options that were checked. They are safe for concurrent use.
type Rules struct {
	Options
	identifier attr
	behaviours [numAttrs]Behaviour
	// seed begins every fingerprint: records read by other rules are other records.
	seed [sha256.Size]byte
}

// fingerprintVersion changes whenever normalisation, or the way a fingerprint is computed, does.
const fingerprintVersion = 3

// NewRules checks options. Its errors name the option.
func NewRules(o Options) (*Rules, error) {
	if o.Identifier == "" {
		o.Identifier = attributes[aEmail].name
	}
	if !slices.Contains(Identifiers(), o.Identifier) {
		return nil, &OptionError{"identifier", fmt.Sprintf("%q cannot be the identifier%s", o.Identifier, didYouMean(o.Identifier, Identifiers()))}
	}
	if o.Hasher != "" && !slices.Contains(password.Hashers(), o.Hasher) {
		return nil, &OptionError{"hasher", fmt.Sprintf("%q hashes no new passwords%s", o.Hasher, didYouMean(o.Hasher, password.Hashers()))}
	}
	if err := o.checkRemoval(); err != nil {
		return nil, err
	}
	r := &Rules{Options: o, identifier: topLevel[o.Identifier]}
	for a := range numAttrs {
		r.behaviours[a] = attributes[a].onUpdate
	}
	known := Updates()
	for name, b := range o.OnUpdate {
		i := slices.IndexFunc(known, func(u Update) bool { return u.Attribute == name })
		if i < 0 {
			names := make([]string, len(known))
			for i := range known {
				names[i] = known[i].Attribute
			}
			return nil, &OptionError{"on_update." + name, "there is no such attribute" + didYouMean(name, names)}
		}
		if !slices.Contains(known[i].Allowed, b) {
			return nil, &OptionError{"on_update." + name, fmt.Sprintf("%q is not one of %v", b, known[i].Allowed)}
		}
		for a := range numAttrs {
			if attributes[a].name == name {
				r.behaviours[a] = b
			}
		}
	}
	r.behaviours[aPasswordExpiry] = r.behaviours[aPassword]
	r.behaviours[aMFAPasswordExpiry] = r.behaviours[aMFAPassword]
	r.seed = sha256.Sum256(fmt.Appendf(nil, "%d %s %v", fingerprintVersion, o.Identifier, r.behaviours))
	return r, nil
}

// OptionError says which option is wrong.
type OptionError struct {
	Option, Message string
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Message }
