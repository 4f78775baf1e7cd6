package profile

import (
	"fmt"
	"slices"
	"strings"
)

// Kinds names the kinds of values beside null, the most frequent first.
func (f *Field) Kinds() string {
	var names []string
	for _, t := range f.Types {
		if t.Name != "null" || len(f.Types) == 1 {
			names = append(names, t.Name)
		}
	}
	return strings.Join(names, ", ")
}

// Describe says in one line what a field looks like. It shows no value of a personal or secret field.
func (f *Field) Describe() string {
	var parts []string
	if f.Identifier && !f.Secret {
		parts = append(parts, "could identify")
	}
	if f.Personal != "" {
		parts = append(parts, "personal: "+f.Personal)
	}
	switch {
	case len(f.Hashes) > 0 && f.Hashes[0].Certain:
		for _, h := range f.Hashes {
			parts = append(parts, fmt.Sprintf("password hash %s%s", h.Format, f.part(h.Count)))
		}
	case len(f.Hashes) > 0:
		names := make([]string, 0, len(f.Hashes))
		for _, h := range f.Hashes {
			names = append(names, h.Format)
		}
		parts = append(parts, "password hash, of "+listed(names, 4))
	case f.Secret:
		parts = append(parts, "secret")
	}
	for _, found := range f.Formats {
		if found.Count*5 < int64(f.Looked) || found.Name == formatBool && found.Count < int64(f.Looked) {
			continue // chance
		}
		parts = append(parts, strings.ReplaceAll(found.Name, "_", " ")+f.part(found.Count))
	}
	if len(f.Values) > 0 {
		values := make([]string, len(f.Values))
		for i, v := range f.Values {
			values[i] = clean(v)
		}
		parts = append(parts, "values: "+strings.Join(values, ", "))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// part says how many of the values looked at it were, if not all.
func (f *Field) part(n int64) string {
	if n == int64(f.Looked) {
		return ""
	}
	return fmt.Sprintf(" (%d of %d)", n, f.Looked)
}

// templateNames are the columns of the Excel import template, in both its languages.
var templateNames = [2][]string{
	{"昵称", "用户名", "邮箱", "邮箱是否验证", "手机号", "unionid", "openid", "密码", "公司", "性别", "是否被禁用", "部门"},
	{"Nickname", "Username", "Email", "Email Verified", "Phone", "unionid", "openid", "Password", "Company", "Gender", "Disabled", "Department"},
}

// IsTemplate reports whether the fields are columns of the import template: half of them and no other, or most of them
// with some that were added. Columns that nobody filled in are not seen.
func IsTemplate(p *Profile) bool {
	for _, names := range templateNames {
		known := 0
		for _, f := range p.Fields {
			if slices.Contains(names, f.Name) {
				known++
			}
		}
		if known*2 >= len(names) && known == len(p.Fields) || known*4 >= len(names)*3 {
			return true
		}
	}
	return false
}
