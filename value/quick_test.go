package value

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

const exampleUser = `{"uid":1000000000864197525,"nickname":"Zoé Díaz","account_id":"u21i3v9","mail":"36ya.21i3v9@example.com",` +
	`"password":"$2b$12$J3.jzmUf8.Im5hvsGEaLqu1zplIC4raVKz/W6EFhw/2cUx4yj2ON.","phone":"+8613123456789","emailVerified":true,"loginsCount":420,` +
	`"created":"2019-09-27T11:18:52Z","user_metadata":{"city":"Osaka","locale":"ja-JP"},"app_metadata":{"plan":"team","score":403.5,` +
	`"tags":["imported","legacy"]},"status":"active"}`

// next reads as Read does where it is not quick.
func next(text []byte) (any, int, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(text))
	v, err := new(Parser).next(d)
	return v, int(d.InputOffset()), err
}

// same tells whether two values are the same in kind, digits and order.
func same(a, b any) bool {
	switch a := a.(type) {
	case *Object:
		b, ok := b.(*Object)
		if !ok || a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if x, y := a.At(i), b.At(i); x.Name != y.Name || !same(x.Value, y.Value) {
				return false
			}
			if v, ok := a.Get(a.At(i).Name); !ok || !same(v, a.At(i).Value) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	}
	return a == b
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{exampleUser, ` [ 1 , -0 , 0.5 , 1e3 , 01 , 1. , .5 , -, 1e, 123456789012345678, 1234567890123456789 ] `,
		`{"a":1,"a":2}`, `{"\u0061":1,"a":2}`, `{"a":{"b":[{"c":1},{"c":2,"d":null}]},"c":{}}`, `"\ud83d\ude00\ud83d"`, "\"\xff\"", "\"a\x00\"", `"\x"`,
		`[1,]`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `[true,false,null,tru]`, `truex`, `1x`, `"`, `"\`, `{"a`, "\ufeff{}", `[[[[]]]]`, ``, ` `, `]`,
		strings.Repeat("[", quickDepth+1) + strings.Repeat("]", quickDepth+1)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var p Parser
		for _, again := range []string{"", " again"} {
			got, end, err := p.Read(text)
			want, wantEnd, wantErr := next(text)
			if (err == nil) != (wantErr == nil) || err == nil && (end != wantEnd || !same(got, want)) {
				t.Fatalf("Read%s gives %#v, %d, %v; want %#v, %d, %v", again, got, end, err, want, wantEnd, wantErr)
			}
			if err != nil && err.Error() != wantErr.Error() {
				t.Fatalf("Read%s gives the error %v, want %v", again, err, wantErr)
			}
		}
	})
}

func TestReadManyNames(t *testing.T) {
	var p Parser
	for round := range 3 {
		text := []byte{'{'}
		for i := range maxNames - 300 {
			if i > 0 {
				text = append(text, ',')
			}
			text = fmt.Appendf(text, `"n%d":{"x":%d}`, round*maxNames+i, i)
		}
		text = append(text, '}')
		got, end, err := p.Read(text)
		want, _, _ := next(text)
		if err != nil || end != len(text) || !same(got, want) {
			t.Errorf("round %d: the object is not the one in the text: %v", round, err)
		}
		if len(p.names.known) > maxNames {
			t.Errorf("%d names are remembered", len(p.names.known))
		}
	}
}

func TestReadKeepsNothingOfTheText(t *testing.T) {
	text := []byte(`{"name":"Ann","list":["x"]}`)
	v, _, err := new(Parser).Read(text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if got := string(AppendJSON(nil, v)); got != `{"name":"Ann","list":["x"]}` {
		t.Errorf("the value changed with the text: %s", got)
	}
}

func TestObjectsOfOneParserAreApart(t *testing.T) {
	var p Parser
	a, _, _ := p.Read([]byte(`{"a":1}`))
	b, _, _ := p.Read([]byte(`{"b":2}`))
	a.(*Object).Set("c", int64(3))
	if got := string(AppendJSON(nil, b)); got != `{"b":2}` {
		t.Errorf("setting a member of one object made another %s", got)
	}
}

func TestOneTextDoesNotKeepAnother(t *testing.T) {
	text := []byte(`{"long":"` + strings.Repeat("x", 1000) + `","a":{"b":{"c":[{}]}}}`)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var p Parser
	before := heap()
	var last any
	for range 20_000 {
		last, _, _ = p.Read(text)
	}
	if grown := int64(heap() - before); grown > 1<<20 {
		t.Errorf("%d bytes are kept for one text of %d", grown, len(text))
	}
	runtime.KeepAlive(last)
}

func BenchmarkRead(b *testing.B) {
	text := []byte(exampleUser)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var p Parser
	for b.Loop() {
		if _, _, err := p.Read(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadByTokens(b *testing.B) {
	text := []byte(exampleUser)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var p Parser
	var buffer bytes.Buffer
	d := jsontext.NewDecoder(&buffer)
	for b.Loop() {
		buffer = *bytes.NewBuffer(text)
		d.Reset(&buffer)
		if _, err := p.next(d); err != nil {
			b.Fatal(err)
		}
	}
}
