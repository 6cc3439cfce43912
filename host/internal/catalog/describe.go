package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/process"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

func now() time.Time { return time.Now() }

// describe returns what the copy says of itself: from memory, from the cache, or by
// asking it. Of all who want to know it at the same time, one asks.
func (c *Catalog) describe(ctx context.Context, p *Plugin) (wire.Description, error) {
	defer c.asks.lock(p.Digest)()
	c.mu.Lock()
	d, ok := c.descriptions[p.Digest]
	c.mu.Unlock()
	if ok {
		return d, nil
	}
	d, err := c.recall(p.Digest)
	if err != nil {
		if c.cfg.Offline {
			return d, fmt.Errorf("plugin %q (%s) has not been described yet, and nothing may be executed: run once without -offline", p.Name, p.Origin)
		}
		if d, err = c.ask(ctx, p); err != nil {
			return d, err
		}
		if err := c.remember(p.Digest, d); err != nil {
			c.cfg.Log.Warn("cannot keep the description of a plugin", "plugin", p.Name, "err", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.descriptions[p.Digest] = d
	return d, nil
}

func (c *Catalog) ask(ctx context.Context, p *Plugin) (wire.Description, error) {
	var d wire.Description
	out, exit, err := c.execute(ctx, p, nil, "describe")
	if err != nil {
		return d, p.unable("describe", err, exit)
	}
	if exit.Code != 0 {
		return d, p.notAPlugin(fmt.Sprintf("does not describe itself: %s%s", exit.Text(), lastWords(exit)), nil)
	}
	if err := json.Unmarshal(out, &d); err != nil {
		return d, p.notAPlugin(fmt.Sprintf("does not describe itself: its answer is no description (%s)", err), err)
	}
	return d, p.check(d)
}

// check refuses a description that the host could not work with.
func (p *Plugin) check(d wire.Description) error {
	if d.Protocol != wire.ProtocolVersion {
		remedy := "rebuild it with the SDK of this host"
		if d.Protocol > wire.ProtocolVersion {
			remedy = fmt.Sprintf("rebuild it with an SDK of protocol %d, or upgrade this host", wire.ProtocolVersion)
		}
		return &task.LaunchError{
			Kind: task.LaunchProtocol, Remedy: remedy,
			Detail: fmt.Sprintf("plugin %q %s (%s) speaks protocol %d, this host speaks %d", p.Name, d.Version, p.Origin, d.Protocol, wire.ProtocolVersion),
		}
	}
	if len(d.Types) == 0 {
		return p.notAPlugin("describes no type", nil)
	}
	seen := map[string]bool{}
	for _, t := range d.Types {
		switch {
		case !task.ValidName(t.Name):
			return p.notAPlugin(fmt.Sprintf("describes a type with the name %q", t.Name), nil)
		case seen[t.Name]:
			return p.notAPlugin(fmt.Sprintf("describes type %q twice", t.Name), nil)
		case len(t.Modes) == 0:
			return p.notAPlugin(fmt.Sprintf("describes type %q without a mode", t.Name), nil)
		}
		if err := usable(t); err != nil {
			return p.notAPlugin(fmt.Sprintf("describes type %q with a schema that cannot be used: %v", t.Name, err), err)
		}
		seen[t.Name] = true
	}
	return nil
}

// usable checks every schema of a type: who reads values by them later relies on it.
func usable(t wire.Type) error {
	if err := t.Config.Validate(); err != nil {
		return err
	}
	values := []*schema.Value{t.Input, t.Result, t.Message}
	for _, m := range t.Methods {
		values = append(values, &m.Input, &m.Result)
	}
	for _, o := range t.Outputs {
		values = append(values, &o.Message)
	}
	for _, v := range values {
		if v == nil {
			continue
		}
		if err := v.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Validate runs the plugin's own checks of configs of one type, each given as msgpack, in one
// process, and returns what is wrong with each. When it fails, it is not known which of
// them the plugin could not check.
func (c *Catalog) Validate(ctx context.Context, p *Plugin, typ string, configs [][]byte) ([][]schema.Problem, error) {
	out := make([][]schema.Problem, len(configs))
	if c.cfg.Offline || p.Path == "" || len(configs) == 0 {
		return out, nil // nothing may be executed, or nothing is there
	}
	list, err := json.Marshal(configs)
	if err != nil {
		return nil, err
	}
	text, exit, err := c.execute(ctx, p, list, "validate", "-wire", "-many", "-type", typ)
	if err != nil {
		return nil, p.unable("validate", err, exit)
	}
	if exit.Code != 0 {
		return nil, fmt.Errorf("plugin %q cannot check a config of type %q: %s%s", p.Name, typ, exit.Text(), lastWords(exit))
	}
	var answers []struct {
		Problems []schema.Problem `json:"problems"`
	}
	err = json.Unmarshal(text, &answers)
	if err == nil && len(answers) != len(configs) {
		err = fmt.Errorf("it has %d parts for %d configs", len(answers), len(configs))
	}
	if err != nil {
		return nil, fmt.Errorf("plugin %q cannot check a config of type %q: read its answer: %w", p.Name, typ, err)
	}
	for i, a := range answers {
		out[i] = a.Problems
	}
	return out, nil
}

// execute runs the copy in an empty directory with nothing in its environment but PATH.
func (c *Catalog) execute(ctx context.Context, p *Plugin, stdin []byte, args ...string) ([]byte, task.ExitCause, error) {
	dir, err := os.MkdirTemp("", "taskhost-plugin-")
	if err != nil {
		return nil, task.ExitCause{}, err
	}
	defer os.RemoveAll(dir)
	path, err := filepath.Abs(p.Path)
	if err != nil {
		return nil, task.ExitCause{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout, errSlow)
	defer cancel()
	out, exit, err := process.Run(ctx, process.Command{
		Path: path, Args: args, Dir: dir, Stdin: stdin, MaxOutput: c.cfg.MaxOutput,
		Env: []string{"PATH=" + os.Getenv("PATH")},
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), errSlow):
		err = fmt.Errorf("no answer within %s", c.cfg.Timeout)
		return nil, exit, &tooSlow{err}
	case errors.Is(err, process.ErrTooMuch):
		err = fmt.Errorf("it printed more than %s", schema.FormatBytes(int64(c.cfg.MaxOutput)))
	}
	return out, exit, err
}

var errSlow = errors.New("too slow")

// tooSlow is the end of a command's time.
type tooSlow struct{ error }

// unable says why the copy could not be executed to its end.
func (p *Plugin) unable(verb string, err error, exit task.ExitCause) error {
	var launch *task.LaunchError
	if errors.As(err, &launch) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s plugin %q: %w", verb, p.Name, err)
	}
	e := p.notAPlugin(fmt.Sprintf("cannot %s: %s%s", verb, err, lastWords(exit)), err)
	var slow *tooSlow
	if errors.As(err, &slow) {
		e.Kind = task.LaunchTimeout
	}
	return e
}

func (p *Plugin) notAPlugin(what string, err error) *task.LaunchError {
	return &task.LaunchError{
		Kind: task.LaunchNotPlugin, Remedy: "check that the file is a taskhost plugin", Err: err,
		Detail: fmt.Sprintf("plugin %q (%s) %s", p.Name, p.Origin, what),
	}
}

func lastWords(exit task.ExitCause) string {
	if len(exit.Stderr) == 0 {
		return ""
	}
	return fmt.Sprintf("; its last words: %q", strings.Join(exit.Stderr[max(0, len(exit.Stderr)-3):], "\n"))
}

func (c *Catalog) cacheFile(digest string) string {
	return fmt.Sprintf("%s.v%d.json", digest, wire.ProtocolVersion)
}

// recall reads a description from the cache.
func (c *Catalog) recall(digest string) (d wire.Description, err error) {
	root, err := os.OpenRoot(c.cfg.CacheDir)
	if err != nil {
		return d, err
	}
	defer root.Close()
	text, err := root.ReadFile(c.cacheFile(digest))
	if err != nil {
		return d, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&d); err != nil {
		return d, err
	}
	// A cache that is damaged, or was written for another protocol, is no answer.
	return d, (&Plugin{}).check(d)
}

// remember writes a description to the cache; a reader sees all of it or nothing.
func (c *Catalog) remember(digest string, d wire.Description) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.cfg.CacheDir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(c.cfg.CacheDir)
	if err != nil {
		return err
	}
	defer root.Close()
	temporary := unfinishedPrefix + task.NewID(now())
	if err := root.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return root.Rename(temporary, c.cacheFile(digest))
}
