package e2e

import (
	"os"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	admintest.Clean()
	os.Exit(code)
}

const badPlugin = "host/internal/e2e/badplugin"
