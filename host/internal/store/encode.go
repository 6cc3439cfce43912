package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

var (
	sums = crc32.MakeTable(crc32.Castagnoli)

	errDamaged = errors.New("the record is damaged: its checksum does not match")
	errRow     = errors.New("the record is damaged: its row does not match it")
)

func isDamage(err error) bool { return errors.Is(err, errDamaged) || errors.Is(err, errRow) }

// encode makes a record: four bytes of checksum, and JSON.
func encode(v any) ([]byte, error) {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	b.Write(make([]byte, 4)) // for the checksum
	if err := json.NewEncoder(b).Encode(v); err != nil {
		return nil, err
	}
	record := bytes.Clone(b.Bytes()[:b.Len()-1]) // Encode ends with a newline
	binary.BigEndian.PutUint32(record, crc32.Checksum(record[4:], sums))
	return record, nil
}

// buffers are where records are written, which are copied out of them in their size.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func decode[T any](record []byte) (v T, err error) {
	text, err := unseal(record)
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(text, &v)
}

// bind makes a record hold at one place of its table only: elsewhere its checksum does not match.
func bind(record []byte, place uint64) {
	was := binary.BigEndian.Uint32(record)
	binary.BigEndian.PutUint32(record, crc32.Update(was, sums, binary.BigEndian.AppendUint64(nil, place)))
}

func encodeAt(v any, place uint64) ([]byte, error) {
	record, err := encode(v)
	if err == nil {
		bind(record, place)
	}
	return record, err
}

func decodeAt[T any](record []byte, place uint64) (v T, err error) {
	if len(record) < 4 {
		return v, errDamaged
	}
	sum := crc32.Update(crc32.Checksum(record[4:], sums), sums, binary.BigEndian.AppendUint64(nil, place))
	if binary.BigEndian.Uint32(record) != sum {
		return v, errDamaged
	}
	return v, json.Unmarshal(record[4:], &v)
}

// seal puts a checksum before bytes that are kept as they are.
func seal(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), crc32.Checksum(b, sums)), b...)
}

func unseal(b []byte) ([]byte, error) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:], sums) {
		return nil, errDamaged
	}
	return b[4:], nil
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
	Health          *task.Health     `json:"health,omitempty"`
}

func (r taskRow) memory() task.Memory {
	return task.Memory{
		LastSlot: r.LastSlot, LastEnd: r.LastEnd, LastSuccess: r.LastSuccess, LastSuccessSlot: r.LastSuccessSlot,
		Failures: r.Failures, Last: r.Last, Health: r.Health,
	}
}

func (h *past) row() taskRow { return rowOf(h.memory, h.removed) }

func rowOf(m task.Memory, removed time.Time) taskRow {
	return taskRow{m.LastSlot, m.LastEnd, m.LastSuccess, m.LastSuccessSlot, m.Failures, m.Last, removed, m.Health}
}

// remembers reports whether a task was there and not removed. What has overrides alone is none: those of the host stand among them.
func remembers(m task.Memory, removed time.Time) bool {
	return removed.IsZero() && rowOf(m, removed) != taskRow{}
}

// storedValue is a checkpoint value as its record holds it. A json.RawMessage would be made compact.
type storedValue struct {
	Value   []byte    `json:"value"`
	Version uint64    `json:"version"`
	At      time.Time `json:"at"`
	Run     string    `json:"run,omitempty"`
}

// storedMessage is what the record of a message holds: what never changes of it. Its body stands beside it.
type storedMessage struct {
	Queue        string    `json:"queue"`
	ID           string    `json:"id"`
	Key          string    `json:"key,omitempty"`
	Posted       time.Time `json:"posted"`
	Source       string    `json:"source,omitempty"`
	RedrivenFrom string    `json:"redriven_from,omitempty"`
	Size         int       `json:"size"`
	TraceParent  string    `json:"traceparent,omitempty"`
}

// storedTries is what became of a message so far; a message that nobody tried has none.
type storedTries struct {
	Attempts  int       `json:"attempts,omitempty"`
	Crashes   int       `json:"crashes,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	LastError string    `json:"last_error,omitempty"`
}

// storedDead is what the record of a dead letter holds.
type storedDead struct {
	storedMessage
	storedTries
	Reason task.DeadReason `json:"reason"`
	Died   time.Time       `json:"died"`
}

func storeMessage(m *task.Message) storedMessage {
	return storedMessage{m.Queue, m.ID, m.Key, m.Posted, m.Source, m.RedrivenFrom, len(m.Body), m.TraceParent}
}

func storeTries(u task.MessageUpdate) storedTries {
	return storedTries{u.Attempts, u.Crashes, u.NotBefore, u.LastError}
}

func triesOf(m *task.Message) storedTries {
	return storedTries{m.Attempts, m.Crashes, m.NotBefore, m.LastError}
}

func (m storedMessage) message(seq uint64, t storedTries) task.Message {
	return task.Message{
		Seq: seq, Queue: m.Queue, ID: m.ID, Key: m.Key, Posted: m.Posted, Source: m.Source, RedrivenFrom: m.RedrivenFrom, Size: m.Size, TraceParent: m.TraceParent,
		Attempts: t.Attempts, Crashes: t.Crashes, NotBefore: t.NotBefore, LastError: t.LastError,
	}
}

func (d storedDead) letter(seq uint64, body []byte) task.DeadLetter {
	l := task.DeadLetter{Message: d.message(seq, d.storedTries), Reason: d.Reason, Died: d.Died}
	l.Body = body
	return l
}
