package identity

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usher-id/usher/value"
)

// Outcome is what became of a record.
type Outcome uint8

// The outcomes. Exists, Unchanged and Gone wrote nothing. Those from Gone on are of users who are gone; receipts hold these
// numbers.
const (
	Inserted Outcome = iota + 1
	Updated
	Exists
	Unchanged
	Failed
	Gone // there is no such user, or users who are gone are left as they are
	Disabled
	Deleted
)

// Result is what became of a record, and why.
type Result struct {
	Outcome Outcome
	// UserID is empty for a record that failed.
	UserID string
	// Changed names what an update changed: attributes, and members of those that are merged.
	Changed          []string
	Warnings, Errors []Violation
}

// Run says on whose behalf users are imported.
type Run struct {
	ID string
	// Pipeline names whose users they are, for Options.Reconcile.
	Pipeline  string
	StartedAt time.Time
	// Resumed says that an earlier process worked on this run, so that records from index From on may come again.
	Resumed bool
	From    int64
	// Secret tells which members of a source record are not to be kept in it.
	Secret func(name string, v any) bool
}

// Item is one record of a batch.
type Item struct {
	// Index counts the records of a run. It is part of the id of a user that is inserted, and tells records that come again.
	Index  int64
	Change *Change
	// Source is the record as it came, for Options.Raw.
	Source *value.Object
}

// Import writes users by one set of Rules, for one run. It is for one goroutine at a time.
type Import struct {
	store *Store
	rules *Rules
	late  *Reader // of what Write finds that it has to know
	run   Run
	ids   idMaker
	now   string

	top, base *layer
	open      bool   // a transaction is
	wrote     bool   // something, in this transaction
	unkept    []blob // receipts of a transaction that has not written anything yet
	nextSeq   int64
	changes   int64
	written   int64 // the index after the last record written
	durable   int64 // written, at the last commit
	receipts  receipts
	filter    *filter // of all keys, pending ones as well, once it is worth having
	misses    int64   // keys that the database was asked for in vain

	ahead   *ahead             // nil where nobody looks ahead
	touched map[int64]struct{} // users written in this transaction, where somebody looks ahead
	stale   bool               // what was seen ahead does not hold in this transaction
	// dataVersion is another after another program wrote into the store.
	dataVersion int64

	// pending holds what became of keys since the last commit. Keys come in no order; to put each into the index as it
	// comes would touch a page a key, to put them all in order touches each page once.
	pending map[string]int64
	undo    []keyUndo // of this batch
	sorted  []keyChange
	names   [2]knownNames // of roles and groups

	// Of the batch in hand.
	holders map[string]int64
	rows    map[int64]*row
	arena   []*row
	used    int
	deleted []*row
	// removals are those of all batches before, removing those of the batch in hand.
	removals Removals
	removing int64

	tracker    *tracker // nil where nobody looks for who is missing
	reconciled []blob   // what an earlier process did about who is missing
}

type keyUndo struct {
	key string
	seq int64
	had bool
}

// maxPending is how many keys are held back at most, should nobody commit.
const maxPending = 400_000

// Import begins to import users into a store in mode Write or Plan.
func (s *Store) Import(rules *Rules, run Run) (*Import, error) {
	im := &Import{store: s, rules: rules, late: rules.NewReader(), run: run, ids: newIDMaker(run), now: run.StartedAt.UTC().Format(time.RFC3339Nano),
		top: s.top, base: s.base, pending: map[string]int64{}, touched: map[int64]struct{}{}, holders: map[string]int64{}, rows: map[int64]*row{},
		names: [2]knownNames{{table: "roles"}, {table: "groups"}}}
	last := im.top
	if im.base != nil {
		last = im.base
	}
	seq, err := last.integer("SELECT coalesce(max(seq), 0) FROM users")
	if err != nil {
		return nil, s.describe("reading", err)
	}
	member, err := lastMember(im.layers())
	if err != nil {
		return nil, s.describe("reading", err)
	}
	im.nextSeq = max(seq, member) + 1
	if s.mode == Write {
		if im.changes, err = im.top.integer("SELECT count FROM changes"); err != nil {
			return nil, s.describe("reading", err)
		}
	}
	if err := im.lookAhead(); err != nil {
		return nil, s.describe("opening", err)
	}
	if run.Resumed && s.mode == Write {
		err := im.top.receipts(run.ID, func(first int64, outcomes []byte) {
			if first >= firstMissing {
				im.reconciled = append(im.reconciled, blob{first, outcomes})
				return
			}
			im.receipts.blobs = append(im.receipts.blobs, blob{first, outcomes})
		})
		if err != nil {
			return nil, s.describe("reading", err)
		}
	}
	if rules.TooMany != nil {
		if im.removals.Of, err = last.integer("SELECT count(*) FROM users"); err != nil {
			return nil, s.describe("reading", err)
		}
	}
	if rules.Reconcile != "" {
		if err := im.track(); err != nil {
			return nil, s.describe("opening", err)
		}
	}
	return im, nil
}

// Write decides and writes the records of a batch, in order: a second record of a user sees what the first did. It is
// durable after the next Commit. A *RefusedError means that nothing of the batch was written because of one of its
// records; after any other error the Import can only be closed.
func (im *Import) Write(ctx context.Context, items []Item) ([]Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	results := make([]Result, len(items))
	todo := make([]int, 0, len(items))
	for i := range items {
		if len(im.receipts.blobs) > 0 {
			r, err := im.receipts.find(items[i].Index)
			if err != nil {
				return nil, &Error{Code: "store.corrupt", Message: "the store " + im.store.path + " has a receipt that cannot be read", Hint: "run the pipeline again from the start", Err: err}
			}
			if r != nil {
				results[i] = *r
				if r.Outcome == Disabled || r.Outcome == Deleted {
					im.removals.Removed++
				}
				im.written = max(im.written, items[i].Index+1)
				continue
			}
		}
		todo = append(todo, i)
	}
	if len(todo) == 0 {
		return results, nil
	}
	if !im.open {
		if err := im.begin(); err != nil {
			return nil, im.store.describe("writing", err)
		}
	}
	if err := im.top.exec("SAVEPOINT batch"); err != nil {
		return nil, im.store.describe("writing", err)
	}
	seq := im.nextSeq
	err := im.batch(ctx, items, results, todo)
	if err == nil {
		err = im.top.exec("RELEASE batch")
	}
	if disturbed := im.store.disturbed(); disturbed != nil {
		return nil, disturbed
	}
	if err != nil {
		im.nextSeq = seq
		im.rollBackKeys()
		if im.tracker != nil {
			im.tracker.batch = im.tracker.batch[:0]
		}
		for i := range im.names {
			im.names[i].forget()
		}
		if isConstraint(err) && im.top.exec("ROLLBACK TO batch") == nil && im.top.exec("RELEASE batch") == nil {
			return nil, &RefusedError{Violation{CodeRefused, "", "the database refused the user: " + err.Error()}}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, im.store.describe("writing", err)
	}
	if im.store.mode == Write {
		im.unkept = append(im.unkept, receiptOf(items, results, todo))
		if err := im.keepReceipts(); err != nil {
			return nil, im.store.describe("writing", err)
		}
	}
	im.undo = im.undo[:0]
	im.removals.Removed += im.removing
	im.written = max(im.written, items[len(items)-1].Index+1)
	if im.tracker != nil {
		im.tracker.settle(im.written)
	}
	if len(im.pending) > maxPending {
		if err := im.flushKeys(); err != nil {
			return nil, im.store.describe("writing", err)
		}
		im.stale = true
	}
	return results, nil
}

// begin begins a transaction.
func (im *Import) begin() error {
	if err := im.top.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	im.open = true
	im.wrote = im.tracker != nil // what it has noted is written at the end
	if im.ahead == nil {
		return nil
	}
	version, err := im.top.integer(dataVersion)
	im.stale = version != im.dataVersion
	im.dataVersion = version
	return err
}

func (im *Import) batch(ctx context.Context, items []Item, results []Result, todo []int) error {
	clear(im.holders)
	clear(im.rows)
	im.used, im.deleted, im.removing = 0, im.deleted[:0], 0
	if err := im.learnKeys(); err != nil {
		return err
	}
	if err := im.lookUp(items, todo); err != nil {
		return err
	}
	var inserted, updated []*row
	for _, i := range todo {
		u, isNew, err := im.decide(&items[i], &results[i])
		if err != nil {
			return err
		}
		if im.tracker != nil {
			im.note(items[i].Change, &results[i])
		}
		if u == nil {
			continue
		}
		if im.rules.Raw && items[i].Source != nil && !items[i].Change.gone {
			u.raw = string(value.AppendRedacted(nil, items[i].Source, im.run.Secret))
		}
		switch {
		case u.queued:
		case isNew:
			inserted = append(inserted, u)
		default:
			updated = append(updated, u)
		}
		u.queued = true
	}
	if len(im.deleted) > 0 {
		inserted, updated = present(inserted), present(updated)
	}
	if err := im.hashPasswords(ctx, inserted, updated); err != nil {
		return err
	}
	if im.ahead != nil {
		for _, u := range updated {
			im.touched[u.seq] = struct{}{}
		}
	}
	if err := im.write(inserted, updated); err != nil {
		return err
	}
	if err := im.writeDeleted(); err != nil {
		return err
	}
	im.wrote = im.wrote || len(inserted)+len(updated)+len(im.deleted) > 0
	return nil
}

// lookUp finds all that the decisions on a batch need to know: whose the identifiers are, what these users are like,
// and who holds the other keys that the records would take.
func (im *Import) lookUp(items []Item, todo []int) error {
	var keys []string
	for _, i := range todo {
		if c := items[i].Change; im.concerns(c) && !im.recall(c) {
			keys = im.want(keys, c.keys[0])
		}
	}
	if err := im.findOwners(keys); err != nil {
		return err
	}
	var seqs []int64
	for _, i := range todo {
		if c := items[i].Change; len(c.Violations) == 0 {
			if seq := im.holder(c.keys[0]); seq != 0 && im.rows[seq] == nil {
				im.rows[seq] = im.newRow(seq)
				seqs = append(seqs, seq)
			}
		}
	}
	if err := im.findHeads(seqs); err != nil {
		return err
	}
	var known []*row // whose cells have to be
	var cells uint64
	for _, i := range todo {
		c := items[i].Change
		if len(c.Violations) > 0 {
			continue
		}
		u := im.rows[im.holder(c.keys[0])]
		if u != nil && u.mark.is(c) {
			continue
		}
		im.late.finish(c)
		if u == nil || len(c.Violations) > 0 || !im.rules.Upsert && !c.gone {
			continue
		}
		known = append(known, u)
		cells |= im.concerned(c)
	}
	if err := im.load(known, cells); err != nil {
		return err
	}
	keys = keys[:0]
	var held []string
	var names [2][]any
	for _, i := range todo {
		c := items[i].Change
		if len(c.Violations) > 0 || !c.finished {
			continue
		}
		u := im.rows[im.holder(c.keys[0])]
		if u != nil && (u.loaded == 0 || u.mark.is(c)) {
			continue
		}
		if len(c.keys) > 1 {
			held = held[:0]
			if u != nil {
				held = u.keysOf(held)
			}
			for _, k := range c.keys[1:] {
				if !slices.Contains(held, k) {
					keys = im.want(keys, k)
				}
			}
		}
		for n, a := range [...]attr{aRoles, aGroups} {
			if f := c.find(a); f != nil {
				names[n] = append(names[n], f.list...)
			}
		}
	}
	if err := im.findHolders(keys); err != nil {
		return err
	}
	for n := range names {
		if err := im.names[n].look(names[n], im.layers()); err != nil {
			return err
		}
	}
	return nil
}

// concerned gives the cells of a user that have to be known to work a change into it.
func (im *Import) concerned(c *Change) uint64 {
	cells := uint64(keyAttrs | 1<<aEmailVerified | 1<<aPhoneVerified)
	if c.gone {
		cells |= bit(aDisabled)
	}
	for i := range c.fields {
		cells |= bit(c.fields[i].attr)
	}
	if cells&bit(aPassword) != 0 {
		cells |= bit(aPasswordReplaced)
	}
	if im.base == nil {
		return cells
	}
	// The row may be written into another layer, whole.
	if cells&credentialCells != 0 {
		cells |= credentialCells
	}
	return cells | userCells
}

func (im *Import) layers() []*layer {
	if im.base == nil {
		return []*layer{im.top}
	}
	return []*layer{im.top, im.base}
}

// want adds a key whose holder has to be asked for.
func (im *Import) want(keys []string, key string) []string {
	if im.filter != nil && !im.filter.has(key) {
		return keys
	}
	if _, known := im.pending[key]; known {
		return keys
	}
	if _, known := im.holders[key]; known {
		return keys
	}
	im.holders[key] = 0
	return append(keys, key)
}

// findOwners finds the holders of identifiers, and what they are like as far as is told at once.
func (im *Import) findOwners(keys []string) error {
	if len(im.layers()) > 1 {
		return im.findHolders(keys) // a user may be in another layer than the key
	}
	if len(keys) == 0 {
		return nil
	}
	slices.Sort(keys)
	im.misses += int64(len(keys))
	return im.top.owners(keys, func(i int, seq int64, id string, m mark) {
		im.misses--
		im.holders[keys[i]] = seq
		if id != "" && im.rows[seq] == nil {
			u := im.newRow(seq)
			u.id, u.mark, u.layer = id, m, im.top
			im.rows[seq] = u
		}
	})
}

func (im *Import) findHolders(keys []string) error {
	for _, l := range im.layers() {
		if len(keys) == 0 {
			return nil
		}
		slices.Sort(keys)
		found := make([]bool, len(keys))
		err := l.holders(keys, func(i int, seq int64) {
			im.holders[keys[i]] = seq
			found[i] = true
		})
		if err != nil {
			return err
		}
		keys = without(keys, found)
	}
	im.misses += int64(len(keys))
	return nil
}

// learnKeys makes the filter when enough keys were asked for in vain: reading all keys in their order costs about as
// much as looking for a fifth as many.
func (im *Import) learnKeys() error {
	if im.filter != nil || im.misses < im.nextSeq/missShare {
		return nil
	}
	f := newFilter()
	for _, l := range im.layers() {
		if err := l.eachKey(f.add); err != nil {
			return err
		}
	}
	for key := range im.pending {
		f.add(key)
	}
	im.filter = f
	im.ahead.stop()
	return nil
}

// missShare is the part of the users that are there, as a divisor, for which keys are looked for in vain before the filter is made.
const missShare = 2

func without[T any](list []T, found []bool) []T {
	rest := list[:0]
	for i, e := range list {
		if !found[i] {
			rest = append(rest, e)
		}
	}
	return rest
}

// holder gives the user that has a key, 0 for nobody. The key was asked for by want.
func (im *Import) holder(key string) int64 {
	if im.filter != nil && !im.filter.has(key) {
		return 0
	}
	if seq, ok := im.pending[key]; ok {
		return seq
	}
	return im.holders[key]
}

func (im *Import) newRow(seq int64) *row {
	if im.used == len(im.arena) {
		im.arena = append(im.arena, new(row))
	}
	u := im.arena[im.used]
	im.used++
	*u = row{seq: seq}
	return u
}

func (im *Import) findHeads(seqs []int64) error {
	for _, l := range im.layers() {
		if len(seqs) == 0 {
			return nil
		}
		err := l.heads(seqs, func(seq int64, id string, m mark) {
			u := im.rows[seq]
			u.id, u.mark = id, m
			u.layer = l
		})
		if err != nil {
			return err
		}
		seqs = slices.DeleteFunc(seqs, func(seq int64) bool { return im.rows[seq].layer != nil })
	}
	if len(seqs) > 0 {
		return &Error{Code: "store.corrupt", Message: "the store " + im.store.path + " has keys of users that it does not have",
			Hint: "restore it from a copy"}
	}
	return nil
}

// load reads those of the cells of users that are not known yet.
func (im *Import) load(rows []*row, cells uint64) error {
	for len(rows) > 0 {
		var missing uint64
		var seqs []int64
		var rest []*row
		for _, u := range rows {
			switch lacks := cells &^ u.loaded; {
			case lacks == 0:
			case missing == 0 || lacks == missing:
				missing = lacks
				u.loaded |= lacks
				seqs = append(seqs, u.seq)
			default:
				rest = append(rest, u)
			}
		}
		if err := im.loadCells(seqs, missing); err != nil {
			return err
		}
		rows = rest
	}
	return nil
}

// loadCells reads the same cells of users. The credentials of a user may be in another layer, or nowhere.
func (im *Import) loadCells(seqs []int64, cells uint64) error {
	for _, l := range im.layers() {
		if cells&userCells != 0 {
			mine := slices.DeleteFunc(slices.Clone(seqs), func(seq int64) bool { return im.rows[seq].layer != l })
			if len(mine) > 0 {
				if err := l.users(mine, cells, func(seq int64) *row { return im.rows[seq] }); err != nil {
					return err
				}
			}
		}
		if cells&credentialCells != 0 {
			rest := slices.DeleteFunc(slices.Clone(seqs), func(seq int64) bool { u := im.rows[seq]; return u.secrets != nil && u.secrets != l })
			if len(rest) > 0 {
				err := l.credentials(rest, cells, func(seq int64) *row {
					u := im.rows[seq]
					u.secrets = l
					return u
				})
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// decide works out what becomes of a record. It gives the row to be written, if there is one.
func (im *Import) decide(item *Item, result *Result) (u *row, isNew bool, err error) {
	c := item.Change
	var seq int64
	if len(c.keys) > 0 {
		seq = im.holder(c.keys[0])
	}
	if u = im.rows[seq]; u != nil && u.mark.is(c) {
		im.unchanged(u, c, result)
		return nil, false, nil
	}
	im.late.finish(c)
	result.Warnings = c.Warnings
	if len(c.Violations) > 0 {
		result.Outcome, result.Errors = Failed, c.Violations
		return nil, false, nil
	}
	if c.gone {
		u, err = im.decideGone(c, result)
		return u, false, err
	}
	isNew = seq == 0
	var next row
	if isNew {
		next = row{seq: im.nextSeq, id: im.ids.id(item.Index), loaded: userCells | credentialCells}
	} else {
		if !im.rules.Upsert {
			result.Outcome, result.UserID = Exists, u.id
			return nil, false, nil
		}
		// Another record of the same batch may have made it necessary to know more than was foreseen.
		if err := im.loadLate(u, c); err != nil {
			return nil, false, err
		}
		next = *u
	}
	before := next.changed // by other records of the batch
	next.changed, next.damaged = 0, 0
	changed, notes := im.rules.apply(&next, c, isNew)
	touched := next.changed
	next.changed |= before
	result.Warnings = withNotes(c.Warnings, notes)
	given, taken := takes(u, &next)
	if next.damaged != 0 {
		result.Outcome, result.Errors = Failed, next.damage()
		return nil, false, nil
	}
	if !isNew && len(changed) == 0 {
		result.Outcome, result.UserID = Unchanged, u.id
		return nil, false, nil
	}
	errs, err := im.conflicts(next.seq, taken)
	if err != nil {
		return nil, false, err
	}
	for n, a := range [...]attr{aRoles, aGroups} {
		if f := c.find(a); f != nil && touched&bit(a) != 0 {
			if err := im.names[n].look(f.list, im.layers()); err != nil {
				return nil, false, err
			}
			if im.rules.refuses(a) {
				errs = append(errs, im.names[n].unknown(a, f.list)...)
			}
		}
	}
	if len(errs) > 0 {
		result.Outcome, result.Errors = Failed, errs
		return nil, false, nil
	}
	if isNew {
		im.nextSeq++
		if next.cells[aCreatedAt] == "" {
			next.cells[aCreatedAt] = im.now
		}
		result.Outcome = Inserted
		u = im.newRow(next.seq)
		im.rows[next.seq] = u
	} else {
		result.Outcome, result.Changed = Updated, changed
	}
	if f := c.find(aUpdatedAt); f == nil || f.null || next.cells[aUpdatedAt] != f.text {
		im.touch(&next)
	}
	for n, a := range [...]attr{aRoles, aGroups} {
		if f := c.find(a); f != nil && touched&bit(a) != 0 {
			im.names[n].add(f.list)
		}
	}
	if len(c.Warnings) > 0 {
		notes |= noteWarned
	}
	next.mark = mark{c.fingerprint, notes, true}
	*u = next
	for _, k := range given {
		im.put(k, 0)
	}
	for _, k := range taken {
		im.put(k, u.seq)
	}
	result.UserID = u.id
	return u, isNew, nil
}

// touch notes that a user changes now. What the database has is not asked for any more.
func (im *Import) touch(u *row) {
	u.cells[aUpdatedAt] = im.now
	u.changed |= bit(aUpdatedAt)
	u.loaded |= bit(aUpdatedAt)
}

// unchanged decides on a record that is what last wrote its user.
func (im *Import) unchanged(u *row, c *Change, result *Result) {
	notes := u.mark.notes
	if notes&noteWarned != 0 {
		im.late.finish(c)
	}
	result.Outcome, result.UserID = Unchanged, u.id
	if !im.rules.Upsert {
		result.Outcome, notes = Exists, 0
	}
	result.Warnings = withNotes(c.Warnings, notes)
}

// loadLate reads what lookUp could not know to be needed.
func (im *Import) loadLate(u *row, c *Change) error {
	return im.load([]*row{u}, im.concerned(c))
}

const keyAttrs = 1<<aExternalID | 1<<aEmail | 1<<aPhone | 1<<aUsername | 1<<aIdentities

// takes tells which keys a user gives up and which it takes, if it becomes next.
func takes(u, next *row) (given, taken []string) {
	if next.changed&keyAttrs == 0 {
		return nil, nil
	}
	after := next.keysOf(nil)
	if u == nil {
		return nil, after
	}
	before := u.keysOf(nil)
	next.damaged |= u.damaged
	for _, k := range before {
		if !slices.Contains(after, k) {
			given = append(given, k)
		}
	}
	for _, k := range after {
		if !slices.Contains(before, k) {
			taken = append(taken, k)
		}
	}
	return given, taken
}

// conflicts names each key that another user holds.
func (im *Import) conflicts(seq int64, taken []string) (errs []Violation, err error) {
	for _, k := range taken {
		// Nearly always it was asked for, with all keys of the batch.
		if err := im.findHolders(im.want(nil, k)); err != nil {
			return nil, err
		}
		holder := im.holder(k)
		if holder == 0 || holder == seq {
			continue
		}
		u := im.rows[holder]
		if u == nil {
			u = im.newRow(holder)
			im.rows[holder] = u
			if err := im.findHeads([]int64{holder}); err != nil {
				return nil, err
			}
		}
		field := keyField(k)
		message := "belongs to user " + u.id + " already"
		if which, linked := strings.CutPrefix(k, "linked:"); linked { // a record may have several
			message = which + " " + message
		}
		errs = append(errs, Violation{CodeConflict, field, message})
	}
	return errs, nil
}

func withNotes(warnings []Violation, notes byte) []Violation {
	if notes == 0 {
		return warnings
	}
	warnings = slices.Clone(warnings)
	for _, n := range [...]struct {
		note byte
		name string
	}{{notePasswordIgnored, "password"}, {noteMFAPasswordIgnored, "mfa.password"}} {
		if notes&n.note != 0 {
			warnings = append(warnings, Violation{CodePasswordIgnored, n.name,
				"differs from the one that the store has, which stays; on_update can have it replaced"})
		}
	}
	return warnings
}

func (r *Rules) refuses(a attr) bool {
	if a == aRoles {
		return r.RefuseRoles
	}
	return r.RefuseGroups
}

// put notes who has a key from now on; 0 frees it.
func (im *Import) put(key string, seq int64) {
	u := keyUndo{key: key}
	if im.filter == nil || im.filter.has(key) {
		u.seq, u.had = im.pending[key]
	} else {
		im.filter.add(key)
	}
	im.undo = append(im.undo, u)
	im.pending[key] = seq
}

func (im *Import) rollBackKeys() {
	for _, u := range slices.Backward(im.undo) {
		if u.had {
			im.pending[u.key] = u.seq
		} else {
			delete(im.pending, u.key)
		}
	}
	im.undo = im.undo[:0]
}

func (im *Import) write(inserted, updated []*row) error {
	var whole, secrets []*row
	whole = append(whole, inserted...)
	for _, u := range inserted {
		if u.changed>>firstCredential != 0 {
			secrets = append(secrets, u)
		}
	}
	for _, u := range updated {
		if u.changed&(bit(firstCredential)-1) != 0 || u.mark.valid {
			if u.layer != im.top {
				whole = append(whole, u)
			} else if err := im.top.update("users", 0, firstCredential, u); err != nil {
				return err
			}
		}
		if u.changed>>firstCredential != 0 {
			if u.secrets != im.top {
				secrets = append(secrets, u)
			} else if err := im.top.update("credentials", firstCredential, numAttrs, u); err != nil {
				return err
			}
		}
	}
	if err := im.top.insert("users", 0, firstCredential, whole); err != nil {
		return err
	}
	if err := im.top.insert("credentials", firstCredential, numAttrs, secrets); err != nil {
		return err
	}
	for _, list := range [...][]*row{inserted, updated} {
		for _, u := range list {
			if u.raw != "" {
				if err := im.top.putRaw(u); err != nil {
					return err
				}
			}
		}
	}
	for n := range im.names {
		if err := im.names[n].write(im.top); err != nil {
			return err
		}
	}
	return nil
}

// keepReceipts writes the receipts of a transaction as soon as it writes anything else. One that does not has no need of
// them: what comes again is decided over what the store was then, and is decided the same.
func (im *Import) keepReceipts() error {
	if !im.wrote {
		return nil
	}
	for _, b := range im.unkept {
		if err := im.top.putReceipt(im.run.ID, b.first, b.outcomes); err != nil {
			return err
		}
	}
	clear(im.unkept)
	im.unkept = im.unkept[:0]
	return nil
}

func (im *Import) flushKeys() error {
	im.sorted = im.sorted[:0]
	for k, seq := range im.pending {
		im.sorted = append(im.sorted, keyChange{k, seq})
	}
	slices.SortFunc(im.sorted, func(a, b keyChange) int { return strings.Compare(a.key, b.key) })
	if err := im.top.putKeys(im.sorted, im.store.mode == Plan); err != nil {
		return err
	}
	clear(im.sorted)
	clear(im.pending)
	return nil
}

// Commit makes all that was written durable. What was durable before has no need of receipts any more: its outcomes
// are known to be kept elsewhere when Commit is called again.
func (im *Import) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil || !im.open {
		return err
	}
	if err := im.flushKeys(); err != nil {
		return im.store.describe("writing", err)
	}
	if im.tracker != nil {
		if err := im.tracker.flush(im.top, im.run.ID); err != nil {
			return im.store.describe("writing", err)
		}
	}
	if im.store.mode == Write && im.wrote {
		im.changes++
		err := im.top.exec("UPDATE changes SET count = " + strconv.FormatInt(im.changes, 10))
		if err == nil && im.durable > 0 {
			err = im.top.dropReceipts(im.run.ID, im.durable)
		}
		if err != nil {
			return im.store.describe("writing", err)
		}
	}
	if err := im.ahead.commit(im.wrote || im.stale, func() error { return im.top.exec("COMMIT") }); err != nil {
		return im.store.describe("writing", err)
	}
	im.open, im.stale = false, false
	clear(im.touched)
	im.unkept = nil
	im.durable = im.written
	return nil
}

// Changes is a number that grows with every commit that changed something, whichever run's.
func (im *Import) Changes() int64 { return im.changes }

// Behind reports whether the store is not what the run left at a commit when Changes was that: another file, or an older copy of it.
func (im *Import) Behind(changes int64) bool {
	return im.store.mode == Write && im.changes < changes
}

// Finish ends a run that came to its end: nothing of it will come again.
func (im *Import) Finish(ctx context.Context) error {
	if err := im.Commit(ctx); err != nil {
		return err
	}
	if im.store.mode == Plan {
		return im.store.disturbed()
	}
	if im.tracker != nil {
		if err := im.top.dropSeen(im.tracker.pipeline); err != nil {
			return im.store.describe("writing", err)
		}
	}
	return im.store.describe("writing", im.top.dropReceipts(im.run.ID, 1<<62))
}

// idMaker makes ids that are UUIDs of version 7 (RFC 9562): the milliseconds of the run's start, the index of the record
// in 40 bits, and 34 bits that depend on the run and the index. A run that is resumed makes the same ids.
type idMaker struct {
	ms   uint64
	seed uint64
}

func newIDMaker(run Run) idMaker {
	sum := sha256.Sum256([]byte(run.ID))
	return idMaker{uint64(run.StartedAt.UnixMilli()), binary.BigEndian.Uint64(sum[:])}
}

func (m idMaker) id(index int64) string {
	// The finaliser of splitmix64 spreads the index over all bits.
	x := m.seed ^ uint64(index)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	n := uint64(index)
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], m.ms<<16|0x7000|n>>28&0xfff)
	binary.BigEndian.PutUint64(b[8:], 0b10<<62|n&(1<<28-1)<<34|x>>30)
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// knownNames remembers which roles or groups the store knows.
type knownNames struct {
	table string
	known map[string]bool
	added []any
}

// maxNames bounds the names remembered.
const maxNames = 50_000

func (k *knownNames) look(names []any, layers []*layer) error {
	if len(names) == 0 {
		return nil
	}
	if k.known == nil || len(k.known) > maxNames {
		k.known = map[string]bool{}
	}
	var ask []any
	for _, n := range names {
		if _, asked := k.known[n.(string)]; !asked {
			k.known[n.(string)] = false
			ask = append(ask, n)
		}
	}
	for _, l := range layers {
		if len(ask) > 0 {
			if err := l.known(k.table, ask, func(name string) { k.known[name] = true }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *knownNames) unknown(a attr, names []any) (errs []Violation) {
	code, what := CodeUnknownRole, "role"
	if a == aGroups {
		code, what = CodeUnknownGroup, "group"
	}
	for _, n := range names {
		if !k.known[n.(string)] {
			errs = append(errs, Violation{code, attributes[a].name, "the store knows no " + what + " " + quote(n.(string)) +
				"; create it, or set create_" + k.table + ": true"})
		}
	}
	return errs
}

func (k *knownNames) add(names []any) {
	for _, n := range names {
		if name := n.(string); !k.known[name] {
			k.known[name] = true
			k.added = append(k.added, n)
		}
	}
}

func (k *knownNames) write(l *layer) error {
	if len(k.added) == 0 {
		return nil
	}
	err := l.putNames(k.table, k.added)
	k.added = nil
	return err
}

// forget drops what a batch that was rolled back has added.
func (k *knownNames) forget() { k.known, k.added = nil, nil }

func quote(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return `"` + strings.ToValidUTF8(s, "\ufffd") + `"`
}
