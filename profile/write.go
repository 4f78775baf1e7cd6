package profile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/usher-id/usher/value"
)

// Draft is a pipeline file to be written.
type Draft struct {
	Name string
	// About are lines on how the file came to be.
	About []string
	// Source is the connector, Options are what it is given: name, value and a comment.
	Source  string
	Options []Option
	// Mapped says that the source gives canonical users, so that there is no mapping.
	Mapped bool
	Suggestion
	// Store is the DSN of the store that the users go to.
	Store string
	// Tests adds a test to begin with, where the mapping has something to test.
	Tests bool
}

// Option is an option of the source.
type Option struct {
	Name string
	// Value is a text, or one that stands as it is where Plain is set.
	Value   string
	Plain   bool
	Comment string
	// Off writes it as a comment.
	Off bool
}

// YAML gives the text of the pipeline file, with comments.
func (d *Draft) YAML() []byte {
	var b bytes.Buffer
	comment(&b, "", d.About...)
	comment(&b, "", "For completion in an editor: usher schema > pipeline.schema.json, and as the first line of this file",
		`"# yaml-language-server: $schema=pipeline.schema.json".`)
	fmt.Fprintf(&b, "name: %s\nsource:\n  %s:\n", scalar(d.Name), d.Source)
	for _, o := range d.Options {
		text := o.Value
		if !o.Plain {
			text = scalar(strings.ReplaceAll(text, "${", "$${"))
		}
		line(&b, "    ", o.Off, o.Name, text, o.Comment)
	}
	if !d.Mapped && len(d.Mapping) > 0 {
		d.mapping(&b)
	}
	b.WriteString("sink:\n  store:\n")
	fmt.Fprintf(&b, "    dsn: %s\n", scalar(d.Store))
	identifier := d.Identifier
	if identifier == "" {
		identifier = "email"
	}
	comment(&b, "    ", "users are found by it: "+d.Why)
	fmt.Fprintf(&b, "    identifier: %s\n", identifier)
	comment(&b, "    ", "users that are there already are updated; with false they are skipped")
	b.WriteString("    upsert: true\n")
	if d.Tests {
		d.tests(&b)
	}
	return b.Bytes()
}

// tests writes a test whose values are made up: a pipeline file is no place for people's data.
func (d *Draft) tests(b *bytes.Buffer) {
	at := slices.IndexFunc(d.Mapping, func(a Assignment) bool { return a.Target == "email" && !a.Off && len(a.path) > 0 })
	if at < 0 {
		return
	}
	var input any = "Ann@Example.com"
	for _, name := range slices.Backward(d.Mapping[at].path) {
		input = value.ObjectOf(value.Member{Name: name, Value: input})
	}
	comment(b, "", "Run by usher test, offline. Add a case for every odd shape that your data has.")
	fmt.Fprintf(b, "tests:\n  - name: email addresses are written in small letters\n    input: %s\n    expect: { email: ann@example.com }\n",
		strings.ReplaceAll(string(value.AppendJSON(nil, input)), "${", "$${"))
}

func (d *Draft) mapping(b *bytes.Buffer) {
	b.WriteString("transforms:\n  - map:\n")
	on, custom := false, false
	for _, a := range d.Mapping {
		if !custom && strings.HasPrefix(a.Target, "custom_attributes.") {
			custom = true
			b.WriteByte('\n')
			comment(b, "      ", "What has no attribute of its own. Take out what nobody needs.")
		}
		if len(a.Comment) > 60 {
			comment(b, "      ", a.Comment)
			a.Comment = ""
		}
		line(b, "      ", a.Off, key(a.Target), scalar(strings.ReplaceAll(a.Expression, "${", "$${")), a.Comment)
		on = on || !a.Off
	}
	if !on {
		// A map without fields would keep all as they are.
		b.WriteString("      name: null\n")
	}
}

// line writes one option, with a comment behind it.
func line(b *bytes.Buffer, indent string, off bool, name, text, note string) {
	b.WriteString(indent)
	if off {
		b.WriteString("# ")
	}
	b.WriteString(strings.TrimSuffix(name+": "+text, " "))
	if note != "" {
		b.WriteString("  # " + clean(note))
	}
	b.WriteByte('\n')
}

func comment(b *bytes.Buffer, indent string, lines ...string) {
	for _, text := range lines {
		b.WriteString(strings.TrimRight(indent+"# "+clean(text), " ") + "\n")
	}
}

// clean keeps what names from the data hold from ending a comment or doing worse on a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError || r == '\ufeff' {
			return ' '
		}
		return r
	}, text)
}

// key writes the name of a mapped field.
func key(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '.'
	}) {
		return scalar(name)
	}
	return name
}

// scalar writes a text as YAML on one line.
func scalar(text string) string {
	node := yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }) {
		node.Style = yaml.DoubleQuotedStyle
	}
	out, err := yaml.Marshal(&node)
	if err != nil {
		panic("profile: " + err.Error()) // a text can always be written
	}
	return strings.TrimRight(string(out), "\n")
}
