package files

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-id/usher/pipeline"
)

// watch knows which files the runs of a pipeline have taken. What it is told and tells is text, one file a line: the time
// of its last change, its size and its path, from the folder of the pipeline file if it is there.
type watch struct {
	settle time.Duration
	dir    string
	log    *slog.Logger

	taken map[string]stamp // by what completed runs have taken
	scope map[string]stamp // the files of this run, if it is a resumed one
	bad   error            // of what it was told

	present map[string]bool // files that are there
	chosen  map[string]stamp
}

// stamp tells a file from what it becomes by a change.
type stamp struct {
	changed int64 // nanoseconds
	size    int64
}

func newWatch(env pipeline.Env, settle time.Duration) *watch {
	w := &watch{settle: settle, dir: env.Dir, log: env.Log}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	return w
}

// silent gives one that chooses the same and says nothing.
func (w *watch) silent() *watch {
	c := *w
	c.log = slog.New(slog.DiscardHandler)
	return &c
}

// list gives the files of a folder but those that are hidden, or that a program names so while it writes them.
func (w *watch) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, openError(dir, err)
	}
	var list []string
	for _, e := range entries { // they are sorted
		name := e.Name()
		unfinished := slices.Contains([]string{".part", ".partial", ".filepart", ".tmp", ".crdownload"}, strings.ToLower(filepath.Ext(name)))
		if e.IsDir() || unfinished || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~$") {
			continue
		}
		list = append(list, filepath.Join(dir, name))
	}
	return list, nil
}

// choose gives the files that this run takes, of those found.
func (w *watch) choose(found []input) ([]input, error) {
	if w.bad != nil {
		return nil, w.bad
	}
	w.present, w.chosen = map[string]bool{}, map[string]stamp{}
	var list []input
	now := time.Now()
	for _, in := range found {
		info, err := os.Stat(in.path)
		if err != nil || !info.Mode().IsRegular() {
			if err == nil || os.IsNotExist(err) {
				continue // it went away since it was found, or is no file
			}
			return nil, openError(in.path, err)
		}
		name, is := w.name(in.path), stampOf(info)
		w.present[name] = true
		if w.scope != nil {
			if w.scope[name] == is {
				list, w.chosen[name] = append(list, in), is
			}
			continue
		}
		was, known := w.taken[name]
		if known && was == is {
			continue
		}
		if age := now.Sub(info.ModTime()); age < w.settle && age > -w.settle {
			w.log.Warn("a file is still being written; it is left for the next run", slog.String("file", name))
			continue
		}
		if known {
			w.log.Warn("a file has changed since it was taken; it is taken again", slog.String("file", name))
		}
		list, w.chosen[name] = append(list, in), is
	}
	return list, nil
}

func stampOf(info fs.FileInfo) stamp { return stamp{info.ModTime().UnixNano(), info.Size()} }

// name is what a file is remembered by.
func (w *watch) name(path string) string {
	if w.dir != "" {
		if rel, err := filepath.Rel(w.dir, path); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
	}
	return path
}

// memory gives stamps as text.
func memory(stamps map[string]stamp) []byte {
	var text []byte
	names := make([]string, 0, len(stamps))
	for name := range stamps {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if i > 0 {
			text = append(text, '\n')
		}
		s := stamps[name]
		text = time.Unix(0, s.changed).UTC().AppendFormat(text, time.RFC3339Nano)
		text = fmt.Appendf(text, " %d ", s.size)
		if strings.HasPrefix(name, `"`) || strconv.Quote(name) != `"`+name+`"` {
			name = strconv.Quote(name)
		}
		text = append(text, name...)
	}
	return text
}

// remembered is the reverse of memory.
func remembered(text []byte) (map[string]stamp, error) {
	stamps := map[string]stamp{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		changed, rest, _ := strings.Cut(line, " ")
		size, name, _ := strings.Cut(rest, " ")
		at, err := time.Parse(time.RFC3339Nano, changed)
		n, sizeErr := strconv.ParseInt(size, 10, 64)
		if strings.HasPrefix(name, `"`) {
			name, _ = strconv.Unquote(name)
		}
		if err != nil || sizeErr != nil || name == "" {
			return nil, &pipeline.Error{Code: "file.bad_cursor", Message: fmt.Sprintf("what is kept of the files that were taken has a line that cannot be read: %.80q", line),
				Hint: "a line is a time, a size and a path; `usher cursor reset` forgets them all"}
		}
		stamps[name] = stamp{at.UnixNano(), n}
	}
	return stamps, nil
}

// Watched is for pipeline.Incremental: whether the set remembers the files that it has taken.
func (s *Set) Watched() bool { return s.watch != nil }

// SetCursor is for pipeline.Cursored: the files that are not to be taken again.
func (s *Set) SetCursor(stored []byte) {
	if s.watch != nil {
		s.watch.taken, s.watch.bad = remembered(stored)
	}
}

// Cursor is for pipeline.Cursored: the files that were taken up to now. Those that are gone are forgotten, but only when
// others came: an empty folder may be one that is not mounted.
func (s *Set) Cursor() []byte {
	w := s.watch
	if w == nil || len(w.chosen) == 0 {
		return nil
	}
	all := map[string]stamp{}
	for name, was := range w.taken {
		if w.present[name] {
			all[name] = was
		}
	}
	for name, is := range w.chosen {
		all[name] = is
	}
	return memory(all)
}

// Scope is for pipeline.Scoped: the files of this run.
func (s *Set) Scope() []byte {
	if s.watch == nil {
		return nil
	}
	if len(s.watch.chosen) == 0 {
		return []byte(noFiles)
	}
	return memory(s.watch.chosen)
}

// noFiles is the scope of a run that found nothing new.
const noFiles = "# none"

// SetScope is for pipeline.Scoped.
func (s *Set) SetScope(scope []byte) {
	if s.watch != nil && len(scope) > 0 {
		s.watch.scope, s.watch.bad = remembered(scope)
	}
}
