package main

import "syscall"

// maxRSS gives bytes: Linux counts in kilobytes.
func maxRSS(u *syscall.Rusage) int64 { return u.Maxrss << 10 }
