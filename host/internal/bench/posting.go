package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// intake is where messages are posted to: taskhost or what it is held against.
type intake struct {
	network, address string
	head             string // of every request, up to the value of its Content-Length
}

// newIntake reaches an address over "unix" or "tcp".
func newIntake(network, address, path string) *intake {
	host := address
	if network == "unix" {
		host = "th"
	}
	return &intake{network, address, "POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\nContent-Length: "}
}

// poster is one who posts over a connection of his own, which is kept open. It writes a request in one piece and reads the
// answer itself, because an http.Client would take as much of the processors as what is measured.
type poster struct {
	conn net.Conn
	in   *bufio.Reader
	head string
	text []byte
}

func (in *intake) poster(ctx context.Context) (*poster, error) {
	conn, err := new(net.Dialer).DialContext(ctx, in.network, in.address)
	if err != nil {
		return nil, err
	}
	return &poster{conn: conn, in: bufio.NewReader(conn), head: in.head, text: make([]byte, 0, 8<<10)}, nil
}

// post hands in one message and reads the answer to it.
func (p *poster) post(body []byte) error {
	p.text = append(p.text[:0], p.head...)
	p.text = append(strconv.AppendInt(p.text, int64(len(body)), 10), "\r\n\r\n"...)
	if _, err := p.conn.Write(append(p.text, body...)); err != nil {
		return err
	}
	status, text, err := p.answer()
	if err == nil && !strings.HasPrefix(status, "HTTP/1.1 202 ") {
		err = fmt.Errorf("post a message: %s: %s", status, text)
	}
	return err
}

// answer reads a whole answer, which must say its length.
func (p *poster) answer() (status string, body []byte, err error) {
	line, err := p.in.ReadSlice('\n')
	status = string(bytes.TrimSpace(line))
	length := -1
	for err == nil && len(bytes.TrimSpace(line)) > 0 {
		if line, err = p.in.ReadSlice('\n'); err != nil {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); len(name) == len("content-length") && bytes.EqualFold(name, []byte("content-length")) {
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("post a message: read the answer: %w", err)
	}
	if length < 0 || length > cap(p.text) {
		return "", nil, fmt.Errorf("post a message: the answer %s has %d bytes", status, length)
	}
	body = p.text[:length]
	_, err = io.ReadFull(p.in, body)
	return status, body, err
}

// messages makes count of them.
func messages(count int, message func(n int) []byte) [][]byte {
	all := make([][]byte, count)
	for n := range all {
		all[n] = message(n)
	}
	return all
}

// postAll hands in messages from so many posters at a time, and returns how long each took.
func (in *intake) postAll(ctx context.Context, posters int, bodies [][]byte) ([]time.Duration, error) {
	took := make([]time.Duration, len(bodies))
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, posters)
	for i := range posters {
		p, err := in.poster(ctx)
		if err != nil {
			errs[i] = err
			break
		}
		all.Go(func() {
			defer p.conn.Close()
			defer context.AfterFunc(ctx, func() { p.conn.Close() })()
			for {
				n := int(next.Add(1)) - 1
				if n >= len(bodies) || ctx.Err() != nil {
					return
				}
				began := time.Now()
				if err := p.post(bodies[n]); err != nil {
					errs[i] = err
					return
				}
				took[n] = time.Since(began)
			}
		})
	}
	all.Wait()
	return took, errors.Join(append(errs, ctx.Err())...)
}
