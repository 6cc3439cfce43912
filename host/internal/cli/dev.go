package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// DevOptions say which plugin is being worked on, and what runs of it.
type DevOptions struct {
	Sources
	Dir      string // of its command
	Plugin   string // as the tasks name it
	Task     string // "" is every task of the plugin
	LogLevel string
	Err      io.Writer // of the host's log
	Color    bool
	Attach   bool // every process waits for a debugger, and no time bounds it
}

// DevTools build a plugin, notice its changes and run a host for it.
type DevTools struct {
	Socket string // of the host's API
	// Build makes the binary anew, or leaves it as it is. Its error is a *NotBuilt when the compiler refuses.
	Build func(ctx context.Context) error
	// Next waits for a change.
	Next func(ctx context.Context) (DevChange, error)
	// Serve runs the host until ctx ends, a signal or the API ends it. It returns a *Silent error when the configuration has
	// errors and they have been shown.
	Serve func(ctx context.Context, ready func()) error
	// Close removes everything.
	Close func() error
}

// DevChange is what has been saved.
type DevChange struct {
	Saved time.Time
	Code  bool // not only the configuration
}

// NotBuilt is what the compiler says.
type NotBuilt struct{ Text string }

func (e *NotBuilt) Error() string { return e.Text }

func (a *app) devCommand() *cobra.Command {
	var o DevOptions
	var input string
	var runs bool
	c := &cobra.Command{
		Use: "dev DIR", Short: "Build the plugin in a directory whenever it is saved, and run its tasks on a host of their own", Args: exactly("the directory of a plugin"),
		Example: "    taskhost dev ./greeter\n    taskhost dev ./greeter -c shop.hcl -task hello -run\n    taskhost dev ./greeter -task hello -attach",
		RunE: func(c *cobra.Command, args []string) error {
			if input != "" && !json.Valid([]byte(input)) {
				return usagef("-input is no JSON: %s", input)
			}
			if err := o.find(args[0]); err != nil {
				return err
			}
			return a.dev(c.Context(), o, json.RawMessage(input), runs)
		},
	}
	f := c.Flags()
	o.flags(c)
	f.Lookup("config").Usage = "a file or a directory of *.hcl and *.hcl.json with tasks of the plugin; may be repeated; NAME.hcl in DIR without it"
	f.StringVar(&o.Plugin, "plugin", "", "what the tasks call the plugin; the name of DIR without it")
	f.StringVar(&o.Task, "task", "", "run only the task of this block")
	f.StringVar(&input, "input", "", "what a run gets that is asked for here, as JSON")
	f.BoolVar(&runs, "run", false, "ask for a run after every build")
	f.BoolVar(&o.Attach, "attach", false, "each process waits until a debugger is attached, with all timeouts off; saving does not build again")
	f.StringVar(&o.LogLevel, "log-level", "", "trace, debug, info, warn or error, against the file")
	return c
}

// find fills in what follows from the directory.
func (o *DevOptions) find(dir string) (err error) {
	if o.Attach && runtime.GOOS != "linux" {
		return usagef("-attach is there on Linux alone: elsewhere a plugin cannot tell that a debugger has attached. Without it, taskhost dev %s and dlv attach PID work together as long as nothing is held for longer than its timeouts", dir)
	}
	if o.Dir, err = filepath.Abs(dir); err != nil {
		return usagef("%s: %v", dir, err)
	}
	if info, err := os.Stat(o.Dir); err != nil || !info.IsDir() {
		return usagef("%s is no directory; name that of the plugin's main.go", dir)
	}
	if found, _ := filepath.Glob(filepath.Join(o.Dir, "*.go")); len(found) == 0 {
		return usagef("there is no Go file in %s; name the directory of the plugin's main.go", dir)
	}
	if o.Plugin == "" {
		o.Plugin = filepath.Base(o.Dir)
	}
	if strings.ContainsAny(o.Plugin, `/\`) || strings.HasPrefix(o.Plugin, ".") {
		return usagef("-plugin: %q is no name of a plugin", o.Plugin)
	}
	if len(o.Config) == 0 {
		sample := filepath.Join(dir, o.Plugin+".hcl")
		if _, err := os.Stat(sample); err != nil {
			return usagef("there is no %s; name the configuration with -config", sample)
		}
		o.Config = []string{sample}
	}
	return o.read(nil)
}

// dev works on a plugin until a signal, a key or the host's end.
func (a *app) dev(ctx context.Context, o DevOptions, input json.RawMessage, runs bool) (err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	var turn sync.Mutex // the host, its tasks and this write to one terminal
	a.Out, a.Err = &inTurn{&turn, a.Out}, &inTurn{&turn, a.Err}
	o.Err, o.Color = a.Err, a.colored()
	tools, err := a.commands.Dev(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	d := &devSession{app: a, tools: tools, input: input, runs: runs, attach: o.Attach, logs: map[string]bool{}}
	defer a.readKeys(ctx, d.key)()
	return d.work(ctx)
}

// inTurn lets several write, one write at a time.
type inTurn struct {
	turn *sync.Mutex
	to   io.Writer
}

func (w *inTurn) Write(text []byte) (int, error) {
	w.turn.Lock()
	defer w.turn.Unlock()
	return w.to.Write(text)
}
