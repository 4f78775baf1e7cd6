// Package password knows how systems write password hashes: it tells what a stored string is, verifies a password against it,
// makes new hashes, and spells a hash the way another system wants it.
//
// A hash is its format, its encoded string and the context that verification needs beyond the string: a salt from another column, a user
// name, a pepper, a key. A declared format beats detection, because the prefix is not the format: the same prefix means
// different things in different systems. See [Identify] for what can be told from a string alone.
//
// Every string is outside data. Each is parsed strictly and checked against [Limits] before anything is derived from it.
package password

import (
	"fmt"
	"strconv"
	"strings"
)

// Confidence says how sure an identification is.
type Confidence uint8

const (
	Possible Confidence = iota // the string has the shape, and so have others
	Likely                     // the shape is rare, but nothing in the string says so
	Certain                    // the string names its format
)

func (c Confidence) String() string { return [...]string{"possible", "likely", "certain"}[c] }

func quote(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strconv.Quote(s)
}

// shown quotes a name that stands in a hash, for a message. What is too long for a name, or has other characters, may be a piece of salt or
// digest that has slipped, and is described instead.
func shown(s string) string {
	name := len(s) <= 16
	for i := range len(s) {
		name = name && (isWord(s[i]) || s[i] == '-')
	}
	if !name {
		return fmt.Sprintf("of %d characters", len(s))
	}
	return strconv.Quote(s)
}

func quoteChar(c byte) string {
	q := strconv.Quote(string(rune(c)))
	return strings.Trim(q, `"`)
}

// nearest gives ", did you mean …?" if a format's name is close to name.
func nearest(name string) string {
	best, bestDistance := "", 4
	lower := strings.ToLower(name)
	for _, f := range formats { // smf for smf-sha1
		if len(lower) > 2 && strings.HasPrefix(f.Name, lower+"-") {
			return "; did you mean " + quote(f.Name) + "?"
		}
	}
	for known := range byName {
		if d := distance(lower, known); d < bestDistance || d == bestDistance && known < best {
			best, bestDistance = known, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + quote(best) + "?"
}

// distance is Levenshtein's, over bytes: names are ASCII.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
