// Package testserver runs real database servers for tests: on free ports of the loopback interface, with their data in
// temporary folders, and gone when the tests are.
//
// A package's TestMain calls Main; its tests ask for MariaDB or Postgres, which start a server at the first call. A
// server whose programs are not installed fails the test that asks for it.
package testserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// User and Password open every server with all rights.
const (
	User     = "usher"
	Password = "legacy-Pa55word"
)

// startTimeout is how long a server may take to answer. Machines that run tests are often busy.
const startTimeout = 60 * time.Second

// Server is one database server of this process.
type Server struct {
	kind kind
	dir  string
	port int

	mu      sync.Mutex
	process *process
	started bool // once, at least
	admin   *sql.DB
}

// kind is what differs between the servers.
type kind interface {
	// programs finds what is needed to run the server.
	programs() error
	// create makes the data folder.
	create(dir string, as *syscall.Credential) error
	// command runs the server in the foreground.
	command(dir string, port int) *exec.Cmd
	// driver and dsn reach a database of it; the empty name is one that is always there.
	driver() string
	dsn(port int, database string) string
	// url is the DSN as a URL.
	url(port int, database string) string
	// dataDir is the query for the folder of the server that answers.
	dataDir() string
	// drop removes a database although connections to it may be open.
	drop(name string) []string
}

var (
	servers   sync.Mutex
	mariadb   *Server
	postgres  *Server
	databases atomic.Int64
)

// Main runs the tests, stops the servers that they started and gives the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	servers.Lock()
	defer servers.Unlock()
	for _, s := range []*Server{mariadb, postgres} {
		if s != nil {
			s.Close()
		}
	}
	return code
}

// NewMariaDB starts a MariaDB server for a program that is no test. It ends with Close.
func NewMariaDB() (*Server, error) {
	k := &mariaDB{}
	if err := k.programs(); err != nil {
		return nil, fmt.Errorf("%w: .ci/setup installs it", err)
	}
	return start(k)
}

// MariaDB gives the MariaDB server of this process.
func MariaDB(t testing.TB) *Server {
	t.Helper()
	return get(t, &mariadb, &mariaDB{})
}

// Postgres gives the PostgreSQL server of this process.
func Postgres(t testing.TB) *Server {
	t.Helper()
	return get(t, &postgres, &postgreSQL{})
}

func get(t testing.TB, place **Server, k kind) *Server {
	t.Helper()
	servers.Lock()
	defer servers.Unlock()
	if *place == nil {
		if err := k.programs(); err != nil {
			t.Fatalf("%v: run `make test`, which installs what the tests need (.ci/setup)", err)
		}
		s, err := start(k)
		if err != nil {
			t.Fatalf("start the database server: %v", err)
		}
		*place = s
	}
	return *place
}

func start(k kind) (*Server, error) {
	dir, err := os.MkdirTemp("", "usher-server-")
	if err != nil {
		return nil, err
	}
	s := &Server{kind: k, dir: dir}
	as, err := unprivileged()
	if err == nil && as != nil {
		err = os.Chown(dir, int(as.Uid), int(as.Gid))
	}
	if err == nil {
		err = k.create(filepath.Join(dir, "data"), as)
	}
	// Between the choice of a free port and the server's use of it another process can take it.
	for attempt := 0; err == nil && attempt < 3; attempt++ {
		if s.port, err = freePort(); err != nil {
			break
		}
		startErr := s.Start()
		if startErr == nil {
			return s, nil
		}
		if attempt == 2 || !errors.Is(startErr, errEnded) {
			err = startErr
		}
	}
	os.RemoveAll(dir)
	return nil, err
}

var errEnded = errors.New("it ended")

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Start starts a server that was stopped or killed, or that ended by itself, on the port it had, and waits until it answers.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && !s.process.ended() {
		return nil
	}
	s.process = nil
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(50 * time.Millisecond) {
		err := s.launch()
		// The processes of a PostgreSQL that was killed hold its memory a moment longer.
		if err == nil || !s.started || !errors.Is(err, errEnded) || time.Now().After(deadline) {
			return err
		}
	}
}

func (s *Server) launch() error {
	logPath := filepath.Join(s.dir, "log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	as, err := unprivileged()
	if err != nil {
		return err
	}
	cmd := s.kind.command(s.dir, s.port)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	p, err := spawn(cmd, as)
	if err != nil {
		return err
	}
	if s.admin == nil {
		if s.admin, err = sql.Open(s.kind.driver(), s.kind.dsn(s.port, "")); err != nil {
			return err
		}
	}
	s.admin.SetMaxIdleConns(0) // a connection may still lead to what is left of a server that ended
	s.admin.SetMaxIdleConns(1)
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
		err = s.ping()
		if err == nil {
			s.process, s.started = p, true
			go report(p, logPath)
			return nil
		}
		if p.ended() {
			err = errEnded
		}
		if err == errEnded || time.Now().After(deadline) {
			p.kill()
			if !s.started {
				s.admin.Close() // it may have to be another port
				s.admin = nil
			}
			text, _ := os.ReadFile(logPath)
			return fmt.Errorf("the server did not come up: %w\n%.4000s", err, text)
		}
	}
}

// ping asks the server for its folder: another process's server may have come to the port first.
func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var dir string
	if err := s.admin.QueryRowContext(ctx, s.kind.dataDir()).Scan(&dir); err != nil {
		return err
	}
	if want := filepath.Join(s.dir, "data"); filepath.Clean(dir) != want {
		return fmt.Errorf("at port %d answers the server of %s", s.port, dir)
	}
	return nil
}

// report tells of a server that ends although nobody asked it to: the tests that then fail cannot know why.
func report(p *process, logPath string) {
	<-p.done
	if !p.killed.Load() {
		text, _ := os.ReadFile(logPath)
		fmt.Fprintf(os.Stderr, "the server of %s ended by itself: %v\n%s\n", filepath.Dir(logPath), p.cmd.ProcessState, text)
	}
}

// Kill ends the server at once, as a power failure would.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.kill()
		s.process = nil
	}
}

// Close stops the server and takes its data away.
func (s *Server) Close() {
	s.Kill()
	s.admin.Close()
	os.RemoveAll(s.dir)
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// DSN reaches a database of the server in the driver's own form.
func (s *Server) DSN(database string) string { return s.kind.dsn(s.port, database) }

// URL reaches a database of the server, as mysql://… or postgres://….
func (s *Server) URL(database string) string { return s.kind.url(s.port, database) }

// Admin gives connections that see every database.
func (s *Server) Admin() *sql.DB { return s.admin }

// Database makes an empty database that is dropped when the test ends, and gives its name and connections to it.
func (s *Server) Database(t testing.TB) (name string, db *sql.DB) {
	t.Helper()
	if err := s.Start(); err != nil { // an earlier test may have killed it
		t.Fatal(err)
	}
	name = "test_" + strconv.FormatInt(databases.Add(1), 10)
	if _, err := s.admin.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open(s.kind.driver(), s.kind.dsn(s.port, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		if err := s.Start(); err != nil {
			t.Error(err)
			return
		}
		for _, statement := range s.kind.drop(name) {
			if _, err := s.admin.Exec(statement); err != nil {
				t.Errorf("drop the test's database: %v", err)
			}
		}
	})
	return name, db
}

// find gives the path of the first program that is installed, also in folders that a user's PATH may leave out.
func find(what string, patterns ...string) (string, error) {
	for _, pattern := range patterns {
		if !strings.Contains(pattern, "/") {
			if path, err := exec.LookPath(pattern); err == nil {
				return path, nil
			}
			pattern = "/usr/sbin/" + pattern
		}
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", errors.New(what + " is not installed")
}

// run runs a program of the set-up to its end.
func run(cmd *exec.Cmd, as *syscall.Credential) error {
	cmd.Dir = "/"
	if as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out)
	}
	return nil
}
