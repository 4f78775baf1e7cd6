package storesource_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	storesource "github.com/usher-id/usher/sources/store"
	sorting "github.com/usher-id/usher/transforms/sort"
)

// plainSource hides what a source can do beside reading, so that others have to do it.
type plainSource struct {
	pipeline.UnimplementedSource
	source pipeline.Source
}

func (s plainSource) Open(ctx context.Context) error { return s.source.Open(ctx) }
func (s plainSource) Next(ctx context.Context, most int) (*pipeline.Batch, error) {
	return s.source.Next(ctx, most)
}
func (s plainSource) Close() error { return s.source.Close() }

// likeUsers gives users many of whose values are alike, missing, or differ in a way that one order of texts minds and another does not.
func likeUsers(random *rand.Rand, n int) []string {
	texts := []string{"a", "A", "b", "B", "aa", "a b", "ä", "a\u0308", "z", "Z", "é", "漢", "\uffee", "😀", "\U00010000", "\ue000", "0", "10", "9", "-1", "true", "null", " a", "a ", "'", "ß", "ss", "İ", "i", "ı"}
	text := func() string { return texts[random.IntN(len(texts))] }
	instants := []string{"2026-01-02T03:04:05Z", "2026-01-02T11:04:05+08:00", "2026-01-02T03:04:05.000000001Z", "2026-01-01T23:59:59-11:30", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"}
	users := make([]string, n)
	for i := range users {
		var b strings.Builder
		fmt.Fprintf(&b, `{"external_id":"%s%d"`, text(), i)
		if random.IntN(4) > 0 {
			fmt.Fprintf(&b, `,"email":"u%d@x.com","email_verified":%v`, random.IntN(3)*1000+i, random.IntN(2) == 0)
		}
		if random.IntN(3) > 0 {
			fmt.Fprintf(&b, `,"phone_number":"+86131%08d","phone_number_verified":%v`, i, random.IntN(2) == 0)
		}
		for _, name := range []string{"name", "given_name", "family_name", "nickname", "gender"} {
			if random.IntN(4) > 0 {
				fmt.Fprintf(&b, `,%q:%q`, name, text())
			}
		}
		if random.IntN(3) > 0 {
			fmt.Fprintf(&b, `,"logins_count":%d`, random.IntN(4))
		}
		for _, name := range []string{"last_login", "created_at", "updated_at"} {
			if random.IntN(3) > 0 {
				fmt.Fprintf(&b, `,%q:%q`, name, instants[random.IntN(len(instants))])
			}
		}
		fmt.Fprintf(&b, `,"disabled":%v,"user_metadata":{"n":%q}}`, random.IntN(2) == 0, text())
		users[i] = b.String()
	}
	return users
}

func read(t *testing.T, s pipeline.Source) []string {
	t.Helper()
	defer s.Close()
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	return drain(t, s)
}

// What the database sorts comes as the transform sort would bring it.
func TestOrderIsThatOfTheTransform(t *testing.T) {
	dir := t.TempDir()
	fillBy(t, dir, "r", "external_id", likeUsers(rand.New(rand.NewPCG(1, 2026)), 400)...)
	given := map[string]bool{} // by the database
	for _, by := range []string{
		"user.email", "user.name", "user.external_id", "user.nickname", "user.email_verified", "user.phone_number_verified", "user.disabled", "user.logins_count",
		"user.created_at", "user.updated_at", "user.last_login", "user.user_id", "user['sub']", "user.phone_number",
		"[user.family_name, user.given_name]", "[user.gender, user.logins_count, user.created_at]", "[user.disabled]",
		// These it cannot tell.
		"lower(user.name)", "user.user_metadata.n", "user.user_metadata", "user.nothing", "user", "[user.name, user.user_metadata.n]", "user.name || user.email", "[]", "user.password", "user.roles", "1",
	} {
		for _, desc := range []bool{false, true} {
			options := fmt.Sprintf(`{by: %q, desc: %v}`, by, desc)
			transform := acceptance.NewTransform(t, sorting.Type, pipeline.Env{}, options).(pipeline.Arranger)
			source := func() pipeline.Source {
				return acceptance.NewSource(t, storesource.Type, pipeline.Env{}, `"sqlite:`+dir+`/users.db"`)
			}
			pushed := transform.Arrange(source())
			_, given[by] = pushed.(*storesource.Source)
			if diff := cmp.Diff(read(t, transform.Arrange(plainSource{source: source()})), read(t, pushed)); diff != "" {
				t.Errorf("%s: %s", options, diff)
			}
		}
	}
	for by, pushed := range map[string]bool{"user.email": true, "user.created_at": true, "[user.family_name, user.given_name]": true, "user.user_metadata.n": false, "lower(user.name)": false, "[]": false} {
		if given[by] != pushed {
			t.Errorf("%s was sorted by the database: %v", by, given[by])
		}
	}
}

// What the database leaves out is what the expression would leave out, whatever of it the database can tell.
func TestWhereIsThatOfTheExpression(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(2, 2026))
	fillBy(t, dir, "r", "external_id", likeUsers(random, 300)...)
	all := acceptance.NewSource(t, storesource.Type, pipeline.Env{}, `"sqlite:`+dir+`/users.db"`)
	if err := all.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	var users []pipeline.Record
	for {
		b, err := all.Next(context.Background(), 100)
		if err != nil {
			break
		}
		users = append(users, b.Records...)
	}
	attributes := []string{"email", "email_verified", "phone_number_verified", "name", "nickname", "disabled", "logins_count", "created_at", "user_metadata", "user_metadata.n", "nothing", "user_id", "roles"}
	literals := []string{"'a'", "'A'", "'ä'", "'😀'", "''", "'true'", "'1'", "0", "1", "2", "1.5", "-1", "18446744073709551616", "true", "false", "null", "undefined", "'a\\u0000'"}
	operators := []string{"==", "!=", "===", "!==", "<", "<=", ">", ">="}
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	var condition func(depth int) string
	condition = func(depth int) string {
		attribute := "user." + pick(attributes)
		switch n := random.IntN(10); {
		case n < 2:
			return attribute
		case n < 5 || depth == 0:
			if random.IntN(4) == 0 {
				return pick(literals) + " " + pick(operators) + " " + attribute
			}
			return attribute + " " + pick(operators) + " " + pick(literals)
		case n < 6:
			return "!(" + condition(depth-1) + ")"
		case n < 9:
			return "(" + condition(depth-1) + ") " + pick([]string{"&&", "&&", "||"}) + " (" + condition(depth-1) + ")"
		}
		return attribute + ".trim() " + pick(operators) + " " + pick(literals) // fails for some
	}
	for range 300 {
		text := condition(3)
		where, err := expression.Compile(text, expression.Options{})
		if err != nil {
			t.Fatal(text, err)
		}
		var want []string
		for i := range users {
			v, err := where.Eval(users[i].Source)
			switch {
			case err != nil:
				r := users[i]
				r.Fail(pipeline.Problem{Code: "failed"})
				want = append(want, "failed")
			case expression.Truthy(v):
				want = append(want, shown(&users[i]))
			}
		}
		got := read(t, acceptance.NewSource(t, storesource.Type, pipeline.Env{}, fmt.Sprintf("{dsn: 'sqlite:%s/users.db', where: %q}", dir, text)))
		for i := range got {
			if strings.HasPrefix(got[i], "failed") {
				got[i] = "failed"
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s: %s", text, diff)
		}
	}
}

// A run over users in order goes on where it was, or is told that the order is another one.
func TestGoesOnInOrder(t *testing.T) {
	dir := t.TempDir()
	fillBy(t, dir, "r", "external_id", likeUsers(rand.New(rand.NewPCG(3, 2026)), 60)...)
	transform := acceptance.NewTransform(t, sorting.Type, pipeline.Env{}, "user.name").(pipeline.Arranger)
	source := func() *storesource.Source {
		return transform.Arrange(acceptance.NewSource(t, storesource.Type, pipeline.Env{}, `"sqlite:`+dir+`/users.db"`)).(*storesource.Source)
	}
	want := read(t, source())
	first := source()
	if err := first.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	b, err := first.Next(context.Background(), 25)
	if err != nil || first.Close() != nil {
		t.Fatal(err)
	}
	again := source()
	if err := again.OpenAt(context.Background(), b.After); err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	before, _ := again.Fingerprint()
	if diff := cmp.Diff(want[25:], drain(t, again)); diff != "" {
		t.Error(diff)
	}
	fillBy(t, dir, "s", "external_id", `{"external_id":"new","name":"b"}`)
	changed := source()
	if err := changed.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer changed.Close()
	if now, _ := changed.Fingerprint(); now == before {
		t.Error("the order has changed, but not the fingerprint")
	}
}
