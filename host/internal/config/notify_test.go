package config

import (
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/taskhost/taskhost/host/internal/notify"
)

func TestNotificationsAreReadWithTheirDefaults(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/good/notify.txtar")
	if err != nil {
		t.Fatal(err)
	}
	c, diags, _ := Load(t.Context(), newScene(t, archive).options)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	mail, ops, page := c.Blocks.Notifiers[0], c.Blocks.Notifiers[1], c.Blocks.Notifiers[2]
	if mail.GroupWait != 10*time.Second || mail.After != 1 || mail.RecoverAfter != 1 || mail.Repeat != 0 || len(mail.On) != 3 || mail.Email.TLS != notify.StartTLS {
		t.Errorf("defaults: %+v", mail)
	}
	if ops.After != 3 || ops.RecoverAfter != 2 || ops.Repeat != 4*time.Hour || ops.Webhook.Secret != canary || !strings.HasSuffix(ops.Webhook.URL, canary) {
		t.Errorf("what is given: %+v %+v", ops, ops.Webhook)
	}
	if !strings.HasSuffix(page.Exec.Command[0], "/bin/page") || page.Exec.Dir == "" || page.Exec.Env["KEY"] != canary {
		t.Errorf("exec: %+v", page.Exec)
	}
	if text := c.Hide("https://example.org/" + canary); strings.Contains(text, canary) {
		t.Errorf("the secret of a URL is not hidden: %s", text)
	}
	slow := c.Blocks.Alerts[1]
	if slow.Count != 3 || slow.For != 0 || c.Blocks.Alerts[0].For != 5*time.Minute || slow.When.Source() != "state.latency_ms > var.most && try(state.ready, true)" {
		t.Errorf("alerts: %+v %q", c.Blocks.Alerts, slow.When.Source())
	}
	if b := c.Blocks.Heartbeats; b[0].OnSuccess[0] != "check.a" || !b[1].Healthy || b[1].Every != 30*time.Second || b[1].Timeout != 10*time.Second {
		t.Errorf("heartbeats: %+v", b)
	}
}

// conditionOf is the condition of an alert.
func conditionOf(t *testing.T, when string) notify.Condition {
	t.Helper()
	return load(t, "alert \"a\" {\n  when = "+when+"\n}\n", "", nil).Blocks.Alerts[0].When
}

func TestConditions(t *testing.T) {
	t.Parallel()
	v := notify.Values{Task: "check.a", State: map[string][]byte{
		"latency_ms": []byte("912.5"), "ready": []byte("false"), "word": []byte(`"busy"`), "deep": []byte(`{"a": [1, {"b": 2}]}`), "nothing": []byte("null"),
	}, Run: &notify.Run{Outcome: "failed", Duration: 1.5, Error: "oops"}}
	for when, want := range map[string]string{
		"state.latency_ms > 800":                            "true",
		"state.latency_ms > 1000":                           "false",
		"state[\"latency_ms\"] > 800":                       "true",
		"!state.ready && state.word == \"busy\"":            "true",
		"state.deep.a[1].b == 2":                            "true",
		"state.deep.a[7].b == 2":                            "false",
		"state.deep.c.d == 2":                               "false",
		"state.missing > 1":                                 "false",
		"try(state.missing, 7) > 1":                         "true",
		"state.nothing > 1":                                 "false",
		"run.outcome == \"failed\" && run.duration_s > 1":   "true",
		"run.error == \"\"":                                 "false",
		"task == \"check.a\"":                               "true",
		"max(state.latency_ms, 1) == 912.5":                 "true",
		"state.word > 3":                                    "error",
		"contains([\"busy\", \"late\"], lower(state.word))": "true",
	} {
		got := "false"
		holds, err := conditionOf(t, when).Holds(v)
		switch {
		case err != nil:
			got = "error"
		case holds:
			got = "true"
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", when, got, err, want)
		}
	}
	if holds, err := conditionOf(t, "run.duration_s > 1").Holds(notify.Values{}); holds || err != nil {
		t.Errorf("without a run: %v, %v", holds, err)
	}
}

func TestAConditionKnowsWhatItReads(t *testing.T) {
	t.Parallel()
	c := conditionOf(t, "state.a > 1 || state[\"b\"] > 1")
	if !c.Reads("a") || !c.Reads("b") || c.Reads("c") || c.Reads("") {
		t.Error("a condition over two values")
	}
	if c = conditionOf(t, "run.outcome == \"failed\""); c.Reads("a") || !c.Reads("") {
		t.Error("a condition over the run")
	}
	if c = conditionOf(t, "length(state) > 3"); !c.Reads("any") {
		t.Error("a condition over all values")
	}
}

func TestAConditionMayStandInJSON(t *testing.T) {
	t.Parallel()
	s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl.json", Data: []byte(`{"alert": {"a": {"when": "${state.x > 3}"}}}`)}}})
	c, diags, _ := Load(t.Context(), s.options)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if holds, err := c.Blocks.Alerts[0].When.Holds(notify.Values{State: map[string][]byte{"x": []byte("4")}}); !holds || err != nil {
		t.Errorf("%v, %v", holds, err)
	}
}

const noticeBase = `
variable "most" {
  default = 3
}
notify "n" {
  webhook {
    url    = "https://example.org"
    secret = secret("file:secret")
  }
}
alert "a" {
  when = state.x > var.most
}
heartbeat "h" {
  url = "https://example.org"
}
`

func TestDigestTellsWhatNotificationsDo(t *testing.T) {
	t.Parallel()
	base := load(t, noticeBase, "one-secret", nil).Digest
	for name, test := range map[string]struct {
		text, secret string
		same         bool
	}{
		"the same again":    {noticeBase, "one-secret", true},
		"moved":             {"# a comment\n\n" + noticeBase, "one-secret", true},
		"another secret":    {noticeBase, "two-secret", false},
		"another condition": {strings.Replace(noticeBase, "state.x >", "state.x >=", 1), "one-secret", false},
		"another variable":  {strings.Replace(noticeBase, "default = 3", "default = 4", 1), "one-secret", false},
		"another heartbeat": {strings.Replace(noticeBase, "heartbeat \"h\"", "heartbeat \"g\"", 1), "one-secret", false},
		"no blocks":         {"", "", false},
	} {
		if got := load(t, test.text, test.secret, nil).Digest; (got == base) != test.same {
			t.Errorf("%s: digest %s, was %s", name, got, base)
		}
	}
}

func TestADigestWithoutNotificationsIsWhatItWas(t *testing.T) {
	t.Parallel()
	c := load(t, digestBase, "one-secret", nil)
	if c.Digest != Digest(c.Tasks, c.Groups, c.Queues, nil) {
		t.Error("it is another")
	}
}
