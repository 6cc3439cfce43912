package systemd

import (
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// ofUnit is the one task that the lines of a section [Service] come to, and what is said of it.
func ofUnit(t *testing.T, name, lines string) (*imports.Task, string) {
	t.Helper()
	f := Read([]imports.File{{Name: name, Text: "[Service]\nExecStart=/bin/a\n" + lines}}, Options{})
	if len(f.Tasks) != 1 || f.Broken() {
		t.Fatalf("%d tasks, notes %v", len(f.Tasks), f.Notes)
	}
	notes := make([]string, len(f.Notes))
	for i, n := range f.Notes {
		notes[i] = n.Text
	}
	return f.Tasks[0], strings.Join(notes, "\n")
}

func TestAStopThatMayTakeForeverIsNotCutAfterSeconds(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		"TimeoutStopSec=infinity\n":               `"1h"`,
		"TimeoutStopSec=0\n":                      `"1h"`, // the same in systemd
		"TimeoutSec=0\n":                          `"1h"`,
		"TimeoutSec=infinity\n":                   `"1h"`,
		"TimeoutSec=infinity\nTimeoutStopSec=5\n": `"5s"`,
		"TimeoutSec=20\n":                         `"20s"`,
		"":                                        "",
	} {
		task, notes := ofUnit(t, "a.service", lines)
		if got := string(task.Get("stop.drain")); got != want {
			t.Errorf("%q: the drain is %s, want %s", lines, got, want)
		}
		if said := strings.Contains(notes, "for as long as a stop takes"); said != (want == `"1h"`) {
			t.Errorf("%q: the notes are\n%s", lines, notes)
		}
	}
}

func TestTimeoutSecIsTheTimeOfAOneshot(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		"Type=oneshot\nTimeoutSec=5min\n":                       `"5m"`,
		"Type=oneshot\nTimeoutSec=5min\nTimeoutStartSec=1min\n": `"1m"`,
		"Type=oneshot\nTimeoutSec=infinity\n":                   "",
		"TimeoutSec=5min\n":                                     "",
	} {
		if task, _ := ofUnit(t, "a.service", lines); string(task.Get("timeout")) != want {
			t.Errorf("%q: the timeout is %s, want %s", lines, task.Get("timeout"), want)
		}
	}
}

func TestWhatAUnitDoesOtherwiseIsSaid(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		"StandardInput=file:/srv/list.txt\n":      "StandardInput=file:/srv/list.txt",
		"StandardOutput=append:/var/log/a.log\n":  "StandardOutput=append:/var/log/a.log",
		"StandardError=truncate:/var/log/a.err\n": "StandardError=truncate:/var/log/a.err",
		"KillMode=process\n":                      "KillMode=process",
		"SendSIGKILL=no\n":                        "SendSIGKILL=no",
		"Restart=always\n":                        "where a unit has no RestartSec",
		"LimitNOFILE=1073741816\n":                "LimitNOFILE=1073741816 cannot be a bound",
		"TasksMax=99999999\n":                     "TasksMax=99999999 cannot be a bound",
		"[Unit]\nOnSuccess=next.service\n":        "OnSuccess=next.service",
	} {
		if _, notes := ofUnit(t, "a.service", lines); !strings.Contains(notes, want) {
			t.Errorf("%q: the notes are\n%s", lines, notes)
		}
	}
	_, notes := ofUnit(t, "a.service", "StandardInput=null\nStandardOutput=journal\nKillMode=mixed\nSendSIGKILL=yes\nRestart=always\nRestartSec=5\nLimitNOFILE=65536\n")
	for _, word := range []string{"Standard", "Kill", "RestartSec", "LimitNOFILE"} {
		if strings.Contains(notes, word) {
			t.Errorf("what is no matter is said:\n%s", notes)
		}
	}
}

func TestTheNameOfAnInstanceIsUnescaped(t *testing.T) {
	t.Parallel()
	task, _ := ofUnit(t, `a@srv-my\x2dapp-\xc3\xbc.service`, "WorkingDirectory=/%I\nSyslogIdentifier=%i\n")
	if got := task.Get("config.dir"); got != `"/srv/my-app/ü"` {
		t.Errorf("the directory is %s", got)
	}
}
