// Package task is what plugin authors import: it turns functions into the task
// types of a plugin binary, and serves them to the host.
//
// A plugin is a struct for its config, a function, and one call:
//
//	type Config struct {
//		URL string `task:"url" doc:"page to fetch"`
//	}
//
//	func check(ctx context.Context, h *task.Host, c Config) error { … }
//
//	func main() {
//		task.Serve(task.Plugin{Name: "http", Types: []task.Type{task.Periodic("check", check)}})
//	}
//
// # Types
//
// [Periodic] does one piece of work per run, [Job] does so with a typed input and
// result, [Continuous] goes on until it is stopped, [Loop] does one step again and
// again, [Consumer] and [BatchConsumer] handle the messages of a queue. Their Open
// forms ([OpenPeriodic] and so on) hold an object open between runs, which can answer
// requests (see [Method]).
//
// # Stopping
//
// A stop has three stages. First [Host.Stopping] is closed, while the context stays
// alive: finish and return. Then the context ends, with a cause ([ErrCancelled],
// [ErrStopTimeout], [ErrTimeout], [ErrHostGone]). Then the process is killed.
// What a run returns decides how it is recorded: nil is success, also while the
// task stops; [ErrStopping] and [Interrupted] say that the work was not done; see
// [Permanent], [RetryAfter], [Skip] and [Unhealthy] for the rest.
//
// # What is kept
//
// [Host.Commit] makes a set of values durable, all or none; see [Save], [SaveRun],
// [Load] and [LoadRun]. [Host.Publish] shows a value to the world while the task
// runs, and promises nothing beyond that.
//
// # Queues
//
// An [Output] is where a type sends messages, with [Emit] in a commit; HCL wires it to a
// queue. A handler of a consumer emits and saves on its [Message]: all of it happens in
// the commit that acknowledges the message, so that between queues a message is moved
// exactly once, whatever dies. Ids make commits safe to repeat; see [Emit].
//
// # Panics
//
// A panic in a run, a step, a handler, a method or an open function becomes that one's error,
// with its stack; the process goes on. A panic in a goroutine that author code has
// started cannot be caught: it ends the process, and the host reports it from what
// the process wrote.
//
// The package promises that a plugin binary needs nothing but Serve: the same binary
// explains itself (describe), checks a config (validate) and runs a type once
// without any host (run --once). It does not promise that what stands before Serve
// in main is free: that part runs at every describe, without config and secrets,
// so it must open nothing.
package task
