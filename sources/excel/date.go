package excelsource

import (
	"math"
	"strconv"
	"time"
)

// The days that Excel knows: from 1900-01-01 (or 1904-01-01) to 9999-12-31.
const maxSerial = 2958465

// dates turns the numbers that Excel has for dates into RFC 3339.
type dates struct {
	from1904 bool
	zone     *time.Location
}

// day gives midnight, in UTC, of a day. In the system that counts from 1900 the days before March 1900 are off by one,
// and day 60 is a 29 February that never was (ECMA-376-1, 18.17.4.1).
func (d dates) day(serial int) (time.Time, bool) {
	switch {
	case d.from1904:
		return time.Date(1904, 1, 1+serial, 0, 0, 0, 0, time.UTC), serial >= 0 && serial <= maxSerial-1462
	case serial < 60:
		return time.Date(1899, 12, 31+serial, 0, 0, 0, 0, time.UTC), serial >= 1
	}
	return time.Date(1899, 12, 30+serial, 0, 0, 0, 0, time.UTC), serial > 60 && serial <= maxSerial
}

const (
	dateLayout     = "2006-01-02"
	clockLayout    = "15:04:05"
	secondLayout   = "2006-01-02T15:04:05Z07:00"
	fractionLayout = "2006-01-02T15:04:05.999Z07:00"
)

// text gives a number that is formatted as a date, as RFC 3339: a full-date, a date-time in the zone, or a time of day.
func (d dates) text(f float64, as format) (string, bool) {
	if math.IsNaN(f) || math.Abs(f) > maxSerial+1 {
		return "", false
	}
	// Excel keeps milliseconds at most; where the format shows no parts of a second, the rest is noise.
	step := int64(1000)
	if as.fraction {
		step = 1
	}
	const dayMillis = 24 * 60 * 60 * 1000
	whole := math.Floor(f)
	millis := int64(math.Round((f-whole)*dayMillis/float64(step))) * step
	days := int(whole)
	if millis >= dayMillis {
		days, millis = days+1, millis-dayMillis
	}
	switch as.class {
	case elapsed:
		if f < 0 {
			return "", false
		}
		seconds := (int64(days)*dayMillis + millis) / 1000
		out := strconv.AppendInt(nil, seconds/3600, 10)
		out = append(out, ':', byte('0'+seconds/600%6), byte('0'+seconds/60%10), ':', byte('0'+seconds%60/10), byte('0'+seconds%10))
		return string(out), true
	case anyTime:
		switch {
		case days == 0:
			as.class = clock
		case millis == 0:
			as.class = date
		default:
			as.class = moment
		}
	case clock:
		if days != 0 {
			as.class = moment // more is in the cell than it shows
		}
	case date:
		if millis != 0 {
			as.class = moment
		}
	}
	if as.class == clock {
		layout := clockLayout
		if as.fraction {
			layout += ".999"
		}
		return time.UnixMilli(millis).UTC().Format(layout), true
	}
	day, ok := d.day(days)
	if !ok {
		return "", false
	}
	if as.class == date {
		return day.Format(dateLayout), true
	}
	t := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, int(millis)*1e6, d.zone)
	if d.zone != time.UTC {
		// The clock shows these hours and minutes, also on a day of which it is put forward or back.
		t = time.Date(day.Year(), day.Month(), day.Day(), int(millis/3600000), int(millis/60000%60), int(millis/1000%60), int(millis%1000)*1e6, d.zone)
	}
	if as.fraction {
		return t.Format(fractionLayout), true
	}
	return t.Format(secondLayout), true
}

// layouts are the ways in which people type dates that have one meaning only.
var layouts = []struct {
	layout string
	date   bool
}{
	{dateLayout, true}, {"2006/1/2", true}, {"2006.1.2", true}, {"2006-1-2", true}, {"2006年1月2日", true}, {"20060102", true},
	{"2006-01-02T15:04:05.999999999", false}, {"2006-01-02 15:04:05.999999999", false}, {"2006/1/2 15:04:05", false}, {"2006-1-2 15:04:05", false},
	{"2006-01-02T15:04", false}, {"2006-1-2 15:04", false}, {"2006/1/2 15:04", false}, {"2006年1月2日 15:04:05", false}, {"2006年1月2日 15:04", false},
}

// typed reads a date that was typed as text; wantDate asks for a day without its time.
func (d dates) typed(s string, wantDate bool) (string, bool) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		if wantDate {
			return t.Format(dateLayout), true
		}
		return s, true
	}
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l.layout, s, d.zone); err == nil {
			if wantDate {
				return t.Format(dateLayout), true
			}
			return t.Format(time.RFC3339Nano), true
		}
	}
	return "", false
}
