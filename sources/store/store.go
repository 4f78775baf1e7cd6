// Package storesource reads users out of the embedded identity store.
package storesource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Type is the connector.
var Type = pipeline.SourceType{
	Spec: pipeline.Spec{
		Name:      "store",
		Summary:   "Reads users out of the embedded identity store.",
		Shorthand: "dsn",
		Doc: `Gives all users, or those that ` + "`where`" + ` and ` + "`ids`" + ` select, in the order in which they were inserted. The store is opened for reading
only and takes no lock, so that a run may write it meanwhile: a user that is inserted behind the place of reading comes along, none comes twice.

A record has the attributes under their canonical names, always in the same order: ` + "`user_id`" + ` and ` + "`sub`" + `, which both are the store's id
of the user, then ` + "`" + strings.Join(publicNames(), "`, `") + "`" + `. An attribute that the user does not have is absent; none is ever null.
` + "`disabled`" + ` is always there, ` + "`email_verified`" + ` and ` + "`phone_number_verified`" + ` where there is an email address or phone number. Times keep their
zone.

What of ` + "`where`" + ` the database can tell exactly is left to it: attributes that are texts, booleans or numbers, alone or compared with a constant, joined by ` + "`&&`, `||` and `!`" + `.
So is an order that the transform ` + "`sort`" + ` asks for by such attributes or by times; the users are then those that there were at the beginning, and a run that is
resumed stops if their order is another by then.

With ` + "`include_secrets`" + ` come ` + "`password`" + ` (hash, hasher where the hash does not name it, and what else the hasher needs), ` + "`mfa`" + ` and ` + "`raw`" + `.

What another store is to take in must not have the ids of this one: ` + "`map: { remove: [user_id, sub, raw] }`" + `.`,
		Options: []pipeline.Option{
			{Name: "dsn", Type: pipeline.String, Required: true, Secret: true, Example: "sqlite:users.db",
				Doc: "The store: `sqlite:` and the path of its file. A relative path starts at the folder of the pipeline file."},
			{Name: "where", Type: pipeline.Expression, Example: "user.email_verified && !user.disabled",
				Doc: "Which users to read: those for which it is true. Others are not read at all, unlike those that the transform filter leaves out. A user for whom it fails is a failed record."},
			{Name: "ids", Type: pipeline.String, List: true, Example: "[019a3f0e-5f2c-7d11-8000-3b1f5a7c9d20]",
				Doc: "Which users to read, by the store's own ids. An id that nobody has is a failed record."},
			{Name: "include_secrets", Type: pipeline.Bool, Default: "false",
				Doc: "Read password hashes, second factors and raw source records as well."},
		},
	},
	New: newSource,
}

// Source reads users.
type Source struct {
	pipeline.UnimplementedSource
	dsn, dir string
	origin   string
	where    *expression.Program // nil too where the database tells all of it
	told     identity.Condition  // what the database tells of where
	ids      []string
	order    []identity.Order
	secrets  bool

	store  *identity.Store
	sorted *identity.Sorted
	next   func() ([]identity.User, error, bool)
	stop   func()
	page   []identity.User // what is left of it
	// missing are the ids that nobody has; they come behind the users.
	missing []string
	at      position
	ended   bool
	// done and total count by the users' places in the order of insertion.
	done, total atomic.Int64
}

// position is where a source goes on from: behind the user at a place, and behind so many of the missing.
type position struct {
	place   int64
	missing int
}

func newSource(env pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
	s := &Source{dsn: c.String("dsn"), dir: env.Dir, origin: "users", where: c.Expression("where"), secrets: c.Bool("include_secrets")}
	if s.where != nil {
		whole := false
		if s.told, whole = conditionOf(s.where); whole {
			s.where = nil
		}
	}
	if c.Has("ids") {
		s.ids = make([]string, 0, len(c.Strings("ids")))
		for _, id := range c.Strings("ids") {
			if id == "" {
				return nil, &pipeline.OptionError{Option: "ids", Message: "an id is empty"}
			}
			if !slices.Contains(s.ids, id) {
				s.ids = append(s.ids, id)
			}
		}
	}
	if _, err := identity.DatabasePath(s.dsn, s.dir); err != nil {
		var e *identity.Error
		if errors.As(err, &e) {
			return nil, &pipeline.OptionError{Option: "dsn", Message: e.Message, Hint: e.Hint}
		}
		return nil, err
	}
	return s, nil
}

// Check implements pipeline.Checker.
func (s *Source) Check(ctx context.Context) error {
	store, err := identity.Open(ctx, s.dsn, s.dir, "", identity.Read)
	if err != nil {
		return convert(err)
	}
	return convert(store.Close())
}

// Open implements pipeline.Source.
func (s *Source) Open(ctx context.Context) error { return s.open(ctx, position{}) }

// OpenAt implements pipeline.Resumer.
func (s *Source) OpenAt(ctx context.Context, after []byte) error {
	place, missing, _ := strings.Cut(string(after), "/")
	at, err := position{}, error(nil)
	if at.place, err = strconv.ParseInt(place, 10, 64); err == nil && missing != "" {
		at.missing, err = strconv.Atoi(missing)
	}
	if err != nil || at.place < 0 || at.missing < 0 {
		return &pipeline.Error{Code: "store.bad_position", Message: "the place to go on from cannot be read",
			Hint: "run the pipeline again from the start", Err: err}
	}
	return s.open(ctx, at)
}

func (p position) text() []byte {
	b := strconv.AppendInt(nil, p.place, 10)
	if p.missing > 0 {
		b = strconv.AppendInt(append(b, '/'), int64(p.missing), 10)
	}
	return b
}

func (s *Source) open(ctx context.Context, at position) error {
	var err error
	if s.store, err = identity.Open(ctx, s.dsn, s.dir, "", identity.Read); err != nil {
		return convert(err)
	}
	s.at, s.ended, s.missing, s.page = at, false, nil, nil
	if s.ids != nil {
		if err := s.findMissing(ctx); err != nil {
			return err
		}
	}
	// Next is told by its own context when to end; what it reads from outlives that of one call.
	reading := context.WithoutCancel(ctx)
	want := identity.Selection{After: at.place, IDs: s.ids, Where: s.told, Order: s.order, Public: !s.secrets}
	last := int64(0)
	if s.order != nil {
		if s.sorted, err = s.store.Sort(ctx, want); err != nil {
			return convert(err)
		}
		last = s.sorted.Len
		s.next, s.stop = iter.Pull2(s.sorted.After(reading, at.place))
	} else {
		if last, err = s.store.LastSeq(); err != nil {
			return convert(err)
		}
		s.next, s.stop = iter.Pull2(s.store.Pages(reading, want))
	}
	s.done.Store(at.place)
	s.total.Store(max(last, at.place))
	return nil
}

// Fingerprint implements pipeline.Fingerprinter: users in the order of their insertion can be gone on with whatever has been added or
// changed, those in another order only if that is still the same.
func (s *Source) Fingerprint() (string, error) {
	if s.order == nil {
		return "in the order of insertion", nil
	}
	return s.sorted.Fingerprint, nil
}

func (s *Source) findMissing(ctx context.Context) error {
	found := map[string]bool{}
	for u, err := range s.store.Select(ctx, identity.Selection{IDs: s.ids, Public: true}) {
		if err != nil {
			return convert(err)
		}
		found[u.ID] = true
	}
	for _, id := range s.ids {
		if !found[id] {
			s.missing = append(s.missing, id)
		}
	}
	return nil
}

// Next implements pipeline.Source.
func (s *Source) Next(ctx context.Context, most int) (*pipeline.Batch, error) {
	b := &pipeline.Batch{Records: make([]pipeline.Record, 0, min(most, 1000))}
	for len(b.Records) < most {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := s.read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		b.Records = append(b.Records, r)
	}
	if len(b.Records) == 0 {
		return nil, io.EOF
	}
	b.After = s.at.text()
	return b, nil
}

// read gives the next record, io.EOF behind the last.
func (s *Source) read() (pipeline.Record, error) {
	for !s.ended {
		if len(s.page) == 0 {
			page, err, more := s.next()
			if !more {
				s.ended = true
				s.done.Store(s.total.Load())
				break
			}
			if err != nil {
				return pipeline.Record{}, convert(err)
			}
			s.page = page
		}
		u := &s.page[0]
		s.page = s.page[1:]
		s.at.place = u.Place
		if u.Place > s.total.Load() {
			s.total.Store(u.Place)
		}
		s.done.Store(u.Place)
		r := pipeline.Record{Ref: pipeline.Ref{Origin: s.origin, Key: u.ID}, Source: record(u, s.secrets)}
		if s.where == nil {
			return r, nil
		}
		v, err := s.where.Eval(r.Source)
		if err != nil {
			r.Fail(pipeline.EvalProblem("", "where: ", err))
			return r, nil
		}
		if expression.Truthy(v) {
			return r, nil
		}
	}
	if s.at.missing < len(s.missing) {
		id := s.missing[s.at.missing]
		s.at.missing++
		r := pipeline.Record{Ref: pipeline.Ref{Origin: s.origin, Key: id}, Raw: value.AppendString(nil, id)}
		r.Fail(pipeline.Problem{Code: "store.no_such_user", Field: "user_id", Message: fmt.Sprintf("nobody in the store has the id %q", id)})
		return r, nil
	}
	return pipeline.Record{}, io.EOF
}

// Progress implements pipeline.Measurer.
func (s *Source) Progress() (done, total int64) {
	done = s.done.Load()
	return done, s.total.Load()
}

// Close implements pipeline.Source.
func (s *Source) Close() error {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	if s.store == nil {
		return nil
	}
	err := s.store.Close()
	s.store = nil
	return convert(err)
}

// convert gives the pipeline's error for one of the store's.
func convert(err error) error {
	var e *identity.Error
	if errors.As(err, &e) {
		return &pipeline.Error{Code: e.Code, Message: e.Message, Hint: e.Hint, Err: e.Err, Unreachable: e.Unreachable}
	}
	return err
}
