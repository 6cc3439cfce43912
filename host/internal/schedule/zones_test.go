package schedule

import (
	"archive/zip"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"
)

// allZones returns every zone of the toolchain's IANA database by name.
func allZones(t testing.TB) []string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output() // runtime.GOROOT is empty in a binary without paths
	if err != nil {
		t.Fatalf("cannot find the toolchain: %v", err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatalf("cannot list the time zones: %v", err)
	}
	defer archive.Close()
	var names []string
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") {
			names = append(names, f.Name)
		}
	}
	if len(names) < 500 {
		t.Fatalf("found only %d time zones", len(names))
	}
	sort.Strings(names)
	return names
}

// transition is an instant at which a zone's offset changes.
type transition struct {
	at            time.Time
	before, after int // seconds east of UTC
}

var (
	firstYear = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	pastYear  = time.Date(2041, 1, 1, 0, 0, 0, 0, time.UTC)
)

// transitions finds all changes of offset in [firstYear, pastYear) by looking at every
// six hours and then halving: it does not ask ZoneBounds, which the code under test does.
func transitions(zone *time.Location) []transition {
	var all []transition
	const step = 6 * 3600
	offset := func(second int64) int {
		_, o := time.Unix(second, 0).In(zone).Zone()
		return o
	}
	last := offset(firstYear.Unix())
	for second := firstYear.Unix() + step; second < pastYear.Unix(); second += step {
		now := offset(second)
		if now == last {
			continue
		}
		low, high := second-step, second
		for high-low > 1 {
			if mid := (low + high) / 2; offset(mid) == last {
				low = mid
			} else {
				high = mid
			}
		}
		all = append(all, transition{time.Unix(high, 0).UTC(), last, now})
		last = now
	}
	return all
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func mustCron(t testing.TB, text string) Cron {
	t.Helper()
	c, err := ParseCron(text)
	if err != nil {
		t.Fatalf("ParseCron(%q): %v", text, err)
	}
	return c
}
