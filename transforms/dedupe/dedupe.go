// Package dedupe leaves out records that repeat the key of an earlier one of the same run.
package dedupe

import (
	"context"
	"fmt"
	"hash/maphash"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Type is the connector.
var Type = pipeline.TransformType{
	Spec: pipeline.Spec{
		Name:      "dedupe",
		Summary:   "Keeps the first record of every key; later ones are skipped: filtered.",
		Shorthand: "by",
		Doc: `Keys are compared exactly: ` + "`1`" + ` is not ` + "`\"1\"`" + `, ` + "`A`" + ` is not ` + "`a`" + ` (write ` + "`lower(user.mail)`" + ` for that). A record whose key
is null, absent or NaN is kept, and so is one whose key is an array with such a part: write ` + "`user.tenant ?? ''`" + ` for a part that may be missing. A record that is left out has a warning that names the first of its key; so it is also if that one fails later on.

The whole run is covered. Memory is bounded: some 100 000 keys are held, as hashes of 128 bits; what is more lies in a temporary
file, about 40 bytes a key, in the folder that TMPDIR names. A run that is resumed reads the source again from its start, and stops if records have come
or gone before the place to which it had come.`,
		Options: []pipeline.Option{
			{Name: "by", Type: pipeline.Expression, Required: true, Doc: "The key of a record. An array compares several values at once.", Example: `"[lower(user.mail), user.tenant]"`},
		},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Transform, error) {
		return &Transform{by: c.Expression("by"), held: heldKeys}, nil
	},
}

// heldKeys is how many keys are held in memory, about 5 MB.
const heldKeys = 100_000

// Transform leaves out repeated records.
type Transform struct {
	pipeline.UnimplementedTransform
	by   *expression.Program
	held int

	seeds   [2]maphash.Seed
	seen    map[key]place
	origins []string
	spilled *spill
	text    []byte
}

// key is the hash of a record's key. The seeds are random, so that nobody can make two keys collide on purpose.
type key [16]byte

// place is where the first record of a key stands.
type place struct {
	line   int64
	origin int32 // index in origins; -1 where line is the record's index in the run
}

// Ordered implements pipeline.Ordered.
func (t *Transform) Ordered(context.Context) error {
	t.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	t.seen, t.origins, t.spilled = map[key]place{}, nil, nil
	return nil
}

// Apply implements pipeline.Transform.
func (t *Transform) Apply(ctx context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		v, err := t.by.Eval(r.Fields)
		if err != nil {
			r.Fail(pipeline.EvalProblem("", "dedupe: ", err))
			continue
		}
		if !isKey(v) {
			continue
		}
		first, known, err := t.look(t.hash(v), r)
		if err != nil {
			return err
		}
		if known {
			r.Skip(pipeline.Filtered)
			r.Warn(pipeline.Problem{Code: "dedupe.repeated", Message: "it has the same key as " + t.name(first) + ", which came first"})
		}
	}
	return ctx.Err()
}

// isKey says whether v can be the same for two records: what is null or no number says nothing of either.
func isKey(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case float64:
		return value.Finite(v)
	case []any:
		for _, e := range v {
			if !isKey(e) {
				return false
			}
		}
	}
	return true
}

// appendRevealed appends JSON of v, but for its secrets: JSON would show them all as the same.
func appendRevealed(dst []byte, v any) []byte {
	switch v := v.(type) {
	case value.Secret:
		return value.AppendString(dst, v.Reveal())
	case []any:
		dst = append(dst, '[')
		for _, e := range v {
			dst = append(appendRevealed(dst, e), ',')
		}
		return append(dst, ']')
	case *value.Object:
		dst = append(dst, '{')
		for name, e := range v.All() {
			dst = append(value.AppendString(dst, name), ':')
			dst = append(appendRevealed(dst, e), ',')
		}
		return append(dst, '}')
	}
	return value.AppendJSON(dst, v)
}

func (t *Transform) hash(v any) (k key) {
	t.text = appendRevealed(t.text[:0], v)
	for i, seed := range t.seeds {
		sum := maphash.Bytes(seed, t.text)
		for j := range 8 {
			k[8*i+j] = byte(sum >> (8 * j))
		}
	}
	return k
}

// look gives the place of the first record of a key, and notes this one where there is none.
func (t *Transform) look(k key, r *pipeline.Record) (first place, known bool, err error) {
	if first, known = t.seen[k]; known {
		return first, true, nil
	}
	if t.spilled != nil {
		if first, known, err = t.spilled.get(k); known || err != nil {
			return first, known, err
		}
	}
	if len(t.seen) >= t.held {
		if t.spilled == nil {
			if t.spilled, err = openSpill(); err != nil {
				return place{}, false, err
			}
		}
		if err := t.spilled.add(t.seen); err != nil {
			return place{}, false, err
		}
		clear(t.seen)
	}
	t.seen[k] = t.place(r)
	return place{}, false, nil
}

// maxOrigins bounds the names of origins that are held.
const maxOrigins = 10_000

func (t *Transform) place(r *pipeline.Record) place {
	if r.Ref.Key != "" {
		return place{r.Index, -1}
	}
	if n := len(t.origins); n == 0 || t.origins[n-1] != r.Ref.Origin {
		if n == maxOrigins {
			return place{r.Index, -1}
		}
		t.origins = append(t.origins, r.Ref.Origin)
	}
	return place{r.Ref.Line, int32(len(t.origins) - 1)}
}

func (t *Transform) name(p place) string {
	if p.origin < 0 {
		return fmt.Sprintf("the record with index %d", p.line)
	}
	return pipeline.Ref{Origin: t.origins[p.origin], Line: p.line}.String()
}

// Close implements pipeline.Ordered.
func (t *Transform) Close() error {
	t.seen = nil
	if t.spilled == nil {
		return nil
	}
	err := t.spilled.close()
	t.spilled = nil
	return err
}
