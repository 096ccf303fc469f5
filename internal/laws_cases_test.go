package internal

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// imp makes an import of one of our own packages.
func imp(path string) string { return `import _ "` + module + `/` + path + `"` + "\n" }

const grantParam = `import "` + accessImport + `"
`

// lawCases are small modules and the fault that a law must find in each, ""
// for none.
var lawCases = map[string]struct {
	law     func(tree) []string
	sources map[string]string
	want    string
}{
	"import down": {lawFloors, map[string]string{
		"internal/vault/vault.go": "package vault\n" + imp("internal/access"),
	}, ""},
	"import level": {lawFloors, map[string]string{
		"internal/retention/retention.go": "package retention\n" + imp("internal/hold"),
	}, ""},
	"import up": {lawFloors, map[string]string{
		"internal/hold/hold.go": "package hold\n" + imp("internal/vault"),
	}, "internal/hold imports internal/vault, a higher floor"},
	"import up in a test": {lawFloors, map[string]string{
		"internal/vault/vault_test.go": "package vault_test\n" + imp("internal/gate"),
	}, "internal/vault imports internal/gate, a higher floor"},
	"import of a program": {lawFloors, map[string]string{
		"internal/cli/cli.go": "package cli\n" + imp("cmd/counterfoil"),
	}, "a higher floor"},
	"package without a floor": {lawFloors, map[string]string{
		"internal/util/util.go": "package util",
	}, "internal/util: not in the table"},
	"package outside": {lawFloors, map[string]string{
		"pkg/x/x.go": "package x",
	}, "pkg/x: not in the table"},

	"pure rule": {lawPureRules, map[string]string{
		"internal/hold/hold.go": "package hold\nimport \"time\"\nvar _ time.Time",
	}, ""},
	"rule reads files": {lawPureRules, map[string]string{
		"internal/hold/hold.go": "package hold\nimport \"os\"\n",
	}, "a rule imports os"},
	"rule's test reads files": {lawPureRules, map[string]string{
		"internal/hold/hold_test.go": "package hold\nimport \"os\"\n",
	}, ""},
	"rule starts a goroutine": {lawPureRules, map[string]string{
		"internal/hold/hold.go": "package hold\nfunc f() { go f() }",
	}, "hold.go:2: a rule starts a goroutine"},

	"one comment": {lawPackageComment, map[string]string{
		"internal/hold/hold.go": "// Package hold is.\npackage hold", "internal/hold/scope.go": "package hold",
	}, ""},
	"no comment": {lawPackageComment, map[string]string{
		"internal/hold/hold.go": "package hold",
	}, "internal/hold: no package comment"},
	"only a directive": {lawPackageComment, map[string]string{
		"internal/hold/hold.go": "//go:build linux\npackage hold",
	}, "internal/hold: no package comment"},
	"two comments": {lawPackageComment, map[string]string{
		"internal/hold/hold.go": "// Package hold is.\npackage hold", "internal/hold/scope.go": "// Package hold too.\npackage hold",
	}, "package comments in hold.go and scope.go"},
	"comment in the wrong file": {lawPackageComment, map[string]string{
		"internal/hold/hold.go": "package hold", "internal/hold/scope.go": "// Package hold is.\npackage hold",
	}, "stands in scope.go"},
	"only tests": {lawPackageComment, map[string]string{
		"test/e2e/e2e_test.go": "package e2e",
	}, ""},

	"clock as a default": {lawClock, map[string]string{
		"internal/jobs/jobs.go": "package jobs\nimport \"time\"\nfunc New() { now := time.Now; _ = now }",
	}, ""},
	"clock called": {lawClock, map[string]string{
		"internal/jobs/jobs.go": "package jobs\nimport \"time\"\nfunc New() { _ = time.Now() }",
	}, "jobs.go:3: time.Now outside"},
	"clock taken elsewhere": {lawClock, map[string]string{
		"internal/jobs/jobs.go": "package jobs\nimport \"time\"\nfunc run() { now := time.Now; _ = now }",
	}, "jobs.go:3: time.Now outside"},
	"clock for one that is nil": {lawClock, map[string]string{
		"internal/jobs/jobs.go": "package jobs\nimport \"time\"\nfunc (o *opts) fill() {\nif o.now == nil {\no.now = time.Now\n}\n}",
	}, ""},
	"clock for something else that is nil": {lawClock, map[string]string{
		"internal/jobs/jobs.go": "package jobs\nimport \"time\"\nfunc (o *opts) fill() {\nif o.x == nil {\no.now = time.Now\n}\n}",
	}, "jobs.go:5: time.Now outside"},
	"clock called for one that is nil": {lawClock, map[string]string{
		"internal/jobs/jobs.go": "package jobs\nimport \"time\"\nfunc f(t *T) {\nif t == nil {\nt = time.Now()\n}\n}",
	}, "jobs.go:5: time.Now outside"},
	"clock under another name": {lawClock, map[string]string{
		"internal/jobs/jobs.go": "package jobs\nimport tm \"time\"\nfunc run() { _ = tm.Since(tm.Time{}) }",
	}, "jobs.go:3: time.Since outside"},
	"clock by a dot": {lawClock, map[string]string{
		"internal/jobs/jobs.go": "package jobs\nimport . \"time\"\nfunc run() { _ = Now() }",
	}, "time.Now outside"},
	"clock in a global": {lawClock, map[string]string{
		"internal/jobs/jobs.go": "package jobs\nimport \"time\"\nvar now = time.Now",
	}, "jobs.go:3: time.Now outside"},
	"clock in a program": {lawClock, map[string]string{
		"cmd/counterfoil/main.go": "package main\nimport \"time\"\nvar start = time.Now()",
	}, ""},
	"clock in durable": {lawClock, map[string]string{
		"internal/durable/lock.go": "package durable\nimport \"time\"\nfunc f() { _ = time.Now() }",
	}, ""},
	"clock in test support": {lawClock, map[string]string{
		"internal/blob/blobtest/suite.go": "package blobtest\nimport \"time\"\nvar t = time.Now()",
	}, ""},

	"vendor in its driver": {lawVendors, map[string]string{
		"internal/catalog/catalog.go": "package catalog\nimport _ \"modernc.org/sqlite\"",
	}, ""},
	"vendor elsewhere": {lawVendors, map[string]string{
		"internal/audit/audit.go": "package audit\nimport _ \"database/sql\"",
	}, "internal/audit imports database/sql"},
	"vendor's subpackage": {lawVendors, map[string]string{
		"internal/blob/bucket.go": "package blob\nimport _ \"github.com/minio/minio-go/v7\"",
	}, "internal/blob imports github.com/minio/minio-go/v7"},
	"driver in a program": {lawVendors, map[string]string{
		"cmd/counterfoil/wire.go": "package main\n" + imp("internal/blob/diskblob"),
	}, ""},
	"driver in a use case": {lawVendors, map[string]string{
		"internal/backup/backup.go": "package backup\n" + imp("internal/blob/diskblob"),
	}, "internal/backup imports"},
	"driver in a test": {lawVendors, map[string]string{
		"internal/backup/backup_test.go": "package backup\n" + imp("internal/blob/diskblob"),
	}, ""},
	"forbidden hash": {lawVendors, map[string]string{
		"internal/vault/seal/seal.go": "package seal\nimport _ \"crypto/md5\"",
	}, "imports crypto/md5"},

	"part from the vault": {lawVaultParts, map[string]string{
		"internal/vault/vault.go": "package vault\n" + imp("internal/vault/tree"),
	}, ""},
	"part from a part": {lawVaultParts, map[string]string{
		"internal/vault/gc/gc.go": "package gc\n" + imp("internal/vault/index"),
	}, ""},
	"part from outside": {lawVaultParts, map[string]string{
		"internal/backup/backup.go": "package backup\n" + imp("internal/vault/tree"),
	}, "internal/backup imports internal/vault/tree"},
	"part from a namesake": {lawVaultParts, map[string]string{
		"internal/vaultish/x.go": "package vaultish\n" + imp("internal/vault/seal"),
	}, "internal/vaultish imports internal/vault/seal"},

	"exit in main.go": {lawExit, map[string]string{
		"cmd/counterfoil/main.go": "package main\nimport \"os\"\nfunc main() { os.Exit(1) }",
	}, ""},
	"exit beside main.go": {lawExit, map[string]string{
		"cmd/counterfoil/wire.go": "package main\nimport \"os\"\nfunc f() { os.Exit(1) }",
	}, "wire.go:3: os.Exit"},
	"fatal in a package": {lawExit, map[string]string{
		"internal/server/server.go": "package server\nimport \"log\"\nfunc f() { log.Fatalf(\"x\") }",
	}, "server.go:3: log.Fatalf"},

	"init": {lawInit, map[string]string{
		"internal/hold/hold.go": "package hold\nfunc init() {}",
	}, "hold.go:2: an init function"},
	"init as a method": {lawInit, map[string]string{
		"internal/hold/hold.go": "package hold\ntype t int\nfunc (t) init() {}",
	}, ""},
	"init generated": {lawInit, map[string]string{
		"internal/console/page.go": "// Code generated by templ. DO NOT EDIT.\n\npackage console\nfunc init() {}",
	}, ""},

	"grant issued by the gate": {lawIssue, map[string]string{
		"internal/gate/gate.go": "package gate\n" + grantParam + "var g = access.Issue",
	}, ""},
	"grant issued elsewhere": {lawIssue, map[string]string{
		"internal/cli/cli.go": "package cli\n" + grantParam + "func f() { access.Issue(\"\") }",
	}, "cli.go:3: internal/cli issues a grant"},
	"grant issued by a test": {lawIssue, map[string]string{
		"internal/vault/vault_test.go": "package vault\n" + grantParam + "func f() { access.Issue(\"\") }",
	}, ""},
	"grant filled in access": {lawIssue, map[string]string{
		"internal/access/role.go": "package access\nfunc f() Grant { return Grant{action: \"x\"} }",
	}, "role.go:2: access fills a grant outside Issue"},

	"mutation with a grant": {noExceptions, map[string]string{
		"internal/vault/vault.go": "package vault\n" + grantParam + "func Create(g access.Grant) { _ = g.Require() }",
	}, ""},
	"mutation without": {noExceptions, map[string]string{
		"internal/vault/vault.go": "package vault\nfunc Create() {}",
	}, "vault.go:2: vault.Create takes no access.Grant"},
	"mutating method without": {noExceptions, map[string]string{
		"internal/catalog/catalog.go": "package catalog\ntype Catalog[T any] struct{}\nfunc (*Catalog[T]) SetPolicy(x int) {}",
	}, "catalog.Catalog.SetPolicy takes no access.Grant"},
	"grant not looked at": {noExceptions, map[string]string{
		"internal/keys/keys.go": "package keys\n" + grantParam + "func RotateKey(g access.Grant) {}",
	}, "keys.RotateKey takes a grant and does not look at it"},
	"grant thrown away": {noExceptions, map[string]string{
		"internal/keys/keys.go": "package keys\n" + grantParam + "func RotateKey(_ access.Grant) {}",
	}, "does not look at it"},
	"not a verb": {noExceptions, map[string]string{
		"internal/vault/vault.go": "package vault\nfunc Recorder() {}\nfunc Settle() {}\nfunc setX() {}",
	}, ""},
	"unexported type": {noExceptions, map[string]string{
		"internal/vault/vault.go": "package vault\ntype w int\nfunc (w) Commit() {}",
	}, ""},
	"bucket": {noExceptions, map[string]string{
		"internal/blob/bucket.go": "package blob\nfunc (b *Bucket) Delete(x string) {}",
	}, "blob.Bucket.Delete takes no access.Grant"},
	"driver below the bucket": {noExceptions, map[string]string{
		"internal/blob/diskblob/diskblob.go": "package diskblob\nfunc (d *Disk) Delete(x string) {}",
		"internal/blob/driver.go":            "package blob\nfunc (o *Other) Delete(x string) {}",
	}, ""},
	"exception": {func(t tree) []string { return lawGrants(t, map[string]string{"vault.Create": "why"}) }, map[string]string{
		"internal/vault/vault.go": "package vault\nfunc Create() {}",
	}, ""},
	"exception outlived": {func(t tree) []string { return lawGrants(t, map[string]string{"vault.Create": "why"}) }, map[string]string{
		"internal/vault/vault.go": "package vault",
	}, "vault.Create: an exception for what does not exist"},
}

func noExceptions(t tree) []string { return lawGrants(t, nil) }

func TestLaws_CatchWhatTheyForbid(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(lawCases)) {
		tt := lawCases[name]
		t.Run(name, func(t *testing.T) {
			faults := tt.law(parseSources(t, tt.sources))
			switch {
			case tt.want == "" && len(faults) > 0:
				t.Errorf("found %q, want nothing", faults)
			case tt.want != "" && !strings.Contains(strings.Join(faults, "\n"), tt.want):
				t.Errorf("found %q, want %q", faults, tt.want)
			}
		})
	}
}

func TestLaws_LinkedTestCode(t *testing.T) {
	got := lawLinked("cmd/x", []string{
		"fmt", "testing", "testing/iotest", "internal/testlog", "example.com/x/httptest",
		module + "/internal/vault", module + "/internal/blob/blobtest", module + "/internal/blob/memblob",
	})
	want := []string{
		"cmd/x links testing", "cmd/x links testing/iotest",
		"cmd/x links " + module + "/internal/blob/blobtest", "cmd/x links " + module + "/internal/blob/memblob",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLaws_DependencyListAndDifference(t *testing.T) {
	got := publicDeps([]string{
		"os", "internal/abi", "crypto/internal/fips140", "vendor/golang.org/x/net/idna",
		module + "/internal/tlog", "golang.org/x/mod/sumdb/note",
	})
	want := []string{module + "/internal/tlog", "golang.org/x/mod/sumdb/note", "os"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	lines := difference([]string{"a", "b"}, []string{"b", "c"})
	if diff := cmp.Diff([]string{"- a", "+ c"}, lines); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
