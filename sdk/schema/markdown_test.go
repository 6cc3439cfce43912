package schema

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMarkdownSaysAllThereIsToKnow(t *testing.T) {
	t.Parallel()
	type config struct {
		URL     string            `task:"url" kind:"url" doc:"Page to fetch." was:"uri"`
		Timeout time.Duration     `task:"timeout" default:"10s" min:"1s" max:"90s"`
		Size    int64             `task:"size,optional" kind:"bytes" max:"1MiB"`
		Mode    string            `task:"mode" default:"a|b" oneof:"a|b c"`
		Tags    []string          `task:"tags,optional" max:"3" pattern:"^x"`
		Labels  map[string]string `task:"labels,optional"`
		Name    string            `task:"name,optional" min:"2"`
		N       uint8             `task:"n,optional" deprecated:"use m"`
		Token   secret            `task:"token,optional"`
		Any     any               `task:"any,optional"`
		Auth    *point            `task:"auth"`
		TLS     *struct {
			Cert string `task:"cert" doc:"a file,\nin PEM"`
		} `task:"tls,block" doc:"How to encrypt."`
		Header []labelled `task:"header,block" min:"1" max:"3"`
		Server server     `task:"server,block"`
		More   []server   `task:"more,block" min:"1"`
	}
	want := "| name | type | default | required | description |\n" +
		"|---|---|---|---|---|\n" +
		"| `url` | url |  | yes | Page to fetch; was `uri` |\n" +
		"| `timeout` | duration | `\"10s\"` |  | at least 1s; at most 1m30s |\n" +
		"| `size` | bytes |  |  | at most 1MiB |\n" +
		"| `mode` | string | `\"a\\|b\"` |  | one of `a\\|b`, `c` |\n" +
		"| `tags` | list of string |  |  | at most 3 elements; matches `^x` |\n" +
		"| `labels` | map of string |  |  |  |\n" +
		"| `name` | string |  |  | at least 2 characters |\n" +
		"| `n` | uint8 |  |  | deprecated: use m |\n" +
		"| `token` | string |  |  | sensitive |\n" +
		"| `any` | any |  |  |  |\n" +
		"| `auth` | object |  |  |  |\n" +
		"| `auth.x` | int64 |  | yes |  |\n" +
		"| `auth.y` | int64 |  |  |  |\n" +
		"\nBlock `tls` (optional): How to encrypt.\n\n" +
		"| name | type | default | required | description |\n|---|---|---|---|---|\n| `cert` | string |  | yes | a file, in PEM |\n" +
		"\nBlock `header \"name\"` (1 to 3)\n\n" +
		"| name | type | default | required | description |\n|---|---|---|---|---|\n| `value` | string |  | yes | sensitive |\n" +
		"\nBlock `header.inner` (any number)\n\n" +
		"| name | type | default | required | description |\n|---|---|---|---|---|\n| `host` | string |  | yes |  |\n| `port` | uint16 | `80` |  |  |\n" +
		"\nBlock `server` (required)\n\n" +
		"| name | type | default | required | description |\n|---|---|---|---|---|\n| `host` | string |  | yes |  |\n| `port` | uint16 | `80` |  |  |\n" +
		"\nBlock `more` (at least 1)\n\n" +
		"| name | type | default | required | description |\n|---|---|---|---|---|\n| `host` | string |  | yes |  |\n| `port` | uint16 | `80` |  |  |\n"
	if diff := cmp.Diff(want, Markdown(mustOf[config](t))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := Markdown(Body{}); got != "No configuration.\n" {
		t.Errorf("got %q", got)
	}
}
