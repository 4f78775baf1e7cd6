package identity

import (
	"strconv"
	"time"

	"github.com/usher-id/usher/value"
)

// User is the canonical user: the standard claims of OpenID Connect Core 1.0, section 5.1, and what an identity store
// keeps beside them. An empty string, a nil object or a nil list is an attribute that the user does not have.
type User struct {
	// ID is the store's own id, a UUID of version 7: the claim sub.
	ID string
	// Seq is the user's place in the order of insertion, from 1. It means nothing outside of the store.
	Seq int64
	// Place is where the walk over a Selection has come to: Seq, or the number of the user in its order.
	Place               int64
	ExternalID          string
	Email               string
	EmailVerified       bool
	PhoneNumber         string
	PhoneNumberVerified bool
	PreferredUsername   string
	Name                string
	GivenName           string
	FamilyName          string
	MiddleName          string
	Nickname            string
	Profile             string
	Picture             string
	Website             string
	Gender              string
	Birthdate           string
	Zoneinfo            string
	Locale              string
	Address             *value.Object
	Disabled            bool
	CustomAttributes    *value.Object
	UserMetadata        *value.Object
	AppMetadata         *value.Object
	Roles               []string
	Groups              []string
	Identities          []LinkedIdentity
	Password            Password
	MFA                 MFA
	// LoginsCount is nil where it is not known.
	LoginsCount *int64
	// Zero where they are not known.
	LastLogin, CreatedAt, UpdatedAt time.Time
	// Raw is the source record as JSON, secrets redacted, where it was kept.
	Raw string
}

// Password is an encoded hash: PHC or modular crypt format, LDAP, or $usher$<hasher>$ and the hash. It is empty for none.
type Password struct {
	Hash value.Secret
	// ExpireAfter is when it has to be changed, zero for never.
	ExpireAfter time.Time
}

// MFA holds second factors.
type MFA struct {
	Email, PhoneNumber string
	Password           Password
	// TOTP is base32 in upper case without padding (RFC 4648): SHA-1, 6 digits, 30 seconds (RFC 6238).
	TOTP          value.Secret
	RecoveryCodes []value.Secret
}

// LinkedIdentity is an account elsewhere, by which the user can log in.
type LinkedIdentity struct {
	Provider, Subject string
	// Other is what else the record said of it.
	Other *value.Object
}

// fill makes a user of a row. What is damaged is not in it.
func (u *row) fill(user *User) {
	c := &u.cells
	*user = User{
		ID: u.id, Seq: u.seq, ExternalID: c[aExternalID], Email: c[aEmail], EmailVerified: c[aEmailVerified] != "",
		PhoneNumber: c[aPhone], PhoneNumberVerified: c[aPhoneVerified] != "", PreferredUsername: c[aUsername],
		Name: c[aName], GivenName: c[aGivenName], FamilyName: c[aFamilyName], MiddleName: c[aMiddleName], Nickname: c[aNickname],
		Profile: c[aProfile], Picture: c[aPicture], Website: c[aWebsite], Gender: c[aGender], Birthdate: c[aBirthdate],
		Zoneinfo: c[aZoneinfo], Locale: c[aLocale], Address: u.object(aAddress), Disabled: c[aDisabled] != "",
		CustomAttributes: u.object(aCustom), UserMetadata: u.object(aUserMetadata), AppMetadata: u.object(aAppMetadata),
		Roles: u.strings(aRoles), Groups: u.strings(aGroups),
		Password: Password{value.Secret(c[aPassword]), parseTime(c[aPasswordExpiry])},
		MFA: MFA{
			Email: c[aMFAEmail], PhoneNumber: c[aMFAPhone], TOTP: value.Secret(c[aMFATOTP]),
			Password: Password{value.Secret(c[aMFAPassword]), parseTime(c[aMFAPasswordExpiry])},
		},
		LastLogin: parseTime(c[aLastLogin]), CreatedAt: parseTime(c[aCreatedAt]), UpdatedAt: parseTime(c[aUpdatedAt]),
		Raw: u.raw,
	}
	for _, code := range u.strings(aRecoveryCodes) {
		user.MFA.RecoveryCodes = append(user.MFA.RecoveryCodes, value.Secret(code))
	}
	if n, err := strconv.ParseInt(c[aLoginsCount], 10, 64); err == nil {
		user.LoginsCount = &n
	}
	for _, e := range u.list(aIdentities) {
		o := e.(*value.Object).Clone()
		provider, _ := o.Get("provider")
		subject, _ := o.Get("subject")
		o.Delete("provider")
		o.Delete("subject")
		linked := LinkedIdentity{provider.(string), subject.(string), o}
		if o.Len() == 0 {
			linked.Other = nil
		}
		user.Identities = append(user.Identities, linked)
	}
}

func (u *row) strings(a attr) []string {
	var list []string
	for _, e := range u.list(a) {
		list = append(list, e.(string))
	}
	return list
}

func parseTime(text string) time.Time {
	t, _ := time.Parse(time.RFC3339, text)
	return t
}
