package mapping

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/value"
)

func transform(t testing.TB, options string) *Transform {
	t.Helper()
	return acceptance.NewTransform(t, Type, pipeline.Env{}, "\n"+indent(options)).(*Transform)
}

func indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString("      " + line)
	}
	return b.String()
}

func parse(t testing.TB, text string) *value.Object {
	t.Helper()
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v.(*value.Object)
}

// mapped gives what becomes of one record: its fields, or the codes and fields of its errors.
func mapped(t *testing.T, tr *Transform, in string) string {
	t.Helper()
	o := parse(t, in)
	b := pipeline.Batch{Records: []pipeline.Record{{Source: o, Fields: o}}}
	if err := tr.Apply(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	if back := string(value.AppendJSON(nil, o)); back != in {
		t.Errorf("the record was changed in place to %s", back)
	}
	r := &b.Records[0]
	if r.Open() {
		return string(value.AppendJSON(nil, r.Fields))
	}
	var list []string
	for _, p := range r.Outcome.Errors {
		list = append(list, p.Code+" "+p.Field)
	}
	return strings.Join(list, ", ")
}

// TestPresence is the table of the documentation.
func TestPresence(t *testing.T) {
	for _, tt := range []struct{ expression, in, want string }{
		{"user.phone", `{"phone":"1"}`, `{"x":"1"}`},
		{"user.phone", `{"phone":""}`, `{"x":""}`},
		{"user.phone", `{"phone":null}`, `{"x":null}`},
		{"user.phone", `{}`, `{}`},
		{"user.a.b", `{"a":null}`, `{}`},
		{"user.a.b", `{}`, `{}`},
		{"user.a.b", `{"a":{"b":null}}`, `{"x":null}`},
		{"lower(user.mail)", `{"mail":null}`, `{"x":null}`},
		{"lower(user.mail)", `{}`, `{}`},
		{"e164(user.phone, 'CN')", `{"phone":null}`, `{"x":null}`},
		{"e164(user.phone, 'CN')", `{}`, `{}`},
		{"user.a || user.b", `{"a":null}`, `{}`},
		{"user.a || user.b", `{"b":null}`, `{"x":null}`},
		{"user.a || user.b", `{"a":"","b":"y"}`, `{"x":"y"}`},
		{"'user.active ? user.phone : null'", `{"active":false,"phone":"1"}`, `{"x":null}`},
		{"'user.active ? user.phone : null'", `{"active":true}`, `{}`},
		{"'user.active ? user.phone : undefined'", `{"active":false,"phone":"1"}`, `{}`},
		{"'null'", `{}`, `{"x":null}`},
		{"false", `{}`, `{"x":false}`},
		{"0", `{}`, `{"x":0}`},
		{"Number(user.n)", `{"n":"abc"}`, `map.not_a_number x`},
		{"'{a: [Number(user.n)]}'", `{"n":"abc"}`, `map.not_a_number x`},
		{"bool(user.b)", `{"b":"perhaps"}`, `expression.boolean x`},
	} {
		if got := mapped(t, transform(t, "x: "+tt.expression), tt.in); got != tt.want {
			t.Errorf("%s of %s: got %s, want %s", tt.expression, tt.in, got, tt.want)
		}
	}
}

func TestFields(t *testing.T) {
	for _, tt := range []struct{ name, options, in, want string }{
		{"only mapped fields stay, in their order", "b: user.a\na: user.b", `{"a":1,"b":2,"c":3}`, `{"b":1,"a":2}`},
		{"nested by dots", "x.y.z: user.a\nx.w: user.b", `{"a":1,"b":2}`, `{"x":{"y":{"z":1},"w":2}}`},
		{"nested by indentation", "x: { y: { z: user.a }, w: user.b }", `{"a":1,"b":2}`, `{"x":{"y":{"z":1},"w":2}}`},
		{"an object whose members are absent is absent", "x.y: user.no\nx.z: user.neither\na: user.a", `{"a":1}`, `{"a":1}`},
		{"added to an object of the source", "m: user.m\nm.id: user.id", `{"id":7,"m":{"a":1}}`, `{"m":{"a":1,"id":7}}`},
		{"added to null", "m: user.m\nm.id: user.id", `{"id":7,"m":null}`, `{"m":{"id":7}}`},
		{"added to text", "m: user.m\nm.id: user.id", `{"id":7,"m":"x"}`, `map.conflict m.id`},
		{"deep inside an object of the source", "m: user.m\nm.a.b: user.id", `{"id":7,"m":{"a":{"c":1},"z":2}}`, `{"m":{"a":{"c":1,"b":7},"z":2}}`},
		{"keep", "keep: [a, m.x, no]\nb: user.a", `{"a":1,"m":{"x":2,"y":3}}`, `{"a":1,"m":{"x":2},"b":1}`},
		{"keep all", "keep: '*'\na: user.b\nc: user.b", `{"a":1,"b":2}`, `{"a":2,"b":2,"c":2}`},
		{"keep all with fields by name", "fields: { keep: user.a }\nkeep: '*'", `{"a":1}`, `{"a":1,"keep":1}`},
		{"rename alone keeps the rest", "rename: { a: b, m.x: y }", `{"a":1,"m":{"x":2,"z":3}}`, `{"m":{"z":3},"b":1,"y":2}`},
		{"rename to and fro", "rename: { a: b, b: a }", `{"a":1,"b":2}`, `{"b":1,"a":2}`},
		{"rename beside mapped fields", "rename: { a: m.b }\nc: user.a", `{"a":null,"z":2}`, `{"m":{"b":null},"c":null}`},
		{"rename of what is absent", "rename: { no: b }", `{"a":1}`, `{"a":1}`},
		{"rename into null", "rename: { a: b.c }", `{"a":1,"b":null}`, `{"b":{"c":1}}`},
		{"rename into text", "rename: { a: b.c }", `{"a":1,"b":"x"}`, `map.conflict b.c`},
		{"remove alone", "remove: [a, m.x, no.no]", `{"a":1,"m":{"x":2,"y":3},"b":4}`, `{"m":{"y":3},"b":4}`},
		{"keep, a name with dots", "keep: [a.b, c.d]", `{"a.b":1,"c.d":2,"c":{"d":3},"e":4}`, `{"a.b":1,"c":{"d":3}}`},
		{"rename, a name with dots", "rename: { a.b: x, c.d: y }", `{"a.b":1,"c.d":2,"c":{"d":3}}`, `{"c.d":2,"c":{},"x":1,"y":3}`},
		{"remove, a name with dots", "remove: [a.b, c.d]", `{"a.b":1,"a":{"c":1},"c.d":2,"c":{"d":3}}`, `{"a":{"c":1},"c.d":2,"c":{}}`},
		{"remove is last", "keep: '*'\nb: user.a\nremove: b", `{"a":1,"b":2}`, `{"a":1}`},
		{"several failures", "a: bool(user.x)\nb: user.x\nc: bool(user.x)", `{"x":"?"}`, "expression.boolean a, expression.boolean c"},
		{"password", "password: { hash: user.h, hasher: bcrypt, salt: user.s }", `{"h":"$2b$","s":"x"}`, `{"password":{"hash":"$2b$","hasher":"bcrypt","salt":"x"}}`},
		{"password absent", "password: { hasher: bcrypt, hash: user.h }\na: user.a", `{"a":1}`, `{"a":1}`},
		{"password null", "password: { hasher: bcrypt, hash: user.h }\na: user.a", `{"a":1,"h":null}`, `{"password":null,"a":1}`},
		{"plain password", "password: { plain: user.p, hash: user.h }", `{"p":"x"}`, `{"password":{"plain":"x"}}`},
		{"second password absent", "mfa: { email: user.m, password: { hash: user.h, hasher: bcrypt } }", `{"m":"x"}`, `{"mfa":{"email":"x"}}`},
		{"second password null", "mfa: { email: user.m, password: { hash: user.h, hasher: bcrypt } }", `{"m":"x","h":null}`, `{"mfa":{"email":"x","password":null}}`},
		{"nothing at all", "{}", `{"a":1}`, `{"a":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mapped(t, transform(t, tt.options), tt.in); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestSecretFields(t *testing.T) {
	tr := transform(t, "email: user.mail\npassword: { hash: user.login.h1, salt: user.s + user.h1, hasher: bcrypt }\nmfa.totp: user.t\nname: user.n")
	if got := tr.SecretFields(); !slices.Equal(got, []string{"h1", "s", "t"}) {
		t.Errorf("%q", got)
	}
	tr = transform(t, "rename: { login.p: password.hash, n: name }")
	if got := tr.SecretFields(); !slices.Equal(got, []string{"p", "login.p"}) {
		t.Errorf("%q", got)
	}
	if got := transform(t, "password: user").SecretFields(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestBadOptions(t *testing.T) {
	for _, values := range []map[string]any{
		{"fields": []pipeline.Assignment{{Target: "a.b"}, {Target: "a"}}},
		{"fields": []pipeline.Assignment{{Target: "a.b"}, {Target: "a.b"}}},
		{"rename": map[string]string{"a": ""}},
		{"rename": map[string]string{"a": "c", "b": "c"}},
	} {
		var e *pipeline.OptionError
		if _, err := Type.New(pipeline.Env{}, pipeline.NewConfig(values)); !errors.As(err, &e) {
			t.Errorf("%v gave %v", values, err)
		}
	}
}

func TestAcceptance(t *testing.T) {
	acceptance.Transform(t, acceptance.TransformCase{
		New: func(t *testing.T) pipeline.Transform {
			return transform(t, "email: lower(user.mail)\nverified: bool(user.v)\nprofile: user.p\nprofile.id: user.id\npassword: { hash: user.h, hasher: bcrypt }\nremove: profile.secret")
		},
		Records: []string{`{"id":1,"mail":"A@B.c","v":"是","p":{"x":[1],"secret":1},"h":"hunter2"}`, `{"id":2,"p":null}`, `{"mail":"hunter2","v":"hunter2"}`,
			`{"id":3,"p":"hunter2"}`, `{}`},
		Want: []string{`{"email":"a@b.c","verified":true,"profile":{"x":[1],"id":1},"password":{"hash":"hunter2","hasher":"bcrypt"}}`, `{"profile":{"id":2}}`,
			"failed: expression.boolean", "failed: map.conflict", `{}`},
		Secrets: []string{"hunter2"},
	})
}

func BenchmarkTwelveFields(b *testing.B) {
	tr := transform(b, `email: lower(user.mail)
name: user.user_metadata.name || user.nickname
preferred_username: user.account_id
nickname: user.nickname
phone_number: user.phone
email_verified: user.emailVerified
logins_count: user.loginsCount
created_at: user.created
locale: user.user_metadata.lang
custom_attributes.legacy_id: user.uid
custom_attributes.plan: user.app_metadata.plan
password: { hash: user.password, hasher: bcrypt }`)
	o := parse(b, `{"uid":1234567890123456789,"nickname":"Ann Example","account_id":"u000001","mail":"ann.example@example.com","password":"$2b$12$abcdefghijklmnopqrstuuXyXyXyXyXyXyXyXyXyXyXyXyXyXyXyXy","phone":"+8613100000001","emailVerified":true,"loginsCount":17,"created":"2019-03-04T05:06:07Z","user_metadata":{"name":"Ann","lang":"zh-CN"},"app_metadata":{"plan":"pro","tags":["a","b"]}}`)
	batch := pipeline.Batch{Records: make([]pipeline.Record, 1000)}
	b.ReportAllocs()
	for b.Loop() {
		for i := range batch.Records {
			batch.Records[i] = pipeline.Record{Source: o, Fields: o}
		}
		if err := tr.Apply(context.Background(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Records)), "ns/record")
	if r := &batch.Records[0]; !r.Open() || r.Fields.Len() != 11 {
		b.Fatal(fmt.Sprint(r.Outcome, r.Fields.Len()))
	}
}
