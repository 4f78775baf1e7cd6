package jsonsource

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sources/files"
	"github.com/usher-id/usher/value"
)

// sniffSize is how much of a file is looked at to find out its format.
const sniffSize = 64 << 10

var byteOrderMark = []byte("\xef\xbb\xbf")

// sniff passes over a byte order mark and finds out the format of the file, as far as it was not stated.
func (s *Source) sniff() (format, error) {
	w := s.cut.w
	for decided := false; ; {
		b := w.Bytes()
		if bytes.HasPrefix(b, byteOrderMark) {
			w.AdvanceLines(len(byteOrderMark), 0)
			continue
		}
		var f format
		switch {
		case len(s.at) > 0:
			f, decided = wrapped, true
		case s.stated == "auto":
			f, decided = guess(b)
		default:
			f, decided = format(indexOf(s.stated)), true
		}
		if decided && len(b) >= len(byteOrderMark) && len(bytes.TrimSpace(b)) > 0 {
			return f, nil
		}
		switch err := w.More(); {
		case err == nil && len(w.Bytes()) < sniffSize:
		case err == nil || err == files.ErrTooLong:
			return f, nil
		case err != io.EOF:
			return 0, err
		case len(bytes.TrimSpace(w.Bytes())) > 0:
			return f, nil
		default:
			return s.empty(f)
		}
	}
}

func indexOf(name string) int {
	for i, n := range formatNames {
		if n == name {
			return i
		}
	}
	return -1
}

// empty says whether a file without content is one without records.
func (s *Source) empty(f format) (format, error) {
	name := files.Uncompressed(s.file.Origin)
	lines := strings.HasSuffix(name, ".ndjson") || strings.HasSuffix(name, ".jsonl")
	switch {
	case s.stated == "auto" && lines && len(s.at) == 0:
		return ndjson, nil
	case s.stated == "ndjson", s.stated == "concatenated":
		return f, nil
	}
	return 0, &pipeline.Error{Code: "json.empty", Message: s.file.Origin + " is empty",
		Hint: "a file without records would be [], or state format: ndjson for one that may be empty"}
}

// guess says what the beginning of a file looks like, and whether that is settled without seeing more.
func guess(b []byte) (f format, settled bool) {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 {
		return concatenated, false
	}
	if b[0] == '[' {
		return array, true
	}
	line, rest, whole := bytes.Cut(b, []byte{'\n'})
	if !whole {
		return concatenated, false
	}
	s := newScan(b[0])
	if end := s.end(line); end >= 0 {
		if len(bytes.TrimSpace(line[end:])) == 0 {
			return ndjson, true
		}
		return concatenated, true
	} else if s.scalar {
		return ndjson, true
	}
	// The first line is not a whole value. If the second begins one, then the first is a broken record: within an
	// object no line begins with a brace.
	rest = bytes.TrimLeft(rest, " \t\r\n")
	if len(rest) == 0 {
		return ndjson, false // if there is no more, it is one broken line, such as a reject
	}
	if rest[0] == '{' {
		return ndjson, true
	}
	return concatenated, true
}

// RejectsExtension implements pipeline.Rejecter: that of the first file.
func (s *Source) RejectsExtension() string {
	name := files.Uncompressed(s.set.Patterns()[0])
	switch extension := filepath.Ext(name); extension {
	case ".ndjson", ".jsonl":
		return extension
	}
	return ".json"
}

// AppendReject implements pipeline.Rejecter.
func (s *Source) AppendReject(dst []byte, n int64, r *pipeline.Record) []byte {
	switch {
	case s.shape != array && s.shape != wrapped:
	case n > 0:
		dst = append(dst, ",\n"...)
	default:
		for _, name := range s.at {
			dst = append(dst, '{')
			dst = value.AppendString(dst, name)
			dst = append(dst, ':')
		}
		dst = append(dst, "[\n"...)
	}
	from := len(dst)
	switch {
	case r.Source != nil:
		dst = value.AppendJSON(dst, r.Source)
	case len(r.Raw) > 0:
		dst = append(dst, r.Raw...)
	default:
		dst = append(dst, "null"...) // it was too large to be kept
	}
	if s.shape == ndjson || s.shape == concatenated {
		for i, c := range dst[from:] {
			if c == '\n' || c == '\r' {
				dst[from+i] = ' '
			}
		}
		dst = append(dst, '\n')
	}
	return dst
}

// RejectsEnd implements pipeline.Rejecter.
func (s *Source) RejectsEnd(n int64) []byte {
	if n == 0 || s.shape == ndjson || s.shape == concatenated {
		return nil
	}
	return []byte("\n]" + strings.Repeat("}", len(s.at)) + "\n")
}

// ReadRejects implements pipeline.Rejecter.
func (s *Source) ReadRejects(path string) pipeline.Source {
	return &Source{env: s.env, set: files.NewSet(s.env, []string{path}), stated: s.stated, at: s.at, skip: s.skip, maxBytes: s.maxBytes}
}
