package password

import "math/bits"

// saltedDES is DES with crypt(3)'s salt, which swaps bits of the expansion's two halves; without a salt it is plain DES. The standard library's
// DES offers no such expansion.
type saltedDES struct {
	keys [16][2]uint32 // 24 bits each
	salt uint32        // mask over the 24 bits
}

// The tables of FIPS 46-3, bits counted from 1 at the most significant one.
var (
	desPC1 = []byte{
		57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
		63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
	}
	desPC2 = []byte{
		14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
		41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
	}
	desIP = []byte{
		58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6, 64, 56, 48, 40, 32, 24, 16, 8,
		57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61, 53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7,
	}
	desFP = []byte{
		40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30, 37, 5, 45, 13, 53, 21, 61, 29,
		36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27, 34, 2, 42, 10, 50, 18, 58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
	}
	desP = []byte{
		16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
	}
	desShifts = [16]int{1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1}
	desBoxes  = [8][64]byte{
		{
			14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12, 11, 9, 5, 3, 8,
			4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9, 1, 7, 5, 11, 3, 14, 10, 0, 6, 13,
		},
		{
			15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1, 10, 6, 9, 11, 5,
			0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15, 4, 2, 11, 6, 7, 12, 0, 5, 14, 9,
		},
		{
			10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5, 14, 12, 11, 15, 1,
			13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6, 9, 8, 7, 4, 15, 14, 3, 11, 5, 2, 12,
		},
		{
			7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2, 12, 1, 10, 14, 9,
			10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1, 13, 8, 9, 4, 5, 11, 12, 7, 2, 14,
		},
		{
			2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9, 8, 6,
			4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9, 10, 4, 5, 3,
		},
		{
			12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13, 14, 0, 11, 3, 8,
			9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5, 15, 10, 11, 14, 1, 7, 6, 0, 8, 13,
		},
		{
			4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5, 12, 2, 15, 8, 6,
			1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4, 10, 7, 9, 5, 0, 15, 14, 2, 3, 12,
		},
		{
			13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6, 11, 0, 14, 9, 2,
			7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10, 8, 13, 15, 12, 9, 0, 3, 5, 6, 11,
		},
	}
	desSP = makeDESBoxes() // S-box and permutation P in one
)

func makeDESBoxes() *[8][64]uint32 {
	var out [8][64]uint32
	for box := range out {
		for in := range 64 {
			row, column := in>>4&2|in&1, in>>1&15
			word := uint64(desBoxes[box][16*row+column]) << (28 - 4*box)
			out[box][in] = uint32(permuteBits(word, desP, 32))
		}
	}
	return &out
}

// permuteBits selects bits of a word of the given width.
func permuteBits(word uint64, table []byte, width int) uint64 {
	var out uint64
	for _, bit := range table {
		out = out<<1 | word>>(width-int(bit))&1
	}
	return out
}

func newSaltedDES(key uint64, salt uint32) *saltedDES {
	d := &saltedDES{}
	// Bit i of the salt swaps bit i of the expansion, counted from its first, with bit i+24.
	d.salt = bits.Reverse32(salt&0xffffff) >> 8
	halves := permuteBits(key, desPC1, 64)
	c, e := uint32(halves>>28), uint32(halves&0xfffffff)
	for i, n := range desShifts {
		c = (c<<n | c>>(28-n)) & 0xfffffff
		e = (e<<n | e>>(28-n)) & 0xfffffff
		k := permuteBits(uint64(c)<<28|uint64(e), desPC2, 56)
		d.keys[i] = [2]uint32{uint32(k >> 24), uint32(k & 0xffffff)}
	}
	return d
}

// encrypt runs the sixteen rounds count times over one block, which is what crypt(3) does between the initial and the final permutation.
func (d *saltedDES) encrypt(block uint64, count int) uint64 {
	block = permuteBits(block, desIP, 64)
	l, r := uint32(block>>32), uint32(block)
	for range count {
		for i := range d.keys {
			x := bits.RotateLeft32(r, -1)
			u := x>>26<<18 | bits.RotateLeft32(x, 4)>>26<<12 | bits.RotateLeft32(x, 8)>>26<<6 | bits.RotateLeft32(x, 12)>>26
			v := bits.RotateLeft32(x, 16)>>26<<18 | bits.RotateLeft32(x, 20)>>26<<12 | bits.RotateLeft32(x, 24)>>26<<6 | bits.RotateLeft32(x, 28)>>26
			swap := (u ^ v) & d.salt
			u ^= swap ^ d.keys[i][0]
			v ^= swap ^ d.keys[i][1]
			f := desSP[0][u>>18] ^ desSP[1][u>>12&63] ^ desSP[2][u>>6&63] ^ desSP[3][u&63] ^
				desSP[4][v>>18] ^ desSP[5][v>>12&63] ^ desSP[6][v>>6&63] ^ desSP[7][v&63]
			l, r = r, l^f
		}
		l, r = r, l
	}
	return permuteBits(uint64(l)<<32|uint64(r), desFP, 64)
}
