package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/taskhost/taskhost/host/internal/schedule"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Host is the host block: settings of the host itself.
type Host struct {
	DataDir   string // where everything lies that must be kept
	PluginDir string // where plugins are found by name
	TimeZone  string // of every cron that names none
	Admin     Admin
	Ingress   Ingress
	Audit     Audit
	// ShutdownTimeout bounds a graceful stop of the whole host; when the file does
	// not say, the longest ladder.
	ShutdownTimeout time.Duration
	Keep            task.Keep // the default of every task
	KeepTotal       KeepTotal
	LogLevel        string // trace, debug, info, warn, error
	LogFormat       string // text, json
	MaxFrame        int    // bytes of the largest message between host and plugin
	Cgroup          string // below which processes get theirs; "" is the one that was delegated
}

// KeepTotal caps what is kept of all tasks together.
type KeepTotal struct {
	Runs int
	Disk int64 // bytes
}

// builtInKeep holds where neither task, defaults nor host say otherwise.
var builtInKeep = task.Keep{Succeeded: 1000, Failed: 1000, Slots: 1000, Age: 30 * 24 * time.Hour, Logs: 16 << 20}

func (l *loader) hostSection() section { return l.only("host") }

func (l *loader) readHost(s section) Host {
	h := Host{TimeZone: "UTC"}
	base := s.rng.Filename
	if base == "" && len(l.opts.Paths) > 0 {
		base = filepath.Join(l.opts.Paths[0], "x")
		if files := pathsOf(l.sources.read, false); len(files) > 0 {
			base = slices.Min(files)
		}
	}
	h.DataDir = s.path("data_dir", relative("data", base))
	h.PluginDir = s.path("plugin_dir", relative("plugins", base))
	if alone := l.opts.Alone; alone != nil {
		h.DataDir, h.PluginDir = alone.DataDir, alone.PluginDir
	}
	if zone, ok := s.timeZone("time_zone"); ok {
		h.TimeZone = zone
	}
	h.ShutdownTimeout = s.duration("shutdown_timeout", 0, time.Second)
	h.Cgroup = s.path("cgroup", "")
	h.MaxFrame = int(s.size("max_frame", 1<<20, 64<<10, 16<<20))

	h.access(s)

	log, _ := s.block("log")
	h.LogLevel = oneOf(log, "level", "info", "trace", "debug", "info", "warn", "error")
	h.LogFormat = oneOf(log, "format", "text", "text", "json")

	keep, _ := s.block("keep")
	h.Keep = keep.keep()
	total, _ := s.block("keep_total")
	h.KeepTotal = KeepTotal{
		Runs: total.integer("runs", 1_000_000, 100, 1_000_000_000),
		Disk: total.size("disk", 10<<30, 1<<20, 1<<50),
	}
	return h
}

// path reads a path, relative to the file that it stands in.
func (s section) path(name, def string) string {
	text, v, ok := s.text(name)
	if !ok {
		return def
	}
	if text == "" || strings.ContainsRune(text, 0) {
		s.find.errorf(v.at(), "", "%s: %q is not a path", name, text)
		return def
	}
	return relative(text, v.file)
}

// timeZone reads an IANA name.
func (s section) timeZone(name string) (string, bool) {
	text, v, ok := s.text(name)
	if !ok {
		return "", false
	}
	if _, err := schedule.LoadZone(text); err != nil {
		hint := `write an IANA name, such as "Europe/Berlin" or "UTC"`
		var e *schedule.Error
		if errors.As(err, &e) {
			err, hint = errors.New(e.Detail), e.Hint
		}
		s.find.errorf(v.at(), hint, "%s: %s", name, err)
		return "", false
	}
	return text, true
}

// keep reads a keep block over its defaults.
func (s section) keep() task.Keep {
	const most = 10_000_000
	return task.Keep{
		Succeeded: s.integer("succeeded", builtInKeep.Succeeded, 1, most),
		Failed:    s.integer("failed", builtInKeep.Failed, 1, most),
		Slots:     s.integer("slots", builtInKeep.Slots, 1, most),
		Age:       s.duration("age", builtInKeep.Age, time.Minute),
		Logs:      s.size("logs", builtInKeep.Logs, 64<<10, 1<<50),
	}
}

// addresses reads addresses to listen on. None may be there twice, or be one of taken.
func (s section) addresses(items []item, loopbackOnly string, taken []string) []string {
	var out []string
	for _, i := range items {
		address, err := listenAddress(i.text, i.at(), loopbackOnly)
		if err != nil {
			s.find.errorf(i.at(), `write "unix:path" or "127.0.0.1:port"; with a tls block any "address:port"`, "listen: %s", err)
			continue
		}
		free := strings.HasSuffix(address, ":0") // the system picks a port
		switch {
		case slices.Contains(out, address) && !free:
			s.find.errorf(i.at(), "name it once", "listen: %q is there twice", clip(i.text))
		case slices.Contains(taken, address) && !free:
			s.find.errorf(i.at(), "give each an address of its own", "listen: %q is the admin API's", clip(i.text))
		default:
			out = append(out, address)
		}
	}
	return out
}

// listenAddress resolves an address; loopbackOnly says why no other may be listened on, "" that any may.
func listenAddress(text string, at hcl.Range, loopbackOnly string) (string, error) {
	if path, unix := strings.CutPrefix(text, "unix:"); unix {
		path = strings.TrimPrefix(path, "//")
		if path == "" || strings.ContainsRune(path, 0) {
			return "", fmt.Errorf("%q has no path", text)
		}
		return "unix:" + relative(path, at.Filename), nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", fmt.Errorf("%q is not an address", clip(text))
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("%q has no port from 0 to 65535", clip(text))
	}
	if host == "localhost" || loopbackOnly == "" {
		return text, nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return "", fmt.Errorf("%q is not a loopback address, and %s", clip(text), loopbackOnly)
	}
	return text, nil
}
