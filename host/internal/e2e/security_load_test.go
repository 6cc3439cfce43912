package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admintest"
)

const chatty = `
task "chatty" {
  plugin = "exec"
  continuous {}
  config {
    shell = "while :; do echo a line of a log that is followed by many; sleep 0.05; done"
  }
}
`

func TestAThousandIdleConnectionsAndTwoHundredFollowersDisturbNoSlot(t *testing.T) {
	t.Parallel()
	h, addr, token := overTCP(t, neighbour+chatty, admintest.Options{Plugins: []string{badPlugin, "plugins/exec"}})
	h.UntilRun("neighbour", "succeeded")
	h.UntilState("chatty", "running")
	before := descriptors(t, h)
	since := time.Now()

	var idle []net.Conn
	defer func() {
		for _, c := range idle {
			c.Close()
		}
	}()
	for i := range 1000 {
		c, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		idle = append(idle, c)
		if i%2 == 0 { // half of them trickle their headers
			fmt.Fprintf(c, "GET /v1/tasks HTTP/1.1\r\nHost: %s\r\nX-Slow: ", addr)
		}
	}

	ctx, end := context.WithCancel(t.Context())
	defer end()
	var following sync.WaitGroup
	got := make(chan int, 200)
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 0}}
	defer client.CloseIdleConnections()
	for range 200 {
		following.Go(func() {
			req, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/v1/tasks/chatty/logs?follow=1", nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
					t.Error(err)
				}
			}
			got <- resp.StatusCode
			_, _ = io.Copy(io.Discard, resp.Body) // until the test ends
		})
	}
	count := map[int]int{}
	for range 200 {
		select {
		case status := <-got:
			count[status]++
		case <-time.After(admintest.Bound):
			t.Fatalf("after %v, %v", admintest.Bound, count)
		}
	}
	if count[http.StatusOK] < 32 || count[http.StatusOK]+count[http.StatusTooManyRequests] != 200 {
		t.Errorf("the followers were answered %v", count)
	}

	// The host still answers, over both of its addresses, while all of that goes on, and the slots come.
	for range 5 {
		status, _, body := ask(t, addr, "GET", "/v1/tasks/neighbour?wait=5s&until=running", nil, map[string]string{"Authorization": "Bearer " + token})
		if status != http.StatusOK && status != http.StatusAccepted {
			t.Errorf("%d %s", status, body)
		}
	}
	if err := h.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	checkNeighbour(t, h, since)

	// Who trickles is cut: its connection reads an end.
	slow := idle[0]
	_ = slow.SetReadDeadline(time.Now().Add(admintest.Bound))
	if _, err := io.ReadAll(slow); err != nil {
		t.Errorf("a connection that trickles its headers was not cut: %v", err)
	}
	end()
	following.Wait()
	for _, c := range idle {
		c.Close()
	}
	h.Until("the connections are forgotten", func(context.Context) error {
		if n := descriptors(t, h); n > before+20 {
			return fmt.Errorf("there are %d descriptors, %d before", n, before)
		}
		return nil
	})
}
