package csvsink

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	sourcecsv "github.com/usher-id/usher/sources/csv"
	"github.com/usher-id/usher/value"
)

var ctx = context.Background()

func TestAcceptance(t *testing.T) {
	secret := "$2b$12$abcdefghijklmnopqrstuu"
	users := []string{`{"id":1,"mail":"a,b\"c","x":{"y":"z"},"password":"` + secret + `"}`, `{"id":null,"mail":"","x":{"y":[1,"a"]},"password":null}`, `{"mail":"é\nf","id":1.10}`, `{"x":{"y":true}}`}
	rows := []string{`1,"a,b""c",z,` + secret, `,"","[1,""a""]",`, "1.10,\"é\nf\",,", ",,true,"}
	for name, tt := range map[string]struct {
		options, header string
		rows            []string
	}{
		"columns found":  {"", "id,mail,x.y,password", rows},
		"columns stated": {"columns: [id, mail, x.y, password]", "id,mail,x.y,password", rows},
		"tabs":           {"delimiter: tab, columns: [x, id]", "x\tid", []string{`"{""y"":""z""}"` + "\t1", `"{""y"":[1,""a""]}"` + "\t", "\t1.10", `"{""y"":true}"` + "\t"}},
	} {
		t.Run(name, func(t *testing.T) {
			acceptance.Sink(t, acceptance.SinkCase{
				Target: func(t *testing.T) acceptance.Target {
					dir := t.TempDir()
					path := filepath.Join(dir, "users.csv")
					return acceptance.Target{
						Dir: dir,
						New: func() pipeline.Sink {
							return acceptance.NewSink(t, Type, pipeline.Env{}, fmt.Sprintf("{path: %q, %s}", path, tt.options))
						},
						Read: func() []string {
							text, err := os.ReadFile(path)
							if os.IsNotExist(err) || len(text) == 0 {
								return nil
							}
							header, rest, _ := strings.Cut(string(text), "\n")
							if err != nil || header != tt.header {
								t.Fatalf("%v, header %s", err, header)
							}
							if rest == "" {
								return nil
							}
							// A line end inside quotes is the only one that follows é.
							parts := strings.Split(strings.ReplaceAll(strings.TrimSuffix(rest, "\n"), "é\n", "é\r"), "\n")
							for i := range parts {
								parts[i] = strings.ReplaceAll(parts[i], "é\r", "é\n")
							}
							return parts
						},
					}
				},
				Records: users,
				Want:    tt.rows,
				Unopenable: func(t *testing.T) pipeline.Sink {
					return acceptance.NewSink(t, Type, pipeline.Env{}, fmt.Sprintf("{path: %q}", t.TempDir()))
				},
				Secrets: []string{secret},
			})
		})
	}
}

// write writes batches of JSON objects and gives the file, and for each record the code of its error or nothing.
func write(t *testing.T, options string, batches ...[]string) (text string, codes []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.csv")
	s := acceptance.NewSink(t, Type, pipeline.Env{}, fmt.Sprintf("{path: %q, %s}", path, options))
	defer s.Close()
	if err := s.Open(ctx, pipeline.Run{ID: "r"}); err != nil {
		t.Fatal(err)
	}
	for _, batch := range batches {
		var records []pipeline.Record
		for _, text := range batch {
			v, err := value.ParseJSON([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, pipeline.Record{Source: v.(*value.Object), Fields: v.(*value.Object)})
		}
		if err := s.Write(ctx, &pipeline.Batch{Records: records}); err != nil {
			t.Fatal(err)
		}
		for i := range records {
			code := ""
			if o := records[i].Outcome; len(o.Errors) > 0 {
				code = o.Errors[0].Code + " " + o.Errors[0].Field
			}
			codes = append(codes, code)
		}
	}
	if err := s.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(written), codes
}

func TestColumns(t *testing.T) {
	for _, tt := range []struct {
		name, options string
		batches       [][]string
		want          string
		codes         []string
	}{
		{"in the order of the first batch", "", [][]string{{`{"b":1}`, `{"a":2,"b":3}`}, {`{"a":4}`}}, "b,a\n1,\n3,2\n,4\n", []string{"", "", ""}},
		{"one that comes later", "", [][]string{{`{"a":1}`}, {`{"a":2,"b":"x"}`, `{"a":3,"b":null,"c":{}}`, `{"a":4,"c":{"d":{"e":1}}}`, `{"a":5}`}}, "a\n1\n3\n5\n",
			[]string{"", "csv.unknown_column b", "", "csv.unknown_column c", ""}},
		{"one inside another that comes later", "", [][]string{{`{"a":{"b":1}}`}, {`{"a":{"b":2,"c":3}}`}}, "a.b\n1\n", []string{"", "csv.unknown_column a.c"}},
		{"stated ones leave out the rest", "columns: [a]", [][]string{{`{"a":1,"b":2}`, `{"b":2}`}}, "a\n1\n\"\"\n", []string{"", ""}},
		{"null here, object there", "", [][]string{{`{"a":null,"b":1}`, `{"a":{"c":2}}`}}, "b,a.c\n1,\n,2\n", []string{"", ""}},
		{"text here, object there", "", [][]string{{`{"a":"x"}`, `{"a":{"c":2}}`}}, "a,a.c\nx,\n\"{\"\"c\"\":2}\",2\n", []string{"", ""}},
		{"empty object in a column of its own", "columns: [a, b.c]", [][]string{{`{"a":{},"b":{"c":{}}}`, `{"b":{}}`}}, "a,b.c\n{},{}\n,\n", []string{"", ""}},
		{"a dotted name and a nested one", "", [][]string{{`{"a.b":1,"c":2}`, `{"a":{"b":3}}`, `{"a.b":4,"a":{"b":5}}`, `{"a":{"b":6},"a.b":null}`}}, "a.b,c\n1,2\n3,\n",
			[]string{"", "", "csv.same_column a.b", "csv.same_column a.b"}},
		{"dots in names", "", [][]string{{`{"a.b":1,"c":{"d":2}}`}}, "a.b,c.d\n1,2\n", []string{""}},
		{"records without fields", "", [][]string{{`{}`}, {`{"a":1}`, `{}`}}, "a\n1\n\"\"\n", []string{"csv.no_columns ", "", ""}},
		{"no records", "columns: [a, b]", nil, "a,b\n", nil},
		{"no records and no columns", "", nil, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, codes := write(t, tt.options, tt.batches...)
			if text != tt.want || strings.Join(codes, ",") != strings.Join(tt.codes, ",") {
				t.Errorf("got %q %q\nwant %q %q", text, codes, tt.want, tt.codes)
			}
		})
	}
}

func TestValues(t *testing.T) {
	s := &Sink{delimiter: ';', row: []any{"a;b", "a,b", "", nil, int64(-1), 1.5, value.Number("1.10"), true, []byte{0, 255}, time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), []any{"x", nil}, "a\rb", "\"", " x "}}
	want := `"a;b";a,b;"";;-1;1.5;1.10;true;AP8=;2020-01-02T03:04:05Z;"[""x"",null]"` + ";\"a\rb\";\"\"\"\"; x \n"
	if got := string(s.appendRow(nil)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Apostrophes around texts are no quotes to the source csv, though none else are there.
func TestApostrophes(t *testing.T) {
	if text, _ := write(t, "columns: [a, b]", []string{`{"a":"'x'","b":"it's"}`}); text != "a,b\n\"'x'\",it's\n" {
		t.Errorf("%q", text)
	}
}

// Texts that look like formulas are guarded, and the source csv finds out what they were.
func TestGuard(t *testing.T) {
	texts := []string{"=1+1", "+8613100000001", "-x", "@a", "\t", "\r", "'", "''", "'=", "''+1", "'\t\"", "a=1", "", " =", "=\"a,b\"\n"}
	var records []string
	for _, text := range texts {
		records = append(records, string(value.AppendJSON(nil, value.ObjectOf(value.Member{Name: "=n", Value: text}, value.Member{Name: "i", Value: int64(-1)}))))
	}
	for guard, want := range map[string]string{"true": "\"'=n\",i\n\"'=1+1\",-1\n\"'+8613100000001\",-1\n", "false": "=n,i\n=1+1,-1\n+8613100000001,-1\n"} {
		text, codes := write(t, "guard: "+guard, records)
		if len(codes) != len(texts) || !strings.HasPrefix(text, want) {
			t.Errorf("guard: %s: %q", guard, text)
		}
		path := filepath.Join(t.TempDir(), "x.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		source := acceptance.NewSource(t, sourcecsv.Type, pipeline.Env{}, fmt.Sprintf("{path: %q, types: {i: int}, guard: %s}", path, guard))
		if err := source.Open(ctx); err != nil {
			t.Fatal(err)
		}
		b, err := source.Next(ctx, 100)
		if err != nil || len(b.Records) != len(texts) {
			t.Fatalf("guard: %s: %v %v", guard, b, err)
		}
		for i := range b.Records {
			if got := string(value.AppendJSON(nil, b.Records[i].Source)); got != records[i] {
				t.Errorf("guard: %s: %s came back as %s", guard, records[i], got)
			}
		}
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for _, values := range []map[string]any{
		{"path": "f", "delimiter": ";;"}, {"path": "f", "delimiter": "\""}, {"path": "f", "delimiter": "\n"},
		{"path": "f", "delimiter": ",", "columns": []string{"a", "b", "a"}}, {"path": "f", "delimiter": ",", "columns": []string{""}},
	} {
		var e *pipeline.OptionError
		if _, err := Type.New(pipeline.Env{}, pipeline.NewConfig(values)); !errors.As(err, &e) {
			t.Errorf("%v gave %v", values, err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	o := value.NewObject(12)
	for i := range 12 {
		o.Append(fmt.Sprint("field", i), "some text of a user")
	}
	s := acceptance.NewSink(b, Type, pipeline.Env{}, fmt.Sprintf("{path: %q}", b.TempDir()+"/f"))
	if err := s.Open(ctx, pipeline.Run{ID: "r"}); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.ReportAllocs()
	records := make([]pipeline.Record, 1000)
	for b.Loop() {
		for i := range records {
			records[i] = pipeline.Record{Source: o, Fields: o}
		}
		if err := s.Write(ctx, &pipeline.Batch{Records: records}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(records))/b.Elapsed().Seconds(), "records/s")
}

// written gives what a sink with options writes of records, in two lives of the run.
func written(t *testing.T, options string, records ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.csv")
	var position []byte
	for i, text := range records {
		s := acceptance.NewSink(t, Type, pipeline.Env{}, fmt.Sprintf("{path: %q, %s}", path, options))
		run := pipeline.Run{ID: "r", Resumed: i > 0, Position: position}
		if err := s.Open(ctx, run); err != nil {
			t.Fatal(err)
		}
		v, err := value.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		b := &pipeline.Batch{Records: []pipeline.Record{{Fields: v.(*value.Object)}}}
		if err := s.Write(ctx, b); err != nil || b.Records[0].Outcome.Decision != pipeline.Inserted {
			t.Fatal(err, b.Records[0].Outcome)
		}
		if position, err = s.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if i == len(records)-1 {
			if err := s.Finish(ctx); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			published := s.(pipeline.Publisher).Published()
			if sum := fmt.Sprintf("%x", sha256.Sum256(text)); len(published) != 1 || published[0].SHA256 != sum || published[0].Bytes != int64(len(text)) {
				t.Errorf("published %+v, want %d bytes, %s", published, len(text), sum)
			}
		}
		s.Close()
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestForms(t *testing.T) {
	user := `{"e":"a@x.com","roles":["admin","editor, chief"],"n":[1,true,1.10]}`
	for options, want := range map[string]string{
		"":                              "e,roles,n\na@x.com,\"[\"\"admin\"\",\"\"editor, chief\"\"]\",\"[1,true,1.10]\"\na@x.com,\"[\"\"admin\"\",\"\"editor, chief\"\"]\",\"[1,true,1.10]\"\n",
		"bom: true, line_ends: crlf":    "\ufeffe,roles,n\r\na@x.com,\"[\"\"admin\"\",\"\"editor, chief\"\"]\",\"[1,true,1.10]\"\r\na@x.com,\"[\"\"admin\"\",\"\"editor, chief\"\"]\",\"[1,true,1.10]\"\r\n",
		"join: ';', columns: [roles]":   "roles\n\"admin;editor, chief\"\n\"admin;editor, chief\"\n",
		"join: ', ', columns: [roles]":  "roles\n\"[\"\"admin\"\",\"\"editor, chief\"\"]\"\n\"[\"\"admin\"\",\"\"editor, chief\"\"]\"\n",
		"join: '|', delimiter: '|'":     "e|roles|n\na@x.com|\"admin|editor, chief\"|\"1|true|1.10\"\na@x.com|\"admin|editor, chief\"|\"1|true|1.10\"\n",
		"bom: true, columns: ['=e', e]": "\ufeff\"'=e\",e\n,a@x.com\n,a@x.com\n",
	} {
		if got := written(t, options, user, user); got != want {
			t.Errorf("%s: got %q, want %q", options, got, want)
		}
	}
	for list, want := range map[string]string{`[]`: `[]`, `[""]`: `"[""""]"`, `["a",null]`: `"[""a"",null]"`, `["a;b"]`: `"[""a;b""]"`, `[["a"]]`: `"[[""a""]]"`, `["[a"]`: `"[""[a""]"`, `["-a","=b"]`: `"'-a;=b"`, `["a"]`: "a"} {
		if got := written(t, "join: ';'", `{"l":`+list+`}`); got != "l\n"+want+"\n" {
			t.Errorf("%s: got %q, want %q", list, got, want)
		}
	}
	b := &pipeline.Batch{Records: []pipeline.Record{{Fields: value.ObjectOf(value.Member{Name: "p", Value: value.Secret("hunter2")})}}}
	var out strings.Builder
	s := acceptance.NewSink(t, Type, pipeline.Env{Stdout: &out}, `"-"`)
	if err := errors.Join(s.Open(ctx, pipeline.Run{}), s.Write(ctx, b), s.Finish(ctx)); err != nil || out.String() != "p\nREDACTED\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
