package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/notify"
	"github.com/taskhost/taskhost/host/internal/queue"
	"github.com/taskhost/taskhost/host/internal/task"
)

// ofNotifiers begins the names of the queues that notifications go out from; see notify.QueueName.
const ofNotifiers = "@"

// part is one half of the queues in the store: those of notifications, which have a broker of their own so that nobody
// meets them among the queues of the configuration, or all others.
type part struct {
	task.QueueStore
	notices bool
}

func (p part) has(queue string) bool { return strings.HasPrefix(queue, ofNotifiers) == p.notices }

// Backlog leaves out the other half.
func (p part) Backlog(ctx context.Context, each func(task.Message) error) error {
	return p.QueueStore.Backlog(ctx, func(m task.Message) error {
		if !p.has(m.Queue) {
			return nil
		}
		return each(m)
	})
}

// DeadCounts leaves out the other half.
func (p part) DeadCounts(ctx context.Context) (map[string]int, error) {
	all, err := p.QueueStore.DeadCounts(ctx)
	for name := range all {
		if !p.has(name) {
			delete(all, name)
		}
	}
	return all, err
}

// openNotices makes what tells others of the tasks; nothing is told yet.
func (h *host) openNotices(ctx context.Context) error {
	log := h.log.Named("notify")
	h.notices = queue.New(queue.Config{Store: part{h.store, true}, Event: h.lost, Log: log})
	h.center = notify.New(notify.Config{
		Store: h.store, Feed: h.feed, Queues: h.notices, Hide: h.hides.hide, Progress: h.progress, Log: log,
		Alerted: func(name string, reasons []task.Reason) { h.fleet.Alerted(name, reasons) },
	})
	if err := h.center.Define(h.config.Blocks, h.config.Tasks); err != nil {
		return err
	}
	if err := h.notices.Open(ctx); err != nil {
		return fmt.Errorf("open the queues of notifications: %w", err)
	}
	return nil
}

// lost tells of notifications that were given up. What else happens to their queues is nobody's business.
func (h *host) lost(e task.Event) {
	if e.Kind != queue.KindDead && e.Kind != queue.KindDropped {
		return
	}
	e.Topic, e.Kind, e.Text = "host", "notification_lost", strings.TrimPrefix(e.Text, ofNotifiers)
	h.log.Error("a notification was given up", "notifier", e.Text)
	h.store.Event(e)
}

// progress fails when the scheduler does not get on, or the store takes no writes.
func (h *host) progress(ctx context.Context) error {
	if err := (health{h}).Alive(ctx); err != nil {
		return err
	}
	return h.store.Ready()
}

// countDeadEvery bounds how long it goes unnoticed that dead letters were forgotten for their age.
const countDeadEvery = 30 * time.Second

// countDead tells consumers how many dead letters their queues have, until ctx ends.
func (h *host) countDead(ctx context.Context) {
	told := map[string]int{}
	for ctx.Err() == nil {
		reader := h.feed.Subscribe(func(e task.Event) bool { return e.Topic == "queue" }, 64)
		for {
			h.tellDead(told)
			wait, cancel := context.WithTimeout(ctx, countDeadEvery)
			_, err := reader.Next(wait)
			cancel()
			if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
				break
			}
		}
		reader.Close()
	}
}

// tellDead tells what has changed since the last time.
func (h *host) tellDead(told map[string]int) {
	for _, d := range h.fleet.Definitions() {
		if d.Consume == nil {
			continue
		}
		q, _ := h.queues.Queue(d.Consume.Queue)
		if before, known := told[d.Name]; !known || before != q.Dead {
			told[d.Name] = q.Dead
			h.fleet.Buried(d.Name, q.Dead)
		}
	}
}

// noticeView is the notifiers as the API shows them.
type noticeView struct{ *notify.Center }

func (n noticeView) Notifiers() []api.Notifier {
	out := []api.Notifier{}
	for _, v := range n.Center.Notifiers() {
		one := api.Notifier{
			Name: v.Name, Way: v.Way(), Tasks: v.Select.Tasks, Labels: v.Select.Labels, Waiting: v.Waiting, Dead: v.Dead, Sent: v.Sent, Failures: v.Failures,
		}
		for _, k := range v.On {
			one.On = append(one.On, string(k))
		}
		if v.Last != nil {
			last := delivery(*v.Last)
			one.Last = &last
		}
		out = append(out, one)
	}
	return out
}

func (n noticeView) TestNotifier(ctx context.Context, name string) (api.NotifierDelivery, bool) {
	d, ok := n.Test(ctx, name)
	return delivery(d), ok
}

func delivery(d notify.Delivery) api.NotifierDelivery {
	return api.NotifierDelivery{Message: d.ID, At: d.At, Took: d.Took, Attempt: d.Attempt, Error: d.Error}
}
