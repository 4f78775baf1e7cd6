package password

import (
	_ "embed"
	"encoding/json"
	"sync"
)

// Example is a known answer for a format.
type Example struct {
	Encoded  string  `json:"encoded"`
	Password string  `json:"password"`
	Context  Context `json:"context,omitempty"`
}

//go:embed examples.json
var examplesJSON []byte

// examples holds one known answer a format: what [Accepts] judges by and what documentation shows.
var examples = sync.OnceValue(func() map[string]Example {
	var out map[string]Example
	if err := json.Unmarshal(examplesJSON, &out); err != nil {
		panic(err)
	}
	return out
})

// Example gives a known answer for the format; every format has one.
func (f *Format) Example() Example { return examples()[f.Name] }
