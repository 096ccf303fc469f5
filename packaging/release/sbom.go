package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"os"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// component is something linked into a program that Go does not know of.
type component struct{ name, version string }

// bill writes the bill of materials of a program, CycloneDX 1.6, from what the
// program itself says it was built of.
func (r release) bill(path, binary, program string, libc component) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	self := cdx.Component{BOMRef: "program", Type: cdx.ComponentTypeApplication, Name: program, Version: r.version,
		PackageURL: "pkg:golang/" + info.Main.Path + "@" + r.version + "#cmd/" + program,
		Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%x", sum)}},
		Licenses:   &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}}
	parts := []cdx.Component{library("std", strings.TrimPrefix(info.GoVersion, "go"), "")}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		parts = append(parts, library(m.Path, m.Version, m.Sum))
	}
	if libc.name != "" {
		parts = append(parts, cdx.Component{BOMRef: "pkg:deb/debian/glibc@" + libc.version, Type: cdx.ComponentTypeLibrary, Name: libc.name, Version: libc.version,
			PackageURL: "pkg:deb/debian/glibc@" + libc.version, Licenses: &cdx.Licenses{{License: &cdx.License{ID: "LGPL-2.1-or-later"}}}})
	}
	refs := make([]string, len(parts))
	for i, c := range parts {
		refs[i] = c.BOMRef
	}
	bom := cdx.NewBOM()
	// The number follows from the program, so that the same program has the same bill.
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, sum[:]).URN()
	bom.Metadata = &cdx.Metadata{Timestamp: r.at.Format(time.RFC3339), Component: &self}
	bom.Components = &parts
	bom.Dependencies = &[]cdx.Dependency{{Ref: self.BOMRef, Dependencies: &refs}}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := cdx.NewBOMEncoder(out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

func library(path, version, sum string) cdx.Component {
	url := "pkg:golang/" + path + "@" + version
	c := cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: url}
	if sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go:sum", Value: sum}}
	}
	return c
}
