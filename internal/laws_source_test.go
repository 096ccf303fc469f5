package internal

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tree is the parsed source of a module: all files, those of other systems
// and of tests too.
type tree struct {
	packages []*pack
}

// pack is one folder with Go files.
type pack struct {
	// path is relative to the module, with slashes.
	path  string
	files []*file
}

type file struct {
	pkg  *pack
	name string
	test bool
	fset *token.FileSet
	ast  *ast.File
}

// use is one mention of something in an imported package.
type use struct {
	name   string
	pos    token.Pos
	called bool
	// fallback means: stands in for something that is nil.
	fallback bool
	function string
}

// parseModule reads the module at root from disk. The package of the laws
// itself is left out.
func parseModule(t *testing.T, root string) tree {
	t.Helper()
	sources := map[string]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "dist") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if rel = filepath.ToSlash(rel); path.Dir(rel) != "internal" {
			sources[rel] = string(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return parseSources(t, sources)
}

// parseSources makes a tree of texts by their names.
func parseSources(t *testing.T, sources map[string]string) tree {
	t.Helper()
	fset := token.NewFileSet()
	byPath := map[string]*pack{}
	var whole tree
	names := make([]string, 0, len(sources))
	for name := range sources {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		parsed, err := parser.ParseFile(fset, name, sources[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		p := byPath[path.Dir(name)]
		if p == nil {
			p = &pack{path: path.Dir(name)}
			byPath[p.path] = p
			whole.packages = append(whole.packages, p)
		}
		p.files = append(p.files, &file{
			pkg: p, name: name, test: strings.HasSuffix(name, "_test.go"), fset: fset, ast: parsed,
		})
	}
	return whole
}

func (t tree) all() (files []*file) {
	for _, p := range t.packages {
		files = append(files, p.files...)
	}
	return files
}

// shipped lists the files that can end up in a program: not tests, not the
// folders of tests, benchmarks and packaging, not the support packages of tests.
func (t tree) shipped() []*file {
	return slices.DeleteFunc(t.all(), func(f *file) bool {
		top, _, _ := strings.Cut(f.pkg.path, "/")
		return f.test || top == "test" || top == "bench" || top == "packaging" || isSupport(f.pkg.path)
	})
}

// isSupport reports whether a package serves tests only: blobtest, sourcetest.
func isSupport(path string) bool { return strings.HasSuffix(path, "test") }

func (p *pack) name() string { return path.Base(p.path) }

func (f *file) base() string { return path.Base(f.name) }

func (f *file) at(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", f.name, f.fset.Position(pos).Line)
}

func (f *file) imports() (paths []string) {
	for _, spec := range f.ast.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// ownImports lists the imports from this module, relative to it.
func (f *file) ownImports() (paths []string) {
	for _, p := range f.imports() {
		if rel, ok := strings.CutPrefix(p, module+"/"); ok {
			paths = append(paths, rel)
		}
	}
	return paths
}

func (f *file) functions() (list []*ast.FuncDecl) {
	for _, d := range f.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			list = append(list, fn)
		}
	}
	return list
}

// localName is the name by which the file knows an import; "." and "" for a
// dot import and for none.
func (f *file) localName(imp string) string {
	for _, spec := range f.ast.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != imp {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imp)
	}
	return ""
}

func (f *file) isSelector(e ast.Expr, imp, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == f.localName(imp)
}

// uses finds the mentions of an import's names. A dot import hides them, so
// it counts as one of each.
func (f *file) uses(imp string, names ...string) (found []use) {
	local := f.localName(imp)
	switch local {
	case "", "_":
		return nil
	case ".":
		for _, name := range names {
			found = append(found, use{name: name, pos: f.ast.Package, called: true})
		}
		return found
	}
	for _, decl := range f.ast.Decls {
		function := ""
		if fn, ok := decl.(*ast.FuncDecl); ok {
			function = fn.Name.Name
		}
		called, fallback := map[ast.Expr]bool{}, map[ast.Expr]bool{}
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				called[ast.Unparen(n.Fun)] = true
			case *ast.IfStmt:
				markFallback(n, fallback)
			case *ast.SelectorExpr:
				if slices.Contains(names, n.Sel.Name) && f.isSelector(n, imp, n.Sel.Name) {
					found = append(found, use{n.Sel.Name, n.Pos(), called[n], fallback[n], function})
				}
			}
			return true
		})
	}
	return found
}

// markFallback marks b in "if a == nil { a = b }".
func markFallback(n *ast.IfStmt, marked map[ast.Expr]bool) {
	cond, ok := n.Cond.(*ast.BinaryExpr)
	if !ok || cond.Op != token.EQL || types.ExprString(cond.Y) != "nil" {
		return
	}
	for _, stmt := range n.Body.List {
		set, ok := stmt.(*ast.AssignStmt)
		if ok && len(set.Lhs) == 1 && len(set.Rhs) == 1 && types.ExprString(set.Lhs[0]) == types.ExprString(cond.X) {
			marked[set.Rhs[0]] = true
		}
	}
}

// receiver is the name of a method's type, "" for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) != 1 {
		return ""
	}
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// mentions reports whether a body names an identifier.
func mentions(body *ast.BlockStmt, name string) (found bool) {
	if body == nil {
		return false
	}
	ast.Inspect(body, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && id.Name == name
		return !found
	})
	return found
}
