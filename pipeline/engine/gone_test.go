package engine

import (
	"testing"

	"github.com/usher-id/usher/value"
)

func TestSaysGone(t *testing.T) {
	for _, v := range []any{nil, false, int64(0), 0.0, value.Number("0"), "", " ", "0", "false", "No", "N", "off", "否", "NULL", `\N`, "0000-00-00", "0000-00-00 00:00:00"} {
		if saysGone(v) {
			t.Errorf("%#v says that the user is gone", v)
		}
	}
	for _, v := range []any{true, int64(1), "1", "yes", "是", "TRUE", "2024-01-01", "deleted", "x"} {
		if !saysGone(v) {
			t.Errorf("%#v does not say that the user is gone", v)
		}
	}
}
