package host

import (
	"strings"
	"testing"

	"github.com/usher-id/usher/pipeline"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

// TestADefectIsShownWithItsTrace has an SDK report an exception that its author did not expect: the error's text may hold a password,
// what the plugin wrote tells its author where to look.
func TestADefectIsShownWithItsTrace(t *testing.T) {
	last := &tail{name: "shop"}
	if _, err := last.Write([]byte("Traceback:\n  shop.py, line 7\n")); err != nil {
		t.Fatal(err)
	}
	p := &running{Plugin: pipeline.Plugin{Name: "shop"}, last: last}
	err := p.failure(&pb.Failure{Code: "plugin.failed", Message: "the plugin failed: ValueError", Hint: "this is a defect of the plugin"})
	for _, want := range []string{"the plugin shop failed: ValueError", "shop.py, line 7", "this is a defect of the plugin"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %q", want, err)
		}
	}
}
