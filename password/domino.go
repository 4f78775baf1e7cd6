package password

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// dominoTable is the substitution of Lotus Notes (the same bytes as the table in RFC 2268, section 6). The digest is built like MD2.
var dominoTable = [256]byte{
	0xbd, 0x56, 0xea, 0xf2, 0xa2, 0xf1, 0xac, 0x2a, 0xb0, 0x93, 0xd1, 0x9c, 0x1b, 0x33, 0xfd, 0xd0, 0x30, 0x04, 0xb6, 0xdc, 0x7d, 0xdf, 0x32, 0x4b, 0xf7, 0xcb, 0x45, 0x9b, 0x31, 0xbb, 0x21, 0x5a,
	0x41, 0x9f, 0xe1, 0xd9, 0x4a, 0x4d, 0x9e, 0xda, 0xa0, 0x68, 0x2c, 0xc3, 0x27, 0x5f, 0x80, 0x36, 0x3e, 0xee, 0xfb, 0x95, 0x1a, 0xfe, 0xce, 0xa8, 0x34, 0xa9, 0x13, 0xf0, 0xa6, 0x3f, 0xd8, 0x0c,
	0x78, 0x24, 0xaf, 0x23, 0x52, 0xc1, 0x67, 0x17, 0xf5, 0x66, 0x90, 0xe7, 0xe8, 0x07, 0xb8, 0x60, 0x48, 0xe6, 0x1e, 0x53, 0xf3, 0x92, 0xa4, 0x72, 0x8c, 0x08, 0x15, 0x6e, 0x86, 0x00, 0x84, 0xfa,
	0xf4, 0x7f, 0x8a, 0x42, 0x19, 0xf6, 0xdb, 0xcd, 0x14, 0x8d, 0x50, 0x12, 0xba, 0x3c, 0x06, 0x4e, 0xec, 0xb3, 0x35, 0x11, 0xa1, 0x88, 0x8e, 0x2b, 0x94, 0x99, 0xb7, 0x71, 0x74, 0xd3, 0xe4, 0xbf,
	0x3a, 0xde, 0x96, 0x0e, 0xbc, 0x0a, 0xed, 0x77, 0xfc, 0x37, 0x6b, 0x03, 0x79, 0x89, 0x62, 0xc6, 0xd7, 0xc0, 0xd2, 0x7c, 0x6a, 0x8b, 0x22, 0xa3, 0x5b, 0x05, 0x5d, 0x02, 0x75, 0xd5, 0x61, 0xe3,
	0x18, 0x8f, 0x55, 0x51, 0xad, 0x1f, 0x0b, 0x5e, 0x85, 0xe5, 0xc2, 0x57, 0x63, 0xca, 0x3d, 0x6c, 0xb4, 0xc5, 0xcc, 0x70, 0xb2, 0x91, 0x59, 0x0d, 0x47, 0x20, 0xc8, 0x4f, 0x58, 0xe0, 0x01, 0xe2,
	0x16, 0x38, 0xc4, 0x6f, 0x3b, 0x0f, 0x65, 0x46, 0xbe, 0x7e, 0x2d, 0x7b, 0x82, 0xf9, 0x40, 0xb5, 0x1d, 0x73, 0xf8, 0xeb, 0x26, 0xc7, 0x87, 0x97, 0x25, 0x54, 0xb1, 0x28, 0xaa, 0x98, 0x9d, 0xa5,
	0x64, 0x6d, 0x7a, 0xd4, 0x10, 0x81, 0x44, 0xef, 0x49, 0xd6, 0xae, 0x2e, 0xdd, 0x76, 0x5c, 0x2f, 0xa7, 0x1c, 0xc9, 0x09, 0x69, 0x9a, 0x83, 0xcf, 0x29, 0x39, 0xb9, 0xe9, 0x4c, 0xff, 0x43, 0xab,
}

// dominoDigest pads the last block with its count of missing bytes, and adds no block where none are missing.
func dominoDigest(message []byte) [16]byte {
	var state, checksum [16]byte
	for first := true; first || len(message) > 0; first = false {
		var block [16]byte
		n := copy(block[:], message)
		message = message[n:]
		for i := n; i < len(block); i++ {
			block[i] = byte(len(block) - n)
		}
		dominoMix(&state, &block)
		last := checksum[15]
		for i, c := range block {
			checksum[i] ^= dominoTable[c^last]
			last = checksum[i]
		}
	}
	dominoMix(&state, &checksum)
	return state
}

func dominoMix(state, block *[16]byte) {
	var x [48]byte
	copy(x[:], state[:])
	copy(x[16:], block[:])
	for i := range block {
		x[32+i] = state[i] ^ block[i]
	}
	var p byte
	for range 18 {
		for i := range x {
			p += byte(len(x) - i)
			x[i] ^= dominoTable[p]
			p = x[i]
		}
	}
	copy(state[:], x[:16])
}

// domino6Digest is the second version: the first one's digits, cut to 28, behind salt and parenthesis.
func domino6Digest(salt, password []byte) [16]byte {
	first := dominoDigest(password)
	digits := strings.ToUpper(hex.EncodeToString(first[:]))[:28]
	return dominoDigest([]byte(string(salt) + "(" + digits))
}

// domino64 is Notes's base64. A field that is not a whole number of bytes long has bits left over, which are not checked.
var domino64 = base64.NewEncoding("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/").WithPadding(base64.NoPadding)

func parseDomino5(in *input) (*parsed, *Error) {
	want, err := hexValue(in.encoded, 16)
	if err != nil {
		return nil, err
	}
	p := &parsed{want: want}
	p.Params = Params{Algorithm: "domino5", KeyBytes: 16}
	p.run = func(_ *parsed, password []byte) ([]byte, error) {
		if len(password) > 16 {
			return nil, unsupported("Domino 5 takes 16 characters")
		}
		out := dominoDigest(password)
		return out[:], nil
	}
	return p, nil
}

// dominoBlob decodes what stands between "(G" or "(H" and ")". The fourth byte is written four too high.
func dominoBlob(s, prefix string, chars int) ([]byte, *Error) {
	if len(s) != len(prefix)+chars+1 {
		return nil, wrongLength("hash", len(s), len(prefix)+chars+1)
	}
	if !strings.HasPrefix(s, prefix) || s[len(s)-1] != ')' || strings.ContainsAny(s, "\r\n") {
		return nil, malformed("it is not between %s and )", prefix)
	}
	b, err := domino64.DecodeString(s[len(prefix) : len(s)-1])
	if err != nil {
		return nil, malformed("it is not of Notes's alphabet")
	}
	return b, nil
}

// parseDomino6 takes five bytes of salt and nine of the digest.
func parseDomino6(in *input) (*parsed, *Error) {
	blob, err := dominoBlob(in.encoded, "(G", 19)
	if err != nil {
		return nil, err
	}
	salt := append([]byte(nil), blob[:5]...)
	salt[3] -= 4
	p := &parsed{salt: salt, want: blob[5:14]}
	p.Params = Params{Algorithm: "domino6", SaltBytes: 5, KeyBytes: 9}
	p.run = func(p *parsed, password []byte) ([]byte, error) {
		out := domino6Digest(p.salt, password)
		return out[:9], nil
	}
	return p, nil
}

// parseDomino8 takes 16 bytes of salt, the iterations in ten digits, two bytes and 8 of PBKDF2 over the second version's string.
func parseDomino8(in *input) (*parsed, *Error) {
	blob, err := dominoBlob(in.encoded, "(H", 48)
	if err != nil {
		return nil, err
	}
	digits := strings.TrimLeft(string(blob[16:26]), "0 ")
	n, err := parseInt("iterations", digits)
	if err != nil {
		return nil, err
	}
	stored := blob[:16]
	salt := append([]byte(nil), stored...)
	salt[3] -= 4
	p := newPBKDF2("sha1", n, salt, blob[28:36])
	p.short = true
	p.Algorithm = "domino8"
	p.run = func(p *parsed, password []byte) ([]byte, error) {
		digest := domino6Digest(p.salt[:5], password)
		inner := "(G" + domino64.EncodeToString(append(stored[:5:5], digest[:10]...))[:19] + ")"
		return pbkdf2.Key(sha1.New, inner, p.salt, p.Iterations, p.KeyBytes)
	}
	return p, nil
}

var dominoFormats = []Format{
	{Name: "domino5", Family: "enterprise", Layout: "<hash:hex:32>", Scheme: "digest of Lotus Notes", why: whyShape, nul: true, parse: parseDomino5},
	{Name: "domino6", Family: "enterprise", Layout: "(G<19 characters>)", Scheme: "salted digest of Lotus Notes", prefix: "(G", certainty: Certain, nul: true, parse: parseDomino6},
	{Name: "domino8", Family: "enterprise", Layout: "(H<48 characters>)", Scheme: "PBKDF2-HMAC-SHA1 of domino6", prefix: "(H", certainty: Certain, nul: true, parse: parseDomino8},
}
