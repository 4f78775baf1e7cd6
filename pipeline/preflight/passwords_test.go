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
	want := []string{"3 bcrypt as_is", "1  not_at_all 32 hexadecimal digit", "1 acme-v2 as_is no hasher of this na", "1 bcrypt not_at_all the hash is malforme",
		"1 hex-md5 as_is", "1 hex-md5 as_is verifying needs more", "1 plain hashed"}
	if diff := cmp.Diff(want, short(counts)); diff != "" || none != 2 {
		t.Errorf("%s\n%d without", diff, none)
	}
}

func TestATargetTakesWhatItCanHold(t *testing.T) {
	counts, _ := count(t, sink{})
	want := []string{"3 bcrypt as_is", "1  not_at_all 32 hexadecimal digit", "1 acme-v2 not_at_all no hash format is ca", "1 bcrypt not_at_all the hash is malforme",
		"1 hex-md5 not_at_all Supabase takes bcryp", "1 hex-md5 not_at_all the context key \"pos", "1 plain hashed"}
	if diff := cmp.Diff(want, short(counts)); diff != "" {
		t.Error(diff)
	}
}
