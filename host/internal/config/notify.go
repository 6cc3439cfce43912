package config

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/taskhost/taskhost/host/internal/notify"
)

// What holds for notifications where a file does not say otherwise.
const (
	defaultGroupWait   = 10 * time.Second
	defaultSendTimeout = 10 * time.Second
	defaultExecTimeout = 30 * time.Second
	mostSendTimeout    = 10 * time.Minute
	mostGroupWait      = time.Hour
	leastRepeat        = time.Minute
)

// readBlocks reads what the configuration says of notifications.
func (l *loader) readBlocks(all tasks) notify.Blocks {
	var b notify.Blocks
	taken := map[string]*node{}
	for _, n := range l.root.blocks["notify"] {
		one := l.section(n).notifier(n.label, all)
		if l.named(n, "notify", taken) {
			b.Notifiers = append(b.Notifiers, one)
		}
	}
	taken = map[string]*node{}
	for _, n := range l.root.blocks["alert"] {
		one, ok := l.section(n).alert(l, n, all)
		if l.named(n, "alert", taken) && ok {
			b.Alerts = append(b.Alerts, one)
		}
	}
	taken = map[string]*node{}
	for _, n := range l.root.blocks["heartbeat"] {
		one := l.section(n).heartbeat(n.label, all)
		if l.named(n, "heartbeat", taken) {
			b.Heartbeats = append(b.Heartbeats, one)
		}
	}
	slices.SortFunc(b.Notifiers, func(x, y notify.Notifier) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(b.Alerts, func(x, y notify.Alert) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(b.Heartbeats, func(x, y notify.Heartbeat) int { return strings.Compare(x.Name, y.Name) })
	return b
}

// withBlocks makes notifications part of a digest; without any it is what it was.
func withBlocks(digest string, blocks map[string]string, key []byte) string {
	if len(blocks) == 0 {
		return digest
	}
	sum := hmac.New(sha256.New, key)
	put(sum, digest)
	put(sum, blocks)
	return hex.EncodeToString(sum.Sum(nil))
}

// blockDigests identify the blocks that tell others of tasks, by their names. Secrets enter as a hash under key.
func blockDigests(b notify.Blocks, key []byte) map[string]string {
	all := map[string]string{}
	add := func(kind, name string, parts ...any) {
		sum := hmac.New(sha256.New, key)
		for _, p := range parts {
			put(sum, p)
		}
		all[fmt.Sprintf("%s %q", kind, name)] = hex.EncodeToString(sum.Sum(nil))
	}
	for _, n := range b.Notifiers {
		add("notify", n.Name, n)
	}
	for _, a := range b.Alerts {
		when, _ := a.When.(*condition)
		a.When = nil
		if when == nil {
			add("alert", a.Name, a)
			continue
		}
		add("alert", a.Name, a, when.source, when.inputs)
	}
	for _, h := range b.Heartbeats {
		add("heartbeat", h.Name, h)
	}
	return all
}

func (s section) notifier(name string, all tasks) notify.Notifier {
	n := notify.Notifier{Name: name, On: s.kinds(), Select: s.chosen(all)}
	n.After = s.integer("after", 1, 1, 10_000)
	n.RecoverAfter = s.integer("recover_after", 1, 1, 10_000)
	n.GroupWait = s.bounded("group_wait", defaultGroupWait, 0, mostGroupWait)
	n.Repeat = s.duration("repeat", 0, leastRepeat)
	hook, hasHook := s.block("webhook")
	if hasHook {
		n.Webhook = hook.webhook()
	}
	mail, hasMail := s.block("email")
	if hasMail {
		n.Email = mail.email()
	}
	exec, hasExec := s.block("exec")
	if hasExec {
		n.Exec = exec.exec()
	}
	ways := 0
	for _, has := range []bool{hasHook, hasMail, hasExec} {
		if has {
			ways++
		}
	}
	if ways != 1 {
		s.find.errorf(s.rng, "several ways are several notify blocks", "notify %q needs exactly one of webhook {}, email {} and exec {}", clip(name))
	}
	return n
}

// kinds reads which transitions are told.
func (s section) kinds() []notify.Kind {
	items, given := s.texts("on")
	if !given {
		return []notify.Kind{notify.Failed, notify.Degraded, notify.Recovered}
	}
	var out []notify.Kind
	for _, i := range items {
		k := word(s, "on", i.text, i.at(), "", notify.Failed, notify.Degraded, notify.Recovered)
		if k != "" && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	if len(out) == 0 || len(out) == 1 && out[0] == notify.Recovered {
		if at, written := s.written("on"); written {
			s.find.errorf(at, "name failed, degraded or both", "on: nothing is told that could be recovered from")
		}
	}
	slices.Sort(out)
	return out
}

// chosen reads tasks and labels. A name or pattern that no task has is a mistake, as far as tasks are known.
func (s section) chosen(all tasks) notify.Select {
	items, given := s.texts("tasks")
	out := notify.Select{Labels: s.labels()}
	for _, i := range items {
		if s.pattern(i, all) {
			out.Tasks = append(out.Tasks, i.text)
		}
	}
	if given && len(items) == 0 {
		at, _ := s.written("tasks")
		s.find.errorf(at, "leave it out for all tasks", "tasks: the list is empty")
	}
	return out
}

func (s section) pattern(i item, all tasks) bool {
	if _, err := path.Match(i.text, ""); err != nil {
		s.find.errorf(i.at(), "write a name, with * and ? for what may differ", "tasks: %q is no pattern", clip(i.text))
		return false
	}
	var names []string
	for _, one := range all.decoded {
		if one.probe {
			return true // what there will be is not known here
		}
		if ok, _ := path.Match(i.text, one.def.Name); ok {
			return true
		}
		names = append(names, one.def.Name)
	}
	if block := all.blocks[i.text]; block != nil {
		s.find.errorf(i.at(), "write "+i.text+".* for all of them", "tasks: %q is a block with several tasks, or none", clip(i.text))
		return false
	}
	s.find.errorf(i.at(), nearHint(i.text, names), "tasks: there is no task %q", clip(i.text))
	return false
}

// bounded is a duration with a bound of its own.
func (s section) bounded(name string, def, least, most time.Duration) time.Duration {
	d := s.duration(name, def, least)
	if d > most {
		at, _ := s.written(name)
		s.find.errorf(at, "", "%s: it must not be longer than %s", name, most)
		return def
	}
	return d
}

// secretText reads a text that may be sensitive.
func (s section) secretText(name string) (string, setting, bool) {
	v, given := s.get(name)
	if !given {
		return "", v, false
	}
	out, ok := s.converted(name, v, cty.String)
	if !ok {
		return "", v, false
	}
	out, _ = out.Unmark()
	return out.AsString(), v, true
}

// required reports an attribute that is not given. What is given and not known stays so until the host runs.
func (s section) required(name, example string) {
	if !s.any(name) {
		s.find.errorf(s.rng, "add "+name+" = "+example, "%s needs %s", s.shape.name, name)
	}
}

// url reads an http or https address, which may be sensitive.
func (s section) url() string {
	text, v, ok := s.secretText("url")
	if !ok {
		s.required("url", `"https://…"`)
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		s.find.errorf(v.at(), "write http://… or https://…", "url: this is no address of a web server")
		return ""
	}
	return text
}

// template reads a template, and tries it with a message.
func (s section) template(name, def string, check func(string) error) string {
	text, v, ok := s.text(name)
	if !ok {
		return def
	}
	if err := check(text); err != nil {
		s.find.errorf(v.at(), "", "%s: %s", name, err)
		return def
	}
	return text
}

func (s section) webhook() *notify.Webhook {
	w := &notify.Webhook{URL: s.url(), Timeout: s.bounded("timeout", defaultSendTimeout, time.Second, mostSendTimeout)}
	headers, v, _ := s.textMap("headers", true)
	for _, name := range sortedKeys(headers) {
		if !headerName(name) || strings.ContainsAny(headers[name], "\r\n\x00") {
			s.find.errorf(entry(v, name), "", "headers: %q cannot be a header", clip(name))
		}
	}
	w.Headers = headers
	w.Secret, _, _ = s.secretText("secret")
	w.Template = s.template("template", "", notify.CheckTemplate)
	return w
}

func headerName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func (s section) email() *notify.Email {
	e := &notify.Email{Timeout: s.bounded("timeout", defaultExecTimeout, time.Second, mostSendTimeout)}
	if text, v, ok := s.text("server"); !ok {
		s.required("server", `"mail.example.org:587"`)
	} else if host, port, err := net.SplitHostPort(text); err != nil || host == "" || port == "" {
		s.find.errorf(v.at(), `write "mail.example.org:587"`, "server: %q is no address with a port", clip(text))
	} else {
		e.Server = text
	}
	e.TLS = oneOf(s, "tls", notify.StartTLS, notify.StartTLS, notify.DirectTLS, notify.NoTLS)
	e.User, _, _ = s.secretText("user")
	e.Password, _, _ = s.secretText("password")
	if text, v, ok := s.text("from"); !ok {
		s.required("from", `"taskhost@example.org"`)
	} else if s.address("from", text, v.at()) {
		e.From = text
	}
	to, _, given := s.textOrTexts("to")
	if !given || len(to) == 0 {
		s.required("to", `["ops@example.org"]`)
	}
	for _, i := range to {
		if s.address("to", i.text, i.at()) {
			e.To = append(e.To, i.text)
		}
	}
	e.Subject = s.template("subject", notify.DefaultSubject, notify.CheckTemplate)
	e.Template = s.template("template", notify.DefaultText, notify.CheckTemplate)
	return e
}

func (s section) address(name, text string, at hcl.Range) bool {
	if _, err := mail.ParseAddress(text); err != nil || strings.ContainsAny(text, "\r\n") {
		s.find.errorf(at, "", "%s: %q is no mail address", name, clip(text))
		return false
	}
	return true
}

func (s section) exec() *notify.Exec {
	e := &notify.Exec{Timeout: s.bounded("timeout", defaultExecTimeout, time.Second, mostSendTimeout)}
	e.Env, _ = s.env()
	e.Template = s.template("template", "", notify.CheckTemplate)
	items, given := s.texts("command")
	if !given || len(items) == 0 {
		s.required("command", `["/usr/local/bin/page"]`)
		return e
	}
	for n, i := range items {
		if strings.ContainsRune(i.text, 0) || n == 0 && i.text == "" {
			s.find.errorf(i.at(), "", "command: %q cannot be a part of a command", clip(i.text))
		}
		e.Command = append(e.Command, i.text)
	}
	e.Dir = absoluteDir(s.rng.Filename)
	if strings.ContainsRune(e.Command[0], filepath.Separator) {
		e.Command[0] = relative(e.Command[0], s.rng.Filename)
	}
	return e
}

// heartbeat reads a heartbeat block.
func (s section) heartbeat(name string, all tasks) notify.Heartbeat {
	h := notify.Heartbeat{Name: name, URL: s.url(), Select: s.chosen(all)}
	h.Method = oneOf(s, "method", "GET", "GET", "HEAD", "POST")
	h.Every = s.duration("every", time.Minute, time.Second)
	h.Timeout = s.bounded("timeout", min(defaultSendTimeout, h.Every), 100*time.Millisecond, time.Minute)
	h.Healthy = oneOf(s, "when", "alive", "alive", "healthy") == "healthy"
	items, _ := s.texts("on_success")
	for _, i := range items {
		if one := all.named[i.text]; len(one) == 1 && one[0].def.Name == i.text {
			h.OnSuccess = append(h.OnSuccess, i.text)
			continue
		}
		s.find.errorf(i.at(), nearHint(i.text, sortedKeys(all.named)), "on_success: there is no task %q", clip(i.text))
	}
	for _, only := range []string{"every", "when", "tasks", "labels"} {
		if at, written := s.written(only); written && len(h.OnSuccess) > 0 {
			s.find.errorf(at, "leave one of them out", "%s has no meaning with on_success: each run that succeeds is one ping", only)
		}
	}
	for _, only := range []string{"tasks", "labels"} {
		if at, written := s.written(only); written && !h.Healthy && len(h.OnSuccess) == 0 {
			s.find.errorf(at, `give when = "healthy"`, "%s has a meaning only with when = \"healthy\"", only)
		}
	}
	return h
}
