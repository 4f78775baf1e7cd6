package main

import (
	"testing"
	"time"

	"github.com/usher-id/usher/pipeline/engine"
)

func TestMeter(t *testing.T) {
	start := time.Now()
	m := newMeter(start, 0)
	for _, step := range []struct {
		at   time.Duration
		s    engine.Snapshot
		want string
	}{
		{time.Second, engine.Snapshot{Read: 20, Done: 10}, "10 records, 10/s, 0 failed"},
		{2 * time.Second, engine.Snapshot{Read: 40, Done: 40, Failed: 1, Position: 200, Size: 1000}, "40 records, 14/s, 1 failed, 20%, 8s left"},
		{10 * time.Second, engine.Snapshot{Read: 200, Done: 200, Failed: 1, Position: 1000, Size: 1000}, "200 records, 20/s, 1 failed, 100%"},
	} {
		m.update(start.Add(step.at), step.s)
		if got := m.line(); got != step.want {
			t.Errorf("after %s: %s, want %s", step.at, got, step.want)
		}
	}
}

// TestMeterOfAnEndingRun has a run be interrupted: while the sink finishes, no time is left in which the rest would be read.
func TestMeterOfAnEndingRun(t *testing.T) {
	start := time.Now()
	m := newMeter(start, 0)
	m.update(start.Add(time.Second), engine.Snapshot{Done: 10, Position: 200, Size: 1000})
	m.ending = true
	m.update(start.Add(2*time.Second), engine.Snapshot{Done: 20, Position: 200, Size: 1000})
	if got, want := m.line(), "20 records, 10/s, 0 failed, 20%"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestMeterOfAResumedRun has a run go on from its 1000th record: that it was so far does not count as speed.
func TestMeterOfAResumedRun(t *testing.T) {
	start := time.Now()
	m := newMeter(start, 1000)
	m.update(start.Add(time.Second), engine.Snapshot{Done: 0}) // the engine has not begun
	m.update(start.Add(2*time.Second), engine.Snapshot{Done: 1020, Position: 510, Size: 1000})
	m.update(start.Add(3*time.Second), engine.Snapshot{Done: 1040, Position: 520, Size: 1000})
	if got, want := m.line(), "1040 records, 12/s, 0 failed, 52%, 2m24s left"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
