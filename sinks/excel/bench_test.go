package excelsink_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	excelsink "github.com/usher-id/usher/sinks/excel"
)

// BenchmarkRows compares the sink with the bare StreamWriter of excelize, which it writes through after its spill.
func BenchmarkRows(b *testing.B) {
	const rows = 50_000
	at := time.Date(2024, 2, 29, 8, 30, 0, 0, time.UTC)
	b.Run("sink", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s := acceptance.NewSink(b, excelsink.Type, pipeline.Env{}, "{path: "+filepath.Join(b.TempDir(), "users.xlsx")+"}")
			if err := s.Open(context.Background(), pipeline.Run{ID: "r"}); err != nil {
				b.Fatal(err)
			}
			for from := 0; from < rows; from += 1000 {
				batch := &pipeline.Batch{Records: make([]pipeline.Record, 1000)}
				for i := range batch.Records {
					n := from + i
					batch.Records[i].Fields = object("id", fmt.Sprintf("user-%08d", n), "email", fmt.Sprintf("user%d@example.com", n), "email_verified", n%2 == 0,
						"points", int64(n), "created_at", at, "meta", object("lang", "zh-CN", "plan", "gold"))
				}
				if err := s.Write(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Finish(context.Background()); err != nil {
				b.Fatal(err)
			}
			_ = s.Close()
		}
		b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("excelize", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := excelize.NewFile()
			w, err := f.NewStreamWriter("Sheet1")
			if err != nil {
				b.Fatal(err)
			}
			for n := range rows {
				values := []any{fmt.Sprintf("user-%08d", n), fmt.Sprintf("user%d@example.com", n), n%2 == 0, n, at, "zh-CN", "gold"}
				if err := w.SetRow(fmt.Sprintf("A%d", n+1), values); err != nil {
					b.Fatal(err)
				}
			}
			if err := w.Flush(); err != nil {
				b.Fatal(err)
			}
			if err := f.SaveAs(filepath.Join(b.TempDir(), "users.xlsx")); err != nil {
				b.Fatal(err)
			}
			_ = f.Close()
		}
		b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}
