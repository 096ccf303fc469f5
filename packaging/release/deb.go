package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
)

// deb makes a Debian package. Removing or purging it never touches
// /var/lib/counterfoil: backups outlive the program.
func (r release) deb(t target, list []file) (err error) {
	scripts := filepath.Join(r.root, "packaging", "deb")
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "counterfoil", Arch: t.arch, Platform: "linux", Version: debVersion(r.version, r.at.Format("20060102.150405")), VersionSchema: "none",
		Section: "admin", Priority: "optional", Maintainer: "The Counterfoil authors <packages@counterfoil.example>",
		Description: "backups that can be proved\n Deduplicated encrypted backup with retention that storage enforces, legal\n holds, a tamper-evident audit log and evidence that verifies offline.",
		License:     "Apache-2.0", MTime: r.at,
		Overridables: nfpm.Overridables{
			Deb: nfpm.Deb{Compression: "xz"},
			Scripts: nfpm.Scripts{PostInstall: filepath.Join(scripts, "postinst"), PreRemove: filepath.Join(scripts, "prerm"),
				PostRemove: filepath.Join(scripts, "postrm")},
		},
	})
	for _, f := range list {
		info.Contents = append(info.Contents, &files.Content{Source: f.from, Destination: installed(f.to), FileInfo: &files.ContentFileInfo{Mode: f.perm(), MTime: r.at, Owner: "root", Group: "root"}})
	}
	if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(r.out, deb.Default.ConventionalFileName(info)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return deb.Default.Package(info, out)
}

// installed is where the package puts a file.
func installed(name string) string {
	switch {
	case name == "counterfoil" || name == "counterfoil-verify":
		return "/usr/bin/" + name
	case strings.HasSuffix(name, ".service"):
		return "/usr/lib/systemd/system/" + name
	case name == "LICENSE":
		return "/usr/share/doc/counterfoil/copyright"
	default:
		return "/usr/share/doc/counterfoil/" + name
	}
}

var numbered = regexp.MustCompile(`^v(\d.*)$`)

// debVersion orders what was built between releases by its time, below every
// release: Debian's versions begin with a digit.
func debVersion(version, at string) string {
	if m := numbered.FindStringSubmatch(version); m != nil {
		return strings.NewReplacer("-rc", "~rc", "-", "+").Replace(m[1])
	}
	return "0~" + at + "." + strings.ReplaceAll(version, "-", ".")
}
