package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/taskhost/taskhost/sdk/task"
)

// userAgent is sent unless the config has another.
const userAgent = "taskhost-http"

// newRequest makes a request with the configured headers.
func newRequest(ctx context.Context, method, address, body string, headers map[string]string) (*http.Request, error) {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return nil, task.Permanent(fmt.Errorf("make the request: %w", err))
	}
	r.Header.Set("User-Agent", userAgent)
	for name, value := range headers {
		if strings.EqualFold(name, "Host") {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	return r, nil
}

// checkURL finds what makes an address unusable.
func checkURL(path, address string) []task.Problem {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return []task.Problem{task.Wrong(path, "this is not a URL")}
	case u.Scheme != "http" && u.Scheme != "https":
		return []task.Problem{task.Wrong(path, fmt.Sprintf("the scheme is %q; it must be http or https", u.Scheme))}
	case u.Hostname() == "":
		return []task.Problem{task.Wrong(path, "the URL names no host")}
	}
	return nil
}

func checkHeaders(headers map[string]string) []task.Problem {
	var problems []task.Problem
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if !httpguts.ValidHeaderFieldName(name) {
			problems = append(problems, task.Wrong(fmt.Sprintf("headers[%q]", name), "this cannot be the name of a header"))
		} else if !httpguts.ValidHeaderFieldValue(headers[name]) {
			problems = append(problems, task.Wrong(fmt.Sprintf("headers[%q]", name), "a header's value holds no line breaks or control characters"))
		}
	}
	return problems
}
