// Command counterfoil is the server, the agent and the command line of
// Counterfoil in one binary. This file turns the process into an environment;
// wire.go builds the installation from the ground floor up.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	_ "time/tzdata" // policies name time zones that the host may not have

	"golang.org/x/term"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/cli"
)

// version is stamped by the build.
var version string

// Memory: pack buffers are few and large, so the collector must not wait for
// the heap to double; the soft limit leaves room below the 256 MiB promised.
const (
	gcPercent   = 30
	memoryLimit = 190 << 20
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		// One more than there are processors: a goroutine that waits for the
		// disk keeps its place for a while.
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, in io.Reader, out, errs *os.File) int {
	width, _, err := term.GetSize(int(errs.Fd()))
	return cli.Run(ctx, args, cli.Env{
		In: in, Out: out, Err: errs, Getenv: os.Getenv, Now: time.Now, Terminal: err == nil && term.IsTerminal(int(errs.Fd())), Width: width,
		Version: programVersion(),
		Connect: func(ctx context.Context, dataDir string, existing bool) (*api.Client, io.Closer, error) {
			return connect(ctx, dataDir, existing)
		},
		Serve: serve,
	})
}

// programVersion is the stamped version, else the revision that the Go tool
// noted, else a word that says it is neither.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return "dev-" + s.Value
			}
		}
	}
	return "dev"
}
