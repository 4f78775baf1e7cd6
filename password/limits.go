package password

// Limits bound what a hash may ask for before anything is derived from it. A stored hash is outside data: without a bound,
// one row that names 4 TiB of memory stops the process that tries to verify it.
type Limits struct {
	BcryptCost    int   // highest bcrypt cost (log2 of the rounds); the lowest is always 4
	Memory        int64 // bytes of memory for argon2, scrypt and yescrypt
	Argon2Passes  int   // highest t
	Parallelism   int   // highest p of argon2 and scrypt
	Iterations    int   // highest PBKDF2 count, for each block of the output
	CryptRounds   int   // highest count of sha256crypt, sha512crypt, sha1crypt, sunmd5 and iterated digests
	PhpassRounds  int   // highest count of phpass and Drupal 7
	EncodedBytes  int   // longest encoded hash
	PasswordBytes int   // longest password
	SaltBytes     int   // longest salt
	HashedBytes   int64 // bytes that a scheme whose rounds each read the whole password may hash in all
}

// DefaultLimits are the bounds used where no others are given: a verification within them takes at most some seconds of one
// core and 256 MiB.
func DefaultLimits() Limits {
	return Limits{
		BcryptCost:    14,
		Memory:        256 << 20,
		Argon2Passes:  10,
		Parallelism:   16,
		Iterations:    5_000_000,
		CryptRounds:   1_000_000,
		PhpassRounds:  1 << 18,
		EncodedBytes:  8 << 10,
		PasswordBytes: 4 << 10,
		SaltBytes:     1 << 10,
		HashedBytes:   2 << 30,
	}
}

const (
	minDigestBytes = 8
	maxDigestBytes = 512
	// minDerivedBytes is the least that real systems take of a derivation that gives as many bytes as are asked for: a digest that was cut off
	// to fewer would still match, and many passwords with it.
	minDerivedBytes = 16
	// scryptWork bounds N·r·p·128, which is what scrypt and argon2 write in all, as a multiple of the memory bound.
	scryptWork = 8
)

// within checks the costs that p declares. It runs before any derivation.
func (p *parsed) within(l *Limits) *Error {
	if len(p.salt) > l.SaltBytes {
		return overLimit("a salt of %d bytes; the limit is %d", len(p.salt), l.SaltBytes)
	}
	if !p.asText && p.want != nil {
		least := minDigestBytes
		if !p.short && (p.kind == kindArgon2 || p.kind == kindScrypt || p.kind == kindPBKDF2) {
			least = minDerivedBytes
		}
		if len(p.want) < least {
			return malformed("a digest of %d bytes; %d at least are expected: the hash was cut off", len(p.want), least)
		}
		if len(p.want) > maxDigestBytes {
			return malformed("a digest of %d bytes; %d at most are possible", len(p.want), maxDigestBytes)
		}
	}
	switch p.kind {
	case kindBcrypt:
		return withinBcrypt(p.Cost, l)
	case kindArgon2:
		switch {
		case p.Time < 1 || p.Parallelism < 1 || p.Version == 0:
			return malformed("t and p must be at least 1")
		case p.Memory < 8*p.Parallelism:
			return malformed("m=%d KiB is less than the 8 KiB a lane that argon2 needs", p.Memory)
		case int64(p.Memory)<<10 > l.Memory:
			return overLimit("m=%d KiB; the limit is %d", p.Memory, l.Memory>>10)
		case p.Time > l.Argon2Passes:
			return overLimit("t=%d; the limit is %d", p.Time, l.Argon2Passes)
		case p.Parallelism > l.Parallelism:
			return overLimit("p=%d; the limit is %d", p.Parallelism, l.Parallelism)
		}
	case kindScrypt:
		if p.N < 2 || p.N&(p.N-1) != 0 || p.BlockSize < 1 || p.Parallelism < 1 {
			return malformed("N must be a power of two above 1, r and p at least 1")
		}
		if p.Parallelism > l.Parallelism {
			return overLimit("p=%d; the limit is %d", p.Parallelism, l.Parallelism)
		}
		// Divided rather than multiplied: N and r come from outside and could overflow.
		if int64(p.N) > l.Memory/128 || int64(p.BlockSize) > l.Memory/128/int64(p.N) {
			return overLimit("N=%d, r=%d need more than the limit of %d MiB", p.N, p.BlockSize, l.Memory>>20)
		}
		if int64(p.N)*int64(p.BlockSize)*int64(p.Parallelism)*128 > scryptWork*l.Memory {
			return overLimit("N=%d, r=%d, p=%d ask for more work than the limit", p.N, p.BlockSize, p.Parallelism)
		}
	case kindPBKDF2:
		if p.Iterations < 1 {
			return malformed("the iteration count is zero")
		}
		if p.Iterations > l.Iterations {
			return overLimit("%d iterations; the limit is %d", p.Iterations, l.Iterations)
		}
		size := digestSizes[p.Digest]
		if size == 0 {
			return unsupported("PBKDF2 with digest %q", p.Digest)
		}
		if blocks := (p.KeyBytes + size - 1) / size; blocks > 1 && p.Iterations > 2*l.Iterations/blocks {
			return overLimit("%d iterations for each of %d blocks; the limit is %d in all", p.Iterations, blocks, 2*l.Iterations)
		}
	case kindRounds:
		if p.Iterations > l.CryptRounds {
			return overLimit("%d rounds; the limit is %d", p.Iterations, l.CryptRounds)
		}
	case kindPhpass:
		if p.Iterations > l.PhpassRounds {
			return overLimit("%d rounds; the limit is %d", p.Iterations, l.PhpassRounds)
		}
	}
	return nil
}

func withinBcrypt(cost int, l *Limits) *Error {
	if cost < 4 || cost > 31 {
		return malformed("cost %d; 4 to 31 are possible", cost)
	}
	if cost > l.BcryptCost {
		return overLimit("cost %d; the limit is %d", cost, l.BcryptCost)
	}
	return nil
}

// memory is what the derivation allocates, in bytes.
func (p *parsed) memory() int64 {
	switch p.kind {
	case kindArgon2:
		return int64(p.Memory) << 10
	case kindScrypt:
		return int64(p.N)*int64(p.BlockSize)*128 + int64(p.BlockSize)*int64(p.Parallelism)*128
	}
	return 64 << 10
}

// hashedBytes is what a scheme that reads the password in each round hashes in all.
func (p *parsed) hashedBytes(password int) int64 {
	if p.kind != kindRounds && p.kind != kindPhpass {
		return 0
	}
	return int64(p.Iterations) * int64(2*password+len(p.salt)+64)
}

var defaultLimits = DefaultLimits()
