//go:build !linux

package testserver

import "syscall"

func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Setpgid: true}
}

// children gives nothing where /proc does not tell.
func children(int) []int { return nil }

func running(int) bool { return false }
