package excelsource

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/usher-id/usher/value"
)

// valueType is what the values of a column are read as.
type valueType uint8

const (
	asAuto valueType = iota // as the cell has it
	asString
	asInt
	asNumber
	asBool
	asDate
	asTime
	asJSON
)

var typeNames = []string{"auto", "string", "int", "number", "bool", "date", "time", "json"}

// column is one column of a table.
type column struct {
	index  int    // in the sheet, from 0
	header string // as the sheet has it
	// name is the field's, dotted where it is nested, and path its parts.
	name string
	path []string
	as   valueType
	// guessed says that as is string for nothing but the name, which also phone_number_verified has.
	guessed bool
	preset  *presetColumn
}

// table is where the records of one sheet are and what they consist of.
type table struct {
	file, sheet int
	origin      string // users.xlsx!Sheet1
	first       int    // number of the first row of data
	columns     []column
	byIndex     []int // of a sheet's column: which of columns, or -1
}

// columnAt gives the column of a cell, or nil where the header has nothing.
func (t *table) columnAt(index int) *column {
	if index >= len(t.byIndex) || t.byIndex[index] < 0 {
		return nil
	}
	return &t.columns[t.byIndex[index]]
}

// add adds a column; it complains of a name that is there, or that lies inside another.
func (t *table) add(c column) error {
	for i := range t.columns {
		other := &t.columns[i]
		n := min(len(other.path), len(c.path))
		if c.preset.list() && other.preset.list() && other.preset != c.preset || !slices.Equal(other.path[:n], c.path[:n]) {
			continue
		}
		if len(other.path) == len(c.path) {
			return fmt.Errorf("has two columns for %s: %s and %s", c.name, columnName(other.index), columnName(c.index))
		}
		return fmt.Errorf("has the columns %q and %q, of which one would lie inside the other", other.header, c.header)
	}
	for len(t.byIndex) <= c.index {
		t.byIndex = append(t.byIndex, -1)
	}
	t.byIndex[c.index] = len(t.columns)
	t.columns = append(t.columns, c)
	return nil
}

// dotted divides a dotted name.
func dotted(name string) []string {
	path := strings.Split(name, ".")
	if slices.Contains(path, "") {
		return []string{name} // no path, though it has a dot
	}
	return path
}

// set gives a field its value. The objects on the way belong to the record that is being made.
func set(o *value.Object, path []string, v any) {
	for ; len(path) > 1; path = path[1:] {
		child, _ := o.Get(path[0])
		inner, ok := child.(*value.Object)
		if !ok {
			inner = value.NewObject(4)
			o.Append(path[0], inner)
		}
		o = inner
	}
	o.Append(path[0], v)
}

func get(o *value.Object, path []string) (any, bool) {
	for ; len(path) > 1; path = path[1:] {
		v, _ := o.Get(path[0])
		var ok bool
		if o, ok = v.(*value.Object); !ok {
			return nil, false
		}
	}
	return o.Get(path[0])
}

// Words of column names whose values are texts, also where they consist of digits: what a person is called and reached by.
var (
	textWords = wordSet("id uid uuid guid key phone mobile tel telephone cell cellphone handphone msisdn fax whatsapp wechat weixin qq " +
		"zip zipcode postcode postal code account acct card ssn passport name username login nickname nick alias password passwd pwd passcode pin " +
		"hash salt token secret openid unionid userid accountid customerid memberid employeeid clientid externalid legacyid phonenumber phoneno " +
		"mobilephone mobileno cardno employeeno studentno iban licence license barcode serial sn imei mac ip contact telefon telefono telefone celular movil handy rufnummer")
	lastWords = wordSet("no number num nr") // only at the end: phone number, not number of logins
	textParts = []string{"手机", "电话", "联系", "传真", "编号", "工号", "学号", "账号", "帐号", "账户", "卡号", "证件", "身份证", "护照", "邮编", "号码", "代码",
		"用户名", "登录名", "昵称", "姓名", "名称", "密码", "微信", "電話", "携帯", "郵便", "番号", "名前", "氏名", "パスワード", "전화", "휴대", "이름", "번호"}
)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

// namesText reports whether a column of this name holds texts that may look like numbers.
func namesText(header string) bool {
	for _, part := range textParts {
		if strings.Contains(header, part) {
			return true
		}
	}
	words := words(header)
	for i, w := range words {
		if textWords[w] || i > 0 && i == len(words)-1 && lastWords[w] {
			return true
		}
	}
	return false
}

// words divides userId, user_id and "User ID" into the same two words.
func words(s string) []string {
	var out []string
	var word []rune
	runes := []rune(s)
	for i, r := range runes {
		upper := unicode.IsUpper(r)
		boundary := upper && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(runes[i-1]))
		if !unicode.IsLetter(r) || boundary {
			if len(word) > 0 {
				out, word = append(out, string(word)), nil
			}
			if !unicode.IsLetter(r) {
				continue
			}
		}
		word = append(word, unicode.ToLower(r))
	}
	if len(word) > 0 {
		out = append(out, string(word))
	}
	return out
}
