package queue

import "time"

// lately is how many seconds a meter looks back.
const lately = 60

// meter counts what passes, by the second, for as long as it looks back.
type meter struct {
	second int64 // that is counted now, of unix time
	counts [lately]uint32
}

// pass counts one more.
func (m *meter) pass(now int64) {
	m.turn(now)
	m.counts[m.second%lately]++
}

// rate is how many have passed in a second, on the average of the last minute.
func (m *meter) rate(now int64) float64 {
	m.turn(now)
	sum := 0.0
	for _, n := range m.counts {
		sum += float64(n)
	}
	return sum / lately
}

// turn forgets what is too old. A clock that was set back begins anew.
func (m *meter) turn(now int64) {
	second := now / int64(time.Second)
	if second < m.second || second-m.second >= lately {
		*m = meter{second: second}
	}
	for m.second < second {
		m.second++
		m.counts[m.second%lately] = 0
	}
}
