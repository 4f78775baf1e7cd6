package identity

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/usher-id/usher/value"
)

// benchUser is the i-th of the generated users, as a mapping would hand them to the store. Identifiers come in no
// order, as they do in life.
func benchUser(i, version int) *value.Object {
	x := uint64(i)*0x9e3779b97f4a7c15 + 1
	x ^= x >> 29
	name := fmt.Sprintf("user.%x", x&0xffffffff)
	return value.ObjectOf(
		value.Member{Name: "external_id", Value: int64(1234567890123000000 + i)},
		value.Member{Name: "email", Value: fmt.Sprintf("%s.%d@example%d.com", name, i, i%50)},
		value.Member{Name: "email_verified", Value: i%3 == 0},
		value.Member{Name: "phone_number", Value: fmt.Sprintf("+861%02d%08d", 30+i%10, i*48271%99999989)},
		value.Member{Name: "preferred_username", Value: fmt.Sprintf("u%x.%d", x>>40, i)},
		value.Member{Name: "name", Value: "Ann Example " + name},
		value.Member{Name: "nickname", Value: fmt.Sprintf("Ann%d", version)},
		value.Member{Name: "locale", Value: "zh-CN"},
		value.Member{Name: "password", Value: value.ObjectOf(
			value.Member{Name: "hash", Value: "$2b$12$abcdefghijklmnopqrstuuXyXyXyXyXyXyXyXyXyXyXyXyXyXyXyX"}, value.Member{Name: "hasher", Value: "bcrypt"})},
		value.Member{Name: "custom_attributes", Value: value.ObjectOf(
			value.Member{Name: "legacy_id", Value: fmt.Sprint(i)}, value.Member{Name: "plan", Value: "pro"})},
		value.Member{Name: "logins_count", Value: int64(i % 100)},
		value.Member{Name: "created_at", Value: "2019-03-04T05:06:07Z"},
	)
}

const (
	benchUsers  = 100_000
	benchBatch  = 1000
	benchCommit = 50_000
)

// importAll reads and writes n users; it gives the time that reading took and that writing took.
func importAll(tb testing.TB, s *Store, rules *Rules, run string, n int, version func(i int) int) (read, write time.Duration, outcomes map[Outcome]int) {
	im, err := s.Import(rules, Run{ID: run, StartedAt: time.Now()})
	if err != nil {
		tb.Fatal(err)
	}
	ctx := context.Background()
	outcomes = map[Outcome]int{}
	records := make([]*value.Object, benchBatch)
	items := make([]Item, benchBatch)
	for first := 0; first < n; first += benchBatch {
		for i := range records {
			records[i] = benchUser(first+i, version(first+i))
		}
		start := time.Now()
		reader := rules.NewReader()
		for i := range items {
			items[i] = Item{Index: int64(first + i), Change: reader.Read(records[i])}
		}
		between := time.Now()
		read += between.Sub(start)
		results, err := im.Write(ctx, items)
		if err != nil {
			tb.Fatal(err)
		}
		if (first+benchBatch)%benchCommit == 0 {
			if err := im.Commit(ctx); err != nil {
				tb.Fatal(err)
			}
		}
		write += time.Since(between)
		for _, r := range results {
			outcomes[r.Outcome]++
			if r.Outcome == Failed {
				tb.Fatal(r.Errors)
			}
		}
	}
	start := time.Now()
	if err := im.Finish(ctx); err != nil {
		tb.Fatal(err)
	}
	return read, write + time.Since(start), outcomes
}

func benchmarkImport(b *testing.B, fill bool, version func(int) int, want Outcome, share int) {
	for b.Loop() {
		b.StopTimer()
		s, err := Open(context.Background(), "sqlite:bench.db", b.TempDir(), "bench", Write)
		if err != nil {
			b.Fatal(err)
		}
		rules, err := NewRules(Options{Upsert: true})
		if err != nil {
			b.Fatal(err)
		}
		if fill {
			importAll(b, s, rules, "fill", benchUsers, func(int) int { return 0 })
		}
		b.StartTimer()
		read, write, outcomes := importAll(b, s, rules, "bench", benchUsers, version)
		b.StopTimer()
		if outcomes[want] != benchUsers/share {
			b.Fatal(outcomes)
		}
		b.ReportMetric(benchUsers/write.Seconds(), "users/s-written")
		b.ReportMetric(benchUsers/read.Seconds(), "users/s-read")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkInsert(b *testing.B) {
	benchmarkImport(b, false, func(int) int { return 0 }, Inserted, 1)
}

func BenchmarkSameAgain(b *testing.B) {
	benchmarkImport(b, true, func(int) int { return 0 }, Unchanged, 1)
}

func BenchmarkHalfChanged(b *testing.B) {
	benchmarkImport(b, true, func(i int) int { return i % 2 }, Updated, 2)
}
