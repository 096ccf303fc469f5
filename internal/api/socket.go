package api

import (
	"context"
	"net"
	"net/http"
)

// SocketBase is the base to give to [New] with [Socket] and [Handler]: where
// the connection goes is decided by the transport, not by a host's name.
const SocketBase = "http://counterfoil"

// Socket is a transport to the server that listens on the Unix socket at path.
func Socket(path string) *http.Transport {
	var dialer net.Dialer
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
		DisableCompression: true,
	}
}
