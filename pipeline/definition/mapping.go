package definition

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// mapping reads a tree of targets. At its leaves, text is an expression over user and anything else a constant; a
// list is one whose elements are.
func (o options) mapping(entries []entry, name string) []pipeline.Assignment {
	targets := map[string]*yaml.Node{}
	var list []pipeline.Assignment
	o.assign(entries, "", targets, &list)
	for target, value := range targets {
		o.places[name+"."+target] = value
	}
	return list
}

func (l *loader) assign(entries []entry, prefix string, targets map[string]*yaml.Node, list *[]pipeline.Assignment) {
	for _, e := range entries {
		target := prefix + e.name
		if !dotted(target) {
			l.report(e.key, "config.bad_value", "a target is a name, or names with a dot between them", "")
			continue
		}
		if e.value.Kind == yaml.MappingNode {
			l.assign(l.entries(e.value), target+".", targets, list)
			continue
		}
		if first := targets[target]; first != nil {
			l.report(e.key, "config.duplicate_key", fmt.Sprintf("the target %q stands here twice", target), fmt.Sprintf("the first is in line %d", first.Line))
			continue
		}
		targets[target] = e.value
		a := pipeline.Assignment{Target: target, Place: fmt.Sprintf("%d:%d", e.value.Line, e.value.Column)}
		var ok bool
		if e.value.Kind == yaml.SequenceNode {
			ok = l.sequence(e.value, &a)
		} else {
			ok = l.leaf(e.value, &a)
		}
		if ok {
			*list = append(*list, a)
		}
	}
}

func dotted(target string) bool {
	return target != "" && !strings.HasPrefix(target, ".") && !strings.HasSuffix(target, ".") && !strings.Contains(target, "..")
}

// words are the parts of a password whose values are words and not expressions.
var words = map[string]bool{
	"hasher": true, "format": true, "position": true, "encoding": true, "charset": true, "normalization": true, "format.digest": true,
}

var mentionsUser = regexp.MustCompile(`\buser\b`)

// isWord reports whether the leaf of a target is a word such as bcrypt: that of password.hasher and its like, unless
// its text is an expression over user, or one that begins with a quote.
func isWord(target, text string) bool {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(target, "mfa."), "password.")
	return ok && words[rest] && !mentionsUser.MatchString(text) && strings.TrimLeft(text, "'\"`") == text
}

func (l *loader) leaf(n *yaml.Node, a *pipeline.Assignment) bool {
	if n.ShortTag() == "!!str" || n.ShortTag() == "!!timestamp" {
		if isWord(a.Target, n.Value) {
			a.Constant = n.Value
			return true
		}
		a.Program = l.compile(n, n.Value, 0)
		return a.Program != nil
	}
	v, ok := l.scalar(n)
	a.Constant = v
	return ok
}

// sequence makes one expression of a list, or a constant where nothing in it is one.
func (l *loader) sequence(n *yaml.Node, a *pipeline.Assignment) bool {
	var text strings.Builder
	constants := make([]any, 0, len(n.Content))
	good := true
	for i, item := range n.Content {
		item = follow(item)
		if i > 0 {
			text.WriteString(", ")
		}
		switch {
		case item.Kind != yaml.ScalarNode:
			l.report(item, "config.wrong_type", "a list here holds expressions and constants, not "+kindOf(item),
				`write the list as one expression: "[{ name: user.name }]"`)
			return false
		case item.ShortTag() == "!!str" || item.ShortTag() == "!!timestamp":
			good = l.compile(item, item.Value, 0) != nil && good
			// Each part is an expression by itself, so that it stays one in parentheses; the line end closes a comment.
			text.WriteString("(" + item.Value + "\n)")
		default:
			v, ok := l.scalar(item)
			good = good && ok
			constants = append(constants, v)
			text.Write(value.AppendJSON(nil, v))
		}
	}
	if len(constants) == len(n.Content) {
		a.Constant = constants
		return good
	}
	if !good {
		return false
	}
	program, err := l.compileText("[" + text.String() + "]")
	if err != nil {
		l.report(n, err.Code, "these do not make one list: "+err.Message, "write the list as one expression")
		return false
	}
	a.Program = program
	return true
}

// scalar gives the value that a scalar stands for by itself: text as text, a number with its digits.
func (l *loader) scalar(n *yaml.Node) (any, bool) {
	switch n.ShortTag() {
	case "!!null":
		return nil, true
	case "!!bool":
		b, err := strconv.ParseBool(strings.ToLower(n.Value))
		return b, err == nil
	case "!!int", "!!float":
		if !jsonNumber.MatchString(n.Value) {
			l.report(n, "config.bad_value", "a number is written in decimal digits here, such as 42, -1.50 or 2e10", "put it in quotes if it is text")
			return nil, false
		}
		return value.ParseNumber(n.Value), true
	}
	return n.Value, true
}

// jsonNumber is a number by RFC 8259, section 6.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// value gives the value that a tree stands for by itself.
func (l *loader) value(n *yaml.Node) (any, bool) {
	n = follow(n)
	switch n.Kind {
	case yaml.MappingNode:
		entries := l.entries(n)
		o, good := value.NewObject(len(entries)), true
		for _, e := range entries {
			v, ok := l.value(e.value)
			o.Append(e.name, v)
			good = good && ok
		}
		return o, good
	case yaml.SequenceNode:
		list, good := make([]any, 0, len(n.Content)), true
		for _, item := range n.Content {
			v, ok := l.value(item)
			list, good = append(list, v), good && ok
		}
		return list, good
	}
	return l.scalar(n)
}
