// Package preflight looks at records on their way to a sink and says what the sink's target will make of them, before one is written.
package preflight

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Target is a Sink whose target takes some password hashes and others not. A sink that is none takes all, as they are.
type Target interface {
	// PasswordTarget is the target's name, one of password.Targets.
	PasswordTarget() string
}

// Keeper is a Sink that keeps the passwords in a store of usher's own, which verifies them.
type Keeper interface {
	// WrapsPasswords says whether hashes that are quick to guess are stored under argon2id.
	WrapsPasswords() bool
}

// Policy is what a pipeline does about passwords on their way to the sink.
type Policy struct {
	// Omit has users whose password the target cannot take go on without one; else their records fail.
	Omit bool
	// For spells the hashes as another system wants them, in the field where that looks for them: one of password.Targets, or empty.
	For string
}

// The codes of problems of passwords.
const (
	CodeOmitted  = "password.omitted"   // the user goes on without a password
	CodeNotTaken = "password.not_taken" // the target does not take the hash
)

// What becomes of a password.
const (
	AsIs      = "as_is"            // the target takes the hash as it stands
	Converted = "after_conversion" // in another spelling of the same hash
	Hashed    = "hashed"           // it comes in plain text and is hashed by the target
	Wrapped   = "wrapped"          // the target puts argon2id over the digest
	NotAtAll  = "not_at_all"       // the target cannot take it, or it cannot be read
)

// Count says how many passwords of one format there are, and what becomes of them.
type Count struct {
	// Format is password's name, that of a hasher which is not built in, plain for plain text, or empty where it cannot be told.
	Format string `json:"format"`
	Taken  string `json:"taken"`
	// Reason says why not, or what to know.
	Reason string `json:"reason,omitempty"`
	// Fate is what becomes of users whose password is not taken: fails or without_password.
	Fate  string `json:"fate,omitempty"`
	Users int64  `json:"users"`
}

// The fates.
const (
	Fails           = "fails"
	WithoutPassword = "without_password"
)

// Passwords is a Transform that counts the passwords of the records that reach it, and does what the policy says: it stands last.
type Passwords struct {
	pipeline.UnimplementedTransform
	policy Policy
	target string
	// keeps says that the sink is a store of usher's own, wraps that it wraps.
	keeps, wraps bool

	mu     sync.Mutex
	counts map[Count]int64 // Users is 0 in the key
	none   int64
}

// NewPasswords counts for a sink.
func NewPasswords(sink pipeline.Sink, policy Policy) *Passwords {
	p := &Passwords{policy: policy, counts: map[Count]int64{}}
	if t, ok := sink.(Target); ok {
		p.target = t.PasswordTarget()
	}
	if policy.For != "" {
		p.target = policy.For
	}
	if k, ok := sink.(Keeper); ok {
		p.keeps, p.wraps = true, k.WrapsPasswords()
	}
	return p
}

// Apply implements pipeline.Transform.
func (p *Passwords) Apply(_ context.Context, b *pipeline.Batch) error {
	counts := map[Count]int64{}
	none := int64(0)
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() || r.Gone {
			continue
		}
		if o, ok := passwordOf(r, "mfa.password"); ok && p.policy.Omit {
			p.settle(r, "mfa.password", o)
		}
		o, ok := passwordOf(r, "password")
		if !ok {
			none++
			continue
		}
		counts[p.settle(r, "password", o)]++
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.none += none
	for c, n := range counts {
		p.counts[c] += n
	}
	return nil
}

func passwordOf(r *pipeline.Record, name string) (*value.Object, bool) {
	v, _ := r.Fields.GetPath(name)
	o, ok := v.(*value.Object)
	return o, ok
}

// settle judges a password and does what the policy says.
func (p *Passwords) settle(r *pipeline.Record, name string, o *value.Object) Count {
	c, converted := p.judge(o)
	switch {
	case c.Taken == NotAtAll && p.policy.Omit:
		c.Fate = WithoutPassword
		r.Fields = r.Fields.Clone()
		r.Fields.DeletePath(name)
		r.Warn(pipeline.Problem{Code: CodeOmitted, Field: name, Message: "the user goes on without it: " + reasonOf(c)})
	case c.Taken == NotAtAll && p.policy.For != "":
		c.Fate = Fails
		r.Fail(pipeline.Problem{Code: CodeNotTaken, Field: name, Message: reasonOf(c)})
	case c.Taken == NotAtAll && (p.keeps || p.target != ""):
		c.Fate = Fails // the sink says so
	case p.policy.For != "" && name == "password":
		p.spell(r, converted)
	}
	return c
}

func reasonOf(c Count) string {
	if c.Format == "" {
		return c.Reason
	}
	return c.Format + ": " + c.Reason
}

// spell puts a converted hash where the other system looks for it.
func (p *Passwords) spell(r *pipeline.Record, c *password.Converted) {
	var v any = c.Value.Reveal()
	if c.JSON {
		parsed, err := value.ParseJSON([]byte(c.Value.Reveal()))
		if err != nil {
			r.Fail(pipeline.Problem{Code: CodeNotTaken, Field: "password", Message: "the converted hash is no JSON"})
			return
		}
		v = parsed
	}
	fields := r.Fields.Clone()
	fields.Delete("password")
	more, _ := v.(*value.Object)
	last := c.Field[strings.LastIndexByte(c.Field, '.')+1:]
	if more != nil && (c.Target == "fusionauth" || hasMember(more, last)) { // members of the user itself
		for name, member := range more.All() {
			fields.Set(name, member)
		}
		r.Fields = fields
		return
	}
	if c.Target == "keycloak" { // a user has a list of credentials
		v = []any{v}
	}
	old, _ := fields.GetPath(c.Field)
	if before, ok := old.(*value.Object); ok && more != nil { // other members of it were mapped
		both := before.Clone()
		for name, member := range more.All() {
			both.Set(name, member)
		}
		v = both
	}
	if !fields.SetPath(c.Field, v) {
		r.Fail(pipeline.Problem{Code: CodeNotTaken, Field: c.Field, Message: "a part of the name is the name of a value that is no object"})
		return
	}
	r.Fields = fields
}

// Counts gives what was counted, the most frequent first, and how many records have no password.
func (p *Passwords) Counts() (counts []Count, none int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts = make([]Count, 0, len(p.counts))
	for c := range maps.Keys(p.counts) {
		n := p.counts[c]
		c.Users = n
		counts = append(counts, c)
	}
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), cmp.Compare(a.Format, b.Format), cmp.Compare(a.Taken, b.Taken), cmp.Compare(a.Reason, b.Reason))
	})
	return counts, p.none
}

// credential is a password in the form that sinks take: {hash, format?, …} or {plain}.
type credential struct {
	plain  string
	hash   string
	format string // empty where nothing can tell
	values password.Context
	err    error // why format or hash is not known
}

var (
	errNoText = errors.New("the hash is no text")
	errEmpty  = errors.New("the hash is an empty string")
	errPlain  = errors.New("the password is an empty string")
)

func read(o *value.Object) credential {
	c := credential{values: password.Context{}}
	for name, v := range o.All() {
		switch name {
		case "hash", "expire_after":
		case "plain":
			if plain, ok := text(v); ok {
				if c.plain = plain; plain == "" {
					c.err = errPlain
				}
				return c
			}
		case "format", "hasher":
			if v != nil {
				c.format = formatName(v)
			}
		default:
			if v != nil {
				c.values[name] = v
			}
		}
	}
	v, _ := o.Get("hash")
	var ok bool
	if c.hash, ok = text(v); !ok {
		c.err = errNoText
		return c
	}
	if c.hash == "" {
		c.err = errEmpty
		return c
	}
	if c.format == "" || c.format == "auto" {
		c.format, c.err = password.Recognise(c.hash)
	}
	return c
}

func hasMember(o *value.Object, name string) bool {
	_, ok := o.Get(name)
	return ok
}

// judge says what becomes of one password, with its form for the target where there is one.
func (p *Passwords) judge(o *value.Object) (Count, *password.Converted) {
	c := read(o)
	switch {
	case c.plain != "" && p.policy.For != "":
		return Count{Format: "plain", Taken: NotAtAll, Reason: "it is in plain text, and nothing on the way hashes it"}, nil
	case c.plain != "":
		return Count{Format: "plain", Taken: Hashed}, nil
	case errors.Is(c.err, errNoText), errors.Is(c.err, errEmpty), errors.Is(c.err, errPlain):
		return Count{Taken: NotAtAll, Reason: c.err.Error()}, nil
	case c.err != nil:
		return refused(c.format, c.err), nil
	}
	h, err := password.Parse(c.format, c.hash, c.values)
	if err != nil {
		var e *password.Error
		if errors.As(err, &e) && e.Code == password.CodeNoFormat && p.target == "" {
			return Count{Format: c.format, Taken: AsIs, Reason: "no hasher of this name is built in: kept unchecked"}, nil
		}
		return refused(c.format, err), nil
	}
	if p.target == "" {
		count := Count{Format: h.Format, Taken: AsIs}
		switch {
		case h.Params.Algorithm == "": // Parse went no further than to what is missing, and neither does Verify
			count.Reason = "verifying needs more: " + password.Verify(context.Background(), h.Format, c.hash, nil, c.values).Reason
		case p.keeps && password.Weak(h):
			if !p.wraps {
				count.Reason = "quick to guess until the user's next login; weak_hashes: wrap would put argon2id over it"
			} else if err := password.CanWrap(h); err != nil {
				count.Reason = "quick to guess, and cannot be wrapped: " + message(err)
			} else {
				count.Taken = Wrapped
			}
		}
		return count, nil
	}
	converted, err := password.Convert(h, p.target)
	count := Count{Format: h.Format, Taken: Converted, Reason: strings.Join(converted.Warnings, "; ")}
	switch {
	case err != nil:
		return refused(h.Format, err), nil
	case converted.Value.Reveal() == c.hash:
		count.Taken = AsIs
	}
	return count, &converted
}

func message(err error) string {
	var e *password.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// refused is for a hash that cannot be taken. What is wrong with a single string differs from one to the next; only the kind of it is
// counted, so that the list stays short.
func refused(format string, err error) Count {
	if f, err := password.Lookup(format); err == nil && format != "" {
		format = f.Name
	}
	c := Count{Format: format, Taken: NotAtAll, Reason: "the hash cannot be read"}
	var e *password.Error
	if errors.As(err, &e) {
		switch e.Code {
		case password.CodeMalformed:
			c.Reason = "the hash is malformed or was cut off"
		case password.CodeOverLimit:
			c.Reason = "checking the hash would cost too much"
		default:
			c.Reason = e.Message
		}
	}
	return c
}

func formatName(v any) string {
	if o, ok := v.(*value.Object); ok && o.Len() == 1 && o.At(0).Name == "digest" {
		expression, _ := text(o.At(0).Value)
		return password.DigestPrefix + expression
	}
	name, _ := text(v)
	return name
}

func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case value.Secret:
		return v.Reveal(), true
	}
	return "", false
}
