package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestHashVerifyFile puts every known answer of the password package through the binary, and each of its passwords altered.
func TestHashVerifyFile(t *testing.T) {
	text, err := os.ReadFile("../../password/testdata/password-hashes.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		ID          string          `json:"id"`
		Format      string          `json:"format"`
		Encoded     string          `json:"encoded"`
		PasswordHex string          `json:"password_hex"`
		Match       bool            `json:"match"`
		Extra       json.RawMessage `json:"extra"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	var questions bytes.Buffer
	encoder := json.NewEncoder(&questions)
	ask := func(format, encoded, passwordHex string, extra json.RawMessage) {
		line := map[string]any{"format": format, "encoded": encoded, "password_hex": passwordHex}
		if extra != nil {
			line["context"] = extra
		}
		if err := encoder.Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range vectors {
		ask(v.Format, v.Encoded, v.PasswordHex, v.Extra)
		ask(v.Format, v.Encoded, altered(v.PasswordHex), v.Extra)
	}

	binary := filepath.Join(t.TempDir(), "usher")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(binary, "hash", "verify", "--file", "-")
	cmd.Stdin = &questions
	cmd.Stderr = os.Stderr
	out, _ := cmd.Output()
	if code := cmd.ProcessState.ExitCode(); code != exitRecords {
		t.Errorf("exit code %d, want %d", code, exitRecords)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != 2*len(vectors) {
		t.Fatalf("%d answers to %d questions", len(lines), 2*len(vectors))
	}
	for i, v := range vectors {
		for j, line := range lines[2*i : 2*i+2] {
			var got struct{ Result, Format, Reason string }
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatalf("%s: %v in %s", v.ID, err, line)
			}
			want := "mismatch"
			if j == 0 && v.Match {
				want = "match"
			}
			// What must not match is in part no hash that could be checked: then the answer says why.
			if got.Result != want && (v.Match || got.Result == "match" || got.Reason == "") || got.Format == "" {
				t.Errorf("%s, password %d: %s, want %s", v.ID, j, line, want)
			}
		}
	}
}

// altered gives another password: one letter is another, or there is one more.
func altered(passwordHex string) string {
	p, err := hex.DecodeString(passwordHex)
	if err != nil {
		panic(err)
	}
	switch {
	case len(p) == 0 || !('a' <= p[0]|0x20 && p[0]|0x20 <= 'z'):
		p = append([]byte("q"), p...)
	case p[0]|0x20 == 'q':
		p[0] = 'z'
	default:
		p[0] = 'q'
	}
	return hex.EncodeToString(p)
}
