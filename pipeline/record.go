// Package pipeline holds the contracts between the engine and its connectors: what travels (Record, Batch), who
// reads, changes and writes it (Source, Transform, Sink), what became of it (Outcome), and how a connector says
// which options it has (Spec, Option, Config).
package pipeline

import (
	"strconv"

	"github.com/usher-id/usher/value"
)

// Ref is the place of a record in its source, as a person would look it up.
type Ref struct {
	// Origin names the file, table or endpoint: users.csv, users.xlsx!Sheet1, users.
	Origin string
	// Line counts from 1: the line of a text file, the row of a sheet, the element of a JSON array.
	Line int64
	// Key, if it is not empty, stands instead of the line: users[key=42].
	Key string
}

// String gives users.csv:17, users.xlsx!Sheet1:9 or users[key=42].
func (r Ref) String() string {
	if r.Key != "" {
		return r.Origin + "[key=" + r.Key + "]"
	}
	return r.Origin + ":" + strconv.FormatInt(r.Line, 10)
}

// Record is one user as it travels.
type Record struct {
	// Index counts the records of a run from 0. The engine sets it.
	Index int64
	Ref   Ref
	// Source holds the values that the source read. Nobody changes it; it is nil where the source could not read
	// the record, whose Outcome then says why.
	Source *value.Object
	// Fields holds the values as the transforms left them. A source leaves it nil: it starts as Source. A transform
	// that changes values replaces it by another Object and never changes this one in place.
	Fields *value.Object
	// Raw is the text of a record that the source could not read as values, so that it can be given back as it was.
	Raw []byte
	// Gone says that the source no longer has the user: the record only names who it is. A sink that is a Remover acts on
	// it by its policy; it is skipped on its way to any other.
	Gone bool
	// Prepared is what a Preparer made of the record for its own Write.
	Prepared any
	// Outcome is undecided until somebody decides it.
	Outcome Outcome
}

// Batch is a run of consecutive records, in the order of the source.
type Batch struct {
	Records []Record
	// After is the source's position after this batch, for a Source that is a Resumer; nil otherwise. The same place has the
	// same position, however the records before it were divided.
	After []byte
}

// Decision is what became of a record.
type Decision uint8

// The decisions. Every record of a run ends with one of them other than Undecided.
const (
	Undecided Decision = iota
	Inserted
	Updated
	Skipped
	Failed
)

var decisionNames = [...]string{"undecided", "inserted", "updated", "skipped", "failed"}

func (d Decision) String() string { return decisionNames[d] }

// ParseDecision is the reverse of String; it gives Undecided for anything else.
func ParseDecision(s string) Decision {
	for d, name := range decisionNames {
		if name == s {
			return Decision(d)
		}
	}
	return Undecided
}

// Reasons of a skipped record.
const (
	Exists    = "exists"    // the identifier is known and the sink does not update
	Unchanged = "unchanged" // an update would change nothing
	Filtered  = "filtered"  // a transform or a selection left it out
	Gone      = "gone"      // the user is gone from the source, and there is nothing to do about it in the sink
)

// DeletedUser stands in Outcome.Changed for the user as a whole.
const DeletedUser = "deleted"

// Outcome is what became of one record, and why.
type Outcome struct {
	Decision Decision
	// Reason is set for Skipped: Exists, Unchanged, Filtered or Gone. With Updated it is Gone where the user was disabled or
	// deleted because the source no longer has it.
	Reason string
	// UserID is the sink's id of the user, where it has one.
	UserID string
	// Changed names the attributes that an update changed; it is DeletedUser alone where the user was deleted.
	Changed  []string
	Warnings []Problem
	Errors   []Problem
}

// Problem is one thing that is wrong with a record. It shows no secret.
type Problem struct {
	// Code is stable and dotted, such as csv.short_row.
	Code string `json:"code"`
	// Field is the dotted name of the field, or empty where the whole record is meant.
	Field string `json:"field"`
	// Message says what is wrong and what to do about it.
	Message string `json:"message"`
}

func (p Problem) String() string {
	if p.Field == "" {
		return p.Message
	}
	return p.Field + ": " + p.Message
}

// Fail decides that the record failed; what was decided before, if it failed too, is added to.
func (r *Record) Fail(problems ...Problem) {
	if r.Outcome.Decision != Failed {
		r.Outcome.Decision, r.Outcome.Reason = Failed, ""
	}
	r.Outcome.Errors = append(r.Outcome.Errors, problems...)
}

// Skip decides that the record is skipped for the reason.
func (r *Record) Skip(reason string) {
	r.Outcome.Decision, r.Outcome.Reason = Skipped, reason
}

// Warn adds a warning, whatever becomes of the record.
func (r *Record) Warn(problem Problem) {
	r.Outcome.Warnings = append(r.Outcome.Warnings, problem)
}

// Open reports whether the record is still on its way: nothing has been decided.
func (r *Record) Open() bool { return r.Outcome.Decision == Undecided }
