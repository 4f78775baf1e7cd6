package value

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestParseKeepsEveryDigit(t *testing.T) {
	for _, tt := range []struct {
		literal string
		want    any
	}{
		{"0", int64(0)},
		{"-0", Number("-0")},
		{"9223372036854775807", int64(9223372036854775807)},
		{"18446744073709551615", Number("18446744073709551615")},
		{"1.5", 1.5},
		{"1.10", Number("1.10")},
		{"0.1000000000000000055511151231257827", Number("0.1000000000000000055511151231257827")},
		{"1e3", Number("1e3")},
		{"1e-7", 1e-7},
	} {
		got, err := ParseJSON([]byte(tt.literal))
		if err != nil || got != tt.want {
			t.Errorf("ParseJSON(%s) = %#v, %v; want %#v", tt.literal, got, err, tt.want)
		}
		if back := string(AppendJSON(nil, got)); back != tt.literal {
			t.Errorf("%s came back as %s", tt.literal, back)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for _, text := range []string{
		`{"b":1,"a":{"z":null,"y":[true,false,"x"]},"":""}`,
		`"\u0000\u001f\"\\\b\f\n\r\t` + "\u2028😀é" + `"`,
		`[]`, `{}`, `null`, `[[],[{}]]`,
	} {
		v, err := ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendJSON(nil, v)); got != text {
			t.Errorf("got %s\nwant %s", got, text)
		}
	}
}

// TestTimeKeepsItsInstant has offsets with seconds, which RFC 3339 cannot write.
func TestTimeKeepsItsInstant(t *testing.T) {
	for offset, want := range map[int]string{
		0: `"1890-01-01T00:00:00Z"`, 3600: `"1890-01-01T01:00:00+01:00"`, 1172: `"1890-01-01T00:00:00Z"`, -1172: `"1890-01-01T00:00:00Z"`,
	} {
		at := time.Date(1890, 1, 1, 0, 0, 0, 0, time.UTC).In(time.FixedZone("LMT", offset))
		if got := string(AppendJSON(nil, at)); got != want {
			t.Errorf("offset %d: got %s, want %s", offset, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
	for _, text := range []string{``, `{`, `{"a":1,"a":2}`, `NaN`, `"\xff"`, "\"\xff\"", `01`, `[1]x`, deep} {
		if v, err := ParseJSON([]byte(text)); err == nil {
			t.Errorf("ParseJSON(%.20q) = %v, want an error", text, v)
		}
	}
}

func TestPaths(t *testing.T) {
	o := ObjectOf(Member{"a", ObjectOf(Member{"b", "x"})}, Member{"s", "text"})
	copied := o.Clone()
	if !copied.SetPath("a.c.d", int64(1)) || !copied.SetPath("a.b", nil) {
		t.Fatal("SetPath refused")
	}
	if copied.SetPath("s.t", 1) {
		t.Error("SetPath went through a string")
	}
	if got := string(AppendJSON(nil, copied)); got != `{"a":{"b":null,"c":{"d":1}},"s":"text"}` {
		t.Error(got)
	}
	if got := string(AppendJSON(nil, o)); got != `{"a":{"b":"x"},"s":"text"}` {
		t.Errorf("the original changed: %s", got)
	}
	if v, ok := copied.GetPath("a.b"); v != nil || !ok {
		t.Error("null is not absent")
	}
	if _, ok := copied.GetPath("a.x.y"); ok {
		t.Error("a missing parent is not there")
	}
	copied.DeletePath("a.c.d")
	if got := string(AppendJSON(nil, copied)); got != `{"a":{"b":null,"c":{}},"s":"text"}` {
		t.Error(got)
	}
}

func TestManyMembers(t *testing.T) {
	o := NewObject(0)
	for i := range 100 {
		o.Set(fmt.Sprint("k", i), int64(i))
	}
	o.Delete("k10")
	o.Set("k99", "last")
	for i := range 100 {
		v, ok := o.Get(fmt.Sprint("k", i))
		switch {
		case i == 10 && !ok, i == 99 && v == "last", ok && v == int64(i):
		default:
			t.Errorf("k%d = %v, %v", i, v, ok)
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	s := Secret("hunter2")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s)
	asJSON, _ := json.Marshal(map[string]any{"s": s})
	nested := ObjectOf(Member{"s", s}, Member{"o", ObjectOf(Member{"s", s})})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "o", nested)
	redacted := AppendRedacted(nil, ObjectOf(Member{"pwd", "hunter2"}, Member{"n", ObjectOf(Member{"pwd", nil})}),
		func(name string, _ any) bool { return name == "pwd" })
	for _, printed := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %q %x %d", s, s, s, s, s, s), log.String(), string(asJSON),
		string(AppendJSON(nil, s)), string(redacted), fmt.Sprint(struct{ S Secret }{s}),
		fmt.Sprintf("%v %+v %#v", nested, nested, nested), fmt.Sprint([]any{nested}),
	} {
		if strings.Contains(printed, "hunter2") || strings.Contains(printed, "68756e") {
			t.Errorf("secret printed: %s", printed)
		}
	}
	if got := string(redacted); got != `{"pwd":"REDACTED","n":{"pwd":null}}` {
		t.Error(got)
	}
	if s.Reveal() != "hunter2" {
		t.Error("Reveal lost the secret")
	}
}

func TestAppendJSONOfTimesAndBytes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 8*3600))
	got := string(AppendJSON(nil, []any{at, []byte{0, 255}, "\xff"}))
	if got != `["2026-01-02T03:04:05.0000006+08:00","AP8=","`+"\ufffd"+`"]` {
		t.Error(got)
	}
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.50,"x",null,true]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ParseJSON(text)
		if err != nil {
			return
		}
		out := AppendJSON(nil, v)
		again, err := ParseJSON(out)
		if err != nil {
			t.Fatalf("own output refused: %v\n%s", err, out)
		}
		if twice := AppendJSON(nil, again); !bytes.Equal(out, twice) {
			t.Fatalf("%s became %s", out, twice)
		}
	})
}

// Strings come as JSON that every reader takes, with the fewest escapes.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "quote\"d", "back\\slash", "line\nfeed", "tab\there", "\x00\x1f\x7f", "1234567\"", "12345678\\", "\x1f2345678", "Müller 上海", "12345\xff78", "\xe4\xb8", "a\u2028b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := AppendString(nil, s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q became %s: %v", s, got, err)
		}
		if want := string([]rune(s)); back != want {
			t.Fatalf("%q became %s, which is %q", s, got, back)
		}
		escaped := 0
		for _, c := range []byte(s) {
			if c < ' ' || c == '"' || c == '\\' {
				escaped++
			}
		}
		if bytes.Count(got, []byte{'\\'}) != escaped+strings.Count(s, `\`) {
			t.Fatalf("%q became %s", s, got)
		}
	})
}

func BenchmarkAppendString(b *testing.B) {
	texts := []string{"36ya.21i3v9@post.example.com", "Tariq Tran", "01a1ff1d-d74b-7000-8000-0000295c70c7", "users-1000000-0.5.ndjson:1", "上海", "2020-05-23T18:52:51Z", "REDACTED"}
	var buf []byte
	for b.Loop() {
		for _, s := range texts {
			buf = AppendString(buf[:0], s)
		}
	}
}
