package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// Ready says how it is known that a command does its work; exactly one attribute is set.
type Ready struct {
	Notify bool   `task:"notify,optional" doc:"true: when the command says so, as daemons do to a service manager (READY=1) and taskhost notify ready does"`
	TCP    string `task:"tcp,optional" doc:"when something accepts connections at this address: host:port, or the absolute path of a Unix socket"`
	HTTP   string `task:"http,optional" doc:"when a GET of this URL is answered with a status from 200 to 399"`
	Log    string `task:"log,optional" doc:"when a line of its output matches this regular expression (RE2)"`
}

const (
	probeFirst = 50 * time.Millisecond // between the first tries
	probeMost  = time.Second           // between later ones
	probeTime  = 5 * time.Second       // for one try
)

// validate checks what the schema cannot.
func (r *Ready) validate() (problems []task.Problem) {
	if r == nil {
		return nil
	}
	set := 0
	for _, is := range []bool{r.Notify, r.TCP != "", r.HTTP != "", r.Log != ""} {
		if is {
			set++
		}
	}
	if set != 1 {
		problems = append(problems, task.Wrong("ready", "set exactly one of notify = true, tcp, http and log"))
	}
	if r.TCP != "" && !strings.HasPrefix(r.TCP, "/") {
		if host, port, err := net.SplitHostPort(r.TCP); err != nil || host == "" || port == "" {
			problems = append(problems, task.Wrong("ready.tcp", fmt.Sprintf("%q is neither host:port nor the absolute path of a socket", r.TCP)))
		}
	}
	if r.HTTP != "" {
		if u, err := url.Parse(r.HTTP); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			problems = append(problems, task.Wrong("ready.http", fmt.Sprintf("%q is not a URL with http:// or https://", r.HTTP)))
		}
	}
	if _, err := regexp.Compile(r.Log); err != nil {
		problems = append(problems, task.Wrong("ready.log", err.Error()))
	}
	return problems
}

// pattern is what a line of output must match, nil for none.
func (r *Ready) pattern() *regexp.Regexp {
	if r == nil || r.Log == "" {
		return nil
	}
	p, err := regexp.Compile(r.Log)
	if err != nil {
		return nil // validate has read it
	}
	return p
}

// probe is one try to reach the command, nil where nothing is tried.
func (r *Ready) probe() func(context.Context) bool {
	switch {
	case r == nil:
		return nil
	case r.TCP != "":
		return func(ctx context.Context) bool { return accepts(ctx, r.TCP) }
	case r.HTTP != "":
		return func(ctx context.Context) bool { return answers(ctx, r.HTTP) }
	}
	return nil
}

func accepts(ctx context.Context, address string) bool {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// prober asks without keeping connections, and takes a redirect for an answer.
var prober = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func answers(ctx context.Context, address string) bool {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	r, err := prober.Do(q)
	if err != nil {
		return false
	}
	r.Body.Close()
	return r.StatusCode >= 200 && r.StatusCode < 400
}

// await tries again and again until a try succeeds, which it then says, or ctx ends.
func await(ctx context.Context, try func(context.Context) bool, succeeded func()) {
	for wait := probeFirst; ; wait = min(2*wait, probeMost) {
		one, cancel := context.WithTimeout(ctx, probeTime)
		ok := try(one)
		cancel()
		if ok {
			succeeded()
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
