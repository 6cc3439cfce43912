package queue

import "container/heap"

const nowhere = -1

// pile is a heap of entries from which any can be taken out, because each knows its index.
type pile struct {
	all    []*entry
	before func(a, b *entry) bool
	index  func(e *entry) *int32
}

func byAt(e *entry) *int32    { return &e.at }
func byAgeAt(e *entry) *int32 { return &e.ageAt }

func bySeq(a, b *entry) bool    { return a.seq < b.seq }
func byPosted(a, b *entry) bool { return a.posted < b.posted || a.posted == b.posted && a.seq < b.seq }

func byTime(a, b *entry) bool {
	x, y := a.notBefore(), b.notBefore()
	return x < y || x == y && a.seq < b.seq
}

// Len, Less, Swap, Push and Pop are for package heap.
func (p *pile) Len() int           { return len(p.all) }
func (p *pile) Less(i, j int) bool { return p.before(p.all[i], p.all[j]) }

func (p *pile) Swap(i, j int) {
	p.all[i], p.all[j] = p.all[j], p.all[i]
	*p.index(p.all[i]), *p.index(p.all[j]) = int32(i), int32(j)
}

func (p *pile) Push(x any) {
	e := x.(*entry)
	*p.index(e) = int32(len(p.all))
	p.all = append(p.all, e)
}

func (p *pile) Pop() any {
	last := len(p.all) - 1
	e := p.all[last]
	p.all[last] = nil
	p.all = p.all[:last]
	*p.index(e) = nowhere
	return e
}

func (p *pile) add(e *entry) { heap.Push(p, e) }

// drop takes an entry out; one that is not in it is left alone.
func (p *pile) drop(e *entry) {
	if i := *p.index(e); i != nowhere {
		heap.Remove(p, int(i))
	}
}

// first is the entry that comes first, nil when there is none.
func (p *pile) first() *entry {
	if len(p.all) == 0 {
		return nil
	}
	return p.all[0]
}

// clear empties the pile.
func (p *pile) clear() {
	for _, e := range p.all {
		*p.index(e) = nowhere
	}
	clear(p.all)
	p.all = p.all[:0]
}
