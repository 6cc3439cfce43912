package schedule

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/agext/levenshtein"
)

// Cron is one parsed cron expression: sets of minutes, hours, days and months as bits,
// bit n for the value n. It is a value; the zone is the Plan's business.
type Cron struct {
	text    string
	minute  uint64
	hour    uint64
	dom     uint64
	month   uint64
	dow     uint64 // 0 is Sunday
	domStar bool   // the field starts with "*"
	dowStar bool
	real    bool // the hour field starts with "*": follows real time
}

// String returns the expression as it was written, with single spaces.
func (c Cron) String() string { return c.text }

// field describes one of the five fields.
type field struct {
	name     string
	min, max int
	names    []string // for min, min+1, …
}

var (
	fields = [5]field{
		{name: "minute", min: 0, max: 59},
		{name: "hour", min: 0, max: 23},
		{name: "day of month", min: 1, max: 31},
		{name: "month", min: 1, max: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{name: "day of week", min: 0, max: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}

	nicknames = map[string]string{
		"@yearly":   "0 0 1 1 *",
		"@annually": "0 0 1 1 *",
		"@monthly":  "0 0 1 * *",
		"@weekly":   "0 0 * * 0",
		"@daily":    "0 0 * * *",
		"@midnight": "0 0 * * *",
		"@hourly":   "0 * * * *",
	}
)

// maxCron bounds the text of a cron, in bytes.
const maxCron = 1024

// ParseCron parses five fields (minute, hour, day of month, month, day of week; numbers,
// English three-letter names, ranges, steps, lists) or a nickname such as "@daily". It
// fails with an *Error that says where in the text the fault is.
func ParseCron(text string) (Cron, error) {
	if len(text) > maxCron {
		return Cron{}, &Error{Field: "cron", Detail: fmt.Sprintf("cron is %d bytes long, at most %d are allowed", len(text), maxCron)}
	}
	words := split(text)
	if len(words) == 1 && strings.HasPrefix(words[0].text, "@") {
		return parseNickname(words[0])
	}
	if len(words) != len(fields) {
		return Cron{}, countError(words)
	}
	var sets [5]uint64
	for i, w := range words {
		set, err := parseField(fields[i], w)
		if err != nil {
			return Cron{}, err
		}
		sets[i] = set
	}
	c := Cron{
		text:    join(words),
		minute:  sets[0],
		hour:    sets[1],
		dom:     sets[2],
		month:   sets[3],
		dow:     (sets[4] | sets[4]>>7) & 0x7f, // 7 is Sunday too
		real:    strings.HasPrefix(words[1].text, "*"),
		domStar: strings.HasPrefix(words[2].text, "*"),
		dowStar: strings.HasPrefix(words[4].text, "*"),
	}
	if _, ok := c.atOrAfter(0); !ok {
		first, last := words[2], words[3]
		return Cron{}, &Error{
			Field: "cron", Column: first.at, Length: last.at + len(last.text) - first.at,
			Detail: fmt.Sprintf("cron %q never occurs: day of month %s does not exist in month %s", c.text, first.text, last.text),
		}
	}
	return c, nil
}

// word is a piece of the text and the bytes before it.
type word struct {
	text string
	at   int
}

// split cuts the text at blanks.
func split(text string) []word {
	var words []word
	start := -1
	for i := 0; i <= len(text); i++ {
		blank := i == len(text) || text[i] == ' ' || text[i] == '\t'
		switch {
		case blank && start >= 0:
			words = append(words, word{text[start:i], start})
			start = -1
		case !blank && start < 0:
			start = i
		}
	}
	return words
}

func join(words []word) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.text
	}
	return strings.Join(texts, " ")
}

func parseNickname(w word) (Cron, error) {
	text := strings.ToLower(w.text)
	if full, ok := nicknames[text]; ok {
		c, err := ParseCron(full)
		c.text = text
		return c, err
	}
	hint := near(text, slices.Collect(maps.Keys(nicknames)))
	switch text {
	case "@every":
		hint = `use every = "…" instead of cron`
	case "@reboot":
		hint = "use run_on_start = true"
	}
	return Cron{}, fault(w, fmt.Sprintf("unknown nickname %q", w.text), hint)
}

func countError(words []word) *Error {
	e := &Error{
		Field:  "cron",
		Detail: fmt.Sprintf("cron has %s, 5 are needed: minute, hour, day of month, month, day of week", count(len(words), "field")),
	}
	switch {
	case len(words) > 0 && strings.EqualFold(words[0].text, "@every"):
		e.Hint = `use every = "…" instead of cron`
	case len(words) > 0 && strings.Contains(words[0].text, "TZ="):
		e.Hint = "set time_zone instead"
		e.Length = len(words[0].text)
	case len(words) == 6:
		e.Hint = "there is no field for seconds or years; for periods below a minute use every"
	}
	if len(words) > 5 && e.Length == 0 {
		e.Column, e.Length = words[5].at, len(words[5].text)
	}
	return e
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// parseField parses a list of items into a set.
func parseField(f field, w word) (uint64, error) {
	var set uint64
	for at, rest, more := w.at, w.text, true; more; {
		var item string
		item, rest, more = strings.Cut(rest, ",")
		bits, err := parseItem(f, word{item, at})
		if err != nil {
			return 0, err
		}
		set |= bits
		at += len(item) + 1
	}
	return set, nil
}

// parseItem parses "*", "n", "n-m", each with or without "/step".
func parseItem(f field, w word) (uint64, error) {
	if w.text == "" {
		return 0, fault(w, fmt.Sprintf("%s has an empty list item", f.name), "")
	}
	span, stepText, stepped := strings.Cut(w.text, "/")
	low, high := f.min, f.max
	if f.max == 7 && span == "*" {
		high = 6 // Sunday once, so that steps count seven days
	}
	if span != "*" {
		var err error
		if low, high, err = parseRange(f, word{span, w.at}, stepped); err != nil {
			return 0, err
		}
	}
	step := 1
	if stepped {
		at := word{stepText, w.at + len(span) + 1}
		n, err := strconv.ParseUint(stepText, 10, 16)
		switch {
		case err != nil:
			return 0, fault(at, fmt.Sprintf("%s has the step %q, which is no number", f.name, stepText), "")
		case n == 0:
			return 0, fault(at, fmt.Sprintf("%s has the step 0", f.name), "")
		case int(n) > f.max-f.min:
			return 0, fault(at, fmt.Sprintf("%s has the step %d, which is longer than its range %d-%d", f.name, n, f.min, f.max),
				`for longer periods use every, or a list in the next field`)
		}
		step = int(n)
	}
	var set uint64
	for v := low; v <= high; v += step {
		set |= 1 << v
	}
	return set, nil
}

// parseRange parses "n" or "n-m". With a step, "n" reaches to the end of the field.
func parseRange(f field, w word, stepped bool) (low, high int, err error) {
	first, second, ranged := strings.Cut(w.text, "-")
	if low, err = parseValue(f, word{first, w.at}); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		if high, err = parseValue(f, word{second, w.at + len(first) + 1}); err != nil {
			return 0, 0, err
		}
		if f.max == 7 && high == 0 && low > 0 {
			high = 7 // fri-sun
		}
	case stepped:
		high = f.max
		if f.max == 7 && low < 7 {
			high = 6
		}
	default:
		high = low
	}
	if low > high {
		return 0, 0, fault(w, fmt.Sprintf("%s has the range %q, which runs backwards", f.name, w.text),
			fmt.Sprintf("write %q", fmt.Sprintf("%s-%s,%s-%s", first, f.show(min(f.max, f.min+f.size()-1)), f.show(f.min), second)))
	}
	return low, high, nil
}

// size is the number of different values.
func (f field) size() int {
	if f.max == 7 {
		return 7
	}
	return f.max - f.min + 1
}

// show writes a value as people do.
func (f field) show(v int) string {
	if f.names != nil {
		return f.names[(v-f.min)%f.size()]
	}
	return strconv.Itoa(v)
}

func parseValue(f field, w word) (int, error) {
	if n, err := strconv.ParseUint(w.text, 10, 16); err == nil {
		if int(n) < f.min || int(n) > f.max {
			return 0, fault(w, fmt.Sprintf("%s %d is out of range %d-%d", f.name, n, f.min, f.max), "")
		}
		return int(n), nil
	}
	text := strings.ToLower(w.text)
	if i := slices.Index(f.names, text); i >= 0 {
		return f.min + i, nil
	}
	hint := near(text, f.names)
	switch {
	case w.text == "":
		return 0, fault(w, fmt.Sprintf("%s has a range with an end missing", f.name), "")
	case w.text == "?":
		hint = `write "*"`
	case w.text == "*":
		hint = `"*" stands alone or before "/"`
	case strings.ContainsAny(w.text, "LW#"):
		hint = "L, W and # are not part of crontab's syntax"
	}
	return 0, fault(w, fmt.Sprintf("%s %q is neither a number nor a name", f.name, w.text), hint)
}

func fault(w word, detail, hint string) *Error {
	return &Error{Field: "cron", Column: w.at, Length: len(w.text), Detail: detail, Hint: hint}
}

// near returns a hint that names the candidate most like text, or "".
func near(text string, candidates []string) string {
	best, distance := "", 3
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := levenshtein.Distance(text, c, nil); d < distance && d < len(c) {
			best, distance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// onDay reports whether the pattern allows a day of month that is the given weekday.
func (c Cron) onDay(day int, weekday int64) bool {
	dom, dow := c.dom>>day&1 == 1, c.dow>>weekday&1 == 1
	if c.domStar || c.dowStar {
		return dom && dow
	}
	return dom || dow
}

// minuteFrom returns the first minute of the day at or after m that the pattern allows.
func (c Cron) minuteFrom(m int) (int, bool) {
	h := m / 60
	if c.hour>>h&1 == 1 {
		if rest := c.minute >> (m % 60); rest != 0 {
			return m + bits.TrailingZeros64(rest), true
		}
	}
	later := c.hour >> (h + 1)
	if later == 0 {
		return 0, false
	}
	return (h+1+bits.TrailingZeros64(later))*60 + bits.TrailingZeros64(c.minute), true
}

// minuteUpTo returns the last minute of the day at or before m that the pattern allows.
func (c Cron) minuteUpTo(m int) (int, bool) {
	h := m / 60
	if c.hour>>h&1 == 1 {
		if rest := c.minute & (1<<(m%60+1) - 1); rest != 0 {
			return h*60 + bits.Len64(rest) - 1, true
		}
	}
	earlier := c.hour & (1<<h - 1)
	if earlier == 0 {
		return 0, false
	}
	return (bits.Len64(earlier)-1)*60 + bits.Len64(c.minute) - 1, true
}
