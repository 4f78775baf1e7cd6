package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
	"github.com/usher-id/usher/value"
)

func objectOf(t testing.TB, text string) *value.Object {
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v.(*value.Object)
}

func sources(t testing.TB) []pipeline.Record {
	failed := pipeline.Record{Ref: pipeline.Ref{Origin: "a.csv", Line: 3}, Raw: []byte("a,b\x00")}
	failed.Fail(pipeline.Problem{Code: "csv.bad_quote", Field: "a", Message: "no"})
	warned := pipeline.Record{Ref: pipeline.Ref{Origin: "t", Key: "k=1"}, Source: objectOf(t, `{"a":null,"b":[1.10,{}]}`), Gone: true}
	warned.Warn(pipeline.Problem{Code: "c", Message: "m"})
	return []pipeline.Record{{Ref: pipeline.Ref{Origin: "a.csv", Line: 2}, Source: objectOf(t, `{"n":1}`)}, failed, warned}
}

func appendSources(t testing.TB, list []pipeline.Record) (data []byte) {
	var err error
	for i := range list {
		if data, err = AppendSource(data, &list[i]); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func TestSources(t *testing.T) {
	want := sources(t)
	got, err := ReadSources(string(appendSources(t, want)))
	if err != nil || !cmp.Equal(got, want, cmp.Comparer(same)) {
		t.Fatalf("%v: %s", err, cmp.Diff(got, want, cmp.Comparer(same)))
	}
}

func same(a, b *value.Object) bool {
	x, _ := value.AppendBinary(nil, a)
	y, _ := value.AppendBinary(nil, b)
	return bytes.Equal(x, y)
}

// open gives records of which the second is decided already.
func open(t testing.TB) []pipeline.Record {
	var list []pipeline.Record
	for i, text := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`} {
		o := objectOf(t, text)
		list = append(list, pipeline.Record{Index: int64(i), Ref: pipeline.Ref{Origin: "o", Line: int64(i)}, Source: o, Fields: o})
	}
	list[1].Skip(pipeline.Filtered)
	list[2].Warn(pipeline.Problem{Code: "before", Message: "m"})
	return list
}

func TestChanges(t *testing.T) {
	host := open(t)
	data, n, err := AppendOpen(nil, host)
	if err != nil || n != 3 {
		t.Fatal(n, err)
	}
	there, err := ReadOpen(string(data))
	if err != nil || len(there) != 3 {
		t.Fatal(err)
	}
	before := make([]*value.Object, len(there))
	for i := range there {
		before[i] = there[i].Fields
	}
	there[0].Fields = objectOf(t, `{"x":true}`)
	there[1].Warn(pipeline.Problem{Code: "there", Message: "m"})
	there[2].Fail(pipeline.Problem{Code: "bad", Message: "m"})
	changes, err := AppendChanges(nil, there, before)
	if err != nil {
		t.Fatal(err)
	}
	kept := host[2].Fields
	if err := ReadChanges(string(changes), host); err != nil {
		t.Fatal(err)
	}
	if !same(host[0].Fields, objectOf(t, `{"x":true}`)) || host[1].Outcome.Reason != pipeline.Filtered || host[2].Fields != kept ||
		len(host[2].Outcome.Warnings) != 2 || host[3].Outcome.Decision != pipeline.Failed {
		t.Errorf("%+v", host)
	}
	for i := range changes {
		if ReadChanges(string(changes[:i]), open(t)) == nil {
			t.Errorf("%d of %d bytes are taken", i, len(changes))
		}
	}
}

func TestTransformsInsertNothing(t *testing.T) {
	one := open(t)[:1]
	r := one[0]
	r.Outcome.Decision = pipeline.Inserted
	changes, _ := AppendChanges(nil, []pipeline.Record{r}, []*value.Object{r.Fields})
	if err := ReadChanges(string(changes), one); err == nil {
		t.Error("a transform inserted a record")
	}
}

func TestParts(t *testing.T) {
	for _, size := range []int{0, 1, PartSize, PartSize + 1, 3*PartSize + 5} {
		data := bytes.Repeat([]byte("a"), size)
		var p Parts
		parts, whole := 0, ""
		err := Send(data, func(part []byte, last bool) error {
			parts++
			got, done, err := p.Add(part, last)
			if done != last {
				t.Errorf("%d bytes: done %v at last %v", size, done, last)
			}
			whole = got
			return err
		})
		if err != nil || whole != string(data) || parts > size/PartSize+1 {
			t.Errorf("%d bytes in %d parts: %v", size, parts, err)
		}
	}
	var p Parts
	big := make([]byte, MaxBatch)
	if _, _, err := p.Add(big, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Add([]byte{1}, false); err == nil {
		t.Error("more than the bound was taken")
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(appendSources(f, sources(f)))
	data, _, _ := AppendOpen(nil, open(f))
	f.Add(data)
	changed := open(f)[2:]
	changes, _ := AppendChanges(nil, changed, make([]*value.Object, len(changed)))
	f.Add(changes)
	f.Add(AppendOutcomes(nil, changed))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := string(data)
		if list, err := ReadSources(s); err == nil {
			for i := range list {
				_ = list[i].Outcome.Decision.String()
			}
			if _, err := ReadSources(string(appendSources(t, list))); err != nil {
				t.Errorf("what was read is not read again: %v", err)
			}
		}
		_, _ = ReadOpen(s)
		for _, read := range []func(string, []pipeline.Record) error{ReadChanges, ReadOutcomes} {
			list := open(t)
			if err := read(s, list); err == nil {
				continue
			}
			for i, r := range open(t) {
				if list[i].Outcome.Decision != r.Outcome.Decision || !same(list[i].Fields, r.Fields) {
					t.Error("a batch was changed by what cannot be read")
				}
			}
		}
		_, _ = ContextOf(data)
		_, _ = Config([]pipeline.Option{{Name: "a", Type: pipeline.Mapping}, {Name: "b", Type: pipeline.Int, List: true}}, data)
	})
}

func TestOptions(t *testing.T) {
	declared := []pipeline.Option{
		{Name: "text", Type: pipeline.String}, {Name: "flag", Type: pipeline.Bool}, {Name: "n", Type: pipeline.Int}, {Name: "wait", Type: pipeline.Duration},
		{Name: "where", Type: pipeline.Expression}, {Name: "many", Type: pipeline.String, List: true}, {Name: "waits", Type: pipeline.Duration, Map: true},
		{Name: "inner", Type: pipeline.Object, List: true, Fields: []pipeline.Option{{Name: "size", Type: pipeline.Size}}},
		{Name: "fields", Type: pipeline.Mapping}, {Name: "absent", Type: pipeline.String},
	}
	program, err := expression.Compile("user.a", expression.Options{})
	if err != nil {
		t.Fatal(err)
	}
	config := pipeline.NewConfig(map[string]any{
		"text": "a", "flag": true, "n": int64(-1), "wait": time.Minute, "where": program, "many": []string{"x", "y"}, "waits": map[string]time.Duration{"b": 2},
		"inner":  []*pipeline.Config{pipeline.NewConfig(map[string]any{"size": int64(9)})},
		"fields": []pipeline.Assignment{{Target: "a.b", Program: program, Place: "1:2"}, {Target: "c", Constant: value.Number("1.10")}},
	})
	data, err := Options(declared, config)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Config(declared, data)
	if err != nil {
		t.Fatal(err)
	}
	fields := got.Mapping("fields")
	if got.String("text") != "a" || !got.Bool("flag") || got.Int("n") != -1 || got.Duration("wait") != time.Minute || got.Expression("where").Text() != "user.a" ||
		strings.Join(got.Strings("many"), "") != "xy" || got.Objects("inner")[0].Int("size") != 9 || got.Has("absent") ||
		len(fields) != 2 || fields[0].Program.Text() != "user.a" || fields[0].Place != "1:2" || fields[1].Constant != value.Number("1.10") {
		t.Errorf("%+v", got)
	}
	if list, err := DeclaredOptions(DeclareOptions(declared)); err != nil || !cmp.Equal(list, declared, cmp.Comparer(func(a, b []pipeline.Option) bool { return len(a) == len(b) })) {
		t.Errorf("%v, %v", list, err)
	}
}

func TestFailures(t *testing.T) {
	known := &pipeline.Error{Code: "a.b", Message: "m", Hint: "h", Unreachable: true}
	for _, err := range []error{
		known, &pipeline.OptionError{Option: "o", Message: "m", Hint: "h"}, &pipeline.Refused{Problem: pipeline.Problem{Code: "c", Field: "f", Message: "m"}},
		&pipeline.Temporary{Err: &pipeline.Error{Code: "a.b", Message: "m"}, After: 2 * time.Second}, errors.New("plain"),
	} {
		f := FailureOf(err, "x.failed")
		got := FailureOf(ErrorOf(f), "x.failed")
		if !cmp.Equal(f.String(), got.String()) {
			t.Errorf("%v became %v", f, got)
		}
	}
	if FailureOf(nil, "") != nil || ErrorOf(nil) != nil {
		t.Error("nothing is a failure")
	}
	var f *pb.Failure
	if f = FailureOf(errors.New("plain"), "x.failed"); f.GetCode() != "x.failed" {
		t.Error(f)
	}
}
