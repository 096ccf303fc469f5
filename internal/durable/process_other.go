//go:build !unix

package durable

import "os"

// ProcessAlive reports whether a process with this id runs on this host.
func ProcessAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	_ = p.Release() // only a handle
	return true
}
