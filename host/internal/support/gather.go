package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// Options of an archive.
type Options struct {
	Client   string // version of the command
	Now      func() time.Time
	Progress func(what string) // told of each part before it is asked for; nil is nobody
}

// gatherer is one archive in the making.
type gatherer struct {
	api      *admin.Client
	now      func() time.Time
	progress func(string)
	out      *tar.Writer
	dir      string
	manifest Manifest
}

// Gather asks the host for all parts, writes them to w as a compressed archive, and says what it holds. What the host
// does not give is in the manifest with the reason; an error is one of the archive itself, or of a host that does not
// let the caller ask for it.
func Gather(ctx context.Context, api *admin.Client, w io.Writer, o Options) (Manifest, error) {
	who, err := api.Whoami(ctx)
	if err != nil {
		return Manifest{}, err
	}
	if who.Role != "admin" {
		return Manifest{}, &admin.Problem{
			Status: http.StatusForbidden, Code: "forbidden", Detail: fmt.Sprintf("what a host knows of itself is for its admins; %s has the role %s", who.Name, who.Role),
			Remedy: "ask as the host's own user on its Unix socket, or with a token of the role admin",
		}
	}
	squeezed := gzip.NewWriter(w)
	g := &gatherer{api: api, now: o.Now, progress: o.Progress, out: tar.NewWriter(squeezed)}
	g.dir = "taskhost-support-" + o.Now().UTC().Format("20060102-150405")
	g.manifest = Manifest{Made: admin.At(o.Now()), Client: o.Client, Address: api.Address(), By: who.Name, Via: who.Via, Parts: []Part{}, Missing: []Missing{}, LeftOut: leftOut}
	err = g.all(ctx)
	return g.manifest, errors.Join(err, g.out.Close(), squeezed.Close())
}

// all writes every part, then the logs, then the manifest.
func (g *gatherer) all(ctx context.Context) error {
	for _, p := range parts {
		if err := g.add(ctx, p); err != nil {
			return err
		}
	}
	if err := g.logs(ctx); err != nil {
		return err
	}
	text, err := encode(g.manifest)
	if err != nil {
		return err
	}
	return g.write("manifest.json", text)
}

// add asks for one part and writes it, or notes why it could not be had.
func (g *gatherer) add(ctx context.Context, p part) error {
	if g.progress != nil {
		g.progress(p.what)
	}
	limited, cancel := context.WithTimeoutCause(ctx, partTime, fmt.Errorf("the host did not answer within %s", partTime))
	defer cancel()
	v, err := p.get(limited, g)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var text []byte
	if err == nil {
		text, err = encode(v)
	}
	if err != nil {
		g.miss(p, err.Error())
		return nil
	}
	return g.keep(p, text)
}

func (g *gatherer) miss(p part, why string) {
	g.manifest.Missing = append(g.manifest.Missing, Missing{p.file, p.what, why})
}

func (g *gatherer) keep(p part, text []byte) error {
	g.manifest.Parts = append(g.manifest.Parts, Part{p.file, p.what, len(text)})
	return g.write(p.file, text)
}

func (g *gatherer) write(file string, text []byte) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: path.Join(g.dir, file), Size: int64(len(text)), Mode: 0o600, ModTime: g.now()}
	err := g.out.WriteHeader(h)
	if err == nil {
		_, err = g.out.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// encode is the text of a part.
func encode(v any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	switch v := v.(type) {
	case []byte:
		return v, nil
	case lines:
		for _, one := range v {
			if err := e.Encode(one); err != nil {
				return nil, err
			}
		}
		return text.Bytes(), nil
	}
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return text.Bytes(), err
}
