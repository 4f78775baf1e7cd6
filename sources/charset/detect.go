package charset

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf8"
)

// Guess is what the encoding of a text seems to be.
type Guess struct {
	*Encoding
	// Confidence is from 0 to 100: how far the text speaks for this encoding, and for no other.
	Confidence int
	// Stated says that the text itself says so: by a byte order mark, or by being valid UTF-8.
	Stated bool
}

// Likely is the confidence from which on a guess needs no warning, Possible that below which it is none.
const (
	Likely   = 65
	Possible = 50
)

func (g Guess) String() string { return fmt.Sprintf("%s (confidence %d%%)", g.Name, g.Confidence) }

// Detect finds out the encoding of a text by its beginning; whole says that there is no more of it. Where nothing is
// likely, it is UTF-8, with a confidence of 0: then no text is read as what it is not.
func Detect(sample []byte, whole bool) Guess {
	if e := Marked(sample); e != nil {
		return Guess{e, 100, true}
	}
	if isUTF8(sample, whole) {
		return Guess{UTF8, 100, true}
	}
	if g, ok := detectUTF16(sample); ok {
		return g
	}
	valid, invalid := countUTF8(sample, whole)
	if invalid == 0 {
		return Guess{UTF8, 100, true} // with NUL bytes
	}
	// Text of another encoding is valid UTF-8 for a character here and there; text of UTF-8 may have a broken one.
	if valid >= 4*invalid {
		return Guess{UTF8, 100 * valid / (valid + invalid), false}
	}
	if !whole {
		sample = sample[:max(0, len(sample)-3)] // it may end within a character
	}
	var best, second fit
	chinese, lookalike := fitGB18030(sample)
	for _, f := range []fit{chinese, lookalike, fitShiftJIS(sample), fitWestern(sample)} {
		if f.score > best.score {
			best, second = f, best
		} else if f.score > second.score {
			second = f
		}
	}
	if best.score <= 0 || best.encoding == nil {
		return Guess{UTF8, 0, false}
	}
	rival := second.score / best.score
	confidence := int(math.Round(99 * best.score * (1 - rival*rival)))
	if confidence < Possible {
		return Guess{UTF8, 0, false}
	}
	return Guess{best.encoding, confidence, false}
}

// isUTF8 reports at once what nearly all texts are.
func isUTF8(sample []byte, whole bool) bool {
	if n := len(sample); !whole && n >= utf8.UTFMax {
		last := n - 1
		for last > n-utf8.UTFMax && !utf8.RuneStart(sample[last]) {
			last--
		}
		if !utf8.FullRune(sample[last:]) {
			sample = sample[:last]
		}
	}
	return utf8.Valid(sample) && bytes.IndexByte(sample, 0) < 0
}

// countUTF8 counts the characters of several bytes, and the bytes that belong to none.
func countUTF8(sample []byte, whole bool) (valid, invalid int) {
	for i := 0; i < len(sample); {
		if sample[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(sample[i:])
		switch {
		case r != utf8.RuneError || size > 1:
			valid++
		case !whole && !utf8.FullRune(sample[i:]):
		default:
			invalid++
		}
		i += size
	}
	return valid, invalid
}

// detectUTF16 recognises UTF-16 without a mark: delimiters, line ends, digits are characters with a zero byte, which
// other text does not have.
func detectUTF16(sample []byte) (Guess, bool) {
	var little, big, neither, units int
	for i := 0; i+1 < len(sample); i += 2 {
		units++
		switch a, b := sample[i], sample[i+1]; {
		case b == 0 && isText(a):
			little++
		case a == 0 && isText(b):
			big++
		case isText(a) && isText(b):
			neither++
		}
	}
	e, n, other := UTF16LE, little, big
	if big > little {
		e, n, other = UTF16BE, big, little
	}
	// Other text with a stray NUL has pairs of plain bytes in most places.
	if n == 0 || 10*n < units || 4*other > n || 2*neither > units {
		return Guess{}, false
	}
	return Guess{e, 99 - 99*other/(n+other), false}, true
}

func isText(b byte) bool { return b >= ' ' && b < 0x7f || b == '\t' || b == '\n' || b == '\r' }

// fit is how well a text fits an encoding, from 0 to 1.
type fit struct {
	encoding *Encoding // nil for one that is not recognised
	score    float64
}

// tally adds up how usual the characters beyond ASCII would be in a text of an encoding.
type tally struct {
	usual      float64
	count, bad int
}

func (t *tally) add(weight float64) { t.usual += weight; t.count++ }

// fit gives the score, which is the lower the fewer characters there are to go by.
func (t *tally) fit(e *Encoding, doubt float64) fit {
	n := float64(t.count + t.bad)
	if n == 0 {
		return fit{e, 0}
	}
	bad := max(0, 1-5*float64(t.bad)/n)
	return fit{e, t.usual / n * bad * n / (n + doubt)}
}

func in(b, from, to byte) bool { return from <= b && b <= to }

// fitGB18030 goes by GB 2312: its first level is the 3755 most frequent characters, which are in the order of their sounds. The
// lookalikes are Korean, whose syllables all are where the first sounds are, up to L, and EUC-JP, whose first level ends before X: in
// Chinese a half and a third of the characters are beyond.
func fitGB18030(s []byte) (chinese, lookalike fit) {
	var t tally
	var beyondL, beyondW, level int
	for i := 0; i < len(s); i++ {
		lead := s[i]
		if lead < 0x80 {
			continue
		}
		if lead == 0x80 || lead == 0xff || i+1 == len(s) {
			t.bad++
			continue
		}
		i++
		if in(s[i], 0xa1, 0xfe) && in(lead, 0xb0, 0xf7) {
			level++
			if lead > 0xc8 {
				beyondL++
			}
			if lead > 0xcf {
				beyondW++
			}
		}
		switch trail := s[i]; {
		case in(trail, 0xa1, 0xfe) && (in(lead, 0xb0, 0xd7) || in(lead, 0xa1, 0xa3)):
			t.add(1)
		case in(trail, 0xa1, 0xfe) && in(lead, 0xd8, 0xf7):
			t.add(.4)
		case in(trail, 0x40, 0xfe) && trail != 0x7f:
			t.add(.1)
		case in(trail, '0', '9') && i+2 < len(s) && in(s[i+1], 0x81, 0xfe) && in(s[i+2], '0', '9'):
			t.add(.5)
			i += 2
		default:
			t.bad++
			i-- // it may be anything
		}
	}
	chinese = t.fit(GB18030, 1)
	if level >= 6 && 10*beyondL < level || level >= 20 && 20*beyondW < level {
		lookalike.score = chinese.score
	}
	return chinese, lookalike
}

// fitShiftJIS goes by kana and the kanji of the first level.
func fitShiftJIS(s []byte) fit {
	var t tally
	for i := 0; i < len(s); i++ {
		lead := s[i]
		switch {
		case lead < 0x80:
			continue
		case in(lead, 0xa1, 0xdf): // katakana of half the width: letters of other encodings
			t.add(.1)
			continue
		case lead == 0x80 || lead == 0xa0 || lead > 0xfc || i+1 == len(s):
			t.bad++
			continue
		}
		i++
		switch trail := s[i]; {
		case !in(trail, 0x40, 0xfc) || trail == 0x7f:
			t.bad++
			i--
		case in(lead, 0x82, 0x83) || in(lead, 0x88, 0x97):
			t.add(1)
		case lead == 0x81:
			t.add(.8)
		case in(lead, 0x98, 0x9f), in(lead, 0xe0, 0xea):
			t.add(.3)
		default:
			t.add(.1)
		}
	}
	return t.fit(ShiftJIS, 1)
}

// fitWestern goes by letters with accents, which stand alone among plain ones. What reads as characters of UTF-8 speaks against
// it: where a file has both, neither is right for all of it.
func fitWestern(s []byte) fit {
	var t tally
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < 0x80 {
			continue
		}
		if _, size := utf8.DecodeRune(s[i:]); size > 1 {
			t.bad++
			i += size - 1
			continue
		}
		var before, after byte = ' ', ' '
		if i > 0 {
			before = s[i-1]
		}
		if i+1 < len(s) {
			after = s[i+1]
		}
		switch c {
		case 0x81, 0x8d, 0x8f, 0x90, 0x9d: // not of Windows-1252
			t.bad++
			continue
		}
		letter := c >= 0xc0 && c != 0xd7 && c != 0xf7 || c == 0x8a || c == 0x8e || c == 0x9a || c == 0x9e || c == 0x9f || c == 0x8c || c == 0x9c
		switch {
		case letter && before < 0x80 && after < 0x80 && (isLetter(before) || isLetter(after)):
			t.add(1)
		case letter && (isLetter(before) || isLetter(after)):
			t.add(.6)
		case !letter && before < 0x80 && after < 0x80:
			t.add(.4)
		default:
			t.add(0)
		}
	}
	return t.fit(Windows1252, 2)
}

func isLetter(b byte) bool { return in(b|0x20, 'a', 'z') }
