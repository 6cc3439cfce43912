package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	part     = 64 << 10 // bytes that are read at a time
	longest  = 1 << 20  // of a line
	maxLooks = 50_000   // records that one page looks at
)

// Query selects records. Zero fields select all.
type Query struct {
	Before uint64 // only records with a smaller number
	Actor  string
	Task   string
	Queue  string
	Since  time.Time
	Limit  int
}

func (q Query) matches(r Record) bool {
	return (q.Actor == "" || q.Actor == r.Actor) && (q.Task == "" || q.names(r)) && (q.Queue == "" || q.Queue == r.Queue)
}

func (q Query) names(r Record) bool {
	if q.Task == r.Task {
		return true
	}
	for _, t := range r.Tasks {
		if t == q.Task {
			return true
		}
	}
	return false
}

// Page returns the newest records that q selects, newest first, and the number before which the next page
// begins; 0 is none. A page ends early when many records had to be passed over.
func (l *Log) Page(ctx context.Context, q Query) (items []Record, next uint64, err error) {
	files, err := l.files()
	defer func() { // also of those that were opened before an error
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return nil, 0, err
	}
	if q.Before == 0 {
		q.Before = ^uint64(0)
	}
	p := &pager{ctx: ctx, Query: q}
	for _, f := range files {
		if err := p.read(f); err != nil || p.full {
			return p.items, p.next, err
		}
	}
	return p.items, 0, nil
}

// files opens all files, the newest first. The lock keeps them from being renamed meanwhile.
func (l *Log) files() (all []*os.File, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range l.Keep + 1 {
		f, err := os.Open(numbered(l.path, n))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return all, fmt.Errorf("read the audit log: %w", err)
		}
		all = append(all, f)
	}
	return all, nil
}

// pager collects a page.
type pager struct {
	ctx context.Context
	Query
	items []Record
	looks int
	next  uint64
	full  bool
}

// read looks at a file from its end, unless all of it lies after the page.
func (p *pager) read(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	if first, ok := firstOf(f); ok && first.Seq >= p.Before {
		return nil
	}
	return backward(p.ctx, f, info.Size(), func(line []byte) bool {
		var r Record
		if json.Unmarshal(line, &r) != nil || r.Seq >= p.Before {
			return true
		}
		return p.take(r)
	})
}

// take takes a record in, and reports whether more are wanted.
func (p *pager) take(r Record) bool {
	if !p.Since.IsZero() && r.At.Before(p.Since) {
		p.full, p.next = true, 0 // all that follow are older
		return false
	}
	if len(p.items) == p.Limit || p.looks == maxLooks {
		p.full = true
		p.next = r.Seq + 1
		return false
	}
	p.looks++
	if p.matches(r) {
		p.items = append(p.items, r)
	}
	return true
}

// firstOf is the first record of a file.
func firstOf(f io.ReaderAt) (r Record, ok bool) {
	head := make([]byte, part)
	n, _ := f.ReadAt(head, 0)
	line, _, whole := bytes.Cut(head[:n], []byte{'\n'})
	return r, whole && json.Unmarshal(line, &r) == nil
}

// backward yields the lines of a file from the last to the first, empty ones and those that are too long
// left out.
func backward(ctx context.Context, f io.ReaderAt, size int64, yield func([]byte) bool) error {
	var rest []byte // the end of a line whose begin is not read yet
	for end := size; end > 0; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(end, part)
		buf := make([]byte, int(n)+len(rest))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil {
			return fmt.Errorf("read the audit log: %w", err)
		}
		copy(buf[n:], rest)
		end -= n
		for {
			i := bytes.LastIndexByte(buf, '\n')
			if i < 0 {
				break
			}
			if line := buf[i+1:]; len(line) > 0 && !yield(line) {
				return nil
			}
			buf = buf[:i]
		}
		if rest = buf; len(rest) > longest {
			rest = nil
		}
	}
	if len(rest) > 0 {
		yield(rest)
	}
	return nil
}

// lastSeq is the number of the newest record there is.
func lastSeq(path string, keep int) (seq uint64, err error) {
	for n := range keep + 1 {
		f, err := os.Open(numbered(path, n))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		info, err := f.Stat()
		if err == nil {
			err = backward(context.Background(), f, info.Size(), func(line []byte) bool {
				var r Record
				if json.Unmarshal(line, &r) == nil {
					seq = r.Seq
				}
				return seq == 0
			})
		}
		if err = errors.Join(err, f.Close()); err != nil || seq > 0 {
			return seq, err
		}
	}
	return 0, nil
}
