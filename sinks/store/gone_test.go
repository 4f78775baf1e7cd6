package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/usher-id/usher/pipeline"
)

const ann = `{"email":"ann@x.com","external_id":"1","phone_number":"+8613100000001","identities":[{"provider":"g","subject":"1"}],"password":{"hash":"$2b$12$abcdefghijklmnopqrstuuXyXyXyXyXyXyXyXyXyXyXyXyXyXyXyX"}}`

func TestGone(t *testing.T) {
	there := []string{ann, `{"email":"bob@x.com"}`}
	tests := []struct {
		name   string
		policy string
		gone   []string
		want   []string
	}{
		{"ignored", "ignore", []string{gone + `{"email":"ann@x.com"}`}, []string{"skipped gone"}},
		{"disabled", "disable", []string{gone + `{"email":"ANN@x.com"}`, gone + `{"email":"ann@x.com"}`}, []string{"updated gone disabled", "skipped unchanged"}},
		{"deleted", "delete", []string{gone + `{"email":"ann@x.com"}`, gone + `{"email":"ann@x.com"}`}, []string{"updated gone deleted", "skipped gone"}},
		{"nobody", "delete", []string{gone + `{"email":"eve@x.com"}`}, []string{"skipped gone"}},
		{"only the identifier is looked at", "delete", []string{gone + `{"email":"ann@x.com","phone_number":"?","no_such":1}`}, []string{"updated gone deleted"}},
		{"without an identifier", "delete", []string{gone + `{"external_id":"1"}`}, []string{"failed store.missing_identifier@email"}},
		{"deleted and back in one batch", "delete", []string{gone + `{"email":"ann@x.com"}`, `{"email":"ann@x.com","name":"A"}`}, []string{"updated gone deleted", "inserted"}},
		{"inserted and deleted in one batch", "delete", []string{`{"email":"eve@x.com"}`, gone + `{"email":"eve@x.com"}`}, []string{"inserted", "updated gone deleted"}},
		{"changed and deleted in one batch", "delete", []string{`{"email":"ann@x.com","name":"B"}`, gone + `{"email":"ann@x.com"}`}, []string{"updated name", "updated gone deleted"}},
		{"what they held is free", "delete", []string{gone + `{"email":"ann@x.com"}`, `{"email":"bob@x.com","phone_number":"+8613100000001","external_id":"1","identities":[{"provider":"g","subject":"1"}]}`},
			[]string{"updated gone deleted", "updated external_id,identities,phone_number"}},
		{"disabled, and back as before", "disable", []string{gone + `{"email":"bob@x.com"}`, `{"email":"bob@x.com","disabled":false}`}, []string{"updated gone disabled", "updated disabled"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			given := map[string]any{"upsert": true, "on_delete": test.policy, "raw": true}
			do(t, dir, given, pipeline.Run{}, there)
			for _, run := range []pipeline.Run{{Plan: true}, {}} {
				for i, o := range outcomes(t, dir, given, run, test.gone) {
					if got := sorted(o); got != test.want[i] {
						t.Errorf("plan %v, record %d: %s, want %s", run.Plan, i, got, test.want[i])
					}
				}
			}
			checkIntegrity(t, dir)
		})
	}
}

// Without upsert users are left as they are, unless they are gone.
func TestGoneWithoutUpsert(t *testing.T) {
	dir := t.TempDir()
	given := map[string]any{"on_delete": "delete"}
	do(t, dir, given, pipeline.Run{}, []string{ann})
	got := do(t, dir, given, pipeline.Run{}, []string{ann, gone + ann})
	if want := []string{"skipped exists", "updated gone deleted"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if left := users(t, dir); len(left) != 0 {
		t.Errorf("%d users", len(left))
	}
}

// The limit holds for those whom records say are gone too, over all batches and lives of a run.
func TestGoneUpToALimit(t *testing.T) {
	for _, limit := range []string{"2", "50%"} {
		dir := t.TempDir()
		given := map[string]any{"upsert": true, "on_delete": "delete", "max_deletes": limit}
		do(t, dir, given, pipeline.Run{}, []string{person("a"), person("b"), person("c"), person("d")})
		for _, run := range []pipeline.Run{{ID: "plan", Plan: true}, {ID: "run"}} {
			ctx := context.Background()
			run.StartedAt, run.Secret = started, pipeline.SecretFunc()
			write := func(s pipeline.Sink, first int64, texts ...string) error {
				b := &pipeline.Batch{}
				for i, text := range texts {
					b.Records = append(b.Records, record(t, first+int64(i), text))
				}
				return s.Write(ctx, b)
			}
			tooMany := func(err error) {
				t.Helper()
				var e *pipeline.Error
				if !errors.As(err, &e) || e.Code != "store.too_many_deletes" {
					t.Errorf("%s, plan %v: %v", limit, run.Plan, err)
				}
			}
			s := newSink(t, dir, given)
			if err := s.Open(ctx, run); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(write(s, 0, gone+person("a"), gone+person("a"), gone+person("z"), person("new"), person("newer")), write(s, 5, gone+person("b"))); err != nil {
				t.Fatal(err)
			}
			position, err := s.Commit(ctx)
			if err != nil {
				t.Fatal(err)
			}
			tooMany(write(s, 6, gone+person("c")))
			s.Close()
			if run.Plan {
				continue
			}
			run.Resumed, run.From, run.Position = true, 6, position
			s = newSink(t, dir, given)
			if err := s.Open(ctx, run); err != nil {
				t.Fatal(err)
			}
			tooMany(write(s, 6, gone+person("c")))
			s.Close()
			if left := users(t, dir); len(left) != 4 {
				t.Errorf("%d users are left", len(left))
			}
			// With a higher one it goes on.
			s = newSink(t, dir, map[string]any{"upsert": true, "on_delete": "delete", "max_deletes": "3"})
			if err := s.Open(ctx, run); err != nil {
				t.Fatal(err)
			}
			if err := write(s, 6, gone+person("c")); err != nil {
				t.Error(err)
			}
			finish(t, s)
		}
	}
}
