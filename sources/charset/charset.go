// Package charset reads text of older encodings as UTF-8 without hiding a byte that is not of the encoding, and finds out
// which encoding a text has.
package charset

import (
	"bytes"
	"encoding/hex"
	"io"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Encoding is one that text can be read from.
type Encoding struct {
	// Name is what options and messages call it.
	Name string

	from encoding.Encoding // nil for UTF-8
	// replacement is how the encoding writes U+FFFD, which decoders also give for what they cannot read; nil if it cannot.
	replacement []byte
	// wide says that every character takes two bytes or four.
	wide bool
	// noC1 says that what is read as a control character U+0080 to U+009F is no text.
	noC1 bool
}

// The encodings.
var (
	UTF8    = &Encoding{Name: "utf-8"}
	UTF16LE = &Encoding{Name: "utf-16le", from: unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), replacement: []byte{0xfd, 0xff}, wide: true}
	UTF16BE = &Encoding{Name: "utf-16be", from: unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), replacement: []byte{0xff, 0xfd}, wide: true}
	// GB18030 holds GBK and GB 2312.
	GB18030     = &Encoding{Name: "gb18030", from: simplifiedchinese.GB18030, replacement: []byte{0x84, 0x31, 0xa4, 0x37}}
	ShiftJIS    = &Encoding{Name: "shift-jis", from: japanese.ShiftJIS, noC1: true}
	Windows1252 = &Encoding{Name: "windows-1252", from: charmap.Windows1252, noC1: true}
	Latin1      = &Encoding{Name: "latin-1", from: charmap.ISO8859_1, noC1: true}

	gbk = &Encoding{Name: "gbk", from: simplifiedchinese.GBK}
)

// all are the encodings; those that Detect does not know have to be named.
var all = []*Encoding{
	UTF8, UTF16LE, UTF16BE, GB18030, gbk, ShiftJIS, Windows1252, Latin1,
	{Name: "big5", from: traditionalchinese.Big5},
	{Name: "euc-jp", from: japanese.EUCJP, noC1: true},
	{Name: "euc-kr", from: korean.EUCKR, noC1: true},
	{Name: "windows-1250", from: charmap.Windows1250, noC1: true},
	{Name: "windows-1251", from: charmap.Windows1251, noC1: true},
}

// Names are the names of all encodings.
func Names() []string {
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = e.Name
	}
	return names
}

// Named gives the encoding of a name, nil for none.
func Named(name string) *Encoding {
	if i := slices.IndexFunc(all, func(e *Encoding) bool { return e.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// Marked gives the encoding that a byte order mark at the beginning of a text says, nil where there is none.
func Marked(head []byte) *Encoding {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return UTF8
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return UTF16LE
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return UTF16BE
	case bytes.HasPrefix(head, []byte("\x84\x31\x95\x33")):
		return GB18030
	}
	return nil
}

// NewReader gives the text of r as UTF-8; a byte order mark stays. A byte that is not of the encoding becomes a byte 0xFF, which
// is never UTF-8, and its two hexadecimal digits: so it is noticed by whoever checks, and not lost.
func (e *Encoding) NewReader(r io.Reader) io.Reader {
	if e.from == nil {
		return r
	}
	return &reader{e: e, r: r, decoder: e.from.NewDecoder()}
}

const chunk = 32 << 10

type reader struct {
	e          *Encoding
	r          io.Reader
	decoder    transform.Transformer
	src        []byte
	start, end int // what of src is not decoded yet
	dst, out   []byte
	err        error
}

func (d *reader) Read(p []byte) (int, error) {
	if d.src == nil {
		d.src = make([]byte, chunk)
		d.dst = make([]byte, 3*chunk) // no byte becomes more than three
	}
	for len(d.out) == 0 {
		if d.err != nil && d.start == d.end {
			return 0, d.err
		}
		if d.err == nil {
			d.end = copy(d.src, d.src[d.start:d.end])
			d.start = 0
			var n int
			n, d.err = d.r.Read(d.src[d.end:])
			d.end += n
		}
		if d.err != nil && d.err != io.EOF {
			// What was read before the error may end within a character: that is not the text's fault.
			d.decode(false)
			d.start = d.end
			continue
		}
		d.decode(d.err == io.EOF)
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

func (d *reader) decode(atEOF bool) {
	src := d.src[d.start:d.end]
	n, used, _ := d.decoder.Transform(d.dst, src, atEOF)
	d.start += used
	d.out = d.dst[:n]
	if d.e.suspect(d.out) {
		d.out = d.e.exact(d.dst[:0], src[:used])
	}
}

var replacement = []byte("\ufffd")

// suspect reports whether a decoded text may hold something that is not of the encoding.
func (e *Encoding) suspect(text []byte) bool {
	if bytes.Contains(text, replacement) {
		return true
	}
	for e.noC1 {
		i := bytes.IndexByte(text, 0xc2)
		if i < 0 {
			break
		}
		if text[i+1] < 0xa0 {
			return true
		}
		text = text[i+2:]
	}
	return false
}

// exact decodes one character after the other.
func (e *Encoding) exact(dst, src []byte) []byte {
	decoder := e.from.NewDecoder()
	for len(src) > 0 {
		r, used := e.next(decoder, src)
		if r == utf8.RuneError && !bytes.Equal(src[:used], e.replacement) || e.noC1 && 0x80 <= r && r < 0xa0 {
			for i, b := range src[:used] {
				if i > 0 && b < utf8.RuneSelf && !e.wide {
					dst = append(dst, b) // a character of its own, such as a line end
					continue
				}
				dst = append(dst, 0xff)
				dst = hex.AppendEncode(dst, []byte{b})
			}
		} else {
			dst = utf8.AppendRune(dst, r)
		}
		src = src[used:]
	}
	return dst
}

// next decodes the first character of src.
func (e *Encoding) next(decoder transform.Transformer, src []byte) (r rune, used int) {
	var char [utf8.UTFMax]byte
	for size := 1; used == 0; size++ {
		src := src[:min(size, len(src))]
		// With no room for a second character after one that cannot be read.
		n, m, err := decoder.Transform(char[:3], src, len(src) < size || size > utf8.UTFMax)
		if m == 0 && err == transform.ErrShortDst {
			n, m, _ = decoder.Transform(char[:], src, true)
		}
		r, _ = utf8.DecodeRune(char[:n])
		used = m
	}
	return r, used
}
