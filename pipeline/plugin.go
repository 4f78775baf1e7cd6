package pipeline

import "time"

// Plugin declares a program that brings connectors or hashers along.
type Plugin struct {
	// Name is what messages call it.
	Name string
	// Path is the program, or what Command runs; absolute.
	Path string
	// Command is the interpreter with its arguments, before the path; empty where Path runs by itself.
	Command []string
	// Files are further files that belong to it, absolute: they are its arguments, and part of its checksum.
	Files []string
	// SHA256 is the checksum in hex that Path and Files must have.
	SHA256 string
	// Env names the variables of the environment that it is given. It gets no others.
	Env []string
	// Options are those of its hashers: each is given those that it has.
	Options map[string]string
	// Timeout is how long one call may take; 0 is the default.
	Timeout time.Duration
}
