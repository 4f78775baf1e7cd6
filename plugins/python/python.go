// Package python holds the SDK for plugins in Python, to be written beside them.
package python

import _ "embed"

// SDK is usher_plugin.py.
//
//go:embed usher_plugin.py
var SDK []byte

// Protocol is usher_plugin.binpb, the description of the protocol that the SDK reads.
//
//go:embed usher_plugin.binpb
var Protocol []byte
