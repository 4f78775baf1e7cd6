package excelsink

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

func TestSeveralSheets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.xlsx")
	s := &Sink{path: path, sheet: "Users", maxRows: 4}
	if err := s.Open(context.Background(), pipeline.Run{ID: "r"}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := &pipeline.Batch{}
	for i := range 7 {
		b.Records = append(b.Records, pipeline.Record{Fields: value.ObjectOf(value.Member{Name: "id", Value: int64(i)}, value.Member{Name: "url", Value: "https://example.com/a"})})
	}
	if err := s.Write(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sheet, want := range map[string]string{"Users": "[[id url] [0 https://example.com/a] [1 https://example.com/a] [2 https://example.com/a]]", "Users 2": "[[id url] [3 https://example.com/a] [4 https://example.com/a] [5 https://example.com/a]]", "Users 3": "[[id url] [6 https://example.com/a]]"} {
		if rows, err := f.GetRows(sheet); err != nil || fmt.Sprint(rows) != want {
			t.Errorf("%s: %v, %v", sheet, rows, err)
		}
		if panes, err := f.GetPanes(sheet); err != nil || !panes.Freeze || panes.YSplit != 1 {
			t.Errorf("%s: the header is not frozen: %+v, %v", sheet, panes, err)
		}
		id, err := f.GetCellStyle(sheet, "B1")
		if style, _ := f.GetStyle(id); err != nil || style.Font == nil || !style.Font.Bold {
			t.Errorf("%s: the header is not bold", sheet)
		}
		if linked, target, err := f.GetCellHyperLink(sheet, "B2"); err != nil || linked {
			t.Errorf("%s: B2 is a link to %s, %v", sheet, target, err)
		}
	}
}
