package api

import (
	"bytes"
	"context"
	"net/http"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strings"
	"time"
)

// Profiles are what the host can be asked for about its own process, beside those of the runtime.
const (
	cpuProfile   = "profile"
	traceProfile = "trace"
)

const (
	profileTime = 30 * time.Second // that a profile of the processor takes, when the caller does not say
	traceTime   = 5 * time.Second
	maxProfile  = 2 * time.Minute
	maxTrace    = 30 * time.Second
)

// profilesHere refuses who does not come by the socket: what stands in a profile is for who may log in to the machine.
func profilesHere(r *request) error {
	if !peerOf(r.Context()).unix {
		return refuse("forbidden", "profiles are for admins on the Unix socket; %s came by %s", r.who.Name, r.who.Via).
			with("ask on the machine itself: curl --unix-socket data/admin.sock http://host/debug/pprof/profile?seconds=10 -o cpu.pprof")
	}
	return nil
}

// profileNames are the names of all profiles.
func profileNames() []string {
	names := []string{cpuProfile, traceProfile}
	for _, p := range pprof.Profiles() {
		names = append(names, p.Name())
	}
	slices.Sort(names)
	return names
}

func (a *API) listProfiles(r *request) (any, error) {
	if err := profilesHere(r); err != nil {
		return nil, err
	}
	return ended(profileNames()), nil
}

func (a *API) profile(r *request) (any, error) {
	if err := profilesHere(r); err != nil {
		return nil, err
	}
	name := r.PathValue("profile")
	var data bytes.Buffer
	var err error
	switch name {
	case cpuProfile:
		err = a.sampled(r, profileTime, maxProfile, func() error { return pprof.StartCPUProfile(&data) }, pprof.StopCPUProfile)
	case traceProfile:
		err = a.sampled(r, traceTime, maxTrace, func() error { return trace.Start(&data) }, trace.Stop)
	default:
		return a.snapshot(r, name, &data)
	}
	if err != nil {
		return nil, err
	}
	r.send(http.StatusOK, "application/octet-stream", data.Bytes())
	return streamed{}, nil
}

// sampled records for as long as the caller wants, or until he or the host goes.
func (a *API) sampled(r *request, usual, most time.Duration, begin func() error, end func()) error {
	d, err := r.duration("seconds", most)
	if err != nil {
		return err
	}
	if d == 0 {
		d = usual
	}
	if err := begin(); err != nil { // the runtime does one at a time
		return busy("a profile is being taken: %v", err)
	}
	defer end()
	ctx, cancel := context.WithTimeout(r.Context(), d)
	defer cancel()
	<-ctx.Done()
	return r.Context().Err()
}

// snapshot writes one of the runtime's profiles; with debug as text.
func (a *API) snapshot(r *request, name string, data *bytes.Buffer) (any, error) {
	p := pprof.Lookup(name)
	if p == nil {
		return nil, refuse("route_unknown", "there is no profile %q", short(name)).with("there are %s", strings.Join(profileNames(), ", "))
	}
	debug, err := r.number("debug", 0, 2)
	if err != nil {
		return nil, err
	}
	if gc, err := r.flag("gc"); err != nil {
		return nil, err
	} else if gc && name == "heap" {
		runtime.GC()
	}
	if err := p.WriteTo(data, debug); err != nil {
		return nil, err
	}
	media := "application/octet-stream"
	if debug > 0 {
		media = "text/plain; charset=utf-8"
	}
	r.send(http.StatusOK, media, data.Bytes())
	return streamed{}, nil
}
