package session

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"sync"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// derived begins every id that was made here, and no id of an author.
const derived = "~"

// IDRoom is what such an id takes of a commit at most, in bytes.
const IDRoom = 64

const (
	// maxCounts bounds what is counted, in bodies.
	maxCounts = 1 << 16
	// maxText bounds the memory that is kept from one digest for the next, in bytes.
	maxText = 64 << 10
)

// ids makes the ids of messages that their author gave none. An id follows from where the message comes from and
// what it says, never from its place in an order: work that is done again emits the same ids, also in another
// order, and a queue then takes each once. Equal messages are told apart by counting them.
//
// What was saved is where work goes on, so the count begins anew with each commit that saves, as the next epoch.
type ids struct {
	source string
	most   int // bodies that are counted at once

	mu    sync.Mutex
	epoch uint64
	text  []byte            // of the last digest, for the next
	next  map[digest]uint64 // what the next equal message gets
	floor uint64            // what the first of its kind gets
	top   uint64            // no message has got that much yet
}

// digest stands for messages of one epoch that are equal.
type digest [sha256.Size]byte

// count is one that was given out.
type count struct {
	of digest
	n  uint64
}

func newIDs(source string, epoch uint64) *ids {
	return &ids{source: source, most: maxCounts, epoch: epoch}
}

// name returns ops with an id on every emit, and what to give back when they are not committed. Emits are copied:
// an author may commit one Op twice and means two messages.
func (d *ids) name(ops []*taskv1.Op) (named []*taskv1.Op, taken []count) {
	for i, op := range ops {
		e := op.GetEmit()
		if e == nil || e.GetId() != "" {
			continue
		}
		if taken == nil {
			named = append([]*taskv1.Op(nil), ops...)
		}
		id, c := d.id(e)
		named[i] = withID(e, id)
		taken = append(taken, c)
	}
	if taken == nil {
		return ops, nil
	}
	return named, taken
}

func withID(e *taskv1.Emit, id string) *taskv1.Op {
	return &taskv1.Op{Op: &taskv1.Op_Emit{Emit: &taskv1.Emit{Output: e.GetOutput(), Value: e.GetValue(), Key: e.GetKey(), Id: id, Traceparent: e.GetTraceparent()}}}
}

// id makes the id of one message.
func (d *ids) id(e *taskv1.Emit) (string, count) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := count{of: d.digest(e)}
	n, seen := d.next[c.of]
	if !seen {
		d.makeRoom()
		n = d.floor
	}
	c.n = n
	d.next[c.of] = n + 1
	d.top = max(d.top, n+1)
	id := encoding.AppendEncode([]byte(derived), c.of[:20])
	if n > 0 {
		id = strconv.AppendUint(append(id, '-'), n, 10)
	}
	return string(id), c
}

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// makeRoom forgets what was counted when it gets too much. All that follow then get numbers that nobody had: a
// message may so come twice when work is done again, but none is taken for another.
func (d *ids) makeRoom() {
	if d.next == nil {
		d.next = make(map[digest]uint64)
	}
	if len(d.next) >= d.most {
		clear(d.next)
		d.floor = d.top
	}
}

// digest covers what makes messages equal. Each part follows its length, so that none runs into the next.
func (d *ids) digest(e *taskv1.Emit) digest {
	text := binary.BigEndian.AppendUint64(d.text[:0], d.epoch)
	for _, part := range [...]string{d.source, e.GetOutput(), e.GetKey()} {
		text = binary.BigEndian.AppendUint64(text, uint64(len(part)))
		text = append(text, part...)
	}
	text = append(text, e.GetValue()...)
	if d.text = text; cap(text) > maxText {
		d.text = nil
	}
	return sha256.Sum256(text)
}

// giveBack forgets counts of messages that were not committed, so that another try gets the same ids, unless equal
// messages have followed.
func (d *ids) giveBack(taken []count) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := len(taken) - 1; i >= 0; i-- {
		if c := taken[i]; d.next[c.of] == c.n+1 {
			d.next[c.of] = c.n
		}
	}
}

// saved begins the next epoch.
func (d *ids) saved() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.epoch++
	clear(d.next)
	d.floor, d.top = 0, 0
}

// saves counts the commits that have saved something.
func (d *ids) saves() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.epoch
}

// isSaving says whether a commit moves the place where work goes on.
func isSaving(ops []*taskv1.Op) bool {
	for _, op := range ops {
		switch op.GetOp().(type) {
		case *taskv1.Op_Save, *taskv1.Op_SaveRun, *taskv1.Op_Delete:
			return true
		}
	}
	return false
}
