//go:build unix

package main

import (
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// listenLocal listens on a socket that only this account can reach, from its first
// moment. Nothing else may make files meanwhile.
func listenLocal(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errkind.Wrap(errkind.Unavailable, err, "remove the socket of a server that is gone")
	}
	mask := syscall.Umask(0o177)
	listener, err := net.Listen("unix", path)
	syscall.Umask(mask)
	if err != nil {
		return nil, errkind.Wrap(errkind.Unavailable, err, "listen on %s", path)
	}
	return listener, nil
}
