// Package files opens what file sources read: files by name and by glob in a stable order, what is in zip files, the
// standard input, each file of a folder once; plain or compressed, with one kind of error for what can be wrong with a file.
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

	"github.com/usher-id/usher/pipeline"
)

// Option declares the option that names the files, the same for every file source.
func Option() pipeline.Option {
	return pipeline.Option{Name: "path", Type: pipeline.Path, List: true, Required: true,
		Doc: "One or more files, or globs with `*`, `?` and `[…]`, which as in a shell leave out names that begin with a dot; `-` is the standard input. Several files are read one after " +
			"the other: in the order given, those of a glob sorted by name, each file once. gzip, zstd and bzip2 are recognised by their content.",
		Example: "exports/users-*.json.gz"}
}

// Options declares the options of a source that also reads what is in zip files, and that can watch a folder.
func Options() []pipeline.Option {
	list := WatchOptions()
	list[0].Doc += " A zip file is read as the files in it, sorted by name; `users.zip!*.csv` takes some of them."
	return append(list,
		pipeline.Option{Name: "max_unpacked", Type: pipeline.Size, Default: "64GB",
			Doc: "The size in bytes up to which a compressed file, or all that is in a zip file, is unpacked."},
		pipeline.Option{Name: "max_ratio", Type: pipeline.Int, Default: "250",
			Doc: "How many times its size a compressed file may unpack to, once that is more than 64 MB: a bound on files made to do harm."},
	)
}

// WatchOptions declares the options of a source that can watch a folder, and whose files may be zip files themselves.
func WatchOptions() []pipeline.Option {
	path := Option()
	path.Doc += " With `watch`, a folder is the files in it."
	return []pipeline.Option{
		path,
		{Name: "watch", Type: pipeline.Bool,
			Doc: "Take each file once: a run takes the files that no completed run of this pipeline has taken, sorted by name, and none " +
				"is no error. A file that has changed is taken again as a whole. `usher cursor` shows what was taken, `usher run --full` takes everything."},
		{Name: "settle", Type: pipeline.Duration, Default: "10s",
			Doc: "With `watch`: a file that was changed less than this ago is still being written, and left for the next run."},
	}
}

// stdin is the path that means the standard input.
const stdin = "-"

// Set is the files of one source. Its methods are not safe for concurrent use, except Progress.
type Set struct {
	patterns []string
	stdin    io.Reader
	limits   Limits
	archives bool // zip files are read as what is in them
	watch    *watch

	inputs []input
	total  int64 // bytes of all inputs as they are stored; 0 if that is not known
	done   atomic.Int64
	next   int // index of the file that Next opens
	open   *File
	head   []byte // of the standard input, kept for the fingerprint
	ctx    context.Context

	archive        *archive // of the member that was opened last
	unpackedBefore int64    // of that archive
}

// input is one file of the set as it was when the set was opened.
type input struct {
	path    string
	members string // the pattern of members of an archive
	origin  string
	info    fs.FileInfo // nil for the standard input
	entry   *entry      // of a member of an archive
	before  int64       // the size of the inputs before this one
}

// size is how many bytes are stored of the input, if that is known.
func (in *input) size() (n int64, known bool) {
	switch {
	case in.entry != nil:
		return int64(in.entry.stored), true
	case in.info == nil || !in.info.Mode().IsRegular():
		return 0, false
	}
	return in.info.Size(), true
}

// name is how errors call the input.
func (in *input) name() string {
	switch {
	case in.entry != nil:
		return in.path + "!" + in.entry.name
	case in.path == stdin:
		return "stdin"
	}
	return in.path
}

// New gives the set of files that Options describe. It does no I/O.
func New(env pipeline.Env, c *pipeline.Config) (*Set, error) {
	s, err := NewWatched(env, c)
	if err != nil {
		return nil, err
	}
	s.archives = true
	s.limits = Limits{Size: c.Int("max_unpacked"), Ratio: c.Int("max_ratio")}
	if s.limits.Size <= 0 || s.limits.Ratio <= 0 {
		return nil, &pipeline.OptionError{Option: "max_ratio", Message: "max_unpacked and max_ratio must be more than 0"}
	}
	return s, nil
}

// NewWatched gives the set of files that WatchOptions describe. It does no I/O.
func NewWatched(env pipeline.Env, c *pipeline.Config) (*Set, error) {
	s := NewSet(env, c.Strings("path"))
	if c.Bool("watch") {
		if slices.Contains(s.patterns, stdin) {
			return nil, &pipeline.OptionError{Option: "watch", Message: "the standard input cannot be watched", Hint: "name a folder"}
		}
		s.watch = newWatch(env, c.Duration("settle"))
	}
	return s, nil
}

// NewSet gives the set of files that the patterns name, in which a zip file is a file like others. It does no I/O.
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
	found, err := s.find()
	if err != nil {
		return err
	}
	if s.watch != nil {
		if found, err = s.watch.choose(found); err != nil {
			return err
		}
	}
	var inputs []input
	for _, in := range found {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := in.inspect(); err != nil {
			return err
		}
		if inputs, err = s.expand(inputs, in); err != nil {
			return err
		}
	}
	name(inputs)
	s.inputs, s.next, s.total = inputs, 0, 0
	s.done.Store(0)
	before, all := int64(0), true
	for i := range inputs {
		inputs[i].before = before
		n, known := inputs[i].size()
		before, all = before+n, all && known
	}
	if all {
		s.total = before
	}
	return nil
}

// expand appends the input, or what is in it if it is an archive.
func (s *Set) expand(inputs []input, in input) ([]input, error) {
	if !s.archives || in.info == nil || !in.info.Mode().IsRegular() {
		return append(inputs, in), nil
	}
	if is, err := isArchive(in.path); err != nil || !is {
		if err == nil && in.members != "" {
			err = &pipeline.Error{Code: "file.not_found", Message: in.path + " is no zip file: it has no members", Hint: "name the file alone"}
		}
		return append(inputs, in), err
	}
	list, err := members(in)
	return append(inputs, list...), err
}

// Check reports whether Open would find everything, and leaves nothing open.
func (s *Set) Check(ctx context.Context) error { return s.Copy().Open(ctx) }

// Copy gives a set that finds the same files, and says nothing about those that it leaves out.
func (s *Set) Copy() *Set {
	c := &Set{patterns: s.patterns, stdin: s.stdin, archives: s.archives, limits: s.limits, ctx: context.Background()}
	if s.watch != nil {
		c.watch = s.watch.silent()
	}
	return c
}

func (s *Set) find() ([]input, error) {
	var inputs []input
	seen := map[string]bool{}
	add := func(path, member string) {
		if in := (input{path: path, members: member}); !seen[path+"!"+member] {
			seen[path+"!"+member] = true
			inputs = append(inputs, in)
		}
	}
	for _, pattern := range s.patterns {
		if pattern == stdin {
			add(stdin, "")
			continue
		}
		pattern = filepath.Clean(pattern)
		// A file of exactly this name wins over what the name may also mean.
		info, err := os.Lstat(pattern)
		if err != nil && strings.Contains(pattern, "**") { // it would match one folder, and the files of others would be missing
			return nil, &pipeline.Error{Code: "file.bad_pattern", Message: pattern + " has **, which does not go through folders here",
				Hint: "list a pattern for each depth, such as exports/*.csv and exports/*/*.csv", Unreachable: true}
		}
		member := ""
		if err != nil && s.archives {
			if pattern, member = cutMembers(pattern); member != "" {
				info, err = os.Lstat(pattern)
			}
		}
		if s.watch != nil && err == nil {
			info, err := os.Stat(pattern)
			if err != nil {
				return nil, openError(pattern, err)
			}
			if info.IsDir() {
				list, err := s.watch.list(pattern)
				if err != nil {
					return nil, err
				}
				for _, path := range list {
					add(path, "")
				}
				continue
			}
		}
		if info != nil || !strings.ContainsAny(pattern, `*?[`) {
			if s.watch != nil && err != nil {
				return nil, openError(pattern, err)
			}
			add(pattern, member)
			continue
		}
		matches, err := glob(pattern)
		if err != nil {
			return nil, err
		}
		if len(matches) == 0 && s.watch == nil {
			return nil, &pipeline.Error{Code: "file.not_found", Message: "no file matches " + pattern,
				Hint: "check the folder and the pattern", Unreachable: true}
		}
		slices.Sort(matches)
		for _, match := range matches {
			if info, err := os.Stat(match); err == nil && info.IsDir() {
				continue
			}
			add(match, member)
		}
	}
	if len(inputs) == 0 && s.watch == nil {
		return nil, &pipeline.Error{Code: "file.not_found", Message: "only folders match " + strings.Join(s.patterns, ", "),
			Hint: "name files, such as " + filepath.Join(s.patterns[0], "*"), Unreachable: true}
	}
	return inputs, nil
}

// glob is filepath.Glob, which takes folders that it cannot look into for empty ones: the files in them would be missing in silence.
// As in a shell, a star does not stand for a dot at the beginning: what macOS puts beside a file as ._users.csv holds no users.
func glob(pattern string) ([]string, error) {
	dir, name := filepath.Split(pattern)
	dir = filepath.Clean(dir)
	if _, err := filepath.Match(name, ""); err != nil {
		return nil, &pipeline.Error{Code: "file.bad_pattern", Message: fmt.Sprintf("%s is not a glob", pattern),
			Hint: "close the bracket, or write \\[ for a bracket itself", Err: err, Unreachable: true}
	}
	folders := []string{dir}
	if strings.ContainsAny(dir, `*?[`) {
		var err error
		if folders, err = glob(dir); err != nil {
			return nil, err
		}
	}
	var matches []string
	for _, folder := range folders {
		info, err := os.Stat(folder)
		var entries []fs.DirEntry
		if err == nil && info.IsDir() {
			entries, err = os.ReadDir(folder)
		}
		if err != nil && (folder == dir || !errors.Is(err, fs.ErrNotExist)) {
			return nil, openError(folder, err)
		}
		for _, e := range entries {
			hidden := strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(name, ".")
			if matched, _ := filepath.Match(name, e.Name()); matched && !hidden {
				matches = append(matches, filepath.Join(folder, e.Name()))
			}
		}
	}
	return matches, nil
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
			Hint: "name the files in it, such as " + filepath.Join(in.path, "*") + ", or have a source that can watch it for new ones", Unreachable: true}
	}
	in.info = info
	if info.Mode().IsRegular() {
		f, err := os.Open(in.path)
		if err != nil {
			return openError(in.path, err)
		}
		_ = f.Close()
	}
	return nil
}

// name gives every input its short name, or its whole path where two short names are the same.
func name(inputs []input) {
	paths := map[string]string{} // by short name; "" for several
	for _, in := range inputs {
		base := filepath.Base(in.path)
		if path, ok := paths[base]; ok && path != in.path {
			paths[base] = ""
		} else {
			paths[base] = in.path
		}
	}
	for i := range inputs {
		in := &inputs[i]
		switch base := filepath.Base(in.path); {
		case in.path == stdin:
			in.origin = "stdin"
		case paths[base] == "":
			in.origin = in.path
		default:
			in.origin = base
		}
		if in.entry != nil {
			in.origin += "!" + in.entry.name
		}
	}
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &pipeline.Error{Code: "file.not_found", Message: path + " does not exist",
			Hint: "check the path; a relative one in a pipeline file counts from the folder of that file", Err: err, Unreachable: true}
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
	s.closeFile()
	if i >= len(s.inputs) {
		return nil, io.EOF
	}
	s.next = i + 1
	s.done.Store(s.inputs[i].before)
	f := &File{Index: i, Origin: s.inputs[i].origin, input: s.inputs[i], done: &s.done, limits: s.limits, ctx: s.ctx}
	s.open = f
	if err := f.start(s); err != nil {
		s.closeFile()
		return nil, err
	}
	return f, nil
}

func (s *Set) closeFile() {
	f := s.open
	s.open = nil
	if f == nil {
		return
	}
	if f.entry != nil {
		s.unpackedBefore = f.unpackedSize
	}
	f.close()
}

func (s *Set) closeArchive() {
	if s.archive != nil {
		_ = s.archive.file.Close()
	}
	s.archive = nil
}

// Close closes the file that is open.
func (s *Set) Close() error {
	s.closeFile()
	s.closeArchive()
	return nil
}

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
		case in.entry != nil:
			fmt.Fprintf(sum, "%q %d %d %x ", in.entry.name, in.info.Size(), in.info.ModTime().UnixNano(), in.entry.crc)
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
	peeked  []byte // read ahead of the content
	pump    *pump
	done    *atomic.Int64
	ctx     context.Context

	packed       string // how the content is compressed; empty if it is not
	limits       Limits
	unpackedSize int64
	releases     []func() // what unpacks has to be released, the last first
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
	if f.entry != nil {
		return f.startMember(s)
	}
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
	// A pipe may give its first bytes one by one.
	for err == nil && n < magicSize && mayBeMagic(head[:n]) {
		var m int
		m, err = f.stored.Read(head[n:])
		n += m
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return f.readError(err)
	}
	f.stored.head = head[:n]
	if f.path == stdin {
		s.head = slices.Clone(head[:n])
	}
	return f.unpack(&f.stored, head[:n])
}

// plain reports whether the content is that of a regular file as it is stored.
func (f *File) plain() bool {
	return f.packed == "" && f.file != nil && f.info.Mode().IsRegular()
}

// Peek gives the beginning of the content without passing over it: n bytes, or fewer where enough says so, the content ends
// or an error comes, which the next Read gives. An enough of nil asks for all n.
func (f *File) Peek(n int, enough func(head []byte) bool) (head []byte, whole bool) {
	size := int64(n)
	if f.plain() {
		size = min(size, f.info.Size()+1) // one more, to see the end
	}
	buf := append(make([]byte, 0, max(size, int64(len(f.peeked)))), f.peeked...)
	for len(buf) < n && (enough == nil || !enough(buf)) {
		if len(buf) == cap(buf) { // the file has grown
			buf = slices.Grow(buf, len(buf))
		}
		m, err := f.content.Read(buf[len(buf):min(n, cap(buf))])
		buf = buf[:len(buf)+m]
		if err != nil {
			f.content = failing{err}
			whole = err == io.EOF
			break
		}
	}
	f.peeked = buf
	return buf, whole
}

// failing gives the error that came while a file was peeked at.
type failing struct{ err error }

func (r failing) Read([]byte) (int, error) { return 0, r.err }

// Skip passes over n bytes of the content, without reading them where that can be. io.EOF says that there are fewer.
func (f *File) Skip(n int64) error {
	held := min(n, int64(len(f.peeked)))
	f.peeked = f.peeked[held:]
	if n -= held; n == 0 {
		return nil
	}
	if _, ok := f.content.(*reader); !ok || !f.plain() {
		_, err := io.CopyN(io.Discard, f, n)
		return err
	}
	held = min(n, int64(len(f.stored.head)))
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
// file.truncated, file.too_large, file.too_dense and file.damaged.
func (f *File) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	if len(f.peeked) > 0 {
		n := copy(p, f.peeked)
		if f.peeked = f.peeked[n:]; len(f.peeked) == 0 {
			f.peeked = nil
		}
		return n, nil
	}
	n, err := f.content.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, f.readError(err)
}

func readError(path string, err error) error {
	return &pipeline.Error{Code: "file.unreadable", Message: fmt.Sprintf("%s cannot be read: %s", path, cause(err)), Err: err}
}

// close lets go of the file. What was read of it is not less true where the system then reports an error.
func (f *File) close() {
	for _, release := range slices.Backward(f.releases) {
		release()
	}
	if f.pump != nil {
		f.pump.stop()
	}
	if f.file != nil {
		_ = f.file.Close()
	}
}
