package task

import "time"

// Alarm says from when on a task is degraded although it may be at work. The zero value of a field switches its
// alarm off. What counts in a row ends after as many in a row that were well.
type Alarm struct {
	Failing     int           `json:"failing"`      // runs in a row that failed
	Overlap     int           `json:"overlap"`      // slots in a row that found a run still at work
	Missed      int           `json:"missed"`       // slots in a row that the host could not run
	Late        int           `json:"late"`         // slots in a row that began later than LateBy
	LateBy      time.Duration `json:"late_by"`      // with Late
	NoSuccess   time.Duration `json:"no_success"`   // without a run that succeeded
	DeadLetters int           `json:"dead_letters"` // of the queue that the task consumes
	Stuck       bool          `json:"stuck"`        // a run takes longer than stuck_after
	CrashLoop   bool          `json:"crash_loop"`
}

// The codes of the reasons for which a task is degraded.
const (
	ReasonFailing     = "failing"
	ReasonOverlap     = "overlap"
	ReasonMissed      = "missed"
	ReasonLate        = "late"
	ReasonNoSuccess   = "no_success"
	ReasonDeadLetters = "dead_letters"
	ReasonStuck       = "stuck"
	ReasonCrashLoop   = "crash_loop"
	ReasonProcess     = "process"
	ReasonWatchdog    = "watchdog"
	ReasonUnkillable  = "unkillable"
	// ReasonAlert begins the code of an alert's reason; its name follows.
	ReasonAlert = "alert:"
)

// The kinds of events that tell that a reason has come and gone. Their text is the reason's code, a colon and its text.
const (
	EventDegraded  = "degraded"
	EventRecovered = "recovered"
)

// Period is about how far the slots of the schedule are apart as far as that is fixed; 0 where it is not.
func (s Schedule) Period() time.Duration {
	if s.HasAfter {
		return s.After
	}
	return s.Every
}
