package password

import "strings"

// parseKratosDigest takes Ory Kratos's $md5$<hash> and $sha256$pf=<template>$<salt>$<hash>, all in base64. The template holds {SALT} and
// {PASSWORD}, which are replaced as text.
func parseKratosDigest(in *input) (*parsed, *Error) {
	rest, ok := strings.CutPrefix(in.encoded, "$")
	digest, rest, found := strings.Cut(rest, "$")
	switch {
	case !ok || !found:
		return nil, malformed("it does not begin with a digest's name between dollar signs")
	case digest != "md5" && digest != "sha1" && digest != "sha256" && digest != "sha512":
		return nil, malformed("the digest %s is not md5, sha1, sha256 or sha512", shown(digest))
	}
	template, rest, found := strings.Cut(rest, "$")
	if !found && digest == "md5" {
		want, err := decodeAs("b64", template, "digest")
		if err != nil {
			return nil, err
		}
		return newSaltedDigest(digest, "", nil, want)
	}
	format, ok := strings.CutPrefix(template, "pf=")
	if !ok {
		return nil, foreign("no pf= after the digest's name")
	}
	salt, hash, found := strings.Cut(rest, "$")
	if !found {
		return nil, malformed("no digest after the salt: the hash was cut off")
	}
	var parts [3][]byte
	for i, one := range []struct{ name, text string }{{"template", format}, {"salt", salt}, {"digest", hash}} {
		var err *Error
		if parts[i], err = decodeAs("b64", one.text, one.name); err != nil {
			return nil, err
		}
	}
	var pieces []piece
	for rest := string(parts[0]); rest != ""; {
		i := strings.IndexByte(rest, '{')
		switch {
		case strings.HasPrefix(rest, "{SALT}"):
			pieces, rest = append(pieces, piece{literal: parts[1]}), rest[len("{SALT}"):]
		case strings.HasPrefix(rest, "{PASSWORD}"):
			pieces, rest = append(pieces, piece{password: true}), rest[len("{PASSWORD}"):]
		case i < 0:
			pieces, rest = append(pieces, piece{literal: []byte(rest)}), ""
		default:
			n := max(i, 1)
			pieces, rest = append(pieces, piece{literal: []byte(rest[:n])}), rest[n:]
		}
	}
	return templateDigest(digest, pieces, parts[2])
}

var kratosHMACLayout = mustLayout("$hmac-<digest>$<hash:b64>$<key:b64>")

// parseKratosHMAC takes $hmac-sha256$<hash>$<key>; the hash is base64 of the value's hexadecimal text.
func parseKratosHMAC(in *input) (*parsed, *Error) {
	f, err := kratosHMACLayout.match(in.encoded)
	if err != nil {
		return nil, err
	}
	d := hmacDigests[f.text("digest")]
	if d == nil {
		return nil, unsupported("HMAC with digest %s", shown(f.text("digest")))
	}
	text, err := f.bytes("hash")
	if err != nil {
		return nil, err
	}
	want, err := decodeAs("hex", string(text), "hash")
	if err != nil {
		return nil, err
	}
	if len(want) != d.size {
		return nil, malformed("a digest of %d bytes, %d expected", len(want), d.size)
	}
	key, err := f.bytes("key")
	if err != nil {
		return nil, err
	}
	return newDigest(d, map[string][]byte{"key": key}, want), nil
}

// kratosCrypt is a crypt(3) scheme under Kratos's own prefix; the rounds must be there.
func kratosCrypt(name, prefix string, parse func(string) (*parsed, *Error)) Format {
	f := cryptFormat(name, prefix+"[rounds=<n>$]<salt>$<digest>", strings.TrimPrefix(name, "kratos-"), prefix, parse)
	f.Family = "provider"
	return f
}

var kratosFormats = []Format{
	{
		Name: "kratos-md5", Family: "provider", Layout: "$md5$<hash:b64>, $md5$pf=<template:b64>$<salt:b64>$<hash:b64>", Scheme: "md5 over a template",
		prefix: "$md5$", certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) {
			if !strings.HasPrefix(in.encoded, "$md5$") {
				return nil, malformed("it does not begin with $md5$")
			}
			return parseKratosDigest(in)
		},
	},
	{
		Name: "kratos-sha-pf", Family: "provider", Layout: "$sha256$pf=<template:b64>$<salt:b64>$<hash:b64>", Scheme: "sha1, sha256 or sha512 over a template",
		prefix: "$sha1$pf=", prefixes: []string{"$sha256$pf=", "$sha512$pf="}, certainty: Certain, nul: true,
		parse: func(in *input) (*parsed, *Error) {
			if !strings.HasPrefix(in.encoded, "$sha") {
				return nil, malformed("it does not begin with $sha1$, $sha256$ or $sha512$")
			}
			return parseKratosDigest(in)
		},
	},
	{
		Name: "kratos-hmac", Family: "provider", Layout: kratosHMACLayout.source, Scheme: "HMAC",
		prefix: "$hmac-", certainty: Certain, nul: true, parse: parseKratosHMAC,
	},
	kratosCrypt("kratos-md5-crypt", "$md5-crypt$", func(s string) (*parsed, *Error) { return parseMD5Crypt(s, "$1$") }),
	kratosCrypt("kratos-sha256-crypt", "$sha256-crypt$", func(s string) (*parsed, *Error) { return parseSHACrypt(s, 256) }),
	kratosCrypt("kratos-sha512-crypt", "$sha512-crypt$", func(s string) (*parsed, *Error) { return parseSHACrypt(s, 512) }),
}
