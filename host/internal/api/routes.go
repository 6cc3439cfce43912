package api

import "strings"

// A route is one row of the table: what the API can do, and who may ask for it.
type route struct {
	method string
	path   string
	role   Role
	params string // names of the query parameters, separated by blanks; "label.*" is any label
	stream bool   // the answer may be a stream
	serve  func(*API, *request) (any, error)
}

func (r route) pattern() string { return r.method + " " + r.path }

func (r route) takes(param string) bool {
	for name := range strings.FieldsSeq(r.params) {
		if name == param || name == "label.*" && strings.HasPrefix(param, "label.") {
			return true
		}
	}
	return false
}

// routes is the whole admin API.
var routes = []route{
	{"GET", "/healthz", Anyone, "", false, (*API).healthz},
	{"GET", "/readyz", Anyone, "verbose", false, (*API).readyz},
	{"GET", "/metrics", Viewer, "", false, (*API).metrics},
	{"GET", "/debug/pprof", Admin, "", false, (*API).listProfiles},
	{"GET", "/debug/pprof/{profile}", Admin, "seconds debug gc", true, (*API).profile},
	{"GET", "/v1/openapi.json", Viewer, "", false, (*API).openapiJSON},
	{"GET", "/v1/openapi.yaml", Viewer, "", false, (*API).openapiYAML},
	{"GET", "/v1/whoami", Viewer, "", false, (*API).whoami},

	{"GET", "/v1/tasks", Viewer, "state label.* plugin name degraded limit cursor", false, (*API).listTasks},
	{"GET", "/v1/tasks/{task}", Viewer, "wait until", false, (*API).getTask},
	{"GET", "/v1/tasks/{task}/state", Viewer, "", false, (*API).getState},
	{"GET", "/v1/tasks/{task}/logs", Viewer, "follow tail since level grep run after cursor", true, (*API).taskLogs},
	{"GET", "/v1/tasks/{task}/schedule", Viewer, "from to limit", false, (*API).taskSchedule},
	{"GET", "/v1/tasks/{task}/slots", Viewer, "since limit cursor", false, (*API).taskSlots},
	{"GET", "/v1/tasks/{task}/runs", Viewer, "outcome trigger state since until limit cursor", false, (*API).taskRuns},
	{"POST", "/v1/tasks/{task}/runs", Operator, "wait", false, (*API).startRun},
	{"POST", "/v1/tasks/{task}/start", Operator, "wait", false, (*API).startTask},
	{"POST", "/v1/tasks/{task}/stop", Operator, "wait", false, (*API).stopTask},
	{"POST", "/v1/tasks/{task}/cancel", Operator, "wait", false, (*API).cancelTask},
	{"POST", "/v1/tasks/{task}/restart", Operator, "wait", false, (*API).restartTask},
	{"POST", "/v1/tasks/{task}/pause", Operator, "wait", false, (*API).pauseTask},
	{"POST", "/v1/tasks/{task}/resume", Operator, "wait", false, (*API).resumeTask},
	{"POST", "/v1/tasks/{task}/backfill", Operator, "wait", false, (*API).backfill},
	{"POST", "/v1/tasks/{task}/methods/{method}", Operator, "timeout", false, (*API).callMethod},
	{"GET", "/v1/tasks/{task}/checkpoint", Viewer, "", false, (*API).getCheckpoint},
	{"GET", "/v1/tasks/{task}/checkpoint/{key}", Viewer, "", false, (*API).getCheckpointValue},
	{"PUT", "/v1/tasks/{task}/checkpoint/{key}", Operator, "force", false, (*API).putCheckpointValue},
	{"DELETE", "/v1/tasks/{task}/checkpoint/{key}", Operator, "force", false, (*API).deleteCheckpointValue},
	{"GET", "/v1/tasks/{task}/overrides", Viewer, "", false, (*API).taskOverrides},
	{"DELETE", "/v1/tasks/{task}/overrides", Operator, "", false, (*API).dropOverrides},

	{"GET", "/v1/runs", Viewer, "task label.* outcome trigger state since until limit cursor", false, (*API).listRuns},
	{"GET", "/v1/runs/{run}", Viewer, "wait until", false, (*API).getRun},
	{"PATCH", "/v1/runs/{run}", Operator, "", false, (*API).patchRun},
	{"GET", "/v1/runs/{run}/logs", Viewer, "follow tail since level grep after cursor", true, (*API).runLogs},
	{"POST", "/v1/runs/{run}/cancel", Operator, "wait", false, (*API).cancelRun},
	{"POST", "/v1/runs/{run}/retry", Operator, "wait", false, (*API).retryRun},

	{"GET", "/v1/queues", Viewer, "", false, (*API).listQueues},
	{"GET", "/v1/queues/{queue}", Viewer, "", false, (*API).getQueue},
	{"GET", "/v1/queues/{queue}/messages", Viewer, "limit cursor", false, (*API).peek},
	{"POST", "/v1/queues/{queue}/messages", Producer, "key wait", false, (*API).postMessage},
	{"POST", "/v1/queues/{queue}/messages/batch", Producer, "envelope wait", false, (*API).postBatch},
	{"GET", "/v1/queues/{queue}/dead-letters", Viewer, "limit cursor", false, (*API).deadLetters},
	{"GET", "/v1/queues/{queue}/dead-letters/{id}", Viewer, "", false, (*API).getDeadLetter},
	{"POST", "/v1/queues/{queue}/redrive", Operator, "", false, (*API).redrive},
	{"POST", "/v1/queues/{queue}/purge", Admin, "", false, (*API).purge},

	{"POST", "/v1/actions", Operator, "wait", false, (*API).act},
	{"GET", "/v1/schedule", Viewer, "from to limit", false, (*API).schedule},
	{"GET", "/v1/groups", Viewer, "", false, (*API).groups},
	{"GET", "/v1/plugins", Viewer, "", false, (*API).listPlugins},
	{"GET", "/v1/plugins/{plugin}", Viewer, "", false, (*API).getPlugin},
	{"GET", "/v1/notifiers", Viewer, "", false, (*API).listNotifiers},
	{"POST", "/v1/notifiers/{notifier}/test", Operator, "timeout", false, (*API).testNotifier},
	{"GET", "/v1/overrides", Viewer, "", false, (*API).overrides},
	{"GET", "/v1/events", Viewer, "topic task since follow last_event_id", true, (*API).events},

	{"GET", "/v1/tokens", Admin, "", false, (*API).listTokens},
	{"POST", "/v1/tokens", Admin, "", false, (*API).createToken},
	{"DELETE", "/v1/tokens/{token}", Admin, "", false, (*API).revokeToken},
	{"GET", "/v1/audit", Admin, "actor task queue since limit cursor", false, (*API).listAudit},

	{"GET", "/v1/config", Viewer, "", false, (*API).getConfig},
	{"POST", "/v1/config/plan", Operator, "", false, (*API).planConfig},
	{"POST", "/v1/config/apply", Admin, "", false, (*API).applyConfig},
	{"POST", "/v1/config/rollback", Admin, "", false, (*API).rollbackConfig},
	{"GET", "/v1/config/generations", Viewer, "", false, (*API).listGenerations},
	{"GET", "/v1/config/generations/{generation}", Viewer, "", false, (*API).getGeneration},
	{"GET", "/v1/config/generations/{generation}/diff", Viewer, "to", false, (*API).diffGenerations},

	{"GET", "/v1/host", Viewer, "", false, (*API).getHost},
	{"POST", "/v1/host/pause", Admin, "", false, (*API).pauseHost},
	{"POST", "/v1/host/resume", Admin, "", false, (*API).resumeHost},
	{"POST", "/v1/host/drain", Admin, "wait", false, (*API).drainHost},
	{"POST", "/v1/host/shutdown", Admin, "", false, (*API).shutdownHost},
}

// Patterns lists the routes as "METHOD /path/{placeholder}", for tests and the reference.
func Patterns() []string {
	var all []string
	for _, r := range routes {
		all = append(all, r.pattern())
	}
	return all
}
