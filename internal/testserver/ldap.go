package testserver

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Suffix is where the directory of LDAP begins, and Manager who may read all of it, with Password.
const (
	Suffix  = "dc=example,dc=com"
	Manager = "cn=manager," + Suffix
)

// LDAP runs an OpenLDAP server for one test, with the entries of an LDIF file, and gives its address.
func LDAP(t testing.TB, ldif string) string {
	t.Helper()
	slapd, err := find("OpenLDAP's server", "slapd")
	if err != nil {
		t.Fatalf("%v: run `make test`, which installs what the tests need (.ci/setup)", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "slapd.conf")
	err = os.WriteFile(config, fmt.Appendf(nil, `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
sizelimit 500
database mdb
maxsize 67108864
suffix %q
rootdn %q
rootpw %s
directory %s
access to attrs=userPassword by anonymous auth by * none
access to * by * read
`, Suffix, Manager, Password, filepath.Join(dir, "data")), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	// slapd is slapadd by another name.
	if out, err := exec.Command(slapd, "-T", "add", "-f", config, "-q", "-l", ldif).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	for attempt := 0; ; attempt++ {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		p, err := spawn(exec.Command(slapd, "-f", config, "-h", "ldap://"+address, "-d", "0"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(startTimeout); !p.ended() && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if conn, err := net.Dial("tcp", address); err == nil {
				conn.Close()
				t.Cleanup(p.kill)
				return "ldap://" + address
			}
		}
		p.kill()
		if attempt == 2 {
			t.Fatal("slapd did not come up")
		}
	}
}
