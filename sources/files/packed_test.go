package files

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/usher-id/usher/pipeline"
)

// Made by Python's bz2: the standard library does not write it.
const (
	bzip2Rows  = "QlpoOTFBWSZTWcNrnkIAAAZdAAAQAAUgAEAAPCYgACIJjU2QQNA0Flk2f6loHhwu5IpwoSGG1zyE"
	bzip2Empty = "QlpoORdyRThQkAAAAAA="
)

const rows = "id,mail\n1,a@b.c\n"

func decoded(t testing.TB, text string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func zstandard(t testing.TB, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

// zipped gives a zip file of names and contents in turn.
func zipped(t testing.TB, members ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		m, err := w.Create(members[i])
		if err == nil {
			_, err = io.WriteString(m, members[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// An archive of tar is told by its name, whatever packs it.
func TestTar(t *testing.T) {
	for name, refused := range map[string]bool{"a.tar": true, "a.tar.gz": true, "a.TGZ": true, "a.tar.csv": false, "tar.csv": false} {
		path := filepath.Join(t.TempDir(), name)
		write(t, path, rows)
		_, err := all(t, archives(t, pipeline.Env{}, generous, path))
		if refused != strings.HasSuffix(code(err), "unknown_compression") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// archives gives the set as New does.
func archives(t *testing.T, env pipeline.Env, limits Limits, patterns ...string) *Set {
	s := set(t, env, patterns...)
	s.archives, s.limits = true, limits
	return s
}

var generous = Limits{Size: 1 << 30, Ratio: 250}

func TestCompressed(t *testing.T) {
	dir := t.TempDir()
	whole := zstandard(t, strings.Repeat("some text ", 100_000))
	for name, tt := range map[string]struct{ stored, want, code string }{
		"zstd":                   {whole, strings.Repeat("some text ", 100_000), ""},
		"two zstd frames":        {zstandard(t, "a") + zstandard(t, "b"), "ab", ""},
		"zstd, cut off":          {whole[:len(whole)-3], "", "file.damaged"},
		"zstd, changed":          {zstandard(t, rows)[:9] + "x" + zstandard(t, rows)[10:], "", "file.damaged"},
		"zstd, magic only":       {whole[:4], "", "file.damaged"},
		"bzip2":                  {decoded(t, bzip2Rows), rows, ""},
		"empty bzip2":            {decoded(t, bzip2Empty), "", ""},
		"bzip2, cut off":         {decoded(t, bzip2Rows)[:30], "", "file.damaged"},
		"text that begins so":    {"BZh9,x\n", "BZh9,x\n", ""},
		"text of two letters":    {"BZ", "BZ", ""},
		"xz":                     {"\xfd7zXZ\x00rest", "", "file.unknown_compression"},
		"7-Zip":                  {"7z\xbc\xaf\x27\x1crest", "", "file.unknown_compression"},
		"zip":                    {zipped(t, "a.csv", rows), rows, ""},
		"zip in gzip":            {packed(t, zipped(t, "a.csv", rows)), "", ""},
		"zip of zip":             {zipped(t, "a.zip", zipped(t, "a.csv", rows)), "", "file.zip_unseekable"},
		"zip of gzip":            {zipped(t, "a.csv.gz", packed(t, rows)), rows, ""},
		"zip of zstd":            {zipped(t, "a.csv.zst", zstandard(t, rows)), rows, ""},
		"zip, cut off":           {zipped(t, "a.csv", rows)[:50], "", "file.damaged"},
		"zip, changed":           {strings.Replace(zipped(t, "a.csv", strings.Repeat("\x01\x99", 50)), "\x99", "\x98", 1), "", ""},
		"zip of nothing":         {zipped(t), "", "file.not_found"},
		"zip of an empty file":   {zipped(t, "a.csv", ""), "", ""},
		"workbook":               {zipped(t, "xl/workbook.xml", "x", "[Content_Types].xml", "x"), "", "file.is_workbook"},
		"a page that begins PK":  {"PKx,y\n", "PKx,y\n", ""},
		"zip of a folder":        {zipped(t, "a/", "", "__MACOSX/a.csv", "x", ".DS_Store", "x", "a/b.csv", rows), rows, ""},
		"zip with odd names":     {zipped(t, "a\\b\n\x1b[31m.csv", rows), rows, ""},
		"zip with hostile names": {zipped(t, "../../etc/passwd", rows), rows, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := archives(t, pipeline.Env{}, generous, write(t, filepath.Join(dir, "f"), tt.stored))
			got, err := all(t, s)
			if code(err) != tt.code {
				t.Fatalf("%.50q, %v", got, err)
			}
			if tt.code != "" || tt.want == "" {
				return
			}
			origin, content, _ := strings.Cut(got[0], "=")
			if content != tt.want || strings.ContainsAny(origin, "\n\x1b\\") || !strings.HasPrefix(origin, "f") {
				t.Errorf("%.80q", got)
			}
			if done, total := s.Progress(); done != total || total == 0 {
				t.Errorf("at the end the progress is %d of %d", done, total)
			}
		})
	}
}

func TestZipMembers(t *testing.T) {
	dir := t.TempDir()
	z := write(t, filepath.Join(dir, "users.zip"), zipped(t, "b.csv", "B", "readme.txt", "R", "a.csv", "A", "old/c.csv", "C"))
	other := write(t, filepath.Join(dir, "more.ZIP"), zipped(t, "a.csv", "X"))
	plain := write(t, filepath.Join(dir, "z.csv"), "Z")
	for _, tt := range []struct {
		patterns []string
		want     []string
		code     string
	}{
		{[]string{z}, []string{"users.zip!a.csv=A", "users.zip!b.csv=B", "users.zip!old/c.csv=C", "users.zip!readme.txt=R"}, ""},
		{[]string{z + "!*.csv"}, []string{"users.zip!a.csv=A", "users.zip!b.csv=B", "users.zip!old/c.csv=C"}, ""},
		{[]string{z + "!old/*"}, []string{"users.zip!old/c.csv=C"}, ""},
		{[]string{z + "!b.csv", z + "!a.csv", plain}, []string{"users.zip!b.csv=B", "users.zip!a.csv=A", "z.csv=Z"}, ""},
		{[]string{dir + "/*.zip!a.csv", other}, []string{"users.zip!a.csv=A", "more.ZIP!a.csv=X"}, ""},
		{[]string{z + "!no.csv"}, nil, "file.not_found"},
		{[]string{dir + "/no.zip!a.csv"}, nil, "file.not_found"},
	} {
		s := archives(t, pipeline.Env{}, generous, tt.patterns...)
		got, err := all(t, s)
		if code(err) != tt.code || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, %v", tt.patterns, got, err)
		}
		if done, total := s.Progress(); err == nil && (done != total || total == 0) {
			t.Errorf("%q: at the end the progress is %d of %d", tt.patterns, done, total)
		}
	}
	// In a set that does not open archives, it is a file.
	if got, err := all(t, set(t, pipeline.Env{}, z)); err != nil || !strings.HasPrefix(got[0], "users.zip=PK") {
		t.Errorf("%q, %v", got, err)
	}
	// A file whose name looks like a member is that file.
	odd := write(t, filepath.Join(dir, "odd.zip!x"), "odd")
	if got, err := all(t, archives(t, pipeline.Env{}, generous, odd)); err != nil || !slices.Equal(got, []string{"odd.zip!x=odd"}) {
		t.Errorf("%q, %v", got, err)
	}
	s := archives(t, pipeline.Env{}, generous, z)
	if err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	before, err := s.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	write(t, z, zipped(t, "a.csv", "other"))
	if _, err := s.Next(); code(err) != "file.truncated" {
		t.Errorf("an archive that changes gave %v", err)
	}
	if err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	if after, err := s.Fingerprint(); err != nil || after == before {
		t.Errorf("another archive has the same fingerprint, %v", err)
	}
}

// Windows writes names in its own encoding.
func TestZipNamesOfWindows(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range []string{"\xd3\xc3\xbb\xa7/\xd2\xbb.csv", "\xd3\xc3\xbb\xa7\\\xb6\xfe.csv"} {
		if _, err := w.CreateHeader(&zip.FileHeader{Name: name, NonUTF8: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := write(t, filepath.Join(t.TempDir(), "f.zip"), b.String())
	if got, err := all(t, archives(t, pipeline.Env{}, generous, path+"!用户/*")); err != nil || !slices.Equal(got, []string{"f.zip!用户/一.csv=", "f.zip!用户/二.csv="}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestZipOnAPipe(t *testing.T) {
	s := archives(t, pipeline.Env{Stdin: strings.NewReader(zipped(t, "a.csv", rows))}, generous, "-")
	if _, err := all(t, s); code(err) != "file.zip_unseekable" || !strings.HasPrefix(err.Error(), "stdin is a zip file") {
		t.Errorf("got %v", err)
	}
}

func TestEncryptedZip(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	m, err := w.CreateRaw(&zip.FileHeader{Name: "a.csv", Method: zip.Store, Flags: 1, CompressedSize64: 3, UncompressedSize64: 3})
	if err == nil {
		_, err = io.WriteString(m, "abc")
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	path := write(t, filepath.Join(t.TempDir(), "f.zip"), b.String())
	if err := archives(t, pipeline.Env{}, generous, path).Open(ctx); code(err) != "file.encrypted" || !strings.Contains(err.Error(), "f.zip!a.csv") {
		t.Errorf("got %v", err)
	}
}

func TestBombs(t *testing.T) {
	dir := t.TempDir()
	zeros := strings.Repeat("\x00", 66<<20)
	for name, tt := range map[string]struct {
		stored string
		limits Limits
		code   string
	}{
		"gzip, by its ratio":      {packed(t, zeros), generous, "file.too_dense"},
		"zstd, by its ratio":      {zstandard(t, zeros), generous, "file.too_dense"},
		"zip, by its ratio":       {zipped(t, "a", zeros), generous, "file.too_dense"},
		"zip, all taken together": {zipped(t, "a", zeros[:34<<20], "b", zeros[:34<<20]), generous, "file.too_dense"},
		"gzip, by its size":       {packed(t, strings.Repeat("x", 3000)), Limits{2000, 250}, "file.too_large"},
		"zip, by its size":        {zipped(t, "a", rows, "b", strings.Repeat("x", 2000)), Limits{2000, 250}, "file.too_large"},
		"zip of gzip":             {zipped(t, "a", packed(t, strings.Repeat("x", 3000))), Limits{2000, 250}, "file.too_large"},
		"within the limits":       {packed(t, zeros), Limits{1 << 30, 2000}, ""},
	} {
		got, err := all(t, archives(t, pipeline.Env{}, tt.limits, write(t, filepath.Join(dir, "f"), tt.stored)))
		if code(err) != tt.code {
			t.Errorf("%s: %d files, %v", name, len(got), err)
		}
	}
	// A directory that is large, as one of a million members is.
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range 600 {
		if _, err := w.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("%060000d.csv", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := archives(t, pipeline.Env{}, generous, write(t, filepath.Join(dir, "f"), b.String())).Open(ctx); code(err) != "file.too_large" {
		t.Errorf("a huge directory gave %v", err)
	}
}

func TestPeek(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("0123456789", 30_000)
	for name, stored := range map[string]string{"plain": text, "gzip": packed(t, text), "zip": zipped(t, "a", text)} {
		for _, n := range []int{0, 1, 10, 5000, 100_000, 300_000, 400_000} {
			s := archives(t, pipeline.Env{}, generous, write(t, filepath.Join(dir, name), stored))
			if err := s.Open(ctx); err != nil {
				t.Fatal(err)
			}
			f, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			head, whole := f.Peek(n, nil)
			if len(head) < min(n, len(text)) || whole && n < len(text) || !whole && n > len(text) || string(head) != text[:len(head)] {
				t.Errorf("%s, %d: %d bytes, whole %t", name, n, len(head), whole)
			}
			f.Peek(n/2, nil)
			if err := f.Skip(7000); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(f); err != nil || string(rest) != text[7000:] {
				t.Errorf("%s, %d: %d bytes behind, %v", name, n, len(rest), err)
			}
		}
	}
}

// FuzzZip checks that no zip file panics, hangs or unpacks beyond its limits.
func FuzzZip(f *testing.F) {
	f.Add([]byte(zipped(f, "b.csv", rows, "a/", "", "a/c.csv", "x")))
	f.Add([]byte(zipped(f, "a.gz", packed(f, rows))))
	f.Add([]byte(zstandard(f, rows)))
	f.Add([]byte(packed(f, rows)))
	f.Add([]byte(decoded(f, bzip2Rows)))
	path := filepath.Join(f.TempDir(), "f")
	f.Fuzz(func(t *testing.T, stored []byte) {
		if err := os.WriteFile(path, stored, 0o600); err != nil {
			t.Fatal(err)
		}
		s := NewSet(pipeline.Env{}, []string{path})
		s.archives, s.limits = true, Limits{1 << 20, 250}
		defer s.Close()
		if err := s.Open(ctx); err != nil {
			if code(err) == "" {
				t.Fatal(err)
			}
			return
		}
		for n := int64(0); ; {
			file, err := s.Next()
			if err != nil {
				return
			}
			m, _ := io.Copy(io.Discard, file)
			if n += m; file.entry != nil && n > 2<<20 {
				t.Fatalf("%d bytes", n)
			}
		}
	})
}
