// Package alarm gives timers that ring on time. The runtime's own timers wait in the
// kernel with a resolution of a millisecond when nothing else is going on, and so are
// half a millisecond late at the median, which is several times what the way of a run
// from its slot to its function takes. A Clock waits for all its timers with one
// descriptor of the kernel's high-resolution timer instead, where there is one.
//
// The supervisor's loops wait for their slots with it. It knows nothing of tasks and
// decides nothing; time that need not be exact belongs to package time.
package alarm
