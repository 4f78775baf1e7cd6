package main

import (
	"fmt"
	"io"

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
	preflight.AsIs: "taken as is", preflight.Converted: "taken after conversion", preflight.Hashed: "hashed by the target", preflight.NotAtAll: "not taken",
}

func (p *passwords) print(out io.Writer) {
	if p == nil {
		return
	}
	fmt.Fprintln(out, "\npasswords")
	w := newTable(out)
	for _, c := range p.Formats {
		format, taken := c.Format, takenWords[c.Taken]
		if format == "" {
			format = "unknown"
		}
		if c.Reason != "" {
			taken += ": " + c.Reason
		}
		fmt.Fprintf(w, "  %d\t%s\t%s\n", c.Users, format, taken)
	}
	if p.None > 0 {
		fmt.Fprintf(w, "  %d\tnone\n", p.None)
	}
	_ = w.Flush()
}
