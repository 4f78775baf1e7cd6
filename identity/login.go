package identity

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/usher-id/usher/password"
)

// Login is what a store says to an identifier and a password.
type Login struct {
	// UserID is empty where nobody has the identifier.
	UserID string
	// Disabled says that the user must not log in, whatever the password.
	Disabled bool
	// Result is Mismatch also where nobody has the identifier, after as long a time.
	Result password.Result
	// Rehashed says that the password is stored under the current hasher from now on.
	Rehashed bool
}

// Hashing says how a store handles the passwords of people who log in.
type Hashing struct {
	// Hasher is the current one, of password.Hashers; empty means password.DefaultHasher. Params are its costs, zero for the defaults.
	Hasher string
	Params password.Params
	// Secrets are the peppers and keys that some formats need and that are not kept beside the hashes, by their context names.
	Secrets password.Context
}

// SetHashing has VerifyPassword hash and verify as h says. It is called before the first login.
func (s *Store) SetHashing(h Hashing) { s.hashing = h }

// VerifyPassword checks the password of the user who has the identifier: an email address, a phone number (E.164) or a user name, looked
// for in this order. A password that matches a hash weaker than the current hasher makes is hashed anew and stored, durably and at once,
// if the store is open for writing; so users move to it as they log in. Result tells a password that is wrong (Mismatch) from one that cannot be
// checked; an error is about the store. It may be called from any goroutine, but not while an Import of the same Store goes on.
func (s *Store) VerifyPassword(ctx context.Context, identifier string, plain []byte) (Login, error) {
	u, err := s.loginRow(identifier)
	if err != nil {
		return Login{}, s.describe("reading", err)
	}
	if u.seq == 0 {
		password.Dummy(ctx, plain)
		return Login{Result: password.Result{Outcome: password.Mismatch}}, ctx.Err()
	}
	login := Login{UserID: u.id, Disabled: u.cells[aDisabled] != ""}
	if u.cells[aPassword] == "" {
		password.Dummy(ctx, plain)
		login.Result = password.Result{Outcome: password.Unsupported, Reason: "the user has no password", Code: CodeNoPassword}
		return login, ctx.Err()
	}
	h, err := password.ParseStored(u.cells[aPassword])
	if err != nil {
		login.Result = unreadable(err)
		return login, nil
	}
	values := h.Context
	if len(s.hashing.Secrets) > 0 {
		values = make(password.Context, len(h.Context)+len(s.hashing.Secrets))
		for _, from := range []password.Context{h.Context, s.hashing.Secrets} {
			for key, v := range from {
				values[key] = v
			}
		}
	}
	login.Result = password.Verify(ctx, h.Format, h.Encoded.Reveal(), plain, values)
	if login.Result.Outcome != password.Match || s.mode != Write {
		return login, ctx.Err()
	}
	login.Rehashed, err = s.rehash(ctx, u, h, plain)
	return login, err
}

// loginRow reads the user who has the identifier; its seq is 0 where nobody has it.
func (s *Store) loginRow(identifier string) (*row, error) {
	s.logins.Lock()
	defer s.logins.Unlock()
	l := s.layer()
	u := &row{}
	seq, err := s.findLogin(l, identifier)
	if err != nil || seq == 0 {
		return u, err
	}
	found := func(int64) *row { return u }
	err = errors.Join(l.heads([]int64{seq}, func(_ int64, id string, _ mark) { u.id = id }),
		l.users([]int64{seq}, userCells, found), l.credentials([]int64{seq}, credentialCells, found))
	u.seq = seq
	return u, err
}

// layer gives what is read: the store, without what a plan lays over it.
func (s *Store) layer() *layer {
	if s.mode == Write {
		return s.top
	}
	return s.base
}

// findLogin gives the user who has the identifier, 0 for nobody.
func (s *Store) findLogin(l *layer, identifier string) (int64, error) {
	if l == nil {
		return 0, nil
	}
	var keys []string
	if email, err := NormalizeEmail(identifier); err == nil {
		keys = append(keys, key(aEmail, email))
	}
	if checkPhone(identifier) == "" {
		keys = append(keys, key(aPhone, identifier))
	}
	if name, wrong := checkUsername(identifier); wrong == "" && name != "" {
		keys = append(keys, key(aUsername, name))
	}
	seqs := make([]int64, len(keys))
	err := l.holders(keys, func(i int, seq int64) { seqs[i] = seq })
	for _, seq := range seqs {
		if seq != 0 {
			return seq, err
		}
	}
	return 0, err
}

// unreadable is the result for what is stored and is no hash of a format that is built in.
func unreadable(err error) password.Result {
	r := password.Result{Outcome: password.Malformed, Reason: err.Error()}
	var e *password.Error
	if errors.As(err, &e) {
		r.Format, r.Code = e.Format, e.Code
		switch e.Code {
		case password.CodeOverLimit:
			r.Outcome = password.OverLimit
		case password.CodeNoFormat, password.CodeUnknown, password.CodeUnsupported:
			r.Outcome = password.Unsupported
		}
	}
	return r
}

// rehash stores the password under the current hasher, if what is stored is weaker. The fingerprint of the record that the user came from
// stays: a run with the same record leaves the password alone.
func (s *Store) rehash(ctx context.Context, u *row, h password.Hash, plain []byte) (bool, error) {
	weaker, _, err := password.NeedsRehash(h, s.hashing.Hasher, s.hashing.Params)
	if err != nil || !weaker {
		return false, err
	}
	encoded, err := password.Renew(ctx, h, s.hashing.Hasher, plain, s.hashing.Params)
	var refused *password.Error
	if errors.As(err, &refused) && refused.Code == password.CodeBadPassword {
		return false, nil // too long for the hasher: the old hash still does
	}
	if err != nil {
		return false, err
	}
	s.logins.Lock()
	defer s.logins.Unlock()
	// What was verified may have been replaced since, by another login or by a new password.
	var now row
	if err := s.top.credentials([]int64{u.seq}, bit(aPassword), func(int64) *row { return &now }); err != nil {
		return false, s.describe("reading", err)
	}
	if now.cells[aPassword] != u.cells[aPassword] {
		return false, nil
	}
	if h.Format == password.WrapFormat { // by it a run knows the legacy hash again
		u.cells[aPasswordReplaced], u.changed = u.cells[aPassword], bit(aPasswordReplaced)
	}
	u.cells[aPassword] = encoded
	u.changed |= bit(aPassword)
	if err := s.top.update("credentials", firstCredential, numAttrs, u); err != nil {
		return false, s.describe("writing", err)
	}
	return true, nil
}

// FormatCount says how many users have a password hash of one format.
type FormatCount struct {
	// Format is password's name of it, with that of what is under a wrap; a hasher that is not built in has its own; empty stands for hashes that cannot be read.
	Format string
	Users  int64
	// Weaker is how many of them VerifyPassword will hash anew when their users log in.
	Weaker int64
	// Unreadable is how many of them cannot be verified, for want of a plugin or because they are no hashes.
	Unreadable int64
}

// PasswordFormats counts the users by the format of their password hash, the most frequent first. Users without a password are
// counted in none.
func (s *Store) PasswordFormats(ctx context.Context) ([]FormatCount, error) {
	s.logins.Lock()
	defer s.logins.Unlock()
	counts := map[string]*FormatCount{}
	l := s.layer()
	if l == nil {
		return nil, nil
	}
	l.conn.SetInterrupt(ctx.Done())
	defer l.conn.SetInterrupt(nil)
	var hashErr error
	err := l.rows("SELECT password FROM credentials WHERE password IS NOT NULL AND ? IS NOT NULL", "", func(stmt *sqlite.Stmt) {
		stored := stmt.ColumnText(0)
		h, err := password.ParseStored(stored)
		weaker, unreadable := false, err != nil
		if !unreadable {
			if weaker, _, err = password.NeedsRehash(h, s.hashing.Hasher, s.hashing.Params); err != nil {
				hashErr = err
			}
		} else {
			h.Format = foreignFormat(stored)
		}
		if h.Format == password.WrapFormat {
			h.Format += " of " + h.Params.Prehash
		}
		c := counts[h.Format]
		if c == nil {
			c = &FormatCount{Format: h.Format}
			counts[h.Format] = c
		}
		c.Users++
		if weaker {
			c.Weaker++
		}
		if unreadable {
			c.Unreadable++
		}
	})
	if err != nil {
		return nil, s.describe("reading", err)
	}
	if hashErr != nil {
		return nil, hashErr
	}
	list := make([]FormatCount, 0, len(counts))
	for _, c := range counts {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b FormatCount) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), cmp.Compare(a.Format, b.Format))
	})
	return list, nil
}

// foreignFormat gives the name that stands before a hash of a hasher that is not built in.
func foreignFormat(stored string) string {
	rest, ok := strings.CutPrefix(stored, "$usher$")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "$")
	name, _, _ = strings.Cut(name, ",")
	return name
}
