package definition

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// Diagnostic is one thing that is wrong with a pipeline file, and where. It shows no secret.
type Diagnostic struct {
	// Code is stable and dotted: one of the area config, of plugin, or of expression.SyntaxError.
	Code string `json:"code"`
	File string `json:"file"`
	// Line and Column count from 1, columns in characters; 0 where the whole file is meant.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Message says what is wrong.
	Message string `json:"message"`
	// Suggestion is the nearest valid name, or empty.
	Suggestion string `json:"suggestion,omitempty"`
	// Hint says what to do about it, or is empty.
	Hint string `json:"hint,omitempty"`
	// Excerpt is the line of the file and, under it, a line with carets; empty where the whole file is meant.
	Excerpt string `json:"excerpt,omitempty"`

	length int // of what is marked, in characters
}

// String gives the diagnostic on one line.
func (d *Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Line, d.Column)
	}
	b.WriteString(": ")
	b.WriteString(d.Message)
	if d.Suggestion != "" {
		fmt.Fprintf(&b, "; did you mean %q?", d.Suggestion)
	}
	if d.Hint != "" {
		b.WriteString("; ")
		b.WriteString(d.Hint)
	}
	fmt.Fprintf(&b, " [%s]", d.Code)
	return b.String()
}

// Diagnostics are all that is wrong with a pipeline file, in the order of the file.
type Diagnostics []*Diagnostic

// Error gives every diagnostic on its own line, each followed by its excerpt.
func (ds Diagnostics) Error() string {
	var b strings.Builder
	for i, d := range ds {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(d.String())
		if d.Excerpt != "" {
			b.WriteByte('\n')
			b.WriteString(d.Excerpt)
		}
	}
	return b.String()
}

// excerptWidth is how many columns of a long line an excerpt shows.
const excerptWidth = 110

// excerpt shows a line with carets under length characters from column on.
func excerpt(line string, number, column, length int) string {
	runes := []rune(strings.ToValidUTF8(line, "\ufffd"))
	from := min(max(column-1, 0), len(runes))
	length = max(1, min(length, len(runes)-from))
	first, prefix := 0, ""
	if from > excerptWidth*2/3 {
		first, prefix = from-excerptWidth/3, "…"
	}
	last, suffix := len(runes), ""
	if last-first > excerptWidth {
		last, suffix = first+excerptWidth, "…"
	}
	shown := make([]rune, 0, last-first)
	for _, r := range runes[first:last] {
		if r < ' ' || r == 0x7f {
			r = ' ' // a tab and other control characters would move the caret
		}
		shown = append(shown, r)
	}
	before := runewidth.StringWidth(prefix + string(shown[:from-first]))
	under := runewidth.StringWidth(string(shown[min(from-first, len(shown)):min(from-first+length, len(shown))]))
	gutter := fmt.Sprintf("%5d", number)
	return gutter + " | " + strings.TrimRight(prefix+string(shown)+suffix, " ") + "\n" +
		strings.Repeat(" ", len(gutter)) + " | " + strings.Repeat(" ", before) + strings.Repeat("^", max(1, under))
}

// Mark gives a text of one line and, under it, carets for length bytes from a byte on.
func Mark(text string, offset, length int) string {
	offset = min(max(offset, 0), len(text))
	part := text[offset:min(offset+max(length, 0), len(text))]
	marked := excerpt(text, 0, utf8.RuneCountInString(text[:offset])+1, utf8.RuneCountInString(part))
	lines := strings.SplitN(marked, "\n", 2)
	const gutter = len("    0 | ")
	return lines[0][gutter:] + "\n" + lines[1][gutter:]
}

// Nearest gives the name that is most like the given one, or "" where none is like it.
func Nearest(name string, names []string) string {
	best, bestDistance := "", 0
	folded := fold(name)
	for _, candidate := range names {
		d := distance(folded, fold(candidate))
		limit := max(1, min(utf8.RuneCountInString(name), utf8.RuneCountInString(candidate))/3)
		if d <= limit && (best == "" || d < bestDistance) {
			best, bestDistance = candidate, d
		}
	}
	return best
}

func fold(name string) []rune {
	runes := []rune(strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name)))
	return runes[:min(len(runes), 64)]
}

// distance is the number of letters to insert, delete, replace or swap with their neighbour (Damerau-Levenshtein,
// optimal string alignment).
func distance(a, b []rune) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(next[j]+1, row[j+1]+1, row[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// sorted puts diagnostics into the order of the file and takes out what was found twice, through an alias.
func sorted(ds []*Diagnostic) Diagnostics {
	slices.SortStableFunc(ds, func(a, b *Diagnostic) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return slices.CompactFunc(ds, func(a, b *Diagnostic) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Code == b.Code && a.Message == b.Message
	})
}
