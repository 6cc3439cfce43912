package schema

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseBytesReadsBinaryAndDecimalUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0":                    0,
		"1048576":              1 << 20,
		"512B":                 512,
		"64KiB":                64 << 10,
		"1MiB":                 1 << 20,
		"2GiB":                 2 << 30,
		"1.5GiB":               3 << 29,
		"10MB":                 10e6,
		"1kB":                  1000,
		"1KB":                  1000,
		"0.5KiB":               512,
		"9223372036854775807":  math.MaxInt64,
		"9223372036854775807B": math.MaxInt64,
	} {
		got, err := ParseBytes(text)
		if err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestParseBytesNamesTheTextAndTheForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                    `"" is not a size: write a number with a unit (B, kB, MB, GB, TB or KiB, MiB, GiB, TiB), such as "64KiB" or "1.5GiB"`,
		"-1":                  `"-1" is not a size`,
		"1M":                  `"1M" is not a size`,
		"1 MiB":               `"1 MiB" is not a size`,
		"MiB":                 `"MiB" is not a size`,
		"1.2.3B":              `"1.2.3B" is not a size`,
		"0.5B":                `"0.5B" is not a whole number of bytes`,
		"9223372036854775808": `"9223372036854775808" is more than a size can be (8 EiB)`,
		"8192PiB":             "more than a size can be",
	} {
		got, err := ParseBytes(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseBytes(%q) = %d, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestFormatBytesTakesTheLargestExactUnit(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0B", 1: "1B", 1000: "1kB", 1024: "1KiB", 64 << 10: "64KiB", 10e6: "10MB", 1000001: "1000001B", 3 << 29: "1536MiB",
	} {
		if got := FormatBytes(n); got != want {
			t.Errorf("FormatBytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestEverySizeReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Int64Min(0).Draw(t, "n")
		if rapid.Bool().Draw(t, "round") {
			want = want &^ (1<<20 - 1)
		}
		text := FormatBytes(want)
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Fatalf("%d → %q → %d, %v", want, text, got, err)
		}
	})
}

func FuzzParseBytes(f *testing.F) {
	for _, seed := range []string{"", "64KiB", "1.5GiB", "9e9", "-1B", "99999999999999999999TB", "1..2MB", "0.0000000001TiB", "1\x00", "8EiB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseBytes(text)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("%q is %d bytes", text, n)
		}
		if back, err := ParseBytes(FormatBytes(n)); err != nil || back != n {
			t.Fatalf("%q is %d, which reads back as %d, %v", text, n, back, err)
		}
	})
}
