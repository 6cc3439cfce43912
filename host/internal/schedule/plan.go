package schedule

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/bits"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// MinPeriod is the shortest period of a grid.
const MinPeriod = time.Millisecond

// Plan is a compiled schedule.
type Plan struct {
	name  string // of the task
	seed  uint64 // from the name
	spec  task.Schedule
	phase time.Duration // of a grid
	zone  *time.Location
	crons []Cron
}

// Compile checks a schedule and makes it ready to answer. The name of the task gives a
// grid its phase and a slot its jitter: the same name, the same times, also after a
// restart. It fails with an *Error that names the attribute at fault.
func Compile(name string, s task.Schedule) (*Plan, error) {
	hash := fnv.New64a()
	hash.Write([]byte(name)) // never fails
	p := &Plan{name: name, seed: mix(hash.Sum64()), spec: s, zone: time.UTC}
	if err := checkOne(s); err != nil {
		return nil, err
	}
	if s.Jitter < 0 {
		return nil, &Error{Field: "jitter", Detail: fmt.Sprintf("jitter %s is negative", s.Jitter)}
	}
	if s.CatchUp.Window < 0 {
		return nil, &Error{Field: "catch_up", Detail: fmt.Sprintf("catch_up window %s is negative", s.CatchUp.Window)}
	}
	if s.CatchUp.Max < 0 {
		return nil, &Error{Field: "catch_up", Detail: fmt.Sprintf("catch_up max %d is negative", s.CatchUp.Max)}
	}
	var err error
	switch {
	case p.isGrid():
		err = p.compileGrid()
	case !p.isDelay():
		err = p.compileCrons()
	case s.After < 0:
		err = &Error{Field: "after", Detail: fmt.Sprintf("after %s is negative", s.After)}
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// checkOne makes sure that exactly one kind of schedule is set.
func checkOne(s task.Schedule) error {
	var set []string
	if s.Every != 0 {
		set = append(set, "every")
	}
	if s.HasAfter || s.After != 0 {
		set = append(set, "after")
	}
	if len(s.Cron) > 0 {
		set = append(set, "cron")
	}
	switch len(set) {
	case 0:
		return &Error{Field: "every", Detail: "a periodic task needs to know when it is due", Hint: "set one of every, after and cron"}
	case 1:
		return nil
	}
	return &Error{Field: set[1], Detail: strings.Join(set, " and ") + " are set together", Hint: "keep one of them"}
}

func (p *Plan) compileGrid() error {
	s := p.spec
	switch {
	case s.Every < MinPeriod:
		return &Error{Field: "every", Detail: fmt.Sprintf("every %s is shorter than %s", s.Every, MinPeriod), Hint: "for work without a pause use continuous"}
	case s.HasOffset && (s.Offset < 0 || s.Offset >= s.Every):
		return &Error{Field: "offset", Detail: fmt.Sprintf("offset %s does not lie between 0 and every (%s)", s.Offset, s.Every)}
	case s.Jitter >= s.Every:
		return &Error{Field: "jitter", Detail: fmt.Sprintf("jitter %s is not shorter than every (%s)", s.Jitter, s.Every)}
	case s.HasOffset:
		p.phase = s.Offset
	default:
		// Round figures are easier to read in logs and tell nobody less.
		unit := time.Microsecond
		if s.Every >= time.Second {
			unit = time.Millisecond
		}
		p.phase = share(p.seed, s.Every).Truncate(unit)
	}
	return nil
}

func (p *Plan) compileCrons() error {
	zone, err := LoadZone(p.spec.TimeZone)
	if err != nil {
		return err
	}
	p.zone = zone
	for i, text := range p.spec.Cron {
		c, err := ParseCron(text)
		if err != nil {
			if at, ok := errors.AsType[*Error](err); ok {
				at.Index = i
			}
			return err
		}
		p.crons = append(p.crons, c)
	}
	return nil
}

// LoadZone finds the IANA time zone with this name; "" is UTC. It fails with an *Error.
func LoadZone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, &Error{Field: "time_zone", Detail: `time zone "Local" means another zone on every machine`, Hint: `name one, such as "Europe/Berlin" or "UTC"`}
	}
	zone, err := time.LoadLocation(name)
	if err == nil {
		return zone, nil
	}
	e := &Error{Field: "time_zone", Detail: fmt.Sprintf("there is no time zone %q", name), Hint: `use an IANA name, such as "Europe/Berlin" or "UTC"`}
	if proper := capitalized(name); proper != name {
		if _, err := time.LoadLocation(proper); err == nil {
			e.Hint = fmt.Sprintf("did you mean %q?", proper)
		}
	}
	return nil, e
}

// capitalized spells a zone's name as nearly all zones are spelled: "europe/berlin" as "Europe/Berlin".
func capitalized(name string) string {
	out := []byte(strings.ToLower(strings.ReplaceAll(name, " ", "_")))
	start := true
	for i, b := range out {
		if start && 'a' <= b && b <= 'z' {
			out[i] = b - 'a' + 'A'
		}
		start = b == '/' || b == '_' || b == '-'
	}
	return string(out)
}

func (p *Plan) isGrid() bool  { return p.spec.Every != 0 }
func (p *Plan) isDelay() bool { return p.spec.HasAfter || p.spec.After != 0 }

// Phase is the distance of a grid's slots from the whole multiples of its period since
// 1970-01-01 UTC; 0 for other schedules.
func (p *Plan) Phase() time.Duration { return p.phase }

// Zone is the time zone in which crons are read; UTC for other schedules.
func (p *Plan) Zone() *time.Location { return p.zone }

// Next returns the first slot after the given time, or the zero time when there is none.
// A fixed delay has no slots of its own: ask NextAfter.
func (p *Plan) Next(after time.Time) time.Time {
	if p.isGrid() {
		after = wallClock(after)
		return after.Add(p.spec.Every - p.intoPeriod(after))
	}
	from := after.Unix() + 1 // the first whole second after it
	var first int64
	var found bool
	for i := range p.crons {
		if slot, ok := p.crons[i].next(p.zone, from); ok && (!found || slot < first) {
			first, found = slot, true
		}
	}
	if !found {
		return time.Time{}
	}
	return time.Unix(first, 0).UTC()
}

// Previous returns the last slot before the given time, or the zero time when there is none.
func (p *Plan) Previous(before time.Time) time.Time {
	if p.isGrid() {
		before = wallClock(before)
		if into := p.intoPeriod(before); into > 0 {
			return before.Add(-into)
		}
		return before.Add(-p.spec.Every)
	}
	second := before.Unix()
	if before.Nanosecond() > 0 {
		second++
	}
	var last int64
	var found bool
	for i := range p.crons {
		if slot, ok := p.crons[i].previous(p.zone, second); ok && (!found || slot > last) {
			last, found = slot, true
		}
	}
	if !found {
		return time.Time{}
	}
	return time.Unix(last, 0).UTC()
}

// NextAfter returns the slot of a fixed delay that follows a run which ended then; for
// other schedules it is Next.
func (p *Plan) NextAfter(end time.Time) time.Time {
	if !p.isDelay() {
		return p.Next(end)
	}
	return wallClock(end).Add(p.spec.After)
}

// Between returns the slots in (from, to], oldest first, at most max of them.
func (p *Plan) Between(from, to time.Time, max int) []time.Time {
	var slots []time.Time
	for slot := p.Next(from); len(slots) < max && !slot.IsZero() && !slot.After(to); slot = p.Next(slot) {
		slots = append(slots, slot)
	}
	return slots
}

// NotBefore returns when the run of a slot may begin: the slot and its share of the
// jitter, which depends on the task's name and the slot alone.
func (p *Plan) NotBefore(slot time.Time) time.Time {
	slot = wallClock(slot)
	if p.spec.Jitter <= 0 {
		return slot
	}
	return slot.Add(share(mix(p.seed^uint64(slot.UnixNano())), p.spec.Jitter))
}

// Describe says in a few words when the task is due: "every 30s", "after 5s",
// "cron 15 2 * * * (Europe/Berlin)".
func (p *Plan) Describe() string {
	switch {
	case p.isGrid():
		return "every " + short(p.spec.Every)
	case p.isDelay():
		return "after " + short(p.spec.After)
	}
	texts := make([]string, len(p.crons))
	for i, c := range p.crons {
		texts[i] = c.String()
	}
	return fmt.Sprintf("cron %s (%s)", strings.Join(texts, ", "), p.zone)
}

// intoPeriod returns how far the time lies behind the last slot at or before it, in
// [0, every). It is exact for every year that a time.Time can hold.
func (p *Plan) intoPeriod(t time.Time) time.Duration {
	every := uint64(p.spec.Every)
	seconds := t.Unix() % int64(every)
	if seconds < 0 {
		seconds += int64(every)
	}
	high, low := bits.Mul64(uint64(seconds), uint64(time.Second))
	low, carry := bits.Add64(low, uint64(t.Nanosecond()), 0)
	into := bits.Rem64(high+carry, low, every)
	if phase := uint64(p.phase); into >= phase {
		return time.Duration(into - phase)
	} else {
		return time.Duration(into + every - phase)
	}
}

// wallClock drops the monotonic reading and the zone, so that slots compare by wall clock alone.
func wallClock(t time.Time) time.Time { return t.Round(0).UTC() }

// share maps a hash evenly onto [0, d).
func share(hash uint64, d time.Duration) time.Duration {
	high, _ := bits.Mul64(hash, uint64(d))
	return time.Duration(high)
}

// mix spreads the bits of n over the whole word, so that neighbours differ everywhere.
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// short writes a duration without its zero parts: "1h", not "1h0m0s".
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
