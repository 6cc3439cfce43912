package imports

import (
	"fmt"
	"path/filepath"
	"strings"
)

// maxName is how long a task's name may be.
const maxName = 63

// name is a legal name like the wanted one that no other task has; one that had to give way is noted.
func (f *Found) name(wanted string, at Place) string {
	if f.names == nil {
		f.names = map[string]Place{}
	}
	base := legal(wanted)
	name := base
	for n := 2; ; n++ {
		if _, taken := f.names[name]; !taken {
			break
		}
		suffix := fmt.Sprintf("_%d", n)
		name = base[:min(len(base), maxName-len(suffix))] + suffix
		if _, taken := f.names[name]; !taken {
			f.Note(at, Renamed, "this task is called %q: the name %q is taken by %s", name, base, f.names[base])
		}
	}
	f.names[name] = at
	return name
}

// legal makes a text a name: small letters, digits, - and _, beginning with a letter or digit.
func legal(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		letter := r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		switch {
		case letter, b.Len() > 0 && (r == '-' || r == '_'):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
		if b.Len() == maxName {
			break
		}
	}
	if name := strings.TrimRight(b.String(), "_-"); name != "" {
		return name
	}
	return "task"
}

// wrappers are programs that run another one, or only test and prepare.
var wrappers = map[string]bool{
	"sh": true, "bash": true, "dash": true, "zsh": true, "ksh": true, "env": true, "nice": true, "ionice": true, "chronic": true, "flock": true, "timeout": true,
	"sudo": true, "su": true, "nohup": true, "setsid": true, "exec": true, "command": true, "test": true, "cd": true, "sleep": true, "root": true, "time": true,
	"true": true, "echo": true, "printf": true, "set": true, "export": true, "umask": true, "if": true, "then": true, "eval": true, "run-parts": true, "logger": true,
	"python": true, "python3": true, "perl": true, "ruby": true, "php": true, "node": true, "java": true, "bundle": true, "npm": true, "npx": true,
}

// NameOf guesses a name from the words of a command: the first program or script that is
// not there to start another one.
func NameOf(command, otherwise string) string {
	words := strings.FieldsFunc(command, func(r rune) bool { return strings.ContainsRune(" \t\n;&|(){}'\"`", r) })
	first := ""
	tests := false // between [ and ], or behind test
	for _, w := range words {
		base := filepath.Base(w)
		switch {
		case w == "[" || w == "[[" || base == "test":
			tests = true
			continue
		case w == "]" || w == "]]":
			tests = false
			continue
		case strings.HasPrefix(w, "-"), strings.HasPrefix(w, "$"), strings.ContainsAny(w, "=<>*%"), w == "!", w == ".", wrappers[base], wrapped(base), strings.HasPrefix(w, "/dev/"):
			continue
		case tests && strings.Contains(command, w+" ||"), tests && strings.Contains(command, w+" &&"):
			tests = false // the file that test looks for
			if first == "" {
				first = base
			}
			continue
		case w == "/" || isNumber(base), isDirectory(w, command), isLock(w):
			continue
		}
		return withoutSuffix(base)
	}
	if first != "" {
		return withoutSuffix(first)
	}
	return otherwise
}

// withoutSuffix leaves out the language of a script.
func withoutSuffix(base string) string {
	switch ext := filepath.Ext(base); ext {
	case ".sh", ".bash", ".py", ".pl", ".rb", ".php", ".js", ".mjs", ".cjs", ".ts", ".jar", ".exe":
		return strings.TrimSuffix(base, ext)
	}
	return base
}

// isLock reports whether the word is a file that only keeps others away.
func isLock(w string) bool {
	return strings.HasSuffix(w, ".lock") || strings.HasSuffix(w, ".pid") || strings.HasPrefix(w, "/run/") || strings.HasPrefix(w, "/var/run/") || strings.HasPrefix(w, "/tmp/")
}

// wrapped reports whether the program is an interpreter with a version in its name: python3.12.
func wrapped(base string) bool {
	return wrappers[strings.TrimRight(base, "0123456789.")] && strings.ContainsAny(base, "0123456789")
}

func isNumber(text string) bool { return text != "" && strings.Trim(text, "0123456789.,smhd") == "" }

// isDirectory reports whether the word is where `cd` goes.
func isDirectory(w, command string) bool { return strings.Contains(command, "cd "+w) }
