// Package schedule says when a periodic task is due: it compiles a task.Schedule
// into a Plan and answers which slots follow a time, lie between two times, or were
// passed while nobody looked.
//
// Everything here is pure: times come in, slots go out, nothing waits and no clock
// is read. A Plan is immutable and safe for concurrent use; Next and Previous do not
// allocate. Slots are in UTC, without a monotonic reading, and mean wall-clock time.
//
// The supervisor calls it for every decision about slots, config to check what a
// person wrote, the API to show what comes next. It does not know about runs,
// overlap or pauses.
//
// The cron rules. Five fields, as crontab has them; day of month and day of week are
// an OR when both are restricted. A pattern names wall-clock times: one that a zone
// skips runs once, at the instant of the transition; one that comes twice runs the
// first time only. A pattern whose hour field starts with "*" follows real time
// instead: it runs in both passes of a repeated hour and not for a skipped one.
package schedule

// The zone rules of every IANA zone travel in the binary, for machines that have none.
import _ "time/tzdata"
