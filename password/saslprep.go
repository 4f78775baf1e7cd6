package password

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// saslPrep prepares a password for SCRAM (RFC 4013): other spaces become a space, invisible characters go, the rest is put in NFKC. A
// password that the profile prohibits, or that is not UTF-8, is used as it is, which is what PostgreSQL does.
func saslPrep(password []byte) []byte {
	ascii := true
	for _, c := range password {
		ascii = ascii && c >= 0x20 && c < 0x7f
	}
	if ascii || !utf8.Valid(password) {
		return password
	}
	var mapped []byte
	for _, r := range string(password) {
		switch {
		case unicode.Is(unicode.Zs, r) || r == 0x200B:
			mapped = append(mapped, ' ')
		case mapsToNothing(r):
		default:
			mapped = utf8.AppendRune(mapped, r)
		}
	}
	mapped = norm.NFKC.Bytes(mapped)
	rightToLeft, leftToRight := false, false
	for _, r := range string(mapped) {
		if prohibited(r) {
			return password
		}
		rightToLeft = rightToLeft || unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana)
		leftToRight = leftToRight || unicode.IsLetter(r) && !unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana)
	}
	if rightToLeft && leftToRight || len(mapped) == 0 {
		return password
	}
	return mapped
}

// mapsToNothing is table B.1 of RFC 3454.
func mapsToNothing(r rune) bool {
	switch {
	case r == 0x00AD, r == 0x034F, r == 0x1806, r >= 0x180B && r <= 0x180D, r >= 0x200C && r <= 0x200D, r == 0x2060, r >= 0xFE00 && r <= 0xFE0F, r == 0xFEFF:
		return true
	}
	return false
}

// prohibited is section 2.3 of RFC 4013: control, private use, surrogate, non-character, tagging and display characters.
func prohibited(r rune) bool {
	switch {
	case unicode.IsControl(r), unicode.Is(unicode.Co, r), r&0xFFFE == 0xFFFE, r >= 0xFDD0 && r <= 0xFDEF:
		return true
	case r == 0x06DD, r == 0x070F, r == 0x180E, r == 0x0340, r == 0x0341, r >= 0x200E && r <= 0x200F, r >= 0x2028 && r <= 0x202E, r >= 0x2061 && r <= 0x2063, r >= 0x206A && r <= 0x206F:
		return true
	case r >= 0xFFF9 && r <= 0xFFFD, r >= 0x2FF0 && r <= 0x2FFB, r >= 0x1D173 && r <= 0x1D17A, r >= 0xE0000 && r <= 0xE007F:
		return true
	}
	return false
}
