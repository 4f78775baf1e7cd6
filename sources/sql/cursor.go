package sqlsource

import (
	"context"
	"math/big"
	"strings"
	"time"

	"github.com/usher-id/usher/pipeline"
)

// cursor is what an incremental read goes by. Its values are text as the database writes it, so that a person can
// read and set them.
type cursor struct {
	field   string
	initial string
	stored  string // of the last completed run
	// The overlap: duration for times, number for numbers.
	duration time.Duration
	number   *big.Int
}

const defaultOverlap = time.Minute

func newCursor(c *pipeline.Config) (*cursor, error) {
	k := &cursor{field: c.String("field"), initial: c.String("initial"), duration: defaultOverlap, number: big.NewInt(1)}
	if !c.Has("overlap") {
		return k, nil
	}
	text := c.String("overlap")
	if n, ok := new(big.Int).SetString(text, 10); ok && n.Sign() >= 0 {
		k.number, k.duration = n, 0
		if n.Sign() > 0 {
			k.duration = defaultOverlap
		}
		return k, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return nil, &pipeline.OptionError{Option: "cursor.overlap", Message: "neither a duration nor a number",
			Hint: "write a duration such as 10m where the field is a time, a number where it is a number"}
	}
	k.duration = d
	return k, nil
}

// cursorLayouts are the forms of times that databases write, and people who set a cursor.
var cursorLayouts = []string{
	"2006-01-02 15:04:05", "2006-01-02", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05",
}

// parseCursorTime gives the time that a text says and a function that writes another one in the same form.
func parseCursorTime(text string) (t time.Time, format func(time.Time) string, ok bool) {
	fraction := 0
	if _, digits, found := strings.Cut(text, "."); found {
		for fraction < len(digits) && digits[fraction] >= '0' && digits[fraction] <= '9' {
			fraction++
		}
	}
	for _, layout := range cursorLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			if fraction > 0 {
				layout = strings.Replace(layout, ":05", ":05."+strings.Repeat("0", fraction), 1)
			}
			return t, func(t time.Time) string { return t.Format(layout) }, true
		}
	}
	return time.Time{}, nil, false
}

// from gives the value that rows must reach to be read, and whether there is one. What is compared with > loses no
// tie: even without an overlap it is one second, or one, before the last value.
func (k *cursor) from() (string, bool) {
	if k.stored == "" {
		return k.initial, k.initial != ""
	}
	if n, ok := new(big.Int).SetString(k.stored, 10); ok {
		overlap := k.number
		if overlap.Sign() == 0 {
			overlap = big.NewInt(1)
		}
		return n.Sub(n, overlap).String(), true
	}
	if t, format, ok := parseCursorTime(k.stored); ok {
		overlap := max(k.duration, time.Second)
		if len(k.stored) == len(time.DateOnly) { // a day is the smallest step
			overlap = max(overlap, 24*time.Hour)
		}
		return format(t.Add(-overlap)), true
	}
	return k.stored, true
}

// findWatermark asks for the highest value of the cursor field. It is asked before the rows are read: a row that
// changes afterwards is read again by the next run. A value in the future would hide all changes until then, so it
// is passed over.
func (r *reader) findWatermark(ctx context.Context, l *link) error {
	highest := func(below string) (string, error) {
		st := &statement{dialect: r.dialect}
		st.write("SELECT ", r.dialect.text("MAX("+r.dialect.quote(r.cursor.field)+")"))
		if err := r.writeFrom(st); err != nil {
			return "", err
		}
		where := r.cursorCondition(st)
		if below != "" {
			st.write(where.next(), r.dialect.quote(r.cursor.field), " <= ")
			st.arg(below)
		}
		var text *string
		if err := l.row(ctx, st.text.String(), st.args...).Scan(&text); err != nil || text == nil {
			return "", err
		}
		return *text, nil
	}
	mark, err := highest("")
	if err != nil {
		return err
	}
	if t, format, ok := parseCursorTime(mark); ok {
		// A day more than now: the column may hold the time of another zone.
		if limit := time.Now().UTC().Add(24 * time.Hour); t.After(limit) {
			if mark, err = highest(format(limit)); err != nil {
				return err
			}
		}
	}
	if mark == "" {
		mark = r.cursor.stored // nothing new: what was stays
	}
	r.watermark = mark
	return nil
}
