package pipeline

import "strings"

// secretParts are parts of field names that give away a secret, in the languages that exports come in.
var secretParts = []string{
	"password", "passwd", "passphrase", "pwd", "hash", "salt", "pepper", "secret", "token", "totp", "otp_", "_otp",
	"recovery", "private_key", "privatekey", "api_key", "apikey", "credential", "密码", "passwort", "contrase",
}

// IsSecret reports whether a field of this name or with this value is taken for a secret: it is never shown.
func IsSecret(name string, v any) bool {
	if secretName(name) {
		// Whether there is a secret is none itself: password_set: true, password_changed_at and the like stay readable.
		_, isBool := v.(bool)
		return !isBool
	}
	text, ok := v.(string)
	return ok && looksHashed(text)
}

func secretName(name string) bool {
	if name == "raw" || name == "otp" || name == "mfa" {
		return true
	}
	lower := strings.ToLower(name)
	for _, part := range secretParts {
		if strings.Contains(lower, part) {
			return true
		}
	}
	return false
}

// looksHashed reports modular crypt and PHC strings ($2b$12$…) and LDAP userPassword values ({SSHA}…).
func looksHashed(s string) bool {
	if len(s) < 20 {
		return false
	}
	switch s[0] {
	case '$':
		return strings.Count(s, "$") >= 3
	case '{':
		end := strings.IndexByte(s, '}')
		return end > 1 && end < 20 && strings.ToUpper(s[1:end]) == s[1:end]
	}
	return false
}

// SecretFunc gives an IsSecret that also knows the given names, and remembers what it found out about names. It is
// not safe for concurrent use.
func SecretFunc(names ...string) func(name string, v any) bool {
	known := make(map[string]*knownName, 64)
	for _, name := range names {
		known[name] = &knownName{name: name, secret: true}
	}
	last := new(knownName)
	find := func(name string) bool {
		if n := last.next; n != nil && n.name == name {
			last = n
			return n.secret
		}
		n := known[name]
		if n == nil {
			secret := secretName(name)
			if len(known) == maxKnownNames {
				return secret
			}
			n = &knownName{name: name, secret: secret}
			known[name] = n
		}
		last.next = n
		last = n
		return n.secret
	}
	return func(name string, v any) bool {
		if find(name) {
			_, isBool := v.(bool)
			return !isBool
		}
		text, ok := v.(string)
		return ok && looksHashed(text)
	}
}

// maxKnownNames bounds what a SecretFunc remembers.
const maxKnownNames = 4096

// knownName is a name that was asked for. next is what was asked for after it the last time: records come with the
// same names in the same order, so that this is quicker than to look the name up.
type knownName struct {
	name   string
	secret bool
	next   *knownName
}
