package pm2_test

import (
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/imports"
	"github.com/taskhost/taskhost/host/internal/imports/pm2"
)

func TestJavaScriptThatComputesIsSentToNode(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"const x = 1;\nmodule.exports = {apps: []}",
		"module.exports = {apps: [{name: 'x', script: require('y')}]}",
		"module.exports = {apps: [{name: `x`, script: 'y'}]}",
		"module.exports = () => ({})",
		"exports.apps = []",
		"",
	} {
		f := pm2.Read([]imports.File{{Name: "ecosystem.config.js", Text: text}})
		if len(f.Tasks) > 0 || !f.Broken() || !strings.Contains(f.Notes[0].Text, "node -p") {
			t.Errorf("%q: %v", text, f.Notes)
		}
	}
}

func TestAnObjectOfJavaScriptIsRead(t *testing.T) {
	t.Parallel()
	f := pm2.Read([]imports.File{{Name: "ecosystem.config.cjs", Text: "/* all\n of it */\nmodule.exports = {\n\tapps: [{name:'web',script:\"http://not.a.comment/x.js\",cwd:'/srv',args:['a', 1, true],},],\n};\n"}})
	if len(f.Tasks) != 1 || f.Tasks[0].Get("config.command") != `["node", "http://not.a.comment/x.js", "a", "1", "true"]` {
		t.Fatalf("tasks %v, notes %v", f.Tasks, f.Notes)
	}
	if f.Tasks[0].At.Line != 4 {
		t.Errorf("it stands in line %d", f.Tasks[0].At.Line)
	}
}

func TestEachProcessThatPM2ListsBeyondItsNumberIsAnInstance(t *testing.T) {
	t.Parallel()
	process := `{"name":"web","pm2_env":{"pm_exec_path":"/srv/my app/x.js","exec_interpreter":"node","instances":1,"args":["a"],"env":{"NODE_APP_INSTANCE":"0","web":{},"A":"b"}}}`
	other := strings.Replace(process, `"a"`, `"other"`, 1)
	f := pm2.Read([]imports.File{{Name: "stdin", Text: "[" + strings.Join([]string{process, process, other, process}, ",") + "]"}})
	if len(f.Tasks) != 2 || f.Tasks[0].Get("instances") != "3" || f.Tasks[1].Get("instances") != "" {
		t.Fatalf("tasks %+v, notes %v", f.Tasks, f.Notes)
	}
	if got := f.Tasks[0].Get("config.command"); got != `["node", "/srv/my app/x.js", "a"]` {
		t.Errorf("command %s", got)
	}
	if got := f.Tasks[0].Get("env"); !strings.Contains(string(got), `A = "b"`) || strings.Contains(string(got), "NODE_APP") {
		t.Errorf("env %s", got)
	}
}

func TestWhatPM2HasSavedIsReadAsItsProcessesAre(t *testing.T) {
	t.Parallel()
	const process = `{"name":"web","pm_exec_path":"/srv/x.js","pm_cwd":"/srv","exec_interpreter":"node","exec_mode":"cluster_mode","instances":2,"autorestart":true,"args":["a"],"env":{"A":"b","HOME":"/home/web"},"A":"b","pm_uptime":1}`
	f := pm2.Read([]imports.File{{Name: "dump.pm2", Text: "[" + process + ",\n" + process + "]"}})
	if len(f.Tasks) != 1 || f.Broken() {
		t.Fatalf("tasks %+v, notes %v", f.Tasks, f.Notes)
	}
	task := f.Tasks[0]
	if task.Get("instances") != "2" || task.Get("config.dir") != `"/srv"` || task.Get("config.command") != `["node", "/srv/x.js", "a"]` || strings.Contains(string(task.Get("env")), "HOME") {
		t.Errorf("instances %s, dir %s, command %s, env %s", task.Get("instances"), task.Get("config.dir"), task.Get("config.command"), task.Get("env"))
	}
	for _, n := range f.Notes {
		if strings.Contains(n.Text, "pm_uptime") {
			t.Errorf("what pm2 keeps of a life is no setting: %s", n.Text)
		}
	}
}

func TestARelativeDirectoryIsSaid(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]bool{"./web": true, "/srv/web": false} {
		f := pm2.Read([]imports.File{{Name: "ecosystem.json", Text: `{"apps": [{"script": "/srv/x.js", "cwd": "` + dir + `"}]}`}})
		if said := strings.Contains(f.Notes[0].Text, "where pm2 was started;"); said != want {
			t.Errorf("%s: %v", dir, f.Notes)
		}
	}
}
