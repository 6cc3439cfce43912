package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

var (
	sums = crc32.MakeTable(crc32.Castagnoli)

	errDamaged = errors.New("the record is damaged: its checksum does not match")
)

// encode makes a record: four bytes of checksum, and JSON.
func encode(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	record := make([]byte, 4, 4+len(text))
	binary.BigEndian.PutUint32(record, crc32.Checksum(text, sums))
	return append(record, text...), nil
}

func decode[T any](record []byte) (v T, err error) {
	if len(record) < 4 || binary.BigEndian.Uint32(record) != crc32.Checksum(record[4:], sums) {
		return v, errDamaged
	}
	return v, json.Unmarshal(record[4:], &v)
}

// taskRow is what the row of a task holds.
type taskRow struct {
	LastSlot        time.Time        `json:"last_slot,omitzero"`
	LastEnd         time.Time        `json:"last_end,omitzero"`
	LastSuccess     time.Time        `json:"last_success,omitzero"`
	LastSuccessSlot time.Time        `json:"last_success_slot,omitzero"`
	Failures        int              `json:"failures,omitempty"`
	Last            *task.RunSummary `json:"last,omitempty"`
	Removed         time.Time        `json:"removed,omitzero"`
}

func (r taskRow) memory() task.Memory {
	return task.Memory{
		LastSlot: r.LastSlot, LastEnd: r.LastEnd, LastSuccess: r.LastSuccess, LastSuccessSlot: r.LastSuccessSlot,
		Failures: r.Failures, Last: r.Last,
	}
}

func (h *past) row() taskRow {
	m := h.memory
	return taskRow{m.LastSlot, m.LastEnd, m.LastSuccess, m.LastSuccessSlot, m.Failures, m.Last, h.removed}
}

// storedValue is a checkpoint value as its record holds it. A json.RawMessage would be made compact.
type storedValue struct {
	Value   []byte    `json:"value"`
	Version uint64    `json:"version"`
	At      time.Time `json:"at"`
	Run     string    `json:"run,omitempty"`
}
