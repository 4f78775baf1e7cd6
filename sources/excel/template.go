package excelsource

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
	"github.com/xuri/excelize/v2"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// presetColumn is a column of the import template: the organisation template of Authing (its guide to connections by
// Excel), of which each column goes to a field of the canonical user.
type presetColumn struct {
	field    string
	as       valueType
	provider string           // of a linked identity
	adapt    func(string) any // of texts, if they are not taken as they are
	names    [2]string        // in the header: Chinese, English
	also     []string         // other names, as normal gives them
	notes    [2]string        // what to write there
	choices  [2][]string      // the only texts allowed
	examples [2][2]string     // by language, by row
	width    float64
}

// list reports whether several columns make one list.
func (p *presetColumn) list() bool { return p != nil && p.provider != "" }

var presetColumns = []presetColumn{
	{field: "nickname", as: asString, names: [2]string{"昵称", "Nickname"}, width: 16,
		notes:    [2]string{"选填，可以重复。", "Optional; need not be unique."},
		examples: [2][2]string{{"小王", "小李"}, {"Ann", "Bob"}}},
	{field: "preferred_username", as: asString, names: [2]string{"用户名", "Username"}, width: 18,
		notes:    [2]string{"选填，不可重复。", "Optional; unique."},
		examples: [2][2]string{{"wang.xiaoming", "li.lei"}, {"ann.lee", "bob.ray"}}},
	{field: "email", as: asString, names: [2]string{"邮箱", "Email"}, also: []string{"电子邮箱", "邮箱地址", "电子邮件", "emailaddress", "mail"}, width: 26,
		notes:    [2]string{"邮箱和手机号至少填一项，不可重复。", "Email or phone is required; unique."},
		examples: [2][2]string{{"wang@example.com", "li@example.com"}, {"ann@example.com", "bob@example.com"}}},
	{field: "email_verified", as: asBool, names: [2]string{"邮箱是否验证", "Email Verified"}, also: []string{"邮箱是否已验证", "邮箱已验证", "isemailverified"}, width: 16,
		notes:    [2]string{"是 或 否。", "Yes or No."},
		choices:  [2][]string{{"是", "否"}, {"Yes", "No"}},
		examples: [2][2]string{{"是", "否"}, {"Yes", "No"}}},
	{field: "phone_number", as: asString, names: [2]string{"手机号", "Phone"}, also: []string{"手机", "手机号码", "phonenumber", "mobile", "mobilephone", "mobilenumber"}, width: 18,
		notes:    [2]string{"邮箱和手机号至少填一项，不可重复。本列为文本格式，请不要改成数字。", "Email or phone is required; unique. The column is text: do not turn it into numbers."},
		examples: [2][2]string{{"13100000001", "+8613100000002"}, {"+14155550101", "+14155550102"}}},
	{field: "identities", as: asString, provider: "unionid", names: [2]string{"unionid", "unionid"}, width: 20,
		notes: [2]string{"选填，外部系统的 unionid，不可重复。", "Optional; the union id in an external system; unique."}},
	{field: "identities", as: asString, provider: "openid", names: [2]string{"openid", "openid"}, width: 20,
		notes: [2]string{"选填，外部系统的 openid，不可重复。", "Optional; the open id in an external system; unique."}},
	{field: "password.plain", as: asString, names: [2]string{"密码", "Password"}, width: 18,
		notes: [2]string{"选填，明文密码，导入时加密保存。导入后请删除本文件。", "Optional; the password in plain text, hashed on import. Delete this file afterwards."}},
	{field: "custom_attributes.company", as: asString, names: [2]string{"公司", "Company"}, width: 20,
		notes:    [2]string{"选填。", "Optional."},
		examples: [2][2]string{{"示例公司", "示例公司"}, {"Example Ltd", "Example Ltd"}}},
	{field: "gender", as: asString, adapt: adaptGender, names: [2]string{"性别", "Gender"}, also: []string{"sex"}, width: 10,
		notes:    [2]string{"M 男，W 女，U 未知。", "M male, W female, U unknown."},
		choices:  [2][]string{{"M", "W", "U"}, {"M", "W", "U"}},
		examples: [2][2]string{{"M", "W"}, {"W", "M"}}},
	{field: "disabled", as: asBool, names: [2]string{"是否被禁用", "Disabled"}, also: []string{"是否禁用", "已禁用", "isdisabled"}, width: 14,
		notes:    [2]string{"是 或 否。", "Yes or No."},
		choices:  [2][]string{{"是", "否"}, {"Yes", "No"}},
		examples: [2][2]string{{"否", "否"}, {"No", "No"}}},
	{field: "custom_attributes.department", as: asString, names: [2]string{"部门", "Department"}, also: []string{"部门路径", "departmentpath"}, width: 28,
		notes:    [2]string{"选填，从大到小用 / 分隔，第一段是根部门。", "Optional; from largest to smallest, divided by /; the first part is the root."},
		examples: [2][2]string{{"示例公司/研发部/平台组", "示例公司/市场部"}, {"Example Ltd/Engineering/Platform", "Example Ltd/Marketing"}}},
}

var presetByName = func() map[string]*presetColumn {
	m := map[string]*presetColumn{}
	for i := range presetColumns {
		p := &presetColumns[i]
		own := p.provider
		if own == "" {
			own = p.field[strings.LastIndexByte(p.field, '.')+1:]
		}
		for _, name := range append([]string{p.names[0], p.names[1], own, p.field}, p.also...) {
			if p.provider == "" || name != p.field {
				m[normal(name)] = p
			}
		}
	}
	delete(m, "plain")
	return m
}()

// recognise gives the column of the template that a header means, or nil.
func recognise(header string) *presetColumn { return presetByName[normal(header)] }

// normal leaves of a header what two people would write the same: no case, spaces, marks of what is required, or
// explanations in brackets.
func normal(header string) string {
	var b strings.Builder
	depth := 0
	for _, r := range strings.ToLower(header) {
		switch r {
		case '(', '（', '[', '【':
			depth++
		case ')', '）', ']', '】':
			depth = max(0, depth-1)
		case ' ', '\u00a0', '\u3000', '\t', '*', '＊', '_', '-', ':', '：', '.', '?', '？':
		default:
			if depth == 0 {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// preset gives the value that a column of the template has in the canonical user, or nil for none.
func (v *converter) preset(o *value.Object, val any) any {
	p := v.column.preset
	s, isText := val.(string)
	if !isText {
		return val
	}
	s = strings.TrimSpace(s)
	if p.field == "password.plain" {
		return val // spaces may be part of it
	}
	if isErrorText(s) {
		return val
	}
	if p.provider != "" {
		list, _ := o.Get(p.field)
		linked, _ := list.([]any)
		o.Set(p.field, append(linked, value.ObjectOf(value.Member{Name: "provider", Value: p.provider}, value.Member{Name: "subject", Value: s})))
		return nil
	}
	if p.field == "phone_number" {
		return v.phone(s)
	}
	if p.adapt != nil {
		return p.adapt(s)
	}
	return s
}

// phone gives a number in E.164 form. The record of one that is none fails.
func (v *converter) phone(s string) any {
	n, err := phonenumbers.Parse(s, v.region)
	if err != nil || !phonenumbers.IsValidNumber(n) {
		if slices.ContainsFunc(v.record.Outcome.Errors, func(p pipeline.Problem) bool { return p.Field == v.column.name }) {
			return s // it is said already what is wrong with the cell
		}
		v.record.Fail(v.problem("excel.bad_phone_number", "is no phone number that there can be, of %s where it names no country; write it with its country, such as +86 131 0000 0001", v.region))
		return s
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

// adaptGender gives the words of OpenID Connect for the codes of the template. Other systems of the same maker use F for
// female; in the template it is W.
func adaptGender(s string) any {
	switch strings.ToLower(s) {
	case "m", "male", "男", "男性":
		return "male"
	case "w", "f", "female", "女", "女性":
		return "female"
	case "u", "unknown", "未知", "保密":
		return nil
	}
	return s
}

// Languages are the languages of the import template.
var Languages = []string{"zh", "en"}

// templateRows is how many rows of the template have drop-downs: as many as a sheet has.
const templateRows = excelize.TotalRows

// WriteTemplate writes the workbook that people fill in, in Chinese (zh) or English (en). A source with `template: authing`
// reads it, in either language.
func WriteTemplate(w io.Writer, lang string) error {
	l := -1
	for i, known := range Languages {
		if known == lang {
			l = i
		}
	}
	if l < 0 {
		return &pipeline.Error{Code: "excel.bad_language", Message: fmt.Sprintf("there is no template in %q", lang), Hint: "take zh or en"}
	}
	t := templateWriter{f: excelize.NewFile(), lang: l}
	defer t.f.Close()
	t.users()
	t.help()
	if t.err != nil {
		return fmt.Errorf("write the template: %w", t.err)
	}
	return t.f.Write(w)
}

// templateWriter keeps the first error.
type templateWriter struct {
	f    *excelize.File
	lang int
	err  error
}

func (t *templateWriter) do(err error) {
	if t.err == nil {
		t.err = err
	}
}

func (t *templateWriter) style(s excelize.Style) int {
	id, err := t.f.NewStyle(&s)
	t.do(err)
	return id
}

func (t *templateWriter) users() {
	sheet := [2]string{"用户", "Users"}[t.lang]
	t.do(t.f.SetSheetName("Sheet1", sheet))
	header := t.style(excelize.Style{Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"DDEBF7"}},
		Alignment: &excelize.Alignment{Vertical: "center"}, NumFmt: 49})
	plain := t.style(excelize.Style{NumFmt: 49}) // text: ids and phone numbers keep every digit
	for i := range presetColumns {
		p := &presetColumns[i]
		name := columnName(i)
		t.do(t.f.SetColWidth(sheet, name, name, p.width))
		t.do(t.f.SetColStyle(sheet, name, plain))
		t.do(t.f.SetCellStr(sheet, name+"1", p.names[t.lang]))
		t.do(t.f.AddComment(sheet, excelize.Comment{Cell: name + "1", Author: "usher", Width: 260, Height: 90, Text: p.notes[t.lang]}))
		for row, example := range p.examples[t.lang] {
			cell := cellName(i, row+2)
			t.do(t.f.SetCellStyle(sheet, cell, cell, plain))
			if example != "" {
				t.do(t.f.SetCellStr(sheet, cell, example))
			}
		}
		if choices := p.choices[t.lang]; len(choices) > 0 {
			v := excelize.NewDataValidation(true)
			v.SetSqref(fmt.Sprintf("%s2:%s%d", name, name, templateRows))
			t.do(v.SetDropList(choices))
			v.SetError(excelize.DataValidationErrorStyleStop, p.names[t.lang], p.notes[t.lang])
			t.do(t.f.AddDataValidation(sheet, v))
		}
	}
	t.do(t.f.SetCellStyle(sheet, "A1", columnName(len(presetColumns)-1)+"1", header))
	t.do(t.f.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}))
}

// help is a second sheet that says what each column is for.
func (t *templateWriter) help() {
	sheet := [2]string{"说明", "Help"}[t.lang]
	_, err := t.f.NewSheet(sheet)
	t.do(err)
	bold := t.style(excelize.Style{Font: &excelize.Font{Bold: true}})
	wrapped := t.style(excelize.Style{Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}})
	t.do(t.f.SetColWidth(sheet, "A", "A", 20))
	t.do(t.f.SetColWidth(sheet, "B", "B", 80))
	rows := [][2]string{
		[2][2]string{{"列", "说明"}, {"Column", "What to write"}}[t.lang],
	}
	for i := range presetColumns {
		rows = append(rows, [2]string{presetColumns[i].names[t.lang], presetColumns[i].notes[t.lang]})
	}
	rows = append(rows, [2][2]string{
		{"示例", "第 2、3 行是示例，导入前请删除。列的顺序可以改变，不用的列可以删除。"},
		{"Examples", "Rows 2 and 3 are examples: delete them before the import. Columns may be moved, and deleted if not needed."},
	}[t.lang])
	for i, r := range rows {
		t.do(t.f.SetCellStr(sheet, cellName(0, i+1), r[0]))
		t.do(t.f.SetCellStr(sheet, cellName(1, i+1), r[1]))
		t.do(t.f.SetCellStyle(sheet, cellName(1, i+1), cellName(1, i+1), wrapped))
	}
	t.do(t.f.SetCellStyle(sheet, "A1", "B1", bold))
}
