package excelsource_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	excelsource "github.com/usher-id/usher/sources/excel"
)

func TestAcceptance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.xlsx")
	f := excelize.NewFile()
	rows := map[string][]any{
		"A1": {"Users of the old system"},
		"A3": {"id", "phone", "active", "points", "meta.lang", "password"},
		"A4": {"007", 13100000001, true, 1.5, "zh", "hunter2-secret"},
		"A5": {"008", "+8613100000002", false, 42},
		"A7": {"'009", nil, "是", nil, "=1+1", "x, \"y\"\nz"},
		"A8": {"010", nil, nil, "#N/A"},
		"A9": {"011"},
	}
	for at, values := range rows {
		if err := f.SetSheetRow("Sheet1", at, &values); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SetCellFormula("Sheet1", "D9", "1+1"); err != nil { // never worked out
		t.Fatal(err)
	}
	if err := f.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	acceptance.Source(t, acceptance.SourceCase{
		New: func(t *testing.T) pipeline.Source {
			return acceptance.NewSource(t, excelsource.Type, pipeline.Env{}, "{path: "+path+"}")
		},
		Want: []string{
			`{"id":"007","phone":"13100000001","active":true,"points":1.5,"meta":{"lang":"zh"},"password":"hunter2-secret"}`,
			`{"id":"008","phone":"+8613100000002","active":false,"points":42}`,
			`{"id":"009","active":true,"meta":{"lang":"=1+1"},"password":"x, \"y\"\nz"}`,
			`{"id":"010","points":"#N/A"}`,
			acceptance.FailedRecord,
		},
		Unopenable: func(t *testing.T) pipeline.Source {
			old := filepath.Join(t.TempDir(), "old.xls")
			if err := os.WriteFile(old, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"+strings.Repeat("\x00", 600)), 0o600); err != nil {
				t.Fatal(err)
			}
			return acceptance.NewSource(t, excelsource.Type, pipeline.Env{}, "{path: "+old+"}")
		},
		Secrets: []string{"hunter2-secret"},
	})
}

// A workbook that comes by a pipe is read as one that is a file.
func TestStandardInput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.xlsx")
	f := excelize.NewFile()
	for at, values := range map[string][]any{"A1": {"id", "mail"}, "A2": {"1", "m"}, "A3": {"2", "n"}, "A4": {"3", "o"}, "A5": {"4", "p"}} {
		if err := f.SetSheetRow("Sheet1", at, &values); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	acceptance.Source(t, acceptance.SourceCase{
		New: func(t *testing.T) pipeline.Source {
			in, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return acceptance.NewSource(t, excelsource.Type, pipeline.Env{Stdin: strings.NewReader(string(in))}, "{path: '-'}")
		},
		Want: []string{`{"id":"1","mail":"m"}`, `{"id":"2","mail":"n"}`, `{"id":"3","mail":"o"}`, `{"id":"4","mail":"p"}`},
	})
}
