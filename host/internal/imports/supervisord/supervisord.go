package supervisord

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// Options say what the files do not say themselves.
type Options struct {
	Dir string // where relative names of files begin; "" is not known
}

// Read reads files of supervisord.
func Read(files []imports.File, o Options) *imports.Found {
	r := &reader{found: &imports.Found{}, opts: o, groups: map[string]string{}}
	var all []*section
	for _, file := range files {
		sections, rest := parse(file, r.found)
		all = append(all, sections...)
		r.found.Comments = append(r.found.Comments, rest...)
	}
	for _, s := range all {
		switch kind, label := s.parts(); kind {
		case "supervisord":
			r.host(s)
		case "group":
			for name := range strings.SplitSeq(s.values["programs"].value, ",") {
				r.groups[strings.TrimSpace(name)] = label
			}
		}
	}
	for _, s := range all {
		r.section(s)
	}
	if len(r.found.Tasks) > 0 {
		r.found.Note(imports.Place{File: files[0].Name}, imports.Differs, "output is in the logs of the tasks, which keep { logs = … } bounds; a program that is up again after "+
			"backoff is not given up after startretries: it is tried again at the longest backoff, and the task is degraded")
		r.found.Note(imports.Place{File: files[0].Name}, imports.Differs, "%s", imports.OwnEnvironment("supervisord"))
	}
	return r.found
}

// reader is at work on a set of files.
type reader struct {
	found  *imports.Found
	opts   Options
	groups map[string]string // of programs
	env    imports.Env       // of all programs
}

// host takes what [supervisord] says of all programs.
func (r *reader) host(s *section) {
	if v := s.values["environment"]; v.value != "" {
		text, _ := r.expanded(s, "environment", nil)
		r.env = r.environment(s, r.env, text)
	}
	var rest []string
	for _, key := range s.keys {
		if slices.Contains([]string{"directory", "user", "umask"}, key) {
			rest = append(rest, key)
		}
	}
	if len(rest) > 0 {
		r.found.Note(s.at(rest[0]), imports.Skipped, "%s of supervisord itself: the host's own unit or container says so", strings.Join(rest, ", "))
	}
}

func (r *reader) section(s *section) {
	kind, label := s.parts()
	at := s.at("")
	switch kind {
	case "program":
		r.programs(s, label)
	case "supervisord", "group":
		r.found.Comments = append(r.found.Comments, s.comments...)
		return
	case "unix_http_server", "inet_http_server", "supervisorctl", "rpcinterface":
		r.found.Note(at, imports.Skipped, "[%s]: the admin API and its command line take its place (host { admin { listen = … } })", s.name)
	case "include":
		r.found.Note(s.at("files"), imports.Skipped, "[include] is not followed: name %s as well", strings.Join(strings.Fields(s.values["files"].value), " "))
	case "eventlistener":
		r.found.Note(at, imports.Skipped, "[%s]: listeners have no equivalent; notify tells of failures, the events of the API of everything", s.name)
	case "fcgi-program":
		r.found.Note(at, imports.Skipped, "[%s]: no task is given a FastCGI socket; let the program open its own", s.name)
	default:
		r.found.Note(at, imports.Skipped, "[%s]: nothing here is like it", s.name)
	}
}

// programs makes a task of a program, or several when the command tells its processes apart.
func (r *reader) programs(s *section, label string) {
	if s.values["command"].value == "" {
		r.found.Note(s.at("command"), imports.Broken, "[%s] has no command; it is left out", s.name)
		return
	}
	number := r.integer(s, "numprocs", 1)
	first := r.integer(s, "numprocs_start", 0)
	apart := false
	for _, key := range []string{"command", "environment", "directory"} {
		apart = apart || strings.Contains(s.values[key].value, "%(process_num)")
	}
	if number < 1 || number > mostProcesses {
		r.found.Note(s.at("numprocs"), imports.Broken, "numprocs: %d is not between 1 and %d; it is taken for 1", number, mostProcesses)
		number = 1
	}
	if number == 1 || !apart {
		t := r.program(s, label, label, first)
		if t != nil && number > 1 {
			t.Set("instances", imports.Int(number))
		}
		return
	}
	for n := first; n < first+number; n++ {
		r.program(s, label, fmt.Sprintf("%s_%02d", label, n), n)
	}
}

// mostProcesses is how many tasks one program may become.
const mostProcesses = 1000

// program makes one task.
func (r *reader) program(s *section, label, name string, number int) *imports.Task {
	group := r.groups[label]
	values := map[string]string{"program_name": label, "process_num": strconv.Itoa(number), "group_name": group, "numprocs": s.values["numprocs"].value}
	if group == "" {
		values["group_name"] = label
	}
	text, _ := r.expanded(s, "command", values)
	words, err := imports.SplitWords(text)
	if err == nil && len(words) == 0 {
		err = errors.New("there is no program")
	}
	if err != nil {
		r.found.Note(s.at("command"), imports.Broken, "command: %v; [%s] is left out", err, s.name)
		return nil
	}
	t := r.found.Add(name, s.at(""))
	t.Mode = imports.Continuous
	t.Comments, s.comments = imports.TrimBlank(s.comments), nil
	t.Set("plugin", imports.String("exec"))
	if group != "" {
		t.Set("labels", imports.Map(imports.Env{{Name: "group", Value: group}}))
	}
	env := r.env
	if v, ok := r.expanded(s, "environment", values); ok {
		env = r.environment(s, env, v)
	}
	if len(env) > 0 {
		t.Set("env", imports.Map(env))
	}
	if user, ok := r.expanded(s, "user", values); ok {
		t.Set("user", imports.String(user))
	}
	r.starts(s, t)
	r.stops(s, t)
	t.Set("config.command", imports.Strings(words))
	if dir, ok := r.expanded(s, "directory", values); ok {
		t.Set("config.dir", imports.String(dir))
	}
	r.rest(s)
	return t
}

// starts is about when a program is started, and started again.
func (r *reader) starts(s *section, t *imports.Task) {
	if no(s.values["autostart"].value) {
		t.Set("enabled", imports.Bool(false))
	}
	switch v := strings.ToLower(s.values["autorestart"].value); {
	case no(v):
		t.Set("continuous.restart.policy", imports.String("never"))
	case v == "true" || v == "yes" || v == "on" || v == "1":
		t.Set("continuous.restart.policy", imports.String("always"))
	}
	if n := r.integer(s, "startretries", 0); n > 0 && n <= 10_000 {
		t.Set("continuous.restart.max_failures", imports.Int(n))
	}
	var codes []int
	for text := range strings.FieldsFuncSeq(s.values["exitcodes"].value, func(c rune) bool { return c == ',' || c == ' ' }) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 255 {
			r.found.Note(s.at("exitcodes"), imports.Broken, "exitcodes: %q is no exit code; it is left out", text)
			continue
		}
		codes = append(codes, n)
	}
	slices.Sort(codes)
	if codes = slices.Compact(codes); len(codes) > 0 && !slices.Equal(codes, []int{0}) {
		t.Set("config.exit_codes.ok", imports.Ints(codes))
	}
}

// stops is about how a program is stopped.
func (r *reader) stops(s *section, t *imports.Task) {
	if v := strings.TrimPrefix(strings.ToUpper(s.values["stopsignal"].value), "SIG"); v != "" && v != "TERM" {
		if slices.Contains([]string{"HUP", "INT", "QUIT", "KILL", "USR1", "USR2"}, v) {
			t.Set("config.stop_signal", imports.String(v))
		} else {
			r.found.Note(s.at("stopsignal"), imports.Broken, "stopsignal: %q is not known; TERM is sent", s.values["stopsignal"].value)
		}
	}
	if n := r.integer(s, "stopwaitsecs", 0); n > 0 && n < 1<<20 {
		t.Set("stop.drain", imports.Duration(time.Duration(n)*time.Second))
	}
	if v := s.values["umask"].value; len(v) >= 3 && len(v) <= 4 && strings.Trim(v, "01234567") == "" {
		t.Set("config.umask", imports.String(v))
	}
}

// done are keys that are read, or that need no word: a stop reaches all processes, and output has its place.
var done = []string{
	"command", "process_name", "numprocs", "numprocs_start", "autostart", "autorestart", "startretries", "exitcodes", "stopsignal", "stopwaitsecs", "stopasgroup", "killasgroup",
	"user", "directory", "umask", "environment", "redirect_stderr", "stdout_logfile", "stderr_logfile", "stdout_logfile_maxbytes", "stderr_logfile_maxbytes",
	"stdout_logfile_backups", "stderr_logfile_backups", "stdout_capture_maxbytes", "stderr_capture_maxbytes", "stdout_events_enabled", "stderr_events_enabled",
	"stdout_syslog", "stderr_syslog",
}

var remedies = map[string]string{
	"priority":  "depends_on orders starts and stops",
	"startsecs": "a task is ready when its program has started; continuous { restart { reset_after = … } } says from when on failures are forgotten",
	"serverurl": "the admin API has addresses of its own",
}

// rest names what has no equivalent.
func (r *reader) rest(s *section) {
	for _, key := range s.keys {
		if slices.Contains(done, key) {
			continue
		}
		remedy := remedies[key]
		if remedy == "" {
			remedy = "it has no equivalent"
		}
		r.found.Note(s.at(key), imports.Skipped, "%s of [%s]: %s", key, s.name, remedy)
	}
}

func (r *reader) integer(s *section, key string, def int) int {
	v, ok := s.values[key]
	if !ok {
		return def
	}
	n, err := strconv.Atoi(v.value)
	if err != nil {
		r.found.Note(s.at(key), imports.Broken, "%s: %q is no number; it is taken for %d", key, v.value, def)
		return def
	}
	return n
}

// expanded is a setting with its %(name)s replaced; ok is false where it is not given.
func (r *reader) expanded(s *section, key string, values map[string]string) (string, bool) {
	v := s.values[key]
	if v.value == "" {
		return "", false
	}
	out, unknown := expand(v.value, r.here(s.file), values)
	for _, u := range unknown {
		r.found.Note(s.at(key), imports.Skipped, "%s: %s is not known here; write out what it stands for", key, u)
	}
	return out, true
}

// here is the directory of a file; "" is not known.
func (r *reader) here(file string) string {
	switch {
	case filepath.IsAbs(file):
		return filepath.Dir(file)
	case r.opts.Dir == "":
		return ""
	}
	return filepath.Join(r.opts.Dir, filepath.Dir(file))
}

// environment takes KEY="value",KEY2=value2 apart.
func (r *reader) environment(s *section, env imports.Env, text string) imports.Env {
	for rest := strings.TrimSpace(text); rest != ""; {
		name, after, ok := strings.Cut(rest, "=")
		name = strings.TrimSpace(name)
		if !ok || !imports.ValidEnv(name) {
			r.found.Note(s.at("environment"), imports.Broken, "environment: %q sets no variable; the rest of it is left out", rest)
			return env
		}
		value, left := envValue(strings.TrimLeft(after, " \t"))
		env = env.With(name, value)
		rest = strings.TrimLeft(left, ", \t\n")
	}
	return env
}

// envValue takes a value off the front, which quotes may surround.
func envValue(text string) (value, rest string) {
	if text != "" && (text[0] == '"' || text[0] == '\'') {
		if end := strings.IndexByte(text[1:], text[0]); end >= 0 {
			return text[1 : 1+end], text[2+end:]
		}
	}
	end := strings.IndexAny(text, ",\n")
	if end < 0 {
		end = len(text)
	}
	return strings.TrimSpace(text[:end]), text[end:]
}

func no(text string) bool {
	switch strings.ToLower(text) {
	case "false", "no", "off", "0":
		return true
	}
	return false
}
