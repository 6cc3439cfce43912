package task_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/taskhost/taskhost/sdk/tasktest"
)

func TestAFirstPluginOfTwentyLinesWorks(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer server.Close()
	p := tasktest.Binary(t, "testdata/first")
	tasktest.NoSideEffects(t, p)
	r := p.Run("check", fmt.Sprintf("url = %q", server.URL))
	equal(t, "outcome", r.Outcome(), "succeeded")
	equal(t, "status", r.State("status"), "418")
	r.Close(time.Second)
	equal(t, "exit code", r.ExitCode(), 0)

	r = p.Run("check", `url = "http://127.0.0.1:1"`)
	equal(t, "outcome", r.Outcome(), "failed")
	contains(t, "message", r.Message(), "connection refused")
}
