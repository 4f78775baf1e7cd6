package host

import "time"

// SetStartTimeout is for plugins that say nothing.
func SetStartTimeout(d time.Duration) (before time.Duration) {
	before, startTimeout = startTimeout, d
	return before
}

// SetFirstPause is for plugins that die many times.
func SetFirstPause(d time.Duration) (before time.Duration) {
	before, firstPause = firstPause, d
	return before
}
