package excelsource

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// handBook is a workbook written part by part, for what no library writes.
type handBook struct {
	sheets  []handSheet
	strings string // the inside of <sst>
	styles  string // the inside of <styleSheet>
	props   string // attributes of workbookPr
}

type handSheet struct {
	name, state string
	before      string // between <worksheet> and <sheetData>
	rows        string // the inside of <sheetData>
	after       string
}

const declaration = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"

func (b handBook) parts() map[string]string {
	parts := map[string]string{
		"[Content_Types].xml": declaration + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`,
		"_rels/.rels": declaration + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
	}
	var sheets, rels strings.Builder
	for i, s := range b.sheets {
		fmt.Fprintf(&sheets, `<sheet name="%s" sheetId="%d" state="%s" r:id="rId%d"/>`, s.name, i+1, s.state, i+1)
		fmt.Fprintf(&rels, `<Relationship Id="rId%d" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet%d.xml"/>`, i+1, i+1)
		parts[fmt.Sprintf("xl/worksheets/sheet%d.xml", i+1)] = declaration + `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">` +
			s.before + `<sheetData>` + s.rows + `</sheetData>` + s.after + `</worksheet>`
	}
	if b.strings != "" {
		rels.WriteString(`<Relationship Id="s" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/>`)
		parts["xl/sharedStrings.xml"] = declaration + `<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">` + b.strings + `</sst>`
	}
	if b.styles != "" {
		rels.WriteString(`<Relationship Id="t" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/>`)
		parts["xl/styles.xml"] = declaration + `<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">` + b.styles + `</styleSheet>`
	}
	parts["xl/_rels/workbook.xml.rels"] = declaration + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` + rels.String() + `</Relationships>`
	parts["xl/workbook.xml"] = declaration + `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><workbookPr ` + b.props + `/><sheets>` + sheets.String() + `</sheets></workbook>`
	return parts
}

func (b handBook) write(t testing.TB) string {
	t.Helper()
	return writeZip(t, b.parts())
}

func writeZip(t testing.TB, parts map[string]string) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	names := make([]string, 0, len(parts))
	for name := range parts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, parts[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "users.xlsx", buf.Bytes())
}

func writeFile(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// inline gives a row of text cells from A on; an empty text is no cell.
func inline(number int, cells ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<row r="%d">`, number)
	for i, c := range cells {
		if c != "" {
			fmt.Fprintf(&b, `<c r="%s" t="inlineStr"><is><t>%s</t></is></c>`, cellName(i, number), c)
		}
	}
	return b.String() + `</row>`
}

// source gives a source with the defaults of its Spec and the given options.
func source(t testing.TB, path string, options map[string]any) *Source {
	t.Helper()
	values := map[string]any{"path": []string{path}}
	for _, o := range Type.Options {
		if o.Default == "" {
			continue
		}
		switch o.Type {
		case pipeline.Int:
			n, err := strconv.ParseInt(o.Default, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			values[o.Name] = n
		case pipeline.Size:
			units := map[string]int64{"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
			n, err := strconv.ParseInt(o.Default[:len(o.Default)-2], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			values[o.Name] = n * units[o.Default[len(o.Default)-2:]]
		default:
			values[o.Name] = o.Default
		}
	}
	for name, v := range options {
		values[name] = v
	}
	s, err := newSource(pipeline.Env{}, pipeline.NewConfig(values))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func readAll(t testing.TB, s pipeline.Source) []pipeline.Record {
	t.Helper()
	records, err := tryAll(s)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func tryAll(s pipeline.Source) ([]pipeline.Record, error) {
	if err := s.Open(context.Background()); err != nil {
		return nil, err
	}
	return rest(s)
}

func rest(s pipeline.Source) ([]pipeline.Record, error) {
	var all []pipeline.Record
	for {
		b, err := s.Next(context.Background(), 7)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, b.Records...)
	}
}

// lines shows records: ref, values, and the codes of problems.
func lines(records []pipeline.Record) []string {
	var out []string
	for i := range records {
		r := &records[i]
		line := r.Ref.String() + " " + string(value.AppendJSON(nil, r.Source))
		for _, p := range r.Outcome.Errors {
			line += " !" + p.Code + "(" + p.Field + ")"
		}
		for _, p := range r.Outcome.Warnings {
			line += " ?" + p.Code + "(" + p.Field + ")"
		}
		out = append(out, line)
	}
	return out
}

func expect(t testing.TB, got []string, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case i >= len(want):
			t.Errorf("too many: %s", got[i])
		case got[i] != want[i]:
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}
