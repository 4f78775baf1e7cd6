package excelsource

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/usher-id/usher/pipeline"
)

func simple() handBook {
	return handBook{sheets: []handSheet{{name: "Sheet1", rows: inline(1, "id", "mail") + inline(2, "1", "m")}}}
}

// refused makes sure that reading ends with an error of the code, which says where and what to do.
func refused(t *testing.T, s *Source, code string) {
	t.Helper()
	_, err := tryAll(s)
	var e *pipeline.Error
	if !errors.As(err, &e) {
		t.Fatalf("no error of the kind, but %v", err)
	}
	if e.Code != code || e.Hint == "" || !strings.Contains(e.Message, "users.xlsx") {
		t.Errorf("got %v, want the code %s, the file and a hint", err, code)
	}
}

func TestWhatIsNoWorkbook(t *testing.T) {
	whole, err := os.ReadFile(simple().write(t))
	if err != nil {
		t.Fatal(err)
	}
	old := append([]byte{0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1}, make([]byte, 4096)...)
	var locked bytes.Buffer
	f := excelize.NewFile()
	if err := f.Write(&locked, excelize.Options{Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		content []byte
		code    string
	}{
		{"empty", nil, "excel.empty"},
		{"old .xls", old, "excel.old_format"},
		{"with a password", locked.Bytes(), "excel.encrypted"},
		{"CSV", []byte("id,mail\n1,a@x.io\n"), "excel.not_a_workbook"},
		{"CSV in UTF-16", []byte("\xff\xfei\x00d\x00"), "excel.not_a_workbook"},
		{"HTML", []byte("<html><table><tr><td>1"), "excel.not_a_workbook"},
		{"XML of 2003", []byte(`<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">`), "excel.old_format"},
		{"noise", []byte{0, 1, 2, 3, 4, 5, 6, 7}, "excel.not_a_workbook"},
		{"cut in half", whole[:len(whole)/2], "excel.damaged"},
		{"cut before its directory", whole[:len(whole)-30], "excel.damaged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			refused(t, source(t, writeFile(t, "users.xlsx", test.content), nil), test.code)
		})
	}
}

func TestDamagedParts(t *testing.T) {
	change := func(f func(parts map[string]string)) string {
		parts := simple().parts()
		f(parts)
		return writeZip(t, parts)
	}
	const sheet = "xl/worksheets/sheet1.xml"
	for _, test := range []struct {
		name, code string
		change     func(parts map[string]string)
	}{
		{"no workbook", "excel.not_a_workbook", func(p map[string]string) { delete(p, "xl/workbook.xml") }},
		{"no sheet part", "excel.damaged", func(p map[string]string) { delete(p, sheet) }},
		{"no sheets", "excel.damaged", func(p map[string]string) { p["xl/workbook.xml"] = "<workbook/>" }},
		{"binary workbook", "excel.binary_workbook", func(p map[string]string) {
			delete(p, "xl/workbook.xml")
			p["_rels/.rels"] = strings.ReplaceAll(p["_rels/.rels"], "workbook.xml", "workbook.bin")
			p["xl/workbook.bin"] = "\x83\x01"
		}},
		{"OpenDocument", "excel.open_document", func(p map[string]string) {
			clear(p)
			p["mimetype"], p["content.xml"] = "application/vnd.oasis.opendocument.spreadsheet", "<x/>"
		}},
		{"external entity", "excel.damaged", func(p map[string]string) {
			p[sheet] = `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + strings.Replace(p[sheet], "<t>m</t>", "<t>&e;</t>", 1)
		}},
		{"many laughs", "excel.damaged", func(p map[string]string) {
			p["xl/workbook.xml"] = `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>` + p["xl/workbook.xml"]
		}},
		{"tag without end", "excel.damaged", func(p map[string]string) { p[sheet] = "<worksheet><sheetData><row " }},
		{"sheet without end", "excel.damaged", func(p map[string]string) {
			p[sheet] = p[sheet][:strings.Index(p[sheet], "</sheetData>")]
		}},
		{"tag of 1 MB", "excel.damaged", func(p map[string]string) {
			p[sheet] = strings.Replace(p[sheet], "<row r=\"2\"", "<row r=\"2\" x=\""+strings.Repeat("y", 1<<20)+"\"", 1)
		}},
		{"rows out of order", "excel.damaged", func(p map[string]string) { p[sheet] = strings.Replace(p[sheet], `r="2"`, `r="1"`, 1) }},
		{"cells out of order", "excel.damaged", func(p map[string]string) { p[sheet] = strings.Replace(p[sheet], `r="B2"`, `r="A2"`, 1) }},
		{"reference that is none", "excel.damaged", func(p map[string]string) { p[sheet] = strings.Replace(p[sheet], `r="B2"`, `r="ZZZZ2"`, 1) }},
		{"row beyond the sheet", "excel.too_many_rows", func(p map[string]string) { p[sheet] = strings.Replace(p[sheet], `row r="2"`, `row r="1048577"`, 1) }},
		{"column beyond the limit", "excel.too_many_columns", func(p map[string]string) { p[sheet] = strings.Replace(p[sheet], `r="B2"`, `r="XFD2"`, 1) }},
		{"chart", "excel.no_cells", func(p map[string]string) { p[sheet] = `<chartsheet/>` }},
	} {
		t.Run(test.name, func(t *testing.T) { refused(t, source(t, change(test.change), nil), test.code) })
	}
}

// stream writes a zip file with one part that is too large to be built in memory.
func stream(t *testing.T, name string, write func(w io.Writer)) string {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	for part, text := range simple().parts() {
		if part != name {
			w, _ := z.Create(part)
			_, _ = io.WriteString(w, text)
		}
	}
	w, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	write(w)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "users.xlsx", buf.Bytes())
}

// frugal runs f and makes sure that the heap did not grow by more than the given megabytes meanwhile.
func frugal(t *testing.T, megabytes uint64, f func()) {
	t.Helper()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		peak := uint64(0)
		for {
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapInuse)
			select {
			case <-stop:
				done <- peak
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	if peak := <-done; peak > before.HeapInuse+megabytes<<20 {
		t.Errorf("the heap grew by %d MB", (peak-before.HeapInuse)>>20)
	}
}

const before, behind = `<worksheet><sheetData>`, `</sheetData></worksheet>`

func TestBombs(t *testing.T) {
	const sheet = "xl/worksheets/sheet1.xml"
	spaces := bytes.Repeat([]byte(" "), 1<<20)
	t.Run("zip bomb", func(t *testing.T) {
		path := stream(t, sheet, func(w io.Writer) {
			_, _ = io.WriteString(w, before+inline(1, "id", "mail"))
			for range 300 {
				_, _ = w.Write(spaces)
			}
		})
		frugal(t, 16, func() {
			refused(t, source(t, path, map[string]any{"max_unzipped": int64(200 << 20)}), "excel.too_large")
		})
	})
	t.Run("zip bomb that lies about its size", func(t *testing.T) {
		content, err := os.ReadFile(stream(t, sheet, func(w io.Writer) {
			_, _ = io.WriteString(w, before+inline(1, "id", "mail"))
			for range 100 {
				_, _ = w.Write(spaces)
			}
			_, _ = io.WriteString(w, behind)
		}))
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.LastIndex(content, []byte(sheet)) - 46 // the entry of the directory, whose size is at 24
		binary.LittleEndian.PutUint32(content[at+24:], 1000)
		frugal(t, 16, func() {
			_, err := tryAll(source(t, writeFile(t, "users.xlsx", content), map[string]any{"max_unzipped": int64(50 << 20)}))
			if err == nil {
				t.Error("it was read")
			}
		})
	})
	t.Run("text of 50 MB", func(t *testing.T) {
		path := stream(t, sheet, func(w io.Writer) {
			_, _ = io.WriteString(w, before+inline(1, "id", "mail")+`<row r="2"><c t="str"><v>`)
			for range 50 {
				_, _ = w.Write(spaces)
			}
			_, _ = io.WriteString(w, `</v></c></row>`+inline(3, "1", "m")+behind)
		})
		frugal(t, 16, func() {
			expect(t, lines(readAll(t, source(t, path, nil))),
				`users.xlsx!Sheet1:2 {"id":"#VALUE!"} !excel.cell_too_large(id)`, `users.xlsx!Sheet1:3 {"id":"1","mail":"m"}`)
		})
	})
	t.Run("ten million rows of nothing", func(t *testing.T) {
		path := stream(t, sheet, func(w io.Writer) {
			_, _ = io.WriteString(w, before+inline(1, "id", "mail"))
			rows := strings.Repeat(`<row s="1"/>`, 10_000)
			for range 1000 {
				_, _ = io.WriteString(w, rows)
			}
			_, _ = io.WriteString(w, behind)
		})
		frugal(t, 16, func() { refused(t, source(t, path, nil), "excel.too_many_rows") })
	})
	t.Run("styled cells of nothing", func(t *testing.T) {
		path := stream(t, sheet, func(w io.Writer) {
			_, _ = io.WriteString(w, before+inline(1, "id", "mail"))
			row := `<row>` + strings.Repeat(`<c s="1"/>`, maxColumns) + `</row>`
			for range 100 {
				_, _ = io.WriteString(w, row)
			}
			_, _ = io.WriteString(w, inline(200, "1", "m")+behind)
		})
		frugal(t, 16, func() {
			expect(t, lines(readAll(t, source(t, path, nil))), `users.xlsx!Sheet1:200 {"id":"1","mail":"m"}`)
		})
	})
	t.Run("many shared strings", func(t *testing.T) {
		const count = 400_000
		parts := simple().parts()
		parts["xl/_rels/workbook.xml.rels"] = strings.Replace(parts["xl/_rels/workbook.xml.rels"], "</Rel", `<Relationship Id="s" Type="http://x/sharedStrings" Target="sharedStrings.xml"/></Rel`, 1)
		parts[sheet] = before + inline(1, "id", "mail") + fmt.Sprintf(`<row r="2"><c t="s"><v>0</v></c><c t="s"><v>%d</v></c></row><row r="3"><c t="s"><v>100000</v></c><c t="s"><v>%d</v></c></row>`, count-1, count) + behind
		var buf bytes.Buffer
		z := zip.NewWriter(&buf)
		for part, text := range parts {
			w, _ := z.Create(part)
			_, _ = io.WriteString(w, text)
		}
		w, _ := z.Create("xl/sharedStrings.xml")
		_, _ = io.WriteString(w, "<sst>")
		for i := range count {
			_, _ = fmt.Fprintf(w, "<si><t>%d</t></si>", i)
		}
		_, _ = io.WriteString(w, "</sst>")
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		path := writeFile(t, "users.xlsx", buf.Bytes())
		frugal(t, 16, func() {
			expect(t, lines(readAll(t, source(t, path, map[string]any{"shared_strings": int64(1 << 20)}))),
				`users.xlsx!Sheet1:2 {"id":"0","mail":"399999"}`, `users.xlsx!Sheet1:3 {"id":"100000","mail":"#REF!"} !excel.damaged(mail)`)
		})
	})
	t.Run("shared text of 30 MB", func(t *testing.T) {
		parts := simple()
		parts.strings = "<si><t>" + strings.Repeat("x", 30<<20) + "</t></si>"
		parts.sheets[0].rows = inline(1, "id", "mail") + `<row r="2"><c t="s"><v>0</v></c></row>`
		path := parts.write(t)
		frugal(t, 16, func() {
			expect(t, lines(readAll(t, source(t, path, nil))), `users.xlsx!Sheet1:2 {"id":"#VALUE!"} !excel.cell_too_large(id)`)
		})
	})
	t.Run("directory of many entries", func(t *testing.T) {
		var buf bytes.Buffer
		z := zip.NewWriter(&buf)
		for range 200_000 {
			if _, err := z.CreateRaw(&zip.FileHeader{Name: "x", Method: zip.Store}); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		path := writeFile(t, "users.xlsx", buf.Bytes())
		frugal(t, 64, func() { refused(t, source(t, path, nil), "excel.too_large") })
	})
}

func TestCancelledInAnEmptySheet(t *testing.T) {
	path := stream(t, "xl/worksheets/sheet1.xml", func(w io.Writer) {
		_, _ = io.WriteString(w, before+inline(1, "id", "mail")+inline(2, "1", "m")+strings.Repeat(`<row/>`, 1_000_000)+behind)
	})
	s := source(t, path, map[string]any{"header": "1"})
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if b, err := s.Next(ctx, 1); err != nil || len(b.Records) != 1 {
		t.Fatal(b, err)
	}
	cancel()
	if _, err := s.Next(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
