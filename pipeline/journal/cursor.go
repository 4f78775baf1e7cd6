package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/usher-id/usher/pipeline"
)

// Cursor gives what SetCursor kept for a pipeline, nil for nothing.
func (j *Journal) Cursor(pipelineName string) ([]byte, error) {
	text, err := os.ReadFile(j.cursorPath(pipelineName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &pipeline.Error{Code: "state.unusable", Message: fmt.Sprintf("the cursor of pipeline %s cannot be read: %v", pipelineName, err),
			Hint: "give the process permission to read the state folder, or check the disk", Err: err}
	}
	cursor := text[:max(0, len(text)-sealSize)]
	if !bytes.Equal(text, sealed(cursor)) {
		return nil, &pipeline.Error{Code: "state.corrupted", Message: fmt.Sprintf("the cursor of pipeline %s in %s is damaged", pipelineName, j.cursorPath(pipelineName)),
			Hint: "`usher run --full` reads everything and makes a new one; `usher cursor set` puts one back that you know"}
	}
	return cursor, nil
}

// sealed gives a cursor as it is kept, with its checksum behind it: one that was changed would have records left out.
func sealed(cursor []byte) []byte {
	return fmt.Appendf(slices.Clone(cursor), "\n%08x\n", sumOf(cursor))
}

const sealSize = 10

// SetCursor keeps how far the completed runs of a pipeline have read, for the next one to begin there; nil forgets it.
func (j *Journal) SetCursor(pipelineName string, cursor []byte) error {
	path := j.cursorPath(pipelineName)
	if cursor == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return cursorError(pipelineName, err)
		}
		return nil
	}
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = replaceFile(path, sealed(cursor))
	}
	return cursorError(pipelineName, err)
}

func cursorError(pipelineName string, err error) error {
	if err == nil {
		return nil
	}
	return &pipeline.Error{Code: "state.unwritable", Message: fmt.Sprintf("where the next run of pipeline %s begins cannot be kept: %v", pipelineName, err),
		Hint: "make room, or give the process permission to write there; until then the next run begins where the last one did", Err: err}
}

func (j *Journal) cursorPath(pipelineName string) string {
	return filepath.Join(j.dir, "cursors", fileName(pipelineName))
}

// replaceFile gives a file new content: after a crash it holds either the old or the new.
func replaceFile(path string, content []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return err
}
