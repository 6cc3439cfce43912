package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/taskhost/taskhost/host/admin"
)

// Commands are what the CLI does without asking a host.
type Commands struct {
	Version string
	// Serve runs the host until ctx ends. It handles its own signals.
	Serve func(ctx context.Context, o ServeOptions) error
	// Validate checks a configuration and writes what it finds to o.Out. It returns a *Silent error
	// when it found problems and has told of them.
	Validate func(ctx context.Context, o ValidateOptions) error
	// Format returns the source in canonical form.
	Format func(source []byte, filename string) ([]byte, error)
	Store  StoreCommands
	Plugin PluginCommands
	// Examine looks at a configuration and at the machine that it would run on.
	Examine func(ctx context.Context, s Sources) ([]Finding, error)
	// Import makes a configuration of another program's.
	Import func(o ImportOptions) (Imported, error)
	// Explain says in words what a task will do. Its error is a *NotDeclared where there is none.
	Explain func(ctx context.Context, o ExplainOptions) (Explanation, error)
	// Schedules computes the slots of the periodic tasks of a configuration.
	Schedules func(ctx context.Context, o ScheduleOptions) ([]admin.Schedule, error)
	// Dev makes what it takes to work on a plugin.
	Dev func(ctx context.Context, o DevOptions) (*DevTools, error)
	// FirstConfig is a configuration to start from in dir.
	FirstConfig func(dir string) ([]byte, error)
}

// Sources say what a configuration is read from.
type Sources struct {
	Config   []string // files and directories
	Vars     []string // name=value
	VarFiles []string
}

// ServeOptions are the flags of serve.
type ServeOptions struct {
	Sources
	LogLevel string // "" is as the file says
	Out, Err io.Writer
}

// ValidateOptions are the flags of validate.
type ValidateOptions struct {
	Sources
	Offline bool // start no plugin binary, not even to describe itself
	JSON    bool
	Color   bool
	Out     io.Writer
}

// Terminal is where the CLI reads and writes.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	TTY      bool // Out is for a person; In can be asked
	Env      func(string) string
	Now      func() time.Time
	Local    *time.Location // of the person
}

// OSTerminal is the process's own.
func OSTerminal() Terminal {
	return Terminal{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv, Now: time.Now, Local: time.Local,
		TTY: term.IsTerminal(int(os.Stdout.Fd())) && term.IsTerminal(int(os.Stdin.Fd())),
	}
}

// Run carries out one command line (without the program's name) and returns the exit code.
func Run(ctx context.Context, args []string, t Terminal, c Commands) int {
	a := &app{Terminal: t, commands: c, out: sureWriter{Writer: t.Out}}
	a.Out = &a.out
	root := a.root()
	root.SetArgs(normalize(root, args))
	root.SetIn(t.In)
	root.SetOut(a.Out)
	if word, ok := typed(args); ok && strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--") {
		root.SetOut(oneDash{a.Out})
	}
	root.SetErr(t.Err)
	err := root.ExecuteContext(ctx)
	if a.client != nil {
		a.client.Close()
	}
	if err == nil {
		err = a.out.err()
	}
	if err != nil {
		if _, silent := errors.AsType[*Silent](err); !silent {
			fmt.Fprintln(t.Err, "taskhost: "+printableLines(err.Error()))
		}
	}
	return exitCode(err)
}

// app is one command line at work.
type app struct {
	Terminal
	commands Commands
	json     bool
	quiet    bool
	noColor  bool
	where    admin.Where
	client   *admin.Client
	out      sureWriter // what Out writes to
}

// host is the client of the host that the flags, the environment or the directory name.
func (a *app) host() (*admin.Client, error) {
	if a.client != nil {
		return a.client, nil
	}
	a.where.Env = a.Env
	c, err := admin.Dial(a.where, admin.Options{Agent: "taskhost/" + a.commands.Version})
	if err != nil { // nobody was asked: what says where the host is, is wrong
		return nil, &usage{err.Error()}
	}
	a.client = c
	return c, nil
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "taskhost",
		Short:         "Runs background tasks as plugin processes and commands them over an admin API",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	f := root.PersistentFlags()
	f.StringVar(&a.where.Addr, "addr", "", "address of the host: unix:PATH, HOST:PORT or https://HOST:PORT (TASKHOST_ADDR)")
	f.StringVar(&a.where.TokenFile, "token-file", "", "file with the token (TASKHOST_TOKEN_FILE, TASKHOST_TOKEN)")
	f.StringVar(&a.where.CAFile, "tls-ca", "", "file with the authorities that may certify an https address, in place of the system's (TASKHOST_TLS_CA)")
	f.StringVar(&a.where.CertFile, "tls-cert", "", "file with a client certificate (TASKHOST_TLS_CERT)")
	f.StringVar(&a.where.KeyFile, "tls-key", "", "file with its key (TASKHOST_TLS_KEY)")
	f.BoolVar(&a.json, "json", false, "write JSON: one value a line")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "write names and ids only")
	f.BoolVar(&a.noColor, "no-color", false, "no colours (NO_COLOR)")
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(help)
	root.AddGroup(&cobra.Group{ID: "host", Title: "The host:"}, &cobra.Group{ID: "use", Title: "What it does:"})
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("host", a.serveCommand(), a.validateCommand(), a.fmtCommand(), a.planCommand(), a.reloadCommand(), a.configCommand(), a.hostCommand(), a.pluginCommand(), a.storeCommand(), a.doctorCommand(), a.supportCommand())
	add("host", a.tokenCommand(), a.auditCommand(), a.importCommand(), a.initCommand(), a.devCommand())
	add("use", a.statusCommand(), a.taskCommand(), a.runsCommand(), a.queueCommand(), a.logsCommand(), a.eventsCommand(), a.notifiersCommand(), a.notifyCommand(), a.nextCommand(), a.explainCommand())
	root.AddCommand(a.versionCommand())
	return root
}

// help writes a command's help with flags as the documentation has them: with one dash.
func help(c *cobra.Command, _ []string) {
	fmt.Fprintf(c.OutOrStdout(), "%s\n\n%s", c.Short, longFlag.ReplaceAllString(c.UsageString(), "$1-$2"))
}

var longFlag = regexp.MustCompile(`(?m)(^|[ ,"\[])--([a-z])`)

// parent makes a command that only has others below it.
func parent(use, short string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(below...)
	return c
}

// noSuchCommand refuses a word that is no command, with the nearest one that is.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, below := range c.Commands() {
		names = append(names, below.Name())
	}
	return usagef("%s has no command %q; %s", c.CommandPath(), args[0], hint(args[0], names, c.CommandPath()+" -help lists them"))
}

// flagError names the nearest flag.
func flagError(c *cobra.Command, err error) error {
	text := err.Error()
	name, ok := strings.CutPrefix(text, "unknown flag: --")
	if !ok {
		return usagef("%s: %s", c.CommandPath(), singleDash(text))
	}
	return usagef("%s has no flag -%s; %s", c.CommandPath(), name, hint(name, flagNames(c), c.CommandPath()+" -help lists them"))
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			v := buildInfo(a.commands.Version)
			return a.emit(v, func() { a.line("taskhost %s (%s, %s)", v.Version, v.Go, v.Platform) })
		},
	}
}
