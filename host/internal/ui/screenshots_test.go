//go:build !race

package ui_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

var (
	screenshots    = flag.String("screenshots", "", "take pictures of the page into this directory")
	screenshotsOf  = flag.String("screenshots-of", "", "only of views whose name matches")
	allScreenshots = flag.Bool("screenshots-all", false, "of every view, and also for a large screen")
)

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
queue "urls" {}
queue "pages" {
  max_messages = 100
}
task "scrape" {
  description = "fetches what is asked for"
  plugin      = "http"
  type        = "fetch"
  instances   = 2
  continuous {}
  consume "urls" {}
  output "pages" {
    queue = "pages"
  }
}
task "index" {
  description = "stands still today"
  plugin      = "http"
  type        = "forward"
  enabled     = false
  continuous {}
  consume "pages" {}
  config {
    url = "SITE"
  }
}
task "tally" {
  description = "after each good fetch of the rates"
  plugin      = "exec"
  config {
    command = ["true"]
  }
  after_run "exchange-rates" {
    outcome = ["succeeded"]
  }
}
`

// views are what pictures are taken of; those that are kept stand in the documents, the others are for whoever works on the page.
var views = []struct {
	name, hash string
	kept       bool
	act        string // what is done first in a page that has just been opened, if anything; true once it is done
	drawn      string // true once the picture can be taken
}{
	{"overview", "#/", true, "", `document.querySelector("#main svg.strip")`},
	{"task", "#/tasks/exchange-rates", true, "", `document.querySelector(".big-strip") && document.querySelector(".log .line")`},
	{"run", "RUN", true, "", `document.querySelector(".moments") && document.querySelector(".log .line")`},
	{"queues", "#/queues", true, "", `document.querySelector("tbody tr")`},
	{"queue", "#/queues/orders", false, "", `document.querySelector(".messages")`},
	{"pipeline", "#/pipeline", true, "", `document.querySelector(".graph")`},
	{"timeline", "#/timeline?zoom=1h", true, "", `document.querySelectorAll(".lane-list path").length > 8`},
	{"plugins", "#/plugins", true, "", `document.querySelector("tbody tr")`},
	{"plugin", "#/plugins/exec", false, "", `document.querySelector(".schema")`},
	{"events", "#/events", true, "", `document.querySelector(".events")`},
	{"audit", "#/audit", false, "", `document.querySelector(".audit")`},
	{"configuration", "#/config", true, click(".title button"), `document.querySelector(".plan .changes")`},
	{"menu", "#/", false, click("[aria-label='more actions: exchange-rates']"), `document.querySelector("[role=menu]")?.style.top`},
	{"form", "#/tasks/report", false, `import("./parts/input.js").then((m) => m.openRun({ name: "report", plugin: "report", type: "report" })).then(() => true)`, `document.querySelector("dialog[open]")`},
	{"question", "#/tasks/clock", false, click("[aria-label='Stop: clock']"), `document.querySelector("dialog[open]")`},
	{"login", "#/", false, `document.querySelector(".login") || ` + click(".top > button:last-child"), `document.querySelector(".login")`}, // the last: it ends the session
}

// click is true once the first element of a selector was there and has been clicked.
func click(selector string) string {
	return fmt.Sprintf("((el) => { el?.click(); return el; })(document.querySelector(%q))", selector)
}

// TestPicturesOfThePage is no test: make screenshots runs it.
func TestPicturesOfThePage(t *testing.T) {
	if *screenshots == "" {
		t.Skip("make screenshots takes the pictures of docs/page")
	}
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer site.Close()
	p := startPlaceIn(t, shopDir(t), strings.ReplaceAll(shop, "SITE", site.URL), "plugins/exec", "plugins/http", "examples/04-report")
	fill(t, p, site.URL)
	failed := p.UntilRun("exchange-rates", "failed")
	p.edit(t, nightlyHour, laterHour) // for a plan
	b := newBrowserFor(t, 10*time.Minute, 1280, 800)
	b.login(p.url, p.token)
	b.until("the strips are there", `document.querySelectorAll("svg.strip").length >= 5`)
	for _, v := range views {
		if wanted, err := regexp.MatchString(*screenshotsOf, v.name); err != nil || !wanted {
			continue
		}
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range widths(v.kept) {
				b.look(width, height(width), scheme)
				if v.act != "" {
					b.open("about:blank")
				}
				b.open(p.url + strings.Replace(v.hash, "RUN", "#/runs/"+failed.ID, 1))
				if v.act != "" {
					b.until("it is open", `document.querySelector("main")`)
					b.until("it is done", v.act)
				}
				b.until("it is drawn", v.drawn)
				b.eval("document.activeElement.blur()")
				file := filepath.Join(*screenshots, fmt.Sprintf("%s-%s-%d.png", v.name, scheme, width))
				if err := os.WriteFile(file, smaller(t, b.picture()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	b.clean()
}

// widths are those of a phone and of a window, and with -screenshots-all that of a large screen.
func widths(kept bool) []int64 {
	switch {
	case *allScreenshots:
		return []int64{360, 1280, 3840}
	case kept:
		return []int64{360, 1280}
	}
	return nil
}

func height(width int64) int64 { return max(800, width*9/16) }

// smaller is a picture with as many colours as fit into one byte: a page has few.
func smaller(t *testing.T, data []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	few := image.NewPaletted(full.Bounds(), commonest(full))
	draw.Draw(few, few.Bounds(), full, image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, few); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// commonest are the colours that a picture has most of, each far enough from the others.
func commonest(m image.Image) color.Palette {
	n := map[color.RGBA]int{}
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			n[color.RGBAModel.Convert(m.At(x, y)).(color.RGBA)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(n), func(a, b color.RGBA) int { return n[b] - n[a] })
	palette := color.Palette{}
	for _, c := range all {
		if len(palette) < 256 && !slices.ContainsFunc(palette, func(p color.Color) bool { return near(c, p.(color.RGBA)) }) {
			palette = append(palette, c)
		}
	}
	return palette
}

// near reports whether an eye takes two colours for one.
func near(a, b color.RGBA) bool {
	far := func(x, y uint8) int { return max(int(x), int(y)) - min(int(x), int(y)) }
	return far(a.R, b.R)+far(a.G, b.G)+far(a.B, b.B) < 9
}

// fill gives the tasks a past.
func fill(t *testing.T, p *place, site string) {
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
	for i := range 17 {
		if _, err := p.Post(ctx, "urls", fmt.Appendf(nil, `{"url":%q}`, fmt.Sprintf("%s/%d", site, i)), admin.PostOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	p.UntilRun("loader", "failed")
}

// shopDir is where the host of the pictures has its files: a path that the page shows, and that says nothing of a test.
func shopDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "shop")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatalf("the pictures need a directory of their own: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
