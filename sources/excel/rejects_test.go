package excelsource

import (
	"os"
	"strings"
	"testing"

	"github.com/usher-id/usher/value"
)

// rejectsOf writes all records as rejects.
func rejectsOf(t *testing.T, s *Source) string {
	t.Helper()
	var out []byte
	records := readAll(t, s)
	for i := range records {
		out = s.AppendReject(out, int64(i), &records[i])
	}
	return writeFile(t, "rejects.csv", append(out, s.RejectsEnd(int64(len(records)))...))
}

// valuesOf shows values, and what is wrong with them.
func valuesOf(t *testing.T, s *Source) []string {
	t.Helper()
	all := lines(readAll(t, s))
	for i := range all {
		_, all[i], _ = strings.Cut(all[i], " ")
	}
	return all
}

func TestRejectsComeBackAsTheyWere(t *testing.T) {
	rows := inline(1, "phone", "points", "remark", "active", "born", "tags.first") +
		`<row r="2">` + num("A2", "0", "13100000001") + num("B2", "0", "42") + `<c r="C2" t="str"><v>0042</v></c><c r="D2" t="b"><v>1</v></c>` + num("E2", styleDate, "45351") + `<c r="F2" t="str"><v>x, "y"` + "\n" + `z</v></c></row>` +
		`<row r="3">` + num("A3", "0", "7") + num("B3", "0", "1.10") + `<c r="C3" t="str"><v>TRUE</v></c><c r="D3" t="b"><v>0</v></c><c r="E3" t="e"><v>#DIV/0!</v></c></row>` +
		`<row r="4"><c r="A4" t="str"><v>1.31E+10</v></c>` + num("B4", "0", "1234567890123456789") + `<c r="C4" t="str"><v>=1+1</v></c><c r="D4" t="str"><v>#N/A</v></c>` + num("E4", styleDate, "60") + `</row>` +
		`<row r="5"><c r="A5" t="str"><v>007</v></c>` + num("B5", "0", "1E-60") + `<c r="C5" t="str"><v>''7</v></c><c r="D5" t="str"><v>'</v></c><c r="E5"><f>A1</f></c></row>` +
		`<row r="6"><c r="A6" t="str"><v>p</v></c>` + num("B6", "0", "-0.5") + `<c r="C6" t="str"><v> padded </v></c><c r="D6" t="str"><v>true</v></c></row>`
	s := source(t, handBook{styles: testStyles, sheets: []handSheet{{name: "S", rows: rows}}}.write(t), nil)
	path := rejectsOf(t, s)
	want := valuesOf(t, s)
	again := s.ReadRejects(path).(*Source)
	defer again.Close()
	for i := range want {
		want[i] = strings.NewReplacer("excel.bad_date", "excel.error_cell", "excel.not_calculated", "excel.error_cell").Replace(want[i])
	}
	expect(t, valuesOf(t, again), want...)

	// Rejects of rejects.
	twice := rejectsOf(t, again)
	a, _ := os.ReadFile(path)
	b, _ := os.ReadFile(twice)
	if string(a) != string(b) {
		t.Errorf("the second rejects differ:\n%s\n%s", a, b)
	}
}

func TestRejectsOfTheTemplate(t *testing.T) {
	path := handBook{sheets: []handSheet{
		{name: "甲", rows: inline(1, "手机号", "昵称", "性别", "unionid", "openid", "密码", "是否被禁用", "工号") + inline(2, "13100000001", "小王", "W", "u1", "o1", " 123456", "是", "007")},
		{name: "B", rows: inline(1, "Nickname", "Email", "Disabled") + inline(2, "Ann", "ann@example.com", "maybe")},
	}}.write(t)
	s := source(t, path, map[string]any{"template": "authing", "sheet": []string{"all"}})
	want := []string{
		`{"phone_number":"+8613100000001","nickname":"小王","gender":"female","identities":[{"provider":"unionid","subject":"u1"},{"provider":"openid","subject":"o1"}],"password":{"plain":" 123456"},"disabled":true,"custom_attributes":{"工号":"007"}}`,
		`{"nickname":"Ann","email":"ann@example.com","disabled":"maybe"} !excel.bad_value(disabled)`,
	}
	expect(t, valuesOf(t, s), want...)
	again := s.ReadRejects(rejectsOf(t, s)).(*Source)
	defer again.Close()
	records := readAll(t, again)
	for i, r := range records {
		for name, v := range r.Source.All() {
			first, _ := value.ParseJSON([]byte(want[i][:strings.LastIndex(want[i], "}")+1]))
			w, _ := first.(*value.Object).Get(name)
			if got, want := string(value.AppendJSON(nil, v)), string(value.AppendJSON(nil, w)); got != want {
				t.Errorf("%s: got %s, want %s", name, got, want)
			}
		}
	}
	if len(records) != 2 || records[1].Open() {
		t.Errorf("%d records, the second must fail", len(records))
	}
}
