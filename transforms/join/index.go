package join

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"io"
	"slices"
	"sort"

	"github.com/usher-id/usher/internal/shelf"
)

// entry says where a record of some key lies.
type entry struct {
	hash uint64 // of the key
	at   int64
}

func compareEntries(a, b entry) int {
	if c := cmp.Compare(a.hash, b.hash); c != 0 {
		return c
	}
	return cmp.Compare(a.at, b.at)
}

const (
	entrySize = 16
	// pageEntries is how many entries of a file are read at once; of each page the first hash is held.
	pageEntries = 256
	// leastRun is how many entries are sorted at once at least.
	leastRun = 4096
)

// index holds entries in order: in memory, or in a file.
type index struct {
	most    int // entries that are held in memory
	entries []entry

	// Sorted parts lie one behind another in parts, until finish merges them into file.
	parts *shelf.File
	w     *bufio.Writer
	sizes []int64 // of the parts, in bytes

	file   *shelf.File
	count  int64
	fences []uint64 // the first hash of each page of file
	page   []entry  // the page that was read last
	pageAt int64    // its number
	buf    []byte
}

func (x *index) held() int64 { return int64(cap(x.entries)) * entrySize }

func (x *index) add(e entry) error {
	x.entries = append(x.entries, e)
	x.count++
	if len(x.entries) < x.most {
		return nil
	}
	return x.spill()
}

// spill sorts what is held and puts it behind the parts.
func (x *index) spill() (err error) {
	if x.parts == nil {
		if x.parts, err = shelf.NewFile("usher-join-"); err != nil {
			return err
		}
		x.w = bufio.NewWriterSize(x.parts, 64<<10)
	}
	slices.SortFunc(x.entries, compareEntries)
	for _, e := range x.entries {
		if err := x.write(e); err != nil {
			return err
		}
	}
	x.sizes = append(x.sizes, int64(len(x.entries))*entrySize)
	x.entries = x.entries[:0]
	return nil
}

func (x *index) write(e entry) error {
	var b [entrySize]byte
	binary.LittleEndian.PutUint64(b[:], e.hash)
	binary.LittleEndian.PutUint64(b[8:], uint64(e.at))
	_, err := x.w.Write(b[:])
	return err
}

// finish is called between the last add and the first look.
func (x *index) finish() (err error) {
	if x.parts == nil {
		slices.SortFunc(x.entries, compareEntries)
		return nil
	}
	if err = x.spill(); err != nil {
		return err
	}
	if err = x.w.Flush(); err != nil {
		return err
	}
	x.entries = nil
	var m merger
	at := int64(0)
	for _, size := range x.sizes {
		p := &part{r: bufio.NewReaderSize(io.NewSectionReader(x.parts, at, size), 4<<10)}
		at += size
		if more, err := p.next(); err != nil {
			return err
		} else if more {
			m = append(m, p)
		}
	}
	heap.Init(&m)
	if x.file, err = shelf.NewFile("usher-join-"); err != nil {
		return err
	}
	x.w = bufio.NewWriterSize(x.file, 64<<10)
	for n := int64(0); len(m) > 0; n++ {
		e := m[0].entry
		if n%pageEntries == 0 {
			x.fences = append(x.fences, e.hash)
		}
		if err := x.write(e); err != nil {
			return err
		}
		switch more, err := m[0].next(); {
		case err != nil:
			return err
		case more:
			heap.Fix(&m, 0)
		default:
			heap.Pop(&m)
		}
	}
	x.pageAt = -1
	if err = x.w.Flush(); err != nil {
		return err
	}
	err = x.parts.Close()
	x.parts, x.w = nil, nil
	return err
}

// first gives the number of the first entry whose hash is not less.
func (x *index) first(hash uint64) (n int64, err error) {
	if x.file == nil {
		i, _ := slices.BinarySearchFunc(x.entries, hash, func(e entry, hash uint64) int { return cmp.Compare(e.hash, hash) })
		return int64(i), nil
	}
	// The page before the first one that begins with it may end with it.
	page := int64(sort.Search(len(x.fences), func(i int) bool { return x.fences[i] >= hash }))
	if page == 0 {
		return 0, nil
	}
	page--
	if err := x.load(page); err != nil {
		return 0, err
	}
	i, _ := slices.BinarySearchFunc(x.page, hash, func(e entry, hash uint64) int { return cmp.Compare(e.hash, hash) })
	return page*pageEntries + int64(i), nil
}

// look gives an entry by its number, and false behind the last.
func (x *index) look(n int64) (e entry, ok bool, err error) {
	if n >= x.count {
		return entry{}, false, nil
	}
	if x.file == nil {
		return x.entries[n], true, nil
	}
	if err := x.load(n / pageEntries); err != nil {
		return entry{}, false, err
	}
	return x.page[n%pageEntries], true, nil
}

func (x *index) load(page int64) error {
	if x.pageAt == page {
		return nil
	}
	n := min(pageEntries, x.count-page*pageEntries)
	if x.buf == nil {
		x.buf = make([]byte, pageEntries*entrySize)
		x.page = make([]entry, 0, pageEntries)
	}
	b := x.buf[:n*entrySize]
	x.pageAt = -1
	if _, err := x.file.ReadAt(b, page*pageEntries*entrySize); err != nil {
		return err
	}
	x.page = x.page[:0]
	for ; len(b) > 0; b = b[entrySize:] {
		x.page = append(x.page, entry{binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))})
	}
	x.pageAt = page
	return nil
}

func (x *index) close() {
	for _, f := range []*shelf.File{x.parts, x.file} {
		if f != nil {
			_ = f.Close()
		}
	}
	*x = index{}
}

// part is a sorted part that is being merged.
type part struct {
	entry
	r *bufio.Reader
}

func (p *part) next() (more bool, err error) {
	var b [entrySize]byte
	if _, err := io.ReadFull(p.r, b[:]); err == io.EOF {
		return false, nil
	} else if err != nil {
		return false, err
	}
	p.entry = entry{binary.LittleEndian.Uint64(b[:]), int64(binary.LittleEndian.Uint64(b[8:]))}
	return true, nil
}

// merger is a heap of parts by their next entries.
type merger []*part

// Len implements heap.Interface.
func (m merger) Len() int { return len(m) }

// Less implements heap.Interface.
func (m merger) Less(i, j int) bool { return compareEntries(m[i].entry, m[j].entry) < 0 }

// Swap implements heap.Interface.
func (m merger) Swap(i, j int) { m[i], m[j] = m[j], m[i] }

// Push implements heap.Interface.
func (m *merger) Push(x any) { *m = append(*m, x.(*part)) }

// Pop implements heap.Interface.
func (m *merger) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
