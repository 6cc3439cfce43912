package session

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// Type is one task type: what it says of itself, and its author code behind
// functions that know no author types.
type Type struct {
	Description wire.Type
	// Decode turns msgpack into the author's config. Problems reject the config;
	// an error means that it was made for another schema.
	Decode func(config []byte) (any, []schema.Problem, error)
	// Open makes the object that runs and methods share.
	Open func(ctx context.Context, h *Handle, config any) (any, error)
	// Run is one attempt: JSON in, JSON out.
	Run func(ctx context.Context, h *Handle, object any, input []byte) ([]byte, error)
	// Handle is one call of the handler, of a type that consumes: such a type has no Run. Messages that it cannot
	// read it fails by itself.
	Handle  func(ctx context.Context, w *Work, object any) error
	Methods map[string]MethodFunc
}

// MethodFunc answers one request to a live object: JSON in, JSON out.
type MethodFunc func(ctx context.Context, object any, input []byte) ([]byte, error)

// Server serves the types of one plugin. It is safe for concurrent use.
type Server struct {
	taskv1.UnimplementedTaskServer
	description []byte
	types       map[string]*Type
	log         Log
	root        hclog.Logger

	mu        sync.Mutex
	instances map[string]*instance
	draining  bool
	abandoned bool
	done      chan struct{} // closed when everything that was served is closed
	over      bool
}

var _ taskv1.TaskServer = (*Server)(nil)

// Log says where the log of author code goes, and in which form.
type Log struct {
	Output io.Writer
	Text   bool // for a terminal; otherwise hclog's JSON lines
}

func (l Log) logger(level hclog.Level) hclog.Logger {
	// The host cuts long lines. Escapes that only a page needs must not make a line of markup six times as long.
	return hclog.New(&hclog.LoggerOptions{Level: level, Output: l.Output, JSONFormat: !l.Text, JSONEscapeDisabled: true})
}

// lines lets several loggers share an output, a whole line at a time.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// New makes a server.
func New(d wire.Description, types []Type, log Log) (*Server, error) {
	text, err := Describe(d)
	if err != nil {
		return nil, err
	}
	log.Output = &lines{out: log.Output}
	s := &Server{
		root:        log.logger(hclog.Info),
		description: text,
		types:       make(map[string]*Type, len(types)),
		log:         log,
		instances:   make(map[string]*instance),
		done:        make(chan struct{}),
	}
	for i := range types {
		s.types[types[i].Description.Name] = &types[i]
	}
	return s, nil
}

// Describe is the text that a plugin gives of itself, by call and on the command line.
func Describe(d wire.Description) ([]byte, error) {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode description: %w", err)
	}
	return append(text, '\n'), nil
}

// Done is closed when the last instance is closed, after a stop of each or after
// Drain: the process has nothing left to do.
func (s *Server) Done() <-chan struct{} { return s.done }

// Drain stops every instance as Stop does. It does not wait.
func (s *Server) Drain(deadline time.Duration, reason string) {
	s.mu.Lock()
	s.draining = true
	all := s.all()
	s.endIfIdle()
	s.mu.Unlock()
	for _, i := range all {
		i.stop("", deadline, reason)
	}
}

// Abandon ends every context because the host is gone: nothing can be reported
// any more. It does not wait.
func (s *Server) Abandon() {
	s.mu.Lock()
	if s.abandoned {
		s.mu.Unlock()
		return
	}
	s.abandoned = true
	s.draining = true
	all := s.all()
	s.endIfIdle()
	s.mu.Unlock()
	for _, i := range all {
		i.abandon()
	}
}

// all and endIfIdle are called with mu held.
func (s *Server) all() []*instance {
	all := make([]*instance, 0, len(s.instances))
	for _, i := range s.instances {
		all = append(all, i)
	}
	return all
}

func (s *Server) endIfIdle() {
	if len(s.instances) == 0 && !s.over {
		s.over = true
		close(s.done)
	}
}

// closed forgets an instance that was served and is closed.
func (s *Server) closed(i *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.instances, i.name)
	s.endIfIdle()
}

// discard forgets an instance that could not be opened; another may be tried.
func (s *Server) discard(i *instance) {
	i.end(errClosed)
	defer close(i.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.instances, i.name)
	if s.draining {
		s.endIfIdle()
	}
}

// Describe answers with the description.
func (s *Server) Describe(context.Context, *taskv1.DescribeRequest) (*taskv1.DescribeResponse, error) {
	return &taskv1.DescribeResponse{Description: s.description}, nil
}

// Ping answers at once.
func (s *Server) Ping(context.Context, *taskv1.PingRequest) (*taskv1.PingResponse, error) {
	return &taskv1.PingResponse{}, nil
}

// Validate decodes a config and runs its cross-field checks.
func (s *Server) Validate(_ context.Context, q *taskv1.ValidateRequest) (*taskv1.ValidateResponse, error) {
	t, err := s.typeFor(q.GetType(), q.GetSchemaHash())
	if err != nil {
		return nil, err
	}
	_, problems, err := t.Check(q.GetConfig())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &taskv1.ValidateResponse{Problems: wireProblems(problems)}, nil
}

// Check decodes a config and runs its cross-field checks; a panic in them is a problem.
func (t *Type) Check(data []byte) (config any, problems []schema.Problem, err error) {
	err = apart(func() error {
		return guard(func() error {
			var err error
			config, problems, err = t.Decode(data)
			return err
		})
	})
	if p, ok := err.(*Panic); ok {
		return nil, []schema.Problem{{Summary: "the plugin's check of the config panics: " + p.Error(), Detail: p.Stack}}, nil
	}
	return config, problems, err
}

// Problems is Check without the config.
func (t *Type) Problems(data []byte) ([]schema.Problem, error) {
	_, problems, err := t.Check(data)
	return problems, err
}

func (s *Server) typeFor(name, hash string) (*Type, error) {
	t := s.types[name]
	if t == nil {
		return nil, status.Errorf(codes.NotFound, "this plugin has no type %q", name)
	}
	if hash != "" && hash != t.Description.Schema {
		return nil, status.Errorf(codes.FailedPrecondition,
			"the config was checked against another version of type %q (schema %.12s, this binary has %.12s): reload the configuration",
			name, hash, t.Description.Schema)
	}
	return t, nil
}

// Configure makes an instance and opens it.
func (s *Server) Configure(ctx context.Context, q *taskv1.ConfigureRequest) (*taskv1.ConfigureResponse, error) {
	t, err := s.typeFor(q.GetType(), q.GetSchemaHash())
	if err != nil {
		return nil, err
	}
	config, problems, err := t.Check(q.GetConfig())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	i := newInstance(s, t, q, s.logger(q.GetLogLevel()))
	if rejected(problems, i.log) {
		return &taskv1.ConfigureResponse{Problems: wireProblems(problems)}, nil
	}
	if err := s.enter(i); err != nil {
		return nil, err
	}
	if err := workIn(q.GetDir()); err != nil {
		s.discard(i)
		return &taskv1.ConfigureResponse{Error: err.Error()}, nil
	}
	if err := i.open(ctx, config); err != nil {
		s.discard(i)
		if judge(err).Status == taskv1.RunStatus_RUN_STATUS_PERMANENT {
			return &taskv1.ConfigureResponse{Problems: []*taskv1.Problem{{Summary: clip(err.Error(), textLimit)}}}, nil
		}
		return &taskv1.ConfigureResponse{Error: clip(err.Error(), textLimit)}, nil
	}
	return &taskv1.ConfigureResponse{}, nil
}

// workIn moves the process to the directory where its relative paths begin.
func workIn(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("enter the working directory: %w", err)
	}
	return nil
}

func (s *Server) enter(i *instance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		return status.Error(codes.Unavailable, "this process is being stopped")
	case s.over:
		return status.Error(codes.Unavailable, "this process has closed its last task and ends")
	case s.instances[i.name] != nil:
		return status.Errorf(codes.AlreadyExists, "%q is configured already", i.name)
	}
	s.instances[i.name] = i
	return nil
}

// rejected reports whether problems hold more than warnings, and logs the
// warnings of a config that is accepted.
func rejected(problems []schema.Problem, log hclog.Logger) bool {
	for _, p := range problems {
		if !p.Warning {
			return true
		}
	}
	for _, p := range problems {
		log.Warn("config", "problem", p.String())
	}
	return false
}

// Log is the logger of what belongs to no task: the process as a whole. It
// follows the level that the last task was given.
func (s *Server) Log() hclog.Logger { return s.root }

func (s *Server) logger(level string) hclog.Logger {
	l := hclog.LevelFromString(level)
	if l == hclog.NoLevel {
		l = hclog.Info
	}
	s.root.SetLevel(l)
	return s.log.logger(l)
}

func (s *Server) instance(name string) (*instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.instances[name]; i != nil {
		return i, nil
	}
	return nil, status.Errorf(codes.NotFound, "%q is not configured in this process", name)
}

// Stop begins to drain a run or a whole instance. It waits for the end of an
// instance that has no run going, so that its caller knows the object closed; otherwise
// a run ends with its result, and an instance with the end of its session.
func (s *Server) Stop(ctx context.Context, q *taskv1.StopRequest) (*taskv1.StopResponse, error) {
	i, err := s.instance(q.GetInstance())
	if err != nil {
		return nil, err
	}
	if idle := i.stop(q.GetRun(), time.Duration(q.GetDeadline()), q.GetReason()); idle {
		select {
		case <-i.done:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
	return &taskv1.StopResponse{}, nil
}

// Cancel ends the context of a run.
func (s *Server) Cancel(_ context.Context, q *taskv1.CancelRequest) (*taskv1.CancelResponse, error) {
	i, err := s.instance(q.GetInstance())
	if err != nil {
		return nil, err
	}
	i.cancelRun(q.GetRun(), causeOf(q.GetCause()), time.Duration(q.GetDeadline()))
	return &taskv1.CancelResponse{}, nil
}

// Session serves one connection of an instance's session.
func (s *Server) Session(stream taskv1.Task_SessionServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	hello := first.GetHello()
	if hello == nil {
		return status.Error(codes.InvalidArgument, "a session begins with hello")
	}
	i, err := s.instance(hello.GetInstance())
	if err != nil {
		return err
	}
	return i.serve(stream, hello)
}

func wireProblems(problems []schema.Problem) []*taskv1.Problem {
	out := make([]*taskv1.Problem, 0, len(problems))
	for _, p := range problems {
		out = append(out, wire.FromProblem(p))
	}
	return out
}
