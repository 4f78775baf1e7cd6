// Package files writes what file sinks write: to a temporary file beside the target that gets the target's name when
// the run has come to its end, or straight to the standard output and other things that are no regular files.
package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/usher-id/usher/pipeline"
)

// Option declares the option that names the target, the same for every file sink.
func Option() pipeline.Option {
	return pipeline.Option{Name: "path", Type: pipeline.Path, Required: true, Example: "users.json",
		Doc: "The file to write, with mode 0600; `-` is the standard output. It is written under a temporary name beside it, " +
			"`.<name>.<run id>.partial`, and gets its name when the run has come to its end; until then a file of that name stays as it was. " +
			"What a run that was interrupted has written stays under the temporary name, for it to be resumed; nothing but that run needs it, and nobody deletes it but you. " +
			"A retry writes beside the file, not over it: the second attempt for `users.json` is `users.attempt-2.json`."}
}

const stdout = "-"

// Path gives a path as it is meant. The names that systems have for the standard output stand for it: as a file it may be one that
// others write into, too, which is not to be replaced.
func Path(path string) string {
	switch path {
	case "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return stdout
	default:
		return path
	}
}

// TargetOf gives the name of the file that a run writes: path, or for a retry another beside it, since the file at
// path holds what the attempts before have done.
func TargetOf(path string, run pipeline.Run) string {
	if run.Attempt < 2 || path == stdout {
		return path
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return path
	}
	extension := filepath.Ext(path)
	return fmt.Sprintf("%s.attempt-%d%s", strings.TrimSuffix(path, extension), run.Attempt, extension)
}

// flushSize is how much is held back to be written at once.
const flushSize = 256 << 10

// Output is the target of one sink. It is not safe for concurrent use.
type Output struct {
	path   string
	stdout io.Writer

	target  string // path behind symbolic links
	partial string
	file    *os.File  // nil where the target is not a regular file
	w       io.Writer // nil in a plan, and where the run was finished before
	buf     []byte
	offset  int64 // bytes written, without those in buf
	sum     hash.Hash
	done    *pipeline.File // what was published
}

// NewOutput gives the output to a path. It does no I/O.
func NewOutput(env pipeline.Env, path string) *Output {
	w := env.Stdout
	if w == nil {
		w = io.Discard
	}
	return &Output{path: path, stdout: w}
}

// Check reports whether the target could be written, without touching it. The output is written beside it first: whether that can be is
// tried with a file that goes at once.
func (o *Output) Check(context.Context) error {
	if err := o.Look(); err != nil || o.path == stdout {
		return err
	}
	target, replaced := resolved(o.path)
	if !replaced {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(target), ".usher-check-")
	if err != nil {
		return o.unwritable(err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Look reports what is seen to be in the way of writing, without trying.
func (o *Output) Look() error {
	if o.path == stdout {
		return nil
	}
	if info, err := os.Stat(o.path); err == nil && info.IsDir() {
		return &pipeline.Error{Code: "file.is_directory", Message: o.path + " is a folder, not a file",
			Hint: "name a file in it, such as " + filepath.Join(o.path, "users.json"), Unreachable: true}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return o.unwritable(err)
	}
	if isDatabase(o.path) {
		return &pipeline.Error{Code: "file.is_database", Message: o.path + " is an SQLite database, such as an identity store, and is not replaced by a file",
			Hint: "write elsewhere", Unreachable: true}
	}
	folder := filepath.Dir(o.path)
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &pipeline.Error{Code: "file.not_found", Message: "the folder " + folder + " does not exist",
			Hint: "make it first, or write elsewhere", Err: err, Unreachable: true}
	case err != nil:
		return o.unwritable(err)
	case !info.IsDir():
		return &pipeline.Error{Code: "file.unwritable", Message: folder + " is no folder", Hint: "write elsewhere", Unreachable: true}
	}
	return nil
}

// isDatabase reports whether there is an SQLite database. Nobody means to replace one by a file of users: it would be the store that they come from.
func isDatabase(path string) bool {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false // a named pipe would wait for its writer
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	begin := make([]byte, len(sqliteMagic))
	_, err = io.ReadFull(f, begin)
	return err == nil && IsSQLite(begin)
}

const sqliteMagic = "SQLite format 3\x00"

// IsSQLite reports whether a file that begins so is an SQLite database.
func IsSQLite(begin []byte) bool { return bytes.HasPrefix(begin, []byte(sqliteMagic)) }

func (o *Output) unwritable(err error) error {
	hint := "check the path and its permissions"
	if errors.Is(err, fs.ErrPermission) {
		hint = "change the permissions of the folder, or write elsewhere"
	}
	return &pipeline.Error{Code: "file.unwritable", Message: fmt.Sprintf("%s cannot be written: %s", o.path, cause(err)),
		Hint: hint, Err: err, Unreachable: true}
}

// cause gives the operating system's own words, without the path again.
func cause(err error) string {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return err.Error()
}

// Open begins the output of a run, or goes on with it behind the run's position. In a plan it only checks.
func (o *Output) Open(_ context.Context, run pipeline.Run) error {
	o.file, o.w, o.buf, o.offset, o.sum, o.done = nil, nil, nil, 0, sha256.New(), nil
	if err := o.Look(); err != nil || run.Plan {
		return err
	}
	if o.path == stdout {
		o.w = o.stdout
		return nil
	}
	var replaced bool
	if o.target, replaced = Resolved(o.path, run); !replaced {
		f, err := os.OpenFile(o.target, os.O_WRONLY, 0)
		if err != nil {
			return o.unwritable(err)
		}
		o.file, o.w = f, f
		return nil
	}
	o.partial = filepath.Join(filepath.Dir(o.target), "."+filepath.Base(o.target)+"."+run.ID+".partial")
	if run.Resumed && run.Position != nil {
		return o.reopen(run.Position)
	}
	f, err := os.OpenFile(o.partial, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return o.unwritable(err)
	}
	o.file, o.w = f, f
	return nil
}

// Resolved gives TargetOf behind symbolic links, and whether it is replaced by a new one: a device or a pipe is not.
func Resolved(path string, run pipeline.Run) (target string, replaced bool) {
	return resolved(TargetOf(path, run))
}

// resolved gives the file that a path stands for, and whether it is replaced by a new one: a device or a pipe is not.
func resolved(path string) (target string, replaced bool) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	} else if to, err := os.Readlink(path); err == nil { // to a file that is not there yet
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	info, err := os.Stat(path)
	return path, err != nil || info.Mode().IsRegular()
}

// reopen goes on with a partial file behind what was durable.
func (o *Output) reopen(position []byte) error {
	size, sum, _ := strings.Cut(string(position), " ")
	offset, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return &pipeline.Error{Code: "file.bad_position", Message: "the place to go on from cannot be read", Hint: "run the pipeline again from the start", Err: err}
	}
	f, err := os.OpenFile(o.partial, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if o.finished(offset, sum) {
			// The process died between giving the file its name and saying so: nothing is left to be written.
			o.offset = offset
			return nil
		}
		return &pipeline.Error{Code: "file.partial_missing", Message: "what the run has written so far, " + o.partial + ", is not there any more",
			Hint: "run the pipeline again from the start", Err: err}
	}
	if err != nil {
		return o.unwritable(err)
	}
	info, err := f.Stat()
	cut := err == nil && info.Size() < offset
	if err == nil && !cut {
		err = f.Truncate(offset)
	}
	if err == nil {
		_, err = io.Copy(o.sum, f) // and the place of writing is behind it
	}
	if err != nil {
		_ = f.Close()
		return o.unwritable(err)
	}
	if cut || sum != "" && sum != o.digest() {
		_ = f.Close()
		return &pipeline.Error{Code: "file.partial_damaged", Message: "what the run has written so far, " + o.partial + ", was changed since",
			Hint: "run the pipeline again from the start"}
	}
	o.file, o.w, o.offset = f, f, offset
	return nil
}

// finished reports whether the file begins with what the run had written, and not with what another one has left there.
func (o *Output) finished(offset int64, sum string) bool {
	f, err := os.Open(o.target)
	if err != nil {
		return false
	}
	defer f.Close()
	begun := sha256.New()
	_, err = io.CopyN(begun, f, offset)
	return err == nil && (sum == "" || sum == hex.EncodeToString(begun.Sum(nil)))
}

// digest is the SHA-256 of what was written so far.
func (o *Output) digest() string { return hex.EncodeToString(o.sum.Sum(nil)) }

// Resumed gives the bytes written in an earlier life of the run, for the sink to find out what it needs to know of them;
// nil if there are none or they cannot be read again.
func (o *Output) Resumed() io.Reader {
	if o.file == nil || o.offset == 0 || o.partial == "" {
		return nil
	}
	return io.NewSectionReader(o.file, 0, o.offset)
}

// Begun reports whether anything was written, in this life of the run or before.
func (o *Output) Begun() bool { return o.offset > 0 || len(o.buf) > 0 }

// Buffer gives the bytes that are held back, for Write's caller to append to.
func (o *Output) Buffer() []byte { return o.buf }

// Write takes Buffer with what was appended to it, and writes it when it is large enough.
func (o *Output) Write(buf []byte) error {
	o.buf = buf
	if len(o.buf) < flushSize {
		return nil
	}
	return o.flush()
}

func (o *Output) flush() error {
	if len(o.buf) == 0 {
		return nil
	}
	if o.w == nil {
		return &pipeline.Error{Code: "file.finished", Message: o.path + " was finished by an earlier process of this run, but there are more records",
			Hint: "run the pipeline again from the start"}
	}
	n, err := o.w.Write(o.buf)
	o.offset += int64(n)
	o.sum.Write(o.buf[:n])
	o.buf = append(o.buf[:0], o.buf[n:]...)
	if err != nil {
		return o.failed(err)
	}
	return nil
}

func (o *Output) failed(err error) error {
	name, then := o.path, "then resume the run"
	if o.path == stdout {
		name, then = "the standard output", "then begin again"
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &pipeline.Error{Code: "file.disk_full", Message: name + " cannot be written: the disk is full", Hint: "make room, " + then, Err: err}
	case errors.Is(err, syscall.EFBIG):
		return &pipeline.Error{Code: "file.too_large", Message: name + " cannot be written: it would be larger than this process or file system allows",
			Hint: "raise the limit, " + then, Err: err}
	case errors.Is(err, syscall.EPIPE):
		return &pipeline.Error{Code: "file.closed", Message: "whoever reads the output has stopped reading", Err: err}
	}
	return &pipeline.Error{Code: "file.unwritable", Message: fmt.Sprintf("%s cannot be written: %s", name, cause(err)),
		Hint: "check the disk and the permissions of the folder, " + then, Err: err}
}

// Commit makes what was written durable and gives the position behind it: its size and its SHA-256.
func (o *Output) Commit() ([]byte, error) {
	if err := o.flush(); err != nil {
		return nil, err
	}
	if o.partial == "" {
		return nil, nil
	}
	if o.file != nil {
		if err := o.file.Sync(); err != nil {
			return nil, o.failed(err)
		}
	}
	return fmt.Appendf(nil, "%d %s", o.offset, o.digest()), nil
}

// Finish writes the end and gives the file its name.
func (o *Output) Finish(end []byte) error {
	if o.w == nil {
		return o.publishFinished()
	}
	o.buf = append(o.buf, end...)
	if _, err := o.Commit(); err != nil {
		return err
	}
	o.publish()
	if o.partial == "" {
		return nil
	}
	if err := os.Rename(o.partial, o.target); err != nil {
		return o.failed(err)
	}
	// The new name is durable with the folder.
	folder, err := os.Open(filepath.Dir(o.target))
	if err != nil {
		return o.failed(err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return o.failed(err)
	}
	return nil
}

func (o *Output) publish() {
	path := o.target
	if o.path == stdout {
		path = stdout
	}
	o.done = &pipeline.File{Path: path, Bytes: o.offset, SHA256: o.digest()}
}

// Adopt takes the file for this output's that an earlier process of the run has finished. It stands in for Open and Finish.
func (o *Output) Adopt(run pipeline.Run) error {
	o.sum = sha256.New()
	o.target, _ = Resolved(o.path, run)
	return o.publishFinished()
}

// publishFinished is publish for a file that an earlier process gave its name.
func (o *Output) publishFinished() error {
	f, err := os.Open(o.target)
	if err != nil {
		return o.unwritable(err)
	}
	defer f.Close()
	if o.offset, err = io.Copy(o.sum, f); err != nil {
		return o.unwritable(err)
	}
	o.publish()
	return nil
}

// Published gives the file for a sink's own Published.
func (o *Output) Published() []pipeline.File {
	if o.done == nil {
		return nil
	}
	return []pipeline.File{*o.done}
}

// Close closes the file; what was not committed is lost.
func (o *Output) Close() error {
	f := o.file
	o.file, o.w, o.buf = nil, nil, nil
	if f == nil {
		return nil
	}
	return f.Close()
}
