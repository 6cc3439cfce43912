package store

import (
	"context"

	"github.com/taskhost/taskhost/host/internal/task"
)

// pager collects one page and looks one item further to know whether another follows.
type pager[T any] struct {
	limit int
	match func(*T) bool
	items []T
	end   place // of the last item of the page
	more  bool
}

func (p *pager[T]) full() bool { return p.more }

func (p *pager[T]) take(at place, v *T) {
	if !p.match(v) {
		return
	}
	if len(p.items) == p.limit {
		p.more = true
		return
	}
	p.items = append(p.items, *v)
	p.end = at
}

func (p *pager[T]) page(query uint64) task.Page[T] {
	page := task.Page[T]{Items: p.items}
	if p.more {
		page.Next = p.end.cursor(query)
	}
	return page
}

// reader returns a piece of a list as ledger.before does; it holds a lock only while it copies.
type reader[T any] func(seq uint64, buf []entry[T]) ([]entry[T], uint64, bool)

// scan feeds the pager from the place on, piece by piece.
func scan[T any](ctx context.Context, from place, p *pager[T], read reader[T]) error {
	piece := make([]entry[T], 0, min(256, 2*p.limit+2))
	for more := true; more && !p.full(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		piece, from.seq, more = read(from.seq, piece[:0])
		for _, e := range piece {
			p.take(place{from.phase, e.seq}, e.value)
		}
	}
	return nil
}
