package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// lines is a source of JSON records, one at a time.
type lines struct {
	pipeline.UnimplementedSource
	list []string
	next int
}

func (*lines) Open(context.Context) error { return nil }

func (s *lines) Next(context.Context, int) (*pipeline.Batch, error) {
	if s.next == len(s.list) {
		return nil, io.EOF
	}
	v, err := value.ParseJSON([]byte(s.list[s.next]))
	if err != nil {
		return nil, err
	}
	s.next++
	return &pipeline.Batch{Records: []pipeline.Record{{Source: v.(*value.Object), Ref: pipeline.Ref{Origin: "users", Line: int64(s.next)}}}}, nil
}

// leave leaves out, or fails, the records that say so.
type leave struct {
	pipeline.UnimplementedTransform
}

func (leave) Apply(_ context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		switch v, _ := r.Fields.Get("status"); v {
		case "gone":
			r.Skip(pipeline.Filtered)
		case "bad":
			r.Fail(pipeline.Problem{Code: "x", Field: "email", Message: "is no address"})
		}
	}
	return nil
}

func where(t *testing.T, text string) *expression.Program {
	t.Helper()
	p, err := expression.Compile(text, expression.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProve(t *testing.T) {
	const md5 = `"hash":"301286b3bfc75c2f449106244075a7a3","format":"md5","salt":"ab"` // md5("password" . "ab")
	source := &lines{list: []string{
		`{"email":"Ann@X.org","password":{` + md5 + `,"position":"suffix"}}`,
		`{"email":"bob@x.org","external_id":7,"password":{` + md5 + `,"position":"prefix"}}`,
		`{"email":"gone@x.org","status":"gone","password":{` + md5 + `}}`,
		`{"email":"back@x.org","status":"gone"}`,
		`{"email":"back@x.org","password":{"hash":"` + bcrypt + `"}}`,
		`{"email":"bad@x.org","status":"bad"}`,
		`{"email":"none@x.org"}`,
		`{"email":"plain@x.org","password":{"plain":"password"}}`,
		`{"email":"half@x.org","password":{` + md5 + `}}`,
		`{"email":"cut@x.org","password":{"hash":"$2b$05$JS5v"}}`,
		`{"email":"pepper@x.org","password":{"hash":"7d67bb3ac5ca1a4bb4a2c3e0d2fd0ad1","format":{"digest":"md5(pass . pepper)"}}}`,
		`{"email":"last@x.org"}`,
		`{"email":"never read@x.org"}`,
	}}
	pair := func(user, password string) Pair { return Pair{User: user, Password: value.Secret(password)} }
	peppered := pair("pepper@x.org", "password")
	peppered.Secrets = map[string]value.Secret{"pepper": "no"}
	pairs := []Pair{
		pair(" ann@x.org", "password"), pair("7", "password"), pair("gone@x.org", "password"), pair("back@x.org", "nope"), pair("bad@x.org", "x"), pair("none@x.org", "x"),
		pair("plain@x.org", "password"), pair("PLAIN@x.org", "other"), pair("half@x.org", "password"), pair("cut@x.org", "x"), pair("nobody@x.org", "x"),
		{Where: where(t, "user.email == 'Ann@X.org'"), Password: "wrong"}, peppered,
	}
	results, err := Prove(context.Background(), source, []pipeline.Transform{leave{}}, nil, Policy{}, pairs)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range results {
		got = append(got, fmt.Sprintf("%s|%s|%v|%s|%s|%s|%s", r.User, r.Ref, r.OK, r.Format, r.Code, r.Reason[:min(len(r.Reason), 40)], strings.Join(r.Findings, ";")))
	}
	want := []string{
		" ann@x.org|users:1|true|hex-md5|||",
		"7|users:2|false|hex-md5|prove.mismatch|the known password does not match the ha|md5(pass . salt) matches: set position: suffix",
		"gone@x.org|users:3|false||prove.not_sent|the record is left out: filtered|",
		"back@x.org|users:5|false|bcrypt|prove.mismatch|the known password does not match the ha|",
		"bad@x.org|users:6|false||prove.not_sent|the record fails: email: is no address|",
		"none@x.org|users:7|false||prove.no_hash|the mapped record has no password|",
		"plain@x.org|users:8|true|plain|||",
		"PLAIN@x.org|users:8|false|plain|prove.mismatch|the password in plain text is another th|",
		`half@x.org|users:9|false|hex-md5|prove.unchecked|the hash cannot be checked (unsupported)|md5(pass . salt) matches: set position: suffix`,
		"cut@x.org|users:10|false|bcrypt|prove.unchecked|bcrypt: 11 characters, 60 expected: the |",
		"nobody@x.org||false||prove.not_found|no record of the source is this user's (|",
		"user.email == 'Ann@X.org'|users:1|false|hex-md5|prove.mismatch|the known password does not match the ha|",
		"pepper@x.org|users:11|false|digest:md5(pass . pepper)|prove.mismatch|the known password does not match the ha|",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestProveReadsNoFurtherThanItMust(t *testing.T) {
	source := &lines{list: []string{`{"email":"a@x.org","password":{"plain":"x"}}`, `{"email":"b@x.org"}`}}
	results, err := Prove(context.Background(), source, nil, nil, Policy{}, []Pair{{User: "a@x.org", Password: "x"}})
	if err != nil || !results[0].OK || source.next != 1 {
		t.Errorf("%+v, %d records read, %v", results, source.next, err)
	}
}

func TestProveForATarget(t *testing.T) {
	source := &lines{list: []string{`{"email":"a@x.org","password":{"hash":"301286b3bfc75c2f449106244075a7a3","format":"md5","salt":"ab","position":"suffix"}}`}}
	results, err := Prove(context.Background(), source, nil, sink{}, Policy{}, []Pair{{User: "a@x.org", Password: "password"}})
	if err != nil || results[0].Code != CodeNoTravel {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestReadPairs(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"identifier,password\nann@x.org,\"a,b\"\n", "ann@x.org=a,b"},
		{"\ufeffName,Password,Identifier\nAnn,p,ann@x.org\nBob,,7\n", "ann@x.org=p 7="},
		{"{\"identifier\":\"ann@x.org\",\"password\":\"p\"}\n\n{\"password\":\" q \",\"identifier\":\"7\"}", "ann@x.org=p 7= q "},
		{"", "EOF"},
		{"identifier,password\n", "there is no pair in it"},
		{"mail,password\na,b\n", "there is no column identifier"},
		{"identifier,password\na,\"b\n", "line 2"},
		{"identifier,password\n,sesame\n", "pair 1 has no identifier"},
		{"{\"identifier\":1,\"password\":\"sesame\"}", "line 1 has no text"},
		{"{\"identifier\":\"a\",\"password\":\"sesame\"", "line 1 is no JSON object"},
		{strings.Repeat("x", 1<<20+1), "larger than 1 MiB"},
	} {
		path := filepath.Join(t.TempDir(), "pairs.csv")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		pairs, err := ReadPairs(path, nil)
		var got []string
		for _, p := range pairs {
			got = append(got, p.User+"="+p.Password.Reveal())
		}
		text := strings.Join(got, " ")
		if err != nil {
			text = err.Error()
			var e *pipeline.Error
			if !errors.As(err, &e) || e.Code != CodeBadPairs {
				t.Errorf("%T", err)
			}
		}
		if err == nil && text != c.want || !strings.Contains(text, c.want) || strings.Contains(text, "sesame") {
			t.Errorf("%.40q: %s, want %s", c.text, text, c.want)
		}
	}
}

func FuzzParsePairs(f *testing.F) {
	f.Add("identifier,password\na,b\n")
	f.Add("{\"identifier\":\"a\",\"password\":\"b\"}")
	f.Fuzz(func(t *testing.T, text string) {
		pairs, err := parsePairs(text)
		if (err == nil) == (len(pairs) == 0) {
			t.Errorf("%d pairs, %v", len(pairs), err)
		}
	})
}
