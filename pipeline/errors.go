package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/usher-id/usher/expression"
)

// Error is what stops a run or keeps it from starting. It shows no secret.
type Error struct {
	// Code is stable and dotted, such as store.locked.
	Code string
	// Message says what is wrong and where.
	Message string
	// Hint says what to do about it.
	Hint string
	// Err is the cause, if there is one; its text is not part of this error's.
	Err error
	// Unreachable says that one end (source, sink, plugin) could not be reached: exit code 4.
	Unreachable bool
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return fmt.Sprintf("%s [%s]", e.Message, e.Code)
	}
	return fmt.Sprintf("%s; %s [%s]", e.Message, e.Hint, e.Code)
}

func (e *Error) Unwrap() error { return e.Err }

// EvalProblem is the problem of a record for which an expression has no result. Whose says whose expression it is, such as
// "filter: ", where field does not.
func EvalProblem(field, whose string, err error) Problem {
	p := Problem{Code: "expression.internal", Field: field, Message: whose + err.Error()}
	if e := (*expression.EvalError)(nil); errors.As(err, &e) {
		p.Code = e.Code
		p.Message += ", in " + ShowExpression(e.Expression)
	}
	return p
}

// ShowExpression gives an expression as it is shown in a message, cut where it is long.
func ShowExpression(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return "`" + text + "`"
}

// Refused is a Sink's answer to a batch of which it wrote nothing because of some record in it. The engine splits
// the batch until the record at fault is alone; that one fails with Problem.
type Refused struct {
	Problem Problem
}

func (e *Refused) Error() string { return "the batch was refused: " + e.Problem.String() }

// Temporary is an error that may pass: the engine tries again, not before After.
type Temporary struct {
	Err   error
	After time.Duration
}

func (e *Temporary) Error() string { return e.Err.Error() }

func (e *Temporary) Unwrap() error { return e.Err }

// IsUnreachable reports whether err says that one end could not be reached.
func IsUnreachable(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Unreachable
}
