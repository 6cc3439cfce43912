package task

import (
	"bytes"
	"reflect"
	"strings"
)

// Class says when a changed attribute takes effect.
type Class string

const (
	ClassLive    Class = "live"     // at once, also for what is at work
	ClassNextRun Class = "next run" // with the next run: what is at work finishes as it began
	ClassRestart Class = "restart"  // the task is drained, then started anew
	ClassHost    Class = "host"     // when the host is started again
)

// Attribute is one attribute of the configuration, and when a change of it takes effect.
type Attribute struct {
	Name  string // as the HCL has it, below its block: "periodic.every"; "" is not written by anybody
	Field string // of the struct that holds it: "Schedule.Every"; "" is in none
	Class Class
	// Continuous is the class for a continuous task where that is another one: its run does not end by itself.
	Continuous Class
	Note       string // what more there is to say of a change
}

// Attributes are those of a task: the one place that says what a change of each means. A field of Definition
// without a row fails a test.
var Attributes = []Attribute{
	{"for_each", "", ClassLive, "", "adds and removes instances"},
	{"instances", "", ClassLive, "", "adds and removes instances"},
	{"", "Name", ClassLive, "", ""},
	{"", "Block", ClassLive, "", ""},
	{"", "Key", ClassLive, "", ""},
	{"description", "Description", ClassLive, "", ""},
	{"labels", "Labels", ClassLive, "", ""},
	{"enabled", "Enabled", ClassLive, "", "starts or drains the task"},
	{"", "Source", "", "", ""}, // where a block stands changes nothing
	{"directory", "Dir", ClassRestart, "", "the directory of its file, where relative paths begin"},

	{"plugin", "Plugin", ClassRestart, "", ""},
	{"type", "Type", ClassRestart, "", ""},
	{"config", "Config.Redacted", ClassRestart, "", ""},
	{"config", "Config.Msgpack", ClassRestart, "", ""},
	{BinaryAttribute, "Config.Digest", ClassNextRun, ClassRestart, "a running run finishes on the old copy"},
	{"", "Config.SchemaHash", ClassNextRun, ClassRestart, ""},
	{"env", "Env", ClassRestart, "", ""},
	{"", "EnvKeys", ClassRestart, "", ""},
	{"user", "User", ClassRestart, "", ""},
	{"group", "Group", ClassRestart, "", ""},
	{"limits.memory", "Limits.Memory", ClassRestart, "", ""},
	{"limits.cpu", "Limits.CPU", ClassRestart, "", ""},
	{"limits.pids", "Limits.PIDs", ClassRestart, "", ""},
	{"limits.files", "Limits.Files", ClassRestart, "", ""},

	{"mode", "Mode", ClassRestart, "", ""},
	{"periodic.every", "Schedule.Every", ClassLive, "", "slots count from now"},
	{"periodic.offset", "Schedule.Offset", ClassLive, "", "slots count from now"},
	{"periodic.offset", "Schedule.HasOffset", ClassLive, "", ""},
	{"periodic.after", "Schedule.After", ClassLive, "", ""},
	{"periodic.after", "Schedule.HasAfter", ClassLive, "", ""},
	{"periodic.cron", "Schedule.Cron", ClassLive, "", "slots count from now"},
	{"periodic.time_zone", "Schedule.TimeZone", ClassLive, "", "slots count from now"},
	{"periodic.jitter", "Schedule.Jitter", ClassLive, "", ""},
	{"periodic.overlap", "Schedule.Overlap", ClassRestart, "", ""},
	{"periodic.max_parallel", "Schedule.MaxParallel", ClassRestart, "", ""},
	{"periodic.run_on_start", "Schedule.RunOnStart", ClassLive, "", "at the next start"},
	{"periodic.catch_up.policy", "Schedule.CatchUp.Policy", ClassLive, "", ""},
	{"periodic.catch_up.window", "Schedule.CatchUp.Window", ClassLive, "", ""},
	{"periodic.catch_up.max", "Schedule.CatchUp.Max", ClassLive, "", ""},
	{"continuous.restart.policy", "Continuous.Restart.Policy", ClassLive, "", ""},
	{"continuous.restart.backoff", "Continuous.Restart.Backoff", ClassLive, "", ""},
	{"continuous.restart.max_backoff", "Continuous.Restart.MaxBackoff", ClassLive, "", ""},
	{"continuous.restart.reset_after", "Continuous.Restart.ResetAfter", ClassLive, "", ""},
	{"continuous.restart.max_failures", "Continuous.Restart.MaxFailures", ClassLive, "", ""},
	{"continuous.restart.window", "Continuous.Restart.Window", ClassLive, "", ""},
	{"continuous.pause", "Continuous.Pause", ClassRestart, "", ""},
	{"", "Continuous.Ready.Called", ClassRestart, "", ""},
	{"continuous.ready.timeout", "Continuous.Ready.Timeout", ClassRestart, "", ""},
	{"continuous.watchdog.timeout", "Continuous.Watchdog.Timeout", ClassLive, "", "the process learns of it at its next start"},
	{"continuous.watchdog.action", "Continuous.Watchdog.Action", ClassLive, "", ""},
	{"after_run", "AfterRun", ClassLive, "", ""},

	{"consume.queue", "Consume.Queue", ClassRestart, "", ""},
	{"consume.concurrency", "Consume.Concurrency", ClassRestart, "", ""},
	{"consume.rate", "Consume.Rate", ClassRestart, "", ""},
	{"consume.rate", "Consume.Per", ClassRestart, "", ""},
	{"consume.order_by", "Consume.OrderBy", ClassRestart, "", ""},
	{"consume.batch.size", "Consume.Batch.Size", ClassRestart, "", ""},
	{"consume.batch.wait", "Consume.Batch.Wait", ClassRestart, "", ""},
	{"output", "Outputs", ClassRestart, "", ""},

	{"process", "Process", ClassRestart, "", ""},
	{"max_per_process", "MaxPerProcess", ClassRestart, "", ""},
	{"idle", "Idle", ClassLive, "", ""},
	{"start_timeout", "StartTimeout", ClassLive, "", "from the next launch on"},
	{"timeout", "Timeout", ClassLive, ClassRestart, "of a running attempt too, counted from its begin"},
	{"max_timeout", "MaxTimeout", ClassLive, ClassRestart, ""},
	{"stuck_after", "StuckAfter", ClassLive, "", ""},
	{"retry.attempts", "Retry.Attempts", ClassLive, "", ""},
	{"retry.backoff", "Retry.Backoff", ClassLive, "", ""},
	{"retry.max_backoff", "Retry.MaxBackoff", ClassLive, "", ""},
	{"retry.on", "Retry.On", ClassLive, "", ""},
	{"stop.drain", "Stop.Drain", ClassLive, "", "a stop that has begun goes on as it began"},
	{"stop.cancel", "Stop.Cancel", ClassLive, "", "a stop that has begun goes on as it began"},
	{"on_interrupt", "OnInterrupt", ClassLive, "", ""},

	{"", "Debug", ClassRestart, "", ""}, // of a whole host: taskhost dev -attach

	{"groups", "Groups", ClassNextRun, ClassRestart, ""},
	{"depends_on", "DependsOn", ClassLive, "", "at the next start"},
	{"alarm.failing", "Alarm.Failing", ClassLive, "", ""},
	{"alarm.overlap", "Alarm.Overlap", ClassLive, "", ""},
	{"alarm.missed", "Alarm.Missed", ClassLive, "", ""},
	{"alarm.late", "Alarm.Late", ClassLive, "", ""},
	{"alarm.late_by", "Alarm.LateBy", ClassLive, "", ""},
	{"alarm.no_success", "Alarm.NoSuccess", ClassLive, "", ""},
	{"alarm.dead_letters", "Alarm.DeadLetters", ClassLive, "", ""},
	{"alarm.stuck", "Alarm.Stuck", ClassLive, "", ""},
	{"alarm.crash_loop", "Alarm.CrashLoop", ClassLive, "", ""},
	{"keep.succeeded", "Keep.Succeeded", ClassLive, "", ""},
	{"keep.failed", "Keep.Failed", ClassLive, "", ""},
	{"keep.slots", "Keep.Slots", ClassLive, "", ""},
	{"keep.age", "Keep.Age", ClassLive, "", ""},
	{"keep.logs", "Keep.Logs", ClassLive, "", ""},
}

// BinaryAttribute names the content of a plugin's binary among the attributes of a task.
const BinaryAttribute = "plugin (binary)"

// GroupAttributes are those of a group.
var GroupAttributes = []Attribute{
	{"", "Name", ClassLive, "", ""},
	{"max", "Max", ClassLive, "", ""},
	{"rate", "Rate", ClassLive, "", ""},
	{"rate", "Per", ClassLive, "", ""},
	{"burst", "Burst", ClassLive, "", ""},
}

// QueueAttributes are those of a queue.
var QueueAttributes = []Attribute{
	{"", "Name", ClassLive, "", ""},
	{"description", "Description", ClassLive, "", ""},
	{"max_messages", "MaxMessages", ClassLive, "", "nothing that is in it is lost"},
	{"max_bytes", "MaxBytes", ClassLive, "", "nothing that is in it is lost"},
	{"max_deliveries", "MaxDeliveries", ClassLive, "", ""},
	{"max_age", "MaxAge", ClassLive, "", ""},
	{"overflow", "Overflow", ClassLive, "", ""},
	{"ids_for", "IDsFor", ClassLive, "", ""},
	{"ingress", "Ingress", ClassLive, "", ""},
	{"redeliver.backoff", "Redeliver.Backoff", ClassLive, "", ""},
	{"redeliver.max_backoff", "Redeliver.MaxBackoff", ClassLive, "", ""},
	{"dead_letters.max", "DeadLetters.Max", ClassLive, "", ""},
	{"dead_letters.age", "DeadLetters.Age", ClassLive, "", ""},
}

// PluginAttributes are those of a plugin block; they take effect through the tasks that name the plugin.
var PluginAttributes = []Attribute{
	{"path", "", ClassNextRun, ClassRestart, "when the binary is another one"},
	{"sha256", "", ClassNextRun, ClassRestart, "when the binary is another one"},
	{"env", "", ClassRestart, "", "of the tasks that name it"},
	{"limits", "", ClassRestart, "", "of the tasks that name it"},
}

// HostAttributes are the few of the host block that take effect without a new start of the host, most of them through
// the tasks that they are defaults of. All others are ClassHost.
var HostAttributes = []Attribute{
	{"plugin_dir", "PluginDir", ClassLive, "", "as far as a plugin is another one then"},
	{"time_zone", "TimeZone", ClassLive, "", "of every cron that names none"},
	{"require_checksums", "", ClassLive, "", "asked at every reload"},
	{"shutdown_timeout", "ShutdownTimeout", ClassLive, "", ""},
	{"keep", "Keep", ClassLive, "", "of every task that says nothing else"},
}

// ChangedAttributes compares two definitions of a task, whole, and returns the rows in which they differ, each with
// the class that holds for this task.
func ChangedAttributes(old, new *Definition) []Attribute {
	if reflect.DeepEqual(old, new) {
		return nil
	}
	// With another schema the config is of the other binary: it is taken over with that one.
	schema := old.Config.SchemaHash != new.Config.SchemaHash
	continuous := old.Mode == Continuous || new.Mode == Continuous
	var changed []Attribute
	for _, a := range Changed(Attributes, old, new) {
		if continuous && a.Continuous != "" {
			a.Class = a.Continuous
		}
		if schema && strings.HasPrefix(a.Field, "Config.") && !continuous {
			a.Class = ClassNextRun
		}
		changed = append(changed, a)
	}
	return changed
}

// Changed returns the rows in which two structs differ, given as pointers to them.
func Changed(rows []Attribute, old, new any) []Attribute {
	was, is := reflect.ValueOf(old).Elem(), reflect.ValueOf(new).Elem()
	var changed []Attribute
	for _, a := range rows {
		if a.Field != "" && !same(FieldOf(was, a.Field), FieldOf(is, a.Field)) {
			changed = append(changed, a)
		}
	}
	return changed
}

// FieldOf is a field of a struct by its path; the zero Value when a pointer on the way is nil.
func FieldOf(v reflect.Value, path string) reflect.Value {
	for name := range strings.SplitSeq(path, ".") {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return reflect.Value{}
			}
			v = v.Elem()
		}
		v = v.FieldByName(name)
	}
	return v
}

// same compares two fields. An empty list and none are the same; the text of a JSON document counts.
func same(a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() {
		return a.IsValid() == b.IsValid()
	}
	switch a.Kind() {
	case reflect.Slice:
		if a.Type().Elem().Kind() == reflect.Uint8 {
			return bytes.Equal(a.Bytes(), b.Bytes())
		}
		if a.Len() == 0 && b.Len() == 0 {
			return true
		}
	case reflect.Map:
		if a.Len() == 0 && b.Len() == 0 {
			return true
		}
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
