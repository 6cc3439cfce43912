// Command bare holds the floors of the benchmarks: what the same machine does
// in the same minute without a task host. It is a bare gRPC stream, a bare launch
// of a plugin, a bare go-plugin host that drives many plugins at a fixed rate
// and knows nothing of schedules, history or stopping, an HTTP server that syncs
// what it is sent, a scrape-and-forward pipeline in memory, and a command that is started again and again. It is a program of its own
// so that its memory holds nothing else. Only the benchmarks start it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// The end of stdin is the end of who measures: then everything here ends too.
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer end()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		end()
	}()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say which floor: stream, echo, launch, fleet, intake, pipeline or commands")
	}
	floors := map[string]func(context.Context, []string) (any, error){
		"stream": streamFloor, "echo": echo, "launch": launchFloor, "fleet": fleetFloor, "intake": intake, "pipeline": pipeline, "commands": commands,
	}
	floor := floors[args[0]]
	if floor == nil {
		return fmt.Errorf("there is no floor %q", args[0])
	}
	result, err := floor(ctx, args[1:])
	if err != nil {
		return fmt.Errorf("measure %s: %w", args[0], err)
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}
