package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/journal"
)

// The journal that could not be written does not have the error that kept it from that; the JSON of the run does.
func TestReportOfARunThatCannotBeKept(t *testing.T) {
	var stdout, stderr bytes.Buffer
	a := newApp(strings.NewReader(""), &stdout, &stderr)
	a.json = true
	err := a.reportRun(nil, journal.Document{RunID: "1", Status: journal.FailedStatus}, nil, nil, &pipeline.Error{Code: "state.unwritable", Message: "no room", Hint: "make some"})
	var out result
	if e := json.Unmarshal(stdout.Bytes(), &out); e != nil {
		t.Fatal(e)
	}
	if err != done(exitFailed) || out.Error == nil || *out.Error != (journal.Failure{Code: "state.unwritable", Message: "no room", Hint: "make some"}) {
		t.Errorf("%v\n%s", err, &stdout)
	}
}
