package apitest

import (
	"context"
	"time"

	"github.com/taskhost/taskhost/host/internal/api"
)

// notices is one notifier, ops, whose newest message has not arrived.
type notices struct{}

func (notices) Notifiers() []api.Notifier {
	last, _ := notices{}.TestNotifier(context.Background(), "ops")
	return []api.Notifier{{
		Name: "ops", Way: "webhook", On: []string{"failed"}, Tasks: []string{"check.*"}, Labels: map[string]string{"team": "shop"},
		Waiting: 1, Sent: 3, Failures: 2, Last: &last,
	}}
}

func (notices) TestNotifier(_ context.Context, name string) (api.NotifierDelivery, bool) {
	return api.NotifierDelivery{Message: "01j00000000000000000000000", At: Epoch, Took: time.Second, Attempt: 1, Error: "the answer is 502 Bad Gateway"}, name == "ops"
}
