package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/task"
)

// beat is one heartbeat at work.
type beat struct {
	center *Center
	of     Heartbeat
	client *http.Client
	last   string // what was logged last; "" is well
}

func (c *Center) newBeat(h Heartbeat) *beat { return &beat{center: c, of: h, client: webhookClient()} }

func (b *beat) run(ctx context.Context) {
	if len(b.of.OnSuccess) > 0 {
		b.follow(ctx)
		return
	}
	tick := time.NewTicker(b.of.Every)
	defer tick.Stop()
	for {
		b.report(ctx, b.once(ctx))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// once pings, if the host gets on.
func (b *beat) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.of.Timeout)
	defer cancel()
	if progress := b.center.cfg.Progress; progress != nil {
		if err := progress(ctx); err != nil {
			return fmt.Errorf("no heartbeat: %w", err)
		}
	}
	if name, ill := b.ill(); ill {
		return fmt.Errorf("no heartbeat: task %s is degraded", name)
	}
	return b.ping(ctx)
}

// ill returns a task that is degraded, where that ends the heartbeat.
func (b *beat) ill() (string, bool) {
	if !b.of.Healthy {
		return "", false
	}
	for _, s := range b.center.cfg.Store.Statuses() {
		labels, declared := b.center.labels(s.Task)
		if declared && len(s.Health.Reasons) > 0 && b.of.Select.Takes(s.Task, labels) {
			return s.Task, true
		}
	}
	return "", false
}

// ping asks for the URL; any answer 2xx is one.
func (b *beat) ping(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, b.of.Method, b.of.URL, nil)
	if err != nil {
		return withoutURL(err)
	}
	r.Header.Set("User-Agent", "taskhost")
	answer, err := b.client.Do(r)
	if err != nil {
		return withoutURL(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("the answer is %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	return nil
}

// report logs what has changed.
func (b *beat) report(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = b.center.cfg.Hide(err.Error())
	}
	switch {
	case text == b.last || ctx.Err() != nil:
		return
	case text == "":
		b.center.cfg.Log.Info("the heartbeat goes out again", "heartbeat", b.of.Name)
	default:
		b.center.cfg.Log.Warn("a heartbeat did not go out", "heartbeat", b.of.Name, "err", text)
	}
	b.last = text
}

// follow pings after every run that succeeded. Several that end while a ping is under way have one together.
func (b *beat) follow(ctx context.Context) {
	reader := b.center.cfg.Feed.Subscribe(b.wants, 1)
	defer func() { reader.Close() }()
	for {
		_, err := reader.Next(ctx)
		switch {
		case errors.Is(err, feed.ErrLagged): // more than one ended meanwhile
			reader = b.center.cfg.Feed.Subscribe(b.wants, 1)
		case err != nil:
			return
		}
		limited, cancel := context.WithTimeout(ctx, b.of.Timeout)
		b.report(ctx, b.ping(limited))
		cancel()
	}
}

func (b *beat) wants(e task.Event) bool {
	return e.Topic == "run" && e.Kind == "ended" && e.Text == string(task.OutcomeSucceeded) && slices.Contains(b.of.OnSuccess, e.Task)
}
