package sqlsource

import (
	"fmt"
	"slices"
	"strings"
)

// template is SQL text with named parameters, such as :cursor, cut out of it.
type template struct {
	literals []string // one more than names
	names    []string
}

// parseTemplate finds the named parameters of a query: a colon and a name, outside of quotes and comments. A double
// colon is PostgreSQL's cast. backslash says that \ escapes a character in quotes, as MySQL has it.
func parseTemplate(query string, backslash bool) template {
	query = strings.TrimRight(strings.TrimSpace(query), "; \t\r\n")
	var t template
	start := 0
	for i := 0; i < len(query); {
		if skip := quoted(query[i:], backslash); skip > 0 {
			i += skip
			continue
		}
		if query[i] != ':' {
			// Behind a name or number a colon begins no parameter: arr[a:b].
			i += max(1, nameLength(query[i:]))
			if i < len(query) && query[i] == ':' && isNameByte(query[i-1]) && !strings.HasPrefix(query[i:], "::") {
				i++
			}
			continue
		}
		if strings.HasPrefix(query[i:], "::") {
			i += 2
			continue
		}
		n := nameLength(query[i+1:])
		if n == 0 {
			i++
			continue
		}
		t.literals = append(t.literals, query[start:i])
		t.names = append(t.names, query[i+1:i+1+n])
		i += 1 + n
		start = i
	}
	t.literals = append(t.literals, query[start:])
	return t
}

// quoted gives the length of the quoted text or comment that s begins with, 0 where it begins with none.
func quoted(s string, backslash bool) int {
	until := func(from int, end string) int {
		if i := strings.Index(s[from:], end); i >= 0 {
			return from + i + len(end)
		}
		return len(s)
	}
	switch c := s[0]; {
	case c == '\'' || c == '"' || c == '`':
		for i := 1; i < len(s); i++ {
			switch {
			case s[i] == '\\' && backslash && c != '`':
				i++
			case s[i] == c: // a doubled quote begins the next piece at once
				return i + 1
			}
		}
		return len(s)
	case strings.HasPrefix(s, "--"), c == '#' && backslash:
		return until(1, "\n")
	case strings.HasPrefix(s, "/*"):
		return until(2, "*/")
	case c == '$':
		// PostgreSQL's dollar quotes: $$…$$ or $tag$…$tag$.
		tag := 1 + nameLength(s[1:])
		if tag < len(s) && s[tag] == '$' {
			return until(tag+1, s[:tag+1])
		}
	}
	return 0
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// nameLength gives the length of the name that s begins with.
func nameLength(s string) int {
	n := 0
	for n < len(s) && isNameByte(s[n]) && (n > 0 || s[n] < '0' || s[n] > '9') {
		n++
	}
	return n
}

// words gives the names that stand in the query outside of quoted text, and those in identifier quotes.
func (t template) words(backslash bool) []string {
	var words []string
	for _, s := range t.literals {
		for i := 0; i < len(s); {
			if skip := quoted(s[i:], backslash); skip > 0 {
				if s[i] == '`' || s[i] == '"' {
					words = append(words, strings.Trim(s[i:i+skip], "`\""))
				}
				i += skip
				continue
			}
			n := nameLength(s[i:])
			if n > 0 {
				words = append(words, s[i:i+n])
			}
			i += max(1, n)
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// uses reports whether the query has the parameter.
func (t template) uses(name string) bool { return slices.Contains(t.names, name) }

// statement is SQL text under construction, with its arguments.
type statement struct {
	dialect dialect
	text    strings.Builder
	args    []any
}

func (s *statement) write(parts ...string) {
	for _, part := range parts {
		s.text.WriteString(part)
	}
}

func (s *statement) arg(v any) {
	s.args = append(s.args, v)
	s.text.WriteString(s.dialect.placeholder(len(s.args)))
}

// template writes t with its parameters: a list of values stands for itself with commas between.
func (s *statement) template(t template, values map[string]any) error {
	for i, literal := range t.literals {
		s.write(literal)
		if i == len(t.names) {
			break
		}
		v, ok := values[t.names[i]]
		if !ok {
			return fmt.Errorf("the query has the parameter :%s, but nothing gives it a value", t.names[i])
		}
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for j, v := range list {
			if j > 0 {
				s.write(", ")
			}
			s.arg(v)
		}
	}
	return nil
}
