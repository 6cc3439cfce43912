package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// messageCommand reads its message and says how long it is, as a line of its log.
var messageCommand = []string{"/usr/bin/wc", "-c"}

// commandsAt is how many commands are at work at a time.
const commandsAt = 2

// commands is row 12: a command for each message of a queue, against the same command started as often by a bare program.
func (b *bench) commands(ctx context.Context) ([]budget, error) {
	b.sayf("a command for each of %d messages, and as often without a host", b.spawns)
	var bare struct{ Took int64 }
	args := append([]string{"commands", "-n", strconv.Itoa(b.spawns), "-at", strconv.Itoa(commandsAt), "-size", strconv.Itoa(messageSize), "--"}, messageCommand...)
	if err := b.floor(ctx, &bare, args...); err != nil {
		return nil, err
	}
	h, err := b.startHost(group{extra: fmt.Sprintf(`
queue "work" {
  max_messages = 1000000
}
task "handle" {
  plugin = "exec"
  continuous {}
  consume "work" {
    concurrency = %d
  }
  config {
    command = ["%s"]
  }
}
`, commandsAt, strings.Join(messageCommand, `", "`))})
	if err != nil {
		return nil, err
	}
	took, err := b.commandTime(ctx, h)
	each := time.Duration(b.spawns)
	return []budget{{
		row: 12, name: fmt.Sprintf("a command per message, %d at a time", commandsAt), measured: timeOf(took / each), floor: timeOf(time.Duration(bare.Took) / each), ratio: 1.5,
		note: fmt.Sprintf("%d messages of %d bytes through `%s`; floor: fork, exec and wait of the same, with the same on its standard input", b.spawns, messageSize, strings.Join(messageCommand, " ")),
	}}, errors.Join(err, h.finish())
}

// commandTime is how long the host takes for all messages: from the first post to the last acknowledgement.
func (b *bench) commandTime(ctx context.Context, h *host) (time.Duration, error) {
	up, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	if err := h.ready(up); err != nil {
		return 0, err
	}
	in := h.intake("work")
	const warm = 20
	if _, err := in.postAll(ctx, 1, messages(warm, sized)); err != nil {
		return 0, err
	}
	if err := h.acknowledgedWithin(ctx, b.patient, "work", warm); err != nil {
		return 0, err
	}
	bodies := messages(b.spawns, sized)
	began := time.Now()
	if _, err := in.postAll(ctx, 32, bodies); err != nil {
		return 0, err
	}
	err := h.acknowledgedWithin(ctx, b.patient, "work", warm+b.spawns)
	return time.Since(began), err
}
