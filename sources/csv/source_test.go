package csvsource

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/sources/charset"
	"github.com/usher-id/usher/sources/files"
	"github.com/usher-id/usher/value"
)

var ctx = context.Background()

func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func source(t testing.TB, options string) pipeline.Source {
	t.Helper()
	return acceptance.NewSource(t, Type, pipeline.Env{}, options)
}

// read gives the records up to the end or the error, one a line: line number and values, or line number, code, field
// and text.
func read(t testing.TB, s pipeline.Source) (lines []string, err error) {
	t.Helper()
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Open(ctx); err != nil {
		return nil, err
	}
	for {
		b, err := s.Next(ctx, 3)
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		for i := range b.Records {
			r := &b.Records[i]
			if r.Open() {
				lines = append(lines, fmt.Sprintf("%d %s", r.Ref.Line, value.AppendJSON(nil, r.Source)))
				continue
			}
			p := r.Outcome.Errors[0]
			lines = append(lines, fmt.Sprintf("%d %s %s %q", r.Ref.Line, p.Code, p.Field, r.Raw))
		}
	}
}

func TestRows(t *testing.T) {
	for _, tt := range []struct {
		name, text, options string
		want                []string
	}{
		{"plain", "id,mail\n007,a@b.c\n 8 ,\n", "", []string{`2 {"id":"007","mail":"a@b.c"}`, `3 {"id":" 8 ","mail":""}`}},
		{"byte order mark and CRLF", "\xef\xbb\xbfid,mail\r\n1,a\r\n\r\n2,b\r\n3,c", "", []string{`2 {"id":"1","mail":"a"}`, `4 {"id":"2","mail":"b"}`, `5 {"id":"3","mail":"c"}`}},
		{"quotes", "a,b\n\"x,\"\"y\"\"\",\"\"\n\"line\nend\r\n\",z\n1,2\n", "", []string{`2 {"a":"x,\"y\"","b":""}`, `3 {"a":"line\nend\r\n","b":"z"}`, `6 {"a":"1","b":"2"}`}},
		{"quoted, CRLF", "\"a\",\"b\"\r\n\"1\",\"2\"\r\n", "", []string{`2 {"a":"1","b":"2"}`}},
		{"dotted names", "id,user_metadata.name,user_metadata.x.y,z\n1,n,m,k\n", "", []string{`2 {"id":"1","user_metadata":{"name":"n","x":{"y":"m"}},"z":"k"}`}},
		{"dots that are no path", ".a,b.,c..d\n1,2,3\n", "", []string{`2 {".a":"1","b.":"2","c..d":"3"}`}},
		{"semicolons", "a;b;c\n1,5;2;3\n", "", []string{`2 {"a":"1,5","b":"2","c":"3"}`}},
		{"tabs", "a\tb\n1, 2\t3\n", "", []string{`2 {"a":"1, 2","b":"3"}`}},
		{"bars", "a|b\n1|2\n", "", []string{`2 {"a":"1","b":"2"}`}},
		{"single quotes", "'a','b'\n'x, y','it''s'\n", "", []string{`2 {"a":"x, y","b":"it's"}`}},
		{"apostrophes are no quotes", "a,b\nit's,'t is\nO'Neil,x\n", "", []string{`2 {"a":"it's","b":"'t is"}`, `3 {"a":"O'Neil","b":"x"}`}},
		{"apostrophes around a value are part of it", "a,b\n1,x\n2,'Bob'\n3,y\n4,z\n", "", []string{`2 {"a":"1","b":"x"}`, `3 {"a":"2","b":"'Bob'"}`, `4 {"a":"3","b":"y"}`, `5 {"a":"4","b":"z"}`}},
		{"apostrophes beside quotes", "a,b\n'x','y'\n\"z,1\",w\n", "", []string{`2 {"a":"'x'","b":"'y'"}`, `3 {"a":"z,1","b":"w"}`}},
		{"single quotes, one column", "'a'\n'x'\n'it''s'\n", "", []string{`2 {"a":"x"}`, `3 {"a":"it's"}`}},
		{"single quotes, one column, without them in the header", "a\n'x'\n'y'\n", "", []string{`2 {"a":"x"}`, `3 {"a":"y"}`}},
		{"apostrophes around a value are part of it, one column", "a\nx\n'Bob'\ny\n", "", []string{`2 {"a":"x"}`, `3 {"a":"'Bob'"}`, `4 {"a":"y"}`}},
		{"apostrophes before every value, one column", "a\n'001\n'002\n", "", []string{`2 {"a":"'001"}`, `3 {"a":"'002"}`}},
		{"single quotes around texts only", "a,b\n1,'Bob'\n2,'Eve'\n", "", []string{`2 {"a":"1","b":"Bob"}`, `3 {"a":"2","b":"Eve"}`}},
		{"single quotes where they must be", "a,b\n1,x\n2,y\n3,'z, w'\n4,x\n", "", []string{`2 {"a":"1","b":"x"}`, `3 {"a":"2","b":"y"}`, `4 {"a":"3","b":"z, w"}`, `5 {"a":"4","b":"x"}`}},
		{"single quotes around apostrophes only", "a,b\n1,x\n2,'D''Angelo'\n3,y\n4,z\n", "", []string{`2 {"a":"1","b":"x"}`, `3 {"a":"2","b":"D'Angelo"}`, `4 {"a":"3","b":"y"}`, `5 {"a":"4","b":"z"}`}},
		{"single quotes around apostrophes only, one column", "b\nx\n'D''Angelo'\ny\n", "", []string{`2 {"b":"x"}`, `3 {"b":"D'Angelo"}`, `4 {"b":"y"}`}},
		{"single quotes and backslashes, one column", "'b'\n'x'\n'D\\'Angelo'\n", "", []string{`2 {"b":"x"}`, `3 {"b":"D'Angelo"}`}},
		{"two apostrophes are no quotes", "a,b\n1,x\n2,''Bob''\n3,y\n4,z\n", "", []string{`2 {"a":"1","b":"x"}`, `3 {"a":"2","b":"''Bob''"}`, `4 {"a":"3","b":"y"}`, `5 {"a":"4","b":"z"}`}},
		{"no quotes", "a,b\n\"1,2\"\n", "quote: none", []string{`2 {"a":"\"1","b":"2\""}`}},
		{"one column", "mail\na@b.c\n\nd@e.f\n", "", []string{`2 {"mail":"a@b.c"}`, `4 {"mail":"d@e.f"}`}},
		{"stated delimiter", "a:b\n1:2\n", `delimiter: ":"`, []string{`2 {"a":"1","b":"2"}`}},
		{"tab by name", "a\tb\n1\t2\n", `delimiter: tab`, []string{`2 {"a":"1","b":"2"}`}},
		{"named columns", "1,a\n2,b", "columns: [id, x.y]", []string{`1 {"id":"1","x":{"y":"a"}}`, `2 {"id":"2","x":{"y":"b"}}`}},
		{"named columns and a header", "i,m\n1,a", "columns: [id, mail], header: true", []string{`2 {"id":"1","mail":"a"}`}},
		{"spaces around names", " id , mail\n1,a", "", []string{`2 {"id":"1","mail":"a"}`}},
		{"a header that does not look like one", "@id,2024,a@b.c\n1,2,3\n", "header: true", []string{`2 {"@id":"1","2024":"2","a@b":{"c":"3"}}`}},
		{"header only", "id,mail\n", "", nil},
		{"header only without line end", "id,mail", "", nil},
		{"no rows with named columns", "", "columns: [a]", nil},
		{"empty as null", "a,b.c,d\n,\"\",\n", "empty: null", []string{`2 {"a":null,"b":{"c":""},"d":null}`}},
		{"empty as absent", "a,b.c,d\n,,1\n,\"\",\n", "empty: absent", []string{`2 {"d":"1"}`, `3 {"b":{"c":""}}`}},
		{"types", "i,n,b,j,t,s\n007,1.10,是,\"{\"\"a\"\":[1]}\",2020-01-02 03:04:05,007\n-0,1e3,No,null,2020-01-02T03:04:05+08:00,\n,,,,,x\n18446744073709551615,-1,1,17,2020-01-02,y",
			"types: {i: int, n: number, b: bool, j: json, t: time, s: string}", []string{
				`2 {"i":7,"n":1.10,"b":true,"j":{"a":[1]},"t":"2020-01-02T03:04:05Z","s":"007"}`,
				`3 {"i":0,"n":1e3,"b":false,"j":null,"t":"2020-01-02T03:04:05+08:00","s":""}`,
				`4 {"i":null,"n":null,"b":null,"j":null,"t":null,"s":"x"}`,
				`5 {"i":18446744073709551615,"n":-1,"b":true,"j":17,"t":"2020-01-02T00:00:00Z","s":"y"}`}},
		{"empty values of a type, in quotes", "i,b,s\n\"\",\"\",\"\"\n", "types: {i: int, b: bool, s: string}, empty: absent", []string{`2 {"s":""}`}},
		{"wrong types", "a.i,b\n1.5,true\n1,maybe\n2,no", "types: {a.i: int, b: bool}", []string{
			`2 csv.bad_value a.i "1.5,true"`, `3 csv.bad_value b "1,maybe"`, `4 {"a":{"i":2},"b":false}`}},
		{"short and long rows", "a,b,c\n1,2\n1,2,3,4\n1,2,3\nx", "", []string{
			`2 csv.short_row  "1,2"`, `3 csv.long_row  "1,2,3,4"`, `4 {"a":"1","b":"2","c":"3"}`, `5 csv.short_row  "x"`}},
		{"bare quote", "a,b\n1,5\" pipe\r\n2,x\n", "", []string{`2 csv.bad_quote  "1,5\" pipe"`, `3 {"a":"2","b":"x"}`}},
		{"text behind quotes", "a,b\n\"1\" x,2\n2,x\n", "", []string{`2 csv.bad_quote  "\"1\" x,2"`, `3 {"a":"2","b":"x"}`}},
		{"stray quote before good rows", "a,b\n1,\"Bob\n2,Eve\n3,\"Ann\"\n4,x\n", "", []string{
			`2 csv.bad_quote  "1,\"Bob"`, `3 {"a":"2","b":"Eve"}`, `4 {"a":"3","b":"Ann"}`, `5 {"a":"4","b":"x"}`}},
		{"bad quote in a value of many lines", "a,b\n1,\"first\nsecond \"bad\" third\nfourth\"\n2,x\n", "", []string{
			`2 csv.bad_quote  "1,\"first\nsecond \"bad\" third"`, `4 csv.bad_quote  "fourth\""`, `5 {"a":"2","b":"x"}`}},
		{"quote that nothing closes", "a,b\n1,x\n2,\"y\n3,z\n4,w", "", []string{
			`2 {"a":"1","b":"x"}`, `3 csv.unclosed_quote  "2,\"y"`, `4 {"a":"3","b":"z"}`, `5 {"a":"4","b":"w"}`}},
		{"quote that nothing closes in the last line", "a,b\n1,x\n2,\"y", "", []string{`2 {"a":"1","b":"x"}`, `3 csv.unclosed_quote  "2,\"y"`}},
		{"invalid UTF-8", "a,b\nx,caf\xe9\n\"\xff\",y\nx,y\n", "", []string{
			`2 csv.invalid_utf8 b "x,caf\xe9"`, `3 csv.invalid_utf8 a "\"\xff\",y"`, `4 {"a":"x","b":"y"}`}},
		{"NUL", "a,b\nx,y\x00\n\"x\x00\",\"y\"\nx,y\n", "", []string{
			`2 csv.nul_byte b "x,y\x00"`, `3 csv.nul_byte a "\"x\x00\",\"y\""`, `4 {"a":"x","b":"y"}`}},
		{"large row", "a,b\n1," + strings.Repeat("x", 3000) + "\n2,y\n" + strings.Repeat("z", 3000), "max_record_size: 1KB", []string{
			`2 csv.row_too_large  ""`, `3 {"a":"2","b":"y"}`, `4 csv.row_too_large  ""`}},
		{"large row in quotes", "a,b\n1,\"" + strings.Repeat("x", 3000) + "\"\n2,y\n", "max_record_size: 1KB", []string{
			`2 csv.row_too_large  ""`, `3 {"a":"2","b":"y"}`}},
		{"large quoted row of many lines", "a,b\n1,\"" + strings.Repeat("x\n", 1000) + "\"\n", "max_record_size: 1KB", append(
			slices.Insert(manyLines(`%d csv.short_row  "x"`, 3, 999), 0, `2 csv.unclosed_quote  "1,\"x"`), `1002 csv.unclosed_quote  "\""`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, text := range []string{tt.text, packed(t, tt.text)} {
				lines, err := read(t, source(t, fmt.Sprintf("{path: %q, %s}", file(t, "f", text), tt.options)))
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(lines, tt.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(tt.want, "\n"))
				}
			}
		})
	}
}

func manyLines(format string, from, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, from+i)
	}
	return list
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, options, code, place string }{
		{"empty", "", "", "csv.empty", "f is empty"},
		{"blank", "\r\n\n", "", "csv.empty", "f is empty"},
		{"two columns of one name", "a,b,a\n1,2,3\n", "", "csv.bad_header", `f:1: columns 1 and 3 are both named "a"`},
		{"column without a name", "a,,b\n1,2,3\n", "", "csv.bad_header", "column 2 has no name"},
		{"column inside a column", "a,a.b\n1,2\n", "", "csv.bad_header", `"a.b"`},
		{"column around a column", "a.b,a\n1,2\n", "", "csv.bad_header", `"a"`},
		{"no header", "1,ann@example.com\n2,bob@example.com\n", "", "csv.no_header", "f:1: the first row is no header but a user: there is an email address or a phone number in column 2"},
		{"no header, phone numbers", "Ann,'+8613800138000\nBob,\n", "", "csv.no_header", "in column 2"},
		{"bad quote in the header", "\na,b\"\n1,2\n", "", "csv.bad_quote", "f:2: in the header"},
		{"header in another encoding", "caf\xe9,b\n1,2\n", "", "csv.invalid_utf8", "f:1: in the header"},
		{"type of no column", "a,b\n1,2\n", "types: {c: int}", "csv.unknown_column", `"c"`},
		{"more columns named than there are", "a,b\n1,2\n", "columns: [a, b, c], header: true", "csv.header_differs", "2 columns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(t, source(t, fmt.Sprintf("{path: %q, %s}", file(t, "f", tt.text), tt.options)))
			var e *pipeline.Error
			if !errors.As(err, &e) || e.Code != tt.code || !strings.Contains(e.Message, tt.place) {
				t.Errorf("got %v, want %s naming %s", err, tt.code, tt.place)
			}
		})
	}
}

func TestSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1.csv", "a;b\n1;2\n")
	write("2.csv", "\xef\xbb\xbfa;b\r\n3;4,5\r\n")
	options := fmt.Sprintf("{path: %q}", dir+"/*.csv")
	lines, err := read(t, source(t, options))
	if err != nil || !slices.Equal(lines, []string{`2 {"a":"1","b":"2"}`, `2 {"a":"3","b":"4,5"}`}) {
		t.Errorf("%q %v", lines, err)
	}
	for _, header := range []string{"b;a\n", "a\n", "a;b;c\n"} {
		write("2.csv", header)
		var e *pipeline.Error
		if lines, err := read(t, source(t, options)); len(lines) != 1 || !errors.As(err, &e) || e.Code != "csv.header_differs" || !strings.HasPrefix(e.Message, "2.csv:1: ") {
			t.Errorf("%q: %q %v", header, lines, err)
		}
	}
}

// Rejects are few rows, and not the ones by which a dialect shows. They are read as what they were all the same.
func TestRejectsKeepTheirDialect(t *testing.T) {
	for _, tt := range []struct{ name, text, options string }{
		{"single quotes", "a,b\n'1','x, y'\n'2','say \"hi\"'\n'3','\"x'\n'o''neil','z'\n'5',''\n'6',u\n", ""},
		{"double quotes", "a,b\n\"1\",\"x, y\"\n\"2\",\"'Al'\"\n\"3\",\"o'neil\"\n\"'4\",\"'\"\n", ""},
		{"no quotes", "a,b\n1,x\n2,'Al'\n3,o'neil\n4,y\n5,z\n", ""},
		{"backslash", "a,b\n\"1\",\"say \\\"hi\\\", you\"\n\"2\",\"a\\b, c\"\n\"3\",\"a\\\\b, c\"\n\"4\",\"a\\\\\"\n\"5\",\"x\\'y\"\n\"6\",\"\\\"\"\n", ""},
		{"no header", "1;Smith, Ann\n2;Miller, Bob\n3;x\n", "columns: [a, b]"},
		{"header", "name, first;mail\nSmith, Ann;x\nMiller, Bob;y\nEve;z\nMax;w\n", ""},
		{"guarded", "a,b\n1,'=1+1\n2,''=2\n3,\"'+3, x\"\n", ""},
		{"tabs", "1\tx,y\n2\tu,v\n3\tw\n", "columns: [a, b]"},
	} {
		s := source(t, fmt.Sprintf("{path: %q, %s}", file(t, "f", tt.text), tt.options))
		if err := s.Open(ctx); err != nil {
			t.Fatal(tt.name, err)
		}
		batch, err := s.Next(ctx, 100)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		r := s.(pipeline.Rejecter)
		all := batch.Records
		for i := range all {
			for _, rejects := range [][]pipeline.Record{all[i : i+1], all[i:]} {
				var text []byte
				var want, got []string
				for n := range rejects {
					text = r.AppendReject(text, int64(n), &rejects[n])
					want = append(want, string(value.AppendJSON(nil, rejects[n].Source)))
				}
				again := r.ReadRejects(file(t, "rejects.csv", string(text)))
				if err := again.Open(ctx); err != nil {
					t.Errorf("%s: %v", tt.name, err)
					continue
				}
				if batch, err := again.Next(ctx, 100); err == nil {
					for _, record := range batch.Records {
						got = append(got, string(value.AppendJSON(nil, record.Source)))
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %q is read as %s, and was %s", tt.name, text, got, want)
				}
				again.Close()
			}
		}
		s.Close()
	}
}

func TestBadOptions(t *testing.T) {
	for _, change := range []map[string]any{
		{"delimiter": ";;"}, {"delimiter": "\n"}, {"quote": "é"}, {"delimiter": ";", "quote": ";"}, {"header": false},
		{"columns": []string{"a", "a"}}, {"columns": []string{"a", ""}}, {"columns": []string{"a"}, "types": map[string]string{"b": "int"}},
		{"max_record_size": int64(0)}, {"max_ratio": int64(0)}, {"watch": true, "path": []string{"-"}},
	} {
		values := map[string]any{"path": []string{"f"}, "delimiter": "auto", "quote": "auto", "empty": "string", "max_record_size": int64(1024),
			"encoding": "auto", "escape": "auto", "max_unpacked": int64(1 << 30), "max_ratio": int64(250)}
		for name, v := range change {
			values[name] = v
		}
		var e *pipeline.OptionError
		if _, err := Type.New(pipeline.Env{}, pipeline.NewConfig(values)); !errors.As(err, &e) {
			t.Errorf("%v gave %v", change, err)
		}
	}
}

// repeated gives a text n times.
type repeated struct {
	text string
	n    int
	rest string
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if r.rest == "" {
			if r.n == 0 {
				return n, io.EOF
			}
			r.n--
			r.rest = r.text
		}
		m := copy(p[n:], r.rest)
		r.rest = r.rest[m:]
		n += m
	}
	return n, nil
}

func TestUnclosedQuoteAtTheEndOfAGigabyte(t *testing.T) {
	// A gigabyte of rows without a single quote, then one that nothing closes, then 64 MB of rows that it would swallow.
	row := strings.Repeat("x", 60<<10) + ",y\n"
	n := gigabyte / len(row)
	in := io.MultiReader(strings.NewReader("a,b\n"), &repeated{text: row, n: n}, strings.NewReader("1,\"unclosed\n"), &repeated{text: row, n: 64 << 20 / len(row)})
	s := acceptance.NewSource(t, Type, pipeline.Env{Stdin: in}, "{path: '-', max_record_size: 1MB}")
	defer s.Close()
	if err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	var peak, total, failed uint64
	var stats runtime.MemStats
	for {
		b, err := s.Next(ctx, 100)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			total++
			if r := &b.Records[i]; !r.Open() {
				failed++
				if r.Outcome.Errors[0].Code != "csv.unclosed_quote" || r.Ref.Line != int64(n)+2 || string(r.Raw) != "1,\"unclosed" {
					t.Errorf("%v %s %q", r.Outcome.Errors, r.Ref, r.Raw)
				}
			}
		}
		if total%1000 < 100 {
			runtime.GC()
			runtime.ReadMemStats(&stats)
			peak = max(peak, stats.HeapAlloc)
		}
	}
	if want := uint64(n + 1 + 64<<20/len(row)); total != want || failed != 1 {
		t.Errorf("%d records, %d failed; want %d and 1", total, failed, want)
	}
	if peak > 24<<20 {
		t.Errorf("the heap had %d bytes", peak)
	}
}

func TestAcceptance(t *testing.T) {
	secret := "$2b$12$abcdefghijklmnopqrstuu"
	good := []string{`{"id":"1","x":{"mail":"a@b.c"}}`, `{"id":"","x":{"mail":"é,\n\"q\""}}`, `{"id":"007","x":{"mail":" "}}`, `{"id":"a;b","x":{"mail":"'"}}`}
	rows := []string{"1,a@b.c", ",\"é,\n\"\"q\"\"\"", "007,\" \"", "a;b,'"}
	text := "id,x.mail\n" + strings.Join(rows, "\n") + "\n"
	for name, tt := range map[string]struct {
		text, options string
		want          []string
	}{
		"plain":         {text, "", good},
		"CRLF":          {"\xef\xbb\xbfid,x.mail\r\n" + strings.Join(rows, "\r\n"), "", good},
		"gzip":          {packed(t, text), "", good},
		"named columns": {strings.Join(rows, "\n"), "columns: [id, x.mail]", good},
		"null":          {"a,b\n1,\n,\"\"\n3,4\n\"\",5\n", "empty: null", []string{`{"a":"1","b":null}`, `{"a":null,"b":""}`, `{"a":"3","b":"4"}`, `{"a":"","b":"5"}`}},
		"absent":        {"a,b\n1,\n,\"\"\n3,4\n\"\",5\n", "empty: absent", []string{`{"a":"1"}`, `{"b":""}`, `{"a":"3","b":"4"}`, `{"a":"","b":"5"}`}},
		"types":         {"a;b\n007;1\n1;x\n2;no\n;\n", "types: {a: int, b: bool}", []string{`{"a":7,"b":true}`, "failed", `{"a":2,"b":false}`, `{"a":null,"b":null}`}},
		"guarded": {"'=a,b\n'+1,\"'-x\ny\"\n''@,'\n'a,=1\n7\n\"''+\",\"''''=,\"\n", "",
			[]string{`{"=a":"+1","b":"-x\ny"}`, `{"=a":"'@","b":"'"}`, `{"=a":"'a","b":"=1"}`, "failed", `{"=a":"'+","b":"'''=,"}`}},
		"guards kept": {"'=a,b\n'+1,\"'-x\ny\"\n''@,'\n1,2\n3,4\n", "guard: false",
			[]string{`{"'=a":"'+1","b":"'-x\ny"}`, `{"'=a":"''@","b":"'"}`, `{"'=a":"1","b":"2"}`, `{"'=a":"3","b":"4"}`}},
		"broken rows": {"id,hash\n1," + secret + "\n2," + secret + "," + secret + "\n" + secret + "\n3,x" + secret + "\"\n4,\xff" + secret + "\n5,x\n6,\"" + secret + "\n",
			"", []string{`{"id":"1","hash":"` + secret + `"}`, "failed", "failed", "failed", "failed", `{"id":"5","hash":"x"}`, "failed"}},
		"large rows": {"a,b\n1,2\n" + strings.Repeat("x", 5000) + "\n3,4\n5,6\n", "max_record_size: 1KB", []string{`{"a":"1","b":"2"}`, "failed", `{"a":"3","b":"4"}`, `{"a":"5","b":"6"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, "users.csv", tt.text)
			acceptance.Source(t, acceptance.SourceCase{
				New:        func(t *testing.T) pipeline.Source { return source(t, fmt.Sprintf("{path: %q, %s}", path, tt.options)) },
				Want:       tt.want,
				Unopenable: func(t *testing.T) pipeline.Source { return source(t, fmt.Sprintf("{path: %q}", path+".not")) },
				Secrets:    []string{secret},
			})
		})
	}
}

func TestAcceptanceOfSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"1.csv": "a|b\n1|2\n3|4\n", "2.csv": packed(t, "a|b\n5|6\n7\n"), "3.csv": "a|b\n", "4.csv": "a|b\n8|9"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	acceptance.Source(t, acceptance.SourceCase{
		New:  func(t *testing.T) pipeline.Source { return source(t, fmt.Sprintf("{path: %q}", dir+"/*.csv")) },
		Want: []string{`{"a":"1","b":"2"}`, `{"a":"3","b":"4"}`, `{"a":"5","b":"6"}`, "failed", `{"a":"8","b":"9"}`},
	})
}

// FuzzRows compares the rows of well-formed texts with those of encoding/csv, and checks that every byte of the others is
// in some record.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{"a,b\n1,\"x\ny\"\n", "a;b\r\n\"1\";\"\"\"\"\r\n", "\"", "a,\"b\nc\"d\ne,f", "a\n\n\"\r\n\",\r", "x\"\n\"y\"\n"} {
		f.Add([]byte(seed), byte(','), 3, false, false)
		f.Add([]byte(seed), byte(';'), 1000, false, false)
		f.Add([]byte(strings.ReplaceAll(seed, "\n", "\r")), byte(','), 2, true, false)
		f.Add([]byte(strings.ReplaceAll(seed, `""`, `\"`)), byte(','), 1, false, true)
	}
	f.Fuzz(func(t *testing.T, text []byte, delimiter byte, step int, returns, backslash bool) {
		if delimiter >= 0x80 || strings.IndexByte("\"\r\n\x00", delimiter) >= 0 {
			return
		}
		r := reader{w: files.NewWindow(4 << 10), dialect: dialect{delimiter, '"', '\n', backslash}}
		if returns {
			r.lineEnd = '\r'
		}
		r.w.LineEnd(r.lineEnd)
		r.w.Reset(&slow{text, max(step%5000, 1)}, 0, 0)
		var rows [][]string
		clean := true
		last := int64(0)
		for {
			err := r.read()
			if err != nil && !isRowError(err) {
				if err != io.EOF {
					t.Fatal(err)
				}
				break
			}
			if r.w.Offset() <= last {
				t.Fatal("the reader stands still")
			}
			if line := int64(bytes.Count(text[:last], []byte{r.lineEnd})) + 1; r.line < line {
				t.Fatalf("a row on line %d begins before line %d", r.line, line)
			}
			last = r.w.Offset()
			clean = clean && err == nil
			rows = append(rows, slices.Clone(r.fields))
		}
		if !clean || returns || backslash || bytes.Contains(text, []byte("\r")) {
			return // encoding/csv takes CRLF in quotes for LF
		}
		std := csv.NewReader(bytes.NewReader(text))
		std.Comma, std.FieldsPerRecord = rune(delimiter), -1
		want, err := std.ReadAll()
		if err != nil {
			t.Fatalf("encoding/csv refuses what was read as %q: %v", rows, err)
		}
		if !slices.EqualFunc(rows, want, slices.Equal) {
			t.Fatalf("got %q, encoding/csv has %q", rows, want)
		}
	})
}

// slow gives a text in pieces.
type slow struct {
	text []byte
	step int
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.text)
	s.text = s.text[n:]
	return n, nil
}

// FuzzSource checks that no text and no options panic, hang, or give a record neither values nor an error.
func FuzzSource(f *testing.F) {
	f.Add([]byte("a,b.c\n1,2\n\"3,4\n"), "auto", "auto", "string", "int", "auto", false)
	f.Add([]byte("'a'|'b'\n'1'|''\n"), "|", "'", "absent", "json", "windows-1252", true)
	f.Add([]byte("a\tb\n1\t\n"), "tab", "none", "null", "time", "utf-8", false)
	f.Add([]byte("sep=;\ra;b\r\"x\\\"\ny\";'z\r"), "auto", "auto", "null", "string", "auto", true)
	f.Add([]byte("\xff\xfea\x00,\x00b\x00\n\x001\x00,\x00\x00\xd8\n\x00"), "auto", "auto", "string", "string", "utf-16", false)
	f.Add([]byte("\xd0\xd5\xc3\xfb,\xd3\xca\xcf\xe4\n\xcd\xf5,\xff\n"), "auto", "auto", "string", "string", "gb18030", false)
	f.Fuzz(func(t *testing.T, text []byte, delimiter, quote, empty, kind, encoding string, strip bool) {
		if charset.Named(encoding) == nil && encoding != "auto" && encoding != "utf-16" {
			return
		}
		if !slices.Contains([]string{"string", "null", "absent"}, empty) || !slices.Contains(typeNames, kind) {
			return
		}
		first, _, _ := strings.Cut(string(text), "\n")
		name, _, _ := strings.Cut(first, ",")
		s, err := Type.New(pipeline.Env{Stdin: bytes.NewReader(text)}, pipeline.NewConfig(map[string]any{"path": []string{"-"}, "delimiter": delimiter,
			"quote": quote, "empty": empty, "max_record_size": int64(2048), "types": map[string]string{name: kind},
			"encoding": encoding, "escape": "auto", "strip_apostrophe": strip, "guard": !strip, "max_unpacked": int64(1 << 20), "max_ratio": int64(250)}))
		if err != nil {
			return
		}
		defer s.Close()
		if err := s.Open(ctx); err != nil {
			return
		}
		for {
			b, err := s.Next(ctx, 3)
			if err != nil {
				return
			}
			for i := range b.Records {
				r := &b.Records[i]
				if r.Open() == (r.Source == nil) {
					t.Fatalf("record %s is open %t, but has values %v", r.Ref, r.Open(), r.Source)
				}
				s.(*Source).AppendReject(nil, int64(i), r)
			}
		}
	})
}

func BenchmarkRows(b *testing.B) {
	header := "uid,nickname,account_id,mail,password,phone,email_verified,logins_count,created,user_metadata.name,user_metadata.lang,app_metadata.plan,x\n"
	for name, row := range map[string]string{
		"plain":   "1234567890123456789,Ann Example,u000001,ann.example@example.com,$2b$12$abcdefghijklmnopqrstuuXyXyXyXyXyXyXyXyXyXyXyXyXyXyXyXy,+8613100000001,true,17,2019-03-04T05:06:07Z,Ann,zh-CN,pro,yyyyyyyyyyyyyyyyyyyy\n",
		"quoted":  "\"1234567890123456789\",\"Ann Example\",\"u000001\",\"ann.example@example.com\",\"$2b$12$abcdefghijklmnopqrstuuXyXyXyXyXyXyXyXyXyXyXyXyXyXyXyXy\",\"+8613100000001\",\"true\",\"17\",\"2019-03-04T05:06:07Z\",\"Ann\",\"zh-CN\",\"pro\",\"yyyyyyyyyyyyyyyyyyyy\"\n",
		"gb18030": "1234567890123456789,王小明,u000001,wang.xiaoming@example.com,$2b$12$abcdefghijklmnopqrstuuXyXyXyXyXyXyXyXyXyXyXyXyXyXyXyXy,+8613100000001,true,17,2019-03-04T05:06:07Z,王,zh-CN,北京市海淀区,销售部\n",
	} {
		b.Run(name, func(b *testing.B) {
			text := header + strings.Repeat(row, 20_000)
			if name == "gb18030" {
				text = encoded(b, simplifiedchinese.GB18030, text)
			}
			path := file(b, "f", text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				s := source(b, fmt.Sprintf("{path: %q}", path))
				if err := s.Open(ctx); err != nil {
					b.Fatal(err)
				}
				for {
					batch, err := s.Next(ctx, 1000)
					if err == io.EOF {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					n += len(batch.Records)
				}
				s.Close()
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
