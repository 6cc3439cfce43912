package ui_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/ui"
)

// startFiles serves the files of the page without a host behind them, and returns the address of one that runs nothing.
func startFiles(t *testing.T) string {
	t.Helper()
	page := ui.New(ui.Options{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !page.ServeFile(w, r, strings.TrimPrefix(r.URL.Path, "/ui/")) {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/ui/icon.svg"
}
