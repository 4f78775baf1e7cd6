package preflight

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// sink has the abilities of one for Supabase, as far as they matter here.
type sink struct {
	pipeline.Sink
}

func (sink) PasswordTarget() string { return "supabase" }

const bcrypt = "$2b$05$JS5vHfXZ77dP.W.3F6.4guVV6X9Js1U6.Fp9/92T67pcJJkjzJTEq"

func count(t *testing.T, s pipeline.Sink) ([]Count, int64) {
	t.Helper()
	p := NewPasswords(s, Policy{})
	b := &pipeline.Batch{}
	for _, text := range []string{
		`{"password":{"hash":"` + bcrypt + `"}}`,
		`{"password":{"hash":"` + bcrypt + `","format":"auto"}}`,
		`{"password":{"hash":"` + bcrypt + `","hasher":"bcrypt"}}`,
		`{"password":{"hash":"` + bcrypt[:50] + `"}}`,
		`{"password":{"hash":"301286b3bfc75c2f449106244075a7a3","format":"md5","salt":"ab"}}`,
		`{"password":{"hash":"301286b3bfc75c2f449106244075a7a3","format":"md5","salt":"ab","position":"suffix"}}`,
		`{"password":{"hash":"301286b3bfc75c2f449106244075a7a3"}}`,
		`{"password":{"hash":"x","format":"acme-v2"}}`,
		`{"password":{"plain":"open sesame"}}`,
		`{"password":{"plain":""}}`,
		`{"password":null}`,
		`{}`,
	} {
		v, err := value.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		b.Records = append(b.Records, pipeline.Record{Fields: v.(*value.Object)})
	}
	b.Records = append(b.Records, pipeline.Record{Fields: b.Records[0].Fields, Outcome: pipeline.Outcome{Decision: pipeline.Skipped}})
	if err := p.Apply(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if !b.Records[0].Open() {
		t.Error("a record was decided")
	}
	return p.Counts()
}

func short(counts []Count) []string {
	var list []string
	for _, c := range counts {
		reason := c.Reason
		if len(reason) > 20 {
			reason = reason[:20]
		}
		list = append(list, strings.TrimSpace(strings.Join([]string{string(rune('0' + c.Users)), c.Format, c.Taken, reason}, " ")))
	}
	return list
}

func TestAStoreTakesAllThatCanBeRead(t *testing.T) {
	counts, none := count(t, nil)
	want := []string{"3 bcrypt as_is", "1  not_at_all 32 hexadecimal digit", "1  not_at_all the password is an e", "1 acme-v2 as_is no hasher of this na", "1 bcrypt not_at_all the hash is malforme",
		"1 hex-md5 as_is", "1 hex-md5 as_is verifying needs more", "1 plain hashed"}
	if diff := cmp.Diff(want, short(counts)); diff != "" || none != 2 {
		t.Errorf("%s\n%d without", diff, none)
	}
}

func TestATargetTakesWhatItCanHold(t *testing.T) {
	counts, _ := count(t, sink{})
	want := []string{"3 bcrypt as_is", "1  not_at_all 32 hexadecimal digit", "1  not_at_all the password is an e", "1 acme-v2 not_at_all no hash format is ca", "1 bcrypt not_at_all the hash is malforme",
		"1 hex-md5 not_at_all Supabase takes bcryp", "1 hex-md5 not_at_all the context key \"pos", "1 plain hashed"}
	if diff := cmp.Diff(want, short(counts)); diff != "" {
		t.Error(diff)
	}
}

// TestSpelledForATarget puts one hash into the fields of each target.
func TestSpelledForATarget(t *testing.T) {
	for _, c := range []struct{ target, password, want string }{
		{"auth0", `{"hash":"` + bcrypt + `"}`, `{"custom_password_hash":{"algorithm":"bcrypt","hash":{"value":"` + bcrypt + `","encoding":"utf8"}}}`},
		{"kratos", `{"hash":"` + bcrypt + `"}`, `{"credentials":{"password":{"config":{"hashed_password":"` + bcrypt + `"}}}}`},
		{"clerk", `{"hash":"` + bcrypt + `"}`, `{"password_hasher":"bcrypt","password_digest":"` + bcrypt + `"}`},
		{"workos", `{"hash":"` + bcrypt + `"}`, `{"password_hash_type":"bcrypt","password_hash":"` + bcrypt + `"}`},
		{"supabase", `{"hash":"` + bcrypt + `"}`, `{"password_hash":"` + bcrypt + `"}`},
		{"fusionauth", `{"hash":"` + bcrypt + `"}`, `{"encryptionScheme":"bcrypt","factor":5,"salt":"JS5vHfXZ77dP.W.3F6.4gu","password":"VV6X9Js1U6.Fp9/92T67pcJJkjzJTEq"}`},
	} {
		v, err := value.ParseJSON([]byte(`{"password":` + c.password + `}`))
		if err != nil {
			t.Fatal(err)
		}
		before := v.(*value.Object)
		b := &pipeline.Batch{Records: []pipeline.Record{{Fields: before}}}
		if err := NewPasswords(nil, Policy{For: c.target}).Apply(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		if got := string(value.AppendJSON(nil, b.Records[0].Fields)); got != c.want || !b.Records[0].Open() {
			t.Errorf("%s: %s, want %s", c.target, got, c.want)
		}
		if _, ok := before.Get("password"); !ok {
			t.Errorf("%s: the record was changed in place", c.target)
		}
	}
}

func TestPolicies(t *testing.T) {
	apply := func(text string, s pipeline.Sink, policy Policy) (pipeline.Record, []Count) {
		t.Helper()
		v, err := value.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		p := NewPasswords(s, policy)
		b := &pipeline.Batch{Records: []pipeline.Record{{Fields: v.(*value.Object)}}}
		if err := p.Apply(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		counts, _ := p.Counts()
		return b.Records[0], counts
	}
	const cut = `{"email":"a","password":{"hash":"$2b$05$JS5v"},"mfa":{"password":{"hash":"$2b$05$JS5v"},"email":"b"}}`
	r, counts := apply(cut, sink{}, Policy{Omit: true})
	if got := string(value.AppendJSON(nil, r.Fields)); got != `{"email":"a","mfa":{"email":"b"}}` || len(r.Outcome.Warnings) != 2 || r.Outcome.Warnings[1].Code != CodeOmitted || counts[0].Fate != WithoutPassword {
		t.Errorf("%s, %+v, %+v", got, r.Outcome, counts)
	}
	if r, counts = apply(cut, sink{}, Policy{}); !r.Open() || counts[0].Fate != Fails {
		t.Errorf("%+v, %+v", r.Outcome, counts)
	}
	if r, counts = apply(cut, nil, Policy{For: "okta"}); r.Outcome.Decision != pipeline.Failed || r.Outcome.Errors[0].Code != CodeNotTaken || counts[0].Fate != Fails {
		t.Errorf("%+v, %+v", r.Outcome, counts)
	}
	if r, counts = apply(`{"password":{"plain":"open sesame"}}`, nil, Policy{For: "okta", Omit: true}); r.Fields.Len() != 0 || counts[0].Taken != NotAtAll {
		t.Errorf("a password in plain text goes into a file: %+v, %+v", r.Fields, counts)
	}
}
