package csvsource

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// layout says where the values of a row go.
type layout struct {
	columns []column
	header  []string // the names as the file has them
	root    []node
	typed   bool
}

type column struct {
	name    string
	convert convert // nil for text
}

// node is a member of a record: a column, or an object of further members.
type node struct {
	name    string
	column  int // -1 for an object
	members []node
}

// newLayout arranges columns of the given dotted names.
func newLayout(names []string) (*layout, error) {
	l := &layout{columns: make([]column, len(names)), header: names}
	for i, name := range names {
		if first := slices.Index(names, name); first < i {
			return nil, fmt.Errorf("columns %d and %d are both named %q", first+1, i+1, name)
		}
		if name == "" {
			return nil, fmt.Errorf("column %d has no name", i+1)
		}
		l.columns[i].name = name
		path := strings.Split(name, ".")
		if slices.Contains(path, "") {
			path = []string{name} // no path, though it has a dot
		}
		members := &l.root
		for depth, part := range path {
			at := slices.IndexFunc(*members, func(n node) bool { return n.name == part })
			last := depth == len(path)-1
			if at >= 0 && (last || (*members)[at].column >= 0) {
				return nil, fmt.Errorf("column %d, %q, cannot be inside another column or have one inside", i+1, name)
			}
			if at < 0 {
				n := node{name: part, column: -1}
				if last {
					n.column = i
				}
				*members = append(*members, n)
				at = len(*members) - 1
			}
			members = &(*members)[at].members
		}
	}
	return l, nil
}

// setTypes sets the types of columns by name, and gives a name that is no column's.
func (l *layout) setTypes(types map[string]convert) (missing string) {
	for name, convert := range types {
		i := slices.IndexFunc(l.columns, func(c column) bool { return c.name == name })
		if i < 0 {
			return name
		}
		l.columns[i].convert = convert
		l.typed = l.typed || convert != nil
	}
	return ""
}

// object makes a record of a row.
func (l *layout) object(fields []string, quoted []bool, empty string) (*value.Object, []pipeline.Problem) {
	b := builder{l, fields, quoted, empty, nil}
	o := b.object(l.root)
	return o, b.problems
}

type builder struct {
	*layout
	fields   []string
	quoted   []bool
	empty    string
	problems []pipeline.Problem
}

func (b *builder) object(members []node) *value.Object {
	o := value.NewObject(len(members))
	for i := range members {
		n := &members[i]
		if n.column < 0 {
			if child := b.object(n.members); child.Len() > 0 {
				o.Append(n.name, child)
			}
			continue
		}
		text := b.fields[n.column]
		column := &b.columns[n.column]
		// No quotes make an empty text a number.
		if text == "" && (column.convert != nil || b.empty != "string" && (b.quoted == nil || !b.quoted[n.column])) {
			if b.empty != "absent" {
				o.Append(n.name, nil)
			}
			continue
		}
		if column.convert == nil {
			o.Append(n.name, text)
			continue
		}
		v, err := column.convert(text)
		if err != nil {
			b.problems = append(b.problems, pipeline.Problem{Code: "csv.bad_value", Field: column.name, Message: err.Error()})
		}
		o.Append(n.name, v)
	}
	return o
}

// escapes reports whether a backslash before the rest of a value in quotes would be taken for an escape.
func escapes(rest string, quote byte) bool {
	return rest == "" || rest[0] == quote || strings.IndexByte("\\\r\n", rest[0]) >= 0
}

// appendRow appends an untyped record as a row that is read as it was. The rows around it, by which the dialect was found out, may
// not be there: quotes stand where another dialect could take the row for something else.
func (l *layout) appendRow(dst []byte, o *value.Object, d dialect, strip, guard bool) []byte {
	for i := range l.columns {
		if i > 0 {
			dst = append(dst, d.delimiter)
		}
		v, ok := o.GetPath(l.columns[i].name)
		if !ok {
			v, _ = o.Get(l.columns[i].name)
		}
		text, isText := v.(string)
		if strip && text != "" || guard && guarded(text) {
			text = "'" + text // which was taken off
		}
		if d.quote == 0 || !(isText && (text == "" || d.quote == '\'') || strings.IndexByte(text, d.quote) >= 0 || strings.IndexByte(text, d.delimiter) >= 0 || strings.ContainsAny(text, "\r\n'")) {
			dst = append(dst, text...)
			continue
		}
		dst = append(dst, d.quote)
		for j := range len(text) {
			if c := text[j]; c == d.quote && !d.backslash {
				dst = append(dst, d.quote)
			} else if d.backslash && (c == d.quote || c == '\\' && escapes(text[j+1:], d.quote)) {
				dst = append(dst, '\\')
			}
			dst = append(dst, text[j])
		}
		dst = append(dst, d.quote)
	}
	return dst
}
