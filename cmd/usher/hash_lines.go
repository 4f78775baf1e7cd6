package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// answered is the text of an answer, and whether all is well.
type answered struct {
	text []byte
	ok   bool
}

// answerLines answers the lines of an NDJSON file in order, as many at a time as there are processors. Answers are written as soon as
// nobody waits for more of them, so that a program may ask and read in turn.
func (a *app) answerLines(parent context.Context, path string, answer answerer) error {
	in, origin := io.NopCloser(a.stdin), "stdin"
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			code := "file.unreadable"
			if errors.Is(err, fs.ErrNotExist) {
				code = "file.not_found"
			}
			return &pipeline.Error{Code: code, Message: "the file cannot be read: " + pathReason(err), Hint: "check the path", Err: err, Unreachable: true}
		}
		in, origin = f, filepath.Base(path)
	}
	defer in.Close()
	ctx, cancel := context.WithCancel(parent)
	defer cancel()

	const ahead = 64
	pending := make(chan chan answered, ahead)
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var readErr error
	go func() {
		defer close(pending)
		readErr = eachQuestion(in, func(n int64, line []byte, err error) bool {
			reply := make(chan answered, 1)
			select {
			case pending <- reply:
			case <-ctx.Done():
				return false
			}
			slots <- struct{}{}
			go func() {
				reply <- answerLine(ctx, answer, origin, n, line, err)
				<-slots
			}()
			return true
		})
	}()

	out := bufio.NewWriter(a.stdout)
	well := true
	var writeErr error
	for reply := range pending {
		r := <-reply
		if writeErr != nil {
			continue // only to let the reader end
		}
		well = well && r.ok
		if _, writeErr = out.Write(r.text); writeErr == nil && len(pending) == 0 {
			writeErr = out.Flush()
		}
		if writeErr != nil {
			cancel()
		}
	}
	if writeErr == nil {
		writeErr = out.Flush()
	}
	switch {
	case writeErr != nil:
		return writeErr
	case readErr != nil:
		return &pipeline.Error{Code: "file.unreadable", Message: origin + " cannot be read: " + pathReason(readErr), Hint: "what was answered is right; the rest is missing", Err: readErr, Unreachable: true}
	case !well:
		return done(exitRecords)
	}
	return nil
}

func answerLine(ctx context.Context, answer answerer, origin string, n int64, line []byte, err error) answered {
	refuse := func(err error) answered {
		return answered{encodeLine(lineError("hash.bad_line", err.Error(), origin, n)), false}
	}
	if err != nil {
		return refuse(err)
	}
	v, err := value.ParseJSON(line)
	if err != nil {
		return refuse(err)
	}
	o, ok := v.(*value.Object)
	if !ok {
		return refuse(errors.New("the line must be a JSON object, but is " + value.Kind(v)))
	}
	q, err := ask(o)
	if err != nil {
		return refuse(err)
	}
	doc, ok, err := answer(ctx, q)
	if err != nil {
		return refuse(err)
	}
	return answered{encodeLine(doc), ok}
}

var errLongLine = errors.New("the line is longer than 1 MiB")

// eachQuestion calls f for each line that is not blank, with its number from 1, until f says no. A line that is too long comes as an error.
// The line is f's to keep.
func eachQuestion(in io.Reader, f func(n int64, line []byte, err error) bool) error {
	reader := bufio.NewReaderSize(in, 64<<10)
	var line []byte
	long := false
	for n := int64(1); ; {
		part, err := reader.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxHashInput; !long {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		var bad error
		if long {
			bad = errLongLine
		}
		if text := bytes.TrimSpace(line); (long || len(text) > 0) && !f(n, bytes.Clone(text), bad) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, long = line[:0], false
		n++
	}
}
