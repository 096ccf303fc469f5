package main

import (
	"net"
	"os"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// notify tells the service manager that started this process what it does, where
// there is one that asked (sd_notify(3): one datagram to NOTIFY_SOCKET).
func notify(state string) error {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	if rest, abstract := strings.CutPrefix(socket, "@"); abstract {
		socket = "\x00" + rest
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return errkind.Wrap(errkind.Unavailable, err, "reach the service manager")
	}
	_, err = conn.Write([]byte(state))
	if closeErr := conn.Close(); err == nil {
		err = closeErr
	}
	return errkind.Wrap(errkind.Unavailable, err, "tell the service manager %q", state)
}
