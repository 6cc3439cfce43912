package main

import "testing"

func TestAScriptFindsTheProgramOfItsHost(t *testing.T) {
	t.Parallel()
	const host = "TASKHOST_BIN=/opt/th/taskhost"
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"at the end of its PATH":   {[]string{"PATH=/bin:/usr/bin", host}, "/bin:/usr/bin:/opt/th"},
		"of the PATH that holds":   {[]string{"PATH=/bin", host, "PATH=/own"}, "/own:/opt/th"},
		"without a PATH":           {[]string{host}, usualPath + ":/opt/th"},
		"once":                     {[]string{"PATH=/opt/th:/bin", host}, "/opt/th:/bin"},
		"only by its usual name":   {[]string{"PATH=/bin", "TASKHOST_BIN=/opt/th/taskhost-2"}, "/bin"},
		"where a PATH can name it": {[]string{"PATH=/bin", "TASKHOST_BIN=/opt/a:b/taskhost"}, "/bin"},
		"not without a host":       {[]string{"PATH=/bin"}, "/bin"},
	} {
		if got := lookup(withTaskhost(c.env), "PATH"); got != c.want {
			t.Errorf("%s: PATH is %q, want %q", name, got, c.want)
		}
	}
}
