package sqlsource

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/value"
)

func TestNamedParameters(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1":                        "SELECT 1",
		"a = :x;\n ;":                     "a = $1",
		":x":                              "$1",
		":list":                           "$1, $2",
		"IN (:list) AND y = :x OR x = :x": "IN ($1, $2) AND y = $3 OR x = $4",
		"':x' \":x\" `:x` :x":             "':x' \":x\" `:x` $1",
		"'it''s :x' :x":                   "'it''s :x' $1",
		"-- :x\n:x":                       "-- :x\n$1",
		"/* :x\n :x */ :x":                "/* :x\n :x */ $1",
		"a::x, b :: x":                    "a::x, b :: x",
		"$$ :x $$ $tag$ :x $$ $tag$ :x":   "$$ :x $$ $tag$ :x $$ $tag$ $1",
		"arr[1:2], '{a:x}', t:x":          "arr[1:2], '{a:x}', t:x",
		"@v := 1, 12:30":                  "@v := 1, 12:30",
		"'not closed :x":                  "'not closed :x",
		"price > $1 AND :x":               "price > $1 AND $1",
		"ünï:x :x":                        "ünï:x $1",
	} {
		st := statement{dialect: &postgreSQL{}}
		if err := st.template(parseTemplate(query, false), map[string]any{"x": 1, "list": []any{2, 3}}); err != nil {
			t.Errorf("%s: %v", query, err)
		} else if st.text.String() != want {
			t.Errorf("%s gives %s, want %s", query, st.text.String(), want)
		}
	}
	// MySQL's quotes have backslashes, and # begins a comment.
	mysql := parseTemplate(`'\':x' "\":x" # :x`+"\n:y", true)
	if !slices.Equal(mysql.names, []string{"y"}) {
		t.Errorf("MySQL: %v", mysql.names)
	}
	words := parseTemplate("SELECT a.b FROM `the users` JOIN \"x\" ON 'text' = c2 -- comment\n", true).words(true)
	if got := strings.Join(words, " "); got != "FROM JOIN ON SELECT a b c2 the users x" {
		t.Errorf("words: %s", got)
	}
}

// Whatever a query is, cutting it up loses nothing of it.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"SELECT :a", "'", "$x$", "/*", "--", ":", "::", "a:b", "$$:x$$", `'\`, "`x"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, query string, backslash bool) {
		tpl := parseTemplate(query, backslash)
		var again strings.Builder
		for i, literal := range tpl.literals {
			again.WriteString(literal)
			if i < len(tpl.names) {
				again.WriteString(":" + tpl.names[i])
			}
		}
		if want := strings.TrimRight(strings.TrimSpace(query), "; \t\r\n"); again.String() != want {
			t.Errorf("%q became %q", want, again.String())
		}
		tpl.words(backslash)
	})
}

// No array text makes the reader panic or comes to nothing.
func FuzzArray(f *testing.F) {
	for _, s := range []string{"{}", "{a,b}", `{"a\"b",NULL}`, "{{1},{2}}", "[0:1]={a,b}", "{", "{\"", "{a", "}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, _ := decodeArray(decodeText)(s); v == nil {
			t.Errorf("%q is lost", s)
		}
	})
}

func TestPosition(t *testing.T) {
	instant := time.Date(2024, 1, 2, 3, 4, 5, 6000, time.UTC)
	want := position{key: []any{int64(-42), uint64(1<<63 + 1), "Müller \"x\"", []byte{0, 255}, instant, 0.5, true}, cursor: "2024-01-02"}
	got, err := parsePosition(want.text())
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%#v", *got) != fmt.Sprintf("%#v", want) {
		t.Errorf("%#v became %#v", want, *got)
	}
	for _, text := range []string{"", "{}", `{"key":[]}`, `{"key":[null]}`, `{"key":[{}]}`, `{"key":[1.50]}`, `{"key":[{"bytes":"?"}]}`, `{"key":[[1]]}`, "[1]"} {
		if p, err := parsePosition([]byte(text)); err == nil {
			t.Errorf("%s is the position %v", text, p)
		}
	}
}

func FuzzPosition(f *testing.F) {
	f.Add([]byte(`{"key":[1,"a",{"bytes":"AA=="}],"cursor":"x"}`))
	f.Add([]byte(`{"gone":{"key":[1],"cursor":""},"cursor":"x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := parseGonePosition(text); err == nil && p != nil {
			again, err := parseGonePosition(appendGonePosition(nil, p.gone.text(), p.cursor))
			if err != nil || again.cursor != p.cursor || fmt.Sprint(again.gone.key) != fmt.Sprint(p.gone.key) {
				t.Errorf("%s: %v became %v, %v", text, p, again, err)
			}
		}
		p, err := parsePosition(text)
		if err != nil {
			return
		}
		again, err := parsePosition(p.text())
		if err != nil || fmt.Sprint(again.key) != fmt.Sprint(p.key) {
			t.Errorf("%s: %v became %v, %v", text, p, again, err)
		}
	})
}

func TestNumbers(t *testing.T) {
	for text, number := range map[string]bool{
		"0": true, "-0": true, "10": true, "1.50": true, "-12.3e+10": true, "1E5": true,
		"": false, "-": false, "01": false, "1.": false, ".5": false, "1e": false, "NaN": false, "1 ": false, "+1": false, "0x1": false,
	} {
		if isNumber(text) != number {
			t.Errorf("isNumber(%q) is %t", text, !number)
		}
		_, err := value.ParseJSON([]byte(text))
		if (err == nil) != number && text != "1 " {
			t.Errorf("a JSON reader is of another mind about %q: %v", text, err)
		}
	}
}

// Every way to write a DSN; none of its parts is shown by what is wrong with it.
func TestDSN(t *testing.T) {
	for _, c := range []struct{ driver, dsn, want string }{
		{"", "mysql://u:p@h:3306/db", "mysql"},
		{"", "mariadb://u:p%40@h/db?tls=skip-verify", "mysql"},
		{"mysql", "u:p@tcp(h:3306)/db?parseTime=true&loc=Europe%2FBerlin&charset=latin1", "mysql"},
		{"", "postgres://u:p@h/db?sslmode=disable", "postgres"},
		{"postgres", "host=h user=u password=p dbname=db", "postgres"},
		{"", "sqlite:users.db", "sqlite"},
		{"", "file:/x/users.db?cache=private", "sqlite"},
		{"sqlite", "users.db", "sqlite"},
		{"", "sqlserver://u:p@h?database=db", "sqlserver"},
		{"", "users.db", "driver"},
		{"mysql", "postgres://u:s3cret@h/db", "driver"},
		{"", "mysql://u:s3cret@/", "dsn"},
		{"", "postgres://u:s3cret@h:port/db", "dsn"},
		{"mysql", "u:s3cret@tcp(h", "dsn"},
		{"postgres", "host=h user=u password=s3cret port=x", "dsn"},
		{"", "sqlite:", "dsn"},
		{"", "sqlserver://u:s3cret@h:port", "dsn"},
	} {
		d, err := newDialect(c.driver, c.dsn, "/dir", time.UTC)
		got := ""
		var e *pipeline.OptionError
		switch {
		case errors.As(err, &e):
			got = e.Option
			if strings.Contains(e.Message+e.Hint, "s3cret") {
				t.Errorf("%v shows the DSN", e)
			}
		case err == nil:
			got = map[string]string{"*sqlsource.mySQL": "mysql", "*sqlsource.postgreSQL": "postgres", "*sqlsource.sqLite": "sqlite", "*sqlsource.sqlServer": "sqlserver"}[fmt.Sprintf("%T", d)]
		}
		if got != c.want {
			t.Errorf("%s %s: %s (%v), want %s", c.driver, c.dsn, got, err, c.want)
		}
		if lite, ok := d.(*sqLite); ok && !strings.HasPrefix(lite.path, "/") {
			t.Errorf("%s is at %s", c.dsn, lite.path)
		}
	}
	// A DSN that another program wrote says how that one wants its values.
	d, err := newMySQL("u:p@tcp(h)/db?parseTime=true&loc=Europe%2FBerlin&charset=latin1", false, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if m := d.(*mySQL); m.config.ParseTime || m.location.String() != "Europe/Berlin" || !strings.Contains(m.config.FormatDSN(), "charset=utf8mb4") {
		t.Errorf("%s, %s", m.config.FormatDSN(), m.location)
	}
}

func TestOptions(t *testing.T) {
	for options, option := range map[string]string{
		"{}":                              "table",
		"{table: t, query: SELECT 1}":     "query",
		"{query: SELECT 1, columns: [a]}": "columns",
		"{query: 'SELECT :x'}":            "query",
		"{query: 'SELECT :cursor'}":       "query",
		"{query: 'SELECT :cursor', cursor: {field: a}}":                                            "cursor.initial",
		"{table: t, cursor: {field: a, overlap: soon}}":                                            "cursor.overlap",
		"{table: t, page: {key: a, size: -1}}":                                                     "page.size",
		"{table: t, time_zone: Mars}":                                                              "time_zone",
		"{query: SELECT 1, with: {x: {query: SELECT 1, on: a}}}":                                   "with.x.key",
		"{table: t, with: {x: {query: 'SELECT :y', on: a}}}":                                       "with.x.query",
		"{table: t, snapshot: true, page: {key: a, size: 0}, with: {x: {query: SELECT 1, on: a}}}": "snapshot",
	} {
		_, err := newSource(pipeline.Env{}, config(t, options))
		var e *pipeline.OptionError
		if !errors.As(err, &e) || e.Option != option || e.Message == "" || e.Hint == "" {
			t.Errorf("%s: %v, want one about %s", options, err, option)
		}
	}
}

// config reads options in YAML as a pipeline file's are read, for constructors that are to refuse them.
func config(t *testing.T, options string) *pipeline.Config {
	t.Helper()
	var got *pipeline.Config
	typ := Type
	typ.New = func(_ pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
		got = c
		return nil, nil
	}
	acceptance.NewSource(t, typ, pipeline.Env{}, "{dsn: 'sqlite:x.db', "+strings.TrimPrefix(options, "{"))
	return got
}
