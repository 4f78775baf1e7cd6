package scaffold_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// block gives the first block of code of a language behind a heading of a guide.
func block(t *testing.T, guide, heading, language string) string {
	t.Helper()
	_, rest, found := strings.Cut(guide, heading+"\n")
	_, rest, fenced := strings.Cut(rest, "```"+language+"\n")
	code, _, ended := strings.Cut(rest, "```")
	if !found || !fenced || !ended {
		t.Fatalf("the guide has no %s behind %q", language, heading)
	}
	return code
}

// TestGuide follows docs/guide/write-a-hasher.md with the code that stands there.
func TestGuide(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	text, err := os.ReadFile(filepath.Join(repository, "docs/guide/write-a-hasher.md"))
	if err != nil {
		t.Fatal(err)
	}
	guide := string(text)
	for _, tt := range []struct{ language, heading, fence, file, mapping, verify string }{
		{"go", "### Go", "go", "hasher.go", "## 3. Put your own in its place", ""},
		{"python", "### Python", "python", "plugin.py", "## 3. Put your own in its place", ""},
		{"js", "### JavaScript", "js", "oldshop.js", "### JavaScript", "usher hash verify --format oldshop 'x81k$8a881007f8f424aca7cd703d37962dc010aed3a2'"},
	} {
		t.Run(tt.language, func(t *testing.T) {
			t.Parallel()
			p := newProject(t)
			written := p.write("hasher", "oldshop", tt.language)
			dir := written.Folder
			p.put(filepath.Join(dir, "users.ndjson"), block(t, guide, "## 1. Perhaps you need none", "json"))
			p.put(filepath.Join(dir, tt.file), block(t, guide, tt.heading, tt.fence))
			pipeline, err := os.ReadFile(filepath.Join(dir, "pipeline.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			const old = "      password: { hash: user.password, format: oldshop }\n"
			if !strings.Contains(string(pipeline), old) {
				t.Fatalf("pipeline.yaml is\n%s", pipeline)
			}
			p.put(filepath.Join(dir, "pipeline.yaml"), strings.Replace(string(pipeline), old, block(t, guide, tt.mapping, "yaml"), 1))

			p.next(written)
			if out := p.sh(dir, "usher hash stats users.db"); !strings.Contains(out, "2             2  oldshop") {
				t.Errorf("the store has\n%s", out)
			}
			login := tt.verify
			if login == "" {
				_, rest, _ := strings.Cut(guide, "$ printf 'correct horse' | ")
				login, _, _ = strings.Cut(rest, "\n")
			}
			if out := p.sh(dir, "printf 'correct horse' | "+login); out != "match  oldshop\n" {
				t.Errorf("the login says %s", out)
			}
		})
	}
}
