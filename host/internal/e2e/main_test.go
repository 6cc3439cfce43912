package e2e

import (
	"os"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
	"github.com/taskhost/taskhost/host/internal/hosttest"
)

func TestMain(m *testing.M) {
	if hosttest.PlayTracer() {
		return
	}
	code := m.Run()
	admintest.Clean()
	os.Exit(code)
}

const badPlugin = "host/internal/e2e/badplugin"
