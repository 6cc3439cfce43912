package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// commandsResult is how long all of them took, and of that the processors' time, in nanoseconds.
type commandsResult struct{ Took, Processor int64 }

// commands starts a command again and again, some at a time, gives each a few bytes to read and waits for its end.
func commands(ctx context.Context, args []string) (any, error) {
	flags := flag.NewFlagSet("commands", flag.ContinueOnError)
	count := flags.Int("n", 100, "how often")
	at := flags.Int("at", 1, "how many at a time")
	size := flags.Int("size", 512, "bytes on standard input")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() == 0 {
		return nil, errors.New("name a command")
	}
	input := bytes.Repeat([]byte("x"), *size)
	turns := make(chan struct{}, *count)
	for range *count {
		turns <- struct{}{}
	}
	close(turns)
	errs := make([]error, *at)
	began, used := time.Now(), processorTime()
	var all sync.WaitGroup
	for n := range errs {
		all.Go(func() {
			for range turns {
				cmd := exec.CommandContext(ctx, flags.Arg(0), flags.Args()[1:]...)
				cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), io.Discard, io.Discard
				if err := cmd.Run(); err != nil {
					errs[n] = err
					return
				}
			}
		})
	}
	all.Wait()
	return commandsResult{int64(time.Since(began)), int64(processorTime() - used)}, errors.Join(errs...)
}

// processorTime is what this program and its children that have ended have used.
func processorTime() (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}
