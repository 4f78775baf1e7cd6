package excelsource

import (
	"bytes"
	"strings"
)

// class is what a number format makes of a number.
type class uint8

const (
	general class = iota // a number, also a percentage, which is the same number
	date                 // a day
	clock                // a time of day
	moment               // a day and a time
	elapsed              // hours that go on past 24: [h]:mm:ss
	anyTime              // a day or a time, by the number: formats whose meaning depends on the language of Excel
	textual              // @: what was typed is text, also where it is digits
)

// format is what a cell's style says that matters to its value.
type format struct {
	class class
	// fraction says that the format shows parts of a second.
	fraction bool
	// mask is a format of two zeros or more and literal text, such as 00000 or 000-0000: it is part of an id as a person sees it.
	mask string
	// quoted says that an apostrophe was typed before the text.
	quoted bool
}

// builtin gives the formats that have a number and no code (ECMA-376-1, 18.8.30). 27 to 36 and 50 to 58 are dates and
// times of Chinese, Japanese and Korean.
func builtin(id int) (format, bool) {
	switch {
	case id >= 14 && id <= 17, id >= 27 && id <= 31, id == 36, id >= 50 && id <= 54, id == 57, id == 58:
		return format{class: date}, true
	case id >= 18 && id <= 21, id == 32, id == 33, id == 45:
		return format{class: clock}, true
	case id == 22:
		return format{class: moment}, true
	case id == 34, id == 35, id == 55, id == 56:
		return format{class: anyTime}, true
	case id == 46:
		return format{class: elapsed}, true
	case id == 47:
		return format{class: clock, fraction: true}, true
	case id == 49:
		return format{class: textual}, true
	case id < 50:
		return format{}, true
	}
	return format{}, false
}

// parseFormat reads the first section of a number format code (ECMA-376-1, 18.8.31).
func parseFormat(code string) format {
	var (
		f      format
		parts  []byte // y, M, d, h, m, s in their order; M where it is not known yet whether months or minutes
		digits bool   // places for digits outside a fraction of seconds
		mask   []byte
		masked = true
	)
	for i := 0; i < len(code) && code[i] != ';'; i++ {
		switch c := code[i]; c {
		case '"':
			end := strings.IndexByte(code[i+1:], '"')
			if end < 0 {
				end = len(code) - i - 1
			}
			literal := code[i+1 : i+1+end]
			masked = masked && !strings.Contains(literal, "0")
			mask = append(mask, literal...)
			i += end + 1
		case '\\', '_', '*': // a literal; a space as wide as a character; a filling character
			i++
			if c == '\\' && i < len(code) {
				masked = masked && code[i] != '0'
				mask = append(mask, code[i])
			}
		case '[': // a colour, a language, a condition, or elapsed time
			end := strings.IndexByte(code[i:], ']')
			if end < 0 {
				end = len(code) - i
			}
			switch strings.ToLower(strings.TrimLeft(code[i:i+end], "[")) {
			case "h", "hh", "hhh", "hhhh", "m", "mm", "s", "ss":
				f.class = elapsed
			}
			i += end
		case '@':
			return format{class: textual}
		case '-', ' ', '(', ')', '+', '/':
			mask = append(mask, c)
		case '0', '#', '?':
			if c == '0' && len(parts) > 0 && parts[len(parts)-1] == 's' && (f.fraction || i > 0 && code[i-1] == '.') {
				f.fraction = true
				continue
			}
			digits = true
			masked = masked && c == '0'
			mask = append(mask, c)
		default:
			masked = false
			run := 1
			for i+run < len(code) && code[i+run]|0x20 == c|0x20 {
				run++
			}
			part := c | 0x20
			if part == 'g' && len(code)-i >= len("general") && strings.EqualFold(code[i:i+len("general")], "general") {
				return format{}
			}
			switch part {
			case 'e':
				if i+1 < len(code) && (code[i+1] == '+' || code[i+1] == '-') {
					digits = true // 0.00E+00
					continue
				}
				parts = append(parts, 'y') // the year of an era, as Japanese formats have it
			case 'm':
				if run <= 2 {
					part = 'M'
				} else {
					part = 'd' // the name of a month
				}
				parts = append(parts, part)
			case 'y', 'd', 'h', 's':
				parts = append(parts, part)
			case 'a':
				if lower := strings.ToLower(code[i:]); strings.HasPrefix(lower, "am/pm") || strings.HasPrefix(lower, "a/p") {
					parts = append(parts, 'p')
					run = strings.IndexByte(lower, 'p') + run
					if strings.HasPrefix(lower, "am/pm") {
						run++
					}
				} else if run >= 3 {
					parts = append(parts, 'd') // aaa: the day of the week
				}
			}
			i += run - 1
		}
	}
	if f.class == elapsed {
		return f
	}
	if digits {
		if !masked || bytes.Count(mask, []byte{'0'}) < 2 {
			mask = nil
		}
		return format{mask: string(mask)}
	}
	var day, time bool
	for i, p := range parts {
		switch {
		case p == 'h' || p == 's' || p == 'p':
			time = true
		case p == 'M' && (i > 0 && parts[i-1] == 'h' || i+1 < len(parts) && parts[i+1] == 's'):
			time = true // minutes stand behind hours or before seconds; all others are months
		default:
			day = true
		}
	}
	switch {
	case day && time:
		f.class = moment
	case day:
		f.class = date
	case time:
		f.class = clock
	default:
		return format{}
	}
	return f
}

// applyMask writes the digits of a whole number into the zeros of a mask, from the right; more digits than zeros go before.
func applyMask(mask, digits string) string {
	slots := strings.Count(mask, "0")
	if len(digits) < slots {
		digits = strings.Repeat("0", slots-len(digits)) + digits
	}
	var b strings.Builder
	extra := len(digits) - slots
	for i := range len(mask) {
		if mask[i] != '0' {
			b.WriteByte(mask[i])
			continue
		}
		b.WriteString(digits[:1+extra])
		digits, extra = digits[1+extra:], 0
	}
	return b.String()
}
