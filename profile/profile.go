// Package profile looks at a sample of records, says what their fields are, and suggests the pipeline that takes them to
// the canonical user.
package profile

import (
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Bounds on what a Collector keeps.
const (
	maxFields = 500     // fields; a file that uses ids as names has any number of them
	maxDepth  = 8       // levels of objects that are looked into
	maxKept   = 500     // values of a field that are looked at closely
	maxText   = 1 << 10 // bytes of a value that is looked at closely
	maxHashes = 1 << 14 // hashes of a field for counting distinct values
	maxCodes  = 8       // distinct values up to which they are listed
	codeBytes = 24      // and up to which length of each
)

// Profile says what a sample of records has in it.
type Profile struct {
	Records int64 `json:"records"`
	// Unreadable counts records that the source could not read. They are not among Records.
	Unreadable int64 `json:"unreadable"`
	// Fields are in the order in which they came first.
	Fields []*Field `json:"fields"`
	// Truncated says that there are more fields than were looked at.
	Truncated bool `json:"truncated"`
}

// Field is what is known of one field. It holds no value of a secret one.
type Field struct {
	// Name is dotted for a member of an object.
	Name string `json:"name"`
	// Types are the kinds of values, the most frequent first, and null.
	Types []Count `json:"types"`
	// Missing counts records without the field, Nulls and Empty those with null and with an empty text, list or object.
	Missing int64 `json:"missing"`
	Nulls   int64 `json:"nulls"`
	Empty   int64 `json:"empty"`
	// Filled counts the values that are none of these, Distinct the different ones among them; it is an estimate where
	// there are more than 16384.
	Filled   int64 `json:"filled"`
	Distinct int64 `json:"distinct"`
	// MinLength and MaxLength are in characters of the text, elements of a list, members of an object.
	MinLength int `json:"min_length"`
	MaxLength int `json:"max_length"`
	// Formats are what the values look like. Their counts are of Looked values, drawn at random.
	Formats []Count `json:"formats"`
	Looked  int     `json:"looked"`
	// Values are all values of a field that has a few short ones; empty for personal and secret fields.
	Values []string `json:"values"`
	// Hashes are the formats of password hashes that the values may be of, the most likely first.
	Hashes []Hash `json:"hashes"`
	// Identifier says that every record has a value and no two the same.
	Identifier bool `json:"identifier"`
	// Personal says in a word what the field tells about a person, such as email; empty if nothing is known.
	Personal string `json:"personal"`
	Secret   bool   `json:"secret"`

	path     []string
	apart    int64 // values with white space around them
	quoted   int64 // texts that begin with an apostrophe, as spreadsheets are told that they are texts
	repeated bool  // some value was seen twice
	dates    dates
	region   string // of phone numbers without a country
	national int    // phone numbers without a country, among those looked at
	locked   int    // values with ! before them, as Django and Unix write a password that nobody can give
	named    int    // whole hashes that name their format
	spring   bool   // hashes of several formats, each named as Spring Security does
	prefix   string // that every value begins with and that the old system put there

	listOfText bool // lists of texts
	linked     bool // lists of objects that name a provider and a user_id
	divided    string
}

// Count is how often something was seen.
type Count struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// Hash is a format of password hashes.
type Hash struct {
	Format string `json:"format"`
	// Certain says that the values name the format; else they only have its shape.
	Certain bool  `json:"certain"`
	Count   int64 `json:"count"`
	// Damaged counts those that cannot be used as they are: cut off, or too costly.
	Damaged int64 `json:"damaged"`
	// Needs are the values beside the hash without which it cannot be verified, such as salt.
	Needs []string `json:"needs"`

	declare bool // others write it alike: the mapping has to name it
}

// Collector collects what a Profile says. Memory is bounded, whatever the records are. It is for one goroutine.
type Collector struct {
	records, unreadable int64
	fields              map[string]*collected
	order               []*collected
	truncated           bool
	seed                maphash.Seed
	random              *rand.Rand
	secret              func(name string, v any) bool
	name                []byte
}

// New gives an empty Collector.
func New() *Collector {
	return &Collector{
		fields: map[string]*collected{},
		seed:   maphash.MakeSeed(),
		random: rand.New(rand.NewPCG(1, 2)), // the same file gives the same profile
		secret: pipeline.SecretFunc(),
	}
}

// collected is what is collected of a field.
type collected struct {
	Field
	present  int64
	types    map[string]int64
	distinct sketch
	kept     []string
	offered  int64
	elements []any // elements of lists, or their first objects
	codes    map[string]bool
	anySeen  bool
}

// sketch counts distinct values. Past maxHashes it keeps the hashes that end with ever more zero bits (adaptive
// sampling: P. Flajolet, 1990).
type sketch struct {
	hashes map[uint64]struct{}
	shift  uint
}

// add reports whether the value may have been there before.
func (s *sketch) add(hash uint64) bool {
	if hash&(1<<s.shift-1) != 0 {
		return false
	}
	if s.hashes == nil {
		s.hashes = map[uint64]struct{}{}
	}
	if _, seen := s.hashes[hash]; seen {
		return true
	}
	s.hashes[hash] = struct{}{}
	for len(s.hashes) > maxHashes {
		s.shift++
		for h := range s.hashes {
			if h&(1<<s.shift-1) != 0 {
				delete(s.hashes, h)
			}
		}
	}
	return false
}

func (s *sketch) count() int64 { return int64(len(s.hashes)) << s.shift }

// Add looks at a record.
func (c *Collector) Add(r *pipeline.Record) {
	if r.Source == nil || !r.Open() {
		c.unreadable++
		return
	}
	c.records++
	c.object(r.Source, nil)
}

func (c *Collector) object(o *value.Object, path []string) {
	for name, v := range o.All() {
		at := append(path[:len(path):len(path)], name)
		f := c.field(at)
		if f == nil {
			continue
		}
		c.value(f, name, v)
		if inner, ok := v.(*value.Object); ok && len(at) < maxDepth {
			c.object(inner, at)
		}
	}
}

// field gives the field of a path, nil where there are too many.
func (c *Collector) field(path []string) *collected {
	c.name = c.name[:0]
	for i, part := range path {
		if i > 0 {
			c.name = append(c.name, 0) // a name may have a dot in it
		}
		c.name = append(c.name, part...)
	}
	if f := c.fields[string(c.name)]; f != nil {
		return f
	}
	if len(c.order) == maxFields {
		c.truncated = true
		return nil
	}
	f := &collected{Field: Field{Name: strings.Join(path, "."), path: path}, types: map[string]int64{}, codes: map[string]bool{}}
	c.fields[string(c.name)] = f
	c.order = append(c.order, f)
	return f
}

func (c *Collector) value(f *collected, name string, v any) {
	f.present++
	if !f.Secret && c.secret(name, v) {
		f.Secret = true
	}
	f.types[value.Kind(v)]++
	var text string
	length := 0
	switch v := v.(type) {
	case nil:
		f.Nulls++
		return
	case bool:
		text = strconv.FormatBool(v)
	case string:
		if strings.TrimSpace(v) != v {
			f.apart++
		}
		text = v
	case value.Secret:
		f.Secret = true
		text = v.Reveal()
	case int64:
		text = strconv.FormatInt(v, 10)
	case float64, value.Number:
		text = string(value.AppendJSON(nil, v))
	case time.Time:
		text = v.Format(time.RFC3339Nano)
	case []byte:
		text = string(v)
		length = len(v)
	case []any:
		length = len(v)
		if len(v) > 0 && len(f.elements) < maxKept {
			f.elements = append(f.elements, v[0])
		}
	case *value.Object:
		length = v.Len()
	}
	switch v.(type) {
	case []any, *value.Object:
		if length > 0 {
			text = string(value.AppendJSON(nil, v))
		}
	case []byte:
	default:
		length = utf8.RuneCountInString(text)
	}
	if !f.anySeen || length < f.MinLength {
		f.MinLength = length
	}
	f.anySeen = true
	f.MaxLength = max(f.MaxLength, length)
	if strings.TrimSpace(text) == "" {
		f.Empty++
		return
	}
	f.Filled++
	if f.distinct.add(maphash.String(c.seed, text)) {
		f.repeated = true
	}
	if len(text) > 1 && text[0] == '\'' {
		f.quoted++
		text = text[1:]
	}
	if f.codes != nil {
		f.codes[text] = true
		if len(f.codes) > maxCodes || len(text) > codeBytes {
			f.codes = nil
		}
	}
	switch v.(type) {
	case bool, []any, *value.Object, time.Time:
	default:
		c.keep(f, text)
	}
}

// keep draws the values that are looked at closely (reservoir sampling: J. S. Vitter, algorithm R, 1985).
func (c *Collector) keep(f *collected, text string) {
	f.offered++
	if len(text) > maxText {
		return
	}
	text = strings.TrimSpace(text)
	if len(f.kept) < maxKept {
		f.kept = append(f.kept, text)
	} else if i := c.random.Int64N(f.offered); i < maxKept {
		f.kept[i] = text
	}
}

// Profile says what was seen. The Collector is not used after it.
func (c *Collector) Profile() *Profile {
	p := &Profile{Records: c.records, Unreadable: c.unreadable, Fields: make([]*Field, 0, len(c.order)), Truncated: c.truncated}
	for _, f := range c.order {
		f.Missing = c.records - f.present
		f.Distinct = min(f.distinct.count(), f.Filled)
		f.Types = counts(f.types)
		f.Looked = len(f.kept)
		f.look()
		f.lookElements()
		f.Identifier = c.records > 0 && f.Filled == c.records && !f.repeated && f.scalar()
		f.Values = []string{}
		if f.codes != nil && f.repeated && !f.Secret && f.Personal == "" && f.scalar() {
			f.Values = sorted(f.codes)
		}
		p.Fields = append(p.Fields, &f.Field)
	}
	return p
}

// kind is the one kind of value, beside null, that the field has, or "" where it has several or none.
func (f *Field) kind() string {
	kind := ""
	for _, t := range f.Types {
		switch {
		case t.Name == "null":
		case kind != "":
			return ""
		default:
			kind = t.Name
		}
	}
	return kind
}

// scalar reports whether no value is an object or a list.
func (f *Field) scalar() bool { return !f.hasType("object") && !f.hasType("array") }

func (f *Field) hasType(name string) bool {
	return slices.ContainsFunc(f.Types, func(t Count) bool { return t.Name == name })
}

// share gives the part of the values looked at that have a format.
func (f *Field) share(format string) float64 {
	for _, found := range f.Formats {
		if found.Name == format {
			return float64(found.Count) / float64(max(f.Looked, 1))
		}
	}
	return 0
}
