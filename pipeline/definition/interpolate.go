package definition

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxSecretFile bounds the file of a ${file:PATH}, in bytes.
const maxSecretFile = 64 << 10

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// interpolate gives the text of a scalar with what its ${…} stand for, and whether there are any:
//
//	${NAME}            the environment variable, which must be set
//	${NAME:-default}   the variable, or default where it is not set or empty
//	${file:PATH}       the text of the file without the line end after it
//	$${                ${ itself
//
// What comes in is text, whatever it looks like: it is never read as YAML. ok is false where something is missing,
// which is reported.
func (l *loader) interpolate(n *yaml.Node) (text string, replaced, ok bool) {
	if !strings.Contains(n.Value, "${") {
		return n.Value, false, true
	}
	var b strings.Builder
	ok = true
	for rest := n.Value; ; {
		i := strings.Index(rest, "${")
		if i < 0 {
			b.WriteString(rest)
			return b.String(), replaced, ok
		}
		offset := len(n.Value) - len(rest) + i
		if i > 0 && rest[i-1] == '$' {
			b.WriteString(rest[:i-1])
			b.WriteString("${")
			rest = rest[i+2:]
			continue
		}
		b.WriteString(rest[:i])
		length := strings.IndexByte(rest[i:], '}') + 1
		if length == 0 {
			l.inside(n, offset, len(rest)-i, "config.bad_interpolation", "this ${ has no }", "write $${ for a ${ that is meant as it stands")
			return "", true, false
		}
		value, good := l.lookup(n, offset, rest[i+2:i+length-1])
		b.WriteString(value)
		ok = ok && good
		replaced = true
		rest = rest[i+length:]
	}
}

// lookup gives what the inside of one ${…} stands for.
func (l *loader) lookup(n *yaml.Node, offset int, inner string) (string, bool) {
	length := len("${}") + len(inner)
	if path, isFile := strings.CutPrefix(inner, "file:"); isFile {
		text, err := secretFile(l.absolute(path))
		if err != nil {
			l.inside(n, offset, length, "config.missing_file", fmt.Sprintf("the file %s cannot be read: %v", path, err),
				"it is looked for from the folder of the pipeline file")
			return "", false
		}
		return text, true
	}
	name, fallback, hasFallback := strings.Cut(inner, ":-")
	if !variable.MatchString(name) {
		l.inside(n, offset, length, "config.bad_interpolation", "${ } takes the name of an environment variable",
			"write ${NAME}, ${NAME:-default} or ${file:PATH}, and $${ for a ${ that is meant as it stands")
		return "", false
	}
	value, set := os.LookupEnv(name)
	switch {
	case hasFallback && value == "":
		return fallback, true
	case !set:
		l.inside(n, offset, length, "config.missing_variable", fmt.Sprintf("the environment variable %s is not set", name),
			fmt.Sprintf("set it, or give a default: ${%s:-default}", name))
		return "", false
	}
	return value, true
}

func secretFile(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errors.New("it is not there")
	case err != nil:
		return "", errors.New(reason(err))
	case !info.Mode().IsRegular():
		return "", errors.New("it is not a file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", errors.New(reason(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch {
	case err != nil:
		return "", errors.New(reason(err))
	case len(text) > maxSecretFile:
		return "", fmt.Errorf("it has more than %d bytes", maxSecretFile)
	case !utf8.Valid(text):
		return "", errors.New("it is not UTF-8 text")
	}
	line := strings.TrimSuffix(string(text), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// absolute gives a path as seen from the folder of the pipeline file; - stays.
func (l *loader) absolute(path string) string {
	if path == "-" || path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.dir, path)
}

// inside reports something about a part of a scalar's value.
func (l *loader) inside(n *yaml.Node, offset, length int, code, message, hint string) *Diagnostic {
	line, column := l.locate(n, offset)
	part := n.Value[min(offset, len(n.Value)):min(offset+length, len(n.Value))]
	part, _, _ = strings.Cut(part, "\n")
	return l.at(line, column, utf8.RuneCountInString(part), code, message, hint)
}
