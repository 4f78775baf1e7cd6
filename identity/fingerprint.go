package identity

import (
	"crypto/sha256"

	"github.com/usher-id/usher/value"
)

const fingerprintSize = 16

// guessable reports whether a record may have a password in it that can be guessed by its fingerprint, which is quick to compute: one in
// plain text, or, where weak hashes are not to be stored as they are, any hash until it is read.
func (r *Reader) guessable(record *value.Object) bool {
	if v, ok := record.Get("password"); ok && r.guessablePassword(v) {
		return true
	}
	mfa, _ := record.Get("mfa")
	if o, ok := mfa.(*value.Object); ok {
		if v, ok := o.Get("password"); ok {
			return r.guessablePassword(v)
		}
	}
	return false
}

func (r *Reader) guessablePassword(v any) bool {
	o, ok := v.(*value.Object)
	if !ok {
		return v != nil
	}
	plain, _ := o.Get("plain")
	return plain != nil || r.rules.WrapWeak
}

// mark computes the fingerprint of a record. One with a password that could be guessed by it has to be read before: what stands
// for its credentials is then how they were read, without what is hashed on writing.
func (r *Reader) mark(c *Change) {
	b := append(r.buf[:0], r.rules.seed[:]...)
	for name, v := range c.record.All() {
		if c.guessable && (name == "password" || name == "mfa") {
			continue
		}
		var err error
		b, err = value.AppendBinary(value.AppendText(b, name), v)
		c.unmarked = c.unmarked || err != nil
	}
	if c.guessable {
		for i := range c.fields {
			f := &c.fields[i]
			switch {
			case f.attr < firstCredential:
				continue
			case f.null:
				b = append(b, byte(f.attr), 0)
			case f.plain:
				kind := byte(1)
				if f.wrap {
					kind = 3
				}
				b = append(b, byte(f.attr), kind)
				c.unmarked = c.unmarked || r.rules.behaviours[f.attr] != Ignore
			default:
				b = value.AppendText(append(b, byte(f.attr), 2), f.text)
			}
		}
	}
	sum := sha256.Sum256(b)
	copy(c.fingerprint[:], sum[:])
	if cap(b) > 64<<10 {
		b = nil
	}
	r.buf = b
}

// is reports whether a change is what the user was last written by.
func (m *mark) is(c *Change) bool { return m.valid && !c.unmarked && m.fingerprint == c.fingerprint }
