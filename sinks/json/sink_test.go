package jsonsink

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/value"
)

var users = []string{`{"id":1,"mail":"a@b.c"}`, `{"id":2,"x":{"y":[1,2.50,null]}}`, `{"name":"é\n\"\\"}`, `{}`, `{"id":12345678901234567890,"password":"$2b$12$abcdefghijklmnopqrstuu"}`}

func TestAcceptance(t *testing.T) {
	for name, options := range map[string]string{"users.json": "", "users.ndjson": "", "users": "format: ndjson", "users.jsonl": "format: array"} {
		t.Run(name, func(t *testing.T) {
			array := strings.HasSuffix(name, ".json") || options == "format: array"
			acceptance.Sink(t, acceptance.SinkCase{
				Target: func(t *testing.T) acceptance.Target {
					dir := t.TempDir()
					path := filepath.Join(dir, name)
					return acceptance.Target{
						Dir: dir,
						New: func() pipeline.Sink {
							return acceptance.NewSink(t, Type, pipeline.Env{}, fmt.Sprintf("{path: %q, %s}", path, options))
						},
						Read: func() []string { return lines(t, path, array) },
					}
				},
				Records: users,
				Want:    users,
				Unopenable: func(t *testing.T) pipeline.Sink {
					return acceptance.NewSink(t, Type, pipeline.Env{}, fmt.Sprintf("{path: %q}", t.TempDir()+"/no/f"))
				},
				Secrets: []string{"$2b$12$"},
			})
		})
	}
}

// lines gives the records of a file, which must be exactly as the sink is to write it.
func lines(t *testing.T, path string, array bool) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	s, separator := strings.TrimSuffix(string(text), "\n"), "\n"
	if array {
		if s == "[]" {
			return nil
		}
		v, err := value.ParseJSON(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if _, ok := v.([]any); !ok {
			t.Fatalf("no array: %s", text)
		}
		s, separator = strings.TrimSuffix(strings.TrimPrefix(s, "[\n"), "\n]"), ",\n"
	}
	if s == "" {
		return nil
	}
	return strings.Split(s, separator)
}

func TestStandardOutput(t *testing.T) {
	for options, want := range map[string]string{"path: '-'": "{\"a\":1}\n", "path: '-', format: array": "[\n{\"a\":1}\n]\n", "path: /dev/stdout": "{\"a\":1}\n"} {
		var out bytes.Buffer
		s := acceptance.NewSink(t, Type, pipeline.Env{Stdout: &out}, "{"+options+"}")
		o := value.ObjectOf(value.Member{Name: "a", Value: int64(1)})
		ctx := context.Background()
		if err := s.Open(ctx, pipeline.Run{ID: "r"}); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(ctx, &pipeline.Batch{Records: []pipeline.Record{{Source: o, Fields: o}}}); err != nil {
			t.Fatal(err)
		}
		if position, err := s.Commit(ctx); err != nil || position != nil {
			t.Error(position, err)
		}
		if err := s.Finish(ctx); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	o := value.ObjectOf(value.Member{Name: "id", Value: int64(1234567890123)}, value.Member{Name: "mail", Value: "ann.example@example.com"},
		value.Member{Name: "password", Value: "$2b$12$abcdefghijklmnopqrstuuXyXyXyXyXyXyXyXyXyXyXyXyXyXyXyXy"}, value.Member{Name: "created_at", Value: time.Now()},
		value.Member{Name: "user_metadata", Value: value.ObjectOf(value.Member{Name: "name", Value: "Ann"}, value.Member{Name: "tags", Value: []any{"a", "b"}})})
	s := acceptance.NewSink(b, Type, pipeline.Env{}, fmt.Sprintf("{path: %q}", b.TempDir()+"/f"))
	ctx := context.Background()
	if err := s.Open(ctx, pipeline.Run{ID: "r"}); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.ReportAllocs()
	records := make([]pipeline.Record, 1000)
	for b.Loop() {
		for i := range records {
			records[i] = pipeline.Record{Source: o, Fields: o}
		}
		if err := s.Write(ctx, &pipeline.Batch{Records: records}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(records))/b.Elapsed().Seconds(), "records/s")
}
