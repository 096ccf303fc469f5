package durable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// lockPoll is how often LockWait tries again.
const lockPoll = 100 * time.Millisecond

// FileLock is an exclusive lock held by this process. The operating system
// releases it when the process ends in whatever way, so a lock is never stale;
// the text in the file is for people and decides nothing.
type FileLock struct {
	f *os.File
}

// Holder is who holds a lock, as recorded in its file.
type Holder struct {
	PID     int
	Purpose string
	Since   time.Time
}

// String describes the holder for a message.
func (h Holder) String() string {
	if h.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d (%s) since %s", h.PID, h.Purpose, h.Since.Format(time.RFC3339))
}

// Lock takes the exclusive lock of the file path, made if missing, and records
// pid and purpose ("backup of ledgers") in it. When somebody holds it already,
// this process included, it fails at once with errkind.Busy and names them.
// The file stays when the lock is released: removing it would let two
// processes lock two files of one name.
func Lock(path, purpose string) (*FileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, Classify(fmt.Errorf("lock %s: %w", path, err))
	}
	err = flock(f)
	if err != nil {
		holder := readHolder(f)
		closeErr := f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errkind.New(errkind.Busy, "%s is locked by %s", path, holder)
		}
		return nil, Classify(fmt.Errorf("lock %s: %w", path, errors.Join(err, closeErr)))
	}
	recordHolder(f, purpose)
	return &FileLock{f: f}, nil
}

// LockWait takes the lock as [Lock] does, waiting for its holder. When ctx
// ends first it fails with errkind.Busy, names the holder and wraps the
// context's error.
func LockWait(ctx context.Context, path, purpose string) (*FileLock, error) {
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		l, err := Lock(path, purpose)
		if err == nil || !errkind.Is(err, errkind.Busy) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, errkind.Wrap(errkind.Busy, ctx.Err(), "wait: %v", err)
		case <-ticker.C:
		}
	}
}

// Unlock releases the lock. A second call does nothing.
func (l *FileLock) Unlock() error {
	if l.f == nil {
		return nil
	}
	// Best effort: the text decides nothing.
	_ = l.f.Truncate(0)
	err := l.f.Close()
	l.f = nil
	return Classify(err)
}

// recordHolder writes who we are. It ignores errors: a full disk must not stop
// work that would free it, and the lock itself is held.
func recordHolder(f *os.File, purpose string) {
	purpose = strings.ReplaceAll(purpose, "\n", " ")
	text := fmt.Sprintf("%d\n%s\n%s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339), purpose)
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(text), 0)
	}
}

// readHolder reads what the holder recorded; the zero Holder stands for one
// that has not written yet or could not.
func readHolder(f *os.File) Holder {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	if err != nil {
		return Holder{}
	}
	lines := strings.SplitN(strings.TrimSuffix(string(b), "\n"), "\n", 3)
	if len(lines) != 3 {
		return Holder{}
	}
	pid, err := strconv.Atoi(lines[0])
	if err != nil {
		return Holder{}
	}
	since, err := time.Parse(time.RFC3339, lines[1])
	if err != nil {
		return Holder{}
	}
	return Holder{PID: pid, Purpose: lines[2], Since: since}
}
