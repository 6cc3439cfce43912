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

// commands is row 13: a command for each message of a queue, against the same command started as often by a bare program.
func (b *bench) commands(ctx context.Context) ([]budget, error) {
	b.sayf("a command for each of %d messages, and as often without a host", b.spawns)
	var bare cost
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
	through, err := b.commandCost(ctx, h)
	line := func(name, note string, measured, floor time.Duration) budget {
		each := time.Duration(b.spawns)
		return budget{row: 13, name: name, measured: timeOf(measured / each), floor: timeOf(floor / each), ratio: 1.5, note: note}
	}
	return []budget{
		line(fmt.Sprintf("a command per message, %d at a time", commandsAt),
			fmt.Sprintf("%d messages of %d bytes through `%s`; floor: fork, exec and wait of the same, with the same on its standard input", b.spawns, messageSize, strings.Join(messageCommand, " ")),
			through.Took, bare.Took),
		line("the same in processor time", through.note, through.Processor, bare.Processor),
	}, errors.Join(err, h.finish())
}

// cost is what all messages or commands took, and the processor time of that.
type cost struct {
	Took, Processor time.Duration
	note            string
}

// commandCost is what the host takes for all messages: from the first post to the last acknowledgement.
func (b *bench) commandCost(ctx context.Context, h *host) (cost, error) {
	up, cancel := context.WithTimeout(ctx, b.patient)
	defer cancel()
	if err := h.ready(up); err != nil {
		return cost{}, err
	}
	in := h.intake("work")
	const warm = 20
	if _, err := in.postAll(ctx, 1, messages(warm, sized)); err != nil {
		return cost{}, err
	}
	if err := h.acknowledgedWithin(ctx, b.patient, 20*time.Millisecond, "work", warm); err != nil {
		return cost{}, err
	}
	before, err := treeTime(h.cmd.Process.Pid)
	if err != nil {
		return cost{}, err
	}
	began := time.Now()
	if _, err := in.postAll(ctx, 32, messages(b.spawns, sized)); err != nil {
		return cost{}, err
	}
	if err := h.acknowledgedWithin(ctx, b.patient, 20*time.Millisecond, "work", warm+b.spawns); err != nil {
		return cost{}, err
	}
	took := time.Since(began)
	after, err := treeTime(h.cmd.Process.Pid)
	if err != nil {
		return cost{}, err
	}
	each := time.Duration(b.spawns)
	return cost{took, after.sum() - before.sum(), fmt.Sprintf("of host (%v), plugin (%v) and commands (%v); steadier where other work is on the machine",
		(after.host-before.host)/each, (after.plugins-before.plugins)/each, (after.commands-before.commands)/each)}, nil
}

// tree is the processor time of a host, of its plugins and of what those have reaped.
type tree struct{ host, plugins, commands time.Duration }

func (t tree) sum() time.Duration { return t.host + t.plugins + t.commands }

func treeTime(pid int) (t tree, err error) {
	host, err := usageOf(pid)
	if err != nil {
		return t, err
	}
	children, err := childrenOf(pid)
	if err != nil {
		return t, err
	}
	t.host = host.cpu
	for _, child := range children {
		u, err := usageOf(child)
		if err != nil {
			return t, err
		}
		t.plugins, t.commands = t.plugins+u.cpu, t.commands+u.reaped
	}
	return t, nil
}
