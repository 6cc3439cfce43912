// Package runner carries out what the supervisor has decided: it starts plugin
// processes, hands runs to them, passes on what they say, and ends them. It is the
// task.Engine.
//
// Every process has one goroutine of its own. The methods of the Engine return at once,
// and what they bring about comes back as reports, in order per process: nothing about
// one process waits for another, and a process that is stuck holds up nobody, because
// what reaches it (drain, cancel, kill) does not go through what waits for it.
//
// What author code commits is durable before the commit is answered, and a run's return
// is reported after its commits. The runner decides nothing about tasks: which process
// is needed, when a run begins and how long a stop may take is the supervisor's.
package runner
