package password

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// The alphabets of the crypt(3) world. h64 packs its groups of six bits from the low end, bcrypt64 and cisco64 from the high end.
const (
	h64Alphabet    = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

var (
	// Trailing bits are not checked (bcrypt): producers are known to leave them set in a salt's last character.
	bcrypt64 = base64.NewEncoding(bcryptAlphabet).WithPadding(base64.NoPadding)
	cisco64  = base64.NewEncoding(h64Alphabet).WithPadding(base64.NoPadding)
	b64      = base64.StdEncoding.Strict()
	b64raw   = base64.RawStdEncoding.Strict()
	b64url   = base64.RawURLEncoding.Strict()

	h64Values    = alphabetValues(h64Alphabet)
	bcryptValues = alphabetValues(bcryptAlphabet)
)

const notInAlphabet = 0xff

func alphabetValues(alphabet string) *[256]byte {
	var t [256]byte
	for i := range t {
		t[i] = notInAlphabet
	}
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	return &t
}

func inAlphabet(s string, values *[256]byte) bool {
	for i := range len(s) {
		if values[s[i]] == notInAlphabet {
			return false
		}
	}
	return true
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// h64Decode reads groups of six bits, low end first, as phpass, sha1crypt's relatives and scrypt's $7$ write them.
func h64Decode(s string, size int) ([]byte, bool) {
	out := make([]byte, 0, size)
	var acc uint32
	var bits uint
	for i := range len(s) {
		v := h64Values[s[i]]
		if v == notInAlphabet {
			return nil, false
		}
		acc |= uint32(v) << bits
		bits += 6
		for bits >= 8 {
			out = append(out, byte(acc))
			acc >>= 8
			bits -= 8
		}
	}
	if len(out) != size || acc != 0 {
		return nil, false
	}
	return out, true
}

func h64Encode(b []byte) string {
	var out strings.Builder
	var acc uint32
	var bits uint
	for _, c := range b {
		acc |= uint32(c) << bits
		bits += 8
		for bits >= 6 {
			out.WriteByte(h64Alphabet[acc&63])
			acc >>= 6
			bits -= 6
		}
	}
	if bits > 0 {
		out.WriteByte(h64Alphabet[acc&63])
	}
	return out.String()
}

// h64Uint reads a number of at most five h64 digits, low end first. The caller has seen that they are such digits.
func h64Uint(s string) int {
	n := 0
	for i := len(s) - 1; i >= 0; i-- {
		n = n<<6 | int(h64Values[s[i]]&63)
	}
	return n
}

// decodeAnyBase64 takes the spellings that passlib and its relatives write: padded or not, "." for "+".
func decodeAnyBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.IndexByte(s, '.') >= 0 {
		s = strings.ReplaceAll(s, ".", "+")
	}
	return b64raw.DecodeString(s)
}

func encodeAB64(b []byte) string {
	return strings.ReplaceAll(base64.RawStdEncoding.EncodeToString(b), "+", ".")
}

func hexBytes(b []byte) string { return hex.EncodeToString(b) }
