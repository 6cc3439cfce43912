package app

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/queue"
	"github.com/taskhost/taskhost/host/internal/task"
)

// gates are the fleet's, which is made after the queues that pass them.
type gates struct{ h *host }

func (g gates) Join(ticket uint64, taskName, holder string, groups []string, through func()) {
	g.h.fleet.Join(ticket, taskName, holder, groups, through)
}

func (g gates) Leave(ticket uint64) { g.h.fleet.Leave(ticket) }

// openQueues finds the messages that earlier hosts left.
func (h *host) openQueues(ctx context.Context) error {
	h.queues = queue.New(queue.Config{Store: part{h.store, false}, Gate: gates{h}, Event: h.store.Event, Waited: h.metrics.Waited, Log: h.log.Named("queue")})
	h.queues.Define(h.config.Queues, h.config.Tasks)
	if err := h.queues.Open(ctx); err != nil {
		return fmt.Errorf("open the queues: %w", err)
	}
	return nil
}

// producers are the tokens of those who may post messages and do nothing else: one, when there is an ingress.
func (h *host) producers() ([]api.Token, error) {
	if len(h.config.Host.Ingress.Listen) == 0 {
		return nil, nil
	}
	text, err := api.LoadToken(h.data.join("producer.token"))
	if err != nil {
		return nil, err
	}
	return []api.Token{api.NewProducerToken("producer", text)}, nil
}

// listenIngress opens the addresses that take messages.
func (h *host) listenIngress(ctx context.Context) (all []net.Listener, err error) {
	open := func(ctx context.Context, addr string) (net.Listener, error) {
		return api.Listen(ctx, addr, h.doors.intake)
	}
	all, h.intakes, err = listenAll(ctx, h.config.Host.Ingress.Listen, open)
	return all, err
}

// listenAll opens all addresses or none, and says what they have become: with port 0, one with a port.
func listenAll(ctx context.Context, addrs []string, open func(context.Context, string) (net.Listener, error)) (all []net.Listener, became []string, err error) {
	for _, addr := range addrs {
		l, err := open(ctx, addr)
		if err != nil {
			for _, open := range all {
				err = errors.Join(err, open.Close())
			}
			return nil, nil, err
		}
		all = append(all, l)
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			addr = tcp.String()
		}
		became = append(became, addr)
	}
	return all, became, nil
}

// intake lets the queues know that a task's messages are held by a pause.
func (h *host) intake(taskName string, held bool) { h.queues.Pause(taskName, held) }

var _ task.Gate = gates{}
