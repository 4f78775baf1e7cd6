package excelsource

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// FuzzSheet reads hostile sheets, styles and shared strings. Whatever they hold, reading ends, rows and cells come in
// order, and what comes out is text and JSON.
func FuzzSheet(f *testing.F) {
	f.Add(before+inline(1, "id", "phone")+`<row r="2" hidden="1">`+num("A2", "1", "45351.5")+`<c r="B2" t="s"><v>0</v></c></row>`+behind, `<sst><si><r><t>x</t></r></si></sst>`, "yyyy-mm-dd h:mm")
	f.Add(`<x:worksheet><x:cols><x:col min="1" max="2" hidden="1"/></x:cols><x:sheetData><x:row><x:c t="e"><x:v>#N/A</x:v></x:c><x:c><x:f>1</x:f></x:c></x:row></x:sheetData>`, `<sst><si/><si><t>_x000D_</t></si></sst>`, "00000")
	f.Add(`<worksheet><!-- > --><?x y?><sheetData><row r='1'><c r="A1" t="inlineStr"><is><t><![CDATA[]]]]><![CDATA[>]]></t></is></c></row></sheetData>`, `<sst><si><t>&#x10FFFF;&amp`, `[h]:mm;@`)
	f.Add(`<!DOCTYPE x>`, ``, `"`)
	f.Fuzz(func(t *testing.T, part, strings, code string) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		l := limits{rows: maxRows, columns: 64, cell: 1000}
		w := &workbook{limits: l, styles: []format{{}, parseFormat(code), {class: anyTime}, {quoted: true}}}
		w.strings, _ = readStrings(ctx, stringsReader(strings), 100, l.cell)
		defer w.strings.close()
		table := &table{origin: "users.xlsx!S"}
		for i, name := range []string{"id", "points", "born.day", "at", "tags", "ok"} {
			if err := table.add(column{index: i, header: name, name: name, path: dotted(name), as: valueType(i * 7 % len(typeNames))}); err != nil {
				t.Fatal(err)
			}
		}
		conv := converter{book: w, table: table, dates: dates{zone: time.UTC}}
		s := newSheet(stringsReader(part), l)
		last := 0
		for {
			r, err := s.next(ctx)
			if err != nil {
				if ctx.Err() != nil {
					t.Fatal("it does not end")
				}
				break
			}
			if r.number <= last || len(r.cells) == 0 {
				t.Fatalf("row %d with %d cells after row %d", r.number, len(r.cells), last)
			}
			last = r.number
			var record pipeline.Record
			ok, err := conv.convert(r, &record, nil)
			if err != nil {
				t.Fatal(err)
			}
			if ok && !json.Valid(value.AppendJSON(nil, record.Source)) {
				t.Fatalf("no JSON: %s", value.AppendJSON(nil, record.Source))
			}
			for _, p := range record.Outcome.Errors {
				if !utf8.ValidString(p.Message) {
					t.Fatalf("no text: %q", p.Message)
				}
			}
		}
		if _, err := merges(ctx, stringsReader(part), 1, 10); err == nil && ctx.Err() != nil {
			t.Fatal("it does not end")
		}
	})
}

func stringsReader(s string) io.Reader { return strings.NewReader(s) }

// FuzzNumber holds numbers against strconv: none may change its value, and what comes out is JSON.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "13100000001", "1.31E+10", "1.1000000000000001", "1234567890123456789", "0.00", ".5", "5.", "1e400", "1E-400", "+7", "007", "--1", "1e", "9007199254740993", "1.7976931348623157E+308"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := parseDecimal(s)
		if !ok {
			return
		}
		text := d.String()
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q gives %q, which is no JSON", s, text)
		}
		want, err := strconv.ParseFloat(s, 64)
		got, gotErr := strconv.ParseFloat(text, 64)
		if (err == nil) != (gotErr == nil) || err == nil && got != want && math.Abs(got-want) > math.Abs(want)*1e-15 {
			t.Fatalf("%q gives %q: %v, not %v", s, text, got, want)
		}
		if digits, whole, ok := scientific(s); ok && whole {
			if f, err := strconv.ParseFloat(digits, 64); err != nil || f != want {
				t.Fatalf("%q gives %q", s, digits)
			}
		}
	})
}

// FuzzDate holds dates against the calendar: every number is a date that there is, or none.
func FuzzDate(f *testing.F) {
	f.Add(45351.5, "yyyy-mm-dd hh:mm:ss.000", false)
	f.Add(60.0, "d", false)
	f.Add(-0.1, "[h]:mm", true)
	f.Add(2958465.9999999, "m/d/yyyy h:mm", false)
	f.Fuzz(func(t *testing.T, serial float64, code string, from1904 bool) {
		d := dates{from1904: from1904, zone: time.UTC}
		as := parseFormat(code)
		if as.class == general || as.class == textual {
			return
		}
		text, ok := d.text(serial, as)
		if !ok || as.class == elapsed {
			return
		}
		for _, layout := range []string{time.RFC3339Nano, dateLayout, clockLayout + ".999"} {
			if _, err := time.Parse(layout, text); err == nil {
				return
			}
		}
		t.Fatalf("%v as %q gives %q", serial, code, text)
	})
}
