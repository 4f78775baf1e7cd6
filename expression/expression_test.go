package expression

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/usher-id/usher/value"
)

func parseUser(t testing.TB, text string) any {
	t.Helper()
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustCompile(t testing.TB, text string, opts Options) *Program {
	t.Helper()
	p, err := Compile(text, opts)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func TestAbsentNullAndEmptyAreThreeThings(t *testing.T) {
	user := parseUser(t, `{"null":null,"empty":"","nested":{"null":null}}`)
	for _, tt := range []struct {
		text    string
		want    any
		present bool
	}{
		{"user.missing", nil, false},
		{"user.missing.a.b", nil, false},
		{"user.null", nil, true},
		{"user.null.a", nil, false},
		{"user.nested.null", nil, true},
		{"user.empty", "", true},
		{"user.missing || user.null", nil, true},
		{"user.null || user.missing", nil, false},
		{"user.missing ?? user.empty", "", true},
		{"user.missing.toLowerCase()", nil, false},
		{"lower(user.missing)", nil, false},
		{"lower(user.null)", nil, true},
		{"e164(user.missing, 'CN')", nil, false},
		{"date(user.null)", nil, true},
		{"bool(user.missing)", nil, false},
		{"trim(user.null)", nil, true},
		{"true ? undefined : 1", nil, false},
		{"user.empty ? 1 : null", nil, true},
		{"undefined", nil, false},
	} {
		v, present, err := mustCompile(t, tt.text, Options{}).Lookup(user)
		if err != nil || v != tt.want || present != tt.present {
			t.Errorf("%s = %v, %t, %v; want %v, %t", tt.text, v, present, err, tt.want, tt.present)
		}
	}
	v, err := mustCompile(t, "({a: user.missing, b: user.null, c: [user.missing]})", Options{}).Eval(user)
	if got := string(value.AppendJSON(nil, v)); err != nil || got != `{"b":null,"c":[null]}` {
		t.Errorf("members: %s, %v", got, err)
	}
}

func TestValuesOfEveryKindPass(t *testing.T) {
	at := time.Date(2020, 1, 2, 3, 4, 5, 600, time.FixedZone("", 8*3600))
	for _, v := range []any{
		nil, true, int64(math.MaxInt64), 1.5, value.Number("1.10"), value.Number("18446744073709551615"), "x", []byte{0xff, 0},
		at, value.Secret("s"), []any{"a", nil}, value.ObjectOf(value.Member{Name: "a", Value: int64(1)}),
	} {
		user := value.ObjectOf(value.Member{Name: "v", Value: v})
		for _, text := range []string{"user.v", "user['v']", "user.missing ?? user.v", "true ? user.v : 0", "[user.v][0]", "({v: user.v}).v", "get(user, 'v')", "[1].map(x => user.v)[0]"} {
			got, err := mustCompile(t, text, Options{}).Eval(user)
			if err != nil || !same(got, v) {
				t.Errorf("%s of a %s = %#v, %v", text, value.Kind(v), got, err)
			}
		}
	}
}

func TestNumbersAreExact(t *testing.T) {
	user := parseUser(t, `{"id":9223372036854775807,"big":18446744073709551615,"money":1.10,"small":-0.0,"text":"9223372036854775808"}`)
	for text, want := range map[string]string{
		"user.id":                            `9223372036854775807`,
		"user.big":                           `18446744073709551615`,
		"user.money":                         `1.10`,
		"`${user.big}/${user.money}`":        `"18446744073709551615/1.10"`,
		"user.id - 1":                        `9223372036854775806`,
		"user.id + 1":                        `9223372036854776000`,
		"-user.id - 1":                       `-9223372036854775808`,
		"-(-user.id - 1)":                    `9223372036854776000`,
		"user.id * 1":                        `9223372036854775807`,
		"user.id * 2":                        `18446744073709552000`,
		"user.id / 7":                        `1317624576693539401`,
		"user.id % 10":                       `7`,
		"-user.id % 10":                      `-7`,
		"user.id === user.big":               `false`,
		"user.big > user.id":                 `true`,
		"user.big == '18446744073709551615'": `true`,
		"user.big == '18446744073709551614'": `false`,
		"Number(user.text)":                  `9223372036854775808`,
		"parseInt(user.text + 'px')":         `9223372036854775808`,
		"int(user.text)":                     `9223372036854775808`,
		"Math.max(user.big, user.id)":        `18446744073709551615`,
		"Math.abs(-user.big)":                `18446744073709551615`,
		"Math.floor(user.id)":                `9223372036854775807`,
		"user.id.toString()":                 `"9223372036854775807"`,
		"user.big.toString(16)":              `"ffffffffffffffff"`,
		"user.id.toFixed(2)":                 `"9223372036854775807.00"`,
		"JSON.stringify([user.id, user.big, user.money])": `"[9223372036854775807,18446744073709551615,1.10]"`,
		"JSON.parse('18446744073709551615')":              `18446744073709551615`,
		"18446744073709551615":                            `18446744073709551615`,
		"9007199254740993":                                `9007199254740993`,
		"user.money + 1":                                  `2.1`,
		"user.money === 1.1":                              `true`,
		"0.5 + 0.5":                                       `1`,
		"1.0":                                             `1`,
		"-0":                                              `0`,
		"2 ** 62":                                         `4611686018427387904`,
		"2 ** 64":                                         `18446744073709552000`,
		"[user.id, user.big].includes(18446744073709551615)": `true`,
		"sort([user.big, user.id, 1])":                       `[1,9223372036854775807,18446744073709551615]`,
	} {
		if got := outcome(text, user); got != want {
			t.Errorf("%s = %s; want %s", text, got, want)
		}
	}
	fraction := value.ObjectOf(value.Member{Name: "n", Value: 7.0}) // as a database may have it
	for _, text := range []string{"7 / 2 * 2", "int(user.n)"} {
		v, _ := mustCompile(t, text, Options{}).Eval(fraction)
		if _, ok := v.(int64); !ok {
			t.Errorf("a whole number that was computed, %s, is a %T", text, v)
		}
	}
}

// A message says what to write instead.
func TestHelpersSayWhatToDo(t *testing.T) {
	user := parseUser(t, `{"empty":"","active":"ja"}`)
	for text, want := range map[string]string{
		"e164(user.empty)":             "an empty text is no phone number: where there may be one, write `user.field || null`",
		"e164(user.empty, 'DE')":       "an empty text is no phone number: where there may be one, write `user.field || null`",
		"e164('664123456.0', 'AT')":    "this is written with decimals, which would be taken for digits: `user.phone.replace(/\\.0$/, '')` takes them off",
		"e164('1.38E+10', 'CN')":       "this is a number in scientific notation, which has lost digits: make the column text in the spreadsheet, and export it again",
		"date(user.empty)":             "an empty text is no date: where there may be one, write `user.field || null`",
		"date(user.empty, 'D.M.YYYY')": "an empty text is no date: where there may be one, write `user.field || null`",
		"bool(user.empty)":             "an empty text is no word for yes or no: where there may be one, write `user.field || null`",
		"bool(user.active)":            "this string is no word for yes or no that bool knows, such as yes, false, 1: compare others, as in lower(user.active) == 'ja'",
	} {
		_, err := mustCompile(t, text, Options{}).Eval(user)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestHelpers(t *testing.T) {
	user := parseUser(t, `{"phone":"138 1234 5678","num":13812345678,"null":null,"created":1577934245,"zoned":"2020-01-02T03:04:05.5+08:00"}`)
	for text, want := range map[string]string{
		"e164(user.phone, 'CN')":                       `"+8613812345678"`,
		"e164(user.phone, 'cn')":                       `"+8613812345678"`,
		"e164(user.num, 'CN')":                         `"+8613812345678"`,
		"e164('+49 (30) 901820')":                      `"+4930901820"`,
		"e164('030 901820', 'D' + 'E')":                `"+4930901820"`,
		"e164(user.phone)":                             "expression.phone",
		"e164('')":                                     "expression.phone",
		"e164('12', 'CN')":                             "expression.phone",
		"e164('abc', 'CN')":                            "expression.phone",
		"e164(user.phone, 'XX')":                       "expression.arguments",
		"e164(user.phone, 'X' + 'X')":                  "expression.argument",
		"e164(user.null, 'CN')":                        `null`,
		"date('2020-01-02')":                           `"2020-01-02T00:00:00Z"`,
		"date('2020-01-02 03:04:05')":                  `"2020-01-02T03:04:05Z"`,
		"date('2020/01/02')":                           `"2020-01-02T00:00:00Z"`,
		"date('2020-01-02T03:04:05+08:00')":            `"2020-01-02T03:04:05+08:00"`,
		"date(user.zoned)":                             `"2020-01-02T03:04:05.5+08:00"`,
		"date('Thu, 02 Jan 2020 03:04:05 GMT')":        `"2020-01-02T03:04:05Z"`,
		"date('01/02/2020')":                           "expression.date",
		"date('1.2.2020')":                             "expression.date",
		"date('2020-02-30')":                           "expression.date",
		"date('2020-01-02 03:04:05 CST')":              "expression.date",
		"date('')":                                     "expression.date",
		"date('yesterday')":                            "expression.date",
		"date(user.created)":                           "expression.date",
		"date(true)":                                   "expression.date",
		"date([1])":                                    "expression.date",
		"date('01/02/2020', 'DD/MM/YYYY')":             `"2020-02-01T00:00:00Z"`,
		"date('01/02/2020', 'MM/DD/YYYY')":             `"2020-01-02T00:00:00Z"`,
		"date('1/2/20', 'M/D/YY')":                     `"2020-01-02T00:00:00Z"`,
		"date('2020-01-02 15:04', 'yyyy-MM-dd HH:mm')": `"2020-01-02T15:04:00Z"`,
		"date('2020-01-02T15:04:05.678', 'YYYY-MM-DDTHH:mm:ss.SSS')":      `"2020-01-02T15:04:05.678Z"`,
		"date('2 January 2020 3:04 PM', 'D MMMM YYYY h:mm A')":            `"2020-01-02T15:04:00Z"`,
		"date('2020年01月02日', 'YYYY年MM月DD日')":                              `"2020-01-02T00:00:00Z"`,
		"date('20200102', 'YYYYMMDD')":                                    `"2020-01-02T00:00:00Z"`,
		"date('2020-01-02 03:04:05 +0200', 'YYYY-MM-DD HH:mm:ss ZZ')":     `"2020-01-02T03:04:05+02:00"`,
		"date('02.01.2020', 'YYYY-MM-DD', 'DD.MM.YYYY')":                  `"2020-01-02T00:00:00Z"`,
		"date('02-Jan-2020', '02-Jan-2006')":                              `"2020-01-02T00:00:00Z"`,
		"date('on 2020-01-02', '[on] YYYY-MM-DD')":                        `"2020-01-02T00:00:00Z"`,
		"date('02.13.2020', 'DD.MM.YYYY')":                                "expression.date",
		"date(user.created, 'unix')":                                      `"2020-01-02T03:04:05Z"`,
		"date('1577934245', 'unix')":                                      `"2020-01-02T03:04:05Z"`,
		"date(1577934245678, 'unixms')":                                   `"2020-01-02T03:04:05.678Z"`,
		"date(1577934245.5, 'unix')":                                      `"2020-01-02T03:04:05.5Z"`,
		"date('x', 'unix')":                                               "expression.date",
		"date('', 'unix')":                                                "expression.date",
		"date(1e300, 'unix')":                                             "expression.date",
		"date('2020', 'nonsense')":                                        "expression.arguments",
		"date('2020', 'HH:mm')":                                           "expression.arguments",
		"date('2020', 'non' + 'sense')":                                   "expression.argument",
		"date(new Date(0))":                                               `"1970-01-01T00:00:00Z"`,
		"date(user.null, 'unix')":                                         `null`,
		"[true, 'Yes', ' y ', 'ON', 1, '1', 'TRUE', '是'].map(bool)":       `[true,true,true,true,true,true,true,true]`,
		"[false, 'no', 'N', 'off', 0, '0', 'False', '否', null].map(bool)": `[false,false,false,false,false,false,false,false,null]`,
		"bool('')":                   "expression.boolean",
		"bool('maybe')":              "expression.boolean",
		"bool(2)":                    "expression.boolean",
		"bool([])":                   "expression.boolean",
		"uuid5('dns', 'python.org')": `"886313e1-3b8a-5372-9b90-0c9aee199e5d"`,
		"uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'python.org')": `"886313e1-3b8a-5372-9b90-0c9aee199e5d"`,
		"uuid5('dns', user.null)":                                     `null`,
		"uuid5('x', 'y')":                                             "expression.uuid",
		"lower('ÀÉ') + upper('ß')":                                    `"àéSS"`,
		"trim('--a--', '-')":                                          `"a"`,
		"['A', 'B'].map(lower)":                                       `["a","b"]`,
		"[' a ', null].map(trim)":                                     `["a",null]`,
		"int('1.9') + int(-1.9)":                                      `0`,
		"int('')":                                                     "expression.argument",
		"float('x')":                                                  "expression.argument",
		"float('1.5')":                                                `1.5`,
		"toBase64(fromBase64('/wA='))":                                `"/wA="`,
		"fromBase64('!')":                                             "expression.argument",
	} {
		if got := outcome(text, user); got != want {
			t.Errorf("%s = %s; want %s", text, got, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	opts := Options{Env: func(name string) (string, bool) { return "eu", name == "REGION" }}
	if v, err := mustCompile(t, "env('REGION') + '-1'", opts).Eval(nil); v != "eu-1" || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := mustCompile(t, "env(user.name)", opts).Eval(parseUser(t, `{"name":"REGION"}`)); v != "eu" || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	_, err := mustCompile(t, "env(user.name)", opts).Eval(parseUser(t, `{"name":"HOME"}`))
	var failed *EvalError
	if !errors.As(err, &failed) || failed.Code != "expression.environment" {
		t.Errorf("a name that is not allowed: %v", err)
	}
	for _, opts := range []Options{opts, {}} {
		_, err := Compile("env('HOME')", opts)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Code != "expression.environment" || syntax.Offset != 4 {
			t.Errorf("env of what is not allowed: %v", err)
		}
	}
	for _, text := range []string{"env()", "env(1)", "['HOME'].map(env)", "env(...['HOME'])"} {
		p, err := Compile(text, opts)
		if err == nil {
			_, err = p.Eval(nil)
		}
		if err == nil {
			t.Errorf("%s is no error", text)
		}
	}
}

func TestPaths(t *testing.T) {
	for text, want := range map[string][]string{
		"user.mail":                            {"mail"},
		"user.a.b || user.c":                   {"a.b", "c"},
		"user":                                 {"*"},
		"JSON.stringify(user)":                 {"*"},
		"user['a']['b c']":                     {"a.b c"},
		"user[user.key]":                       {"*", "key"},
		"user.list[0].name":                    {"list.0.name"},
		"user.a[user.i]":                       {"a", "i"},
		"user.password.length":                 {"password"},
		"user.tags.map(t => t.x + user.y)":     {"tags", "y"},
		"[1].map(user => user.x)":              {},
		"let p = user.password; p.slice(3)":    {"password"},
		"const {a, b: {c}} = user; c":          {"*"},
		"user.a.toLowerCase().b":               {"a"},
		"user.name | lower()":                  {"name"},
		"filter(user.people, .age > user.min)": {"min", "people"},
		"'x'":                                  {},
		"user?.a?.b":                           {"a.b"},
		"`${user.a}`":                          {"a"},
		"({...user.a, b: user.c})":             {"a", "c"},
		"user.flag ? user.x : user.y":          {"flag", "x", "y"},
		"user.tags.map(lower).find(x => x == user.tag).name": {"tag", "tags"},
	} {
		got := mustCompile(t, text, Options{}).Paths()
		if !slices.Equal(got, want) {
			t.Errorf("%s reads %q; want %q", text, got, want)
		}
	}
}

func TestVariables(t *testing.T) {
	p := mustCompile(t, "record.a + '/' + target.a + '/' + [1].map(x => target.b + x)[0]", Options{Variables: []string{"record", "target"}})
	v, err := p.Eval(parseUser(t, `{"a":"x"}`), parseUser(t, `{"a":"y","b":2}`))
	if v != "x/y/3" || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	if v, err = p.Eval(parseUser(t, `{"a":"x"}`)); v != "x//NaN" || err != nil {
		t.Errorf("without the second: %v, %v", v, err)
	}
	if !cmp.Equal(p.Paths(), []string{"a"}) {
		t.Errorf("paths %v", p.Paths())
	}
	if _, err := Compile("user.a", Options{Variables: []string{"record"}}); err == nil {
		t.Error("user is there without being a variable")
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, tt := range []struct{ text, part, code, hint string }{
		{"usr.mail", "usr", "expression.unknown_name", "did you mean user?"},
		{"mail", "mail", "expression.unknown_name", "a field is read as user.mail"},
		{"lower(mail)", "mail", "expression.unknown_name", "user.mail"},
		{"user.tags.map(t => s)", "s", "expression.unknown_name", ""},
		{"lowr(user.mail)", "lowr", "expression.unknown_function", "did you mean lower?"},
		{"toLowerCase(user.mail)", "toLowerCase", "expression.unknown_function", "x.toLowerCase(…)"},
		{"Math.cieling(1)", "Math.cieling", "expression.unknown_function", "Math."},
		{"Math.random()", "Math.random", "expression.unknown_function", ""},
		{"user.mail.toLowercase()", "toLowercase", "expression.unknown_method", "did you mean toLowerCase?"},
		{"user.mail.lower()", "lower", "expression.unknown_method", ""},
		{"user.mail.e164()", "e164", "expression.unknown_method", "e164(x)"},
		{"user.tags.push('x')", "push", "expression.unknown_method", "change nothing"},
		{"lower()", "lower", "expression.arguments", ""},
		{"lower(user.a, user.b)", "user.b", "expression.arguments", ""},
		{"user.tags.map('x')", "'x'", "expression.arguments", "x => x.name"},
		{"user.tags.join(x => x)", "x => x", "expression.arguments", ""},
		{"user.a + (x => x)", "x => x", "expression.unsupported", ""},
		{"[lower]", "lower", "expression.unsupported", ""},
		{"lower", "lower", "expression.unsupported", ""},
		{"user.a = 1", "user.a = 1", "expression.unsupported", "=="},
		{"user.a++", "user.a", "expression.unsupported", "change nothing"},
		{"user.a += 1", "user.a += 1", "expression.unsupported", ""},
		{"this.a", "this", "expression.unsupported", ""},
		{"new Foo()", "Foo", "expression.unsupported", ""},
		{"user.a instanceof Date", "user.a", "expression.unsupported", ""},
		{"10n", "10n", "expression.unsupported", "without the n"},
		{"1, 2", "1", "expression.unsupported", ""},
		{"tag`x`", "tag", "expression.unsupported", ""},
		{"user.a.replace(/(?<=x)y/, '')", "/(?<=x)y/", "expression.regexp", ""},
		{"/(a)\\1/.test('aa')", "/(a)\\1/", "expression.regexp", ""},
		{"/a/y.test('a')", "/a/y", "expression.regexp", ""},
		{"user.a matches '('", "'('", "expression.regexp", ""},
		{"new RegExp('(')", "RegExp", "expression.regexp", ""},
		{"user.", "", "expression.syntax", ""},
		{"user.a +", "", "expression.syntax", ""},
		{"(user.a", "", "expression.syntax", ""},
		{"user.a b", "b", "expression.syntax", ""},
		{"'é' + user.a b", "b", "expression.syntax", ""},
		{"user.tags.map(t => {", "", "expression.syntax", ""},
		{"", "", "expression.syntax", ""},
		{"user.a; user.b", "", "", ""},
		{"a) + (b", ")", "expression.syntax", ""},
		{"user.a | lower() === 'x'", "user.a | lower", "expression.unsupported", "f(x)"},
		{"2 ^ 3 and 1", "^", "expression.unsupported", "**"},
		{"user.a and #", "", "expression.syntax", ""},
		{"filter(user.a, #foo)", "#", "expression.unknown_name", ""},
		{"user.a\x00", "\x00", "expression.syntax", ""},
		{"'\xff'", "\xff", "expression.syntax", ""},
	} {
		_, err := Compile(tt.text, Options{})
		if tt.code == "" {
			if err != nil {
				t.Errorf("%q: %v", tt.text, err)
			}
			continue
		}
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%q compiles: %v", tt.text, err)
			continue
		}
		if e.Code != tt.code || !strings.Contains(err.Error(), tt.hint) {
			t.Errorf("%q: %s: %v; want %s … %s", tt.text, e.Code, err, tt.code, tt.hint)
		}
		end := min(e.Offset+e.Length, len(tt.text))
		if part := tt.text[e.Offset:end]; !strings.HasPrefix(part, tt.part) && !strings.HasPrefix(tt.part, part) || tt.part != "" && part == "" {
			t.Errorf("%q: the place is %q; want %q (%v)", tt.text, part, tt.part, err)
		}
	}
}

func TestEvalErrorsNameTheirPlaceAndNoValue(t *testing.T) {
	user := parseUser(t, `{"mail":"hunter2@x.y","age":77,"list":["hunter2"],"o":{"k":"hunter2"}}`)
	for _, tt := range []struct{ text, part, code string }{
		{"lower(e164(user.mail))", "e164", "expression.phone"},
		{"date(user.mail)", "date", "expression.date"},
		{"bool(user.mail)", "bool", "expression.boolean"},
		{"user.age.toLowerCase()", "user.age.toLowerCase", "expression.type"},
		{"user.o.trim()", "user.o.trim", "expression.type"},
		{"user.mail.map(x => x)", "user.mail.map", "expression.type"},
		{"user.list.map(x => x + bool(x))", "bool", "expression.boolean"},
		{"user.list.map(x => [x].map(y => e164(y)))", "e164", "expression.phone"},
		{"JSON.parse(user.mail)", "JSON.parse", "expression.json"},
		{"decodeURIComponent('%' + user.mail)", "decodeURIComponent", "expression.uri"},
		{"'é' + new Date(user.mail).toISOString()", "new Date(user.mail).toISOString", "expression.date"},
		{"float(user.mail)", "float", "expression.argument"},
		{"filter(user.mail, # > 1)", "filter", "expression.type"},
		{"new RegExp('(' + user.mail).test('')", "new RegExp", "expression.regexp"},
		{"'x' in user.age", "'x' in user.age", "expression.type"},
		{"[...user.o]", "user.o", "expression.type"},
		{"user.age.toFixed(999)", "user.age.toFixed", "expression.argument"},
		{"uuid5(user.mail, 'x')", "uuid5", "expression.uuid"},
		{"date('hunter2', 'YYYY')", "date", "expression.date"},
	} {
		p := mustCompile(t, tt.text, Options{})
		_, err := p.Eval(user)
		var e *EvalError
		if !errors.As(err, &e) || e.Code != tt.code || e.Expression != tt.text {
			t.Errorf("%s: %#v; want %s", tt.text, err, tt.code)
			continue
		}
		part := tt.text[e.Offset : e.Offset+e.Length]
		if part == "" || !strings.Contains(tt.part, part) {
			t.Errorf("%s: the place is %q; want %q", tt.text, part, tt.part)
		}
		if text := err.Error(); strings.Contains(text, "hunter2") || strings.Contains(text, "77") {
			t.Errorf("%s: %s shows a value", tt.text, text)
		}
	}
}

func TestSecretsStaySecret(t *testing.T) {
	user := value.ObjectOf(
		value.Member{Name: "password", Value: value.Secret("hunter2")},
		value.Member{Name: "salt", Value: "pepper"},
		value.Member{Name: "list", Value: []any{value.Secret("hunter2"), "plain"}},
	)
	for _, text := range []string{
		"user.password", "user.password || ''", "user.password ?? ''", "'{SSHA}' + user.password", "user.password + user.salt",
		"`${user.password}`", "user.password.slice(1)", "user.password.toUpperCase()", "lower(user.password)", "String(user.password)",
		"user.password.split('u')", "user.password[0]", "user.password.charAt(1)", "user.salt.replace('p', user.password)",
		"user.password.replace(/h/, '')", "user.list.join()", "[user.password]", "({hash: user.password})", "JSON.stringify(user)",
		"JSON.stringify({a: [user.password]})", "[user.salt].map(s => s + user.password)", "[...user.password]", "user.list.map(x => x.trim())",
		"user.password.match(/u(.)/)", "Object.values(user)", "toBase64(user.password)", "encodeURIComponent(user.password)", "user.list.sort()",
		"user.salt.concat(user.password)", "user.list + ''", "string(user.list)", "user.password.padStart(20)", "user.list.toString()",
		"user.password | upper()", "repeat(user.password, 2)", "uuid5('dns', user.password)", "user.password.length > 3 ? user.password : ''",
		"let p = user.password; p + 1", "reduce(user.list, #acc + #, '')", "user.list.flatMap(x => x.split(''))", "groupBy(user.list, #)[user.salt] || user.password",
	} {
		v, err := mustCompile(t, text, Options{}).Eval(user)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		shown := strings.ToLower(string(value.AppendJSON(nil, v)))
		if !strings.Contains(shown, "redacted") || strings.Contains(shown, "unter") || strings.Contains(shown, "agvu") || strings.Contains(shown, "880a5b") {
			t.Errorf("%s shows %s", text, shown)
		}
	}
	for text, want := range map[string]any{
		"user.password === 'hunter2'": true, "user.password == user.salt": false, "user.password.length": int64(7),
		"!!user.password": true, "typeof user.password": "string", "user.password.startsWith('h')": true,
		"user.password.includes('x') ? 'a' : 'b'": "b", "/^h/.test(user.password)": true, "user.salt + 1": "pepper1",
		"[user.password, user.salt].map(x => 'y')[0]": "y", "user.password < 'i'": true, "'unt' in user.password": true,
	} {
		if v, err := mustCompile(t, text, Options{}).Eval(user); v != want || err != nil {
			t.Errorf("%s = %v, %v; want %v", text, v, err, want)
		}
	}
	v, err := mustCompile(t, "'{SSHA}' + user.password", Options{}).Eval(user)
	if s, ok := v.(value.Secret); !ok || s.Reveal() != "{SSHA}hunter2" || err != nil {
		t.Errorf("the secret itself is lost: %v", err)
	}
}

func TestTimesAndBytes(t *testing.T) {
	user := value.ObjectOf(
		value.Member{Name: "at", Value: time.Date(2020, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 8*3600))},
		value.Member{Name: "utc", Value: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)},
		value.Member{Name: "text", Value: []byte("héllo")},
		value.Member{Name: "raw", Value: []byte{0xff, 0x00}},
	)
	for text, want := range map[string]string{
		"user.at":                         `"2020-01-02T03:04:05.000006+08:00"`,
		"'' + user.at":                    `"2020-01-02T03:04:05.000006+08:00"`,
		"date(user.at)":                   `"2020-01-02T03:04:05.000006+08:00"`,
		"new Date(user.at).toISOString()": `"2020-01-01T19:04:05.000Z"`,
		"user.at.toISOString()":           `"2020-01-01T19:04:05.000Z"`,
		"user.at.getTime()":               `1577905445000`,
		"user.at < user.utc":              `true`,
		"user.utc - user.at":              `28800000`,
		"user.utc === new Date('2020-01-02T03:04:05Z')": `true`,
		"JSON.stringify(user.utc)":                      `"\"2020-01-02T03:04:05.000Z\""`,
		"user.at.getFullYear()":                         `2020`,
		"typeof user.at":                                `"object"`,
		"type(user.at) + type(user.raw)":                `"timebytes"`,
		"user.text + '!'":                               `"héllo!"`,
		"user.text.toUpperCase()":                       `"HÉLLO"`,
		"user.raw":                                      `"/wA="`,
		"user.raw + ''":                                 `"/wA="`,
		"user.raw.length":                               `2`,
		"toBase64(user.text)":                           `"aMOpbGxv"`,
	} {
		if got := outcome(text, user); got != want {
			t.Errorf("%s = %s; want %s", text, got, want)
		}
	}
}

func TestSafeForConcurrentUse(t *testing.T) {
	texts := []string{
		"user.n", "lower(user.s) + user.n", "user.list.map(x => x + user.n).join()", "user.list.sort((a, b) => b - a)[0]",
		"user.s.localeCompare('b')", "user.s.toUpperCase() + 'é'.toUpperCase()", "let a = user.n; [1, 2].map(x => [3].map(y => a + x + y))",
	}
	programs := make([]*Program, len(texts))
	for i, text := range texts {
		programs[i] = mustCompile(t, text, Options{})
	}
	var all sync.WaitGroup
	for worker := range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			user := parseUser(t, fmt.Sprintf(`{"n":%d,"s":"É%d","list":[%d,1,2]}`, worker, worker, worker))
			want := make([]string, len(programs))
			for round := range 300 {
				for i, p := range programs {
					v, err := p.Eval(user)
					got := string(value.AppendJSON(nil, v))
					if err != nil || round > 0 && got != want[i] {
						t.Errorf("%s = %s, %v; was %s", texts[i], got, err, want[i])
						return
					}
					want[i] = got
				}
			}
		}()
	}
	all.Wait()
}

// A machine that is used again knows nothing of what came before.
func TestNothingIsLeftBehind(t *testing.T) {
	failing := mustCompile(t, "user.list.map(x => [x].map(y => e164(y)))", Options{})
	using := mustCompile(t, "user.list.map(x => x + user.a)", Options{})
	secret := mustCompile(t, "user.secret + e164('x')", Options{})
	for range 3 {
		if _, err := failing.Eval(parseUser(t, `{"list":["x"]}`)); err == nil {
			t.Fatal("no error")
		}
		if _, err := secret.Eval(value.ObjectOf(value.Member{Name: "secret", Value: value.Secret("s")})); err == nil {
			t.Fatal("no error")
		}
		v, err := using.Eval(parseUser(t, `{"list":["x","y"],"a":1}`))
		if got := string(value.AppendJSON(nil, v)); err != nil || got != `["x1","y1"]` {
			t.Fatalf("%s, %v", got, err)
		}
		m := machines.Get().(*machine)
		if m.steps != 0 || m.memory != 0 || m.depth != 0 || m.levels != 0 || m.revealed || slices.ContainsFunc(m.slots, func(v any) bool { return v != nil }) {
			t.Fatalf("a machine was put back in use: %+v", m)
		}
		machines.Put(m)
	}
}

func TestErrorsAreReadable(t *testing.T) {
	_, err := Compile("user.mail.toLowercase()", Options{})
	if got := err.Error(); got != "there is no method toLowercase (did you mean toLowerCase?)" {
		t.Error(got)
	}
	_, err = mustCompile(t, "[1].trim()", Options{}).Eval(nil)
	if got := err.Error(); got != "trim is not a method of an array" {
		t.Error(got)
	}
	raw, err := json.Marshal(Functions()[0])
	if err != nil || !strings.Contains(string(raw), `"Signature":"e164(phone, region)"`) {
		t.Errorf("%s, %v", raw, err)
	}
}

// Whatever it is given, a function answers or says what is wrong with that.
func TestEveryFunctionTakesEverything(t *testing.T) {
	user := value.ObjectOf(value.Member{Name: "v", Value: []any{
		nil, true, int64(-1), int64(math.MaxInt64), 1.5, math.NaN(), math.Inf(-1), value.Number("1e999"), value.Number("99999999999999999999"), "", "x",
		"😀é", "2020-01-02", []byte{0xff}, time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), value.Secret("s"), []any{}, []any{nil, "x", []any{int64(1), "a"}},
		value.ObjectOf(), value.ObjectOf(value.Member{Name: "a", Value: []any{}}), (*value.Object)(nil), []any(nil),
	}})
	var calls []string
	for name := range functions {
		calls = append(calls, name+"(%s)", "user.v.map("+name+")")
	}
	for name := range methods {
		calls = append(calls, "a."+name+"(%s)", "/x/g."+name+"(%s)", "new Date('x')."+name+"(%s)", "a."+name+"(...b)")
	}
	n := 0
	for _, call := range calls {
		for _, args := range []string{"", "a", "a, b", "b, a, a", "x => b", "a, x => b, b", "/x/g, b", "a, /x/g", "...user.v"} {
			text := call
			if strings.Contains(call, "%s") {
				text = fmt.Sprintf(call, args)
			}
			p, err := Compile(text, Options{Variables: []string{"user", "a", "b"}})
			if err != nil {
				continue
			}
			list, _ := user.Get("v")
			values := list.([]any)
			for i, a := range values {
				// With each a goes another third of what b can be.
				for j := i % 3; j < len(values); j += 3 {
					b := values[j]
					n++
					v, err := p.Eval(user, a, b)
					if err != nil {
						if e := (*EvalError)(nil); !errors.As(err, &e) || e.Code == "expression.internal" {
							t.Errorf("%s of %#v and %#v: %v", text, a, b, err)
						}
					} else if !isValue(v) {
						t.Errorf("%s of %#v and %#v is a %T", text, a, b, v)
					}
				}
			}
		}
	}
	t.Logf("%d calls", n)
}
