package csvsource

import (
	"bytes"
	"io"

	"github.com/usher-id/usher/sources/files"
)

// How much of a file is looked at to find out its dialect: so many lines, or so many bytes.
const (
	sniffLines = 50
	sniffBytes = 64 << 10
)

// findDialect finds out the part of the dialect that is not stated.
func (s *Source) findDialect() (dialect, error) {
	w := s.rows.w
	whole := false
	for len(w.Bytes()) < sniffBytes && bytes.Count(w.Bytes(), []byte{'\n'}) < sniffLines {
		if err := w.More(); err == io.EOF {
			whole = true
			break
		} else if err == files.ErrTooLong {
			break
		} else if err != nil {
			return dialect{}, err
		}
	}
	sample := w.Bytes()
	if end := bytes.LastIndexByte(sample, '\n'); !whole && end >= 0 {
		sample = sample[:end+1]
	}
	delimiters := []byte{',', ';', '\t', '|'}
	if s.dialect.delimiter != 0 {
		delimiters = []byte{s.dialect.delimiter}
	}
	quotes := []byte{'"', '\''}
	if s.quoteSet {
		quotes = []byte{s.dialect.quote}
	}
	best, bestFit := dialect{delimiters[0], quotes[0]}, fit{}
	for _, quote := range quotes {
		for _, delimiter := range delimiters {
			d := dialect{delimiter, quote}
			if f := try(sample, d); f.better(bestFit) && (quote != '\'' || s.quoteSet || f.quoted > 0) {
				best, bestFit = d, f
			}
		}
	}
	return best, nil
}

// fit is how well a sample agrees with a dialect.
type fit struct {
	columns int // of the first row
	share   int // of the rows that have as many, in percent
	quoted  int // values in quotes
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

func try(sample []byte, d dialect) fit {
	r := reader{w: files.NewWindow(int64(len(sample)) + 1), dialect: d}
	r.w.Reset(bytes.NewReader(sample), 0, 0)
	var f fit
	rows, same := 0, 0
	for {
		err := r.read()
		if err != nil && !isRowError(err) {
			break
		}
		rows++
		if err != nil {
			continue
		}
		if f.columns == 0 {
			f.columns, r.columns = len(r.fields), len(r.fields)
		}
		if len(r.fields) == f.columns {
			same++
		}
		for _, q := range r.quoted {
			if q {
				f.quoted++
			}
		}
	}
	if rows > 0 {
		f.share = 100 * same / rows
	}
	return f
}
