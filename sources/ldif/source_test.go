package ldifsource_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldif"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	ldifsource "github.com/usher-id/usher/sources/ldif"
	"github.com/usher-id/usher/value"
)

func TestAcceptance(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.ldif", "version: 1\n\ndn: uid=ann,dc=x\nuid: ann\nmail: a@x.com\nMail: b@x.com\nuserPassword:: e1NTSEF9aHVudGVyMi1zZWNyZXQ=\n\n"+
		"dn: uid=bad,dc=x\nuserPassword:: hunter2-secret!\n\n\n# a comment\n#  that is\n  folded\ndn: uid=bob,dc=x\ncn: Bo\n b\n\n")
	write("b.ldif", "dn:: dWlkPcOpLGRjPXg=\r\ncn;lang-fr: \r\njpegPhoto:: /9g=\r\n\r\ndn: uid=del,dc=x\r\nchangetype: delete\r\n\r\ndn: uid=eve,dc=x\r\ncn: Eve")
	acceptance.Source(t, acceptance.SourceCase{
		New: func(t *testing.T) pipeline.Source {
			return acceptance.NewSource(t, ldifsource.Type, pipeline.Env{}, "{path: "+filepath.Join(dir, "*.ldif")+"}")
		},
		Want: []string{
			`{"dn":"uid=ann,dc=x","uid":"ann","mail":["a@x.com","b@x.com"],"userPassword":"{SSHA}hunter2-secret"}`,
			acceptance.FailedRecord,
			`{"dn":"uid=bob,dc=x","cn":"Bob"}`,
			`{"dn":"uid=é,dc=x","cn;lang-fr":"","jpegPhoto":"/9g="}`,
			acceptance.FailedRecord,
			`{"dn":"uid=eve,dc=x","cn":"Eve"}`,
		},
		Unopenable: func(t *testing.T) pipeline.Source {
			return acceptance.NewSource(t, ldifsource.Type, pipeline.Env{}, "{path: "+filepath.Join(dir, "missing")+"}")
		},
		Secrets: []string{"hunter2-secret"},
	})
}

// Exports in a zip file are read as those beside one another are.
func TestZip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for name, text := range map[string]string{"a.ldif": "dn: uid=ann,dc=x\n", "b.ldif": "dn: uid=bob,dc=x\n"} {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	s := acceptance.NewSource(t, ldifsource.Type, pipeline.Env{}, "{path: "+path+"}")
	defer s.Close()
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	b, err := s.Next(context.Background(), 10)
	if err != nil || len(b.Records) != 2 || b.Records[1].Ref.String() != "people.zip!b.ldif:1" {
		t.Errorf("%+v, %v", b, err)
	}
}

// read gives the records of a text, each as JSON or as its problems, and the error that ended it.
func read(t testing.TB, text, options string) (list []string, ends error) {
	t.Helper()
	env := pipeline.Env{Stdin: strings.NewReader(text)}
	s := acceptance.NewSource(t, ldifsource.Type, env, "{path: '-'"+options+"}")
	defer s.Close()
	if err := s.Open(context.Background()); err != nil {
		return nil, err
	}
	for {
		b, err := s.Next(context.Background(), 3)
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		for i := range b.Records {
			r := &b.Records[i]
			switch {
			case r.Outcome.Decision != pipeline.Failed:
				list = append(list, fmt.Sprintf("%d %s", r.Ref.Line, value.AppendJSON(nil, r.Source)))
			case len(r.Outcome.Errors) == 0:
				t.Fatalf("record %s failed without a reason", r.Ref)
			default:
				p := r.Outcome.Errors[0]
				list = append(list, fmt.Sprintf("%d %s %s: %s", r.Ref.Line, p.Code, p.Field, p.Message))
			}
		}
	}
}

// TestEmptyFile is no error, since it is what a search that finds nobody writes, but is said.
func TestEmptyFile(t *testing.T) {
	for text, want := range map[string]bool{"": true, "\xef\xbb\xbf": true, "# nobody\n": false, "dn: x\n": false} {
		var log bytes.Buffer
		s := acceptance.NewSource(t, ldifsource.Type, pipeline.Env{Stdin: strings.NewReader(text), Log: slog.New(slog.NewTextHandler(&log, nil))}, "{path: '-'}")
		if err := errors.Join(s.Open(t.Context()), s.Close()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "the file is empty"); got != want {
			t.Errorf("%q: %s", text, log.String())
		}
	}
}

func TestEntries(t *testing.T) {
	for name, c := range map[string]struct {
		text, options string
		want          []string
		ends          string
	}{
		"empty":           {text: ""},
		"comments alone":  {text: "# nothing\n\n# here\n"},
		"version and dn":  {text: "version: 1\ndn: x\na: b\n", want: []string{`2 {"dn":"x","a":"b"}`}},
		"other version":   {text: "version: 2\ndn: x\na: b\n", want: []string{"1 ldif.bad_version : line 1: LDIF of version \"2\"; there is only version 1"}},
		"byte order mark": {text: "\xef\xbb\xbfdn: x\na: b\n", want: []string{`1 {"dn":"x","a":"b"}`}},
		"blank lines":     {text: "\n\n\ndn: x\na: b\n\r\n\n\r\ndn: y\na: c\n\n\n", want: []string{`4 {"dn":"x","a":"b"}`, `9 {"dn":"y","a":"c"}`}},
		"white space":     {text: "dn: x\na:   b \nc:d\n", want: []string{`1 {"dn":"x","a":"b ","c":"d"}`}},
		"colon in value":  {text: "dn: x\na: b: c\nd: <e\n", want: []string{`1 {"dn":"x","a":"b: c","d":"<e"}`}},
		"folded base64":   {text: "dn: x\na:: w6l\n 0YQ==\n", want: []string{`1 {"dn":"x","a":"éta"}`}},
		"not text":        {text: "dn: x\na:: /9g=\nb:: AA==\nc;binary: text\n", want: []string{`1 {"dn":"x","a":"/9g=","b":"AA==","c;binary":"dGV4dA=="}`}},
		"an OID":          {text: "dn: x\n2.5.4.3: b\n", want: []string{`1 {"dn":"x","2.5.4.3":"b"}`}},
		"many values":     {text: "dn: x\na: 1\nb: z\nA: 2\na: 3\n", want: []string{`1 {"dn":"x","a":["1","2","3"],"b":"z"}`}},
		"ldifde":          {text: "dn: x\nchangetype: add\na: b\n", want: []string{`1 {"dn":"x","a":"b"}`}},
		"a change": {text: "dn: x\nchangetype: modify\nreplace: a\na: b\n-\n",
			want: []string{`1 ldif.change : line 2: this is a change ("modify"), not an entry: export the entries themselves`}},
		"a control": {text: "dn: x\ncontrol: 1.2.3 true\nchangetype: delete\n",
			want: []string{`1 ldif.change : line 2: this is a change with a control, not an entry: export the entries themselves`}},
		"a file": {text: "dn: x\njpegPhoto:< file:///etc/passwd\n",
			want: []string{`1 ldif.url_value jpegPhoto: line 2: the value stands in another file; no file is read because data names it: export the value itself`}},
		"UTF-16": {text: "\xff\xfed\x00n\x00:\x00", ends: "ldif.bad_encoding"},
		"no dn":  {text: "cn: x\na: b\n\ndn: y\na: b\n", want: []string{`1 ldif.no_dn : line 1: an entry begins with its dn, not with "cn"`, `4 {"dn":"y","a":"b"}`}},
		"no empty line": {text: "dn: x\na: b\n \ndn: y\na: c\n\ndn: z\na: d\n",
			want: []string{"1 ldif.second_dn : line 4: another entry begins here, without an empty line before it; put one there", `7 {"dn":"z","a":"d"}`}},
		"dn alone": {text: "dn: x\n", want: []string{"1 ldif.no_attributes : line 1: the entry has a name and nothing else"}},
		"no colon": {text: "dn: x\nname\n", want: []string{"1 ldif.bad_line : line 2: it has no attribute, colon and value; a line that goes on begins with a space"}},
		"bad name": {text: "dn: x\nna me: b\n", want: []string{"1 ldif.bad_line : line 2: it has no attribute, colon and value; a line that goes on begins with a space"}},
		"latin1":   {text: "dn: x\ncn: \xe9\n", want: []string{"1 ldif.invalid_utf8 cn: line 2: there are bytes that are not UTF-8; is the file in another encoding?"}},
		"ldapsearch": {text: "# extended LDIF\n#\n\n# ann, x\ndn: x\na: b\n\n# search reference\nref: ldap://other/dc=x\n\n# search result\nsearch: 2\nresult: 0 Success\n\n# numResponses: 2\n",
			want: []string{`5 {"dn":"x","a":"b"}`}},
		"cut short": {text: "dn: x\na: b\n\nsearch: 2\nresult: 4 Size limit exceeded\n", want: []string{`1 {"dn":"x","a":"b"}`}, ends: "ldif.cut_short"},
		"too large": {text: "dn: x\na: b\n\ndn: y\n" + strings.Repeat("a: "+strings.Repeat("x", 70)+"\n", 100) + "\n\ndn: z\na: b\n", options: ", max_record_size: 2000",
			want: []string{`1 {"dn":"x","a":"b"}`, "4 ldif.entry_too_large : the entry is larger than max_record_size, 2000 bytes; the rejects cannot hold it: raise max_record_size and run again", `107 {"dn":"z","a":"b"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(t, c.text, c.options)
			if !slices.Equal(got, c.want) {
				t.Errorf("%q\ngave %q\nnot  %q", c.text, got, c.want)
			}
			var known *pipeline.Error
			if c.ends == "" != (err == nil) || err != nil && (!errors.As(err, &known) || known.Code != c.ends) {
				t.Errorf("%q ended with %v, not %q", c.text, err, c.ends)
			}
		})
	}
}

// FuzzSource compares the entries that go-ldap/ldif reads with ours, where both take a text, and checks that no other text
// panics or hangs.
func FuzzSource(f *testing.F) {
	for _, seed := range []string{
		"version: 1\n\ndn: uid=a,dc=x\ncn: A\nmail: a@x\nmail: b@x\n\ndn:: dWlkPWI=\ncn:: w6k=\n", "dn: x\ncn: a\n b\n# c\nsn: d\n",
		"dn: x\nchangetype: add\ncn: a\n", "dn: x\r\na: b\r\n\r\n\r\ndn: y\r\na: c", "search: 2\nresult: 0 Success\n", "\xef\xbb\xbfdn: x\na:< file:///x\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := read(t, text, ", max_record_size: 4KB")
		if err != nil || strings.Contains(text, ":<") || len(text) > 1000 || slices.ContainsFunc(got, func(r string) bool { return strings.Contains(r, " ldif.") }) {
			return
		}
		theirs, err := ldif.Parse(text)
		if err != nil || comparable(text) != nil {
			return
		}
		var want []string
		for _, e := range theirs.AllEntries() {
			want = append(want, e.DN)
			for _, a := range e.Attributes {
				want = append(want, a.Values...)
			}
		}
		all := strings.Join(got, "\n")
		for _, v := range want {
			asJSON := string(value.AppendJSON(nil, v))
			if !strings.Contains(all, asJSON[1:len(asJSON)-1]) {
				t.Errorf("%q: %q is missing in %q", text, v, all)
			}
		}
	})
}

// comparable gives an error for texts that the other library is known to read otherwise: it takes trailing white space and
// carriage returns off the lines, and reads a comment in the middle of a value as its end.
func comparable(text string) error {
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.ContainsAny(line, "\r") || strings.HasPrefix(line, "#") || strings.HasPrefix(line, " ") && strings.TrimSpace(line) == "" || strings.Contains(line, "::") && !strings.HasPrefix(line, "dn::") && !strings.HasPrefix(line, "cn::") {
			return errors.New("read otherwise")
		}
	}
	return nil
}
