package definition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	explain "github.com/goccy/go-yaml/parser"
	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/pipeline"
)

// Bounds on a pipeline file.
const (
	MaxFile  = 1 << 20 // bytes
	MaxNodes = 100_000 // values, with every alias counted as often as it is used
	MaxDepth = 64      // levels of nesting, aliases followed
)

// loader reads one pipeline file and collects what is wrong with it.
type loader struct {
	file     string // as the caller named it
	dir      string
	lines    []string
	registry *pipeline.Registry
	env      pipeline.Env
	found    []*Diagnostic
	// variables is what env() in expressions reads; nil is the environment.
	variables func(string) (string, bool)
	// reads and writes are the files that sources and the sink are told of.
	reads, writes []string
	// secrets says where, by line, the values of secret options stand.
	secrets map[int][]span
	// others are diagnostics of other files. pluginsFailed says that there may be connectors that could not be asked for.
	others        Diagnostics
	pluginsFailed bool
	// proved passes over prove.
	proved bool
}

func readFile(path string) ([]byte, *Diagnostic) {
	unreadable := func(message, hint string) *Diagnostic {
		return &Diagnostic{Code: "config.unreadable", File: path, Message: message, Hint: hint}
	}
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Diagnostic{Code: "config.not_found", File: path, Message: "there is no such file", Hint: "name the pipeline file"}
	case errors.Is(err, fs.ErrPermission):
		return nil, unreadable("the file may not be read", "check its permissions")
	case err != nil:
		return nil, unreadable("the file cannot be opened: "+reason(err), "")
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, unreadable("this is a folder", "name the pipeline file in it")
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, unreadable("the file cannot be read: "+reason(err), "")
	}
	return text, nil
}

// reason gives the cause of a file error without the path, which the message names already.
func reason(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}

// parse gives the top node of the text, nil where there is none to go on with.
func (l *loader) parse(text []byte) *yaml.Node {
	if len(text) > MaxFile {
		l.whole("config.too_large", fmt.Sprintf("the file has more than %d bytes", MaxFile), "a pipeline file describes the data, it does not hold it")
		return nil
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	l.lines = strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text)), "\n")
	if !l.readable() {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var top yaml.Node
	err := decoder.Decode(&top)
	if errors.Is(err, io.EOF) || err == nil && (len(top.Content) == 0 || isNull(top.Content[0])) {
		l.whole("config.empty", "the file holds no pipeline", "a pipeline has a source and a sink")
		return nil
	}
	if err != nil {
		l.syntax(string(text), err)
		return nil
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		n := &second
		if err != nil || len(second.Content) == 0 {
			n = &top
		}
		l.report(n, "config.several_documents", "the file holds more than one YAML document", "keep one pipeline in a file")
		return nil
	}
	root := top.Content[0]
	if !l.bounded(root) {
		return nil
	}
	return root
}

// readable refuses text that is no text.
func (l *loader) readable() bool {
	for i, line := range l.lines {
		column := 0
		for rest := line; rest != ""; {
			r, size := utf8.DecodeRuneInString(rest)
			column++
			switch {
			case r == utf8.RuneError && size == 1:
				l.at(i+1, column, 1, "config.encoding", "the file is not UTF-8 text here", "save it as UTF-8")
				return false
			case r < ' ' && r != '\t' || r == 0x7f:
				l.at(i+1, column, 1, "config.encoding", fmt.Sprintf("a control character (U+%04X)", r), `write it as an escape in a "quoted" text`)
				return false
			}
			rest = rest[size:]
		}
	}
	return true
}

var (
	lineOf  = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)
	placeOf = regexp.MustCompile(`^\[(\d+):(\d+)\] ([^\n]*)`)
	aliasOf = regexp.MustCompile(`^unknown anchor '(.+)' referenced$`)
)

// maxExplain bounds the text that is read a second time for the place of an error.
const maxExplain = 64 << 10

// syntax reports that the text is not YAML. The parser that builds the tree is exact in what it takes and vague in
// where it stopped; the other one is the other way round, so that it is asked for the place.
func (l *loader) syntax(text string, err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line, column := 1, 1
	if m := lineOf.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	if strings.Contains(message, "max depth") {
		l.at(line, 1, 1, "config.too_deep", "nested too deeply", "")
		return
	}
	if m := aliasOf.FindStringSubmatch(message); m != nil { // neither parser says where
		line, column = l.aliasPlace(m[1])
	} else if m := placeOf.FindStringSubmatch(explained(text)); m != nil {
		line, _ = strconv.Atoi(m[1])
		column, _ = strconv.Atoi(m[2])
		message = m[3]
	} else if line <= len(l.lines) {
		column = len(l.lines[line-1]) - len(strings.TrimLeft(l.lines[line-1], " \t")) + 1
	}
	line = min(max(line, 1), len(l.lines))
	hint := ""
	switch shown := l.lines[line-1]; {
	case strings.HasPrefix(strings.TrimLeft(shown, " "), "\t"):
		hint = "indent with spaces, not tabs"
	case strings.Contains(message, "mapping value") || strings.Contains(message, "mapping values"):
		hint = `a ": " in a text needs quotes around the whole: 'user.a ? 1 : 2'`
		if i := secondColon(shown); i > 0 {
			column = utf8.RuneCountInString(shown[:i]) + 1
		}
	case strings.Contains(message, "reserved character") || strings.Contains(message, "cannot start any token"):
		hint = "put the text in quotes"
	case strings.Contains(message, "not allowed in this context"):
		hint = contextHint(shown, column)
	case strings.Contains(message, "scalar value type") && strings.Contains(shown, ": !"):
		hint, column = bangHint, utf8.RuneCountInString(shown[:strings.Index(shown, ": !")])+3
	case aliasOf.MatchString(message):
		hint = "put the text in quotes if no alias is meant"
	case strings.Contains(shown, "${"):
		hint = "inside { } a ${VARIABLE} needs quotes"
	}
	l.at(line, column, 1, "config.syntax", "not YAML: "+message, hint)
}

// bangHint is said where YAML takes an expression such as !user.active for a tag.
const bangHint = "an expression that begins with ! needs quotes around the whole"

// contextHint says what is behind a value that YAML does not expect in a column of a line: something behind a closing quote or
// bracket, as in 'Mr ' + user.name, or the wrong column.
func contextHint(line string, column int) string {
	before := strings.TrimRight(string([]rune(line)[:min(max(column-1, 0), utf8.RuneCountInString(line))]), " ")
	switch {
	case before == "":
		return "what belongs together begins in the same column"
	case strings.ContainsAny(before[len(before)-1:], `'"]}`):
		return `what begins with a quote, [ or { needs quotes around the whole: "'Mr ' + user.name"`
	}
	return ""
}

// aliasPlace finds the first alias of that name.
func (l *loader) aliasPlace(name string) (line, column int) {
	alias := regexp.MustCompile(`(?:^|[\s\[{,])(\*` + regexp.QuoteMeta(name) + `)(?:$|[\s\]},])`)
	for i, text := range l.lines {
		if m := alias.FindStringSubmatchIndex(text); m != nil {
			return i + 1, utf8.RuneCountInString(text[:m[2]]) + 1
		}
	}
	return 1, 1
}

// secondColon finds the ": " that YAML stumbles over in a line such as "filter: user.a ? 1 : 2".
func secondColon(line string) int {
	first := strings.Index(line, ": ")
	if first < 0 {
		return -1
	}
	second := strings.Index(line[first+2:], ": ")
	if second < 0 {
		return -1
	}
	return first + 2 + second
}

// explained gives the other parser's error for the text.
func explained(text string) (message string) {
	if len(text) > maxExplain {
		return ""
	}
	defer func() {
		if recover() != nil {
			message = "" // it is only asked for a place, and has none
		}
	}()
	if _, err := explain.ParseBytes([]byte(text), 0); err != nil {
		return err.Error()
	}
	return ""
}

// bounded checks tags, depth, and what aliases expand to, so that everything after can walk the tree freely.
func (l *loader) bounded(root *yaml.Node) bool {
	type extent struct{ nodes, depth int }
	const walking = -1
	known := map[*yaml.Node]extent{}
	good := true
	var measure func(n *yaml.Node) extent
	measure = func(n *yaml.Node) extent {
		if e, ok := known[n]; ok {
			if e.nodes == walking && good {
				l.report(n, "config.aliases", "the anchor "+n.Anchor+" contains itself", "")
				good = false
			}
			return extent{max(e.nodes, 1), e.depth}
		}
		known[n] = extent{nodes: walking}
		e := extent{nodes: 1}
		children := n.Content
		if n.Kind == yaml.AliasNode {
			children = []*yaml.Node{n.Alias}
		} else if tag := n.ShortTag(); !knownTags[tag] && good {
			hint := "take it out"
			if !strings.HasPrefix(tag, "!!") {
				hint = bangHint + "; else take it out"
			}
			l.report(n, "config.tag", "the tag "+tag+" has no meaning here", hint)
			good = false
		}
		for _, child := range children {
			c := measure(child)
			e.nodes = min(e.nodes+c.nodes, MaxNodes+1)
			if n.Kind != yaml.AliasNode {
				c.depth++
			}
			e.depth = max(e.depth, c.depth)
		}
		if good && e.depth > MaxDepth {
			l.report(n, "config.too_deep", fmt.Sprintf("nested more than %d levels deep", MaxDepth), "")
			good = false
		}
		if good && e.nodes > MaxNodes {
			l.report(n, "config.aliases", fmt.Sprintf("this expands to more than %d values", MaxNodes), "use fewer aliases")
			good = false
		}
		known[n] = e
		return e
	}
	measure(root)
	return good
}

var knownTags = map[string]bool{
	"!!str": true, "!!int": true, "!!float": true, "!!bool": true, "!!null": true, "!!map": true, "!!seq": true,
	"!!timestamp": true, "!!merge": true,
}

// entry is one key of a mapping with its value, aliases followed.
type entry struct {
	name       string
	key, value *yaml.Node
}

// entries gives the keys of a mapping in order, those merged in with << after its own.
func (l *loader) entries(n *yaml.Node) []entry {
	var own []entry
	seen := map[string]*yaml.Node{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := follow(n.Content[i]), follow(n.Content[i+1])
		switch {
		case key.ShortTag() == "!!merge":
			if value.Kind == yaml.SequenceNode {
				merged = append(merged, value.Content...)
			} else {
				merged = append(merged, value)
			}
			continue
		case key.Kind != yaml.ScalarNode:
			l.report(key, "config.wrong_type", "a key must be text", "")
			continue
		}
		if first := seen[key.Value]; first != nil {
			l.report(key, "config.duplicate_key", fmt.Sprintf("the key %q stands here twice", key.Value),
				fmt.Sprintf("the first is in line %d", first.Line))
			continue
		}
		seen[key.Value] = key
		own = append(own, entry{key.Value, key, value})
	}
	for _, m := range merged {
		m = follow(m)
		if m.Kind != yaml.MappingNode {
			l.report(m, "config.wrong_type", "<< takes a map, or a list of maps", "")
			continue
		}
		for _, e := range l.entries(m) {
			if seen[e.name] == nil {
				seen[e.name] = e.key
				own = append(own, e)
			}
		}
	}
	return own
}

func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kindOf names what stands in the file.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	}
	return "text"
}

func (l *loader) whole(code, message, hint string) {
	l.found = append(l.found, &Diagnostic{Code: code, File: l.file, Message: message, Hint: hint})
}

func (l *loader) at(line, column, length int, code, message, hint string) *Diagnostic {
	d := &Diagnostic{Code: code, File: l.file, Line: line, Column: column, Message: message, Hint: hint, length: length}
	l.found = append(l.found, d)
	return d
}

// report reports something about a node as a whole.
func (l *loader) report(n *yaml.Node, code, message, hint string) *Diagnostic {
	length := 1
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		length = utf8.RuneCountInString(n.Value)
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			length += 2
		}
	}
	return l.at(n.Line, n.Column, length, code, message, hint)
}

// unknown reports a name that does not exist, and gives the nearest that does.
func (l *loader) unknown(n *yaml.Node, code, message string, names []string) (suggestion string) {
	d := l.report(n, code, message, "")
	d.Suggestion = Nearest(n.Value, names)
	if d.Suggestion == "" && len(names) > 0 && len(names) <= 20 {
		d.Hint = "known: " + strings.Join(names, ", ")
	}
	return d.Suggestion
}

// diagnostics gives all that was found, with excerpts in which no secret shows.
func (l *loader) diagnostics() Diagnostics {
	found := sorted(l.found)
	for _, d := range found {
		if d.Line >= 1 && d.Line <= len(l.lines) {
			line, column, length := l.shown(d)
			d.Excerpt = excerpt(line, d.Line, column, length)
		}
	}
	return found
}
