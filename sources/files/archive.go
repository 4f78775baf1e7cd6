package files

import (
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sources/charset"
)

// directorySize bounds the directory of a zip file, which is in memory: some hundred thousand members.
const directorySize = 32 << 20

// archive is an open zip file.
type archive struct {
	path  string
	file  *os.File
	zip   *zip.Reader
	names []string // of the members, as they are shown
}

// Budget lets Left bytes be read, then gives ErrDirectory. archive/zip reads a directory to its end, whatever size is stated.
type Budget struct {
	io.ReaderAt
	Left int64
}

// ErrDirectory is what a [Budget] says when it is spent.
var ErrDirectory = errors.New("the directory of the zip file is too large")

// ReadAt implements io.ReaderAt.
func (b *Budget) ReadAt(p []byte, at int64) (int, error) {
	if b.Left -= int64(len(p)); b.Left < 0 {
		return 0, ErrDirectory
	}
	return b.ReaderAt.ReadAt(p, at)
}

func openArchive(name string) (*archive, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, openError(name, err)
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, openError(name, err)
	}
	guarded := &Budget{file, directorySize}
	a := &archive{path: name, file: file}
	if a.zip, err = zip.NewReader(guarded, info.Size()); err != nil {
		_ = file.Close()
		if errors.Is(err, ErrDirectory) {
			return nil, &pipeline.Error{Code: "file.too_large", Message: fmt.Sprintf("%s has a zip directory of more than %d MB", name, directorySize>>20),
				Hint: "pack fewer files into one, or unpack it", Err: err}
		}
		return nil, &pipeline.Error{Code: "file.damaged", Message: name + " begins like a zip file, but its end is missing or damaged",
			Hint: "fetch the file again: it is not whole", Err: err}
	}
	guarded.Left = 1 << 62
	a.names = memberNames(a.zip.File)
	a.zip.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	a.zip.RegisterDecompressor(12, func(r io.Reader) io.ReadCloser { return io.NopCloser(bzip2.NewReader(r)) })
	a.zip.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow)))
	return a, nil
}

// entry is a member of a zip file.
type entry struct {
	index int // in the directory
	name  string
	crc   uint32
	// stored and size are what the directory says; they are used for the progress only.
	stored, size uint64
}

// isArchive reports whether a regular file is a zip file.
func isArchive(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, openError(name, err)
	}
	defer f.Close()
	head := make([]byte, 4)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, readError(name, err)
	}
	head = head[:n]
	return bytes.Equal(head, zipMagic) || bytes.Equal(head, zipEmpty), nil
}

// members gives the files of an archive that match the pattern, sorted by name; without the folders, and without what
// operating systems add for themselves.
func members(in input) ([]input, error) {
	a, err := openArchive(in.path)
	if err != nil {
		return nil, err
	}
	defer a.file.Close()
	var list []input
	for i, f := range a.zip.File {
		name := a.names[i]
		if f.Name == "[Content_Types].xml" {
			return nil, &pipeline.Error{Code: "file.is_workbook", Message: in.path + " is an Excel workbook or another Office document",
				Hint: "read a workbook with source.excel"}
		}
		if f.FileInfo().IsDir() || strings.HasSuffix(name, "/") || strings.HasPrefix(path.Base(name), ".") || strings.HasPrefix(name, "__MACOSX/") {
			continue
		}
		if in.members != "" && !matchMember(in.members, name) {
			continue
		}
		if f.Flags&1 != 0 {
			return nil, &pipeline.Error{Code: "file.encrypted", Message: fmt.Sprintf("%s!%s is encrypted", in.path, name),
				Hint: "unpack it with its password; usher takes none, so that it is in no pipeline file"}
		}
		one := in
		one.entry = &entry{i, name, f.CRC32, f.CompressedSize64, f.UncompressedSize64}
		list = append(list, one)
	}
	if len(list) == 0 && in.members != "" {
		return nil, &pipeline.Error{Code: "file.not_found", Message: fmt.Sprintf("%s has no member %s", in.path, in.members),
			Hint: "list its members with unzip -l", Unreachable: true}
	} else if len(list) == 0 {
		return nil, &pipeline.Error{Code: "file.not_found", Message: in.path + " is a zip file without files in it", Hint: "is it the right one?", Unreachable: true}
	}
	slices.SortStableFunc(list, func(a, b input) int { return strings.Compare(a.entry.name, b.entry.name) })
	return list, nil
}

// memberNames gives the names of members as they may be shown. Those that are not said to be UTF-8 are in the encoding of
// the machine that wrote them; all of them together tell which.
func memberNames(list []*zip.File) []string {
	var foreign []byte
	for _, f := range list {
		if f.NonUTF8 && len(foreign) < 64<<10 {
			foreign = append(append(foreign, f.Name...), '\n')
		}
	}
	encoding := charset.Detect(foreign, true).Encoding
	names := make([]string, len(list))
	for i, f := range list {
		name := f.Name
		if f.NonUTF8 {
			text, _ := io.ReadAll(encoding.NewReader(strings.NewReader(name)))
			name = string(text)
		}
		names[i] = memberName(name)
	}
	return names
}

// memberName gives a name as it may be shown: some programs write other slashes, and anything can be in it.
func memberName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '\\':
			return '/'
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
	return strings.TrimPrefix(name, "/")
}

// matchMember matches the whole name or, for a pattern without a slash, its last part.
func matchMember(pattern, name string) bool {
	if ok, _ := path.Match(pattern, name); ok || pattern == name {
		return true
	}
	ok, _ := path.Match(pattern, path.Base(name))
	return ok && !strings.Contains(pattern, "/")
}

// cutMembers divides users.zip!*.csv into the path of an archive and the pattern of its members.
func cutMembers(pattern string) (file, member string) {
	if i := strings.Index(strings.ToLower(pattern), ".zip!"); i >= 0 {
		return pattern[:i+4], pattern[i+5:]
	}
	return pattern, ""
}

// startMember opens a member of an archive.
func (f *File) startMember(s *Set) error {
	if s.archive != nil && s.archive.path != f.path {
		s.closeArchive()
	}
	if s.archive == nil {
		a, err := openArchive(f.path)
		if err != nil {
			return err
		}
		s.archive, s.unpackedBefore = a, 0
	}
	files := s.archive.zip.File
	if f.entry.index >= len(files) || s.archive.names[f.entry.index] != f.entry.name || files[f.entry.index].CRC32 != f.entry.crc {
		return &pipeline.Error{Code: "file.truncated", Message: f.path + " is not what it was when it was opened",
			Hint: "something changes the file while it is read; run again when it is whole"}
	}
	f.packed, f.unpackedSize = "zip", s.unpackedBefore
	content, err := files[f.entry.index].Open()
	if errors.Is(err, zip.ErrAlgorithm) {
		return &pipeline.Error{Code: "file.unknown_compression", Message: fmt.Sprintf("%s is compressed by method %d of zip, which is not read", f.name(), files[f.entry.index].Method),
			Hint: "unpack it, or pack it again with deflate, the usual method", Err: err}
	} else if err != nil {
		return f.damaged(err)
	}
	f.releases = append(f.releases, func() { _ = content.Close() })
	m := &member{unpacked: unpacked{content, f}}
	head := make([]byte, headSize)
	n, err := io.ReadFull(m, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return f.readError(err)
	}
	m.head = head[:n]
	return f.unpack(m, m.head)
}

// member reads a member of an archive, and tells the progress in the part of the stored bytes that this must be.
type member struct {
	unpacked
	head []byte
	read int64
}

func (m *member) Read(p []byte) (int, error) {
	if len(m.head) > 0 {
		n := copy(p, m.head)
		m.head = m.head[n:]
		return n, nil
	}
	n, err := m.unpacked.Read(p)
	m.read += int64(n)
	e := m.f.entry
	done := int64(e.stored)
	if err != io.EOF && e.size > 0 {
		done = int64(float64(e.stored) * min(1, float64(m.read)/float64(e.size)))
	}
	m.f.done.Store(m.f.before + done)
	return n, err
}
