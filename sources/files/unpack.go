package files

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/usher-id/usher/pipeline"
)

// Limits bound what compressed files may unpack to.
type Limits struct {
	// Size is for each stored file, all that is in an archive taken together.
	Size int64
	// Ratio is how many times its stored size a file may unpack to, once that is more than ratioSlack.
	Ratio int64
}

// ratioSlack is what a file may unpack to whatever its ratio.
const ratioSlack = 64 << 20

// zstdWindow bounds the memory that a zstd stream may ask for; zstd --long needs as much.
const zstdWindow = 128 << 20

// The beginnings of compressed streams.
var (
	gzipMagic  = []byte{0x1f, 0x8b}             // RFC 1952, section 2.3.1
	zstdMagic  = []byte{0x28, 0xb5, 0x2f, 0xfd} // RFC 8878, section 3.1.1
	zipMagic   = []byte("PK\x03\x04")
	zipEmpty   = []byte("PK\x05\x06")
	bzip2Block = []byte{0x31, 0x41, 0x59, 0x26, 0x53, 0x59}
	bzip2End   = []byte{0x17, 0x72, 0x45, 0x38, 0x50, 0x90}
)

// magicSize is how many bytes it takes to recognise a compressed stream.
const magicSize = 10

// mayBeMagic reports whether head is the beginning of a magic number that may go on.
func mayBeMagic(head []byte) bool {
	for _, magic := range []string{"BZh", "\x28\xb5\x2f\xfd", "\x50\x2a\x4d\x18", "PK"} {
		if n := min(len(head), len(magic)); string(head[:n]) == magic[:n] {
			return true
		}
	}
	return false
}

// refused are formats that are recognised to say so.
var refused = []struct {
	magic, name string
}{{"\xfd7zXZ\x00", "xz"}, {"7z\xbc\xaf\x27\x1c", "7-Zip"}, {"Rar!\x1a\x07", "RAR"}, {"\x04\x22\x4d\x18", "LZ4"}}

func isBzip2(head []byte) bool {
	return len(head) >= 10 && string(head[:3]) == "BZh" && head[3] >= '1' && head[3] <= '9' &&
		(bytes.Equal(head[4:10], bzip2Block) || bytes.Equal(head[4:10], bzip2End))
}

func isZstd(head []byte) bool {
	return bytes.HasPrefix(head, zstdMagic) || len(head) >= 4 && head[0]&0xf0 == 0x50 && head[1] == 0x2a && head[2] == 0x4d && head[3] == 0x18
}

// Uncompressed gives the name of a file without the extension that says that it is compressed.
func Uncompressed(name string) string {
	for _, extension := range []string{".gz", ".zst", ".bz2", ".zip"} {
		if cut := len(name) - len(extension); cut > 0 && strings.EqualFold(name[cut:], extension) {
			return name[:cut]
		}
	}
	return name
}

// tarred are names of tar archives, packed or not.
var tarred = regexp.MustCompile(`(?i)\.(tar(\.(gz|bz2|zst|xz))?|tgz|tbz2?|txz)$`)

// unpack has the file's content be what head, the beginning of r, says that is packed in it.
func (f *File) unpack(r io.Reader, head []byte) error {
	f.content = r
	if tarred.MatchString(f.path) {
		return &pipeline.Error{Code: "file.unknown_compression", Message: f.name() + " is a tar archive, which is not read",
			Hint: "unpack it, or pack the files with zip"}
	}
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		f.packed = "gzip"
		z, err := gzip.NewReader(r)
		if err != nil {
			return f.damaged(err)
		}
		f.content = &unpacked{r: z, f: f}
	case isZstd(head):
		f.packed = "zstd"
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return f.damaged(err)
		}
		f.releases = append(f.releases, z.Close)
		f.content = &unpacked{r: z, f: f}
	case isBzip2(head):
		f.packed = "bzip2"
		f.content = &unpacked{r: bzip2.NewReader(r), f: f}
	case f.limits.Size > 0 && (bytes.HasPrefix(head, zipMagic) || bytes.HasPrefix(head, zipEmpty)):
		// A zip file that is a file of the set was opened before; this is one that cannot be.
		return &pipeline.Error{Code: "file.zip_unseekable", Message: f.name() + " is a zip file inside something else, or on a pipe",
			Hint: "the members of a zip file are found from its end: save it as a file and name that"}
	default:
		for _, format := range refused {
			if bytes.HasPrefix(head, []byte(format.magic)) {
				return &pipeline.Error{Code: "file.unknown_compression", Message: fmt.Sprintf("%s is compressed with %s, which is not read", f.name(), format.name),
					Hint: "unpack it, or pack it with zip, gzip, zstd or bzip2"}
			}
		}
	}
	return nil
}

// unpacked counts what a file unpacks to.
type unpacked struct {
	r io.Reader
	f *File
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	f := u.f
	f.unpackedSize += int64(n)
	if l := f.limits; l.Size > 0 && f.unpackedSize > l.Size {
		return 0, &pipeline.Error{Code: "file.too_large", Message: fmt.Sprintf("%s unpacks to more than max_unpacked, %d bytes", f.name(), l.Size),
			Hint: "if the file is from somebody you trust, raise max_unpacked"}
	} else if l.Ratio > 0 && f.unpackedSize > ratioSlack && f.unpackedSize/l.Ratio > f.storedSize() {
		return 0, &pipeline.Error{Code: "file.too_dense", Message: fmt.Sprintf("%s unpacks to more than %d times its size, as files do that are made to do harm", f.name(), l.Ratio),
			Hint: "if the file is from somebody you trust, raise max_ratio"}
	}
	return n, err
}

// storedSize is what the ratio of a file is counted from.
func (f *File) storedSize() int64 {
	if f.entry != nil {
		return f.info.Size()
	}
	return f.stored.pos
}

func (f *File) readError(err error) error {
	if ctxErr := f.ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	var known *pipeline.Error
	if errors.As(err, &known) {
		return known
	}
	if path := (*fs.PathError)(nil); f.packed != "" && !errors.As(err, &path) {
		return f.damaged(err)
	}
	return readError(f.name(), err)
}

func (f *File) damaged(err error) error {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return &pipeline.Error{Code: "file.too_large", Message: fmt.Sprintf("%s needs more than %d MB of memory to be unpacked", f.name(), zstdWindow>>20),
			Hint: "unpack it, or pack it again without --ultra and --long", Err: err}
	}
	reason := "cannot be decompressed: " + err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		reason = "ends in the middle of its compressed data"
	}
	return &pipeline.Error{Code: "file.damaged", Message: f.name() + " " + reason,
		Hint: "fetch the file again: it is not whole", Err: err}
}
