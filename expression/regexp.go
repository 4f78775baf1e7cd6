package expression

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// maxPattern is the size of the largest regular expression, in instructions of RE2.
const maxPattern = 5000

// pattern is a compiled regular expression. RE2 runs in time linear to the text.
type pattern struct {
	*regexp.Regexp
	source, flags string
	global        bool
	cost          int // of running over 64 bytes, in steps
}

// regexpValue is a regular expression as a value; a struct, so that expr does not take it for a pointer to follow.
type regexpValue struct{ *pattern }

func (r regexpValue) String() string { return "/" + r.source + "/" + r.flags }

// newRegexp compiles a JavaScript regular expression.
func newRegexp(source, flags string) (regexpValue, error) {
	t := translator{in: source}
	global := false
	for i, f := range flags {
		if strings.ContainsRune(flags[:i], f) {
			return regexpValue{}, fmt.Errorf("the flag %c stands twice", f)
		}
		switch f {
		case 'g':
			global = true
		case 'i':
			t.out = append(t.out, "(?i)"...)
		case 'm':
			t.out = append(t.out, "(?m)"...)
		case 's':
			t.dotAll = true
		case 'u':
		default:
			return regexpValue{}, fmt.Errorf("the flag %c of a regular expression is not supported", f)
		}
	}
	if err := t.translate(); err != nil {
		return regexpValue{}, err
	}
	r, err := compilePattern(string(t.out))
	if err != nil {
		return r, err
	}
	r.source, r.flags, r.global = source, flags, global
	return r, nil
}

// compilePattern compiles a pattern of RE2.
func compilePattern(source string) (regexpValue, error) {
	tree, err := syntax.Parse(source, syntax.Perl)
	if err == nil {
		var code *syntax.Prog
		if code, err = syntax.Compile(tree.Simplify()); err == nil && len(code.Inst) > maxPattern {
			return regexpValue{}, errors.New("the regular expression is too large")
		} else if err == nil {
			compiled, err := regexp.Compile(source)
			if err == nil {
				return regexpValue{&pattern{Regexp: compiled, source: source, cost: 4 + len(code.Inst)}}, nil
			}
		}
	}
	reason := "it cannot be compiled"
	var s *syntax.Error
	if errors.As(err, &s) {
		reason = s.Code.String()
	}
	return regexpValue{}, fmt.Errorf("the regular expression is not one that RE2 can run: %s", reason)
}

// The classes of JavaScript in RE2's terms; RE2's own \s knows ASCII only.
const (
	spaces    = `\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	notSpaces = `\x{0}-\x{8}\x{e}-\x{1f}!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}` +
		`\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
)

// translator turns a JavaScript regular expression into one of RE2.
type translator struct {
	in     string
	i      int
	out    []byte
	dotAll bool
}

func (t *translator) translate() error {
	for t.i < len(t.in) {
		switch c := t.in[t.i]; c {
		case '\\':
			if err := t.escape(false); err != nil {
				return err
			}
			continue
		case '[':
			if err := t.class(); err != nil {
				return err
			}
			continue
		case '.':
			if t.dotAll {
				t.out = append(t.out, `(?s:.)`...)
			} else {
				t.out = append(t.out, `[^\n\r\x{2028}\x{2029}]`...)
			}
		case '(':
			if err := t.group(); err != nil {
				return err
			}
		default:
			t.out = append(t.out, c)
		}
		t.i++
	}
	return nil
}

// group lets through ( and (?: and (?<name>.
func (t *translator) group() error {
	rest := t.in[t.i:]
	t.out = append(t.out, '(')
	switch {
	case !strings.HasPrefix(rest, "(?"), strings.HasPrefix(rest, "(?:"):
		return nil
	case strings.HasPrefix(rest, "(?="), strings.HasPrefix(rest, "(?!"):
		return errors.New("a regular expression cannot look ahead: (?= and (?! are not supported")
	case strings.HasPrefix(rest, "(?<="), strings.HasPrefix(rest, "(?<!"):
		return errors.New("a regular expression cannot look behind: (?<= and (?<! are not supported")
	case strings.HasPrefix(rest, "(?<"):
		return nil
	}
	return errors.New("the regular expression has an unknown kind of group")
}

// escape translates what a backslash begins, outside or inside a class.
func (t *translator) escape(inClass bool) error {
	if t.i+1 == len(t.in) {
		return errors.New("the regular expression ends with a backslash")
	}
	t.i++
	c := t.in[t.i]
	t.i++
	switch c {
	case 'd', 'D', 'w', 'W', 'n', 'r', 't', 'f', 'v':
		t.out = append(t.out, '\\', c)
		return nil
	case 's', 'S':
		set := spaces
		if c == 'S' {
			set = notSpaces
		}
		if !inClass {
			set = "[" + set + "]"
		}
		t.out = append(t.out, set...)
		return nil
	case 'b', 'B':
		if inClass && c == 'b' {
			return t.rune('\b')
		}
		t.out = append(t.out, '\\', c)
		return nil
	case 'p', 'P':
		return t.property(c)
	case 'k':
		return errors.New(`a regular expression cannot refer back: \k is not supported`)
	case 'c':
		if t.i < len(t.in) && digit(t.in[t.i]) >= 10 && digit(t.in[t.i]) < 36 {
			t.i++
			return t.rune(rune(t.in[t.i-1] & 31))
		}
		return errors.New(`the regular expression has a wrong \c escape`)
	case 'x', 'u':
		r, size := escaped(t.in[t.i-1:])
		if size == 0 {
			return fmt.Errorf(`the regular expression has a wrong \%c escape`, c)
		}
		t.i += size - 1
		if r >= 0xD800 && r < 0xDC00 && strings.HasPrefix(t.in[t.i:], `\u`) {
			if low, size := escaped(t.in[t.i+1:]); size != 0 && low >= 0xDC00 && low < 0xE000 {
				t.i += size + 1
				r = 0x10000 + (r-0xD800)<<10 + (low - 0xDC00)
			}
		}
		if r >= 0xD800 && r < 0xE000 {
			return errors.New("a regular expression cannot look for half a character")
		}
		return t.rune(r)
	case '0':
		if t.i < len(t.in) && t.in[t.i] >= '0' && t.in[t.i] <= '9' {
			return errors.New("a regular expression cannot have octal escapes")
		}
		return t.rune(0)
	}
	if c >= '1' && c <= '9' {
		return fmt.Errorf(`a regular expression cannot refer back: \%c is not supported`, c)
	}
	r, size := utf8.DecodeRuneInString(t.in[t.i-1:])
	t.i += size - 1
	return t.rune(r)
}

func (t *translator) rune(r rune) error {
	t.out = fmt.Appendf(t.out, `\x{%x}`, r)
	return nil
}

// property translates \p{…}: a general category or a script.
func (t *translator) property(c byte) error {
	rest := t.in[t.i:]
	end := strings.IndexByte(rest, '}')
	if !strings.HasPrefix(rest, "{") || end < 0 {
		return errors.New(`the regular expression has a wrong \p escape`)
	}
	name := rest[1:end]
	for _, prefix := range []string{"Script=", "sc=", "Script_Extensions=", "scx=", "General_Category=", "gc="} {
		name = strings.TrimPrefix(name, prefix)
	}
	if short := categories[name]; short != "" {
		name = short
	}
	t.i += end + 1
	t.out = append(t.out, '\\', c, '{')
	t.out = append(append(t.out, name...), '}')
	return nil
}

// categories are Unicode's long names of general categories that RE2 knows by their short ones.
var categories = map[string]string{
	"Letter": "L", "Lowercase_Letter": "Ll", "Uppercase_Letter": "Lu", "Titlecase_Letter": "Lt", "Modifier_Letter": "Lm",
	"Other_Letter": "Lo", "Mark": "M", "Number": "N", "Decimal_Number": "Nd", "Punctuation": "P", "Symbol": "S",
	"Separator": "Z", "Space_Separator": "Zs", "Other": "C", "Control": "Cc",
}

// class translates a class in brackets.
func (t *translator) class() error {
	t.i++
	negated := strings.HasPrefix(t.in[t.i:], "^")
	if negated {
		t.i++
	}
	if strings.HasPrefix(t.in[t.i:], "]") {
		t.i++
		// [] matches nothing, [^] everything.
		if negated {
			t.out = append(t.out, `(?s:.)`...)
		} else {
			t.out = append(t.out, `[^\x{0}-\x{10ffff}]`...)
		}
		return nil
	}
	t.out = append(t.out, '[')
	if negated {
		t.out = append(t.out, '^')
	}
	for t.i < len(t.in) {
		switch c := t.in[t.i]; c {
		case ']':
			t.i++
			t.out = append(t.out, ']')
			return nil
		case '\\':
			if err := t.escape(true); err != nil {
				return err
			}
			continue
		case '[':
			t.out = append(t.out, '\\', '[')
		case '-':
			// RE2 takes a hyphen after a class such as \w for a broken range.
			before, after := t.in[t.i-1], byte(']')
			if t.i+1 < len(t.in) {
				after = t.in[t.i+1]
			}
			class := t.i >= 2 && t.in[t.i-2] == '\\' && strings.IndexByte("dDwWsS", before) >= 0
			next := after == '\\' && t.i+2 < len(t.in) && strings.IndexByte("dDwWsS", t.in[t.i+2]) >= 0
			if class || next || after == ']' {
				t.out = append(t.out, '\\')
			}
			t.out = append(t.out, '-')
		default:
			t.out = append(t.out, c)
		}
		t.i++
	}
	return errors.New("the regular expression has a class without an end")
}

// charge counts the work of one search.
func (r regexpValue) charge(m *machine, s string) { m.step(r.cost * (1 + len(s)>>6)) }

// match says whether the pattern is found in v.
func (r regexpValue) match(m *machine, v any) any {
	s := m.text(v)
	r.charge(m, s)
	return r.MatchString(scrub(s))
}

// find gives the first match, or all where the pattern is global, as places in bytes. In place of half a character RE2
// is shown U+FFFD, which is as long: it would take the bytes of a half apart.
func (r regexpValue) find(m *machine, s string, all bool) [][]int {
	r.charge(m, s)
	s = scrub(s)
	if !all {
		if found := r.FindStringSubmatchIndex(s); found != nil {
			return [][]int{found}
		}
		return nil
	}
	// A match takes its places and, in a growing list, two slices.
	size := 16*(1+r.NumSubexp()) + 48
	found := r.FindAllStringSubmatchIndex(s, 1+(MaxMemory-m.memory)/size)
	m.grow(size * len(found))
	return found
}

// groups gives a match and its groups, as exec does.
func groups(m *machine, s string, found []int) []any {
	list := m.list(len(found) / 2)
	for i := 0; i < len(found); i += 2 {
		if found[i] < 0 {
			list = append(list, undefined)
		} else {
			list = append(list, s[found[i]:found[i+1]])
		}
	}
	return list
}

// toRegexp makes a regular expression of what match and search are given.
func (m *machine) toRegexp(v any, flags string) regexpValue {
	if r, ok := v.(regexpValue); ok {
		return r
	}
	r, err := m.compile(m.text(v), flags)
	if err != nil {
		fail("expression.regexp", "%s", err)
	}
	return r
}

// compile compiles a regular expression that only the record knows. Nothing of it is kept: what a record holds must not
// grow memory.
func (m *machine) compile(source, flags string) (regexpValue, error) {
	m.grow(100 * len(source))
	if len(source) > maxPattern {
		return regexpValue{}, errors.New("the regular expression is too large")
	}
	r, err := newRegexp(source, flags)
	if err == nil {
		m.step(10 * r.cost)
	}
	return r, err
}

// matches is expr's x matches y.
func matches(m *machine, args []any) any {
	if !present(args[0]) || !present(args[1]) {
		return false
	}
	source := m.text(args[1])
	m.grow(100 * len(source))
	if len(source) > maxPattern {
		fail("expression.regexp", "the regular expression is too large")
	}
	r, err := compilePattern(source)
	if err != nil {
		fail("expression.regexp", "%s", err)
	}
	return r.match(m, args[0])
}

// replace puts a replacement, a text or a function, in the place of the matches.
func (m *machine) replace(s string, found [][]int, names []string, by any) any {
	call, isCall := by.(callback)
	template := ""
	if !isCall {
		template = m.text(by)
	}
	var out strings.Builder
	last := 0
	write := func(part string) {
		m.grow(len(part))
		out.WriteString(part)
	}
	for _, f := range found {
		m.step(1)
		write(s[last:f[0]])
		if isCall {
			args := groups(m, s, f)
			write(m.text(m.apply(call, append(args, int64(unitLen(s[:f[0]])), s))))
		} else {
			expand(template, s, f, names, write)
		}
		last = f[1]
	}
	write(s[last:])
	return heal(out.String())
}

// expand resolves $1, $& and their like (ECMA-262, GetSubstitution).
func expand(template, s string, found []int, names []string, write func(string)) {
	for {
		i := strings.IndexByte(template, '$')
		if i < 0 || i+1 == len(template) {
			write(template)
			return
		}
		write(template[:i])
		template = template[i:]
		switch c := template[1]; {
		case c == '$':
			write("$")
		case c == '&':
			write(s[found[0]:found[1]])
		case c == '`':
			write(s[:found[0]])
		case c == '\'':
			write(s[found[1]:])
		case c == '<' && len(names) > 0:
			end := strings.IndexByte(template, '>')
			if end < 0 {
				write("$<")
				break
			}
			for g, name := range names {
				if name != "" && name == template[2:end] && found[2*g] >= 0 {
					write(s[found[2*g]:found[2*g+1]])
				}
			}
			template = template[end+1:]
			continue
		case c >= '0' && c <= '9':
			size, group := 2, int(c-'0')
			if len(template) > 2 && template[2] >= '0' && template[2] <= '9' {
				if g := group*10 + int(template[2]-'0'); g >= 1 && g < len(found)/2 {
					size, group = 3, g
				}
			}
			switch {
			case group < 1 || group >= len(found)/2:
				write(template[:size])
			case found[2*group] >= 0:
				write(s[found[2*group]:found[2*group+1]])
			}
			template = template[size:]
			continue
		default:
			write("$")
			template = template[1:]
			continue
		}
		template = template[2:]
	}
}

// groupNames gives the names of a pattern's groups, nothing where none has one.
func groupNames(r regexpValue) []string {
	names := r.SubexpNames()
	for _, name := range names {
		if name != "" {
			return names
		}
	}
	return nil
}

// limit is the second argument of split: how many parts at most.
func (m *machine) limit(v any) int {
	if v == undefined {
		return int(^uint32(0))
	}
	return int(uint32(m.bits(v)))
}
