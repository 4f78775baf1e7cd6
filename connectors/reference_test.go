package connectors

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the reference anew")

func TestReferenceIsCurrent(t *testing.T) {
	const path = "../docs/reference/connectors.md"
	want := Reference(Default())
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is not what the connectors declare (%v); run go generate ./connectors", path, err)
	}
}
