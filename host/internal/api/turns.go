package api

import "runtime"

// atATurn is how many requests over TCP that only read are worked for at a time. The rest of the processors is for the tasks
// whatever comes: ten thousand requests at once would otherwise be ten thousand that the runtime takes up in turn with each
// slot that is due.
func atATurn() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// brief reports whether the row takes a processor and waits for nobody: it reads what is there, and is no stream.
func (r route) brief() bool { return r.method == "GET" && !r.stream && !r.takes("wait") }

// queueUp waits for the request's turn, when it is of those that take turns. Who is on the Unix socket never waits for who is
// at a port.
func (d *door) queueUp(row route, r *request) error {
	if !row.brief() || peerOf(r.Context()).unix {
		return nil
	}
	if err := d.turns.wait(r.Context()); err != nil {
		return err
	}
	r.turn = d.turns
	return nil
}

// yield gives the turn to the next one: what is left to do is to wait until the caller has taken the answer.
func (r *request) yield() {
	if r.turn != nil {
		r.turn.give()
		r.turn = nil
	}
}
