package main

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/taskhost/taskhost/sdk/notify"
)

const (
	maxTalks  = 16                              // connections of one command at a time; the next ones wait
	talkTime  = 30 * time.Second                // for a request to arrive, and for its answer to be taken
	noticeOOB = 256*4 + 2*syscall.SizeofCmsghdr // control data: descriptors, which are closed
)

// desk is where a command says something of itself: a datagram socket in the manner of sd_notify, and a stream socket
// for what has an answer. It is the command's own; what comes in is for its listener.
type desk struct {
	notices  *net.UnixConn
	raw      syscall.RawConn // of notices
	requests *net.UnixListener
	env      []string
	to       *listener

	hearing sync.Mutex // held while datagrams are taken
	pace    pace
	data    [maxNotice + 1]byte
	control [noticeOOB]byte

	closing chan struct{}
	all     sync.WaitGroup
	mu      sync.Mutex
	talks   map[net.Conn]bool // nil once it is closed
}

// openDesk makes the sockets and begins to listen.
func openDesk(at *place, to *listener) (*desk, error) {
	notices, requests := at.paths()
	d := &desk{
		to: to, closing: make(chan struct{}), talks: map[net.Conn]bool{},
		env: []string{"NOTIFY_SOCKET=" + notices, notify.Env + "=" + requests},
	}
	var err error
	if d.notices, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notices, Net: "unixgram"}); err != nil {
		return nil, fmt.Errorf("make the command's notify socket: %w", err)
	}
	d.raw, err = d.notices.SyscallConn()
	if err == nil {
		d.requests, err = net.ListenUnix("unix", &net.UnixAddr{Name: requests, Net: "unix"})
	}
	if err != nil {
		d.notices.Close()
		os.Remove(notices)
		return nil, fmt.Errorf("make the command's notify socket: %w", err)
	}
	d.all.Go(func() {
		_ = d.raw.Read(func(fd uintptr) bool { // until the socket is closed
			d.hear(int(fd))
			return false
		})
	})
	d.all.Go(d.accept)
	return d, nil
}

// flush returns when all that was said so far has been heard.
func (d *desk) flush() { _ = d.raw.Control(func(fd uintptr) { d.hear(int(fd)) }) }

// close hears what was said to the end, and returns when nothing of the desk is left. The command has ended.
func (d *desk) close() {
	close(d.closing)
	d.flush()
	d.notices.Close()
	os.Remove(d.notices.LocalAddr().String())
	d.requests.Close() // removes its file
	d.mu.Lock()
	for c := range d.talks {
		c.Close()
	}
	d.talks = nil
	d.mu.Unlock()
	d.all.Wait()
}

// hear takes the datagrams that are there. Descriptors that come along are closed: a sender that waits for that
// (sd_notify_barrier) so learns that it was heard.
func (d *desk) hear(fd int) {
	d.hearing.Lock()
	defer d.hearing.Unlock()
	for {
		n, oob, _, _, err := syscall.Recvmsg(fd, d.data[:], d.control[:], receiveFlags)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return // there are none
		}
		if n > maxNotice {
			d.to.refused(fmt.Sprintf("it has more than %d bytes", maxNotice))
		} else {
			d.to.heard(parseNotice(string(d.data[:n])))
		}
		closeDescriptors(d.control[:oob])
		d.rest(d.pace.next(time.Now()))
	}
}

// rest waits, unless the desk is about to be closed.
func (d *desk) rest(wait time.Duration) {
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.closing:
	}
}

func closeDescriptors(control []byte) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return
	}
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			_ = syscall.Close(fd)
		}
	}
}

// accept takes connections until the socket is closed, a few at a time.
func (d *desk) accept() {
	free := make(chan struct{}, maxTalks)
	for {
		free <- struct{}{}
		c, err := d.requests.Accept()
		if err != nil {
			return
		}
		if !d.enter(c) {
			return
		}
		d.all.Go(func() {
			defer func() { <-free }()
			defer d.leave(c)
			d.talk(c)
		})
	}
}

func (d *desk) enter(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.talks == nil {
		c.Close()
		return false
	}
	d.talks[c] = true
	return true
}

func (d *desk) leave(c net.Conn) {
	c.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.talks, c)
}

// talk answers the requests of one connection.
func (d *desk) talk(c net.Conn) {
	lines := notify.Lines(c)
	for {
		_ = c.SetDeadline(time.Now().Add(talkTime))
		if !lines.Scan() {
			return
		}
		_ = c.SetDeadline(time.Time{}) // an answer may take its time
		answer := d.to.answer(lines.Bytes())
		_ = c.SetWriteDeadline(time.Now().Add(talkTime))
		if _, err := c.Write(append(answer, '\n')); err != nil {
			return
		}
	}
}
