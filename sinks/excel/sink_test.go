package excelsink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	excelsink "github.com/usher-id/usher/sinks/excel"
	excelsource "github.com/usher-id/usher/sources/excel"
	"github.com/usher-id/usher/value"
)

// read gives the records of a workbook as JSON.
func read(t *testing.T, path, options string) []string {
	t.Helper()
	s := acceptance.NewSource(t, excelsource.Type, pipeline.Env{}, fmt.Sprintf("{path: %s, sheet: all%s}", path, options))
	defer s.Close()
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	var all []string
	for {
		b, err := s.Next(context.Background(), 1000)
		if err != nil {
			return all
		}
		for i := range b.Records {
			if !b.Records[i].Open() {
				t.Errorf("%s failed: %v", b.Records[i].Ref, b.Records[i].Outcome.Errors)
			}
			all = append(all, string(value.AppendJSON(nil, b.Records[i].Source)))
		}
	}
}

func TestAcceptance(t *testing.T) {
	acceptance.Sink(t, acceptance.SinkCase{
		Target: func(t *testing.T) acceptance.Target {
			dir := t.TempDir()
			path := filepath.Join(dir, "users.xlsx")
			return acceptance.Target{
				New:  func() pipeline.Sink { return acceptance.NewSink(t, excelsink.Type, pipeline.Env{}, "{path: "+path+"}") },
				Dir:  dir,
				Read: func() []string { return read(t, path, "") },
			}
		},
		Records: []string{
			`{"id":"007","email":"a@x.io","points":1,"meta":{"lang":"zh","tags":["a"]}}`,
			`{"id":"008","active":true}`,
			`{"id":"009","points":2.5,"meta":{"lang":null,"plan":"gold"},"password":"hunter2-secret"}`,
			`{"id":"010","email":"","late":"x"}`,
			`{"id":"011","points":1234567890123456789}`,
		},
		Want: []string{
			`{"id":"007","email":"a@x.io","points":1,"meta":{"lang":"zh","tags":"[\"a\"]"}}`,
			`{"id":"008","active":true}`,
			`{"id":"009","points":2.5,"meta":{"plan":"gold"},"password":"hunter2-secret"}`,
			`{"id":"010","late":"x"}`,
			`{"id":"011","points":"1234567890123456789"}`,
		},
		Unopenable: func(t *testing.T) pipeline.Sink {
			return acceptance.NewSink(t, excelsink.Type, pipeline.Env{}, "{path: "+filepath.Join(t.TempDir(), "no", "users.xlsx")+"}")
		},
		Secrets: []string{"hunter2-secret"},
	})
}

// write has a sink write records, and gives it back open.
func write(t *testing.T, s pipeline.Sink, objects ...*value.Object) []pipeline.Record {
	t.Helper()
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Open(context.Background(), pipeline.Run{ID: "r1"}); err != nil {
		t.Fatal(err)
	}
	b := &pipeline.Batch{}
	for i, o := range objects {
		b.Records = append(b.Records, pipeline.Record{Index: int64(i), Source: o, Fields: o})
	}
	if err := s.Write(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	return b.Records
}

func object(pairs ...any) *value.Object {
	o := value.NewObject(len(pairs) / 2)
	for i := 0; i < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

func TestCells(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "users.xlsx")
	shanghai := time.FixedZone("", 8*60*60)
	write(t, acceptance.NewSink(t, excelsink.Type, pipeline.Env{}, "{path: "+path+"}"),
		object("phone", "+8613100000001", "zeros", "007", "formula", "=1+1", "link", "https://example.com", "yes", true, "whole", int64(42), "long", int64(1234567890123456), "float", 0.1,
			"decimal", value.Number("1.10"), "at", time.Date(2024, 2, 29, 16, 30, 0, 0, shanghai), "millis", time.Date(2024, 2, 29, 8, 30, 0, 123e6, time.UTC),
			"nanos", time.Date(2024, 2, 29, 8, 30, 0, 1, time.UTC), "old", time.Date(1899, 1, 1, 0, 0, 0, 0, time.UTC), "bytes", []byte("ab"), "spaces", " a ", "lines", "a\r\nb\tc", "escape", "_x0041_ & <b>", "hash", value.Secret("hunter2")))
	f, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string][3]string{ // type, raw value, shown value
		"phone": {"inline", "+8613100000001", ""}, "zeros": {"inline", "007", ""}, "formula": {"inline", "=1+1", ""}, "link": {"inline", "https://example.com", ""},
		"yes": {"bool", "1", "TRUE"}, "whole": {"number", "42", "42"}, "long": {"inline", "1234567890123456", ""}, "float": {"number", "0.1", "0.1"}, "decimal": {"inline", "1.10", ""},
		"at": {"number", "", "2024-02-29 08:30:00"}, "millis": {"number", "", ""}, "nanos": {"inline", "2024-02-29T08:30:00.000000001Z", ""},
		"old": {"inline", "1899-01-01T00:00:00Z", ""}, "bytes": {"inline", "YWI=", ""}, "spaces": {"inline", " a ", ""}, "escape": {"inline", "_x0041_ & <b>", ""}, "hash": {"inline", "REDACTED", ""},
	}
	kinds := map[excelize.CellType]string{excelize.CellTypeInlineString: "inline", excelize.CellTypeBool: "bool", excelize.CellTypeUnset: "number", excelize.CellTypeNumber: "number"}
	for col := 1; ; col++ {
		head, _ := excelize.CoordinatesToCellName(col, 1)
		name, _ := f.GetCellValue("Users", head)
		if name == "" {
			break
		}
		w, ok := want[name]
		if !ok {
			continue
		}
		cell, _ := excelize.CoordinatesToCellName(col, 2)
		kind, _ := f.GetCellType("Users", cell)
		raw, _ := f.GetCellValue("Users", cell, excelize.Options{RawCellValue: true})
		shown, _ := f.GetCellValue("Users", cell)
		if kinds[kind] != w[0] || w[1] != "" && raw != w[1] || w[2] != "" && shown != w[2] {
			t.Errorf("%s: %v %q %q, want %v", name, kind, raw, shown, w)
		}
		if formula, _ := f.GetCellFormula("Users", cell); formula != "" {
			t.Errorf("%s is a formula", name)
		}
		id, _ := f.GetColStyle("Users", strings.TrimRight(cell, "2"))
		style, _ := f.GetStyle(id)
		if isText := style.NumFmt == 49; isText != (w[0] == "inline") {
			t.Errorf("%s: the column is text: %v", name, isText)
		}
		headStyle, _ := f.GetCellStyle("Users", head)
		if s, _ := f.GetStyle(headStyle); s.Font == nil || !s.Font.Bold {
			t.Errorf("the header %s is not bold", name)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
	if panes, err := f.GetPanes("Users"); err != nil || !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("the header is not frozen: %+v %v", panes, err)
	}
	got := read(t, path, "")
	const again = `{"phone":"+8613100000001","zeros":"007","formula":"=1+1","link":"https://example.com","yes":true,"whole":42,"long":"1234567890123456","float":0.1,"decimal":"1.10",` +
		`"at":"2024-02-29T08:30:00Z","millis":"2024-02-29T08:30:00.123Z","nanos":"2024-02-29T08:30:00.000000001Z","old":"1899-01-01T00:00:00Z","bytes":"YWI=","spaces":" a ","lines":"a\nb\tc","escape":"_x0041_ & <b>","hash":"REDACTED"}`
	if len(got) != 1 || got[0] != again {
		t.Errorf("read again\n%s\nwant\n%s", got, again)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("files are left: %v", left)
	}
}

func TestUnfit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.xlsx")
	many := value.NewObject(17000)
	for i := range 17000 {
		many.Append(fmt.Sprintf("c%d", i), int64(i))
	}
	records := write(t, acceptance.NewSink(t, excelsink.Type, pipeline.Env{}, "{path: "+path+"}"),
		object("a", "ok"),
		object("a", strings.Repeat("😀", 16384)),
		object("a", strings.Repeat("x", 32767)),
		object("b", "a\x00"), object("a", "\xff"), object("a.b", "1", "a", object("b", "2")), many, object("a", "last"))
	codes := []string{"", "excel.unfit", "", "excel.unfit", "excel.unfit", "excel.same_column", "excel.too_many_columns", ""}
	for i, want := range codes {
		got := ""
		if len(records[i].Outcome.Errors) > 0 {
			got = records[i].Outcome.Errors[0].Code
		}
		if got != want {
			t.Errorf("record %d: %q, want %q", i, got, want)
		}
	}
	want := []string{`{"a":"ok"}`, `{"a":"` + strings.Repeat("x", 32767) + `"}`, `{"a":"last"}`}
	if got := read(t, path, ""); !slices.Equal(got, want) {
		t.Errorf("%d records", len(got))
	}
}

func TestStatedColumns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.xlsx")
	write(t, acceptance.NewSink(t, excelsink.Type, pipeline.Env{}, "{path: "+path+", sheet: 员工, columns: [mail, meta, never, a.b]}"),
		object("id", "1", "mail", "m", "meta", object("x", int64(1)), "a", object("b", "c", "d", "e")), object("mail", "n"))
	f, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := f.GetRows("员工")
	if want := [][]string{{"mail", "meta", "never", "a.b"}, {"m", `{"x":1}`, "", "c"}, {"n"}}; err != nil || fmt.Sprint(rows) != fmt.Sprint(want) {
		t.Errorf("%v %v", rows, err)
	}
}

func TestStandardOutput(t *testing.T) {
	var out bytes.Buffer
	write(t, acceptance.NewSink(t, excelsink.Type, pipeline.Env{Stdout: &out}, "{path: '-'}"), object("a", "1"))
	f, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if v, _ := f.GetCellValue("Users", "A2"); v != "1" {
		t.Error(v)
	}
}

func TestNoTemporaryFileHasAName(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s := acceptance.NewSink(t, excelsink.Type, pipeline.Env{}, "{path: '-'}")
	defer s.Close()
	if err := s.Open(t.Context(), pipeline.Run{ID: "r"}); err != nil {
		t.Fatal(err)
	}
	o := object("a", "1")
	if err := s.Write(t.Context(), &pipeline.Batch{Records: []pipeline.Record{{Source: o, Fields: o}}}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("a kill leaves %v %v", left, err)
	}
	if err := s.Finish(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDamagedRowsAreNotWritten(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	path := filepath.Join(dir, "users.xlsx")
	newSink := func() pipeline.Sink { return acceptance.NewSink(t, excelsink.Type, pipeline.Env{}, "{path: "+path+"}") }
	write(t, newSink(), object("a", "an older workbook"))
	run := pipeline.Run{ID: "r2", StartedAt: time.Now().Add(time.Second)}
	s := newSink()
	if err := s.Open(ctx, run); err != nil {
		t.Fatal(err)
	}
	o := object("a", "value")
	if err := s.Write(ctx, &pipeline.Batch{Records: []pipeline.Record{{Source: o, Fields: o}}}); err != nil {
		t.Fatal(err)
	}
	position, err := s.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	run.Resumed, run.Position = true, position
	rows := filepath.Join(dir, ".users.xlsx.r2.rows")
	text, err := os.ReadFile(rows)
	if err != nil {
		t.Fatal(err)
	}
	open := func() string {
		s := newSink()
		defer s.Close()
		err := s.Open(ctx, run)
		if e := (*pipeline.Error)(nil); errors.As(err, &e) {
			return e.Code
		}
		return fmt.Sprint(err)
	}
	if got := open(); got != "<nil>" {
		t.Error(got)
	}
	for i := range text {
		text[i] ^= 1
		if err := os.WriteFile(rows, text, 0o600); err != nil {
			t.Fatal(err)
		}
		text[i] ^= 1
		if got := open(); got != "file.partial_damaged" {
			t.Errorf("byte %d: %s", i, got)
		}
	}
	if err := os.Remove(rows); err != nil {
		t.Fatal(err)
	}
	if got := open(); got != "file.partial_missing" { // the workbook that is there is another run's
		t.Error(got)
	}
}
