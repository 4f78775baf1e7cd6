package identity

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"zombiezen.com/go/sqlite"
)

// Mode says what a store is opened for.
type Mode uint8

const (
	// Write creates the store if there is none, upgrades an older one, and locks it against other writers.
	Write Mode = iota
	// Plan works out what Write would do. It writes nothing at the store's place and takes no lock; the store need not
	// exist. What is planned goes to a temporary file.
	Plan
	// Read only reads, also while another process writes. The store must exist.
	Read
)

// Store is an open identity store. It is for one goroutine at a time, but for Import.Prepare.
type Store struct {
	path string
	mode Mode
	lock *lock
	top  *layer // what is written to; nil in mode Read
	base *layer // what is only read, under top; nil in mode Write, and where there is no store yet
	// ahead reads what is committed, for an Import that looks ahead.
	ahead *layer
	temp  string // folder of a plan
	// still is what the file was when a plan began to read it as one that stays as it is.
	still fs.FileInfo

	hashing Hashing
	// logins has one login at a time use the connection; the derivations run side by side.
	logins sync.Mutex
}

// Open opens the store that dsn names: sqlite: and a path, which if relative starts at dir. owner names who opens it,
// such as a run's id, for the message to who comes second. Errors are of type *Error.
func Open(ctx context.Context, dsn, dir, owner string, mode Mode) (*Store, error) {
	path, err := DatabasePath(dsn, dir)
	if err != nil {
		return nil, err
	}
	s := &Store{path: resolve(path), mode: mode}
	switch mode {
	case Write:
		err = s.openWrite(ctx, owner)
	case Plan:
		err = s.openPlan(ctx)
	case Read:
		err = s.openBase(ctx)
		if err == nil && s.base == nil {
			err = &Error{Code: "store.missing", Message: "there is no store at " + path, Hint: "check the dsn, or run a pipeline that makes it", Unreachable: true}
		}
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// DatabasePath gives the file that a dsn names.
func DatabasePath(dsn, dir string) (string, error) {
	scheme, path, ok := strings.Cut(dsn, ":")
	switch {
	case !ok || len(scheme) < 2:
		return "", &Error{Code: "store.bad_dsn", Message: "the dsn names no kind of database", Hint: "write sqlite: and a path, such as sqlite:users.db"}
	case scheme != "sqlite":
		return "", &Error{Code: "store.bad_dsn", Message: "there is no identity store on " + strconv.Quote(scheme), Hint: "write sqlite: and a path, such as sqlite:users.db"}
	}
	path = strings.TrimPrefix(path, "//")
	if path == "" || strings.ContainsAny(path, "\x00") || strings.HasSuffix(path, "/") {
		return "", &Error{Code: "store.bad_dsn", Message: "the dsn names no file", Hint: "write sqlite: and a path, such as sqlite:users.db"}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", &Error{Code: "store.bad_dsn", Message: "the store's path cannot be made absolute", Hint: "give an absolute path", Err: err}
	}
	return abs, nil
}

// resolve follows symbolic links, as SQLite does: by whatever name a store is opened, it has one log and one lock.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path)) // it is to be made
	}
	return path
}

// exists tells whether there is a file that can be a store.
func (s *Store) exists() (bool, error) {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, s.osError(err)
	case info.IsDir():
		return false, &Error{Code: "store.not_a_file", Message: s.path + " is a folder", Hint: "give the path of the database file"}
	case !info.Mode().IsRegular():
		return false, &Error{Code: "store.not_a_file", Message: s.path + " is not a regular file", Hint: "give the path of the database file"}
	}
	return true, nil
}

func (s *Store) osError(err error) error {
	e := &Error{Err: err}
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.Code, e.Message, e.Hint = "store.read_only", "the store "+s.path+" may not be opened for writing", "give the process write permission for the file and its folder"
		if s.mode != Write {
			e.Code, e.Message, e.Hint = "store.cannot_open", "the store "+s.path+" may not be read", "give the process read permission"
		}
	case errors.Is(err, fs.ErrNotExist):
		e.Code, e.Message, e.Hint = "store.no_folder", "the folder of the store "+s.path+" does not exist", "make the folder, or correct the dsn"
	default:
		var errno syscall.Errno
		reason := "the system refused"
		if errors.As(err, &errno) {
			reason = errno.Error()
			if strings.Contains(reason, "read-only file system") {
				e.Code = "store.read_only"
			}
		}
		if e.Code == "" {
			e.Code = "store.cannot_open"
		}
		e.Message, e.Hint = "the store "+s.path+" cannot be opened: "+reason, "check the path and the disk"
	}
	e.Unreachable = true
	return e
}

func (s *Store) openWrite(ctx context.Context, owner string) error {
	there, err := s.exists()
	if err != nil {
		return err
	}
	if s.lock, err = s.acquire(owner); err != nil {
		return err
	}
	if !there {
		f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return s.osError(err)
		}
		if err := f.Close(); err != nil {
			return s.osError(err)
		}
	} else if err := writable(s.path); err != nil {
		return s.osError(err)
	}
	if s.top, err = openLayer(s.path, sqlite.OpenReadWrite); err != nil {
		return s.describe("opening", err)
	}
	version, err := s.checkVersion(s.top)
	if err != nil {
		return err
	}
	if version < schemaVersion {
		if err := migrate(ctx, s.path); err != nil {
			return s.describe("upgrading", err)
		}
	}
	for _, pragma := range []string{"journal_mode = wal", "synchronous = full",
		"wal_autocheckpoint = " + strconv.Itoa(checkpointPages), "journal_size_limit = 67108864"} {
		if _, err := s.top.integer("PRAGMA " + pragma); err != nil {
			return s.describe("opening", err)
		}
	}
	return nil
}

// Check reports why a store could not be opened for writing. It leaves what is there as it is; whether there can be files beside it, which
// a transaction needs, is tried with one that goes at once.
func Check(ctx context.Context, dsn, dir string) error {
	plan, err := Open(ctx, dsn, dir, "check", Plan)
	if err != nil {
		return err
	}
	if err := plan.Close(); err != nil {
		return err
	}
	s := &Store{path: plan.path, mode: Write}
	there, err := s.exists()
	if err != nil {
		return err
	}
	if there {
		// What is beside the store may be somebody else's.
		for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
			if err := writable(s.path + suffix); err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
				return s.osError(err)
			}
		}
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), ".usher-check-")
	if err != nil {
		return s.osError(err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// writable reports why a file cannot be written, without changing it: SQLite opens it for reading then, and would
// say so only when it is too late.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func (s *Store) checkVersion(l *layer) (int64, error) {
	version, ours, err := l.version()
	switch {
	case err != nil:
		return 0, s.describe("opening", err)
	case !ours:
		return 0, &Error{Code: "store.foreign", Message: s.path + " is an SQLite database, but not an identity store of usher", Hint: "give the path of a store, or of a file that does not exist yet"}
	case version > schemaVersion:
		return 0, &Error{Code: "store.newer_schema", Message: "the store " + s.path + " has schema version " + strconv.FormatInt(version, 10) +
			", this usher knows versions up to " + strconv.Itoa(schemaVersion), Hint: "use the usher that wrote it, or a newer one"}
	}
	return version, nil
}

// openBase opens what is there for reading, in a way that leaves its files as they are. base stays nil where there
// is no store yet.
func (s *Store) openBase(ctx context.Context) error {
	there, err := s.exists()
	if err != nil {
		return err
	}
	if !there {
		if _, err := os.Stat(filepath.Dir(s.path)); err != nil {
			return s.osError(err)
		}
		return nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return s.osError(err)
	}
	file, err := f.Stat()
	f.Close()
	if err != nil {
		return s.osError(err)
	}
	name := "file:" + escapeURI(s.path) + "?mode=ro"
	log, err := os.Stat(s.path + "-wal")
	whole := err != nil || log.Size() == 0
	if s.mode == Plan && whole {
		// Nobody has it open, or who has it has not written: the file is the whole database, and reading it needs no
		// files beside it.
		name += "&immutable=1"
		s.still = file
	}
	version, err := s.openReadOnly(name)
	if e := (*Error)(nil); s.mode == Read && whole && errors.As(err, &e) && (e.Code == "store.cannot_open" || e.Code == "store.read_only") {
		// In a folder that cannot be written, SQLite cannot make the files by which readers and writers keep apart; then
		// there is no writer either.
		version, err = s.openReadOnly(name + "&immutable=1")
	}
	if err != nil {
		return err
	}
	if version == 0 {
		// Nothing has been made in it yet.
		err = s.base.conn.Close()
		s.base = nil
		return s.describe("closing", err)
	}
	if version < schemaVersion && s.mode == Plan {
		return s.upgradeCopy(ctx)
	}
	if version < schemaVersion {
		return &Error{Code: "store.older_schema", Message: "the store " + s.path + " has schema version " + strconv.FormatInt(version, 10) +
			", this usher works on version " + strconv.Itoa(schemaVersion), Hint: "run a pipeline on it once, which upgrades it"}
	}
	if s.mode == Plan && s.still == nil {
		// Somebody may be writing: the plan is for the store as it is now.
		err := s.base.exec("BEGIN")
		if err == nil {
			_, err = s.base.integer("SELECT count(*) FROM sqlite_master")
		}
		return s.describe("reading", err)
	}
	return nil
}

// upgradeCopy has a plan read a copy of the present schema in its temporary folder, since only a run upgrades the store itself.
func (s *Store) upgradeCopy(ctx context.Context) error {
	path := filepath.Join(s.temp, "upgraded.db")
	err := s.base.exec("VACUUM INTO '" + strings.ReplaceAll(path, "'", "''") + "'")
	if disturbed := s.disturbed(); disturbed != nil {
		return disturbed
	}
	s.still = nil
	if err = errors.Join(err, s.base.conn.Close()); err == nil {
		err = migrate(ctx, path)
	}
	s.base = nil
	if isFull(err) {
		return &Error{Code: "store.temporary_file", Message: "there is no room to upgrade a copy of the store " + s.path + " for the plan: the disk with the temporary files is full or a limit is reached",
			Hint: "make room in the folder for temporary files, or name another one by TMPDIR; or run the pipeline, which upgrades the store itself", Err: err}
	}
	if err == nil {
		s.base, err = openLayer(path, sqlite.OpenReadOnly)
	}
	return s.describe("copying", err)
}

// disturbed tells that somebody has written into a file that a plan reads as one that stays as it is: what it has read since may be
// parts of two states, as if the file were damaged.
func (s *Store) disturbed() error {
	if s.still == nil {
		return nil
	}
	now, err := os.Stat(s.path)
	if err == nil && now.Size() == s.still.Size() && now.ModTime().Equal(s.still.ModTime()) {
		return nil
	}
	return &Error{Code: "store.busy", Message: "another program wrote into the store " + s.path + " while it was planned for", Hint: "plan again", Err: err}
}

// openReadOnly opens base by a URI and gives its schema version.
func (s *Store) openReadOnly(name string) (int64, error) {
	l, err := openLayer(name, sqlite.OpenReadOnly|sqlite.OpenURI)
	if err != nil {
		return 0, s.describe("opening", err)
	}
	version, err := s.checkVersion(l)
	if err == nil && s.mode == Read {
		err = l.exec("PRAGMA cache_size = -" + strconv.Itoa(readCacheKiB)) // most read it once, from one end to the other
	}
	if err != nil {
		return 0, errors.Join(err, l.conn.Close())
	}
	s.base = l
	return version, nil
}

func escapeURI(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}

func (s *Store) openPlan(ctx context.Context) error {
	var err error
	if s.temp, err = os.MkdirTemp("", "usher-plan-"); err != nil {
		return noTemp(err)
	}
	if err := s.openBase(ctx); err != nil {
		return err
	}
	path := filepath.Join(s.temp, "plan.db")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return noTemp(err)
	}
	f.Close()
	if err := migrate(ctx, path); err != nil {
		return noTemp(err)
	}
	if s.top, err = openLayer(path, sqlite.OpenReadWrite); err != nil {
		return noTemp(err)
	}
	for _, pragma := range []string{"journal_mode = off", "synchronous = off", "locking_mode = exclusive"} {
		if _, err := s.top.integer("PRAGMA " + pragma); err != nil {
			return noTemp(err)
		}
	}
	// Without a name nothing of it stays, however this process ends. Where an open file cannot be removed, Close does it.
	if os.RemoveAll(s.temp) == nil {
		s.temp = ""
	}
	return nil
}

// noTemp is an error of the files of a plan. The store is not to blame.
func noTemp(err error) error {
	return &Error{Code: "store.temporary_file", Message: "the temporary files of the plan cannot be made: " + err.Error(),
		Hint: "make room in the folder for temporary files, or name another one by TMPDIR", Err: err}
}

// Path is the database file.
func (s *Store) Path() string { return s.path }

// Close closes the store. What was not committed is gone.
func (s *Store) Close() error {
	var err error
	for _, l := range []*layer{s.ahead, s.top, s.base} {
		if l != nil {
			err = errors.Join(err, s.describe("closing", l.conn.Close()))
		}
	}
	s.top, s.base, s.ahead = nil, nil, nil
	if s.temp != "" {
		err = errors.Join(err, os.RemoveAll(s.temp))
		s.temp = ""
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.release())
		s.lock = nil
	}
	return err
}

func (s *Store) describe(doing string, err error) error {
	if err != nil {
		if disturbed := s.disturbed(); disturbed != nil {
			return disturbed
		}
		if s.mode == Plan && isFull(err) { // the store is only read
			return &Error{Code: "store.temporary_file", Message: "there is no room for the plan: the disk with the temporary files is full or a limit is reached",
				Hint: "make room in the folder for temporary files, or name another one by TMPDIR", Err: err}
		}
	}
	return describe(s.path, doing, err)
}
