package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// Small numbers: this is a test of the benchmark, and its figures mean nothing.
func TestStoppingMeasuresARealHost(t *testing.T) {
	t.Parallel()
	small := quick
	small.idle, small.stops, small.settle = 3, 2, 10*time.Millisecond
	var out, log bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := measure(ctx, small, 5, "", &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	if !strings.Contains(out.String(), "graceful stop of 3 idle tasks") {
		t.Errorf("it printed:\n%s", out.String())
	}
}

func TestRowsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	var out, log bytes.Buffer
	err := command(t.Context(), []string{"-row", "99"}, &out, &log)
	if err == nil || !strings.Contains(err.Error(), "no row 99") {
		t.Errorf("got %v", err)
	}
}

func TestReloadingMeasuresARealHost(t *testing.T) {
	t.Parallel()
	small := quick
	small.fleet, small.window, small.settle = 3, 2*time.Second, 10*time.Millisecond
	var out, log bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := measure(ctx, small, 9, "", &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	if !strings.Contains(out.String(), "plan, one of 3 tasks changed") {
		t.Errorf("it printed:\n%s", out.String())
	}
}
