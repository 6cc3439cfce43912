// Package process runs one plugin subprocess: it launches the binary, shakes
// hands, speaks the wire, collects what the process writes, and ends its whole
// process tree.
//
// It promises that a launch returns soon after its context ends, that no output of
// a plugin can hurt or block the host, that Kill works on a process that is stopped,
// forks or hides in another session, and that after Done no process, goroutine,
// descriptor or socket of it is left. What an earlier host left behind is ended
// before the same task is started again.
//
// runner and app call it through task.Launcher; catalog runs its short commands with
// Run. It knows no policy: when to start, restart or stop is decided elsewhere. It is
// the only importer of go-plugin, of which it uses the handshake and the version
// negotiation; the connection, the pipes and the tree are its own.
//
// Everything in the host that starts a program does so through this package, because
// it adopts (as a subreaper) and reaps the orphans of plugins: a child that somebody
// else started in a session of its own could be taken for one.
package process
