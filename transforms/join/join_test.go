package join_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/pipeline/definition"
	sinkdrop "github.com/usher-id/usher/sinks/drop"
	sourcecsv "github.com/usher-id/usher/sources/csv"
	sourcejson "github.com/usher-id/usher/sources/json"
	"github.com/usher-id/usher/transforms/join"
	sorting "github.com/usher-id/usher/transforms/sort"
	"github.com/usher-id/usher/value"
)

var registry = pipeline.NewRegistry(sourcejson.Type, sourcecsv.Type, join.Type, sorting.Type, sinkdrop.Type)

// load reads a pipeline file beside its data, and has its arrangers stand where the source was.
func load(t testing.TB, dir, text string) pipeline.Source {
	t.Helper()
	return loadOver(t, dir, text, func(s pipeline.Source) pipeline.Source { return s })
}

// loadOver is load over what wrap makes of the first source.
func loadOver(t testing.TB, dir, text string, wrap func(pipeline.Source) pipeline.Source) pipeline.Source {
	t.Helper()
	p, err := definition.Parse(filepath.Join(dir, "p.yaml"), []byte(text+"sink: drop\n"), registry, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	source := wrap(p.Source)
	for _, transform := range p.Transforms {
		source = transform.(pipeline.Arranger).Arrange(source)
	}
	return source
}

// options make a pipeline of left.ndjson and right.ndjson by the field k of both.
func options(more string) string {
	return "source: { json: { path: left.ndjson, on_error: skip } }\ntransforms:\n" + joinOf("r", "user.k", more)
}

func joinOf(as, key, more string) string {
	return fmt.Sprintf("  - join: { source: { json: { path: right.ndjson, on_error: skip } }, on: { left: %s, right: %s }, as: %s%s }\n", key, key, as, more)
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files makes a folder with both.
func files(t testing.TB, left, right string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "left.ndjson", left)
	write(t, dir, "right.ndjson", right)
	return dir
}

// drained is what a joined source gives: every record as JSON or as what became of it, and who was left over.
type drained struct {
	Records, Problems, Leftovers []string
}

func drain(t testing.TB, s pipeline.Source, batch int) (d drained) {
	t.Helper()
	defer s.Close()
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	return rest(t, s, batch)
}

func rest(t testing.TB, s pipeline.Source, batch int) (d drained) {
	t.Helper()
	for {
		b, err := s.Next(context.Background(), batch)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			d.add(&b.Records[i])
		}
	}
	err := s.(pipeline.Joined).Leftovers(func(name string, ref pipeline.Ref, problems []pipeline.Problem) error {
		line := name + " " + ref.String()
		for _, p := range problems {
			line += " " + p.Code
		}
		d.Leftovers = append(d.Leftovers, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *drained) add(r *pipeline.Record) {
	line := r.Outcome.Decision.String()
	if r.Open() {
		line = string(value.AppendJSON(nil, r.Fields))
	}
	d.Records = append(d.Records, line)
	for _, p := range append(r.Outcome.Warnings, r.Outcome.Errors...) {
		d.Problems = append(d.Problems, r.Ref.String()+" "+p.Code)
	}
}

func TestJoin(t *testing.T) {
	for name, c := range map[string]struct {
		left, right, more string
		want              drained
	}{
		"partners": {
			left:  `{"k":"a"}` + "\n" + `{"k":"b"}` + "\n" + `{"k":"a"}`,
			right: `{"k":"b","v":null}` + "\n" + `{"k":"a","v":[1.10]}`,
			want:  drained{Records: []string{`{"k":"a","r":{"k":"a","v":[1.10]}}`, `{"k":"b","r":{"k":"b","v":null}}`, `{"k":"a","r":{"k":"a","v":[1.10]}}`}},
		},
		"nobody's": {
			left:  `{"k":"a"}` + "\n" + `{"k":"A"}`,
			right: `{"k":"b"}` + "\n" + `{"k":"a"}` + "\n" + `{}` + "\n" + `nonsense` + "\n" + `{"k":"b"}`,
			want: drained{
				Records:   []string{`{"k":"a","r":{"k":"a"}}`, `{"k":"A","r":null}`},
				Problems:  []string{"left.ndjson:2 join.unmatched"},
				Leftovers: []string{"r right.ndjson:1", "r right.ndjson:3 join.no_key", "r right.ndjson:4 json.syntax", "r right.ndjson:5"},
			},
		},
		"nothing matches nothing": {
			left:  `{}` + "\n" + `{"k":null}` + "\n" + `{"k":""}` + "\n" + `{"k":[]}` + "\n" + `{"k":[1,null]}` + "\n" + `{"k":{}}` + "\n" + `nonsense`,
			right: `{}` + "\n" + `{"k":null}` + "\n" + `{"k":""}` + "\n" + `{"k":[]}` + "\n" + `{"k":[1,null]}` + "\n" + `{"k":{}}`,
			more:  ", unmatched: skip",
			want: drained{
				Records: []string{"skipped", "skipped", "skipped", "skipped", "skipped", "skipped", "failed"},
				Problems: []string{"left.ndjson:1 join.unmatched", "left.ndjson:2 join.unmatched", "left.ndjson:3 join.unmatched", "left.ndjson:4 join.unmatched",
					"left.ndjson:5 join.unmatched", "left.ndjson:6 join.unmatched", "left.ndjson:7 json.syntax"},
				Leftovers: []string{"r right.ndjson:1 join.no_key", "r right.ndjson:2 join.no_key", "r right.ndjson:3 join.no_key", "r right.ndjson:4 join.no_key",
					"r right.ndjson:5 join.no_key", "r right.ndjson:6 join.no_key"},
			},
		},
		"numbers by their digits, kinds apart": {
			left:  `{"k":9007199254740993}` + "\n" + `{"k":9007199254740992}` + "\n" + `{"k":1e2}` + "\n" + `{"k":"100"}` + "\n" + `{"k":-0}` + "\n" + `{"k":12345678901234567890123456789.50}` + "\n" + `{"k":[1,"x"]}` + "\n" + `{"k":true}`,
			right: `{"k":9007199254740993,"v":1}` + "\n" + `{"k":100.0,"v":2}` + "\n" + `{"k":0,"v":3}` + "\n" + `{"k":12345678901234567890123456789.5,"v":4}` + "\n" + `{"k":[1.0,"x"],"v":5}` + "\n" + `{"k":1,"v":6}`,
			want: drained{
				Records: []string{`{"k":9007199254740993,"r":{"k":9007199254740993,"v":1}}`, `{"k":9007199254740992,"r":null}`, `{"k":1e2,"r":{"k":100.0,"v":2}}`, `{"k":"100","r":null}`, `{"k":-0,"r":{"k":0,"v":3}}`,
					`{"k":12345678901234567890123456789.50,"r":{"k":12345678901234567890123456789.5,"v":4}}`, `{"k":[1,"x"],"r":{"k":[1.0,"x"],"v":5}}`, `{"k":true,"r":null}`},
				Problems:  []string{"left.ndjson:2 join.unmatched", "left.ndjson:4 join.unmatched", "left.ndjson:8 join.unmatched"},
				Leftovers: []string{"r right.ndjson:6"},
			},
		},
		"several fail": {
			left:  `{"k":1}` + "\n" + `{"k":2}`,
			right: `{"k":1}` + "\n" + `{"k":2}` + "\n" + `{"k":1}`,
			want:  drained{Records: []string{"failed", `{"k":2,"r":{"k":2}}`}, Problems: []string{"left.ndjson:1 join.several"}},
		},
		"the first of several": {
			left:  `{"k":1}` + "\n" + `{"k":2}`,
			right: `{"k":1,"v":"first"}` + "\n" + `{"k":2}` + "\n" + `{"k":1}` + "\n" + `{"k":1}`,
			more:  ", several: first",
			want:  drained{Records: []string{`{"k":1,"r":{"k":1,"v":"first"}}`, `{"k":2,"r":{"k":2}}`}, Problems: []string{"left.ndjson:1 join.several"}},
		},
		"a list": {
			left:  `{"k":1}` + "\n" + `{"k":2}` + "\n" + `{"k":3}`,
			right: `{"k":1,"v":"b"}` + "\n" + `{"k":2}` + "\n" + `{"k":1,"v":"a"}`,
			more:  ", several: list",
			want: drained{Records: []string{`{"k":1,"r":[{"k":1,"v":"b"},{"k":1,"v":"a"}]}`, `{"k":2,"r":[{"k":2}]}`, `{"k":3,"r":[]}`},
				Problems: []string{"left.ndjson:3 join.unmatched"}},
		},
		"unmatched fail": {
			left: `{"k":1}` + "\n" + `{"k":2}`, right: `{"k":2}`, more: ", unmatched: fail",
			want: drained{Records: []string{"failed", `{"k":2,"r":{"k":2}}`}, Problems: []string{"left.ndjson:1 join.unmatched"}},
		},
		"the name is taken": {
			left: `{"k":1,"r":null}`, right: `{"k":1}`,
			want: drained{Records: []string{"failed"}, Problems: []string{"left.ndjson:1 join.taken"}, Leftovers: []string{"r right.ndjson:1"}},
		},
		"an empty second source": {
			left: `{"k":1}`, right: ``, more: "",
			want: drained{Records: []string{`{"k":1,"r":null}`}, Problems: []string{"left.ndjson:1 join.unmatched"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, memory := range []string{"64MB", `"1"`} {
				got := drain(t, load(t, files(t, c.left, c.right), options(c.more+", memory: "+memory)), 3)
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("memory %s: %s", memory, diff)
				}
			}
		})
	}
}

// Partners of one key may fill pages of the index; who has too many of them fails alone.
func TestManyPartners(t *testing.T) {
	var right strings.Builder
	for i := range 14_500 {
		key := "few"
		if i%29 < 20 {
			key = "many"
		}
		fmt.Fprintf(&right, `{"k":"%s","n":%d}`+"\n", key, i)
	}
	right.WriteString(`{"k":"many"}`)
	dir := files(t, `{"k":"many"}`+"\n"+`{"k":"few"}`, right.String())
	for _, memory := range []string{"64MB", `"1"`} {
		got := drain(t, load(t, dir, options(", several: list, memory: "+memory)), 3)
		if len(got.Leftovers) > 0 || got.Records[0] != "failed" || !cmp.Equal(got.Problems, []string{"left.ndjson:1 join.several"}) {
			t.Errorf("memory %s: %v %v %.200v", memory, got.Leftovers, got.Problems, got.Records)
		}
		if n := strings.Count(got.Records[1], `"n":`); n != 4500 {
			t.Errorf("memory %s: %d partners", memory, n)
		}
		first, second := strings.Index(got.Records[1], `"n":20`), strings.Index(got.Records[1], `"n":21`)
		if first < 0 || second < first {
			t.Errorf("memory %s: another order", memory)
		}
	}
}

// Who could not match anything is told why.
func TestOtherKind(t *testing.T) {
	s := load(t, files(t, `{"k":"1"}`, `{"k":1}`), options(""))
	defer s.Close()
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	b, err := s.Next(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if w := b.Records[0].Outcome.Warnings; len(w) != 1 || w[0].Field != "r" || !strings.Contains(w[0].Message, "of another kind (text)") {
		t.Errorf("%+v", w)
	}
}

// A key that fails is the business of its record alone.
func TestKeyFails(t *testing.T) {
	dir := files(t, `{"k":"12"}`+"\n"+`{"k":"+8613100000001"}`, `{"k":"+86 131 0000 0001"}`+"\n"+`{"k":"12"}`)
	text := "source: { json: left.ndjson }\ntransforms:\n" + joinOf("r", `"e164(user.k, 'CN')"`, "")
	want := drained{Records: []string{"failed", `{"k":"+8613100000001","r":{"k":"+86 131 0000 0001"}}`},
		Problems: []string{"left.ndjson:1 expression.phone"}, Leftovers: []string{"r right.ndjson:2 expression.phone"}}
	if diff := cmp.Diff(want, drain(t, load(t, dir, text), 3)); diff != "" {
		t.Error(diff)
	}
}

// Joins, and sorts between them, stand one on another; the source is of another kind.
func TestChain(t *testing.T) {
	dir := files(t, "", `{"k":"1","next":"y"}`+"\n"+`{"k":"2","next":"x"}`+"\n"+`{"k":"3"}`)
	write(t, dir, "left.csv", "k\n2\n1\n")
	write(t, dir, "last.csv", "id\nx\ny\nz\n")
	text := "source: { csv: left.csv }\ntransforms:\n" + joinOf("a", "user.k", "") + "  - sort: { by: user.a.k, memory: '1' }\n" +
		"  - join: { source: { csv: last.csv }, on: { left: user.a.next, right: user.id }, as: b }\n"
	want := drained{Records: []string{`{"k":"1","a":{"k":"1","next":"y"},"b":{"id":"y"}}`, `{"k":"2","a":{"k":"2","next":"x"},"b":{"id":"x"}}`},
		Leftovers: []string{"a right.ndjson:3", "b last.csv:4"}}
	source := load(t, dir, text)
	if got := source.(pipeline.Joined).Joins(); !cmp.Equal(got, []string{"a", "b"}) {
		t.Error(got)
	}
	if diff := cmp.Diff(want, drain(t, source, 1)); diff != "" {
		t.Error(diff)
	}
}

func TestSourceAcceptance(t *testing.T) {
	left := `{"k":1}` + "\n" + `{"k":2}` + "\n" + `nonsense` + "\n" + `{"k":3}` + "\n" + `{"k":1}` + "\n"
	want := []string{`{"k":1}`, `{"k":2}`, acceptance.FailedRecord, `{"k":3}`, `{"k":1}`}
	for _, memory := range []string{"64MB", `"1"`} {
		t.Run(memory, func(t *testing.T) {
			dir := files(t, left, `{"k":1,"v":"geheim"}`+"\n"+`{"k":3}`)
			acceptance.Source(t, acceptance.SourceCase{Want: want,
				New: func(t *testing.T) pipeline.Source { return load(t, dir, options(", memory: "+memory)) },
				Unopenable: func(t *testing.T) pipeline.Source {
					dir := files(t, left, "")
					if err := os.Remove(filepath.Join(dir, "right.ndjson")); err != nil {
						t.Fatal(err)
					}
					return load(t, dir, options(""))
				},
				Secrets: []string{"geheim"},
			})
		})
	}
}

// What a joined source gives is what loops over both lists in memory give, whatever the keys and wherever the second source lies.
func TestAgainstLoops(t *testing.T) {
	for seed := range uint64(15) {
		random := rand.New(rand.NewPCG(seed, 1))
		keys := 1 + random.IntN(3000)
		left, right := randomRecords(random, random.IntN(2000), keys), randomRecords(random, random.IntN(12000), keys)
		mode := []string{"fail", "first", "list"}[seed%3]
		alone := []string{"keep", "skip", "fail"}[random.IntN(3)]
		want := loops(left, right, mode, alone)
		dir := files(t, strings.Join(left, "\n"), strings.Join(right, "\n"))
		for _, memory := range []string{"64MB", "300KB", `"1"`} { // the smallest has several sorted parts
			more := fmt.Sprintf(", several: %s, unmatched: %s, memory: %s", mode, alone, memory)
			if diff := cmp.Diff(want, drain(t, load(t, dir, options(more)), 1+random.IntN(700))); diff != "" {
				t.Fatalf("seed %d%s:\n%s", seed, more, diff)
			}
		}
	}
}

func randomRecords(random *rand.Rand, n, keys int) []string {
	list := make([]string, n)
	for i := range list {
		k := random.IntN(keys)
		key := fmt.Sprint(k)
		switch random.IntN(12) {
		case 0:
			key = "null"
		case 1, 2, 3:
			key = fmt.Sprintf(`"%d"`, k)
		case 4:
			key = fmt.Sprintf(`[%d,"%d"]`, k%7, k)
		case 5:
			key = fmt.Sprint(1<<60 + k)
		}
		list[i] = fmt.Sprintf(`{"k":%s,"n":%d,"pad":"%s"}`, key, i, strings.Repeat("x", random.IntN(1500)/(1+random.IntN(300))))
	}
	return list
}

// loops is the join as nobody would write it who has more than a few records.
func loops(left, right []string, mode, alone string) (d drained) {
	keyOf := func(line string) string { return line[len(`{"k":`):strings.Index(line, `,"n"`)] }
	asked := make([]bool, len(right))
	index := map[string][]int{}
	for j, r := range right {
		index[keyOf(r)] = append(index[keyOf(r)], j)
	}
	for i, l := range left {
		var partners []string
		if key := keyOf(l); key != "null" {
			for _, j := range index[key] {
				asked[j] = true
				partners = append(partners, right[j])
			}
		}
		problem := func(code string) { d.Problems = append(d.Problems, fmt.Sprintf("left.ndjson:%d %s", i+1, code)) }
		with := func(v string) { d.Records = append(d.Records, l[:len(l)-1]+`,"r":`+v+"}") }
		switch {
		case len(partners) == 0:
			problem("join.unmatched")
			switch {
			case alone == "skip":
				d.Records = append(d.Records, "skipped")
			case alone == "fail":
				d.Records = append(d.Records, "failed")
			case mode == "list":
				with("[]")
			default:
				with("null")
			}
		case mode == "list":
			with("[" + strings.Join(partners, ",") + "]")
		case len(partners) == 1:
			with(partners[0])
		case mode == "first":
			problem("join.several")
			with(partners[0])
		default:
			problem("join.several")
			d.Records = append(d.Records, "failed")
		}
	}
	for j, r := range right {
		line := fmt.Sprintf("r right.ndjson:%d", j+1)
		if keyOf(r) == "null" {
			d.Leftovers = append(d.Leftovers, line+" join.no_key")
		} else if !asked[j] {
			d.Leftovers = append(d.Leftovers, line)
		}
	}
	return d
}

// A resumed run goes on where the batch ended and knows who was asked for before; it notices that a source is another.
func TestResume(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	left, right := randomRecords(random, 900, 300), randomRecords(random, 400, 300)
	dir := files(t, strings.Join(left, "\n"), strings.Join(right, "\n"))
	text := options(", several: first")
	whole := drain(t, load(t, dir, text), 50)

	s := load(t, dir, text)
	defer s.Close()
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	b, err := s.Next(context.Background(), 333)
	if err != nil {
		t.Fatal(err)
	}
	n := len(b.Records)
	again := load(t, dir, text)
	defer again.Close()
	if err := again.(pipeline.Resumer).OpenAt(context.Background(), b.After); err != nil {
		t.Fatal(err)
	}
	got := rest(t, again, 50)
	if diff := cmp.Diff(whole.Records[n:], got.Records); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(whole.Leftovers, got.Leftovers); diff != "" {
		t.Error(diff)
	}

	for name, change := range map[string]func(){
		"shorter": func() { write(t, dir, "left.ndjson", strings.Join(left[:n-1], "\n")) },
		"another": func() { write(t, dir, "left.ndjson", `{"k":"new"}`+"\n"+strings.Join(left, "\n")) },
	} {
		change()
		changed := load(t, dir, text)
		err := changed.(pipeline.Resumer).OpenAt(context.Background(), b.After)
		_ = changed.Close()
		var known *pipeline.Error
		if !errors.As(err, &known) || known.Code != "run.source_changed" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// marked is a source whose positions hold a cursor, as those of a database do.
type marked struct {
	pipeline.Source
	mark string
}

func (m *marked) Next(ctx context.Context, most int) (*pipeline.Batch, error) {
	b, err := m.Source.Next(ctx, most)
	if err == nil {
		b.After = []byte(m.mark)
	}
	return b, err
}

// A cursor that has moved since the run began says that records have changed, be their keys as they were.
func TestResumeWithAnotherCursor(t *testing.T) {
	dir := files(t, `{"k":1}`+"\n"+`{"k":2}`, `{"k":1}`)
	source := func(mark string) pipeline.Source {
		return loadOver(t, dir, options(""), func(s pipeline.Source) pipeline.Source { return &marked{s, mark} })
	}
	s := source("10:00")
	defer s.Close()
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	b, err := s.Next(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for mark, code := range map[string]string{"10:00": "", "11:00": "run.source_changed"} {
		again := source(mark)
		err := again.(pipeline.Resumer).OpenAt(context.Background(), b.After)
		_ = again.Close()
		var known *pipeline.Error
		if errors.As(err, &known) != (code != "") || known != nil && known.Code != code {
			t.Errorf("%s: %v", mark, err)
		}
	}
}

// The fingerprint is that of both sources.
func TestFingerprint(t *testing.T) {
	dir := files(t, `{"k":1}`, `{"k":1,"v":1}`)
	fingerprint := func() string {
		s := load(t, dir, options(""))
		defer s.Close()
		if err := s.Open(context.Background()); err != nil {
			t.Fatal(err)
		}
		text, err := s.(pipeline.Fingerprinter).Fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := fingerprint()
	write(t, dir, "right.ndjson", `{"k":1,"v":2}`)
	if fingerprint() == first {
		t.Error("another second source has the same fingerprint")
	}
}

// Nothing is left in the folder for temporary files, not even while they are used, so that a kill leaves nothing behind.
func TestNoFileStays(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open keeps its name there")
	}
	random := rand.New(rand.NewPCG(1, 1))
	dir := files(t, strings.Join(randomRecords(random, 20, 20), "\n"), strings.Join(randomRecords(random, 9000, 9000), "\n"))
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s := load(t, dir, options(`, several: first, memory: "1"`))
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"open", "closed"} {
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("%s: %v %v", when, left, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"on: { left: user.k, right: user.k }, as: r":                                            `transform join needs the option "source"`,
		"source: { jsn: right.ndjson }, on: { left: user.k, right: user.k }, as: r":             `there is no source "jsn"`,
		"source: { json: { pth: x } }, on: { left: user.k, right: user.k }, as: r":              `source json has no option "pth"`,
		"source: [ x ], on: { left: user.k, right: user.k }, as: r":                             "a source is one connector with its options, not a list",
		"source: { json: { path: x, deleted: user.x } }, on: { left: user.k, right: 1 }, as: r": "only the pipeline's own source says who is gone",
		"source: { json: x }, on: { left: user.k }, as: r":                                      `needs the option "on.right"`,
		"source: { json: x }, on: { left: user., right: user.k }, as: r":                        "expression.syntax",
		"source: { json: x }, on: { left: user.k, right: user.k }, as: a.b":                     "it is the name of one field, without a dot",
		"source: { json: x }, on: { left: user.k, right: user.k }, as: r, several: last":        "takes one of fail, first, list",
		"source: { json: x }, on: { left: user.k, right: user.k }, as: r, memory: 0":            "it must be more than 0",
	} {
		_, err := definition.Parse("p.yaml", []byte("source: { json: l }\ntransforms:\n  - join: { "+text+" }\nsink: drop\n"), registry, pipeline.Env{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "p.yaml:3:") {
			t.Errorf("%s\n%v", text, err)
		}
	}
}

func BenchmarkJoin(b *testing.B) {
	const n = 100_000
	dir := b.TempDir()
	var left, right strings.Builder
	for i := range n {
		fmt.Fprintf(&left, `{"user_id":"auth0|%024x","email":"user%d@example.com","name":"User %d","user_metadata":{"plan":"pro"}}`+"\n", i, i, i)
		j := (i*7919 + 3) % n
		fmt.Fprintf(&right, `{"_id":{"$oid":"%024x"},"email":"user%d@example.com","passwordHash":"$2b$10$abcdefghijklmnopqrstuuO4Fv5Gd2uF8mtK8ptS5GfJfMIYMqqGa"}`+"\n", j, j)
	}
	write(b, dir, "left.ndjson", left.String())
	write(b, dir, "right.ndjson", right.String())
	for _, memory := range []string{"64MB", "1MB"} {
		b.Run(memory, func(b *testing.B) {
			b.ReportAllocs()
			var most uint64
			for b.Loop() {
				s := load(b, dir, "source: { json: left.ndjson }\ntransforms:\n"+joinOf("r", "lower(user.email)", ", memory: "+memory))
				if err := s.Open(context.Background()); err != nil {
					b.Fatal(err)
				}
				for {
					if _, err := s.Next(context.Background(), 250); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
				b.StartTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*2*n)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(most)/(1<<20), "live-MB")
		})
	}
}
