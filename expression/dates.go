package expression

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/usher-id/usher/value"
)

// invalidDate is what new Date makes of something that is no date.
type invalidDate struct{}

// maxTime is the end of JavaScript's time in either direction, in milliseconds.
const maxTime = 8_640_000_000_000_000

// timeText writes a time as Date.prototype.toISOString does where it is one of JavaScript's: UTC, in milliseconds.
// Any other keeps its zone and its fraction (RFC 3339).
func timeText(t time.Time) string {
	if _, offset := t.Zone(); offset == 0 && t.Nanosecond()%int(time.Millisecond) == 0 {
		return isoText(t)
	}
	return string(value.AppendTime(nil, t))
}

func isoText(t time.Time) string {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		sign := '+'
		if y < 0 {
			sign, y = '-', -y
		}
		return fmt.Sprintf("%c%06d", sign, y) + t.Format("-01-02T15:04:05.000Z")
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}

func fromMillis(ms float64) any {
	if !(math.Abs(ms) <= maxTime) {
		return invalidDate{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}

// newDate is new Date(…). Local time is UTC.
func newDate(m *machine, args []any) any {
	switch len(args) {
	case 0:
		return time.Now().UTC().Truncate(time.Millisecond)
	case 1:
		switch v := args[0].(type) {
		case time.Time:
			return v.UTC().Truncate(time.Millisecond)
		case invalidDate:
			return v
		case undefinedType:
			return invalidDate{}
		}
		if v := m.primitive(args[0]); isText(v) {
			m.step(10)
			if t, ok := parseDate(m.text(v)); ok {
				return t.UTC().Truncate(time.Millisecond)
			}
			return invalidDate{}
		}
		return fromMillis(m.float(args[0]))
	}
	return fromMillis(m.dateUTC(args))
}

// dateUTC gives the milliseconds of year, month and so on, NaN where there is no such time.
func (m *machine) dateUTC(args []any) float64 {
	parts := [7]float64{2: 1}
	for i := range min(len(args), 7) {
		f, most := m.float(args[i]), 1e16
		if i < 2 {
			most = 1e9
		}
		if !(math.Abs(f) < most) {
			return math.NaN()
		}
		parts[i] = math.Trunc(f)
	}
	if y := parts[0]; y >= 0 && y <= 99 {
		parts[0] += 1900
	}
	if math.Abs(parts[0]) > 300_000 {
		return math.NaN()
	}
	month := time.Date(int(parts[0]), time.Month(1+int(parts[1])), 1, 0, 0, 0, 0, time.UTC)
	day := float64(month.Unix()) + (parts[2]-1)*86400
	return (day+parts[3]*3600+parts[4]*60+parts[5])*1000 + parts[6]
}

// Forms that leave no doubt about day and month. A form without a zone is UTC.
var dateForms = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04",
	"2006-01-02", "2006-01", "2006",
	"2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05Z0700",
	"2006-01-02 15:04:05 Z0700", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02 15:04:05 MST",
	"2006-1-2", "2006-1-2 15:04:05", "2006-1-2 15:04",
	"2006/01/02", "2006/1/2", "2006/01/02 15:04:05", "2006/1/2 15:04:05", "2006/01/02 15:04", "2006/1/2 15:04",
	time.RFC1123, time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05 -0700", time.RFC850,
	"Jan 2, 2006", "January 2, 2006", "2 Jan 2006", "2 January 2006",
	"Jan 2, 2006 15:04:05", "January 2, 2006 15:04:05", "2 Jan 2006 15:04:05", "2 January 2006 15:04:05",
	time.ANSIC, "Mon Jan 2 2006 15:04:05 GMT-0700", "Mon Jan 2 2006",
}

// parseDate reads a date in one of the forms that leave no doubt.
func parseDate(s string) (time.Time, bool) {
	s = strings.TrimFunc(s, isSpace)
	if len(s) < 4 || len(s) > 64 {
		return time.Time{}, false
	}
	if i := strings.Index(s, " ("); i > 0 && strings.HasSuffix(s, ")") {
		s = s[:i] // the zone's name after its offset
	}
	day := time.Duration(0)
	if len(s) > 15 && s[11:16] == "24:00" { // the end of a day
		s, day = s[:11]+"00"+s[13:], 24*time.Hour
	}
	next := byte(0)
	if len(s) > 10 {
		next = s[10]
	}
	for _, form := range dateForms {
		// The forms tell themselves apart by their first and eleventh byte.
		if (form[0] == '2' && len(form) > 3 && form[1] == '0') != (s[0] >= '0' && s[0] <= '9' && s[3] >= '0' && s[3] <= '9') {
			continue
		}
		if len(form) > 10 && form[4] == '-' && form[5] == '0' && form[10] != next {
			continue
		}
		if t, err := time.Parse(form, s); err == nil && zoneKnown(form, t) {
			return t.Add(day), day == 0 || t.Second() == 0 && t.Nanosecond() == 0
		}
	}
	return time.Time{}, false
}

// zoneKnown refuses a zone by a name that says nothing, since Go reads CST as an offset of zero, and one of a whole day.
func zoneKnown(form string, t time.Time) bool {
	if _, offset := t.Zone(); offset <= -86400 || offset >= 86400 {
		return false
	}
	if !strings.Contains(form, "MST") {
		return true
	}
	name, _ := t.Zone()
	return name == "UTC" || name == "GMT"
}

func dateMethods() map[string]*method {
	list := map[string]*method{
		"getTime":     {signature: "date.getTime()", time: func(_ *machine, t time.Time, _ []any) any { return t.UnixMilli() }},
		"toISOString": {signature: "date.toISOString()", time: func(_ *machine, t time.Time, _ []any) any { return isoText(t) }},
		"toJSON":      {signature: "date.toJSON()", time: func(_ *machine, t time.Time, _ []any) any { return timeText(t) }},
		"getTimezoneOffset": {signature: "date.getTimezoneOffset()", doc: "0: local time is UTC.",
			time: func(_ *machine, _ time.Time, _ []any) any { return int64(0) }},
	}
	for name, get := range map[string]func(time.Time) int{
		"FullYear":     time.Time.Year,
		"Month":        func(t time.Time) int { return int(t.Month()) - 1 },
		"Date":         time.Time.Day,
		"Day":          func(t time.Time) int { return int(t.Weekday()) },
		"Hours":        time.Time.Hour,
		"Minutes":      time.Time.Minute,
		"Seconds":      time.Time.Second,
		"Milliseconds": func(t time.Time) int { return t.Nanosecond() / 1e6 },
	} {
		of := func(_ *machine, t time.Time, _ []any) any { return int64(get(t.UTC())) }
		list["get"+name] = &method{signature: "date.get" + name + "()", time: of}
		list["getUTC"+name] = &method{signature: "date.getUTC" + name + "()", time: of}
	}
	return list
}

// ofInvalidDate is what a method gives of no date.
func ofInvalidDate(name string) any {
	switch {
	case name == "toJSON":
		return nil
	case strings.HasPrefix(name, "get"), name == "valueOf":
		return math.NaN()
	}
	fail("expression.date", "%s is called on something that is not a date", name)
	return nil
}
