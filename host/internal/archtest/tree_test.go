package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// root is the module's root, seen from this package.
const root = "../../.."

// A pkg is one package of the module as its files declare it, tests left out.
type pkg struct {
	path    string // inside the module, with slashes
	imports []string
	doc     string
	files   map[string]*ast.File
}

// packages reads every package of the module. It parses each time: the tree is small, and no
// state is shared between tests.
func packages(t *testing.T) []pkg {
	t.Helper()
	return read(t, func(name string) bool { return !strings.HasSuffix(name, "_test.go") })
}

// testFiles reads the test files of every package.
func testFiles(t *testing.T) []pkg {
	t.Helper()
	return read(t, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

func read(t *testing.T, want func(string) bool) []pkg {
	t.Helper()
	byPath := map[string]*pkg{}
	var order []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "data" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" || !want(d.Name()) {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		p := byPath[rel]
		if p == nil {
			p = &pkg{path: filepath.ToSlash(rel), files: map[string]*ast.File{}}
			byPath[rel] = p
			order = append(order, rel)
		}
		p.add(d.Name(), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all := make([]pkg, 0, len(order))
	for _, rel := range order {
		all = append(all, *byPath[rel])
	}
	return all
}

func (p *pkg) add(name string, file *ast.File) {
	p.files[name] = file
	if file.Doc != nil {
		p.doc += file.Doc.Text()
	}
	for _, imp := range file.Imports {
		path, _ := strconv.Unquote(imp.Path.Value)
		p.imports = append(p.imports, path)
	}
}
