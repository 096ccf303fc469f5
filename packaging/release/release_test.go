package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// TestRelease makes a release of this platform twice, from two folders, and looks
// into what was made. In long mode the second build has a compiler cache of its own.
func TestRelease(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("packages are made on Linux")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1790000000")
	first, second := t.TempDir(), t.TempDir()
	only := "linux/" + runtime.GOARCH
	if err := run(t.Context(), []string{"-root", root, "-out", first, "-targets", only}, io.Discard); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	must(t, "cp", "-a", root, elsewhere)
	if os.Getenv("COUNTERFOIL_LONG") != "" {
		t.Setenv("GOCACHE", t.TempDir())
	}
	if err := run(t.Context(), []string{"-root", elsewhere, "-out", second, "-targets", only}, io.Discard); err != nil {
		t.Fatal(err)
	}
	sums := read(t, filepath.Join(first, "SHA256SUMS"))
	if again := read(t, filepath.Join(second, "SHA256SUMS")); !bytes.Equal(sums, again) {
		t.Errorf("two builds differ:\n%s\n%s", sums, again)
	}
	lines := strings.Split(strings.TrimSpace(string(sums)), "\n")
	if len(lines) != 2 {
		t.Fatalf("made %q, want an archive and a Debian package", lines)
	}
	for _, line := range lines {
		sum, name, _ := strings.Cut(line, "  ")
		if got := fmt.Sprintf("%x", sha256.Sum256(read(t, filepath.Join(first, name)))); got != sum {
			t.Errorf("%s has the sum %s, and is said to have %s", name, got, sum)
		}
	}

	installed := t.TempDir()
	must(t, "dpkg-deb", "-x", single(t, first, "*.deb"), installed)
	unpacked := t.TempDir()
	must(t, "tar", "-xzf", single(t, first, "*.tar.gz"), "-C", unpacked, "--strip-components=1")
	for _, program := range []string{"counterfoil", "counterfoil-verify"} {
		path := filepath.Join(installed, "usr/bin", program)
		if !bytes.Equal(read(t, path), read(t, filepath.Join(unpacked, program))) {
			t.Errorf("%s differs between the archive and the package", program)
		}
		wantStatic(t, path)
		wantBill(t, path, filepath.Join(unpacked, program+".cdx.json"))
	}
	must(t, filepath.Join(installed, "usr/bin/counterfoil"), "version")
	if _, err := os.Stat(filepath.Join(installed, "usr/lib/systemd/system/counterfoil.service")); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"postinst", "prerm", "postrm"} {
		script := filepath.Join(root, "packaging/deb", name)
		must(t, "sh", "-n", script)
		if strings.Contains(string(read(t, script)), "rm ") {
			t.Errorf("%s removes something: backups outlive the program", name)
		}
	}
}

func TestDebVersion(t *testing.T) {
	for _, c := range []struct{ version, want string }{
		{"v1.2.3", "1.2.3"},
		{"v1.2.3-rc.1", "1.2.3~rc.1"},
		{"v1.2.3-4-gabcdef0", "1.2.3+4+gabcdef0"},
		{"abcdef0", "0~20260922.abcdef0"},
		{"abcdef0-dirty", "0~20260922.abcdef0.dirty"},
	} {
		if got := debVersion(c.version, "20260922"); got != c.want {
			t.Errorf("debVersion(%q) = %q, want %q", c.version, got, c.want)
		}
	}
	for _, older := range [][2]string{{"0~20260922.abcdef0", "0~20260923.0000000"}, {"0~20260922.abcdef0", "0.1.0"}, {"1.2.3~rc.1", "1.2.3"}, {"1.2.3", "1.2.3+4+gabcdef0"}, {"1.2.3+4+gabcdef0", "1.2.4"}} {
		must(t, "dpkg", "--compare-versions", older[0], "lt", older[1])
	}
}

func TestChosen_NamesWhatThereIs(t *testing.T) {
	_, err := chosen("linux/amd64,plan9/mips")
	if err == nil || !strings.Contains(err.Error(), `"plan9/mips"`) || !strings.Contains(err.Error(), "linux/arm64") {
		t.Errorf("a platform that is not there: %v", err)
	}
}

// wantStatic fails for a program that needs anything of the host.
func wantStatic(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s needs a loader of the host", path)
		}
	}
	if libs, err := f.ImportedLibraries(); err != nil || len(libs) > 0 {
		t.Errorf("%s needs %v, %v", path, libs, err)
	}
}

// wantBill fails unless the bill names the program's bytes and each module in it.
func wantBill(t *testing.T, binary, path string) {
	t.Helper()
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(read(t, path)), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	hashes := bom.Metadata.Component.Hashes
	if want := fmt.Sprintf("%x", sha256.Sum256(read(t, binary))); hashes == nil || (*hashes)[0].Value != want {
		t.Errorf("%s is not of these bytes", path)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"glibc", "std"}
	for _, m := range info.Deps {
		want = append(want, m.Path)
	}
	var got []string
	for _, c := range *bom.Components {
		got = append(got, c.Name)
		if c.Version == "" {
			t.Errorf("%s: %s has no version", path, c.Name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s lists %v, the program has %v", path, got, want)
	}
}

func must(t *testing.T, name string, args ...string) {
	t.Helper()
	if said, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, said)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// single gives the one file of a folder that matches.
func single(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}
