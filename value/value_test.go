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
