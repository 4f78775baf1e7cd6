package expression

import (
	"errors"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"
	exprparser "github.com/expr-lang/expr/parser"
	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/js"
)

// pipe is what the walk through a JavaScript tree panics with where it meets x | f(), which expr means otherwise.
type pipe struct{ at span }

// parse reads the text as JavaScript or, where it is none, as expr.
func (b *builder) parse() operand {
	if i := strings.IndexFunc(b.text, func(r rune) bool { return r == 0 || r == utf8.RuneError }); i >= 0 {
		b.refuse(span{i, i + 1}, "expression.syntax", "", "the expression holds a byte that is not text")
	}
	if strings.TrimSpace(b.text) == "" {
		b.refuse(span{}, "expression.syntax", "", "the expression is empty")
	}
	source, tree, err := parseJavaScript(b.text)
	var piped *pipe
	if tree != nil {
		var o operand
		if o, piped = b.javaScript(source, tree); piped == nil {
			return o
		}
		err = &SyntaxError{Code: "expression.unsupported", Offset: piped.at.from, Length: piped.at.to - piped.at.from,
			Message: "a pipe cannot stand beside syntax that only JavaScript has", Hint: "call the function: f(x) in place of x | f()"}
	}
	root, exprErr := exprparser.Parse(b.text)
	if exprErr == nil {
		w := &exprWalker{builder: b}
		return w.walk(root.Node)
	}
	if place := (*file.Error)(nil); piped == nil && errors.As(exprErr, &place) {
		if from := byteOffset(b.text, place.From); from > err.Offset && from < len(b.text) {
			err = &SyntaxError{Code: "expression.syntax", Message: place.Message, Offset: from, Length: byteOffset(b.text, place.To) - from}
		}
	}
	panic(err)
}

// byteOffset gives the byte at which the n-th rune of s begins.
func byteOffset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// jsSource is a text as the JavaScript parser saw it.
type jsSource struct {
	buffer []byte
	before int // bytes put in front of the text
	length int
}

// newSource leaves room for the byte that the parser puts after the text: were there none it would read a copy.
func newSource(before, text, after string) *jsSource {
	buffer := make([]byte, 0, len(before)+len(text)+len(after)+1)
	buffer = append(append(append(buffer, before...), text...), after...)
	return &jsSource{buffer: buffer, before: len(before), length: len(text)}
}

// at finds the place in the text of a token, which the parser gives as a part of its buffer. There is no place for
// what it has copied.
func (s *jsSource) at(token []byte) span {
	if len(token) == 0 {
		return span{}
	}
	from := int(reflect.ValueOf(token).Pointer()) - int(reflect.ValueOf(s.buffer).Pointer()) - s.before
	if from < 0 || from+len(token) > s.length {
		return span{}
	}
	return span{from, from + len(token)}
}

// parseJavaScript reads an expression, or declarations before one.
func parseJavaScript(text string) (*jsSource, *js.AST, *SyntaxError) {
	// In parentheses a brace begins an object, not a block. Only text that is whole in itself stays the one group.
	source := newSource("(", text, "\n)")
	tree, err := js.Parse(parse.NewInputBytes(source.buffer), js.Options{})
	if err == nil && len(tree.List) == 1 {
		if s, ok := tree.List[0].(*js.ExprStmt); ok {
			if _, ok := s.Value.(*js.GroupExpr); ok {
				return source, tree, nil
			}
		}
	}
	syntax := source.error(err)
	if !strings.Contains(text, "let") && !strings.Contains(text, "const") && !strings.Contains(text, ";") {
		return nil, nil, syntax
	}
	source = newSource("", text, "")
	if tree, err = js.Parse(parse.NewInputBytes(source.buffer), js.Options{}); err != nil {
		if e := source.error(err); e.Offset > syntax.Offset {
			syntax = e
		}
		return nil, nil, syntax
	}
	for i, s := range tree.List {
		_, isLet := s.(*js.VarDecl)
		_, isExpr := s.(*js.ExprStmt)
		_, isEmpty := s.(*js.EmptyStmt)
		last := i == len(tree.List)-1
		if fits := isLet && !last || isExpr && last || isEmpty; !fits {
			return nil, nil, syntax
		}
	}
	if len(tree.List) == 0 {
		return nil, nil, syntax
	}
	return source, tree, nil
}

// error puts an error of the parser into words.
func (s *jsSource) error(err error) *SyntaxError {
	var place *parse.Error
	if !errors.As(err, &place) {
		return &SyntaxError{Code: "expression.syntax", Message: "the text is not one expression", Length: s.length}
	}
	from := s.position(place.Line, place.Column) - s.before
	if from >= s.length {
		return &SyntaxError{Code: "expression.syntax", Message: "the expression ends too early", Offset: s.length}
	}
	e := &SyntaxError{Code: "expression.syntax", Message: place.Message, Offset: max(from, 0), Length: 1}
	for strings.HasSuffix(e.Message, " in expression") {
		e.Message = strings.TrimSuffix(e.Message, " in expression")
	}
	return e
}

// position turns the parser's line and column, which counts runes, into a byte of the buffer.
func (s *jsSource) position(line, column int) int {
	text := string(s.buffer)
	i := 0
	for ; line > 1 && i < len(text); line-- {
		end := strings.IndexAny(text[i:], "\n\r\u2028\u2029")
		if end < 0 {
			return len(text)
		}
		_, size := utf8.DecodeRuneInString(text[i+end:])
		if strings.HasPrefix(text[i+end:], "\r\n") {
			size = 2
		}
		i += end + size
	}
	return i + byteOffset(text[i:], column-1)
}
