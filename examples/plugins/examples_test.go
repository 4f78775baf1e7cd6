// Package plugins_test runs the plugins of the examples as a person would: with the program usher, against a real directory server, a real HTTP API, Python and
// Node.
package plugins_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/usher-id/usher/internal/testserver"
)

var usher string // the program

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "usher-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	usher = filepath.Join(dir, "usher")
	if out, err := exec.Command("go", "build", "-o", dir, "../../cmd/usher", "./ldap", "./http-users", "./double-sha1").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// example is a copy of an example's folder.
type example struct {
	*testing.T
	dir string
	env []string
}

func copyExample(t *testing.T, name string) *example {
	t.Helper()
	e := &example{t, t.TempDir(), append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir(), "NO_COLOR=1")}
	// With what links point to in place of the links.
	if out, err := exec.Command("cp", "-RL", name+"/.", e.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return e
}

// usher runs a command line in the folder and gives what it printed on standard output.
func (e *example) usher(wantExit int, args ...string) string {
	e.Helper()
	cmd := exec.Command(usher, args...)
	cmd.Dir, cmd.Env = e.dir, e.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := cmd.ProcessState.ExitCode(); exit != wantExit {
		e.Fatalf("usher %s: %v, want exit code %d\n%s%s", strings.Join(args, " "), err, wantExit, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}

// counts runs a pipeline and gives inserted, updated, skipped and failed.
func (e *example) counts(wantExit int, command, pipeline string) [4]int {
	e.Helper()
	var doc struct {
		Summary struct{ Inserted, Updated, Skipped, Failed int }
	}
	if err := json.Unmarshal([]byte(e.usher(wantExit, command, pipeline, "--json", "--quiet")), &doc); err != nil {
		e.Fatal(err)
	}
	s := doc.Summary
	return [4]int{s.Inserted, s.Updated, s.Skipped, s.Failed}
}

func (e *example) want(got, want [4]int) {
	e.Helper()
	if got != want {
		e.Errorf("inserted, updated, skipped, failed are %v, want %v", got, want)
	}
}

func python(t *testing.T) string {
	t.Helper()
	const debian = "/usr/bin/python3"
	if out, err := exec.Command(debian, "-c", "import grpc, google.protobuf, cryptography").CombinedOutput(); err != nil {
		t.Fatalf("%v %s: run `make test`, which installs what the tests need (.ci/setup)", err, out)
	}
	return debian + " -B"
}

// Two pages of people, some with more than one address, one with none.
func TestLDAP(t *testing.T) {
	var ldif strings.Builder
	ldif.WriteString("dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n" +
		"dn: ou=people,dc=example,dc=com\nobjectClass: organizationalUnit\nou: people\n\n")
	const people = 720
	for i := range people {
		fmt.Fprintf(&ldif, "dn: uid=u%d,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: u%d\ncn: Person %d\nsn: %d\n", i, i, i, i)
		if i != 7 {
			fmt.Fprintf(&ldif, "mail: U%d@example.com\n", i)
		}
		if i%10 == 0 {
			fmt.Fprintf(&ldif, "mail: second%d@example.com\n", i)
		}
		if i == 3 {
			ldif.WriteString("userPassword: {SSHA}Kh4Dn7bj3vCYvvbJyNYtWbBWvGvRk0uU\n")
		}
		ldif.WriteString("\n")
	}
	e := copyExample(t, "ldap")
	file := filepath.Join(t.TempDir(), "people.ldif")
	if err := os.WriteFile(file, []byte(ldif.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	e.env = append(e.env, "LDAP_URL="+testserver.LDAP(t, file), "LDAP_PASSWORD="+testserver.Password)
	e.usher(0, "plugins", "add", filepath.Join(filepath.Dir(usher), "ldap"))
	e.usher(3, "check", "pipeline.yaml")
	e.want(e.counts(3, "plan", "pipeline.yaml"), [4]int{people - 1, 0, 0, 1})
	e.want(e.counts(3, "run", "pipeline.yaml"), [4]int{people - 1, 0, 0, 1})
	e.want(e.counts(3, "run", "pipeline.yaml"), [4]int{0, 0, people - 1, 1})

	e.env = append(e.env, "LDAP_PASSWORD=wrong")
	e.usher(4, "run", "pipeline.yaml")
}

// api is what the sink posts to.
type api struct {
	mu       sync.Mutex
	users    map[string]string
	requests int
	keys     []string
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer t0ken" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if a.requests++; a.requests == 1 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	a.keys = append(a.keys, r.Header.Get("Idempotency-Key"))
	var users []map[string]string
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &users) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var results []map[string]string
	for _, u := range users {
		email, text := u["email"], fmt.Sprint(u)
		result := map[string]string{"id": email, "result": "unchanged"}
		switch old, known := a.users[email]; {
		case !strings.Contains(email, "@"):
			result = map[string]string{"result": "rejected", "field": "email", "message": "it is no address"}
		case !known:
			result["result"] = "created"
		case old != text:
			result["result"] = "updated"
		}
		if result["id"] != "" && r.URL.Query().Get("dry_run") == "" {
			a.users[email] = text
		}
		results = append(results, result)
	}
	_ = json.NewEncoder(w).Encode(results)
}

func (a *api) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.users)
}

func (a *api) change(email string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.users[email] = "something else"
}

func TestHTTPUsers(t *testing.T) {
	a := &api{users: map[string]string{}}
	server := httptest.NewServer(a)
	defer server.Close()
	e := copyExample(t, "http-users")
	e.env = append(e.env, "API_URL="+server.URL+"/users", "API_TOKEN=t0ken")
	e.usher(0, "plugins", "add", filepath.Join(filepath.Dir(usher), "http-users"))
	e.want(e.counts(3, "plan", "pipeline.yaml"), [4]int{2, 0, 0, 1})
	if n := a.count(); n > 0 {
		t.Errorf("the plan wrote %d users", n)
	}
	e.want(e.counts(3, "run", "pipeline.yaml"), [4]int{2, 0, 0, 1})
	a.change("bob@example.com")
	e.want(e.counts(3, "run", "pipeline.yaml"), [4]int{0, 1, 1, 1})
	e.env = append(e.env, "API_TOKEN=wrong")
	e.usher(1, "run", "pipeline.yaml")

	a.mu.Lock()
	defer a.mu.Unlock()
	slices.Sort(a.keys)
	if len(slices.Compact(slices.Clone(a.keys))) != len(a.keys) {
		t.Errorf("two requests have the same key: %q", a.keys)
	}
}

func TestPython(t *testing.T) {
	e := copyExample(t, "python")
	for _, name := range []string{"petshop.py", "unix_accounts.py"} {
		e.usher(0, "plugins", "test", name, "--command", python(t))
		e.usher(0, "plugins", "add", name, "--command", python(t), "--file", "usher_plugin.py", "--file", "usher_plugin.binpb")
	}
	e.want(e.counts(3, "run", "petshop.yaml"), [4]int{1, 0, 0, 1})
	e.want(e.counts(3, "run", "unix.yaml"), [4]int{2, 0, 0, 1})
	e.want(e.counts(3, "run", "unix.yaml"), [4]int{0, 0, 2, 1})

	if err := os.Remove(filepath.Join(e.dir, "passwd")); err != nil {
		t.Fatal(err)
	}
	e.usher(4, "run", "unix.yaml")

	// A file that was changed after it was recorded is not started.
	if err := os.WriteFile(filepath.Join(e.dir, "usher_plugin.py"), []byte("print('mine')\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.usher(4, "plugins", "verify")
}

func TestNode(t *testing.T) {
	e := copyExample(t, "node")
	e.usher(0, "plugins", "test", "legacy.js", "--command", "usher plugins node")
	e.usher(0, "plugins", "add", "legacy.js", "--command", "usher plugins node")
	e.want(e.counts(0, "run", "pipeline.yaml"), [4]int{2, 0, 0, 0})
}

// TestPythonOption declares an option of a type that there is not.
func TestPythonOption(t *testing.T) {
	cmd := exec.Command(strings.Fields(python(t))[0], "-c", "import usher_plugin; usher_plugin.Option('mode', 'How.', 'fast', type='text')")
	cmd.Dir = copyExample(t, "python").dir
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("the option mode has the type 'text'; the types are string, bool")) {
		t.Errorf("%v: %s", err, out)
	}
}

// The same functions under another name are another hasher.
func TestNodeTwice(t *testing.T) {
	e := copyExample(t, "node")
	script, err := os.ReadFile(filepath.Join(e.dir, "legacy.js"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(e.dir, "older.js"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"legacy", "older"} {
		if out := e.usher(0, "plugins", "add", name+".js", "--command", "usher plugins node", "--json"); !strings.Contains(out, `"name":"`+name+`","summary"`) {
			t.Errorf("%s.js has %s", name, out)
		}
	}
}
