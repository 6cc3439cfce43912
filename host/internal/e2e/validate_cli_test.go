package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admintest"
)

// bench is a directory with plugins, files and no host.
func bench(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"exec", "http", "files"} {
		if err := os.Symlink(admintest.Build(t, "plugins/"+name), filepath.Join(dir, "plugins", name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shop is a configuration that uses most of the language, over two files and in both of its forms.
var shop = map[string]string{
	"shop/00-base.hcl": `
variable "sites" {
  type    = map(string)
  default = { a = "http://a.example", b = "http://b.example" }
}
variable "token" {
  sensitive = true
  default   = "none"
}
host {
  plugin_dir = "../plugins"
}
defaults {
  labels = { team = "shop" }
  stop {
    drain = "3s"
  }
}
locals {
  probes = { for k, v in var.sites : k => { url = v, every = "30s" } }
  more   = yamldecode(file("more.yaml"))
}
group "upstream" {
  max  = 2
  rate = "10/m"
}
`,
	"shop/more.yaml": "base: &b {every: 10s}\nlist:\n  - {<<: *b, name: x, url: 'http://x.example'}\n  - {<<: *b, name: y, url: 'http://y.example'}\n",
	"shop/10-tasks.hcl": `
task "site" {
  for_each = local.probes
  plugin   = "http"
  type     = "check"
  labels   = { site = each.key }
  groups   = ["upstream"]
  periodic {
    every = each.value.every
  }
  config {
    url     = each.value.url
    headers = { Authorization = "Bearer ${var.token}" }
    dynamic "tls" {
      for_each = each.key == "a" ? [] : [14]
      content {
        expires_within = "${tls.value}d"
      }
    }
  }
}
task "feed" {
  for_each = { for f in local.more.list : f.name => f }
  plugin   = "http"
  type     = "poll"
  periodic {
    cron      = ["0 2 * * *", "@hourly"]
    time_zone = "Europe/Berlin"
  }
  config {
    url = each.value.url
  }
}
task "worker" {
  plugin     = "exec"
  instances  = 3
  depends_on = { site = "started" }
  continuous {}
  config {
    shell = <<-EOT
      echo ${each.key}
      sleep 100
    EOT
  }
}
`,
	"shop/20.hcl.json": `{"task": {"made": {"plugin": "exec", "on_demand": {}, "config": {"command": ["echo", "${upper(\"x\")}"]}},
  "then": {"plugin": "exec", "after_run": {"made": {"outcome": ["failed"]}}, "config": {"shell": "true"}}}}`,
	"values.hcl": `sites = { z = "http://z.example" }`,
	"bad.hcl":    "host {\n  plugin_dir = \"plugins\"\n}\n\ntask \"a\" {\n  plugin = \"http\"\n  type   = \"check\"\n  on_demand {}\n  config {\n    urll = \"http://x\"\n  }\n}\n",
	"broken.hcl": "task \"a\" {\n",
	"warned.hcl": "host {\n  plugin_dir = \"plugins\"\n}\n\ntask \"a\" {\n  plugin = \"exec\"\n  env    = { X = env(\"MY_TOKEN\") }\n  on_demand {}\n  config {\n    shell = \"true\"\n  }\n}\n",
	"ugly.hcl":   "task   \"a\" {\nplugin=\"exec\"\n}\n",
}

func TestValidateAndFmtAsAUser(t *testing.T) {
	t.Parallel()
	dir := bench(t, shop)
	for _, test := range []struct {
		args string
		env  string
		code int
		want []string
	}{
		{"validate -config shop", "", 0, []string{"the configuration is valid: 9 tasks\n"}},
		{"validate --config shop", "", 0, []string{"9 tasks"}},
		{"validate -config shop/00-base.hcl -config shop/10-tasks.hcl", "", 0, []string{"7 tasks"}},
		{"validate -config shop -var-file values.hcl", "", 0, []string{"8 tasks"}},
		{`validate -config shop -var sites={q="http://q.example"}`, "", 0, []string{"8 tasks"}},
		{"validate -config shop", `TASKHOST_VAR_sites={q="http://q.example"}`, 0, []string{"8 tasks"}},
		{`validate -config shop -var-file values.hcl -var sites={a="http://a.example",b="http://b.example"}`, `TASKHOST_VAR_sites={}`, 0, []string{"9 tasks"}},
		{"validate -config shop -var nope=1", "", 1, []string{`there is no variable "nope"`, "there are: sites, token"}},
		{"validate -config shop -var sites=3x", "", 1, []string{"-var sites", "map of string"}},
		{"validate -config no-such", "", 1, []string{"no-such: no such file or directory"}},
		{"validate -config bad.hcl", "", 1, []string{`bad.hcl:10:5: unknown attribute "urll" in config of task "a"`, "   10 │     urll = \"http://x\"\n      │     ^^^^\n", `did you mean "url"?`, "1 problem; nothing was started"}},
		{"validate -config bad.hcl -config broken.hcl", "", 1, []string{"bad.hcl:10:5", "broken.hcl:1:10"}},
		{"validate -config warned.hcl", "MY_TOKEN=x", 0, []string{"warning", `write secret("env:MY_TOKEN")`}},
		{"validate -config shop -no-such-flag", "", 2, []string{"-no-such-flag"}},
		{"validate", "", 2, []string{"-config"}},
		{"validte", "", 2, []string{`did you mean "validate"?`}},
		{"fmt -check ugly.hcl", "", 1, []string{"ugly.hcl"}},
		{"fmt -check -diff ugly.hcl", "", 1, []string{"-task   \"a\" {", "+task \"a\" {"}},
		{"fmt -check shop/10-tasks.hcl", "", 0, nil},
		{"fmt broken.hcl", "", 1, []string{"broken.hcl:1:10"}},
	} {
		var env []string
		if test.env != "" {
			env = []string{test.env}
		}
		out, code := cliWith(t, dir, env, strings.Fields(test.args)...)
		if code != test.code {
			t.Errorf("%s: exit %d, want %d: %s", test.args, code, test.code, out)
		}
		for _, want := range test.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in %s", test.args, want, out)
			}
		}
	}
	out, _ := cliWith(t, dir, nil, "validate", "-config", "bad.hcl", "-json")
	var answer struct {
		Valid       bool
		Diagnostics []struct {
			File         string
			Line, Column int
			Task         string
		}
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Valid || len(answer.Diagnostics) != 1 || answer.Diagnostics[0].Line != 10 || answer.Diagnostics[0].Column != 5 || answer.Diagnostics[0].Task != "a" {
		t.Errorf("%v %s", err, out)
	}
	if pids := processesUnder(dir); len(pids) > 0 {
		t.Errorf("validate left the processes %v", pids)
	}
}

// processesUnder lists the processes whose working directory or binary lies under dir.
func processesUnder(dir string) (found []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		for _, name := range []string{link, filepath.Join(filepath.Dir(link), "cwd")} {
			if to, _ := os.Readlink(name); strings.HasPrefix(to, dir) {
				found = append(found, filepath.Base(filepath.Dir(link)))
			}
		}
	}
	return found
}

// What a hostile configuration may take, far above what it needs: without bounds these take hours
// and all memory.
const hostileTime = 60 * time.Second

func TestHostileConfigurationsEndSoon(t *testing.T) {
	t.Parallel()
	yaml := strings.Builder{}
	yaml.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 20 {
		alias := fmt.Sprintf("*a%d", i)
		fmt.Fprintf(&yaml, "a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(alias+", ", 9)+alias)
	}
	dir := bench(t, map[string]string{
		"bomb.yaml":    yaml.String(),
		"alias.hcl":    `locals { x = yamldecode(file("bomb.yaml")) }`,
		"for.hcl":      `locals { x = [for a in range(1024) : [for b in range(1024) : [for c in range(1024) : [for d in range(1024) : "${a}${b}${c}${d}"]]]] }`,
		"object.hcl":   `locals { x = { for a in range(1024) : "k${a}" => { for b in range(1024) : "k${b}" => { for c in range(1024) : "k${c}" => c } } } }`,
		"double.hcl":   "locals {\n  a = \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"\n" + doubling(60) + "}\n",
		"deep.hcl":     "locals { x = " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + " }",
		"a.hcl.json":   `{"locals":{"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}}`,
		"for.hcl.json": `{"locals":{"x":"${[for a in range(1024) : [for b in range(1024) : [for c in range(1024) : [for d in range(1024) : a]]]]}"}}`,
		"many.hcl":     "task \"a\" {\n  plugin    = \"exec\"\n  instances = 1000000000\n  on_demand {}\n}\n",
		"replace.hcl":  "locals {\n  a = join(\",\", range(1024))\n  b = replace(local.a, \",\", local.a)\n  c = replace(local.b, \",\", local.b)\n}\n",
	})
	for _, name := range []string{"alias.hcl", "for.hcl", "object.hcl", "double.hcl", "deep.hcl", "a.hcl.json", "for.hcl.json", "many.hcl", "replace.hcl"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), hostileTime)
			defer cancel()
			cmd := exec.CommandContext(ctx, admintest.Build(t, "host/cmd/taskhost"), "validate", "-config", name)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOMEMLIMIT=1GiB", "XDG_CACHE_HOME="+dir)
			out, err := cmd.CombinedOutput()
			exit, failed := errors.AsType[*exec.ExitError](err)
			if !failed || exit.ExitCode() != 1 || !strings.Contains(string(out), "nothing was started") {
				t.Errorf("%v: %.2000s", err, out)
			}
		})
	}
}

// doubling makes locals each of which is ten times the one before.
func doubling(n int) string {
	var b strings.Builder
	name := func(i int) string {
		if i == 0 {
			return "a"
		}
		return fmt.Sprintf("a%d", i)
	}
	for i := range n {
		fmt.Fprintf(&b, "  %s = %q\n", name(i+1), strings.Repeat("${local."+name(i)+"}", 10))
	}
	return strings.ReplaceAll(b.String(), `"$$`, `"$`)
}
