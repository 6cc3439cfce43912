package systemd

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/imports"
	"github.com/taskhost/taskhost/sdk/schema"
)

// commands reads the commands of an Exec setting; ok is false when one of them cannot be read.
func (r *reader) commands(u *unit, key string) (out []command, ok bool) {
	for _, s := range u.all("Service", key) {
		all, err := parseCommand(s.value)
		if err != nil {
			r.found.Note(s.at(), imports.Broken, "%s: %v; the unit is left out", key, err)
			return nil, false
		}
		out = append(out, all...)
	}
	return out, true
}

// specified replaces the specifiers in a text, and notes those that are not known.
func (r *reader) specified(s *service, user, text string) string {
	out, unknown := s.unit.specify(text, user)
	for _, u := range unknown {
		r.found.Note(s.task.At, imports.Skipped, "the specifier %s in %q is not known here; write out what it stands for", u, clip(text))
	}
	return out
}

// environment takes Environment= and EnvironmentFile=.
func (r *reader) environment(s *service, user string) {
	var env imports.Env
	for _, x := range s.unit.all("Service", "Environment") {
		words, err := splitWords(x.value)
		if err != nil {
			r.found.Note(x.at(), imports.Broken, "Environment: %v; the line is left out", err)
			continue
		}
		for _, w := range words {
			name, value, ok := strings.Cut(w.text, "=")
			if !ok || !imports.ValidEnv(name) {
				r.found.Note(x.at(), imports.Broken, "Environment: %q sets no variable; it is left out", clip(w.text))
				continue
			}
			env = env.With(name, r.specified(s, user, value))
		}
	}
	if len(env) > 0 {
		s.task.Set("env", imports.Map(env))
	}
	var files []string
	for _, x := range s.unit.all("Service", "EnvironmentFile") {
		name, optional := strings.CutPrefix(x.value, "-")
		name = r.specified(s, user, name)
		switch {
		case strings.ContainsAny(name, "*?["):
			r.found.Note(x.at(), imports.Skipped, "EnvironmentFile=%s: name each file in config { env_from }", x.value)
			continue
		case optional && r.opts.Exists != nil && !r.opts.Exists(name):
			r.found.Note(x.at(), imports.Differs, "%s is not there and is left out: a file in config { env_from } has to be there", name)
			continue
		case optional:
			r.found.Note(x.at(), imports.Differs, "%s has to be there: config { env_from } does not pass over a missing file", name)
		}
		files = append(files, name)
	}
	if len(files) > 0 {
		s.task.Set("config.env_from", imports.Strings(files))
	}
}

// program says what is run.
func (r *reader) program(s *service, user string, main []command) {
	u := s.unit
	before, ok := r.commands(u, "ExecStartPre")
	conditions, ok2 := r.commands(u, "ExecCondition")
	if !ok || !ok2 {
		before, conditions = nil, nil
	}
	for _, key := range []string{"ExecStartPost", "ExecStop", "ExecStopPost", "ExecReload", "ExecReloadPost"} {
		if x, ok := u.one("Service", key); ok {
			r.found.Note(x.at(), imports.Skipped, "%s has no equivalent; %s", key, execRemedy[key])
		}
	}
	all := slices.Concat(conditions, before, main)
	for i := range all {
		for j, w := range all[i].words {
			all[i].words[j] = r.specified(s, user, w)
		}
		if all[i].elevated {
			r.found.Note(s.task.At, imports.Differs, "%s has the rights of the task's account: the prefixes +, ! and | have no equivalent", all[i].words[0])
		}
		if all[i].name != "" && all[i].name != all[i].words[0] {
			r.found.Note(s.task.At, imports.Differs, "%s is called by its own name, not as %q", all[i].words[0], all[i].name)
		}
	}
	if one := all[0]; len(all) == 1 && !one.ignore && !one.variables() {
		s.task.Set("config.command", imports.Strings(one.words))
		return
	}
	s.task.Set("config.shell", imports.String(script(all, len(conditions))))
	if len(conditions) > 0 {
		s.task.Set("config.exit_codes.skip", imports.Ints([]int{skipCode}))
	}
}

var execRemedy = map[string]string{
	"ExecStartPost":  "a task with after_run or depends_on can do it",
	"ExecStop":       "a stop sends config { stop_signal }",
	"ExecStopPost":   "a trap in the command can do it",
	"ExecReload":     "a task with on_demand {} can do it",
	"ExecReloadPost": "a task with on_demand {} can do it",
}

// skipCode says that a condition was not met.
const skipCode = 75

// script joins commands for the shell; the first so many are conditions.
func script(all []command, conditions int) string {
	parts := make([]string, len(all))
	for i, c := range all {
		text := c.shell()
		switch {
		case i < conditions:
			text = "{ " + text + " || exit " + strconv.Itoa(skipCode) + "; }"
		case c.ignore:
			text = "{ " + text + " || true; }"
		case i == len(all)-1:
			text = "exec " + text
		}
		parts[i] = text
	}
	return strings.Join(parts, " && ")
}

// process is about the process's surroundings and its end.
func (r *reader) process(s *service, user string) {
	u, t := s.unit, s.task
	if dir, ok := u.one("Service", "WorkingDirectory"); ok {
		path := r.specified(s, user, strings.TrimPrefix(dir.value, "-"))
		if path == "~" {
			r.found.Note(dir.at(), imports.Skipped, "WorkingDirectory=~: write the path of the home directory into config { dir }")
		} else {
			t.Set("config.dir", imports.String(path))
		}
	}
	if mask, ok := u.one("Service", "UMask"); ok && len(mask.value) >= 3 && len(mask.value) <= 4 && strings.Trim(mask.value, "01234567") == "" {
		t.Set("config.umask", imports.String(mask.value))
	}
	if sig, ok := u.one("Service", "KillSignal"); ok {
		name := strings.TrimPrefix(sig.value, "SIG")
		if knownSignals[name] {
			t.Set("config.stop_signal", imports.String(name))
		} else {
			r.found.Note(sig.at(), imports.Skipped, "KillSignal=%s has no equivalent; TERM is sent", sig.value)
		}
	}
	r.exits(s)
	r.drain(s)
	timeout := "RuntimeMaxSec"
	if u.text("Service", "Type") == "oneshot" {
		timeout = eitherKey(u, "TimeoutStartSec")
	}
	if d, ok := r.length(s, timeout); ok && d > 0 {
		t.Set("timeout", imports.Duration(d))
	}
	if x, ok := u.one("Unit", "OnFailure"); ok {
		r.found.Note(x.at(), imports.Differs, "OnFailure=%s: a notify block tells of failures, a task with after_run { outcome = [\"failed\"] } acts on them", x.value)
	}
	if x, ok := u.one("Unit", "OnSuccess"); ok {
		r.found.Note(x.at(), imports.Differs, "OnSuccess=%s: a task with after_run does what follows a success", x.value)
	}
	r.streams(s)
}

// eitherKey is the key of a timeout, or TimeoutSec, which is short for that of a start and that of a stop.
func eitherKey(u *unit, key string) string {
	if _, given := u.one("Service", key); given {
		return key
	}
	return "TimeoutSec"
}

// longestDrain is how long a stop drains where systemd would wait for as long as it takes.
const longestDrain = time.Hour

// drain says how long a stop waits for the program, and what then is done otherwise than by systemd.
func (r *reader) drain(s *service) {
	u := s.unit
	key := eitherKey(u, "TimeoutStopSec")
	x, given := u.one("Service", key)
	switch d, ok := r.length(s, key); {
	case ok && d > 0:
		s.task.Set("stop.drain", imports.Duration(d))
	case ok, given && x.value == infinity: // 0 is the same
		s.task.Set("stop.drain", imports.Duration(longestDrain))
		r.found.Note(x.at(), imports.Differs, "%s=%s: systemd waits for as long as a stop takes; here it drains for %s, then it is cancelled and killed", key, x.value, schema.FormatDuration(longestDrain))
	}
	if x, ok := u.one("Service", "SendSIGKILL"); ok && !u.yes("Service", "SendSIGKILL") {
		r.found.Note(x.at(), imports.Differs, "SendSIGKILL=%s: what has not ended after stop { drain cancel } is killed all the same", x.value)
	}
	if x, ok := u.one("Service", "KillMode"); ok && (x.value == "process" || x.value == "none") {
		r.found.Note(x.at(), imports.Differs, "KillMode=%s: what the command has started is ended with it", x.value)
	}
}

// streams names the files that the program's standard streams were.
func (r *reader) streams(s *service) {
	u := s.unit
	if x, ok := u.one("Service", "StandardInput"); ok && x.value != "null" {
		r.found.Note(x.at(), imports.Skipped, "StandardInput=%s: the command has no standard input; a shell can give it one: config { shell = \"… < FILE\" }", x.value)
	}
	for _, key := range []string{"StandardOutput", "StandardError"} {
		if x, ok := u.one("Service", key); ok && strings.Contains(x.value, ":") {
			r.found.Note(x.at(), imports.Differs, "%s=%s: output is in the log of the task", key, x.value)
		}
	}
}

var knownSignals = setOf("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM CHLD CONT STOP TSTP TTIN TTOU WINCH")

// length reads a time span of the section Service. Infinity is as if it were not given.
func (r *reader) length(s *service, key string) (time.Duration, bool) {
	x, ok := s.unit.one("Service", key)
	if !ok {
		return 0, false
	}
	d, infinite, err := parseLength(x.value)
	if err != nil {
		r.found.Note(x.at(), imports.Broken, "%s: %v; it is left out", key, err)
		return 0, false
	}
	return d, !infinite
}

// exits says what exit codes mean.
func (r *reader) exits(s *service) {
	for _, pair := range [][2]string{{"SuccessExitStatus", "ok"}, {"RestartPreventExitStatus", "permanent"}} {
		key, attr := pair[0], pair[1]
		var codes []int
		if attr == "ok" {
			codes = []int{0}
		}
		for _, w := range s.unit.words("Service", key) {
			n, err := strconv.Atoi(w)
			if err != nil || n < 0 || n > 255 {
				x, _ := s.unit.one("Service", key)
				r.found.Note(x.at(), imports.Skipped, "%s: %q is no number of an exit code", key, w)
				continue
			}
			if !slices.Contains(codes, n) {
				codes = append(codes, n)
			}
		}
		if len(codes) > 0 && !slices.Equal(codes, []int{0}) {
			s.task.Set("config.exit_codes."+attr, imports.Ints(codes))
		}
	}
}

// restart is the policy of a service that is kept going.
func (r *reader) restart(s *service) {
	u, t := s.unit, s.task
	policy := "never"
	x, _ := u.one("Service", "Restart")
	switch x.value {
	case "always":
		policy = "always"
	case "on-failure":
		policy = "on_failure"
	case "on-abnormal", "on-abort", "on-watchdog":
		policy = "on_failure"
		r.found.Note(x.at(), imports.Differs, "Restart=%s: it is restarted after every failure, exit codes other than 0 included", x.value)
	case "on-success":
		policy = "always"
		r.found.Note(x.at(), imports.Differs, "Restart=on-success: it is restarted after failures, too")
	}
	if policy != "on_failure" {
		t.Set("continuous.restart.policy", imports.String(policy))
	}
	if policy == "never" {
		return
	}
	d, ok := r.length(s, "RestartSec")
	if ok && d >= time.Millisecond {
		most, given := r.length(s, "RestartMaxDelaySec")
		if !given {
			most = d
		}
		t.Set("continuous.restart.backoff", imports.Duration(d))
		t.Set("continuous.restart.max_backoff", imports.Duration(max(most, d)))
	} else {
		r.unpaced = true
	}
	r.burst(s)
}

// burst is when restarts are too many. The names are of either section, as the version has it.
func (r *reader) burst(s *service) {
	u := s.unit
	for _, section := range []string{"Unit", "Service"} {
		if n, err := strconv.Atoi(u.text(section, "StartLimitBurst")); err == nil && n > 0 {
			s.task.Set("continuous.restart.max_failures", imports.Int(min(n, 10_000)))
		}
		for _, key := range []string{"StartLimitIntervalSec", "StartLimitInterval"} {
			if d, _, err := parseLength(u.text(section, key)); err == nil && d > 0 {
				s.task.Set("continuous.restart.window", imports.Duration(d))
			}
		}
	}
}

// limits bound what the process takes.
func (r *reader) limits(s *service) {
	u, t := s.unit, s.task
	set := func(key, attr string, least, most int64, value func(int64) imports.Value) {
		x, ok := u.one("Service", key)
		if !ok {
			return
		}
		text := x.value
		if _, hard, both := strings.Cut(text, ":"); both {
			text = hard
		}
		n, ok := parseSize(text)
		switch {
		case !ok || n > 0 && n < least || n > most:
			r.found.Note(x.at(), imports.Skipped, "%s=%s cannot be a bound in limits { %s }", key, x.value, attr)
		case n > 0:
			t.Set("limits."+attr, value(n))
		}
	}
	whole := func(n int64) imports.Value { return imports.Int(int(n)) }
	set("MemoryLimit", "memory", 16<<20, 1<<50, imports.Bytes)
	set("MemoryMax", "memory", 16<<20, 1<<50, imports.Bytes)
	set("TasksMax", "pids", 16, 1<<22, whole)
	set("LimitNOFILE", "files", 32, 1<<24, whole)
	if x, ok := u.one("Service", "CPUQuota"); ok {
		percent, err := strconv.ParseFloat(strings.TrimSuffix(x.value, "%"), 64)
		if err != nil || percent <= 0 {
			r.found.Note(x.at(), imports.Broken, "CPUQuota=%s is no percentage; it is left out", x.value)
			return
		}
		t.Set("limits.cpu", imports.Number(percent/100))
	}
}
