package identity

import "testing"

func FuzzMissing(f *testing.F) {
	f.Add(appendMissing(nil, []Missing{{"id", "ann@example.com", Deleted}, {"", "", Unchanged}}))
	f.Add([]byte{receiptVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeMissing(b)
		if err != nil {
			return
		}
		if again := appendMissing(nil, list); string(again) != string(b) {
			t.Fatalf("%x was read as %x", b, again)
		}
	})
}

func TestBlocks(t *testing.T) {
	m := bitmap{}
	want := []int64{1, 7, 8, 4095}
	for _, seq := range append([]int64{4096, 10_000}, want...) {
		m.set(seq)
	}
	if got := m[0].seqs(0); len(got) != len(want) || got[0] != 1 || got[3] != 4095 || m[0].count() != 4 {
		t.Errorf("%v", got)
	}
	if got := m.sorted(); len(got) != 3 || got[2] != 2 || m[2].seqs(2)[0] != 10_000 {
		t.Errorf("%v", got)
	}
	both := m[1].or(m[0])
	if both.count() != 5 || both.without(m[1]).count() != 4 || m[0].count() != 4 || (*block)(nil).or(nil).count() != 0 {
		t.Errorf("%d", both.count())
	}
}
