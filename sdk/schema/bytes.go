package schema

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// byteUnits lists the units from the largest to the smallest, the binary one
// of a pair first: that is the order in which FormatBytes prefers them.
var byteUnits = []struct {
	name string
	size int64
}{
	{"PiB", 1 << 50}, {"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"PB", 1e15}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3},
	{"B", 1},
}

const bytesForm = `write a number with a unit (B, kB, MB, GB, TB or KiB, MiB, GiB, TiB), such as "64KiB" or "1.5GiB"`

// ParseBytes reads a size: plain digits count bytes; KiB, MiB, GiB, TiB, PiB
// are powers of 1024; kB (or KB), MB, GB, TB, PB are powers of 1000. A
// fraction is accepted when it makes whole bytes. A text that is no size, a
// negative one and one beyond 8 EiB are errors that name the text and the
// accepted form.
func ParseBytes(s string) (int64, error) {
	end := strings.LastIndexAny(s, "0123456789.") + 1
	number, unit := s[:end], s[end:]
	if len(number) > maxNumberText || !isDecimal(number) {
		return 0, badBytes(s)
	}
	size, ok := byteUnit(unit)
	if !ok {
		return 0, badBytes(s)
	}
	count, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, badBytes(s)
	}
	count.Mul(count, new(big.Rat).SetInt64(size))
	if !count.IsInt() {
		return 0, fmt.Errorf("%q is not a whole number of bytes", clip(s))
	}
	if !count.Num().IsInt64() {
		return 0, fmt.Errorf("%q is more than a size can be (8 EiB)", clip(s))
	}
	return count.Num().Int64(), nil
}

func byteUnit(name string) (int64, bool) {
	switch name {
	case "":
		return 1, true
	case "KB": // as common as the correct kB, and with one meaning only
		return 1e3, true
	}
	for _, u := range byteUnits {
		if u.name == name {
			return u.size, true
		}
	}
	return 0, false
}

func badBytes(s string) error {
	return fmt.Errorf("%q is not a size: %s", clip(s), bytesForm)
}

// FormatBytes writes n in the largest unit that is exact, binary units before
// decimal ones: "64KiB", "10MB", "1000001B". For n ≥ 0 [ParseBytes] reads it
// back to the same value.
func FormatBytes(n int64) string {
	if n != 0 {
		for _, u := range byteUnits {
			if n%u.size == 0 {
				return strconv.FormatInt(n/u.size, 10) + u.name
			}
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
