// Package shelf puts records aside, in memory or in temporary files, and takes them back as they were.
package shelf

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// AppendRecord appends what a source may have set of a record.
func AppendRecord(dst []byte, r *pipeline.Record) ([]byte, error) {
	dst = value.AppendText(dst, r.Ref.Origin)
	dst = binary.AppendVarint(dst, r.Ref.Line)
	dst = value.AppendText(dst, r.Ref.Key)
	dst = value.AppendText(dst, r.Raw)
	if dst = append(dst, 0); r.Gone {
		dst[len(dst)-1] = 1
	}
	var outcome []byte
	if !r.Open() || len(r.Outcome.Warnings) > 0 {
		var err error
		if outcome, err = json.Marshal(r.Outcome); err != nil {
			return dst, err
		}
	}
	dst = value.AppendText(dst, outcome)
	dst, err := value.AppendBinary(dst, r.Source)
	if err != nil || r.Fields == r.Source {
		return append(dst, 0), err // a null: they are the same
	}
	return value.AppendBinary(dst, r.Fields)
}

var errDamaged = errors.New("what was put aside cannot be read again")

// Value gives back what value.AppendBinary appended.
func Value(s string) (any, error) {
	d := value.NewReader(s)
	v := d.Value()
	if d.Err() != nil {
		return nil, errDamaged
	}
	return v, nil
}

// Record gives back what AppendRecord appended.
func Record(s string) (r pipeline.Record, err error) {
	d := value.NewReader(s)
	r.Ref.Origin = d.Text()
	r.Ref.Line = d.Varint()
	r.Ref.Key = d.Text()
	r.Raw = d.Bytes()
	r.Gone = d.Byte() == 1
	outcome := d.Text()
	r.Source = d.Object()
	r.Fields = d.Object()
	if d.Err() != nil {
		return r, errDamaged
	}
	if outcome != "" {
		err = json.Unmarshal([]byte(outcome), &r.Outcome)
	}
	return r, err
}
