//go:build race

package csvsource

const gigabyte = 1 << 26 // the race detector is slow
