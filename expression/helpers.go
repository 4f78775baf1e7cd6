package expression

import (
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nyaruka/phonenumbers"
	"github.com/usher-id/usher/value"
)

func helperFunctions() []*function {
	list := []*function{
		{name: "e164", arity: between(1, 2), signature: "e164(phone, region)",
			doc: "The phone number as `+` and digits (E.164). The region, two letters (ISO 3166-1), says how to read a number without `+`. " +
				"A number that cannot exist is an error, `expression.phone`. Null stays null.",
			example: "e164('138 1234 5678', 'CN')", result: `"+8613812345678"`, call: e164, prepare: prepareRegion},
		{name: "date", arity: arity{min: 1, max: -1}, signature: "date(value, layout, …)",
			doc: "The date or time in RFC 3339, in the zone that it came with, else UTC. The first layout that fits is taken: tokens (`YYYY-MM-DD HH:mm:ss`), " +
				"a layout of Go, `unix` or `unixms`. Without a layout it must leave no doubt about day and month. Anything else is an error, `expression.date`. Null stays null.",
			example: "date('02.01.2020', 'DD.MM.YYYY')", result: `"2020-01-02T00:00:00Z"`, call: date, prepare: prepareLayouts},
		{name: "bool", arity: exactly(1), signature: "bool(value)",
			doc: "true of `true`, `yes`, `y`, `on`, `1`, `是`; false of `false`, `no`, `n`, `off`, `0`, `否`, in any case. " +
				"Anything else is an error, `expression.boolean`. Null stays null.",
			example: "bool('是')", result: `true`, call: boolean},
		{name: "uuid5", arity: exactly(2), signature: "uuid5(namespace, name)",
			doc:     "The UUID that the name always has in the name space (RFC 9562, version 5). The name space is a UUID, or `dns`, `url`, `oid` or `x500`.",
			example: "uuid5('dns', 'example.com')", result: `"cfbff0d1-9375-5685-968c-48ce8b15ae17"`, call: uuid5},
		{name: "env", arity: exactly(1), signature: "env(name)",
			doc:     "The environment variable, where the pipeline may read it. A name that is not set is an error when the expression is compiled.",
			prepare: prepareEnv, call: func(*machine, []any) any {
				fail("expression.environment", "env has to be called by its name")
				return nil
			}},
	}
	return inGroup(groupHelpers, list)
}

// spreadsheetNumber is a phone number that a spreadsheet or a data frame took for a number.
var spreadsheetNumber = regexp.MustCompile(`^\s*\+?[0-9]+(?:\.0+|[.,]?[0-9]*([eE]\+[0-9]+))\s*$`)

func e164(m *machine, args []any) any {
	if !present(args[0]) {
		return args[0]
	}
	region := "ZZ"
	if v := arg(args, 1); present(v) {
		region = strings.ToUpper(m.text(v))
		if !phonenumbers.GetSupportedRegions()[region] {
			fail("expression.argument", "the region of e164 is two letters, such as CN")
		}
	}
	m.step(300) // what the library takes, beside our own functions
	text := m.text(args[0])
	if len(text) > 100 {
		fail("expression.phone", "this is not a phone number")
	}
	switch parts := spreadsheetNumber.FindStringSubmatch(text); {
	case parts == nil:
	case parts[1] != "":
		fail("expression.phone", "this is a number in scientific notation, which has lost digits: make the column text in the spreadsheet, and export it again")
	default: // the library takes points for separators
		fail("expression.phone", "this is written with decimals, which would be taken for digits: `user.phone.replace(/\\.0$/, '')` takes them off")
	}
	n, err := phonenumbers.Parse(text, region)
	if err != nil {
		refuseEmpty("expression.phone", args[0], "phone number")
	}
	switch {
	case err != nil && region == "ZZ" && !strings.HasPrefix(strings.TrimSpace(text), "+"):
		fail("expression.phone", "this is not a phone number with its country: e164 takes the region as its second argument")
	case err != nil:
		fail("expression.phone", "this is not a phone number: %s", err)
	case !phonenumbers.IsValidNumber(n):
		fail("expression.phone", "there can be no such phone number")
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

// refuseEmpty says of an empty text what to write: it stands for a missing value in many files.
func refuseEmpty(code string, v any, what string) {
	if v == "" {
		fail(code, "an empty text is no %s: where there may be one, write `user.field || null`", what)
	}
}

func prepareRegion(b *builder, _ span, args []operand) native {
	if len(args) < 2 {
		return nil
	}
	if v, ok := args[1].literal(); ok && present(v) {
		region, isText := v.(string)
		if !isText || !phonenumbers.GetSupportedRegions()[strings.ToUpper(region)] {
			b.refuse(args[1].at, "expression.arguments", "two letters, such as CN", "e164 knows no such region")
		}
	}
	return nil
}

// dateLayout reads a date in one way.
type dateLayout func(m *machine, v any) (time.Time, bool)

func date(m *machine, args []any) any {
	layouts := make([]dateLayout, 0, 4)
	for _, a := range args[1:] {
		layout, problem := newLayout(m.text(a))
		if problem != "" {
			fail("expression.argument", "%s", problem)
		}
		layouts = append(layouts, layout)
	}
	return m.date(args[0], layouts)
}

// prepareLayouts reads layouts that are literals once.
func prepareLayouts(b *builder, _ span, args []operand) native {
	var layouts []dateLayout
	for _, o := range args[1:] {
		v, ok := o.literal()
		if !ok {
			return nil
		}
		text, isText := v.(string)
		layout, problem := newLayout(text)
		if !isText || problem != "" {
			b.refuse(o.at, "expression.arguments", "such as YYYY-MM-DD HH:mm:ss, unix or unixms", "this is not a layout of a date")
		}
		layouts = append(layouts, layout)
	}
	return func(m *machine, args []any) any { return m.date(args[0], layouts) }
}

func (m *machine) date(v any, layouts []dateLayout) any {
	switch v := v.(type) {
	case nil, undefinedType:
		return v
	case time.Time:
		return string(value.AppendTime(nil, v))
	}
	m.step(10)
	for _, layout := range layouts {
		if t, ok := layout(m, v); ok {
			return rfc3339(t)
		}
	}
	refuseEmpty("expression.date", v, "date")
	if len(layouts) > 0 {
		fail("expression.date", "this %s does not fit the layout of a date", describe(v))
	}
	if !isText(v) {
		fail("expression.date", "%s is no date without a layout, such as unix or unixms", named(v))
	}
	t, ok := parseDate(m.text(v))
	if !ok {
		fail("expression.date", "this is not a date that leaves no doubt: give date() a layout, such as 'DD.MM.YYYY'")
	}
	return rfc3339(t)
}

func rfc3339(t time.Time) string {
	if t.Year() < 0 || t.Year() > 9999 {
		fail("expression.date", "a date has a year from 0 to 9999")
	}
	return string(value.AppendTime(nil, t))
}

// dateTokens are those of layouts, longest first, and what Go writes for them.
var dateTokens = []struct{ token, layout string }{
	{"YYYY", "2006"}, {"yyyy", "2006"}, {"YY", "06"}, {"yy", "06"},
	{"MMMM", "January"}, {"MMM", "Jan"}, {"MM", "01"}, {"M", "1"},
	{"DD", "02"}, {"dd", "02"}, {"D", "2"}, {"d", "2"},
	{"HH", "15"}, {"H", "15"}, {"hh", "03"}, {"h", "3"}, {"mm", "04"}, {"m", "4"}, {"ss", "05"}, {"s", "5"},
	{"SSSSSSSSS", "000000000"}, {"SSSSSS", "000000"}, {"SSS", "000"}, {"SS", "00"}, {"S", "0"},
	{"A", "PM"}, {"a", "PM"}, {"ZZ", "Z0700"}, {"Z", "Z07:00"}, {"XXX", "Z07:00"}, {"XX", "Z0700"},
}

// newLayout reads a layout; problem says what is wrong with it.
func newLayout(text string) (layout dateLayout, problem string) {
	switch text {
	case "unix":
		return fromUnix(1), ""
	case "unixms":
		return fromUnix(1000), ""
	}
	form := text
	if !strings.Contains(text, "2006") {
		var ok bool
		if form, ok = goLayout(text); !ok {
			return nil, "a layout of a date is made of tokens such as YYYY-MM-DD HH:mm:ss"
		}
	}
	// A layout without a date in it reads every date as the year 0.
	if early := time.Date(2009, 11, 23, 14, 35, 16, 0, time.UTC); early.Format(form) == form {
		return nil, "a layout of a date is made of tokens such as YYYY-MM-DD HH:mm:ss"
	}
	return func(m *machine, v any) (time.Time, bool) {
		s := strings.TrimFunc(m.text(v), isSpace)
		if len(s) > 128 {
			return time.Time{}, false
		}
		t, err := time.Parse(form, s)
		return t, err == nil && zoneKnown(form, t)
	}, ""
}

// goLayout turns tokens into a layout of Go; text in brackets, and punctuation, stands for itself.
func goLayout(text string) (string, bool) {
	var out strings.Builder
	hasYear := false
next:
	for text != "" {
		if text[0] == '[' {
			literal, rest, closed := strings.Cut(text[1:], "]")
			if !closed || strings.ContainsAny(literal, "0123456789") {
				return "", false
			}
			out.WriteString(literal)
			text = rest
			continue
		}
		if text[0] == 'T' || text[0] == '\'' {
			if text[0] == 'T' {
				out.WriteByte('T')
			}
			text = text[1:]
			continue
		}
		for _, t := range dateTokens {
			if strings.HasPrefix(text, t.token) {
				// Go wants a point or comma before a fraction.
				if t.token[0] == 'S' && !strings.HasSuffix(out.String(), ".") && !strings.HasSuffix(out.String(), ",") {
					return "", false
				}
				hasYear = hasYear || t.token[0] == 'Y' || t.token[0] == 'y'
				out.WriteString(t.layout)
				text = text[len(t.token):]
				continue next
			}
		}
		if digit(text[0]) < 36 {
			return "", false
		}
		out.WriteByte(text[0])
		text = text[1:]
	}
	return out.String(), hasYear
}

// fromUnix reads a number of seconds, or parts of one, since 1970.
func fromUnix(perSecond int64) dateLayout {
	return func(m *machine, v any) (time.Time, bool) {
		switch v := v.(type) {
		case string, value.Secret:
			if strings.TrimFunc(m.text(v), isSpace) == "" {
				return time.Time{}, false
			}
		case int64, float64, value.Number:
		default:
			return time.Time{}, false
		}
		switch n := m.numeric(v).(type) {
		case int64:
			if perSecond == 1000 {
				return time.UnixMilli(n).UTC(), true
			}
			return time.Unix(n, 0).UTC(), n < 1<<55 && n > -1<<55
		default:
			f := asFloat(n) / float64(perSecond)
			if !(f < 1e12 && f > -1e12) {
				return time.Time{}, false
			}
			return time.UnixMicro(int64(f * 1e6)).UTC(), true
		}
	}
}

var booleans = map[string]bool{
	"true": true, "yes": true, "y": true, "on": true, "1": true, "t": true, "是": true,
	"false": false, "no": false, "n": false, "off": false, "0": false, "f": false, "否": false,
}

// Boolean reads a text as bool() does: true, no, 1, 是.
func Boolean(text string) (b, ok bool) {
	if len(text) <= 32 {
		b, ok = booleans[strings.ToLower(strings.TrimFunc(text, isSpace))]
	}
	return b, ok
}

func boolean(m *machine, args []any) any {
	switch v := args[0].(type) {
	case nil, undefinedType, bool:
		return v
	case string, value.Secret, int64, float64, value.Number:
		text := m.text(v)
		if n, isNum := v.(value.Number); isNum {
			text = numberText(number(n.Float64()))
		}
		if b, ok := Boolean(text); ok {
			return b
		}
	}
	refuseEmpty("expression.boolean", args[0], "word for yes or no")
	fail("expression.boolean", "this %s is no word for yes or no that bool knows, such as yes, false, 1: compare others, as in lower(user.active) == 'ja'", describe(args[0]))
	return nil
}

var uuidSpaces = map[string]uuid.UUID{
	"dns": uuid.NameSpaceDNS, "url": uuid.NameSpaceURL, "oid": uuid.NameSpaceOID, "x500": uuid.NameSpaceX500,
}

func uuid5(m *machine, args []any) any {
	if !present(args[1]) {
		return args[1]
	}
	name := m.text(args[0])
	space, ok := uuidSpaces[strings.ToLower(name)]
	if !ok {
		var err error
		if space, err = uuid.Parse(name); err != nil {
			fail("expression.uuid", "the name space of uuid5 is a UUID, or dns, url, oid or x500")
		}
	}
	text := m.text(args[1])
	m.grow(len(text))
	return uuid.NewSHA1(space, []byte(text)).String()
}

// prepareEnv reads an environment variable that is named by a literal at once, so that a missing one is found early.
func prepareEnv(b *builder, at span, args []operand) native {
	lookup := b.opts.Env
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	v, isLiteral := args[0].literal()
	if name, ok := v.(string); ok {
		text, found := lookup(name)
		if !found {
			b.refuse(args[0].at, "expression.environment", "", "the environment variable %s is not set, or may not be read", name)
		}
		return func(*machine, []any) any { return text }
	}
	if isLiteral {
		b.refuse(args[0].at, "expression.arguments", "", "env takes the name of an environment variable")
	}
	return func(m *machine, args []any) any {
		text, found := lookup(m.text(args[0]))
		if !found {
			fail("expression.environment", "the environment variable is not set, or may not be read")
		}
		return text
	}
}
