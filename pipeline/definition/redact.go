package definition

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// span is a part of a line: the columns from from up to to.
type span struct{ from, to int }

// hide keeps the value of a secret option out of excerpts. The name of a variable is no secret, nor is that of a member.
func (l *loader) hide(n *yaml.Node) {
	n = follow(n)
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if isNull(n.Content[i+1]) { // { s3cret } is a key
				l.hide(n.Content[i])
			}
			l.hide(n.Content[i+1])
		}
		return
	}
	if n.Kind != yaml.ScalarNode {
		for _, child := range n.Content {
			l.hide(child)
		}
		return
	}
	if n.Value == "" || n.Line == 0 || strings.HasPrefix(n.Value, "${") && strings.IndexByte(n.Value, '}') == len(n.Value)-1 {
		return
	}
	if l.secrets == nil {
		l.secrets = map[int][]span{}
	}
	last, column := l.locate(n, len(n.Value))
	for line := n.Line; line <= last; line++ {
		s := span{1, 1 << 30}
		if line == n.Line {
			s.from = n.Column
		}
		if line == last {
			s.to = column
			if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
				s.to++
			}
		}
		if s.from < s.to && !slices.Contains(l.secrets[line], s) {
			l.secrets[line] = append(l.secrets[line], s)
		}
	}
}

// hideUnknown hides the value of an option that does not exist, where it may be a secret by its name or by the option
// that was meant.
func (l *loader) hideUnknown(e entry, meant string, declared []pipeline.Option) {
	isSecret := func(o pipeline.Option) bool { return o.Name == meant && o.Secret }
	if soundsSecret(e.name) || slices.ContainsFunc(declared, isSecret) {
		l.hide(e.value)
		return
	}
	l.hideBelow(e.value)
}

// hideBelow hides what sounds like a secret among options that nothing is known of.
func (l *loader) hideBelow(n *yaml.Node) {
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			l.hideBelow(follow(item))
		}
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if soundsSecret(n.Content[i].Value) {
			l.hide(n.Content[i+1])
		} else {
			l.hideBelow(follow(n.Content[i+1]))
		}
	}
}

func soundsSecret(name string) bool {
	lower := strings.ToLower(name)
	return pipeline.IsSecret(name, "") || strings.Contains(lower, "dsn") || strings.Contains(lower, "pass")
}

var (
	keyed       = regexp.MustCompile(`^[\s-]*["']?([\pL\pN_.-]+)["']?\s*:\s+(\S.*)$`)
	credentials = regexp.MustCompile(`(://|['"\s])([^\s:/@'"]*):([^\s@'"]+)@`)
)

// shown gives the line of a diagnostic without secrets, and what to mark in it.
func (l *loader) shown(d *Diagnostic) (line string, column, length int) {
	line, column, length = l.lines[d.Line-1], d.Column, d.length
	spans := slices.Clone(l.secrets[d.Line])
	slices.SortFunc(spans, func(a, b span) int { return b.from - a.from }) // from the right, so that columns stay
	runes := []rune(line)
	for _, s := range spans {
		from, to := min(s.from-1, len(runes)), min(s.to-1, len(runes))
		runes = slices.Concat(runes[:from], []rune(value.Redacted), runes[to:])
		switch {
		case column >= s.to:
			column += len(value.Redacted) - (to - from)
		case column >= s.from:
			column, length = s.from, len(value.Redacted)
		}
	}
	if len(spans) > 0 {
		return string(runes), column, length
	}
	return redact(line), column, length
}

// redact takes out of a line what may be a secret that somebody wrote into the file, where nothing is known but the
// text: the value of a key that sounds like one, the credentials of a URL or DSN.
func redact(line string) string {
	if m := keyed.FindStringSubmatchIndex(line); m != nil {
		name, text := line[m[2]:m[3]], line[m[4]:m[5]]
		if soundsSecret(name) && !strings.ContainsAny(text[:1], "{[&*|>") && !strings.Contains(text, "${") && !mentionsUser.MatchString(text) {
			return line[:m[4]] + value.Redacted
		}
	}
	return credentials.ReplaceAllString(line, "$1$2:"+value.Redacted+"@")
}
