package logs

import (
	"bytes"
	"io"
	"sync"
)

const blockSize = 64 << 10

var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// forward hands over the lines between two offsets, without their newline, until yield
// returns false; a line is valid only until then. A line over maxLine, and one without an end, is passed over.
func forward(r io.ReaderAt, from, to int64, yield func(offset int64, line []byte) bool) error {
	pooled := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(pooled)
	block := pooled[:]
	var rest []byte // the beginning of a line whose end is still to come
	begin := from   // of that line
	for from < to {
		n, err := r.ReadAt(block[:min(blockSize, to-from)], from)
		if n == 0 {
			return ignoreEOF(err)
		}
		from += int64(n)
		for data := block[:n]; ; {
			end := bytes.IndexByte(data, '\n')
			if end < 0 {
				rest = keep(rest, data)
				break
			}
			line := data[:end]
			if len(rest) > 0 {
				rest = keep(rest, line)
				line = rest
			}
			if len(line) <= maxLine && !yield(begin, line) {
				return nil
			}
			data, rest = data[end+1:], rest[:0]
			begin = from - int64(len(data))
		}
	}
	return nil
}

// keep appends up to one byte more than a line may have: enough to know that it is too long.
func keep(rest, data []byte) []byte {
	return append(rest, data[:min(len(data), maxLine+1-len(rest))]...)
}

// backward hands over the lines before size, the last one first, until yield returns false.
func backward(r io.ReaderAt, size int64, yield func(line []byte) bool) error {
	var rest []byte // the end of a line whose beginning is still to come
	for size > 0 {
		n := min(blockSize, size)
		data := make([]byte, n, n+int64(len(rest)))
		if _, err := r.ReadAt(data, size-n); err != nil {
			return ignoreEOF(err)
		}
		size -= n
		data = append(data, rest...)
		for {
			begin := bytes.LastIndexByte(data[:max(len(data)-1, 0)], '\n') + 1
			if begin == 0 && size > 0 {
				break
			}
			if line, whole := bytes.CutSuffix(data[begin:], []byte("\n")); whole && len(line) <= maxLine && !yield(line) {
				return nil
			}
			if data = data[:begin]; begin == 0 {
				break
			}
		}
		if rest = data; len(rest) > maxLine+1 {
			rest = append([]byte(nil), rest[len(rest)-maxLine-2:]...)
		}
	}
	return nil
}

// after returns the offset of a line at or before the first one after pos, near it.
func after(r io.ReaderAt, size int64, pos uint64) int64 {
	low, high := int64(0), size
	for high-low > blockSize {
		mid := low + (high-low)/2
		begin, found := high, uint64(0)
		_ = forward(r, mid, high, func(offset int64, line []byte) bool {
			if offset == mid {
				return true // perhaps half a line
			}
			begin = offset
			found, _ = posOf(line)
			return found == 0
		})
		if found == 0 || found > pos {
			high = mid
		} else {
			low = begin
		}
	}
	return low
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
