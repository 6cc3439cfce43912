package process

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	maxLine   = 16 << 10 // bytes of one line that are kept
	chunkSize = 32 << 10
)

// splitter cuts a stream of bytes into lines of at most maxLine bytes. What a line has
// beyond that is counted and dropped, so that a line without end costs no memory.
type splitter struct {
	partial []byte
	cut     int
}

// feed takes the next bytes and calls emit for every line that they complete. The line
// is valid during the call only; cut is the number of bytes that it lost.
func (s *splitter) feed(chunk []byte, emit func(line []byte, cut int)) {
	for len(chunk) > 0 {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			s.keep(chunk)
			return
		}
		if len(s.partial) == 0 && s.cut == 0 && end <= maxLine {
			emit(trimReturn(chunk[:end]), 0)
		} else {
			s.keep(chunk[:end])
			s.flush(emit)
		}
		chunk = chunk[end+1:]
	}
}

// flush emits what stands without a line end.
func (s *splitter) flush(emit func(line []byte, cut int)) {
	if len(s.partial) == 0 && s.cut == 0 {
		return
	}
	line, cut := s.partial, s.cut
	s.partial, s.cut = nil, 0 // an idle process holds no buffer
	emit(trimReturn(line), cut)
}

func (s *splitter) keep(b []byte) {
	room := maxLine - len(s.partial)
	if len(b) > room {
		s.cut += len(b) - room
		b = b[:room]
	}
	s.partial = append(s.partial, b...)
}

func trimReturn(line []byte) []byte { return bytes.TrimSuffix(line, []byte("\r")) }

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// readChunks calls feed with what arrives on f until its end, or until its read deadline.
// It takes a buffer only while there is something to read: a thousand idle pipes hold none.
func readChunks(f *os.File, feed func([]byte)) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	for {
		var n int
		var readErr error
		var chunk *[chunkSize]byte
		err := raw.Read(func(fd uintptr) bool {
			chunk = chunks.Get().(*[chunkSize]byte)
			for {
				n, readErr = unix.Read(int(fd), chunk[:])
				if !errors.Is(readErr, unix.EINTR) {
					break
				}
			}
			if errors.Is(readErr, unix.EAGAIN) {
				chunks.Put(chunk)
				chunk = nil
				return false
			}
			return true
		})
		if err == nil {
			err = readErr
		}
		if err == nil && n <= 0 {
			err = io.EOF
		}
		if err == nil {
			feed(chunk[:n])
		}
		if chunk != nil {
			chunks.Put(chunk)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
