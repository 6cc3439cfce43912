package config

// The part of the language that is about telling others, see grammar.go.
var (
	selectAttrs = []attribute{
		{"tasks", kindTexts, "all", "Names of tasks; * and ? stand for what may differ, as in check.*."},
		{"labels", kindTextMap, "{}", "Labels that a task must have, too."},
	}

	templateDoc = "a template of Go's text/template over the message, see the guide."

	notifyShape = &shape{
		name: "notify", label: "name", repeat: true, doc: "Tells somebody outside when tasks fail, are degraded and recover: once, when that changes. Exactly one of webhook, email and exec is given.",
		attrs: append([]attribute{
			{"on", kindTexts, `["failed", "degraded", "recovered"]`, "What is told. failed: runs fail, each after its last attempt; runs that were interrupted or cancelled never count. degraded: an alarm or alert is on. recovered: the end of what on names beside it."},
			{"after", kindInt, "1", "Runs of a task in a row that must fail."},
			{"recover_after", kindInt, "1", "Runs in a row that must succeed before a task that failed has recovered."},
			{"group_wait", kindDuration, "10s", "How long the first change waits for others, which then come in one message; at most 1h."},
			{"repeat", kindDuration, "never", "How often what lasts is told again; at least 1m."},
		}, selectAttrs...),
		blocks: []*shape{
			{
				name: "webhook", doc: "Posts each message to a URL. Any answer 2xx is success.",
				attrs: []attribute{
					{"url", kindText, "", "http or https; it may be a secret. Redirects are not followed."},
					{"headers", kindTextMap, "{}", "Of the request; they may be secrets."},
					{"secret", kindText, "no signature", "Signs the body as Standard Webhooks have it: Webhook-Signature is the HMAC-SHA256 of id.timestamp.body. A secret that begins with whsec_ is base64."},
					{"template", kindText, "the message as JSON", "Of the body: " + templateDoc},
					{"timeout", kindDuration, "10s", "Of one try, at most 10m."},
				},
			},
			{
				name: "email", doc: "Sends each message by SMTP.",
				attrs: []attribute{
					{"server", kindText, "", `The mail server and its port, such as "mail.example.org:587".`},
					{"tls", kindText, "starttls", "How the connection is protected: starttls, tls, none."},
					{"user", kindText, "no login", "Of the mail server; it may be a secret."},
					{"password", kindText, "", "With user; it may be a secret."},
					{"from", kindText, "", "The sender's address."},
					{"to", kindTextList, "", "The receivers' addresses."},
					{"subject", kindText, "the host and the summary", "Of the mail: " + templateDoc},
					{"template", kindText, "a list of what changed", "Of the text: " + templateDoc},
					{"timeout", kindDuration, "30s", "Of one try, at most 10m."},
				},
			},
			{
				name: "exec", doc: "Runs a command for each message, which it gets on its standard input. Exit 0 is success. It runs in a session of its own, whose processes are all ended with it.",
				attrs: []attribute{
					{"command", kindTexts, "", "The program and its arguments. A path with a slash is relative to the file."},
					{"env", kindTextMap, "{}", "Its environment beside PATH, HOME and TASKHOST_NOTIFIER, _MESSAGE, _KIND, _REPEAT, _ATTEMPT, _SUMMARY and _TASKS."},
					{"template", kindText, "the message as JSON", "Of the input: " + templateDoc},
					{"timeout", kindDuration, "30s", "Then it is killed; at most 10m."},
				},
			},
		},
	}

	alertShape = &shape{
		name: "alert", label: "name", repeat: true, doc: "Degrades tasks while a condition holds over what they publish and how their last run ended. It is judged when a value that it reads is published, and when a run ends.",
		attrs: append([]attribute{
			{"when", kindCondition, "", "The condition, over state.KEY (published values), run.outcome, run.duration_s and run.error (the run that ended last), task (the name), var and local. Where a value is not there it does not hold."},
			{"for", kindAny, "1", "A number: how often in a row it holds before it is an alert, and does not before that ends. A duration: how long it holds without a break; the alert then ends at once."},
			{"severity", kindText, "none", "A word that is put in front of the text."},
			{"text", kindText, "the condition and its values", "What is told: a template over .Alert, .Task, .Severity, .Condition, .State.KEY, .Run.Outcome, .Run.Duration and .Run.Error."},
		}, selectAttrs...),
	}

	heartbeatShape = &shape{
		name: "heartbeat", label: "name", repeat: true, doc: "Asks for a URL again and again, so that a watcher outside notices when the host is gone. It stops, too, when the scheduler does not get on or the store takes no writes.",
		attrs: append([]attribute{
			{"url", kindText, "", "http or https; it may be a secret."},
			{"method", kindText, "GET", "One of GET, HEAD, POST."},
			{"every", kindDuration, "1m", "How often; at least 1s."},
			{"timeout", kindDuration, "10s, at most every", "Of one request, at most 1m."},
			{"when", kindText, "alive", "alive: as long as the host works. healthy: only while no task that tasks and labels choose is degraded."},
			{"on_success", kindTexts, "[]", "Names of tasks: one request after every run of them that succeeded, in place of every."},
		}, selectAttrs...),
	}
)
