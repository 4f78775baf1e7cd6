package identity

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/value"
)

// autoFormat stands for what the hash itself names.
const autoFormat = "auto"

// maxPlain is the longest password in bytes that the store's hasher takes.
func (r *reading) maxPlain() int {
	if r.rules.Hasher == "bcrypt" {
		return 72
	}
	return password.DefaultLimits().PasswordBytes
}

// format reads the name of a format, or {digest: expression}.
func (r *reading) format(name string, v any) (string, bool) {
	if o, ok := v.(*value.Object); ok && o.Len() == 1 && o.At(0).Name == "digest" {
		expression, ok := r.text(name+".digest", o.At(0).Value)
		return password.DigestPrefix + expression, ok
	}
	return r.text(name, v)
}

// password reads {hash, format?, expire_after?} and what else the format needs, such as a salt, or {plain, expire_after?}, into the
// cells of the password and of its expiry. hasher is another word for format. A null password has no expiry either.
func (r *reading) password(hashAt, expiryAt attr, v any) {
	name := attributes[hashAt].name
	if v == nil {
		r.Reader.fields = append(r.Reader.fields, field{attr: hashAt, null: true}, field{attr: expiryAt, null: true})
		return
	}
	o, ok := v.(*value.Object)
	if !ok {
		r.wrongType(name, "an object such as {hash: …, format: bcrypt}", v)
		return
	}
	var hash, hasher, expiry, plain string
	var others password.Context
	whole := true
	for member, v := range o.All() {
		if v == nil && member != "hash" {
			continue
		}
		ok := true
		switch member {
		case "hash":
			if v == nil {
				if p, _ := o.Get("plain"); p != nil {
					continue
				}
			}
			hash, ok = r.text(name+".hash", v)
		case "hasher", "format":
			var format string
			if format, ok = r.format(name+"."+member, v); ok && hasher != "" && format != hasher {
				r.violate(CodeConflicting, name+"."+member, "says another format than hasher: the two mean the same, give one")
				ok = false
			}
			hasher = format
		case "expire_after":
			expiry, ok = r.instant(name+".expire_after", v)
		case "plain":
			if plain, ok = r.text(name+".plain", v); ok && len(plain) > r.maxPlain() {
				r.violate(password.CodeBadPassword, name+".plain", "has "+strconv.Itoa(len(plain))+" bytes, at most "+strconv.Itoa(r.maxPlain())+" are taken")
				ok = false
			}
		default:
			if others == nil {
				others = password.Context{}
			}
			others[member] = v
		}
		whole = whole && ok
	}
	_, hasHash := o.Get("hash")
	switch {
	case !whole:
		return
	case plain != "" && (hash != "" || hasher != "" || others != nil):
		r.violate(CodeConflicting, name+".plain", "stands beside what describes a hash: a plain password is hashed by the store, and has at most expire_after beside it")
		return
	case plain != "":
		r.Reader.fields = append(r.Reader.fields, field{attr: hashAt, text: plain, plain: true}, field{attr: expiryAt, text: expiry, null: expiry == ""})
		return
	case !hasHash:
		r.violate(CodeMissingMember, name+".hash", "a password needs its hash, or plain")
		return
	}
	if hasher == autoFormat {
		hasher = ""
	}
	stored, ok := r.storedPassword(name, hash, hasher, others)
	if !ok {
		return
	}
	if r.toWrap(name, stored) {
		r.Reader.fields = append(r.Reader.fields, field{attr: hashAt, text: stored, plain: true, wrap: true})
	} else {
		r.set(hashAt, stored)
	}
	r.Reader.fields = append(r.Reader.fields, field{attr: expiryAt, text: expiry, null: expiry == ""})
}

// toWrap reports whether a hash is to be wrapped. One that is weak and cannot be is kept as it is, with a warning.
func (r *reading) toWrap(name, stored string) bool {
	if !r.rules.WrapWeak {
		return false
	}
	h, err := password.ParseStored(stored)
	if err != nil || !password.Weak(h) {
		return false
	}
	if err := password.CanWrap(h); err != nil {
		r.Warnings = append(r.Warnings, Violation{CodeNotWrapped, name + ".hash", "the hash is quick to guess and cannot be wrapped, so that it is kept as it is: " + err.Error()})
		return false
	}
	return true
}

// storedPassword gives the string that the store keeps: the hash itself where it names its format, otherwise one that
// names it and holds what else is needed. A hasher that is not built in is taken by its name, unless that looks like a slip.
func (r *reading) storedPassword(name, hash, hasher string, others password.Context) (string, bool) {
	if hasher == "" {
		_, err := password.Recognise(hash)
		return hash, r.memberNames(name, nil, others) && r.hashError(name, err)
	}
	format, err := password.Lookup(hasher)
	if err != nil {
		if !isHasherName(hasher) || didYouMean(hasher, hasherNames()) != "" {
			return "", r.hashError(name, err)
		}
		r.Warnings = append(r.Warnings, Violation{CodeUnknownHasher, name + ".hasher",
			"no hasher " + quote(hasher) + " is built in: the hash is kept as it is, unchecked, until a plugin of that name can verify it"})
		return "$usher$" + hasher + "$" + hash, r.memberNames(name, nil, others)
	}
	if format.Name == "bcrypt" && others == nil {
		return hash, r.hashError(name, password.Check("bcrypt", hash))
	}
	if !r.memberNames(name, format, others) {
		return "", false
	}
	parsed, err := format.Parse(hash, others)
	if err != nil {
		return "", r.hashError(name, err)
	}
	stored, err := parsed.Stored()
	return stored, r.hashError(name, err)
}

// hashError reports whether err is nil, and else what is wrong with the hash.
func (r *reading) hashError(name string, err error) bool {
	if err == nil {
		return true
	}
	var e *password.Error
	switch {
	case !errors.As(err, &e):
		r.violate(password.CodeMalformed, name+".hash", "the hash cannot be read")
	case e.Code == password.CodeNoFormat:
		r.violate(e.Code, name+".hasher", e.Error())
	default:
		r.violate(e.Code, name+".hash", e.Error())
	}
	return false
}

// memberNames reports whether all other members of a password are of use to its hasher and may be kept.
func (r *reading) memberNames(name string, format *password.Format, others password.Context) bool {
	known := []string{"hash", "format", "hasher", "plain", "expire_after"}
	use := "a hash that names its own format has no use for it; if others have, map it for them alone: condition ? 'value' : undefined"
	if format != nil {
		use = "a hash of " + format.Name + " has no use for it; if others have, map it for them alone: condition ? 'value' : undefined"
		known = append(known, "trim", "normalization", "charset")
		keys := format.Context
		if format.Name == password.WrapFormat { // with what the hash under it needs
			inner, _ := others["inner"].(string)
			if f, err := password.Lookup(inner); err == nil {
				keys = slices.Concat(keys, f.Context)
			}
		}
		for _, key := range keys {
			known = append(known, strings.TrimSuffix(key, "?"))
		}
	}
	ok := true
	for _, member := range slices.Sorted(maps.Keys(others)) {
		key := strings.TrimSuffix(strings.TrimSuffix(member, "_hex"), "_b64")
		_, isText := others[member].(string)
		_, isSecret := others[member].(value.Secret)
		switch {
		case !slices.Contains(known, key):
			r.violate(CodeUnknownAttribute, name+"."+member, use+didYouMean(member, known))
		case key == "pepper" || key == "secret" || strings.HasSuffix(key, "_key"):
			r.violate(CodeUnknownAttribute, name+"."+member, "a key is not kept beside the hashes that it protects: give it to who verifies them")
		case !isText && !isSecret && value.Kind(others[member]) != "number" && value.Kind(others[member]) != "boolean":
			r.wrongType(name+"."+member, "a string, a number or a boolean", others[member])
		default:
			continue
		}
		ok = false
	}
	return ok
}

var hasherNames = sync.OnceValue(func() (names []string) {
	for _, f := range password.Formats() {
		names = append(append(names, f.Name), f.Aliases...)
	}
	return names
})

// isHasherName reports whether s can name a hasher: lower-case letters, digits, dots, hyphens and underscores.
func isHasherName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 64
}

func (r *reading) mfa(v any) {
	if v == nil {
		return
	}
	o, ok := v.(*value.Object)
	if !ok {
		r.wrongType("mfa", "an object", v)
		return
	}
	for name, v := range o.All() {
		switch name {
		case "email", "phone_number":
			a := aMFAEmail
			if name == "phone_number" {
				a = aMFAPhone
			}
			if v == nil {
				r.Reader.fields = append(r.Reader.fields, field{attr: a, null: true})
			} else {
				r.attribute(a, v)
			}
		case "password":
			r.password(aMFAPassword, aMFAPasswordExpiry, v)
		case "totp":
			r.totp(v)
		case "recovery_codes":
			r.recoveryCodes(v)
		default:
			r.violate(CodeUnknownAttribute, "mfa."+name, "there is no such second factor"+
				didYouMean(name, []string{"email", "phone_number", "password", "totp", "recovery_codes"}))
		}
	}
}

// totp reads the secret of a time-based one-time password (RFC 6238), alone or as {secret}.
func (r *reading) totp(v any) {
	if v == nil {
		r.Reader.fields = append(r.Reader.fields, field{attr: aMFATOTP, null: true})
		return
	}
	place := "mfa.totp"
	if o, ok := v.(*value.Object); ok {
		place = "mfa.totp.secret"
		for member := range o.All() {
			if member != "secret" {
				r.violate(CodeUnknownAttribute, "mfa.totp."+member, "a TOTP has only its secret: SHA-1, 6 digits and 30 seconds are meant")
			}
		}
		if v, ok = o.Get("secret"); !ok {
			r.violate(CodeMissingMember, place, "a TOTP needs its secret")
			return
		}
	}
	s, ok := r.text(place, v)
	if !ok {
		return
	}
	secret, ok := normalizeTOTP(s)
	if !ok {
		r.violate(CodeBadTOTP, place, "is not base32 of RFC 4648 (the letters A to Z and the digits 2 to 7)")
		return
	}
	r.set(aMFATOTP, secret)
}

func (r *reading) recoveryCodes(v any) {
	if v == nil {
		r.Reader.fields = append(r.Reader.fields, field{attr: aRecoveryCodes, null: true})
		return
	}
	list, ok := r.elements("mfa.recovery_codes", "an array of strings", v)
	if !ok {
		return
	}
	kept := make([]any, 0, len(list))
	for _, e := range list {
		s, ok := r.text("mfa.recovery_codes", e)
		if !ok {
			return
		}
		if s = strings.TrimSpace(s); s == "" {
			r.violate(CodeEmpty, "mfa.recovery_codes", "has a code of white space alone")
			return
		}
		kept = append(kept, s)
	}
	r.list(aRecoveryCodes, kept)
}
