package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer end()
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command is main without the process.
func command(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	short := flags.Bool("quick", false, "fewer processes and shorter windows: under a minute")
	row := flags.Int("row", 0, fmt.Sprintf("only this row, 1 to %d", len(rows)))
	profile := flags.String("cpuprofile", "", "write the processor profile of the host (of the last one) to this file")
	config := flags.String("serve", "", "be the host on this config; bench starts itself so for -cpuprofile")
	crowdAt := flags.String("crowd", "", "be the crowd at this address; bench starts itself so for row 12")
	flood := flags.Int("flood", 0, "with -crowd: how many requests at a time")
	stay := flags.Duration("for", 0, "with -crowd: how long they stay")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *config != "" {
		return serve(ctx, *config, *profile)
	}
	if *crowdAt != "" {
		return beCrowd(ctx, *crowdAt, *flood, *stay, out)
	}
	if *row < 0 || *row > len(rows) {
		return fmt.Errorf("there is no row %d; rows are 1 to %d", *row, len(rows))
	}
	size := full
	if *short {
		size = quick
	}
	return measure(ctx, size, *row, *profile, out, log)
}

// measure measures the row (0: all) and prints the table.
func measure(ctx context.Context, size scale, row int, profile string, out, log io.Writer) (err error) {
	began := time.Now()
	l, err := newLab(ctx, profile, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	b := &bench{lab: l, scale: size}
	var all []budget
	for i, measureRow := range rows {
		if row != 0 && row != i+1 {
			continue
		}
		lines, err := measureRow(b, ctx)
		if err != nil {
			return fmt.Errorf("row %d: %w", i+1, err)
		}
		all = append(all, lines...)
	}
	fmt.Fprintf(out, "%s/%s, %d processors, %s, load %s\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), load())
	if err := write(out, all); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nmeasured in %v\n", time.Since(began).Round(time.Second))
	return err
}

// load is how busy the machine was in the last minute: other work on it shows in every figure.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
