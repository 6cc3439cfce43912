package ui_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

var screenshots = flag.String("screenshots", "", "take pictures of the page into this directory")

const shop = `
queue "orders" {
  max_deliveries = 2
}
task "clock" {
  description = "says what time it is"
  plugin      = "exec"
  continuous {}
  config {
    shell = "while :; do date +%T; sleep 2; done"
  }
}
task "homepage" {
  description = "the front page answers"
  plugin      = "http"
  type        = "check"
  periodic {
    every = "30s"
  }
  config {
    url = "SITE"
  }
}
task "exchange-rates" {
  description = "fetches them, when the bank lets it"
  plugin      = "exec"
  periodic {
    every = "1m"
  }
  config {
    command = ["bash", "-c", "echo asking the bank; sleep 0.0$((RANDOM%9)); (( RANDOM%6 )) || { echo the bank says: come back later >&2; exit 3; }"]
  }
}
task "nightly" {
  description = "old files go"
  plugin      = "exec"
  periodic {
    cron      = "15 2 * * *"
    time_zone = "Europe/Berlin"
  }
  config {
    command = ["true"]
  }
}
task "loader" {
  description = "fills the warehouse"
  plugin      = "exec"
  continuous {
    restart {
      backoff     = "40s"
      max_backoff = "1m"
    }
  }
  config {
    shell = "sleep 0.3; echo no route to the warehouse >&2; exit 1"
  }
}
task "report" {
  description = "the month's report, on the first working hour in New York"
  plugin      = "report"
  periodic {
    cron      = "0 9 1 * *"
    time_zone = "America/New_York"
  }
  config {
    rows = 500
    work = "1s"
  }
}
task "notify" {
  description = "tells an endpoint of every order"
  plugin      = "http"
  type        = "forward"
  continuous {}
  consume "orders" {}
  config {
    url = "http://127.0.0.1:1/nowhere"
  }
}
`

// TestPicturesOfThePage is no test: make screenshots runs it.
func TestPicturesOfThePage(t *testing.T) {
	if *screenshots == "" {
		t.Skip("make screenshots takes the pictures of docs/page")
	}
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer site.Close()
	p := startPlace(t, strings.ReplaceAll(shop, "SITE", site.URL), "plugins/exec", "plugins/http", "examples/04-report")
	fill(t, p)
	b := newBrowser(t, 1280, 800)
	b.login(p.url, p.token)
	b.until("the strips are there", `document.querySelectorAll("svg.strip").length >= 5`)
	for name, hash := range map[string]string{"overview": "#/", "task": "#/tasks/exchange-rates"} {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{360, 1280} {
				b.look(width, 800, scheme)
				b.open(p.url + hash)
				b.until("it is drawn", `document.querySelector("#main svg.strip, #main .big-strip") && (!document.querySelector(".log") || document.querySelector(".log .line"))`)
				b.eval("document.activeElement.blur()")
				file := filepath.Join(*screenshots, fmt.Sprintf("%s-%s-%d.png", name, scheme, width))
				if err := os.WriteFile(file, b.picture(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	b.clean()
}

// fill gives the tasks a past.
func fill(t *testing.T, p *place) {
	t.Helper()
	ctx := context.Background()
	for name, back := range map[string]time.Duration{"homepage": 20 * time.Minute, "exchange-rates": 45 * time.Minute} {
		_, _, err := p.Backfill(ctx, name, admin.Backfill{From: admin.At(time.Now().Add(-back)), To: admin.At(time.Now())}, 2*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.StartRun(ctx, "report", admin.RunRequest{Input: []byte(`{"month":"2026-10"}`)}, "", 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := p.Post(ctx, "orders", []byte(`{"item":"tea"}`), admin.PostOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	p.UntilRun("loader", "failed")
}
