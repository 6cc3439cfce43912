package task

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

func TestSlogHandlerKeepsTheContractOfSlog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return newSlogHandler(hclog.New(&hclog.LoggerOptions{Output: &out, JSONFormat: true, Level: hclog.Trace}))
	}, func(t *testing.T) map[string]any {
		if strings.HasSuffix(t.Name(), "/zero-time") {
			t.Skip("hclog gives every line the time at which it is written")
		}
		var m map[string]any
		if err := json.Unmarshal(out.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		for ours, theirs := range map[string]string{"@timestamp": slog.TimeKey, "@level": slog.LevelKey, "@message": slog.MessageKey} {
			m[theirs] = m[ours]
			delete(m, ours)
		}
		return m
	})
}

func TestSlogLevelsAndValues(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := hclog.New(&hclog.LoggerOptions{Output: &out, JSONFormat: true, Level: hclog.Debug})
	s := slog.New(newSlogHandler(log))
	s.Log(t.Context(), slog.LevelDebug-1, "trace")
	s.Debug("debug")
	s.Info("info", "took", 1500*time.Millisecond, "err", errors.New("x"), "n", 3, "nan", math.NaN(), "inf", math.Inf(-1), "half", 0.5)
	s.Warn("warn")
	s.Error("error")
	log.SetLevel(hclog.Error)
	s.Warn("after the level has changed")
	var got []string
	for line := range strings.Lines(out.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "@timestamp")
		text, _ := json.Marshal(m)
		got = append(got, string(text))
	}
	want := []string{
		`{"@level":"debug","@message":"debug"}`,
		`{"@level":"info","@message":"info","err":"x","half":0.5,"inf":"-Inf","n":3,"nan":"NaN","took":"1.5s"}`,
		`{"@level":"warn","@message":"warn"}`,
		`{"@level":"error","@message":"error"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
