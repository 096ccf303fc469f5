//go:build unix

package durable

import (
	"errors"
	"os"
	"syscall"
)

// flock takes the exclusive lock of f or fails with EWOULDBLOCK.
func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
