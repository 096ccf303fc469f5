// Package cli is the command line: one file per command, noun first.
//
// A command reads its arguments, calls the api client and prints the answer: a
// table for people, or JSON or YAML of the same names for programs. It holds
// no business rules. What must always be true: results go to the output and
// everything else to the error output; names that people or attackers chose
// never reach a terminal raw; the exit code tells what happened (see [Run]).
// Where the client's server is, in this process or behind a socket, is decided
// by Env.Connect.
package cli

import (
	"context"
	"io"
	"time"

	"github.com/counterfoil/counterfoil/internal/api"
)

// Env is what the command line needs of its process. In, Out, Err, Getenv,
// Now and Connect must be set.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Now      func() time.Time
	// Zone is the zone in which times are shown; nil means the local one.
	Zone *time.Location
	// Terminal says that Err is a terminal; Width is its width, 0 if unknown.
	Terminal bool
	Width    int
	Version  string
	// Connect gives a client for the data directory. The closer is closed when
	// the command has done; existing refuses a data directory in which nothing is yet.
	Connect func(ctx context.Context, dataDir string, existing bool) (*api.Client, io.Closer, error)
	// Stat fails for a path of this host that is not there; nil asks the system.
	Stat func(path string) error
	// Serve runs the server until the context ends.
	Serve func(ctx context.Context, dataDir string) error
}

// The exit codes, part of the interface.
const (
	exitDone          = 0
	exitFailed        = 1
	exitUsage         = 2 // the command line or what it names is no use
	exitIncomplete    = 3 // done, but for something that was skipped
	exitRefused       = 4 // by retention, a hold or a lock
	exitNeedsApproval = 5
	exitNotAllowed    = 6
)

// Run runs one command and returns the exit code of the process: 0 done, 1
// failed, 2 usage or invalid input, 3 incomplete, 4 refused by retention or a
// lock, 5 needs approval, 6 not allowed. When ctx ends, the command stops and
// says what is kept.
func Run(ctx context.Context, args []string, env Env) int {
	s := newSession(env)
	root := newRoot(s)
	root.SetArgs(append([]string{}, args...))
	err := root.ExecuteContext(ctx)
	if !s.began && err != nil {
		err = asUsage(root, err)
	}
	if err == nil {
		err = s.out.flushed()
	}
	if err == nil {
		return exitDone
	}
	return s.fail(ctx, err)
}
