package excelsource

import (
	"bytes"
	"testing"

	"github.com/xuri/excelize/v2"
)

func TestTemplateReadsItself(t *testing.T) {
	want := map[string][]string{
		"zh": {
			`users.xlsx!用户:2 {"nickname":"小王","preferred_username":"wang.xiaoming","email":"wang@example.com","email_verified":true,"phone_number":"+8613100000001","custom_attributes":{"company":"示例公司","department":"示例公司/研发部/平台组"},"gender":"male","disabled":false}`,
			`users.xlsx!用户:3 {"nickname":"小李","preferred_username":"li.lei","email":"li@example.com","email_verified":false,"phone_number":"+8613100000002","custom_attributes":{"company":"示例公司","department":"示例公司/市场部"},"gender":"female","disabled":false}`,
		},
		"en": {
			`users.xlsx!Users:2 {"nickname":"Ann","preferred_username":"ann.lee","email":"ann@example.com","email_verified":true,"phone_number":"+14155550101","custom_attributes":{"company":"Example Ltd","department":"Example Ltd/Engineering/Platform"},"gender":"female","disabled":false}`,
			`users.xlsx!Users:3 {"nickname":"Bob","preferred_username":"bob.ray","email":"bob@example.com","email_verified":false,"phone_number":"+14155550102","custom_attributes":{"company":"Example Ltd","department":"Example Ltd/Marketing"},"gender":"male","disabled":false}`,
		},
	}
	for _, lang := range Languages {
		var buf bytes.Buffer
		if err := WriteTemplate(&buf, lang); err != nil {
			t.Fatal(err)
		}
		s := source(t, writeFile(t, "users.xlsx", buf.Bytes()), map[string]any{"template": "authing"})
		expect(t, lines(readAll(t, s)), want[lang]...)

		f, err := excelize.OpenReader(&buf)
		if err != nil {
			t.Fatal(err)
		}
		sheet := f.GetSheetName(0)
		comments, err := f.GetComments(sheet)
		if err != nil || len(comments) != len(presetColumns) {
			t.Errorf("%s: %d comments, %v", lang, len(comments), err)
		}
		lists, err := f.GetDataValidations(sheet)
		if err != nil || len(lists) != 3 {
			t.Errorf("%s: %d drop-downs, %v", lang, len(lists), err)
		}
		for i := range presetColumns {
			id, err := f.GetColStyle(sheet, columnName(i))
			if err != nil {
				t.Fatal(err)
			}
			if style, err := f.GetStyle(id); err != nil || style.NumFmt != 49 {
				t.Errorf("%s: column %s is not text: %v", lang, columnName(i), err)
			}
		}
		_ = f.Close()
	}
	if err := WriteTemplate(&bytes.Buffer{}, "fr"); err == nil {
		t.Error("a language that there is not")
	}
}

func TestTemplateAsPeopleFillIt(t *testing.T) {
	path := handBook{styles: testStyles, sheets: []handSheet{{name: "S", rows: inline(1, "用户导入表（2024）") +
		inline(2, " 手机号码 (必填)", "*性别", "Email Verified", "是否被禁用", "EMAIL", "昵称", "密码", "生日") +
		`<row r="3">` + num("A3", styleScientific, "13100000001") + `<c r="B3" t="str"><v>U</v></c><c r="C3" t="b"><v>1</v></c><c r="D3" t="str"><v>否 </v></c><c r="E3" t="str"><v> a@example.com </v></c>` + num("F3", "0", "7") + num("G3", "0", "123456") + num("H3", styleDate, "36526") + `</row>` +
		`<row r="4"><c r="A4" t="str"><v>12345</v></c><c r="B4" t="str"><v>x</v></c><c r="C4" t="str"><v> </v></c><c r="D4" t="str"><v>不</v></c></row>`}}}.write(t)
	expect(t, lines(readAll(t, source(t, path, map[string]any{"template": "authing"}))),
		`users.xlsx!S:3 {"phone_number":"+8613100000001","email_verified":true,"disabled":false,"email":"a@example.com","nickname":"7","password":{"plain":"123456"},"custom_attributes":{"生日":"2000-01-01"}}`,
		`users.xlsx!S:4 {"phone_number":"12345","gender":"x","disabled":"不"} !excel.bad_phone_number(phone_number) !excel.bad_value(disabled)`)
	_, err := tryAll(source(t, simple().write(t), map[string]any{"template": "authing"}))
	if err == nil {
		t.Error("a sheet without the template's columns was read")
	}
}
