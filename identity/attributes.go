// Package identity holds the canonical user, the rules by which a record becomes or changes one, and the store that keeps
// users. It knows nothing of pipelines.
package identity

// attr is one cell of a stored user: an attribute, or a part of one that is stored by itself.
type attr uint8

const (
	aExternalID attr = iota
	aEmail
	aEmailVerified
	aPhone
	aPhoneVerified
	aUsername
	aName
	aGivenName
	aFamilyName
	aMiddleName
	aNickname
	aProfile
	aPicture
	aWebsite
	aGender
	aBirthdate
	aZoneinfo
	aLocale
	aAddress
	aDisabled
	aCustom
	aUserMetadata
	aAppMetadata
	aRoles
	aGroups
	aIdentities
	aLoginsCount
	aLastLogin
	aCreatedAt
	aUpdatedAt
	aPassword
	aPasswordExpiry
	aMFAEmail
	aMFAPhone
	aMFAPassword
	aMFAPasswordExpiry
	aMFATOTP
	aRecoveryCodes
	// aPasswordReplaced is the wrapped hash in whose place a login has put a new one. No record speaks of it.
	aPasswordReplaced
	numAttrs

	// firstCredential begins the cells that live in the table credentials; those before it live in users.
	firstCredential = aPassword
)

// kind is how a cell is stored and compared.
type kind uint8

const (
	kindText   kind = iota
	kindBool        // "1", or empty for false
	kindInt         // decimal
	kindObject      // JSON object
	kindList        // JSON array
	kindSecret      // text that is never shown
)

type attribute struct {
	// name is the attribute as records, options and messages have it; column is where it is stored.
	name, column string
	kind         kind
	onUpdate     Behaviour
	// nullable says that null removes it, where the behaviour does not say more. Null otherwise leaves it as it is.
	nullable bool
}

// attributes is in the order of the constants above.
var attributes = [numAttrs]attribute{
	aExternalID:        {"external_id", "external_id", kindText, Set, true},
	aEmail:             {"email", "email", kindText, Set, true},
	aEmailVerified:     {"email_verified", "email_verified", kindBool, Keep, false},
	aPhone:             {"phone_number", "phone_number", kindText, Set, true},
	aPhoneVerified:     {"phone_number_verified", "phone_number_verified", kindBool, Keep, false},
	aUsername:          {"preferred_username", "preferred_username", kindText, Set, true},
	aName:              {"name", "name", kindText, Set, true},
	aGivenName:         {"given_name", "given_name", kindText, Set, true},
	aFamilyName:        {"family_name", "family_name", kindText, Set, true},
	aMiddleName:        {"middle_name", "middle_name", kindText, Set, true},
	aNickname:          {"nickname", "nickname", kindText, Set, true},
	aProfile:           {"profile", "profile", kindText, Set, true},
	aPicture:           {"picture", "picture", kindText, Set, true},
	aWebsite:           {"website", "website", kindText, Set, true},
	aGender:            {"gender", "gender", kindText, Set, true},
	aBirthdate:         {"birthdate", "birthdate", kindText, Set, true},
	aZoneinfo:          {"zoneinfo", "zoneinfo", kindText, Set, true},
	aLocale:            {"locale", "locale", kindText, Set, true},
	aAddress:           {"address", "address", kindObject, Replace, true},
	aDisabled:          {"disabled", "disabled", kindBool, Keep, false},
	aCustom:            {"custom_attributes", "custom_attributes", kindObject, Merge, true},
	aUserMetadata:      {"user_metadata", "user_metadata", kindObject, Merge, true},
	aAppMetadata:       {"app_metadata", "app_metadata", kindObject, Merge, true},
	aRoles:             {"roles", "roles", kindList, Replace, false},
	aGroups:            {"groups", "groups", kindList, Replace, false},
	aIdentities:        {"identities", "identities", kindList, Add, false},
	aLoginsCount:       {"logins_count", "logins_count", kindInt, Keep, false},
	aLastLogin:         {"last_login", "last_login", kindText, Keep, false},
	aCreatedAt:         {"created_at", "created_at", kindText, Ignore, false},
	aUpdatedAt:         {"updated_at", "updated_at", kindText, Keep, false},
	aPassword:          {"password", "password", kindSecret, Ignore, true},
	aPasswordExpiry:    {"password.expire_after", "password_expire_after", kindText, Ignore, true},
	aMFAEmail:          {"mfa.email", "mfa_email", kindText, Set, true},
	aMFAPhone:          {"mfa.phone_number", "mfa_phone_number", kindText, Set, true},
	aMFAPassword:       {"mfa.password", "mfa_password", kindSecret, Ignore, true},
	aMFAPasswordExpiry: {"mfa.password.expire_after", "mfa_password_expire_after", kindText, Ignore, true},
	aMFATOTP:           {"mfa.totp", "mfa_totp", kindSecret, Ignore, true},
	aRecoveryCodes:     {"mfa.recovery_codes", "mfa_recovery_codes", kindSecret, Ignore, true},
	aPasswordReplaced:  {"", "password_replaced", kindSecret, Ignore, false},
}

// topLevel finds an attribute of a record by its name; password and mfa are objects of several cells.
var topLevel = func() map[string]attr {
	m := make(map[string]attr, numAttrs)
	for a := range firstCredential {
		m[attributes[a].name] = a
	}
	m["password"] = aPassword
	m["mfa"] = aMFAEmail
	return m
}()

// AttributeNames lists the attributes a record may have, in canonical order.
func AttributeNames() []string {
	names := make([]string, 0, firstCredential+2)
	for a := range firstCredential {
		names = append(names, attributes[a].name)
	}
	return append(names, "password", "mfa")
}
