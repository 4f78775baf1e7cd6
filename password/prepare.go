package password

import (
	"bytes"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// prepare puts a password into the form in which the source hashed it. Three context keys of any format say how: trim (true), normalization
// (NFC, NFD, NFKC, NFKD) and charset (utf8, latin1, utf16le, utf16be), applied in this order. None is applied unasked.
func prepare(password []byte, values Context) ([]byte, *Error) {
	if len(values) == 0 {
		return password, nil
	}
	trim, err := values.text("trim", "false")
	if err != nil {
		return nil, err
	}
	form, err := values.text("normalization", "")
	if err != nil {
		return nil, err
	}
	charset, err := values.text("charset", "utf8")
	if err != nil {
		return nil, err
	}
	switch trim {
	case "false":
	case "true":
		password = bytes.TrimSpace(password)
	default:
		return nil, unsupported("trim %s; true and false are known", shown(trim))
	}
	switch form {
	case "":
	case "NFC":
		password = norm.NFC.Bytes(password)
	case "NFD":
		password = norm.NFD.Bytes(password)
	case "NFKC":
		password = norm.NFKC.Bytes(password)
	case "NFKD":
		password = norm.NFKD.Bytes(password)
	default:
		return nil, unsupported("normalization %s; NFC, NFD, NFKC and NFKD are known", shown(form))
	}
	var bad error
	switch charset {
	case "utf8":
	case "latin1":
		password, bad = toLatin1(password)
	case "utf16le":
		password, bad = toUTF16(password, false)
	case "utf16be":
		password, bad = toUTF16(password, true)
	default:
		return nil, unsupported("charset %s; utf8, latin1, utf16le and utf16be are known", shown(charset))
	}
	if bad != nil {
		return nil, asError(bad)
	}
	return password, nil
}

// preparation names what prepare does to passwords: "latin1" if it is the charset alone, empty if it leaves them as they are.
func preparation(values Context) (string, *Error) {
	if _, err := prepare(nil, values); err != nil {
		return "", err
	}
	trim, _ := values.text("trim", "")
	form, _ := values.text("normalization", "")
	charset, _ := values.text("charset", "")
	var out []string
	if trim == "true" {
		out = append(out, "trim")
	}
	if form != "" {
		out = append(out, form)
	}
	if charset != "" && charset != "utf8" {
		out = append(out, charset)
	}
	return strings.Join(out, ", "), nil
}
