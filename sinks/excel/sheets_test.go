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
		b.Records = append(b.Records, pipeline.Record{Fields: value.ObjectOf(value.Member{Name: "id", Value: int64(i)})})
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
	for sheet, want := range map[string]string{"Users": "[[id] [0] [1] [2]]", "Users 2": "[[id] [3] [4] [5]]", "Users 3": "[[id] [6]]"} {
		if rows, err := f.GetRows(sheet); err != nil || fmt.Sprint(rows) != want {
			t.Errorf("%s: %v, %v", sheet, rows, err)
		}
	}
}
