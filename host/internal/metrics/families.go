package metrics

import (
	"cmp"
	"runtime"

	"github.com/taskhost/taskhost/host/internal/task"
)

// family is one row of the table: a name, its kind, what it says, and who writes its series.
type family struct {
	name  string
	kind  string
	help  string
	write func(*scrape)
}

const (
	gauge   = "gauge"
	counter = "counter"
	buckets = "histogram"
)

// families is everything that there is to scrape.
var families = []family{
	{"taskhost_build_info", gauge, "The version of the host and of Go; always 1.", func(s *scrape) {
		s.sample(1, "version", s.m.version, "go_version", runtime.Version())
	}},
	{"taskhost_config_generation", gauge, "The number of the configuration that is applied.", func(s *scrape) { s.sample(float64(s.generation)) }},
	{"taskhost_config_last_reload_successful", gauge, "Whether the configuration that was read last could be applied.", func(s *scrape) { s.yes(s.reload.ok) }},
	{"taskhost_config_last_reload_success_timestamp_seconds", gauge, "When a configuration was applied last.", func(s *scrape) { s.when(s.reload.at) }},
	{"taskhost_config_reloads_total", counter, "Configurations that were read, the first one included, by what became of them.", func(s *scrape) {
		s.sample(float64(s.reload.succeeded), "result", "applied")
		s.sample(float64(s.reload.failed), "result", "refused")
	}},

	{"taskhost_task_info", gauge, "What a task is; always 1.", func(s *scrape) {
		for i := range s.tasks {
			if d := s.tasks[i].def; d != nil {
				s.sample(1, "task", d.Name, "plugin", d.Plugin, "type", clean(d.Type), "mode", string(d.Mode))
			}
		}
	}},
	{"taskhost_task_status", gauge, "1 for the state that a task is in, 0 for every other state.", func(s *scrape) {
		for i := range s.tasks {
			for _, state := range task.States {
				s.yes(s.tasks[i].State == state, "task", s.tasks[i].Task, "state", string(state))
			}
		}
	}},
	{"taskhost_task_degraded", gauge, "Whether something is wrong with a task.", perTask(func(v *taskView) float64 { return one(!v.Health.OK) })},
	{"taskhost_task_degraded_reason", gauge, "What is wrong with a task: 1 for each reason there is.", func(s *scrape) {
		for i := range s.tasks {
			reasons(s, &s.tasks[i])
		}
	}},
	{"taskhost_task_paused", gauge, "Whether a task is paused.", perTask(func(v *taskView) float64 { return one(v.Paused != nil) })},
	{"taskhost_task_ready", gauge, "Whether a continuous task does its work.", func(s *scrape) {
		for i := range s.tasks {
			if d := s.tasks[i].def; d != nil && d.Mode == task.Continuous {
				s.yes(s.tasks[i].Ready, "task", d.Name)
			}
		}
	}},
	{"taskhost_task_runs_total", counter, "Runs that have ended, by outcome.", func(s *scrape) {
		for i := range s.tasks {
			s.tasks[i].counts.runs.each(func(o task.Outcome, n float64) { s.sample(n, "task", s.tasks[i].Task, "outcome", string(o)) })
		}
	}},
	{"taskhost_task_run_duration_seconds", buckets, "How long runs took, from the first entry of author code to the end.", func(s *scrape) {
		for i := range s.tasks {
			s.buckets(s.tasks[i].counts.durations, "task", s.tasks[i].Task)
		}
	}},
	{"taskhost_task_live_runs", gauge, "Runs that have not ended, those that wait included.", perTask(func(v *taskView) float64 { return float64(len(v.Running)) })},
	{"taskhost_task_consecutive_failures", gauge, "Runs that have failed since the last success.", perTask(func(v *taskView) float64 { return float64(v.Failures) })},
	{"taskhost_task_restarts_total", counter, "Restarts of a continuous task since its start.", perTask(func(v *taskView) float64 { return float64(v.Restarts) })},
	{"taskhost_task_last_success_timestamp_seconds", gauge, "When a run of the task succeeded last.", func(s *scrape) {
		for i := range s.tasks {
			s.when(s.tasks[i].LastSuccess, "task", s.tasks[i].Task)
		}
	}},
	{"taskhost_task_next_slot_timestamp_seconds", gauge, "The next slot of a periodic task.", func(s *scrape) {
		for i := range s.tasks {
			s.when(s.tasks[i].NextSlot, "task", s.tasks[i].Task)
		}
	}},
	{"taskhost_task_state", gauge, "A number that a task publishes.", func(s *scrape) {
		for i := range s.tasks {
			for _, n := range s.tasks[i].numbers {
				s.sample(n.value, "task", s.tasks[i].Task, "key", n.key)
			}
		}
	}},
	{"taskhost_task_state_omitted", gauge, "Published numbers that have no series, because their task publishes more than 100.", func(s *scrape) { s.sample(float64(s.omitted)) }},

	{"taskhost_schedule_slots_unrun_total", counter, "Slots that did not run, by reason.", func(s *scrape) {
		for i := range s.tasks {
			s.tasks[i].counts.slots.each(func(r task.SlotReason, n float64) { s.sample(n, "task", s.tasks[i].Task, "reason", string(r)) })
		}
	}},
	{"taskhost_schedule_lateness_seconds", buckets, "From the due time of a slot, its jitter included, to the entry of author code.", func(s *scrape) { s.page.buckets(s.m.lateness) }},
	{"taskhost_clock_jumps_total", counter, "Steps of the wall clock by more than 2 s, those while the machine slept included, by direction.", func(s *scrape) {
		s.sample(float64(s.forward), "direction", "forward")
		s.sample(float64(s.backward), "direction", "backward")
	}},
	{"taskhost_run_wait_seconds", buckets, "From the moment that a run was queued to the entry of author code, by trigger.", func(s *scrape) {
		triggers, waits := sorted[task.Trigger, histogram](&s.m.waits, cmp.Compare)
		for i, t := range triggers {
			s.page.buckets(waits[i], "trigger", string(t))
		}
	}},

	{"taskhost_plugin_processes", gauge, "Processes of a task.", perTask(func(v *taskView) float64 { return float64(len(v.Processes)) })},
	{"taskhost_plugin_starts_total", counter, "Launches of processes, by result.", func(s *scrape) {
		for i := range s.tasks {
			s.tasks[i].counts.starts.each(func(r string, n float64) { s.sample(n, "task", s.tasks[i].Task, "result", r) })
		}
	}},
	{"taskhost_plugin_exits_total", counter, "Ends of processes, by reason.", func(s *scrape) {
		for i := range s.tasks {
			s.tasks[i].counts.exits.each(func(r string, n float64) { s.sample(n, "task", s.tasks[i].Task, "reason", r) })
		}
	}},
	{"taskhost_plugin_unresponsive", gauge, "Processes of a task that did not answer when they were asked last.", unresponsive},
	{"taskhost_plugin_cpu_seconds_total", counter, "Processor time of a task's processes when they were looked at last, every 5 s; with their children where they have a cgroup of their own.", perTask(func(v *taskView) float64 { return v.usage.CPU.Seconds() })},
	{"taskhost_plugin_resident_memory_bytes", gauge, "Resident memory of a task's processes when they were looked at last, every 5 s; with their children where they have a cgroup of their own.", perTask(func(v *taskView) float64 { return float64(v.usage.RSS) })},

	{"taskhost_log_lines_total", counter, "Lines of the task's log, by where they came from.", func(s *scrape) {
		for i := range s.tasks {
			s.tasks[i].counts.lines.each(func(stream string, n float64) { s.sample(n, "task", s.tasks[i].Task, "stream", clean(stream)) })
		}
	}},
	{"taskhost_log_dropped_lines_total", counter, "Lines that were dropped: the process wrote faster than it may (rate), or the disk did not keep up (disk).", dropped},

	{"taskhost_queue_messages", gauge, "Messages of a queue: ready, delayed or in_flight.", func(s *scrape) {
		for _, q := range s.queues {
			s.sample(float64(q.Ready), "queue", q.Name, "state", "ready")
			s.sample(float64(q.Delayed), "queue", q.Name, "state", "delayed")
			s.sample(float64(q.InFlight), "queue", q.Name, "state", "in_flight")
		}
	}},
	{"taskhost_queue_max_messages", gauge, "How many messages a queue takes.", perQueue(func(_ *scrape, q *task.QueueStatus) float64 { return float64(q.MaxMessages) })},
	{"taskhost_queue_bytes", gauge, "Bytes of the bodies of a queue's messages.", perQueue(func(_ *scrape, q *task.QueueStatus) float64 { return float64(q.Bytes) })},
	{"taskhost_queue_dead_letters", gauge, "Dead letters of a queue.", perQueue(func(_ *scrape, q *task.QueueStatus) float64 { return float64(q.Dead) })},
	{"taskhost_queue_oldest_message_age_seconds", gauge, "The age of the oldest message; 0 when there is none.", perQueue(func(s *scrape, q *task.QueueStatus) float64 {
		if q.Oldest.IsZero() {
			return 0
		}
		return max(0, s.now.Sub(q.Oldest).Seconds())
	})},
	{"taskhost_queue_posted_total", counter, "Messages that were added.", perQueue(func(_ *scrape, q *task.QueueStatus) float64 { return float64(q.Posted) })},
	{"taskhost_queue_duplicates_total", counter, "Messages that were there already.", perQueue(func(_ *scrape, q *task.QueueStatus) float64 { return float64(q.Duplicate) })},
	{"taskhost_queue_acknowledged_total", counter, "Messages that were handled.", perQueue(func(_ *scrape, q *task.QueueStatus) float64 { return float64(q.Acked) })},
	{"taskhost_queue_failed_deliveries_total", counter, "Deliveries that failed.", perQueue(func(_ *scrape, q *task.QueueStatus) float64 { return float64(q.Failed) })},
	{"taskhost_queue_dead_lettered_total", counter, "Messages that were given up.", perQueue(func(_ *scrape, q *task.QueueStatus) float64 { return float64(q.Buried) })},
	{"taskhost_queue_dropped_total", counter, "Messages that made room in a full queue.", perQueue(func(_ *scrape, q *task.QueueStatus) float64 { return float64(q.Dropped) })},
	{"taskhost_queue_rejected_total", counter, "Messages that a full queue refused.", perQueue(func(_ *scrape, q *task.QueueStatus) float64 { return float64(q.Rejected) })},
	{"taskhost_queue_wait_seconds", buckets, "From the post of a message to the entry of its handler, for its first delivery.", func(s *scrape) {
		for _, q := range s.queues {
			s.page.buckets(s.m.queueWait(q.Name), "queue", q.Name)
		}
	}},

	{"taskhost_store_ready", gauge, "Whether the store takes writes.", func(s *scrape) { s.yes(s.store.Ready) }},
	{"taskhost_store_bytes", gauge, "Size of the store on the disk.", func(s *scrape) { s.sample(float64(s.store.Bytes)) }},
	{"taskhost_store_free_bytes", gauge, "What the file system of the store still takes.", func(s *scrape) { s.sample(float64(s.store.Free)) }},
	{"taskhost_store_commit_duration_seconds", buckets, "How long a transaction took, its sync included.", func(s *scrape) { s.page.buckets(s.m.commits) }},
	{"taskhost_store_commit_writes", buckets, "Writes that one transaction carried.", func(s *scrape) { s.page.buckets(s.m.writes) }},
	{"taskhost_store_errors_total", counter, "Transactions that failed.", func(s *scrape) { s.sample(float64(s.m.storeErrors.Load())) }},

	{"taskhost_http_requests_total", counter, "Requests of the admin API and the ingress, by route.", func(s *scrape) {
		keys, all := sorted[served, requests](&s.m.requests, byRoute)
		for i, k := range keys {
			all[i].codes.each(func(code string, n float64) { s.sample(n, "route", k.route, "method", k.method, "code", code) })
		}
	}},
	{"taskhost_http_request_duration_seconds", buckets, "How long requests took, streams aside.", func(s *scrape) {
		keys, all := sorted[served, requests](&s.m.requests, byRoute)
		for i, k := range keys {
			s.page.buckets(all[i].took, "route", k.route, "method", k.method)
		}
	}},
	{"taskhost_http_connections", gauge, "Connections that an address of the admin API or the ingress holds.", perAddress(func(c *Connections) float64 { return float64(c.Held) })},
	{"taskhost_http_max_connections", gauge, "How many connections an address holds at a time.", perAddress(func(c *Connections) float64 { return float64(c.Most) })},
	{"taskhost_http_connections_cut_total", counter, "Connections that rested and were cut to make room for another one.", perAddress(func(c *Connections) float64 { return float64(c.Cut) })},
	{"taskhost_http_connections_delayed_total", counter, "Connections that came when there was no room, and waited for it.", perAddress(func(c *Connections) float64 { return float64(c.Delayed) })},
	{"taskhost_event_readers", gauge, "Readers of events, those in the host included.", func(s *scrape) { s.sample(float64(s.readers)) }},
	{"taskhost_event_readers_cut_total", counter, "Readers that fell behind and were cut.", func(s *scrape) { s.sample(float64(s.cut)) }},

	{"go_goroutines", gauge, "Goroutines of the host.", func(s *scrape) { s.sample(float64(s.self.goroutines)) }},
	{"go_gc_cycles_total", counter, "Garbage collections.", func(s *scrape) { s.sample(s.self.runtime[gcCycles]) }},
	{"go_gc_cpu_seconds_total", counter, "Processor time of garbage collections, as the runtime estimates it.", func(s *scrape) { s.sample(s.self.runtime[gcTime]) }},
	{"go_memstats_heap_alloc_bytes", gauge, "Bytes of objects on the heap.", func(s *scrape) { s.sample(s.self.runtime[heapObjects]) }},
	{"go_memstats_alloc_bytes_total", counter, "Bytes that were allocated.", func(s *scrape) { s.sample(s.self.runtime[allocated]) }},
	{"go_memory_bytes", gauge, "Memory that the runtime holds, without what it has given back.", func(s *scrape) { s.sample(s.self.runtime[heapAll] - s.self.runtime[heapReleased]) }},
	{"process_cpu_seconds_total", counter, "Processor time of the host.", func(s *scrape) {
		if s.self.known {
			s.sample(s.self.usage.CPU.Seconds())
		}
	}},
	{"process_resident_memory_bytes", gauge, "Resident memory of the host.", func(s *scrape) {
		if s.self.known {
			s.sample(float64(s.self.usage.RSS))
		}
	}},
	{"process_open_fds", gauge, "Descriptors that the host has open.", func(s *scrape) {
		if s.self.counted {
			s.sample(float64(s.self.open))
		}
	}},
	{"process_max_fds", gauge, "Descriptors that the host may have open.", func(s *scrape) {
		if s.self.counted {
			s.sample(float64(s.self.most))
		}
	}},
	{"process_start_time_seconds", gauge, "When the host began.", func(s *scrape) { s.when(begun) }},
}

func perTask(value func(*taskView) float64) func(*scrape) {
	return func(s *scrape) {
		for i := range s.tasks {
			s.sample(value(&s.tasks[i]), "task", s.tasks[i].Task)
		}
	}
}

func perQueue(value func(*scrape, *task.QueueStatus) float64) func(*scrape) {
	return func(s *scrape) {
		for i := range s.queues {
			s.sample(value(s, &s.queues[i]), "queue", s.queues[i].Name)
		}
	}
}

func perAddress(value func(*Connections) float64) func(*scrape) {
	return func(s *scrape) {
		for i := range s.connections {
			c := &s.connections[i]
			s.sample(value(c), "listener", c.Listener, "address", clean(c.Address))
		}
	}
}

// reasons writes each reason of a task once.
func reasons(s *scrape, v *taskView) {
	for i, r := range v.Health.Reasons {
		first := true
		for _, before := range v.Health.Reasons[:i] {
			first = first && before.Code != r.Code
		}
		if first {
			s.sample(1, "task", v.Task, "reason", clean(r.Code))
		}
	}
}

func dropped(s *scrape) {
	for i := range s.tasks {
		v := &s.tasks[i]
		if n := v.counts.dropped.Load(); n > 0 {
			s.sample(float64(n), "task", v.Task, "reason", "rate")
		}
		if n := s.m.sources.LogsDropped(v.Task); n > 0 {
			s.sample(float64(n), "task", v.Task, "reason", "disk")
		}
	}
}

// unresponsive counts those of a task's processes that do not answer.
func unresponsive(s *scrape) {
	for i := range s.tasks {
		n := 0
		for _, p := range s.tasks[i].Processes {
			if s.unresponsive[p.PID] {
				n++
			}
		}
		s.sample(float64(n), "task", s.tasks[i].Task)
	}
}

func one(v bool) float64 {
	if v {
		return 1
	}
	return 0
}

// Family is one row of the table, for the reference and for checks of dashboards.
type Family struct{ Name, Kind, Help string }

// Families lists everything that there is to scrape, in its order.
func Families() []Family {
	out := make([]Family, len(families))
	for i, f := range families {
		out[i] = Family{f.name, f.kind, f.help}
	}
	return out
}
