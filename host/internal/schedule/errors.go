package schedule

// Error is what is wrong with a schedule that a person wrote.
type Error struct {
	Field  string // attribute: every, offset, after, cron, time_zone, jitter, catch_up
	Index  int    // of the cron in its list
	Column int    // bytes before the fault, inside the cron's text
	Length int    // bytes of the text at fault; 0 is the whole text
	Detail string // one sentence, without a full stop
	Hint   string // what to write instead; may be empty
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Detail
	}
	return e.Detail + "; " + e.Hint
}
