package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	engineKind = "counterfoil"
	// passphrase is the same for every tool; it guards nothing.
	passphrase = "bench-passphrase-of-no-worth"
)

var toolKinds = []string{engineKind, "restic", "borg", "kopia", "plakar"}

// place is where one tool keeps its things in one run.
type place struct {
	program string
	root    string // all of the tool's own
	store   string // what counts as stored
	source  string // what is backed up
}

func placeOf(program, root, source string) place {
	return place{program: program, root: root, store: filepath.Join(root, "store"), source: source}
}

func (p place) in(name string) string { return filepath.Join(p.root, name) }

// env is the surroundings that every tool gets: a path to find helpers on, and
// a home of its own.
func (p place) env(more ...string) []string {
	base := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.in("home"), "LANG=C.UTF-8", "TZ=UTC", "TMPDIR=" + p.in("tmp"),
		"XDG_CACHE_HOME=" + p.in("cache"), "XDG_CONFIG_HOME=" + p.in("config"), "XDG_DATA_HOME=" + p.in("share"),
	}
	return append(base, more...)
}

func (p place) command(args ...string) command {
	return command{args: append([]string{p.program}, args...), env: p.env()}
}

// recipe is how one program is told to do the steps.
type recipe interface {
	version() []string
	// prepare makes an empty store; it is not measured.
	prepare(p place) []command
	// backup takes the n-th state of the source, from 1.
	backup(p place, n int) command
	// restore writes the n-th, which is the newest, into an empty folder.
	restore(p place, n int, to string) command
	// verify reads back every byte in the store.
	verify(p place) command
}

// tool is a program found on this machine.
type tool struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Path    string `json:"path"`
	Version string `json:"version"`

	recipe recipe
}

func recipeOf(kind string) recipe {
	switch kind {
	case "restic":
		return resticRecipe{}
	case "borg":
		return borgRecipe{}
	case "kopia":
		return kopiaRecipe{}
	case "plakar":
		return plakarRecipe{}
	default:
		return engineRecipe{}
	}
}

// findTools gives the engine first, then the peers that are there.
func findTools(ctx context.Context, l *launcher, o options, log io.Writer) ([]tool, error) {
	var tools []tool
	for _, name := range toolNames(o) {
		if o.only != nil && !slices.Contains(o.only, name) {
			continue
		}
		kind, _, _ := strings.Cut(name, ":")
		t := tool{Name: name, Kind: kind, Path: o.paths[name], recipe: recipeOf(kind)}
		var err error
		switch {
		case t.Path != "":
		case kind == engineKind:
			t.Path, err = buildEngine(ctx, l)
		default:
			t.Path, err = exec.LookPath(kind)
		}
		if errors.Is(err, exec.ErrNotFound) {
			say(log, "bench: %s is not here and takes no part (--tool %s=PATH names it)", name, name)
			continue
		}
		if err != nil {
			return nil, err
		}
		t.Version, err = versionOf(ctx, l, t)
		if err != nil {
			return nil, fmt.Errorf("ask %s for its version: %w", name, err)
		}
		tools = append(tools, t)
	}
	if len(tools) == 0 {
		return nil, errors.New("no tool to measure")
	}
	return tools, nil
}

// toolNames lists the tools to look for: the known ones in their order, each
// followed by its other builds.
func toolNames(o options) []string {
	var names []string
	given := slices.Sorted(maps.Keys(o.paths))
	for _, kind := range toolKinds {
		names = append(names, kind)
		for _, name := range given {
			if strings.HasPrefix(name, kind+":") {
				names = append(names, name)
			}
		}
	}
	if o.growth != nil {
		return []string{engineKind}
	}
	return names
}

// buildEngine builds the program from this tree by `make build`. The
// environment may ask for more, such as GOAMD64=v3 or CGO_ENABLED=0.
func buildEngine(ctx context.Context, l *launcher) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	tool, err := exec.LookPath("make")
	if err != nil {
		return "", err
	}
	path := l.work.program(engineKind)
	if _, _, err := l.run(ctx, command{args: []string{tool, "-s", "build", "BIN=" + filepath.Dir(path)}, dir: root, env: os.Environ()}); err != nil {
		return "", fmt.Errorf("build the engine: %w", err)
	}
	return path, nil
}

// moduleRoot is the nearest folder upwards with a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("build the engine: not within its source; --tool counterfoil=PATH names a build")
		}
	}
}

func versionOf(ctx context.Context, l *launcher, t tool) (string, error) {
	p := placeOf(t.Path, l.work.site("version", t.Name, 0), "")
	if err := makeSite(p); err != nil {
		return "", err
	}
	_, out, err := l.run(ctx, p.command(t.recipe.version()...))
	line, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return strings.Join(strings.Fields(line), " "), err
}

// makeSite makes the folders that a tool gets.
func makeSite(p place) error {
	for _, dir := range []string{"home", "tmp", "cache", "config", "share"} {
		if err := os.MkdirAll(p.in(dir), 0o755); err != nil {
			return err
		}
	}
	return nil
}
