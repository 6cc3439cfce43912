package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
)

// search selects records of a table by kind and time, the newest first.
type search struct {
	table string
	kinds []kind // nil is all
	below uint64 // places below this one only
	from  uint64 // places from this one only; no record stands before its queueing
	until uint64 // queued before this; 0 is no bound; needs kinds

	// From so many kinds on, a plain look at so many of the newest records is tried first, and the heads of
	// all kinds are read in one go.
	many, look int
}

// found is one record as it stands in its table.
type found struct {
	seq    uint64
	id     string
	record []byte
}

// find returns up to n records, fewer only when there are no more.
//
// Each kind is a list of its own in the index, and the n newest of all lie in the kinds whose newest are the
// newest. So the kinds are gone through in the order of their heads, and as soon as a head is older than n
// records that were found, the rest cannot matter.
func (h search) find(ctx context.Context, t *sql.Tx, n int) ([]found, error) {
	if h.kinds == nil {
		return h.read(ctx, t, `SELECT seq, id, record FROM `+h.table+` WHERE seq < ? AND seq >= ? ORDER BY seq DESC LIMIT 0 + ?`, h.bound(forever), h.from, n)
	}
	best, err := h.glance(ctx, t, n)
	if err != nil {
		return nil, err
	}
	if len(best) < n {
		heads, err := h.heads(ctx, t)
		if err != nil {
			return nil, err
		}
		best, err = h.merge(ctx, t, heads, n)
		if err != nil {
			return nil, err
		}
	}
	if len(best) == 0 {
		return nil, nil
	}
	return h.load(ctx, t, best)
}

// glance goes through the newest records of all kinds, which is quick when most of them are wanted.
func (h search) glance(ctx context.Context, t *sql.Tx, n int) (best []uint64, err error) {
	if len(h.kinds) < h.many {
		return nil, nil
	}
	if h.until > 0 {
		return h.glanceBack(ctx, t, n)
	}
	wanted := make(map[int64]bool, len(h.kinds))
	for _, k := range h.kinds {
		wanted[k.id] = true
	}
	err = each(ctx, t, `SELECT seq, kind FROM `+h.table+` WHERE seq < ? AND seq >= ? ORDER BY seq DESC LIMIT 0 + ?`, []any{h.bound(forever), h.from, h.look}, func(rows *sql.Rows) error {
		var seq uint64
		var of int64
		if err := rows.Scan(&seq, &of); err != nil {
			return err
		}
		if wanted[of] && len(best) < n {
			best = append(best, seq)
		}
		return nil
	})
	return best, err
}

// nearLevel is the last level whose runs glanceBack finds by a plain look.
const nearLevel = 2

// glanceBack is glance for a time in the past. What stands below the place of that time was queued before it. What
// stands above it and was queued before was under way then: quick runs are found within a minute, slow ones by kind.
func (h search) glanceBack(ctx context.Context, t *sql.Tx, n int) (best []uint64, err error) {
	wanted := make(map[int64]bool, len(h.kinds))
	slow := h
	slow.kinds, slow.from = []kind{}, max(h.from, h.until)
	for _, k := range h.kinds {
		wanted[k.id] = true
		if k.key.level > nearLevel {
			slow.kinds = append(slow.kinds, k)
		}
	}
	seen, short := 0, false
	plain := func(below, from uint64, most int) error {
		seen = 0
		return each(ctx, t, `SELECT seq, kind, queued FROM `+h.table+` WHERE seq < ? AND seq >= ? ORDER BY seq DESC LIMIT 0 + ?`, []any{below, from, most}, func(rows *sql.Rows) error {
			var seq, queued uint64
			var of int64
			if err := rows.Scan(&seq, &of, &queued); err != nil {
				return err
			}
			seen++
			if wanted[of] && queued < h.until {
				best = append(best, seq)
			}
			return nil
		})
	}
	near := h.bound(kindKey{level: nearLevel}.span())
	if most := 10 * h.look; slow.from < near {
		if err := plain(near, slow.from, most); err != nil {
			return nil, err
		}
		short = seen == most
	}
	if !short && len(best) < n {
		if err := plain(min(h.below, h.until), h.from, h.look); err != nil {
			return nil, err
		}
		short = seen == h.look && len(best) < n
	}
	if short {
		return nil, nil // there may be more than was looked at
	}
	heads, err := slow.heads(ctx, t)
	if err != nil {
		return nil, err
	}
	late, err := slow.merge(ctx, t, heads, n)
	best = append(best, late...)
	slices.SortFunc(best, func(a, b uint64) int { return cmp.Compare(b, a) })
	best = slices.Compact(best) // a slow one may have been seen by the plain look
	return best[:min(n, len(best))], err
}

// bound is the place below which the records of a kind with the span must stand.
func (h search) bound(span uint64) uint64 {
	below := min(h.below, forever)
	if h.until > 0 && span < forever {
		below = min(below, h.until+span)
	}
	return below
}

// head is the newest record of a kind that may be wanted, or a place that it cannot be above.
type head struct {
	kind kind
	seq  uint64
}

func (h search) heads(ctx context.Context, t *sql.Tx) ([]head, error) {
	heads := make([]head, 0, len(h.kinds))
	if len(h.kinds) < h.many {
		for _, k := range h.kinds {
			heads = append(heads, head{k, h.bound(k.key.span())})
		}
		slices.SortFunc(heads, newestFirst)
		return heads, nil
	}
	wanted, quickest := make(map[int64]kind, len(h.kinds)), len(levels)
	for _, k := range h.kinds {
		wanted[k.id] = k
		quickest = min(quickest, k.key.level)
	}
	var limits strings.Builder
	args := make([]any, 0, len(levels)+3)
	for level := range levels {
		limits.WriteString(` WHEN ` + strconv.Itoa(level) + ` THEN ?`)
		args = append(args, h.bound(kindKey{level: level}.span()))
	}
	args = append(args, h.bound(forever), h.from, h.table, quickest)
	err := each(ctx, t, `SELECT k.id, (SELECT MAX(r.seq) FROM `+h.table+` r WHERE r.kind = k.id
		AND r.seq < CASE k.level`+limits.String()+` ELSE ? END AND r.seq >= ?) FROM kinds k WHERE k.part = ? AND k.level >= ?`, args, func(rows *sql.Rows) error {
		var of int64
		var seq sql.NullInt64
		if err := rows.Scan(&of, &seq); err != nil {
			return err
		}
		if k, want := wanted[of]; want && seq.Valid {
			heads = append(heads, head{k, uint64(seq.Int64)})
		}
		return nil
	})
	slices.SortFunc(heads, newestFirst)
	return heads, err
}

func newestFirst(a, b head) int { return cmp.Compare(b.seq, a.seq) }

// merge returns the places of the n newest, in falling order.
func (h search) merge(ctx context.Context, t *sql.Tx, heads []head, n int) ([]uint64, error) {
	queued := uint64(1) << 62
	if h.until > 0 {
		queued = h.until
	}
	stmt, err := t.PrepareContext(ctx, `SELECT seq FROM `+h.table+` WHERE kind = ? AND seq < ? AND seq >= ? AND queued < ? ORDER BY seq DESC LIMIT 0 + ?`)
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	var best []uint64
	for _, k := range heads {
		from := h.from
		if len(best) == n {
			if k.seq < best[n-1] {
				break
			}
			from = max(from, best[n-1])
		}
		rows, err := stmt.QueryContext(ctx, k.kind.id, h.bound(k.kind.key.span()), from, queued, n)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var seq uint64
			if err := rows.Scan(&seq); err != nil {
				rows.Close()
				return nil, err
			}
			best = append(best, seq)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		slices.SortFunc(best, func(a, b uint64) int { return cmp.Compare(b, a) })
		best = best[:min(n, len(best))]
	}
	return best, nil
}

// load reads the records at places, in their order.
func (h search) load(ctx context.Context, t *sql.Tx, places []uint64) ([]found, error) {
	args := make([]any, len(places))
	for i, seq := range places {
		args[i] = seq
	}
	marks := strings.Repeat(", ?", len(places))[2:]
	return h.read(ctx, t, `SELECT seq, id, record FROM `+h.table+` WHERE seq IN (`+marks+`) ORDER BY seq DESC`, args...)
}

func (h search) read(ctx context.Context, t *sql.Tx, query string, args ...any) (all []found, err error) {
	err = each(ctx, t, query, args, func(rows *sql.Rows) error {
		var f found
		if err := rows.Scan(&f.seq, &f.id, &f.record); err != nil {
			return err
		}
		all = append(all, f)
		return nil
	})
	return all, err
}
