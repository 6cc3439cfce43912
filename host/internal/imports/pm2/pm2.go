package pm2

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/taskhost/taskhost/host/internal/imports"
	"github.com/taskhost/taskhost/host/internal/schedule"
)

// Read reads ecosystem files.
func Read(files []imports.File) *imports.Found {
	f := &imports.Found{}
	for _, file := range files {
		root, err := parse(file)
		if err != nil {
			at := imports.Place{File: file.Name}
			if e, ok := errors.AsType[*lineError](err); ok {
				at.Line = e.line
			}
			f.Note(at, imports.Broken, "%v; the file is left out", err)
			continue
		}
		r := &reader{found: f, file: file.Name}
		before := len(f.Tasks)
		for _, n := range apps(root) {
			if n.Kind != yaml.MappingNode {
				f.Note(r.at(n), imports.Broken, "an app is an object, with script = …; it is left out")
				continue
			}
			r.app(n)
		}
		if len(f.Tasks) > before && len(r.seen) == 0 { // of processes it is known
			f.Note(imports.Place{File: file.Name}, imports.Differs, "%s", imports.OwnEnvironment("pm2"))
		}
	}
	return f
}

// apps finds the list of apps: an object's apps, the file as a list, or the file as one app.
func apps(root *yaml.Node) []*yaml.Node {
	switch root.Kind {
	case yaml.SequenceNode:
		return root.Content
	case yaml.MappingNode:
		for i := 0; i+1 < len(root.Content); i += 2 {
			list := root.Content[i+1]
			if root.Content[i].Value == "apps" && list.Kind == yaml.SequenceNode {
				return list.Content
			} else if root.Content[i].Value == "apps" {
				return []*yaml.Node{list}
			}
		}
	}
	return []*yaml.Node{root}
}

// reader is at work on one file.
type reader struct {
	found *imports.Found
	file  string
	seen  []*app // of processes: pm2 lists each of an app's own
}

func (r *reader) at(n *yaml.Node) imports.Place { return imports.Place{File: r.file, Line: n.Line} }

// app is one app of an ecosystem file.
type app struct {
	*reader
	node   *yaml.Node
	keys   []string
	values map[string]*yaml.Node
	task   *imports.Task

	processes int // that pm2 lists beside this one
}

// aliases are other names of the same settings.
var aliases = map[string]string{
	"exec_interpreter": "interpreter", "node_args": "interpreter_args", "interpreterArgs": "interpreter_args", "nodeArgs": "interpreter_args",
	"cron": "cron_restart", "exec": "script", "max_memory": "max_memory_restart", "log": "log_file", "out": "out_file", "output": "out_file", "error": "error_file", "err_file": "error_file",
}

// app reads one app, or one process of one.
func (r *reader) app(n *yaml.Node) {
	a := &app{reader: r, node: n, values: map[string]*yaml.Node{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		a.take(n.Content[i].Value, n.Content[i+1])
	}
	if a.isProcess() {
		if !r.first(a.ofProcess()) {
			return
		}
		a.ownEnvironment()
	}
	a.read()
}

// take notes a setting under its usual name.
func (a *app) take(key string, value *yaml.Node) {
	if alias, ok := aliases[key]; ok {
		key = alias
	}
	if _, again := a.values[key]; !again {
		a.keys = append(a.keys, key)
	}
	a.values[key] = value
}

func (a *app) read() {
	if a.text("script") == "" {
		a.found.Note(a.at(a.node), imports.Broken, "the app %q has no script; it is left out", a.text("name"))
		return
	}
	name := a.text("name")
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(a.text("script")), filepath.Ext(a.text("script")))
	}
	a.task = a.found.Add(name, a.at(a.node))
	a.task.Mode = imports.Continuous
	a.task.Set("plugin", imports.String("exec"))
	a.environment()
	a.command()
	a.instances()
	a.restarts()
	a.stops()
	a.rest()
}

// text is a setting that is a text, a number or a bool; "" where it is not given.
func (a *app) text(key string) string {
	n := a.values[key]
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

// list is a setting that is a list, or a text with words in it.
func (a *app) list(key string) []string {
	n := a.values[key]
	if n == nil {
		return nil
	}
	if n.Kind == yaml.SequenceNode {
		var out []string
		for _, item := range n.Content {
			out = append(out, item.Value)
		}
		return out
	}
	words, err := imports.SplitWords(a.text(key))
	if err != nil {
		a.found.Note(a.at(n), imports.Broken, "%s: %v; it is left out", key, err)
	}
	return words
}

// environment takes env. The others, such as env_production, hold only when pm2 is asked for them.
func (a *app) environment() {
	var env imports.Env
	if n := a.values["env"]; n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i].Value, n.Content[i+1]
			if !imports.ValidEnv(name) || value.Kind != yaml.ScalarNode {
				a.found.Note(a.at(value), imports.Broken, "env: %q cannot be a variable; it is left out", name)
				continue
			}
			if value.Tag != "!!null" {
				env = env.With(name, value.Value)
			}
		}
	}
	if len(env) > 0 {
		a.task.Set("env", imports.Map(env))
	}
	if file := a.text("env_file"); file != "" {
		a.task.Set("config.env_from", imports.Strings([]string{file}))
	}
	for _, key := range a.keys {
		if strings.HasPrefix(key, "env_") && key != "env_file" {
			a.found.Note(a.at(a.values[key]), imports.Skipped, "%s: write its variables into env, or make a variable of the configuration of what differs", key)
		}
	}
}

// interpreters are what pm2 starts a script with, by its suffix.
var interpreters = map[string]string{
	".js": "node", ".cjs": "node", ".mjs": "node", ".py": "python3", ".rb": "ruby", ".php": "php", ".pl": "perl", ".sh": "bash", ".ts": "bun",
}

// command is what is run.
func (a *app) command() {
	script, err := imports.SplitWords(a.text("script"))
	if err != nil || len(script) == 0 {
		script = []string{a.text("script")}
	}
	interpreter := a.text("interpreter")
	if interpreter == "" {
		interpreter = interpreters[filepath.Ext(script[0])]
	}
	var words []string
	if interpreter != "" && interpreter != "none" {
		words = append([]string{interpreter}, a.list("interpreter_args")...)
	}
	words = append(append(words, script...), a.list("args")...)
	a.task.Set("config.command", imports.Strings(words))
	if dir := a.text("cwd"); dir != "" {
		a.task.Set("config.dir", imports.String(dir))
		if !filepath.IsAbs(dir) {
			a.found.Note(a.at(a.values["cwd"]), imports.Differs, "cwd %s is relative to where pm2 was started; config { dir } begins at the directory of the configuration", dir)
		}
	} else if !filepath.IsAbs(script[0]) {
		a.found.Note(a.at(a.node), imports.Differs, "%s is a relative path: set config { dir } to where pm2 was started", script[0])
	}
}

// instances are processes side by side. The cluster mode of node shares a port between them.
func (a *app) instances() {
	n := a.values["instances"]
	if n == nil {
		return
	}
	count, err := strconv.Atoi(n.Value)
	switch {
	case err != nil || count < 1:
		a.found.Note(a.at(n), imports.Differs, "instances = %s means one per processor: write the number into instances", n.Value)
	case count > 1:
		a.task.Set("instances", imports.Int(min(count, 10_000)))
	}
	if strings.HasPrefix(a.text("exec_mode"), "cluster") || a.text("exec_mode") == "" && (err != nil || count != 1) {
		a.found.Note(a.at(n), imports.Skipped, "cluster mode: instances do not share a port, and NODE_APP_INSTANCE is not set; give each a port (for_each), or let the program fork")
	}
}

// restarts is about what happens when the app has ended.
func (a *app) restarts() {
	t := a.task
	policy := "always"
	if a.text("autorestart") == "false" {
		policy = "never"
	}
	if text := a.text("cron_restart"); text != "" && text != "0" {
		a.cron(text, policy)
		if t.Mode == imports.Periodic {
			return
		}
	}
	t.Set("continuous.restart.policy", imports.String(policy))
	if policy == "never" {
		return
	}
	for _, key := range []string{"exp_backoff_restart_delay", "restart_delay"} {
		d, ok := a.length(key)
		if !ok || d < time.Millisecond {
			continue
		}
		t.Set("continuous.restart.backoff", imports.Duration(d))
		most := d
		if key == "exp_backoff_restart_delay" {
			most = max(d, 15*time.Second) // as far as pm2 lets it grow
		}
		t.Set("continuous.restart.max_backoff", imports.Duration(most))
		break
	}
	if n, err := strconv.Atoi(a.text("max_restarts")); err == nil && n > 0 {
		t.Set("continuous.restart.max_failures", imports.Int(min(n, 10_000)))
	}
	if d, ok := a.length("min_uptime"); ok && d > 0 {
		t.Set("continuous.restart.reset_after", imports.Duration(d))
	}
	var codes []int
	for _, w := range a.list("stop_exit_codes") {
		if n, err := strconv.Atoi(w); err == nil && n > 0 && n < 256 {
			codes = append(codes, n)
		}
	}
	if len(codes) > 0 {
		t.Set("config.exit_codes.permanent", imports.Ints(codes))
	}
}

// cron makes an app that is started by a schedule and not kept going a periodic task.
func (a *app) cron(text, policy string) {
	at := a.at(a.values["cron_restart"])
	if _, err := schedule.ParseCron(text); err != nil {
		a.found.Note(at, imports.Broken, "cron_restart %q: %v; it is left out", text, err)
		return
	}
	if policy != "never" {
		a.found.Note(at, imports.Skipped, "cron_restart = %q restarts what is running, which no schedule does here; a periodic task of the plugin exec can: taskhost task restart %s", text, a.task.Name)
		return
	}
	a.task.Mode = imports.Periodic
	a.task.Set("periodic.cron", imports.String(text))
	a.task.Set("periodic.run_on_start", imports.Bool(true))
	a.task.Set("periodic.catch_up.policy", imports.String("none"))
}

// stops is about how the app is stopped, and what it may take.
func (a *app) stops() {
	if d, ok := a.length("kill_timeout"); ok && d > 0 {
		a.task.Set("stop.drain", imports.Duration(d))
	}
	if a.text("shutdown_with_message") != "true" {
		a.task.Set("config.stop_signal", imports.String("INT")) // what pm2 sends
	} else {
		a.found.Note(a.at(a.values["shutdown_with_message"]), imports.Skipped, "shutdown_with_message: a stop sends a signal, TERM")
	}
	if text := a.text("max_memory_restart"); text != "" {
		a.found.Note(a.at(a.values["max_memory_restart"]), imports.Differs, "max_memory_restart = %s restarts a process that has grown; limits { memory = … } is a hard bound", text)
	}
	if user := a.text("user"); user != "" {
		a.task.Set("user", imports.String(user))
	} else if user := a.text("uid"); user != "" {
		a.task.Set("user", imports.String(user))
	}
}

// length reads milliseconds, or a text such as 3s.
func (a *app) length(key string) (time.Duration, bool) {
	text := a.text(key)
	if text == "" {
		return 0, false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && n < 1<<40 {
		return time.Duration(n) * time.Millisecond, true
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, true
	}
	a.found.Note(a.at(a.values[key]), imports.Broken, "%s: %q is no length of time; it is left out", key, text)
	return 0, false
}

// done are settings that are read, or that need no word.
var done = []string{
	"name", "script", "args", "interpreter", "interpreter_args", "cwd", "env", "env_file", "instances", "exec_mode", "autorestart", "cron_restart", "exp_backoff_restart_delay",
	"restart_delay", "max_restarts", "min_uptime", "stop_exit_codes", "kill_timeout", "shutdown_with_message", "max_memory_restart", "user", "uid", "out_file", "error_file", "log_file",
	"merge_logs", "combine_logs", "log_date_format", "log_type", "disable_logs", "pid_file", "treekill", "vizion", "pmx", "automation", "source_map_support", "disable_source_map_support",
	"namespace", "time", "force", "windowsHide", "instance_var", "autostart", "ignore_watch", "watch_options", "watch_delay", "append_env_to_name", "filter_env",
}

var remedies = map[string]string{
	"watch":          "files are not watched; taskhost task restart does it by hand",
	"wait_ready":     "the task is ready when the program has started",
	"listen_timeout": "the task is ready when the program has started",
	"increment_var":  "instances have one configuration; for_each gives each its own",
	"post_update":    "updates are not the host's business",
}

// rest names what has no equivalent.
func (a *app) rest() {
	if a.text("autostart") == "false" {
		a.task.Set("enabled", imports.Bool(false))
	}
	for _, key := range a.keys {
		if slices.Contains(done, key) || strings.HasPrefix(key, "env_") || a.text(key) == "false" {
			continue
		}
		remedy, ok := remedies[key]
		if !ok {
			remedy = "it has no equivalent"
		}
		a.found.Note(a.at(a.values[key]), imports.Skipped, "%s: %s", key, remedy)
	}
}
