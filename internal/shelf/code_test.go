package shelf_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/usher-id/usher/internal/shelf"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

func text(v any) string { return string(value.AppendJSON(nil, v)) }

// Every value comes back as it was.
func TestValues(t *testing.T) {
	zone := time.FixedZone("", -11*3600-1800)
	o := value.ObjectOf(
		value.Member{Name: "", Value: nil}, value.Member{Name: "t", Value: true}, value.Member{Name: "f", Value: false},
		value.Member{Name: "min", Value: int64(math.MinInt64)}, value.Member{Name: "max", Value: int64(math.MaxInt64)},
		value.Member{Name: "float", Value: 0.1}, value.Member{Name: "number", Value: value.Number("1.10")},
		value.Member{Name: "text", Value: "a\x00\xff漢"}, value.Member{Name: "secret", Value: value.Secret("s")}, value.Member{Name: "bytes", Value: []byte{0, 255}},
		value.Member{Name: "time", Value: time.Date(2026, 1, 2, 3, 4, 5, 6, zone)},
		value.Member{Name: "list", Value: []any{nil, []any{}, value.NewObject(0)}},
	)
	r := pipeline.Record{Ref: pipeline.Ref{Origin: "o", Line: 3, Key: "k"}, Source: o, Raw: []byte("raw")}
	r.Warn(pipeline.Problem{Code: "c", Field: "f", Message: "m"})
	r.Fields = value.ObjectOf(value.Member{Name: "joined", Value: o})
	b, err := shelf.AppendRecord(nil, &r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := shelf.Record(string(b))
	if err != nil {
		t.Fatal(err)
	}
	if got.Ref != r.Ref || string(got.Raw) != "raw" || len(got.Outcome.Warnings) != 1 || got.Outcome.Warnings[0] != r.Outcome.Warnings[0] {
		t.Errorf("%+v", got)
	}
	if text(got.Fields) != text(r.Fields) {
		t.Error(got.Fields)
	}
	if got.Source.Len() != o.Len() {
		t.Fatal(got.Source)
	}
	for i := range o.Len() {
		was, is := o.At(i), got.Source.At(i)
		if was.Name != is.Name || fmt.Sprintf("%T", was.Value) != fmt.Sprintf("%T", is.Value) || text(was.Value) != text(is.Value) {
			t.Errorf("%s: %T %s, was %T %s", is.Name, is.Value, text(is.Value), was.Value, text(was.Value))
		}
	}
	secret, _ := got.Source.Get("secret")
	if secret != value.Secret("s") {
		t.Error("the secret is another")
	}
	for n := range len(b) {
		if _, err := shelf.Record(string(b[:n])); err == nil {
			t.Errorf("%d of %d bytes are taken for a record", n, len(b))
		}
	}
}
