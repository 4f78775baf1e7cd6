package value

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"time"
)

// How values lie in temporary files and travel to plugins: a byte for the kind, then what docs/reference/plugins.md says. The bytes never change
// their meaning; a new kind gets a new one.
const (
	tagNull byte = iota
	tagFalse
	tagTrue
	tagInt
	tagFloat
	tagNumber
	tagString
	tagSecret
	tagBytes
	tagTime
	tagList
	tagObject
)

// maxBinaryDepth bounds the nesting of what is read.
const maxBinaryDepth = 10_000

// AppendText appends a string with its length before it.
func AppendText[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// AppendBinary appends v so that [Reader.Value] gives it back exactly, secrets included. Of a time the zone's name is lost, its offset
// stays. The error says that v is no value.
func AppendBinary(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, tagNull), nil
	case bool:
		if v {
			return append(dst, tagTrue), nil
		}
		return append(dst, tagFalse), nil
	case int64:
		return binary.AppendVarint(append(dst, tagInt), v), nil
	case int:
		return binary.AppendVarint(append(dst, tagInt), int64(v)), nil
	case float64:
		return binary.LittleEndian.AppendUint64(append(dst, tagFloat), math.Float64bits(v)), nil
	case Number:
		return AppendText(append(dst, tagNumber), v), nil
	case string:
		return AppendText(append(dst, tagString), v), nil
	case Secret:
		return AppendText(append(dst, tagSecret), v), nil
	case []byte:
		return AppendText(append(dst, tagBytes), v), nil
	case time.Time:
		_, offset := v.Zone()
		dst = binary.AppendVarint(append(dst, tagTime), v.Unix())
		dst = binary.AppendUvarint(dst, uint64(v.Nanosecond()))
		return binary.AppendVarint(dst, int64(offset)), nil
	case []any:
		dst = binary.AppendUvarint(append(dst, tagList), uint64(len(v)))
		var err error
		for _, e := range v {
			if dst, err = AppendBinary(dst, e); err != nil {
				return dst, err
			}
		}
		return dst, nil
	case *Object:
		if v == nil {
			return append(dst, tagNull), nil
		}
		dst = binary.AppendUvarint(append(dst, tagObject), uint64(len(v.members)))
		var err error
		for i := range v.members {
			dst = AppendText(dst, v.members[i].Name)
			if dst, err = AppendBinary(dst, v.members[i].Value); err != nil {
				return dst, err
			}
		}
		return dst, nil
	}
	return dst, errors.New("a value of an unknown kind: " + Kind(v))
}

// ErrBinary is what a [Reader] says of bytes that do not hold what was asked for.
var ErrBinary = errors.New("the bytes are damaged, or not in the encoding of values")

// Reader reads what was appended, in the same order. After the first thing that is not there it reads only zeros: ask Err at the end. Texts
// share the memory of the whole.
type Reader struct {
	s     string
	bad   bool
	depth int
}

// NewReader reads from s.
func NewReader(s string) *Reader { return &Reader{s: s} }

// Err gives ErrBinary if something was not there.
func (r *Reader) Err() error {
	if r.bad {
		return ErrBinary
	}
	return nil
}

// Len is how many bytes are left.
func (r *Reader) Len() int { return len(r.s) }

// Fail says that what was read makes no sense.
func (r *Reader) Fail() { r.bad, r.s = true, "" }

// Uvarint reads a number of binary.AppendUvarint.
func (r *Reader) Uvarint() uint64 {
	var v uint64
	for i := range len(r.s) {
		c := r.s[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.s = r.s[i+1:]
			return v
		}
	}
	r.Fail()
	return 0
}

// Varint reads a number of binary.AppendVarint.
func (r *Reader) Varint() int64 {
	u := r.Uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *Reader) take(n uint64) string {
	if n > uint64(len(r.s)) {
		r.Fail()
		return ""
	}
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return 0
}

// Bytes reads what AppendText appended, whatever it is.
func (r *Reader) Bytes() []byte {
	if s := r.take(r.Uvarint()); s != "" {
		return []byte(s)
	}
	return nil
}

// Text reads what AppendText appended.
func (r *Reader) Text() string { return r.take(r.Uvarint()) }

// Count reads how many things follow, each of which takes at least a byte.
func (r *Reader) Count() int {
	n := r.Uvarint()
	if n > uint64(len(r.s)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Object reads an Object, or nil where a null stands for one.
func (r *Reader) Object() *Object {
	v := r.Value()
	o, ok := v.(*Object)
	if !ok && v != nil {
		r.Fail()
	}
	return o
}

// Value reads what AppendBinary appended.
func (r *Reader) Value() any {
	tag := r.take(1)
	if tag == "" {
		return nil
	}
	switch tag[0] {
	case tagNull:
		return nil
	case tagFalse:
		return false
	case tagTrue:
		return true
	case tagInt:
		return r.Varint()
	case tagFloat:
		if s := r.take(8); s != "" {
			return math.Float64frombits(binary.LittleEndian.Uint64([]byte(s)))
		}
		return nil
	case tagNumber:
		s := r.Text()
		if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') || !json.Valid([]byte(s)) {
			r.Fail()
		}
		return Number(s)
	case tagString:
		return r.Text()
	case tagSecret:
		return Secret(r.Text())
	case tagBytes:
		return []byte(r.take(r.Uvarint()))
	case tagTime:
		return r.time()
	case tagList:
		n := r.enter()
		list := make([]any, 0, n)
		for range n {
			list = append(list, r.Value())
		}
		r.depth--
		return list
	case tagObject:
		n := r.enter()
		o := NewObject(n)
		for range n {
			name := r.Text()
			o.Set(name, r.Value())
		}
		r.depth--
		return o
	}
	r.Fail()
	return nil
}

func (r *Reader) time() any {
	seconds, nanos, offset := r.Varint(), r.Uvarint(), r.Varint()
	const day = 24 * 60 * 60
	if nanos >= 1e9 || offset <= -day || offset >= day {
		r.Fail()
		return nil
	}
	t := time.Unix(seconds, int64(nanos))
	if offset == 0 {
		return t.UTC()
	}
	return t.In(time.FixedZone("", int(offset)))
}

// enter reads how many members a list or an object has.
func (r *Reader) enter() int {
	if r.depth++; r.depth > maxBinaryDepth {
		r.Fail()
	}
	return r.Count()
}
