// Package store is the sink over the embedded identity store.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
)

// Type declares the sink.
var Type = pipeline.SinkType{
	Spec: pipeline.Spec{
		Name:    "store",
		Summary: "Writes users into the embedded identity store.",
		Doc: "Finds each user by the identifier, inserts who is new and, with `upsert`, updates who is there, attribute by attribute. " +
			"Only what differs is written. Email addresses, phone numbers, user names, external ids and linked identities belong to one user " +
			"each: a record that would take another user's fails and names the holder.",
		Options: []pipeline.Option{
			{Name: "dsn", Type: pipeline.String, Required: true, Secret: true, Example: "sqlite:users.db",
				Doc: "The store: `sqlite:` and the path of a file, which is made if there is none. A relative path starts at the folder of the pipeline file."},
			{Name: "identifier", Type: pipeline.String, Enum: identity.Identifiers(), Default: "email", Example: "external_id",
				Doc: "The attribute by which users are found. Values are compared in their normal form: `User@X.com` finds `user@x.com`."},
			{Name: "upsert", Type: pipeline.Bool, Default: "false", Example: "true",
				Doc: "Update users that exist. Without it they are skipped with the reason `exists`."},
			{Name: "raw", Type: pipeline.Bool, Default: "false", Example: "true",
				Doc: "Keep the source record as JSON in the table `raw_records`, its secrets as `REDACTED`. It is written along with its user: a difference in it alone is no update."},
			{Name: "create_roles", Type: pipeline.Bool, Default: "true", Example: "false",
				Doc: "Create roles that the store does not know. With `false`, a record that names one fails."},
			{Name: "create_groups", Type: pipeline.Bool, Default: "true", Example: "false",
				Doc: "Create groups that the store does not know. With `false`, a record that names one fails."},
			{Name: "hasher", Type: pipeline.String, Default: password.DefaultHasher, Example: "bcrypt",
				Doc: "What hashes the passwords that come in plain text (`password: { plain: … }`), with its default costs, when a user is written: as many at " +
					"a time as there are processors. One of `" + strings.Join(password.Hashers(), "`, `") + "`, or a hasher of a plugin. Hashes are kept as they come."},
			{Name: "on_delete", Type: pipeline.String, Enum: identity.Policies(), Default: string(identity.Leave), Example: "disable",
				Doc: "What becomes of the user of a record that the source says is gone (`deleted`), whether or not there is `upsert`. `ignore`: nothing, the record is skipped. " +
					"`disable`: `disabled` is set. `delete`: the user is removed with all that belongs to it."},
			{Name: "weak_hashes", Type: pipeline.String, Enum: []string{"keep", "wrap"}, Default: "keep", Example: "wrap",
				Doc: "What becomes of hashes that are quick to guess (message digests, short chains of them, PBKDF2 of fewer than 100 000 iterations). `keep`: they are stored as " +
					"they are until the user's next login. `wrap`: argon2id is put over the digest, so that it is no longer stored; logins work as before, the first one makes a plain " +
					"argon2id of it. It takes as long as hashing a password, when a user is written. See the guide on passwords."},
			{Name: "reconcile", Type: pipeline.String, Enum: identity.Scopes(), Example: "pipeline",
				Doc: "Look for users that no record was about, once a run has read the whole source, and treat them as `on_delete` says; with `ignore` they are only reported. `pipeline`: " +
					"among the users that this pipeline brought. `store`: among all users of the store."},
			{Name: "max_deletes", Type: pipeline.String, Example: "50",
				Doc: "How many users one run may disable or delete: a number, or a share. Of those that `reconcile` finds: a share of the users it looks at, `1%` by default; if they are more, none " +
					"of them is removed, and the run fails. And, where it is given, of those that records say are gone: a share of the users in the store; the run fails before there are more."},
			{Name: "on_update", Type: pipeline.Object, Fields: updateFields(), Example: "{ password: set, user_metadata: replace }",
				Doc: "What an update does to an attribute that the record has. `set`: takes the value, null removes it. `keep`: takes the value, null leaves what is there. " +
					"`ignore`: leaves what is there. `merge`: takes each member, a null member is removed. `replace`: takes the whole. `add`: takes the elements that are new."},
		},
	},
	New: newSink,
}

// updateFields declares the attributes of on_update; those with a dot in their name are nested.
func updateFields() []pipeline.Option {
	var fields []pipeline.Option
	var mfa []pipeline.Option
	for _, u := range identity.Updates() {
		allowed := make([]string, len(u.Allowed))
		for i, b := range u.Allowed {
			allowed[i] = string(b)
		}
		parent, name, nested := strings.Cut(u.Attribute, ".")
		if !nested {
			name = parent
		}
		option := pipeline.Option{Name: name, Type: pipeline.String, Enum: allowed, Default: string(u.Default),
			Example: allowed[0], Doc: "The attribute `" + u.Attribute + "`."}
		if nested {
			mfa = append(mfa, option)
		} else {
			fields = append(fields, option)
		}
	}
	return append(fields, pipeline.Option{Name: "mfa", Type: pipeline.Object, Fields: mfa, Example: "{ totp: set }", Doc: "Second factors."})
}

type sink struct {
	pipeline.UnimplementedSink
	dsn, dir string
	rules    *identity.Rules
	most     *pipeline.Threshold // how many missing users are removed
	store    *identity.Store
	users    *identity.Import
	readers  sync.Pool // for Prepare
	reader   *identity.Reader
	items    []identity.Item
	at       []int // the place in the batch of each item
}

func newSink(env pipeline.Env, c *pipeline.Config) (pipeline.Sink, error) {
	o := identity.Options{
		Identifier: c.String("identifier"), Upsert: c.Bool("upsert"), Raw: c.Bool("raw"),
		RefuseRoles: !c.Bool("create_roles"), RefuseGroups: !c.Bool("create_groups"), Hasher: c.String("hasher"), WrapWeak: c.String("weak_hashes") == "wrap",
		OnUpdate: map[string]identity.Behaviour{}, OnDelete: identity.Removal(c.String("on_delete")),
		Reconcile: identity.Scope(c.String("reconcile")),
	}
	most, err := maxDeletes(c)
	if err != nil {
		return nil, err
	}
	if onUpdate := c.Object("on_update"); onUpdate != nil {
		for _, u := range identity.Updates() {
			options, name := onUpdate, u.Attribute
			if parent, child, nested := strings.Cut(name, "."); nested {
				options, name = onUpdate.Object(parent), child
			}
			if options != nil && options.Has(name) {
				o.OnUpdate[u.Attribute] = identity.Behaviour(options.String(name))
			}
		}
	}
	if c.Has("max_deletes") {
		o.TooMany = most.Exceeded
	}
	rules, err := identity.NewRules(o)
	if err != nil {
		return nil, optionError(err)
	}
	if _, err := identity.DatabasePath(c.String("dsn"), env.Dir); err != nil {
		var e *identity.Error
		if errors.As(err, &e) {
			return nil, &pipeline.OptionError{Option: "dsn", Message: e.Message, Hint: e.Hint}
		}
		return nil, err
	}
	s := &sink{dsn: c.String("dsn"), dir: env.Dir, rules: rules, most: most, reader: rules.NewReader()}
	s.readers.New = func() any { return rules.NewReader() }
	return s, nil
}

// WrapsPasswords implements preflight.Wrapper.
func (s *sink) WrapsPasswords() bool { return s.rules.WrapWeak }

func optionError(err error) error {
	var e *identity.OptionError
	if errors.As(err, &e) {
		return &pipeline.OptionError{Option: e.Option, Message: e.Message}
	}
	return err
}

func (s *sink) Open(ctx context.Context, run pipeline.Run) error {
	mode := identity.Write
	if run.Plan {
		mode = identity.Plan
	}
	var err error
	if s.store, err = identity.Open(ctx, s.dsn, s.dir, run.ID, mode); err != nil {
		return convert(err)
	}
	s.users, err = s.store.Import(s.rules, identity.Run{ID: run.ID, Pipeline: run.Pipeline, StartedAt: run.StartedAt, Resumed: run.Resumed, From: run.From, Secret: run.Secret})
	if err != nil {
		return convert(err)
	}
	return s.restore(run.Position)
}

// Check implements pipeline.Checker.
func (s *sink) Check(ctx context.Context) error { return convert(identity.Check(ctx, s.dsn, s.dir)) }

// Prepare looks for the users of a batch, and checks and normalises the records that have changed.
func (s *sink) Prepare(_ context.Context, b *pipeline.Batch) error {
	reader := s.readers.Get().(*identity.Reader)
	defer s.readers.Put(reader)
	changes := make([]*identity.Change, 0, len(b.Records))
	for i := range b.Records {
		if r := &b.Records[i]; r.Open() {
			change := read(reader, r)
			r.Prepared = change
			changes = append(changes, change)
		}
	}
	if len(changes) > 0 {
		s.users.Prepare(reader, b.Records[0].Index, changes)
	}
	return nil
}

func read(reader *identity.Reader, r *pipeline.Record) *identity.Change {
	if r.Gone {
		return reader.ReadGone(r.Fields)
	}
	return reader.Identify(r.Fields)
}

// Removes implements pipeline.Remover.
func (s *sink) Removes() bool { return s.rules.OnDelete != identity.Leave }

func (s *sink) Write(ctx context.Context, b *pipeline.Batch) error {
	s.items, s.at = s.items[:0], s.at[:0]
	if s.Reconciles() {
		if err := s.protect(b); err != nil {
			return err
		}
	}
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		change, ok := r.Prepared.(*identity.Change)
		if !ok {
			change = read(s.reader, r)
		}
		s.items = append(s.items, identity.Item{Index: r.Index, Change: change, Source: r.Source})
		s.at = append(s.at, i)
	}
	results, err := s.users.Write(ctx, s.items)
	clear(s.items)
	if err != nil {
		return convert(err)
	}
	for i := range results {
		decide(&b.Records[s.at[i]], &results[i])
	}
	return nil
}

func decide(r *pipeline.Record, result *identity.Result) {
	for _, w := range result.Warnings {
		r.Warn(pipeline.Problem(w))
	}
	r.Outcome.UserID = result.UserID
	switch result.Outcome {
	case identity.Inserted:
		r.Outcome.Decision = pipeline.Inserted
	case identity.Updated:
		r.Outcome.Decision, r.Outcome.Changed = pipeline.Updated, result.Changed
	case identity.Exists:
		r.Skip(pipeline.Exists)
	case identity.Unchanged:
		r.Skip(pipeline.Unchanged)
	case identity.Gone:
		r.Skip(pipeline.Gone)
	case identity.Disabled:
		r.Outcome.Decision, r.Outcome.Reason, r.Outcome.Changed = pipeline.Updated, pipeline.Gone, result.Changed
	case identity.Deleted:
		r.Outcome.Decision, r.Outcome.Reason, r.Outcome.Changed = pipeline.Updated, pipeline.Gone, []string{pipeline.DeletedUser}
	case identity.Failed:
		for _, v := range result.Errors {
			r.Fail(pipeline.Problem(v))
		}
	}
}

func (s *sink) Commit(ctx context.Context) ([]byte, error) {
	if err := s.users.Commit(ctx); err != nil {
		return nil, convert(err)
	}
	return json.Marshal(position{s.users.Removals(), s.users.Changes()})
}

func (s *sink) Finish(ctx context.Context) error { return convert(s.users.Finish(ctx)) }

func (s *sink) Close() error {
	if s.store == nil {
		return nil
	}
	err := s.store.Close()
	s.store, s.users = nil, nil
	return convert(err)
}

// convert gives the pipeline's error for one of the store's.
func convert(err error) error {
	var refused *identity.RefusedError
	if errors.As(err, &refused) {
		return &pipeline.Refused{Problem: pipeline.Problem(refused.Violation)}
	}
	var e *identity.Error
	if errors.As(err, &e) {
		return &pipeline.Error{Code: e.Code, Message: e.Message, Hint: e.Hint, Err: e.Err, Unreachable: e.Unreachable}
	}
	return err
}
