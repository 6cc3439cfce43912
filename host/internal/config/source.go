package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// Sources holds the text of the files that a Load read, for showing diagnostics
// in it, and the sensitive values that must not be shown.
type Sources struct {
	files  map[string][]byte
	read   []File
	secret *secrets
}

// File is a file as a Load has read it.
type File struct {
	Path   string
	Text   []byte
	Values bool // it holds values of variables
}

// Files are all files that were read, in that order. What they hold may be secret.
func (s Sources) Files() []File { return s.read }

// line returns a line of a file without its end, counted from 1.
func (s Sources) line(file string, number int) (string, bool) {
	text, known := s.files[file]
	if !known || number < 1 {
		return "", false
	}
	for ; number > 1; number-- {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			return "", false
		}
		text = text[end+1:]
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return strings.ToValidUTF8(strings.TrimRight(string(line), "\r"), "�"), true
}

// hide replaces the sensitive values in a text.
func (s Sources) hide(text string) string {
	if s.secret == nil {
		return text
	}
	return s.secret.hide(text)
}

// Ends of file names.
const (
	extNative = ".hcl"
	extJSON   = ".hcl.json"
)

// maxFile bounds a configuration file, and what functions read.
const maxFile = 1 << 20

// errNotRegular is a path that could block a reader for ever.
var errNotRegular = errors.New("it is not a regular file")

// configFiles lists the files that the paths mean: a file is itself, a directory
// its *.hcl and *.hcl.json in name order. A file that is named twice counts once.
func configFiles(paths []string, find findings) []string {
	var files []string
	seen := map[string]bool{}
	add := func(file string) {
		absolute, err := filepath.Abs(file)
		if err != nil {
			absolute = file
		}
		if !seen[absolute] {
			seen[absolute] = true
			files = append(files, file)
		}
	}
	for _, path := range paths {
		path = filepath.Clean(path)
		info, err := os.Stat(path)
		switch {
		case err != nil:
			find.errorf(hcl.Range{}, "-config takes files and directories", "cannot read configuration: %s", errorText(err))
		case !info.IsDir():
			add(path)
		default:
			names, err := directory(path)
			if err != nil {
				find.errorf(hcl.Range{}, "", "cannot read configuration directory: %s", errorText(err))
			} else if len(names) == 0 {
				find.errorf(hcl.Range{}, "", "directory %q holds no *.hcl and no *.hcl.json", path)
			}
			for _, name := range names {
				add(filepath.Join(path, name))
			}
		}
	}
	return files
}

func directory(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, ".") && !e.IsDir() && (strings.HasSuffix(name, extNative) || strings.HasSuffix(name, extJSON)) {
			names = append(names, name)
		}
	}
	return names, nil
}

// errorText is a file error without the name of the system call.
func errorText(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Sprintf("%s: %s", path.Path, path.Err)
	}
	return err.Error()
}

// readFile reads a regular file of bounded size.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read", Path: path, Err: errNotRegular}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("it is larger than 1 MiB")}
	}
	return text, nil
}

// configFiles are the files of the configuration, varFiles those with values of variables.
func (l *loader) configFiles() []string {
	if l.opts.Files == nil {
		return configFiles(l.opts.Paths, l.find)
	}
	return pathsOf(l.opts.Files, false)
}

func (l *loader) varFiles() []string {
	if l.opts.Files == nil {
		return l.opts.VarFiles
	}
	return pathsOf(l.opts.Files, true)
}

func pathsOf(files []File, values bool) (paths []string) {
	for _, f := range files {
		if f.Values == values {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

func (l *loader) readFile(path string) ([]byte, error) {
	for _, f := range l.opts.Files {
		if f.Path == path {
			return f.Text, nil
		}
	}
	return readFile(path)
}

// ReadAgain reads the files that the paths mean now, without looking into them; what cannot be read is left out.
func ReadAgain(paths, varFiles []string) (files []File) {
	ignored := findings{list: &hcl.Diagnostics{}}
	for _, path := range configFiles(paths, ignored) {
		if text, err := readFile(path); err == nil {
			files = append(files, File{Path: path, Text: text})
		}
	}
	for _, path := range varFiles {
		if text, err := readFile(path); err == nil {
			files = append(files, File{Path: path, Text: text, Values: true})
		}
	}
	return files
}

// parseFile reads and parses one file. The body holds what could be parsed, even
// when there are errors.
func (l *loader) parseFile(path string, values bool) hcl.Body {
	text, err := l.readFile(path)
	if err != nil {
		l.find.errorf(hcl.Range{}, "", "cannot read configuration: %s", errorText(err))
		return hcl.EmptyBody()
	}
	l.sources.files[path] = text
	l.sources.read = append(l.sources.read, File{path, text, values})
	return l.parseText(text, path)
}

func (l *loader) parseText(text []byte, path string) hcl.Body {
	if body := inPieces(text, path); body != nil {
		l.steps.bound(body)
		return body
	}
	if d := tooDeep(text, path, hcl.InitialPos); d != nil {
		l.find.foreign(hcl.Diagnostics{d})
		return hcl.EmptyBody()
	}
	var file *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(path, ".json") {
		file, diags = json.Parse(text, path)
	} else {
		file, diags = hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	}
	l.find.foreign(diags)
	if file == nil || file.Body == nil {
		return hcl.EmptyBody()
	}
	if native, ok := file.Body.(*hclsyntax.Body); ok {
		l.steps.bound(native)
	}
	return file.Body
}

// relative resolves a path against the directory of the file that holds it.
func relative(path, file string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(file), path)
}

// absoluteDir is the directory of a file, as the plugin is told it: its process has another
// working directory than the host.
func absoluteDir(file string) string {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return filepath.Dir(file)
	}
	return dir
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
