package store

import "testing"

func TestARecordThatWasReadDoesNotChange(t *testing.T) {
	t.Parallel()
	first, second, third, fourth := 1, 2, 3, 4
	it := &item[int]{seq: 1, value: &first}
	l := ledger[int]{items: []*item[int]{it}}
	place := it.value
	if it.set(&second); it.value != place || *place != 2 {
		t.Fatalf("nobody has read the record, but it was not written in its place: %d", *it.value)
	}
	read, _, _ := l.before(2, make([]entry[int], 0, 1))
	it.set(&third)
	if *read[0].value != 2 {
		t.Errorf("a record that was read became %d", *read[0].value)
	}
	place = it.value
	if it.set(&fourth); it.value != place || *it.value != 4 {
		t.Errorf("the new record, which nobody has read, was not written in its place: %d", *it.value)
	}
}
