package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

const (
	anonInterval = 20 * time.Millisecond
	outputKept   = 1 << 20
	messageKept  = 400
)

// command is a program to start with its surroundings. Env is all that it
// gets: nothing of the caller's own configuration leaks into a figure.
type command struct {
	args []string
	dir  string
	env  []string
	as   *account // nil: as we are
}

// account is another user to run a command as.
type account struct{ uid, gid uint32 }

// usage is what a command took, with the processes it started and waited for.
type usage struct {
	wall, cpu time.Duration
	peak      int64 // the largest resident set of a single process
	anon      int64 // the largest anonymous part seen of the command's own process
}

// launcher starts commands one at a time and measures them.
type launcher struct {
	work    workDir
	timeout time.Duration
	now     func() time.Time
}

func newLauncher(work workDir, timeout time.Duration, now func() time.Time) *launcher {
	becomeReaper()
	return &launcher{work: work, timeout: timeout, now: now}
}

// run starts a command, waits for its end and that of what it left behind.
func (l *launcher) run(ctx context.Context, c command) (usage, string, error) {
	// The system lets a child begin with the peak of the process that made it.
	debug.FreeOSMemory()
	lowerPeak()
	ctx, stop := context.WithTimeoutCause(ctx, l.timeout, fmt.Errorf("took longer than %s", l.timeout))
	defer stop()
	// The child dies with the thread that made it, if we are killed.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	out, errs, err := l.outputs()
	if err != nil {
		return usage{}, "", err
	}
	defer closeAll(out, errs)
	cmd := l.build(ctx, c, out, errs)
	start := l.now()
	if err := cmd.Start(); err != nil {
		return usage{}, "", err
	}
	sampled := sampleAnon(cmd.Process.Pid)
	err = cmd.Wait()
	used := usage{wall: l.now().Sub(start), anon: sampled()}
	used.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	used.peak = peakOf(cmd.ProcessState)
	left := reapOrphans()
	used.cpu += left.cpu
	used.peak = max(used.peak, left.peak)
	text := readStart(out)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return used, text, fmt.Errorf("%s: %w: %s", filepath.Base(c.args[0]), err, lastWords(readEnd(errs)+"\n"+text))
	}
	return used, text, nil
}

func (l *launcher) build(ctx context.Context, c command, out, errs *os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	if cmd.Dir == "" {
		cmd.Dir = l.work.path
	}
	cmd.Env = c.env
	// Files, not pipes: copying a chatty tool's output would cost time here.
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.SysProcAttr = childAttr(c.as)
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	return cmd
}

func (l *launcher) outputs() (out, errs *os.File, err error) {
	if out, err = os.Create(filepath.Join(l.work.logs(), "stdout")); err != nil {
		return nil, nil, err
	}
	if errs, err = os.Create(filepath.Join(l.work.logs(), "stderr")); err != nil {
		return nil, nil, errors.Join(err, out.Close())
	}
	return out, errs, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close() // read already; nothing is lost
	}
}

// sampleAnon watches a process until the function it returns is called, which
// gives the largest anonymous memory seen.
func sampleAnon(pid int) func() int64 {
	done := make(chan struct{})
	most := make(chan int64, 1)
	go func() {
		tick := time.NewTicker(anonInterval)
		defer tick.Stop()
		var peak int64
		for {
			select {
			case <-done:
				most <- peak
				return
			case <-tick.C:
				peak = max(peak, anonOf(pid))
			}
		}
	}()
	return func() int64 {
		close(done)
		return <-most
	}
}

func readStart(f *os.File) string {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, outputKept))
	if err != nil {
		return ""
	}
	return string(b)
}

func readEnd(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	from := max(0, info.Size()-outputKept)
	b, err := io.ReadAll(io.NewSectionReader(f, from, outputKept))
	if err != nil {
		return ""
	}
	return string(b)
}

// lastWords is the end of what a failed command said, on one line.
func lastWords(text string) string {
	text = strings.Join(strings.Fields(string(bytes.ToValidUTF8([]byte(text), []byte("?")))), " ")
	if len(text) > messageKept {
		return "..." + text[len(text)-messageKept:]
	}
	return text
}
