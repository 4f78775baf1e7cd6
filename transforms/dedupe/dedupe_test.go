package dedupe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/value"
)

var ctx = context.Background()

func transform(t testing.TB, options string) *Transform {
	t.Helper()
	return acceptance.NewTransform(t, Type, pipeline.Env{}, options).(*Transform)
}

func TestAcceptance(t *testing.T) {
	acceptance.Transform(t, acceptance.TransformCase{
		New: func(t *testing.T) pipeline.Transform {
			return transform(t, "'user.bad ? bool(user.bad) : lower(user.mail)'")
		},
		Records: []string{`{"mail":"a@b.c","n":1}`, `{"mail":"x","n":2}`, `{"mail":"A@B.C","n":3}`, `{"mail":null}`, `{"mail":null}`, `{}`, `{}`, `{"mail":7}`,
			`{"bad":"hunter2"}`, `{"mail":"X"}`},
		Want: []string{`{"mail":"a@b.c","n":1}`, `{"mail":"x","n":2}`, "skipped: filtered", `{"mail":null}`, `{"mail":null}`, `{}`, `{}`, `{"mail":7}`,
			"failed: expression.boolean", "skipped: filtered"},
		Secrets: []string{"hunter2"},
	})
}

func TestKeysAreExact(t *testing.T) {
	for _, pair := range []string{`1 "1"`, `1 1.0`, `"a" "A"`, `[1,2] "1,2"`, `{"a":1} "{\"a\":1}"`, `true "true"`, `"" 0`} {
		a, b, _ := strings.Cut(pair, " ")
		if got := run(t, transform(t, "user.k"), a, b, a); got != "open open filtered" {
			t.Errorf("%s and %s: %s", a, b, got)
		}
	}
}

// What says nothing of a record is no key, so that no record is left out for it.
func TestNoKey(t *testing.T) {
	for by, keys := range map[string][]string{
		"user.k":                         {"null", "null"},
		"Number(user.k)":                 {`"x"`, `"y"`},
		"'[lower(user.k), user.tenant]'": {"null", "null"},
		"'[\"a\", Number(user.k)]'":      {`"x"`, `"x"`},
		"'[\"a\", [user.k]]'":            {"null", "null"},
	} {
		if got := run(t, transform(t, by), keys...); got != "open open" {
			t.Errorf("%s: %s", by, got)
		}
	}
	if got := run(t, transform(t, "'[1, user.k ?? \"\"]'"), "null", "null"); got != "open filtered" {
		t.Error(got)
	}
}

// Secrets are told apart, though nothing shows them.
func TestSecretsAreKeys(t *testing.T) {
	for _, by := range []string{"user.s", "'[1, user.s]'", "user", "'{a: user.s}'"} {
		tr := transform(t, by)
		if err := tr.Ordered(ctx); err != nil {
			t.Fatal(err)
		}
		var got []bool
		for _, s := range []value.Secret{"a", "b", "a"} {
			b := pipeline.Batch{Records: []pipeline.Record{{Fields: value.ObjectOf(value.Member{Name: "s", Value: s})}}}
			if err := tr.Apply(ctx, &b); err != nil {
				t.Fatal(err)
			}
			got = append(got, b.Records[0].Open())
		}
		if err := tr.Close(); err != nil || !slices.Equal(got, []bool{true, true, false}) {
			t.Error(by, got, err)
		}
	}
}

// run says what becomes of records with the given keys, each a batch of its own.
func run(t *testing.T, tr *Transform, keys ...string) string {
	t.Helper()
	if err := tr.Ordered(ctx); err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	var got []string
	for i, k := range keys {
		r := record(t, int64(i), k)
		if err := tr.Apply(ctx, &pipeline.Batch{Records: r}); err != nil {
			t.Fatal(err)
		}
		got = append(got, map[bool]string{true: "open", false: r[0].Outcome.Reason}[r[0].Open()])
	}
	return strings.Join(got, " ")
}

func record(t *testing.T, i int64, key string) []pipeline.Record {
	t.Helper()
	v, err := value.ParseJSON([]byte(`{"k":` + key + `}`))
	if err != nil {
		t.Fatal(err)
	}
	o := v.(*value.Object)
	return []pipeline.Record{{Index: i, Ref: pipeline.Ref{Origin: fmt.Sprintf("f%d", i/100), Line: i%100 + 1}, Source: o, Fields: o}}
}

func TestWarningNamesTheFirst(t *testing.T) {
	tr := transform(t, "user.k")
	if err := tr.Ordered(ctx); err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	tr.held = 10 // most of them lie in the file
	const n = 1000
	for i := range int64(n) {
		r := record(t, i, fmt.Sprint(i))
		if i == 500 {
			r[0].Ref.Key = "x"
		}
		if err := tr.Apply(ctx, &pipeline.Batch{Records: r}); err != nil || !r[0].Open() {
			t.Fatal(i, err, r[0].Outcome)
		}
	}
	if tr.spilled == nil || len(tr.seen) > 10 {
		t.Fatalf("%d keys are held in memory", len(tr.seen))
	}
	for _, i := range []int64{0, 1, 99, 100, 500, 777, n - 1} {
		r := record(t, n+i, fmt.Sprint(i))
		if err := tr.Apply(ctx, &pipeline.Batch{Records: r}); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("it has the same key as f%d:%d, which came first", i/100, i%100+1)
		if i == 500 {
			want = "it has the same key as the record with index 500, which came first"
		}
		if o := r[0].Outcome; o.Reason != pipeline.Filtered || len(o.Warnings) != 1 || o.Warnings[0].Message != want {
			t.Errorf("%d: %+v", i, o)
		}
	}
}

func BenchmarkDedupe(b *testing.B) {
	for name, held := range map[string]int{"memory": heldKeys, "disk": 1000} {
		b.Run(name, func(b *testing.B) {
			tr := transform(b, "user.k")
			tr.held = held
			if err := tr.Ordered(ctx); err != nil {
				b.Fatal(err)
			}
			defer tr.Close()
			i := 0
			for b.Loop() {
				o := value.ObjectOf(value.Member{Name: "k", Value: fmt.Sprint("user", i, "@example.com")})
				r := []pipeline.Record{{Fields: o, Source: o}}
				if err := tr.Apply(ctx, &pipeline.Batch{Records: r}); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
