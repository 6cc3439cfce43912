package store

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"

	"github.com/taskhost/taskhost/host/internal/task"
)

// phase is the part of a list that a cursor stands in: live records come before ended ones.
type phase string

const (
	phaseLive  phase = "l"
	phaseEnded phase = "e"
)

// place is where a page ends: the next one begins below seq.
type place struct {
	phase phase
	seq   uint64
}

const (
	defaultLimit = 100
	maxLimit     = 500
)

func pageLimit(n int) (int, error) {
	switch {
	case n == 0:
		return defaultLimit, nil
	case n < 0 || n > maxLimit:
		return 0, &task.Error{Code: task.CodeInvalid, Detail: fmt.Sprintf("limit %d is out of range", n), Remedy: fmt.Sprintf("a page takes 1 to %d", maxLimit)}
	}
	return n, nil
}

// fingerprint tells apart the queries that a cursor may go on with. Limit and
// cursor must have been cleared.
func fingerprint(query any) uint64 {
	text, err := json.Marshal(query)
	if err != nil {
		panic(fmt.Sprintf("store: a query cannot be marshalled: %v", err))
	}
	h := fnv.New64a()
	h.Write(text)
	return h.Sum64()
}

func (p place) cursor(query uint64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "1%s.%d.%x", p.phase, p.seq, query))
}

// parseCursor returns the beginning of the list for "".
func parseCursor(cursor string, query uint64) (place, error) {
	if cursor == "" {
		return place{phaseLive, math.MaxUint64}, nil
	}
	wrong := &task.Error{Code: task.CodeInvalid, Detail: "the cursor does not belong to this list", Remedy: "leave it out to read from the beginning; a cursor holds only for the filters that it was made with"}
	if len(cursor) > 128 {
		return place{}, wrong
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(text) < 2 || text[0] != '1' {
		return place{}, wrong
	}
	p := place{phase: phase(text[1:2])}
	if p.phase != phaseLive && p.phase != phaseEnded {
		return place{}, wrong
	}
	var of uint64
	if n, err := fmt.Sscanf(string(text[2:]), ".%d.%x", &p.seq, &of); n != 2 || err != nil || of != query {
		return place{}, wrong
	}
	if p.cursor(query) != cursor {
		return place{}, wrong
	}
	return p, nil
}
