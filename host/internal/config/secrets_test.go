package config

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

func TestWhatIsMadeOfASecretIsHiddenWhereItIsHandedOut(t *testing.T) {
	t.Parallel()
	archive := txtar.Parse([]byte(`
-- a.hcl --
locals {
  creds = jsondecode(secret("file:creds.json"))
}

plugin "exec" {
  env = { UPPER = upper(local.creds.user) }
}

task "t" {
  plugin = "exec"
  env = {
    AUTH   = base64encode("user:${local.creds.password}")
    PW     = local.creds.password
    MARKED = sensitive(env("SITE"))
    PLAIN  = "plain-value"
  }
  on_demand {}
  config {
    command = ["true"]
  }
}

notify "n" {
  webhook {
    url     = local.creds.hook
    headers = { Key = substr(local.creds.key, 0, 10) }
  }
}
-- creds.json --
{"user": "operator-of-it", "password": "hunter2hunter2", "hook": "https://hooks.example/T0/B0", "key": "0123456789rest", "other": "never-handed-out"}
`))
	c, diags, _ := Load(t.Context(), newScene(t, archive).options)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, secret := range []string{c.Tasks[0].Env["AUTH"], "hunter2hunter2", "https://example.org", "OPERATOR-OF-IT", "https://hooks.example/T0/B0", "0123456789"} {
		if got := c.Hide("it said " + secret + "!"); got != "it said ***!" {
			t.Errorf("%q is shown as %q", secret, got)
		}
	}
	for _, open := range []string{"plain-value", "never-handed-out"} {
		if got := c.Hide(open); got != open {
			t.Errorf("%q is shown as %q", open, got)
		}
	}
}
