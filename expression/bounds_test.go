package expression

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/value"
)

// Each of these would take memory or time without end, or more of the stack than there is.
func TestEvaluationIsBounded(t *testing.T) {
	list := make([]any, 3000)
	for i := range list {
		list[i] = int64(i)
	}
	long := strings.Repeat("ab ", 1<<20)
	user := value.ObjectOf(
		value.Member{Name: "list", Value: list},
		value.Member{Name: "long", Value: long},
		value.Member{Name: "huge", Value: strings.Repeat("x", 100<<20)},
		value.Member{Name: "digits", Value: strings.Repeat("9", 5<<20)},
		value.Member{Name: "number", Value: value.Number(strings.Repeat("9", 5<<20))},
		value.Member{Name: "pattern", Value: "(x+x+)+y"},
	)
	for _, text := range []string{
		"'x'.repeat(1e9)",
		"'x'.repeat(2 ** 62)",
		"'x'.padStart(1e15)",
		"'x'.padEnd(2 ** 31, 'ab')",
		"user.list.map(a => user.list.map(b => user.list.map(c => a + b + c)))",
		"user.list.reduce((a, x) => a + a, 'x')",
		"user.list.reduce((a, x) => [...a, ...a], [1])",
		"user.list.reduce((a, x) => [a, a], 1).flat(Infinity)",
		"user.list.reduce((a, x) => [a, a], 1) + ''",
		"user.list.reduce((a, x) => ({a, b: a}), 1)",
		"JSON.stringify(user.list.reduce((a, x) => [a, a], 1))",
		"[user.list.reduce((a, x) => [a, a], 1)]",
		"user.list.reduce((a, x) => a.replace(/x/g, 'xx'), 'x')",
		"user.list.reduce((a, x) => a.replaceAll('x', '$&$&'), 'x')",
		"user.list.reduce((a, x) => JSON.stringify(a), '\"')",
		"user.list.map(x => user.long.toUpperCase())",
		"user.list.map(x => /(a|b|ab)*c/.test(user.long))",
		"user.list.map(x => user.long.split(' ').length)",
		"user.list.map(x => user.long.length)",
		"user.list.map(x => [...user.list].sort((a, b) => b - a))",
		"user.list.map(x => user.long === user.long + '')",
		"user.list.map(x => user.huge.trim().toLowerCase())",
		"user.huge.toLowerCase()",
		"user.huge.split('')",
		"[...user.huge]",
		"user.huge.replace(/x/g, '')",
		"encodeURIComponent(user.huge)",
		"1..1000000000",
		"map(1..100000, [" + strings.Repeat("1,", 8000) + "1])",
		"map(1..100000, ({a: [" + strings.Repeat("1,", 4000) + "1]}))",
		"reduce(1..500000, [#acc], 0) + ''",
		"reduce(1..500000, [#acc], 0)",
		"reduce(1..200000, ({a: #acc}), 0)",
		"toJSON(reduce(1..500000, [#acc], 0))",
		"flatten([reduce(1..500000, [#acc], 0)])",
		"reduce(1..500000, [#acc], 0).flat(Infinity)",
		"[reduce(1..500000, [#acc], 0)] == '0'",
		"filter(1..100000, any(1..100000, # == 0))",
		"reduce(user.list, #acc + #acc, 'x')",
		"groupBy(user.list, 'x'.repeat(1e6) + #)",
		"user.list.map(x => new RegExp('(a{1000}){' + x + '}'))",
		"user.list.map(x => new RegExp('x'.repeat(4000) + x).test('a'))",
		"user.list.map(x => uniq(user.list.map(y => [y])))",
		"user.list.map(x => user.list.map(y => ({...user})))",
		"user.list.map(x => Object.assign({}, user.list))",
		"user.list.map(x => user.list.includes(-1) || user.list.map(y => user.list.includes(-1)))",
		"user.list.map(x => user.list.map(y => -1 in user.list))",
		"user.list.map(x => 'é'.repeat(20000).localeCompare('e'.repeat(20000) + x))",
		"user.list.map(x => user.list.map(y => e164('+8613812345678')))",
		"user.list.map(x => user.list.map(y => date('2020-01-01')))",
		"user.list.map(x => user.list.map(y => (1.5).toFixed(100)))",
		"user.list.map(x => user.list.map(y => (1e-300).toPrecision(100)))",
		"user.list.map(x => user.list.map(y => 7 ** 63))",
		"user.list.map(x => Number(user.digits).toFixed(2))",
		"user.list.map(x => type(user.number) + int(user.number))",
		"user.list.map(x => user.number > x)",
	} {
		p, err := Compile(text, Options{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		start := time.Now()
		_, err = p.Eval(user)
		took := time.Since(start)
		var e *EvalError
		if !errors.As(err, &e) || !strings.HasPrefix(e.Code, "expression.too_") && e.Code != "expression.regexp" && e.Code != "expression.argument" {
			t.Errorf("%s: %v after %v", text, err, took)
		}
		if took > slow {
			t.Errorf("%s took %v", text, took)
		}
	}
}

// slow is far above what any of them takes, and far below what they would take without bounds.
const slow = 5 * time.Minute

// A number may have as many digits as a source gives it.
func TestLongNumbers(t *testing.T) {
	digits := strings.Repeat("9", 5<<20)
	user := value.ObjectOf(value.Member{Name: "text", Value: digits}, value.Member{Name: "n", Value: value.Number(digits)})
	start := time.Now()
	for text, want := range map[string]string{
		"Number(user.text) > 1e308":          "true",
		"Number(user.text).toFixed(2)":       `"Infinity"`,
		"user.n === user.n && user.n !== 1":  "true",
		"user.n ? 1 : 2":                     "1",
		"user.n.toFixed(2).length":           "5242880",
		"user.n.toString(16)":                "expression.argument",
		"int(user.n)":                        "expression.argument",
		"Number('9'.repeat(400)) === user.n": "false",
	} {
		if got := outcome(text, user); got != want {
			t.Errorf("%s = %.100s; want %s", text, got, want)
		}
	}
	if took := time.Since(start); took > slow {
		t.Errorf("they took %v", took)
	}
}

// A value as deep as a source can give it is no trouble.
func TestDeepValues(t *testing.T) {
	deep := any("x")
	for range 9990 {
		deep = []any{deep}
	}
	user := value.ObjectOf(value.Member{Name: "deep", Value: deep})
	for text, want := range map[string]string{
		"'' + user.deep":                   `"x"`,
		"user.deep.flat(Infinity)":         `["x"]`,
		"JSON.stringify(user.deep).length": `19983`,
		"[user.deep].length":               `1`,
	} {
		if got := outcome(text, user); got != want {
			t.Errorf("%s = %.100s; want %s", text, got, want)
		}
	}
}

func TestTextIsBounded(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("(", 1200) + "1" + strings.Repeat(")", 1200):     "1",
		strings.Repeat("[", 600) + strings.Repeat("]", 600):             "expression.too_deep",
		strings.Repeat("!", 700) + "1":                                  "expression.too_deep",
		strings.Repeat("not ", 700) + "1":                               "expression.too_deep",
		strings.Repeat("[", 16000):                                      "expression.syntax",
		strings.Repeat("a=>", 5000) + "1":                               "expression.syntax",
		"user.x" + strings.Repeat(" ", MaxText):                         "expression.too_long",
		"/" + strings.Repeat("(a{900}){1}", 20) + "/.test('')":          "expression.regexp",
		"user." + strings.Repeat("a.", 2000) + "a":                      "expression.too_deep",
		strings.Repeat("user.a[", 600) + "0" + strings.Repeat("]", 600): "expression.too_deep",
	} {
		start := time.Now()
		if got := outcome(text, nil); got != want {
			t.Errorf("%.30s… gives %s; want %s", text, got, want)
		}
		if took := time.Since(start); took > slow {
			t.Errorf("%.30s… took %v", text, took)
		}
	}
}
