package systemd

import (
	"maps"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// Options say what units do not say themselves.
type Options struct {
	Zone   string                 // IANA name of the machine's zone; "" is left to the host
	Exists func(path string) bool // reports whether a file is there; nil takes everything for there
}

// Read reads units, with their drop-ins. Those that start nothing, such as targets and mounts, are passed over with a note.
func Read(files []imports.File, o Options) *imports.Found {
	r := &reader{found: &imports.Found{}, opts: o, tasks: map[string]*service{}}
	services, timers := r.units(files)
	for _, s := range services {
		r.service(s, timersOf(s, timers))
	}
	for _, t := range timers {
		if !slices.ContainsFunc(services, func(s *unit) bool { return s.name == target(t) }) {
			r.found.Note(t.at(0), imports.Skipped, "it starts %s, which is not among the files", target(t))
		}
	}
	r.dependencies()
	if len(r.found.Tasks) > 0 {
		at := imports.Place{File: r.found.Tasks[0].At.File}
		r.found.Note(at, imports.Differs, "a stop drains for 10s, then cancels for 5s, where a unit has no TimeoutStopSec; systemd's default is 90s (stop { drain = … })")
		if r.unpaced {
			r.found.Note(at, imports.Differs, "a restart comes after 1s, doubling up to 1m, and is not given up, where a unit has no RestartSec; systemd's default is 100ms, and it gives up after StartLimitBurst")
		}
	}
	return r.found
}

// otherUnit says what becomes of what other kinds of units do.
func otherUnit(ext string) string {
	switch ext {
	case ".socket":
		return "sockets have no equivalent: the program opens its own"
	case ".path":
		return "no task waits for a path: run it periodically"
	case ".target":
		return "targets have no equivalent: depends_on orders tasks, labels group them"
	case ".conf":
		return "a drop-in lies in a directory that is named after its unit, such as NAME.service.d"
	}
	return "only .service and .timer units start something that a task can be"
}

// target is the unit that a timer starts.
func target(t *unit) string {
	if name := t.text("Timer", "Unit"); name != "" {
		name, _ = t.specify(name, "")
		return name
	}
	return t.base() + ".service"
}

func timersOf(s *unit, timers []*unit) []*unit {
	var out []*unit
	for _, t := range timers {
		if target(t) == s.name {
			out = append(out, t)
		}
	}
	return out
}

// reader is at work on a set of units.
type reader struct {
	found *imports.Found
	opts  Options
	tasks map[string]*service // by name of the unit

	unpaced bool // a unit that is restarted does not say after how long
}

// service is a service unit with its task.
type service struct {
	unit *unit
	task *imports.Task
	off  bool // it is not started by itself

	notifies bool // it says when it is ready
}

// service makes a task of a service, or one for each of its timers.
func (r *reader) service(u *unit, timers []*unit) {
	commands, ok := r.commands(u, "ExecStart")
	if !ok {
		return
	}
	if len(commands) == 0 {
		r.found.Note(u.at(0), imports.Skipped, "it has no ExecStart, so that there is nothing to run")
		return
	}
	if len(timers) == 0 {
		s := r.task(u, u.base(), commands)
		r.untimed(s)
		r.finish(s)
		return
	}
	for _, t := range timers {
		name := u.base()
		if len(timers) > 1 {
			name = t.base()
		}
		s := r.task(u, name, commands)
		r.timed(s, t)
		r.finish(s)
	}
}

// task makes the task of a service, all but when it runs.
func (r *reader) task(u *unit, name string, commands []command) *service {
	line := 0
	if len(u.settings) > 0 {
		line = u.settings[0].line
	}
	t := r.found.Add(name, u.at(line))
	s := &service{unit: u, task: t}
	r.tasks[u.name] = s
	t.Comments = u.comments
	if d := u.text("Unit", "Description"); d != "" {
		text, _ := u.specify(d, "")
		t.Set("description", imports.String(text))
	}
	t.Set("plugin", imports.String("exec"))
	user := u.text("Service", "User")
	if user != "" {
		user, _ = u.specify(user, user)
		t.Set("user", imports.String(user))
	}
	if group := u.text("Service", "Group"); group != "" {
		group, _ = u.specify(group, user)
		t.Set("group", imports.String(group))
	}
	r.environment(s, user)
	r.program(s, user, commands)
	r.process(s, user)
	r.limits(s)
	return s
}

// untimed says how a service without a timer runs.
func (r *reader) untimed(s *service) {
	u, t := s.unit, s.task
	wanted := len(u.words("Install", "WantedBy", "RequiredBy", "UpheldBy")) > 0
	switch kind := u.text("Service", "Type"); {
	case kind == "oneshot" && !wanted:
		t.Mode = imports.OnDemand
	case kind == "oneshot":
		t.Mode = imports.Continuous
		t.Set("continuous.restart.policy", imports.String("never"))
		r.found.Note(t.At, imports.Differs, "Type=oneshot that is wanted at boot: it runs once at every start of the host")
	default:
		t.Mode = imports.Continuous
		r.restart(s)
		r.kind(s, kind)
	}
}

// kind is about types of services that tell systemd more than that they run.
func (r *reader) kind(s *service, kind string) {
	switch kind {
	case "forking":
		s.off = true
		s.task.Set("enabled", imports.Bool(false))
		r.found.Note(s.task.At, imports.Skipped, "Type=forking: a task stays in the foreground; give the program the option for that and remove enabled = false")
	case "notify", "notify-reload":
		s.notifies = true
		s.task.Set("config.ready.notify", imports.Bool(true))
		if d, ok := r.length(s, eitherKey(s.unit, "TimeoutStartSec")); ok && d > 0 {
			s.task.Set("continuous.ready.timeout", imports.Duration(d))
		}
	case "dbus":
		r.found.Note(s.task.At, imports.Differs, "Type=dbus: the task counts as ready when the program has started, not when it has its name on the bus")
	}
	if d, ok := r.length(s, "WatchdogSec"); ok && d > 0 {
		s.task.Set("continuous.watchdog.timeout", imports.Duration(d))
	}
	for _, key := range []string{"NotifyAccess", "BusName", "PIDFile", "GuessMainPID"} {
		s.unit.all("Service", key)
	}
}

// finish names what has no equivalent, in one note for what belongs together.
func (r *reader) finish(s *service) {
	var confined, checked, rest []string
	for _, section := range []string{"Unit", "Service"} {
		for _, x := range s.unit.unused(section) {
			switch {
			case harmless[x.key]:
			case strings.HasPrefix(x.key, "Condition"), strings.HasPrefix(x.key, "Assert"):
				checked = append(checked, x.key)
			case confines(x.key):
				confined = append(confined, x.key)
			default:
				rest = append(rest, x.key)
			}
		}
	}
	for _, g := range []struct {
		keys []string
		text string
	}{
		{checked, "nothing is checked before a start"},
		{confined, "the process is not confined so"},
		{rest, "no equivalent"},
	} {
		if len(g.keys) > 0 {
			r.found.Note(s.task.At, imports.Skipped, "%s: %s", strings.Join(g.keys, ", "), g.text)
		}
	}
}

// harmless are keys that need no word: they are about systemd itself, or hold here in any case.
var harmless = setOf("Documentation SourcePath DefaultDependencies Before Conflicts IgnoreOnIsolate RefuseManualStart RefuseManualStop CollectMode JobTimeoutSec " +
	"JobTimeoutAction StopWhenUnneeded AllowIsolate RequiresMountsFor WantsMountsFor PartOf ReloadPropagatedFrom PropagatesReloadTo JoinsNamespaceOf Upholds " +
	"SyslogIdentifier SyslogFacility SyslogLevel SyslogLevelPrefix StandardInput StandardOutput StandardError RemainAfterExit NotifyAccess BusName PIDFile GuessMainPID " +
	"SendSIGKILL KillMode IgnoreSIGPIPE NoNewPrivileges Type After Wants Requires BindsTo Requisite SurviveFinalKillSignal FileDescriptorStoreMax " +
	"TTYVTDisallocate TTYReset TTYVHangup UtmpIdentifier UtmpMode ManagedOOMPreference ManagedOOMSwap ManagedOOMMemoryPressure LogLevelMax")

func setOf(words string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		out[w] = true
	}
	return out
}

// confines reports whether a key takes rights or a view of the machine from the process.
func confines(key string) bool {
	for _, prefix := range []string{"Protect", "Private", "Restrict", "SystemCall", "Capability", "Ambient", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths",
		"BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem", "LockPersonality", "MemoryDenyWriteExecute", "RemoveIPC", "Device", "IPAddress", "SocketBind", "Secure", "ProcSubset",
		"RootDirectory", "RootImage", "Mount", "DynamicUser", "KeyringMode", "Personality", "AppArmorProfile", "SELinuxContext", "Delegate", "Slice", "NetworkNamespacePath"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// dependencies let tasks wait for those that their units require and come after.
func (r *reader) dependencies() {
	waits := map[string][]string{}
	for _, name := range sortedKeys(r.tasks) {
		s := r.tasks[name]
		needs := s.unit.words("Unit", "Requires", "Wants", "BindsTo", "Requisite")
		var env imports.Env
		for _, after := range s.unit.words("Unit", "After") {
			other := r.tasks[after]
			if other == nil || other == s || other.off || other.task.Mode != imports.Continuous || !slices.Contains(needs, after) || reaches(waits, after, name) {
				continue
			}
			waits[name] = append(waits[name], after)
			until := "started"
			if other.notifies {
				until = "ready"
			}
			env = env.With(other.task.Name, until)
		}
		if len(env) > 0 {
			s.task.Set("depends_on", imports.Map(env))
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// reaches reports whether from waits for to, perhaps over others.
func reaches(waits map[string][]string, from, to string) bool {
	return from == to || slices.ContainsFunc(waits[from], func(next string) bool { return reaches(waits, next, to) })
}
