package password

import (
	"context"
	"crypto/subtle"
	"errors"
	"runtime"

	"golang.org/x/sync/semaphore"

	"github.com/usher-id/usher/value"
)

// Outcome is what came of a verification.
type Outcome uint8

const (
	// Unsupported: the string is well formed, but cannot be checked here, or a context value is missing, or the format cannot take such a
	// password (a NUL byte in bcrypt).
	Unsupported Outcome = iota
	Match
	// Mismatch is only said after a derivation that gave another value.
	Mismatch
	Malformed
	// OverLimit: the check would cost more than the limits allow, or its context ended before it began.
	OverLimit
)

func (o Outcome) String() string {
	return [...]string{"unsupported", "match", "mismatch", "malformed", "over_limit"}[o]
}

// MarshalText gives the outcome's name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Result is the answer to one verification.
type Result struct {
	Outcome Outcome
	Format  string
	Reason  string // empty for a match and a mismatch; never shows hash or password
	Code    string // the error code behind the reason
}

// Hash is a stored password hash: what it is, how it is written, what its costs are, and what verifying it needs beyond the string.
type Hash struct {
	Format  string
	Encoded value.Secret
	Params  Params
	Context Context
}

// Parse takes encoded apart as a hash of the named format and checks its costs. Context values that are missing are not an error
// here; they are at [Verify].
func Parse(format, encoded string, values Context) (Hash, error) {
	f, err := Lookup(format)
	if err != nil {
		return Hash{}, err
	}
	return f.Parse(encoded, values)
}

// Parse is [Parse] for one format.
func (f *Format) Parse(encoded string, values Context) (Hash, error) {
	h := Hash{Format: f.Name, Encoded: value.Secret(encoded), Context: values}
	if values["trim"] != nil || values["normalization"] != nil || values["charset"] != nil {
		if _, err := prepare(nil, values); err != nil {
			err.Format = f.Name
			return Hash{}, err
		}
	}
	p, err := defaultVerifier.open(f, encoded, values)
	if err != nil {
		if err.Code == CodeMissing {
			return h, nil
		}
		return Hash{}, err
	}
	h.Params = p.Params
	return h, nil
}

// Verifier checks passwords within its limits. It may be used from any goroutine: a semaphore weighted by memory keeps
// the derivations that run at one time within twice the memory limit and the number of processors.
type Verifier struct {
	limits   Limits
	weights  *semaphore.Weighted
	capacity int64
}

// NewVerifier makes a verifier with its own limits and semaphore.
func NewVerifier(limits Limits) *Verifier {
	capacity := 2 * limits.Memory
	return &Verifier{limits: limits, capacity: capacity, weights: semaphore.NewWeighted(capacity)}
}

var defaultVerifier = NewVerifier(DefaultLimits())

// Verify checks password against encoded with the default limits. See [Verifier.Verify].
func Verify(ctx context.Context, format, encoded string, password []byte, values Context) Result {
	return defaultVerifier.Verify(ctx, format, encoded, password, values)
}

// Verify checks password against encoded. values may be nil where the format needs none; beside what [Format.Context] names, trim,
// normalization (NFC, …) and charset (latin1, utf16le, …) say how the source changed a password before it hashed it. The password is not kept.
func (v *Verifier) Verify(ctx context.Context, format, encoded string, password []byte, values Context) Result {
	f, err := Lookup(format)
	if err != nil {
		var e *Error
		errors.As(err, &e)
		return e.result(format)
	}
	return v.VerifyFormat(ctx, f, encoded, password, values)
}

// VerifyFormat is Verify for a format that is not in the registry, such as one of [NewDigestFormat].
func (v *Verifier) VerifyFormat(ctx context.Context, f *Format, encoded string, password []byte, values Context) Result {
	p, err := v.open(f, encoded, values)
	if err == nil {
		err = v.admit(f, p, password)
	}
	if err == nil {
		password, err = prepare(password, values)
	}
	if err != nil {
		return err.result(f.Name)
	}
	if f.hasher != nil {
		return v.ask(ctx, f, encoded, password, values)
	}
	got, err := v.derive(ctx, p, password)
	if err != nil {
		return err.result(f.Name)
	}
	if subtle.ConstantTimeCompare(got, p.want) == 1 {
		return Result{Outcome: Match, Format: f.Name}
	}
	return Result{Outcome: Mismatch, Format: f.Name}
}

// Dummy takes as long as verifying a password against a new hash with the default costs. A login for a user that does not exist calls it, so
// that the time of the answer does not tell who exists.
func Dummy(ctx context.Context, password []byte) {
	h, err := findHasher(DefaultHasher)
	if err != nil {
		return
	}
	p := &parsed{Params: h.defaults, salt: make([]byte, h.salt)}
	if h.make(p) == nil && len(password) <= defaultVerifier.limits.PasswordBytes {
		_, _ = defaultVerifier.derive(ctx, p, password)
	}
}

// open takes the string apart and checks what it asks for.
func (v *Verifier) open(f *Format, encoded string, values Context) (*parsed, *Error) {
	if len(encoded) > v.limits.EncodedBytes {
		err := overLimit("a hash of %d bytes; the limit is %d", len(encoded), v.limits.EncodedBytes)
		err.Format = f.Name
		return nil, err
	}
	return f.parsed(&input{encoded: encoded, ctx: values, limits: &v.limits})
}

// admit refuses the passwords that the format cannot tell apart or that cost too much.
func (v *Verifier) admit(f *Format, p *parsed, password []byte) *Error {
	if len(password) > v.limits.PasswordBytes {
		return overLimit("a password of %d bytes; the limit is %d", len(password), v.limits.PasswordBytes)
	}
	if f.most > 0 && len(password) > f.most {
		return unsupported("the password has %d bytes, and the format takes %d", len(password), f.most)
	}
	if !f.nul {
		for _, c := range password {
			if c == 0 {
				return unsupported("the password has a NUL byte, at which this format's implementations stop reading")
			}
		}
	}
	if n := p.hashedBytes(len(password)); n > v.limits.HashedBytes {
		return overLimit("%d rounds over a password of %d bytes; the limit is %d bytes hashed", p.Iterations, len(password), v.limits.HashedBytes)
	}
	return nil
}

// derive runs the primitive when there is memory and a processor for it.
func (v *Verifier) derive(ctx context.Context, p *parsed, password []byte) ([]byte, *Error) {
	if p.kind == kindDigest { // a microsecond of work does not queue behind argon2
		if e := ctx.Err(); e != nil {
			return nil, overLimit("not checked: %v", e)
		}
		return run(p, password)
	}
	// A share of the capacity for each processor, and more for what needs more memory than its share.
	weight := max(p.memory(), v.capacity/int64(runtime.GOMAXPROCS(0)))
	weight = min(weight, v.capacity)
	if e := v.weights.Acquire(ctx, weight); e != nil {
		return nil, overLimit("not checked: %v", e)
	}
	defer v.weights.Release(weight)
	return run(p, password)
}

// run computes. A primitive that panics has been given something that its parser should have refused.
func run(p *parsed, password []byte) (out []byte, err *Error) {
	defer func() {
		if recover() != nil {
			out, err = nil, malformed("its parameters cannot be computed with")
		}
	}()
	if p.pre != nil {
		env := *p.preEnv
		values := map[string][]byte{"pass": password}
		for key, value := range env.values {
			values[key] = value
		}
		env.values = values
		mixed, e := p.pre.eval(&env)
		if e != nil {
			return nil, asError(e)
		}
		password = mixed
	}
	out, e := p.run(p, password)
	if e != nil {
		return nil, asError(e)
	}
	return out, nil
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return malformed("its parameters cannot be computed with")
}

func (e *Error) result(format string) Result {
	r := Result{Format: format, Reason: e.Message, Code: e.Code}
	switch e.Code {
	case CodeMalformed:
		r.Outcome = Malformed
	case CodeOverLimit:
		r.Outcome = OverLimit
	}
	return r
}
