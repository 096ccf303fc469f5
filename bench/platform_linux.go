package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// orphanPatience is how long helpers that a tool left behind may go on; some
// end by themselves after a few idle seconds.
const orphanPatience = 10 * time.Second

// accountOf finds a user, nil when there is none of that name.
func accountOf(name string) *account {
	u, err := user.Lookup(name)
	if err != nil {
		return nil
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		return nil
	}
	return &account{uint32(uid), uint32(gid)}
}

func childAttr(as *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if as != nil {
		attr.Credential = &syscall.Credential{Uid: as.uid, Gid: as.gid}
	}
	return attr
}

func killGroup(pid int) error { return unix.Kill(-pid, unix.SIGKILL) }

// peakOf is the largest resident set of the process and of those it waited
// for, which the kernel counts in KiB.
func peakOf(s *os.ProcessState) int64 {
	if ru, ok := s.SysUsage().(*syscall.Rusage); ok {
		return ru.Maxrss << 10
	}
	return 0
}

// lowerPeak makes our own peak our present size. Without leave it does
// nothing; the figures of small programs then have ours as their floor.
func lowerPeak() {
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func anonOf(pid int) int64 {
	return procKiB(fmt.Sprintf("/proc/%d/status", pid), "RssAnon:")
}

// procKiB reads one line "Name: N kB" of a file in /proc, as bytes.
func procKiB(path, name string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	_, rest, found := strings.Cut(string(b), name)
	if fields := strings.Fields(rest); found && len(fields) > 0 {
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err == nil {
			return n << 10
		}
	}
	return 0
}

// becomeReaper makes daemons that a tool starts ours to wait for.
func becomeReaper() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// reapOrphans waits for what a command left running and ends it when that
// takes too long. It must not run while a child is meant to be there.
func reapOrphans() (left usage) {
	killed := false
	for waited := time.Duration(0); ; waited += anonInterval {
		var ru unix.Rusage
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, &ru)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return left
		case pid > 0:
			left.cpu += time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
			left.peak = max(left.peak, ru.Maxrss<<10)
		case waited > orphanPatience && !killed:
			killed = true
			killChildren()
		case waited > 2*orphanPatience:
			return left
		default:
			time.Sleep(anonInterval)
		}
	}
}

func killChildren() {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
				_ = unix.Kill(pid, unix.SIGKILL) // it may just have ended
			}
		}
	}
}

// syncFS writes out all that waits for the file system of a path.
func syncFS(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return unix.Syncfs(int(f.Fd()))
}

func freeSpace(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// fsName is the kind of file system that a path lies on.
func fsName(path string) string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "unknown"
	}
	longest, kind := -1, "unknown"
	for _, line := range strings.Split(string(mounts), "\n") {
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) < longest {
			continue
		}
		if f[1] == "/" || path == f[1] || strings.HasPrefix(path, f[1]+"/") {
			longest, kind = len(f[1]), f[2]
		}
	}
	return kind
}

func processorName() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for _, line := range strings.Split(string(b), "\n") {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func memoryTotal() int64 { return procKiB("/proc/meminfo", "MemTotal:") }

// loadNow is how many tasks wanted a processor in the last minute.
func loadNow() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return load
}
