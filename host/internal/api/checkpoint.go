package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
)

func checkpointOf(c task.Checkpoint) admin.CheckpointValue {
	return admin.CheckpointValue{Value: c.Value, Version: c.Version, At: admin.At(c.At), Run: c.Run}
}

func (a *API) getCheckpoint(r *request) (any, error) {
	d, err := a.definition(r)
	if err != nil {
		return nil, err
	}
	values, err := a.Library.Checkpoints(r.Context(), d.Name)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint of %q: %w", d.Name, err)
	}
	out := admin.Checkpoint{Task: d.Name, Values: map[string]admin.CheckpointValue{}}
	for k, c := range values {
		out.Values[k] = checkpointOf(c)
	}
	return out, nil
}

// checkpoint is the value that the route names.
func (a *API) checkpoint(r *request) (task.Definition, task.Checkpoint, error) {
	d, err := a.definition(r)
	if err != nil {
		return d, task.Checkpoint{}, err
	}
	values, err := a.Library.Checkpoints(r.Context(), d.Name)
	if err != nil {
		return d, task.Checkpoint{}, fmt.Errorf("read the checkpoint of %q: %w", d.Name, err)
	}
	key := r.PathValue("key")
	c, ok := values[key]
	if !ok {
		return d, c, unknown("key_unknown", "checkpoint key", short(key), "taskhost task checkpoint "+d.Name+" lists the keys", slices.Collect(maps.Keys(values)))
	}
	return d, c, nil
}

func tagged(c task.Checkpoint) answer {
	return answer{status: 200, body: checkpointOf(c), header: map[string]string{"ETag": strconv.Quote(strconv.FormatUint(c.Version, 10))}}
}

func (a *API) getCheckpointValue(r *request) (any, error) {
	_, c, err := a.checkpoint(r)
	if err != nil {
		return nil, err
	}
	return tagged(c), nil
}

func (a *API) putCheckpointValue(r *request) (any, error) {
	d, err := a.definition(r)
	if err != nil {
		return nil, err
	}
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	if body == nil {
		return nil, refuse("body_invalid", "the body is empty").with("send the value itself as JSON")
	}
	return a.setCheckpoint(r, d, body)
}

func (a *API) deleteCheckpointValue(r *request) (any, error) {
	d, _, err := a.checkpoint(r)
	if err != nil {
		return nil, err
	}
	if _, err := a.setCheckpoint(r, d, nil); err != nil {
		return nil, err
	}
	return nil, nil
}

// setCheckpoint writes one value, or deletes it. A live run would go on from the old value and
// overwrite the new one, so while there is one only force does it.
func (a *API) setCheckpoint(r *request, d task.Definition, value json.RawMessage) (any, error) {
	force, err := r.flag("force")
	if err != nil {
		return nil, err
	}
	if live := a.status(d.Name).Running; len(live) > 0 && !force {
		return nil, refuse("run_live", "run %s of %q goes on and may overwrite the value", live[0].ID, d.Name).
			with("stop the task first, or add ?force=true").of(d.Name, live[0].ID)
	}
	version, err := ifMatch(r.Header.Get("If-Match"))
	if err != nil {
		return nil, err
	}
	c, err := a.Library.SetCheckpoint(r.Context(), d.Name, r.PathValue("key"), value, version)
	if err != nil {
		return nil, err
	}
	a.Log.Info("checkpoint written", "task", d.Name, "key", r.PathValue("key"), "by", r.who.Name, "deleted", value == nil)
	return tagged(c), nil
}

// ifMatch is the version that an If-Match header names; 0 is any.
func ifMatch(header string) (uint64, error) {
	if header == "" || header == "*" {
		return 0, nil
	}
	version, err := strconv.ParseUint(strings.Trim(header, `"`), 10, 64)
	if err != nil || version == 0 {
		return 0, refuse("query_invalid", "If-Match %s is no version", header).with(`send the ETag of the value, such as "7"`)
	}
	return version, nil
}
