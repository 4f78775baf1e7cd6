package host

import (
	"crypto/sha256"
	"crypto/subtle"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/usher-id/usher/pipeline"
)

// Checksum gives the checksum of a plugin in hex: that of its file, or where it has further files that of the checksums of all.
func Checksum(decl pipeline.Plugin) (string, error) {
	sum, err := fileSum(decl.Path)
	if err != nil || len(decl.Files) == 0 {
		return hex.EncodeToString(sum), err
	}
	all := sha256.New()
	all.Write(sum)
	for _, path := range decl.Files {
		if sum, err = fileSum(path); err != nil {
			return "", err
		}
		all.Write(sum)
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

func fileSum(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}

// verify says whether a plugin's file may be started: it is there, it can run here, nobody else can have changed it, and it has its checksum.
func verify(decl pipeline.Plugin) error {
	for _, path := range append([]string{decl.Path}, decl.Files...) {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return pluginError("plugin.not_found", decl, fmt.Sprintf("has no file %s", path), "build or install it there, or mend its path")
		case err != nil:
			return pluginError("plugin.unreadable", decl, fmt.Sprintf("cannot be read: %v", err), "")
		case !info.Mode().IsRegular():
			return pluginError("plugin.not_a_program", decl, fmt.Sprintf("is no file: %s", path), "name the program itself")
		case runtime.GOOS != "windows" && info.Mode().Perm()&0o002 != 0:
			return pluginError("plugin.writable", decl, fmt.Sprintf("can be changed by every user of this machine: %s", path), "chmod o-w "+path)
		}
	}
	sum, err := Checksum(decl)
	if err != nil {
		return pluginError("plugin.unreadable", decl, "cannot be read: "+err.Error(), "")
	}
	if subtle.ConstantTimeCompare([]byte(sum), []byte(strings.ToLower(decl.SHA256))) != 1 {
		return pluginError("plugin.checksum", decl, fmt.Sprintf("is not the one that was recorded: its checksum is %s", sum),
			"if you have changed it yourself, record the new checksum (`usher plugins add` does); if not, find out who has")
	}
	return runnable(decl)
}

// runnable says whether the system will run the file.
func runnable(decl pipeline.Plugin) error {
	if len(decl.Command) > 0 {
		if interpreter(decl) == "" {
			return pluginError("plugin.no_interpreter", decl, fmt.Sprintf("is run by %s, which is not there", decl.Command[0]), "install it, or mend command")
		}
		return nil
	}
	info, err := os.Stat(decl.Path)
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o111 == 0 {
		return pluginError("plugin.not_executable", decl, fmt.Sprintf("may not be run: %s has no run bit", decl.Path), "chmod +x "+decl.Path+", or for a script name its interpreter by command")
	}
	f, err := os.Open(decl.Path)
	if err != nil {
		return pluginError("plugin.unreadable", decl, "cannot be read: "+err.Error(), "")
	}
	defer f.Close()
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	if line, ok := strings.CutPrefix(string(head), "#!"); ok {
		line, _, _ = strings.Cut(line, "\n")
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasSuffix(line, "\r") {
			return pluginError("plugin.no_interpreter", decl, "begins with a #! line that names no program", "save it with line ends of Unix, and name its interpreter")
		}
		name := words[0]
		if strings.HasSuffix(name, "/env") && len(words) > 1 && !strings.HasPrefix(words[1], "-") {
			name = words[1]
		}
		if _, err := exec.LookPath(name); err != nil {
			return pluginError("plugin.no_interpreter", decl, fmt.Sprintf("is run by %s, which is not there", name), "install it")
		}
		return nil
	}
	return machine(decl, head)
}

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "386": elf.EM_386, "arm": elf.EM_ARM, "riscv64": elf.EM_RISCV,
	"ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390, "loong64": elf.EM_LOONGARCH}

// machine refuses programs of other systems and processors.
func machine(decl pipeline.Plugin, head []byte) error {
	here := runtime.GOOS + "/" + runtime.GOARCH
	other := func(what string) error {
		return pluginError("plugin.wrong_architecture", decl, fmt.Sprintf("is a program for %s, and this is %s", what, here), "build it with GOOS="+runtime.GOOS+" GOARCH="+runtime.GOARCH)
	}
	is := func(magic string) bool { return strings.HasPrefix(string(head), magic) }
	switch {
	case is("\x7fELF") && runtime.GOOS != "windows" && runtime.GOOS != "darwin":
		if len(head) < 20 {
			return pluginError("plugin.not_a_program", decl, "is damaged: it was cut off", "build it again")
		}
		order := binary.ByteOrder(binary.LittleEndian)
		if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
			order = binary.BigEndian
		}
		program := elf.Machine(order.Uint16(head[18:])) // e_machine
		if want, ok := machines[runtime.GOARCH]; ok && program != want {
			return other(strings.ToLower(strings.TrimPrefix(program.String(), "EM_")))
		}
	case is("\x7fELF"):
		return other("Linux or another Unix")
	case (is("\xcf\xfa\xed\xfe") || is("\xca\xfe\xba\xbe")) && runtime.GOOS != "darwin":
		return other("macOS")
	case is("MZ") && runtime.GOOS != "windows":
		return other("Windows")
	case runtime.GOOS == "linux":
		return pluginError("plugin.not_a_program", decl, "is neither a program nor a script with a #! line", "name its interpreter by command, or begin it with #!")
	}
	return nil
}
