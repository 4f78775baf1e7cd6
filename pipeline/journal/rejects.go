package journal

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// What JSON has no kind for stands in a reject in NDJSON as an object with one of these members alone. An expression over the
// bytes of an id gives the same when it is read again.
const (
	bytesMember = "$bytes" // in base64
	timeMember  = "$time"  // RFC 3339
)

// kinds gives a value with its bytes and times as such objects.
func kinds(v any) any {
	switch v := v.(type) {
	case []byte:
		return value.ObjectOf(value.Member{Name: bytesMember, Value: v})
	case time.Time:
		return value.ObjectOf(value.Member{Name: timeMember, Value: v})
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = kinds(v[i])
		}
		return list
	case *value.Object:
		if v == nil {
			return v
		}
		o := new(value.Object)
		for name, member := range v.All() {
			o.Append(name, kinds(member))
		}
		return o
	}
	return v
}

// revived is the reverse of kinds.
func revived(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = revived(v[i])
		}
	case *value.Object:
		if v.Len() == 1 {
			m := v.At(0)
			text, _ := m.Value.(string)
			switch m.Name {
			case bytesMember:
				if b, err := base64.StdEncoding.DecodeString(text); err == nil {
					return b
				}
			case timeMember:
				if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
					return t
				}
			}
		}
		for i := range v.Len() {
			m := v.At(i)
			v.Set(m.Name, revived(m.Value))
		}
	}
	return v
}

// lines is a source of NDJSON.
type lines interface {
	pipeline.Source
	pipeline.Resumer
	pipeline.Fingerprinter
	pipeline.Measurer
}

type rejectLines struct{ lines }

// RejectLines reads rejects that AppendRejectNDJSON has written, with a source of NDJSON. What fails of them again is written the
// same way.
func RejectLines(ndjson pipeline.Source) pipeline.Source {
	return rejectLines{ndjson.(lines)}
}

func (s rejectLines) Next(ctx context.Context, most int) (*pipeline.Batch, error) {
	b, err := s.lines.Next(ctx, most)
	if err != nil {
		return nil, err
	}
	for i := range b.Records {
		if o := b.Records[i].Source; o != nil {
			for j := range o.Len() {
				m := o.At(j)
				o.Set(m.Name, revived(m.Value))
			}
		}
	}
	return b, nil
}
