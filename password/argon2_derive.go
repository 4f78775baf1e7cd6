package password

import (
	"encoding/binary"
	"hash"
	"math/bits"
	"sync"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2b"
)

// deriveArgon2 uses golang.org/x/crypto where it can (argon2i and argon2id of version 19) and the portable code below for what that
// package does not offer: argon2d, version 16, secret and associated data.
func deriveArgon2(password []byte, p *parsed) ([]byte, error) {
	plain := p.Version == 19 && len(p.secret) == 0 && len(p.associated) == 0
	switch {
	case plain && p.Algorithm == "argon2id":
		return argon2.IDKey(password, p.salt, uint32(p.Time), uint32(p.Memory), uint8(p.Parallelism), uint32(p.KeyBytes)), nil
	case plain && p.Algorithm == "argon2i":
		return argon2.Key(password, p.salt, uint32(p.Time), uint32(p.Memory), uint8(p.Parallelism), uint32(p.KeyBytes)), nil
	}
	a := argon2State{parsed: p, kind: map[string]uint64{"argon2d": 0, "argon2i": 1, "argon2id": 2}[p.Algorithm]}
	return a.derive(password), nil
}

// argon2Block is 1 KiB.
type argon2Block [128]uint64

const argon2Slices = 4

// argon2State is one computation of RFC 9106.
type argon2State struct {
	*parsed
	kind    uint64
	blocks  []argon2Block
	lanes   int
	lane    int // blocks in a lane
	segment int // blocks in a segment
}

func (a *argon2State) derive(password []byte) []byte {
	a.lanes = a.Parallelism
	a.segment = a.Memory / (argon2Slices * a.lanes)
	a.lane = a.segment * argon2Slices
	a.blocks = make([]argon2Block, a.lane*a.lanes)

	// H0 and, after it, room for the block's and the lane's number.
	seed := make([]byte, blake2b.Size+8)
	h, _ := blake2b.New512(nil)
	for _, n := range []int{a.lanes, a.KeyBytes, a.Memory, a.Time, a.Version, int(a.kind)} {
		writeUint32(h, n)
	}
	for _, b := range [][]byte{password, a.salt, a.secret, a.associated} {
		writeUint32(h, len(b))
		h.Write(b)
	}
	h.Sum(seed[:0])
	buffer := make([]byte, 1024)
	for l := range a.lanes {
		binary.LittleEndian.PutUint32(seed[blake2b.Size+4:], uint32(l))
		for i := range 2 {
			binary.LittleEndian.PutUint32(seed[blake2b.Size:], uint32(i))
			longBlake2b(buffer, seed)
			for j := range a.blocks[l*a.lane+i] {
				a.blocks[l*a.lane+i][j] = binary.LittleEndian.Uint64(buffer[8*j:])
			}
		}
	}
	for pass := range a.Time {
		for slice := range argon2Slices {
			var wg sync.WaitGroup
			for lane := range a.lanes {
				wg.Go(func() { a.fill(pass, slice, lane) })
			}
			wg.Wait()
		}
	}
	last := a.blocks[a.lane-1]
	for l := 1; l < a.lanes; l++ {
		for i, w := range a.blocks[l*a.lane+a.lane-1] {
			last[i] ^= w
		}
	}
	for i, w := range last {
		binary.LittleEndian.PutUint64(buffer[8*i:], w)
	}
	out := make([]byte, a.KeyBytes)
	longBlake2b(out, buffer)
	return out
}

// fill computes one segment of a lane.
func (a *argon2State) fill(pass, slice, lane int) {
	independent := a.kind == 1 || a.kind == 2 && pass == 0 && slice < 2
	var addresses, input, zero argon2Block
	if independent {
		for i, n := range []int{pass, lane, slice, len(a.blocks), a.Time, int(a.kind)} {
			input[i] = uint64(n)
		}
	}
	nextAddresses := func() {
		input[6]++
		addresses = argon2Block{}
		compress(&addresses, &input, &zero, false)
		first := addresses
		compress(&addresses, &first, &zero, false)
	}
	start := 0
	if pass == 0 && slice == 0 {
		start = 2
		if independent {
			nextAddresses()
		}
	}
	for i := start; i < a.segment; i++ {
		column := slice*a.segment + i
		at := lane*a.lane + column
		previous := at - 1
		if column == 0 {
			previous = at + a.lane - 1
		}
		var random uint64
		if independent {
			if i%128 == 0 {
				nextAddresses()
			}
			random = addresses[i%128]
		} else {
			random = a.blocks[previous][0]
		}
		reference := a.reference(random, pass, slice, lane, i)
		// Version 16 overwrites the block in later passes; version 19 mixes it in.
		compress(&a.blocks[at], &a.blocks[previous], &a.blocks[reference], a.Version == 19 && pass > 0)
	}
}

// reference is the index of the block that random selects (RFC 9106, section 3.4.2).
func (a *argon2State) reference(random uint64, pass, slice, lane, index int) int {
	from := int(random>>32) % a.lanes
	if pass == 0 && slice == 0 {
		from = lane
	}
	area := slice * a.segment
	start := 0
	if pass > 0 {
		area = a.lane - a.segment
		start = (slice + 1) * a.segment % a.lane
	}
	if from == lane {
		area += index - 1
	} else if index == 0 {
		area--
	}
	x := random & 0xffffffff
	x = x * x >> 32
	relative := area - 1 - int(uint64(area)*x>>32)
	return from*a.lane + (start+relative)%a.lane
}

// compress is the function G; with mix, the result is XORed into out.
func compress(out, x, y *argon2Block, mix bool) {
	var r argon2Block
	for i := range r {
		r[i] = x[i] ^ y[i]
	}
	t := r
	for i := 0; i < 128; i += 16 {
		permute(&t, i, i+1, i+2, i+3, i+4, i+5, i+6, i+7, i+8, i+9, i+10, i+11, i+12, i+13, i+14, i+15)
	}
	for i := 0; i < 16; i += 2 {
		permute(&t, i, i+1, i+16, i+17, i+32, i+33, i+48, i+49, i+64, i+65, i+80, i+81, i+96, i+97, i+112, i+113)
	}
	for i := range r {
		if mix {
			out[i] ^= r[i] ^ t[i]
		} else {
			out[i] = r[i] ^ t[i]
		}
	}
}

func permute(b *argon2Block, i ...int) {
	quarter(b, i[0], i[4], i[8], i[12])
	quarter(b, i[1], i[5], i[9], i[13])
	quarter(b, i[2], i[6], i[10], i[14])
	quarter(b, i[3], i[7], i[11], i[15])
	quarter(b, i[0], i[5], i[10], i[15])
	quarter(b, i[1], i[6], i[11], i[12])
	quarter(b, i[2], i[7], i[8], i[13])
	quarter(b, i[3], i[4], i[9], i[14])
}

func quarter(v *argon2Block, a, b, c, d int) {
	v[a] += v[b] + 2*uint64(uint32(v[a]))*uint64(uint32(v[b]))
	v[d] = bits.RotateLeft64(v[d]^v[a], -32)
	v[c] += v[d] + 2*uint64(uint32(v[c]))*uint64(uint32(v[d]))
	v[b] = bits.RotateLeft64(v[b]^v[c], -24)
	v[a] += v[b] + 2*uint64(uint32(v[a]))*uint64(uint32(v[b]))
	v[d] = bits.RotateLeft64(v[d]^v[a], -16)
	v[c] += v[d] + 2*uint64(uint32(v[c]))*uint64(uint32(v[d]))
	v[b] = bits.RotateLeft64(v[b]^v[c], -63)
}

// longBlake2b is H' of RFC 9106: BLAKE2b of any output length.
func longBlake2b(out, in []byte) {
	size := min(len(out), blake2b.Size)
	h, _ := blake2b.New(size, nil)
	writeUint32(h, len(out))
	h.Write(in)
	sum := h.Sum(nil)
	if len(out) <= blake2b.Size {
		copy(out, sum)
		return
	}
	n := copy(out, sum[:32])
	for len(out)-n > blake2b.Size {
		next := blake2b.Sum512(sum)
		sum = next[:]
		n += copy(out[n:], sum[:32])
	}
	h, _ = blake2b.New(len(out)-n, nil)
	h.Write(sum)
	copy(out[n:], h.Sum(nil))
}

func writeUint32(h hash.Hash, n int) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(n))
	h.Write(b[:])
}
