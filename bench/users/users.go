// Package users makes up users of a legacy system: the same ones for the same seed, each with its own e-mail address,
// phone number, account and uid, in no order that an index could like.
package users

import (
	"math/bits"
	"strconv"
)

// Maker makes users. It is not safe for concurrent use.
type Maker struct {
	// Seed tells one population from another.
	Seed uint64
	// ChangedShare is the part of the users, from 0 to 1, that have another nickname than without it.
	ChangedShare float64

	state uint64
}

var (
	given = []string{"Ann", "Bo", "Chen", "Dana", "Emil", "Fatima", "Goran", "Hana", "Iker", "Jun", "Kofi", "Lena",
		"Mei", "Noor", "Olga", "Pablo", "Qi", "Rosa", "Sven", "Tariq", "Uma", "Vera", "Wei", "Ximena", "Yara", "Zoé"}
	family = []string{"Abe", "Bauer", "Costa", "Díaz", "Eze", "Ferrari", "Grün", "Haddad", "Ito", "Jansen", "Kim",
		"Larsen", "Müller", "Novak", "Okafor", "Park", "Quinn", "Rossi", "Sato", "Tran", "Ueda", "Vogel", "Wang", "Xu", "Yilmaz", "Zhang"}
	cities  = []string{"Berlin", "São Paulo", "上海", "Nairobi", "Oslo", "Lima", "Osaka", "Austin"}
	locales = []string{"de-DE", "pt-BR", "zh-CN", "en-KE", "nb-NO", "es-PE", "ja-JP", "en-US"}
	plans   = []string{"free", "basic", "pro", "team"}
	domains = []string{"example.com", "example.org", "mail.example.net", "post.example.com"}
)

const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// next is splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
func (m *Maker) next() uint64 {
	m.state += 0x9e3779b97f4a7c15
	z := m.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// scatter maps the numbers below 10^9 one to one onto themselves, far from their order.
func scatter(i uint64) uint64 {
	const modulus, factor = 1_000_000_000, 387_420_489 // 3^18 and 10^9 have no common factor
	high, low := bits.Mul64(i%modulus, factor)
	_, rest := bits.Div64(high, low, modulus)
	return (rest + 123_456_789) % modulus
}

// Columns are the names of the CSV form, in order.
var Columns = []string{"uid", "nickname", "account_id", "mail", "password", "phone", "emailVerified", "loginsCount",
	"created", "user_metadata.city", "user_metadata.locale", "app_metadata.plan", "app_metadata.score"}

// Cells appends the cells of user i, in the order of Columns.
func (m *Maker) Cells(cells []string, i int) []string {
	m.state = m.Seed ^ uint64(i)*0xd1342543de82ef95
	n := scatter(uint64(i))
	first, last := given[m.next()%uint64(len(given))], family[m.next()%uint64(len(family))]
	nickname := first + " " + last
	if float64(m.next()>>11)/(1<<53) < m.ChangedShare {
		nickname += " II"
	}
	place := m.next() % uint64(len(cities))
	hash := []byte("$2b$12$")
	for range 53 {
		hash = append(hash, bcryptAlphabet[m.next()%64])
	}
	// The last character of a 16-byte salt has four values, that of a 23-byte hash sixteen, every fourth of the alphabet.
	hash[28], hash[59] = ".Oeu"[m.next()%4], bcryptAlphabet[4*(m.next()%16)]
	day := m.next() % 5000
	return append(cells,
		strconv.FormatUint(1_000_000_000_000_000_000+n*7+m.next()%7, 10),
		nickname,
		"u"+strconv.FormatUint(n, 36),
		strconv.FormatUint(n*31%1_000_003, 36)+"."+strconv.FormatUint(n, 36)+"@"+domains[m.next()%uint64(len(domains))],
		string(hash),
		"+8613"+pad(n, 9),
		strconv.FormatBool(m.next()%4 != 0),
		strconv.FormatUint(m.next()%500, 10),
		"20"+pad(10+day/365, 2)+"-"+pad(1+day/30%12, 2)+"-"+pad(1+day%28, 2)+"T"+pad(m.next()%24, 2)+":"+pad(m.next()%60, 2)+":"+pad(m.next()%60, 2)+"Z",
		cities[place], locales[place],
		plans[m.next()%uint64(len(plans))],
		strconv.FormatUint(m.next()%1000, 10)+".5",
	)
}

func pad(n uint64, width int) string {
	s := strconv.FormatUint(n, 10)
	for len(s) < width {
		s = "0" + s
	}
	return s
}

// JSON appends user i as one JSON object. The cells hold nothing that JSON must escape.
func (m *Maker) JSON(dst []byte, i int) []byte {
	var buf [16]string
	c := m.Cells(buf[:0], i)
	for k, part := range [...]string{`{"uid":`, `,"nickname":"`, `","account_id":"`, `","mail":"`, `","password":"`, `","phone":"`,
		`","emailVerified":`, `,"loginsCount":`, `,"created":"`, `","user_metadata":{"city":"`, `","locale":"`, `"},"app_metadata":{"plan":"`, `","score":`} {
		dst = append(dst, part...)
		dst = append(dst, c[k]...)
	}
	return append(dst, `,"tags":["imported","legacy"]},"status":"active"}`...)
}
