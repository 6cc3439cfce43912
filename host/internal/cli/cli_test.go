package cli_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/taskhost/taskhost/host/internal/api/apitest"
	"github.com/taskhost/taskhost/host/internal/cli"
	"github.com/taskhost/taskhost/host/internal/task"
)

var update = flag.Bool("update", false, "write what the scripts expect anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"taskhost": taskhost})
}

// taskhost is the program of the scripts: the CLI with a clock that stands still.
func taskhost() {
	t := cli.OSTerminal()
	t.Now = func() time.Time { return apitest.Epoch }
	t.Local = time.UTC
	t.TTY = os.Getenv("TTY") != ""
	os.Exit(cli.Run(context.Background(), os.Args[1:], t, commands()))
}

// commands stand in for what needs no host.
func commands() cli.Commands {
	return cli.Commands{
		Version: "0.1.0",
		Serve: func(_ context.Context, o cli.ServeOptions) error {
			fmt.Fprintln(o.Out, "serves", strings.Join(o.Config, " "), o.Vars)
			return nil
		},
		Validate: func(_ context.Context, o cli.ValidateOptions) error {
			fmt.Fprintln(o.Out, "1 problem in", strings.Join(o.Config, " "), "offline", o.Offline, "json", o.JSON)
			return &cli.Silent{Code: cli.ExitFailed}
		},
		Format: func(source []byte, name string) ([]byte, error) {
			if bytes.Contains(source, []byte("{{")) {
				return nil, errors.New(name + ":1:1: this is no HCL")
			}
			return bytes.ReplaceAll(source, []byte("  =  "), []byte(" = ")), nil
		},
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			l, stop, err := apitest.Serve(filepath.Join(env.WorkDir, "data"))
			if err != nil {
				return err
			}
			env.Defer(func() {
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
			l.Logs.Add("info", "status 200")
			l.Logs.Add("warn", "slow \x1b[2Janswer")
			for _, id := range []string{"first", "second"} { // dead letters
				if _, err := l.Queues.Post(context.Background(), "recent", task.NewMessage{ID: id, Key: "k", Body: []byte(`{"n":1}`), Source: "root"}); err != nil {
					return err
				}
				l.Queues.Bury("recent", "status 500\x1b[2J")
			}
			env.Setenv("TASKHOST_ADDR", l.Unix)
			env.Setenv("TCP", l.TCP)
			env.Setenv("INGRESS", l.Ingress)
			env.Setenv("TOKEN", apitest.Token)
			env.Setenv("NO_COLOR", "1")
			return nil
		},
	})
}
