package expression

import "fmt"

// SyntaxError says why a text is not an expression, and where. Its codes are
//
//	expression.syntax            the text is neither JavaScript nor expr
//	expression.unsupported       JavaScript that expressions leave out
//	expression.unknown_name      a variable that does not exist
//	expression.unknown_function  a function that does not exist
//	expression.unknown_method    a method that does not exist
//	expression.arguments         too few, too many or wrong arguments
//	expression.regexp            a regular expression that RE2 cannot run
//	expression.environment       env() of a name that is not allowed or not set
//	expression.too_long          more than MaxText bytes
//	expression.too_deep          nested too deeply
type SyntaxError struct {
	Code    string
	Message string
	Hint    string // what to write instead, or empty
	Offset  int    // of the first wrong byte in the text
	Length  int    // in bytes; 0 where the text ends too early
}

func (e *SyntaxError) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

// EvalError says why an expression has no result for one record. It never shows a value of the record. Its codes are
//
//	expression.type          a value of a kind that the function or method does not take
//	expression.argument      an argument out of range
//	expression.phone         not a phone number
//	expression.date          not a date
//	expression.boolean       not a yes or a no
//	expression.uuid          not the name space of a UUID
//	expression.json          not JSON
//	expression.uri           not an encoded URI
//	expression.regexp        a regular expression that RE2 cannot run
//	expression.environment   env() of a name that is not allowed or not set
//	expression.too_many_steps  the evaluation ran longer than MaxSteps
//	expression.too_much_memory the evaluation built more than MaxMemory
//	expression.internal      a defect of this package
type EvalError struct {
	Code       string
	Message    string
	Expression string
	Offset     int // of the part that failed, in bytes
	Length     int // in bytes; 0 where it is not known
}

func (e *EvalError) Error() string { return e.Message }

// fault is how functions deep inside an evaluation give up: they panic with one, and Program turns it into an EvalError.
type fault struct{ code, message string }

func (f *fault) Error() string { return f.message }

func fail(code, format string, args ...any) {
	panic(&fault{code, fmt.Sprintf(format, args...)})
}
