package files

import "io"

// ReaderAt gives random access to the content, and its size, where the file is a plain regular one: not compressed, no
// pipe. It is valid until the file is closed.
func (f *File) ReaderAt() (r io.ReaderAt, size int64, ok bool) {
	if !f.plain() {
		return nil, 0, false
	}
	return f.file, f.info.Size(), true
}

// Regular reports whether the file is none that somebody may still be writing into, such as a pipe.
func (f *File) Regular() bool { return f.info != nil && f.info.Mode().IsRegular() }

// Len gives the number of files, once the set is open.
func (s *Set) Len() int { return len(s.inputs) }
