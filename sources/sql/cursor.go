package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
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
	// zone is where times without a zone are.
	zone *time.Location
}

const defaultOverlap = time.Minute

func newCursor(c *pipeline.Config, zone *time.Location) (*cursor, error) {
	k := &cursor{field: c.String("field"), initial: c.String("initial"), duration: defaultOverlap, number: big.NewInt(1), zone: zone}
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
	if n, ok := wholeNumber(k.stored); ok {
		overlap := k.number
		if overlap.Sign() == 0 {
			overlap = big.NewInt(1)
		}
		text := n.Sub(n, overlap).String()
		if n.Sign() >= 0 && strings.HasPrefix(k.stored, "0") { // it is text, and compared as such
			text = strings.Repeat("0", max(0, len(k.stored)-len(text))) + text
		}
		return text, true
	}
	if t, format, ok := parseCursorTime(k.stored); ok {
		overlap := max(k.duration, time.Second)
		if len(k.stored) == len(time.DateOnly) { // a day is the smallest step
			overlap = max(overlap, 24*time.Hour)
		} else if !hasZone(k.stored) {
			overlap += k.repeated(t)
		}
		return format(t.Add(-overlap)), true
	}
	return k.stored, true
}

// repeated gives how far clocks are put back about the time t of a clock: for so long they show times that were before.
func (k *cursor) repeated(t time.Time) time.Duration {
	const about = 3 * time.Hour
	t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, k.zone)
	_, before := t.Add(-about).Zone()
	_, after := t.Add(about).Zone()
	return time.Duration(max(0, before-after)) * time.Second
}

// hasZone reports whether a time says where it is.
func hasZone(text string) bool {
	return len(text) > len(time.DateTime) && strings.ContainsAny(text[len(time.DateTime):], "Z+-")
}

// wholeNumber gives the number that a text says, without its fraction.
func wholeNumber(text string) (*big.Int, bool) {
	if !isNumber(text) {
		return new(big.Int).SetString(text, 10)
	}
	if strings.ContainsAny(text, "eE") { // as databases write a float
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, false
		}
		text = strconv.FormatFloat(math.Floor(f), 'f', -1, 64)
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n, ok := new(big.Int).SetString(whole, 10)
	if ok && strings.HasPrefix(text, "-") && fraction != "" {
		n.Sub(n, big.NewInt(1))
	}
	return n, ok
}

// beyond finds the times of PostgreSQL that come after all that are written with a year of four digits.
var beyond = regexp.MustCompile(`^(infinity$|\d{5,}-\d\d-\d\d)`)

// endless finds the numbers that come after all others, as PostgreSQL and SQLite write them. NaN is one in PostgreSQL.
var endless = regexp.MustCompile(`^(NaN|Infinity|Inf)$`)

// isOrdinal reports whether a text is a time or a number.
func isOrdinal(text string) bool {
	_, number := wholeNumber(text)
	_, _, isTime := parseCursorTime(text)
	return number || isTime
}

// checkCursor refuses a cursor that is neither time nor number for a field of times or numbers: some databases compare the two in
// silence, and find every row or none. Where the query uses :cursor by itself, only its initial value says what the field holds.
func (r *reader) checkCursor(ctx context.Context, l *link) error {
	from, ok := r.cursor.from()
	if !ok || isOrdinal(from) {
		return nil
	}
	like := r.cursor.initial
	if r.table != "" || !r.query.uses("cursor") {
		highest, err := r.highest(ctx, l, func(*statement) *conditions { return &conditions{} })
		if err != nil {
			return err
		}
		if highest != nil {
			like = *highest
		}
	}
	if !isOrdinal(like) {
		return nil
	}
	hint := "correct cursor.initial"
	if r.cursor.stored != "" {
		hint = "`cursor set` puts another one there, `cursor reset` has the next run read everything"
	}
	return r.badCursor(from, like, hint)
}

func (r *reader) badCursor(from, like, hint string) error {
	return &pipeline.Error{Code: "sql.bad_cursor",
		Message: fmt.Sprintf("reading %s: the cursor %q cannot be compared with %s, which holds values such as %s", r.origin, from, r.cursor.field, like), Hint: hint}
}

// checkForms refuses values of the cursor field that the database does not compare as what they mean.
func (r *reader) checkForms(ctx context.Context, l *link) error {
	dialect, ok := r.dialect.(loose)
	if !ok {
		return nil
	}
	all := func(*statement) *conditions { return &conditions{} }
	highest, err := r.highest(ctx, l, all)
	if err != nil || highest == nil || *highest == "-Inf" {
		return err
	}
	condition, hint := dialect.mixed(r.dialect.quote(r.cursor.field), *highest)
	st := &statement{dialect: r.dialect}
	st.write(r.dialect.text(r.dialect.quote(r.cursor.field)))
	if err := r.writeFrom(st); err != nil {
		return err
	}
	st.write(all(st).next(), condition)
	var other string
	switch err := l.row(ctx, r.dialect.page(st.text.String(), "", 1), st.args...).Scan(&other); {
	case err == nil:
		return &pipeline.Error{Code: "sql.bad_cursor", Hint: hint,
			Message: fmt.Sprintf("reading %s: %s holds values of different forms, such as %q and %q, so that what has changed cannot be told by it", r.origin, r.cursor.field, *highest, other)}
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	from, _ := r.cursor.from()
	separator, zone := timeForm(from)
	if s, z := timeForm(*highest); dated.MatchString(from) && (!dated.MatchString(*highest) || separator != "" && (separator != s || zone != z)) {
		return r.badCursor(from, *highest, "write it in the form of the values: correct cursor.initial, or have `cursor set` put another one there")
	}
	return nil
}

// dated finds texts that begin with a date.
var dated = regexp.MustCompile(`^\d{4}-\d\d-\d\d`)

// timeForm tells what two times must have in common to be in order as texts: what stands behind the date, and the zone. Universal time
// may be written in several ways, since nothing that stands before it differs.
func timeForm(text string) (separator, zone string) {
	if len(text) > len(time.DateOnly) {
		separator = text[len(time.DateOnly):][:1]
	}
	if len(text) > len(time.DateTime) {
		zone = strings.TrimLeft(text[len(time.DateTime):], ".0123456789")
	}
	if slices.Contains(universal, zone) {
		zone = ""
	}
	return separator, zone
}

var universal = []string{"", "Z", "+00:00", "+00"}

// highest gives the highest value of the cursor field among the rows that a condition leaves, nil for none. A number without
// end would hide all rows that come later, so it is passed over.
func (r *reader) highest(ctx context.Context, l *link, condition func(*statement) *conditions) (*string, error) {
	field := r.dialect.quote(r.cursor.field)
	var below *string
	for {
		st := &statement{dialect: r.dialect}
		st.write("SELECT ", r.dialect.text("MAX("+field+")"))
		if err := r.writeFrom(st); err != nil {
			return nil, err
		}
		where := condition(st)
		if below != nil {
			st.write(where.next(), field, " < ")
			st.arg(r.dialect.argument(*below))
		}
		var text *string
		if err := l.row(ctx, st.text.String(), st.args...).Scan(&text); err != nil || text == nil || !endless.MatchString(*text) {
			return text, err
		}
		below = text
	}
}

// latest gives the time now as the cursor field would have it. Where it is not known in which zone that is, it may be a day more.
func (r *reader) latest(mark string) time.Time {
	now := time.Now().UTC()
	switch zone := r.dialect.zone(); {
	case hasZone(mark), all(r.catalogue.types[strings.ToLower(r.cursor.field)], "timestamp"): // MySQL gives a TIMESTAMP in UTC
		return now
	case zone != time.UTC:
		_, offset := now.In(zone).Zone()
		return now.Add(time.Duration(offset) * time.Second)
	}
	return now.Add(24 * time.Hour)
}

// findWatermark asks for the highest value of the cursor field. It is asked before the rows are read: a row that
// changes afterwards is read again by the next run. A value in the future would hide all changes until then, so it
// is passed over.
func (r *reader) findWatermark(ctx context.Context, l *link) error {
	highest := func(below string) (string, error) {
		text, err := r.highest(ctx, l, func(st *statement) *conditions {
			where := r.cursorCondition(st)
			if below != "" {
				st.write(where.next(), r.dialect.quote(r.cursor.field), " <= ")
				st.arg(below)
			}
			return where
		})
		if err != nil || text == nil {
			return "", err
		}
		return *text, nil
	}
	mark, err := highest("")
	if err != nil {
		return err
	}
	limit := r.latest(mark)
	if t, format, ok := parseCursorTime(mark); ok && t.After(limit) {
		mark, err = highest(format(limit))
	} else if beyond.MatchString(mark) {
		mark, err = highest(limit.Format(time.DateTime))
	}
	if err != nil {
		return err
	}
	if _, _, isTime := parseCursorTime(r.cursor.stored); isTime && mark != "" && !isOrdinal(mark) {
		return r.badCursor(r.cursor.stored, mark, "mend the value: it hides what changes, for it comes after all others")
	}
	if mark == "" || strings.HasPrefix(mark, "0000-00-00") || strings.EqualFold(mark, "-infinity") || mark == "-Inf" {
		mark = r.cursor.stored // nothing new: what was stays
	}
	r.watermark = mark
	return nil
}
