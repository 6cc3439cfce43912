package task_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

func TestASecretIsNeverShown(t *testing.T) {
	t.Parallel()
	const canary = "hunter2"
	type exported struct {
		Token task.Secret `json:"token"`
		Many  []task.Secret
		ByKey map[string]*task.Secret
	}
	type hidden struct{ token task.Secret }
	s := task.NewSecret(canary)
	values := map[string]any{
		"value": s, "pointer": &s,
		"field":            exported{s, []task.Secret{s}, map[string]*task.Secret{"a": &s}},
		"unexported field": hidden{s}, "pointer to unexported": &hidden{s},
		"error": fmt.Errorf("login with %s: %w", s, errors.New("refused")),
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%20s"} {
			check(t, canary, name+" "+verb, fmt.Sprintf(verb, v))
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		check(t, canary, name+" json", string(text))
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		for _, asJSON := range []bool{true, false} {
			log := hclog.New(&hclog.LoggerOptions{Output: &out, JSONFormat: asJSON})
			log.Info("x", "v", v, "formatted", hclog.Fmt("%v", v))
			log.With("v", v).Info("y")
		}
		check(t, canary, name+" in logs", out.String())
	}
	type element struct{ S task.Secret }
	text, err := xml.Marshal(element{s})
	if err != nil || !strings.Contains(string(text), "***") {
		t.Errorf("xml: %s %v", text, err)
	}
	equal(t, "String", s.String(), "***")
	equal(t, "String of none", task.Secret{}.String(), "***")
	equal(t, "Reveal", s.Reveal(), canary)
	equal(t, "Reveal of none", task.Secret{}.Reveal(), "")
	if s.IsZero() || !(task.Secret{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func check(t *testing.T, canary, where, text string) {
	t.Helper()
	hex := fmt.Sprintf("%x", canary)
	if strings.Contains(text, canary) || strings.Contains(strings.ToLower(text), hex) {
		t.Errorf("%s shows the secret: %s", where, text)
	}
}

func TestASecretReachesAuthorCodeAndNothingElse(t *testing.T) {
	t.Parallel()
	type config struct {
		Token task.Secret `task:"token"`
	}
	const canary = "hunter2"
	tasktest.Test(t, func(t *testing.T) {
		typ := task.Periodic("login", func(ctx context.Context, h *task.Host, c config) error {
			if c.Token.Reveal() != canary {
				t.Errorf("the secret is %q", c.Token.Reveal())
			}
			h.Log().Info("config", "config", c, "token", c.Token)
			h.Slog().Info("config", "config", c, "token", c.Token, slog.Group("g", "token", c.Token))
			if err := h.Publish("config", c); err != nil {
				return err
			}
			if err := h.Commit(ctx, task.Save("config", c)); err != nil {
				return err
			}
			return fmt.Errorf("cannot log in with %v", c)
		})
		r := tasktest.Run(t, typ, `token = "`+canary+`"`)
		check(t, canary, "message", r.Message())
		check(t, canary, "state", r.State("config"))
		check(t, canary, "checkpoint", r.Checkpoint("config"))
		check(t, canary, "logs", fmt.Sprint(r.Logs()))
		equal(t, "log lines", len(r.Logs()), 2)
	})
}
