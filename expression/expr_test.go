package expression

import (
	"testing"

	"github.com/usher-id/usher/value"
)

const exprUser = `{"name":"Ann","mail":"A@B.c","tags":["x"," y "],"nums":[3,1,2],"n":7,"null":null,"flag":false,` +
	`"people":[{"name":"Bo","age":3},{"name":"Al","age":40}],"meta":{"k":"v"}}`

// exprExpressions are in expr's own syntax, with what they give.
var exprExpressions = []struct{ text, want string }{
	{"user.name matches '^A'", `true`},
	{"user.name matches user.name", `true`},
	{"user.missing matches '^A'", `false`},
	{"not (user.name matches '^B')", `true`},
	{"user.name contains 'nn' and user.mail endsWith '.c'", `true`},
	{"user.name startsWith 'B' or user.mail startsWith 'A'", `true`},
	{"user.missing contains 'x'", `false`},
	{"'x' in user.tags", `true`},
	{"'z' not in user.tags", `true`},
	{"'k' in user.meta", `true`},
	{"'nn' in user.name", `true`},
	{"'k' in user.missing", `false`},
	{"user.n in 1..10", `true`},
	{"user.tags | map(trim(#)) | join('-')", `"x-y"`},
	{"user.name | lower() | split('')", `["a","n","n"]`},
	{"user.missing || user.name | upper()", `"ANN"`},
	{"map(user.people, .name)", `["Bo","Al"]`},
	{"map(user.people, {.name + #index})", `["Bo0","Al1"]`},
	{"filter(user.people, .age > 18)[0].name", `"Al"`},
	{"user.people | filter(.age > 18) | map(.name) | first()", `"Al"`},
	{"count(user.people, .age > 18)", `1`},
	{"sum(user.people, .age)", `43`},
	{"reduce(user.nums, #acc + #, 10)", `16`},
	{"sortBy(user.people, .name) | map(.age)", `[40,3]`},
	{"sortBy(user.people, #.name, 'desc') | map(.age)", `[3,40]`},
	{"groupBy(user.nums, # % 2)", `{"1":[3,1],"0":[2]}`},
	{"find(user.people, #.age < 10).name", `"Bo"`},
	{"any(user.nums, # > 2) and all(user.nums, # > 0) and none(user.nums, # > 3) and one(user.nums, # == 1)", `true`},
	{"filter(user.people, any(user.nums, # == 3) and .age == 3)[0]?.name", `"Bo"`},
	{"let x = user.name; let y = x + '!'; x + y", `"AnnAnn!"`},
	{"if user.n > 5 { 'big' } else if user.n > 2 { 'mid' } else { 'small' }", `"big"`},
	{"user.tags[0:1]", `["x"]`},
	{"user.name[1:]", `"nn"`},
	{"user.name[:-1]", `"An"`},
	{"1..3", `[1,2,3]`},
	{"3..1", `[]`},
	{"user.null == nil and user.missing == nil", `true`},
	{"user.n == '7' and not false", `true`},
	{"'n=' + user.n and 2 ** 3", `8`},
	{"user.flag and 1 or user.flag", `false`},
	{"1 < user.n < 10", `true`},
	{"not user.flag ? 'no' : 'yes'", `"no"`},
	{"(user.name; user.mail)", `"A@B.c"`},
	{"len(user.name) + len(user.tags) + len(user.meta) + len(user.missing)", `6`},
	{"uniq(concat(user.nums, user.nums)) | sort() | reverse()", `[3,2,1]`},
	{"toPairs(user.meta) | fromPairs() | keys()", `["k"]`},
	{"not any(user.missing, # == 1)", `true`},
	{"{a: user.n, 'b': [1], (user.name): 2} | values() | len()", `3`},
	{"type(user.n) + type(user.name) + type(user.nothing)", `"intstringnil"`},
	{`user.name matches "^\\w+$" and "\u0041" == "A"`, `true`},
	{"user.name not contains 'z'", `true`},
	{"user.people[0]['name'] | lower()", `"bo"`},
	{"user?.people?.[0]?.name ?? 'x'", `"Bo"`},
	{"true and Math.max(1, 2) == 2", `true`},
	{"b'ab' | len() > 0 and true", `true`},
	{"findLast(user.nums, # > 1) + findIndex(user.nums, # == 1) + findLastIndex(user.nums, # > 1)", `5`},
	{"mean(user.nums) + median(user.nums) + max(user.nums) + min(user.nums)", `8`},
	{"1_000 + 0x1f + 0b11 + 1e3 and not false ? 0.5 + .5 : 0", `1`},
}

func TestExprSyntax(t *testing.T) {
	user, err := value.ParseJSON([]byte(exprUser))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range exprExpressions {
		p, err := Compile(tt.text, Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		v, err := p.Eval(user)
		if got := string(value.AppendJSON(nil, v)); err != nil || got != tt.want {
			t.Errorf("%s = %s, %v; want %s", tt.text, got, err, tt.want)
		}
	}
}
