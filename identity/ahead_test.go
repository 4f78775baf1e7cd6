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

	"github.com/usher-id/usher/value"
)

// What is looked up ahead must never change what becomes of a record, however long before it was looked up, and whatever was
// written or committed in between.
func TestLookingAheadChangesNothing(t *testing.T) {
	for _, tt := range []struct{ identifier, value string }{
		{"email", `"u%d@x.com"`}, {"preferred_username", `"User%d"`}, {"external_id", `%d`}, {"phone_number", `"+86132%08d"`},
	} {
		for _, ordered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, ordered %t", tt.identifier, ordered), func(t *testing.T) {
				lookAheadAndNot(t, tt.identifier, tt.value, ordered)
			})
		}
	}
}

func lookAheadAndNot(t *testing.T, identifier, format string, ordered bool) {
	const people = 60
	batches := 1000
	if testing.Short() {
		batches = 200
	}
	rng := rand.New(rand.NewPCG(1, 2))
	last := 0
	record := func() string {
		n := rng.IntN(people)
		if ordered && rng.IntN(20) > 0 {
			n = (last + 1) % people
		}
		last = n
		text := fmt.Sprintf(`{"`+identifier+`":`+format+`,"name":"N%d"`, n, rng.IntN(3))
		switch other := `,"email":`; rng.IntN(4) {
		case 0:
			if identifier == "email" {
				other = `,"phone_number":"+86131000000%02d"`
			} else {
				other += `"m%d@x.com"`
			}
			text += fmt.Sprintf(other, rng.IntN(people))
		case 1:
			if identifier == "email" {
				other = `,"phone_number":`
			}
			text += other + `null`
		}
		switch rng.IntN(12) {
		case 0:
			text += `,"phone_number_verified":true` // a warning, where there is no number
		case 1:
			text += fmt.Sprintf(`,"password":{"hash":"h%d","hasher":"acme"}`, rng.IntN(2))
		case 2:
			text += `,"birthdate":"soon"`
		case 3:
			text += fmt.Sprintf(`,"custom_attributes":{"n":%d}`, rng.IntN(2))
		case 4:
			text = strings.Replace(text, "@x.com", "@X.com", 1)
		}
		if rng.IntN(12) == 0 && (!ordered || rng.IntN(5) == 0) {
			return text + "} " // the user is gone
		}
		return text + "}"
	}
	ctx := context.Background()
	run := Run{ID: "first", StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	o := Options{Identifier: identifier, Upsert: true, OnDelete: Delete}
	var imports [2]*Import
	for i := range imports {
		s := openStore(t, t.TempDir(), Write)
		im := beginImport(t, s, o, run)
		for n := range 2 {
			write(t, im, int64(n), fmt.Sprintf(`{"`+identifier+`":`+format+`}`, n))
		}
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

	texts := make([][]string, batches)
	early := make([][]*Change, batches)
	for b := range batches {
		for range 1 + rng.IntN(4) {
			texts[b] = append(texts[b], record())
		}
	}
	changes := func(b int, read func(*Reader, *value.Object) *Change) (list []*Change) {
		reader := plain.rules.NewReader()
		for _, text := range texts[b] {
			read := func(record *value.Object) *Change { return read(reader, record) }
			if strings.HasSuffix(text, " ") {
				read = reader.ReadGone
			}
			list = append(list, read(parse(t, text)))
		}
		return list
	}
	looked, used, unread, near := 0, 0, 0, 0
	position := int64(0)
	for b := range batches {
		for ; looked < batches && looked <= b+rng.IntN(4); looked++ {
			early[looked] = changes(looked, (*Reader).Identify)
			looking.Prepare(looking.rules.NewReader(), position, early[looked])
			position += int64(len(early[looked]))
			if a := looking.ahead; a.seq != 0 && a.misses == 0 {
				near++
			}
		}
		var results [2][]Result
		for i, list := range [...][]*Change{changes(b, (*Reader).Read), early[b]} {
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
		for _, c := range early[b] {
			if !c.finished {
				unread++
			}
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
	if used < batches || unread < batches/25 || ordered && near < batches/10 {
		t.Errorf("only %d of what was looked up could be of use, %d records did not have to be read, %d batches came in order", used, unread, near)
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
	change := im.rules.NewReader().Read(parse(t, `{"email":"a@x.com","name":"A"}`))
	im.Prepare(im.rules.NewReader(), 1, []*Change{change})
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
