package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// What is sorted lies in temporary files: where there is no room for them, the store is not to blame.
func TestSortWithoutRoom(t *testing.T) {
	s := openStore(t, t.TempDir(), Write)
	want := Selection{Public: true, Order: []Order{{Attribute: "email"}}}
	if _, err := s.Sort(context.Background(), want); err != nil {
		t.Fatal(err)
	}
	if err := s.layer().exec("PRAGMA temp.max_page_count = 3"); err != nil {
		t.Fatal(err)
	}
	var records []string
	for i := range 5000 {
		records = append(records, fmt.Sprintf(`{"email":"u%d@x.com"}`, i))
	}
	write(t, beginImport(t, s, Options{}, Run{ID: "1", StartedAt: time.Now()}), 0, records...)
	_, err := s.Sort(context.Background(), want)
	wantNoRoom(t, err)
}

func wantNoRoom(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != "store.temporary_file" || !strings.Contains(e.Hint, "TMPDIR") {
		t.Errorf("%#v", err)
	}
}

func TestPlanWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir, Write)
	s := openStore(t, dir, Plan)
	if err := s.top.exec("PRAGMA max_page_count = 40"); err != nil {
		t.Fatal(err)
	}
	im := beginImport(t, s, Options{}, Run{ID: "1", StartedAt: time.Now()})
	var items []Item
	for i := range 5000 {
		items = append(items, Item{Index: int64(i), Change: im.rules.NewReader().Read(parse(t, fmt.Sprintf(`{"email":"u%d@x.com"}`, i)))})
	}
	_, err := im.Write(context.Background(), items)
	wantNoRoom(t, err)

	t.Setenv("TMPDIR", dir+"/nowhere")
	_, err = Open(context.Background(), "sqlite:users.db", dir, "test", Plan)
	wantNoRoom(t, err)
}
