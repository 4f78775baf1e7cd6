package password

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/openwall/yescrypt-go"
)

// desKey packs eight characters, seven bits of each, as crypt(3) does.
func desKey(password []byte) uint64 {
	var b [8]byte
	for i, c := range password[:min(8, len(password))] {
		b[i] = c << 1
	}
	return binary.BigEndian.Uint64(b[:])
}

func desText(block uint64) []byte {
	return []byte(cisco64.EncodeToString(binary.BigEndian.AppendUint64(nil, block)))
}

// parseDESCrypt takes the traditional thirteen characters.
func parseDESCrypt(in *input) (*parsed, *Error) {
	s := in.encoded
	if len(s) != 13 {
		return nil, wrongLength("hash", len(s), 13)
	}
	if !inAlphabet(s, h64Values) {
		return nil, malformed("it is not of the crypt alphabet")
	}
	salt := h64Uint(s[:2])
	p := &parsed{kind: kindRounds, salt: []byte(s[:2]), want: []byte(s[2:])}
	p.Params = Params{Algorithm: "descrypt", Iterations: 25, SaltBytes: 2, KeyBytes: 8}
	p.run = func(_ *parsed, password []byte) ([]byte, error) {
		return desText(newSaltedDES(desKey(password), uint32(salt)).encrypt(0, 25)), nil
	}
	return p, nil
}

// parseBSDiCrypt takes _<count:4><salt:4><digest:11>.
func parseBSDiCrypt(rest string) (*parsed, *Error) {
	if len(rest) != 19 {
		return nil, wrongLength("hash", len(rest)+1, 20)
	}
	if !inAlphabet(rest, h64Values) {
		return nil, malformed("it is not of the crypt alphabet")
	}
	count := h64Uint(rest[:4])
	salt := h64Uint(rest[4:8])
	if count == 0 {
		return nil, malformed("the count of rounds is zero")
	}
	p := &parsed{kind: kindRounds, salt: []byte(rest[4:8]), want: []byte(rest[8:])}
	p.Params = Params{Algorithm: "bsdicrypt", Iterations: count, SaltBytes: 4, KeyBytes: 8}
	p.run = func(p *parsed, password []byte) ([]byte, error) {
		key := desKey(password)
		for len(password) > 8 {
			password = password[8:]
			key = newSaltedDES(key, 0).encrypt(key, 1) ^ desKey(password)
		}
		return desText(newSaltedDES(key, uint32(salt)).encrypt(0, p.Iterations)), nil
	}
	return p, nil
}

// parseSHA1Crypt takes NetBSD's $sha1$<rounds>$<salt>$<digest:28>.
func parseSHA1Crypt(rest string) (*parsed, *Error) {
	if strings.HasPrefix(rest, "pf=") {
		return nil, foreign("pf= is Kratos's spelling (format kratos-sha-pf)")
	}
	number, rest, _ := strings.Cut(rest, "$")
	rounds, err := parseInt("count of rounds", number)
	if err != nil {
		return nil, err
	}
	salt, digest, found := strings.Cut(rest, "$")
	switch {
	case !found:
		return nil, malformed("no digest after the salt: the hash was cut off")
	case rounds < 1:
		return nil, malformed("the count of rounds is zero")
	case len(salt) > 64:
		return nil, malformed("a salt of %d characters; at most 64 are possible", len(salt))
	case len(digest) != 28:
		return nil, wrongLength("digest", len(digest), 28)
	case !inAlphabet(digest, h64Values):
		return nil, malformed("the digest is not of the crypt alphabet")
	}
	p := &parsed{kind: kindRounds, salt: []byte(salt), want: []byte(digest)}
	p.Params = Params{Algorithm: "sha1crypt", Iterations: rounds, SaltBytes: len(salt), KeyBytes: 20}
	p.run = func(p *parsed, password []byte) ([]byte, error) {
		h := hmac.New(sha1.New, password)
		sum := []byte(salt + "$sha1$" + strconv.Itoa(p.Iterations))
		for range p.Iterations {
			h.Reset()
			h.Write(sum)
			sum = h.Sum(nil)
		}
		return permuted(sum, sha1Order, 28), nil
	}
	return p, nil
}

// The last group wraps around to the first byte.
var sha1Order = []int8{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 0}

// hamlet is the text that Sun's MD5 mixes in where a coin falls on its head, with the NUL at its end.
const hamlet = `To be, or not to be,--that is the question:--
Whether 'tis nobler in the mind to suffer
The slings and arrows of outrageous fortune
Or to take arms against a sea of troubles,
And by opposing end them?--To die,--to sleep,--
No more; and by a sleep to say we end
The heartache, and the thousand natural shocks
That flesh is heir to,--'tis a consummation
Devoutly to be wish'd. To die,--to sleep;--
To sleep! perchance to dream:--ay, there's the rub;
For in that sleep of death what dreams may come,
When we have shuffled off this mortal coil,
Must give us pause: there's the respect
That makes calamity of so long life;
For who would bear the whips and scorns of time,
The oppressor's wrong, the proud man's contumely,
The pangs of despis'd love, the law's delay,
The insolence of office, and the spurns
That patient merit of the unworthy takes,
When he himself might his quietus make
With a bare bodkin? who would these fardels bear,
To grunt and sweat under a weary life,
But that the dread of something after death,--
The undiscover'd country, from whose bourn
No traveller returns,--puzzles the will,
And makes us rather bear those ills we have
Than fly to others that we know not of?
Thus conscience does make cowards of us all;
And thus the native hue of resolution
Is sicklied o'er with the pale cast of thought;
And enterprises of great pith and moment,
With this regard, their currents turn awry,
And lose the name of action.--Soft you now!
The fair Ophelia!--Nymph, in thy orisons
Be all my sins remember'd.
` + "\x00"

// parseSunMD5 takes $md5[,rounds=N]$<salt>$[$]<digest:22>. A second "$" before the digest belongs to what is hashed as the salt.
func parseSunMD5(in *input) (*parsed, *Error) {
	s := in.encoded
	rest, ok := strings.CutPrefix(s, "$md5")
	if !ok {
		return nil, malformed("it does not begin with $md5")
	}
	if strings.HasPrefix(rest, "$pf=") {
		return nil, foreign("pf= is Kratos's spelling (format kratos-md5)")
	}
	rounds := 0
	if after, ok := strings.CutPrefix(rest, ",rounds="); ok {
		number, _, _ := strings.Cut(after, "$")
		n, err := parseInt("count of rounds", number)
		if err != nil {
			return nil, err
		}
		rounds, rest = n, after[len(number):]
	}
	end := strings.LastIndexByte(s, '$')
	if !strings.HasPrefix(rest, "$") || strings.Count(rest, "$") < 2 {
		return nil, foreign("no digest after the salt: the hash was cut off")
	}
	digest := s[end+1:]
	if len(digest) != 22 {
		return nil, wrongLength("digest", len(digest), 22)
	}
	if !inAlphabet(digest, h64Values) {
		return nil, malformed("the digest is not of the crypt alphabet")
	}
	config := s[:end]
	p := &parsed{kind: kindRounds, salt: []byte(config), want: []byte(digest)}
	p.Params = Params{Algorithm: "sunmd5", Iterations: 4096 + rounds, SaltBytes: len(config), KeyBytes: 16}
	p.run = func(p *parsed, password []byte) ([]byte, error) {
		return permuted(sunMD5(password, p.salt, p.Iterations), md5Order, 22), nil
	}
	return p, nil
}

func sunMD5(password, config []byte, rounds int) []byte {
	h := md5.New()
	h.Write(password)
	h.Write(config)
	sum := h.Sum(nil)
	bit := func(n int) int { return int(sum[n>>3&15]>>(n&7)) & 1 }
	// Each half of a coin picks eight bits through two indirections.
	half := func(offset int) int {
		x := 0
		for i := range 8 {
			a, b := int(sum[(i+offset)&15]), int(sum[(i+offset+3)&15])
			v := int(sum[a>>(b%5)&15]) >> (b >> (a & 7) & 1)
			x |= bit(v&127) << i
		}
		return x
	}
	for round := range rounds {
		x := half(0) >> bit(round&127) & 127
		y := half(8) >> bit((round+64)&127) & 127
		coin := bit(x) ^ bit(y)
		h.Reset()
		h.Write(sum)
		if coin == 1 {
			h.Write([]byte(hamlet))
		}
		h.Write([]byte(strconv.Itoa(round)))
		sum = h.Sum(sum[:0])
	}
	return sum
}

// parseYescrypt takes $y$<parameters>$<salt>$<digest:43>. The parameters are decoded here for the bounds and computed with by the
// yescrypt package.
func parseYescrypt(s string) (*parsed, *Error) {
	rest, ok := strings.CutPrefix(s, "$y$")
	if !ok {
		return nil, malformed("it does not begin with $y$")
	}
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return nil, malformed("parameters, salt and digest expected after $y$: the hash was cut off")
	}
	if len(parts[2]) != 43 {
		return nil, wrongLength("digest", len(parts[2]), 43)
	}
	if !inAlphabet(parts[1], h64Values) || !inAlphabet(parts[2], h64Values) {
		return nil, malformed("salt or digest is not of the crypt alphabet")
	}
	params := parts[0]
	var numbers [3]int // flavour, log2 of N, r
	for i := range numbers {
		least := min(i, 1)
		n, used := yescryptNumber(params, least)
		if used == 0 {
			return nil, malformed("the parameters are not of the crypt alphabet")
		}
		numbers[i], params = n, params[used:]
	}
	if params != "" {
		return nil, unsupported("yescrypt with p, t, g or a ROM")
	}
	n, err := powerOfTwo(numbers[1])
	if err != nil {
		return nil, err
	}
	p := &parsed{kind: kindScrypt, salt: []byte(parts[1]), want: []byte(parts[2])}
	p.Params = Params{Algorithm: "yescrypt", N: n, BlockSize: numbers[2], Parallelism: 1, SaltBytes: len(parts[1]) * 3 / 4, KeyBytes: 32}
	setting := s[:strings.LastIndexByte(s, '$')]
	p.run = func(_ *parsed, password []byte) ([]byte, error) {
		out, err := yescrypt.Hash(password, []byte(setting))
		if err != nil {
			return nil, unsupported("yescrypt with these parameters")
		}
		return out[bytes.LastIndexByte(out, '$')+1:], nil
	}
	return p, nil
}

// yescryptNumber reads a number of yescrypt's variable-length code and says how many characters it took; none if there is no number.
func yescryptNumber(s string, least int) (n, used int) {
	if s == "" {
		return 0, 0
	}
	start, end, chars, shift := 0, 47, 1, 0
	c := int(h64Values[s[0]])
	if c == notInAlphabet {
		return 0, 0
	}
	n = least
	for c > end {
		n += (end + 1 - start) << shift
		start = end + 1
		end = start + (62-end)/2
		chars++
		shift += 6
	}
	n += (c - start) << shift
	if len(s) < chars {
		return 0, 0
	}
	for i := 1; i < chars; i++ {
		c := int(h64Values[s[i]])
		if c == notInAlphabet {
			return 0, 0
		}
		shift -= 6
		n += c << shift
	}
	return n, chars
}

// parseAIX takes {ssha256}<log2 of iterations:2>$<salt>$<digest>: PBKDF2, spelled in groups of three bytes.
func parseAIX(digest string) func(string) (*parsed, *Error) {
	size := digestSizes[digest]
	chars := (size*8 + 5) / 6
	return func(rest string) (*parsed, *Error) {
		cost, rest, _ := strings.Cut(rest, "$")
		salt, text, found := strings.Cut(rest, "$")
		n, err := parseInt("cost", cost)
		switch {
		case err != nil:
			return nil, err
		case !found:
			return nil, malformed("no digest after the salt: the hash was cut off")
		case len(text) != chars:
			return nil, wrongLength("digest", len(text), chars)
		case !inAlphabet(text, h64Values):
			return nil, malformed("the digest is not of the crypt alphabet")
		case n > 31:
			return nil, overLimit("2^%d iterations", n)
		}
		p := newPBKDF2(digest, 1<<n, []byte(salt), []byte(text))
		p.Algorithm, p.KeyBytes = "aix-pbkdf2", size
		p.run = func(p *parsed, password []byte) ([]byte, error) {
			key, err := runPBKDF2(p, password)
			if err != nil {
				return nil, err
			}
			var order []int8
			for i := 0; i < size; i += 3 {
				for j := i; j < i+3; j++ {
					if j < size {
						order = append(order, int8(j))
					} else {
						order = append(order, -1)
					}
				}
			}
			return permuted(key, order, chars), nil
		}
		return p, nil
	}
}
