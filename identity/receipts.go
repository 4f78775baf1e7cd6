package identity

import (
	"encoding/binary"
	"errors"
	"sort"
)

// A receipt holds the results of one batch, so that a batch that comes again after a crash gets the same. It is a version
// byte, then for each record: the distance of its index from the one before (from the receipt's first index, for the
// first) as uvarint, the outcome, the user id, the changed names, the warnings and the errors; a text is its length
// as uvarint and its bytes, a list its length and its elements.

const receiptVersion = 1

// receiptOf makes the receipt of those of the items that are in todo.
func receiptOf(items []Item, results []Result, todo []int) blob {
	first := items[todo[0]].Index
	b := append(make([]byte, 0, 64*len(todo)), receiptVersion)
	last := first
	for _, i := range todo {
		b = appendReceipt(b, last, items[i].Index, &results[i])
		last = items[i].Index
	}
	return blob{first, b}
}

func appendReceipt(b []byte, last, index int64, r *Result) []byte {
	b = binary.AppendUvarint(b, uint64(index-last))
	b = append(b, byte(r.Outcome))
	b = appendText(b, r.UserID)
	b = binary.AppendUvarint(b, uint64(len(r.Changed)))
	for _, name := range r.Changed {
		b = appendText(b, name)
	}
	for _, list := range [][]Violation{r.Warnings, r.Errors} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, v := range list {
			b = appendText(appendText(appendText(b, v.Code), v.Field), v.Message)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

type receiptEntry struct {
	index int64
	Result
}

var errReceipt = errors.New("a receipt cannot be read")

// decodeReceipt is strict: whatever appendReceipt would not have written is an error.
func decodeReceipt(first int64, b []byte) ([]receiptEntry, error) {
	d := receiptDecoder{b: b}
	if len(b) == 0 || b[0] != receiptVersion {
		return nil, errReceipt
	}
	d.b = b[1:]
	var list []receiptEntry
	last := first
	for len(d.b) > 0 && !d.bad {
		e := receiptEntry{index: last + int64(d.number(1<<40))}
		e.Outcome = Outcome(d.byte())
		if e.Outcome < Inserted || e.Outcome > Deleted || len(list) > 0 && e.index == last {
			return nil, errReceipt
		}
		e.UserID = d.text()
		for range d.count() {
			e.Changed = append(e.Changed, d.text())
		}
		for _, into := range []*[]Violation{&e.Warnings, &e.Errors} {
			for range d.count() {
				*into = append(*into, Violation{d.text(), d.text(), d.text()})
			}
		}
		last = e.index
		list = append(list, e)
	}
	if d.bad {
		return nil, errReceipt
	}
	return list, nil
}

type receiptDecoder struct {
	b   []byte
	bad bool
}

func (d *receiptDecoder) number(limit uint64) uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > limit || size > 1 && d.b[size-1] == 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[size:]
	return n
}

// count reads the length of a list, each of whose elements takes a byte at least.
func (d *receiptDecoder) count() uint64 { return d.number(uint64(len(d.b))) }

func (d *receiptDecoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *receiptDecoder) text() string {
	n := d.number(uint64(len(d.b)))
	if n > uint64(len(d.b)) {
		d.b, d.bad = nil, true
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

// receipts answers records that were written before a crash. Receipts are of disjoint runs of records, in order.
type receipts struct {
	blobs   []blob
	loaded  int            // the blob that entries are of, counted from 1
	entries []receiptEntry // in the order of their indexes
}

type blob struct {
	first    int64
	outcomes []byte
}

// find gives the result that the record of this index got, if it got one.
func (r *receipts) find(index int64) (*Result, error) {
	n := sort.Search(len(r.blobs), func(i int) bool { return r.blobs[i].first > index })
	if n == 0 {
		return nil, nil
	}
	if n != r.loaded {
		var err error
		if r.entries, err = decodeReceipt(r.blobs[n-1].first, r.blobs[n-1].outcomes); err != nil {
			return nil, err
		}
		r.loaded = n
	}
	i := sort.Search(len(r.entries), func(i int) bool { return r.entries[i].index >= index })
	if i == len(r.entries) || r.entries[i].index != index {
		return nil, nil
	}
	return &r.entries[i].Result, nil
}
