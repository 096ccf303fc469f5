// Package internal holds nothing but the laws: tests over the source of the
// whole module that keep its structure. docs/architecture.md says why they
// are as they are; laws_cases_test.go shows that each of them can fail.
package internal

import (
	"bytes"
	"flag"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

const (
	module       = "github.com/counterfoil/counterfoil"
	verifyDeps   = "testdata/counterfoil-verify.deps"
	accessImport = module + "/internal/access"
)

var update = flag.Bool("update", false, "rewrite the checked-in dependency list of counterfoil-verify")

// The floors, from the ground up. A package imports its own floor or lower.
const (
	ground  = iota // knows nothing about backup
	rules          // pure: no I/O, no clock, no context, no goroutine
	keeping        // durable state, each behind one door
	work           // one package per thing the system does
	doors          // no business rules
	mains          // config and wiring; here alone drivers are named
)

// floors lists every package below internal/. A new package is entered here
// first: that is the moment to ask whether its name is a subject that a user
// or an auditor could name.
var floors = map[string]int{
	"errkind": ground, "durable": ground, "tlog": ground, "conffile": ground,

	"calendar": rules, "hold": rules, "retention": rules, "access": rules, "policy": rules, "erasure": rules,

	"clock": keeping, "keys": keeping, "audit": keeping, "catalog": keeping,
	"blob": keeping, "blob/blobtest": keeping,
	"blob/diskblob": keeping, "blob/memblob": keeping, "blob/s3blob": keeping, "blob/s3blob/servertest": keeping, "blob/azureblob": keeping,
	"vault": keeping, "vault/canon": keeping, "vault/chunk": keeping, "vault/digest": keeping, "vault/seal": keeping, "vault/pack": keeping,
	"vault/index": keeping, "vault/tree": keeping, "vault/gc": keeping, "vault/canon/canontest": keeping,
	"vault/objects": keeping, "vault/records": keeping, "vault/points": keeping, "vault/inventory": keeping,
	"vault/reader": keeping, "vault/verify": keeping,
	"vault/vaulttest": keeping,

	"source": work, "source/files": work, "source/paged": work, "source/postgres": work, "source/sourcetest": work,
	"gate": work, "jobs": work, "scheduler": work, "backup": work, "restore": work, "lifecycle": work, "drill": work,
	"alert": work, "cost": work, "control": work, "custody": work, "doctor": work, "trial": work, "report": work, "evidence": work,

	"api": doors, "server": doors, "console": doors, "agent": doors, "cli": doors,
}

// floorOf gives the floor of a package named relative to the module. Programs
// and the folders of tests, benchmarks and packaging stand on top of everything.
func floorOf(path string) (int, bool) {
	first, rest, _ := strings.Cut(path, "/")
	switch first {
	case "cmd", "test", "bench", "packaging":
		return mains, true
	case "internal":
		f, ok := floors[rest]
		return f, ok
	}
	return 0, false
}

// Law 1: every package has a floor, and every import goes level or down.
func lawFloors(t tree) (faults []string) {
	for _, p := range t.packages {
		from, known := floorOf(p.path)
		if !known {
			faults = append(faults, p.path+": not in the table of floors")
			continue
		}
		for _, f := range p.files {
			for _, to := range f.ownImports() {
				at, known := floorOf(to)
				if known && at > from {
					faults = append(faults, f.at(f.ast.Package)+": "+p.path+" imports "+to+", a higher floor")
				}
			}
		}
	}
	return faults
}

// impure are imports that no rule may have.
var impure = []string{
	"bufio", "context", "database/sql", "io/fs", "io/ioutil", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand",
	"net", "net/http", "os", "os/exec", "path/filepath", "runtime", "sync", "sync/atomic", "syscall", "golang.org/x/sys/unix",
}

// Law 1, second half: the rules are pure.
func lawPureRules(t tree) (faults []string) {
	for _, f := range t.shipped() {
		if floor, known := floorOf(f.pkg.path); !known || floor != rules {
			continue
		}
		for _, imp := range f.imports() {
			if slices.Contains(impure, imp) {
				faults = append(faults, f.at(f.ast.Package)+": a rule imports "+imp)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				faults = append(faults, f.at(g.Pos())+": a rule starts a goroutine")
			}
			return true
		})
	}
	return faults
}

// Law 2: every package has exactly one package comment, in the file named
// after it, in doc.go or in a program's main.go. A folder with only tests
// needs none.
func lawPackageComment(t tree) (faults []string) {
	for _, p := range t.packages {
		var commented []string
		shipped := false
		for _, f := range p.files {
			shipped = shipped || !f.test
			if f.test && f.ast.Name.Name != p.name() || f.ast.Doc == nil || f.ast.Doc.Text() == "" {
				continue
			}
			commented = append(commented, f.base())
		}
		switch {
		case len(commented) == 0 && shipped:
			faults = append(faults, p.path+": no package comment")
		case len(commented) > 1:
			faults = append(faults, p.path+": package comments in "+strings.Join(commented, " and "))
		case len(commented) == 1 && shipped:
			if where := commented[0]; where != p.name()+".go" && where != "doc.go" && where != "main.go" {
				faults = append(faults, p.path+": the package comment stands in "+where+", not in "+p.name()+".go")
			}
		}
	}
	return faults
}

// constructors begin the names of functions that may choose time.Now for what
// they make.
var constructors = []string{"New", "new", "Open", "open", "Create", "create", "Start", "start"}

// Law 3: the wall clock is read only in programs, in durable and in tests.
// Elsewhere time.Now may be named, not called: by a constructor, or as what
// stands in for a clock that is nil.
func lawClock(t tree) (faults []string) {
	for _, f := range t.shipped() {
		if strings.HasPrefix(f.pkg.path, "cmd/") || f.pkg.path == "internal/durable" {
			continue
		}
		for _, use := range f.uses("time", "Now", "Since", "Until") {
			constructor := slices.ContainsFunc(constructors, func(c string) bool { return strings.HasPrefix(use.function, c) })
			if use.called || use.name != "Now" || !constructor && !use.fallback {
				faults = append(faults, f.at(use.pos)+": time."+use.name+" outside a constructor's default")
			}
		}
	}
	return faults
}

// vendors says which packages may import a library that is a vendor's, a
// driver, a tool of the tests or unfit for the FIPS build; packages below
// internal/ are named without it.
var vendors = map[string][]string{
	"database/sql":                         {"catalog"},
	"modernc.org/sqlite":                   {"catalog"},
	"github.com/jackc/pgx":                 {"catalog", "source/postgres"},
	"github.com/pressly/goose":             {"catalog"},
	"github.com/minio/minio-go":            {"blob/s3blob"},
	"github.com/aws/":                      {"keys"},
	"github.com/Azure/":                    {"blob/azureblob", "keys"},
	"github.com/danielgtaylor/huma":        {"api", "server"},
	"github.com/spf13/cobra":               {"cli", "cmd/counterfoil"},
	"github.com/vbauerster/mpb":            {"cli"},
	"github.com/go-git/":                   {"source/files"},
	module + "/internal/blob/diskblob":     {},
	module + "/internal/blob/s3blob":       {},
	module + "/internal/blob/azureblob":    {},
	module + "/internal/blob/memblob":      {},
	"github.com/rogpeppe/go-internal":      {},
	"github.com/google/go-cmp":             {},
	"pgregory.net/rapid":                   {},
	"golang.org/x/tools":                   {},
	"github.com/stretchr/testify":          {},
	"github.com/spf13/viper":               {},
	"golang.org/x/crypto/argon2":           {},
	"golang.org/x/crypto/chacha20poly1305": {},
	"crypto/md5":                           {},
	"github.com/zeebo/blake3":              {},
}

// Law 4: no vendor's library outside its driver; drivers are named only by
// programs. Tests may use what they like.
func lawVendors(t tree) (faults []string) {
	for _, f := range t.shipped() {
		for _, imp := range f.imports() {
			for vendor, allowed := range vendors {
				driver := strings.HasPrefix(vendor, module)
				switch {
				case imp != vendor && !strings.HasPrefix(imp, strings.TrimSuffix(vendor, "/")+"/"):
				case slices.Contains(allowed, strings.TrimPrefix(f.pkg.path, "internal/")):
				case driver && strings.HasPrefix(f.pkg.path, "cmd/"):
				default:
					faults = append(faults, f.at(f.ast.Package)+": "+f.pkg.path+" imports "+imp)
				}
			}
		}
	}
	return faults
}

// Law 5: no program links test code.
func lawLinked(program string, deps []string) (faults []string) {
	for _, dep := range deps {
		own := strings.HasPrefix(dep, module+"/") && isSupport(dep)
		if own || dep == "testing" || strings.HasPrefix(dep, "testing/") || strings.HasSuffix(dep, "/memblob") {
			faults = append(faults, program+" links "+dep)
		}
	}
	return faults
}

// parts are the packages of the vault that nobody else may know.
var parts = []string{"canon", "chunk", "digest", "seal", "pack", "index", "tree", "objects", "records", "points", "inventory", "reader", "verify"}

// Law 6: the vault's parts are imported only from below internal/vault.
func lawVaultParts(t tree) (faults []string) {
	for _, p := range t.packages {
		if p.path == "internal/vault" || strings.HasPrefix(p.path, "internal/vault/") {
			continue
		}
		for _, f := range p.files {
			for _, to := range f.ownImports() {
				if part, ok := strings.CutPrefix(to, "internal/vault/"); ok && slices.Contains(parts, part) {
					faults = append(faults, f.at(f.ast.Package)+": "+p.path+" imports "+to)
				}
			}
		}
	}
	return faults
}

// Law 7: only a program's main.go ends the process.
func lawExit(t tree) (faults []string) {
	exits := map[string][]string{
		"os": {"Exit"}, "log": {"Fatal", "Fatalf", "Fatalln"}, "syscall": {"Exit"}, "golang.org/x/sys/unix": {"Exit"},
	}
	for _, f := range t.shipped() {
		if strings.HasPrefix(f.pkg.path, "cmd/") && f.base() == "main.go" {
			continue
		}
		for imp, names := range exits {
			for _, use := range f.uses(imp, names...) {
				faults = append(faults, f.at(use.pos)+": "+imp+"."+use.name)
			}
		}
	}
	return faults
}

// Law 8: no init functions outside generated code.
func lawInit(t tree) (faults []string) {
	for _, f := range t.all() {
		if ast.IsGenerated(f.ast) {
			continue
		}
		for _, fn := range f.functions() {
			if fn.Recv == nil && fn.Name.Name == "init" {
				faults = append(faults, f.at(fn.Pos())+": an init function")
			}
		}
	}
	return faults
}

// Law 10: only package gate issues grants. Tests, which no program links
// (law 5), may issue them to reach a mutating method.
func lawIssue(t tree) (faults []string) {
	for _, f := range t.shipped() {
		switch f.pkg.path {
		case "internal/gate":
		case "internal/access":
			faults = append(faults, grantsMadeBeside(f)...)
		default:
			for _, use := range f.uses(accessImport, "Issue") {
				faults = append(faults, f.at(use.pos)+": "+f.pkg.path+" issues a grant")
			}
		}
	}
	return faults
}

// grantsMadeBeside finds grants that package access itself makes anywhere but
// in Issue.
func grantsMadeBeside(f *file) (faults []string) {
	for _, fn := range f.functions() {
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if id, ok := n.Type.(*ast.Ident); ok && id.Name == "Grant" && len(n.Elts) > 0 && fn.Name.Name != "Issue" {
					faults = append(faults, f.at(n.Pos())+": access fills a grant outside Issue")
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "Issue" {
					faults = append(faults, f.at(n.Pos())+": access issues a grant")
				}
			}
			return true
		})
	}
	return faults
}

// mutating begins the names of methods that change what is kept.
var mutating = []string{
	"Create", "Update", "Delete", "Set", "Record", "Commit", "Remove", "Place", "Release", "Raise", "Purge", "Rotate", "Enrol",
	"Replace", "Clear", "Begin", "End", "Ensure", "Reset", "Change", "Take", "Finish", "Rebuild", "Recover", "Adopt", "Mark", "Add", "Put",
}

// guarded lists the packages whose mutating functions take a grant; a value
// narrows it to the methods of one type. The blob drivers stand below
// blob.Bucket, which asks in their stead.
var guarded = map[string]string{
	"internal/vault": "", "internal/vault/gc": "", "internal/vault/records": "", "internal/vault/points": "", "internal/vault/inventory": "",
	"internal/catalog": "", "internal/lifecycle": "", "internal/keys": "", "internal/custody": "",
	"internal/blob": "Bucket",
}

// ungranted lists the mutating functions that take no grant, with the reason.
var ungranted = map[string]string{
	"blob.Bucket.Put":                      "adds objects; nothing locked or of another name is changed, and every road to it through the vault takes a grant",
	"catalog.Tx.AddEvent":                  "the outbox of the audit log: what was refused is recorded too",
	"catalog.Catalog.AddEvent":             "the outbox of the audit log: what was refused is recorded too",
	"catalog.Catalog.MarkIntegrated":       "the outbox of the audit log",
	"catalog.Catalog.EndJob":               "the queue is workflow: what a job does passes the gate when it is done",
	"custody.SetLock":                      "fills a row in memory",
	"custody.Custody.AdoptLog":             "the gate needs a log before it can record; it takes one up only where there is none",
	"vault/points.Hints.Add":               "in memory",
	"vault/points.Hints.AddKey":            "in memory",
	"vault/points.Points.PutHints":         "part of a session, which was opened under a grant",
	"vault/points.Points.PutIntent":        "part of a session, which was opened under a grant",
	"vault/inventory.Inventory.PutSegment": "derived from the packs; part of a session, a merge or a rebuild, each under a grant",
	"vault.Directory.Add":                  "part of a session, which was opened under a grant",
	"vault.Directory.Finish":               "part of a session, which was opened under a grant",
	"vault.Session.PutRoot":                "part of a session, which was opened under a grant",
}

// Law 11: what changes durable state takes an access.Grant and looks at it.
func lawGrants(t tree, exceptions map[string]string) (faults []string) {
	met := map[string]bool{}
	for _, f := range t.shipped() {
		only, ok := guarded[f.pkg.path]
		if !ok {
			continue
		}
		for _, fn := range f.functions() {
			recv := receiver(fn)
			if !isMutating(fn.Name.Name) || recv != "" && !ast.IsExported(recv) || only != "" && recv != only {
				continue
			}
			name := strings.TrimPrefix(f.pkg.path, "internal/") + "." + strings.TrimPrefix(recv+"."+fn.Name.Name, ".")
			if _, excepted := exceptions[name]; excepted {
				met[name] = true
			} else if fault := grantFault(f, fn); fault != "" {
				faults = append(faults, f.at(fn.Pos())+": "+name+" "+fault)
			}
		}
	}
	for name := range exceptions {
		if !met[name] {
			faults = append(faults, name+": an exception for what does not exist")
		}
	}
	return faults
}

// isMutating reports whether an exported name begins with a mutating verb as
// a whole word: Record and RecordUse, not Recorder.
func isMutating(name string) bool {
	return slices.ContainsFunc(mutating, func(verb string) bool {
		rest, ok := strings.CutPrefix(name, verb)
		next, _ := utf8.DecodeRuneInString(rest)
		return ok && (rest == "" || !unicode.IsLower(next))
	})
}

// grantFault says what is wrong with a mutating function's grant, "" if nothing.
func grantFault(f *file, fn *ast.FuncDecl) string {
	for _, param := range fn.Type.Params.List {
		if !f.isSelector(param.Type, accessImport, "Grant") {
			continue
		}
		for _, name := range param.Names {
			if name.Name != "_" && mentions(fn.Body, name.Name) {
				return ""
			}
		}
		return "takes a grant and does not look at it"
	}
	return "takes no access.Grant"
}

func TestLaws(t *testing.T) {
	whole := parseModule(t, "..")
	for name, law := range map[string]func(tree) []string{
		"01 floors":          lawFloors,
		"01 rules are pure":  lawPureRules,
		"02 package comment": lawPackageComment,
		"03 clock":           lawClock,
		"04 vendors":         lawVendors,
		"06 vault parts":     lawVaultParts,
		"07 exit":            lawExit,
		"08 init":            lawInit,
		"10 grants issued":   lawIssue,
		"11 grants taken":    func(t tree) []string { return lawGrants(t, ungranted) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, fault := range law(whole) {
				t.Error(fault)
			}
		})
	}
}

func TestLaws_ProgramsLinkNoTestCode(t *testing.T) {
	programs, err := filepath.Glob("../cmd/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) == 0 {
		t.Skip("there is no program yet")
	}
	for _, path := range programs {
		program := "cmd/" + filepath.Base(filepath.Dir(path))
		for _, fault := range lawLinked(program, listDeps(t, program)) {
			t.Error(fault)
		}
	}
}

// Law 9: what the auditor's tool is made of is checked in, so that a change
// of it is seen in review.
func TestLaws_VerifierDependencies(t *testing.T) {
	if _, err := os.Stat("../cmd/counterfoil-verify/main.go"); err != nil {
		t.Skip("cmd/counterfoil-verify does not exist yet")
	}
	got := publicDeps(listDeps(t, "cmd/counterfoil-verify"))
	for _, dep := range got {
		if slices.Contains([]string{"net/http", "database/sql", "os/exec", "plugin", "html/template"}, dep) {
			t.Errorf("counterfoil-verify links %s", dep)
		}
	}
	text := []byte(strings.Join(got, "\n") + "\n")
	if *update {
		if err := os.WriteFile(verifyDeps, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(verifyDeps)
	if err != nil {
		t.Fatalf("%v; run go test ./internal -update", err)
	}
	if !bytes.Equal(want, text) {
		t.Errorf("dependencies differ from %s (go test ./internal -update after thought):\n%s", verifyDeps,
			strings.Join(difference(strings.Fields(string(want)), got), "\n"))
	}
}

// publicDeps leaves out the standard library's own insides, which change with
// every patch of Go.
func publicDeps(deps []string) []string {
	public := slices.DeleteFunc(slices.Clone(deps), func(d string) bool {
		std := !strings.Contains(strings.Split(d, "/")[0], ".")
		return std && (strings.Contains("/"+d+"/", "/internal/") || strings.HasPrefix(d, "vendor/"))
	})
	slices.Sort(public)
	return public
}

// difference lists what was lost with "-" and what came with "+".
func difference(want, got []string) (lines []string) {
	for _, d := range want {
		if !slices.Contains(got, d) {
			lines = append(lines, "- "+d)
		}
	}
	for _, d := range got {
		if !slices.Contains(want, d) {
			lines = append(lines, "+ "+d)
		}
	}
	return lines
}

// listDeps gives all packages that a program links on Linux.
func listDeps(t *testing.T, program string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "./"+program)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", program, err, stderr.Bytes())
	}
	return strings.Fields(string(out))
}
