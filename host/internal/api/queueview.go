package api

import (
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
)

// queueOf joins what the file says of a queue with what is in it now.
func queueOf(s task.QueueStatus, now time.Time) admin.Queue {
	q := admin.Queue{
		Name: s.Name, Description: s.Description, Declared: s.Declared, Ingress: s.Ingress,
		Depth: s.Messages, Bytes: s.Bytes, Ready: s.Ready, Delayed: s.Delayed, InFlight: s.InFlight, Dead: s.Dead, Oldest: admin.At(s.Oldest),
		Rates: admin.QueueRates{In: s.In, Out: s.Out},
		Counts: admin.QueueCounts{
			Posted: s.Posted, Duplicates: s.Duplicate, Acknowledged: s.Acked, FailedDeliveries: s.Failed, Dropped: s.Dropped, Rejected: s.Rejected,
		},
		Bounds: admin.QueueBounds{
			MaxMessages: s.MaxMessages, MaxBytes: s.MaxBytes, MaxDeliveries: s.MaxDeliveries, MaxAge: admin.Seconds(s.MaxAge),
			Overflow: string(s.Overflow), IDsFor: admin.Seconds(s.IDsFor),
			Backoff: admin.Seconds(s.Redeliver.Backoff), MaxBackoff: admin.Seconds(s.Redeliver.MaxBackoff),
			MaxDead: s.DeadLetters.Max, DeadAge: admin.Seconds(s.DeadLetters.Age),
		},
		Consumers: []admin.QueueConsumer{}, Producers: orEmpty(s.Producers),
	}
	if !s.Oldest.IsZero() {
		q.OldestAge = new(admin.Seconds(max(now.Sub(s.Oldest), 0)))
	}
	for _, c := range s.Consumers {
		q.Consumers = append(q.Consumers, admin.QueueConsumer{Task: c.Task, Run: c.Run, InFlight: c.InFlight, Paused: c.Paused})
	}
	return q
}

func messageOf(m task.Message) admin.Message {
	return admin.Message{
		ID: m.ID, Key: m.Key, Value: m.Body, Size: m.Size, Posted: admin.At(m.Posted), Source: m.Source, RedrivenFrom: m.RedrivenFrom,
		Attempts: m.Attempts, Crashes: m.Crashes, NotBefore: admin.At(m.NotBefore), LastError: m.LastError,
	}
}

func deadLetterOf(d task.DeadLetter) admin.DeadLetter {
	return admin.DeadLetter{Message: messageOf(d.Message), Reason: string(d.Reason), Died: admin.At(d.Died)}
}
