package docs

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/format"
	"go/parser"
	"go/printer"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sdkReference documents every exported name of what plugin authors import.
func sdkReference(t *testing.T) string {
	var out strings.Builder
	out.WriteString("# SDK reference\n\nEvery exported name of `sdk/task` and `sdk/tasktest`. [The guide for plugin authors](../guide/plugin-authors.md) is the way in.\nIn the examples, `show` runs a type with `tasktest` and prints what became of it, `showStopped` also stops it first; `stage` stands for a\n`testing.T`.\n")
	for _, dir := range []string{"sdk/task", "sdk/tasktest"} {
		writePackage(t, &out, dir)
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// A page is one package on its way into the reference.
type page struct {
	*doc.Package
	fset *token.FileSet
	out  *strings.Builder
	// beside are the declarations of types, and their methods, that stand beside the examples, by the type's name.
	beside map[string][]ast.Decl
}

func writePackage(t *testing.T, out *strings.Builder, dir string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	beside := map[string][]ast.Decl{}
	for _, path := range paths {
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "example_test.go") {
			collect(beside, file)
		}
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, "github.com/taskhost/taskhost/"+dir)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{pkg, fset, out, beside}
	fmt.Fprintf(out, "\n## %s\n\n    import %q\n\n", dir, pkg.ImportPath)
	p.text(pkg.Doc)
	p.examples(pkg.Examples)
	p.values(pkg.Consts)
	p.values(pkg.Vars)
	for _, f := range pkg.Funcs {
		p.function(f)
	}
	for _, typ := range pkg.Types {
		p.heading(typ.Name)
		p.code(typ.Decl)
		p.text(typ.Doc)
		p.examples(typ.Examples)
		p.values(typ.Consts)
		p.values(typ.Vars)
		for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
			p.function(f)
		}
	}
}

// collect adds the types of a file, each with its methods.
func collect(beside map[string][]ast.Decl, file *ast.File) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.GenDecl:
			if d.Tok == token.TYPE && len(d.Specs) == 1 {
				name := d.Specs[0].(*ast.TypeSpec).Name.Name
				beside[name] = append(beside[name], d)
			}
		case *ast.FuncDecl:
			if d.Recv == nil {
				continue
			}
			receiver := d.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			if id, ok := receiver.(*ast.Ident); ok {
				beside[id.Name] = append(beside[id.Name], d)
			}
		}
	}
}

// uses are the declarations beside an example that it mentions.
func (p *page) uses(code ast.Node) []ast.Decl {
	var decls []ast.Decl
	seen := map[string]bool{}
	ast.Inspect(code, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && !seen[id.Name] {
			seen[id.Name] = true
			decls = append(decls, p.beside[id.Name]...)
		}
		return true
	})
	return decls
}

func (p *page) heading(name string) { fmt.Fprintf(p.out, "### %s.%s\n\n", p.Name, name) }

func (p *page) function(f *doc.Func) {
	name := f.Name
	if f.Recv != "" {
		receiver, _, _ := strings.Cut(strings.TrimLeft(f.Recv, "*"), "[") // without type parameters, as links have it
		name = receiver + "." + name
	}
	p.heading(name)
	p.code(f.Decl)
	p.text(f.Doc)
	p.examples(f.Examples)
}

func (p *page) values(values []*doc.Value) {
	for _, v := range values {
		fmt.Fprintf(p.out, "### %s\n\n", p.group(v))
		p.code(v.Decl)
		p.text(v.Doc)
	}
}

func (p *page) code(decl ast.Decl) {
	var buf bytes.Buffer
	if err := format.Node(&buf, p.fset, decl); err != nil {
		fmt.Fprintf(&buf, "%v", err)
	}
	fmt.Fprintf(p.out, "```go\n%s\n```\n\n", buf.String())
}

// ids are what the printer adds to headings and Markdown cannot show.
var ids = regexp.MustCompile(` \{#[^}]*\}`)

func (p *page) text(text string) {
	printer := p.Printer()
	printer.HeadingLevel = 4
	printer.DocLinkURL = func(link *comment.DocLink) string {
		if link.ImportPath != "" && link.ImportPath != p.ImportPath {
			return "https://pkg.go.dev/" + link.ImportPath + "#" + link.Name
		}
		name := link.Name
		if link.Recv != "" {
			name = link.Recv + "." + name
		}
		return "#" + p.anchor(name)
	}
	fmt.Fprintf(p.out, "%s\n", ids.ReplaceAllString(string(printer.Markdown(p.Parser().Parse(text))), ""))
}

// anchor is where a name is documented: at its own heading, or at that of the group it is declared in.
func (p *page) anchor(name string) string {
	for _, v := range slices.Concat(p.Consts, p.Vars) {
		if slices.Contains(v.Names, name) {
			return anchorOf(p.group(v))
		}
	}
	return anchorOf(p.Name + "." + name)
}

// group is the heading of names that are declared together.
func (p *page) group(v *doc.Value) string {
	return p.Name + "." + strings.Join(v.Names, ", "+p.Name+".")
}

func (p *page) examples(examples []*doc.Example) {
	for _, e := range examples {
		var buf bytes.Buffer
		config := printer.Config{Mode: printer.UseSpaces | printer.TabIndent, Tabwidth: 8}
		if err := config.Fprint(&buf, p.fset, &printer.CommentedNode{Node: e.Code, Comments: e.Comments}); err != nil {
			fmt.Fprintf(&buf, "%v", err)
		}
		body := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(buf.String(), "{"), "}"))
		body = strings.ReplaceAll(body, "\n\t", "\n")
		if at := strings.Index(body, "// Output:"); at >= 0 {
			body = strings.TrimSpace(body[:at])
		}
		fmt.Fprint(p.out, "For example:\n\n")
		for _, decl := range p.uses(e.Code) {
			p.code(decl)
		}
		fmt.Fprintf(p.out, "```go\n%s\n```\n\n", body)
		if e.Output != "" {
			fmt.Fprintf(p.out, "which prints\n\n```\n%s```\n\n", strings.TrimRight(e.Output, "\n")+"\n")
		}
	}
}
