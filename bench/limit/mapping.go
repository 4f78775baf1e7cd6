package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/valyala/fastjson"
)

const (
	blockSize       = 256 << 10
	fingerprintSize = 16
)

// blocks reads the file in pieces of whole lines. Each piece is a buffer that give returns to it.
type blocks struct {
	in   io.Reader
	rest []byte
	free chan []byte
	err  error
}

func newBlocks(in io.Reader, buffers int) *blocks {
	return &blocks{in: in, free: make(chan []byte, buffers)}
}

// next gives the next whole lines, or io.EOF.
func (b *blocks) next() ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	var buf []byte
	select {
	case buf = <-b.free:
	default:
		buf = make([]byte, 0, blockSize+64<<10)
	}
	buf = append(buf[:0], b.rest...)
	for {
		n, err := b.in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			b.err = io.EOF
			if len(buf) == 0 {
				return nil, io.EOF
			}
			b.rest = nil
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
		if len(buf) < blockSize {
			continue
		}
		end := bytes.LastIndexByte(buf, '\n')
		if end < 0 {
			return nil, errors.New("a line is longer than expected")
		}
		b.rest = append(b.rest[:0], buf[end+1:]...)
		return buf[:end+1], nil
	}
}

func (b *blocks) give(buf []byte) {
	select {
	case b.free <- buf:
	default:
	}
}

// user holds the mapped fields in the form in which they are stored. The keys begin with their kind.
type user struct {
	emailKey, phoneKey, usernameKey             string
	nickname, locale, createdAt, password       string
	customAttributes, userMetadata, appMetadata string
	loginsCount                                 int64
	emailVerified                               bool
	fingerprint                                 [fingerprintSize]byte
}

func (u *user) email() string    { return u.emailKey[len("email:"):] }
func (u *user) phone() string    { return u.phoneKey[len("phone:"):] }
func (u *user) username() string { return u.usernameKey[len("username:"):] }

// mapper turns lines into users. The texts of a user are parts of one string.
type mapper struct {
	parser fastjson.Parser
	buf    []byte
	ends   [10]int
	fields int
}

// end closes a field in buf. A NUL, which no field holds, keeps neighbours apart in the fingerprint.
func (m *mapper) end() {
	m.ends[m.fields] = len(m.buf)
	m.fields++
	m.buf = append(m.buf, 0)
}

var errUnexpected = errors.New("a field is missing or not what it should be")

// read maps one line.
func (m *mapper) read(line []byte, u *user) error {
	v, err := m.parser.ParseBytes(line)
	if err != nil {
		return err
	}
	o, err := v.Object()
	if err != nil {
		return err
	}
	var mail, nickname, account, phone, password, created, city, locale, plan []byte
	var uid, verified, logins *fastjson.Value
	o.Visit(func(name []byte, v *fastjson.Value) {
		switch string(name) {
		case "uid":
			uid = v
		case "nickname":
			nickname = text(v)
		case "account_id":
			account = text(v)
		case "mail":
			mail = text(v)
		case "password":
			password = text(v)
		case "phone":
			phone = text(v)
		case "emailVerified":
			verified = v
		case "loginsCount":
			logins = v
		case "created":
			created = text(v)
		case "user_metadata":
			city, locale = v.GetStringBytes("city"), v.GetStringBytes("locale")
		case "app_metadata":
			plan = v.GetStringBytes("plan")
		}
	})
	if uid == nil || verified == nil || logins == nil || !isEmail(mail) || !isPhone(phone) || len(account) == 0 ||
		len(nickname) == 0 || !isInstant(created) || !isBcrypt(password) || len(city) == 0 || len(plan) == 0 {
		return errUnexpected
	}
	if len(locale) == 0 {
		locale = []byte("en")
	}
	if u.loginsCount, err = logins.Int64(); err != nil {
		return err
	}
	if u.emailVerified, err = verified.Bool(); err != nil {
		return err
	}

	m.fields = 0
	m.buf = appendLower(append(m.buf[:0], "email:"...), mail)
	m.end()
	m.buf = append(append(m.buf, "phone:"...), phone...)
	m.end()
	m.buf = appendLower(append(m.buf, "username:"...), account)
	m.end()
	m.buf = append(m.buf, nickname...)
	m.end()
	m.buf = append(m.buf, locale...)
	m.end()
	m.buf = append(m.buf, created...)
	m.end()
	m.buf = append(m.buf, password...)
	m.end()
	m.buf = append(uid.MarshalTo(append(m.buf, `{"legacy_id":`...)), '}')
	m.end()
	m.buf = append(appendJSONText(append(m.buf, `{"city":`...), city), '}')
	m.end()
	m.buf = append(appendJSONText(append(m.buf, `{"plan":`...), plan), '}')
	m.end()
	s := string(m.buf)
	start := 0
	for i, to := range [...]*string{&u.emailKey, &u.phoneKey, &u.usernameKey, &u.nickname, &u.locale, &u.createdAt, &u.password,
		&u.customAttributes, &u.userMetadata, &u.appMetadata} {
		*to = s[start:m.ends[i]]
		start = m.ends[i] + 1
	}
	return nil
}

// mark makes the fingerprint of the user that was read last.
func (m *mapper) mark(u *user) {
	m.buf = strconv.AppendInt(m.buf, u.loginsCount, 10)
	m.buf = strconv.AppendBool(m.buf, u.emailVerified)
	sum := sha256.Sum256(m.buf)
	copy(u.fingerprint[:], sum[:])
}

func text(v *fastjson.Value) []byte {
	b, _ := v.StringBytes()
	return b
}

func appendLower(dst, s []byte) []byte {
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendJSONText appends a text in which, in these files, nothing needs escaping.
func appendJSONText(dst, s []byte) []byte {
	return append(append(append(dst, '"'), s...), '"')
}

func isEmail(s []byte) bool {
	at := bytes.IndexByte(s, '@')
	return at > 0 && at < len(s)-1 && bytes.IndexByte(s[at+1:], '@') < 0 && !bytes.ContainsAny(s, " \t\"\\<>()")
}

func isPhone(s []byte) bool {
	if len(s) < 8 || len(s) > 16 || s[0] != '+' {
		return false
	}
	for _, c := range s[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func isInstant(s []byte) bool {
	return len(s) == len("2006-01-02T15:04:05Z") && s[4] == '-' && s[10] == 'T' && s[19] == 'Z'
}

func isBcrypt(s []byte) bool { return len(s) == 60 && s[0] == '$' && s[1] == '2' && s[6] == '$' }

// eachLine calls what for every line that is not empty.
func eachLine(block []byte, what func(line []byte) error) error {
	for len(block) > 0 {
		line := block
		if end := bytes.IndexByte(block, '\n'); end >= 0 {
			line, block = block[:end], block[end+1:]
		} else {
			block = nil
		}
		if len(line) > 0 {
			if err := what(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// decodeAndMap is the loop without a sink, on one core.
func decodeAndMap(in io.Reader) (summary, error) {
	var sum summary
	var m mapper
	var u user
	b := newBlocks(in, 1)
	for {
		block, err := b.next()
		if err == io.EOF {
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
		err = eachLine(block, func(line []byte) error {
			sum.Total++
			return m.read(line, &u)
		})
		if err != nil {
			return sum, fmt.Errorf("record %d: %w", sum.Total, err)
		}
		b.give(block)
	}
}
