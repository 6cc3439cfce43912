package session

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// link is the connection that an instance's session has, if any, and what a
// resumption needs to know. It is guarded by the instance's mu.
type link struct {
	token string
	seen  uint64             // highest HostFrame.seq of the session
	end   context.CancelFunc // of the connection; nil while there is none
	gone  chan struct{}      // closed when the connection's pump has ended
}

// serve is one connection of the session: it begins or resumes it, and returns
// when the connection is lost (an error) or the instance is closed (nil).
func (i *instance) serve(stream taskv1.Task_SessionServer, hello *taskv1.Hello) error {
	ctx, end := context.WithCancel(stream.Context())
	defer end()
	gone := make(chan struct{})
	seen, err := i.attach(ctx, hello, end, gone)
	if err != nil {
		return err
	}
	again, ok := i.out.since(hello.GetResumeFrom())
	if !ok {
		i.detach(gone)
		return status.Errorf(codes.FailedPrecondition, "the session cannot be resumed: frames after %d are gone", hello.GetResumeFrom())
	}
	welcome := &taskv1.PluginFrame{Body: &taskv1.PluginFrame_Welcome{Welcome: &taskv1.Welcome{ResumeFrom: seen}}}
	for _, f := range append([]*taskv1.PluginFrame{welcome}, again...) {
		if err := stream.Send(f); err != nil {
			i.detach(gone)
			return err
		}
	}
	// Nobody waits for the reader: a blocked Recv only returns after this function.
	go func() {
		defer end()
		for {
			f, err := stream.Recv()
			if err != nil || ctx.Err() != nil {
				return
			}
			i.receive(f)
		}
	}()
	err = i.out.pump(ctx, i.seen, stream.Send)
	i.detach(gone)
	if err != nil {
		return status.Error(codes.Aborted, "the session's connection is lost")
	}
	return nil
}

// attach makes this connection the one of the session. Of a session that it
// resumes, the older connection is ended first.
func (i *instance) attach(ctx context.Context, hello *taskv1.Hello, end context.CancelFunc, gone chan struct{}) (seen uint64, err error) {
	for {
		i.mu.Lock()
		resumes := i.link.token != "" && i.link.token == hello.GetToken()
		switch {
		case i.link.end != nil && !resumes:
			err = status.Errorf(codes.AlreadyExists, "%q has a session already", i.name)
		case i.link.end != nil:
			old := i.link
			i.mu.Unlock()
			old.end()
			select {
			case <-old.gone:
				continue
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		case resumes:
			i.link.end, i.link.gone = end, gone
			seen = i.link.seen
		case hello.GetResumeFrom() != 0 || i.live != nil:
			err = status.Errorf(codes.FailedPrecondition, "%q has no session of this name that could be resumed", i.name)
		default:
			i.out.begin()
			i.link = link{token: hello.GetToken(), end: end, gone: gone}
		}
		i.mu.Unlock()
		return seen, err
	}
}

// detach says that the connection is no longer used. Of a closed instance it was
// the last thing to wait for.
func (i *instance) detach(gone chan struct{}) {
	i.mu.Lock()
	i.link.end, i.link.gone = nil, nil
	last := i.state == closed
	i.mu.Unlock()
	close(gone)
	if last {
		i.server.closed(i)
	}
}

func (i *instance) seen() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.link.seen
}

// receive takes one frame. It does not block and runs no author code.
func (i *instance) receive(f *taskv1.HostFrame) {
	i.mu.Lock()
	if f.GetSeq() != 0 {
		if f.GetSeq() <= i.link.seen { // sent again on a resumed session
			i.mu.Unlock()
			return
		}
		i.link.seen = f.GetSeq()
	}
	i.mu.Unlock()
	if f.GetAck() != 0 {
		i.out.acknowledge(f.GetAck())
	}
	switch body := f.GetBody().(type) {
	case *taskv1.HostFrame_RunStart:
		i.start(body.RunStart)
	case *taskv1.HostFrame_MethodCall:
		i.call(body.MethodCall)
	case *taskv1.HostFrame_Reply:
		i.answered(body.Reply)
	case *taskv1.HostFrame_Deliver:
		i.deliver(body.Deliver)
	case *taskv1.HostFrame_SetLevel:
		if l := hclog.LevelFromString(body.SetLevel.GetLevel()); l != hclog.NoLevel {
			i.log.SetLevel(l)
			i.server.root.SetLevel(l)
		}
	}
}

// ask sends a request and waits for its reply. build gets the id of the request.
func (i *instance) ask(ctx context.Context, build func(id uint64) *taskv1.PluginFrame) (*taskv1.Reply, error) {
	answer := make(chan *taskv1.Reply, 1)
	i.mu.Lock()
	if i.state == opening || i.state == closed {
		i.mu.Unlock()
		return nil, errNoSession
	}
	i.nextID++
	id := i.nextID
	i.requests[id] = answer
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		delete(i.requests, id)
		i.mu.Unlock()
	}()
	if err := i.out.request(ctx, build(id)); err != nil {
		return nil, err
	}
	select {
	case r := <-answer:
		return r, nil
	case <-ctx.Done():
		return nil, &unanswered{context.Cause(ctx)}
	case <-i.orphan:
		return nil, ErrHostGone
	}
}

// answered hands a reply to the one who waits for it, if it still does.
func (i *instance) answered(r *taskv1.Reply) {
	i.mu.Lock()
	answer := i.requests[r.GetId()]
	delete(i.requests, r.GetId())
	i.mu.Unlock()
	if answer != nil {
		answer <- r
	}
}
