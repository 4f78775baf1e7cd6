//go:build unix && !linux

package host

import (
	"os"
	"syscall"
)

func selfPath() (string, error) { return os.Executable() }

func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// adoptOrphans does nothing here: what leaves the plugin's process group outlives it.
func adoptOrphans() {}

func killChildren() {}
