package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
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
	return &poster{conn: conn, in: bufio.NewReader(conn), head: in.head}, nil
}

// post hands in one message and reads the answer to it.
func (p *poster) post(body []byte) error {
	p.text = append(p.text[:0], p.head...)
	p.text = append(strconv.AppendInt(p.text, int64(len(body)), 10), "\r\n\r\n"...)
	if _, err := p.conn.Write(append(p.text, body...)); err != nil {
		return err
	}
	answer, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode != http.StatusAccepted:
		return fmt.Errorf("post a message: %s: %s", answer.Status, text)
	case answer.Close:
		return errors.New("post a message: the connection was not kept open")
	}
	return nil
}

// postAll hands in count messages from so many posters at a time, and returns how long each took.
func (in *intake) postAll(ctx context.Context, posters, count int, message func(n int) []byte) ([]time.Duration, error) {
	took := make([]time.Duration, count)
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
				if n >= count || ctx.Err() != nil {
					return
				}
				body := message(n)
				began := time.Now()
				if err := p.post(body); err != nil {
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
