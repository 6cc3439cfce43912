package pm2

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// isProcess reports whether this is what pm2 says of a process (jlist, prettylist, dump.pm2), and not what somebody wrote.
func (a *app) isProcess() bool { return a.values["pm2_env"] != nil || a.values["pm_exec_path"] != nil }

// processKeys are what of a process is an app's setting, by the name that it has in one.
var processKeys = map[string]string{
	"name": "name", "pm_exec_path": "script", "pm_cwd": "cwd", "exec_interpreter": "interpreter", "node_args": "interpreter_args", "args": "args", "instances": "instances",
	"exec_mode": "exec_mode", "autorestart": "autorestart", "cron_restart": "cron_restart", "max_restarts": "max_restarts", "min_uptime": "min_uptime", "restart_delay": "restart_delay",
	"exp_backoff_restart_delay": "exp_backoff_restart_delay", "stop_exit_codes": "stop_exit_codes", "kill_timeout": "kill_timeout", "max_memory_restart": "max_memory_restart",
	"uid": "uid", "shutdown_with_message": "shutdown_with_message", "wait_ready": "wait_ready", "watch": "watch", "env": "env",
}

// ofProcess is the app of a process: what was set, without what pm2 keeps of its life.
func (a *app) ofProcess() *app {
	said := map[string]*yaml.Node{}
	if env := a.values["pm2_env"]; env != nil && env.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(env.Content); i += 2 {
			said[env.Content[i].Value] = env.Content[i+1]
		}
	}
	for i := 0; i+1 < len(a.node.Content); i += 2 {
		if key := a.node.Content[i].Value; said[key] == nil {
			said[key] = a.node.Content[i+1]
		}
	}
	a.keys, a.values = nil, map[string]*yaml.Node{}
	for key, setting := range processKeys {
		if v := said[key]; v != nil && v.Tag != "!!null" && v.Value != "undefined" {
			a.values[setting] = v
		}
	}
	if a.text("exec_mode") == "fork_mode" {
		a.values["exec_mode"] = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "fork"}
	}
	if a.text("watch") == "false" {
		delete(a.values, "watch")
	}
	a.quoteScript()
	for key := range a.values {
		a.keys = append(a.keys, key)
	}
	slices.Sort(a.keys)
	return a
}

// quoteScript keeps a path one word: in an app's script a blank parts words.
func (a *app) quoteScript() {
	if n := a.values["script"]; n != nil && strings.ContainsAny(n.Value, " '\"\\") {
		quoted := *n
		quoted.Value = imports.Quote(n.Value)
		a.values["script"] = &quoted
	}
}

// first reports whether no process of the app was seen before. The others are its instances.
func (r *reader) first(a *app) bool {
	same := slices.IndexFunc(r.seen, func(o *app) bool {
		return a.text("name") == o.text("name") && a.text("script") == o.text("script") && slices.Equal(a.list("args"), o.list("args"))
	})
	if same < 0 {
		r.seen = append(r.seen, a)
		return true
	}
	o := r.seen[same]
	if o.task == nil {
		return false
	}
	o.processes++
	if n, _ := strconv.Atoi(o.text("instances")); o.processes+1 > max(n, 1) {
		o.task.Set("instances", imports.Int(min(o.processes+1, 10_000)))
	}
	return false
}

// shellVariables are what a login, a terminal or pm2 itself puts into an environment.
var shellVariables = setOf("PATH HOME USER LOGNAME SHELL PWD OLDPWD TERM COLORTERM LANG LANGUAGE SHLVL MAIL HOSTNAME DISPLAY EDITOR VISUAL PAGER LESS LESSOPEN LESSCLOSE LS_COLORS _ " +
	"TMPDIR INVOCATION_ID JOURNAL_STREAM NOTIFY_SOCKET NODE_APP_INSTANCE PM2_HOME PM2_USAGE PM2_JSON_PROCESSING PM2_INTERACTOR_PROCESSING PM2_DISCRETE_MODE unique_id windowsHide pmx " +
	"SYSTEMD_EXEC_PID DEBUGINFOD_URLS WINDOWID TERM_PROGRAM TERM_PROGRAM_VERSION")

func setOf(words string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		out[w] = true
	}
	return out
}

func isShellVariable(name string) bool {
	for _, prefix := range []string{"LC_", "SSH_", "XDG_", "SUDO_", "NVM_", "npm_", "VSCODE_", "DBUS_", "GPG_", "TMUX", "axm_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return shellVariables[name]
}

// ownEnvironment leaves of the environment of a process what no login or terminal has put there: pm2 keeps all of it, and does not
// say what of it the app was given.
func (a *app) ownEnvironment() {
	n := a.values["env"]
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	own := *n
	own.Content = nil
	var left []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		switch {
		case isShellVariable(name):
			left = append(left, name)
		case value.Kind == yaml.ScalarNode && name != a.text("name"): // pm2 keeps an object under the app's own name
			own.Content = append(own.Content, n.Content[i], value)
		}
	}
	a.values["env"] = &own
	if len(n.Content) > 0 {
		text := "env: pm2 keeps the whole environment of a process; look through what is left of it, and make a secret(…) of what is one"
		if len(left) > 0 {
			slices.Sort(left)
			text += "; left out as that of a login: " + strings.Join(left, " ")
		}
		a.found.Note(a.at(n), imports.Differs, "%s", text)
	}
}
