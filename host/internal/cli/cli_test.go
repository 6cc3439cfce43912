package cli_test

import (
	"bytes"
	"cmp"
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

	"github.com/taskhost/taskhost/host/admin"
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
		Store:       storeCommands(),
		Plugin:      pluginCommands(),
		Import:      importFiles,
		Schedules:   schedules,
		Explain:     explain,
		FirstConfig: func(dir string) ([]byte, error) { return []byte("# first in " + dir + "\n"), nil },
		Examine: func(_ context.Context, s cli.Sources) ([]cli.Finding, error) {
			if s.Config[0] == "ill.hcl" {
				return []cli.Finding{{Check: "data directory", Level: "error", Detail: "data can be written by others", Remedy: "chmod go-w data"}}, nil
			}
			return []cli.Finding{{Check: "user", Level: "ok", Detail: "uid 1000"}, {Check: "clock", Level: "warning", Detail: "no time server keeps it", Remedy: "run chrony"}}, nil
		},
	}
}

// schedules stands in for those of a configuration, around a change of the clocks.
func schedules(_ context.Context, o cli.ScheduleOptions) ([]admin.Schedule, error) {
	slots := func(name string, at ...time.Time) (all []admin.Slot) {
		for _, t := range at {
			all = append(all, admin.Slot{Task: name, At: admin.At(t)})
		}
		return all
	}
	return []admin.Schedule{
		{Task: "dump", ModeText: "cron 30 2 * * * (Europe/Berlin)", TimeZone: "Europe/Berlin", Items: slots("dump", o.From.Add(time.Hour))},
		{Task: "quick", ModeText: "every 10s", Items: slots("quick", o.From.Add(10*time.Second), o.From.Add(20*time.Second))},
		{Task: "sweep", ModeText: "after 5m"},
	}, nil
}

// explain stands in for an explanation.
func explain(_ context.Context, o cli.ExplainOptions) (cli.Explanation, error) {
	if o.Task != "dump" {
		return cli.Explanation{}, &cli.NotDeclared{Err: fmt.Errorf("no task %q", o.Task)}
	}
	values := []cli.Origin{{Path: "stop.drain", Value: "10s", From: "built in"}, {Path: "periodic.cron", Value: "30 2 * * *", From: "task", Place: "tasks.hcl:4"}}
	return cli.Explanation{
		Task: "dump", Source: "tasks.hcl:1", TimeZone: "Europe/Berlin", Values: values,
		Next:  []admin.Time{admin.At(time.Date(2027, time.March, 28, 1, 0, 0, 0, time.UTC))},
		Parts: []cli.Explained{{Title: "When", Sentences: []cli.Sentence{{Text: "A run now and then.", From: values}}}},
	}, nil
}

// importFiles stands in for an import: it says what it was given, and finds broken.json broken.
func importFiles(o cli.ImportOptions) (cli.Imported, error) {
	i := cli.Imported{Tasks: []string{"a"}, Notes: []cli.ImportNote{{File: o.Files[0].Name, Line: 3, Kind: "differs", Text: "differs"}}}
	if o.Files[0].Name == "broken.json" {
		i.Notes[0].Line, i.Notes[0].Kind, i.Notes[0].Text = 1, "broken", "no good"
	}
	for _, f := range o.Files {
		i.HCL += fmt.Sprintf("# %s: %s %d bytes, column %s, notes %t, flat %t\n", o.Format, f.Name, len(f.Text), o.UserColumn, o.Notes, o.Flat)
	}
	return i, nil
}

// pluginCommands stand in for the plugins of a configuration: that of bad.hcl has errors, that of drift.hcl another http
// than is locked.
func pluginCommands() cli.PluginCommands {
	pins := func(o cli.PluginLockOptions) ([]cli.PluginPin, error) {
		if o.Config[0] == "bad.hcl" {
			fmt.Fprintln(o.Err, "bad.hcl:1:1: no good")
			return nil, &cli.Silent{Code: cli.ExitFailed}
		}
		digest := strings.Repeat("0123456789abcdef", 4)
		list := []cli.PluginPin{{Name: "http", Version: "1.2.0", Platform: cmp.Or(o.Platform, "linux/amd64"), SHA256: digest, Locked: digest, State: "same"}}
		if o.Config[0] == "drift.hcl" {
			list[0].Locked, list[0].State = strings.Repeat("f", 64), "changed"
		}
		return list, nil
	}
	return cli.PluginCommands{
		New: func(o cli.PluginModule) (map[string][]byte, error) {
			if o.Form != "job" {
				return nil, fmt.Errorf("there is no form %q", o.Form)
			}
			return map[string][]byte{"go.mod": []byte("module " + o.Module + "\n"), "main.go": []byte("package main\n")}, nil
		},
		Hash: func(path string) (string, error) { return strings.Repeat("a", 64), nil },
		Lock: func(_ context.Context, o cli.PluginLockOptions) (string, []cli.PluginPin, error) {
			list, err := pins(o)
			return "taskhost.lock.json", list, err
		},
		Verify: func(_ context.Context, o cli.PluginLockOptions) ([]cli.PluginPin, error) { return pins(o) },
	}
}

// storeCommands stand in for the store: one with little in it, in the data directory "well", and a damaged one elsewhere.
func storeCommands() cli.StoreCommands {
	info := func(at cli.StoreAt) (cli.StoreInfo, error) {
		where := cmp.Or(at.DataDir, strings.Join(at.Config, " "))
		if where == "nowhere" {
			return cli.StoreInfo{}, errors.New("look into the store nowhere/taskhost.db: no such file")
		}
		i := cli.StoreInfo{
			Path: where + "/taskhost.db", Format: 1, Newest: 2, Bytes: 3 << 19, Commits: 7, Engine: "3.51.3", Runs: 20, Live: 1, Slots: 1, Tasks: 2, Overrides: 1,
			Checkpoints: 3, RunValues: 4, Published: 5, Events: 6, Queues: []cli.StoreQueue{{Name: "urls", Messages: 12, DeadLetters: 1}}, IDs: 9,
		}
		i.Written.Time, i.Oldest.Time = apitest.Epoch, apitest.Epoch.Add(-48*time.Hour)
		return i, nil
	}
	return cli.StoreCommands{
		Info: func(_ context.Context, at cli.StoreAt) (cli.StoreInfo, error) { return info(at) },
		Check: func(_ context.Context, at cli.StoreAt) (cli.StoreCheck, error) {
			if at.DataDir == "well" {
				return cli.StoreCheck{Path: "well/taskhost.db", OK: true, Problems: []string{}}, nil
			}
			return cli.StoreCheck{Path: "ill/taskhost.db", Problems: []string{"table messages, record 5 of queue \"\x1b[2Jq\": damaged", "page 3 is never used"}}, nil
		},
		Backup: func(_ context.Context, at cli.StoreAt, to string, force bool, p cli.Copied) (cli.StoreInfo, error) {
			if _, err := os.Stat(to); err == nil && !force {
				return cli.StoreInfo{}, errors.New("the file is there already")
			}
			return copied(at, to, p, info)
		},
		Restore: func(_ context.Context, at cli.StoreAt, from string, p cli.Copied) (cli.StoreInfo, error) {
			return copied(at, at.DataDir+"/taskhost.db", p, info)
		},
	}
}

func copied(at cli.StoreAt, path string, p cli.Copied, info func(cli.StoreAt) (cli.StoreInfo, error)) (cli.StoreInfo, error) {
	if p != nil {
		p(1<<20, 3<<19)
		p(3<<19, 3<<19)
	}
	i, err := info(at)
	i.Path = path
	return i, err
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
			env.Setenv("TLS", "https://"+l.TLS)
			env.Setenv("MTLS", "https://"+l.MTLS)
			env.Setenv("CA", l.Authority.CAFile)
			if _, _, err := l.Authority.Issue("client", "operator.example", 0); err != nil {
				return err
			}
			env.Setenv("NO_COLOR", "1")
			return nil
		},
	})
}
