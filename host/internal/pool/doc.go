// Package pool lets the instances of one task block share plugin processes: it hands out seats in
// them, and before it kills a process for one task it lets the others move to a fresh one.
//
// It is a launcher over a launcher. What it returns for a task that shares looks like a process of
// that task's own: it can be configured, drained, cancelled and killed, and is done when nothing
// of the task is left in the process. A kill of one task is a kill of the process only when the
// task cannot be got out of it otherwise, and then the others have a moment to finish and to move.
//
// When a process ends, the pool says whose fault that was, as far as it can be told: a task that
// brought one down sits apart for a while, and of several that may have done it each gets fewer
// neighbours, until it is alone with its fault. It decides nothing about runs: what becomes of
// those that ended with a process is the supervisor's.
package pool
