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

// What becomes of a password.
const (
	AsIs      = "as_is"            // the target takes the hash as it stands
	Converted = "after_conversion" // in another spelling of the same hash
	Hashed    = "hashed"           // it comes in plain text and is hashed by the target
	NotAtAll  = "not_at_all"       // the target cannot take it, or it cannot be read
)

// Count says how many passwords of one format there are, and what becomes of them.
type Count struct {
	// Format is password's name, that of a hasher which is not built in, plain for plain text, or empty where it cannot be told.
	Format string `json:"format"`
	Taken  string `json:"taken"`
	// Reason says why not, or what to know.
	Reason string `json:"reason,omitempty"`
	Users  int64  `json:"users"`
}

// Passwords is a Transform that changes nothing and counts the passwords of the records that reach it: it stands last.
type Passwords struct {
	pipeline.UnimplementedTransform
	target string

	mu     sync.Mutex
	counts map[Count]int64 // Users is 0 in the key
	none   int64
}

// NewPasswords counts for a sink.
func NewPasswords(sink pipeline.Sink) *Passwords {
	p := &Passwords{counts: map[Count]int64{}}
	if t, ok := sink.(Target); ok {
		p.target = t.PasswordTarget()
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
		v, _ := r.Fields.Get("password")
		o, ok := v.(*value.Object)
		if !ok {
			none++
			continue
		}
		counts[p.judge(o)]++
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.none += none
	for c, n := range counts {
		p.counts[c] += n
	}
	return nil
}

// Counts gives what was counted, the most frequent first, and how many records have no password.
func (p *Passwords) Counts() (counts []Count, none int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts = make([]Count, 0, len(p.counts))
	for c := range maps.Keys(p.counts) {
		c.Users = p.counts[Count{Format: c.Format, Taken: c.Taken, Reason: c.Reason}]
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

var errNoText = errors.New("the hash is no text")

func read(o *value.Object) credential {
	c := credential{values: password.Context{}}
	for name, v := range o.All() {
		switch name {
		case "hash", "expire_after":
		case "plain":
			if plain, ok := text(v); ok {
				c.plain = plain
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
	if c.format == "" || c.format == "auto" {
		c.format, c.err = password.Recognise(c.hash)
	}
	return c
}

// judge says what becomes of one password.
func (p *Passwords) judge(o *value.Object) Count {
	c := read(o)
	switch {
	case c.plain != "":
		return Count{Format: "plain", Taken: Hashed}
	case errors.Is(c.err, errNoText):
		return Count{Taken: NotAtAll, Reason: c.err.Error()}
	case c.err != nil:
		return refused(c.format, c.err)
	}
	h, err := password.Parse(c.format, c.hash, c.values)
	if err != nil {
		var e *password.Error
		if errors.As(err, &e) && e.Code == password.CodeNoFormat && p.target == "" {
			return Count{Format: c.format, Taken: AsIs, Reason: "no hasher of this name is built in: kept unchecked"}
		}
		return refused(c.format, err)
	}
	if p.target == "" {
		count := Count{Format: h.Format, Taken: AsIs}
		if h.Params.Algorithm == "" { // Parse went no further than to what is missing, and neither does Verify
			count.Reason = "verifying needs more: " + password.Verify(context.Background(), h.Format, c.hash, nil, c.values).Reason
		}
		return count
	}
	converted, err := password.Convert(h, p.target)
	switch {
	case err != nil:
		return refused(h.Format, err)
	case converted.Value.Reveal() == c.hash:
		return Count{Format: h.Format, Taken: AsIs, Reason: strings.Join(converted.Warnings, "; ")}
	}
	return Count{Format: h.Format, Taken: Converted, Reason: strings.Join(converted.Warnings, "; ")}
}

// refused is for a hash that cannot be taken. What is wrong with a single string differs from one to the next; only the kind of it is
// counted, so that the list stays short.
func refused(format string, err error) Count {
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
