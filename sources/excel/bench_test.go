package excelsource

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/xuri/excelize/v2"
)

const benchRows = 100_000

// benchFile writes 100 000 rows of 13 cells, with inline strings as excelize's StreamWriter writes them, or with shared
// strings as desktop programs do.
func benchFile(b *testing.B, sharedStrings bool) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "users.xlsx")
	values := func(i int) []any {
		return []any{fmt.Sprintf("user-%08d", i), fmt.Sprintf("Name %d", i), fmt.Sprintf("user%d@example.com", i), i%2 == 0, fmt.Sprintf("+86131%08d", i), i * 7, float64(i) / 8,
			"Example Ltd", "zh-CN", "$2b$12$abcdefghijklmnopqrstuuE5s1l0Qz9cF7yV0m3r6p1kq8w2x4y6z", "M", excelize.Cell{Value: 45000 + i%1000, StyleID: 1}, "Asia/Shanghai"}
	}
	if !sharedStrings {
		f := excelize.NewFile()
		defer f.Close()
		if _, err := f.NewStyle(&excelize.Style{NumFmt: 14}); err != nil {
			b.Fatal(err)
		}
		w, err := f.NewStreamWriter("Sheet1")
		if err != nil {
			b.Fatal(err)
		}
		_ = w.SetRow("A1", []any{"id", "name", "email", "verified", "phone", "points", "score", "company", "locale", "hash", "gender", "born", "zone"})
		for i := range benchRows {
			if err := w.SetRow(fmt.Sprintf("A%d", i+2), values(i)); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			b.Fatal(err)
		}
		if err := f.SaveAs(path); err != nil {
			b.Fatal(err)
		}
		return path
	}
	out, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	z := zip.NewWriter(out)
	parts := handBook{strings: " ", styles: `<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>`, sheets: []handSheet{{name: "Sheet1"}}}.parts()
	for name, text := range parts {
		if name != "xl/sharedStrings.xml" && name != "xl/worksheets/sheet1.xml" {
			w, _ := z.Create(name)
			_, _ = io.WriteString(w, text)
		}
	}
	numbers := map[string]int{}
	var list []string
	w, _ := z.Create("xl/worksheets/sheet1.xml")
	_, _ = io.WriteString(w, `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>`+inline(1, "id", "name", "email", "verified", "phone", "points", "score", "company", "locale", "hash", "gender", "born", "zone"))
	for i := range benchRows {
		fmt.Fprintf(w, `<row r="%d">`, i+2)
		for col, v := range values(i) {
			ref := cellName(col, i+2)
			switch v := v.(type) {
			case string:
				n, ok := numbers[v]
				if !ok {
					n = len(list)
					numbers[v] = n
					list = append(list, v)
				}
				fmt.Fprintf(w, `<c r="%s" t="s"><v>%d</v></c>`, ref, n)
			case bool:
				fmt.Fprintf(w, `<c r="%s" t="b"><v>1</v></c>`, ref)
			case excelize.Cell:
				fmt.Fprintf(w, `<c r="%s" s="1"><v>%v</v></c>`, ref, v.Value)
			default:
				fmt.Fprintf(w, `<c r="%s"><v>%v</v></c>`, ref, v)
			}
		}
		_, _ = io.WriteString(w, `</row>`)
	}
	_, _ = io.WriteString(w, behind)
	w, _ = z.Create("xl/sharedStrings.xml")
	_, _ = io.WriteString(w, `<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">`)
	for _, s := range list {
		fmt.Fprintf(w, "<si><t>%s</t></si>", s)
	}
	_, _ = io.WriteString(w, "</sst>")
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkRows compares the source, which gives typed records, with the bare loop of excelize over the same file, which
// gives raw texts, in one run. The figures to look at are rows/s.
func BenchmarkRows(b *testing.B) {
	for _, shared := range []bool{false, true} {
		path := benchFile(b, shared)
		name := map[bool]string{false: "inline", true: "shared"}[shared]
		b.Run(name+"/source", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := source(b, path, nil)
				if err := s.Open(context.Background()); err != nil {
					b.Fatal(err)
				}
				rows := 0
				for {
					batch, err := s.Next(context.Background(), 1000)
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					rows += len(batch.Records)
				}
				if rows != benchRows {
					b.Fatal(rows)
				}
				_ = s.Close()
			}
			b.ReportMetric(float64(benchRows*b.N)/b.Elapsed().Seconds(), "rows/s")
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys)/(1<<20), "MB-sys")
		})
		b.Run(name+"/excelize", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := excelize.OpenFile(path, excelize.Options{RawCellValue: true, UnzipXMLSizeLimit: 1 << 20})
				if err != nil {
					b.Fatal(err)
				}
				in, err := f.Rows("Sheet1")
				if err != nil {
					b.Fatal(err)
				}
				rows := 0
				for in.Next() {
					if _, err := in.Columns(); err != nil {
						b.Fatal(err)
					}
					rows++
				}
				if rows != benchRows+1 {
					b.Fatal(rows)
				}
				_ = in.Close()
				_ = f.Close()
			}
			b.ReportMetric(float64(benchRows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
