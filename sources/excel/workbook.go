package excelsource

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
	"golang.org/x/text/encoding/unicode"

	"github.com/usher-id/usher/internal/shelf"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sources/files"
)

// limits bound what a workbook may have, whatever it says of itself.
type limits struct {
	unzipped int64 // bytes of all parts that are read, unpacked
	rows     int
	columns  int
	cell     int   // bytes
	strings  int64 // bytes of shared strings in memory
}

const (
	// partSize bounds the small parts of a workbook, which say how its sheets are called and what its styles are.
	partSize = 32 << 20
	// directorySize bounds the directory of the zip file: it is in memory. A real one has some dozens of entries.
	directorySize = 4 << 20
	maxSheets     = 4096
	maxFormats    = 1 << 16 // Excel has no more styles (65 490)
)

// workbook is an open file.
type workbook struct {
	origin   string
	index    int // of the file
	limits   limits
	zip      *zip.Reader
	parts    map[string]*zip.File
	spool    *shelf.File // where the input is no plain file
	sheets   []sheetInfo
	from1904 bool
	styles   []format
	strings  *sharedStrings
	left     int64 // bytes that may still be unpacked in one reading of the workbook
	// done counts the bytes of sheets that were read.
	done *atomic.Int64
}

// sheetInfo is a sheet by the list in the workbook.
type sheetInfo struct {
	name   string
	part   string
	hidden bool
}

func (w *workbook) error(code, message, hint string, err error) error {
	return &pipeline.Error{Code: code, Message: w.origin + " " + message, Hint: hint, Err: err}
}

// open reads everything about the workbook but its sheets.
func (w *workbook) open(ctx context.Context, f *files.File) error {
	r, size, ok := f.ReaderAt()
	if !ok {
		var err error
		if r, size, err = w.spoolFrom(f); err != nil {
			return err
		}
	}
	if err := w.recognise(r, size); err != nil {
		return err
	}
	guarded := &files.Budget{ReaderAt: r, Left: directorySize}
	var err error
	if w.zip, err = zip.NewReader(guarded, size); err != nil {
		if errors.Is(err, files.ErrDirectory) {
			return w.error("excel.too_large", "has a zip directory of more than 4 MB", "it is no workbook that Excel wrote, or made to do harm", err)
		}
		return w.error("excel.damaged", "begins like a workbook, but its end is missing or damaged", "fetch the file again: it is not whole", err)
	}
	guarded.Left = 1 << 62
	w.zip.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	w.parts = make(map[string]*zip.File, len(w.zip.File))
	for _, part := range w.zip.File {
		name := strings.ToLower(strings.TrimPrefix(strings.ReplaceAll(part.Name, `\`, "/"), "/"))
		if w.parts[name] == nil {
			w.parts[name] = part
		}
	}
	return w.readParts(ctx)
}

func (w *workbook) spoolFrom(f *files.File) (io.ReaderAt, int64, error) {
	spool, err := shelf.NewFile("usher-excel-")
	if err != nil {
		return nil, 0, w.error("excel.temporary_file", "cannot be put into a temporary file: "+err.Error(), "make room in the folder for temporary files, or set TMPDIR", err)
	}
	w.spool = spool
	size, err := io.Copy(spool, io.LimitReader(f, w.limits.unzipped+1))
	if err == nil && size > w.limits.unzipped {
		err = w.tooLarge()
	}
	return spool, size, err
}

func (w *workbook) tooLarge() error {
	return w.error("excel.too_large", fmt.Sprintf("unpacks to more than %d bytes, the limit", w.limits.unzipped),
		"if the file is from somebody you trust, raise max_unzipped", nil)
}

func (w *workbook) close() {
	w.strings.close()
	w.strings = nil
	if w.spool != nil {
		_ = w.spool.Close()
		w.spool = nil
	}
}

// recognise tells what is no .xlsx, and what to do with it.
func (w *workbook) recognise(r io.ReaderAt, size int64) error {
	if size == 0 {
		return w.error("excel.empty", "is empty", "export it again", nil)
	}
	head := make([]byte, min(size, 1<<20))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return w.error("file.unreadable", "cannot be read: "+err.Error(), "", err)
	}
	saveAs := "open it in Excel and save it as .xlsx (Excel workbook)"
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return nil
	case bytes.HasPrefix(head, []byte{0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1}): // [MS-CFB], 2.2
		// The names of its streams are in UTF-16; its directory may stand at the end.
		tail := make([]byte, min(size, 1<<20))
		if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
			return w.error("file.unreadable", "cannot be read: "+err.Error(), "", err)
		}
		encrypted := utf16("EncryptedPackage")
		if bytes.Contains(head, encrypted) || bytes.Contains(tail, encrypted) {
			return w.error("excel.encrypted", "is protected by a password", "open it in Excel, take the password away (File, Info, Protect Workbook) and save it", nil)
		}
		return w.error("excel.old_format", "is a workbook of the old .xls format", saveAs, nil)
	}
	start := strings.ToLower(string(bytes.TrimLeft(head[:min(len(head), 2048)], "\ufeff \t\r\n")))
	switch {
	case strings.HasPrefix(start, "<?xml") && strings.Contains(start, "urn:schemas-microsoft-com:office:spreadsheet"):
		return w.error("excel.old_format", "is a workbook of the XML format of 2003", saveAs, nil)
	case strings.HasPrefix(start, "<"):
		return w.error("excel.not_a_workbook", "is a page of HTML or XML, not a workbook", saveAs, nil)
	case bytes.IndexByte(head[:min(len(head), 2048)], 0) < 0 || bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")):
		return w.error("excel.not_a_workbook", "is a text file, such as CSV, not a workbook", "read it with the csv source, or "+saveAs, nil)
	}
	return w.error("excel.not_a_workbook", "is not a workbook", saveAs, nil)
}

func utf16(s string) []byte {
	b := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		b = append(b, s[i], 0)
	}
	return b
}

// part is the content of one part as UTF-8.
type part struct {
	io.Reader
	io.Closer
}

// counted is the content of one part as it stands in the file.
type counted struct {
	r     io.Reader
	w     *workbook
	left  int64 // of this part
	sheet bool
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.left -= int64(n)
	c.w.left -= int64(n)
	if c.sheet {
		c.w.done.Add(int64(n))
	}
	if c.left < 0 || c.w.left < 0 {
		return 0, c.w.tooLarge()
	}
	return n, err
}

// openPart opens a part, of which not more than limit bytes are read; sheet says that they count as progress.
func (w *workbook) openPart(name string, limit int64, sheet bool) (*part, error) {
	f := w.parts[strings.ToLower(name)]
	if f == nil {
		return nil, w.error("excel.damaged", "has no part "+name, "open it in Excel and save it again", nil)
	}
	// What the directory says may be a lie, so that it is counted too.
	if limit = min(limit, w.left); f.UncompressedSize64 > uint64(limit) {
		return nil, w.tooLarge()
	}
	if f.Flags&1 != 0 {
		return nil, w.error("excel.encrypted", "is an encrypted zip file", "unpack it and save the workbook without a password", nil)
	}
	r, err := f.Open()
	if err != nil {
		return nil, w.partError(name, err)
	}
	c := &counted{r, w, limit, sheet}
	var mark [2]byte
	n, err := io.ReadFull(c, mark[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		_ = r.Close()
		return nil, w.partError(name, err)
	}
	text := io.MultiReader(bytes.NewReader(mark[:n]), c)
	if mark == [2]byte{0xFF, 0xFE} || mark == [2]byte{0xFE, 0xFF} { // XML may be UTF-16
		text = unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Reader(text)
	}
	return &part{text, r}, nil
}

// partError says where the reading of a part stopped.
func (w *workbook) partError(name string, err error) error {
	var known *pipeline.Error
	var corrupt flate.CorruptInputError
	var internal flate.InternalError
	const again = "fetch the file again: it is not whole"
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return w.error("excel.damaged", "ends in the middle of its part "+name, again, err)
	case errors.Is(err, zip.ErrChecksum), errors.Is(err, zip.ErrFormat), errors.As(err, &corrupt), errors.As(err, &internal):
		return w.error("excel.damaged", "is damaged in its part "+name, again, err)
	case errors.Is(err, zip.ErrAlgorithm):
		return w.error("excel.damaged", "is packed in a way that workbooks are not", "open it in Excel and save it again", err)
	case errors.Is(err, errDocumentType), errors.Is(err, errLongTag), errors.Is(err, errXML):
		return w.error("excel.damaged", "has a part "+name+" that cannot be read: "+err.Error(), "open it in Excel and save it again", err)
	}
	return w.error("file.unreadable", "cannot be read: "+err.Error(), "", err)
}

// walk gives every start tag of a small part, and the end tags.
func (w *workbook) walk(name string, visit func(s *scanner, t token) error) error {
	p, err := w.openPart(name, partSize, false)
	if err != nil {
		return err
	}
	defer p.Close()
	var s scanner
	s.reset(p)
	for {
		t, err := s.next()
		if err == nil && t == endOfPart {
			return nil
		}
		if err == nil && t != textPiece {
			err = visit(&s, t)
		}
		if err != nil {
			return w.partError(name, err)
		}
	}
}

// relations gives the parts that a part refers to: by id, and by the last word of their type, which transitional and
// strict workbooks have in common.
func (w *workbook) relations(of string) (byID, byType map[string]string, err error) {
	byID, byType = map[string]string{}, map[string]string{}
	name := path.Join(path.Dir(of), "_rels", path.Base(of)+".rels")
	if of == "" {
		name = "_rels/.rels"
	}
	if w.parts[strings.ToLower(name)] == nil {
		return byID, byType, nil
	}
	err = w.walk(name, func(s *scanner, t token) error {
		if t != startTag || string(s.name) != "Relationship" || s.attr("TargetMode") == "External" || len(byID) > maxSheets {
			return nil
		}
		target := s.attr("Target")
		if strings.HasPrefix(target, "/") {
			target = path.Clean(target)[1:]
		} else {
			target = path.Join(path.Dir(of), target)
		}
		kind := path.Base(s.attr("Type"))
		byID[s.attr("Id")] = target
		if byType[kind] == "" {
			byType[kind] = target
		}
		return nil
	})
	return byID, byType, err
}

func (w *workbook) readParts(ctx context.Context) error {
	_, roots, err := w.relations("")
	if err != nil {
		return err
	}
	book := roots["officeDocument"]
	if book == "" {
		book = "xl/workbook.xml"
	}
	if f := w.parts[strings.ToLower(book)]; f == nil || strings.HasSuffix(book, ".bin") {
		switch {
		case f != nil:
			return w.error("excel.binary_workbook", "is a binary workbook (.xlsb)", "open it in Excel and save it as .xlsx", nil)
		case w.parts["mimetype"] != nil && w.parts["content.xml"] != nil:
			return w.error("excel.open_document", "is an OpenDocument spreadsheet (.ods)", "open it in its program and save it as .xlsx", nil)
		}
		return w.error("excel.not_a_workbook", "is a zip file without a workbook in it", "name the .xlsx file itself", nil)
	}
	byID, byType, err := w.relations(book)
	if err != nil {
		return err
	}
	err = w.walk(book, func(s *scanner, t token) error {
		if t != startTag {
			return nil
		}
		switch string(s.name) {
		case "workbookPr":
			w.from1904 = truth([]byte(s.attr("date1904")))
		case "sheet":
			if len(w.sheets) == maxSheets {
				return w.error("excel.too_large", fmt.Sprintf("has more than %d sheets", maxSheets), "divide it", nil)
			}
			state := s.attr("state")
			w.sheets = append(w.sheets, sheetInfo{s.attr("name"), byID[s.attr("id")], state == "hidden" || state == "veryHidden"})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(w.sheets) == 0 {
		return w.error("excel.damaged", "has no sheets", "open it in Excel and save it again", nil)
	}
	if styles := byType["styles"]; styles != "" && w.parts[strings.ToLower(styles)] != nil {
		if err := w.readStyles(styles); err != nil {
			return err
		}
	}
	return w.readSharedStrings(ctx, byType["sharedStrings"])
}

func (w *workbook) readSharedStrings(ctx context.Context, name string) error {
	if name == "" || w.parts[strings.ToLower(name)] == nil {
		return nil
	}
	p, err := w.openPart(name, w.left, false)
	if err != nil {
		return err
	}
	defer p.Close()
	w.strings, err = readStrings(ctx, p, w.limits.strings, w.limits.cell)
	return w.partError(name, err)
}

func (w *workbook) readStyles(name string) error {
	codes := map[int]format{}
	inside := false
	return w.walk(name, func(s *scanner, t token) error {
		if t == endTag {
			if string(s.name) == "cellXfs" {
				inside = false
			}
			return nil
		}
		switch string(s.name) {
		case "numFmt":
			if id, err := strconv.Atoi(s.attr("numFmtId")); err == nil && len(codes) < maxFormats {
				codes[id] = parseFormat(s.attr("formatCode"))
			}
		case "cellXfs":
			inside = !s.empty
		case "xf":
			if !inside || len(w.styles) == maxFormats {
				return nil
			}
			id, _ := strconv.Atoi(s.attr("numFmtId"))
			f, known := codes[id]
			if !known {
				f, _ = builtin(id)
			}
			f.quoted = truth([]byte(s.attr("quotePrefix")))
			w.styles = append(w.styles, f)
		}
		return nil
	})
}

func (w *workbook) style(i int) format {
	if i < 0 || i >= len(w.styles) {
		return format{}
	}
	return w.styles[i]
}

// openSheet opens the part of a sheet.
func (w *workbook) openSheet(i int) (*sheet, io.Closer, error) {
	info := w.sheets[i]
	p, err := w.openPart(info.part, w.left, true)
	if err != nil {
		return nil, nil, err
	}
	return newSheet(p, w.limits), p, nil
}

// sheetError puts the name of the sheet to an error of reading it.
func (w *workbook) sheetError(i int, err error) error {
	var e *sheetError
	if errors.As(err, &e) {
		return &pipeline.Error{Code: e.code, Message: fmt.Sprintf("%s!%s %s", w.origin, w.sheets[i].name, e.reason), Hint: e.hint}
	}
	return w.partError(w.sheets[i].part, err)
}

// size gives the bytes of a sheet, by the directory of the file.
func (w *workbook) size(i int) int64 {
	if f := w.parts[strings.ToLower(w.sheets[i].part)]; f != nil {
		return int64(min(f.UncompressedSize64, 1<<40))
	}
	return 0
}
