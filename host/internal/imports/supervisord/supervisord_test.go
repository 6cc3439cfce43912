package supervisord_test

import (
	"testing"

	"github.com/taskhost/taskhost/host/internal/imports"
	"github.com/taskhost/taskhost/host/internal/imports/supervisord"
)

func TestValuesAreExpandedAsSupervisordDoes(t *testing.T) {
	t.Parallel()
	f := supervisord.Read([]imports.File{{Name: "/etc/supervisor/x.conf", Text: `[program:web]
command=%(here)s/run --name=%(program_name)s --n "%(process_num)02d" 100%% %(ENV_HOME)s
environment=A="x,y",B=z , C='q=1'
`}}, supervisord.Options{})
	if len(f.Tasks) != 1 {
		t.Fatal(f.Notes)
	}
	if got, want := f.Tasks[0].Get("config.command"), imports.Value(`["/etc/supervisor/run", "--name=web", "--n", "00", "100%", "${env("HOME")}"]`); got != want {
		t.Errorf("the command is %s, want %s", got, want)
	}
	if got, want := f.Tasks[0].Get("env"), imports.Map(imports.Env{}.With("A", "x,y").With("B", "z").With("C", "q=1")); got != want {
		t.Errorf("the environment is %s, want %s", got, want)
	}
}

func TestProcessesThatTheCommandTellsApartAreTasksOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := supervisord.Read([]imports.File{{Name: "x.conf", Text: "[program:same]\ncommand=a\nnumprocs=3\n[program:own]\ncommand=b %(process_num)s\nnumprocs=2\n[program:many]\ncommand=c\nnumprocs=100000\n"}}, supervisord.Options{})
	if len(f.Tasks) != 4 || f.Tasks[0].Get("instances") != "3" || f.Tasks[1].Name != "own_00" || f.Tasks[2].Get("config.command") != `["b", "1"]` {
		t.Errorf("tasks %v, notes %v", f.Tasks, f.Notes)
	}
	if !f.Broken() || f.Tasks[3].Get("instances") != "" {
		t.Errorf("a hundred thousand processes are taken: %v", f.Notes)
	}
}

func TestHereIsADirectoryWhereverTheConfigurationWillLie(t *testing.T) {
	t.Parallel()
	const text = "[program:web]\ncommand=%(here)s/run\n"
	for _, one := range []struct{ dir, file, want string }{
		{"/etc/supervisor", "conf.d/web.conf", `["/etc/supervisor/conf.d/run"]`},
		{"/etc/supervisor", "/srv/web.conf", `["/srv/run"]`},
		{"", "web.conf", `["%(here)s/run"]`},
	} {
		f := supervisord.Read([]imports.File{{Name: one.file, Text: text}}, supervisord.Options{Dir: one.dir})
		if got := string(f.Tasks[0].Get("config.command")); got != one.want {
			t.Errorf("%s in %q: %s, want %s", one.file, one.dir, got, one.want)
		}
		if said := f.Notes[0].Kind == imports.Skipped; said != (one.dir == "") {
			t.Errorf("%s in %q: %v", one.file, one.dir, f.Notes)
		}
	}
}
