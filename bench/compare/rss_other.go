//go:build unix && !linux

package main

import "syscall"

// maxRSS gives bytes, in which macOS counts.
func maxRSS(u *syscall.Rusage) int64 { return int64(u.Maxrss) }
