package value

import (
	"bytes"
	"math"
	"testing"
	"time"
)

func binaryValues() []any {
	deep := any(nil)
	for range 50 {
		deep = []any{deep}
	}
	return []any{
		nil, true, false, int64(0), int64(-1), int64(math.MaxInt64), int64(math.MinInt64), 0.1, math.Inf(1), math.Copysign(0, -1),
		Number("12345678901234567890"), Number("1.10"), "", "é\x00", Secret("s"), []byte{0, 255}, []byte{},
		time.Date(2024, 2, 29, 1, 2, 3, 999999999, time.UTC), time.Date(1890, 1, 1, 0, 0, 0, 0, time.FixedZone("LMT", 1172)),
		[]any{}, []any{int64(1), nil}, NewObject(0), ObjectOf(Member{"a", nil}, Member{"", "x"}), deep,
	}
}

func TestBinaryGivesBackEveryValue(t *testing.T) {
	for _, v := range binaryValues() {
		b, err := AppendBinary(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		r := NewReader(string(b))
		got := r.Value()
		if r.Err() != nil || r.Len() != 0 {
			t.Fatalf("%v: %v, %d bytes left", v, r.Err(), r.Len())
		}
		if again, _ := AppendBinary(nil, got); !bytes.Equal(again, b) || Kind(got) != Kind(v) {
			t.Errorf("%#v became %#v", v, got)
		}
		if at, ok := v.(time.Time); ok {
			_, want := at.Zone()
			if _, offset := got.(time.Time).Zone(); !at.Equal(got.(time.Time)) || offset != want {
				t.Errorf("%s became %s", at, got)
			}
		}
	}
	if _, err := AppendBinary(nil, struct{}{}); err == nil {
		t.Error("something that is no value was taken")
	}
}

func TestBinaryRefusesDamage(t *testing.T) {
	for _, s := range []string{
		"", "\x0c", "\x06\x05ab", "\x05\x01x", "\x05\x02\"\"", "\x05\x00", "\x04\x00", "\x0a\xff\xff\xff\xff\x0f", "\x0b\x01\x00", "\x03",
		"\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "\x09\x00\x80\x94\xeb\xdc\x03\x00", "\x09\x00\x00\x80\xc6\x0a",
		string(bytes.Repeat([]byte{tagList, 1}, 11_000)) + "\x00",
	} {
		r := NewReader(s)
		if v := r.Value(); r.Err() == nil {
			t.Errorf("%q became %#v", s, v)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, v := range binaryValues() {
		b, _ := AppendBinary(nil, v)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(string(b))
		v := r.Value()
		if r.Err() != nil {
			return
		}
		again, err := AppendBinary(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		back := NewReader(string(again))
		back.Value()
		if back.Err() != nil || back.Len() != 0 {
			t.Fatalf("%q is not read again", again)
		}
		AppendJSON(nil, v)
	})
}
