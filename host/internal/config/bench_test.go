package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// BenchmarkLoadOf200Tasks measures the whole of Load but for the plugins' own time.
func BenchmarkLoadOf200Tasks(b *testing.B) {
	var blocks strings.Builder
	for i := range 100 {
		fmt.Fprintf(&blocks, `
task "block%d" {
  plugin  = "http"
  type    = "check"
  timeout = "10s"
  periodic {
    cron = "*/5 %d * * mon-fri"
  }
  retry {
    attempts = 2
  }
  config {
    url           = "${var.site}/%d"
    expect_status = [200, 204]
    header "a" {
      value = "b"
    }
  }
}
`, i, i%24, i)
	}
	s := newScene(b, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: []byte(`
variable "site" {
  default = "https://example.org"
}
defaults {
  labels = { team = "shop" }
}
task "check" {
  for_each = { for i in range(100) : "site-${i}" => i }
  plugin   = "http"
  type     = "check"
  periodic {
    every = "30s"
  }
  config {
    url = "${var.site}/${each.value}"
  }
}
` + blocks.String())}}})
	b.ReportAllocs()
	for b.Loop() {
		c, diags, _ := Load(b.Context(), s.options)
		if diags.HasErrors() || len(c.Tasks) != 200 {
			b.Fatal(len(c.Tasks), diags)
		}
	}
}
