package testserver

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// A server keeps its data and its port over a crash, and each test's database is its own.
func TestServers(t *testing.T) {
	for name, get := range map[string]func(testing.TB) *Server{"MariaDB": MariaDB, "PostgreSQL": Postgres} {
		t.Run(name, func(t *testing.T) {
			server := get(t)
			if get(t) != server {
				t.Error("two servers in one process")
			}
			_, db := server.Database(t)
			_, other := server.Database(t)
			for _, db := range []interface {
				Ping() error
			}{db, other} {
				if err := db.Ping(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := db.Exec("CREATE TABLE t (n INT)"); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Exec("CREATE TABLE t (n INT)"); err != nil {
				t.Errorf("the databases are not apart: %v", err)
			}
			addr := server.Addr()
			server.Kill()
			if err := db.Ping(); err == nil {
				t.Error("the killed server answers")
			}
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			if server.Addr() != addr {
				t.Error("the server came back elsewhere")
			}
			// One that ends by itself is there again for the next test.
			if err := server.process.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-server.process.done
			server.Database(t)
			impostor := &Server{kind: server.kind, dir: t.TempDir(), port: server.port}
			if err := impostor.Start(); err == nil {
				t.Error("another server's answer was taken for its own")
			}
			var n int
			if err := db.QueryRow("SELECT COUNT(*) FROM t").Scan(&n); err != nil {
				t.Errorf("after the restart: %v", err)
			}
		})
	}
}
