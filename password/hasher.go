package password

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/usher-id/usher/value"
)

// Hasher verifies passwords against the hashes of a format that is not built in. What else it can do are the interfaces Maker, Identifier,
// Rehasher and Converter. Its methods may be called from any goroutine, and show neither hash nor password in what they answer.
type Hasher interface {
	// Verify checks password against encoded, which fits the format's pattern. values holds what HasherSpec.Context names, as bytes. It answers
	// Mismatch only after the password was hashed and gave something else.
	Verify(ctx context.Context, encoded string, password []byte, values Context) Result
	mustEmbedUnimplementedHasher()
}

// UnimplementedHasher is embedded by every Hasher, so that the interface can grow.
type UnimplementedHasher struct{}

func (UnimplementedHasher) mustEmbedUnimplementedHasher() {}

// Maker is a Hasher that makes new hashes, with a salt of its own.
type Maker interface {
	Hash(ctx context.Context, password []byte, values Context) (encoded string, err error)
}

// Identifier is a Hasher that knows more about a string than that it fits the pattern. It derives nothing.
type Identifier interface {
	// Identify fills Confidence, Reason and Problem. ok is false for a string that is no hash of this hasher.
	Identify(encoded string) (c Candidate, ok bool)
}

// Rehasher is a Maker that can tell whether a hash is weaker than those that it makes now. It derives nothing.
type Rehasher interface {
	NeedsRehash(encoded string) (weaker bool, reason string)
}

// Converter is a Hasher that can spell hashes as another system wants them.
type Converter interface {
	Convert(ctx context.Context, target, encoded string, values Context) (spelled string, err error)
}

// HasherSpec declares a format that is not built in.
type HasherSpec struct {
	// Name has small letters, digits, "-", "_" and ".".
	Name    string
	Summary string // one sentence
	Doc     string // Markdown
	Layout  string // the shape of an encoded hash
	// Pattern is a regular expression that fits the whole of a well-formed hash; empty fits everything. Where it begins with literal text,
	// hashes are recognised by it.
	Pattern string
	// Context names what Verify needs beside the hash; a "?" after a name means that it is optional. Nothing else is handed over.
	Context     []string
	NUL         bool  // passwords may hold NUL
	MaxPassword int   // bytes; 0 is the verifier's limit
	Memory      int64 // that one verification takes
	// Samples are known answers.
	Samples []Sample
}

// Sample is a hash with its password.
type Sample struct {
	Encoded  string
	Password []byte
	Context  Context
}

// registered are the formats that are not built in. Each change makes a new one.
type registered struct {
	byName map[string]*Format
	list   []*Format // by name
}

var (
	others     atomic.Pointer[registered]
	registerMu sync.Mutex
)

// added gives the formats that are not built in.
func added() *registered {
	if r := others.Load(); r != nil {
		return r
	}
	return &registered{}
}

// minLiteral is how much literal text makes a prefix that names its format.
const minLiteral = 3

// Register adds a format that is not built in. A second one of the same name takes the place of the first.
func Register(spec HasherSpec, h Hasher) error {
	if !isFormatName(spec.Name) {
		return fmt.Errorf("a hasher cannot be called %s: small letters, digits, -, _ and . make its name", quote(spec.Name))
	}
	if byName[spec.Name] != nil {
		return fmt.Errorf("a format called %s is built in", quote(spec.Name))
	}
	whole, err := regexp.Compile(`\A(?:` + spec.Pattern + `)\z`)
	if err != nil {
		return fmt.Errorf("the pattern of the hasher %s is no regular expression: %w", quote(spec.Name), err)
	}
	f := &Format{Name: spec.Name, Family: "plugin", Layout: spec.Layout, Scheme: spec.Summary, Context: spec.Context, nul: spec.NUL,
		hasher: h, memory: spec.Memory, most: spec.MaxPassword, certainty: Possible, why: "its shape is one that the hasher takes"}
	if unanchored, err := regexp.Compile(strings.TrimPrefix(strings.TrimPrefix(spec.Pattern, "^"), `\A`)); err == nil {
		if prefix, _ := unanchored.LiteralPrefix(); len(prefix) >= minLiteral {
			f.prefix, f.certainty, f.why = prefix, Certain, ""
		}
	}
	f.parse = func(in *input) (*parsed, *Error) {
		if spec.Pattern != "" && !whole.MatchString(in.encoded) {
			return nil, malformed("it is not of the shape %s", spec.Layout)
		}
		for _, key := range spec.Context {
			if strings.HasSuffix(key, "?") {
				continue
			}
			if _, err := in.ctx.need(key); err != nil {
				return nil, err
			}
		}
		return &parsed{Params: Params{Algorithm: spec.Name}}, nil
	}
	registerMu.Lock()
	defer registerMu.Unlock()
	next := &registered{byName: maps.Clone(added().byName)}
	if next.byName == nil {
		next.byName = map[string]*Format{}
	}
	next.byName[f.Name] = f
	for _, name := range slices.Sorted(maps.Keys(next.byName)) {
		next.list = append(next.list, next.byName[name])
	}
	others.Store(next)
	return nil
}

func isFormatName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= 64 && s != "auto" && s != "plain"
}

// ask has the hasher of a format check a password, which is prepared.
func (v *Verifier) ask(ctx context.Context, f *Format, encoded string, password []byte, values Context) (r Result) {
	weight := min(max(f.memory, 1), v.capacity)
	if e := v.weights.Acquire(ctx, weight); e != nil {
		return overLimit("not checked: %v", e).result(f.Name)
	}
	defer v.weights.Release(weight)
	defer func() {
		if recover() != nil {
			r = unsupported("the hasher panicked").result(f.Name)
		}
	}()
	r = f.hasher.Verify(ctx, encoded, password, f.only(values))
	r.Format = f.Name
	if r.Reason != "" && r.Code == "" {
		r.Code = map[Outcome]string{Malformed: CodeMalformed, OverLimit: CodeOverLimit, Unsupported: CodeUnsupported}[r.Outcome]
	}
	return r
}

// only gives the values that a hasher asks for: a pepper is nobody else's affair.
func (f *Format) only(values Context) Context {
	out := Context{}
	for _, key := range f.Context {
		key = strings.TrimSuffix(key, "?")
		if b, ok, err := values.bytes(key); ok && err == nil {
			out[key] = b
		}
	}
	return out
}

// makeHash has the hasher of a format hash a password, and gives the form that a store keeps.
func (v *Verifier) makeHash(ctx context.Context, f *Format, password []byte) (stored string, err error) {
	maker, ok := f.hasher.(Maker)
	if !ok {
		return "", &Error{Code: CodeNoFormat, Format: f.Name, Message: "it verifies passwords and hashes none"}
	}
	if e := v.admit(f, &parsed{}, password); e != nil {
		e.Code, e.Format = CodeBadPassword, f.Name
		return "", e
	}
	weight := min(max(f.memory, 1), v.capacity)
	if e := v.weights.Acquire(ctx, weight); e != nil {
		return "", e
	}
	defer v.weights.Release(weight)
	defer func() {
		if recover() != nil {
			err = &Error{Code: CodeUnsupported, Format: f.Name, Message: "the hasher panicked"}
		}
	}()
	encoded, err := maker.Hash(ctx, password, Context{})
	if err != nil {
		return "", err
	}
	if e := f.check(encoded, &v.limits); e != nil {
		return "", e
	}
	return Hash{Format: f.Name, Encoded: value.Secret(encoded)}.Stored()
}

// spell has the hasher of a format spell a hash for a target.
func (f *Format) spell(target, encoded string, values Context) (Converted, error) {
	converter, ok := f.hasher.(Converter)
	if !ok {
		return Converted{}, &Error{Code: CodeCannot, Format: f.Name, Message: "no other system knows this hasher"}
	}
	text, err := converter.Convert(context.Background(), target, encoded, f.only(values))
	if err != nil {
		return Converted{}, &Error{Code: CodeCannot, Format: f.Name, Message: err.Error()}
	}
	return Converted{Target: target, Value: value.Secret(text), JSON: strings.HasPrefix(text, "{") && json.Valid([]byte(text))}, nil
}
