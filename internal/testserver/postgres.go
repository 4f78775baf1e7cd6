package testserver

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

type postgreSQL struct{ server, initdb string }

func (p *postgreSQL) programs() (err error) {
	if p.server, err = find("PostgreSQL", "/usr/lib/postgresql/*/bin/postgres", "postgres"); err == nil {
		p.initdb, err = find("PostgreSQL", "/usr/lib/postgresql/*/bin/initdb", "initdb")
	}
	return err
}

func (p *postgreSQL) create(dir string, as *syscall.Credential) error {
	password := filepath.Join(filepath.Dir(dir), "password")
	if err := os.WriteFile(password, []byte(Password+"\n"), 0o644); err != nil {
		return err
	}
	return run(exec.Command(p.initdb, "-D", dir, "-U", User, "--pwfile="+password, "--auth=password", "-E", "UTF8",
		"--locale=C", "--no-sync", "--no-instructions"), as)
}

func (p *postgreSQL) command(dir string, port int) *exec.Cmd {
	args := []string{"-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(port), "-k", dir}
	for _, setting := range []string{"listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off",
		"shared_buffers=32MB", "max_connections=50", "autovacuum=off"} {
		args = append(args, "-c", setting)
	}
	return exec.Command(p.server, args...)
}

func (p *postgreSQL) driver() string { return "pgx" }

func (p *postgreSQL) dsn(port int, database string) string { return p.url(port, database) }

func (p *postgreSQL) url(port int, database string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", User, Password, port, cmp.Or(database, "postgres"))
}

func (p *postgreSQL) dataDir() string { return "SHOW data_directory" }

func (p *postgreSQL) drop(name string) []string {
	return []string{"DROP DATABASE " + name + " WITH (FORCE)"}
}
