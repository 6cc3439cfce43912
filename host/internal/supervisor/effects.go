package supervisor

import (
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// effect is one thing that the loop does because decide says so. Effects are carried out in order.
// What they point to belongs to the state: the next decision may change it.
type effect interface{ effect() }

type (
	// Of the engine.
	launchEffect struct {
		id  task.ProcessID
		def *task.Definition
	}
	hurryEffect    struct{ id task.ProcessID }
	startRunEffect struct{ *process } // what its start says
	drainEffect    struct {
		id       task.ProcessID
		run      string
		deadline time.Duration
		reason   string
	}
	cancelEffect struct {
		id       task.ProcessID
		run      string
		cause    task.CancelCause
		deadline time.Duration
	}
	closeEffect struct{ id task.ProcessID }
	killEffect  struct{ id task.ProcessID }
	grantEffect struct {
		id      task.ProcessID
		request uint64
		granted bool
	}

	// Of the journal.
	// saveRunEffect saves the run as it is when the decision is complete.
	saveRunEffect    struct{ run *run }
	saveSlotEffect   struct{ record task.SlotRecord }
	saveStatusEffect struct{ status *task.Status }
	eventEffect      struct{ event *task.Event }
	// overridesEffect saves first and then answers, when there is a reply.
	overridesEffect struct {
		overrides task.Overrides
		reply     *reply
	}
	replyEffect  struct{ reply *reply }
	locateEffect struct {
		to chan<- task.ProcessID
		id task.ProcessID
	}

	// intakeEffect says whether the task takes messages.
	intakeEffect struct{ held bool }

	// Of the fleet.
	// acquireEffect asks for a place in groups, or says which run has it now.
	acquireEffect struct {
		ticket uint64
		run    string
		groups []string
	}
	releaseEffect struct{ ticket uint64 }
	factsEffect   struct{ facts facts }
	endedEffect   struct{ run *run }
	// doneEffect is the last one: the task is gone, or down for the end of the host.
	doneEffect struct{ removed bool }
)

func (launchEffect) effect()     {}
func (hurryEffect) effect()      {}
func (startRunEffect) effect()   {}
func (drainEffect) effect()      {}
func (cancelEffect) effect()     {}
func (closeEffect) effect()      {}
func (killEffect) effect()       {}
func (grantEffect) effect()      {}
func (saveRunEffect) effect()    {}
func (saveSlotEffect) effect()   {}
func (saveStatusEffect) effect() {}
func (eventEffect) effect()      {}
func (overridesEffect) effect()  {}
func (replyEffect) effect()      {}
func (locateEffect) effect()     {}
func (intakeEffect) effect()     {}
func (acquireEffect) effect()    {}
func (releaseEffect) effect()    {}
func (factsEffect) effect()      {}
func (endedEffect) effect()      {}
func (doneEffect) effect()       {}

// reply is the answer to a command on its way to who asked.
type reply struct {
	to     chan<- answer // has room for it
	answer answer
	runs   []*run // those the answer shows, as they are when the decision is complete
	ended  []task.Run
}

// answer is what a command brought about.
type answer struct {
	reply task.Reply
	err   error
}

func (st *state) do(e effect) { st.out = append(st.out, e) }
