package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// PartSize is the most bytes of records in one message, well below the 4 MiB that gRPC takes by default. MaxBatch bounds the parts that are
// joined.
const (
	PartSize = 1 << 20
	MaxBatch = 256 << 20
)

// Send sends data in parts.
func Send(data []byte, send func(part []byte, last bool) error) error {
	for len(data) > PartSize {
		if err := send(data[:PartSize], false); err != nil {
			return err
		}
		data = data[PartSize:]
	}
	return send(data, true)
}

// Parts joins what Send sent.
type Parts struct{ data []byte }

var errTooLarge = fmt.Errorf("a batch of more than %d MiB", MaxBatch>>20)

// Add takes a part. With the last one it gives the whole.
func (p *Parts) Add(part []byte, last bool) (whole string, done bool, err error) {
	if last && len(p.data) == 0 {
		return string(part), true, nil
	}
	if len(p.data)+len(part) > MaxBatch {
		return "", false, errTooLarge
	}
	p.data = append(p.data, part...)
	if !last {
		return "", false, nil
	}
	whole, p.data = string(p.data), nil
	return whole, true, nil
}

// How many records a batch has usually, and how many bytes a record at least.
const (
	usualBatch = 256
	minRecord  = 8
)

var errRecords = errors.New("the records cannot be read: they are not in the encoding of docs/reference/plugins.md")

// isGone is the flag of a record whose user the source no longer has.
const isGone = 1

func flagsOf(r *pipeline.Record) byte {
	if r.Gone {
		return isGone
	}
	return 0
}

// AppendSource appends a record as a source gives it: with its place, its raw text if it failed, and its values.
func AppendSource(dst []byte, r *pipeline.Record) ([]byte, error) {
	dst = appendRef(append(dst, flagsOf(r)), r.Ref)
	dst = value.AppendText(dst, r.Raw)
	dst = appendOutcome(dst, &r.Outcome)
	return value.AppendBinary(dst, r.Source)
}

// ReadSources reads what AppendSource appended. The engine numbers the records.
func ReadSources(s string) ([]pipeline.Record, error) {
	d := value.NewReader(s)
	list := make([]pipeline.Record, 0, min(usualBatch, len(s)/minRecord))
	for d.Len() > 0 {
		r := pipeline.Record{Gone: d.Byte()&isGone != 0, Ref: readRef(d), Raw: d.Bytes()}
		readOutcome(d, &r.Outcome)
		r.Source = d.Object()
		list = append(list, r)
	}
	if d.Err() != nil {
		return nil, errRecords
	}
	for i := range list {
		if r := &list[i]; r.Source == nil && r.Outcome.Decision != pipeline.Failed {
			return nil, fmt.Errorf("record %s has neither values nor failed", r.Ref)
		}
	}
	return list, nil
}

// AppendOpen appends the records of a batch that are open, as transforms and sinks are given them: number, place and fields.
func AppendOpen(dst []byte, records []pipeline.Record) (data []byte, open int, err error) {
	for i := range records {
		r := &records[i]
		if !r.Open() {
			continue
		}
		open++
		dst = appendRef(binary.AppendVarint(append(dst, flagsOf(r)), r.Index), r.Ref)
		if dst, err = value.AppendBinary(dst, r.Fields); err != nil {
			return nil, 0, err
		}
	}
	return dst, open, nil
}

// ReadOpen reads what AppendOpen appended. What the source gave does not travel: Source is what Fields is.
func ReadOpen(s string) ([]pipeline.Record, error) {
	d := value.NewReader(s)
	list := make([]pipeline.Record, 0, min(usualBatch, len(s)/minRecord))
	for d.Len() > 0 {
		r := pipeline.Record{Gone: d.Byte()&isGone != 0, Index: d.Varint(), Ref: readRef(d)}
		r.Fields = d.Object()
		r.Source = r.Fields
		list = append(list, r)
	}
	if d.Err() != nil {
		return nil, errRecords
	}
	return list, nil
}

// What a transform made of a record.
const (
	changedFields  = 1
	changedOutcome = 2
)

// AppendChanges appends what a transform made of records: before holds the fields that they had.
func AppendChanges(dst []byte, records []pipeline.Record, before []*value.Object) ([]byte, error) {
	for i := range records {
		r := &records[i]
		var flags byte
		if r.Fields != before[i] {
			flags |= changedFields
		}
		if !r.Open() || len(r.Outcome.Warnings) > 0 {
			flags |= changedOutcome
		}
		dst = append(dst, flags)
		if flags&changedFields != 0 {
			var err error
			if dst, err = value.AppendBinary(dst, r.Fields); err != nil {
				return nil, err
			}
		}
		if flags&changedOutcome != 0 {
			dst = appendOutcome(dst, &r.Outcome)
		}
	}
	return dst, nil
}

// ReadChanges applies what AppendChanges appended to the open records of a batch, or changes nothing and says why.
func ReadChanges(s string, records []pipeline.Record) error {
	type change struct {
		fields  *value.Object
		outcome pipeline.Outcome
	}
	d := value.NewReader(s)
	changes := make([]change, 0, len(records))
	for i := range records {
		r := &records[i]
		if !r.Open() {
			continue
		}
		c := change{fields: r.Fields}
		flags := d.Byte()
		if flags&changedFields != 0 {
			c.fields = d.Object()
		}
		if flags&changedOutcome != 0 {
			readOutcome(d, &c.outcome)
			if c.outcome.Decision == pipeline.Inserted || c.outcome.Decision == pipeline.Updated {
				return fmt.Errorf("record %s was decided as %s by a transform", r.Ref, c.outcome.Decision)
			}
		}
		changes = append(changes, c)
	}
	if d.Err() != nil || d.Len() > 0 {
		return errRecords
	}
	for i := range records {
		r := &records[i]
		if !r.Open() {
			continue
		}
		r.Fields = changes[0].fields
		take(r, changes[0].outcome)
		changes = changes[1:]
	}
	return nil
}

// AppendOutcomes appends what became of records in a sink.
func AppendOutcomes(dst []byte, records []pipeline.Record) []byte {
	for i := range records {
		dst = appendOutcome(dst, &records[i].Outcome)
	}
	return dst
}

// ReadOutcomes decides the open records of a batch by what AppendOutcomes appended, or changes nothing and says why.
func ReadOutcomes(s string, records []pipeline.Record) error {
	d := value.NewReader(s)
	outcomes := make([]pipeline.Outcome, 0, len(records))
	for i := range records {
		if records[i].Open() {
			var o pipeline.Outcome
			readOutcome(d, &o)
			outcomes = append(outcomes, o)
		}
	}
	if d.Err() != nil || d.Len() > 0 {
		return errRecords
	}
	for i := range records {
		if r := &records[i]; r.Open() {
			take(r, outcomes[0])
			outcomes = outcomes[1:]
		}
	}
	return nil
}

// take gives a record its outcome. Warnings of before stay.
func take(r *pipeline.Record, o pipeline.Outcome) {
	o.Warnings = append(r.Outcome.Warnings, o.Warnings...)
	r.Outcome = o
}

func appendRef(dst []byte, r pipeline.Ref) []byte {
	dst = value.AppendText(dst, r.Origin)
	dst = binary.AppendVarint(dst, r.Line)
	return value.AppendText(dst, r.Key)
}

func readRef(d *value.Reader) pipeline.Ref {
	return pipeline.Ref{Origin: d.Text(), Line: d.Varint(), Key: d.Text()}
}

func appendOutcome(dst []byte, o *pipeline.Outcome) []byte {
	dst = append(dst, byte(o.Decision))
	dst = value.AppendText(dst, o.Reason)
	dst = value.AppendText(dst, o.UserID)
	dst = binary.AppendUvarint(dst, uint64(len(o.Changed)))
	for _, name := range o.Changed {
		dst = value.AppendText(dst, name)
	}
	for _, list := range [][]pipeline.Problem{o.Warnings, o.Errors} {
		dst = binary.AppendUvarint(dst, uint64(len(list)))
		for _, p := range list {
			dst = value.AppendText(dst, p.Code)
			dst = value.AppendText(dst, p.Field)
			dst = value.AppendText(dst, p.Message)
		}
	}
	return dst
}

// readOutcome reads an outcome and holds it to what the engine can keep.
func readOutcome(d *value.Reader, o *pipeline.Outcome) {
	decision := d.Byte()
	o.Reason, o.UserID = d.Text(), d.Text()
	for range d.Count() {
		o.Changed = append(o.Changed, d.Text())
	}
	for _, list := range []*[]pipeline.Problem{&o.Warnings, &o.Errors} {
		for range d.Count() {
			p := pipeline.Problem{Code: d.Text(), Field: d.Text(), Message: d.Text()}
			if p.Code == "" {
				p.Code = "plugin.problem"
			}
			*list = append(*list, p)
		}
	}
	o.Decision = pipeline.Decision(decision)
	if decision > byte(pipeline.Failed) {
		d.Fail()
		o.Decision = pipeline.Failed
	}
	if o.Decision == pipeline.Failed && len(o.Errors) == 0 {
		o.Errors = []pipeline.Problem{{Code: "plugin.unexplained", Message: "the plugin gives no reason"}}
	}
}
