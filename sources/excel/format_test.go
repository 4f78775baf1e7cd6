package excelsource

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

func TestFormats(t *testing.T) {
	for code, want := range map[string]format{
		"General":                     {},
		"GENERAL;[Red]-General":       {},
		"":                            {},
		"0":                           {},
		"0.00":                        {},
		"#,##0.00;[Red]-#,##0.00":     {},
		"0.00E+00":                    {},
		"0.00%":                       {},
		`0" days"`:                    {},
		`"Day "0`:                     {},
		`[$-409]#,##0`:                {},
		"@":                           {class: textual},
		`"Yes";"Yes";"No"`:            {},
		"m/d/yyyy":                    {class: date},
		"[$-F800]dddd, mmmm dd, yyyy": {class: date},
		`yyyy"年"m"月"`:                 {class: date},
		"yyyy年m月d日;@":                 {class: date},
		"mmm-yy":                      {class: date},
		"[$-411]ge.m.d":               {class: date},
		"d\\-mmm":                     {class: date},
		"h:mm AM/PM":                  {class: clock},
		"h:mm a/p":                    {class: clock},
		"mm:ss":                       {class: clock},
		"mm:ss.0":                     {class: clock, fraction: true},
		"hh:mm:ss.000":                {class: clock, fraction: true},
		"上午/下午h时mm分":                  {class: clock},
		"yyyy/m/d h:mm":               {class: moment},
		"yyyy\\-mm\\-dd\\Thh:mm:ss":   {class: moment},
		"m/d/yy h:mm AM/PM":           {class: moment},
		"[$-804]yyyy\"年\"m\"月\"d\"日\" h:mm": {class: moment},
		"[h]:mm:ss":        {class: elapsed},
		"[mm]:ss":          {class: elapsed},
		"00000":            {mask: "00000"},
		"(000) 000\\-0000": {mask: "(000) 000-0000"},
		`"EMP-"0000`:       {mask: "EMP-0000"},
		`"unclosed`:        {},
		"[unclosed":        {},
		"\\":               {},
	} {
		if got := parseFormat(code); got != want {
			t.Errorf("%q: got %+v, want %+v", code, got, want)
		}
	}
	for _, test := range []struct{ mask, digits, want string }{
		{"00000", "42", "00042"}, {"00000", "123456", "123456"}, {"000-0000", "15551234", "1555-1234"}, {"EMP-0000", "7", "EMP-0007"},
	} {
		if got := applyMask(test.mask, test.digits); got != test.want {
			t.Errorf("%s of %s: %s, want %s", test.mask, test.digits, got, test.want)
		}
	}
}

// A workbook that the library writes, with shared and rich texts, is read as the library reads it.
func TestAgainstTheLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	letters := []rune("abc äß中文😀 \n\t<&>\"'_x0041_=+-0123456789")
	f := excelize.NewFile()
	defer f.Close()
	const columns, rows = 9, 300
	for col := range columns {
		if err := f.SetCellStr("Sheet1", cellName(col, 1), "col"+columnName(col)); err != nil {
			t.Fatal(err)
		}
	}
	for row := 2; row < rows; row++ {
		for col := range columns {
			cell := cellName(col, row)
			var err error
			switch random.IntN(6) {
			case 0: // nothing
			case 1:
				err = f.SetCellInt("Sheet1", cell, random.Int64N(1e15)-5e14)
			case 2:
				err = f.SetCellRichText("Sheet1", cell, []excelize.RichTextRun{{Text: "a "}, {Text: "b<&>", Font: &excelize.Font{Bold: true}}})
			default:
				s := make([]rune, 1+random.IntN(20))
				for i := range s {
					s[i] = letters[random.IntN(len(letters))]
				}
				err = f.SetCellStr("Sheet1", cell, "x"+string(s)+"x")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	var buf bytes.Buffer
	if err := f.Write(&buf); err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, "users.xlsx", buf.Bytes())
	library, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer library.Close()
	for _, inMemory := range []int64{0, 16 << 20} {
		s := source(t, path, map[string]any{"shared_strings": inMemory})
		if err := s.Open(context.Background()); err != nil {
			t.Fatal(err)
		}
		for {
			b, err := s.Next(context.Background(), 50)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range b.Records {
				compare(t, library, &b.Records[i], columns)
			}
		}
	}
}

func compare(t *testing.T, library *excelize.File, r *pipeline.Record, columns int) {
	t.Helper()
	for col := range columns {
		cell := cellName(col, int(r.Ref.Line))
		want, err := library.GetCellValue("Sheet1", cell, excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatal(err)
		}
		v, _ := r.Source.Get("col" + columnName(col))
		got, isText := v.(string)
		if !isText && v != nil {
			got = string(value.AppendJSON(nil, v))
		}
		if got != want {
			t.Errorf("%s: %q, the library has %q", cell, got, want)
		}
	}
}
