package jsonsource

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding/unicode"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/value"
)

var ctx = context.Background()

// file writes a file into a folder of its own and gives its path.
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

// read gives the records up to the end or the error, one a line: place and values, or place and codes.
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
			line := r.Ref.String() + " "
			if r.Open() {
				line += string(value.AppendJSON(nil, r.Source))
			} else {
				line += r.Outcome.Errors[0].Code + " " + string(r.Raw)
			}
			lines = append(lines, line)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, tt := range []struct{ name, text, options, want string }{
		{"array", `[{"a":1},{"a":2}]`, "", "f:1 {\"a\":1}\nf:2 {\"a\":2}"},
		{"array on many lines", "\n [\n{\"a\": 1\n} ,\n\t{\"a\":2}\n]\n\n", "", "f:1 {\"a\":1}\nf:2 {\"a\":2}"},
		{"empty array", "[ ]", "", ""},
		{"two arrays", "[{\"a\":1}]\n[]\n[{\"a\":2}]", "", "f:1 {\"a\":1}\nf:2 {\"a\":2}"},
		{"lines", "{\"a\":1}\n\n \r\n{\"a\":2}\r\n{\"a\":3}", "", "f:1 {\"a\":1}\nf:4 {\"a\":2}\nf:5 {\"a\":3}"},
		{"byte order mark", "\xef\xbb\xbf{\"a\":1}\r\n{\"a\":2}\r\n", "", "f:1 {\"a\":1}\nf:2 {\"a\":2}"},
		{"one after the other", "{\"a\":1}{\"a\":2} {\"a\":\n3}", "", "f:1 {\"a\":1}\nf:2 {\"a\":2}\nf:3 {\"a\":3}"},
		{"one object on many lines", "{\n\"a\": 1\n}\n", "", "f:1 {\"a\":1}"},
		{"far behind white space", strings.Repeat(" ", 100_000) + `{"users":[{"a":1}]}`, "at: users", `f:1 {"a":1}`},
		{"inside an object", `{"next":null,"x":{"users":[{"a":9}]},"users":{"n":2,"items":[{"a":1},{"a":2}],"more":[1]},"z":"]"}`,
			"at: users.items", "f:1 {\"a\":1}\nf:2 {\"a\":2}"},
		{"pages of objects", "{\"users\":[{\"a\":1}]}\n{\"users\":[]}\n{\"users\":[{\"a\":2}]}", "at: users", "f:1 {\"a\":1}\nf:2 {\"a\":2}"},
		{"an escaped name on the way", `{"us\u0065rs":[{"a":1}]}`, "at: users", "f:1 {\"a\":1}"},
		{"exact numbers", `[{"id":1234567890123456789,"u":18446744073709551615,"d":1.10,"e":1E400}]`, "",
			"f:1 {\"id\":1234567890123456789,\"u\":18446744073709551615,\"d\":1.10,\"e\":1E400}"},
		{"stated lines of arrays are no users", "[1]\n{\"a\":1}", "format: ndjson", "f:1 json.not_object [1]\nf:2 {\"a\":1}"},
		{"elements that are no objects", `[null, "x", 17 , true,[{"a":1}],{"a":2}]`, "",
			"f:1 json.not_object null\nf:2 json.not_object \"x\"\nf:3 json.not_object 17\nf:4 json.not_object true\nf:5 json.not_object [{\"a\":1}]\nf:6 {\"a\":2}"},
		{"brackets and escapes in strings", `[{"a":"]}\"\\"},{"a":"\\\\\""}]`, "", `f:1 {"a":"]}\"\\"}` + "\n" + `f:2 {"a":"\\\\\""}`},
		{"bad lines skipped", "{\"a\":1}\n{\"a\":\n{\"a\":2}\n{\"a\":NaN}\n{\"a\":1,\"a\":2}\n{\"a\":3} x\n{\"a\":4}", "on_error: skip",
			"f:1 {\"a\":1}\nf:2 json.truncated {\"a\":\nf:3 {\"a\":2}\nf:4 json.syntax {\"a\":NaN}\nf:5 json.duplicate_name {\"a\":1,\"a\":2}\nf:6 json.syntax {\"a\":3} x\nf:7 {\"a\":4}"},
		{"bad only line skipped", "{\"a\":\"1}\n", "on_error: skip", "f:1 json.truncated {\"a\":\"1}"},
		{"bad first line skipped", "{\"a\":\n{\"a\":2}\n", "on_error: skip", "f:1 json.truncated {\"a\":\nf:2 {\"a\":2}"},
		{"bad elements skipped", `[{"a":01},{"a":2},{a:3},{"a":4}]`, "on_error: skip",
			"f:1 json.syntax {\"a\":01}\nf:2 {\"a\":2}\nf:3 json.syntax {a:3}\nf:4 {\"a\":4}"},
		{"large ones skipped", `[{"a":1},{"a":"` + strings.Repeat(`\\\"`, 2000) + `"},{"a":3},` + strings.Repeat("1", 3000) + `]`, "on_error: skip, max_record_size: 1KB",
			"f:1 {\"a\":1}\nf:2 json.record_too_large \nf:3 {\"a\":3}\nf:4 json.record_too_large "},
		{"large lines skipped", "{\"a\":1}\n{\"a\":\"" + strings.Repeat("x", 5000) + "\"}\n{\"a\":3}\n\"" + strings.Repeat("y", 5000), "on_error: skip, max_record_size: 1KB",
			"f:1 {\"a\":1}\nf:2 json.record_too_large \nf:3 {\"a\":3}\nf:4 json.record_too_large "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, text := range []string{tt.text, packed(t, tt.text)} {
				lines, err := read(t, source(t, fmt.Sprintf("{path: %q, %s}", file(t, "f", text), tt.options)))
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(lines, "\n"); got != tt.want {
					t.Errorf("got\n%s\nwant\n%s", got, tt.want)
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	for _, tt := range []struct {
		name, text, options string
		good                int // records before the error
		code                string
		place               string // that the message names
	}{
		{"truncated array", `[{"a":1},{"a":2},{"a":`, "", 2, "json.truncated", "line 1, byte 17"},
		{"truncated between elements", `[{"a":1},`, "", 1, "json.truncated", "byte 9"},
		{"truncated line", "{\"a\":1}\n{\"a\":2", "", 1, "json.truncated", "record 2, line 2, byte 14"},
		{"truncated behind the array", `{"u":[{"a":1}]`, "at: u", 1, "json.truncated", "byte 14"},
		{"NaN", "{\"a\":1}\n{\"a\":NaN}\n{\"a\":2}", "", 1, "json.syntax", "record 2, line 2, byte 13"},
		{"NUL between", "[{\"a\":1},\x00{\"a\":2}]", "", 1, "json.nul_byte", "byte 9"},
		{"NUL in a string", "[{\"a\":1},\n{\"a\":\"x\x00\"}]", "", 1, "json.nul_byte", "record 2, line 2, byte 17"},
		{"NUL in a line", "{\"a\":1}\n{\"a\":\x00}", "", 1, "json.nul_byte", "record 2, line 2, byte 13"},
		{"invalid UTF-8", "{\"a\":1}\n{\"a\":\"x\xff\"}", "", 1, "json.invalid_utf8", "record 2, line 2, byte 15"},
		{"lone surrogate", `[{"a":1},{"a":"\ud800"}]`, "", 1, "json.invalid_utf8", "record 2, line 1, byte 15"},
		{"duplicate names", "[{\"a\":1},\n{\"b\":{\"c\":1,\"c\":2}}]", "", 1, "json.duplicate_name", "record 2, line 2, byte 22: b.c"},
		{"10 000 levels", `[{"a":1},` + deep + `]`, "", 1, "json.too_deep", "record 2, line 1, byte 9"},
		{"10 000 levels in a line", "{\"a\":1}\n" + deep, "", 1, "json.too_deep", "record 2, line 2, byte 8"},
		{"10 000 brackets", strings.Repeat("[", 10_000), "", 0, "json.truncated", ""},
		{"comma missing", `[{"a":1}{"a":2}]`, "", 1, "json.syntax", "byte 8"},
		{"comma at the end", `[{"a":1},]`, "", 1, "json.syntax", "byte 9"},
		{"two commas", `[{"a":1},,{"a":2}]`, "", 1, "json.syntax", "byte 9"},
		{"something behind the array", `[{"a":1}]{"a":2}`, "", 1, "json.syntax", "byte 9"},
		{"wrong brackets", `[{"a":1},{"a":2]}]`, "", 1, "json.syntax", "record 2"},
		{"empty", "", "", 0, "json.empty", ""},
		{"blank", " \n  \n", "format: array", 0, "json.empty", ""},
		{"blank, with a path", " \n  \n", "at: users", 0, "json.empty", ""},
		{"nothing at the path", `{"user":[],"n":{}}`, "at: users", 0, "json.at_not_found", "it has user, n"},
		{"no object at the path", `{"users":[]}`, "at: users.items", 0, "json.at_not_found", "users is no object"},
		{"no array at the path", `{"users":{}}`, "at: users", 0, "json.at_not_array", "users is no array"},
		{"a second array at the path", `{"u":[{"a":1}],"n":{"u":[]},"u":[{"a":2}]}`, "at: u", 1, "json.duplicate_name", `byte 32: there is a second "u"`},
		{"a second array further out", `{"u":{"i":[{"a":1}],"n":1},"u":{"i":[{"a":2}]}}`, "at: u.i", 1, "json.duplicate_name", `there is a second "u"`},
		{"an array that ends too early", `{"u":[{"a":1}],[{"a":2}]}`, "at: u", 1, "json.syntax", "byte 15"},
		{"comma missing behind the array", `{"u":[{"a":1}] "n":1}`, "at: u", 1, "json.syntax", "byte 15"},
		{"UTF-16 that is cut off", "\xff\xfe[\x00", "", 0, "json.truncated", ""},
		{"too large", `[{"a":1},{"a":"` + strings.Repeat("x", 2000) + `"}]`, "max_record_size: 1KB", 1, "json.record_too_large", "record 2, line 1, byte 9"},
		{"too large, and perhaps no record", `{"users":[` + strings.Repeat(`{"a":1},`, 2000) + `{}]}`, "max_record_size: 1KB", 0, "json.record_too_large", "name it with `at`"},
		{"gzip cut off", packed(t, `[`+strings.Repeat(`{"a":1},`, 100_000)+`{}]`)[:500], "", -1, "file.damaged", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines, err := read(t, source(t, fmt.Sprintf("{path: %q, %s}", file(t, "f", tt.text), tt.options)))
			var e *pipeline.Error
			if !errors.As(err, &e) || e.Code != tt.code {
				t.Fatalf("got %v, want %s", err, tt.code)
			}
			if !strings.Contains(e.Error(), tt.place) {
				t.Errorf("%q does not name %q", e, tt.place)
			}
			if len(e.Error()) > 500 {
				t.Errorf("the message has %d bytes", len(e.Error()))
			}
			if len(lines) != tt.good && tt.good >= 0 {
				t.Errorf("%d records came before the error, want %d: %q", len(lines), tt.good, lines)
			}
		})
	}
}

func TestEmptyFileOfLines(t *testing.T) {
	for _, s := range []pipeline.Source{
		source(t, "{path: "+file(t, "f.ndjson", "")+"}"),
		source(t, "{path: "+file(t, "f.jsonl", "\n")+"}"),
		source(t, "{path: "+file(t, "f", "")+", format: ndjson}"),
		source(t, "{path: "+file(t, "f", "")+", format: concatenated}"),
	} {
		if lines, err := read(t, s); err != nil || len(lines) != 0 {
			t.Errorf("got %q, %v", lines, err)
		}
	}
}

func TestSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"b.json": `[{"a":2}]`, "a.ndjson": "{\"a\":1}", "c.json.gz": packed(t, `{"a":3}{"a":4}`)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := read(t, source(t, fmt.Sprintf("{path: [%s/*]}", dir)))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(lines, "\n"); got != "a.ndjson:1 {\"a\":1}\nb.json:1 {\"a\":2}\nc.json.gz:1 {\"a\":3}\nc.json.gz:2 {\"a\":4}" {
		t.Error(got)
	}
}

// TestSlowInput gives a byte at a time: what is found out about a file does not hang on how much of it came first.
func TestSlowInput(t *testing.T) {
	for _, options := range []string{"", "format: ndjson", "at: u"} {
		text := "\xef\xbb\xbf{\"u\":[{\"a\":1}]}\n"
		want := `stdin:1 {"u":[{"a":1}]}`
		if options == "at: u" {
			want = `stdin:1 {"a":1}`
		}
		s := acceptance.NewSource(t, Type, pipeline.Env{Stdin: iotest.OneByteReader(strings.NewReader(text))}, "{path: '-', "+options+"}")
		lines, err := read(t, s)
		if err != nil || strings.Join(lines, "\n") != want {
			t.Errorf("%s: %q, %v", options, lines, err)
		}
	}
}

func TestStandardInput(t *testing.T) {
	s := acceptance.NewSource(t, Type, pipeline.Env{Stdin: strings.NewReader("{\"a\":1}\n{\"a\":2}")}, "{path: '-'}")
	lines, err := read(t, s)
	if got := strings.Join(lines, "\n"); err != nil || got != "stdin:1 {\"a\":1}\nstdin:2 {\"a\":2}" {
		t.Errorf("%s %v", got, err)
	}
}

func TestBadOptions(t *testing.T) {
	for _, values := range []map[string]any{
		{"path": []string{"f"}, "format": "auto", "at": "a..b", "max_record_size": int64(1)},
		{"path": []string{"f"}, "format": "ndjson", "at": "a", "max_record_size": int64(1)},
		{"path": []string{"f"}, "format": "auto", "max_record_size": int64(0)},
	} {
		values["max_unpacked"], values["max_ratio"] = int64(1<<30), int64(250)
		var e *pipeline.OptionError
		if _, err := Type.New(pipeline.Env{}, pipeline.NewConfig(values)); !errors.As(err, &e) {
			t.Errorf("%v gave %v", values, err)
		}
	}
}

// huge is a text with a string of n letters in its middle.
func huge(head string, n int64, tail string) io.Reader {
	return io.MultiReader(strings.NewReader(head), io.LimitReader(letters{}, n), strings.NewReader(tail))
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// allocated gives the bytes that call allocates, freed or not.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestHugeStringTakesLittleMemory(t *testing.T) {
	const size = 100 << 20
	for name, in := range map[string]io.Reader{
		"array":        huge(`[{"a":1},{"a":"`, size, `"},{"a":3}]`),
		"ndjson":       huge("{\"a\":1}\n{\"a\":\"", size, "\"}\n{\"a\":3}\n"),
		"concatenated": huge(`{"a":1}{"a":"`, size, `"}{"a":3}`),
		"wrapped":      huge(`{"z":{"a":"`, size, `"},"users":[{"a":1},7,{"a":3}]}`),
	} {
		t.Run(name, func(t *testing.T) {
			options := "on_error: skip"
			if name == "wrapped" {
				options = "at: users"
			}
			s := acceptance.NewSource(t, Type, pipeline.Env{Stdin: in}, "{path: '-', max_record_size: 1MB, "+options+"}")
			var lines []string
			var err error
			bytes := allocated(func() { lines, err = read(t, s) })
			if err != nil || len(lines) != 3 || !strings.HasPrefix(lines[1], "stdin:2 json.") {
				t.Errorf("%q, %v", lines, err)
			}
			if bytes > 8<<20 {
				t.Errorf("%d bytes were allocated", bytes)
			}
		})
	}
	t.Run("fail", func(t *testing.T) {
		s := acceptance.NewSource(t, Type, pipeline.Env{Stdin: huge(`[{"a":1},{"a":"`, size, ``)}, "{path: '-', max_record_size: 1MB}")
		var e *pipeline.Error
		bytes := allocated(func() {
			if lines, err := read(t, s); len(lines) != 1 || !errors.As(err, &e) || e.Code != "json.record_too_large" {
				t.Errorf("%q, %v", lines, err)
			}
		})
		if bytes > 8<<20 {
			t.Errorf("%d bytes were allocated", bytes)
		}
	})
}

// utf16 gives a text as Windows writes it.
func utf16(text string) string {
	b, _ := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder().String(text)
	return b
}

func TestAcceptance(t *testing.T) {
	good := []string{`{"id":1,"mail":"a@b.c"}`, `{"id":2,"x":{"y":[1,2.50,null]}}`, `{"id":3,"name":"é\n\"\\"}`, `{}`, `{"id":12345678901234567890}`}
	secret := "$2b$12$abcdefghijklmnopqrstuu"
	for name, tt := range map[string]struct {
		text, options string
		want          []string
	}{
		"array":        {"[\n" + strings.Join(good, ",\n") + "\n]\n", "", good},
		"ndjson":       {strings.Join(good, "\n"), "", good},
		"concatenated": {strings.Join(good, " "), "", good},
		"wrapped":      {`{"n":5,"users":{"items":[` + strings.Join(good, " , ") + `],"z":1}}`, "at: users.items", good},
		"gzip":         {packed(t, strings.Join(good, "\n")), "", good},
		"UTF-16":       {"\xff\xfe" + utf16(strings.Join(good, "\r\n")), "", good},
		"UTF-16 array": {utf16("[" + strings.Join(good, ",") + "]"), "", good},
		"half of UTF-16": {strings.ReplaceAll(utf16(strings.Join([]string{good[0], `{"a":"?"}`, good[1], good[2]}, "\n")), "?\x00", "\x00\xd8"),
			"on_error: skip", []string{good[0], "failed", good[1], good[2]}},
		"broken lines": {strings.Join([]string{good[0], `{"password":"` + secret + `","password":1}`, good[1], `{"p":` + secret + `}`, "17", `{"hash":"` + secret}, "\n"),
			"on_error: skip", []string{good[0], "failed", good[1], "failed", "failed", "failed"}},
		"broken elements": {"[" + strings.Join([]string{good[0], `{"password":"` + secret + `","password":1}`, "null", good[1], "{\"p\":\n" + secret + "}"}, ",") + "]",
			"on_error: skip", []string{good[0], "failed", "failed", good[1], "failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, "users.json", tt.text)
			acceptance.Source(t, acceptance.SourceCase{
				New:        func(t *testing.T) pipeline.Source { return source(t, fmt.Sprintf("{path: %q, %s}", path, tt.options)) },
				Want:       tt.want,
				Unopenable: func(t *testing.T) pipeline.Source { return source(t, "{path: "+path+".not}") },
				Secrets:    []string{secret},
			})
		})
	}
}

func TestAcceptanceOfSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"1.json": `[{"a":1},{"a":2}]`, "2.json": "{\"a\":3}\n{\"a\":4}\n", "3.json": packed(t, `[{"a":5},7]`)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	acceptance.Source(t, acceptance.SourceCase{
		New:        func(t *testing.T) pipeline.Source { return source(t, fmt.Sprintf("{path: %s/*.json}", dir)) },
		Want:       []string{`{"a":1}`, `{"a":2}`, `{"a":3}`, `{"a":4}`, `{"a":5}`, "failed"},
		Unopenable: func(t *testing.T) pipeline.Source { return source(t, "{path: "+dir+"}") },
	})
}

// FuzzSource checks that no input panics, hangs or loses a record of a good line, and that bad ones are told.
// compressed reports whether a text may be shorter than what is in it.
func compressed(text []byte) bool {
	return bytes.HasPrefix(text, []byte{0x1f, 0x8b}) || bytes.HasPrefix(text, []byte("BZh")) || len(text) > 1 && (text[1] == 0x2a || text[1] == 0xb5)
}

func FuzzSource(f *testing.F) {
	for _, seed := range []string{utf16(`[{"a":1},{"b":"é😀"}]`), `[{"a":1},{"b":[1,"\\\""]}]`, "{\"a\":1}\n{\"a\":", `{"users":[{}]}`, "\xef\xbb\xbf[]", "[1,2", "\x1f\x8b", "{}{}\n\n[]"} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(7))
	}
	f.Fuzz(func(t *testing.T, text []byte, how uint8) {
		options := []string{"", "format: array, ", "format: ndjson, ", "format: concatenated, ", "at: users, "}[how%5] + []string{"on_error: fail", "on_error: skip"}[how/5%2]
		s := acceptance.NewSource(t, Type, pipeline.Env{Stdin: bytes.NewReader(text)}, "{path: '-', max_record_size: 2KB, "+options+"}")
		defer s.Close()
		if err := s.Open(ctx); err != nil {
			return
		}
		size := 0
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
				if r.Open() {
					if _, err := value.ParseJSON(value.AppendJSON(nil, r.Source)); err != nil {
						t.Fatal(err)
					}
				}
			}
			// Every record takes at least a byte of the text.
			if size += len(b.Records); size > len(text) && !compressed(text) {
				t.Fatalf("%d records of %d bytes", size, len(text))
			}
		}
	})
}

var line = `{"uid":1234567890123456789,"nickname":"Ann Example","account_id":"u000001","mail":"ann.example@example.com","password":"$2b$12$abcdefghijklmnopqrstuuXyXyXyXyXyXyXyXyXyXyXyXyXyXyXyXy","phone":"+8613100000001","emailVerified":true,"loginsCount":17,"created":"2019-03-04T05:06:07Z","user_metadata":{"name":"Ann","lang":"zh-CN"},"app_metadata":{"plan":"pro","tags":["a","b"]},"x":"` + strings.Repeat("y", 40) + `"}`

func benchmark(b *testing.B, text string) {
	path := file(b, "f", text)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		s := source(b, "{path: "+path+"}")
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
}

func BenchmarkLines(b *testing.B) { benchmark(b, strings.Repeat(line+"\n", 20_000)) }

func BenchmarkArray(b *testing.B) { benchmark(b, "["+strings.Repeat(line+",\n", 20_000)+line+"]") }
