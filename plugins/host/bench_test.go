//go:build unix

package host_test

import (
	"context"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/pipeline/engine"
	"github.com/usher-id/usher/value"
)

const user = `{"user_id":"auth0|5f7c8ec7c33c6c004bbafe82","email":"ann.lee@example.com","email_verified":true,"name":"Ann Lee","given_name":"Ann",` +
	`"family_name":"Lee","nickname":"ann","picture":"https://example.com/p/1.png","phone_number":"+8613800138000","created_at":"2020-10-06T17:42:00.123Z",` +
	`"logins_count":42,"user_metadata":{"locale":"zh-CN","theme":"dark"},"app_metadata":{"plan":"gold","roles":["admin","user"]}}`

// BenchmarkTransform sends batches through a transform of a plugin, as many at a time as the engine does: records/s is what a pipeline can pass
// through it, cpu-µs/record what that costs in both processes together, also on a machine that has other things to do. unchanged gives every record back as it was, changed gives each another field.
func BenchmarkTransform(b *testing.B) {
	for name, options := range map[string]string{"unchanged": "{}", "changed": "{field: seen}"} {
		b.Run(name, func(b *testing.B) {
			before := cpu(b)
			p := load(b, "")
			v, err := value.ParseJSON([]byte(user))
			if err != nil {
				b.Fatal(err)
			}
			fields := v.(*value.Object)
			transform := acceptance.NewTransform(b, p.mark, pipeline.Env{}, options)
			b.SetParallelism(2)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				batch := &pipeline.Batch{Records: make([]pipeline.Record, engine.DefaultBatchSize)}
				for pb.Next() {
					for i := range batch.Records {
						batch.Records[i] = pipeline.Record{Index: int64(i), Ref: pipeline.Ref{Origin: "users.json", Line: int64(i + 1)}, Source: fields, Fields: fields}
					}
					if err := transform.Apply(context.Background(), batch); err != nil {
						b.Error(err)
					}
				}
			})
			b.StopTimer()
			records := float64(b.N) * engine.DefaultBatchSize
			b.ReportMetric(records/b.Elapsed().Seconds(), "records/s")
			if err := transform.(io.Closer).Close(); err != nil {
				b.Error(err)
			}
			p.host.Close()
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/records, "cpu-µs/record")
		})
	}
}

// cpu is the processor time of this process and of all that it has waited for.
func cpu(b *testing.B) (total time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return total
}

// BenchmarkSource reads from a source of a plugin.
func BenchmarkSource(b *testing.B) {
	p := load(b, "")
	source := acceptance.NewSource(b, p.count, pipeline.Env{}, "{records: 1000000000, size: 400}")
	if err := source.Open(context.Background()); err != nil {
		b.Fatal(err)
	}
	defer source.Close()
	for b.Loop() {
		if _, err := source.Next(context.Background(), engine.DefaultBatchSize); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*engine.DefaultBatchSize/b.Elapsed().Seconds(), "records/s")
}
