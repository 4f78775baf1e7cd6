package csvsource

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
)

func encoded(t testing.TB, e encoding.Encoding, text string) string {
	t.Helper()
	b, err := e.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	utf16le = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	utf16be = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
)

const (
	chinese    = "姓名;邮箱;备注\n王小明;wang@example.com;\"销售;\n第一\"\n李娜;li@example.com;\n张伟;zhang@example.com;人力资源\n"
	chineseOut = `2 {"姓名":"王小明","邮箱":"wang@example.com","备注":"销售;\n第一"}|4 {"姓名":"李娜","邮箱":"li@example.com","备注":""}|5 {"姓名":"张伟","邮箱":"zhang@example.com","备注":"人力资源"}`
)

func TestEncodings(t *testing.T) {
	japanesish := "氏名,部署\n佐藤 花子,営業部\n鈴木 一郎,開発部\n高橋 健,総務\n"
	japaneseOut := `2 {"氏名":"佐藤 花子","部署":"営業部"}|3 {"氏名":"鈴木 一郎","部署":"開発部"}|4 {"氏名":"高橋 健","部署":"総務"}`
	german := "name;ort\nMüller;Köln\nSchäfer;Düsseldorf\nWeiß;Nürnberg\nJürgen;Saarbrücken\n"
	germanOut := `2 {"name":"Müller","ort":"Köln"}|3 {"name":"Schäfer","ort":"Düsseldorf"}|4 {"name":"Weiß","ort":"Nürnberg"}|5 {"name":"Jürgen","ort":"Saarbrücken"}`
	for _, tt := range []struct{ name, text, options, want, log string }{
		{"UTF-16 of Excel", "\xff\xfe" + encoded(t, utf16le, strings.ReplaceAll(chinese, ";", "\t")), "",
			strings.ReplaceAll(chineseOut, "销售;", "销售\\t"), ""},
		{"UTF-16BE with a mark", "\xfe\xff" + encoded(t, utf16be, chinese), "", chineseOut, ""},
		{"UTF-16LE", encoded(t, utf16le, chinese), "", chineseOut, "INFO recognised utf-16le"},
		{"UTF-16BE", encoded(t, utf16be, chinese), "", chineseOut, "INFO recognised utf-16be"},
		{"UTF-16 stated", encoded(t, utf16be, chinese), "encoding: utf-16", chineseOut, ""},
		{"UTF-16 stated, nothing but Chinese", encoded(t, utf16le, "名\n王\n"), "encoding: utf-16", `2 {"名":"王"}`, ""},
		{"UTF-16LE stated", encoded(t, utf16le, chinese), "encoding: utf-16le", chineseOut, ""},
		{"GB18030", encoded(t, simplifiedchinese.GB18030, chinese), "", chineseOut, "INFO recognised gb18030"},
		{"GB18030 stated", encoded(t, simplifiedchinese.GB18030, "名\n𠮷\n"), "encoding: gb18030", `2 {"名":"𠮷"}`, ""},
		{"GB18030 with a mark", encoded(t, simplifiedchinese.GB18030, "\ufeff"+chinese), "", chineseOut, ""},
		{"GBK stated", encoded(t, simplifiedchinese.GBK, chinese), "encoding: gbk", chineseOut, ""},
		{"Shift-JIS", encoded(t, japanese.ShiftJIS, japanesish), "", japaneseOut, "INFO recognised shift-jis"},
		{"Shift-JIS whose second bytes are delimiters", encoded(t, japanese.ShiftJIS, "a|b\nポ|表\n"), "encoding: shift-jis", `2 {"a":"ポ","b":"表"}`, ""},
		{"Windows-1252", encoded(t, charmap.Windows1252, german), "", germanOut, "INFO recognised windows-1252"},
		{"Latin-1", encoded(t, charmap.ISO8859_1, german), "encoding: latin-1", germanOut, ""},
		{"UTF-8 with a mark, whatever is stated", "\ufeff" + german, "encoding: latin-1", germanOut, ""},
		{"a guess", encoded(t, charmap.Windows1252, "a,b\nMüller,Köln\nZoë,x\n"), "", `2 {"a":"Müller","b":"Köln"}|3 {"a":"Zoë","b":"x"}`, "WARN guess windows-1252"},
		{"no guess", "a,b\nx,caf\xe9\n", "", `2 csv.invalid_utf8 b "x,caf\xe9"`, "WARN clear utf-8"},
		{"ASCII for long", "a,b\n" + strings.Repeat("x,y\n", 100_000) + "x,\xcd\xf5\n", "", "", ""},
		{"not of the stated encoding", "a,b\n\xcd\xf5,\xff\nx,\xcd\n\xcd\xf5,y\n", "encoding: gb18030",
			`2 csv.bad_encoding b "王,\xffff"|3 csv.bad_encoding b "x,\xffcd"|4 {"a":"王","b":"y"}`, ""},
		{"half a character of UTF-16", encoded(t, utf16le, "a,b\n1,") + "\x00\xd8" + encoded(t, utf16le, "\n2,x\n"), "encoding: utf-16le",
			`2 csv.bad_encoding b "1,\xff00\xffd8"|3 {"a":"2","b":"x"}`, ""},
		{"NUL in UTF-16", encoded(t, utf16le, "a,b\n1,\x00\n2,x\n"), "encoding: utf-16le", `2 csv.nul_byte b "1,\x00"|3 {"a":"2","b":"x"}`, ""},
		{"control characters of Latin-1", "a\n\x80\n\xe9\n", "encoding: latin-1", `2 csv.bad_encoding a "\xff80"|3 {"a":"é"}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, text := range []string{tt.text, packed(t, tt.text)} {
				var log bytes.Buffer
				env := pipeline.Env{Log: slog.New(slog.NewTextHandler(&log, nil))}
				lines, err := read(t, acceptance.NewSource(t, Type, env, fmt.Sprintf("{path: %q, %s}", file(t, "f", text), tt.options)))
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(lines, "|"); tt.want != "" && got != tt.want {
					t.Errorf("got\n%s\nwant\n%s", got, tt.want)
				}
				if tt.want == "" && !strings.HasPrefix(lines[len(lines)-1], "100002 csv.invalid_utf8 b ") {
					t.Errorf("the last is %s", lines[len(lines)-1])
				}
				for _, word := range strings.Fields(tt.log) {
					if !strings.Contains(log.String(), word) {
						t.Errorf("%q is not in the log %q", word, log.String())
					}
				}
				if tt.log == "" && log.Len() > 0 {
					t.Errorf("the log is %q", log.String())
				}
			}
		})
	}
}

func TestAcceptanceOfArchives(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range []struct{ name, text string }{{"b.csv", "a|b\n5|6\n7\n"}, {"readme.txt", "x"}, {"a.csv", "a|b\n1|2\n3|4\n"}, {"c/d.csv.gz", packed(t, "a|b\n8|9")}} {
		member, err := w.Create(m.name)
		if err == nil {
			_, err = io.WriteString(member, m.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := file(t, "users.zip", b.String())
	acceptance.Source(t, acceptance.SourceCase{
		New: func(t *testing.T) pipeline.Source {
			return source(t, fmt.Sprintf("{path: ['%s!*.csv', '%s!c/*']}", path, path))
		},
		Want:       []string{`{"a":"1","b":"2"}`, `{"a":"3","b":"4"}`, `{"a":"5","b":"6"}`, "failed", `{"a":"8","b":"9"}`},
		Unopenable: func(t *testing.T) pipeline.Source { return source(t, fmt.Sprintf("{path: '%s!no'}", path)) },
	})
}

// A file that does not tell is like the first; one that does is what it is.
func TestEncodingOfSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	header := encoded(t, simplifiedchinese.GB18030, "姓名;邮箱;备注\n")
	for name, text := range map[string]string{
		"1.csv": encoded(t, simplifiedchinese.GB18030, chinese),
		"2.csv": header + "\x86\xb4;\xff;\xff\xff\xff\xff\xff\xff\xff\n",
		"3.csv": "姓名;邮箱;备注\nZoë;x;\n", "4.csv": "\ufeff姓名;邮箱;备注\n王;x;\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	acceptance.Source(t, acceptance.SourceCase{
		New: func(t *testing.T) pipeline.Source { return source(t, fmt.Sprintf("{path: %q}", dir+"/*.csv")) },
		Want: []string{`{"姓名":"王小明","邮箱":"wang@example.com","备注":"销售;\n第一"}`, `{"姓名":"李娜","邮箱":"li@example.com","备注":""}`,
			`{"姓名":"张伟","邮箱":"zhang@example.com","备注":"人力资源"}`, "failed", `{"姓名":"Zoë","邮箱":"x","备注":""}`, `{"姓名":"王","邮箱":"x","备注":""}`},
	})
}

func TestHardRows(t *testing.T) {
	for _, tt := range []struct {
		name, text, options string
		want                []string
	}{
		{"sep", "sep=;\na;b\n1,5;2\n", "", []string{`3 {"a":"1,5","b":"2"}`}},
		{"sep, quoted and CRLF", "\"SEP=|\"\r\na|b\r\n1;2|3\r\n", "", []string{`3 {"a":"1;2","b":"3"}`}},
		{"sep with an unusual character", "sep=^\na^b\n1^2\n", "", []string{`3 {"a":"1","b":"2"}`}},
		{"sep with a byte order mark", "\ufeffsep=\t\na\tb\n1\t2\n", "", []string{`3 {"a":"1","b":"2"}`}},
		{"sep and a stated delimiter", "sep=,\na;b\n1,5;2\n", `delimiter: ";"`, []string{`3 {"a":"1,5","b":"2"}`}},
		{"sep without a header", "sep=;\n1;2\n", `columns: [a, b]`, []string{`2 {"a":"1","b":"2"}`}},
		{"a column that is called so", "sep=x,b\n1,2\n", "", []string{`2 {"sep=x":"1","b":"2"}`}},
		{"carriage returns", "a,b\r1,x\r\r2,\"y\rz\nw\"\r3,", "", []string{`2 {"a":"1","b":"x"}`, `4 {"a":"2","b":"y\rz\nw"}`, `6 {"a":"3","b":""}`}},
		{"carriage returns, one column", "a\r1\r2", "", []string{`2 {"a":"1"}`, `3 {"a":"2"}`}},
		{"carriage returns, and one line feed in quotes", "a,b\r1,\"y\nz\"\r", "", []string{`2 {"a":"1","b":"y\nz"}`}},
		{"carriage returns in values", "a,b\n1,\"x\ry\"\n2,z\n", "", []string{`2 {"a":"1","b":"x\ry"}`, `3 {"a":"2","b":"z"}`}},
		{"carriage returns in values of the header", "a,\"b\rc\"\n1,x\n2,z\n", "", []string{`2 {"a":"1","b\rc":"x"}`, `3 {"a":"2","b\rc":"z"}`}},
		{"carriage returns twice", "a,b\r\r\n1,x\r\r\n\"2\",y\r\r\n3,\"z\"\r\r\n\"4\r\",\r\n", "", []string{
			`2 {"a":"1","b":"x"}`, `3 {"a":"2","b":"y"}`, `4 {"a":"3","b":"z"}`, `5 {"a":"4\r","b":""}`}},
		{"carriage returns and a bad row", "a,b\r1,x\r2\r3,\"y\"z\r4,w\r", "", []string{
			`2 {"a":"1","b":"x"}`, `3 csv.short_row  "2"`, `4 csv.bad_quote  "3,\"y\"z"`, `5 {"a":"4","b":"w"}`}},
		{"carriage returns of the first version of Auth0's export", "\"id\"\t\"name\"\r\"auth0|1\"\t\"Ann\"\r\"auth0|2\"\t\r", "", []string{
			`2 {"id":"auth0|1","name":"Ann"}`, `3 {"id":"auth0|2","name":""}`}},
		{"backslashes before quotes", `a,b` + "\n" + `"say \"hi\", Bob",1` + "\n" + `"C:\\dir\new\\",2` + "\n", "", []string{
			`2 {"a":"say \"hi\", Bob","b":"1"}`, `3 {"a":"C:\\dir\\new\\","b":"2"}`}},
		{"backslashes before line ends", "a,b\n\"x\\\ny \\\"z\\\"\",1\n", "", []string{`2 {"a":"x\ny \"z\"","b":"1"}`}},
		{"backslashes that are none", `a,b` + "\n" + `"C:\","x"` + "\n" + `C:\dir\,"y ""z"""` + "\n", "", []string{
			`2 {"a":"C:\\","b":"x"}`, `3 {"a":"C:\\dir\\","b":"y \"z\""}`}},
		{"backslashes, stated", `a` + "\n" + `"x \" y"` + "\n", "escape: backslash", []string{`2 {"a":"x \" y"}`}},
		{"backslashes, not stated", `a,b` + "\n" + `"C:\\","x"` + "\n", "escape: doubled", []string{`2 {"a":"C:\\\\","b":"x"}`}},
		{"a backslash at the end", `a,b` + "\n" + `1,"x\`, "escape: backslash", []string{`2 csv.unclosed_quote  "1,\"x\\"`}},
		{"apostrophes", "\"'id\",\"'name\",n\n\"'auth0|1\",\"''t Hooft\",1\n\"'\",'=x,'\n", "strip_apostrophe: true, empty: null", []string{
			`2 {"id":"auth0|1","name":"'t Hooft","n":"1"}`, `3 {"id":"","name":"=x","n":""}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines, err := read(t, source(t, fmt.Sprintf("{path: %q, %s}", file(t, "f", tt.text), tt.options)))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(lines, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// Backslashes anywhere in the window are read the same.
func TestBackslashesAcrossReads(t *testing.T) {
	for n := range 8 {
		row := `"` + strings.Repeat("x", 128<<10-10+n) + `\\\"\` + "\n" + `y","z"`
		lines, err := read(t, source(t, fmt.Sprintf("{path: %q, escape: backslash}", file(t, "f", "a,b\n"+row+"\n"))))
		if err != nil || len(lines) != 1 || !strings.HasSuffix(lines[0], `x\\\"\ny","b":"z"}`) {
			t.Errorf("%d: %.50q %v", n, lines, err)
		}
	}
}

func TestBadQuoteTellsOfBackslashes(t *testing.T) {
	s := source(t, fmt.Sprintf("{path: %q, escape: doubled}", file(t, "f", "a,b\n\"x \\\"y\\\"\",1\n")))
	defer s.Close()
	if err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	b, err := s.Next(ctx, 1)
	if err != nil || !strings.Contains(b.Records[0].Outcome.Errors[0].Message, "escape: backslash") {
		t.Errorf("%v %v", b, err)
	}
}

// Rejects that a spreadsheet has saved in the encoding of the input are not UTF-8 any more; no option would help.
func TestRejectsInAnotherEncoding(t *testing.T) {
	rejects := file(t, "rejects.csv", "stra\xdfe,b\n1,2\n")
	s := source(t, fmt.Sprintf("{path: %q, encoding: windows-1252}", file(t, "f", "stra\xdfe,b\n")))
	_, err := read(t, s.(pipeline.Rejecter).ReadRejects(rejects))
	var known *pipeline.Error
	if !errors.As(err, &known) || known.Code != "csv.invalid_utf8" || !strings.HasSuffix(known.Message, "save the file as UTF-8") || strings.Contains(known.Hint, "encoding:") {
		t.Errorf("%v", err)
	}
}

func TestAcceptanceOfHardFiles(t *testing.T) {
	for name, tt := range map[string]struct {
		text, options string
		want          []string
	}{
		"GB18030, broken rows": {encoded(t, simplifiedchinese.GB18030, chinese) + "\xcd\xf5;\xff\xff;x\n\xcd\xf5;x\n", "encoding: gb18030", []string{
			`{"姓名":"王小明","邮箱":"wang@example.com","备注":"销售;\n第一"}`, `{"姓名":"李娜","邮箱":"li@example.com","备注":""}`,
			`{"姓名":"张伟","邮箱":"zhang@example.com","备注":"人力资源"}`, "failed", "failed"}},
		"UTF-16": {"\xff\xfe" + encoded(t, utf16le, "sep=,\r\na,b\r\n1,王\r\n2\r\n3,李\r\n4,张\r\n"), "", []string{`{"a":"1","b":"王"}`, "failed", `{"a":"3","b":"李"}`, `{"a":"4","b":"张"}`}},
		"sep":    {"sep=;\na;b\n1;\",\"\n2\n3;4\n5;6\n", "", []string{`{"a":"1","b":","}`, "failed", `{"a":"3","b":"4"}`, `{"a":"5","b":"6"}`}},
		"carriage returns": {"a,b\r1,\"x\ny\"\r2\r3,z\nw,x\r4,\r5,w\nv\r", "", []string{
			`{"a":"1","b":"x\ny"}`, "failed", "failed", `{"a":"4","b":""}`, `{"a":"5","b":"w\nv"}`}},
		"backslashes": {"a,b\n\"x \\\"y\\\"\",\"\\\\\"\n\"\\\"\",C:\\\n2\n3,\"a\\b\nc\"\n", "escape: backslash", []string{
			`{"a":"x \"y\"","b":"\\"}`, `{"a":"\"","b":"C:\\"}`, "failed", `{"a":"3","b":"a\\b\nc"}`}},
		"apostrophes": {"\"'a\",\"'b\"\n\"'x\",\"''\"\n\"'\",\n1,'=y\n2\n", "strip_apostrophe: true, empty: absent", []string{
			`{"a":"x","b":"'"}`, `{"a":""}`, `{"a":"1","b":"=y"}`, "failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, "users.csv", tt.text)
			acceptance.Source(t, acceptance.SourceCase{
				New:  func(t *testing.T) pipeline.Source { return source(t, fmt.Sprintf("{path: %q, %s}", path, tt.options)) },
				Want: tt.want,
			})
		})
	}
}
