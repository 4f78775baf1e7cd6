package storesource

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/value"
)

// publicNames are the attributes of a record that are no secrets and not the store's own, in their order.
func publicNames() []string {
	return slices.DeleteFunc(identity.AttributeNames(), func(name string) bool { return name == "password" || name == "mfa" })
}

// record gives a user as a record: what a sink over a store reads, so that it comes out as it went in.
func record(u *identity.User, secrets bool) *value.Object {
	o := value.NewObject(20)
	text := func(name, s string) {
		if s != "" {
			o.Append(name, s)
		}
	}
	object := func(name string, v *value.Object) {
		if v != nil {
			o.Append(name, v)
		}
	}
	instant := func(name string, t time.Time) {
		if !t.IsZero() {
			o.Append(name, t)
		}
	}
	o.Append("user_id", u.ID)
	o.Append("sub", u.ID)
	text("external_id", u.ExternalID)
	if u.Email != "" {
		o.Append("email", u.Email)
		o.Append("email_verified", u.EmailVerified)
	}
	if u.PhoneNumber != "" {
		o.Append("phone_number", u.PhoneNumber)
		o.Append("phone_number_verified", u.PhoneNumberVerified)
	}
	text("preferred_username", u.PreferredUsername)
	text("name", u.Name)
	text("given_name", u.GivenName)
	text("family_name", u.FamilyName)
	text("middle_name", u.MiddleName)
	text("nickname", u.Nickname)
	text("profile", u.Profile)
	text("picture", u.Picture)
	text("website", u.Website)
	text("gender", u.Gender)
	text("birthdate", u.Birthdate)
	text("zoneinfo", u.Zoneinfo)
	text("locale", u.Locale)
	object("address", u.Address)
	o.Append("disabled", u.Disabled)
	object("custom_attributes", u.CustomAttributes)
	object("user_metadata", u.UserMetadata)
	object("app_metadata", u.AppMetadata)
	if u.Roles != nil {
		o.Append("roles", list(u.Roles))
	}
	if u.Groups != nil {
		o.Append("groups", list(u.Groups))
	}
	if u.Identities != nil {
		o.Append("identities", identities(u.Identities))
	}
	if u.LoginsCount != nil {
		o.Append("logins_count", *u.LoginsCount)
	}
	instant("last_login", u.LastLogin)
	instant("created_at", u.CreatedAt)
	instant("updated_at", u.UpdatedAt)
	if secrets {
		object("password", passwordOf(u.Password))
		object("mfa", mfa(&u.MFA))
		if u.Raw != "" {
			raw, err := value.ParseJSON([]byte(u.Raw))
			if err != nil {
				raw = u.Raw
			}
			o.Append("raw", raw)
		}
	}
	return o
}

func list(texts []string) []any {
	l := make([]any, len(texts))
	for i, s := range texts {
		l[i] = s
	}
	return l
}

func identities(linked []identity.LinkedIdentity) []any {
	l := make([]any, len(linked))
	for i, e := range linked {
		o := value.NewObject(2 + e.Other.Len())
		o.Append("provider", e.Provider)
		o.Append("subject", e.Subject)
		for name, v := range e.Other.All() {
			o.Append(name, v)
		}
		l[i] = o
	}
	return l
}

// passwordOf takes a stored password apart into what an import reads: the hash, and beside it what the hash does not
// say itself. The values are plain text: whoever asks for secrets wants to have them.
func passwordOf(p identity.Password) *value.Object {
	if p.Hash == "" {
		return nil
	}
	o := value.NewObject(3)
	stored := p.Hash.Reveal()
	if rest, ok := strings.CutPrefix(stored, "$usher$"); !ok {
		o.Append("hash", stored)
	} else if h, err := password.ParseStored(stored); err == nil {
		o.Append("hash", h.Encoded.Reveal())
		o.Append("hasher", h.Format)
		addContext(o, h.Context)
	} else {
		// Of a hasher that is not built in.
		hasher, hash, _ := strings.Cut(rest, "$")
		o.Append("hash", hash)
		o.Append("hasher", hasher)
	}
	if !p.ExpireAfter.IsZero() {
		o.Append("expire_after", p.ExpireAfter)
	}
	return o
}

func addContext(o *value.Object, values password.Context) {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch v := values[name].(type) {
		case value.Secret:
			o.Set(name, v.Reveal())
		case []byte:
			o.Set(name+"_hex", hex.EncodeToString(v))
		default:
			o.Set(name, v)
		}
	}
}

func mfa(m *identity.MFA) *value.Object {
	o := value.NewObject(5)
	if m.Email != "" {
		o.Append("email", m.Email)
	}
	if m.PhoneNumber != "" {
		o.Append("phone_number", m.PhoneNumber)
	}
	if p := passwordOf(m.Password); p != nil {
		o.Append("password", p)
	}
	if m.TOTP != "" {
		o.Append("totp", m.TOTP.Reveal())
	}
	if m.RecoveryCodes != nil {
		codes := make([]any, len(m.RecoveryCodes))
		for i, c := range m.RecoveryCodes {
			codes[i] = c.Reveal()
		}
		o.Append("recovery_codes", codes)
	}
	if o.Len() == 0 {
		return nil
	}
	return o
}
