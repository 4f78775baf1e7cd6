package password

import "strings"

// Recognise tells the format of a string that names it ($2b$…, $argon2id$…, {SSHA}…, pbkdf2_sha256$…) and checks, as [Check] does, that it is
// well formed and within the default limits. It derives nothing and is quick enough to run on each record of an import. A string
// that only has a shape (32 hexadecimal digits) or whose prefix two systems share is refused with [CodeUnknown]: its format must be
// declared. If the format is known but the string is bad, both the format and the error are given.
func Recognise(encoded string) (format string, err error) {
	l := &defaultLimits
	if strings.HasPrefix(encoded, "$2") {
		if err := checkBcrypt(encoded, l); err != nil {
			err.Format = "bcrypt"
			return "bcrypt", err
		}
		return "bcrypt", nil
	}
	if len(encoded) > l.EncodedBytes {
		return "", overLimit("a hash of %d bytes; the limit is %d", len(encoded), l.EncodedBytes)
	}
	var first *Error
	for _, f := range byPrefix {
		if !hasPrefixFold(encoded, f.prefix) {
			continue
		}
		e := f.check(encoded, l)
		if e == nil {
			if other := ambiguous(f.Format, encoded, l); other != "" {
				return "", &Error{Code: CodeUnknown, Message: "both " + f.Name + " and " + other + " are written like this: declare the format"}
			}
			return f.Name, nil
		}
		if first == nil || first.foreign {
			first = e
		}
	}
	if first != nil && !first.foreign {
		if otherwise(first.Format, encoded) {
			return "", &Error{Code: CodeUnknown, Message: "other systems begin hashes like " + first.Format + ": declare the format"}
		}
		return first.Format, first
	}
	for _, f := range added().list {
		if f.certainty != Certain || !strings.HasPrefix(encoded, f.prefix) {
			continue
		}
		if e := f.check(encoded, l); e != nil {
			return f.Name, e
		}
		return f.Name, nil
	}
	if encoded != "" && (encoded[0] == '{' || encoded[0] == '[') { // an object names itself by its fields
		if format, ok := Unambiguous(Identify(encoded)); ok {
			return format, nil
		}
	}
	return "", &Error{Code: CodeUnknown, Message: unknownReason(encoded)}
}

// Check says whether encoded is a well-formed hash of the format and within the default limits, without deriving anything. What
// the format needs beyond the string (a salt column) is not asked for here.
func Check(format, encoded string) error {
	f, err := Lookup(format)
	if err != nil {
		return err
	}
	l := &defaultLimits
	if len(encoded) > l.EncodedBytes {
		e := overLimit("a hash of %d bytes; the limit is %d", len(encoded), l.EncodedBytes)
		e.Format = f.Name
		return e
	}
	if e := f.check(encoded, l); e != nil {
		return e
	}
	return nil
}

func (f *Format) check(encoded string, l *Limits) *Error {
	if f.Name == "bcrypt" {
		err := checkBcrypt(encoded, l)
		if err != nil {
			err.Format = f.Name
		}
		return err
	}
	in := input{encoded: encoded, limits: l}
	_, err := f.parsed(&in)
	if err != nil && err.Code == CodeMissing {
		return nil
	}
	return err
}

// parsed takes the string apart and checks its costs. A hostile string must never stop the process: a parser that panics has met
// something malformed.
func (f *Format) parsed(in *input) (p *parsed, err *Error) {
	defer func() {
		if recover() != nil {
			p, err = nil, malformed("it cannot be read")
		}
		if err != nil {
			err.Format = f.Name
		}
	}()
	p, err = f.parse(in)
	if err != nil {
		return nil, err
	}
	if err := p.within(in.limits); err != nil {
		return nil, err
	}
	return p, nil
}

// ambiguous names another format that reads the string as f does.
func ambiguous(f *Format, encoded string, l *Limits) string {
	for _, list := range [][]prefixed{byPrefix, rivals} {
		for _, other := range list {
			if other.Format != f && hasPrefixFold(encoded, other.prefix) && other.check(encoded, l) == nil {
				return other.Name
			}
		}
	}
	return ""
}

// otherwise says whether a string that is malformed as one format is well formed as another that is likely, too: what Django and
// Werkzeug write behind md5$ is no broken md5 of PostgreSQL.
func otherwise(format, encoded string) bool {
	for _, c := range Identify(encoded) {
		if c.Format != format && c.Confidence >= Likely && c.Problem == "" {
			return true
		}
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	if len(s) < len(prefix) || s[0] != prefix[0] {
		return false
	}
	if prefix[0] == '{' { // LDAP scheme names are case-insensitive (RFC 2307)
		return strings.EqualFold(s[:len(prefix)], prefix)
	}
	return s[:len(prefix)] == prefix
}

func unknownReason(s string) string {
	switch {
	case s == "":
		return "an empty string is no hash"
	case isHex(s):
		switch len(s) {
		case 32:
			return "32 hexadecimal digits may be MD5, NT, MD4 or a salted scheme: declare the format"
		case 40:
			return "40 hexadecimal digits may be SHA-1, RIPEMD-160, MySQL or a salted scheme: declare the format"
		}
		return "hexadecimal digits alone do not name their format: declare it"
	case strings.HasPrefix(s, "$"), strings.HasPrefix(s, "{"):
		return "no format with this prefix is known: declare the format, or add a hasher for it"
	}
	return "nothing in the string names its format: declare it"
}
