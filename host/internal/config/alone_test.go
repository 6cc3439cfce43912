package config

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/task"
)

// loadAlone loads a text for the tasks of one plugin.
func loadAlone(t *testing.T, a Alone, text string) (*Config, []string) {
	t.Helper()
	a.DataDir, a.PluginDir = "/alone/data", "/alone/plugins"
	c, diags, _ := Load(context.Background(), Options{
		Files: []File{{Path: "shop.hcl", Text: []byte(text)}}, Alone: &a,
		Plugins: func(Host) Plugins { return newFakePlugins() },
	})
	said := []string{}
	for _, d := range diags {
		said = append(said, d.Summary)
	}
	return c, said
}

// shop is a configuration of a machine that the author of a plugin does not sit at.
const shop = `
host {
  data_dir          = "/var/lib/taskhost"
  time_zone         = "Europe/Berlin"
  require_checksums = true
  admin {
    listen = ["0.0.0.0:7480"]
    tls {
      cert_file = secret("env:NOT_HERE")
      key_file  = "key.pem"
    }
  }
}

notify "ops" {
  webhook {
    url = secret("env:NOT_HERE")
  }
}

defaults {
  plugin     = "exec"
  user       = "shop"
  depends_on = { db = "ready" }
}

plugin "http" {
  path   = "/opt/http"
  sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
  env    = { A = "1" }
}

queue "urls" {}

group "upstream" {
  max = 1
}

moved {
  from = "old"
  to   = "dump"
}

task "db" {
  continuous {}
  config {
    shell = secret("env:NOT_HERE")
  }
}

task "dump" {
  after_run "db" {}
  config {
    shell = "dump"
  }
}

task "front" {
  plugin  = "http"
  type    = "check"
  enabled = false
  groups  = ["upstream"]
  periodic {
    cron = "0 5 * * *"
  }
  config {
    url = "http://front.example"
  }
}

task "after" {
  plugin = "http"
  type   = "check"
  after_run "dump" {}
  config {
    url = "http://after.example"
  }
}

task "then" {
  plugin = "http"
  type   = "check"
  after_run "after" {}
  config {
    url = "http://then.example"
  }
}
`

func TestTheTasksOfOnePluginAreTakenOutOfAConfiguration(t *testing.T) {
	t.Parallel()
	c, said := loadAlone(t, Alone{Plugin: "http"}, shop)
	if len(said) > 0 {
		t.Fatalf("diagnostics: %q", said)
	}
	var names []string
	for _, d := range c.Tasks {
		names = append(names, d.Name+" "+string(d.Mode))
		if d.User != "" || !d.Enabled || len(d.DependsOn) > 0 {
			t.Errorf("%s: user %q, enabled %v, depends on %v", d.Name, d.User, d.Enabled, d.DependsOn)
		}
	}
	if diff := cmp.Diff([]string{"after on_demand", "front periodic", "then on_demand"}, names); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	find := func(name string) task.Definition {
		return c.Tasks[slices.IndexFunc(c.Tasks, func(d task.Definition) bool { return d.Name == name })]
	}
	if len(find("after").AfterRun) != 0 || len(find("then").AfterRun) != 1 {
		t.Errorf("after_run: %v and %v; only the task that is there may stay", find("after").AfterRun, find("then").AfterRun)
	}
	if front := find("front"); front.Source != "shop.hcl:58" || front.Env["A"] != "1" || front.Schedule.TimeZone != "Europe/Berlin" {
		t.Errorf("front stands at %s, has the environment %v and the schedule %+v", front.Source, front.Env, front.Schedule)
	}
	if c.Host.DataDir != "/alone/data" || !slices.Equal(c.Host.Admin.Listen, []string{"unix:/alone/data/admin.sock"}) || c.Host.Admin.TLS != nil {
		t.Errorf("host: %+v", c.Host)
	}
	if len(c.Plugins) != 1 || c.Plugins[0].Name != "http" || c.Plugins[0].Pinned {
		t.Errorf("plugins: %+v", c.Plugins)
	}
}

func TestOneTaskOfAPluginIsTakenOut(t *testing.T) {
	t.Parallel()
	c, said := loadAlone(t, Alone{Plugin: "http", Task: "then"}, shop)
	if len(said) > 0 || len(c.Tasks) != 1 || c.Tasks[0].Name != "then" || len(c.Tasks[0].AfterRun) > 0 {
		t.Errorf("%q, tasks %+v", said, c.Tasks)
	}
}

func TestNothingToTakeOutIsAMistakeThatNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]Alone{
		`no task of these files has the plugin "htp"`:   {Plugin: "htp"},
		`there is no task "thn" of the plugin "http"`:   {Plugin: "http", Task: "thn"},
		`there is no task "db" of the plugin "http"`:    {Plugin: "http", Task: "db"},
		`no task of these files has the plugin "files"`: {Plugin: "files", Task: "db"},
	} {
		if _, said := loadAlone(t, a, shop); len(said) != 1 || !strings.Contains(said[0], want) {
			t.Errorf("%+v: %q, want %q", a, said, want)
		}
	}
	if _, said := loadAlone(t, Alone{Plugin: "http"}, `queue "a" {}`); len(said) != 1 || !strings.Contains(said[0], "no task with a plugin") {
		t.Errorf("no tasks: %q", said)
	}
}

func TestAMistakeInATaskThatIsTakenOutIsStillOne(t *testing.T) {
	t.Parallel()
	_, said := loadAlone(t, Alone{Plugin: "http"}, strings.Replace(shop, `url = "http://then.example"`, `uri = "http://then.example"`, 1))
	if len(said) == 0 || !strings.Contains(strings.Join(said, "\n"), "uri") {
		t.Errorf("%q", said)
	}
}

func TestATaskForADebuggerHasNoTimes(t *testing.T) {
	t.Parallel()
	text := strings.Replace(shop, "host {", "host {\n  shutdown_timeout = \"1m\"\n", 1)
	c, said := loadAlone(t, Alone{Plugin: "http", Debug: true}, text)
	if len(said) > 0 || len(c.Tasks) != 3 {
		t.Fatalf("%q, %d tasks", said, len(c.Tasks))
	}
	if c.Host.ShutdownTimeout < task.Unbounded {
		t.Errorf("the host ends after %s", c.Host.ShutdownTimeout)
	}
	for _, d := range c.Tasks {
		if !d.Debug || d.StartTimeout != task.Unbounded || d.Timeout != 0 || d.StuckAfter != 0 || d.Stop.Drain != task.Unbounded || d.Stop.Cancel != task.Unbounded || d.Process != task.ProcessTask {
			t.Errorf("%s: %+v", d.Name, d)
		}
		if d.Alarm.NoSuccess != 0 || d.Alarm.Late != 0 || d.Alarm.Overlap != 0 || d.Alarm.Stuck {
			t.Errorf("%s has alarms of time: %+v", d.Name, d.Alarm)
		}
	}
}
