package identity

import "fmt"

// Violation is one thing that is wrong with a record, or, as a warning, worth knowing. It shows no secret.
type Violation struct {
	// Code is stable and dotted, such as user.bad_email.
	Code string
	// Field is the dotted name of the attribute, or empty where the whole record is meant.
	Field string
	// Message says what is wrong and what to do about it.
	Message string
}

func (v Violation) String() string {
	if v.Field == "" {
		return v.Message
	}
	return v.Field + ": " + v.Message
}

// The codes of violations; those of passwords are the password package's.
const (
	CodeWrongType         = "user.wrong_type"
	CodeEmpty             = "user.empty"
	CodeTooLong           = "user.too_long"
	CodeTooDeep           = "user.too_deep"
	CodeBadText           = "user.bad_text"
	CodeBadEmail          = "user.bad_email"
	CodeBadPhone          = "user.bad_phone_number"
	CodeBadUsername       = "user.bad_username"
	CodeBadURL            = "user.bad_url"
	CodeBadBirthdate      = "user.bad_birthdate"
	CodeBadZone           = "user.bad_zoneinfo"
	CodeBadLocale         = "user.bad_locale"
	CodeBadTime           = "user.bad_time"
	CodeBadNumber         = "user.bad_number"
	CodeBadTOTP           = "user.bad_totp_secret"
	CodeUnknownAttribute  = "user.unknown_attribute"
	CodeMissingMember     = "user.missing_member"
	CodeNoEffect          = "user.no_effect"
	CodeConflicting       = "password.conflicting"
	CodeNoPassword        = "password.none"
	CodeUnknownHasher     = "password.unknown_hasher"
	CodeNotWrapped        = "password.not_wrapped"
	CodePasswordIgnored   = "password.ignored_on_update"
	CodeMissingIdentifier = "store.missing_identifier"
	CodeConflict          = "store.identity_conflict"
	CodeUnknownRole       = "store.unknown_role"
	CodeUnknownGroup      = "store.unknown_group"
	CodeRefused           = "store.refused"
	CodeCorrupt           = "store.corrupt"
)

// Error says why a store cannot be opened or used. It shows no secret.
type Error struct {
	// Code is stable and dotted, such as store.locked.
	Code string
	// Message says what is wrong and where, Hint what to do about it.
	Message, Hint string
	// Err is the cause, if there is one.
	Err error
	// Unreachable says that the store is not there to be reached.
	Unreachable bool
}

func (e *Error) Error() string { return fmt.Sprintf("%s; %s [%s]", e.Message, e.Hint, e.Code) }

func (e *Error) Unwrap() error { return e.Err }

// CodeTooMany is the code of the Error for more removals than Options.TooMany bears.
const CodeTooMany = "store.too_many_deletes"

// RefusedError says that the database refused a batch because of some record in it, and that nothing of the batch
// was written.
type RefusedError struct {
	Violation Violation
}

func (e *RefusedError) Error() string { return e.Violation.String() }
