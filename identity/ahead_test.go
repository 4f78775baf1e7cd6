package identity

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
)

// What is looked up ahead must never change what becomes of a record, however long before it was looked up, and whatever was
// written or committed in between.
func TestLookingAheadChangesNothing(t *testing.T) {
	const batches, people = 3000, 60
	rng := rand.New(rand.NewPCG(1, 2))
	record := func() string {
		n := rng.IntN(people)
		text := fmt.Sprintf(`{"email":"u%d@x.com","name":"N%d"`, n, rng.IntN(3))
		switch rng.IntN(4) {
		case 0:
			text += fmt.Sprintf(`,"phone_number":"+86131000000%02d"`, rng.IntN(people))
		case 1:
			text += `,"phone_number":null`
		}
		if rng.IntN(12) == 0 {
			return text + "} " // the user is gone
		}
		return text + "}"
	}
	ctx := context.Background()
	run := Run{ID: "first", StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	o := Options{Upsert: true, OnDelete: Delete}
	var imports [2]*Import
	for i := range imports {
		s := openStore(t, t.TempDir(), Write)
		im := beginImport(t, s, o, run)
		write(t, im, 0, `{"email":"u0@x.com"}`, `{"email":"u1@x.com","phone_number":"+8613100000001"}`)
		if err := im.Finish(ctx); err != nil {
			t.Fatal(err)
		}
		imports[i] = beginImport(t, s, o, Run{ID: "second", StartedAt: run.StartedAt.Add(time.Hour)})
		imports[i].misses = -1 << 40 // no filter, which would end the looking ahead
	}
	plain, looking := imports[0], imports[1]
	if looking.ahead == nil {
		t.Fatal("nobody looks ahead")
	}
	plain.ahead = nil

	var texts [batches][]string
	var early [batches][]*Change
	for b := range batches {
		for range 1 + rng.IntN(4) {
			texts[b] = append(texts[b], record())
		}
	}
	changes := func(b int) (list []*Change) {
		reader := plain.rules.NewReader(len(texts[b]))
		for _, text := range texts[b] {
			read := reader.Read
			if strings.HasSuffix(text, " ") {
				read = reader.ReadGone
			}
			list = append(list, read(parse(t, text)))
		}
		return list
	}
	looked, used := 0, 0
	for b := range batches {
		for ; looked < batches && looked <= b+rng.IntN(4); looked++ {
			early[looked] = changes(looked)
			looking.LookAhead(early[looked])
		}
		var results [2][]Result
		for i, list := range [...][]*Change{changes(b), early[b]} {
			var items []Item
			for j, c := range list {
				items = append(items, Item{Index: int64(10*b + j), Change: c})
				if i == 1 && c.seen.generation == looking.ahead.generation.Load() {
					used++
				}
			}
			r, err := imports[i].Write(ctx, items)
			if err != nil {
				t.Fatal(err)
			}
			results[i] = r
		}
		if !reflect.DeepEqual(results[0], results[1]) {
			t.Fatalf("batch %d %s\n%+v\nlooked ahead\n%+v", b, texts[b], results[0], results[1])
		}
		if rng.IntN(8) == 0 {
			for _, im := range imports {
				if err := im.Commit(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if used < batches {
		t.Errorf("only %d of what was looked up could be of use", used)
	}
}

// A user that another program wrote since it was looked up is looked up again.
func TestLookingAheadSeesOtherPrograms(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir(), Write)
	im := beginImport(t, s, Options{Upsert: true}, Run{ID: "first", StartedAt: time.Now()})
	write(t, im, 0, `{"email":"a@x.com","name":"A"}`)
	if err := im.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	im = beginImport(t, s, Options{Upsert: true}, Run{ID: "second", StartedAt: time.Now()})
	im.misses = -1 << 40
	write(t, im, 0, `{"email":"b@x.com"}`)
	if err := im.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	change := im.rules.NewReader(1).Read(parse(t, `{"email":"a@x.com","name":"A"}`))
	im.LookAhead([]*Change{change})
	if change.seen.seq == 0 {
		t.Fatal("nobody was seen")
	}
	other, err := openLayer(s.Path(), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer other.conn.Close()
	if err := other.exec("UPDATE users SET name = 'Z', mark = NULL WHERE email = 'a@x.com'"); err != nil {
		t.Fatal(err)
	}
	results, err := im.Write(ctx, []Item{{Index: 1, Change: change}})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Outcome != Updated {
		t.Errorf("%+v, want an update", results[0])
	}
}
