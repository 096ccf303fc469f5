// Release makes what is published: for each platform an archive of both programs
// with their bills of materials, Debian packages, and the SHA-256 of each file.
// The same commit, Go and C compiler give the same bytes.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// target is a platform that programs are built for.
type target struct {
	os, arch string
	// cc compiles C; without one the programs are in Go alone.
	cc string
	// libc is the Debian package of the C library that is linked in.
	libc string
}

func (t target) String() string { return t.os + "/" + t.arch }

func targets() []target {
	return []target{
		{"linux", "amd64", compiler("amd64", "x86_64-linux-gnu-gcc"), libc("amd64", "libc6-dev")},
		{"linux", "arm64", compiler("arm64", "aarch64-linux-gnu-gcc"), libc("arm64", "libc6-dev")},
		{"darwin", "amd64", "", ""},
		{"darwin", "arm64", "", ""},
		{"windows", "amd64", "", ""},
	}
}

func compiler(arch, cross string) string {
	if runtime.GOARCH == arch {
		return "gcc"
	}
	return cross
}

func libc(arch, native string) string {
	if runtime.GOARCH == arch {
		return native
	}
	return native + "-" + arch + "-cross"
}

// release is one version's files.
type release struct {
	root, out string
	version   string    // as the programs say it
	at        time.Time // of the commit; every file in every archive has it
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	root := flags.String("root", "..", "the checkout")
	to := flags.String("out", "", "where the files go (default dist/release in the checkout)")
	only := flags.String("targets", "", "comma-separated platforms, as linux/amd64 (default all)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r := release{}
	var err error
	if r.root, err = filepath.Abs(*root); err != nil {
		return err
	}
	if r.out = *to; r.out == "" {
		r.out = filepath.Join(r.root, "dist", "release")
	}
	if r.out, err = filepath.Abs(r.out); err != nil {
		return err
	}
	if r.version, err = r.git(ctx, "describe", "--tags", "--always", "--dirty"); err != nil {
		return err
	}
	seconds := os.Getenv("SOURCE_DATE_EPOCH")
	if seconds == "" {
		if seconds, err = r.git(ctx, "log", "-1", "--format=%ct"); err != nil {
			return err
		}
	}
	epoch, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH %q is no number of seconds", seconds)
	}
	r.at = time.Unix(epoch, 0).UTC()
	wanted, err := chosen(*only)
	if err != nil {
		return err
	}
	if err := r.all(ctx, wanted); err != nil {
		return err
	}
	return r.sums(out)
}

// chosen gives the targets named, all without names.
func chosen(names string) ([]target, error) {
	if names == "" {
		return targets(), nil
	}
	var out []target
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(targets(), func(t target) bool { return t.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no platform %q; there are %v", name, targets())
		}
		out = append(out, targets()[i])
	}
	return out, nil
}

// all makes the files of the targets.
func (r release) all(ctx context.Context, wanted []target) error {
	for _, t := range wanted {
		if t.cc == "" {
			continue
		}
		if _, err := exec.LookPath(t.cc); err != nil {
			return fmt.Errorf("%s needs the C compiler %s (Debian: gcc-%s)", t, t.cc, strings.TrimSuffix(t.cc, "-gcc"))
		}
	}
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, t := range wanted {
		if err := r.target(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

// target builds both programs for a platform and packs them.
func (r release) target(ctx context.Context, t target) error {
	bin := filepath.Join(r.out, ".build", t.os+"-"+t.arch)
	cgo := "0"
	if t.cc != "" {
		cgo = "1"
	}
	make := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", r.root, "build", "BIN="+bin, "VERSION="+r.version)
	make.Env = append(os.Environ(), "GOOS="+t.os, "GOARCH="+t.arch, "CGO_ENABLED="+cgo, "CC="+t.cc)
	if said, err := make.CombinedOutput(); err != nil {
		return fmt.Errorf("make build: %w\n%s", err, said)
	}
	var libc component
	if t.libc != "" {
		said, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", t.libc).Output()
		if err != nil {
			return fmt.Errorf("the version of %s, which is linked in, for the bill of materials: %w", t.libc, err)
		}
		libc = component{name: "glibc", version: string(said)}
	}
	files := []file{
		{from: filepath.Join(r.root, "LICENSE"), to: "LICENSE"},
		{from: filepath.Join(r.root, "README.md"), to: "README.md"},
	}
	for _, program := range []string{"counterfoil", "counterfoil-verify"} {
		name := program
		if t.os == "windows" {
			name += ".exe"
		}
		bom := filepath.Join(bin, program+".cdx.json")
		if err := r.bill(bom, filepath.Join(bin, name), program, libc); err != nil {
			return fmt.Errorf("bill of materials of %s: %w", program, err)
		}
		files = append(files, file{filepath.Join(bin, name), name, 0o755}, file{from: bom, to: program + ".cdx.json"})
	}
	if t.os == "linux" {
		unit := file{from: filepath.Join(r.root, "packaging", "systemd", "counterfoil.service"), to: "counterfoil.service"}
		if err := r.deb(t, append(files, unit)); err != nil {
			return fmt.Errorf("make the Debian package: %w", err)
		}
		files = append(files, unit)
	}
	return r.archive(t, files)
}

// sums writes the SHA-256 of every file, as sha256sum does, last: a folder without
// them is no whole release.
func (r release) sums(out io.Writer) error {
	if err := os.RemoveAll(filepath.Join(r.out, ".build")); err != nil {
		return err
	}
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var lines strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	if err := os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(lines.String()), 0o644); err != nil {
		return err
	}
	_, err = io.WriteString(out, lines.String())
	return err
}

func (r release) git(ctx context.Context, args ...string) (string, error) {
	said, err := exec.CommandContext(ctx, "git", append([]string{"-C", r.root}, args...)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, exit.Stderr)
	}
	return strings.TrimSpace(string(said)), err
}
