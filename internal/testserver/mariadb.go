package testserver

import (
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// Tests that kill connections are not to hear about it from the driver's own log.
func init() { _ = mysql.SetLogger(log.New(io.Discard, "", 0)) }

type mariaDB struct{ server, install string }

func (m *mariaDB) programs() (err error) {
	if m.server, err = find("MariaDB", "mariadbd", "mysqld"); err == nil {
		m.install, err = find("MariaDB", "mariadb-install-db", "mysql_install_db")
	}
	return err
}

// The folder of temporary tables is the server's own: a server that starts clears it of what other servers have there, whatever they are doing.
func (m *mariaDB) create(dir string, as *syscall.Credential) error {
	err := run(exec.Command(m.install, "--no-defaults", "--datadir="+dir, "--skip-test-db", "--skip-name-resolve",
		"--auth-root-authentication-method=normal", "--tmpdir="+filepath.Dir(dir), "--innodb-flush-method=nosync", "--innodb-log-file-size=8M"), as)
	if err != nil {
		return err
	}
	// Run at each start; one statement a line.
	grants := fmt.Sprintf("CREATE USER IF NOT EXISTS '%s'@'%%' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO '%[1]s'@'%%' WITH GRANT OPTION;\n",
		User, Password)
	return os.WriteFile(filepath.Join(filepath.Dir(dir), "init.sql"), []byte(grants), 0o644)
}

func (m *mariaDB) command(dir string, port int) *exec.Cmd {
	return exec.Command(m.server, "--no-defaults", "--datadir="+filepath.Join(dir, "data"), "--port="+strconv.Itoa(port),
		"--bind-address=127.0.0.1", "--socket="+filepath.Join(dir, "s"), "--pid-file="+filepath.Join(dir, "pid"), "--tmpdir="+dir,
		"--init-file="+filepath.Join(dir, "init.sql"), "--skip-name-resolve", "--character-set-server=utf8mb4",
		"--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0",
		"--innodb-buffer-pool-size=64M", "--innodb-log-file-size=8M", "--key-buffer-size=1M", "--aria-pagecache-buffer-size=1M",
		"--performance-schema=0", "--max-connections=50")
}

func (m *mariaDB) driver() string { return "mysql" }

func (m *mariaDB) dsn(port int, database string) string {
	return fmt.Sprintf("%s:%s@tcp(127.0.0.1:%d)/%s?multiStatements=true", User, Password, port, database)
}

func (m *mariaDB) url(port int, database string) string {
	return fmt.Sprintf("mysql://%s:%s@127.0.0.1:%d/%s", User, Password, port, database)
}

func (m *mariaDB) dataDir() string { return "SELECT @@datadir" }

func (m *mariaDB) drop(name string) []string { return []string{"DROP DATABASE " + name} }
