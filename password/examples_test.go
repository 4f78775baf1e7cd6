package password

import (
	"context"
	"testing"
)

func TestEveryFormatHasAnExampleThatVerifies(t *testing.T) {
	known := map[string]bool{} // verified by TestVectors
	for _, v := range vectors(t) {
		known[v.Encoded] = v.Match
	}
	for _, f := range Formats() {
		e := f.Example()
		if e.Encoded == "" {
			t.Errorf("%s has no example", f.Name)
			continue
		}
		if known[e.Encoded] {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			if got := Verify(context.Background(), f.Name, e.Encoded, []byte(e.Password), e.Context); got.Outcome != Match {
				t.Errorf("%v %s", got.Outcome, got.Reason)
			}
		})
	}
	for name := range examples() {
		if f := byName[name]; f == nil || f.Name != name {
			t.Errorf("an example for %s, which is no format", name)
		}
	}
}
