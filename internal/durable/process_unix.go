//go:build unix

package durable

import (
	"errors"
	"syscall"
)

// ProcessAlive reports whether a process with this id runs on this host. One of
// another user counts.
func ProcessAlive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
