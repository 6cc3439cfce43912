package store

import "sort"

// item is one record at its place. An item whose record has moved or was forgotten is
// gone; each ledger that holds it is told by dropped.
type item[T any] struct {
	seq   uint64
	value *T
	read  bool // value was handed out, and does not change any more
	gone  bool
	size  int64
	class class
}

// set replaces the record, in its place when nobody reads it there.
func (it *item[T]) set(v *T) {
	if it.read {
		it.value, it.read = new(T), false
	}
	*it.value = *v
}

// ledger is a list of items in rising sequence that forgets from its old end cheaply
// and elsewhere at an amortised constant cost.
type ledger[T any] struct {
	items []*item[T]
	gone  int
}

func (l *ledger[T]) add(it *item[T]) { l.items = append(l.items, it) }

func (l *ledger[T]) count() int { return len(l.items) - l.gone }

// dropped notes that one of its items has gone.
func (l *ledger[T]) dropped() {
	l.gone++
	for len(l.items) > 0 && l.items[0].gone {
		l.items[0] = nil
		l.items = l.items[1:]
		l.gone--
	}
	if l.gone <= 64 || l.gone < len(l.items)/2 {
		return
	}
	kept := make([]*item[T], 0, l.count()*5/4)
	for _, it := range l.items {
		if !it.gone {
			kept = append(kept, it)
		}
	}
	l.items, l.gone = kept, 0
}

// oldest is the first item, nil when there is none.
func (l *ledger[T]) oldest() *item[T] {
	if len(l.items) == 0 {
		return nil
	}
	return l.items[0] // dropped keeps the first one present
}

// entry is an item as it was when it was read.
type entry[T any] struct {
	seq   uint64
	value *T
}

// before appends to buf the newest items below seq, newest first, until buf is full. It
// returns the sequence to go on below, and false when nothing is left there.
func (l *ledger[T]) before(seq uint64, buf []entry[T]) ([]entry[T], uint64, bool) {
	i := sort.Search(len(l.items), func(i int) bool { return l.items[i].seq >= seq })
	for looked := 0; i > 0 && len(buf) < cap(buf) && looked < maxLook; looked++ {
		i--
		seq = l.items[i].seq
		if it := l.items[i]; !it.gone {
			it.read = true
			buf = append(buf, entry[T]{seq, it.value})
		}
	}
	return buf, seq, i > 0
}

// maxLook bounds how many items are looked at under the lock.
const maxLook = 512
