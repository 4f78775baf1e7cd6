package password

import (
	"slices"
	"strings"
)

// Candidate is one format that a string may be of.
type Candidate struct {
	Format     string
	Confidence Confidence
	Reason     string
	Params     Params
	Needs      []string // context keys without which it cannot be verified
	Problem    string   // why it cannot be used as it stands: too costly, or cut off
	// Shared says that the string names the format, but that another system writes the same: it has to be declared.
	Shared bool
}

// Identify lists the formats that encoded may be of, the most likely first. Nothing is derived. Choose automatically only if
// [Unambiguous] says so: a bare digest has a dozen readings, and a declared format beats detection. Six schemes write the 60 characters
// of bcrypt after changing the password first; they are listed behind bcrypt as possible, because nothing in the string can rule them out.
func Identify(encoded string) []Candidate {
	l := &defaultLimits
	if encoded == "" || len(encoded) > l.EncodedBytes {
		return nil
	}
	var out []Candidate
	for _, f := range Formats() {
		begins := f.begins(encoded)
		if f.prefix != "" && begins == "" {
			continue
		}
		in := input{encoded: encoded, limits: l}
		p, err := f.parsed(&in)
		c := Candidate{Format: f.Name, Confidence: f.certainty}
		switch {
		case err == nil:
			c.Params = p.Params
		case err.Code == CodeMissing:
			if encoded[0] == '{' && f.prefix == "" { // an object that lacks the format's fields
				continue
			}
		case err.Code == CodeMalformed:
			continue
		default:
			c.Problem = err.Message
		}
		if h, ok := f.hasher.(Identifier); ok {
			own, fits := h.Identify(encoded)
			if !fits {
				continue
			}
			if own.Reason != "" { // it knows more than the pattern
				c.Confidence, c.Reason = own.Confidence, own.Reason
			}
			if own.Problem != "" {
				c.Problem = own.Problem
			}
		}
		for _, key := range f.Context {
			if !strings.HasSuffix(key, "?") {
				c.Needs = append(c.Needs, key)
			}
		}
		switch {
		case c.Reason != "":
		case f.why != "":
			c.Reason = f.why
		case f.prefix != "":
			c.Reason = "it begins with " + begins + " and is well formed"
		default:
			c.Reason = "its fields name it"
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		out = broken(encoded, l)
	}
	slices.SortStableFunc(out, func(a, b Candidate) int {
		if a.Confidence != b.Confidence {
			return int(b.Confidence) - int(a.Confidence)
		}
		if len(a.Needs) != len(b.Needs) {
			return len(a.Needs) - len(b.Needs)
		}
		return commonness(a.Format) - commonness(b.Format)
	})
	if len(out) > 1 && out[1].Confidence > Possible { // two are written like this: none is certain, as Recognise has it
		for i := range out {
			out[i].Shared = out[i].Confidence == Certain
			out[i].Confidence = min(out[i].Confidence, Likely)
		}
	}
	return out
}

// begins gives the one of the format's prefixes that encoded has.
func (f *Format) begins(encoded string) string {
	if f.prefix != "" && hasPrefixFold(encoded, f.prefix) {
		return f.prefix
	}
	for _, prefix := range f.prefixes {
		if hasPrefixFold(encoded, prefix) {
			return prefix
		}
	}
	return ""
}

// Unambiguous gives the one format that the string itself names, if there is exactly one and the string can be used.
func Unambiguous(candidates []Candidate) (format string, ok bool) {
	if len(candidates) == 0 || candidates[0].Confidence != Certain || candidates[0].Problem != "" {
		return "", false
	}
	if len(candidates) > 1 && candidates[1].Confidence > Possible {
		return "", false
	}
	return candidates[0].Format, true
}

// broken names the format of a string that begins like one and is not well formed.
func broken(encoded string, l *Limits) []Candidate {
	for _, f := range byPrefix {
		if len(f.prefix) < 2 || !hasPrefixFold(encoded, f.prefix) {
			continue
		}
		if err := f.check(encoded, l); err != nil && !err.foreign {
			return []Candidate{{Format: f.Name, Confidence: Possible, Reason: "it begins with " + f.prefix, Problem: err.Message}}
		}
	}
	return nil
}

// commonness orders what cannot be told apart: what is met most often comes first.
func commonness(format string) int {
	if i := slices.Index(common, format); i >= 0 {
		return i
	}
	return len(common)
}

var common = []string{
	"bcrypt", "hex-md5", "nt", "hex-sha1", "hex-sha256", "hex-sha512", "salted-md5-pass.salt", "salted-md5-salt.pass", "vbulletin-md5", "joomla-md5",
	"salted-sha1-pass.salt", "salted-sha1-salt.pass", "salted-sha256-pass.salt", "salted-sha256-salt.pass", "salted-sha512-pass.salt", "salted-sha512-salt.pass",
	"md5(md5hex)", "mysql323",
}
