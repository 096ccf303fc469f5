package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// session is one run of one command.
type session struct {
	env   Env
	out   *output
	flags globals

	// began says that the command line was understood: errors from here on are
	// not about usage unless they say so.
	began bool
	// kept says what is kept when the command is stopped.
	kept string
	// missing is the hint for something named that is not there.
	missing string
}

// globals are the flags that every command takes.
type globals struct {
	data     string
	output   string
	json     bool
	progress string
	quiet    bool
}

func newSession(env Env) *session {
	if env.Zone == nil {
		env.Zone = time.Local
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Getenv == nil {
		env.Getenv = os.Getenv
	}
	if env.Stat == nil {
		env.Stat = func(path string) error { _, err := os.Stat(path); return err }
	}
	return &session{env: env, out: &output{w: env.Out}}
}

// begin checks the global flags, before any command runs.
func (s *session) begin() error {
	f := &s.flags
	switch {
	case f.json && f.output != "" && f.output != formatJSON:
		return usagef("--json and --output %s contradict each other", f.output)
	case f.json:
		f.output = formatJSON
	case f.output == "":
		f.output = formatTable
	}
	switch f.output {
	case formatTable, formatJSON, formatYAML:
	default:
		return usagef("--output %s: want table, json or yaml", safe(f.output))
	}
	switch f.progress {
	case progressAuto, progressBar, progressPlain, progressJSON, progressNone:
	default:
		return usagef("--progress %s: want auto, bar, plain, json or none", safe(f.progress))
	}
	s.began = true
	return nil
}

// dataDir is the data directory: the flag, the environment, or where such
// things are kept on this system.
func (s *session) dataDir() (string, error) {
	dir := s.flags.data
	if dir == "" {
		dir = s.env.Getenv("COUNTERFOIL_DATA")
	}
	if dir == "" {
		dir = defaultDataDir(s.env.Getenv, os.Geteuid())
	}
	if dir == "" {
		return "", usagef("there is no home directory to keep data in; name a data directory with --data or COUNTERFOIL_DATA")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", errkind.Wrap(errkind.Invalid, err, "data directory %s", dir)
	}
	return abs, nil
}

func defaultDataDir(getenv func(string) string, euid int) string {
	if euid == 0 {
		return "/var/lib/counterfoil"
	}
	// The XDG specification says to ignore a path that is not absolute.
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "counterfoil")
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "counterfoil")
	}
	return ""
}

// need says whether a command works with an installation that is there, or may
// make one. Only a few make one: a mistyped --data must not leave a folder behind.
type need bool

const (
	existing need = true
	beginner need = false
)

// with connects, calls fn and disconnects.
func (s *session) with(ctx context.Context, n need, fn func(*api.Client) error) (err error) {
	dir, err := s.dataDir()
	if err != nil {
		return err
	}
	client, closer, err := s.env.Connect(ctx, dir, bool(n))
	if err != nil {
		s.missing = "" // it would name the command's object, not the installation
		return err
	}
	defer func() { err = closed(closer, err) }()
	return fn(client)
}

func closed(c io.Closer, err error) error {
	if c == nil {
		return err
	}
	if cerr := c.Close(); err == nil {
		return cerr
	}
	return err
}

// ask connects and makes one call.
func ask[T any](ctx context.Context, s *session, n need, call func(*api.Client) (T, error)) (out T, err error) {
	err = s.with(ctx, n, func(c *api.Client) error {
		out, err = call(c)
		return err
	})
	return out, err
}

// follow connects and makes one long call, showing its progress.
func follow[T any](ctx context.Context, s *session, n need, call func(*api.Client, func(api.Event)) (T, error)) (out T, err error) {
	err = s.with(ctx, n, func(c *api.Client) error {
		p := s.newProgress()
		defer p.stop()
		out, err = call(c, p.event)
		return err
	})
	return out, err
}

// absolute makes a path of this process one that a server understands too.
func absolute(path string) (string, error) {
	abs, err := filepath.Abs(path)
	return abs, errkind.Wrap(errkind.Invalid, err, "path %s", path)
}
