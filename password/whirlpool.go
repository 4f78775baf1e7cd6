package password

import (
	"encoding/binary"
	"hash"
	"math/bits"
	"sync"
)

// whirlpool is the final version of Barreto and Rijmen's digest (ISO/IEC 10118-3:2004); its tables are made from the description.
type whirlpool struct {
	tables *whirlpoolTables
	state  [8]uint64
	buffer [64]byte
	filled int
	length uint64 // bytes
}

const whirlpoolRounds = 10

type whirlpoolTables struct {
	rows      [8][256]uint64
	constants [whirlpoolRounds]uint64
}

func newWhirlpool() hash.Hash { return &whirlpool{tables: makeWhirlpoolTables()} }

var makeWhirlpoolTables = sync.OnceValue(func() *whirlpoolTables {
	// The S-box is built of two 4-bit boxes, E and its inverse, and R.
	e := [16]byte{0x1, 0xB, 0x9, 0xC, 0xD, 0x6, 0xF, 0x3, 0xE, 0x8, 0x7, 0x4, 0xA, 0x2, 0x5, 0x0}
	r := [16]byte{0x7, 0xC, 0xB, 0xD, 0xE, 0x4, 0x9, 0xF, 0x6, 0x3, 0x8, 0xA, 0x2, 0x5, 0x1, 0x0}
	var inverse [16]byte
	for i, v := range e {
		inverse[v] = byte(i)
	}
	var box [256]byte
	for x := range 256 {
		a, b := e[x>>4], inverse[x&15]
		c := r[a^b]
		box[x] = e[a^c]<<4 | inverse[b^c]
	}
	// The diffusion matrix is circulant over GF(2^8) with the polynomial x^8+x^4+x^3+x^2+1.
	t := new(whirlpoolTables)
	row := [8]byte{1, 1, 4, 1, 8, 5, 2, 9}
	for x := range 256 {
		var w uint64
		for _, factor := range row {
			w = w<<8 | uint64(times(box[x], factor))
		}
		for i := range t.rows {
			t.rows[i][x] = bits.RotateLeft64(w, -8*i)
		}
	}
	for i := range t.constants {
		t.constants[i] = binary.BigEndian.Uint64(box[8*i:])
	}
	return t
})

func times(a, b byte) byte {
	var out byte
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			out ^= a
		}
		carry := a & 0x80
		a <<= 1
		if carry != 0 {
			a ^= 0x1D
		}
	}
	return out
}

func (w *whirlpool) Size() int      { return 64 }
func (w *whirlpool) BlockSize() int { return 64 }
func (w *whirlpool) Reset()         { *w = whirlpool{tables: w.tables} }

func (w *whirlpool) Write(b []byte) (int, error) {
	n := len(b)
	w.length += uint64(n)
	for len(b) > 0 {
		c := copy(w.buffer[w.filled:], b)
		w.filled += c
		b = b[c:]
		if w.filled == len(w.buffer) {
			w.block()
			w.filled = 0
		}
	}
	return n, nil
}

func (w *whirlpool) Sum(in []byte) []byte {
	c := *w
	length := c.length * 8
	pad := [64]byte{0x80}
	zeros := 32 - c.filled%64
	if zeros <= 0 {
		zeros += 64
	}
	_, _ = c.Write(pad[:min(zeros, 64)])
	var tail [32]byte
	binary.BigEndian.PutUint64(tail[24:], length)
	_, _ = c.Write(tail[:])
	for _, s := range c.state {
		in = binary.BigEndian.AppendUint64(in, s)
	}
	return in
}

func (w *whirlpool) block() {
	var message, state [8]uint64
	key := w.state
	for i := range message {
		message[i] = binary.BigEndian.Uint64(w.buffer[8*i:])
		state[i] = message[i] ^ key[i]
	}
	for _, c := range w.tables.constants {
		key = w.tables.round(key)
		key[0] ^= c
		state = w.tables.round(state)
		for i := range state {
			state[i] ^= key[i]
		}
	}
	for i := range w.state {
		w.state[i] ^= state[i] ^ message[i]
	}
}

func (w *whirlpoolTables) round(in [8]uint64) (out [8]uint64) {
	for i := range out {
		for t := range 8 {
			out[i] ^= w.rows[t][byte(in[(i-t)&7]>>(56-8*t))]
		}
	}
	return out
}
