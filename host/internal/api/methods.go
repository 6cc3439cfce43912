package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// callTime is how long a method may take when the caller names no timeout.
const callTime = 30 * time.Second

// callMethod asks a method of the live task. The answer's body is the method's result itself.
func (a *API) callMethod(r *request) (any, error) {
	d, err := a.definition(r)
	if err != nil {
		return nil, err
	}
	timeout, err := r.duration("timeout", maxWait)
	if err != nil {
		return nil, err
	}
	if timeout == 0 {
		timeout = callTime
	}
	input, err := r.body()
	if err != nil {
		return nil, err
	}
	name := r.PathValue("method")
	if typ, ok := a.typeOf(d); ok {
		var names []string
		found := false
		for _, m := range typ.Methods {
			names = append(names, m.Name)
			if found = found || m.Name == name; m.Name != name {
				continue
			}
			if err := checkValue("input", m.Input, input, fmt.Sprintf("taskhost plugin describe %s shows what the method takes", d.Plugin)); err != nil {
				return nil, err
			}
		}
		if !found {
			return nil, unknown(task.CodeMethodUnknown, fmt.Sprintf("method of type %s", d.Type), short(name), "taskhost plugin describe "+d.Plugin+" lists the methods", names)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	result, err := a.Fleet.Call(ctx, d.Name, name, input)
	if err != nil {
		if (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)) && r.Context().Err() == nil {
			return nil, refuse(task.CodeDeadline, "method %s of %q did not answer within %s", name, d.Name, timeout)
		}
		return nil, err
	}
	if len(result) == 0 {
		return nil, nil
	}
	return result, nil
}
