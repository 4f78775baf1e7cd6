//go:build !race

package csvsource

const gigabyte = 1 << 30
