package password

import "strings"

// ldapDigest is RFC 2307's {SCHEME}base64(digest ‖ salt). An unsalted scheme has nothing after the digest.
func ldapDigest(name, scheme, digest string, salted bool) Format {
	prefix := "{" + scheme + "}"
	expr, layout := digest+"(pass)", prefix+"<base64 of the digest>"
	if salted {
		expr, layout = digest+"(pass . salt)", prefix+"<base64 of digest and salt>"
	}
	size := digestSizes[digest]
	return Format{
		Name: name, Family: "ldap", Layout: layout, Scheme: expr, prefix: prefix, certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) {
			if !hasPrefixFold(in.encoded, prefix) {
				return nil, malformed("it does not begin with %s", prefix)
			}
			blob, err := decodeAs("b64", in.encoded[len(prefix):], "value")
			if err != nil && !strings.HasSuffix(in.encoded, "=") {
				blob, err = decodeAs("b64raw", in.encoded[len(prefix):], "value")
			}
			switch {
			case err != nil:
				return nil, err
			case len(blob) < size:
				return nil, malformed("%d bytes, at least %d expected: the hash was cut off", len(blob), size)
			case len(blob) > size && !salted:
				return nil, malformed("%d bytes, %d expected: is it the salted scheme {S%s}?", len(blob), size, scheme)
			case len(blob) == size && salted:
				return nil, malformed("no salt after the digest")
			}
			position := ""
			if salted {
				position = "suffix"
			}
			return newSaltedDigest(digest, position, blob[size:], blob[:size])
		},
	}
}

var ldapFormats = []Format{
	ldapDigest("ldap-md5", "MD5", "md5", false),
	ldapDigest("ldap-sha", "SHA", "sha1", false),
	ldapDigest("ldap-sha256", "SHA256", "sha256", false),
	ldapDigest("ldap-sha384", "SHA384", "sha384", false),
	ldapDigest("ldap-sha512", "SHA512", "sha512", false),
	ldapDigest("ldap-smd5", "SMD5", "md5", true),
	ldapDigest("ldap-ssha", "SSHA", "sha1", true),
	ldapDigest("ldap-ssha256", "SSHA256", "sha256", true),
	ldapDigest("ldap-ssha384", "SSHA384", "sha384", true),
	ldapDigest("ldap-ssha512", "SSHA512", "sha512", true),
}
