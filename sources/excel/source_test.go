package excelsource

import (
	"bytes"
	"compress/gzip"
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode"

	"github.com/usher-id/usher/pipeline"
)

// Styles of the tests: the number is the place in cellXfs.
const testStyles = `<numFmts><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/><numFmt numFmtId="165" formatCode="[$-804]yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot; h:mm:ss"/>` +
	`<numFmt numFmtId="166" formatCode="00000"/><numFmt numFmtId="167" formatCode="000\-0000\-0000"/><numFmt numFmtId="168" formatCode="h:mm:ss.000"/></numFmts>` +
	`<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="10"/>` +
	`<xf numFmtId="49"/><xf numFmtId="0" quotePrefix="1"/><xf numFmtId="166"/><xf numFmtId="167"/><xf numFmtId="20"/><xf numFmtId="46"/><xf numFmtId="11"/><xf numFmtId="168"/></cellXfs>`

const (
	styleDate, styleMoment, styleISO, styleChinese, stylePercent, styleText, styleQuoted = "1", "2", "3", "4", "5", "6", "7"
	styleZeros, styleMask, styleClock, styleElapsed, styleScientific, styleMillis        = "8", "9", "10", "11", "12", "13"
)

func num(ref, style, v string) string {
	return `<c r="` + ref + `" s="` + style + `"><v>` + v + `</v></c>`
}

func TestValues(t *testing.T) {
	for _, test := range []struct {
		name, header, cell, want string
	}{
		{"integer", "points", num("A2", "0", "42"), `42`},
		{"negative", "points", num("A2", "0", "-42"), `-42`},
		{"decimal", "points", num("A2", "0", "1.5"), `1.5`},
		{"binary noise", "points", num("A2", "0", "1.1000000000000001"), `1.1`},
		{"all digits of a real double", "points", num("A2", "0", "0.12345678901234566"), `0.12345678901234566`},
		{"zeros behind", "points", num("A2", "0", "1.10"), `1.10`},
		{"exponent", "points", num("A2", "0", "1.31E+10"), `13100000000`},
		{"small", "points", num("A2", "0", "1.25E-3"), `0.00125`},
		{"zero", "points", num("A2", "0", "0"), `0`},
		{"minus zero", "points", num("A2", "0", "-0"), `0`},
		{"percent", "share", num("A2", stylePercent, "0.125"), `0.125`},
		{"19 digits of another program", "points", num("A2", "0", "1234567890123456789"), `1234567890123456789`},
		{"number in a text cell's format", "points", num("A2", styleText, "7"), `"7"`},
		{"number behind an apostrophe", "points", num("A2", styleQuoted, "7"), `"7"`},
		{"phone", "phone", num("A2", "0", "13100000001"), `"13100000001"`},
		{"phone shown as 1.31E+10", "手机号", num("A2", styleScientific, "13100000001"), `"13100000001"`},
		{"phone in scientific form", "联系电话", num("A2", "0", "1.3100000001E+10"), `"13100000001"`},
		{"phone as text in scientific form", "phone", `<c r="A2" t="str"><v>1.3100000001E+10</v></c>`, `"13100000001"`},
		{"phone cut off", "phone", `<c r="A2" t="str"><v>1.31E+10</v></c>`, `"1.31E+10" !excel.lost_digits(phone)`},
		{"not an id", "remark", `<c r="A2" t="str"><v>1.31E+10</v></c>`, `"1.31E+10"`},
		{"18 digits typed as a number", "身份证号", num("A2", "0", "1.23456789012345E+17"), `"123456789012345000" ?excel.lost_digits(身份证号)`},
		{"zeros by format", "employee_id", num("A2", styleZeros, "42"), `"00042"`},
		{"mask", "tel", num("A2", styleMask, "13100000001"), `"131-0000-0001"`},
		{"zeros by format in a number column", "points", num("A2", styleZeros, "42"), `42`},
		{"apostrophe", "remark", `<c r="A2" t="str"><v>'0131</v></c>`, `"0131"`},
		{"apostrophe of a word", "remark", `<c r="A2" t="str"><v>'s-Hertogenbosch</v></c>`, `"'s-Hertogenbosch"`},
		{"date", "born", num("A2", styleDate, "45351"), `"2024-02-29"`},
		{"date by code", "born", num("A2", styleISO, "36526"), `"2000-01-01"`},
		{"before the day that never was", "born", num("A2", styleDate, "59"), `"1900-02-28"`},
		{"the day that never was", "born", num("A2", styleDate, "60"), `"#NUM!" !excel.bad_date(born)`},
		{"after it", "born", num("A2", styleDate, "61"), `"1900-03-01"`},
		{"negative date", "born", num("A2", styleDate, "-1"), `"#NUM!" !excel.bad_date(born)`},
		{"date with time", "seen", num("A2", styleMoment, "45351.354166666664"), `"2024-02-29T08:30:00Z"`},
		{"Chinese date with time", "seen", num("A2", styleChinese, "45351.999999999"), `"2024-03-01T00:00:00Z"`},
		{"time in a date format", "seen", num("A2", styleDate, "45351.5"), `"2024-02-29T12:00:00Z"`},
		{"time of day", "at", num("A2", styleClock, "0.35416666666666669"), `"08:30:00"`},
		{"milliseconds", "at", num("A2", styleMillis, "0.354166678240741"), `"08:30:00.001"`},
		{"elapsed", "worked", num("A2", styleElapsed, "1.5"), `"36:00:00"`},
		{"ISO date", "born", `<c r="A2" t="d" s="1"><v>2024-02-29T00:00:00</v></c>`, `"2024-02-29"`},
		{"true", "active", `<c r="A2" t="b"><v>1</v></c>`, `true`},
		{"false", "active", `<c r="A2" t="b"><v>0</v></c>`, `false`},
		{"no, though the name says text", "phone_number_verified", `<c r="A2" t="b"><v>0</v></c>`, `false`},
		{"yes in Chinese", "active", `<c r="A2" t="str"><v>是</v></c>`, `true`},
		{"no in Chinese", "active", `<c r="A2" t="str"><v> 否</v></c>`, `false`},
		{"yes in Chinese, in a column of texts", "姓名", `<c r="A2" t="str"><v>是</v></c>`, `"是"`},
		{"no in English may be Norway", "country", `<c r="A2" t="str"><v>no</v></c>`, `"no"`},
		{"shared", "remark", `<c r="A2" t="s"><v>0</v></c>`, `"plain"`},
		{"shared rich", "remark", `<c r="A2" t="s"><v>1</v></c>`, `"bold and thin"`},
		{"shared that is not there", "remark", `<c r="A2" t="s"><v>9</v></c>`, `"#REF!" !excel.damaged(remark)`},
		{"inline rich", "remark", `<c r="A2" t="inlineStr"><is><r><rPr><b/></rPr><t>bo</t></r><r><t xml:space="preserve">ld </t></r><rPh sb="0" eb="1"><t>X</t></rPh></is></c>`, `"bold "`},
		{"entities", "remark", `<c r="A2" t="str"><v>&lt;&#x4e2d;&#25991;&amp;&quot;&apos;&gt;</v></c>`, `"<中文&\"'>"`},
		{"CDATA", "remark", `<c r="A2" t="str"><v><![CDATA[a & <b>]]></v></c>`, `"a & <b>"`},
		{"line ends", "remark", "<c r=\"A2\" t=\"str\"><v>a_x000D_\nb\r\nc_x0009_d_x005F_x0041_</v></c>", `"a\nb\nc\td_x0041_"`},
		{"formula", "points", `<c r="A2"><f>1+1</f><v>2</v></c>`, `2`},
		{"formula of text", "remark", `<c r="A2" t="str"><f>"a"</f><v>a</v></c>`, `"a"`},
		{"formula never worked out", "points", `<c r="A2"><f>1+1</f><v></v></c>`, `"#CALC!" !excel.not_calculated(points)`},
		{"error", "points", `<c r="A2" t="e"><v>#N/A</v></c>`, `"#N/A" !excel.error_cell(points)`},
		{"bytes that are no text", "remark", "<c r=\"A2\" t=\"str\"><v>a\xff</v></c>", "\"a\ufffd\" !excel.bad_text(remark)"},
		{"no number", "points", num("A2", "0", "many"), `"#NUM!" !excel.bad_number(points)`},
		{"infinite", "points", num("A2", "0", "INF"), `"#NUM!" !excel.bad_number(points)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := handBook{styles: testStyles, strings: `<si><t>plain</t></si><si><r><t>bold</t></r><r><t xml:space="preserve"> and thin</t></r><rPh><t>no</t></rPh></si>`,
				sheets: []handSheet{{name: "Sheet1", rows: inline(1, test.header) + `<row r="2">` + test.cell + `</row>`}}}.write(t)
			value, problems, _ := strings.Cut(test.want, " !")
			if problems != "" {
				problems = " !" + problems
			}
			if v, warning, ok := strings.Cut(value, " ?"); ok {
				value, problems = v, " ?"+warning
			}
			expect(t, lines(readAll(t, source(t, path, map[string]any{"header": "1"}))), `users.xlsx!Sheet1:2 {"`+test.header+`":`+value+`}`+problems)
		})
	}
}

func TestDatesFrom1904InAZone(t *testing.T) {
	path := handBook{styles: testStyles, props: `date1904="1"`, sheets: []handSheet{{name: "Sheet1",
		rows: inline(1, "born", "seen") + `<row r="2">` + num("A2", styleDate, "43889") + num("B2", styleMoment, "43889.5") + `</row>`}}}.write(t)
	expect(t, lines(readAll(t, source(t, path, map[string]any{"timezone": "Asia/Shanghai"}))),
		`users.xlsx!Sheet1:2 {"born":"2024-02-29","seen":"2024-02-29T12:00:00+08:00"}`)
}

func TestTypes(t *testing.T) {
	path := handBook{styles: testStyles, sheets: []handSheet{{name: "Sheet1", rows: inline(1, "a", "b", "c", "d", "e", "f") +
		`<row r="2">` + num("A2", "0", "7") + `<c r="B2" t="str"><v>是</v></c>` + num("C2", "0", "45351") + `<c r="D2" t="str"><v>2024/2/29 8:30</v></c><c r="E2" t="str"><v>[1,{"x":null}]</v></c><c r="F2" t="str"><v>1.50</v></c></row>` +
		`<row r="3"><c r="A3" t="b"><v>1</v></c>` + num("B3", "0", "0") + `<c r="C3" t="str"><v>2024年2月29日</v></c>` + num("D3", styleMoment, "45351.5") + `<c r="E3" t="str"><v> </v></c>` + num("F3", "0", "2") + `</row>` +
		`<row r="4"><c r="B4" t="str"><v>maybe</v></c><c r="C4" t="str"><v>01/02/2024</v></c><c r="E4" t="str"><v>{</v></c><c r="F4" t="str"><v>1,5</v></c></row>`}}}.write(t)
	types := map[string]string{"a": "string", "b": "bool", "c": "date", "d": "time", "e": "json", "f": "number"}
	expect(t, lines(readAll(t, source(t, path, map[string]any{"types": types}))),
		`users.xlsx!Sheet1:2 {"a":"7","b":true,"c":"2024-02-29","d":"2024-02-29T08:30:00Z","e":[1,{"x":null}],"f":1.50}`,
		`users.xlsx!Sheet1:3 {"a":"TRUE","b":false,"c":"2024-02-29","d":"2024-02-29T12:00:00Z","f":2}`,
		`users.xlsx!Sheet1:4 {"b":"maybe","c":"01/02/2024","e":"{","f":"1,5"} !excel.bad_value(b) !excel.bad_value(c) !excel.bad_value(e) !excel.bad_value(f)`)
}

func TestErrorNamesTheCell(t *testing.T) {
	path := handBook{sheets: []handSheet{{name: "Sheet1", rows: inline(1, "a", "b", "c") + `<row r="17"><c r="C17" t="e"><v>#N/A</v></c></row>`}}}.write(t)
	records := readAll(t, source(t, path, nil))
	if message := records[0].Outcome.Errors[0].Message; !strings.Contains(message, "users.xlsx!Sheet1!C17") || !strings.Contains(message, "#N/A") {
		t.Error(message)
	}
	if records[0].Outcome.Decision != pipeline.Failed {
		t.Error("the record did not fail")
	}
}

func TestRowsAndHeaders(t *testing.T) {
	title := inline(1, "Users of 2024") + `<row r="2"/>`
	for _, test := range []struct {
		name    string
		sheet   handSheet
		options map[string]any
		want    []string
	}{
		{"title above, empty rows between", handSheet{rows: title + inline(3, "id", "mail") + inline(4, "1", "a@x.io") + `<row r="5"><c r="A5" s="3"/></row>` + inline(6, " ", "") + inline(9, "2", "b@x.io")},
			nil, []string{`:4 {"id":"1","mail":"a@x.io"}`, `:9 {"id":"2","mail":"b@x.io"}`}},
		{"rows and cells without references", handSheet{rows: `<row><c t="str"><v>id</v></c><c t="str"><v>mail</v></c></row><row/><row><c t="str"><v>1</v></c><c t="str"><v>m</v></c></row>`},
			nil, []string{`:3 {"id":"1","mail":"m"}`}},
		{"prefixed names", handSheet{rows: strings.NewReplacer("<row", "<x:row", "</row", "</x:row", "<c ", "<x:c ", "</c>", "</x:c>", "<is>", "<x:is>", "</is>", "</x:is>").Replace(inline(1, "id", "mail") + inline(2, "1", "m"))},
			nil, []string{`:2 {"id":"1","mail":"m"}`}},
		{"cells that look empty", handSheet{rows: inline(1, "name", "phone", "note") + `<row r="2"><c r="A2" t="str"><f>""</f><v></v></c><c r="B2" t="str"><v> </v></c><c r="C2" t="str"><v>x</v></c></row>`},
			nil, []string{`:2 {"note":"x"}`}},
		{"white space of a program", handSheet{rows: inline(1, "name", "note", "city") + `<row r="2"><c r="A2" t="str"><v>&#9;</v></c><c r="B2" t="str"><v>&#160;&#12288;</v></c><c r="C2" t="str"><v>x</v></c></row>`},
			nil, []string{`:2 {"name":"\t","city":"x"}`}},
		{"cells that look empty, of stated types", handSheet{rows: inline(1, "name", "phone", "note") + `<row r="2"><c r="A2" t="str"><f>""</f><v></v></c><c r="B2" t="str"><v> </v></c><c r="C2" t="str"><v>x</v></c></row>`},
			map[string]any{"types": map[string]string{"name": "string", "phone": "string"}}, []string{`:2 {"name":"","phone":" ","note":"x"}`}},
		{"stated header", handSheet{rows: inline(1, "x", "y") + inline(2, "id", "mail") + inline(3, "1", "m")},
			map[string]any{"header": "2"}, []string{`:3 {"id":"1","mail":"m"}`}},
		{"no header", handSheet{rows: inline(1, "1", "m") + inline(2, "2", "n")},
			map[string]any{"header": "none", "columns": []string{"id", "mail"}}, []string{`:1 {"id":"1","mail":"m"}`, `:2 {"id":"2","mail":"n"}`}},
		{"named columns over a header", handSheet{rows: inline(1, "x", "y") + inline(2, "1", "m")},
			map[string]any{"columns": []string{"id", "mail"}}, []string{`:2 {"id":"1","mail":"m"}`}},
		{"nested", handSheet{rows: inline(1, "a.b", "c", "a.d.e") + inline(2, "1", "2", "3")},
			nil, []string{`:2 {"a":{"b":"1","d":{"e":"3"}},"c":"2"}`}},
		{"value under no header", handSheet{rows: inline(1, "id", "", "mail", "x") + inline(2, "1", "note", "m", "", "far")},
			nil, []string{`:2 {"id":"1","mail":"m"} ?excel.unnamed_column() ?excel.unnamed_column()`}},
		{"header merged in two directions", handSheet{rows: inline(2, "id", "address", "", "phone") + inline(3, "", "city", "street") + inline(4, "1", "Ulm", "Weg", "7"),
			after: `<mergeCells count="3"><mergeCell ref="A2:A3"/><mergeCell ref="B2:C2"/><mergeCell ref="D2:D3"/></mergeCells>`},
			nil, []string{`:4 {"id":"1","address":{"city":"Ulm","street":"Weg"},"phone":"7"}`}},
		{"two rows stated", handSheet{rows: inline(1, "id", "address") + inline(2, "", "city", "street") + inline(3, "1", "Ulm", "Weg"), after: `<mergeCells><mergeCell ref="B1:C1"/></mergeCells>`},
			map[string]any{"header_rows": int64(2)}, []string{`:3 {"id":"1","address":{"city":"Ulm","street":"Weg"}}`}},
		{"merged sideways only", handSheet{rows: inline(1, "id", "phone", "", "mail") + inline(2, "1", "7", "8", "m"), after: `<mergeCells><mergeCell ref="B1:C1"/></mergeCells>`},
			nil, []string{`:2 {"id":"1","phone":"7","phone_2":"8","mail":"m"}`}},
		{"hidden included", handSheet{before: `<cols><col min="2" max="2" hidden="1"/></cols>`, rows: inline(1, "id", "mail") + strings.Replace(inline(2, "1", "m"), "<row ", `<row hidden="1" `, 1) + inline(3, "2", "n")},
			nil, []string{`:2 {"id":"1","mail":"m"}`, `:3 {"id":"2","mail":"n"}`}},
		{"hidden skipped", handSheet{before: `<cols><col min="2" max="2" hidden="1"/></cols>`, rows: inline(1, "id", "mail") + strings.Replace(inline(2, "1", "m"), "<row ", `<row hidden="1" `, 1) + inline(3, "2", "n")},
			map[string]any{"hidden": "skip"}, []string{`:3 {"id":"2"}`}},
		{"empty sheet", handSheet{}, nil, nil},
		{"header only", handSheet{rows: inline(1, "id", "mail")}, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.sheet.name = "S"
			want := make([]string, len(test.want))
			for i := range want {
				want[i] = "users.xlsx!S" + test.want[i]
			}
			expect(t, lines(readAll(t, source(t, handBook{sheets: []handSheet{test.sheet}}.write(t), test.options))), want...)
		})
	}
}

func TestSheets(t *testing.T) {
	path := handBook{sheets: []handSheet{
		{name: "Staff", rows: inline(1, "id", "mail") + inline(2, "1", "m")},
		{name: "Old", state: "hidden", rows: inline(1, "id", "mail") + inline(2, "2", "n")},
		{name: "客户", rows: inline(3, "mail", "id") + inline(4, "o", "3")},
	}}.write(t)
	staff, old, customers := `users.xlsx!Staff:2 {"id":"1","mail":"m"}`, `users.xlsx!Old:2 {"id":"2","mail":"n"}`, `users.xlsx!客户:4 {"mail":"o","id":"3"}`
	for _, test := range []struct {
		sheets []string
		hidden string
		want   []string
	}{
		{nil, "include", []string{staff}},
		{[]string{"客户"}, "include", []string{customers}},
		{[]string{"2"}, "include", []string{old}},
		{[]string{"3", "staff"}, "include", []string{customers, staff}},
		{[]string{"all"}, "include", []string{staff, old, customers}},
		{[]string{"all"}, "skip", []string{staff, customers}},
	} {
		expect(t, lines(readAll(t, source(t, path, map[string]any{"sheet": test.sheets, "hidden": test.hidden}))), test.want...)
	}
	first := handBook{sheets: []handSheet{{name: "Codes", state: "veryHidden", rows: inline(1, "x", "y") + inline(2, "1", "2")}, {name: "Users", rows: inline(1, "id", "mail") + inline(2, "1", "m")}}}.write(t)
	expect(t, lines(readAll(t, source(t, first, nil))), `users.xlsx!Users:2 {"id":"1","mail":"m"}`)
	_, err := tryAll(source(t, path, map[string]any{"sheet": []string{"Nobody"}}))
	if err == nil || !strings.Contains(err.Error(), "Staff, Old (hidden), 客户") {
		t.Error(err)
	}
}

func TestResume(t *testing.T) {
	var first, second strings.Builder
	for i := 2; i < 40; i++ {
		first.WriteString(inline(i, "a", "b"))
		second.WriteString(inline(i+1, "c", "d"))
	}
	path := handBook{sheets: []handSheet{{name: "A", rows: inline(1, "x", "y") + first.String()}, {name: "B", rows: inline(1, "x", "y") + second.String()}}}.write(t)
	options := map[string]any{"sheet": []string{"all"}}
	want := lines(readAll(t, source(t, path, options)))
	for _, size := range []int{1, 7, 38, 50} {
		s := source(t, path, options)
		if err := s.Open(context.Background()); err != nil {
			t.Fatal(err)
		}
		for read := 0; ; {
			b, err := s.Next(context.Background(), size)
			if err != nil {
				break
			}
			read += len(b.Records)
			again := source(t, path, options)
			if err := again.OpenAt(context.Background(), b.After); err != nil {
				t.Fatal(err)
			}
			got, err := rest(again)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, lines(got), want[read:]...)
		}
	}
}

func TestHeaderIsNotGuessed(t *testing.T) {
	for name, rows := range map[string]string{
		"a name twice":          inline(1, "id", "mail", "mail") + inline(2, "a", "b", "c"),
		"an address":            inline(1, "Ann", "ann@example.com") + inline(2, "Bob", "Bern"),
		"a number":              inline(1, "Ann", "7", "x") + inline(2, "Bob", "Bern", "y"),
		"one inside another":    inline(1, "a", "a.b") + inline(2, "1", "2"),
		"a number cell":         `<row r="1"><c t="str"><v>id</v></c><c><v>2</v></c></row>` + inline(2, "a", "b"),
		"the same name, merged": inline(1, "phone", "", "phone_2") + inline(2, "1", "2", "3"),
	} {
		sheet := handSheet{name: "S", rows: rows, after: `<mergeCells><mergeCell ref="A1:B1"/></mergeCells>`}
		_, err := tryAll(source(t, handBook{sheets: []handSheet{sheet}}.write(t), nil))
		if err == nil || !strings.Contains(err.Error(), "header]") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHiddenIsReported(t *testing.T) {
	var log strings.Builder
	path := handBook{sheets: []handSheet{{name: "S", before: `<cols><col min="2" max="5" hidden="1"/></cols>`,
		rows: inline(1, "id", "mail") + strings.Replace(inline(2, "1", "m"), "<row ", `<row hidden="true" `, 1) + inline(3, "2", "n")}}}.write(t)
	s := source(t, path, nil)
	s.env.Log = slog.New(slog.NewTextHandler(&log, nil))
	readAll(t, s)
	if !strings.Contains(log.String(), "rows=1 columns=1 read=true") {
		t.Error(log.String())
	}
}

func TestWhatIsLeftOutIsReported(t *testing.T) {
	data := inline(1, "id", "mail") + inline(2, "1", "m") + inline(3, "2", "") + inline(4, "3", "n")
	for _, test := range []struct {
		name    string
		sheets  []handSheet
		options map[string]any
		want    string // nothing where it is empty
	}{
		{"another sheet", []handSheet{{name: "Help", rows: inline(1, "Fill in Staff")}, {name: "Staff", rows: data}, {name: "Old", state: "hidden", rows: data}}, nil,
			`msg="the workbook has sheets that are not read; name them with sheet" file=users.xlsx read=Help sheets="Staff, Old (hidden)"`},
		{"all sheets", []handSheet{{name: "A", rows: data}, {name: "B", rows: data}}, map[string]any{"sheet": []string{"all"}}, ""},
		{"a sheet that was named", []handSheet{{name: "A", rows: data}, {name: "B", rows: data}}, map[string]any{"sheet": []string{"B"}}, ""},
		{"merged records", []handSheet{{name: "S", rows: data, after: `<mergeCells count="3"><mergeCell ref="B2:B3"/><mergeCell ref="A3:A4"/><mergeCell ref="E3:F4"/></mergeCells>`}}, nil,
			`msg="the sheet has merged cells among the records: their value is in the first record alone" sheet=users.xlsx!S merged=2 first=B2:B3`},
		{"a merged title", []handSheet{{name: "S", rows: inline(1, "Users") + inline(2, "id", "mail") + inline(3, "1", "m"), after: `<mergeCells><mergeCell ref="A1:B1"/></mergeCells>`}}, nil, ""},
		{"merged within a record", []handSheet{{name: "S", rows: data, after: `<mergeCells><mergeCell ref="B3:C3"/></mergeCells>`}}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log strings.Builder
			s := source(t, handBook{sheets: test.sheets}.write(t), test.options)
			s.env.Log = slog.New(slog.NewTextHandler(&log, nil))
			readAll(t, s)
			if test.want == "" && log.Len() > 0 || !strings.Contains(log.String(), test.want) {
				t.Errorf("%s\nwant %s", log.String(), test.want)
			}
		})
	}
}

func TestPartsInUTF16(t *testing.T) {
	parts := simple().parts()
	for name, text := range parts {
		encoded, err := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		parts[name] = encoded
	}
	expect(t, lines(readAll(t, source(t, writeZip(t, parts), nil))), `users.xlsx!Sheet1:2 {"id":"1","mail":"m"}`)
}

// TestNoTemporaryFileHasAName: a kill would leave it behind, with everybody in it.
func TestNoTemporaryFileHasAName(t *testing.T) {
	content, err := os.ReadFile(handBook{sheets: []handSheet{{name: "A", rows: inline(1, "x") + inline(2, "a")}}}.write(t))
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(content); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	s := source(t, writeFile(t, "users.xlsx.gz", packed.Bytes()), nil)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, err := s.Next(t.Context(), 1); err != nil || len(b.Records) != 1 {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("%v %v", err, left)
	}
}
