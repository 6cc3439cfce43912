package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed files
var embedded embed.FS

// policy is what the browser may do for the page: what comes from the host itself, and nothing else. Text never
// becomes markup: the browser itself refuses.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is one file of the page.
type file struct {
	media, tag string
	plain      []byte
	zipped     func() []byte // made when somebody asks for it
}

// files are all of them by their names below /ui/.
var files = sync.OnceValue(func() map[string]*file {
	all := map[string]*file{}
	err := fs.WalkDir(embedded, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := embedded.ReadFile(name)
		all[strings.TrimPrefix(name, "files/")] = newFile(name, data)
		return err
	})
	if err != nil {
		panic("ui: the embedded files cannot be read: " + err.Error())
	}
	all[first].tag = tagOf(all)
	return all
})

// first is the file that everything else hangs on. Its tag stands for the whole page: by it an open page knows that the
// host has been replaced by one that serves another.
const first = "index.html"

func tagOf(all map[string]*file) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		io.WriteString(sum, name+" "+all[name].tag+"\n") // a hash takes everything
	}
	return quoted(sum.Sum(nil))
}

func quoted(sum []byte) string { return `"` + hex.EncodeToString(sum[:8]) + `"` }

// media is fixed here: the tables of the machine may say otherwise.
var media = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	"":      "text/plain; charset=utf-8", // a licence
}

func newFile(name string, data []byte) *file {
	sum := sha256.Sum256(data)
	return &file{
		media: media[path.Ext(name)], tag: quoted(sum[:]), plain: data,
		zipped: sync.OnceValue(func() []byte { return zip(data) }),
	}
}

func zip(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data) // into memory
	z.Close()
	return b.Bytes()
}

// ServeFile answers with a file of the page, the first one for "", and reports whether there is such a one. Browsers
// may keep it, and ask each time whether it is still the same.
func (p *Page) ServeFile(w http.ResponseWriter, r *http.Request, name string) bool {
	if name == "" {
		name = first
	}
	f, ok := p.files[name]
	if !ok {
		return false
	}
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("Content-Type", f.media)
	head.Set("Cache-Control", "no-cache")
	head.Set("ETag", f.tag)
	head.Set("Vary", "Accept-Encoding, Sec-Fetch-Site")
	if r.Header.Get("Sec-Fetch-Site") == "none" {
		// A person opened it, no other page did, so there is none to be kept apart from; and a browser that has to keep them
		// apart begins anew in another process, which is half of the time until something is seen.
		head.Del("Cross-Origin-Opener-Policy")
	}
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	data := f.plain
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		head.Set("Content-Encoding", "gzip")
		data = f.zipped()
	}
	w.Write(data)
	return true
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, args, err := mime.ParseMediaType("x/" + strings.TrimSpace(part)) // it has the same form
		if err == nil && name == "x/gzip" && args["q"] != "0" {
			return true
		}
	}
	return false
}
