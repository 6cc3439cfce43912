package schema

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDurationReadsGoUnitsAndDays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0":                           0,
		"0s":                          0,
		"10s":                         10 * time.Second,
		"1.5h":                        90 * time.Minute,
		"250us":                       250 * time.Microsecond,
		"1d":                          24 * time.Hour,
		"1d12h":                       36 * time.Hour,
		"1.5d":                        36 * time.Hour,
		"0.1d":                        144 * time.Minute,
		".5d":                         12 * time.Hour,
		"-2d":                         -48 * time.Hour,
		"+1d1ns":                      24*time.Hour + 1,
		"-1d1h":                       -25 * time.Hour,
		"30d":                         720 * time.Hour,
		"106751d23h47m16.854775807s":  math.MaxInt64,
		"-106751d23h47m16.854775808s": math.MinInt64,
	} {
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestParseDurationNamesTheTextAndTheForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             `"" is not a duration: write a number with a unit (ns, us, ms, s, m, h, d), such as "10s", "1.5h" or "1d12h"`,
		"10":                           `"10" is not a duration`,
		"10 s":                         `"10 s" is not a duration`,
		"d":                            `"d" is not a duration`,
		"1dd":                          `"1dd" is not a duration`,
		"1d2d":                         `"1d2d" is not a duration`,
		"12h1d":                        `"12h1d" is not a duration`,
		"1d-5h":                        `"1d-5h" is not a duration`,
		"1d0":                          `"1d0" is not a duration`,
		"--1d":                         `"--1d" is not a duration`,
		"1e3d":                         `"1e3d" is not a duration`,
		"1/2d":                         `"1/2d" is not a duration`,
		"106752d":                      `"106752d" is longer than a duration can be`,
		"106751d23h47m16.854775808s":   "longer than a duration can be",
		"-106751d23h47m16.854775809s":  "longer than a duration can be",
		"999999999999999999h":          "is not a duration",
		strings.Repeat("9", 500) + "d": "is not a duration",
		"\xff":                         "is not a duration",
	} {
		got, err := ParseDuration(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseDuration(%q) = %v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestFormatDurationLeavesOutEmptyParts(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                       "0s",
		90 * time.Second:        "1m30s",
		48 * time.Hour:          "2d",
		36 * time.Hour:          "1d12h",
		time.Hour:               "1h",
		time.Hour + time.Second: "1h1s",
		1500 * time.Millisecond: "1.5s",
		1500 * time.Microsecond: "1.5ms",
		-90 * time.Second:       "-1m30s",
		math.MaxInt64:           "106751d23h47m16.854775807s",
		math.MinInt64:           "-106751d23h47m16.854775808s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%d) = %q, want %q", int64(d), got, want)
		}
	}
}

func TestEveryDurationReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := time.Duration(rapid.Int64().Draw(t, "d"))
		text := FormatDuration(want)
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Fatalf("%d → %q → %d, %v", want, text, got, err)
		}
	})
}

func TestTextsWithoutDaysMeanWhatGoMakesOfThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[-+]?([0-9]{0,6}(\.[0-9]{0,4})?(ns|us|ms|s|m|h)?){0,3}`).Draw(t, "text")
		want, wantErr := time.ParseDuration(text)
		got, err := ParseDuration(text)
		if got != want || (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, %v; Go: %v, %v", text, got, err, want, wantErr)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"", "10s", "1d12h", "-1.5d", "106751d23h47m16.854775807s", "1d1d", "..d", "9e9d", "1d\x00", "µs"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		if back, err := ParseDuration(FormatDuration(d)); err != nil || back != d {
			t.Fatalf("%q is %d, which reads back as %d, %v", text, d, back, err)
		}
	})
}
