package identity

import "hash/maphash"

// filter tells quickly that a key is not in the store, and sometimes thinks that one is that is not (Bloom, 1970; all
// bits of a key in one cache line: Putze, Sanders and Singler, 2007). It spares who inserts many users nearly all
// look-ups. Its size is fixed, so that memory does not grow with the store: beyond some 20 million keys it only helps
// less.
type filter struct {
	seed   maphash.Seed
	blocks [][8]uint64
}

const filterBytes = 16 << 20

func newFilter() *filter {
	return &filter{maphash.MakeSeed(), make([][8]uint64, filterBytes/64)}
}

// place gives the block of a key, and the four bits in it by nine bits each.
func (f *filter) place(key string) (*[8]uint64, uint64) {
	h := maphash.String(f.seed, key)
	return &f.blocks[h>>36%uint64(len(f.blocks))], h
}

func (f *filter) add(key string) {
	block, h := f.place(key)
	for range 4 {
		block[h>>6&7] |= 1 << (h & 63)
		h >>= 9
	}
}

func (f *filter) has(key string) bool {
	block, h := f.place(key)
	for range 4 {
		if block[h>>6&7]&(1<<(h&63)) == 0 {
			return false
		}
		h >>= 9
	}
	return true
}
