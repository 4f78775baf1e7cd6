package sorting

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	sourcejson "github.com/usher-id/usher/sources/json"
	"github.com/usher-id/usher/value"
)

func arranged(t testing.TB, options string, lines ...string) pipeline.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.ndjson")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	source := acceptance.NewSource(t, sourcejson.Type, pipeline.Env{}, "{path: "+path+", on_error: skip}")
	return acceptance.NewTransform(t, Type, pipeline.Env{}, options).(pipeline.Arranger).Arrange(source)
}

// order gives the members id of the records in the order in which they come.
func order(t testing.TB, s pipeline.Source) string {
	t.Helper()
	defer s.Close()
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for {
		b, err := s.Next(context.Background(), 7)
		if err == io.EOF {
			return strings.Join(ids, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			id := "?"
			if r := &b.Records[i]; r.Source != nil {
				v, _ := r.Source.Get("id")
				id = fmt.Sprint(v)
			}
			ids = append(ids, id)
		}
	}
}

func TestAcceptance(t *testing.T) {
	lines := []string{`{"id":1,"k":"c"}`, `{"id":2,"k":"a","d":1.10,"o":{"n":null}}`, `{"id":3`, `{"id":4,"k":"b"}`, `{"id":5,"k":"a"}`, `{"id":6}`}
	want := []string{`{"id":2,"k":"a","d":1.10,"o":{"n":null}}`, `{"id":5,"k":"a"}`, `{"id":4,"k":"b"}`, `{"id":1,"k":"c"}`, acceptance.FailedRecord, `{"id":6}`}
	for name, options := range map[string]string{"memory": `{by: user.k}`, "files": `{by: user.k, memory: "1"}`} {
		t.Run(name, func(t *testing.T) {
			acceptance.Source(t, acceptance.SourceCase{New: func(t *testing.T) pipeline.Source { return arranged(t, options, lines...) }, Want: want})
		})
	}
}

func TestOrder(t *testing.T) {
	lines := []string{
		`{"id":"null","k":null}`, `{"id":"object","k":{"a":1}}`, `{"id":"array2","k":[1,2]}`, `{"id":"array1","k":[1]}`, `{"id":"Z","k":"Z"}`, `{"id":"a","k":"a"}`,
		`{"id":"ä","k":"ä"}`, `{"id":"b","k":"b"}`, `{"id":"empty","k":""}`, `{"id":"10","k":10}`, `{"id":"9.5","k":9.5}`, `{"id":"absent"}`, `{"id":"-1","k":-1}`,
		`{"id":"big1","k":18446744073709551615}`, `{"id":"big0","k":18446744073709551614}`, `{"id":"true","k":true}`, `{"id":"false","k":false}`,
		`{"id":"10.0","k":10.0}`, `{"id":"tiny","k":1e-999999999999999999999}`, `{"id":"huge","k":1e999999999}`, `{"id":"0","k":0}`,
	}
	ascending := "false true -1 0 tiny 9.5 10 10.0 big0 big1 huge empty Z a b ä array1 array2 object null absent"
	descending := "object array2 array1 ä b a Z empty huge big1 big0 10 10.0 9.5 tiny 0 -1 true false null absent"
	for _, memory := range []string{"64MB", `"1"`, `"700"`} {
		for options, want := range map[string]string{
			"": ascending, ", desc: true": descending,
			", locale: sv": strings.Replace(ascending, "Z a b ä", "a b Z ä", 1),
			", locale: de": strings.Replace(ascending, "Z a b ä", "a ä b Z", 1),
		} {
			if diff := cmp.Diff(want, order(t, arranged(t, "{by: user.k, memory: "+memory+options+"}", lines...))); diff != "" {
				t.Errorf("memory %s%s: %s", memory, options, diff)
			}
		}
	}
}

// What was put aside and merged in any number of files comes in the order of a stable sort in memory.
func TestFilesMakeNoDifference(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var lines []string
	for i := range 3000 {
		lines = append(lines, fmt.Sprintf(`{"id":%d,"k":%d}`, i, random.IntN(200)))
	}
	for _, desc := range []bool{false, true} {
		want := order(t, arranged(t, fmt.Sprintf("{by: user.k, desc: %v}", desc), lines...))
		for _, memory := range []string{"1", "500", "20000"} { // 1 has the files merged several times
			if got := order(t, arranged(t, fmt.Sprintf("{by: user.k, desc: %v, memory: %q}", desc, memory), lines...)); got != want {
				t.Errorf("memory %s, desc %v: another order", memory, desc)
			}
		}
	}
}

func TestKeyFails(t *testing.T) {
	s := arranged(t, `"e164(user.p, 'CN')"`, `{"id":1,"p":"12"}`, `{"id":2,"p":"+8613100000001"}`)
	defer s.Close()
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	b, err := s.Next(context.Background(), 10)
	if err != nil || len(b.Records) != 2 {
		t.Fatal(b, err)
	}
	if w := b.Records[1].Outcome.Warnings; len(w) != 1 || w[0].Code != "expression.phone" || !b.Records[1].Open() {
		t.Errorf("%+v", b.Records[1].Outcome)
	}
}

// compare must be an order, whatever the keys are.
func TestCompareIsAnOrder(t *testing.T) {
	now := time.Now()
	keys := []any{nil, math.NaN(), false, true, int64(0), int64(-5), 0.5, math.Inf(1), math.Inf(-1), value.Number("-0"), value.Number("5e-1"), value.Number("0.50"), value.Number("-1e400"),
		now, now.Add(1), "", "a", []byte{1}, []any{}, []any{nil}, []any{"a", nil}, []any{"a"}, value.NewObject(0), value.ObjectOf(value.Member{Name: "a"})}
	for _, desc := range []bool{false, true} {
		for _, a := range keys {
			for _, b := range keys {
				ab := compare(a, b, desc)
				if ab != -compare(b, a, desc) {
					t.Errorf("%v and %v are each before the other", a, b)
				}
				for _, c := range keys {
					if ab <= 0 && compare(b, c, desc) <= 0 && compare(a, c, desc) > 0 {
						t.Errorf("%v ≤ %v ≤ %v, but not %v ≤ %v", a, b, c, a, c)
					}
				}
			}
		}
	}
	if compare(0.5, value.Number("0.50"), false) != 0 || compare(int64(0), value.Number("-0"), false) != 0 {
		t.Error("equal numbers differ")
	}
}

func TestNoFileStays(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	before, _ := os.ReadDir(dir)
	s := arranged(t, `{by: user.id, memory: "1"}`, `{"id":1}`, `{"id":2}`, `{"id":3}`)
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	after, _ := os.ReadDir(dir)
	names := func(list []os.DirEntry) (n []string) {
		for _, e := range list {
			n = append(n, e.Name())
		}
		return n
	}
	if !slices.Equal(names(before), names(after)) {
		t.Error(names(after))
	}
}

func BenchmarkSort(b *testing.B) {
	var lines []string
	for i := range 20000 {
		lines = append(lines, fmt.Sprintf(`{"id":%d,"email":"user%d@example.com","name":"User %d","user_metadata":{"plan":"pro","seats":5}}`, i, i*7919%20000, i))
	}
	for name, memory := range map[string]string{"memory": "64MB", "files": "512KB"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				order(b, arranged(b, "{by: user.email, memory: "+memory+"}", lines...))
			}
			b.ReportMetric(float64(b.N*len(lines))/b.Elapsed().Seconds(), "records/s")
		})
	}
}
