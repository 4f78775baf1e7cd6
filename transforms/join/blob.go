package join

import (
	"bufio"
	"io"

	"github.com/usher-id/usher/internal/shelf"
)

// chunkSize is how much of a blob is allocated at once.
const chunkSize = 256 << 10

// blob is bytes that are written one after another and then read anywhere: in memory, or in a file.
type blob struct {
	chunks [][]byte // all of chunkSize but the last; nil once there is a file
	size   int64
	file   *shelf.File
	w      *bufio.Writer
}

// held is how much memory it takes.
func (b *blob) held() int64 { return int64(len(b.chunks)) * chunkSize }

func (b *blob) write(p []byte) error {
	b.size += int64(len(p))
	if b.file != nil {
		_, err := b.w.Write(p)
		return err
	}
	for len(p) > 0 {
		if n := len(b.chunks); n == 0 || len(b.chunks[n-1]) == chunkSize {
			b.chunks = append(b.chunks, make([]byte, 0, chunkSize))
		}
		last := &b.chunks[len(b.chunks)-1]
		n := min(len(p), chunkSize-len(*last))
		*last = append(*last, p[:n]...)
		p = p[n:]
	}
	return nil
}

// spill moves it to a file.
func (b *blob) spill() (err error) {
	if b.file != nil {
		return nil
	}
	if b.file, err = shelf.NewFile("usher-join-"); err != nil {
		return err
	}
	b.w = bufio.NewWriterSize(b.file, chunkSize)
	for _, chunk := range b.chunks {
		if _, err := b.w.Write(chunk); err != nil {
			return err
		}
	}
	b.chunks = nil
	return nil
}

// finish is called between the last write and the first read.
func (b *blob) finish() error {
	if b.file == nil {
		return nil
	}
	return b.w.Flush()
}

// ReadAt implements io.ReaderAt.
func (b *blob) ReadAt(p []byte, at int64) (n int, err error) {
	if b.file != nil {
		return b.file.ReadAt(p, at)
	}
	for n < len(p) {
		if at >= b.size {
			return n, io.EOF
		}
		k := copy(p[n:], b.chunks[at/chunkSize][at%chunkSize:])
		n, at = n+k, at+int64(k)
	}
	return n, nil
}

func (b *blob) close() {
	if b.file != nil {
		_ = b.file.Close()
	}
	b.chunks, b.file = nil, nil
}
