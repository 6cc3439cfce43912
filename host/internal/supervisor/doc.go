// Package supervisor decides when every task runs, starts again and stops.
//
// A Fleet owns all tasks. Everything that changes one enters through it: commands of
// people, reports of processes, new configurations, pause, drain and shutdown of the
// host. Each task has one loop, whose goroutine is the only owner of the task's state.
// What a loop does is decided by one pure function, decide: state, event and time go in,
// the changed state and a list of effects come out. The loop carries the effects out and
// sleeps until wake says that time itself makes something due.
//
// It promises that every due slot becomes a run or a record that says why not, that a
// task never has more than its allowed runs at work, that a stop only ever escalates and
// ends within its deadlines, and that each accepted run ends with an outcome.
//
// It is called by app (wiring) and api. It starts no process itself and stores nothing:
// that is for task.Engine and task.Journal.
package supervisor
