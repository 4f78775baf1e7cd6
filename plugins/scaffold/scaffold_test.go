package scaffold_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usher-id/usher/plugins/scaffold"
)

var (
	repository string
	bin        string // the folder of the program
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "usher-scaffold-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	flag.Parse()
	if repository, err = filepath.Abs("../.."); err == nil && !testing.Short() {
		bin = dir
		var out []byte
		if out, err = exec.Command("go", "build", "-ldflags=-w", "-o", dir, "../../cmd/usher").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// project is a plugin as its author has it: written by usher, worked on with a shell.
type project struct {
	*testing.T
	dir string // the folder that it was written in
	env []string
}

// sh runs a command in a folder and gives what it printed on standard output.
func (p *project) sh(dir, command string) string {
	p.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir, cmd.Env = dir, p.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		p.Fatalf("%s: %v\n%s%s", command, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}

func newProject(t *testing.T) *project {
	t.Helper()
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return &project{t, t.TempDir(), append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "XDG_CACHE_HOME="+t.TempDir(),
		"GOCACHE="+strings.TrimSpace(string(cache)), "GOPROXY=off", "GOWORK=off", "CGO_ENABLED=0", "GOFLAGS=-trimpath -ldflags=-w", // without what debuggers read, it is linked in half the time
		"NO_COLOR=1")}
}

// Every project is written, tested, built, recorded and run with the very commands that usher says come next.
func TestProjects(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	for _, kind := range scaffold.Kinds {
		for _, language := range scaffold.Languages {
			if !scaffold.Can(kind, language) {
				continue
			}
			t.Run(kind+" in "+language, func(t *testing.T) {
				t.Parallel()
				p := newProject(t)
				written := p.write(kind, "my-"+kind, language)
				for _, name := range written.Files {
					if _, err := os.Stat(filepath.Join(written.Folder, name)); err != nil {
						t.Error(err)
					}
				}
				p.sees(kind, written.Folder, p.next(written))
			})
		}
	}
}

// written is what usher says of a project.
type written struct {
	Folder string
	Files  []string
	Next   []string
}

func (p *project) write(kind, name, language string) (w written) {
	p.Helper()
	command := fmt.Sprintf("usher plugins new %s %s --lang %s --json", kind, name, language)
	if language == "go" {
		command += " --usher '" + repository + "'"
	}
	if err := json.Unmarshal([]byte(p.sh(p.dir, command)), &w); err != nil {
		p.Fatal(err)
	}
	return w
}

// next does what comes next, and gives what the run says.
func (p *project) next(w written) (result string) {
	p.Helper()
	if len(w.Next) != 3 {
		p.Fatalf("the next commands are %q", w.Next)
	}
	dir := p.dir
	for _, command := range w.Next {
		// The first Python on the search path may be one that knows nothing of Debian's packages.
		command = strings.ReplaceAll(command, "--command python3", "--command '/usr/bin/python3 -B'")
		if strings.HasPrefix(command, "usher run") {
			command += " --json --quiet"
		}
		result = p.sh(dir, command)
		dir = w.Folder
	}
	return result
}

func (p *project) put(file, text string) {
	p.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
}

// sees looks at what a run did.
func (p *project) sees(kind, dir, result string) {
	p.Helper()
	want := map[string]string{"hasher": `"total":2,"inserted":2`, "source": `"total":3,"inserted":3`, "transform": `"total":3,"inserted":3`, "sink": `"total":3,"inserted":3`}[kind]
	if !strings.Contains(result, want) {
		p.Errorf("the run ended with %s, want %s", result, want)
	}
	switch kind {
	case "hasher":
		// A user who was migrated logs in.
		hash, err := exec.Command("sh", "-c", "cd '"+dir+"' && sed -n 's/.*\"password\":\"\\([^\"]*\\)\".*/\\1/p' users.ndjson | head -n 1").Output()
		if err != nil {
			p.Fatal(err)
		}
		if out := p.sh(dir, "printf 'correct horse' | usher hash verify --format my-hasher '"+strings.TrimSpace(string(hash))+"'"); !strings.HasPrefix(out, "match") {
			p.Errorf("the password of a migrated user: %s", out)
		}
	case "sink":
		got, err := os.ReadFile(filepath.Join(dir, "out.ndjson"))
		if err != nil {
			p.Fatal(err)
		}
		users, err := os.ReadFile(filepath.Join(dir, "users.ndjson"))
		if err != nil || !bytes.Equal(got, users) {
			p.Errorf("%v, written is\n%s", err, got)
		}
	default:
		if out := p.sh(dir, "usher connectors show my_"+kind); !strings.HasPrefix(out, kind+" my_"+kind) {
			p.Errorf("it is shown as %s", out)
		}
		if out := p.sh(dir, "usher run pipeline.yaml --json --quiet"); !strings.Contains(out, `"unchanged":3`) {
			p.Errorf("a second run ends with %s", out)
		}
	}
}

// A project for a release has no checkout; it names the version that Go is to fetch.
func TestRelease(t *testing.T) {
	p := scaffold.Project{Kind: "sink", Language: "go", Name: "crm", Version: "v1.2.3"}
	files, err := p.Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name == "go.sum" {
			t.Error("there is a go.sum, though nobody knows the sums yet")
		}
		if f.Name == "go.mod" && !strings.HasSuffix(string(f.Data), "\n\nrequire github.com/usher-id/usher v1.2.3\n") {
			t.Errorf("go.mod is\n%s", f.Data)
		}
	}
	if next := p.Next("crm"); next[0] != "cd crm && go mod tidy && go test" {
		t.Errorf("next is %q", next)
	}
}

func TestWriteRefusesAFolderWithSomethingInIt(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := scaffold.Write(dir, []scaffold.File{{Name: "go.mod"}}); !errors.Is(err, scaffold.ErrNotEmpty) {
		t.Errorf("Write gave %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
}
