package fields_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/pipeline/definition"
	sinkjson "github.com/usher-id/usher/sinks/json"
	sourcejson "github.com/usher-id/usher/sources/json"
	"github.com/usher-id/usher/transforms/fields"
	"github.com/usher-id/usher/value"
)

func transform(t testing.TB, options string) pipeline.Transform {
	return acceptance.NewTransform(t, fields.Type, pipeline.Env{}, options)
}

const users = `{"email":"a@x.com","age":0,"ok":false,"name":"","user_metadata":{"name":"Ann"},"phone":"+8613100000001"}
{"email":null,"user_metadata":null,"phone":"12"}
{"name":"Bob","user_metadata":{},"tags":["a","b"],"age":12345678901234567890}
{"age":"x","identities":[{"provider":"g","connection":"c"}]}`

const columns = `{Who: user.user_metadata.name || user.name, E-Mail: user.email, "a.b": user.age, Ok: user.ok, fields: {strict: user.tags},
 One: 1, columns: [{name: Phone, value: "e164(user.phone, 'CN')"}, {name: Half, value: "user.age === 'x' ? 0 / 0 : user.deep.er.still"}]}`

func TestAcceptance(t *testing.T) {
	records := strings.Split(users, "\n")
	acceptance.Transform(t, acceptance.TransformCase{
		New:     func(t *testing.T) pipeline.Transform { return transform(t, columns) },
		Records: records,
		Want: []string{
			`{"Who":"Ann","E-Mail":"a@x.com","a.b":0,"Ok":false,"strict":null,"One":1,"Phone":"+8613100000001","Half":null}`,
			`{"Who":null,"E-Mail":null,"a.b":null,"Ok":null,"strict":null,"One":1,"Phone":null,"Half":null}`,
			`{"Who":"Bob","E-Mail":null,"a.b":12345678901234567890,"Ok":null,"strict":["a","b"],"One":1,"Phone":null,"Half":null}`,
			`{"Who":null,"E-Mail":null,"a.b":"x","Ok":null,"strict":null,"One":1,"Phone":null,"Half":null}`,
		},
	})
	acceptance.Transform(t, acceptance.TransformCase{
		New: func(t *testing.T) pipeline.Transform {
			return transform(t, strings.Replace(columns, "{", "{strict: true, ", 1))
		},
		Records: records,
		Want: []string{
			`{"Who":"Ann","E-Mail":"a@x.com","a.b":0,"Ok":false,"strict":null,"One":1,"Phone":"+8613100000001","Half":null}`,
			`failed: expression.phone`,
			`{"Who":"Bob","E-Mail":null,"a.b":12345678901234567890,"Ok":null,"strict":["a","b"],"One":1,"Phone":null,"Half":null}`,
			`failed: fields.not_a_number`,
		},
	})
}

func apply(t *testing.T, tr pipeline.Transform, user string) *pipeline.Record {
	t.Helper()
	v, err := value.ParseJSON([]byte(user))
	if err != nil {
		t.Fatal(err)
	}
	o := v.(*value.Object)
	b := &pipeline.Batch{Records: []pipeline.Record{{Ref: pipeline.Ref{Origin: "x", Line: 1}, Source: o, Fields: o}}}
	if err := tr.Apply(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	return &b.Records[0]
}

// A cell that fails is a warning that names its column, and the other cells are as they would be.
func TestWarnings(t *testing.T) {
	r := apply(t, transform(t, columns), strings.Split(users, "\n")[1])
	if w := r.Outcome.Warnings; len(w) != 1 || w[0].Field != "Phone" || w[0].Code != "expression.phone" || !strings.Contains(w[0].Message, "the cell is empty") {
		t.Errorf("%+v", w)
	}
	r = apply(t, transform(t, columns), strings.Split(users, "\n")[3])
	if w := r.Outcome.Warnings; len(w) != 1 || w[0].Field != "Half" || w[0].Code != "fields.not_a_number" {
		t.Errorf("%+v", w)
	}
}

func TestDefaults(t *testing.T) {
	for _, options := range []string{`{default: true}`, `{default: true, Email: user.email, columns: [{name: Id, value: "user.user_id ?? user.sub"}]}`} {
		r := apply(t, transform(t, options), `{"sub":"1","given_name":"A","family_name":"B","nickname":"N","name":"A B","email":"a@x.com","email_verified":false,
			"picture":"p","identities":[{"provider":"google","subject":"7"},{"provider":"x"}],"created_at":"c","updated_at":"u"}`)
		want := `{"Id":"1","Given Name":"A","Family Name":"B","Nickname":"N","Name":"A B","Email":"a@x.com","Email Verified":false,"Picture":"p","Connection":"google","Created At":"c","Updated At":"u"}`
		if got := string(value.AppendJSON(nil, r.Fields)); got != want {
			t.Errorf("%s: %s", options, got)
		}
	}
	r := apply(t, transform(t, `{default: true, Plan: user.app_metadata.plan}`), `{"user_id":"auth0|1","sub":"2","identities":[{"connection":"c","provider":"auth0"}]}`)
	want := `{"Id":"auth0|1","Given Name":null,"Family Name":null,"Nickname":null,"Name":null,"Email":null,"Email Verified":null,"Picture":null,"Connection":"c","Created At":null,"Updated At":null,"Plan":null}`
	if got := string(value.AppendJSON(nil, r.Fields)); got != want {
		t.Error(got)
	}
}

// What is wrong with the columns is found before the run, in its place.
func TestWrongColumns(t *testing.T) {
	registry := pipeline.NewRegistry(fields.Type, sourcejson.Type, sinkjson.Type)
	for options, want := range map[string]string{
		`{ default: true, Email: user.mail }`:                                   `there are two columns "Email"`,
		`{ Email: user.email, Email: user.mail }`:                               `config.duplicate_key`,
		`{ Email: user.email, columns: [{ name: Email, value: user.mail }] }`:   `there are two columns "Email"`,
		`{ columns: [{ name: A, value: user.a }, { name: A, value: user.a }] }`: `there are two columns "A"`,
		`{ strict: true }`:                           `there are no columns`,
		`{ columns: [{ name: "", value: user.a }] }`: `a column has no name`,
		`{ A: user.a + }`:                            `expression.syntax`,
	} {
		path := filepath.Join(t.TempDir(), "p.yaml")
		text := "source: {json: a.json}\ntransforms:\n  - fields: " + options + "\nsink: {json: b.json}\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := definition.Load(path, registry, pipeline.Env{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "p.yaml:3:") {
			t.Errorf("%s: %v, want %s", options, err, want)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	tr := transform(b, `{default: true, Plan: user.user_metadata.plan || "free"}`)
	v, err := value.ParseJSON([]byte(`{"user_id":"1","given_name":"A","family_name":"B","nickname":"N","name":"A B","email":"a@x.com","email_verified":true,"picture":"p","created_at":"c","updated_at":"u","user_metadata":{"plan":"pro"}}`))
	if err != nil {
		b.Fatal(err)
	}
	o := v.(*value.Object)
	batch := &pipeline.Batch{Records: make([]pipeline.Record, 500)}
	b.ReportAllocs()
	for b.Loop() {
		for i := range batch.Records {
			batch.Records[i] = pipeline.Record{Source: o, Fields: o}
		}
		if err := tr.Apply(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(batch.Records))/b.Elapsed().Seconds(), "records/s")
}

// A column of secrets is one by whatever name.
func TestSecretFields(t *testing.T) {
	made := transform(t, "{P: user.password.hash, Mail: user.email, All: JSON.stringify(user), Code: user.mfa.totp || user.name, Keys: user.api.api_key, N: 1}")
	if got := made.(pipeline.SecretReader).SecretFields(); !slices.Equal(got, []string{"P", "All", "Code", "Keys"}) {
		t.Error(got)
	}
}
