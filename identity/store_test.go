package identity

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func openStore(t testing.TB, dir string, mode Mode) *Store {
	t.Helper()
	s, err := Open(context.Background(), "sqlite:users.db", dir, "test", mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// write imports records in one batch and gives the outcomes.
func write(t testing.TB, im *Import, first int64, records ...string) (outcomes []Outcome) {
	t.Helper()
	reader := im.rules.NewReader()
	var items []Item
	for i, text := range records {
		items = append(items, Item{Index: first + int64(i), Change: reader.Read(parse(t, text))})
	}
	results, err := im.Write(context.Background(), items)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		outcomes = append(outcomes, r.Outcome)
	}
	return outcomes
}

func beginImport(t testing.TB, s *Store, o Options, run Run) *Import {
	t.Helper()
	im, err := s.Import(rules(t, o), run)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// TestPlanLeavesNothingBehindWhenItIsKilled: what it lays over the store has the passwords of those who come.
func TestPlanLeavesNothingBehindWhenItIsKilled(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	im := beginImport(t, openStore(t, t.TempDir(), Plan), Options{Upsert: true}, Run{ID: "r"})
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("%v %v", err, left)
	}
	if got := write(t, im, 0, `{"email":"a@example.com"}`, `{"email":"a@example.com","name":"A"}`); !slices.Equal(got, []Outcome{Inserted, Updated}) {
		t.Error(got)
	}
}

// Keys that the filter learns late, or that were freed since, must be found all the same.
func TestFilterIsLearnedLate(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Write)
	ctx := context.Background()
	im := beginImport(t, s, Options{}, Run{ID: "1", StartedAt: time.Now()})
	var records []string
	for i := range 100 {
		records = append(records, fmt.Sprintf(`{"email":"u%d@x.com","phone_number":"+86131%08d"}`, i, i))
	}
	write(t, im, 0, records...)
	if err := im.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	im = beginImport(t, s, Options{Upsert: true}, Run{ID: "2", StartedAt: time.Now()})
	if im.filter != nil {
		t.Fatal("there is a filter before anything was missed")
	}
	index := int64(0)
	next := func(want Outcome, text string) {
		t.Helper()
		if got := write(t, im, index, text); got[0] != want {
			t.Errorf("%s: %d, want %d", text, got[0], want)
		}
		index++
	}
	next(Unchanged, records[5])
	next(Updated, `{"email":"u7@x.com","phone_number":null}`)
	for i := 0; im.filter == nil; i++ {
		next(Inserted, fmt.Sprintf(`{"email":"new%d@x.com"}`, i))
		if i > 200 {
			t.Fatal("the filter is never made")
		}
	}
	next(Unchanged, records[6])
	next(Failed, `{"email":"other@x.com","phone_number":"+8613100000008"}`)
	next(Inserted, `{"email":"other@x.com","phone_number":"+8613100000007"}`)
	next(Failed, `{"email":"u7@x.com","phone_number":"+8613100000007"}`)
	if err := im.Finish(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestFilterForgetsNothing(t *testing.T) {
	f := newFilter()
	for i := range 100_000 {
		f.add(fmt.Sprint("k", i))
	}
	for i := range 100_000 {
		if !f.has(fmt.Sprint("k", i)) {
			t.Fatal("forgot a key")
		}
	}
	wrong := 0
	for i := range 100_000 {
		if f.has(fmt.Sprint("other", i)) {
			wrong++
		}
	}
	if wrong > 100 {
		t.Errorf("%d of 100 000 keys are taken for known", wrong)
	}
}

func TestIDs(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	m := newIDMaker(Run{ID: "r", StartedAt: at})
	var ids []string
	for _, index := range []int64{0, 1, 2, 1000, 1 << 28, 1<<28 + 1, 1 << 39} {
		ids = append(ids, m.id(index))
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error(ids)
	}
	for _, id := range ids {
		var ms int64
		if _, err := fmt.Sscanf(id[:8]+id[9:13], "%x", &ms); err != nil || ms != at.UnixMilli() || id[14] != '7' || id[19] < '8' || id[19] > 'b' {
			t.Error(id)
		}
	}
	if other := newIDMaker(Run{ID: "s", StartedAt: at}).id(0); other == ids[0] {
		t.Error("two runs make the same id")
	}
	if again := newIDMaker(Run{ID: "r", StartedAt: at}).id(1000); again != ids[3] {
		t.Error("the same run makes another id")
	}
}

func TestUsersWalksPages(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Write)
	im := beginImport(t, s, Options{}, Run{ID: "1", StartedAt: time.Now()})
	const n = 2*pageSize + 3
	for first := 0; first < n; first += 100 {
		var records []string
		for i := first; i < min(first+100, n); i++ {
			records = append(records, fmt.Sprintf(`{"email":"u%d@x.com"}`, i))
		}
		write(t, im, int64(first), records...)
	}
	if err := im.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	i := 0
	for u, err := range s.Users(context.Background()) {
		if err != nil || u.Email != fmt.Sprintf("u%d@x.com", i) {
			t.Fatal(i, u, err)
		}
		i++
	}
	if i != n {
		t.Error(i)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range s.Users(ctx) {
		if err != context.Canceled {
			t.Error(err)
		}
	}
}

// An import that nobody commits must not hold back keys without end.
func TestKeysAreWrittenBeforeTheyAreTooMany(t *testing.T) {
	s := openStore(t, t.TempDir(), Write)
	im := beginImport(t, s, Options{Upsert: true}, Run{ID: "1", StartedAt: time.Now()})
	write(t, im, 0, `{"email":"a@x.com"}`)
	for i := range maxPending {
		im.pending[fmt.Sprint("external:", i)] = 1
	}
	write(t, im, 1, `{"email":"b@x.com"}`)
	if len(im.pending) != 0 {
		t.Error(len(im.pending))
	}
	if got := write(t, im, 2, `{"email":"a@x.com","name":"A"}`, `{"email":"b@x.com"}`); got[0] != Updated || got[1] != Unchanged {
		t.Error(got)
	}
}

// A transaction in which nobody changes leaves the store as it is, receipts included; from the first change on, there are receipts of all of it.
func TestNothingIsWrittenWhereNothingChanges(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := openStore(t, dir, Write)
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	im := beginImport(t, s, Options{}, Run{ID: "1", StartedAt: started})
	write(t, im, 0, `{"email":"a@x.com","name":"A"}`, `{"email":"b@x.com","name":"B"}`)
	if err := im.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	receipts := func() (firsts []int64) {
		if err := s.top.receipts("2", func(first int64, _ []byte) { firsts = append(firsts, first) }); err != nil {
			t.Fatal(err)
		}
		return firsts
	}
	files := func() string {
		var all []byte
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(s.path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		return string(all)
	}
	run := Run{ID: "2", StartedAt: started.Add(time.Hour)}
	im = beginImport(t, s, Options{Upsert: true}, run)
	before := files()
	unchanged := []string{`{"email":"a@x.com","name":"A"}`, `{"email":"nobody"}`}
	for first := range int64(3) {
		if got := write(t, im, 2*first, unchanged...); !slices.Equal(got, []Outcome{Unchanged, Failed}) {
			t.Fatal(got)
		}
		if err := im.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if files() != before {
		t.Error("the store was written")
	}
	write(t, im, 6, unchanged...)
	write(t, im, 8, `{"email":"a@x.com","name":"Z"}`)
	write(t, im, 9, unchanged[1])
	if err := im.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if got := receipts(); !slices.Equal(got, []int64{6, 8, 9}) {
		t.Errorf("receipts from %v", got)
	}
	// Another process, from a checkpoint before all of that transaction: what was unchanged then has changed since.
	run.Resumed = true
	im = beginImport(t, s, Options{Upsert: true}, run)
	if got := write(t, im, 6, unchanged[0], unchanged[1], `{"email":"a@x.com","name":"Z"}`); !slices.Equal(got, []Outcome{Unchanged, Failed, Updated}) {
		t.Errorf("resumed: %v", got)
	}
	if got := write(t, im, 20, `{"email":"b@x.com","name":"B"}`); !slices.Equal(got, []Outcome{Unchanged}) {
		t.Errorf("behind what was done: %v", got)
	}
}

func TestReceiptsRoundTrip(t *testing.T) {
	v := []Violation{{"a.b", "f", "m"}, {"", "", ""}}
	want := []receiptEntry{
		{7, Result{Outcome: Inserted, UserID: "id"}},
		{8, Result{Outcome: Updated, UserID: "id", Changed: []string{"name", "custom_attributes.ä"}, Warnings: v}},
		{900, Result{Outcome: Failed, Errors: v}},
	}
	b := []byte{receiptVersion}
	last := int64(7)
	for i := range want {
		b = appendReceipt(b, last, want[i].index, &want[i].Result)
		last = want[i].index
	}
	got, err := decodeReceipt(7, b)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v %v", got, err)
	}
	for n := range b {
		if got, err := decodeReceipt(7, b[:n]); err == nil && len(got) == len(want) {
			t.Errorf("%d of %d bytes are a whole receipt", n, len(b))
		}
	}
}

func FuzzReceipts(f *testing.F) {
	b := appendReceipt([]byte{receiptVersion}, 3, 3, &Result{Outcome: Updated, UserID: "id", Changed: []string{"name"}, Warnings: []Violation{{"c", "f", "m"}}})
	f.Add(appendReceipt(b, 3, 5, &Result{Outcome: Failed, Errors: []Violation{{"c", "f", "m"}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeReceipt(3, b)
		if err != nil {
			return
		}
		again := []byte{receiptVersion}
		last := int64(3)
		for i := range list {
			again = appendReceipt(again, last, list[i].index, &list[i].Result)
			last = list[i].index
		}
		if string(again) != string(b) {
			t.Fatalf("%x was read as %x", b, again)
		}
	})
}

// The reference page has a row for every attribute, with its default behaviour.
func TestReferenceNamesEveryAttribute(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/identity-store.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range Updates() {
		documented := false
		for line := range strings.Lines(string(page)) {
			cells := strings.Split(strings.TrimSpace(line), "|")
			if len(cells) == 6 && strings.Contains(cells[1], "`"+u.Attribute+"`") {
				documented = strings.TrimSpace(cells[4]) == "`"+string(u.Default)+"`"
			}
		}
		if !documented {
			t.Errorf("%s with the behaviour %s is not in the reference", u.Attribute, u.Default)
		}
	}
}
