//go:build unix

package durable

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// holdEnv makes the test binary hold the lock it names until killed.
const holdEnv = "DURABLE_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdEnv); path != "" {
		holdUntilKilled(path)
	}
	os.Exit(m.Run())
}

func holdUntilKilled(path string) {
	if _, err := Lock(path, "backup of ledgers"); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	// Standard input closes with the test, so no process outlives it.
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	os.Exit(0)
}

// holdElsewhere lets another process take the lock; kill ends it abruptly.
func holdElsewhere(t *testing.T, path string) (pid int, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+path)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	return cmd.Process.Pid, kill
}

func TestLock_NamesTheHolderAndEndsWithItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	pid, kill := holdElsewhere(t, path)
	_, err := Lock(path, "second")
	if !errkind.Is(err, errkind.Busy) {
		t.Fatalf("error %v has kind %v, want busy", err, errkind.Of(err))
	}
	for _, want := range []string{path, fmt.Sprintf("process %d (backup of ledgers) since 2", pid)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if !ProcessAlive(pid) {
		t.Error("the holder is said to be gone")
	}
	kill()
	if ProcessAlive(pid) {
		t.Error("the holder is said to live on")
	}
	l, err := Lock(path, "second")
	if err != nil {
		t.Fatalf("after the holder was killed: %v", err)
	}
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLock_ExcludesWithinOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Lock(path, "first")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path, "second"); !errkind.Is(err, errkind.Busy) {
		t.Fatalf("second lock: %v, want kind busy", err)
	}
	for range 2 {
		if err := first.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Lock(path, "again")
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLock_UnreadableHolderText(t *testing.T) {
	for _, text := range []string{"", "x", "x\ny\nz\n", "1\nyesterday\nz\n", strings.Repeat("\xff", 9000)} {
		path := filepath.Join(t.TempDir(), "lock")
		l, err := Lock(path, "first")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err = Lock(path, "second")
		if !errkind.Is(err, errkind.Busy) || !strings.Contains(err.Error(), "another process") {
			t.Errorf("holder text %.10q: %v", text, err)
		}
		if err := l.Unlock(); err != nil {
			t.Error(err)
		}
	}
}

func TestLockWait_GetsTheLockWhenTheHolderEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	_, kill := holdElsewhere(t, path)
	got := make(chan error, 1)
	go func() {
		l, err := LockWait(t.Context(), path, "waiter")
		if err == nil {
			err = l.Unlock()
		}
		got <- err
	}()
	kill()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

func TestLockWait_EndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Lock(path, "first")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = LockWait(ctx, path, "second")
	if !errkind.Is(err, errkind.Busy) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "(first)") {
		t.Errorf("error %v has kind %v; want busy, cancelled, naming the holder", err, errkind.Of(err))
	}
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
}
