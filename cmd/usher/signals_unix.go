//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// A file size limit is to be an error of the write that passes it, as a full disk is, not the end of the process.
func init() { signal.Ignore(syscall.SIGXFSZ) }
