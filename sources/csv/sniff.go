package csvsource

import (
	"bytes"
	"io"
	"log/slog"
	"strings"

	"github.com/usher-id/usher/sources/charset"
	"github.com/usher-id/usher/sources/files"
)

// How much of a file is looked at to find out its dialect: so many lines, or so many bytes. More bytes tell its encoding,
// since all of them may be ASCII.
const (
	sniffLines    = 50
	sniffBytes    = 64 << 10
	encodingBytes = 256 << 10
)

// delimiters are those that are found out.
const delimiters = ",;\t|"

// text gives the content of a file as UTF-8.
func (s *Source) text(file *files.File) io.Reader {
	s.encoding = charset.UTF8
	if s.stated != "auto" && s.stated != "utf-16" {
		// A mark says what the file is, whatever was said of it.
		head, _ := file.Peek(4, nil)
		if s.encoding = charset.Marked(head); s.encoding == nil {
			s.encoding = charset.Named(s.stated)
		}
		return s.encoding.NewReader(file)
	}
	enough := func(head []byte) bool { return bytes.Count(head, []byte{'\n'}) >= sniffLines }
	if file.Regular() { // a pipe may be in no hurry
		enough = nil
	}
	sample, whole := file.Peek(encodingBytes, enough)
	guess := charset.Detect(sample, whole)
	if guess.Encoding == charset.UTF8 && guess.Confidence == 0 && file.Index > 0 && s.first != charset.UTF8 {
		guess = charset.Guess{Encoding: s.first, Stated: true} // it does not tell: then it is like the first
	}
	s.encoding = guess.Encoding
	if s.stated == "utf-16" {
		if s.encoding != charset.UTF16BE {
			s.encoding = charset.UTF16LE
		}
	} else if !guess.Stated {
		s.note(file, guess)
	}
	return s.encoding.NewReader(file)
}

// note says what a file was taken for.
func (s *Source) note(file *files.File, guess charset.Guess) {
	if s.env.Log == nil {
		return
	}
	about := s.env.Log.With(slog.String("file", file.Origin), slog.String("encoding", guess.Name))
	switch {
	case guess.Encoding == charset.UTF8 && guess.Confidence == 0:
		about.Warn("the file is not UTF-8, and what it is instead is not clear: rows with such bytes fail; say what it is with `encoding`")
	case guess.Encoding == charset.UTF8: // with broken rows, which fail
	case guess.Confidence < charset.Likely:
		about.Warn("the encoding of the file is a guess; look at the names in it, and say what it is with `encoding`", slog.Int("confidence", guess.Confidence))
	case guess.Encoding != s.noted:
		s.noted = guess.Encoding
		about.Info("the encoding of the file was recognised", slog.Int("confidence", guess.Confidence))
	}
}

// sample has the window hold the beginning of the file, until that is enough.
func sample(w *files.Window, enough func([]byte) bool) (whole bool, err error) {
	for !enough(w.Bytes()) {
		switch err := w.More(); err {
		case nil:
		case io.EOF:
			return true, nil
		case files.ErrTooLong:
			return false, nil
		default:
			return false, err
		}
	}
	return false, nil
}

// findLineEnd finds out whether the lines of a file end with a carriage return alone.
func (s *Source) findLineEnd(d dialect) (byte, error) {
	w := s.rows.w
	settled := false
	whole, err := sample(w, func(b []byte) bool {
		feed, carriage := bytes.IndexByte(b, '\n'), loneReturn(b)
		settled = feed >= 0 && (carriage < 0 || carriage > feed)
		return settled || len(b) >= sniffBytes
	})
	b := w.Bytes()
	if err != nil || settled || loneReturn(b) < 0 {
		return '\n', err
	}
	if bytes.IndexByte(b, '\n') < 0 {
		return '\r', nil
	}
	d.lineEnd = '\n'
	_, feeds := s.bestDialect(b, d, whole)
	d.lineEnd = '\r'
	_, returns := s.bestDialect(b, d, whole)
	if whole && feeds.rows == 1 && returns.rows > 1 && returns.share == 100 {
		return '\r', nil // it would be a header alone
	}
	if returns.better(feeds) {
		return '\r', nil
	}
	return '\n', nil
}

// loneReturn gives the place of the first carriage return that no line feed follows, -1 for none.
func loneReturn(b []byte) int {
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '\r')
		if i < 0 {
			return -1
		}
		if from += i; from+1 < len(b) && b[from+1] != '\n' {
			return from
		}
		from++
	}
}

// separator passes over the line with which Excel is told the delimiter, and gives that, 0 for none.
func (s *Source) separator() (byte, error) {
	w := s.rows.w
	const longest = `"sep=;"` + "\r\n"
	if _, err := sample(w, func(b []byte) bool { return len(b) >= len(longest) }); err != nil {
		return 0, err
	}
	line, _, _ := bytes.Cut(w.Bytes(), []byte{s.rows.lineEnd})
	text := strings.Trim(string(trimReturn(line)), `"`)
	if len(text) != len("sep=;") || !strings.EqualFold(text[:4], "sep=") {
		return 0, nil
	}
	s.rows.pass(len(line))
	return text[4], nil
}

// findDialect finds out the part of the dialect that is not stated.
func (s *Source) findDialect(stated dialect) (dialect, error) {
	w := s.rows.w
	whole, err := sample(w, func(b []byte) bool {
		return len(b) >= sniffBytes || bytes.Count(b, []byte{stated.lineEnd}) >= sniffLines
	})
	if err != nil {
		return dialect{}, err
	}
	d, _ := s.bestDialect(w.Bytes(), stated, whole)
	return d, nil
}

func (s *Source) bestDialect(sample []byte, stated dialect, whole bool) (dialect, fit) {
	if len(sample) > sniffBytes {
		sample, whole = sample[:sniffBytes], false
	}
	if end := bytes.LastIndexByte(sample, stated.lineEnd); !whole && end >= 0 {
		sample = sample[:end+1]
	}
	delimiters := []byte(delimiters)
	if stated.delimiter != 0 {
		delimiters = []byte{stated.delimiter}
	}
	quotes := []byte{'"', '\''}
	if s.quoteSet {
		quotes = []byte{stated.quote}
	} else if s.strip {
		quotes = quotes[:1] // the other one is no quote then
	}
	best := stated
	best.delimiter, best.quote = delimiters[0], quotes[0]
	var bestFit fit
	for _, quote := range quotes {
		for _, backslash := range []bool{false, true} {
			if s.escape == "auto" && backslash && !bytes.Contains(sample, []byte{'\\', quote}) || s.escape != "auto" && backslash != stated.backslash {
				continue
			}
			for _, delimiter := range delimiters {
				d := dialect{delimiter, quote, stated.lineEnd, backslash}
				if f := try(sample, d); f.better(bestFit) && (quote != '\'' || s.quoteSet || f.apostrophes(bestFit)) {
					best, bestFit = d, f
				}
			}
		}
	}
	if bestFit.columns == 0 && len(quotes) > 1 {
		// One column does not tell the delimiter, but its quotes.
		otherwise := try(sample, best)
		for _, backslash := range []bool{false, true} {
			alone := dialect{best.delimiter, '\'', stated.lineEnd, backslash}
			if s.escape != "auto" && backslash != stated.backslash {
				continue
			}
			if f := try(sample, alone); f.columns == 1 && f.share == 100 && f.apostrophes(otherwise) {
				best = alone
				break
			}
		}
	}
	return best, bestFit
}

// fit is how well a sample agrees with a dialect.
type fit struct {
	columns int // of the first row
	rows    int
	share   int // of the rows that have as many, in percent
	quoted  int // values in quotes
	escaped int // of these, with quotes in them
}

func (f fit) better(than fit) bool {
	if f.columns < 2 || f.share < than.share {
		return false
	}
	if f.share > than.share {
		return than.columns < 2 || f.share > than.share+10 || f.columns >= than.columns
	}
	return f.columns > than.columns || f.columns == than.columns && f.quoted > than.quoted
}

// apostrophes reports whether apostrophes around values are quotes and not part of them: every other row has some, or there are
// escaped ones between them, or the rows make no sense without.
func (f fit) apostrophes(otherwise fit) bool {
	return f.quoted > 0 && (f.share > otherwise.share || otherwise.quoted == 0 && (2*f.quoted >= f.rows || f.escaped > 0))
}

func try(sample []byte, d dialect) fit {
	r := reader{w: files.NewWindow(int64(len(sample)) + 1), dialect: d}
	r.w.LineEnd(d.lineEnd)
	r.w.Reset(bytes.NewReader(sample), 0, 0)
	var f fit
	same := 0
	for {
		err := r.read()
		if err != nil && !isRowError(err) {
			break
		}
		f.rows++
		if err != nil {
			continue
		}
		if f.columns == 0 {
			f.columns, r.columns = len(r.fields), len(r.fields)
		}
		if len(r.fields) == f.columns {
			same++
		}
		for i, q := range r.quoted {
			if q {
				f.quoted++
				if strings.IndexByte(r.fields[i], d.quote) >= 0 {
					f.escaped++
				}
			}
		}
	}
	if f.rows > 0 {
		f.share = 100 * same / f.rows
	}
	return f
}
