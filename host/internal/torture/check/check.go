package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Kind names a fault.
type Kind string

const (
	Lost        Kind = "lost"         // acknowledged, and neither at the end of its way nor in a queue nor among dead letters
	Invented    Kind = "invented"     // nobody has made this message
	Altered     Kind = "altered"      // a message came with another body
	Torn        Kind = "torn"         // a message is there and the rest of its commit is not
	Duplicate   Kind = "duplicate"    // one message became several in a queue
	Again       Kind = "again"        // a message was handed out although its acknowledgement was durable
	Stuck       Kind = "stuck"        // a message or a run has not come to its end
	DeadLetter  Kind = "dead_letter"  // a message was given up without a reason, or not given up with one
	CursorBack  Kind = "cursor_back"  // a checkpoint has an older value than one that was acknowledged
	CursorAhead Kind = "cursor_ahead" // a checkpoint has a value that nobody has saved
	NoRecord    Kind = "no_record"    // a slot lies in no record
	TwoRecords  Kind = "two_records"  // a slot lies in more than one record
	Miscounted  Kind = "miscounted"   // a record counts other slots than lie in it
	RanTwice    Kind = "ran_twice"    // a slot was entered under two runs
	OffGrid     Kind = "off_grid"     // a slot is none
	RunUnknown  Kind = "run_unknown"  // a run was entered, and the history does not know it
	Crowded     Kind = "crowded"      // more at work at a time than is allowed
	NoEvidence  Kind = "no_evidence"  // the evidence contradicts itself
)

// Fault is one promise that was broken.
type Fault struct {
	Kind    Kind
	Subject string // the task, message, run or slot
	Detail  string
}

func (f Fault) String() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.Subject, f.Detail) }

// Check returns every fault that e proves, sorted.
func Check(e Evidence) []Fault {
	var faults []Fault
	add := func(k Kind, subject, format string, args ...any) {
		faults = append(faults, Fault{k, subject, fmt.Sprintf(format, args...)})
	}
	for _, rule := range []func(Evidence, func(Kind, string, string, ...any)){
		order, messages, deadLetters, redelivered, cursors, slots, runs, crowds,
	} {
		rule(e, add)
	}
	slices.SortFunc(faults, func(a, b Fault) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Subject, b.Subject), strings.Compare(a.Detail, b.Detail))
	})
	return faults
}

// order demands that each journal is one: its times rise, or nothing else can be said.
func order(e Evidence, add func(Kind, string, string, ...any)) {
	for _, p := range e.Processes {
		for i := 1; i < len(p.Entries); i++ {
			if p.Entries[i].At < p.Entries[i-1].At {
				add(NoEvidence, p.Task, "the journal of process %d goes back at line %d", p.PID, i+2)
				break
			}
		}
	}
}
