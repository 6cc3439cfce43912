// Package tasktest is the test kit for plugin authors. It runs a task type in
// memory, through the same code that serves it to a host: the schema, HCL, msgpack,
// gRPC and the session are real, only the process and the host are not.
//
//	func TestCheck(t *testing.T) {
//		tasktest.Test(t, func(t *testing.T) { // time is virtual in here
//			r := tasktest.Run(t, task.Periodic("check", check), `url = "http://127.0.0.1:1"`)
//			if got := r.Outcome(); got != "failed" {
//				t.Errorf("outcome %s, want failed", got)
//			}
//		})
//	}
//
// [Task] stops, cancels and kills a run, and shows what it published, committed
// and logged. [KillAfterCommit] and [Task.Retry] prove that work survives a crash.
// [Binary] drives a plugin binary in a process of its own, and [NoSideEffects] fails
// one that opens something before task.Serve.
//
// The kit stands in for a host's session, not for its policy: it schedules nothing
// and retries nothing by itself.
package tasktest
