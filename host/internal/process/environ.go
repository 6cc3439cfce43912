package process

import (
	"os"
	"strings"

	"github.com/taskhost/taskhost/sdk/wire"
)

// allowed are the variables of the host's environment that a plugin gets.
var allowed = []string{"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// MarkEnv names the variable by which the host recognises a plugin's descendants. Its
// value differs for every process.
const MarkEnv = "TASKHOST_PROCESS"

// environ builds the whole environment of a process: the allow-list from the host, over
// it what the configuration says, over that what the machinery needs. Nothing else of
// the host's environment gets through.
func environ(names []string, configured map[string]string, needed []string) []string {
	env := make([]string, 0, len(names)+len(configured)+len(needed))
	taken := map[string]bool{wire.DebuggerEnv: true} // a configuration cannot make a process wait for ever
	for _, kv := range needed {
		name, _, _ := strings.Cut(kv, "=")
		taken[name] = true
	}
	for name, value := range configured {
		if !taken[name] {
			env = append(env, name+"="+value)
			taken[name] = true
		}
	}
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok && !taken[name] {
			env = append(env, name+"="+value)
		}
	}
	return append(env, needed...)
}
