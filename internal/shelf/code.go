// Package shelf puts records aside, in memory or in temporary files, and takes them back as they were.
package shelf

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// How values lie: a byte for the kind, then lengths and integers as varints.
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

// AppendText appends a text with its length before it.
func AppendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// AppendValue appends a value of any kind that a record may hold.
func AppendValue(dst []byte, v any) ([]byte, error) {
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
	case value.Number:
		return AppendText(append(dst, tagNumber), string(v)), nil
	case string:
		return AppendText(append(dst, tagString), v), nil
	case value.Secret:
		return AppendText(append(dst, tagSecret), v.Reveal()), nil
	case []byte:
		return AppendText(append(dst, tagBytes), string(v)), nil
	case time.Time:
		b, err := v.MarshalBinary()
		return AppendText(append(dst, tagTime), string(b)), err
	case []any:
		dst = binary.AppendUvarint(append(dst, tagList), uint64(len(v)))
		var err error
		for _, e := range v {
			if dst, err = AppendValue(dst, e); err != nil {
				return dst, err
			}
		}
		return dst, nil
	case *value.Object:
		dst = binary.AppendUvarint(append(dst, tagObject), uint64(v.Len()))
		var err error
		for name, e := range v.All() {
			if dst, err = AppendValue(AppendText(dst, name), e); err != nil {
				return dst, err
			}
		}
		return dst, nil
	}
	return dst, errors.New("a value of an unknown kind: " + value.Kind(v))
}

// AppendRecord appends what a source may have set of a record.
func AppendRecord(dst []byte, r *pipeline.Record) ([]byte, error) {
	dst = AppendText(dst, r.Ref.Origin)
	dst = binary.AppendVarint(dst, r.Ref.Line)
	dst = AppendText(dst, r.Ref.Key)
	dst = AppendText(dst, string(r.Raw))
	if dst = append(dst, tagFalse); r.Gone {
		dst[len(dst)-1] = tagTrue
	}
	var outcome []byte
	if !r.Open() || len(r.Outcome.Warnings) > 0 {
		var err error
		if outcome, err = json.Marshal(r.Outcome); err != nil {
			return dst, err
		}
	}
	dst = AppendText(dst, string(outcome))
	var err error
	if dst, err = appendObject(dst, r.Source); err != nil || r.Fields == r.Source {
		return append(dst, tagNull), err
	}
	return appendObject(dst, r.Fields)
}

func appendObject(dst []byte, o *value.Object) ([]byte, error) {
	if o == nil {
		return append(dst, tagNull), nil
	}
	return AppendValue(dst, o)
}

// decoder reads what was appended. Texts share the memory of the whole.
type decoder struct{ s string }

var errDamaged = errors.New("what was put aside cannot be read again")

func (d *decoder) uvarint() uint64 {
	var v uint64
	for shift := uint(0); shift < 64 && d.s != ""; shift += 7 {
		c := d.s[0]
		d.s = d.s[1:]
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	panic(errDamaged)
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) take(n uint64) string {
	if n > uint64(len(d.s)) {
		panic(errDamaged)
	}
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

func (d *decoder) text() string { return d.take(d.uvarint()) }

func (d *decoder) value() any {
	switch d.take(1)[0] {
	case tagNull:
		return nil
	case tagFalse:
		return false
	case tagTrue:
		return true
	case tagInt:
		return d.varint()
	case tagFloat:
		return math.Float64frombits(binary.LittleEndian.Uint64([]byte(d.take(8))))
	case tagNumber:
		return value.Number(d.text())
	case tagString:
		return d.text()
	case tagSecret:
		return value.Secret(d.text())
	case tagBytes:
		return []byte(d.text())
	case tagTime:
		var t time.Time
		if err := t.UnmarshalBinary([]byte(d.text())); err != nil {
			panic(errDamaged)
		}
		return t
	case tagList:
		n := d.uvarint()
		list := make([]any, 0, min(n, uint64(len(d.s))))
		for range n {
			list = append(list, d.value())
		}
		return list
	case tagObject:
		n := d.uvarint()
		o := value.NewObject(int(min(n, uint64(len(d.s)))))
		for range n {
			name := d.text()
			o.Append(name, d.value())
		}
		return o
	}
	panic(errDamaged)
}

// Value gives back what AppendValue appended.
func Value(s string) (v any, err error) {
	err = decode(s, func(d *decoder) { v = d.value() })
	return v, err
}

// decode calls read and turns what it panics with for want of bytes into an error.
func decode(s string, read func(*decoder)) (err error) {
	defer func() {
		if p := recover(); p != nil {
			damaged, ok := p.(error)
			if !ok || damaged != errDamaged {
				panic(p)
			}
			err = errDamaged
		}
	}()
	read(&decoder{s})
	return nil
}

// Record gives back what AppendRecord appended.
func Record(s string) (r pipeline.Record, err error) {
	outcome := ""
	err = decode(s, func(d *decoder) {
		r.Ref.Origin = d.text()
		r.Ref.Line = d.varint()
		r.Ref.Key = d.text()
		if raw := d.text(); raw != "" {
			r.Raw = []byte(raw)
		}
		r.Gone = d.value() == true
		outcome = d.text()
		r.Source, _ = d.value().(*value.Object)
		r.Fields, _ = d.value().(*value.Object)
	})
	if err == nil && outcome != "" {
		err = json.Unmarshal([]byte(outcome), &r.Outcome)
	}
	return r, err
}
