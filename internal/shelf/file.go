package shelf

import "os"

// File is a temporary file that only this process and its user can read.
type File struct {
	*os.File
	named bool // it has to be removed at the end
}

// NewFile makes a File in the folder that TMPDIR names. Where the system allows it, the file has no name from then on, so that
// not even a kill leaves it behind.
func NewFile(prefix string) (*File, error) {
	f, err := os.CreateTemp("", prefix)
	if err != nil {
		return nil, err
	}
	return &File{f, os.Remove(f.Name()) != nil}, nil
}

// Close closes the file and removes it.
func (f *File) Close() error {
	err := f.File.Close()
	if f.named {
		_ = os.Remove(f.Name())
		f.named = false
	}
	return err
}
