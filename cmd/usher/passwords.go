package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline/preflight"
)

// passwords is the JSON form of what a target makes of the passwords that were seen.
type passwords struct {
	None    int64             `json:"none"`
	Formats []preflight.Count `json:"formats"`
}

// passwordsOf gives nil where nobody counted, or nobody had a password.
func passwordsOf(census *preflight.Passwords) *passwords {
	if census == nil {
		return nil
	}
	counts, none := census.Counts()
	if len(counts) == 0 {
		return nil
	}
	return &passwords{none, counts}
}

var takenWords = map[string]string{
	preflight.AsIs: "taken as is", preflight.Converted: "taken after conversion", preflight.Hashed: "hashed by the target", preflight.NotAtAll: "not taken", preflight.Wrapped: "wrapped with argon2id",
}

var fateWords = map[string]string{preflight.Fails: "their records fail", preflight.WithoutPassword: "the users go on without a password"}

func (p *passwords) print(out io.Writer) {
	if p == nil {
		return
	}
	fmt.Fprintln(out, "\npasswords")
	w := newTable(out)
	slow := int64(0)
	for _, c := range p.Formats {
		format, taken := c.Format, takenWords[c.Taken]
		if format == "" {
			format = "unknown"
		}
		if c.Reason != "" {
			taken += ": " + c.Reason
		}
		if fate := fateWords[c.Fate]; fate != "" {
			taken += " (" + fate + ")"
		}
		if c.Taken == preflight.Hashed || c.Taken == preflight.Wrapped {
			slow += c.Users
		}
		fmt.Fprintf(w, "  %d\t%s\t%s\n", c.Users, format, taken)
	}
	if p.None > 0 {
		fmt.Fprintf(w, "  %d\tnone\n", p.None)
	}
	_ = w.Flush()
	if slow > 0 {
		fmt.Fprintf(out, "  hashing %d of them takes about %s on this machine\n", slow, duration(hashingTime(slow)))
	}
}

// hashingTime measures one hash, and says how long so many take.
func hashingTime(n int64) time.Duration {
	start := time.Now()
	password.Dummy(context.Background(), nil)
	return time.Duration(n) * time.Since(start) / time.Duration(runtime.GOMAXPROCS(0))
}
