package expression

import (
	"math"
	"sort"
	"strings"
	"time"

	"github.com/usher-id/usher/value"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// method is a method by its name, with what it does for each kind of value that has it.
type method struct {
	arity
	signature string
	doc       string
	text      func(m *machine, s string, args []any) any
	list      func(m *machine, list []any, args []any) any
	object    func(m *machine, o *value.Object, args []any) any
	number    func(m *machine, n any, args []any) any
	time      func(m *machine, t time.Time, args []any) any
	regexp    func(m *machine, r regexpValue, args []any) any
	any       func(m *machine, v any, args []any) any
}

// call calls the method of v. Of null and of what is missing every method is missing.
func (f *method) call(m *machine, name string, v any, args []any) any {
	switch x := v.(type) {
	case nil, undefinedType:
		return undefined
	case string:
		if f.text != nil {
			m.step(len(x) >> 6)
			return f.text(m, x, args)
		}
	case value.Secret:
		if f.text != nil {
			return f.text(m, m.reveal(x), args)
		}
	case []byte:
		if f.text != nil {
			return f.text(m, m.bytesText(x), args)
		}
	case []any:
		if f.list != nil {
			m.step(len(x))
			return f.list(m, x, args)
		}
	case *value.Object:
		if f.object != nil {
			return f.object(m, x, args)
		}
	case int64, float64, value.Number:
		if f.number != nil {
			return f.number(m, x, args)
		}
	case time.Time:
		if f.time != nil {
			return f.time(m, x, args)
		}
		if f.text != nil && f.any == nil {
			return f.text(m, timeText(x), args) // where others export times, they are texts
		}
	case invalidDate:
		if f.time != nil {
			return ofInvalidDate(name)
		}
	case regexpValue:
		if f.regexp != nil {
			return f.regexp(m, x, args)
		}
	}
	if f.any != nil {
		return f.any(m, v, args)
	}
	fail("expression.type", "%s is not a method of %s", name, named(v))
	return nil
}

// mutators are JavaScript's methods that change their array.
var mutators = map[string]bool{"push": true, "pop": true, "shift": true, "unshift": true, "splice": true, "fill": true, "copyWithin": true}

var methods map[string]*method

func init() {
	methods = map[string]*method{
		"toLowerCase": {signature: "text.toLowerCase()", text: func(m *machine, s string, _ []any) any { return m.lower(s) }},
		"toUpperCase": {signature: "text.toUpperCase()", text: func(m *machine, s string, _ []any) any { return m.upper(s) }},
		"trim": {signature: "text.trim()", text: func(_ *machine, s string, _ []any) any {
			return strings.TrimFunc(s, isSpace)
		}},
		"trimStart": {signature: "text.trimStart()", text: func(_ *machine, s string, _ []any) any {
			return strings.TrimLeftFunc(s, isSpace)
		}},
		"trimEnd": {signature: "text.trimEnd()", text: func(_ *machine, s string, _ []any) any {
			return strings.TrimRightFunc(s, isSpace)
		}},
		"split": {arity: arity{max: 2}, signature: "text.split(separator, limit)", text: split,
			doc: "The separator is a text or a regular expression."},
		"slice": {arity: arity{max: 2}, signature: "text.slice(from, to), list.slice(from, to)",
			text: func(m *machine, s string, args []any) any {
				from, to := m.bounds(args, unitLen(s))
				return unitSlice(s, from, to)
			},
			list: func(m *machine, list []any, args []any) any {
				from, to := m.bounds(args, len(list))
				if from >= to {
					return []any{}
				}
				return list[from:to:to]
			}},
		"substring": {arity: arity{max: 2}, signature: "text.substring(from, to)", text: func(m *machine, s string, args []any) any {
			n := unitLen(s)
			from := min(max(m.integer(arg(args, 0)), 0), n)
			to := min(max(m.integerOr(arg(args, 1), n), 0), n)
			return unitSlice(s, min(from, to), max(from, to))
		}},
		"substr": {arity: arity{max: 2}, signature: "text.substr(from, length)", text: func(m *machine, s string, args []any) any {
			n := unitLen(s)
			from := relative(m.integer(arg(args, 0)), n)
			to := from + min(max(m.integerOr(arg(args, 1), n), 0), n-from)
			return unitSlice(s, from, to)
		}},
		"charAt": {arity: arity{max: 1}, signature: "text.charAt(index)", text: func(m *machine, s string, args []any) any {
			if i := m.integer(arg(args, 0)); i >= 0 && i < unitLen(s) {
				return unitSlice(s, i, i+1)
			}
			return ""
		}},
		"at": {arity: arity{max: 1}, signature: "text.at(index), list.at(index)",
			text: func(m *machine, s string, args []any) any {
				n := unitLen(s)
				if i := m.integer(arg(args, 0)); i >= -n && i < n {
					i = relative(i, n)
					return unitSlice(s, i, i+1)
				}
				return undefined
			},
			list: func(m *machine, list []any, args []any) any {
				if i := m.integer(arg(args, 0)); i >= -len(list) && i < len(list) {
					return list[relative(i, len(list))]
				}
				return undefined
			}},
		"charCodeAt": {arity: arity{max: 1}, signature: "text.charCodeAt(index)", text: func(m *machine, s string, args []any) any {
			if i := m.integer(arg(args, 0)); i >= 0 && i < unitLen(s) {
				return int64(unitAt(s, i))
			}
			return math.NaN()
		}},
		"codePointAt": {arity: arity{max: 1}, signature: "text.codePointAt(index)", text: func(m *machine, s string, args []any) any {
			i := m.integer(arg(args, 0))
			if i < 0 || i >= unitLen(s) {
				return undefined
			}
			offset, half := unitOffset(s, i)
			if half {
				return int64(unitAt(s, i))
			}
			r, _ := decode(s[offset:])
			return int64(r)
		}},
		"replace": {arity: arity{min: 2, max: 2, callback: 2, optional: true}, signature: "text.replace(pattern, replacement)",
			doc:  "The pattern is a text or a regular expression, the replacement a text, in which `$1` and `$&` stand for groups and the match, or a function.",
			text: func(m *machine, s string, args []any) any { return replace(m, s, args, false) }},
		"replaceAll": {arity: arity{min: 2, max: 2, callback: 2, optional: true}, signature: "text.replaceAll(pattern, replacement)",
			text: func(m *machine, s string, args []any) any { return replace(m, s, args, true) }},
		"match": {arity: arity{min: 1, max: 1}, signature: "text.match(regexp)", doc: "The match and its groups; with the flag g all matches; null where there is none.",
			text: func(m *machine, s string, args []any) any {
				r := m.toRegexp(args[0], "")
				found := r.find(m, s, r.global)
				if len(found) == 0 {
					return nil
				}
				if !r.global {
					return groups(m, s, found[0])
				}
				list := m.list(len(found))
				for _, f := range found {
					list = append(list, s[f[0]:f[1]])
				}
				return list
			}},
		"matchAll": {arity: arity{min: 1, max: 1}, signature: "text.matchAll(regexp)", doc: "An array with the match and its groups for each match.",
			text: func(m *machine, s string, args []any) any {
				r := m.toRegexp(args[0], "g")
				if !r.global {
					fail("expression.argument", "matchAll takes a regular expression with the flag g")
				}
				found := r.find(m, s, true)
				list := m.list(len(found))
				for _, f := range found {
					list = append(list, groups(m, s, f))
				}
				return list
			}},
		"search": {arity: arity{min: 1, max: 1}, signature: "text.search(regexp)", text: func(m *machine, s string, args []any) any {
			if found := m.toRegexp(args[0], "").find(m, s, false); found != nil {
				return int64(unitLen(s[:found[0][0]]))
			}
			return int64(-1)
		}},
		"test": {arity: arity{min: 1, max: 1}, signature: "regexp.test(text)", regexp: func(m *machine, r regexpValue, args []any) any {
			return r.match(m, args[0])
		}},
		"exec": {arity: arity{min: 1, max: 1}, signature: "regexp.exec(text)", regexp: func(m *machine, r regexpValue, args []any) any {
			s := m.text(args[0])
			if found := r.find(m, s, false); found != nil {
				return groups(m, s, found[0])
			}
			return nil
		}},
		"includes": {arity: arity{min: 1, max: 2}, signature: "text.includes(part, from), list.includes(element, from)",
			text: func(m *machine, s string, args []any) any { return indexOf(m, s, args) >= 0 },
			list: func(m *machine, list []any, args []any) any {
				for _, e := range list[relative(m.integer(arg(args, 1)), len(list)):] {
					if sameZero(e, args[0]) {
						return true
					}
				}
				return false
			}},
		"indexOf": {arity: arity{min: 1, max: 2}, signature: "text.indexOf(part, from), list.indexOf(element, from)",
			text: func(m *machine, s string, args []any) any { return int64(indexOf(m, s, args)) },
			list: func(m *machine, list []any, args []any) any {
				for i := relative(m.integer(arg(args, 1)), len(list)); i < len(list); i++ {
					if identical(list[i], args[0]) {
						return int64(i)
					}
				}
				return int64(-1)
			}},
		"lastIndexOf": {arity: arity{min: 1, max: 2}, signature: "text.lastIndexOf(part, from), list.lastIndexOf(element, from)",
			text: func(m *machine, s string, args []any) any {
				if from := arg(args, 1); from != undefined {
					n := unitLen(s)
					s = unitSlice(s, 0, min(min(max(m.integer(from), 0), n)+unitLen(m.text(args[0])), n))
				}
				if i := strings.LastIndex(s, m.text(args[0])); i >= 0 && present(args[0]) {
					return int64(unitLen(s[:i]))
				}
				return int64(-1)
			},
			list: func(m *machine, list []any, args []any) any {
				from := len(list) - 1
				if len(args) > 1 {
					if from = min(m.integer(args[1]), from); from < 0 {
						from += len(list)
					}
				}
				for i := from; i >= 0; i-- {
					if identical(list[i], args[0]) {
						return int64(i)
					}
				}
				return int64(-1)
			}},
		"startsWith": {arity: arity{min: 1, max: 2}, signature: "text.startsWith(part, from)", text: func(m *machine, s string, args []any) any {
			n := unitLen(s)
			return present(args[0]) && strings.HasPrefix(unitSlice(s, min(max(m.integer(arg(args, 1)), 0), n), n), m.text(args[0]))
		}},
		"endsWith": {arity: arity{min: 1, max: 2}, signature: "text.endsWith(part, to)", text: func(m *machine, s string, args []any) any {
			n := unitLen(s)
			return present(args[0]) && strings.HasSuffix(unitSlice(s, 0, min(max(m.integerOr(arg(args, 1), n), 0), n)), m.text(args[0]))
		}},
		"padStart": {arity: arity{min: 1, max: 2}, signature: "text.padStart(length, fill)", text: func(m *machine, s string, args []any) any {
			return heal(m.padding(s, args) + s)
		}},
		"padEnd": {arity: arity{min: 1, max: 2}, signature: "text.padEnd(length, fill)", text: func(m *machine, s string, args []any) any {
			return heal(s + m.padding(s, args))
		}},
		"repeat": {arity: arity{min: 1, max: 1}, signature: "text.repeat(count)", text: func(m *machine, s string, args []any) any {
			return m.repeat(s, args[0])
		}},
		"concat": {arity: arity{max: -1}, signature: "text.concat(…), list.concat(…)",
			text: func(m *machine, s string, args []any) any { return m.joinText(append([]any{s}, args...), "") },
			list: func(m *machine, list []any, args []any) any { return concat(m, append([]any{list}, args...)) }},
		"normalize": {arity: arity{max: 1}, signature: "text.normalize(form)", text: normalize},
		"localeCompare": {arity: arity{min: 1, max: 1}, signature: "text.localeCompare(other)", doc: "Orders as the root collation of Unicode does.",
			text: func(m *machine, s string, args []any) any {
				if m.collator == nil {
					m.collator = collate.New(language.Und)
				}
				other := m.text(args[0])
				m.step(1 + (len(s)+len(other))>>3)
				return int64(m.collator.CompareString(s, other))
			}},

		"join": {arity: arity{max: 1}, signature: "list.join(separator)", list: func(m *machine, list []any, args []any) any {
			separator := ","
			if args := arg(args, 0); args != undefined {
				separator = m.text(args)
			}
			return m.joinText(list, separator)
		}},
		"map": {arity: each, signature: "list.map(x => …)", list: mapList},
		"flatMap": {arity: each, signature: "list.flatMap(x => …)", list: func(m *machine, list []any, args []any) any {
			return flatten(m, mapList(m, list, args).([]any), 1)
		}},
		"filter":        {arity: each, signature: "list.filter(x => …)", list: filter},
		"find":          {arity: each, signature: "list.find(x => …)", list: find},
		"findIndex":     {arity: each, signature: "list.findIndex(x => …)", list: findIndex},
		"findLast":      {arity: each, signature: "list.findLast(x => …)", list: findLast},
		"findLastIndex": {arity: each, signature: "list.findLastIndex(x => …)", list: findLastIndex},
		"some":          {arity: each, signature: "list.some(x => …)", list: some},
		"every":         {arity: each, signature: "list.every(x => …)", list: every},
		"reduce": {arity: arity{min: 1, max: 2, callback: 1}, signature: "list.reduce((sum, x) => …, start)",
			list: func(m *machine, list []any, args []any) any { return reduce(m, list, args, false) }},
		"reduceRight": {arity: arity{min: 1, max: 2, callback: 1}, signature: "list.reduceRight((sum, x) => …, start)",
			list: func(m *machine, list []any, args []any) any { return reduce(m, list, args, true) }},
		"reverse":    {signature: "list.reverse()", doc: "A new array: expressions change nothing.", list: func(m *machine, list []any, _ []any) any { return reverse(m, list) }},
		"toReversed": {signature: "list.toReversed()", list: func(m *machine, list []any, _ []any) any { return reverse(m, list) }},
		"sort": {arity: arity{max: 1, callback: 1, optional: true}, signature: "list.sort((a, b) => …)",
			doc: "A new array, in the order of the texts or of the function.", list: sortList},
		"toSorted": {arity: arity{max: 1, callback: 1, optional: true}, signature: "list.toSorted((a, b) => …)", list: sortList},
		"flat": {arity: arity{max: 1}, signature: "list.flat(depth)", list: func(m *machine, list []any, args []any) any {
			return flatten(m, list, m.integerOr(arg(args, 0), 1))
		}},
		"keys": {signature: "list.keys()", list: func(m *machine, list []any, _ []any) any {
			out := m.list(len(list))
			for i := range list {
				out = append(out, int64(i))
			}
			return out
		}},
		"entries": {signature: "list.entries()", list: func(m *machine, list []any, _ []any) any {
			out := m.list(3 * len(list))
			for i, e := range list {
				out = append(out, []any{int64(i), e})
			}
			return out
		}},
		"has": {arity: arity{min: 1, max: 1}, signature: "set.has(element)", list: func(m *machine, list []any, args []any) any {
			for _, e := range list {
				if sameZero(e, args[0]) {
					return true
				}
			}
			return false
		}},

		"hasOwnProperty": {arity: arity{min: 1, max: 1}, signature: "object.hasOwnProperty(name)", object: func(m *machine, o *value.Object, args []any) any {
			_, ok := o.Get(m.text(args[0]))
			return ok
		}},
		"toString": {arity: arity{max: 1}, signature: "x.toString()", doc: "Of a number also in another base: `n.toString(16)`.",
			any: func(m *machine, v any, args []any) any {
				if isNumber(v) && arg(args, 0) != undefined {
					return inBase(v, m.integer(args[0]))
				}
				return m.text(v)
			}},
		"valueOf": {signature: "x.valueOf()", any: func(_ *machine, v any, _ []any) any { return v },
			time: func(_ *machine, t time.Time, _ []any) any { return t.UnixMilli() }},
		"toFixed":     {arity: arity{max: 1}, signature: "number.toFixed(digits)", number: toFixed},
		"toPrecision": {arity: arity{max: 1}, signature: "number.toPrecision(digits)", number: toPrecision},
	}
	for name, same := range map[string]string{"toLocaleLowerCase": "toLowerCase", "toLocaleUpperCase": "toUpperCase"} {
		methods[name] = &method{signature: "text." + name + "()", text: methods[same].text}
	}
	for name, f := range dateMethods() {
		methods[name] = f
	}
}

// each is the arity of what calls a function for each element.
var each = arity{min: 1, max: 1, callback: 1}

// relative makes an index of one that counts from the end where it is negative.
func relative(i, n int) int {
	if i < 0 {
		return max(n+i, 0)
	}
	return min(i, n)
}

// bounds gives what slice takes of n.
func (m *machine) bounds(args []any, n int) (from, to int) {
	return relative(m.integer(arg(args, 0)), n), relative(m.integerOr(arg(args, 1), n), n)
}

// indexOf finds nothing where what is looked for is missing or null: its text would be found everywhere.
func indexOf(m *machine, s string, args []any) int {
	if !present(args[0]) {
		return -1
	}
	from := min(max(m.integer(arg(args, 1)), 0), unitLen(s))
	offset, half := unitOffset(s, from)
	part := m.text(args[0])
	if half {
		// No character begins in the middle of another.
		_, size := decode(s[offset:])
		offset += size
	}
	m.step(len(s) >> 6)
	if i := strings.Index(s[offset:], part); i >= 0 {
		return unitLen(s[:offset+i])
	}
	return -1
}

// sameZero is identity in which NaN is itself.
func sameZero(a, b any) bool {
	x, isFloat := a.(float64)
	y, isFloat2 := b.(float64)
	return isFloat && isFloat2 && x != x && y != y || identical(a, b)
}

func (m *machine) padding(s string, args []any) string {
	fill := " "
	if v := arg(args, 1); v != undefined {
		fill = m.text(v)
	}
	n := m.integer(args[0]) - unitLen(s)
	if n <= 0 || fill == "" {
		return ""
	}
	size := unitLen(fill)
	if n > MaxMemory {
		m.grow(n)
	}
	text := m.repeat(fill, int64(n/size+1))
	return unitSlice(text, 0, n)
}

func (m *machine) repeat(s string, count any) string {
	n := m.integer(count)
	if n < 0 || n >= maxExact {
		fail("expression.argument", "a text cannot be repeated that many times")
	}
	if len(s) > 0 && n > MaxMemory/len(s) {
		m.grow(MaxMemory + 1)
	}
	m.grow(len(s) * n)
	return heal(strings.Repeat(s, n))
}

func split(m *machine, s string, args []any) any {
	limit := m.limit(arg(args, 1))
	separator := arg(args, 0)
	if limit == 0 {
		return []any{}
	}
	if r, ok := separator.(regexpValue); ok {
		return splitPattern(m, s, r, limit)
	}
	if !present(separator) {
		return []any{s}
	}
	by := m.text(separator)
	if by == "" {
		n := min(unitLen(s), limit)
		list := m.list(2 * n)
		for i := 0; i < len(s) && len(list) < limit; {
			r, size := decode(s[i:])
			if r < 0x10000 {
				list = append(list, s[i:i+size])
			} else {
				high, low := halves(r)
				if list = append(list, string(encode(nil, high))); len(list) < limit {
					list = append(list, string(encode(nil, low)))
				}
			}
			i += size
		}
		return list
	}
	n := min(strings.Count(s, by)+1, limit)
	list := m.list(n)
	for len(list) < limit {
		part, rest, found := strings.Cut(s, by)
		list = append(list, part)
		if !found {
			break
		}
		s = rest
	}
	return list
}

func splitPattern(m *machine, s string, r regexpValue, limit int) any {
	if s == "" {
		if r.MatchString(s) {
			return []any{}
		}
		return []any{s}
	}
	found := r.find(m, s, true)
	list := m.list((len(found) + 1) * (1 + r.NumSubexp()))
	last := 0
	for _, f := range found {
		if f[1] == last || f[0] == len(s) {
			continue
		}
		if list = append(list, s[last:f[0]]); len(list) == limit {
			return list
		}
		last = f[1]
		for _, group := range groups(m, s, f)[1:] {
			if list = append(list, group); len(list) == limit {
				return list
			}
		}
	}
	return append(list, s[last:])
}

func replace(m *machine, s string, args []any, all bool) any {
	if r, ok := args[0].(regexpValue); ok {
		if all && !r.global {
			fail("expression.argument", "replaceAll takes a regular expression with the flag g")
		}
		return m.replace(s, r.find(m, s, r.global), groupNames(r), args[1])
	}
	part := m.text(args[0])
	var found [][]int
	for at := 0; at <= len(s) && present(args[0]); {
		i := strings.Index(s[at:], part)
		if i < 0 {
			break
		}
		m.grow(64)
		found = append(found, []int{at + i, at + i + len(part)})
		if !all {
			break
		}
		at += i + len(part)
		if part == "" {
			_, size := decode(s[at:])
			at += max(size, 1)
		}
	}
	return m.replace(s, found, nil, args[1])
}

func normalize(m *machine, s string, args []any) any {
	form := norm.NFC
	if v := arg(args, 0); v != undefined {
		switch m.text(v) {
		case "NFC":
		case "NFD":
			form = norm.NFD
		case "NFKC":
			form = norm.NFKC
		case "NFKD":
			form = norm.NFKD
		default:
			fail("expression.argument", "normalize knows NFC, NFD, NFKC and NFKD")
		}
	}
	// The longest decomposition of one character has 18 (UAX 15).
	m.grow(18 * len(s))
	return form.String(s)
}

// callbackOf gives the function that was checked to be there when the expression was compiled, or for a function by
// its mere name was not.
func callbackOf(args []any) callback {
	c, ok := arg(args, 0).(callback)
	if !ok {
		fail("expression.type", "an argument has to be a function")
	}
	return c
}

func mapList(m *machine, list []any, args []any) any {
	c := callbackOf(args)
	out := m.list(len(list))
	for i, e := range list {
		out = append(out, m.invoke(c, e, int64(i), list))
	}
	return out
}

func filter(m *machine, list []any, args []any) any {
	c := callbackOf(args)
	out := []any{}
	for i, e := range list {
		if truthy(m.invoke(c, e, int64(i), list)) {
			m.grow(16)
			out = append(out, e)
		}
	}
	return out
}

// position gives the index of the first or last element for which the function is true, or -1.
func position(m *machine, list []any, c callback, last bool) int {
	for n := range list {
		i := n
		if last {
			i = len(list) - 1 - n
		}
		if truthy(m.invoke(c, list[i], int64(i), list)) {
			return i
		}
	}
	return -1
}

func elementAt(list []any, i int) any {
	if i < 0 {
		return undefined
	}
	return list[i]
}

func find(m *machine, list []any, args []any) any {
	return elementAt(list, position(m, list, callbackOf(args), false))
}

func findLast(m *machine, list []any, args []any) any {
	return elementAt(list, position(m, list, callbackOf(args), true))
}

func findIndex(m *machine, list []any, args []any) any {
	return int64(position(m, list, callbackOf(args), false))
}

func findLastIndex(m *machine, list []any, args []any) any {
	return int64(position(m, list, callbackOf(args), true))
}

func some(m *machine, list []any, args []any) any {
	return position(m, list, callbackOf(args), false) >= 0
}

// every stops at the first element for which the function is not true: later ones may be an error for it.
func every(m *machine, list []any, args []any) any {
	c := callbackOf(args)
	for i, e := range list {
		if !truthy(m.invoke(c, e, int64(i), list)) {
			return false
		}
	}
	return true
}

// countIf counts the elements for which the function is true.
func countIf(m *machine, list []any, c callback) int {
	n := 0
	for i, e := range list {
		n += btoi(truthy(m.invoke(c, e, int64(i), list)))
	}
	return n
}

// reduce folds a list from its start or, from its right, from its end.
func reduce(m *machine, list []any, args []any, right bool) any {
	c := callbackOf(args)
	acc, from := arg(args, 1), 0
	at := func(n int) int {
		if right {
			return len(list) - 1 - n
		}
		return n
	}
	if len(args) < 2 {
		if len(list) == 0 {
			fail("expression.argument", "reduce of an empty array takes a start")
		}
		acc, from = list[at(0)], 1
	}
	for n := from; n < len(list); n++ {
		i := at(n)
		if c.native != nil || c.rest >= 0 || len(c.params) > 3 {
			acc = m.apply(c, []any{acc, list[i], int64(i), list})
		} else {
			acc = m.invoke(c, acc, list[i], int64(i))
		}
	}
	return acc
}

func reverse(m *machine, list []any) []any {
	out := m.list(len(list))
	for i := len(list) - 1; i >= 0; i-- {
		out = append(out, list[i])
	}
	return out
}

// sortList sorts a copy, keeping the order of equals; what is missing comes last.
func sortList(m *machine, list []any, args []any) any {
	out := append(m.list(len(list)), list...)
	c, isCall := arg(args, 0).(callback)
	if isCall {
		sort.SliceStable(out, func(i, j int) bool {
			if out[i] == undefined || out[j] == undefined {
				return out[i] != undefined
			}
			return m.float(m.invoke(c, out[i], out[j], undefined)) < 0
		})
		return out
	}
	type keyed struct {
		key string
		v   any
	}
	pairs := make([]keyed, len(out))
	m.grow(32 * len(out))
	for i, e := range out {
		pairs[i] = keyed{m.text(e), e}
		if e == nil {
			// JavaScript sorts null by its name.
			pairs[i].key = "null"
		}
	}
	sort.SliceStable(pairs, func(i, j int) bool {
		m.step(1)
		a, b := pairs[i], pairs[j]
		if a.v == undefined || b.v == undefined {
			return a.v != undefined && b.v == undefined
		}
		return compareText(a.key, b.key) < 0
	})
	for i := range pairs {
		out[i] = pairs[i].v
	}
	return out
}

func flatten(m *machine, list []any, depth int) []any {
	m.enter()
	defer m.leave()
	out := m.list(len(list))
	for _, e := range list {
		if inner, ok := e.([]any); ok && depth > 0 {
			out = append(out, flatten(m, inner, depth-1)...)
		} else {
			out = append(out, e)
		}
	}
	return out
}
