package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Query selects records of one task's log. Zero fields select all.
type Query struct {
	Task  string
	Run   string
	Level string    // this level and above
	Grep  string    // a regular expression of the message or of the fields, in any case
	Since time.Time // written at or after
	After string    // the position to go on after, from Page.Next or Record.Pos
	Tail  int       // only the last so many of them
	Limit int       // records of a page, 1..1000; 0 is 200. Follow has none
}

// Page is a part of a log, oldest first.
type Page struct {
	Items []Record
	Next  string // goes on after this page, now or when there is more; "" for an empty log
	More  bool   // there is more at once
}

const (
	defaultLimit = 200
	maxLimit     = 1000
	maxPage      = 8 << 20 // bytes of a page's lines
	tailSlack    = time.Minute
)

// MaxTail is the most lines that Tail may ask for.
const MaxTail = 10_000

// Page returns the oldest records that the query selects, or with Tail the newest. It sees
// every line that Sink took before. A gap that lies in it is part of it.
func (l *Logs) Page(ctx context.Context, q Query) (Page, error) {
	if !task.ValidTask(q.Task) {
		return Page{}, noTask(q.Task)
	}
	s, err := newSearch(q)
	if err != nil {
		return Page{}, err
	}
	b, ok := l.existing(q.Task)
	if !ok {
		return Page{Next: q.After}, nil
	}
	return b.page(ctx, s, true)
}

// Follow returns the records that the query selects and then every new one, until ctx
// ends (that is no error) or the logs are closed. Its positions rise: who begins again
// after the last one that it saw misses nothing and sees nothing twice.
func (l *Logs) Follow(ctx context.Context, q Query) (iter.Seq2[Record, error], error) {
	if !task.ValidTask(q.Task) {
		return nil, noTask(q.Task)
	}
	q.Limit = maxLimit
	s, err := newSearch(q)
	if err != nil {
		return nil, err
	}
	b := l.book(q.Task)
	return func(yield func(Record, error) bool) {
		for fresh := true; ; fresh = false {
			changed, open := b.watch()
			p, err := b.page(ctx, s, fresh)
			if err != nil {
				if ctx.Err() == nil && !errors.Is(err, errClosed) {
					yield(Record{}, err)
				}
				return
			}
			for _, r := range p.Items {
				if !yield(r, nil) {
					return
				}
			}
			s.goOn(p)
			if p.More {
				continue
			}
			if !open {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}, nil
}

// search is a query that was checked.
type search struct {
	filter
	after   uint64
	resumed bool // after is a place that the reader has been at
	tail    int
	limit   int
}

func newSearch(q Query) (search, error) {
	f, err := newFilter(q)
	if err != nil {
		return search{}, err
	}
	s := search{filter: f, tail: q.Tail, limit: q.Limit}
	if q.Limit == 0 {
		s.limit = defaultLimit
	}
	if s.limit < 1 || s.limit > maxLimit {
		return search{}, invalid(fmt.Sprintf("limit %d is out of range", q.Limit), fmt.Sprintf("a page takes 1 to %d", maxLimit))
	}
	if q.Tail < 0 || q.Tail > MaxTail {
		return search{}, invalid(fmt.Sprintf("tail %d is out of range", q.Tail), fmt.Sprintf("it takes 0 to %d", MaxTail))
	}
	if q.After != "" {
		s.after, err = strconv.ParseUint(q.After, 10, 64)
		if err != nil {
			return search{}, invalid(fmt.Sprintf("%.40q is not a position of a log", q.After), "take it from a page or a record")
		}
		s.resumed = true
	}
	return s, nil
}

func invalid(detail, remedy string) error {
	return &task.Error{Code: task.CodeInvalid, Detail: detail, Remedy: remedy}
}

// goOn moves the search behind a page.
func (s *search) goOn(p Page) {
	s.tail = 0
	if p.Next == "" {
		return // nothing was ever written: whatever comes is wanted
	}
	s.resumed = true
	s.after, _ = strconv.ParseUint(p.Next, 10, 64)
}

func (b *book) page(ctx context.Context, s search, fresh bool) (Page, error) {
	v, err := b.view(fresh)
	if err != nil {
		return Page{}, err
	}
	defer v.close()
	if v.current == nil {
		if s.resumed {
			return Page{Next: strconv.FormatUint(s.after, 10)}, nil
		}
		return Page{}, nil
	}
	if s.tail > 0 {
		return v.last(ctx, s)
	}
	return v.forward(ctx, s)
}

// view is a task's log as it stood at one moment. Rotated files may vanish under it.
type view struct {
	root    *os.Root
	task    string
	rotated []uint64
	first   uint64 // of current
	next    uint64
	current *io.SectionReader
	closer  io.Closer
}

func (v *view) close() {
	if v.closer != nil {
		v.closer.Close()
	}
}

// count is the number of files; file i is rotated unless it is the last.
func (v *view) count() int { return len(v.rotated) + 1 }

func (v *view) firstOf(i int) uint64 {
	if i < len(v.rotated) {
		return v.rotated[i]
	}
	return v.first
}

// read hands file i to f; a file that was rotated away meanwhile is fs.ErrNotExist.
func (v *view) read(i int, f func(r io.ReaderAt, size int64) error) error {
	if i == len(v.rotated) {
		return f(v.current, v.current.Size())
	}
	file, err := v.root.Open(path.Join(v.task, rotatedName(v.rotated[i])))
	if err != nil {
		return fmt.Errorf("open a rotated log file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("look at a rotated log file: %w", err)
	}
	return f(file, info.Size())
}

// forward reads from the place after s.after on.
func (v *view) forward(ctx context.Context, s search) (Page, error) {
	// The last file that begins at or before the wanted line.
	i := max(sort.Search(v.count(), func(i int) bool { return v.firstOf(i) > s.after+1 })-1, 0)
	c := collector{search: s, at: s.after}
	for ; i < v.count() && !c.full; i++ {
		if err := ctx.Err(); err != nil {
			return Page{}, err
		}
		first := v.firstOf(i)
		err := v.read(i, func(r io.ReaderAt, size int64) error {
			c.missed(first)
			return forward(r, after(r, size, c.at), size, func(_ int64, line []byte) bool {
				c.take(line)
				return !c.full && ctx.Err() == nil
			})
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Page{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return Page{}, err
	}
	if !c.full {
		c.at = max(c.at, v.next-1)
	}
	return Page{Items: c.items, Next: strconv.FormatUint(c.at, 10), More: c.full}, nil
}

// collector gathers a page going forward.
type collector struct {
	search
	items []Record
	bytes int
	at    uint64 // the last position that was looked at
	full  bool
}

// missed notes that the reader's place was rotated away: the next line there is is first.
func (c *collector) missed(first uint64) {
	if c.resumed && first > c.at+1 {
		n := first - 1 - c.at
		c.items = append(c.items, Record{Pos: first - 1, Gap: int64(n), LogLine: task.LogLine{
			Level: "warn", Stream: "host", Message: fmt.Sprintf("%d lines are no longer kept", n),
		}})
		c.at = first - 1
	}
}

func (c *collector) take(line []byte) {
	pos, ok := posOf(line)
	if !ok || pos <= c.at {
		return
	}
	if r, ok := c.record(line); ok {
		if len(c.items) >= c.limit || c.bytes > maxPage {
			c.full = true
			return
		}
		c.items = append(c.items, r)
		c.bytes += len(line)
	}
	c.at, c.resumed = pos, true
}

// last reads backward until s.tail records are found.
func (v *view) last(ctx context.Context, s search) (Page, error) {
	p := Page{Next: strconv.FormatUint(max(v.next-1, s.after), 10)}
	bytes, done := 0, false
	for i := v.count() - 1; i >= 0 && !done; i-- {
		err := v.read(i, func(r io.ReaderAt, size int64) error {
			return backward(r, size, func(line []byte) bool {
				if pos, ok := posOf(line); ok && pos <= s.after {
					done = true
				} else if r, ok := s.record(line); ok {
					p.Items = append(p.Items, r)
					bytes += len(line)
				} else if !s.q.Since.IsZero() && s.older(line) {
					done = true
				}
				done = done || len(p.Items) >= s.tail || bytes > maxPage || ctx.Err() != nil
				return !done
			})
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Page{}, err
		}
	}
	slices.Reverse(p.Items)
	return p, ctx.Err()
}

// older reports whether the line is so much older than Since that none before it can be
// wanted: lines of several writers stand only nearly in the order of their time.
func (s *search) older(line []byte) bool {
	all := filter{}
	r, ok := all.record(line)
	return ok && r.At.Before(s.q.Since.Add(-tailSlack))
}
