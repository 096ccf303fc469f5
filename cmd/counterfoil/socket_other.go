//go:build !unix

package main

import (
	"net"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// listenLocal refuses: nothing here keeps other accounts from a socket.
func listenLocal(string) (net.Listener, error) {
	return nil, errkind.New(errkind.Unsupported, "a server is not available on this system: run it on Linux")
}
