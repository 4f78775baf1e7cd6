// Package files opens what file sources read: files by name and by glob in a stable order, the standard input,
// plain or gzip, with one kind of error for what can be wrong with a file.
package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/usher-id/usher/pipeline"
)

// Option declares the option that names the files, the same for every file source.
func Option() pipeline.Option {
	return pipeline.Option{Name: "path", Type: pipeline.Path, List: true, Required: true,
		Doc: "One or more files, or globs with `*`, `?` and `[…]`; `-` is the standard input. Several files are read one after " +
			"the other: in the order given, those of a glob sorted by name, each file once. gzip is recognised by its content.",
		Example: "exports/users-*.json.gz"}
}

// stdin is the path that means the standard input.
const stdin = "-"

// Set is the files of one source. Its methods are not safe for concurrent use, except Progress.
type Set struct {
	patterns []string
	stdin    io.Reader

	inputs []input
	total  int64 // bytes of all inputs as they are stored; 0 if that is not known
	done   atomic.Int64
	next   int // index of the file that Next opens
	open   *File
	head   []byte // of the standard input, kept for the fingerprint
	ctx    context.Context
}

// input is one file of the set as it was when the set was opened.
type input struct {
	path   string
	origin string
	info   fs.FileInfo // nil for the standard input
}

// NewSet gives the set of files that the patterns name. It does no I/O.
func NewSet(env pipeline.Env, patterns []string) *Set {
	in := env.Stdin
	if in == nil {
		in = strings.NewReader("")
	}
	return &Set{patterns: patterns, stdin: in, ctx: context.Background()}
}

// Patterns gives the patterns that the set was made of.
func (s *Set) Patterns() []string { return s.patterns }

// Open finds the files and makes sure that each can be read. The errors are *pipeline.Error with the codes
// file.not_found, file.is_directory, file.unreadable and file.bad_pattern, all Unreachable.
func (s *Set) Open(ctx context.Context) error {
	s.ctx = ctx
	inputs, err := s.find()
	if err != nil {
		return err
	}
	for i := range inputs {
		if err := inputs[i].inspect(); err != nil {
			return err
		}
	}
	name(inputs)
	s.inputs, s.next, s.total = inputs, 0, 0
	s.done.Store(0)
	for _, in := range inputs {
		if in.info == nil || !in.info.Mode().IsRegular() {
			s.total = 0
			break
		}
		s.total += in.info.Size()
	}
	return nil
}

// Check reports whether Open would find everything, and leaves nothing open.
func (s *Set) Check(ctx context.Context) error {
	return (&Set{patterns: s.patterns, stdin: s.stdin}).Open(ctx)
}

func (s *Set) find() ([]input, error) {
	var inputs []input
	seen := map[string]bool{}
	add := func(path string) {
		if !seen[path] {
			seen[path] = true
			inputs = append(inputs, input{path: path})
		}
	}
	for _, pattern := range s.patterns {
		if pattern == stdin {
			add(stdin)
			continue
		}
		pattern = filepath.Clean(pattern)
		// A file of exactly this name wins over the glob that the name may also be.
		if _, err := os.Lstat(pattern); err == nil || !strings.ContainsAny(pattern, `*?[`) {
			add(pattern)
			continue
		}
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return nil, &pipeline.Error{Code: "file.bad_pattern", Message: fmt.Sprintf("%s is not a glob", pattern),
				Hint: "close the bracket, or write \\[ for a bracket itself", Err: err, Unreachable: true}
		}
		if len(matches) == 0 {
			return nil, &pipeline.Error{Code: "file.not_found", Message: "no file matches " + pattern,
				Hint: "check the folder and the pattern", Unreachable: true}
		}
		slices.Sort(matches)
		for _, match := range matches {
			if info, err := os.Stat(match); err == nil && info.IsDir() {
				continue
			}
			add(match)
		}
	}
	if len(inputs) == 0 {
		return nil, &pipeline.Error{Code: "file.not_found", Message: "only folders match " + strings.Join(s.patterns, ", "),
			Hint: "name files, such as " + filepath.Join(s.patterns[0], "*"), Unreachable: true}
	}
	return inputs, nil
}

// inspect looks at the file without reading it. A pipe is not opened: whoever writes it would notice.
func (in *input) inspect() error {
	if in.path == stdin {
		return nil
	}
	info, err := os.Stat(in.path)
	if err != nil {
		return openError(in.path, err)
	}
	if info.IsDir() {
		return &pipeline.Error{Code: "file.is_directory", Message: in.path + " is a folder, not a file",
			Hint: "name the files in it, such as " + filepath.Join(in.path, "*"), Unreachable: true}
	}
	in.info = info
	if info.Mode().IsRegular() {
		f, err := os.Open(in.path)
		if err != nil {
			return openError(in.path, err)
		}
		return f.Close()
	}
	return nil
}

// name gives every input its short name, or its whole path where two short names are the same.
func name(inputs []input) {
	count := map[string]int{}
	for _, in := range inputs {
		count[filepath.Base(in.path)]++
	}
	for i := range inputs {
		in := &inputs[i]
		switch base := filepath.Base(in.path); {
		case in.path == stdin:
			in.origin = "stdin"
		case count[base] > 1:
			in.origin = in.path
		default:
			in.origin = base
		}
	}
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &pipeline.Error{Code: "file.not_found", Message: path + " does not exist",
			Hint: "check the path; it counts from the folder of the pipeline file", Err: err, Unreachable: true}
	case errors.Is(err, fs.ErrPermission):
		return &pipeline.Error{Code: "file.unreadable", Message: path + " may not be read by this user",
			Hint: "change its permissions, or run as its owner", Err: err, Unreachable: true}
	}
	return &pipeline.Error{Code: "file.unreadable", Message: fmt.Sprintf("%s cannot be opened: %s", path, cause(err)),
		Err: err, Unreachable: true}
}

// cause gives the text of the innermost error: the operating system's own words, without the path again.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return err.Error()
}

// Use sets the context that reading waits under from now on.
func (s *Set) Use(ctx context.Context) {
	s.ctx = ctx
	if s.open != nil {
		s.open.ctx = ctx
	}
}

// Next closes the file that is open and opens the next one; io.EOF says that there is none.
func (s *Set) Next() (*File, error) { return s.OpenFile(s.next) }

// OpenFile closes the file that is open and opens the i-th one, from 0, for Next to go on from there; io.EOF says that
// there is none. The standard input can be opened once.
func (s *Set) OpenFile(i int) (*File, error) {
	if err := s.closeFile(); err != nil {
		return nil, err
	}
	if i >= len(s.inputs) {
		return nil, io.EOF
	}
	s.next = i + 1
	before := int64(0)
	for _, in := range s.inputs[:i] {
		if in.info != nil {
			before += in.info.Size()
		}
	}
	s.done.Store(before)
	f := &File{Index: i, Origin: s.inputs[i].origin, input: s.inputs[i], done: &s.done, ctx: s.ctx}
	s.open = f
	if err := f.start(s); err != nil {
		_ = s.closeFile()
		return nil, err
	}
	return f, nil
}

func (s *Set) closeFile() error {
	f := s.open
	s.open = nil
	if f == nil {
		return nil
	}
	return f.close()
}

// Close closes the file that is open.
func (s *Set) Close() error { return s.closeFile() }

// Progress gives the bytes read and the bytes there are, as they are stored; 0 if that is not known. It is safe for
// concurrent use with everything but Open.
func (s *Set) Progress() (done, total int64) { return s.done.Load(), s.total }

// headSize is how much of the beginning of a file its fingerprint covers.
const headSize = 4 << 10

// Fingerprint tells the content of the set from another: names, sizes, times of change and the beginning of every
// file. Of the standard input it knows the beginning alone, and of other pipes the name.
func (s *Set) Fingerprint() (string, error) {
	sum := sha256.New()
	head := make([]byte, headSize)
	for _, in := range s.inputs {
		fmt.Fprintf(sum, "%q ", in.path)
		switch {
		case in.info == nil:
			_, _ = sum.Write(s.head)
		case in.info.Mode().IsRegular():
			f, err := os.Open(in.path)
			if err != nil {
				return "", openError(in.path, err)
			}
			n, err := io.ReadFull(f, head)
			_ = f.Close()
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return "", readError(in.path, err)
			}
			fmt.Fprintf(sum, "%d %d ", in.info.Size(), in.info.ModTime().UnixNano())
			_, _ = sum.Write(head[:n])
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// File is the content of one file of a set, unpacked.
type File struct {
	// Index is the place of the file in the set, from 0.
	Index int
	// Origin is the name that a Ref gives.
	Origin string

	input
	file    *os.File
	stored  reader // counts the bytes as they are stored
	content io.Reader
	packed  *gzip.Reader
	pump    *pump
	done    *atomic.Int64
	ctx     context.Context
}

// reader counts what is read from the stored bytes, and knows when a file has become shorter than it was.
type reader struct {
	f    *File
	r    io.Reader
	head []byte // read ahead to recognise compression
	pos  int64
}

func (r *reader) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	if r.f.file != nil && !r.f.info.Mode().IsRegular() {
		defer context.AfterFunc(r.f.ctx, func() { _ = r.f.file.SetReadDeadline(time.Unix(1, 0)) })()
	}
	n, err := r.r.Read(p)
	r.pos += int64(n)
	r.f.done.Add(int64(n))
	if err == io.EOF && r.f.info != nil && r.f.info.Mode().IsRegular() && r.pos < r.f.info.Size() {
		err = &pipeline.Error{Code: "file.truncated",
			Message: fmt.Sprintf("%s ended at byte %d, but it had %d when it was opened", r.f.path, r.pos, r.f.info.Size()),
			Hint:    "something changes the file while it is read; run again when it is whole"}
	}
	return n, err
}

func (f *File) start(s *Set) error {
	if f.path == stdin {
		f.pump = newPump(s.stdin)
		f.stored = reader{f: f, r: pumped{f}}
	} else {
		file, err := openWaiting(f.ctx, f.input)
		if err != nil {
			return err
		}
		f.file = file
		f.stored = reader{f: f, r: file}
	}
	head := make([]byte, headSize)
	n, err := io.ReadAtLeast(&f.stored, head, 2)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return f.readError(err)
	}
	f.stored.head = head[:n]
	if f.path == stdin {
		s.head = slices.Clone(head[:n])
	}
	f.content = &f.stored
	if n >= 2 && head[0] == 0x1f && head[1] == 0x8b { // RFC 1952, section 2.3.1
		unpacked, err := gzip.NewReader(&f.stored)
		f.packed = unpacked
		if err != nil {
			return f.damaged(err)
		}
		f.content = unpacked
	}
	return nil
}

// Skip passes over n bytes of the content, without reading them where that can be. io.EOF says that there are fewer.
func (f *File) Skip(n int64) error {
	if f.packed != nil || f.file == nil || !f.info.Mode().IsRegular() {
		_, err := io.CopyN(io.Discard, f, n)
		return err
	}
	held := min(n, int64(len(f.stored.head)))
	f.stored.head = f.stored.head[held:]
	if n -= held; n == 0 {
		return nil
	}
	if f.stored.pos+n > f.info.Size() {
		return io.EOF
	}
	if _, err := f.file.Seek(n, io.SeekCurrent); err != nil {
		return f.readError(err)
	}
	f.stored.pos += n
	f.done.Add(n)
	return nil
}

// openWaiting opens a file. A named pipe blocks until it has a writer, so that is waited for aside.
func openWaiting(ctx context.Context, in input) (*os.File, error) {
	if in.info.Mode().IsRegular() {
		f, err := os.Open(in.path)
		if err != nil {
			return nil, openError(in.path, err)
		}
		return f, nil
	}
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(in.path)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, openError(in.path, o.err)
		}
		return o.f, nil
	case <-ctx.Done():
		go func() {
			if o := <-done; o.err == nil {
				_ = o.f.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// Read reads the content. Its errors are io.EOF, the context's, or *pipeline.Error with the codes file.unreadable,
// file.truncated and file.gzip_damaged.
func (f *File) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := f.content.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, f.readError(err)
}

func (f *File) readError(err error) error {
	if ctxErr := f.ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	var known *pipeline.Error
	if errors.As(err, &known) {
		return known
	}
	if path := (*fs.PathError)(nil); f.packed != nil && !errors.As(err, &path) {
		return f.damaged(err)
	}
	return readError(f.path, err)
}

func (f *File) damaged(err error) error {
	reason := "cannot be decompressed: " + err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		reason = "ends in the middle of its compressed data"
	}
	return &pipeline.Error{Code: "file.gzip_damaged", Message: f.path + " " + reason,
		Hint: "fetch the file again: it is not whole", Err: err}
}

func readError(path string, err error) error {
	return &pipeline.Error{Code: "file.unreadable", Message: fmt.Sprintf("%s cannot be read: %s", path, cause(err)), Err: err}
}

func (f *File) close() error {
	if f.pump != nil {
		f.pump.stop()
	}
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
