package config

import (
	"slices"
)

// The language, block by block. The decoder reads nothing that is not in here.
var (
	keepShape = &shape{
		name: "keep", doc: "How much is remembered of a task. In host, the default of every task.",
		attrs: []attribute{
			{"succeeded", kindInt, "1000", "Runs that succeeded."},
			{"failed", kindInt, "1000", "Runs that did not."},
			{"slots", kindInt, "1000", "Records of slots that did not run."},
			{"age", kindDuration, "30d", "Older records are forgotten, except the last of each kind."},
			{"logs", kindSize, "16MiB", "Size of the task's log files together."},
		},
	}

	retryShape = &shape{
		name: "retry", doc: "Further attempts of a run that failed. Periodic and on-demand tasks only; queue.redeliver is for messages.",
		attrs: []attribute{
			{"attempts", kindInt, "1", "All tries, the first included."},
			{"backoff", kindDuration, "1s", "Before the second try; doubles with each further one."},
			{"max_backoff", kindDuration, "1m", "The longest that backoff grows to."},
			{"on", kindTexts, "every class but permanent, unhealthy and config", "Classes of errors after which another try is made: error, permanent, retry, unhealthy, panic, crash, timeout, launch, config, watchdog."},
		},
	}

	stopShape = &shape{
		name: "stop", doc: "The ladder of a stop, one attribute per stage, named after it. The kill stage has 2 s.",
		attrs: []attribute{
			{"drain", kindDuration, "10s", "For finishing what is at work, before the context is cancelled."},
			{"cancel", kindDuration, "5s", "For returning after the context was cancelled, before the process tree is killed."},
		},
	}

	limitsShape = &shape{
		name: "limits", doc: "What each plugin process with all that it starts may take. A task's limits win over its plugin's. What enforces each is in the task's status.",
		attrs: []attribute{
			{"memory", kindSize, "no bound", "By a cgroup where the host has one, which counts the whole tree; otherwise each process's own data (RLIMIT_DATA). At least 16MiB."},
			{"cpu", kindNumber, "no bound", "Processors: 0.5 is half of one. Needs a cgroup."},
			{"pids", kindInt, "no bound", "Processes and threads, at least 16. Needs a cgroup."},
			{"files", kindInt, "the host's", "Open files of each process, at least 32."},
		},
	}

	catchUpShape = &shape{
		name: "catch_up", doc: "What happens to slots that passed while the host could not run them.",
		attrs: []attribute{
			{"policy", kindText, "latest with cron, none with every", "One of none, latest, all."},
			{"window", kindDuration, "half the distance to the next slot, at most 12h", "Older slots are recorded as missed."},
			{"max", kindInt, "10", "With policy all: how many runs at most."},
		},
	}

	alarmShape = &shape{
		name: "alarm", doc: "From when on a task is degraded although it may be at work. 0 and false switch an alarm off. What counts in a row ends after as many in a row that were well.",
		attrs: []attribute{
			{"failing", kindInt, "1", "Runs in a row that failed, each after its last attempt."},
			{"overlap", kindInt, "3", "Periodic tasks: slots in a row that overlap skipped."},
			{"missed", kindInt, "1", "Periodic tasks: slots in a row that the host could not run. Those of a time in which it was down count where catch_up has a policy other than none."},
			{"late", kindInt, "3", "Periodic tasks: slots in a row that began later than late_by."},
			{"late_by", kindDuration, "half a period, at least 1s, at most 30s", "See late. It counts from the slot with its jitter until the plugin's code is entered."},
			{"no_success", kindDuration, "periodic tasks: three periods, at least 1h; otherwise off", "The longest time without a run that succeeded, whether they failed or none began; while the task is neither stopped nor paused; 0s is off. Not for continuous tasks."},
			{"dead_letters", kindInt, "1", "Tasks with consume: dead letters in the queue."},
			{"stuck", kindBool, "true", "A run takes longer than stuck_after. Not for continuous tasks."},
			{"crash_loop", kindBool, "true", "Continuous tasks: they keep failing, see restart."},
		},
	}

	periodicShape = &shape{
		name: "periodic", doc: "A run for every slot of a schedule. Exactly one of every, after and cron is given.",
		attrs: []attribute{
			{"every", kindDuration, "", "Fixed rate on a grid from the epoch, never drifting."},
			{"after", kindDuration, "", "Fixed delay from the end of the last run; 0s is legal."},
			{"cron", kindTextList, "", "Five fields (names, ranges, steps, lists) or @hourly … @yearly; day-of-month OR day-of-week as crontab has it."},
			{"offset", kindDuration, "from a hash of the task's name", "With every: the phase of the grid."},
			{"time_zone", kindText, "host.time_zone", "With cron: an IANA name."},
			{"jitter", kindDuration, "0s", "Each run begins up to this much after its slot."},
			{"overlap", kindText, "skip", "A slot that is due while a run is going: skip, queue, cancel_running, allow."},
			{"max_parallel", kindInt, "10", "With overlap allow: runs side by side, a process each."},
			{"run_on_start", kindBool, "false", "A run at once when the task starts."},
		},
		blocks: []*shape{catchUpShape},
	}

	continuousShape = &shape{
		name: "continuous", doc: "One run that is kept going.",
		attrs: []attribute{
			{"pause", kindDuration, "0s", "Between the steps, for types that are called step by step."},
		},
		blocks: []*shape{
			{
				name: "restart", doc: "What happens when the run has ended.",
				attrs: []attribute{
					{"policy", kindText, "on_failure", "One of on_failure, always, never."},
					{"backoff", kindDuration, "1s", "Before the first restart; doubles with each failure."},
					{"max_backoff", kindDuration, "1m", "The longest that backoff grows to."},
					{"reset_after", kindDuration, "1m", "This much health forgets earlier failures."},
					{"max_failures", kindInt, "5", "More than this many within window is a crash loop."},
					{"window", kindDuration, "10m", "See max_failures."},
				},
			},
			{
				name: "ready", doc: "Bounds the time in which the task must become ready, which its type then has to say by calling Ready.",
				attrs: []attribute{
					{"timeout", kindDuration, "no bound", "After it, the task is stopped and restarted as after a failure."},
				},
			},
			{
				name: "watchdog", doc: "Expects signs of life: beats, progress, published values, commits.",
				attrs: []attribute{
					{"timeout", kindDuration, "off", "The longest silence."},
					{"action", kindText, "restart", "One of restart, alarm."},
				},
			},
		},
	}

	onDemandShape = &shape{name: "on_demand", doc: "Runs only when asked, or after another task's run."}

	// commonAttrs and commonBlocks may stand in a task and in defaults.
	commonAttrs = []attribute{
		{"plugin", kindText, "", "The plugin that serves the task."},
		{"type", kindText, "the only type that fits", "Which of the plugin's types. May be left out when only one serves the mode and handles messages (one by one, or in batches) as the task does."},
		{"labels", kindTextMap, "{}", "For selecting tasks."},
		{"enabled", kindBool, "true", "false: the task is stopped until somebody starts it."},
		{"user", kindText, "the host's", "The account under which the plugin process runs: its name, or its number."},
		{"group", kindText, "the user's own", "The account's group, in the place of its own. Not to be confused with groups, which bound runs."},
		{"env", kindTextMap, "{}", "Environment of the plugin process, beside a short allow-list; null leaves a name out."},
		{"timeout", kindDuration, "none", "Of one attempt; the ladder then begins at cancel. With consume: of one message, or one batch."},
		{"max_timeout", kindDuration, "no bound", "How far a run, or the handler of a message, may extend its timeout. It bounds the extensions of a drain, too; without it a drain is extended to an hour at most."},
		{"stuck_after", kindDuration, "three periods, at least 10m", "A run that takes longer raises an alarm. Not for continuous tasks."},
		{"process", kindText, "auto", "How long a process lives, and for whom: auto, task (always resident), run (one per run), shared (one for the instances of the block)."},
		{"max_per_process", kindInt, "500", "With process shared: how many instances one process serves."},
		{"idle", kindDuration, "1m", "With process auto: how near the next slot keeps a process resident."},
		{"start_timeout", kindDuration, "1m", "Launch, handshake and opening together."},
		{"on_interrupt", kindText, "resume when the run saved values of its own, otherwise drop", "What becomes of a run that was stopped before its work was done: resume, drop."},
		{"groups", kindTexts, "[]", "The groups whose bounds the runs count in; with consume, the messages instead. Not for continuous tasks without consume."},
		{"depends_on", kindTextMap, "{}", "Other tasks (an instance, or a block for all of its instances) and what to wait for before the first start: started, ready, completed, succeeded."},
	}
	commonBlocks = []*shape{periodicShape, continuousShape, onDemandShape, retryShape, stopShape, alarmShape, keepShape, limitsShape}

	taskShape = &shape{
		name: "task", label: "name", repeat: true, doc: "A task. Exactly one of periodic, continuous and on_demand is given; after_run alone implies on_demand.",
		attrs: slices.Concat([]attribute{
			{"description", kindText, "", "One line for people."},
			{"for_each", kindAny, "", "A map or a set of strings: one instance per element, named task.key; each.key and each.value hold the element."},
			{"instances", kindInt, "", "That many instances, named task.1, task.2, …; each.key holds the number."},
		}, commonAttrs),
		blocks: slices.Concat(commonBlocks, []*shape{
			{
				name: "after_run", label: "task", repeat: true, doc: "One run for every run of the named task (or of an instance of the named block) that ended so.",
				attrs: []attribute{
					{"outcome", kindTexts, `["succeeded"]`, "Any of succeeded, failed, timed_out, cancelled, interrupted, lost, skipped."},
				},
			},
			{
				name: "consume", label: "queue", doc: "Makes a continuous task handle the messages of the queue, by a type that handles messages. Tasks and instances that consume one queue compete for its messages.",
				attrs: []attribute{
					{"concurrency", kindInt, "1", "Messages at work at a time in each instance, at most 1000; with batch: batches."},
					{"rate", kindRate, "no bound", `Messages per time, such as "50/s" or "10/30s".`},
					{"order_by", kindText, "no order", `A field of the message, or "@key" for the key that its producer gave: of the messages with one value, one is at work at a time, in the order of the queue. All consumers of a queue order alike. Not with batch.`},
				},
				blocks: []*shape{{
					name: "batch", doc: "For types that handle messages in batches, which have the defaults without it.",
					attrs: []attribute{
						{"size", kindInt, "100", "Messages in one batch at most, up to 1000."},
						{"wait", kindDuration, "1s", "How long the first message of a batch waits for others."},
					},
				}},
			},
			{
				name: "output", label: "name", repeat: true, doc: "Wires an output of the task's type to a queue. Every output of the type is wired.",
				attrs: []attribute{
					{"queue", kindText, "", "The queue that its messages go to."},
				},
			},
			{name: "config", free: true, doc: "What the plugin's type takes, by the schema that the plugin publishes; dynamic blocks may stand in it."},
		}),
	}

	defaultsShape = &shape{
		name: "defaults", doc: "Attributes and blocks of every task. A task's own value wins; blocks merge by attribute. A mode block gives values to the tasks that have this mode.",
		attrs: commonAttrs, blocks: commonBlocks,
	}

	hostShape = &shape{
		name: "host", doc: "The host itself.",
		attrs: []attribute{
			{"data_dir", kindText, "data", "Where everything lies that must be kept."},
			{"plugin_dir", kindText, "plugins", "Where plugins are found by name."},
			{"require_checksums", kindBool, "a warning", "true: a plugin that neither sha256 nor the lock file pins is refused; false: nothing is said of it."},
			{"time_zone", kindText, "UTC", "Of every cron that names none."},
			{"cgroup", kindText, "what the service manager has delegated", "A cgroup (version 2) below which each process gets one of its own; the host must be able to write it."},
			{"shutdown_timeout", kindDuration, "the longest ladder", "How long a graceful stop of the host may take."},
			{"max_frame", kindSize, "1MiB", "The largest message between host and plugin."},
		},
		blocks: []*shape{
			{
				name: "admin", doc: "The admin API.",
				attrs: []attribute{
					{"listen", kindTexts, `["unix:<data_dir>/admin.sock"]`, `Addresses: "unix:path" or "127.0.0.1:port". TCP takes a token; addresses that are not loopback need tls.`},
					rateAttr("2000/s"),
					connectionsAttr,
					{"socket_users", kindTextMap, "{}", `Accounts that may use the Unix sockets beside the host's own and root, and in which role: { alice = "operator" }. Linux only.`},
				},
				blocks: []*shape{tlsShape},
			},
			{
				name: "ingress", doc: "A listener that takes messages for queues with ingress = true, and serves nothing else.",
				attrs: []attribute{
					{"listen", kindTexts, "", `Addresses: "127.0.0.1:port" or "unix:path". Addresses that are not loopback need tls.`},
					rateAttr("20000/s"),
					connectionsAttr,
				},
				blocks: []*shape{tlsShape},
			},
			auditShape,
			{
				name: "log", doc: "The host's own log.",
				attrs: []attribute{
					{"level", kindText, "info", "One of trace, debug, info, warn, error."},
					{"format", kindText, "text", "One of text, json."},
				},
			},
			keepShape,
			{
				name: "keep_total", doc: "The cap over all tasks.",
				attrs: []attribute{
					{"runs", kindInt, "1000000", "Run records."},
					{"disk", kindSize, "10GiB", "Bytes of run records, with their inputs and results."},
				},
			},
		},
	}

	queueShape = &shape{
		name: "queue", label: "name", repeat: true, doc: "A durable, bounded list of messages: from HTTP to a task, or between tasks.",
		attrs: []attribute{
			{"description", kindText, "", "One line for people."},
			{"max_messages", kindInt, "10000", "Messages that wait or are at work, at most 10000000."},
			{"max_bytes", kindSize, "256MiB", "Of their bodies together."},
			{"max_deliveries", kindInt, "5", "A message whose handler failed that often is a dead letter; at most 1000."},
			{"max_age", kindDuration, "no bound", "A message that waits longer is a dead letter."},
			{"overflow", kindText, "reject", "What happens to a message for a full queue: reject; drop_oldest, which never takes one that is at work; block, its producer waits."},
			{"ids_for", kindDuration, "1h", "How long the ids that producers give to messages are remembered, so that one which comes again is not added again."},
			{"ingress", kindBool, "false", "true: host.ingress takes messages for it."},
		},
		blocks: []*shape{
			{
				name: "redeliver", doc: "When a message whose handler failed is handed out again.",
				attrs: []attribute{
					{"backoff", kindDuration, "1s", "After the first failure; doubles with each further one."},
					{"max_backoff", kindDuration, "5m", "The longest that backoff grows to."},
				},
			},
			{
				name: "dead_letters", doc: "How much is kept of the messages that were given up. The oldest are forgotten first.",
				attrs: []attribute{
					{"max", kindInt, "10000", "Dead letters, at most 10000000."},
					{"age", kindDuration, "30d", "Older ones are forgotten."},
				},
			},
		},
	}

	groupShape = &shape{
		name: "group", label: "name", repeat: true, doc: "One FIFO gate over the runs of its members, and over the messages of members that consume a queue.",
		attrs: []attribute{
			{"max", kindInt, "no bound", "Runs and messages at work at a time."},
			{"rate", kindRate, "no bound", `Starts per time, such as "300/m" or "10/30s".`},
			{"burst", kindInt, "the number in rate", "Starts that may follow each other at once."},
		},
	}

	pluginShape = &shape{
		name: "plugin", label: "name", repeat: true, doc: "Says more of a plugin than its name; a plugin in plugin_dir needs no block.",
		attrs: []attribute{
			{"path", kindText, "<plugin_dir>/<name>", "The binary."},
			{"sha256", kindText, "any", "The digest that the binary must have, in hex."},
			{"env", kindTextMap, "{}", "Environment of all its processes; a task's env wins."},
		},
		blocks: []*shape{limitsShape},
	}

	movedShape = &shape{
		name: "moved", repeat: true, doc: "A task that has another name now: its history, overrides, checkpoint, state and log go on under the new one. A block name stands for all its instances. The block may stay; once the task has moved it does nothing.",
		attrs: []attribute{
			{"from", kindText, "", "The name that it had, of a task or a block that is declared no more."},
			{"to", kindText, "", "The name that it has."},
		},
	}

	variableShape = &shape{
		name: "variable", label: "name", repeat: true, doc: "A value from outside: -var, -var-file, TASKHOST_VAR_name.",
		attrs: []attribute{
			{"description", kindText, "", "One line for people."},
			{"type", kindType, "any", "string, number, bool, list(…), set(…), map(…), object({…}), tuple([…]), any."},
			{"default", kindAny, "none: a value must be given", "A constant."},
			{"sensitive", kindBool, "false", "The value is shown nowhere."},
		},
		blocks: []*shape{{
			name: "validation", repeat: true, doc: "A condition that the value must meet.",
			attrs: []attribute{
				{"condition", kindCondition, "", "An expression over var.name."},
				{"error_message", kindText, "", "What to say when it is false."},
			},
		}},
	}

	rootShape = &shape{
		blocks: []*shape{
			variableShape,
			{name: "locals", repeat: true, free: true, doc: "Names for expressions, used as local.name. They may use each other in any order."},
			hostShape, defaultsShape, pluginShape, queueShape, groupShape, taskShape, movedShape, notifyShape, alertShape, heartbeatShape,
		},
	}
)
