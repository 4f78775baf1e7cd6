// Package ldifsource reads the entries of a directory from LDIF files (RFC 2849).
package ldifsource

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/sources/files"
)

// Type is the connector.
var Type = pipeline.SourceType{
	Spec: pipeline.Spec{
		Name:      "ldif",
		Summary:   "Reads the entries of a directory from LDIF files, as slapcat, ldapsearch, ldifde and others write them.",
		Shorthand: "path",
		Doc: `A record is an entry: ` + "`dn`" + ` and the attributes under their names, options too (` + "`cn;lang-de`" + `). An attribute with one value is a text, one
with several a list of them; names that differ in case alone are one attribute, under the name that comes first. Values in base64 are decoded. One that is no UTF-8 text is bytes, as
are always those of ` + "`objectGUID`, `objectSid`, `jpegPhoto`, `thumbnailPhoto`, `userCertificate`" + ` and attributes with the option ` + "`binary`" + `.

Files are read as a stream: memory depends on the largest entry. The place of a record is the line of its ` + "`dn`" + `. An entry that cannot be read fails alone. Changes
(` + "`changetype: modify`, `delete`, `moddn`" + `) are no entries and fail; ` + "`changetype: add`" + `, which ldifde writes everywhere, is an entry. A value that is to be read from another
file (` + "`:<`" + `) fails its entry: no file is read because data names it.

The text of ldapsearch around the entries is passed over, but one that says that the directory cut the search short is an error: the export is not whole.

Rejects are LDIF, as the entries stood in the file.`,
		Options: append(files.Options(),
			pipeline.Option{Name: "max_record_size", Type: pipeline.Size, Default: "16MB",
				Doc: "The size in bytes up to which an entry is read; a larger one is a failed record."},
		),
	},
	New: func(env pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
		set, err := files.New(env, c)
		if err != nil {
			return nil, err
		}
		s := &Source{env: env, set: set, maxBytes: c.Int("max_record_size")}
		if s.maxBytes <= 0 {
			return nil, &pipeline.OptionError{Option: "max_record_size", Message: "it must be more than 0"}
		}
		return s, nil
	},
}

// Source reads LDIF files.
type Source struct {
	pipeline.UnimplementedSource

	env      pipeline.Env
	set      *files.Set
	maxBytes int64

	file    *files.File
	cut     cutter
	reader  entryReader
	batch   int   // records of the last batch
	pending error // what ends the run after the records before it
}

// Check implements pipeline.Checker.
func (s *Source) Check(ctx context.Context) error { return s.set.Check(ctx) }

// Open implements pipeline.Source.
func (s *Source) Open(ctx context.Context) error {
	if err := s.set.Open(ctx); err != nil {
		return err
	}
	s.pending, s.batch = nil, 0
	s.cut = cutter{w: files.NewWindow(s.maxBytes)}
	if s.set.Len() == 0 { // nothing new in what is watched
		s.pending = io.EOF
		return nil
	}
	return s.start(0)
}

// start begins with the i-th file.
func (s *Source) start(i int) error {
	file, err := s.set.OpenFile(i)
	if err != nil {
		return err
	}
	s.file = file
	s.cut.w.Reset(file, 0, 0)
	utf16, err := s.cut.mark()
	if utf16 {
		return &pipeline.Error{Code: "ldif.bad_encoding", Message: file.Origin + " is UTF-16", Hint: "convert it to UTF-8; ldifde writes ASCII without -u"}
	}
	if err == nil && len(s.cut.w.Bytes()) == 0 && s.env.Log != nil { // ldapsearch -LLL that finds nobody writes nothing
		s.env.Log.Warn("the file is empty; is the export whole?", slog.String("file", file.Origin))
	}
	return err
}

const positionFormat = "%d %d %d" // file, offset, line

// OpenAt implements pipeline.Resumer.
func (s *Source) OpenAt(ctx context.Context, after []byte) error {
	if err := s.Open(ctx); err != nil {
		return err
	}
	var file int
	var offset, line int64
	if _, err := fmt.Sscanf(string(after), positionFormat, &file, &offset, &line); err != nil {
		return &pipeline.Error{Code: "ldif.bad_position", Message: "the place to go on from cannot be read",
			Hint: "run the pipeline again from the start", Err: err}
	}
	if file > 0 {
		if err := s.start(file); err != nil {
			return err
		}
	}
	if err := s.cut.w.SkipTo(offset, line); err == io.EOF {
		return &pipeline.Error{Code: "file.truncated", Message: fmt.Sprintf("%s ends before byte %d, where the run is to go on", s.file.Origin, offset),
			Hint: "run the pipeline again from the start"}
	} else if err != nil {
		return err
	}
	return nil
}

// Next implements pipeline.Source.
func (s *Source) Next(ctx context.Context, max int) (*pipeline.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.set.Use(ctx)
	records := make([]pipeline.Record, 0, min(max, 2*s.batch+64))
	var after []byte
	for len(records) < max && s.pending == nil {
		if len(records)&63 == 63 && ctx.Err() != nil {
			break
		}
		var r pipeline.Record
		known, err := s.record(&r)
		if err == io.EOF {
			err = s.start(s.file.Index + 1)
		}
		switch {
		case err == nil && known:
			records = append(records, r)
			after = fmt.Appendf(after[:0], positionFormat, s.file.Index, s.cut.w.Offset(), s.cut.w.Lines())
		case err == nil:
		case ctx.Err() != nil:
			if len(records) == 0 {
				return nil, ctx.Err()
			}
			max = len(records)
		default:
			s.pending = err
		}
	}
	if s.batch = len(records); s.batch > 0 {
		return &pipeline.Batch{Records: records, After: after}, nil
	}
	if s.pending != nil {
		return nil, s.pending
	}
	return nil, ctx.Err()
}

// record reads the next block of the file into r; known is false where it is no entry and means nothing.
func (s *Source) record(r *pipeline.Record) (known bool, err error) {
	text, err := s.cut.next()
	if err != nil && err != errTooLarge {
		return false, err
	}
	r.Ref = pipeline.Ref{Origin: s.file.Origin, Line: s.cut.line}
	if err == errTooLarge {
		r.Fail(pipeline.Problem{Code: "ldif.entry_too_large", Message: fmt.Sprintf("the entry is larger than max_record_size, %d bytes; the rejects cannot hold it: raise max_record_size and run again", s.maxBytes)})
		return true, nil
	}
	e := &s.reader
	switch e.read(text, s.cut.line); {
	case e.cutShort != "":
		return false, &pipeline.Error{Code: "ldif.cut_short", Message: fmt.Sprintf("%s:%d: the directory ended the search with %q: the export is not whole", s.file.Origin, e.line, e.cutShort),
			Hint: "export again, in pages (ldapsearch -E pr=1000/noprompt) or as somebody with higher limits; or take these lines out to go without the rest"}
	case e.nothing:
		return false, nil
	}
	r.Ref.Line = e.line
	r.Raw = bytes.Clone(text)
	if len(e.problems) > 0 {
		r.Fail(e.problems...)
		return true, nil
	}
	r.Source = e.entry
	return true, nil
}

// Close implements pipeline.Source.
func (s *Source) Close() error { return s.set.Close() }

// SetCursor implements pipeline.Cursored.
func (s *Source) SetCursor(stored []byte) { s.set.SetCursor(stored) }

// Cursor implements pipeline.Cursored: the files that were taken, where they are watched.
func (s *Source) Cursor() []byte { return s.set.Cursor() }

// Incremental implements pipeline.Incremental.
func (s *Source) Incremental() bool { return s.set.Watched() }

// Scope implements pipeline.Scoped.
func (s *Source) Scope() []byte { return s.set.Scope() }

// SetScope implements pipeline.Scoped.
func (s *Source) SetScope(scope []byte) { s.set.SetScope(scope) }

// Fingerprint implements pipeline.Fingerprinter.
func (s *Source) Fingerprint() (string, error) { return s.set.Fingerprint() }

// Progress implements pipeline.Measurer: bytes of the files as they are stored.
func (s *Source) Progress() (done, total int64) { return s.set.Progress() }

// RejectsExtension implements pipeline.Rejecter.
func (s *Source) RejectsExtension() string { return ".ldif" }

// AppendReject implements pipeline.Rejecter.
func (s *Source) AppendReject(dst []byte, _ int64, r *pipeline.Record) []byte {
	if len(r.Raw) == 0 {
		// The entry was too large to be kept. Something must stand for it; it is read as an entry without a name.
		return append(dst, "description: too large\n\n"...)
	}
	dst = append(dst, bytes.TrimRight(r.Raw, "\r\n")...)
	return append(dst, "\n\n"...)
}

// RejectsEnd implements pipeline.Rejecter.
func (s *Source) RejectsEnd(int64) []byte { return nil }

// ReadRejects implements pipeline.Rejecter.
func (s *Source) ReadRejects(path string) pipeline.Source {
	return &Source{env: s.env, set: files.NewSet(s.env, []string{path}), maxBytes: s.maxBytes}
}
