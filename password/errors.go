package password

import "fmt"

// The codes that an [Error] carries. They are stable: other programs may compare them.
const (
	CodeMalformed   = "password.malformed"          // the string is not a well-formed hash of its format
	CodeOverLimit   = "password.over_limit"         // it asks for more memory or time than the limits allow
	CodeUnsupported = "password.unsupported"        // it is well formed, but this package cannot compute it
	CodeMissing     = "password.context_missing"    // a value outside the string (salt, user name, key) is needed
	CodeUnknown     = "password.not_recognised"     // no format can be told from the string alone
	CodeNoFormat    = "password.unknown_format"     // no format of that name
	CodeCannot      = "password.cannot_travel"      // the target system cannot hold this hash
	CodeNoScript    = "password.no_script"          // Script has no JavaScript for it
	CodeExpression  = "password.bad_expression"     // a digest expression does not compile
	CodeBadPassword = "password.refused"            // a password that the chosen hasher cannot take
	CodeNoTarget    = "password.unknown_target"     // no target system of that name
	CodeBadParams   = "password.invalid_parameters" // costs that the chosen hasher cannot take
)

// Error says what is wrong with a hash, and never shows the hash, its salt, a key or a password.
type Error struct {
	Code    string
	Format  string // the format's name, if one was chosen
	Message string

	foreign bool // the string looks like another format's that has the same prefix
}

func (e *Error) Error() string {
	if e.Format == "" {
		return e.Message
	}
	return e.Format + ": " + e.Message
}

func malformed(message string, args ...any) *Error { return newError(CodeMalformed, message, args) }

func foreign(message string, args ...any) *Error {
	err := newError(CodeMalformed, message, args)
	err.foreign = true
	return err
}

func overLimit(message string, args ...any) *Error { return newError(CodeOverLimit, message, args) }

func unsupported(message string, args ...any) *Error { return newError(CodeUnsupported, message, args) }

func newError(code, message string, args []any) *Error {
	if len(args) > 0 {
		message = fmt.Sprintf(message, args...)
	}
	return &Error{Code: code, Message: message}
}
